//! Overload: how long messages wait before they are heard, and what share of new work is refused for it. [E5]
//!
//! The shell measures, this decides; nothing here reads a clock. Whether there is overload is told by the *least* wait of an
//! interval, as in CoDel (RFC 8289 §4.2): a burst that is worked off within the interval is none of overload's business.
//! Then new calls are taken by share, which a controller (PI, as in RFC 8033) holds where the wait is at its target: the
//! base follows slowly what the machine can do, and how long the message at hand has waited counts at once. So the
//! share never stays too small: where nothing waits all is taken.
//!
//! New calls are refused first; REGISTERs and MESSAGEs outside of dialogs only where refusing all calls is not enough. What
//! belongs to a dialog or transaction is always heard.

use crate::time::Moment;
use std::time::Duration;

/// The wait is judged so often.
const INTERVAL: Duration = Duration::from_millis(100);

/// By how much of itself the base changes in a second, where nothing waits; as much the other way at twice the target.
const FOLLOWS: f64 = 0.5;

/// A log that answers an append within this time is no reason to refuse anything, however slow its disk is: with it the
/// 100 Trying leaves long before the caller repeats itself (T1, 500 ms).
const LOG_MAY_TAKE: Duration = Duration::from_millis(250);

/// Overload is over when everything was taken for so long and the wait is at most half the target.
const CALM_FOR: Duration = Duration::from_secs(2);

/// How long things waited in a turn of the shell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Waits {
    /// The message that had waited longest before it was read; zero where nothing waited.
    pub sockets: Duration,
    /// The oldest append that the log has not answered.
    pub log: Duration,
}

impl Waits {
    /// The wait that is held against the target.
    fn judged(self) -> Duration {
        self.sockets.max(self.log.saturating_sub(LOG_MAY_TAKE))
    }
}

/// What is refused where there is too much of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewWork {
    /// A call: INVITE, or REFER, outside any dialog.
    Call,
    /// A REGISTER or MESSAGE outside any dialog.
    Other,
}

/// How overload stands, for whoever watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overloaded {
    /// Since when; none where there is no overload.
    pub since: Option<Moment>,
    /// Of a thousand new calls so many are refused.
    pub refused_of_thousand: u32,
    /// Requests that were refused, ever.
    pub refused: u64,
    /// The wait of the last interval.
    pub wait: Duration,
}

/// See the module.
#[derive(Debug, Clone)]
pub struct Overload {
    /// The wait that is aimed at under overload; without it nothing is ever refused.
    target: Option<Duration>,
    since: Option<Moment>,
    /// When the interval began, the least wait in it, and how many turns it has.
    interval: Option<(Moment, Duration, u32)>,
    /// When it was last told.
    told: Moment,
    /// The wait of the last interval.
    wait: Duration,
    /// How long waited what is at hand.
    now: Duration,
    /// The share of calls that is taken where the wait is at its target, 0 to 1. Below it says how much of the rest is
    /// not taken either, down to -1.
    base: f64,
    /// Since when all is taken and the wait is short.
    calm_since: Option<Moment>,
    refused: u64,
}

impl Overload {
    /// Nothing is refused before the wait exceeds the target.
    pub const fn new(target: Option<Duration>) -> Self {
        Self {
            target,
            since: None,
            interval: None,
            told: Moment::from_micros(0),
            wait: Duration::ZERO,
            now: Duration::ZERO,
            base: 1.0,
            calm_since: None,
            refused: 0,
        }
    }

    /// How long waited what is heard next.
    pub fn waits(&mut self, waits: Waits) {
        self.now = waits.judged();
    }

    /// How long things waited in a turn that is over. To be told of every turn that looked at the sockets.
    pub fn waited(&mut self, now: Moment, waits: Waits) {
        let wait = waits.judged();
        (self.now, self.told) = (wait, now);
        let (began, least, turns) = self.interval.unwrap_or((now, wait, 0));
        let (least, turns, lasted) = (wait.min(least), turns + 1, now.since(began));
        self.interval = Some((began, least, turns));
        // One turn proves nothing: the machine may have been asleep, or its clock was set.
        if lasted >= INTERVAL && turns > 1 {
            self.interval = None;
            self.judge(now, least, lasted);
        }
    }

    fn judge(&mut self, now: Moment, wait: Duration, lasted: Duration) {
        let Some(target) = self.target else { return };
        self.wait = wait;
        if self.since.is_none() && wait <= target {
            return;
        }
        self.since.get_or_insert(now);
        let change = FOLLOWS * lasted.as_secs_f64() * room(target, wait);
        self.base = (self.base + change).clamp(-1.0, 1.0);
        self.end_if_calm(now, wait <= target / 2);
    }

    fn end_if_calm(&mut self, now: Moment, short: bool) {
        if !short || self.base < 1.0 {
            self.calm_since = None;
            return;
        }
        let calm_since = *self.calm_since.get_or_insert(now);
        if now.since(calm_since) >= CALM_FOR {
            self.since = None;
            self.calm_since = None;
        }
    }

    /// The share of new work that is taken now, 0 to 1.
    fn share(&self, work: NewWork) -> f64 {
        let (Some(target), true) = (self.target, self.is_on()) else { return 1.0 };
        let share = match work {
            NewWork::Call => self.base + room(target, self.now),
            NewWork::Other => self.base + 1.0,
        };
        share.clamp(0.0, 1.0)
    }

    /// When it wants to be told at the latest, so that what is over ends also where nothing comes any more.
    pub fn next(&self) -> Option<Moment> {
        self.since.map(|_| self.told + INTERVAL / 2)
    }

    /// Whether anything may be refused now.
    pub const fn is_on(&self) -> bool {
        self.since.is_some()
    }

    /// Whether new work is refused. `lot` is spread evenly over all of 64 bits and the same for the copies of one request:
    /// a copy is not taken where the first was refused, unless the share has grown in between.
    pub fn refuses(&mut self, work: NewWork, lot: u64) -> bool {
        let share = self.share(work);
        // The upper 32 bits are enough, and exact in floating point.
        let drawn = f64::from(u32::try_from(lot >> 32).unwrap_or(u32::MAX)) / f64::from(u32::MAX);
        let refuses = share < 1.0 && drawn >= share;
        self.refused += u64::from(refuses);
        refuses
    }

    /// How it stands.
    pub fn stands(&self) -> Overloaded {
        Overloaded {
            since: self.since,
            refused_of_thousand: 1_000 - thousandths(self.share(NewWork::Call)),
            refused: self.refused,
            wait: self.wait,
        }
    }
}

/// How far the wait is from its target, in targets: 1 where nothing waits, -1 and less from twice the target on.
fn room(target: Duration, wait: Duration) -> f64 {
    1.0 - wait.as_secs_f64() / target.as_secs_f64()
}

/// A share of 0 to 1 in thousandths, rounded down.
fn thousandths(share: f64) -> u32 {
    (1..=1_000).rev().find(|part| share * 1_000.0 >= f64::from(*part)).unwrap_or(0)
}

#[cfg(test)]
mod tests;
