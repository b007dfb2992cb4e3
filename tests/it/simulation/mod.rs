//! The ladder's scenarios again, under doubts: the process dies at any effect, the log hesitates, promises are broken.

mod again;
mod automaton;
mod away;
mod away_process;
mod clock;
mod cut_off;
mod death;
mod erased;
mod freeze;
mod freeze_transfer;
mod otherwise;
mod overload;
mod reborn;
mod referred;
mod register;
mod sabotage;
mod storm;
mod whole;

pub(crate) use death::doubt;
pub(crate) use reborn::{reborn, taken_up};

use crate::ladder::Scenario;
use tests::world::{Course, Ended, Fate, under};

/// Runs a scenario as it is written.
#[track_caller]
fn course_of((name, scenario): Scenario) -> Course {
    match under(Fate::default(), scenario) {
        Ended::Well(course) => course,
        other => panic!("{name} without any doubt: {other:?}"),
    }
}
