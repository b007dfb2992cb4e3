//! Requests that arrive: matched to transactions (RFC 3261 §17.2.3) and dialogs (§12.2.2), or answered without either.

use super::content::content_refusal;
use super::options::requires_too_much;
use super::relay::MAX_PASSED_BODY;
use super::{Endpoint, Fact, FlowUser, Incoming, Output, ServerMachine, ServerTransaction, Stateless};
use crate::address::Flow;
use crate::hex;
use crate::ids::{EventId, LegId};
use crate::ports::Mint;
use crate::sip::dialog::DialogState;
use crate::sip::timer::{LegTimer, Timer, TransactionId};
use crate::sip::transaction::{Class, server_invite, server_other};
use crate::sip::wire::{Host, Message, Method, Via};
use crate::time::Moment;
use std::fmt::Write as _;
use std::time::Duration;

impl Endpoint {
    pub(super) fn receive_request(&mut self, now: Moment, mint: &mut dyn Mint, flow: Flow, request: Message) {
        let (Some(method), Ok(via)) = (request.method().cloned(), request.top_via()) else {
            return self.drop_silently(flow, Stateless::Unreadable);
        };
        if let Some(id) = self.transaction_of(&via, &method) {
            return self.receive_repeat(now, mint, id, flow, request, &method);
        }
        let key = server_key(&via, &method);
        match method {
            Method::Cancel => self.answer_statelessly(flow, &request, 481),
            _ => match request.to().ok().and_then(|to| to.tag().map(str::to_owned)) {
                Some(tag) => self.receive_in_dialog(now, mint, flow, request, &method, (key, &tag)),
                None => self.receive_out_of_dialog(flow, request, &method),
            },
        }
    }

    /// Whether a request belongs to a transaction or dialog that is remembered.
    pub fn knows(&self, request: &Message) -> bool {
        let (Some(method), Ok(via)) = (request.method(), request.top_via()) else { return false };
        let tag = || request.to().ok().and_then(|to| LegId::from_tag(to.tag()?));
        self.transaction_of(&via, method).is_some()
            || tag().and_then(|leg| self.dialogs.get(&leg)).is_some_and(|dialog| dialog.matches(request))
    }

    /// The transaction of a request; a CANCEL's own one where that outlived its INVITE's (RFC 3261 §17.2.2, Timer J).
    pub(super) fn transaction_of(&self, via: &Via<'_>, method: &Method) -> Option<TransactionId> {
        let own = || (*method == Method::Cancel).then(|| self.server_keys.get(&cancel_key(via)))?;
        self.server_keys.get(&server_key(via, method)).or_else(own).copied()
    }

    /// A request whose transaction exists: a retransmission, an ACK to a refusal, or (found by its INVITE) a CANCEL.
    fn receive_repeat(
        &mut self,
        now: Moment,
        mint: &mut dyn Mint,
        id: TransactionId,
        flow: Flow,
        request: Message,
        method: &Method,
    ) {
        match method {
            Method::Ack => self.receive_ack_in_transaction(now, mint, id, flow, request),
            Method::Cancel => self.receive_cancel(now, mint, id, flow, request),
            _ if self.comes_elsewhere(id, flow) => self.receive_by_another_connection(mint, id, flow, request),
            _ => self.receive_retransmission(now, id),
        }
    }

    fn receive_retransmission(&mut self, now: Moment, id: TransactionId) {
        let Some(transaction) = self.servers.get(&id) else { return };
        let (leg, event) = (transaction.leg, transaction.request_event);
        self.outputs.push_back(Output::Absorbed { leg, event });
        match transaction.machine {
            ServerMachine::Invite(_) => self.step_server_invite(now, id, server_invite::Input::Repeat),
            ServerMachine::Other(_) => self.step_server_other(now, id, server_other::Input::Repeat),
        }
    }

    fn receive_ack_in_transaction(
        &mut self,
        now: Moment,
        mint: &mut dyn Mint,
        id: TransactionId,
        flow: Flow,
        request: Message,
    ) {
        let Some(transaction) = self.servers.get(&id) else { return };
        let leg = transaction.leg;
        match transaction.machine {
            ServerMachine::Invite(server_invite::State::Completed) => {
                self.record(mint, leg, flow, request);
                self.step_server_invite(now, id, server_invite::Input::Ack);
            }
            // The ACK to a 2xx has a branch of its own; one that shares the INVITE's is from an RFC 2543 peer.
            ServerMachine::Invite(server_invite::State::Accepted) => self.receive_ack(now, mint, leg, flow, request),
            ServerMachine::Invite(_) | ServerMachine::Other(_) => self.drop_silently(flow, Stateless::StrayAck),
        }
    }

    /// RFC 3261 §9.2. `id` is the INVITE's transaction.
    fn receive_cancel(&mut self, now: Moment, mint: &mut dyn Mint, id: TransactionId, flow: Flow, request: Message) {
        let Some(invite) = self.servers.get(&id) else { return };
        let (leg, pending) = (invite.leg, invite.machine == ServerMachine::Invite(server_invite::State::Proceeding));
        let Some(own_key) = request.top_via().ok().map(|via| cancel_key(&via)) else { return };
        if let Some(cancel) = self.server_keys.get(&own_key).copied() {
            return self.receive_retransmission(now, cancel);
        }
        let event = self.record(mint, leg, flow, request.clone());
        let cancel = self.open_server(own_key, leg, flow, request, event, false);
        self.respond_other(now, mint, cancel, 200);
        if pending {
            // A re-INVITE may come before the ACK to our 2xx: what the dialog is now says which INVITE this is about.
            let within = self.dialogs.get(&leg).is_some_and(|dialog| dialog.state == DialogState::Confirmed);
            self.learned(leg, if within { Fact::ReinviteCancelled } else { Fact::Cancelled });
        }
    }

    fn receive_in_dialog(
        &mut self,
        now: Moment,
        mint: &mut dyn Mint,
        flow: Flow,
        request: Message,
        method: &Method,
        (key, tag): (Box<str>, &str),
    ) {
        let found = LegId::from_tag(tag).filter(|leg| {
            self.dialogs.get(leg).is_some_and(|dialog| {
                let subscribed = *method == Method::Subscribe && dialog.subscription.is_some();
                (dialog.state != DialogState::Over || subscribed) && dialog.matches(&request)
            })
        });
        let Some(leg) = found else {
            return match method {
                Method::Ack => self.receive_late_ack(flow, tag, &request),
                _ => self.answer_statelessly(flow, &request, 481),
            };
        };
        if *method == Method::Ack {
            return self.receive_ack(now, mint, leg, flow, request);
        }
        let cseq = request.cseq().map_or(0, |cseq| cseq.number);
        let event = self.record(mint, leg, flow, request.clone());
        let id = self.open_server(key, leg, flow, request.clone(), event, *method == Method::Invite);
        let out_of_order =
            self.dialogs.get(&leg).is_some_and(|dialog| dialog.remote_cseq.is_some_and(|last| cseq <= last));
        if out_of_order {
            return self.respond_other(now, mint, id, 500);
        }
        if let Some(dialog) = self.dialogs.get_mut(&leg) {
            dialog.remote_cseq = Some(cseq);
        }
        self.dispatch_in_dialog(now, mint, leg, id, flow, request, method);
    }

    #[expect(clippy::too_many_arguments, reason = "one request and where it belongs")]
    fn dispatch_in_dialog(
        &mut self,
        now: Moment,
        mint: &mut dyn Mint,
        leg: LegId,
        id: TransactionId,
        flow: Flow,
        request: Message,
        method: &Method,
    ) {
        if requires_too_much(&request) && !matches!(method, Method::Cancel | Method::Ack) {
            return self.respond_other(now, mint, id, 420);
        }
        if matches!(method, Method::Invite | Method::Update | Method::Prack)
            && let Some(status) = content_refusal(&request)
        {
            return self.respond_other(now, mint, id, status);
        }
        if matches!(method, Method::Invite | Method::Update) {
            if let Some(status) = self.interval_refusal(&request) {
                return self.respond_other(now, mint, id, status);
            }
            self.note_min_se(leg, &request);
        }
        match method {
            Method::Bye => {
                self.respond_other(now, mint, id, 200);
                self.refuse_pending_invite(now, mint, leg, 487);
                self.refuse_waiting(now, mint, leg);
                self.drop_unacknowledged_answer(leg);
                self.bound_pending_invite(now, leg);
                self.end_dialog(leg);
                self.learned(leg, Fact::HungUp);
            }
            Method::Invite => self.receive_reinvite(now, mint, leg, id, flow, request),
            Method::Options => self.respond_other(now, mint, id, 200),
            Method::Update => self.receive_update(now, mint, leg, id, flow, request),
            Method::Prack => self.receive_prack(now, mint, leg, id, request),
            Method::Refer => self.receive_refer(now, mint, leg, id, request),
            Method::Subscribe => self.receive_subscribe(now, mint, leg, id, flow, &request),
            Method::Info | Method::Message => self.receive_passing(now, mint, leg, id, request),
            known if is_known(known) => self.respond_other(now, mint, id, 405),
            _ => self.respond_other(now, mint, id, 501),
        }
    }

    /// RFC 3261 §14.2: one INVITE at a time, and glare.
    fn receive_reinvite(
        &mut self,
        now: Moment,
        mint: &mut dyn Mint,
        leg: LegId,
        id: TransactionId,
        flow: Flow,
        request: Message,
    ) {
        let Some(dialog) = self.dialogs.get_mut(&leg) else { return };
        if dialog.incoming.is_some() {
            return self.respond_other(now, mint, id, 500);
        }
        if dialog.outgoing.is_some() {
            return self.respond_other(now, mint, id, 491);
        }
        dialog.incoming = Some(id);
        let before = dialog.flow;
        dialog.learn_target(&request, flow);
        self.flows.moved(before, dialog.flow, FlowUser::Leg(leg));
        self.respond_other(now, mint, id, 100);
        self.learned(leg, Fact::Reinvited(request));
    }

    /// The ACK to a 2xx of ours: RFC 3261 §13.3.1.4.
    fn receive_ack(&mut self, now: Moment, mint: &mut dyn Mint, leg: LegId, flow: Flow, request: Message) {
        let cseq = request.cseq().map_or(0, |cseq| cseq.number);
        let Some(dialog) = self.dialogs.get_mut(&leg) else { return };
        if let Some((heard, event)) = dialog.ack_heard
            && heard == cseq
        {
            return self.outputs.push_back(Output::Absorbed { leg, event });
        }
        if dialog.answer.as_ref().is_none_or(|answer| answer.cseq != cseq) {
            return self.drop_silently(flow, Stateless::StrayAck);
        }
        dialog.answer = None;
        self.timers.stop(Timer::Leg(leg, LegTimer::RepeatAnswer));
        self.timers.stop(Timer::Leg(leg, LegTimer::AckMissing));
        let event = self.record(mint, leg, flow, request.clone());
        if let Some(dialog) = self.dialogs.get_mut(&leg) {
            dialog.ack_heard = Some((cseq, event));
        }
        self.learned(leg, Fact::Acknowledged(request));
        self.send_waiting_bye(now, mint, leg);
    }

    /// An ACK for a leg that is over: a repeat of one we know, else nobody's.
    fn receive_late_ack(&mut self, flow: Flow, tag: &str, request: &Message) {
        let cseq = request.cseq().map_or(0, |cseq| cseq.number);
        let heard = LegId::from_tag(tag).and_then(|leg| Some((leg, self.dialogs.get(&leg)?.ack_heard?)));
        match heard {
            Some((leg, (number, event))) if number == cseq => {
                self.outputs.push_back(Output::Absorbed { leg, event });
            }
            Some(_) | None => self.drop_silently(flow, Stateless::StrayAck),
        }
    }

    fn receive_out_of_dialog(&mut self, flow: Flow, request: Message, method: &Method) {
        match method {
            Method::Ack => self.drop_silently(flow, Stateless::StrayAck),
            Method::Bye | Method::Prack => self.answer_statelessly(flow, &request, 481),
            Method::Options if !requires_too_much(&request) => {
                self.answer_statelessly(flow, &request, 200);
            }
            Method::Invite => self.receive_new_invite(flow, request),
            Method::Register => self.outputs.push_back(Output::Registering { flow, request }),
            _ if requires_too_much(&request) => self.answer_statelessly(flow, &request, 420),
            Method::Subscribe => self.answer_statelessly(flow, &request, 489),
            Method::Message => self.receive_message_outside(flow, request),
            Method::Refer => self.receive_refer_outside(flow, request),
            known if is_known(known) => self.answer_statelessly(flow, &request, 405),
            _ => self.answer_statelessly(flow, &request, 501),
        }
    }

    fn receive_message_outside(&mut self, flow: Flow, request: Message) {
        if request.max_forwards().is_ok_and(|hops| hops == Some(0)) {
            return self.answer_statelessly(flow, &request, 483);
        }
        if request.body().len() > MAX_PASSED_BODY {
            return self.answer_statelessly(flow, &request, 413);
        }
        self.outputs.push_back(Output::Messaged { flow, request });
    }

    fn receive_new_invite(&mut self, flow: Flow, request: Message) {
        if requires_too_much(&request) {
            return self.answer_statelessly(flow, &request, 420);
        }
        if request.max_forwards().is_ok_and(|hops| hops == Some(0)) {
            return self.answer_statelessly(flow, &request, 483);
        }
        if self.is_loop(&request) || self.is_merged(&request) {
            return self.answer_statelessly(flow, &request, 482);
        }
        if let Some(status) = self.interval_refusal(&request) {
            return self.answer_statelessly(flow, &request, status);
        }
        self.outputs.push_back(Output::Offered { flow, request });
    }

    /// An INVITE of ours that came back unchanged: From tag and Call-ID name a leg of ours, and the request URI is still
    /// the one we sent. A changed URI is a spiral (RFC 3261 §16.3), which Max-Forwards bounds.
    fn is_loop(&self, request: &Message) -> bool {
        let Ok(from) = request.from() else { return false };
        let Some(dialog) = from.tag().and_then(LegId::from_tag).and_then(|leg| self.dialogs.get(&leg)) else {
            return false;
        };
        let same_call = request.call_id().is_ok_and(|id| *id == *dialog.call_id);
        same_call && request.request_uri().is_some_and(|uri| *uri == *dialog.target)
    }

    /// The same request came on two ways (RFC 3261 §8.2.2.2), judged only while the first is in progress.
    fn is_merged(&self, request: &Message) -> bool {
        invite_identity(request).is_some_and(|identity| self.pending_invites.contains(&identity))
    }

    pub(super) fn open_server(
        &mut self,
        key: Box<str>,
        leg: LegId,
        flow: Flow,
        request: Message,
        request_event: EventId,
        invite: bool,
    ) -> TransactionId {
        let id = self.new_transaction();
        let machine = match invite {
            true => ServerMachine::Invite(server_invite::State::Proceeding),
            false => ServerMachine::Other(server_other::State::Trying),
        };
        let cseq = request.cseq().map_or(0, |cseq| cseq.number);
        self.server_keys.insert(key.clone(), id);
        let request = Some(request);
        let interval = Duration::ZERO;
        let transaction = ServerTransaction {
            key,
            leg,
            flow,
            machine,
            request,
            request_event,
            cseq,
            last: None,
            interval,
            merge: None,
            outlived: false,
        };
        self.servers.insert(id, Box::new(transaction));
        self.flows.join(flow, FlowUser::Server(id));
        if let Some(dialog) = self.dialogs.get_mut(&leg) {
            dialog.transactions += 1;
        }
        id
    }

    /// Records a message that came for the first time.
    pub(super) fn record(&mut self, mint: &mut dyn Mint, leg: LegId, flow: Flow, message: Message) -> EventId {
        let event = mint.event_id();
        let (method, cseq) = match message.cseq() {
            Ok(cseq) => (cseq.method.into(), cseq.number),
            Err(_) => ("".into(), 0),
        };
        self.outputs.push_back(Output::Received(Incoming { event, leg, flow, message, method, cseq }));
        event
    }

    /// A final response to an INVITE of the peer that still waits, when the dialog ends under it.
    pub(super) fn refuse_pending_invite(&mut self, now: Moment, mint: &mut dyn Mint, leg: LegId, status: u16) {
        let pending = self.dialogs.get_mut(&leg).and_then(|dialog| dialog.incoming.take());
        if let Some(id) = pending {
            self.respond_other(now, mint, id, status);
        }
    }

    /// The peer hung up: whether it acknowledged our 2xx does not matter any more.
    fn drop_unacknowledged_answer(&mut self, leg: LegId) {
        self.timers.stop(Timer::Leg(leg, LegTimer::RepeatAnswer));
        self.timers.stop(Timer::Leg(leg, LegTimer::AckMissing));
        if let Some(dialog) = self.dialogs.get_mut(&leg) {
            dialog.answer = None;
        }
    }

    /// Sends a response without a body and moves the transaction on.
    pub(super) fn respond_other(&mut self, now: Moment, mint: &mut dyn Mint, id: TransactionId, status: u16) {
        self.respond(now, mint, id, status, &super::SessionHeaders::default(), None);
    }

    pub(super) fn step_server_response(&mut self, now: Moment, id: TransactionId, status: u16) {
        let class = Class::of(status);
        match self.servers.get(&id).map(|transaction| transaction.machine) {
            Some(ServerMachine::Invite(_)) => {
                self.step_server_invite(now, id, server_invite::Input::Respond(class));
            }
            Some(ServerMachine::Other(_)) => self.step_server_other(now, id, server_other::Input::Respond(class)),
            None => {}
        }
    }
}

/// RFC 3261 §17.2.3: branch, sent-by and method; an ACK and a CANCEL are looked for under their INVITE's key.
pub(super) fn server_key(via: &Via<'_>, method: &Method) -> Box<str> {
    let method = match method {
        Method::Ack | Method::Cancel => "INVITE",
        other => other.as_str(),
    };
    key_text(via, method)
}

/// A CANCEL's own transaction.
fn cancel_key(via: &Via<'_>) -> Box<str> {
    key_text(via, "CANCEL")
}

fn key_text(via: &Via<'_>, method: &str) -> Box<str> {
    let branch = via.branch().unwrap_or_default();
    let mut key = String::with_capacity(branch.len() + method.len() + 48);
    key.push_str(branch);
    // Nobody reads a key: addresses stand in it as hex. No name has a space or a number sign in it.
    match via.sent_by {
        Host::Name(name) => {
            key.push(' ');
            key.push_str(name);
        }
        Host::V4(address) => {
            key.push('#');
            hex::push(&mut key, &address.octets());
        }
        Host::V6(address) => {
            key.push('#');
            hex::push(&mut key, &address.octets());
        }
    }
    key.push(' ');
    hex::push(&mut key, &via.port.unwrap_or(5060).to_be_bytes());
    key.push_str(method);
    key.into_boxed_str()
}

/// What stays the same of an INVITE on whatever way it comes: From tag, Call-ID and CSeq (RFC 3261 §8.2.2.2).
pub(super) fn invite_identity(request: &Message) -> Option<Box<str>> {
    let (from, call_id, cseq) = (request.from().ok()?, request.call_id().ok()?, request.cseq().ok()?);
    let tag = from.tag()?;
    let mut identity = String::with_capacity(tag.len() + call_id.len() + 12);
    let _ = write!(identity, "{tag} {} {call_id}", cseq.number);
    Some(identity.into_boxed_str())
}

/// Methods that exist but are not served here (405); all others are unknown (501).
fn is_known(method: &Method) -> bool {
    match method {
        Method::Other(_) => false,
        Method::Invite
        | Method::Ack
        | Method::Bye
        | Method::Cancel
        | Method::Options
        | Method::Register
        | Method::Prack
        | Method::Update
        | Method::Refer
        | Method::Subscribe
        | Method::Notify
        | Method::Info
        | Method::Message
        | Method::Publish => true,
    }
}
