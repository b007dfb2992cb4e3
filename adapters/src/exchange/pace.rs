//! When the SIP thread looks at its sockets and timers: together, and at most once in a while, so that what arrives
//! meanwhile shares a turn and a commit.

use domain::time::Moment;
use std::time::Duration;

/// What the thread does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Nothing but what other threads tell it, until then. Timers wait as sockets do: if one that is due could begin a
    /// rest of its own, sockets might never get their turn.
    Rest(Moment),
    /// Everything.
    Work,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Pace {
    gather: Duration,
    rests_until: Moment,
}

impl Pace {
    /// Turns that begin at least `gather` apart; with zero none waits.
    pub fn new(gather: Duration) -> Self {
        Self { gather, rests_until: Moment::default() }
    }

    /// What is next.
    pub fn next(&self, now: Moment) -> Turn {
        if now < self.rests_until { Turn::Rest(self.rests_until) } else { Turn::Work }
    }

    /// A turn is over that began then. One that found work is followed by a rest; after one that found none the first
    /// message is read at once.
    pub fn over(&mut self, turn: Turn, began: Moment, worked: bool) {
        match turn {
            Turn::Work if worked => self.rests_until = began + self.gather,
            Turn::Work | Turn::Rest(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::from_micros(millis * 1_000)
    }

    #[test]
    fn after_a_rest_the_first_message_is_read_at_once_and_the_next_ones_are_gathered() {
        let mut pace = Pace::new(Duration::from_millis(8));
        assert_eq!(pace.next(at(100)), Turn::Work);
        pace.over(Turn::Work, at(100), false);
        assert_eq!(pace.next(at(101)), Turn::Work);
        pace.over(Turn::Work, at(101), true);
        assert_eq!(pace.next(at(102)), Turn::Rest(at(109)));
        assert_eq!(pace.next(at(109)), Turn::Work);
    }

    #[test]
    fn what_happens_during_a_rest_never_lengthens_it() {
        let mut pace = Pace::new(Duration::from_millis(8));
        pace.over(Turn::Work, at(100), true);
        let rest = pace.next(at(104));
        pace.over(rest, at(104), true);
        pace.over(rest, at(108), true);
        assert_eq!(pace.next(at(108)), Turn::Work);
    }
}
