//! Events into counters. An attempt is one leg toward one target; a call that found no target counts as one attempt
//! without one, so that refusals are seen too.

use crate::beginning::Beginning;
use crate::database::{Sql, Transaction, Value, id};
use crate::names::name_of;
use crate::projector::{NoBeginning, Projection, Seen};
use domain::ids::{AccountId, LegId, NumberId, SessionId, TrunkId};
use domain::log::PortFuture;
use domain::session::event::SessionEvent;
use domain::time::WallTime;
use std::collections::HashMap;
use std::time::Duration;

/// Counters are gathered for so long: the longer, the fewer rows are touched for as many calls.
const CADENCE: Duration = Duration::from_secs(5);
/// Sessions kept in memory; beyond it all are dropped and recalled from their streams when needed.
const MOST_KEPT: usize = 50_000;
/// Rows a statement.
const CHUNK: usize = 64;
/// `target` of a call that found none.
const NO_TARGET: i16 = -1;
const HOUR: i64 = 3_600_000_000;

struct Kept {
    account: AccountId,
    /// None where a user called.
    inbound: Option<TrunkId>,
    number: Option<NumberId>,
    rule: Option<Box<str>>,
    open: Vec<Attempt>,
}

struct Attempt {
    leg: LegId,
    target: i16,
    trunk: Option<TrunkId>,
}

#[derive(PartialEq, Eq, Hash)]
struct Key {
    account: AccountId,
    hour: i64,
    number: Option<NumberId>,
    inbound: Option<TrunkId>,
    trunk: Option<TrunkId>,
    rule: Box<str>,
    target: i16,
    outcome: String,
    status: u16,
}

#[derive(Default)]
struct Count {
    attempts: i64,
    last_at: WallTime,
}

struct Outcome {
    attempt: Attempt,
    name: String,
    status: u16,
}

/// The read model `routing`.
#[derive(Default)]
pub(crate) struct Routing {
    kept: HashMap<SessionId, Kept>,
    counts: HashMap<Key, Count>,
}

impl Projection for Routing {
    fn kinds(&self) -> &'static [&'static str] {
        &[
            "SessionOffered",
            "SessionReferred",
            "RouteChosen",
            "RouteRefused",
            "LegInvited",
            "LegAnswered",
            "LegRefused",
            "SessionEnded",
        ]
    }

    fn cadence(&self) -> Duration {
        CADENCE
    }

    fn knows(&self, session: SessionId) -> bool {
        self.kept.contains_key(&session)
    }

    fn apply(&mut self, seen: Seen<'_>, counted: bool) -> Result<(), NoBeginning> {
        if let Some(begun) = Beginning::of(seen.event) {
            let kept =
                Kept { account: begun.account, inbound: begun.trunk, number: None, rule: None, open: Vec::new() };
            self.kept.insert(seen.session, kept);
        }
        let kept = self.kept.get_mut(&seen.session).ok_or(NoBeginning)?;
        let outcomes = kept.evolve(seen.event);
        if !counted {
            for outcome in outcomes {
                let count = self.counts.entry(kept.key(outcome, seen.recorded.at)).or_default();
                count.attempts += 1;
                count.last_at = count.last_at.max(seen.recorded.at);
            }
        }
        if matches!(seen.event, SessionEvent::SessionEnded(_)) {
            // Should more come of it, its stream tells what it was.
            self.kept.remove(&seen.session);
        } else if self.kept.len() > MOST_KEPT {
            self.kept.clear();
        }
        Ok(())
    }

    fn pending(&self) -> bool {
        !self.counts.is_empty()
    }

    fn write<'a>(&'a self, sql: &'a mut Transaction) -> PortFuture<'a, Result<(), sqlx::Error>> {
        Box::pin(async move {
            let rows: Vec<_> = self.counts.iter().collect();
            for chunk in rows.chunks(CHUNK) {
                sql.run(upsert(chunk)).await?;
            }
            Ok(())
        })
    }

    fn written(&mut self) {
        self.counts.clear();
    }
}

impl Kept {
    /// What an event decides about attempts.
    fn evolve(&mut self, event: &SessionEvent) -> Vec<Outcome> {
        match event {
            SessionEvent::RouteChosen(route) => {
                self.rule = Some(route.rule.clone());
                self.number = route.number;
                Vec::new()
            }
            SessionEvent::RouteRefused(route) => {
                self.rule = Some(route.rule.clone());
                vec![without_target("refused".to_owned(), route.status)]
            }
            SessionEvent::LegInvited(invited) => {
                let target = i16::from(invited.target);
                self.open.push(Attempt { leg: invited.leg, target, trunk: invited.trunk });
                Vec::new()
            }
            SessionEvent::LegAnswered(answered) => self.resolve(answered.leg, "answered".to_owned(), 200),
            SessionEvent::LegRefused(refused) => self.resolve(refused.leg, name_of(&refused.cause), refused.status),
            SessionEvent::SessionEnded(ended) => {
                let name = name_of(&ended.cause);
                let status = ended.status.unwrap_or(0);
                if self.rule.is_none() {
                    return vec![without_target(name, status)];
                }
                let open = std::mem::take(&mut self.open);
                open.into_iter().map(|attempt| Outcome { attempt, name: name.clone(), status }).collect()
            }
            // The beginning is in `apply`; the others decide nothing about an attempt.
            SessionEvent::SessionOffered(_)
            | SessionEvent::SessionReferred(_)
            | SessionEvent::SipMessageReceived(_)
            | SessionEvent::SipMessageCommitted(_)
            | SessionEvent::SipMessageRepeated(_)
            | SessionEvent::LegAlerted(_)
            | SessionEvent::LegChallenged(_)
            | SessionEvent::LegConfirmed(_)
            | SessionEvent::LegsBridged(_)
            | SessionEvent::ModeEntered(_)
            | SessionEvent::MediaReserved(_)
            | SessionEvent::OfferMade(_)
            | SessionEvent::OfferAccepted(_)
            | SessionEvent::OfferRefused(_)
            | SessionEvent::SessionTimerSet(_)
            | SessionEvent::ConnectionLost(_)
            | SessionEvent::TransferAsked(_)
            | SessionEvent::TransferRefused(_)
            | SessionEvent::ReplacementAsked(_)
            | SessionEvent::ReplacementRefused(_)
            | SessionEvent::TransferLinked(_)
            | SessionEvent::LegGivenAway(_)
            | SessionEvent::LegReturned(_)
            | SessionEvent::LegRegained(_)
            | SessionEvent::LegTaken(_)
            | SessionEvent::LegReplaced(_)
            | SessionEvent::TransferCompleted(_)
            | SessionEvent::TransferFailed(_)
            | SessionEvent::MediaLatched(_)
            | SessionEvent::MediaFellSilent(_)
            | SessionEvent::MediaHeard(_)
            | SessionEvent::MediaMeasured(_)
            | SessionEvent::LegReleased(_) => Vec::new(),
        }
    }

    fn resolve(&mut self, leg: LegId, name: String, status: u16) -> Vec<Outcome> {
        // The caller's own leg is answered and refused too; it is no attempt.
        let Some(index) = self.open.iter().position(|attempt| attempt.leg == leg) else { return Vec::new() };
        vec![Outcome { attempt: self.open.swap_remove(index), name, status }]
    }

    fn key(&self, outcome: Outcome, at: WallTime) -> Key {
        Key {
            account: self.account,
            hour: at.micros().div_euclid(HOUR),
            number: self.number,
            inbound: self.inbound,
            trunk: outcome.attempt.trunk,
            rule: self.rule.clone().unwrap_or_default(),
            target: outcome.attempt.target,
            outcome: outcome.name,
            status: outcome.status,
        }
    }
}

fn without_target(name: String, status: u16) -> Outcome {
    Outcome { attempt: Attempt { leg: LegId::from_bits(0), target: NO_TARGET, trunk: None }, name, status }
}

fn upsert(rows: &[(&Key, &Count)]) -> Sql {
    let sql = Sql::new(
        "INSERT INTO routing (account, hour, number, inbound, trunk, rule, target, outcome, status, attempts, last_at)",
    );
    // Exactly once, because the checkpoint moves in the same transaction.
    sql.rows(rows, |(key, count)| values(key, count)).push(
        " ON CONFLICT (account, hour, number, inbound, trunk, rule, target, outcome, status) DO UPDATE \
         SET attempts = routing.attempts + excluded.attempts, last_at = CASE WHEN excluded.last_at > routing.last_at \
         THEN excluded.last_at ELSE routing.last_at END",
    )
}

fn values(key: &Key, count: &Count) -> [Value; 11] {
    [
        id(key.account.bits()),
        key.hour.into(),
        part_of_key(key.number.map(NumberId::bits)),
        part_of_key(key.inbound.map(TrunkId::bits)),
        part_of_key(key.trunk.map(TrunkId::bits)),
        (&*key.rule).into(),
        i64::from(key.target).into(),
        key.outcome.clone().into(),
        i64::from(key.status).into(),
        count.attempts.into(),
        count.last_at.into(),
    ]
}

/// Empty where there is none: parts of a key are never missing.
fn part_of_key(bits: Option<u128>) -> Value {
    bits.map_or_else(|| Vec::new().into(), id)
}
