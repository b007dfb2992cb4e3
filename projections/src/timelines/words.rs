//! Events in words.

use super::legs::{LegLine, role};
use crate::names::name_of;
use domain::ids::{CredentialId, LegId, TrunkId};
use domain::session::event::{
    LegChallenged, LegMeasure, LegRefused, MediaFellSilent, MediaLatched, MediaMeasured, MediaReserved, OfferChange,
    RefusalCause, ReleaseCause, RouteChosen, RouteRefused, SessionEnded, SessionEvent, SessionTimerSet, Target,
};
use domain::sip::session_timer::RefreshedBy;

/// What happened, in a sentence.
pub(super) fn say(event: &SessionEvent, legs: &[LegLine]) -> String {
    let who = |leg: LegId| role(legs, leg);
    match event {
        SessionEvent::SipMessageReceived(message) | SessionEvent::SipMessageCommitted(message) => {
            message.method.to_string()
        }
        SessionEvent::SipMessageRepeated(repeated) => self::repeated("a message", repeated.times),
        SessionEvent::SessionOffered(offered) => {
            let late = if offered.late_offer { ", without an offer" } else { "" };
            format!(
                "call offered by {} on the {} edge{late}",
                caller(offered.trunk, offered.user),
                name_of(&offered.edge)
            )
        }
        SessionEvent::SessionReferred(asked) => {
            let called = asked.parties.known().map_or("an erased target", |parties| parties.called.as_str());
            let (who, edge) = (caller(asked.trunk, asked.user), name_of(&asked.edge));
            format!("call to {called} asked for by REFER of {who} on the {edge} edge")
        }
        SessionEvent::RouteChosen(route) => route_chosen(route),
        SessionEvent::RouteRefused(route) => route_refused(route, "caller"),
        SessionEvent::LegInvited(invited) => {
            let by = invited.trunk.map_or_else(String::new, |trunk| format!(" by trunk {}", short(trunk)));
            format!("{} is invited: target {}{by}", who(invited.leg), u16::from(invited.target) + 1)
        }
        SessionEvent::LegAlerted(alerted) => {
            let media = if alerted.early_media { " with early media" } else { "" };
            format!("{} rings{media} ({})", who(alerted.leg), alerted.status)
        }
        SessionEvent::LegChallenged(challenged) => leg_challenged(challenged, legs),
        SessionEvent::LegAnswered(answered) => format!("{} answers", who(answered.leg)),
        SessionEvent::LegConfirmed(confirmed) => format!("{} confirms the answer", who(confirmed.leg)),
        SessionEvent::LegRefused(refused) => leg_refused(refused, legs),
        SessionEvent::LegsBridged(bridged) => {
            format!("{} and {} hear each other", who(bridged.caller), who(bridged.callee))
        }
        SessionEvent::ModeEntered(entered) => {
            format!("mode {} from here on: {} by {}", name_of(&entered.mode), entered.cause, who(entered.by))
        }
        SessionEvent::MediaReserved(reserved) => media_reserved(reserved, legs),
        SessionEvent::OfferMade(made) => format!("{} {}", who(made.leg), change(made.change)),
        SessionEvent::OfferAccepted(accepted) => format!("what {} asked for is agreed", who(accepted.leg)),
        SessionEvent::OfferRefused(refused) => {
            format!("what {} asked for is refused with {}; the old media stays", who(refused.leg), refused.status)
        }
        SessionEvent::SessionTimerSet(set) => timer_set(set, legs),
        SessionEvent::ConnectionLost(lost) => match lost.flow.known() {
            Some(flow) => format!("the connection with {} is gone", flow.remote),
            None => "a connection is gone".to_owned(),
        },
        SessionEvent::MediaLatched(latched) => media_latched(latched, legs),
        SessionEvent::MediaFellSilent(silent) => fell_silent(silent, legs),
        SessionEvent::MediaHeard(heard) => format!("{} is heard again (stream {})", who(heard.leg), heard.stream),
        SessionEvent::MediaMeasured(measured) => media_measured(measured, legs),
        SessionEvent::LegReleased(released) => {
            format!("{} is released: {}", who(released.leg), release(released.cause))
        }
        SessionEvent::SessionEnded(end) => {
            let by = end.by.map_or_else(String::new, |leg| format!(", ended by {}", who(leg)));
            format!("session ended: {}{by}", ended(end))
        }
        moved => moved_said(moved, legs),
    }
}

/// Of transfers, and of legs that take another's place or change their session.
fn moved_said(event: &SessionEvent, legs: &[LegLine]) -> String {
    let who = |leg: LegId| role(legs, leg);
    match event {
        SessionEvent::TransferAsked(asked) => {
            let target = asked.target.known().map_or("an erased target", String::as_str);
            format!("{} asks to have the other party transferred to {target}", who(asked.leg))
        }
        SessionEvent::TransferRefused(refused) => {
            format!("the transfer is refused to {} with {}: {}", who(refused.leg), refused.status, refused.reason)
        }
        SessionEvent::ReplacementAsked(asked) => {
            format!("{} asks for the place of {}", who(asked.leg), who(asked.replaces))
        }
        SessionEvent::ReplacementRefused(refused) => {
            format!("{} does not get it: {} ({})", who(refused.leg), refused.reason, refused.status)
        }
        SessionEvent::TransferLinked(linked) => {
            format!("{} asks to join this call with session {}, by {}", who(linked.leg), linked.with, linked.transfer)
        }
        SessionEvent::LegGivenAway(given) => {
            format!("{} is given to session {}, by {}", who(given.leg), given.to, given.transfer)
        }
        SessionEvent::LegTaken(taken) => {
            format!("{} comes from session {}, by {}", who(taken.leg), taken.from, taken.transfer)
        }
        SessionEvent::LegReturned(returned) => format!("{} goes back to session {}", who(returned.leg), returned.to),
        SessionEvent::LegRegained(regained) => format!("{} is back from session {}", who(regained.leg), regained.from),
        SessionEvent::LegReplaced(replaced) => format!("{} takes the place of {}", who(replaced.by), who(replaced.leg)),
        SessionEvent::TransferCompleted(completed) => {
            format!("what {} asked for by REFER is done", who(completed.leg))
        }
        SessionEvent::TransferFailed(failed) => {
            format!("what {} asked for by REFER failed with {}: {}", who(failed.leg), failed.status, failed.reason)
        }
        // `say` has the others.
        _ => String::new(),
    }
}

fn leg_challenged(challenged: &LegChallenged, legs: &[LegLine]) -> String {
    let LegChallenged { leg, method, status, stale, gave_up } = challenged;
    let again = if *stale { " again, for the nonce is too old" } else { "" };
    let what = match gave_up {
        None => format!("the {method} goes again with credentials"),
        Some(why) => format!("the {method} stays refused: {why}"),
    };
    format!("{} asks who we are{again} ({status}): {what}", role(legs, *leg))
}

/// `trunk TK…00b0`, `user CR…00c1`.
fn caller(trunk: Option<TrunkId>, user: Option<CredentialId>) -> String {
    match (trunk, user) {
        (Some(trunk), _) => format!("trunk {}", short(trunk)),
        (None, Some(user)) => format!("user {}", few_letters(CredentialId::PREFIX, user.bits())),
        (None, None) => "a user known by address".to_owned(),
    }
}

/// `INVITE again ×2`.
pub(super) fn repeated(what: &str, times: u32) -> String {
    match times {
        1 => format!("{what} again"),
        times => format!("{what} again ×{times}"),
    }
}

/// `no-answer (408)`.
pub(crate) fn ended(end: &SessionEnded) -> String {
    let status = end.status.map_or_else(String::new, |status| format!(" ({status})"));
    format!("{}{status}", name_of(&end.cause))
}

pub(crate) fn route_chosen(route: &RouteChosen) -> String {
    let mut text = format!("route by rule {} v{}: {}", route.rule, route.rule_version, route.reason);
    if let Some(targets) = route.targets.known() {
        let names: Vec<_> = targets.iter().enumerate().map(|(index, target)| target_name(index, target)).collect();
        text.push_str("; targets: ");
        text.push_str(&names.join(", "));
    }
    for passed in &route.passed_over {
        text.push_str(&format!("; not {}: {}", short(passed.trunk), passed.reason));
    }
    text
}

pub(crate) fn route_refused(route: &RouteRefused, asker: &str) -> String {
    format!("no route by rule {}: {}; the {asker} gets {}", route.rule, route.reason, route.status)
}

fn target_name(index: usize, target: &Target) -> String {
    let by = target.trunk.map_or_else(String::new, |trunk| format!(" by {}", short(trunk)));
    let spare = if target.spare { ", another way to the same device" } else { "" };
    format!("{}. {}{by}{spare}", index + 1, target.destination)
}

fn leg_refused(refused: &LegRefused, legs: &[LegLine]) -> String {
    let who = role(legs, refused.leg);
    match refused.cause {
        RefusalCause::Response => format!("{who} refuses with {}", refused.status),
        RefusalCause::TimedOut => format!("{who} gives no response at all"),
        RefusalCause::NoAnswer => format!("{who} rang until its time was up"),
        RefusalCause::Cancelled => format!("{who} is given up"),
        RefusalCause::AtLimit => format!("{who} is not asked: its trunk has as many calls as it may"),
        RefusalCause::NoPorts => format!("{who} cannot be reached: no media ports are free"),
        RefusalCause::BadSdp => format!("{who} cannot be reached: its SDP cannot be relayed"),
        RefusalCause::Unacknowledged => format!("{who} rang, but could not be acknowledged ({})", refused.status),
    }
}

fn change(change: OfferChange) -> &'static str {
    match change {
        OfferChange::Hold => "asks to hold",
        OfferChange::Resume => "asks to resume",
        OfferChange::Refresh => "refreshes the session",
        OfferChange::Media => "asks for other media",
        OfferChange::Late => "asks for an offer",
    }
}

fn timer_set(set: &SessionTimerSet, legs: &[LegLine]) -> String {
    let who = role(legs, set.leg);
    let Some(timer) = set.timer else { return format!("no session timer runs any more with {who}") };
    let by = match timer.by {
        RefreshedBy::Peer => "it refreshes",
        RefreshedBy::Exchange => "the exchange refreshes",
        RefreshedBy::ExchangeAlone => "the exchange refreshes, for itself alone",
    };
    format!("session timer of {} s with {who}: {by}", timer.interval)
}

fn release(cause: ReleaseCause) -> &'static str {
    match cause {
        ReleaseCause::Bye => "it hung up",
        ReleaseCause::Cancel => "it cancelled",
        ReleaseCause::Refused => "it was refused",
        ReleaseCause::OtherLeg => "the other leg ended",
        ReleaseCause::AckMissing => "it never acknowledged the answer",
        ReleaseCause::DialogGone => "it no longer knows the call",
        ReleaseCause::Unusable => "its answer came too late or cannot be used",
        ReleaseCause::Expired => "nobody refreshed its session in time",
        ReleaseCause::Transferred => "its transfer succeeded",
        ReleaseCause::Moved => "another session has it",
        ReleaseCause::Replaced => "another took its place",
        ReleaseCause::Operator => "the exchange ends it",
    }
}

fn media_reserved(reserved: &MediaReserved, legs: &[LegLine]) -> String {
    let ports = reserved.ports.iter().map(|pair| pair.map_or_else(|| "none".to_owned(), |pair| pair.rtp().to_string()));
    let ports: Vec<_> = ports.collect();
    format!("media of {} at {} port {}", role(legs, reserved.leg), reserved.address, ports.join(", "))
}

fn media_latched(latched: &MediaLatched, legs: &[LegLine]) -> String {
    let source = latched.source.known().map_or_else(|| "an erased address".to_owned(), ToString::to_string);
    format!("media of {} is taken from {source} (stream {})", role(legs, latched.leg), latched.stream)
}

fn fell_silent(silent: &MediaFellSilent, legs: &[LegLine]) -> String {
    let alive = if silent.rtcp_alive { "its RTCP still comes" } else { "no RTCP either" };
    let seconds = silent.lasted_ms as f64 / 1_000.0;
    format!("nothing heard from {} for {seconds:.1} s, {alive} (stream {})", role(legs, silent.leg), silent.stream)
}

fn media_measured(measured: &MediaMeasured, legs: &[LegLine]) -> String {
    let sides: Vec<_> = measured.sides.iter().map(|side| side_measured(side, legs)).collect();
    format!("stream {}: {}", measured.stream, sides.join("; "))
}

fn side_measured(side: &LegMeasure, legs: &[LegLine]) -> String {
    let counted = &side.statistics;
    let mut text = format!("{} sent {} packets", role(legs, side.leg), counted.packets);
    if counted.packets > 0 {
        let jitter = f64::from(counted.jitter_us) / 1_000.0;
        text.push_str(&format!(", {} lost, jitter {jitter:.1} ms", counted.lost));
    }
    if counted.mos_centi > 0 {
        text.push_str(&format!(", MOS {:.2}", f64::from(counted.mos_centi) / 100.0));
    }
    text
}

/// A trunk's id in few letters: timelines carry the whole one in their data.
fn short(trunk: TrunkId) -> String {
    few_letters(TrunkId::PREFIX, trunk.bits())
}

pub(crate) fn few_letters(prefix: &str, bits: u128) -> String {
    format!("{prefix}…{:04x}", bits & 0xffff)
}
