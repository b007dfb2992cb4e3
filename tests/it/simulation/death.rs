//! The process dies after any effect, or the log hesitates.

use super::{effects_of, long};
use crate::ladder;
use tests::world::{Chance, Ended, Fate, under};

#[test]
fn whatever_effect_is_the_last_the_log_knows_all_that_left() {
    let mut chance = Chance::new(20_261_122);
    for scenario in ladder::all() {
        let effects = effects_of(scenario);
        let points: Vec<usize> = match long() {
            true => (1..=effects).collect(),
            false => (0..3).filter(|_| effects > 0).map(|_| 1 + chance.below(effects as u64) as usize).collect(),
        };
        for dies_after in points {
            let ended = under(Fate { dies_after: Some(dies_after), ..Fate::default() }, scenario.1);
            assert_eq!(ended, Ended::Died, "{} dying after effect {dies_after}", scenario.0);
        }
    }
}

#[test]
fn a_log_that_hesitates_changes_no_scenario() {
    let mut seeds = Chance::new(7);
    for scenario in ladder::all() {
        for _ in 0..if long() { 50 } else { 2 } {
            let seed = seeds.draw();
            let ended = under(Fate { hesitates: Some(seed), ..Fate::default() }, scenario.1);
            assert!(matches!(ended, Ended::Well(_)), "{} with seed {seed}: {ended:?}", scenario.0);
        }
    }
}

#[test]
fn a_process_that_dies_while_the_log_hesitates_has_said_nothing_that_is_not_stored() {
    let mut chance = Chance::new(99);
    for scenario in ladder::all() {
        let effects = effects_of(scenario) as u64;
        for _ in 0..if long() { 50 } else { 2 } {
            if effects == 0 {
                continue;
            }
            let (seed, dies_after) = (chance.draw(), 1 + chance.below(effects) as usize);
            let fate = Fate { hesitates: Some(seed), dies_after: Some(dies_after), sabotage: None };
            let ended = under(fate, scenario.1);
            assert_eq!(ended, Ended::Died, "{} with seed {seed}, dying after effect {dies_after}", scenario.0);
        }
    }
}
