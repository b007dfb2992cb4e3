//! What a ladder shows, before it is text or picture.

use crate::timelines::{Entry, Timeline};
use domain::session::event::Way;

/// Callees with a column of their own; later ones share the last.
const MOST_CALLEES: usize = 5;
/// Rows shown at most; a longer history is in the timeline.
const MOST_ROWS: usize = 2_000;
/// The exchange's column.
pub(super) const EXCHANGE: usize = 1;

pub(super) struct Ladder {
    /// What stands above, a line each.
    pub title: Vec<String>,
    /// Column names: `caller`, `strowger`, `callee 1` …
    pub columns: Vec<String>,
    pub rows: Vec<Row>,
}

pub(super) struct Row {
    /// Since the session's first event.
    pub at_ms: f64,
    pub shape: Shape,
}

pub(super) enum Shape {
    Arrow { from: usize, to: usize, label: String, repeated: bool },
    Note { text: String, about: About },
}

/// What a note is about, which is its colour in the picture.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    Decision,
    State,
    Media,
    Failure,
}

impl Ladder {
    pub(super) fn of(timeline: &Timeline) -> Self {
        let columns = columns(timeline);
        let all = timeline.entries.iter();
        let mut rows: Vec<_> = all.filter_map(|entry| row(entry, columns.len())).take(MOST_ROWS + 1).collect();
        if rows.len() > MOST_ROWS || timeline.truncated {
            rows.truncate(MOST_ROWS);
            let at_ms = rows.last().map_or(0.0, |row| row.at_ms);
            let text = "more happened than fits here: see the timeline and the events".to_owned();
            rows.push(Row { at_ms, shape: Shape::Note { text, about: About::Failure } });
        }
        Self { title: title(timeline), columns, rows }
    }

    /// With a row for each entry, in words where the ladder has none.
    pub(super) fn whole(timeline: &Timeline) -> Self {
        let columns = columns(timeline);
        let in_words = |entry: &Entry| {
            let shape = Shape::Note { text: clean(&entry.text), about: About::State };
            Row { at_ms: entry.since_start_ms, shape }
        };
        let drawn = |entry| row(entry, columns.len()).unwrap_or_else(|| in_words(entry));
        let rows = timeline.entries.iter().map(drawn).collect();
        Self { title: title(timeline), columns, rows }
    }
}

fn columns(timeline: &Timeline) -> Vec<String> {
    let callees = timeline.legs.iter().filter(|leg| leg.role != "caller").count();
    let mut columns = vec!["caller".to_owned(), "strowger".to_owned()];
    columns.extend((1..=callees.min(MOST_CALLEES)).map(|n| format!("callee {n}")));
    if callees > MOST_CALLEES {
        columns[EXCHANGE + MOST_CALLEES] = format!("callee {MOST_CALLEES} to {callees}");
    }
    columns
}

fn title(timeline: &Timeline) -> Vec<String> {
    let account = timeline.account.map_or_else(|| "unknown".to_owned(), |account| account.to_string());
    let mut lines = vec![format!("session {} · account {account}", timeline.session)];
    lines.push(match &timeline.parties {
        Some(parties) => format!("{} calls {} · Call-ID {}", parties.caller, parties.called, parties.call_id),
        None => "parties were erased".to_owned(),
    });
    let ended = timeline.ended.as_deref().unwrap_or("not ended yet");
    lines.push(format!("from {} · {ended}", timeline.started_at));
    let spans = timeline.durations;
    let named = [
        ("post-dial delay", spans.post_dial_delay_ms),
        ("ringing", spans.ring_ms),
        ("talking", spans.talk_ms),
        ("in all", spans.total_ms),
    ];
    let shown: Vec<_> =
        named.iter().filter_map(|(name, span)| span.map(|ms| format!("{name} {:.3} s", ms / 1_000.0))).collect();
    if !shown.is_empty() {
        lines.push(shown.join(" · "));
    }
    lines.into_iter().map(|line| clean(&line)).collect()
}

fn row(entry: &Entry, columns: usize) -> Option<Row> {
    let shape = match entry.direction {
        Some(way) => arrow(entry, way, columns),
        None => note(entry)?,
    };
    Some(Row { at_ms: entry.since_start_ms, shape })
}

fn arrow(entry: &Entry, way: Way, columns: usize) -> Shape {
    let role = entry.role.as_deref().unwrap_or_default();
    let mut label = clean(&entry.text);
    let party = match role.strip_prefix("callee ").and_then(|n| n.parse::<usize>().ok()) {
        Some(n) if n + EXCHANGE < columns => n + EXCHANGE,
        Some(n) => {
            label = format!("{n}: {label}");
            columns - 1
        }
        None => 0,
    };
    let (from, to) = match way {
        Way::Received => (party, EXCHANGE),
        Way::Sent => (EXCHANGE, party),
    };
    Shape::Arrow { from, to, label, repeated: entry.message.is_none() }
}

/// What an arrow beside it says already gets no note.
fn note(entry: &Entry) -> Option<Shape> {
    let about = match entry.event.as_str() {
        "SessionOffered" | "SessionReferred" | "RouteChosen" | "TransferAsked" | "ReplacementAsked"
        | "TransferLinked" => About::Decision,
        "RouteRefused" | "LegRefused" | "OfferRefused" | "TransferRefused" | "TransferFailed"
        | "ReplacementRefused" => About::Failure,
        "ModeEntered" | "OfferMade" | "LegReplaced" | "TransferCompleted" | "SessionEnded" => About::State,
        "LegGivenAway" | "LegTaken" | "LegReturned" | "LegRegained" => About::State,
        "MediaReserved" | "MediaLatched" | "MediaFellSilent" | "MediaHeard" | "MediaMeasured" => About::Media,
        "LegReleased" if lost(entry) => About::Failure,
        _ => return None,
    };
    Some(Shape::Note { text: clean(&entry.text), about })
}

fn lost(entry: &Entry) -> bool {
    let cause = entry.data.as_ref().and_then(|data| data.get("cause")).and_then(|cause| cause.as_str());
    !matches!(cause, Some("bye" | "cancel" | "refused" | "other-leg" | "transferred" | "moved" | "replaced"))
}

/// Without control characters: what a peer wrote must not steer a terminal or break a document.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '·' } else { c }).collect()
}

/// Splits at spaces into lines of at most `width` characters; a longer word is cut.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    let mut length = 0;
    for word in text.split_whitespace() {
        let mut rest: Vec<char> = word.chars().collect();
        if length > 0 && length + 1 + rest.len() > width {
            lines.push(std::mem::take(&mut line));
            length = 0;
        }
        if length > 0 {
            line.push(' ');
            length += 1;
        }
        while rest.len() > width {
            lines.push(rest.drain(..width).collect());
        }
        length += rest.len();
        line.extend(rest);
    }
    if length > 0 {
        lines.push(line);
    }
    lines
}

/// At most `width` characters, with an ellipsis where something was cut.
pub(super) fn fit(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrapping_loses_no_word_and_keeps_the_width() {
        assert_eq!(wrap("one two  three", 7), ["one two", "three"]);
        assert_eq!(wrap("a abcdefghij b", 4), ["a", "abcd", "efgh", "ij b"]);
        assert_eq!(wrap("  ", 4), Vec::<String>::new());
    }

    #[test]
    fn control_characters_of_a_peer_do_not_reach_the_terminal() {
        assert_eq!(clean("200 \x1b[31mOK\r\n"), "200 ·[31mOK··");
    }

    #[test]
    fn what_does_not_fit_is_cut_with_an_ellipsis() {
        assert_eq!(fit("INVITE", 6), "INVITE");
        assert_eq!(fit("INVITE", 5), "INVI…");
    }
}
