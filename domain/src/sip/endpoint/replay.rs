//! What taking up a call from its events asks of the endpoint: timers fired by name, bytes as they were sent, and what may
//! not have left sent once more.

use super::flows::FlowUser;
use super::{Endpoint, ServerMachine, ServerTransaction};
use crate::ids::{EventId, LegId};
use crate::sip::dialog::Sent;
use crate::sip::timer::{LegTimer, Timer, TransactionId, TransactionTimer};
use crate::sip::transaction::server_other;
use crate::sip::wire::Message;
use crate::time::Moment;
use bytes::Bytes;
use std::collections::{HashMap, HashSet};

impl Endpoint {
    /// The leg that a timer is about.
    pub fn leg_of_timer(&self, timer: Timer) -> Option<LegId> {
        match timer {
            Timer::Leg(leg, _) => Some(leg),
            Timer::Transaction(id, _) => {
                let client = self.clients.get(&id).map(|client| client.key.leg);
                client.or_else(|| self.servers.get(&id).map(|server| server.leg))
            }
            Timer::NoteRepeats(_) => None,
        }
    }

    /// Whether nothing but bytes that went before, or forgetting, comes of a timer: no event tells that it fired.
    pub fn is_silent(&self, timer: Timer) -> bool {
        match timer {
            Timer::Transaction(_, TransactionTimer::Retransmit | TransactionTimer::Linger) => true,
            // H: a server transaction that nobody acknowledged is forgotten.
            Timer::Transaction(id, TransactionTimer::Timeout) => self.servers.contains_key(&id),
            Timer::Leg(leg, LegTimer::RepeatProvisional) => !self.provisional_moves(leg),
            Timer::Leg(_, which) => which == LegTimer::RepeatAnswer,
            Timer::NoteRepeats(_) => true,
        }
    }

    /// Whether a timer forgets a request that has its final response.
    pub fn forgets_answered(&self, timer: Timer) -> bool {
        matches!(timer, Timer::Transaction(id, TransactionTimer::Linger) if self.servers.contains_key(&id))
    }

    /// Whether a timer forgets a request that came by a connection and has its final response: nobody knows yet whether
    /// that arrived, where the connection ended with us.
    pub fn forgets_answered_stream(&self, timer: Timer) -> bool {
        let Timer::Transaction(id, TransactionTimer::Linger) = timer else { return false };
        let server = self.servers.get(&id).filter(|server| server.flow.transport.is_reliable() && !server.outlived);
        server.is_some_and(|server| matches!(server.machine, ServerMachine::Other(_)))
    }

    /// A request came by a connection that the log does not tell as a repeat: what it repeats was forgotten by then, and is
    /// kept here for the death alone. Where its answer was the same once more, it came by another connection before that.
    pub fn forget_what_it_repeats(&mut self, now: Moment, request: &Message, answer: Option<&Bytes>) {
        let (Some(method), Ok(via)) = (request.method(), request.top_via()) else { return };
        let Some(id) = self.transaction_of(&via, method) else { return };
        let linger = Timer::Transaction(id, TransactionTimer::Linger);
        let last = self.servers.get(&id).and_then(|server| server.last.as_ref()).map(|sent| &sent.bytes);
        if answer.is_some() && last == answer {
            return;
        }
        if self.forgets_answered_stream(linger) && self.timers.deadline(linger).is_some_and(|at| at <= now) {
            self.step_server_other(now, id, server_other::Input::Linger);
        }
    }

    /// These requests are remembered as long as by datagrams: whoever asked may not have heard the answer, and ask again by
    /// another connection. Those that had it before the last moments are owed nothing by the connection that is gone; those
    /// that are longer over are forgotten.
    pub fn outlive_streams(&mut self, now: Moment, of: impl Fn(LegId) -> bool, last: &HashSet<EventId>) {
        let mut answered: Vec<TransactionId> =
            self.servers.iter().filter(|(_, server)| of(server.leg)).map(|(id, _)| *id).collect();
        answered.sort_unstable();
        let remembers = self.settings.timers.timeout();
        for id in answered {
            let linger = Timer::Transaction(id, TransactionTimer::Linger);
            let Some(answered) = self.timers.deadline(linger).filter(|_| self.forgets_answered_stream(linger)) else {
                continue;
            };
            let Some(server) = self.servers.get_mut(&id) else { continue };
            server.outlived = true;
            let may_not_have_left = server.last.as_ref().is_some_and(|sent| last.contains(&sent.event));
            if !may_not_have_left {
                self.flows.leave(server.flow, FlowUser::Server(id));
            }
            match if may_not_have_left { now } else { answered } + remembers {
                until if until > now => self.timers.set(linger, until),
                _ => self.step_server_other(now, id, server_other::Input::Linger),
            }
        }
    }

    /// What outlived its connection there does so here, for no event tells of what is owed nothing: for tests.
    #[doc(hidden)]
    pub fn outlives_as(&mut self, other: &Self) {
        let outlived = other.servers.iter().filter(|(_, server)| server.outlived);
        let until = |id: &TransactionId| other.timers.deadline(Timer::Transaction(*id, TransactionTimer::Linger));
        let there: HashMap<&str, Moment> =
            outlived.filter_map(|(id, server)| Some((&*server.key, until(id)?))).collect();
        for (id, server) in self.servers.iter_mut().filter(|(_, server)| !server.outlived) {
            if let Some(until) = there.get(&*server.key) {
                self.flows.leave(server.flow, FlowUser::Server(*id));
                server.outlived = true;
                self.timers.set(Timer::Transaction(*id, TransactionTimer::Linger), *until);
            }
        }
    }

    /// An event holds these bytes: they are what is sent again, whatever this build would write.
    pub fn adopt(&mut self, leg: LegId, event: EventId, bytes: &Bytes) {
        let Self { clients, servers, dialogs, provisionals, .. } = self;
        let of_clients = clients.values_mut().filter(|client| client.key.leg == leg).map(|client| &mut client.last);
        let of_servers = servers.values_mut().filter(|server| server.leg == leg);
        let of_servers = of_servers.filter_map(|server| server.last.as_mut());
        let of_dialog = dialogs.get_mut(&leg).into_iter().flat_map(|dialog| {
            let answer = dialog.answer.iter_mut().map(|answer| &mut answer.sent);
            let acks = dialog.acked.iter_mut().map(|(_, sent)| sent);
            answer.chain(acks).chain(dialog.lost.iter_mut().map(|lost| &mut lost.ack))
        });
        let of_provisionals = provisionals.get_mut(&leg).and_then(|provisionals| provisionals.sent_mut());
        let all = of_clients.chain(of_servers).chain(of_dialog).chain(of_provisionals);
        all.filter(|sent| sent.event == event && !sent.bytes.is_empty()).for_each(|sent| sent.bytes = bytes.clone());
    }

    /// What waits for an answer goes again at once, beside its time, and of other responses and ACKs those that were
    /// decided last: nobody knows whether they have left. Not so an ACK after which another INVITE went: that one would not
    /// have gone before it.
    pub fn repeat_soon(&mut self, now: Moment, last: &HashSet<EventId>) {
        let mut again: Vec<(LegId, Sent)> = vec![];
        let waits = |timer| self.timers.deadline(timer).is_some_and(|at| at > now);
        for (id, client) in self.clients.iter() {
            if waits(Timer::Transaction(*id, TransactionTimer::Retransmit)) {
                again.push((client.key.leg, client.last.clone()));
            }
        }
        for (id, server) in self.servers.iter() {
            let Some(sent) = &server.last else { continue };
            let repeats = waits(Timer::Transaction(*id, TransactionTimer::Retransmit));
            if repeats || server.answers_alone() && last.contains(&sent.event) {
                again.push((server.leg, sent.clone()));
            }
        }
        for (leg, dialog) in self.dialogs.iter() {
            let answer = dialog.answer.as_ref().filter(|_| waits(Timer::Leg(*leg, LegTimer::RepeatAnswer)));
            again.extend(answer.map(|answer| (*leg, answer.sent.clone())));
            let newest = dialog.ack_of(dialog.invite_cseq).into_iter();
            let acks = newest.chain(dialog.lost.iter().map(|lost| &lost.ack));
            again.extend(acks.filter(|sent| last.contains(&sent.event)).map(|sent| (*leg, sent.clone())));
        }
        for (leg, provisionals) in self.provisionals.iter() {
            let sent = provisionals.sent().filter(|_| waits(Timer::Leg(*leg, LegTimer::RepeatProvisional)));
            again.extend(sent.map(|sent| (*leg, sent.clone())));
        }
        again.sort_unstable_by_key(|(_, sent)| sent.event);
        again.dedup_by_key(|(_, sent)| sent.event);
        again.into_iter().for_each(|(leg, sent)| self.repeat(leg, sent));
    }

    /// A message of this number went that is not written again here: the next request's is beyond it.
    pub fn number_on(&mut self, leg: LegId, cseq: u32) {
        if let Some(dialog) = self.dialogs.get_mut(&leg) {
            dialog.local_cseq = dialog.local_cseq.max(cseq);
            dialog.next_branch();
        }
    }
}

impl ServerTransaction {
    /// Whether its last response is repeated when its request is, and else by nobody: provisional ones, and final ones to
    /// any request but INVITE.
    const fn answers_alone(&self) -> bool {
        matches!(self.machine, ServerMachine::Other(server_other::State::Completed)) || self.request.is_some()
    }
}
