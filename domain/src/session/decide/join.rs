//! Attended transfer (RFC 5589 §7): a party of two calls asks by REFER with Replaces that the other two be joined. One
//! session gives its leg away, this one takes it; its two parties are asked by re-INVITE to take each other's media, and
//! only when both did is the asker released. Else the leg goes back, and both calls are as they were.

use crate::codec::personal::Personal;
use crate::ids::{LegId, SessionId, TransferId};
use crate::sdp;
use crate::session::event::{
    Carried, EndCause, LegGivenAway, LegRegained, LegReleased, LegReturned, LegTaken, ReleaseCause, SessionEvent,
    TransferLinked,
};
use crate::session::leg::{Leg, LegStatus};
use crate::session::media::MediaFault;
use crate::session::order::{Context, Order};
use crate::session::state::{Ending, PendingOffer, Session};
use crate::session::transfer::{Joined, Phase, Transfer};
use crate::sip::endpoint::Body;
use crate::transfer::{TransferBegun, TransferEnded};

/// What is said of a transfer whose leg the other call does not give, or gave when its stream was frozen already. A start knows it by this.
pub const NOT_GIVEN: &str = "the other call cannot be joined with this one";

/// Why a transfer failed that ended without its session's word.
pub const ENDED_WITHOUT: &str = "the transfer ended while this call could not be written";

impl Session {
    /// The REFER is accepted that names a call of the same account.
    pub(super) fn begin_join(&mut self, context: &mut Context<'_>, leg: LegId, joined: Joined) {
        let Some(remaining) = self.peer_of(leg) else { return };
        let Joined { transfer, session, replaced, moved } = joined;
        let linked = TransferLinked { leg, transfer, with: session };
        self.record(context, SessionEvent::TransferLinked(linked));
        self.tell(context, leg, 100);
        let (account, taking) = (self.account, self.id);
        let begun = TransferBegun { account, taking, asking: leg, remaining, giving: session, replaced, moved };
        context.order(Order::BeginTransfer(transfer, begun));
    }

    /// Gives a leg to another session; `false` where that cannot be now.
    pub fn on_give(&mut self, context: &mut Context<'_>, leg: LegId, to: SessionId, transfer: TransferId) -> bool {
        let free = self.offer.is_none() && self.transfer.is_none() && self.ending.is_none();
        let ready = self.peer_of(leg).is_some_and(|peer| self.is_confirmed(peer)) && self.is_confirmed(leg);
        if free && ready {
            self.record(context, SessionEvent::LegGivenAway(LegGivenAway { leg, to, transfer }));
        }
        free && ready
    }

    /// A leg that this session has given away and nobody has taken yet.
    pub fn given_away(&self, leg: LegId) -> Option<&Leg> {
        self.leg(leg).filter(|leg| leg.status == LegStatus::Away)
    }

    /// Takes the leg that a transfer waits for; `false` where none does any more.
    pub fn on_take(&mut self, context: &mut Context<'_>, leg: &Leg, from: SessionId, transfer: TransferId) -> bool {
        let waits = self.joins == Some(transfer) && self.transfer.is_some_and(|now| now.phase == Phase::Awaiting);
        if !waits {
            return false;
        }
        let text =
            |body: &Option<bytes::Bytes>| body.as_deref().map(String::from_utf8_lossy).unwrap_or_default().into();
        let carried = Carried {
            agreed: text(&leg.agreed),
            told: text(&leg.told),
            to: leg.far.to.to_string(),
            dialled: leg.far.dialled.to_string(),
        };
        let taken = LegTaken {
            leg: leg.id,
            from,
            transfer,
            trunk: leg.far.trunk,
            domain: leg.far.domain,
            device: leg.far.device,
            media_source: leg.media_source,
            version: leg.version,
            carried: Personal::Known(carried),
        };
        self.record(context, SessionEvent::LegTaken(taken));
        self.connect_transfer(context);
        true
    }

    /// The session that a leg was taken from, while it is not in the call.
    pub(super) fn taken_from(&self, leg: LegId) -> Option<SessionId> {
        self.leg(leg).filter(|_| self.peer_of(leg).is_none())?.taken_from
    }

    /// What the remaining party is offered: what is in force with the other, in both directions. Who asks for a transfer has
    /// mostly put both on hold.
    pub(super) fn offer_of_taken(
        &mut self,
        context: &mut Context<'_>,
        taken: LegId,
        remaining: LegId,
    ) -> Result<Body, MediaFault> {
        let agreed = self.leg(taken).and_then(|leg| leg.agreed.clone()).ok_or(MediaFault::Missing)?;
        let offer = sdp::both_ways(&agreed);
        let described = sdp::describe(&offer)?;
        self.reserve(context, remaining, &described)?;
        self.rewrite(&offer, remaining)
    }

    /// The remaining party agreed: now the one that was taken is asked to send here, by what that one answered.
    pub(super) fn ask_taken(&mut self, context: &mut Context<'_>, taken: LegId, remaining: LegId, tries: u8) {
        let ready = self.describe_heard(remaining).and_then(|described| {
            self.reserve(context, taken, &described)?;
            self.rewrite_heard(remaining, taken)
        });
        match ready {
            Ok(body) => {
                self.set_phase(Phase::Joining(taken, tries));
                self.offer_ourselves(context, remaining, taken, body);
            }
            Err(fault) => self.fail_transfer(context, fault.status(), "the other party's media cannot be relayed"),
        }
    }

    /// A transfer that joined nothing: the leg goes back, unless it is over, and the remaining party is asked back.
    pub(super) fn return_taken(&mut self, context: &mut Context<'_>, ended: Transfer) {
        let Transfer { by, remaining, phase, .. } = ended;
        let Some(leg) = phase.answered() else { return };
        let Some(to) = self.taken_from(leg) else { return };
        let asked = self.offer.filter(|offer| offer.to == leg);
        if asked.is_some() {
            // What it answers is for the session that has it then.
            context.order(Order::Cancel { leg });
            self.offer = None;
        }
        if self.leg(leg).is_some_and(Leg::is_live) {
            self.record(context, SessionEvent::LegReturned(LegReturned { leg, to }));
        }
        let stays = self.offer.is_none() && self.is_confirmed(remaining) && self.leg(by).is_some_and(Leg::is_live);
        let told = self.leg(remaining).and_then(|leg| leg.told.clone());
        if stays
            && let Ok(body) = self.rewrite_agreed(by, remaining)
            && !told.is_some_and(|told| sdp::same_media(&told, &body.bytes))
        {
            self.offer_ourselves(context, by, remaining, body);
        }
    }

    /// The transfer that joins two sessions is over for this one.
    pub(super) fn end_join(&mut self, context: &mut Context<'_>, completed: bool, status: u16) {
        if let Some(transfer) = self.joins.take() {
            context.order(Order::EndTransfer(transfer, TransferEnded::told(completed, status)));
        }
    }

    /// The leg that was given away cannot be had: the transfer comes to nothing.
    pub fn on_not_given(&mut self, context: &mut Context<'_>, transfer: TransferId, status: u16) {
        if self.joins == Some(transfer) {
            self.fail_transfer(context, status, NOT_GIVEN);
        }
    }

    /// The transfer ended when this session could say nothing ([`Frozen`](crate::transfer::Frozen)): nobody takes a leg back.
    pub fn on_ended_without(&mut self, context: &mut Context<'_>, transfer: TransferId) {
        let Some(ended) = self.transfer.filter(|_| self.joins == Some(transfer)) else { return };
        self.say_failed(context, ended.by, 500, ENDED_WITHOUT);
        if let Some(taken) = ended.phase.answered() {
            self.let_taken_go(context, taken);
        }
        self.undo_transfer(context, ended, 500);
    }

    /// A leg that nobody takes back is hung up on.
    fn let_taken_go(&mut self, context: &mut Context<'_>, leg: LegId) {
        if self.taken_from(leg).is_none() || !self.leg(leg).is_some_and(Leg::is_live) {
            return;
        }
        if self.offer.take_if(|offer| offer.to == leg).is_some() {
            context.order(Order::Cancel { leg });
        }
        context.order(Order::Bye { leg });
        self.release_leg(context, leg, ReleaseCause::OtherLeg);
    }

    /// The leg that was given away is back. `asked`: a re-INVITE to it has no answer yet, which is to be taken back.
    pub fn on_regained(&mut self, context: &mut Context<'_>, leg: LegId, from: (SessionId, u64), asked: bool) {
        let (from, version) = from;
        self.record(context, SessionEvent::LegRegained(LegRegained { leg, from, version }));
        let Some(peer) = self.peer_of(leg) else { return };
        if !self.leg(peer).is_some_and(Leg::is_live) {
            return self.release_all(context, ReleaseCause::OtherLeg);
        }
        if asked {
            let (late, asked_by, by_update) = (false, None, false);
            let offer = PendingOffer { from: peer, to: leg, late, asked_by, by_update, cancelled: true, ours: true };
            self.offer = Some(offer);
        }
    }

    /// The leg that was given away never comes back: it is joined with another, or over. So is this call.
    pub fn on_moved(&mut self, context: &mut Context<'_>, leg: LegId, completed: bool) {
        if self.given_away(leg).is_none() {
            return;
        }
        let by = self.peer_of(leg);
        let (ending, cause) = match completed {
            true => (Ending { cause: EndCause::Transferred, status: Some(200), by }, ReleaseCause::Transferred),
            false => {
                let lost = Ending { cause: EndCause::Completed, status: Some(200), by: Some(leg) };
                (self.ending.unwrap_or(lost), ReleaseCause::OtherLeg)
            }
        };
        self.ending = Some(ending);
        self.record(context, SessionEvent::LegReleased(LegReleased { leg, cause: ReleaseCause::Moved }));
        self.release_all(context, cause);
    }
}
