//! An UPDATE with an offer (RFC 3311): carried to the other leg as UPDATE where its peer takes it, as re-INVITE where not.

use crate::ids::LegId;
use crate::session::event::{OfferChange, OfferMade, OfferRefused, SessionEvent};
use crate::session::media::sdp_of;
use crate::session::order::{Context, Order};
use crate::session::state::{PendingOffer, Session};
use crate::sip::endpoint::{RequestPlan, SessionHeaders};
use crate::sip::timer::TransactionId;
use crate::sip::wire::{Message, Method};

impl Session {
    /// The peer of `leg` offers a change; the request waits for its answer. `unready` says that the other leg cannot be
    /// asked.
    pub(super) fn on_update(&mut self, context: &mut Context<'_>, leg: LegId, asked_by: TransactionId, unready: u16) {
        if let Some(offer) = self.offer {
            // RFC 3311 §5.2: 500 where an offer of this peer waits, 491 where one of ours does.
            let theirs = (offer.late && offer.to == leg) || (!offer.late && !offer.ours && offer.from == leg);
            let status = if theirs { 500 } else { 491 };
            return self.respond(context, asked_by, if unready == 488 { 488 } else { status });
        }
        let peer = match self.bridged {
            Some(_) => self.peer_of(leg).filter(|peer| self.is_confirmed(*peer)),
            None => self.early_peer(leg),
        };
        // Nothing is open on this leg, but the other cannot be asked yet.
        let Some(peer) = peer else {
            self.forget_early_offer(leg);
            return self.respond(context, asked_by, unready);
        };
        self.own_offer.take_if(|own| own.to == peer);
        let body = match self.offer_body(context, leg, peer, false) {
            Ok(body) => body,
            Err(fault) => {
                let status = fault.status();
                self.record(context, SessionEvent::OfferMade(OfferMade { leg, change: OfferChange::Media }));
                self.record(context, SessionEvent::OfferRefused(OfferRefused { leg, status }));
                self.forget_early_offer(leg);
                return self.respond(context, asked_by, status);
            }
        };
        let change = self.change_of(leg);
        self.record(context, SessionEvent::OfferMade(OfferMade { leg, change }));
        self.keep_offer(leg);
        let by_update = self.leg(peer).is_some_and(|peer| peer.takes_update);
        let asked_by = Some(asked_by);
        self.offer =
            Some(PendingOffer { from: leg, to: peer, late: false, asked_by, by_update, cancelled: false, ours: false });
        context.order(match asked_by.filter(|_| by_update) {
            Some(asked_by) => {
                let headers = SessionHeaders::default();
                let method = Method::Update;
                Order::Request(Box::new(RequestPlan { leg: peer, method, asked_by, max_forwards: 70, headers, body }))
            }
            None => Order::Reinvite { leg: peer, body },
        });
    }

    /// What the asked leg said to an UPDATE with an offer; `None` where nothing came.
    pub(super) fn on_update_answered(
        &mut self,
        context: &mut Context<'_>,
        offer: PendingOffer,
        response: Option<&Message>,
    ) {
        let status = response.and_then(Message::status).unwrap_or(408);
        if (200..300).contains(&status) {
            return self.conclude(context, offer, response.and_then(sdp_of).is_some());
        }
        let told = super::pass::told(status);
        self.record(context, SessionEvent::OfferRefused(OfferRefused { leg: offer.from, status: told }));
        self.answer_offer(context, offer, told, None);
        self.forget_early_offer(offer.from);
        if let Some(asked) = self.leg_mut(offer.to) {
            asked.told_in_vain = true;
        }
        // A leg that rings has its INVITE's final response to come.
        let answered = self.leg(offer.to).is_some_and(crate::session::leg::Leg::is_answered);
        if answered && matches!(status, 408 | 481) {
            self.on_dialog_gone(context, offer.to);
        }
    }
}
