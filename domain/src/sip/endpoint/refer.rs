//! REFER within a dialog (RFC 3515): taken in here, decided by the session.

use super::{Endpoint, Fact};
use crate::ids::LegId;
use crate::ports::Mint;
use crate::sip::dialog::Role;
use crate::sip::timer::{LegTimer, Timer, TransactionId};
use crate::sip::wire::Message;
use crate::time::Moment;
use std::time::Duration;

impl Endpoint {
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
    pub fn retry(&mut self, now: Moment, mint: &mut dyn Mint, leg: LegId) {
        let Some(dialog) = self.dialogs.get(&leg) else { return };
        let (least, span) = match dialog.role {
            Role::Uac => (210, 191),
            Role::Uas => (0, 201),
        };
        let steps = least + mint.bits() % span;
        self.timers.set(Timer::Leg(leg, LegTimer::Retry), now + Duration::from_millis(steps * 10));
    }
}
