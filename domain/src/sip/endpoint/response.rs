//! Responses that arrive: matched by our own branch (RFC 3261 §17.1.3), and the 2xx that outlive their transaction.

use super::prack::Arrival;
use super::{ClientKey, ClientMachine, Endpoint, Fact, FlowUser, Output, Stateless};
use crate::address::Flow;
use crate::ids::LegId;
use crate::ports::Mint;
use crate::sip::dialog::{Cancelling, DialogState};
use crate::sip::timer::TransactionId;
use crate::sip::transaction::{Action, Class, client_invite, client_other};
use crate::sip::wire::{Message, Method};
use crate::time::Moment;

impl Endpoint {
    pub(super) fn receive_response(&mut self, now: Moment, mint: &mut dyn Mint, flow: Flow, response: Message) {
        // RFC 3261 §8.1.3.3: an answer to us has our Via alone; another was meant for somebody else.
        if response.vias().nth(1).is_some() {
            return self.drop_silently(flow, Stateless::StrayResponse);
        }
        let status = response.status().unwrap_or(0);
        let Some(key) = client_key(&response) else { return self.drop_silently(flow, Stateless::StrayResponse) };
        let Some(id) = self.client_keys.get(&key).copied() else {
            return self.receive_stray(flow, key.leg, status, &response);
        };
        match self.clients.get(&id).map(|client| client.machine) {
            Some(ClientMachine::Invite(state)) => self.receive_invite_response(now, mint, id, state, flow, response),
            Some(ClientMachine::Other(state)) => self.receive_other_response(now, mint, id, state, flow, response),
            None => {}
        }
    }

    /// A 2xx that comes after its transaction is over still wants its ACK.
    fn receive_stray(&mut self, flow: Flow, leg: LegId, status: u16, response: &Message) {
        let cseq = response.cseq().map_or(0, |cseq| cseq.number);
        match self.dialogs.get(&leg).and_then(|dialog| dialog.ack_of(cseq)).cloned() {
            Some(sent) if Class::of(status) == Class::Success => self.repeat(leg, sent),
            Some(_) | None => self.drop_silently(flow, Stateless::StrayResponse),
        }
    }

    fn receive_invite_response(
        &mut self,
        now: Moment,
        mint: &mut dyn Mint,
        id: TransactionId,
        state: client_invite::State,
        flow: Flow,
        response: Message,
    ) {
        use client_invite::State::{Accepted, Calling, Completed, Proceeding, Terminated};
        let status = response.status().unwrap_or(0);
        let class = Class::of(status);
        match (state, class) {
            (Calling | Proceeding, Class::Provisional) => self.receive_provisional(now, mint, id, flow, response),
            (Calling | Proceeding, _) => self.receive_fresh(now, mint, id, flow, response, Arrival::Plain),
            (Accepted, Class::Success) => self.receive_further_success(now, mint, id, flow, response),
            (Completed, Class::Failure) => {
                self.absorb_final(id);
                self.step_client_invite(now, id, client_invite::Input::Response(class));
            }
            (Completed | Accepted | Terminated, _) => self.drop_silently(flow, Stateless::StrayResponse),
        }
    }

    /// Reliable ones are heard in their order, and once.
    fn receive_provisional(
        &mut self,
        now: Moment,
        mint: &mut dyn Mint,
        id: TransactionId,
        flow: Flow,
        response: Message,
    ) {
        let Some(leg) = self.clients.get(&id).map(|client| client.key.leg) else { return };
        match self.arrival(leg, &response) {
            Arrival::Again(event) => self.outputs.push_back(Output::Absorbed { leg, event }),
            Arrival::Ahead => self.drop_silently(flow, Stateless::StrayResponse),
            fresh @ (Arrival::Plain | Arrival::Next) => self.receive_fresh(now, mint, id, flow, response, fresh),
        }
    }

    /// A response that the transaction did not have yet.
    fn receive_fresh(
        &mut self,
        now: Moment,
        mint: &mut dyn Mint,
        id: TransactionId,
        flow: Flow,
        response: Message,
        arrival: Arrival,
    ) {
        let Some(leg) = self.clients.get(&id).map(|client| client.key.leg) else { return };
        let status = response.status().unwrap_or(0);
        let event = self.record(mint, leg, flow, response.clone());
        if status >= 200
            && let Some(client) = self.clients.get_mut(&id)
        {
            client.final_event = Some(event);
            if Class::of(status) == Class::Success {
                client.forget_request();
            }
        }
        if Class::of(status) == Class::Failure
            && let Some(again) = self.other_request(mint, id, &response)
        {
            self.acknowledge_refusal(mint, id, &response);
            self.step_client_invite(now, id, client_invite::Input::Response(Class::Failure));
            return self.ask_again(now, id, again);
        }
        let early = self.dialogs.get(&leg).is_some_and(|dialog| dialog.state == DialogState::Early);
        if let Some(dialog) = self.dialogs.get_mut(&leg)
            && status > 100
            && status < 300
        {
            let before = dialog.flow;
            dialog.learn_from_response(&response, flow);
            self.flows.moved(before, dialog.flow, FlowUser::Leg(leg));
        }
        if Class::of(status) == Class::Failure {
            self.acknowledge_refusal(mint, id, &response);
        }
        self.settle_invite(leg, status, early);
        self.step_client_invite(now, id, client_invite::Input::Response(Class::of(status)));
        match Class::of(status) {
            Class::Provisional => {
                self.bound_change(now, leg, status);
                self.send_waiting_cancel(now, mint, leg);
                if arrival == Arrival::Next {
                    self.take_reliable(now, mint, leg, &response, event);
                }
                if status > 100 {
                    self.learned(leg, Fact::Progressed(response));
                }
            }
            Class::Success => {
                let terms = self.timer_heard(leg, &response);
                self.learned(leg, Fact::Accepted(response));
                self.set_session_timer(now, leg, terms);
            }
            Class::Failure => self.learned(leg, Fact::Refused(response)),
        }
    }

    /// The INVITE has its final response: it can neither ring nor be cancelled any more.
    fn settle_invite(&mut self, leg: LegId, status: u16, early: bool) {
        let Some(dialog) = self.dialogs.get_mut(&leg) else { return };
        if status < 200 {
            return;
        }
        dialog.outgoing = None;
        dialog.owes_ack = status < 300;
        dialog.forks = Vec::new();
        self.heard.remove(&leg);
        match (status < 300, early) {
            // What is over stays so: this answers an INVITE that the dialog's end overtook.
            (true, _) if dialog.state == DialogState::Over => {}
            (true, _) => dialog.state = DialogState::Confirmed,
            (false, true) => dialog.state = DialogState::Over,
            (false, false) => {}
        }
        dialog.slim_if_done();
        self.stop_invite_timers(leg);
    }

    pub(super) fn absorb_final(&mut self, id: TransactionId) {
        if let Some((leg, event)) = self.clients.get(&id).and_then(|client| Some((client.key.leg, client.final_event?)))
        {
            self.outputs.push_back(Output::Absorbed { leg, event });
        }
    }

    fn receive_other_response(
        &mut self,
        now: Moment,
        mint: &mut dyn Mint,
        id: TransactionId,
        state: client_other::State,
        flow: Flow,
        response: Message,
    ) {
        let status = response.status().unwrap_or(0);
        let Some(client) = self.clients.get(&id) else { return };
        let (leg, asked_by, refresh) = (client.key.leg, client.asked_by, client.refresh);
        let again = match state {
            client_other::State::Trying | client_other::State::Proceeding => {
                let event = self.record(mint, leg, flow, response.clone());
                let again = self.other_request(mint, id, &response);
                if status >= 200
                    && let Some(client) = self.clients.get_mut(&id)
                {
                    client.final_event = Some(event);
                    client.forget_request();
                }
                again
            }
            client_other::State::Completed | client_other::State::Terminated => return self.absorb_final(id),
        };
        if let Some(again) = again {
            if let Some(client) = self.clients.get_mut(&id) {
                client.superseded = true;
            }
            self.step_client_other(now, mint, id, client_other::Input::Response(Class::Failure));
            return self.ask_again(now, id, again);
        }
        if (200..300).contains(&status) && self.clients.get(&id).is_some_and(|client| client.method == Method::Update) {
            self.refresh_target(leg, flow, &response);
            let terms = self.timer_heard(leg, &response);
            self.set_session_timer(now, leg, terms);
        }
        let method = self.clients.get(&id).map(|client| client.method.clone());
        self.step_client_other(now, mint, id, client_other::Input::Response(Class::of(status)));
        match method {
            Some(Method::Prack) if status >= 300 => self.prack_refused(leg, status),
            Some(Method::Notify) if status >= 200 => self.notified(now, mint, leg, status),
            _ => {}
        }
        if refresh && status >= 200 {
            self.refresh_answered(leg, status);
        }
        if status >= 200 {
            self.conclude(id, Some(response.clone()));
        }
        if let Some(asked_by) = asked_by.filter(|_| status >= 200) {
            self.learned(leg, Fact::Responded(asked_by, Some(response)));
        }
    }

    /// Tells the session what became of a request other than INVITE.
    pub(super) fn other_finished(&mut self, leg: LegId, method: &Method) {
        // A CANCEL's own outcome means nothing: the INVITE's final response counts.
        if *method == Method::Bye {
            self.learned(leg, Fact::ByeDone);
            self.end_dialog(leg);
        }
    }

    pub(super) fn step_client_invite(&mut self, now: Moment, id: TransactionId, input: client_invite::Input) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let ClientMachine::Invite(state) = client.machine else { return };
        let leg = client.key.leg;
        let (next, actions) = client_invite::step(state, input);
        client.machine = ClientMachine::Invite(next);
        for action in actions {
            match action {
                // Said by the receiver of the response, which has it at hand.
                Action::Inform | Action::Acknowledge => {}
                Action::InformTimeout => self.invite_unanswered(leg),
                other => self.client_action(now, id, *other, next == client_invite::State::Completed),
            }
        }
    }

    /// Nothing came to our INVITE.
    pub(super) fn invite_unanswered(&mut self, leg: LegId) {
        if let Some(dialog) = self.dialogs.get_mut(&leg) {
            dialog.outgoing = None;
            if dialog.state == DialogState::Early {
                dialog.state = DialogState::Over;
            }
            dialog.slim_if_done();
        }
        self.stop_invite_timers(leg);
        self.learned(leg, Fact::Unanswered);
    }

    pub(super) fn step_client_other(
        &mut self,
        now: Moment,
        mint: &mut dyn Mint,
        id: TransactionId,
        input: client_other::Input,
    ) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let ClientMachine::Other(state) = client.machine else { return };
        let (leg, method, asked_by) = (client.key.leg, client.method.clone(), client.asked_by);
        let (fork, refresh) = (client.fork || client.superseded, client.refresh);
        let (next, actions) = client_other::step(state, input);
        client.machine = ClientMachine::Other(next);
        for action in actions {
            match action {
                Action::Inform if next == client_other::State::Completed && !fork => self.other_finished(leg, &method),
                Action::InformTimeout if !fork => {
                    self.conclude(id, None);
                    if method == Method::Prack {
                        self.prack_refused(leg, 408);
                    }
                    self.other_finished(leg, &method);
                    if method == Method::Notify {
                        self.end_subscription(now, mint, leg);
                    }
                    if refresh {
                        self.refresh_answered(leg, 408);
                    }
                    asked_by.into_iter().for_each(|asked_by| self.learned(leg, Fact::Responded(asked_by, None)));
                }
                Action::Inform | Action::InformTimeout => {}
                other => self.client_action(now, id, *other, false),
            }
        }
    }

    /// A CANCEL that waited for a provisional response.
    fn send_waiting_cancel(&mut self, now: Moment, mint: &mut dyn Mint, leg: LegId) {
        let wanted = self
            .dialogs
            .get(&leg)
            .and_then(|dialog| dialog.outgoing.as_ref())
            .is_some_and(|invite| invite.cancelling == Cancelling::Wanted);
        if wanted {
            self.send_cancel(now, mint, leg);
        }
    }
}

/// Reads the branch of ours that a response carries.
fn client_key(response: &Message) -> Option<ClientKey> {
    let via = response.top_via().ok()?;
    let (leg, branch) = super::message::read_branch(via.branch()?)?;
    let cancel = response.cseq().ok()?.method == "CANCEL";
    Some(ClientKey { leg, branch, cancel })
}
