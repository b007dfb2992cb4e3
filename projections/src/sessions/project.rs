//! Events into rows: sessions are folded in memory, where queries find them, and written once, when they ended.

use super::memory::Memory;
use super::row::{SessionRow, State};
use crate::beginning::Beginning;
use crate::database::{Sql, Transaction, Value, id, maybe_id, maybe_number};
use crate::erasures::{Erased, mask};
use crate::names::name_of;
use crate::projector::{NoBeginning, Projection, Seen};
use domain::codec::personal::Personal;
use domain::ids::{CredentialId, NumberId, SessionId, TrunkId};
use domain::log::PortFuture;
use domain::session::event::{Parties, SessionEvent};
use domain::time::WallTime;
use std::sync::Arc;
use std::time::Duration;

/// Ended sessions are gathered for so long: large batches touch each page of an index once for many rows.
const CADENCE: Duration = Duration::from_secs(2);
/// Rows a statement.
const CHUNK: usize = 64;

/// The read model `sessions`.
pub(crate) struct Sessions {
    memory: Arc<Memory>,
    /// Where queries look, as long as that is another memory.
    shown: Arc<Memory>,
    /// Ended, not written yet.
    ended: Vec<SessionId>,
}

impl Sessions {
    /// Sessions that live are put in `shown` once queries are answered from it.
    pub(crate) fn new(shown: Arc<Memory>) -> Self {
        Self { memory: Arc::default(), shown, ended: Vec::new() }
    }

    /// What is to be written, in the order of the table, so that neighbours are written together.
    fn rows(&self) -> Vec<SessionRow> {
        let memory = self.memory.read();
        let mut rows: Vec<_> = self.ended.iter().filter_map(|id| memory.get(id).cloned()).collect();
        rows.sort_unstable_by_key(|row| row.offered);
        rows.dedup_by_key(|row| row.offered);
        rows
    }
}

impl Projection for Sessions {
    fn kinds(&self) -> &'static [&'static str] {
        &[
            "SessionOffered",
            "SessionReferred",
            "RouteChosen",
            "RouteRefused",
            "LegAlerted",
            "ModeEntered",
            "SessionEnded",
        ]
    }

    fn cadence(&self) -> Duration {
        CADENCE
    }

    fn knows(&self, session: SessionId) -> bool {
        self.memory.read().contains_key(&session)
    }

    fn apply(&mut self, seen: Seen<'_>, _: bool) -> Result<(), NoBeginning> {
        let mut memory = self.memory.write();
        if let Some(begun) = Beginning::of(seen.event) {
            memory.insert(seen.session, begin(seen, begun));
        }
        let row = memory.get_mut(&seen.session).ok_or(NoBeginning)?;
        row.position = seen.recorded.position;
        evolve(row, seen.recorded.at, seen.event);
        if row.state == State::Ended {
            self.ended.push(seen.session);
        }
        Ok(())
    }

    fn pending(&self) -> bool {
        !self.ended.is_empty()
    }

    fn write<'a>(&'a self, sql: &'a mut Transaction) -> PortFuture<'a, Result<(), sqlx::Error>> {
        Box::pin(async move {
            for chunk in self.rows().chunks(CHUNK) {
                sql.run(upsert(chunk)).await?;
            }
            Ok(())
        })
    }

    fn mask<'a>(&'a self, erased: &'a Erased, sql: &'a mut Transaction) -> PortFuture<'a, Result<(), sqlx::Error>> {
        let ids = erased.targets.sessions.iter().map(|id| id.bits());
        let masked = "UPDATE sessions SET caller = NULL, called = NULL, call_id = NULL WHERE id IN ";
        Box::pin(mask(masked, ids.collect(), None, sql))
    }

    fn written(&mut self) {
        let mut memory = self.memory.write();
        for id in self.ended.drain(..) {
            memory.remove(&id);
        }
    }

    fn serve(&mut self) {
        *self.shown.write() = std::mem::take(&mut *self.memory.write());
        self.memory = Arc::clone(&self.shown);
    }
}

fn begin(seen: Seen<'_>, begun: Beginning<'_>) -> SessionRow {
    let (caller, called, call_id) = match begun.parties {
        Personal::Known(Parties { caller, called, call_id }) => {
            (Some(caller.clone()), Some(called.clone()), Some(call_id.clone()))
        }
        Personal::Masked => (None, None, None),
    };
    SessionRow {
        id: seen.session,
        account: begun.account,
        caller,
        called,
        call_id,
        trunk: begun.trunk,
        user: begun.user,
        number: None,
        rule: None,
        state: State::Offered,
        started_at: seen.recorded.at,
        ringing_at: None,
        answered_at: None,
        ended_at: None,
        end_cause: None,
        final_status: None,
        mode: None,
        offered: seen.recorded.position,
        position: seen.recorded.position,
    }
}

fn evolve(row: &mut SessionRow, at: WallTime, event: &SessionEvent) {
    match event {
        // Where a REFER began it the first route is to its sender: what counts is the one before the two are connected.
        SessionEvent::RouteChosen(route) if route.asked_by.is_none() || row.mode.is_none() => {
            row.rule = Some(route.rule.to_string());
            row.number = route.number;
        }
        SessionEvent::RouteRefused(route) => {
            row.rule = Some(route.rule.to_string());
            row.final_status = Some(route.status);
        }
        SessionEvent::LegAlerted(_) if row.answered_at.is_none() => {
            row.ringing_at.get_or_insert(at);
            row.state = row.state.max(State::Ringing);
        }
        // Not with a leg's answer: that of who asked for the call by REFER is none of its target.
        SessionEvent::ModeEntered(entered) => {
            row.answered_at.get_or_insert(at);
            row.state = row.state.max(State::Answered);
            row.mode = Some(name_of(&entered.mode));
        }
        SessionEvent::SessionEnded(ended) => {
            row.ended_at = Some(at);
            row.end_cause = Some(name_of(&ended.cause));
            row.final_status = ended.status.or(row.final_status);
            row.state = State::Ended;
        }
        // The beginning is in `begin`; the others, and a transfer's route and ringing, say nothing that a row holds.
        SessionEvent::SessionOffered(_)
        | SessionEvent::SessionReferred(_)
        | SessionEvent::SipMessageReceived(_)
        | SessionEvent::SipMessageCommitted(_)
        | SessionEvent::SipMessageRepeated(_)
        | SessionEvent::RouteChosen(_)
        | SessionEvent::LegAlerted(_)
        | SessionEvent::LegChallenged(_)
        | SessionEvent::LegInvited(_)
        | SessionEvent::LegAnswered(_)
        | SessionEvent::LegConfirmed(_)
        | SessionEvent::LegRefused(_)
        | SessionEvent::LegsBridged(_)
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
        | SessionEvent::LegReleased(_) => {}
    }
}

fn upsert(rows: &[SessionRow]) -> Sql {
    let sql = Sql::new(
        "INSERT INTO sessions (offered, position, id, account, caller, called, call_id, trunk, credential, number, rule, \
         started_at, ringing_at, answered_at, ended_at, end_cause, final_status, mode)",
    );
    // Only an event after the end changes a row; what is indexed never changes.
    sql.rows(rows, values).push(
        " ON CONFLICT (offered) DO UPDATE SET position = excluded.position, number = excluded.number, \
         rule = excluded.rule, ringing_at = excluded.ringing_at, answered_at = excluded.answered_at, \
         ended_at = excluded.ended_at, end_cause = excluded.end_cause, final_status = excluded.final_status, \
         mode = excluded.mode WHERE excluded.position > sessions.position",
    )
}

fn values(row: &SessionRow) -> [Value; 18] {
    [
        row.offered.into(),
        row.position.into(),
        id(row.id.bits()),
        id(row.account.bits()),
        row.caller.clone().into(),
        row.called.clone().into(),
        row.call_id.clone().into(),
        maybe_id(row.trunk.map(TrunkId::bits)),
        maybe_id(row.user.map(CredentialId::bits)),
        maybe_id(row.number.map(NumberId::bits)),
        row.rule.clone().into(),
        row.started_at.into(),
        row.ringing_at.into(),
        row.answered_at.into(),
        row.ended_at.into(),
        row.end_cause.clone().into(),
        maybe_number(row.final_status),
        row.mode.clone().into(),
    ]
}
