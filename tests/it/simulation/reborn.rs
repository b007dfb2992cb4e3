//! Calls are taken up from the log: beside the exchange that runs them, whenever all is quiet.

use crate::ladder::Scenario;
use tests::world::{Ended, Fate, under};

/// Wherever a scenario stands, the log tells where. Each is a test of this (see the macro `scenarios` of the ladder).
pub(crate) fn taken_up((name, scenario): Scenario) {
    let ended = under(Fate { replays: true, ..Fate::default() }, scenario);
    assert!(matches!(ended, Ended::Well(_)), "{name}, taken up beside: {ended:?}");
}
