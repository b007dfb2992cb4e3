//! How many calls accounts and trunks have, and whether they may have one more. [T3]
//!
//! What a session takes is a function of its state and of whose its legs are: it is worked out anew after every turn that
//! changed the session, and the difference is what the counts change by. So nothing stays counted, however a call ends.

use super::route::Routed;
use super::{Exchange, Live};
use crate::id_map::IdMap;
use crate::ids::{AccountId, LegId, SessionId, TrunkId};
use crate::limits::{CallLimits, Reached};
use crate::routing::Tables;
use crate::session::event::{RouteRefused, Target};
use crate::session::leg::{Leg, LegRole, LegStatus};
use crate::time::Moment;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// The span that calls per second are counted in.
const A_SECOND: Duration = Duration::from_secs(1);

/// Whose calls are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Counted {
    /// An account's sessions, those of accounts below it included.
    Account(AccountId),
    /// A trunk's legs, in both directions.
    Trunk(TrunkId),
}

/// The counts of all sessions, and when calls of those began that are limited by that.
#[derive(Debug, Default)]
pub(super) struct Counts {
    calls: HashMap<Counted, u32>,
    /// Not more moments than the limit was when the newest began.
    begun: HashMap<Counted, VecDeque<Moment>>,
}

impl Counts {
    fn of(&self, counted: Counted) -> u32 {
        self.calls.get(&counted).copied().unwrap_or(0)
    }

    fn change(&mut self, before: &[Counted], after: &[Counted]) {
        for counted in before {
            if let Some(calls) = self.calls.get_mut(counted) {
                *calls = calls.saturating_sub(1);
                if *calls == 0 {
                    self.calls.remove(counted);
                }
            }
        }
        for counted in after {
            *self.calls.entry(*counted).or_default() += 1;
        }
    }

    /// The limit that keeps one more call from beginning, where `own` calls of the one that asks are about to be over.
    fn reached(&self, now: Moment, counted: Counted, limits: CallLimits, own: u32) -> Option<Reached> {
        let full = limits.calls.filter(|limit| self.of(counted).saturating_sub(own) >= limit.get());
        let recent = || {
            let begun = self.begun.get(&counted)?;
            let within = begun.iter().rev().take_while(|at| now.since(**at) < A_SECOND).count();
            limits.per_second.filter(|limit| within >= usize::try_from(limit.get()).unwrap_or(usize::MAX))
        };
        full.map(Reached::Calls).or_else(|| recent().map(Reached::PerSecond))
    }

    /// A call begins.
    fn begin(&mut self, now: Moment, counted: Counted, limits: CallLimits) {
        let Some(limit) = limits.per_second else {
            self.begun.remove(&counted);
            return;
        };
        let begun = self.begun.entry(counted).or_default();
        while begun.front().is_some_and(|at| now.since(*at) >= A_SECOND) || begun.len() > limit.get() as usize {
            begun.pop_front();
        }
        begun.push_back(now);
    }

    /// Forgets when calls of those began that have no such limit any more.
    pub(super) fn keep_limited(&mut self, tables: &Tables) {
        self.begun.retain(|counted, _| match counted {
            Counted::Account(id) => tables.account_limits(*id).max_calls_per_second.is_some(),
            Counted::Trunk(id) => tables.trunk(*id).is_some_and(|row| row.settings.max_calls_per_second.is_some()),
        });
    }
}

/// Whether a leg takes one of its trunk's calls: until it ends, or we told it to. One that is lent for a transfer does.
const fn takes(leg: &Leg) -> bool {
    leg.is_live() || matches!(leg.status, LegStatus::Away)
}

/// What a session takes.
fn taken(tables: &Tables, owners: &IdMap<LegId, SessionId>, live: &Live) -> Vec<Counted> {
    let session = &live.session;
    if session.ended || live.outbox.is_frozen() {
        // A frozen session does nothing any more, and nobody knows when its calls end.
        return vec![];
    }
    let own = |leg: &&Leg| takes(leg) && owners.get(&leg.id) == Some(&session.id);
    let mut legs = session.legs.iter().filter(own).peekable();
    if legs.peek().is_none() {
        return vec![];
    }
    let trunks = legs.filter_map(|leg| leg.far.trunk).map(Counted::Trunk);
    tables.accounts_above(session.account).map(Counted::Account).chain(trunks).collect()
}

impl Exchange {
    /// Brings the counts up to date with what a session takes now.
    pub(super) fn recount(&mut self, id: SessionId) {
        let Self { sessions, legs, tables, counts, .. } = self;
        let Some(live) = sessions.get_mut(&id) else { return };
        let now = taken(tables, legs, live);
        if now != live.counted {
            counts.change(&live.counted, &now);
            live.counted = now;
        }
    }

    /// A session is forgotten, and with it what it took.
    pub(super) fn uncount(&mut self, over: &Live) {
        self.counts.change(&over.counted, &[]);
    }

    fn reached(&self, now: Moment, counted: Counted, own: u32) -> Option<Reached> {
        let limits = match counted {
            Counted::Account(id) => self.tables.account_limits(id).call_limits(),
            Counted::Trunk(id) => self.tables.trunk(id)?.settings.call_limits(),
        };
        if limits.is_none() { None } else { self.counts.reached(now, counted, limits, own) }
    }

    /// A call begins that was routed, unless a limit is reached: then that is what becomes of it.
    pub(super) fn admit_call(&mut self, now: Moment, routed: &mut Routed) {
        if routed.route.is_err() {
            return;
        }
        match self.over_limit(now, routed.trunk, routed.account) {
            Some(refused) => routed.route = Err(refused),
            None => self.begin_call(now, routed.trunk, routed.account),
        }
    }

    /// Why a call may not begin that comes from a trunk, if from one, for an account.
    pub(super) fn over_limit(&self, now: Moment, trunk: Option<TrunkId>, account: AccountId) -> Option<RouteRefused> {
        let accounts = self.tables.accounts_above(account).map(Counted::Account);
        let all = trunk.map(Counted::Trunk).into_iter().chain(accounts);
        let (counted, reached) = all.into_iter().find_map(|counted| Some((counted, self.reached(now, counted, 0)?)))?;
        let (rule, who) = match counted {
            Counted::Trunk(_) => ("trunk-limit", "the trunk"),
            Counted::Account(_) => ("account-limit", "the account, or one above it,"),
        };
        let reason = format!("{who} has {reached}").into();
        Some(RouteRefused { status: 480, rule: rule.into(), reason, retry_after: Some(reached.retry_after()) })
    }

    pub(super) fn begin_call(&mut self, now: Moment, trunk: Option<TrunkId>, account: AccountId) {
        let Self { tables, counts, .. } = self;
        for id in tables.accounts_above(account) {
            counts.begin(now, Counted::Account(id), tables.account_limits(id).call_limits());
        }
        if let Some(trunk) = trunk {
            self.begin_leg(now, trunk);
        }
    }

    /// Why a call may not take another's place that comes from a trunk: seconds after which it may try again.
    pub(super) fn trunk_is_full(&self, now: Moment, trunk: TrunkId) -> Option<u32> {
        self.reached(now, Counted::Trunk(trunk), 0).map(Reached::retry_after)
    }

    /// A leg begins that comes or goes by a trunk.
    pub(super) fn begin_leg(&mut self, now: Moment, trunk: TrunkId) {
        if let Some(row) = self.tables.trunk(trunk) {
            self.counts.begin(now, Counted::Trunk(trunk), row.settings.call_limits());
        }
    }

    /// Those trunks of targets that take no call more now. `from` is the trunk of a call that begins in this turn.
    pub(super) fn full_among(&self, now: Moment, targets: &[Target], from: Option<TrunkId>) -> Vec<TrunkId> {
        if let Some(playing) = &self.replaying {
            return playing.full();
        }
        let mut full = vec![];
        for trunk in targets.iter().filter_map(|target| target.trunk) {
            if !full.contains(&trunk) && self.is_full(now, trunk, 0, from == Some(trunk)) {
                full.push(trunk);
            }
        }
        full
    }

    /// Those trunks that a session may try next and that take no call more now. Its own legs that ring there are over
    /// before it tries another.
    pub(super) fn full_for(&self, now: Moment, id: SessionId) -> Vec<TrunkId> {
        if let Some(playing) = &self.replaying {
            return playing.full();
        }
        let Some(session) = self.sessions.get(&id).map(|live| &live.session) else { return vec![] };
        let mut full = vec![];
        let rest = session.targets.get(session.next_target..).unwrap_or_default();
        // Whom a REFER named is called in the turn in which its sender answers.
        let onward = session.referred.as_ref().and_then(|referred| referred.onward.as_ref());
        let onward = onward.and_then(|onward| onward.1.targets.known()).map_or(&[][..], Vec::as_slice);
        for trunk in rest.iter().chain(onward).filter_map(|target| target.trunk) {
            let rings = |leg: &&Leg| leg.role == LegRole::Callee && leg.is_early() && leg.far.trunk == Some(trunk);
            let own = u32::try_from(session.legs.iter().filter(rings).count()).unwrap_or(u32::MAX);
            if !full.contains(&trunk) && self.is_full(now, trunk, own, false) {
                full.push(trunk);
            }
        }
        full
    }

    fn is_full(&self, now: Moment, trunk: TrunkId, own: u32, one_more: bool) -> bool {
        let counted = Counted::Trunk(trunk);
        let Some(limits) = self.tables.trunk(trunk).map(|row| row.settings.call_limits()) else { return false };
        if limits.is_none() {
            return false;
        }
        let begins = one_more && limits.calls.is_some_and(|limit| self.counts.of(counted) + 1 >= limit.get());
        begins || self.counts.reached(now, counted, limits, own).is_some()
    }

    /// What the counts should be, worked out from all sessions at once, and what they are: for tests.
    #[doc(hidden)]
    pub fn audit_counts(&self) -> [Vec<(Counted, u32)>; 2] {
        let mut should = HashMap::<Counted, u32>::new();
        for live in self.sessions.values() {
            taken(&self.tables, &self.legs, live).into_iter().for_each(|counted| {
                *should.entry(counted).or_default() += 1;
            });
        }
        [should, self.counts.calls.clone()].map(|counts| {
            let mut counts: Vec<_> = counts.into_iter().collect();
            counts.sort_unstable();
            counts
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRUNK: Counted = Counted::Trunk(TrunkId::from_bits(1));

    fn at(ms: u64) -> Moment {
        Moment::from_micros(ms * 1_000)
    }

    fn limits(calls: Option<u64>, per_second: Option<u64>) -> CallLimits {
        let calls = calls.map(|limit| limit.try_into().unwrap());
        CallLimits { calls, per_second: per_second.map(|limit| limit.try_into().unwrap()) }
    }

    #[test]
    fn no_more_calls_begin_in_any_second_than_the_limit() {
        let (mut counts, limits) = (Counts::default(), limits(None, Some(3)));
        let mut begun = vec![];
        for ms in (0..5_000).step_by(50) {
            if counts.reached(at(ms), TRUNK, limits, 0).is_none() {
                counts.begin(at(ms), TRUNK, limits);
                begun.push(ms);
            }
        }
        assert_eq!(begun.len(), 15);
        assert!(begun.windows(4).all(|four| four[3] - four[0] >= 1_000), "{begun:?}");
    }

    #[test]
    fn a_limit_on_calls_is_reached_and_left_again() {
        let (mut counts, limits) = (Counts::default(), limits(Some(2), None));
        counts.change(&[], &[TRUNK, TRUNK]);
        assert!(matches!(counts.reached(at(0), TRUNK, limits, 0), Some(Reached::Calls(_))));
        assert_eq!(counts.reached(at(0), TRUNK, limits, 1), None);
        counts.change(&[TRUNK], &[]);
        assert_eq!(counts.reached(at(0), TRUNK, limits, 0), None);
        counts.change(&[TRUNK], &[]);
        assert!(counts.calls.is_empty());
    }

    #[test]
    fn what_was_remembered_of_a_limit_that_is_gone_is_forgotten() {
        let mut counts = Counts::default();
        (0..9).for_each(|ms| counts.begin(at(ms), TRUNK, limits(None, Some(5))));
        assert!(counts.begun[&TRUNK].len() <= 6);
        counts.begin(at(10), TRUNK, limits(None, None));
        assert!(counts.begun.is_empty());
        counts.begin(at(10), TRUNK, limits(None, Some(5)));
        counts.keep_limited(&Tables::default());
        assert!(counts.begun.is_empty());
    }
}
