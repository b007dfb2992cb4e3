//! Whether calls to a trunk have a chance, from what calls and pings meet there (RFC 3261 §21.5.4). It counts as down after
//! so many failures in a row, or at once for as long as a 503 asks for, and as up again with the first answer.

use super::register::retry_after;
use super::{TrunkDown, TrunkUp, UplinkEvent, back_off};
use crate::sip::wire::Message;
use crate::time::Now;
use crate::trunk::{HealthRule, TrunkHealth};
use std::time::Duration;

/// The longest wait between two pings of a trunk that is down, where it does not ask for more.
const LONGEST_PING: Duration = Duration::from_secs(300);

/// What a call or a ping met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// An answer that says that somebody is there.
    Answer,
    /// Nothing at all.
    Nothing,
    /// 503, and what its Retry-After says, in seconds.
    Overload(Option<u32>),
}

impl Heard {
    /// What a response says of who sent it; of none, that nobody is there.
    pub fn of(response: Option<&Message>) -> Self {
        match response.map(|response| (response, response.status())) {
            None => Self::Nothing,
            Some((response, Some(503))) => Self::Overload(retry_after(response)),
            Some(_) => Self::Answer,
        }
    }
}

/// How a trunk is doing.
#[derive(Debug, Clone)]
pub struct Health {
    settings: TrunkHealth,
    /// In a row, to the present.
    failures: u32,
    /// How often it was found down since it last answered.
    downs: u32,
    down: bool,
}

impl Health {
    /// One of which nothing is known yet: it counts as up.
    pub const fn new(settings: TrunkHealth) -> Self {
        Self { settings, failures: 0, downs: 0, down: false }
    }

    /// Takes other settings; what is known stays.
    pub const fn set(&mut self, settings: TrunkHealth) {
        self.settings = settings;
    }

    /// How often it is pinged while it is up; nothing where it is not.
    pub fn pings_every(&self) -> Option<Duration> {
        let every = Duration::from_secs(u64::from(self.settings.interval));
        (self.settings.rule == HealthRule::Options).then_some(every)
    }

    /// Whether it is down.
    pub const fn is_down(&self) -> bool {
        self.down
    }

    /// What follows from what a ping, or else a call, met, and after how long it is looked at again, where that changes.
    /// `bits` are drawn.
    pub fn heard(&mut self, now: Now, heard: Heard, ping: bool, bits: u64) -> (Option<UplinkEvent>, Option<Duration>) {
        let (status, retry_after) = match heard {
            Heard::Answer => return self.answered(ping),
            Heard::Nothing => (None, None),
            Heard::Overload(retry_after) => (Some(503), retry_after),
        };
        if self.down && !ping {
            // It was on its way, or had no other choice.
            return (None, None);
        }
        self.failures = self.failures.saturating_add(1);
        let asks = retry_after.is_some_and(|seconds| seconds > 0);
        if !asks && self.failures < self.settings.failures {
            return (None, self.pings_every().filter(|_| ping));
        }
        self.downs = self.downs.saturating_add(1);
        let wait = match self.pings_every() {
            None => back_off(self.downs, retry_after, bits),
            Some(every) => {
                let doubled = every.saturating_mul(1 << self.downs.saturating_sub(1).min(6));
                doubled.min(LONGEST_PING.max(every)).max(asked(retry_after))
            }
        };
        if self.down {
            return (None, Some(wait));
        }
        self.down = true;
        let reason = match (status, retry_after) {
            (None, _) => format!("no answer, {} in a row", self.failures),
            (Some(status), None) => format!("{status}, {} in a row", self.failures),
            (Some(status), Some(seconds)) => format!("{status} with Retry-After {seconds}"),
        };
        let down = TrunkDown { reason: reason.into(), status, again: now.wall + wait };
        (Some(UplinkEvent::TrunkDown(down)), Some(wait))
    }

    fn answered(&mut self, ping: bool) -> (Option<UplinkEvent>, Option<Duration>) {
        (self.failures, self.downs) = (0, 0);
        let up = std::mem::take(&mut self.down).then_some(UplinkEvent::TrunkUp(TrunkUp { answered: true }));
        let changes = ping || up.is_some();
        (up, self.pings_every().filter(|_| changes))
    }

    /// The time is over for which it was down. Where nobody pings it, the next call tries it: one more failure and it is
    /// down again.
    pub fn time_is_over(&mut self) -> Option<UplinkEvent> {
        if !self.down || self.settings.rule == HealthRule::Options {
            return None;
        }
        (self.down, self.failures) = (false, self.settings.failures.saturating_sub(1));
        Some(UplinkEvent::TrunkUp(TrunkUp { answered: false }))
    }
}

fn asked(retry_after: Option<u32>) -> Duration {
    Duration::from_secs(u64::from(retry_after.unwrap_or(0).min(super::LONGEST_RETRY_AFTER)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{Moment, WallTime};

    const NOW: Now = Now { wall: WallTime::from_micros(0), moment: Moment::from_micros(0) };

    fn health(rule: HealthRule) -> Health {
        Health::new(TrunkHealth { rule, interval: 30, failures: 3 })
    }

    fn hears(health: &mut Health, heard: Heard) -> (Option<&'static str>, Option<u64>) {
        let ping = health.pings_every().is_some();
        let (event, wait) = health.heard(NOW, heard, ping, 0);
        let event = event.map(|event| match event {
            UplinkEvent::TrunkDown(_) => "down",
            UplinkEvent::TrunkUp(_) => "up",
            _ => "something else",
        });
        (event, wait.map(|wait| wait.as_secs()))
    }

    #[test]
    fn it_is_down_after_so_many_failures_in_a_row_and_up_with_the_first_answer() {
        let mut health = health(HealthRule::Options);
        for heard in [Heard::Nothing, Heard::Overload(None), Heard::Answer, Heard::Nothing, Heard::Nothing] {
            assert_eq!(hears(&mut health, heard), (None, Some(30)));
        }
        assert_eq!(hears(&mut health, Heard::Nothing), (Some("down"), Some(30)));
        let waits = [60, 120, 240, 300, 300].map(Some);
        for wait in waits {
            assert_eq!(hears(&mut health, Heard::Nothing), (None, wait));
        }
        assert_eq!(hears(&mut health, Heard::Answer), (Some("up"), Some(30)));
        assert!(!health.is_down());
    }

    #[test]
    fn a_503_that_names_a_time_is_believed_at_once_and_for_that_time() {
        for rule in [HealthRule::Options, HealthRule::Failures] {
            let mut health = health(rule);
            assert_eq!(hears(&mut health, Heard::Overload(Some(700))), (Some("down"), Some(700)));
            assert!(health.is_down());
        }
        assert_eq!(hears(&mut health(HealthRule::Failures), Heard::Overload(Some(0))), (None, None));
    }

    #[test]
    fn without_pings_a_trunk_has_another_chance_after_a_while_and_each_time_later() {
        let mut health = health(HealthRule::Failures);
        hears(&mut health, Heard::Nothing);
        hears(&mut health, Heard::Nothing);
        assert_eq!(hears(&mut health, Heard::Nothing), (Some("down"), Some(15)));
        assert_eq!(hears(&mut health, Heard::Nothing), (None, None), "a call that was on its way");
        assert!(health.time_is_over().is_some() && health.time_is_over().is_none());
        assert_eq!(hears(&mut health, Heard::Nothing), (Some("down"), Some(30)));
        assert!(health.time_is_over().is_some());
        assert_eq!(hears(&mut health, Heard::Answer), (None, None));
        assert_eq!(hears(&mut health, Heard::Nothing), (None, None));
    }
}
