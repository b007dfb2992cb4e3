//! The guard at the edge: how much is answered to those whom nobody vouches for, and who is not heard at all.
//!
//! What a stranger is answered is kept to a rate for each source, so that floods cost little and nobody can use us to
//! flood a third (a challenge is up to 2.4 times as long as what it answers). Who fails to prove itself too often, or
//! scans, is not heard for a while. Pure: time and standing are arguments.

use super::strangers::{Source, Strangers};
use crate::sip::endpoint::Dropped;
use crate::sip::wire::{HeaderName, Message};
use crate::time::Moment;
use crate::trunk::TrunkAddress;
use std::net::SocketAddr;
use std::time::Duration;

/// One request, or one failure, in the thousandths that levels are kept in.
const ONE: u32 = 1_000;

/// What a failed login takes of what a source may ask, beside the request itself.
const FAILED_LOGIN: u32 = 4;

/// A source where somebody proved himself may fail so many times as often: many phones share it.
const MANY_PHONES: u32 = 10;

/// So long a source is known after somebody proved himself there: longer than any phone waits before it does so again.
const KNOWN_FOR: Duration = Duration::from_secs(24 * 3_600);

/// So many of the sources with the most dropped requests stand in a summary.
const WORST: usize = 5;

/// What scanners call themselves at the beginning of User-Agent or of From's display name, in lower case. None of them
/// makes calls that anybody wants.
const SCANNERS: [&str; 11] = [
    "friendly-request",
    "friendly-scanner",
    "iwar",
    "pplsip",
    "sip-scan",
    "sipcli",
    "siparmyknife",
    "sipscan",
    "sipvicious",
    "smap",
    "sundayddr",
];

/// A rate, and how much may come at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// Requests a second.
    pub per_second: u32,
    /// Requests at once after a rest.
    pub burst: u32,
}

/// What a guard is told once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuardSettings {
    /// Whether it guards at all.
    pub enabled: bool,
    /// What is answered to a source where nobody proved himself: a few phones that are new there.
    pub strangers: Allowance,
    /// What is answered to one where somebody did within a day: an office that comes back after a power cut, 200 phones
    /// with two REGISTERs each and as much again for lost ones.
    pub known: Allowance,
    /// So many failed logins and scans make a stranger's source unheard; they are forgotten at so many in the time of a
    /// ban. Where somebody proved himself it takes ten times as many.
    pub failures: u32,
    /// For how long.
    pub ban: Duration,
    /// The most sources that are remembered.
    pub sources: usize,
    /// Whether known scanners are dropped.
    pub scanners: bool,
    /// Sources that it leaves alone.
    pub exempt: Vec<TrunkAddress>,
}

impl Default for GuardSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            strangers: Allowance { per_second: 20, burst: 60 },
            known: Allowance { per_second: 100, burst: 1_000 },
            failures: 20,
            ban: Duration::from_secs(300),
            sources: 100_000,
            scanners: true,
            exempt: vec![],
        }
    }
}

/// What a guard counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GuardFigures {
    /// Sources that are remembered now.
    pub sources: usize,
    /// Requests dropped, ever.
    pub dropped: u64,
    /// Bans, ever.
    pub bans: u64,
}

/// A source with many dropped requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Worst {
    pub(super) source: Source,
    pub(super) dropped: u32,
    pub(super) banned: bool,
}

/// See the module.
#[derive(Debug)]
pub struct Guard {
    settings: GuardSettings,
    strangers: Strangers,
    dropped: u64,
    bans: u64,
    /// What of these the last summary had.
    told: (u64, u64),
}

impl Guard {
    /// A guard that has heard of nobody.
    pub fn new(settings: GuardSettings) -> Self {
        Self { strangers: Strangers::new(settings.sources), settings, dropped: 0, bans: 0, told: (0, 0) }
    }

    /// Whether a source is left alone, whatever it does.
    pub fn exempts(&self, source: SocketAddr) -> bool {
        !self.settings.enabled || self.settings.exempt.iter().any(|exempt| exempt.covers(source))
    }

    /// Whether a request says itself that a scanner sent it.
    pub fn is_scan(&self, request: &Message) -> bool {
        if !self.settings.scanners {
            return false;
        }
        let says = |text: &str| {
            let begins = |scanner: &&str| {
                text.as_bytes().get(..scanner.len()).is_some_and(|start| start.eq_ignore_ascii_case(scanner.as_bytes()))
            };
            SCANNERS.iter().any(begins)
        };
        let from = || request.header(HeaderName::From).map(|from| from.trim_start_matches('"'));
        request.header(HeaderName::UserAgent).is_some_and(says) || from().is_some_and(says)
    }

    /// Why a request of this source would be dropped now. Costs one look into a table, which has no trunks. `own` is a
    /// request of a registered user by the user's own flow: neighbours do not get it banned.
    pub fn refuses(&self, now: Moment, source: Source, own: bool) -> Option<Dropped> {
        let stranger = self.strangers.get(source)?;
        if stranger.banned_until > now && !own {
            return Some(Dropped::Banned);
        }
        let allowance = self.allowance(stranger.known_until > now);
        let level = drained(stranger.requests, allowance.per_second, now.since(stranger.answered_at));
        let full = level.saturating_add(ONE) > allowance.burst.saturating_mul(ONE);
        full.then_some(Dropped::Flood)
    }

    /// A request of a source is answered, though nobody vouches for it.
    pub fn answered(&mut self, now: Moment, source: Source) {
        self.charge(now, source, 1);
    }

    /// A source showed a wrong password: that takes more of what it may ask than showing none.
    pub fn failed(&mut self, now: Moment, source: Source) {
        self.charge(now, source, FAILED_LOGIN);
        self.scanned(now, source);
    }

    /// A scanner sent a request; or a failed login, which counts the same toward a ban.
    pub fn scanned(&mut self, now: Moment, source: Source) {
        let GuardSettings { failures, ban, .. } = self.settings;
        let stranger = self.strangers.entry(source);
        let most = if stranger.known_until > now { failures.saturating_mul(MANY_PHONES) } else { failures };
        let left = faded(stranger.failures, most, ban, now.since(stranger.failed_at));
        (stranger.failures, stranger.failed_at) = (left.saturating_add(ONE), now);
        if stranger.failures >= most.saturating_mul(ONE) && stranger.banned_until <= now {
            (stranger.failures, stranger.banned_until) = (0, now + ban);
            self.bans += 1;
        }
    }

    /// Somebody proved himself from a source. He was asked to, so there is an entry unless it was forgotten since.
    pub fn proved(&mut self, now: Moment, source: Source) {
        if let Some(stranger) = self.strangers.get_mut(source) {
            stranger.known_until = now + KNOWN_FOR;
        }
    }

    /// A request of a source was dropped.
    pub fn dropped(&mut self, source: Source) {
        let stranger = self.strangers.entry(source);
        stranger.dropped = stranger.dropped.saturating_add(1);
        self.dropped += 1;
    }

    /// What it counted.
    pub fn figures(&self) -> GuardFigures {
        GuardFigures { sources: self.strangers.len(), dropped: self.dropped, bans: self.bans }
    }

    /// How many bans there were since this was last asked, and the sources with the most dropped requests.
    pub(super) fn take_summary(&mut self, now: Moment) -> (u64, Vec<Worst>) {
        let (dropped, bans) = (self.dropped - self.told.0, self.bans - self.told.1);
        self.told = (self.dropped, self.bans);
        if dropped == 0 {
            return (bans, vec![]);
        }
        let mut worst: Vec<Worst> = vec![];
        for (source, dropped, banned_until) in self.strangers.take_dropped() {
            let at = worst.partition_point(|other| (other.dropped, source) > (dropped, other.source));
            if at < WORST {
                worst.truncate(WORST - 1);
                worst.insert(at, Worst { source, dropped, banned: banned_until > now });
            }
        }
        (bans, worst)
    }

    const fn allowance(&self, known: bool) -> Allowance {
        if known { self.settings.known } else { self.settings.strangers }
    }

    /// Takes from what a source may ask.
    fn charge(&mut self, now: Moment, source: Source, requests: u32) {
        let GuardSettings { strangers, known, .. } = self.settings;
        let stranger = self.strangers.entry(source);
        let allowance = if stranger.known_until > now { known } else { strangers };
        let level = drained(stranger.requests, allowance.per_second, now.since(stranger.answered_at));
        (stranger.requests, stranger.answered_at) = (level.saturating_add(requests * ONE), now);
    }
}

/// What is left of a level of requests, in thousandths.
fn drained(level: u32, per_second: u32, passed: Duration) -> u32 {
    let drained = passed.as_micros().saturating_mul(u128::from(per_second)) / 1_000;
    level.saturating_sub(u32::try_from(drained).unwrap_or(u32::MAX))
}

/// What is left of failures, in thousandths: as many as make a ban fade in the time of one.
fn faded(level: u32, most: u32, ban: Duration, passed: Duration) -> u32 {
    let faded = passed.as_micros().saturating_mul(u128::from(most) * u128::from(ONE)) / ban.as_micros().max(1);
    level.saturating_sub(u32::try_from(faded).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests;
