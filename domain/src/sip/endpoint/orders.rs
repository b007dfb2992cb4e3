//! What a session orders: requests it begins, responses it gives. The endpoint adds what the protocol demands.

use super::message::{RequestParts, response_flow, write_sibling};
use super::options::announced;
use super::relay::with_retry;
use super::request::{invite_identity, server_key};
use super::session_timer::with_timer;
use super::{
    Body, BuildError, ClientKey, ClientMachine, ClientTransaction, Endpoint, Fact, FlowUser, Login, Outgoing, Output,
    ServerMachine, SessionHeaders,
};
use crate::address::Flow;
use crate::ids::{EventId, LegId, TrunkId};
use crate::ports::Mint;
use crate::sip::dialog::{Cancelling, Dialog, DialogState, Ends, OutgoingInvite, PendingAnswer, Role, Sent};
use crate::sip::timer::{LegTimer, Timer, TransactionId};
use crate::sip::transaction::{Action, client_invite, client_other};
use crate::sip::wire::{Message, Method};
use crate::time::Moment;
use std::net::SocketAddr;
use std::time::Duration;

/// An INVITE that begins a leg.
#[derive(Debug, Clone)]
pub struct InvitePlan {
    /// The new leg.
    pub leg: LegId,
    /// Call-ID of its dialog.
    pub call_id: Box<str>,
    /// Request URI.
    pub uri: Box<str>,
    /// From value, without a tag.
    pub from: Box<str>,
    /// To value.
    pub to: Box<str>,
    /// Path.
    pub flow: Flow,
    /// Our address that requests leave from by TCP which are too long for a datagram; by UDP in fragments without it.
    pub large_by_tcp: Option<SocketAddr>,
    /// Whether requests keep to that path and what follows it, whatever the peer says of itself: see
    /// [`Dialog::keeps_flow`].
    pub keeps_flow: bool,
    /// Route values to begin with: the Path of a registered device.
    pub routes: Vec<Box<str>>,
    /// Max-Forwards.
    pub max_forwards: u8,
    /// Seconds of ringing before [`Fact::NoAnswer`].
    pub ring_timeout: Duration,
    /// Headers that pass.
    pub headers: SessionHeaders,
    /// Whether it says that we take provisional responses reliably.
    pub takes_reliable: bool,
    /// The offer, if any.
    pub body: Option<Body>,
    /// The trunk that it leaves by, whose user name and password the exchange puts into `login`.
    pub trunk: Option<TrunkId>,
    /// What we answer with where the peer asks who we are.
    pub login: Option<Box<Login>>,
}

/// What is particular to one INVITE of ours.
struct Invite<'a> {
    max_forwards: u8,
    headers: SessionHeaders,
    takes_reliable: bool,
    body: Option<&'a Body>,
}

impl Endpoint {
    /// Takes an offered INVITE in: a leg, a transaction, a 100. Returns the event that will hold the INVITE.
    pub fn accept(
        &mut self,
        now: Moment,
        mint: &mut dyn Mint,
        leg: LegId,
        flow: Flow,
        request: Message,
    ) -> Result<EventId, BuildError> {
        let via = request.top_via().map_err(|_| BuildError::Unanswerable)?;
        let key = server_key(&via, &Method::Invite);
        let dialog = Dialog::of_invite(leg, flow, &request).ok_or(BuildError::Unanswerable)?;
        let identity = invite_identity(&request);
        self.flows.join(dialog.flow, FlowUser::Leg(leg));
        self.dialogs.insert(leg, Box::new(dialog));
        self.expect_provisionals(leg, &request);
        self.note_min_se(leg, &request);
        let event = self.record(mint, leg, flow, request.clone());
        let id = self.open_server(key, leg, flow, request, event, true);
        if let (Some(identity), Some(server)) = (identity, self.servers.get_mut(&id)) {
            server.merge = Some(identity.clone());
            self.pending_invites.insert(identity);
        }
        if let Some(dialog) = self.dialogs.get_mut(&leg) {
            dialog.incoming = Some(id);
        }
        self.respond_other(now, mint, id, 100);
        Ok(event)
    }

    /// Requests of this leg go by this flow: its peer is registered there. Connections are kept in any case.
    pub fn keep_flow(&mut self, leg: LegId, flow: Flow) {
        if let Some(dialog) = self.dialogs.get_mut(&leg).filter(|_| !flow.transport.is_reliable()) {
            (dialog.flow, dialog.keeps_flow) = (flow, true);
        }
    }

    /// Takes in a request that belongs to no dialog and is not INVITE: `leg` names its transaction until
    /// [`Fact::Forgotten`].
    ///
    /// # Errors
    /// It cannot be answered.
    pub fn accept_request(
        &mut self,
        mint: &mut dyn Mint,
        leg: LegId,
        flow: Flow,
        request: Message,
    ) -> Result<TransactionId, BuildError> {
        let (Some(method), Ok(via)) = (request.method().cloned(), request.top_via()) else {
            return Err(BuildError::Unanswerable);
        };
        let key = server_key(&via, &method);
        let event = self.record(mint, leg, flow, request.clone());
        Ok(self.open_server(key, leg, flow, request, event, false))
    }

    /// Forgets a request that was taken in: whatever comes of it again is new.
    pub fn abandon(&mut self, transaction: TransactionId) {
        self.end_server(transaction);
    }

    /// Writes a response, sends it and moves its transaction on; what was sent.
    pub(super) fn respond(
        &mut self,
        now: Moment,
        mint: &mut dyn Mint,
        id: TransactionId,
        status: u16,
        headers: &SessionHeaders,
        body: Option<&Body>,
    ) -> Option<Sent> {
        let server = self.servers.get(&id)?;
        let (leg, flow, cseq, invite) =
            (server.leg, server.flow, server.cseq, matches!(server.machine, ServerMachine::Invite(_)));
        let request = server.request.clone()?;
        let granted = self.granted(leg, &request, status);
        let headers = with_retry(mint, &request, status, headers);
        let headers = &with_timer(headers, granted);
        let bytes = match self.write_response(leg, flow, &request, status, headers, body) {
            Ok(bytes) => bytes,
            Err(why) => {
                self.outputs.push_back(Output::Unbuildable { leg, why });
                return None;
            }
        };
        let sent = Sent { event: mint.event_id(), flow: response_flow(flow, &request), bytes };
        let method: Box<str> = request.method().map_or("", |method| method.as_str()).into();
        self.send(leg, &sent, method, Some(status), cseq);
        if status >= 200 {
            self.forget_pending_invite(id);
            self.waits_no_more(leg, id);
        }
        if let Some(server) = self.servers.get_mut(&id) {
            let success = invite && (200..300).contains(&status);
            server.last = (!success).then(|| sent.clone());
            if status >= 200 {
                server.request = None;
            }
        }
        self.step_server_response(now, id, status);
        if invite && status >= 200 {
            self.provisionals_over(leg);
            self.invite_answered(now, leg, id, status, sent.clone(), cseq);
        }
        if let Some(granted) = granted {
            self.set_session_timer(now, leg, granted.terms);
        }
        Some(sent)
    }

    /// A final response to an INVITE changes the dialog; a 2xx is repeated by the leg until its ACK comes.
    fn invite_answered(&mut self, now: Moment, leg: LegId, id: TransactionId, status: u16, sent: Sent, cseq: u32) {
        let values = self.settings.timers;
        let Some(dialog) = self.dialogs.get_mut(&leg) else { return };
        if dialog.incoming == Some(id) {
            dialog.incoming = None;
        } else {
            return;
        }
        if status < 300 {
            dialog.state = DialogState::Confirmed;
            dialog.answer = Some(PendingAnswer { sent, cseq, interval: values.t1 });
            self.timers.set(Timer::Leg(leg, LegTimer::RepeatAnswer), now + values.t1);
            self.timers.set(Timer::Leg(leg, LegTimer::AckMissing), now + values.timeout());
        } else if dialog.state == DialogState::Early {
            dialog.state = DialogState::Over;
        }
    }

    /// Begins a leg by an INVITE.
    pub fn invite(&mut self, now: Moment, mint: &mut dyn Mint, plan: InvitePlan) {
        let leg = plan.leg;
        let ends = Ends { call_id: plan.call_id, local: plan.from, remote: plan.to, target: plan.uri };
        let dialog = Dialog {
            routes: plan.routes,
            keeps_flow: plan.keeps_flow,
            large_by_tcp: plan.large_by_tcp,
            login: plan.login,
            ..Dialog::new(leg, Role::Uac, plan.flow, ends)
        };
        self.flows.join(plan.flow, FlowUser::Leg(leg));
        self.dialogs.insert(leg, Box::new(dialog));
        let InvitePlan { max_forwards, headers, takes_reliable, body, .. } = plan;
        let invite = Invite { max_forwards, headers, takes_reliable, body: body.as_ref() };
        self.send_invite(now, mint, leg, invite);
        match self.dialogs.get(&leg).is_some_and(|dialog| dialog.outgoing.is_some()) {
            true => self.timers.set(Timer::Leg(leg, LegTimer::NoAnswer), now + plan.ring_timeout),
            // It could not be written: nobody will ever answer it.
            false => {
                self.invite_unanswered(leg);
                self.forget_if_over(leg);
            }
        }
    }

    /// Sends INVITE within a confirmed dialog.
    pub fn reinvite(&mut self, now: Moment, mint: &mut dyn Mint, leg: LegId, body: Option<&Body>) {
        let headers = SessionHeaders::default();
        self.send_invite(now, mint, leg, Invite { max_forwards: 70, headers, takes_reliable: false, body });
    }

    fn send_invite(&mut self, now: Moment, mint: &mut dyn Mint, leg: LegId, invite: Invite<'_>) {
        let Invite { max_forwards, mut headers, takes_reliable, body } = invite;
        let Some(dialog) = self.dialogs.get_mut(&leg) else { return };
        dialog.local_cseq += 1;
        dialog.invite_cseq = dialog.local_cseq;
        let (cseq, branch) = (dialog.local_cseq, dialog.next_branch());
        headers.0.push(("Supported".into(), announced(takes_reliable).into()));
        let parts = RequestParts { method: Method::Invite, branch, cseq, max_forwards, headers: &headers, body };
        if let Some(transaction) = self.begin_client(now, mint, leg, &parts)
            && let Some(dialog) = self.dialogs.get_mut(&leg)
        {
            let (offers, cancelling) = (body.is_some(), Cancelling::No);
            dialog.outgoing = Some(OutgoingInvite { transaction, offers, takes_reliable, cancelling });
        }
    }

    /// Sends the ACK to the 2xx that answered our last INVITE.
    pub fn acknowledge(&mut self, mint: &mut dyn Mint, leg: LegId, body: Option<&Body>) {
        let Some(dialog) = self.dialogs.get_mut(&leg) else { return };
        let (cseq, branch) = (dialog.invite_cseq, dialog.next_branch());
        // RFC 3261 §13.2.2.4, §22.1: nobody can challenge an ACK, so it carries what its INVITE did.
        let headers = dialog.login.as_ref().map_or_else(SessionHeaders::default, |login| login.of_invite());
        let parts = RequestParts { method: Method::Ack, branch, cseq, max_forwards: 70, headers: &headers, body };
        let Some(dialog) = self.dialogs.get(&leg) else { return };
        match self.write_request(dialog, dialog.flow, &parts) {
            Ok(bytes) => {
                let sent = Sent { event: mint.event_id(), flow: dialog.flow, bytes };
                self.send(leg, &sent, "ACK".into(), None, cseq);
                if let Some(dialog) = self.dialogs.get_mut(&leg) {
                    dialog.keep_ack(cseq, sent);
                    dialog.owes_ack = false;
                    dialog.slim_if_done();
                }
            }
            Err(why) => self.outputs.push_back(Output::Unbuildable { leg, why }),
        }
    }

    /// Cancels our INVITE that has no final response: at once, or as soon as a provisional response allows it.
    pub fn cancel(&mut self, now: Moment, mint: &mut dyn Mint, leg: LegId) {
        let Some(invite) = self.dialogs.get_mut(&leg).and_then(|dialog| dialog.outgoing.as_mut()) else { return };
        if invite.cancelling != Cancelling::No {
            return;
        }
        invite.cancelling = Cancelling::Wanted;
        let id = invite.transaction;
        self.timers.stop(Timer::Leg(leg, LegTimer::NoAnswer));
        self.timers.stop(Timer::Leg(leg, LegTimer::ChangePending));
        let proceeding = ClientMachine::Invite(client_invite::State::Proceeding);
        if self.clients.get(&id).is_some_and(|client| client.machine == proceeding) {
            self.send_cancel(now, mint, leg);
        }
    }

    pub(super) fn send_cancel(&mut self, now: Moment, mint: &mut dyn Mint, leg: LegId) {
        let Some(invite) = self.dialogs.get_mut(&leg).and_then(|dialog| dialog.outgoing.as_mut()) else { return };
        invite.cancelling = Cancelling::Sent;
        let Some(client) = self.clients.get(&invite.transaction) else { return };
        let (key, cseq, flow) = (ClientKey { cancel: true, ..client.key }, client.cseq, client.last.flow);
        let written = Message::scan(client.last.bytes.clone())
            .map_err(|_| BuildError::Unanswerable)
            .and_then(|request| write_sibling(&request, &Method::Cancel, None));
        match written {
            Ok(bytes) => {
                let sent = Sent { event: mint.event_id(), flow, bytes };
                self.open_client(now, key, Method::Cancel, cseq, sent);
                let timeout = self.settings.timers.timeout();
                self.timers.set(Timer::Leg(leg, LegTimer::CancelUnanswered), now + timeout);
            }
            Err(why) => self.outputs.push_back(Output::Unbuildable { leg, why }),
        }
    }

    /// Whether nothing at all came to the INVITE of ours that waits for its final response.
    pub fn heard_nothing(&self, leg: LegId) -> bool {
        let asked = self.dialogs.get(&leg).and_then(|dialog| dialog.outgoing.as_ref());
        let calling = ClientMachine::Invite(client_invite::State::Calling);
        asked.and_then(|invite| self.clients.get(&invite.transaction)).is_some_and(|client| client.machine == calling)
    }

    /// Ends a confirmed dialog. While our 2xx waits for its ACK the BYE waits too (RFC 3261 §15).
    pub fn bye(&mut self, now: Moment, mint: &mut dyn Mint, leg: LegId) {
        if self.refuse_held(now, mint, leg) {
            return;
        }
        self.refuse_pending_invite(now, mint, leg, 487);
        self.refuse_waiting(now, mint, leg);
        let Some(dialog) = self.dialogs.get_mut(&leg) else { return };
        if dialog.state != DialogState::Confirmed {
            return;
        }
        self.timer_over(leg);
        let Some(dialog) = self.dialogs.get_mut(&leg) else { return };
        if dialog.answer.is_some() || dialog.tells_the_end() {
            dialog.bye_wanted = true;
            return;
        }
        dialog.bye_wanted = false;
        self.bound_pending_invite(now, leg);
        let Some(dialog) = self.dialogs.get_mut(&leg) else { return };
        dialog.local_cseq += 1;
        let (cseq, branch) = (dialog.local_cseq, dialog.next_branch());
        let headers = SessionHeaders::default();
        let parts = RequestParts { method: Method::Bye, branch, cseq, max_forwards: 70, headers: &headers, body: None };
        if self.begin_client(now, mint, leg, &parts).is_none() {
            self.learned(leg, Fact::ByeDone);
            self.end_dialog(leg);
        }
    }

    pub(super) fn send_waiting_bye(&mut self, now: Moment, mint: &mut dyn Mint, leg: LegId) {
        if self.dialogs.get(&leg).is_some_and(|dialog| dialog.bye_wanted) {
            self.bye(now, mint, leg);
        }
    }

    /// Sends the ACK to a refusal, in the INVITE's own transaction (RFC 3261 §17.1.1.3).
    pub(super) fn acknowledge_refusal(&mut self, mint: &mut dyn Mint, id: TransactionId, response: &Message) {
        let Some(client) = self.clients.get(&id) else { return };
        let (leg, cseq, flow) = (client.key.leg, client.cseq, client.last.flow);
        let written = Message::scan(client.last.bytes.clone())
            .map_err(|_| BuildError::Unanswerable)
            .and_then(|request| write_sibling(&request, &Method::Ack, Some(response)));
        match written {
            Ok(bytes) => {
                let sent = Sent { event: mint.event_id(), flow, bytes };
                self.send(leg, &sent, "ACK".into(), None, cseq);
                if let Some(client) = self.clients.get_mut(&id) {
                    client.last = sent;
                }
            }
            Err(why) => self.outputs.push_back(Output::Unbuildable { leg, why }),
        }
    }

    pub(super) fn begin_client(
        &mut self,
        now: Moment,
        mint: &mut dyn Mint,
        leg: LegId,
        parts: &RequestParts<'_>,
    ) -> Option<TransactionId> {
        let proven = self.with_credentials(mint, leg, parts);
        let dialog = self.dialogs.get(&leg)?;
        match self.write_fitting(dialog, &RequestParts { headers: &proven, method: parts.method.clone(), ..*parts }) {
            Ok((flow, bytes)) => {
                let sent = Sent { event: mint.event_id(), flow, bytes };
                Some(self.open_request(now, leg, parts, sent))
            }
            Err(why) => {
                self.outputs.push_back(Output::Unbuildable { leg, why });
                None
            }
        }
    }

    pub(super) fn open_request(
        &mut self,
        now: Moment,
        leg: LegId,
        parts: &RequestParts<'_>,
        sent: Sent,
    ) -> TransactionId {
        let key = ClientKey { leg, branch: parts.branch, cancel: false };
        self.open_client(now, key, parts.method.clone(), parts.cseq, sent)
    }

    pub(super) fn open_client(
        &mut self,
        now: Moment,
        key: ClientKey,
        method: Method,
        cseq: u32,
        sent: Sent,
    ) -> TransactionId {
        let id = self.new_transaction();
        let reliable = sent.flow.transport.is_reliable();
        let (machine, start): (_, &[Action]) = match method {
            Method::Invite => (ClientMachine::Invite(client_invite::State::Calling), client_invite::start(reliable)),
            _ => (ClientMachine::Other(client_other::State::Trying), client_other::start(reliable)),
        };
        self.flows.join(sent.flow, FlowUser::Client(id));
        self.send(key.leg, &sent, method.as_str().into(), None, cseq);
        self.client_keys.insert(key, id);
        let transaction = ClientTransaction {
            key,
            method,
            machine,
            cseq,
            last: sent,
            final_event: None,
            interval: Duration::ZERO,
            fork: false,
            refresh: false,
            asked_by: None,
            proofs: 0,
            superseded: false,
            outside: false,
        };
        self.clients.insert(id, Box::new(transaction));
        if let Some(dialog) = self.dialogs.get_mut(&key.leg) {
            dialog.transactions += 1;
        }
        for action in start {
            self.client_action(now, id, *action, false);
        }
        id
    }

    pub(super) fn send(&mut self, leg: LegId, sent: &Sent, method: Box<str>, status: Option<u16>, cseq: u32) {
        let Sent { event, flow, bytes } = sent.clone();
        self.outputs.push_back(Output::Send(Outgoing { event, leg, flow, bytes, method, status, cseq }));
    }
}
