//! The ladder's scenarios again, under doubts: the process dies at any effect, the log hesitates, promises are broken.

mod automaton;
mod death;
mod sabotage;
mod storm;

use crate::ladder;
use tests::world::{Ended, Fate, under};

/// Whether the long form was asked for.
fn long() -> bool {
    std::env::var_os("STROWGER_LONG_TESTS").is_some()
}

/// Runs a scenario and says how many effects it has.
fn effects_of(scenario: &ladder::Scenario) -> usize {
    match under(Fate::default(), scenario.1) {
        Ended::Well(effects) => effects,
        other => panic!("{} without any doubt: {other:?}", scenario.0),
    }
}
