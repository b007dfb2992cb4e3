//! Whole exchanges by seed: many calls of phones that behave and phones that do not, by UDP and TCP, users who register,
//! transfers, an operator, a network that loses, doubles and reorders, a log that is slow, away and unsure, and a process
//! that dies at any moment. A failure names its seed: `STROWGER_SEEDS=seed` repeats it, and `scripts/simulate` runs many.

mod admissions;
mod carrier;
mod device;
mod operator;
mod plan;
mod reach;
mod readers;
mod registrar;
mod sabotage;
mod station;
mod town;
mod unfaithful;
mod uplink;
mod users;
mod weather;
mod witness;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use town::{Story, Town};

/// How many an ordinary run of the tests takes.
const ORDINARY: RangeInclusive<u64> = 1..=240;

/// What happened in all runs together, by name.
type Seen = BTreeMap<&'static str, usize>;

/// Those asked for: one seed, or `first..last`.
fn seeds() -> RangeInclusive<u64> {
    let Ok(asked) = std::env::var("STROWGER_SEEDS") else { return ORDINARY };
    let number = |text: &str| text.parse().unwrap_or_else(|_| panic!("STROWGER_SEEDS={asked}: a seed, or first..last"));
    match asked.split_once("..") {
        Some((first, last)) => number(first)..=number(last),
        None => number(&asked)..=number(&asked),
    }
}

fn lived(seed: u64) -> Story {
    std::panic::catch_unwind(|| Town::new(seed).live()).unwrap_or_else(|_| panic!("seed {seed}: see above"))
}

#[test]
fn whole_exchanges_keep_their_promises_whatever_befalls_them() {
    let mut seen = Seen::new();
    for seed in seeds() {
        for (what, times) in lived(seed).seen {
            *seen.entry(what).or_default() += times;
        }
    }
    println!("{seen:?}");
    if std::env::var_os("STROWGER_SEEDS").is_none() {
        let missing: Vec<_> = town::EVERYTHING.iter().filter(|what| !seen.contains_key(*what)).collect();
        assert!(missing.is_empty(), "in all these runs there was never: {missing:?}");
    }
}

#[test]
fn a_seed_is_lived_again_word_by_word() {
    assert_eq!(lived(7).ladder, lived(7).ladder);
}
