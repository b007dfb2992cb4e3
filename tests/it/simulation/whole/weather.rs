//! How network and log are for a while.

use super::super::automaton::Manners;
use tests::world::Chance;

/// See the module.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weather {
    /// Of a hundred packets so many are lost.
    loss: u64,
    /// And so many come twice.
    doubled: u64,
    /// And so many are late, for up to so many milliseconds.
    late: (u64, u64),
    /// How the log is.
    pub(super) log: LogMood,
}

/// How the log answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LogMood {
    /// Within milliseconds.
    Quick,
    /// Within a second.
    Slow,
    /// Not at all.
    Away,
    /// Now and then it does not say whether it stored.
    Unsure,
    /// Now and then another writer was first.
    Contested,
}

impl Weather {
    /// Some weather: mostly fair.
    pub(super) fn draw(chance: &mut Chance) -> Self {
        let rough = chance.percent(40);
        let most = if rough { 30 } else { 3 };
        let log = match chance.below(20) {
            0..=10 => LogMood::Quick,
            11..=14 => LogMood::Slow,
            15..=16 => LogMood::Away,
            17..=18 => LogMood::Unsure,
            _ => LogMood::Contested,
        };
        Self {
            loss: chance.below(most),
            doubled: chance.below(most),
            late: (chance.below(most), 20 + chance.below(1_500)),
            log,
        }
    }

    /// Nothing goes wrong.
    pub(super) const fn fair() -> Self {
        Self { loss: 0, doubled: 0, late: (0, 1), log: LogMood::Quick }
    }

    /// The ways of a datagram: none, one or two, each with its delay in milliseconds.
    pub(super) fn ways(&self, chance: &mut Chance) -> Vec<u64> {
        let copies = if chance.percent(self.loss) { 0 } else { 1 + u64::from(chance.percent(self.doubled)) };
        (0..copies)
            .map(|_| if chance.percent(self.late.0) { chance.below(self.late.1) } else { 1 + chance.below(20) })
            .collect()
    }

    /// In how many milliseconds the log commits.
    pub(super) const fn commits_in(&self, chance: &mut Chance) -> u64 {
        match self.log {
            LogMood::Quick | LogMood::Unsure | LogMood::Contested => chance.below(12),
            LogMood::Slow => 50 + chance.below(900),
            LogMood::Away => 100,
        }
    }
}

/// Most phones behave.
pub(super) fn manners(chance: &mut Chance) -> Manners {
    match chance.below(16) {
        0 => Manners::NeverAcknowledges,
        1 => Manners::NeverAnswers,
        2 => Manners::Vanishes,
        _ => Manners::Good,
    }
}
