//! REFER (RFC 3515), within a dialog or outside any: taken in here, decided by the session.

use super::{BuildError, Endpoint, Fact, FlowUser, Output};
use crate::address::Flow;
use crate::ids::LegId;
use crate::ports::Mint;
use crate::sip::dialog::{Dialog, DialogState, Role};
use crate::sip::timer::{LegTimer, Timer, TransactionId};
use crate::sip::wire::Message;
use crate::time::Moment;
use std::time::Duration;

impl Endpoint {
    pub(super) fn receive_refer_outside(&mut self, flow: Flow, request: Message) {
        if request.max_forwards().is_ok_and(|hops| hops == Some(0)) {
            return self.answer_statelessly(flow, &request, 483);
        }
        self.outputs.push_back(Output::Referring { flow, request });
    }

    /// Takes in a REFER outside any dialog. The dialog that it begins has no use but what its sender hears of it: no
    /// call is in it, so it is over from the beginning, and forgotten with its transaction unless [`Endpoint::watch`]
    /// is called before.
    ///
    /// # Errors
    /// It cannot be answered.
    pub fn accept_refer(
        &mut self,
        mint: &mut dyn Mint,
        leg: LegId,
        flow: Flow,
        request: Message,
    ) -> Result<TransactionId, BuildError> {
        let dialog = Dialog::of_invite(leg, flow, &request).ok_or(BuildError::Unanswerable)?;
        self.flows.join(dialog.flow, FlowUser::Leg(leg));
        self.dialogs.insert(leg, Box::new(Dialog { state: DialogState::Over, ..dialog }));
        let accepted = self.accept_request(mint, leg, flow, request);
        if accepted.is_err() {
            self.forget_if_over(leg);
        }
        accepted
    }

    pub(super) fn receive_refer(
        &mut self,
        now: Moment,
        mint: &mut dyn Mint,
        leg: LegId,
        id: TransactionId,
        request: Message,
    ) {
        if request.max_forwards().is_ok_and(|hops| hops == Some(0)) {
            return self.respond_other(now, mint, id, 483);
        }
        let Some(dialog) = self.dialogs.get_mut(&leg) else { return };
        dialog.waiting.push(id);
        self.learned(leg, Fact::Referred(id, request));
    }

    /// Says by [`Fact::MayRetry`] when an INVITE may be tried again that met one of the peer: who made the Call-ID waits
    /// 2.1 to 4 s, the other up to 2 s, in steps of 10 ms (RFC 3261 §14.1).
    pub fn retry(&mut self, now: Moment, leg: LegId) {
        let Some(dialog) = self.dialogs.get_mut(&leg) else { return };
        let (least, span) = match dialog.role {
            Role::Uac => (210, 191),
            Role::Uas => (0, 201),
        };
        dialog.retries += 1;
        let steps = least + by_chance(leg, dialog.retries) % span;
        self.timers.set(Timer::Leg(leg, LegTimer::Retry), now + Duration::from_millis(steps * 10));
    }
}

/// A leg's tag is as good as a throw of dice, and what follows from it is the same whenever its past is played.
fn by_chance(leg: LegId, times: u32) -> u64 {
    let hash = blake3::hash(&[leg.bits().to_be_bytes().as_slice(), &times.to_be_bytes()].concat());
    hash.as_bytes().iter().take(8).fold(0, |bits, byte| bits << 8 | u64::from(*byte))
}
