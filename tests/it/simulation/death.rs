//! The process dies after any effect, or the log hesitates.

use super::course_of;
use crate::ladder::Scenario;
use tests::world::{Chance, Course, Ended, Fate, under};

/// How much a scenario is put in doubt.
struct Doubts {
    /// Ways in which the log hesitates, for each scenario.
    hesitations: usize,
    /// Ways in which the log hesitates before the process dies, for each effect.
    deaths: usize,
}

/// Every run of the tests takes some; `STROWGER_LONG_TESTS` asks for all.
fn doubts() -> Doubts {
    match std::env::var_os("STROWGER_LONG_TESTS") {
        Some(_) => Doubts { hesitations: 50, deaths: 3 },
        None => Doubts { hesitations: 6, deaths: 1 },
    }
}

/// Everything that a scenario must stand. Each is a test of this (see the macro `scenarios` of the ladder).
pub(crate) fn doubt(scenario: Scenario) {
    let Course { effects, joins, .. } = course_of(scenario);
    whatever_effect_is_the_last_the_log_knows_all_that_left(scenario, effects);
    a_log_that_hesitates_changes_nothing(scenario);
    if joins > 0 {
        between_any_two_appends_of_a_transfer_the_log_says_how_far_it_was(scenario);
    }
    a_process_that_dies_while_the_log_hesitates_has_said_nothing_that_is_not_stored(scenario, effects);
}

fn whatever_effect_is_the_last_the_log_knows_all_that_left((name, scenario): Scenario, effects: usize) {
    for dies_after in 1..=effects {
        let ended = under(Fate { dies_after: Some(dies_after), ..Fate::default() }, scenario);
        assert_eq!(ended, Ended::Died, "{name} dying after effect {dies_after} of {effects}");
    }
}

/// Steps from one session to the other are appends without any effect that leaves.
fn between_any_two_appends_of_a_transfer_the_log_says_how_far_it_was((name, scenario): Scenario) {
    let at = |commit| Fate { dies_after_commit: Some(commit), ..Fate::default() };
    let Ended::Well(Course { commits, .. }) = under(at(usize::MAX), scenario) else {
        panic!("{name} with a log that commits one append at a time")
    };
    for commit in 1..=commits {
        let ended = under(at(commit), scenario);
        assert_eq!(ended, Ended::Died, "{name} dying after append {commit} of {commits}");
    }
}

fn a_log_that_hesitates_changes_nothing((name, scenario): Scenario) {
    let mut seeds = Chance::new(7);
    for _ in 0..doubts().hesitations {
        let seed = seeds.draw();
        let ended = under(Fate { hesitates: Some(seed), ..Fate::default() }, scenario);
        assert!(matches!(ended, Ended::Well(_)), "{name} with seed {seed}: {ended:?}");
    }
}

fn a_process_that_dies_while_the_log_hesitates_has_said_nothing_that_is_not_stored(
    (name, scenario): Scenario,
    effects: usize,
) {
    let (mut seeds, deaths) = (Chance::new(99), doubts().deaths);
    for dies_after in (1..=effects).flat_map(|effect| std::iter::repeat_n(effect, deaths)) {
        let seed = seeds.draw();
        let fate = Fate { hesitates: Some(seed), dies_after: Some(dies_after), ..Fate::default() };
        let ended = under(fate, scenario);
        assert_eq!(ended, Ended::Died, "{name} with seed {seed}, dying after effect {dies_after} of {effects}");
    }
}
