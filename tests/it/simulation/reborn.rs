//! Calls are taken up from the log: beside the exchange that runs them, whenever all is quiet.

use super::course_of;
use crate::ladder::Scenario;
use tests::world::{Course, Ended, Fate, under};

/// Wherever a scenario stands, the log tells where. Each is a test of this (see the macro `scenarios` of the ladder).
pub(crate) fn taken_up((name, scenario): Scenario) {
    let ended = under(Fate { replays: true, ..Fate::default() }, scenario);
    assert!(matches!(ended, Ended::Well(_)), "{name}, taken up beside: {ended:?}");
}

/// Whenever the process dies and begins anew, its calls go on, and nobody who is in one notices. Each is a test of this.
pub(crate) fn reborn((name, scenario): Scenario) {
    let Course { effects, .. } = course_of((name, scenario));
    for effect in 1..=effects {
        let ended = under(Fate { reborn_after: Some(effect), ..Fate::default() }, scenario);
        assert!(
            matches!(ended, Ended::Well(_)),
            "{name}, beginning anew after effect {effect} of {effects}: {ended:?}"
        );
    }
}
