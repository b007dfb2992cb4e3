//! Timers that fire, and the actions of transactions that arm them.

use super::{ClientMachine, Endpoint, Fact, ServerMachine};
use crate::ids::LegId;
use crate::ports::Mint;
use crate::sip::dialog::{Cancelling, DialogState};
use crate::sip::timer::{LegTimer, Timer, TransactionId, TransactionTimer};
use crate::sip::transaction::{Action, client_invite, client_other, server_invite, server_other};
use crate::time::Moment;
use std::time::Duration;

/// How long an INVITE within a dialog may stay at a provisional response. Nobody needs to be fetched for most, so it need not
/// be timer C's three minutes (RFC 3261 §16.6 item 11); but more than one, after which who takes long says so again (§13.3.1.1).
const CHANGE_PENDING: Duration = Duration::from_secs(90);

impl Endpoint {
    /// Takes one due timer that is not the endpoint's to handle: notes of repeats, and what forgets a request, whose
    /// response may not have left. Those that are, are handled.
    pub fn wake(&mut self, now: Moment, mint: &mut dyn Mint) -> Option<Timer> {
        while let Some(timer) = self.timers.take_due(now) {
            if matches!(timer, Timer::NoteRepeats(_)) || self.forgets_answered(timer) {
                return Some(timer);
            }
            self.fire(now, mint, timer);
            if !self.outputs.is_empty() {
                break;
            }
        }
        None
    }

    /// Fires a timer of the endpoint's, whenever it is due.
    pub fn fire(&mut self, now: Moment, mint: &mut dyn Mint, timer: Timer) {
        self.timers.stop(timer);
        match timer {
            Timer::Transaction(id, which) => self.transaction_timer(now, mint, id, which),
            Timer::Leg(leg, which) => self.leg_timer(now, mint, leg, which),
            Timer::NoteRepeats(_) => {}
        }
    }

    fn transaction_timer(&mut self, now: Moment, mint: &mut dyn Mint, id: TransactionId, which: TransactionTimer) {
        if let Some(client) = self.clients.get(&id) {
            return match (client.machine, which) {
                (ClientMachine::Invite(_), TransactionTimer::Retransmit) => {
                    self.step_client_invite(now, id, client_invite::Input::Retransmit);
                }
                (ClientMachine::Invite(_), TransactionTimer::Timeout) => {
                    self.step_client_invite(now, id, client_invite::Input::Timeout);
                }
                (ClientMachine::Invite(_), TransactionTimer::Linger) => {
                    self.step_client_invite(now, id, client_invite::Input::Linger);
                }
                (ClientMachine::Other(_), TransactionTimer::Retransmit) => {
                    self.step_client_other(now, mint, id, client_other::Input::Retransmit);
                }
                (ClientMachine::Other(_), TransactionTimer::Timeout) => {
                    self.step_client_other(now, mint, id, client_other::Input::Timeout);
                }
                (ClientMachine::Other(_), TransactionTimer::Linger) => {
                    self.step_client_other(now, mint, id, client_other::Input::Linger);
                }
            };
        }
        let Some(server) = self.servers.get(&id) else { return };
        match (server.machine, which) {
            (ServerMachine::Invite(_), TransactionTimer::Retransmit) => {
                self.step_server_invite(now, id, server_invite::Input::Retransmit);
            }
            (ServerMachine::Invite(_), TransactionTimer::Timeout) => {
                self.step_server_invite(now, id, server_invite::Input::Timeout);
            }
            (ServerMachine::Invite(_), TransactionTimer::Linger) => {
                self.step_server_invite(now, id, server_invite::Input::Linger);
            }
            (ServerMachine::Other(_), TransactionTimer::Linger) => {
                self.step_server_other(now, id, server_other::Input::Linger);
            }
            (ServerMachine::Other(_), TransactionTimer::Retransmit | TransactionTimer::Timeout) => {}
        }
    }

    fn leg_timer(&mut self, now: Moment, mint: &mut dyn Mint, leg: LegId, which: LegTimer) {
        match which {
            LegTimer::RepeatAnswer => self.repeat_answer(now, leg),
            LegTimer::AckMissing => {
                self.timers.stop(Timer::Leg(leg, LegTimer::RepeatAnswer));
                if let Some(dialog) = self.dialogs.get_mut(&leg) {
                    dialog.answer = None;
                }
                self.learned(leg, Fact::AckMissing);
                self.send_waiting_bye(now, mint, leg);
                self.forget_if_over(leg);
            }
            LegTimer::NoAnswer => self.learned(leg, Fact::NoAnswer),
            // A final response, or 64·T1 without one, tells what became of it.
            LegTimer::ChangePending => self.cancel(now, mint, leg),
            LegTimer::CancelUnanswered => self.give_up_cancelled(leg),
            LegTimer::RepeatProvisional => self.repeat_provisional(now, mint, leg),
            LegTimer::PrackMissing => self.prack_missing(leg),
            LegTimer::Retry => self.learned(leg, Fact::MayRetry),
            LegTimer::Unwatched => self.subscription_expires(now, mint, leg),
            LegTimer::Refresh => self.refresh_due(now, leg),
            LegTimer::Expires => self.learned(leg, Fact::Expired),
        }
    }

    /// RFC 3261 §13.3.1.4: T1, doubling up to T2.
    fn repeat_answer(&mut self, now: Moment, leg: LegId) {
        let t2 = self.settings.timers.t2;
        let Some(answer) = self.dialogs.get_mut(&leg).and_then(|dialog| dialog.answer.as_mut()) else { return };
        answer.interval = (answer.interval * 2).min(t2);
        let (interval, sent) = (answer.interval, answer.sent.clone());
        self.timers.set(Timer::Leg(leg, LegTimer::RepeatAnswer), now + interval);
        self.repeat(leg, sent);
    }

    /// A provisional response came to our INVITE. Within a dialog nothing else would ever end it: other changes would be refused
    /// for good, and no refresh would go. Each but 100 gains the whole time anew, as timer C has it (RFC 3261 §16.7 step 2).
    pub(super) fn bound_change(&mut self, now: Moment, leg: LegId, status: u16) {
        let Some(dialog) = self.dialogs.get(&leg).filter(|dialog| dialog.state == DialogState::Confirmed) else {
            return;
        };
        let timer = Timer::Leg(leg, LegTimer::ChangePending);
        let waits = dialog.outgoing.as_ref().is_some_and(|invite| invite.cancelling == Cancelling::No);
        if waits && (status > 100 || !self.timers.is_set(timer)) {
            self.timers.set(timer, now + CHANGE_PENDING);
        }
    }

    /// Our INVITE is over: nothing bounds it any more.
    pub(super) fn stop_invite_timers(&mut self, leg: LegId) {
        for timer in [LegTimer::NoAnswer, LegTimer::ChangePending, LegTimer::CancelUnanswered] {
            self.timers.stop(Timer::Leg(leg, timer));
        }
    }

    /// The dialog ends while an INVITE of ours within it has no final response. One should come (RFC 3261 §15.1.2), but
    /// after a provisional response nothing else would ever end the transaction: it has 64·T1 from here on.
    pub(super) fn bound_pending_invite(&mut self, now: Moment, leg: LegId) {
        if self.dialogs.get(&leg).is_some_and(|dialog| dialog.outgoing.is_some()) {
            let timeout = self.settings.timers.timeout();
            self.timers.stop(Timer::Leg(leg, LegTimer::ChangePending));
            self.timers.set(Timer::Leg(leg, LegTimer::CancelUnanswered), now + timeout);
        }
    }

    /// RFC 3261 §9.1: 64·T1 after the CANCEL, or after the dialog's end, the INVITE counts as refused.
    fn give_up_cancelled(&mut self, leg: LegId) {
        let Some(dialog) = self.dialogs.get_mut(&leg) else { return };
        let over = dialog.state == DialogState::Over;
        let Some(invite) = dialog.outgoing.take() else { return };
        dialog.slim_if_done();
        self.end_client(invite.transaction);
        if over {
            return;
        }
        self.invite_unanswered(leg);
        if self.dialogs.get(&leg).is_some_and(|dialog| dialog.state == DialogState::Over) {
            self.forget_if_over(leg);
        }
    }

    pub(super) fn step_server_invite(&mut self, now: Moment, id: TransactionId, input: server_invite::Input) {
        let Some(server) = self.servers.get_mut(&id) else { return };
        let ServerMachine::Invite(state) = server.machine else { return };
        let reliable = server.flow.transport.is_reliable();
        let (next, actions) = server_invite::step(state, input, reliable);
        server.machine = ServerMachine::Invite(next);
        let linger = match next {
            server_invite::State::Confirmed if reliable => Duration::ZERO,
            server_invite::State::Confirmed => self.settings.timers.t4,
            _ => self.settings.timers.timeout(),
        };
        for action in actions {
            self.server_action(now, id, *action, linger);
        }
    }

    pub(super) fn step_server_other(&mut self, now: Moment, id: TransactionId, input: server_other::Input) {
        let Some(server) = self.servers.get_mut(&id) else { return };
        let ServerMachine::Other(state) = server.machine else { return };
        let (next, actions) = server_other::step(state, input);
        server.machine = ServerMachine::Other(next);
        let linger = match server.flow.transport.is_reliable() {
            true => Duration::ZERO,
            false => self.settings.timers.timeout(),
        };
        for action in actions {
            self.server_action(now, id, *action, linger);
        }
    }

    fn server_action(&mut self, now: Moment, id: TransactionId, action: Action, linger: Duration) {
        let values = self.settings.timers;
        let Some(server) = self.servers.get_mut(&id) else { return };
        match action {
            Action::Resend => {
                let (leg, last) = (server.leg, server.last.clone());
                if let Some(sent) = last {
                    self.repeat(leg, sent);
                }
            }
            Action::StartRetransmit => {
                server.interval = next_interval(server.interval, values.t1, Some(values.t2));
                let at = now + server.interval;
                self.timers.set(Timer::Transaction(id, TransactionTimer::Retransmit), at);
            }
            Action::StartLinger => self.timers.set(Timer::Transaction(id, TransactionTimer::Linger), now + linger),
            Action::StartTimeout => {
                self.timers.set(Timer::Transaction(id, TransactionTimer::Timeout), now + values.timeout());
            }
            Action::StopRetransmit => self.timers.stop(Timer::Transaction(id, TransactionTimer::Retransmit)),
            Action::StopTimeout => self.timers.stop(Timer::Transaction(id, TransactionTimer::Timeout)),
            Action::Terminate => self.end_server(id),
            Action::Acknowledge | Action::Inform | Action::InformTimeout => {}
        }
    }

    pub(super) fn client_action(&mut self, now: Moment, id: TransactionId, action: Action, refused: bool) {
        let values = self.settings.timers;
        let Some(client) = self.clients.get_mut(&id) else { return };
        let invite = matches!(client.machine, ClientMachine::Invite(_));
        match action {
            Action::Resend => {
                let (leg, last) = (client.key.leg, client.last.clone());
                self.repeat(leg, last);
            }
            Action::StartRetransmit => {
                let bound = (!invite).then_some(values.t2);
                client.interval = match client.machine {
                    ClientMachine::Other(client_other::State::Proceeding) => values.t2,
                    ClientMachine::Other(_) | ClientMachine::Invite(_) => {
                        next_interval(client.interval, values.t1, bound)
                    }
                };
                let at = now + client.interval;
                self.timers.set(Timer::Transaction(id, TransactionTimer::Retransmit), at);
            }
            Action::StartLinger => {
                // D is at least 32 s on datagrams whatever T1 is; tests with a small T1 shrink it too. K is T4. On
                // reliable transports both are zero, M is not (RFC 6026 §8.4).
                let linger = match (invite, client.last.flow.transport.is_reliable()) {
                    (true, true) if refused => Duration::ZERO,
                    (true, _) => values.timeout(),
                    (false, true) => Duration::ZERO,
                    (false, false) => values.t4,
                };
                self.timers.set(Timer::Transaction(id, TransactionTimer::Linger), now + linger);
            }
            Action::StartTimeout => {
                self.timers.set(Timer::Transaction(id, TransactionTimer::Timeout), now + values.timeout());
            }
            Action::StopRetransmit => self.timers.stop(Timer::Transaction(id, TransactionTimer::Retransmit)),
            Action::StopTimeout => self.timers.stop(Timer::Transaction(id, TransactionTimer::Timeout)),
            Action::Terminate => self.end_client(id),
            Action::Acknowledge | Action::Inform | Action::InformTimeout => {}
        }
    }
}

fn next_interval(last: Duration, t1: Duration, bound: Option<Duration>) -> Duration {
    let doubled = if last.is_zero() { t1 } else { last * 2 };
    bound.map_or(doubled, |bound| doubled.min(bound))
}
