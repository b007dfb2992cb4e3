//! Glare of our own (RFC 3261 §14.1). A 491 to what we ask for somebody goes back to who asked: each waits as long as its
//! role in its dialog says, the two sides for different times, and asks again. What we ask of our own accord, nobody else
//! would ask again: there we wait and do.

use crate::ids::LegId;
use crate::session::order::{Context, Order};
use crate::session::state::{OwnOffer, PendingOffer, Session};

impl Session {
    /// What is in force goes to a leg that was told otherwise, or whose session is to be refreshed.
    pub(super) fn ask(&mut self, context: &mut Context<'_>, own: OwnOffer) {
        let body = self.told_before(own.to).filter(|_| own.refreshes);
        let body = body.or_else(|| self.rewrite_agreed(own.from, own.to).ok());
        self.own_offer = body.is_some().then_some(own);
        if let Some(body) = body {
            self.offer_ourselves(context, own.from, own.to, body);
        }
    }

    /// The call is confirmed on this leg: what waited for that goes.
    pub(super) fn ask_when_confirmed(&mut self, context: &mut Context<'_>, leg: LegId) {
        if let Some(own) = self.own_offer.filter(|own| own.to == leg && self.offer.is_none()) {
            self.ask(context, own);
        }
    }

    /// An offer of our own was refused: after a 491 it is made again in due time.
    pub(super) fn ask_later(&mut self, context: &mut Context<'_>, offer: PendingOffer, status: u16) {
        let own = self.own_offer.take().filter(|own| own.to == offer.to);
        let own = own.unwrap_or_else(|| OwnOffer::new(offer.from, offer.to));
        if status == 491 && own.tries > 1 {
            self.own_offer = Some(OwnOffer { tries: own.tries - 1, ..own });
            context.order(Order::Retry { leg: offer.to });
        }
    }

    /// The time is over: once more, unless something else is asked just now.
    pub(super) fn ask_again(&mut self, context: &mut Context<'_>, leg: LegId) {
        let Some(own) = self.own_offer.filter(|own| own.to == leg) else { return };
        match self.offer.is_none() && self.is_confirmed(leg) {
            true => self.ask(context, own),
            false => context.order(Order::Retry { leg }),
        }
    }
}
