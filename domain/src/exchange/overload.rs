//! Overload: how long messages wait before they are heard, and what share of new work is refused for it. [E5]
//!
//! The shell measures, this decides; nothing here reads a clock. The wait that counts is the *least* of an interval, as in
//! CoDel (RFC 8289 §4.2): a burst that is worked off within the interval is none of overload's business. Once it is above
//! the target, the share of new calls that are taken follows the load, which the growth of the wait tells: a wait that
//! grows by two seconds a second means three times as much work as can be done, so a third of it is taken.
//!
//! New calls are refused first, all but one in a hundred of them if need be; REGISTERs and MESSAGEs outside of dialogs only
//! where that is not enough. What belongs to a dialog or transaction is always heard.

use crate::time::Moment;
use std::time::Duration;

/// The wait is judged so often.
const INTERVAL: Duration = Duration::from_millis(100);

/// A wait that is off the target is to be back on it after this long, in seconds.
const BACK_WITHIN: f64 = 0.5;

/// What one interval changes a share by at most: to three tenths, and by a fifth.
const STEEPEST: (f64, f64) = (0.3, 1.2);

/// The least share: who is refused for ever could not tell that it is over.
const LEAST: f64 = 0.01;

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
    /// The shares that are taken, `LEAST` to 1.
    calls: f64,
    others: f64,
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
            calls: 1.0,
            others: 1.0,
            calm_since: None,
            refused: 0,
        }
    }

    /// How long things waited in a turn that is over. To be told of every turn that looked at the sockets.
    pub fn waited(&mut self, now: Moment, waits: Waits) {
        let wait = waits.judged();
        self.told = now;
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
        let before = std::mem::replace(&mut self.wait, wait);
        if self.since.is_none() && wait <= target {
            return;
        }
        self.since.get_or_insert(now);
        let growth = (wait.as_secs_f64() - before.as_secs_f64()) / lasted.as_secs_f64();
        let load = (1.0 + growth).max(0.1);
        let wanted = (1.0 + (target.as_secs_f64() - wait.as_secs_f64()) / BACK_WITHIN).max(0.1);
        // Half of the way: what was taken or refused before has yet to show.
        self.change_by((wanted / load).sqrt());
        self.end_if_calm(now, wait <= target / 2);
    }

    /// Calls are the first to be refused and the last to be taken again.
    fn change_by(&mut self, factor: f64) {
        let factor = factor.clamp(STEEPEST.0, STEEPEST.1);
        let first = if factor < 1.0 { self.calls > LEAST } else { self.others >= 1.0 };
        let share = if first { &mut self.calls } else { &mut self.others };
        *share = (*share * factor).clamp(LEAST, 1.0);
    }

    fn end_if_calm(&mut self, now: Moment, short: bool) {
        if !short || self.calls < 1.0 {
            self.calm_since = None;
            return;
        }
        let calm_since = *self.calm_since.get_or_insert(now);
        if now.since(calm_since) >= CALM_FOR {
            self.since = None;
            self.calm_since = None;
        }
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
        let share = match work {
            NewWork::Call => self.calls,
            NewWork::Other => self.others,
        };
        // The upper 32 bits are enough, and exact in floating point.
        let drawn = f64::from(u32::try_from(lot >> 32).unwrap_or(u32::MAX)) / f64::from(u32::MAX);
        let refuses = self.is_on() && share < 1.0 && drawn >= share;
        self.refused += u64::from(refuses);
        refuses
    }

    /// How it stands.
    pub fn stands(&self) -> Overloaded {
        let taken = if self.is_on() { self.calls } else { 1.0 };
        Overloaded {
            since: self.since,
            refused_of_thousand: 1_000 - thousandths(taken),
            refused: self.refused,
            wait: self.wait,
        }
    }
}

/// A share of 0 to 1 in thousandths, rounded down.
fn thousandths(share: f64) -> u32 {
    (1..=1_000).rev().find(|part| share * 1_000.0 >= f64::from(*part)).unwrap_or(0)
}

#[cfg(test)]
mod tests;
