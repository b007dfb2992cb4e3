//! What this simulation's own checkers are worth: where a promise is broken, some run fails, and says why. What the witness
//! is worth, it tells itself.

use super::readers::Readers;
use super::town::Town;
use super::unfaithful::{Lie, Unfaithful};
use adapters::event_log::memory::MemoryLog;
use domain::log::Follow;
use projections::Model;
use std::collections::BTreeSet;
use std::sync::Arc;
use tests::watched::Watched;
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
    is_told(&told(Fate::default(), |town| town.losing("BYE ")), "did not hear of it");
}

#[test]
fn a_notify_that_never_arrives_leaves_a_phone_that_was_not_told_what_became_of_its_refer() {
    is_told(&told(Fate::default(), |town| town.losing("NOTIFY ")), "nobody said what became of REFER");
}

#[test]
fn a_registrar_that_refuses_leaves_an_exchange_that_is_not_registered() {
    is_told(&told(Fate::default(), Town::refusing_registrations), "the exchange is not registered");
}

#[test]
fn pings_that_never_arrive_leave_an_exchange_that_thinks_a_carrier_is_down() {
    is_told(&told(Fate::default(), |town| town.losing("OPTIONS ")), "is Well, and down: true");
}

#[test]
fn tables_that_overlook_a_change_are_noticed() {
    is_told(&told(Fate::default(), Town::overlooking_trunks), "routing tables are not what the log tells");
}

#[test]
fn who_registers_by_a_credential_that_is_gone_is_noticed() {
    is_told(&told(Fate::default(), Town::overlooking_users), "registered with what proves nothing any more");
}

/// Whether some run tells, with read models that are changed so, that they tell something else than new ones.
fn is_read(change: impl Fn(Readers, &MemoryLog) -> Readers) -> bool {
    let fails = |seed| match under(Fate::default(), || drop(Town::new(seed).reading(seed, &change).live())) {
        Ended::Failed(words) => words.contains("read models that followed the log tell something else"),
        Ended::Well(_) | Ended::Died => false,
    };
    (1..=RUNS).any(fails)
}

#[test]
fn a_read_model_that_misses_or_doubles_an_event_is_noticed() {
    let missed = ["SessionEnded", "LegAlerted", "LegRefused", "BindingAdded", "BindingRemoved", "MessageEnded"];
    let doubled = ["LegInvited", "BindingRefreshed"];
    let lies = missed.map(Lie::Misses).into_iter().chain(doubled.map(Lie::Doubles));
    for lie in lies.chain([Lie::ErasesNothing]) {
        let each = move |follow: Box<dyn Follow>| -> Box<dyn Follow> { Box::new(Unfaithful { follow, lie }) };
        let follows =
            |readers: Readers, log: &MemoryLog| readers.following(Arc::new(Watched { log: log.clone(), each }));
        assert!(is_read(follows), "{lie:?} goes unnoticed");
    }
}

#[test]
fn a_row_that_somebody_changed_is_noticed() {
    for (model, statement) in [
        (Model::Sessions, "UPDATE sessions SET final_status = 299"),
        (Model::Routing, "UPDATE routing SET attempts = attempts + 1"),
        (Model::Registrations, "UPDATE registrations SET refreshes = refreshes + 1"),
        (Model::Registrations, "DELETE FROM registration_history"),
        (Model::Messages, "UPDATE messages SET started_at = started_at + 1"),
        // The rows went one way, how far they are another.
        (Model::Routing, "UPDATE about SET position = position - 50 WHERE position > 50"),
    ] {
        assert!(is_read(|readers, _| readers.changed_by(model, statement)), "“{statement}” goes unnoticed");
    }
}
