//! Broken promises must not go unnoticed: what the checkers are worth.

use crate::ladder::{self, Scenario};
use tests::world::{Ended, Fate, Sabotage, under};

const CALL: &str = "a_call_rings_is_answered_and_ends";

fn call() -> Scenario {
    ladder::all().find(|(name, _)| *name == CALL).unwrap()
}

/// How the call ends under this sabotage, when the process dies after that many effects.
fn sabotaged(sabotage: Sabotage, dies_after: Option<usize>) -> String {
    match under(Fate { dies_after, sabotage: Some(sabotage), ..Fate::default() }, call().1) {
        Ended::Failed(words) => words,
        other => panic!("{sabotage:?} went unnoticed: {other:?}"),
    }
}

#[test]
fn a_log_that_lies_is_noticed_when_the_process_dies() {
    let words = sabotaged(Sabotage::DurableBeforeStored, Some(4));
    let said = ["left, and the log does not know it", "does not hold what the log said was durable"];
    assert!(said.iter().any(|said| words.contains(said)), "{words}");
}

#[test]
fn a_log_that_drops_an_event_is_noticed() {
    let words = sabotaged(Sabotage::DroppedEvent, Some(4));
    assert!(words.contains("does not hold what the log said") || words.contains("does not know it"), "{words}");
}

#[test]
fn a_shell_that_does_not_wait_for_the_log_is_noticed() {
    let words = sabotaged(Sabotage::SentBeforeLanded, None);
    assert!(words.contains("left before its event was durable"), "{words}");
}

#[test]
fn media_that_never_says_closed_is_noticed() {
    let words = sabotaged(Sabotage::ClosedUnreported, None);
    assert!(words.contains("live_sessions: 1") || words.contains("ends"), "{words}");
}

#[test]
fn a_shell_that_loses_a_timer_is_noticed() {
    let words = sabotaged(Sabotage::LostWake, None);
    assert!(words.contains("Census"), "{words}");
}

/// Whether a broken promise shows in a scenario, at its end or when the process dies after some effect.
fn shows((_, scenario): Scenario, sabotage: Sabotage) -> bool {
    let ends = |dies_after| under(Fate { dies_after, sabotage: Some(sabotage), ..Fate::default() }, scenario);
    if matches!(ends(None), Ended::Failed(_)) {
        return true;
    }
    for effect in 1.. {
        match ends(Some(effect)) {
            Ended::Failed(_) => return true,
            Ended::Died => {}
            Ended::Well(_) => break,
        }
    }
    false
}

/// Where what is lost is mended: what comes next fires what is due, and a start closes what was being closed.
const MENDED: &[(&str, Sabotage)] = &[
    ("a_connection_of_nobodys_ends_nothing", Sabotage::LostWake),
    ("a_call_that_is_over_is_declined", Sabotage::LostWake),
    ("a_call_outlives_deaths_of_ours_and_their_connections", Sabotage::ClosedUnreported),
    ("a_request_that_comes_again_by_another_connection_finds_its_answer", Sabotage::ClosedUnreported),
];

#[test]
fn every_scenario_notices_every_broken_promise_that_touches_it() {
    let mut mended = vec![];
    for scenario in ladder::all() {
        let course = super::course_of(scenario);
        for sabotage in Sabotage::ALL {
            let touched = match sabotage {
                // What belongs to no stream, as pings of trunks, has nothing to wait for.
                Sabotage::SentBeforeLanded => course.messages > 0,
                Sabotage::DurableBeforeStored | Sabotage::DroppedEvent | Sabotage::LostWake => course.streams > 0,
                Sabotage::ClosedUnreported => course.relays > 0,
            };
            // The checkers let summaries be; a scenario about strangers may look at its own.
            if touched || course.summaries == 0 {
                let shown = shows(scenario, sabotage);
                if touched && !shown {
                    mended.push((scenario.0, sabotage));
                } else {
                    assert_eq!(shown, touched, "{sabotage:?} in {}", scenario.0);
                }
            }
        }
    }
    assert_eq!(mended, MENDED);
}
