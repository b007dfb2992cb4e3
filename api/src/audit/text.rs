//! A session's state in words, for a terminal.

use projections::replay::{LegAt, SessionAt, StreamAt};
use projections::timelines::Entry;
use std::fmt::Write;

/// One line: what the event was, and how the session stands after it.
pub(super) fn brief(entry: &Entry, state: &SessionAt) -> String {
    let mut said = vec![status(state)];
    for leg in &state.legs {
        said.push(leg_in_short(state, leg));
    }
    if let Some(change) = &state.change {
        said.push(format!("{} asked for by {}", change.change, change.role));
    }
    if state.transfer.is_some() {
        said.push("a transfer on its way".to_owned());
    }
    clean(&format!("{:>9}  {} · {}", entry.revision, entry.event, said.join(" · "))) + "\n"
}

/// The state in full, a block of lines.
pub(super) fn whole(state: &SessionAt) -> String {
    let mut rows = Rows::default();
    let last = &state.last_event;
    rows.add(
        "state after",
        format!("{} of {} (revision {}, position {})", last.event, last.at, last.revision, last.position),
    );
    rows.add("", last.text.clone());
    rows.add("until", state.next_at.clone().unwrap_or_else(|| "nothing happened since".to_owned()));
    rows.add(
        "session",
        format!("{}{}", state.session, state.account.map(|id| format!(" of {id}")).unwrap_or_default()),
    );
    rows.add("status", status(state));
    if let (Some(caller), Some(called)) = (&state.caller, &state.called) {
        let call_id = state.call_id.as_deref().unwrap_or_default();
        rows.add("parties", format!("{caller} calls {called} · Call-ID {call_id}"));
    }
    if let Some(rule) = &state.route_rule {
        rows.add("routed by", rule.clone());
    }
    for leg in &state.legs {
        rows.leg(state, leg);
    }
    if let Some(change) = &state.change {
        rows.add("change", format!("{} asked for by {}, not answered", change.change, change.role));
    }
    if let Some(transfer) = &state.transfer {
        let joins = transfer.joins.map(|id| format!(", joins by {id}")).unwrap_or_default();
        rows.add("transfer", format!("asked for by {}{joins}", role_of(state, transfer.by)));
    }
    for timer in &state.timers {
        rows.add("timer", format!("{} of {} at {}", timer.timer, timer.role, timer.ends_at));
    }
    rows.text
}

/// Lines with a name each, aligned.
#[derive(Default)]
struct Rows {
    text: String,
}

impl Rows {
    fn add(&mut self, name: &str, value: String) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "  {name:<12} {}", clean(&value));
    }

    fn leg(&mut self, state: &SessionAt, leg: &LegAt) {
        let trunk = leg.trunk.map(|trunk| format!(", trunk {trunk}")).unwrap_or_default();
        self.add(&leg.role, format!("{} {}{trunk} · {}", leg.direction, leg.leg, standing(state, leg)));
        for stream in &leg.media {
            self.add("", media(stream));
        }
        if let Some(offer) = &leg.offer {
            self.add("", format!("offer of the {} since {}: {}", offer.by, offer.since, offer.says.join(", ")));
        }
    }
}

fn status(state: &SessionAt) -> String {
    let mode = state.mode.as_ref().map(|mode| format!(", {mode}")).unwrap_or_default();
    let ended = state.ended.as_ref().map(|ended| format!(": {ended}")).unwrap_or_default();
    format!("{}{ended}{mode}", state.status)
}

fn leg_in_short(state: &SessionAt, leg: &LegAt) -> String {
    format!("{} {}", leg.role, standing(state, leg))
}

fn standing(state: &SessionAt, leg: &LegAt) -> String {
    let mut said = leg.status.to_owned();
    if let Some(other) = leg.talks_with {
        let _ = write!(said, ", talks with {}", role_of(state, other));
    }
    for why in [&leg.refused, &leg.released].into_iter().flatten() {
        let _ = write!(said, " ({why})");
    }
    said
}

fn role_of(state: &SessionAt, leg: domain::ids::LegId) -> &str {
    state.legs.iter().find(|known| known.leg == leg).map_or("another leg", |known| &known.role)
}

fn media(stream: &StreamAt) -> String {
    let told = stream.told.map(|told| format!(", is told {told}")).unwrap_or_default();
    let at = stream.wants_at.as_ref().map(|at| format!(", wants it at {at}")).unwrap_or_default();
    let port = stream.port.map(|port| format!(", sends it to port {port}")).unwrap_or_default();
    let latched = stream.latched.as_ref().map(|source| format!(", latched to {source}")).unwrap_or_default();
    let silent = if stream.silent { ", silent" } else { "" };
    format!("{} {}: says {}{told}{at}{port}{latched}{silent}", stream.kind, stream.stream, stream.says)
}

/// Without control characters: what a peer wrote must not steer a terminal.
pub(super) fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '·' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_peer_wrote_does_not_steer_the_terminal() {
        let mut rows = Rows::default();
        rows.add("parties", "\x1b[31mred\r\n".to_owned());
        assert_eq!(rows.text, "  parties      ·[31mred··\n");
    }
}
