//! RFC 3261's timers by name, and a queue that knows which is due next.

use crate::ids::{LegId, SessionId};
use crate::time::Moment;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

/// The base values of RFC 3261 §17.1.1.1, table 4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimerValues {
    /// Round-trip time estimate.
    pub t1: Duration,
    /// Longest interval between retransmissions.
    pub t2: Duration,
    /// Longest time a message stays in the network.
    pub t4: Duration,
}

impl Default for TimerValues {
    fn default() -> Self {
        Self { t1: Duration::from_millis(500), t2: Duration::from_secs(4), t4: Duration::from_secs(5) }
    }
}

impl TimerValues {
    /// 64·T1: how long a transaction may stay without an answer.
    pub const fn timeout(&self) -> Duration {
        self.t1.saturating_mul(64)
    }
}

/// The number by which an endpoint knows a transaction.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TransactionId(pub u64);

impl fmt::Debug for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}#", self.0)
    }
}

/// A timer of a transaction. Letters are RFC 3261's and RFC 6026's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TransactionTimer {
    /// A, E and G: send the last message again.
    Retransmit,
    /// B and F: nobody answered; H: nobody acknowledged.
    Timeout,
    /// D, I, J, K, L and M: absorb repeats until now, then forget. D, I, J and K are zero on reliable transports.
    Linger,
}

/// A timer of a leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LegTimer {
    /// Send our 2xx again: no ACK yet (RFC 3261 §13.3.1.4).
    RepeatAnswer,
    /// 64·T1 after our 2xx: the ACK is missing.
    AckMissing,
    /// The far end has rung long enough.
    NoAnswer,
    /// Our INVITE within a dialog has stayed long enough at a provisional response (RFC 3261 §16.8, timer C).
    ChangePending,
    /// 64·T1 after our CANCEL: no final response will come (RFC 3261 §9.1).
    CancelUnanswered,
    /// Send our reliable provisional response again: no PRACK yet (RFC 3262 §3).
    RepeatProvisional,
    /// 64·T1 after our reliable provisional response: the PRACK is missing.
    PrackMissing,
    /// An INVITE that met one of the peer may be tried again (RFC 3261 §14.1).
    Retry,
    /// Nobody refreshed the subscription of a REFER (RFC 6665 §4.2.1).
    Unwatched,
    /// The session is to be refreshed by us (RFC 4028 §10).
    Refresh,
    /// Nobody refreshed the session in time (RFC 4028 §10).
    Expires,
}

impl LegTimer {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::RepeatAnswer,
        Self::AckMissing,
        Self::NoAnswer,
        Self::ChangePending,
        Self::CancelUnanswered,
        Self::RepeatProvisional,
        Self::PrackMissing,
        Self::Retry,
        Self::Unwatched,
        Self::Refresh,
        Self::Expires,
    ];
}

/// Who wakes up, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Timer {
    /// A transaction's.
    Transaction(TransactionId, TransactionTimer),
    /// A leg's.
    Leg(LegId, LegTimer),
    /// Repeats seen or sent are written down at the latest now.
    NoteRepeats(SessionId),
}

/// Deadlines, each timer at most once.
#[derive(Debug, Default)]
pub struct Timers {
    queue: BTreeSet<(Moment, Timer)>,
    due: BTreeMap<Timer, Moment>,
}

impl Timers {
    /// Arms a timer, or moves it.
    pub fn set(&mut self, timer: Timer, at: Moment) {
        self.stop(timer);
        self.due.insert(timer, at);
        self.queue.insert((at, timer));
    }

    /// Disarms a timer; nothing happens where it is not armed.
    pub fn stop(&mut self, timer: Timer) {
        if let Some(at) = self.due.remove(&timer) {
            self.queue.remove(&(at, timer));
        }
    }

    /// Whether the timer is armed.
    pub fn is_set(&self, timer: Timer) -> bool {
        self.due.contains_key(&timer)
    }

    /// When to wake up next.
    pub fn next(&self) -> Option<Moment> {
        self.queue.first().map(|(at, _)| *at)
    }

    /// Takes one timer that is due.
    pub fn take_due(&mut self, now: Moment) -> Option<Timer> {
        let (at, timer) = *self.queue.first()?;
        if at > now {
            return None;
        }
        self.queue.pop_first();
        self.due.remove(&timer);
        Some(timer)
    }

    /// Those that are due at this moment, in the order of their deadlines.
    pub fn due(&self, now: Moment) -> impl Iterator<Item = (Moment, Timer)> {
        self.queue.iter().take_while(move |(at, _)| *at <= now).copied()
    }

    /// When a timer is due, if it is armed.
    pub fn deadline(&self, timer: Timer) -> Option<Moment> {
        self.due.get(&timer).copied()
    }

    /// All that are armed, in the order of their deadlines.
    pub fn armed(&self) -> impl Iterator<Item = (Moment, Timer)> {
        self.queue.iter().copied()
    }

    /// How many are armed.
    pub fn len(&self) -> usize {
        self.due.len()
    }

    /// Whether none is armed.
    pub fn is_empty(&self) -> bool {
        self.due.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Timer = Timer::Transaction(TransactionId(1), TransactionTimer::Retransmit);
    const SECOND: Timer = Timer::Transaction(TransactionId(1), TransactionTimer::Timeout);

    #[test]
    fn timers_fire_in_the_order_of_their_deadlines_and_once() {
        let mut timers = Timers::default();
        timers.set(SECOND, Moment::from_micros(20));
        timers.set(FIRST, Moment::from_micros(10));
        assert_eq!(timers.next(), Some(Moment::from_micros(10)));
        assert_eq!(timers.take_due(Moment::from_micros(9)), None);
        assert_eq!(timers.take_due(Moment::from_micros(20)), Some(FIRST));
        assert_eq!(timers.take_due(Moment::from_micros(20)), Some(SECOND));
        assert_eq!(timers.take_due(Moment::from_micros(20)), None);
        assert!(timers.is_empty());
    }

    #[test]
    fn setting_a_timer_again_moves_it() {
        let mut timers = Timers::default();
        timers.set(FIRST, Moment::from_micros(10));
        timers.set(FIRST, Moment::from_micros(30));
        assert_eq!(timers.len(), 1);
        assert_eq!(timers.take_due(Moment::from_micros(10)), None);
        timers.stop(FIRST);
        assert_eq!(timers.next(), None);
    }
}
