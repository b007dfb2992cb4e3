//! What this simulation's own checkers are worth: where a promise is broken, some run fails, and says why. What the witness
//! is worth, it tells itself.

use super::town::Town;
use std::collections::BTreeSet;
use tests::world::{Ended, Fate, Sabotage, under};

/// So many runs are tried for a broken promise.
const RUNS: u64 = 12;

/// What the runs say that fail under a fate.
fn told(fate: Fate, change: fn(Town) -> Town) -> Vec<String> {
    let failed = |seed| match under(fate, || drop(change(Town::new(seed)).live())) {
        Ended::Failed(words) => Some(words),
        Ended::Well(_) | Ended::Died => None,
    };
    (1..=RUNS).filter_map(failed).collect()
}

#[track_caller]
fn is_told(told: &[String], words: &str) {
    let firsts: BTreeSet<&str> = told.iter().filter_map(|words| words.lines().next()).collect();
    assert!(told.iter().any(|said| said.contains(words)), "nobody says “{words}”: {firsts:#?}");
}

#[test]
fn every_broken_promise_of_log_shell_and_media_is_noticed() {
    for (sabotage, words) in [
        (Sabotage::DurableBeforeStored, "does not hold what the log said was durable"),
        (Sabotage::SentBeforeLanded, "left before its event was durable"),
        (Sabotage::DroppedEvent, "does not hold what the log said was durable"),
        (Sabotage::ClosedUnreported, "left: Census"),
        (Sabotage::LostWake, "it never ends"),
    ] {
        let fate = Fate { sabotage: Some(sabotage), ..Fate::default() };
        is_told(&told(fate, |town| town), words);
    }
}

#[test]
fn a_bye_that_never_arrives_leaves_a_phone_that_thinks_its_call_goes_on() {
    is_told(&told(Fate::default(), Town::losing_byes), "did not hear of it");
}
