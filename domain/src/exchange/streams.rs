//! What connections bring beside messages: streams that can be read no further, and their end.

use super::Exchange;
use crate::address::Flow;
use crate::ids::{EventId, LegId, SessionId};
use crate::ports::Mint;
use crate::session::event::{ConnectionLost, SessionEvent};
use crate::sip::endpoint::Stateless;
use crate::sip::wire::{Message, StreamFault};
use crate::time::{Now, WallTime};
use std::collections::{BTreeSet, HashSet};

/// A death of our process.
#[derive(Debug, Clone, Default)]
pub(super) struct Death {
    /// What was decided since may not have left.
    pub(super) since: WallTime,
    /// The events of that.
    pub(super) last: HashSet<EventId>,
}

impl Exchange {
    /// A stream can be framed no further and will be closed; where its last headers are a request's, it is answered.
    pub fn receive_broken(&mut self, now: Now, mint: &mut dyn Mint, flow: Flow, fault: &StreamFault) {
        let scanned = Message::scan(fault.head.clone());
        let request = match &scanned {
            Ok(message) => Some(message).filter(|message| message.is_answerable()),
            Err(unreadable) => unreadable.answerable(),
        };
        match request {
            Some(request) if !self.hears(now, flow, request) => {}
            Some(request) => self.endpoint.answer_statelessly(flow, request, fault.status()),
            None => self.count(now, flow, Stateless::Unreadable),
        }
        self.settle(now, mint);
    }

    /// A connection is gone, or none came about: what was sent on it may not have arrived. Requests that wait for their
    /// final response count as unanswered (RFC 3261 §8.1.3.1), unless there is another way to their peer. Calls stay;
    /// bindings that came by it end, or are reached by their contacts.
    pub fn flow_failed(&mut self, now: Now, mint: &mut dyn Mint, flow: Flow) {
        self.fire_due(now, mint);
        self.connection_lost_by_all(now, mint, flow, None);
        self.lose_flow(now, mint, flow);
    }

    /// What everybody but the bindings makes of a connection that is gone.
    pub(super) fn connection_lost_by_all(&mut self, now: Now, mint: &mut dyn Mint, flow: Flow, death: Option<&Death>) {
        let legs = self.endpoint.legs_on(&flow);
        let (of_sessions, others): (BTreeSet<LegId>, BTreeSet<LegId>) =
            legs.into_iter().partition(|leg| self.legs.contains_key(leg));
        let sessions: BTreeSet<SessionId> = of_sessions.iter().filter_map(|leg| self.legs.get(leg)).copied().collect();
        for id in sessions {
            mint.begin_turn();
            self.connection_lost(now, mint, id, (flow, death));
        }
        mint.begin_turn();
        match death {
            Some(death) => self.endpoint.flow_ended_with_us(mint, flow, &others, &death.last),
            None => self.endpoint.flow_failed(now.moment, mint, flow, &others),
        }
        self.settle(now, mint);
    }

    /// What a session makes of a connection that is gone.
    pub(super) fn connection_lost(
        &mut self,
        now: Now,
        mint: &mut dyn Mint,
        id: SessionId,
        (flow, death): (Flow, Option<&Death>),
    ) {
        let legs = self.endpoint.legs_on(&flow).into_iter().filter(|leg| self.legs.get(leg) == Some(&id)).collect();
        let legs: BTreeSet<LegId> = legs;
        if death.is_some() && self.has_ended(id) && self.endpoint.owes_nothing_by(flow, &legs) {
            return;
        }
        if let Some(live) = self.sessions.get_mut(&id) {
            live.begin_turn();
            let with_us_after = death.map(|death| death.since);
            let lost = SessionEvent::ConnectionLost(ConnectionLost { with_us_after, flow: flow.into() });
            live.write(&mut self.desk, mint, now.wall, &lost);
            self.touched.push(id);
        }
        match death {
            Some(death) => self.endpoint.flow_ended_with_us(mint, flow, &legs, &death.last),
            None => self.endpoint.flow_failed(now.moment, mint, flow, &legs),
        }
        self.settle(now, mint);
    }

    fn has_ended(&self, id: SessionId) -> bool {
        self.sessions.get(&id).is_none_or(|live| live.session.ended)
    }
}
