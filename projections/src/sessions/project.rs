//! Events into rows: live sessions are folded in memory and written when they changed, at most once a window.

use super::query::State;
use crate::names::name_of;
use crate::projector::{NoBeginning, Projection, Seen};
use crate::store::sql_position;
use domain::codec::personal::Personal;
use domain::ids::{AccountId, NumberId, SessionId, TrunkId};
use domain::log::{PortFuture, Position};
use domain::session::event::{Parties, SessionEvent, SessionOffered};
use domain::time::WallTime;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};
use std::collections::{HashMap, HashSet};

/// Sessions kept in memory; beyond it those without a change are dropped and recalled from their stream when needed.
const MOST_KEPT: usize = 50_000;
/// Rows a statement.
const CHUNK: usize = 64;

struct Kept {
    offered: Position,
    position: Position,
    account: AccountId,
    parties: Option<Parties>,
    trunk: TrunkId,
    number: Option<NumberId>,
    rule: Option<Box<str>>,
    state: State,
    started_at: WallTime,
    ringing_at: Option<WallTime>,
    answered_at: Option<WallTime>,
    ended_at: Option<WallTime>,
    end_cause: Option<String>,
    final_status: Option<u16>,
    mode: Option<String>,
}

/// The read model `sessions`.
#[derive(Default)]
pub(crate) struct Sessions {
    kept: HashMap<SessionId, Kept>,
    changed: HashSet<SessionId>,
}

impl Projection for Sessions {
    fn name(&self) -> &'static str {
        "sessions"
    }

    fn kinds(&self) -> &'static [&'static str] {
        &["SessionOffered", "RouteChosen", "RouteRefused", "LegAlerted", "LegAnswered", "ModeEntered", "SessionEnded"]
    }

    fn knows(&self, session: SessionId) -> bool {
        self.kept.contains_key(&session)
    }

    fn apply(&mut self, seen: Seen<'_>, counted: bool) -> Result<(), NoBeginning> {
        if let SessionEvent::SessionOffered(offered) = seen.event {
            self.kept.insert(seen.session, begin(seen, offered));
        }
        let kept = self.kept.get_mut(&seen.session).ok_or(NoBeginning)?;
        kept.position = seen.recorded.position;
        kept.evolve(seen.recorded.at, seen.event);
        if !counted {
            self.changed.insert(seen.session);
        }
        Ok(())
    }

    fn pending(&self) -> bool {
        !self.changed.is_empty()
    }

    fn write<'a>(&'a self, sql: &'a mut SqliteConnection) -> PortFuture<'a, Result<(), sqlx::Error>> {
        Box::pin(async move {
            let mut rows: Vec<_> = self.changed.iter().filter_map(|id| self.kept.get_key_value(id)).collect();
            // In the order of the table, so that neighbours are written together.
            rows.sort_unstable_by_key(|(_, kept)| kept.offered);
            for chunk in rows.chunks(CHUNK) {
                upsert(chunk).build().execute(&mut *sql).await?;
            }
            Ok(())
        })
    }

    fn written(&mut self) {
        for id in self.changed.drain() {
            if self.kept.get(&id).is_some_and(|kept| kept.state == State::Ended) {
                self.kept.remove(&id);
            }
        }
        if self.kept.len() > MOST_KEPT {
            self.kept.clear();
        }
    }
}

fn begin(seen: Seen<'_>, offered: &SessionOffered) -> Kept {
    Kept {
        offered: seen.recorded.position,
        position: seen.recorded.position,
        account: offered.account,
        parties: match &offered.parties {
            Personal::Known(parties) => Some(parties.clone()),
            Personal::Masked => None,
        },
        trunk: offered.trunk,
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
    }
}

impl Kept {
    fn evolve(&mut self, at: WallTime, event: &SessionEvent) {
        match event {
            SessionEvent::RouteChosen(route) => {
                self.rule = Some(route.rule.clone());
                self.number = route.number;
            }
            SessionEvent::RouteRefused(route) => {
                self.rule = Some(route.rule.clone());
                self.final_status = Some(route.status);
            }
            SessionEvent::LegAlerted(_) => {
                self.ringing_at.get_or_insert(at);
                self.state = self.state.max(State::Ringing);
            }
            SessionEvent::LegAnswered(_) => {
                self.answered_at.get_or_insert(at);
                self.state = self.state.max(State::Answered);
            }
            SessionEvent::ModeEntered(entered) => self.mode = Some(name_of(&entered.mode)),
            SessionEvent::SessionEnded(ended) => {
                self.ended_at = Some(at);
                self.end_cause = Some(name_of(&ended.cause));
                self.final_status = ended.status.or(self.final_status);
                self.state = State::Ended;
            }
            // The beginning is in `begin`; the others say nothing that a row holds.
            SessionEvent::SessionOffered(_)
            | SessionEvent::SipMessageReceived(_)
            | SessionEvent::SipMessageCommitted(_)
            | SessionEvent::SipMessageRepeated(_)
            | SessionEvent::LegInvited(_)
            | SessionEvent::LegConfirmed(_)
            | SessionEvent::LegRefused(_)
            | SessionEvent::LegsBridged(_)
            | SessionEvent::MediaReserved(_)
            | SessionEvent::OfferMade(_)
            | SessionEvent::OfferAccepted(_)
            | SessionEvent::OfferRefused(_)
            | SessionEvent::MediaLatched(_)
            | SessionEvent::MediaFellSilent(_)
            | SessionEvent::MediaHeard(_)
            | SessionEvent::MediaMeasured(_)
            | SessionEvent::LegReleased(_) => {}
        }
    }
}

fn upsert(rows: &[(&SessionId, &Kept)]) -> QueryBuilder<Sqlite> {
    let mut sql = QueryBuilder::new(
        "INSERT INTO sessions (offered, position, id, account, caller, called, call_id, trunk, number, rule, state, \
         started_at, ringing_at, answered_at, ended_at, end_cause, final_status, mode) ",
    );
    sql.push_values(rows, |mut row, (id, kept)| {
        let parties = kept.parties.as_ref();
        row.push_bind(sql_position(kept.offered))
            .push_bind(sql_position(kept.position))
            .push_bind(id.bits().to_be_bytes().to_vec())
            .push_bind(kept.account.bits().to_be_bytes().to_vec())
            .push_bind(parties.map(|parties| parties.caller.clone()))
            .push_bind(parties.map(|parties| parties.called.clone()))
            .push_bind(parties.map(|parties| parties.call_id.clone()))
            .push_bind(kept.trunk.bits().to_be_bytes().to_vec())
            .push_bind(kept.number.map(|number| number.bits().to_be_bytes().to_vec()))
            .push_bind(kept.rule.as_deref().map(str::to_owned))
            .push_bind(kept.state.code())
            .push_bind(kept.started_at.micros())
            .push_bind(kept.ringing_at.map(WallTime::micros))
            .push_bind(kept.answered_at.map(WallTime::micros))
            .push_bind(kept.ended_at.map(WallTime::micros))
            .push_bind(kept.end_cause.clone())
            .push_bind(kept.final_status.map(i64::from))
            .push_bind(kept.mode.clone());
    });
    // What a session was offered as never changes, so an update touches no index but that of live sessions.
    sql.push(
        " ON CONFLICT (offered) DO UPDATE SET position = excluded.position, number = excluded.number, \
         rule = excluded.rule, state = excluded.state, ringing_at = excluded.ringing_at, \
         answered_at = excluded.answered_at, ended_at = excluded.ended_at, end_cause = excluded.end_cause, \
         final_status = excluded.final_status, mode = excluded.mode WHERE excluded.position > sessions.position",
    );
    sql
}
