//! Who depends on which connection, and what becomes of them when it is gone (RFC 3261 §8.1.3.1, §18.2.2, §18.4).

use super::large::rerouted;
use super::{ClientMachine, Endpoint, ServerMachine};
use crate::address::Flow;
use crate::ids::LegId;
use crate::ports::Mint;
use crate::sip::dialog::Sent;
use crate::sip::timer::TransactionId;
use crate::sip::transaction::{Action, client_invite, client_other, server_invite};
use crate::sip::wire::{Message, Method};
use crate::time::Moment;
use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;

/// Who depends on a connection. In the order in which they learn that it is gone: requests go where the leg's next
/// ones go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum FlowUser {
    /// The leg's next request would take it.
    Leg(LegId),
    /// A request came by it and is owed its response there.
    Server(TransactionId),
    /// A request went by it.
    Client(TransactionId),
}

/// Users of reliable flows; those of datagrams are not kept, for no datagram says that it failed.
#[derive(Debug, Default)]
pub(super) struct FlowUsers(HashMap<Flow, BTreeSet<FlowUser>>);

impl FlowUsers {
    pub(super) fn join(&mut self, flow: Flow, user: FlowUser) {
        if flow.transport.is_reliable() {
            self.0.entry(flow).or_default().insert(user);
        }
    }

    pub(super) fn leave(&mut self, flow: Flow, user: FlowUser) {
        if let Some(users) = self.0.get_mut(&flow) {
            users.remove(&user);
            if users.is_empty() {
                self.0.remove(&flow);
            }
        }
    }

    pub(super) fn moved(&mut self, from: Flow, to: Flow, user: FlowUser) {
        if from != to {
            self.leave(from, user);
            self.join(to, user);
        }
    }
}

impl Endpoint {
    /// How many connections something depends on.
    pub fn flow_count(&self) -> usize {
        self.flows.0.len()
    }

    /// The connections that something depends on.
    pub fn connections(&self) -> impl Iterator<Item = Flow> {
        self.flows.0.keys().copied()
    }

    /// The legs that depend on a connection, by their dialogs or by a request on its way; in order.
    pub fn legs_on(&self, flow: &Flow) -> BTreeSet<LegId> {
        self.flows.0.get(flow).into_iter().flatten().filter_map(|user| self.leg_of(*user)).collect()
    }

    fn leg_of(&self, user: FlowUser) -> Option<LegId> {
        match user {
            FlowUser::Leg(leg) => Some(leg),
            FlowUser::Server(id) => self.servers.get(&id).map(|server| server.leg),
            FlowUser::Client(id) => self.clients.get(&id).map(|client| client.key.leg),
        }
    }

    /// The connection of a flow is gone, or none came about: what these legs make of it.
    pub fn flow_failed(&mut self, now: Moment, mint: &mut dyn Mint, flow: Flow, legs: &BTreeSet<LegId>) {
        for user in self.take_users(flow, legs) {
            match user {
                FlowUser::Leg(leg) => self.leg_without_connection(leg),
                FlowUser::Server(id) => self.server_without_connection(mint, id),
                FlowUser::Client(id) => self.client_without_connection(now, mint, id),
            }
        }
    }

    /// The connection of a flow ended with our process: the peers of these legs may be reached by another, of the same name
    /// too. Requests without a final response go again; those that have a provisional one wait on.
    pub fn flow_ended_with_us(&mut self, mint: &mut dyn Mint, flow: Flow, legs: &BTreeSet<LegId>) {
        for user in self.take_users(flow, legs) {
            match user {
                FlowUser::Leg(leg) => self.leg_without_connection(leg),
                FlowUser::Server(id) => self.server_after_death(mint, id),
                FlowUser::Client(id) => self.client_after_death(mint, id),
            }
        }
    }

    /// Those who depend on a connection and belong to these legs, or to none.
    fn take_users(&mut self, flow: Flow, legs: &BTreeSet<LegId>) -> BTreeSet<FlowUser> {
        let users = self.flows.0.remove(&flow).unwrap_or_default();
        let (concerned, others): (BTreeSet<_>, BTreeSet<_>) =
            users.into_iter().partition(|user| self.leg_of(*user).is_none_or(|leg| legs.contains(&leg)));
        if !others.is_empty() {
            self.flows.0.insert(flow, others);
        }
        concerned
    }

    /// Whether a request comes again by another connection than before.
    pub(super) fn comes_elsewhere(&self, id: TransactionId, flow: Flow) -> bool {
        flow.transport.is_reliable() && self.servers.get(&id).is_some_and(|server| server.flow != flow)
    }

    /// Its sender lost the connection that it asked by: what it was told goes there, and what it will be told.
    pub(super) fn receive_by_another_connection(
        &mut self,
        mint: &mut dyn Mint,
        id: TransactionId,
        flow: Flow,
        request: Message,
    ) {
        let Some(server) = self.servers.get_mut(&id) else { return };
        let (leg, before) = (server.leg, std::mem::replace(&mut server.flow, flow));
        self.flows.moved(before, flow, FlowUser::Server(id));
        let method: Box<str> = request.method().map_or("", |method| method.as_str()).into();
        self.record(mint, leg, flow, request);
        let Self { servers, dialogs, .. } = self;
        let Some(server) = servers.get_mut(&id) else { return };
        let accepted = server.machine == ServerMachine::Invite(server_invite::State::Accepted);
        let answer = dialogs.get_mut(&leg).and_then(|dialog| dialog.answer.as_mut()).filter(|_| accepted);
        let Some(sent) = server.last.as_mut().or_else(|| answer.map(|answer| &mut answer.sent)) else { return };
        (sent.event, sent.flow) = (mint.event_id(), flow);
        let (sent, cseq) = (sent.clone(), server.cseq);
        let status = Message::scan(sent.bytes.clone()).ok().and_then(|response| response.status());
        self.send(leg, &sent, method, status, cseq);
    }

    /// As [`Endpoint::server_without_connection`]; and other final responses, which may not have left, go there once more.
    fn server_after_death(&mut self, mint: &mut dyn Mint, id: TransactionId) {
        self.server_without_connection(mint, id);
        let Some(server) = self.servers.get_mut(&id).filter(|server| server.request.is_none()) else { return };
        let Some((leg, cseq, last)) = server.last.clone().map(|last| (server.leg, server.cseq, last)) else { return };
        let Ok(response) = Message::scan(last.bytes.clone()) else { return };
        let method = response.cseq().map_or("", |cseq| cseq.method).into();
        let sent = Sent { event: mint.event_id(), flow: named_by_via(last.flow, &response), bytes: last.bytes };
        (server.flow, server.last) = (sent.flow, Some(sent.clone()));
        self.flows.join(sent.flow, FlowUser::Server(id));
        self.send(leg, &sent, method, response.status(), cseq);
    }

    fn client_after_death(&mut self, mint: &mut dyn Mint, id: TransactionId) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let (leg, machine, cseq, cancels) = (client.key.leg, client.machine, client.cseq, client.key.cancel);
        let before = client.last.clone();
        let way = self.dialogs.get(&leg).map_or(before.flow, |dialog| dialog.flow);
        let way = if cancels || way.transport != before.flow.transport { before.flow } else { way };
        let waits = match machine {
            ClientMachine::Invite(client_invite::State::Calling) => true,
            ClientMachine::Invite(client_invite::State::Accepted) => {
                self.acknowledge_by(mint, (leg, cseq), before.flow, way);
                false
            }
            ClientMachine::Invite(_) => false,
            ClientMachine::Other(state) => {
                matches!(state, client_other::State::Trying | client_other::State::Proceeding)
            }
        };
        if waits {
            self.repeat_by(mint, id, way);
        }
        if let Some(client) = self.clients.get(&id) {
            self.flows.join(client.last.flow, FlowUser::Client(id));
        }
    }

    /// The same bytes again, by a connection of the same name or another.
    fn repeat_by(&mut self, mint: &mut dyn Mint, id: TransactionId, way: Flow) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let (leg, cseq, method) = (client.key.leg, client.cseq, client.method.as_str().into());
        if client.last.flow == way {
            let sent = client.last.clone();
            return self.repeat(leg, sent);
        }
        let sent = Sent { event: mint.event_id(), flow: way, bytes: client.last.bytes.clone() };
        client.last = sent.clone();
        self.send(leg, &sent, method, None, cseq);
    }

    /// The dialog stays; its next request opens a connection to where the peer says that it listens.
    fn leg_without_connection(&mut self, leg: LegId) {
        if let Some(dialog) = self.dialogs.get_mut(&leg) {
            dialog.flow = dialog.flow_without_connection();
            self.flows.join(dialog.flow, FlowUser::Leg(leg));
        }
    }

    /// A response that is still owed opens a connection to where the request's Via says (RFC 3261 §18.2.2). A 2xx without
    /// its ACK goes there at once; other final responses are not repeated on reliable transports.
    fn server_without_connection(&mut self, mint: &mut dyn Mint, id: TransactionId) {
        let Some(server) = self.servers.get_mut(&id) else { return };
        let (leg, failed) = (server.leg, server.flow);
        let accepted = server.machine == ServerMachine::Invite(server_invite::State::Accepted);
        let answer = self.dialogs.get(&leg).and_then(|dialog| dialog.answer.as_ref()).filter(|_| accepted);
        let answer = answer.filter(|answer| answer.sent.flow == failed).cloned();
        if let Some(request) = &server.request {
            server.flow = named_by_via(failed, request);
        } else if let Some(answer) = answer
            && let Ok(response) = Message::scan(answer.sent.bytes.clone())
        {
            server.flow = named_by_via(failed, &response);
            let sent = Sent { event: mint.event_id(), flow: server.flow, bytes: answer.sent.bytes };
            self.send(leg, &sent, Method::Invite.as_str().into(), response.status(), answer.cseq);
            if let Some(answer) = self.dialogs.get_mut(&leg).and_then(|dialog| dialog.answer.as_mut()) {
                answer.sent = sent;
            }
        }
        let flow = self.servers.get(&id).map(|server| server.flow);
        if let Some(flow) = flow.filter(|flow| *flow != failed) {
            self.flows.join(flow, FlowUser::Server(id));
        }
    }

    /// A request without any response goes another way, where there is one that did not fail. Else it is over: no
    /// response will come (RFC 3261 §8.1.3.1).
    fn client_without_connection(&mut self, now: Moment, mint: &mut dyn Mint, id: TransactionId) {
        let Some(client) = self.clients.get(&id) else { return };
        let (leg, failed, machine, cseq) = (client.key.leg, client.last.flow, client.machine, client.cseq);
        let way = self.dialogs.get(&leg).map(|dialog| dialog.flow).filter(|flow| *flow != failed);
        match (machine, way) {
            (ClientMachine::Invite(client_invite::State::Calling), Some(way)) => self.send_by(now, mint, id, way),
            (ClientMachine::Other(client_other::State::Trying), Some(way)) if !client.key.cancel => {
                self.send_by(now, mint, id, way);
            }
            (ClientMachine::Invite(client_invite::State::Accepted), Some(way)) => {
                self.acknowledge_by(mint, (leg, cseq), failed, way);
            }
            (ClientMachine::Invite(_), _) => {
                self.step_client_invite(now, id, client_invite::Input::TransportError);
            }
            (ClientMachine::Other(_), _) => self.step_client_other(now, mint, id, client_other::Input::TransportError),
        }
    }

    /// The same request by another path; it has all its time once more.
    fn send_by(&mut self, now: Moment, mint: &mut dyn Mint, id: TransactionId, way: Flow) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let changes = client.last.flow.transport != way.transport || client.last.flow.local != way.local;
        let bytes = match changes {
            true => rerouted(&client.last.bytes, client.last.flow, way).unwrap_or_else(|| client.last.bytes.clone()),
            false => client.last.bytes.clone(),
        };
        let sent = Sent { event: mint.event_id(), flow: way, bytes };
        client.last = sent.clone();
        let (leg, method, cseq) = (client.key.leg, client.method.clone(), client.cseq);
        self.flows.join(way, FlowUser::Client(id));
        self.send(leg, &sent, method.as_str().into(), None, cseq);
        let start: &[Action] = match method {
            Method::Invite => client_invite::start(way.transport.is_reliable()),
            _ => client_other::start(way.transport.is_reliable()),
        };
        for action in start {
            self.client_action(now, id, *action, false);
        }
    }

    /// The ACK to a 2xx that is young enough to be repeated may have been lost with the connection.
    fn acknowledge_by(&mut self, mint: &mut dyn Mint, (leg, cseq): (LegId, u32), failed: Flow, way: Flow) {
        let acked = self.dialogs.get(&leg).and_then(|dialog| dialog.ack_of(cseq)).cloned();
        let Some(sent) = acked.filter(|sent| sent.flow == failed) else { return };
        let sent = Sent { event: mint.event_id(), flow: way, bytes: sent.bytes };
        self.send(leg, &sent, Method::Ack.as_str().into(), None, cseq);
        if let Some(dialog) = self.dialogs.get_mut(&leg) {
            dialog.keep_ack(cseq, sent);
        }
    }
}

/// Where a response goes once the connection of its request is gone: the address that the request came from, the port that
/// its Via names (RFC 3261 §18.2.2). `message` is the request or a response to it.
fn named_by_via(flow: Flow, message: &Message) -> Flow {
    let port = message.top_via().ok().and_then(|via| via.port).unwrap_or(5060);
    Flow { remote: SocketAddr::new(flow.remote.ip(), port), ..flow }
}
