//! UPDATE (RFC 3311): which may be taken in, by what is open of offers in the dialog (§5.2). One without an offer only says
//! where the peer is and is answered here; one with an offer waits for what the other leg says.

use super::{Endpoint, Fact, FlowUser};
use crate::address::Flow;
use crate::ids::LegId;
use crate::ports::Mint;
use crate::sdp;
use crate::sip::dialog::Dialog;
use crate::sip::timer::TransactionId;
use crate::sip::wire::{HeaderName, Message};
use crate::time::Moment;

impl Endpoint {
    pub(super) fn receive_update(
        &mut self,
        now: Moment,
        mint: &mut dyn Mint,
        leg: LegId,
        id: TransactionId,
        flow: Flow,
        request: Message,
    ) {
        let Some(dialog) = self.dialogs.get(&leg) else { return };
        let content_type = request.header(HeaderName::ContentType);
        let offers = content_type.is_some_and(|content_type| sdp::find(content_type, request.body()).is_some());
        let settled = self.has_settled_early(leg) || self.has_settled_fork(leg, &request);
        if let Some(status) = refusal(dialog, offers, settled) {
            return self.respond_other(now, mint, id, status);
        }
        self.refresh_target(leg, flow, &request);
        if !offers {
            return self.respond_other(now, mint, id, 200);
        }
        if let Some(dialog) = self.dialogs.get_mut(&leg) {
            dialog.waiting.push(id);
            dialog.updating = Some(id);
        }
        self.learned(leg, Fact::Requested(id, request));
    }

    /// A target refresh that is no INVITE: the peer says where it is from here on (RFC 3261 §12.2).
    pub(super) fn refresh_target(&mut self, leg: LegId, flow: Flow, message: &Message) {
        let Some(dialog) = self.dialogs.get_mut(&leg) else { return };
        let before = dialog.flow;
        dialog.learn_target(message, flow);
        let after = dialog.flow;
        self.flows.moved(before, after, FlowUser::Leg(leg));
    }
}

/// RFC 3311 §5.2: 500 while an UPDATE or an offer of the peer is unanswered, 491 while an offer of ours is. An answer in a
/// provisional response that was not sent reliably answers nothing; one that was, and whose PRACK came, leaves nothing of
/// the INVITE open: `settled`.
const fn refusal(dialog: &Dialog, offers: bool, settled: bool) -> Option<u16> {
    if dialog.updating.is_some() {
        return Some(500);
    }
    if !offers || settled {
        return None;
    }
    match (&dialog.outgoing, dialog.incoming) {
        (Some(invite), _) if invite.offers => Some(491),
        (Some(_), _) | (None, Some(_)) => Some(500),
        (None, None) => None,
    }
}
