//! Glare of our own (RFC 3261 §14.1). A 491 to what we ask for somebody goes back to who asked: each waits as long as its
//! role in its dialog says, the two sides for different times, and asks again. What we ask of our own accord, nobody else
//! would ask again: there we wait and do.

use crate::ids::LegId;
use crate::session::order::{Context, Order};
use crate::session::state::{OwnOffer, PendingOffer, Session};

impl Session {
    /// The asker had given up, but the asked leg changed: it is asked back to what is in force.
    pub(super) fn restore(&mut self, context: &mut Context<'_>, offer: PendingOffer) {
        context.order(Order::Acknowledge { leg: offer.to, body: None });
        self.offer = None;
        self.ask(context, OwnOffer::new(offer.from, offer.to));
    }

    /// The call is confirmed on this leg: what waited for that goes.
    pub(super) fn ask_when_confirmed(&mut self, context: &mut Context<'_>, leg: LegId) {
        if let Some(own) = self.own_offer.filter(|own| own.to == leg) {
            self.ask(context, own);
        }
    }

    fn ask(&mut self, context: &mut Context<'_>, own: OwnOffer) {
        let tries = own.tries.checked_sub(1);
        self.own_offer = tries.map(|tries| OwnOffer { tries, asked: true, ..own });
        if self.own_offer.is_some()
            && let Ok(body) = self.rewrite_agreed(own.from, own.to)
        {
            context.order(Order::Reinvite { leg: own.to, body: Some(body) });
        }
    }

    /// A 2xx that no offer of another leg waits for.
    pub(super) fn on_own_accepted(&mut self, context: &mut Context<'_>, leg: LegId, described: bool) {
        context.order(Order::Acknowledge { leg, body: None });
        if self.own_offer.take_if(|own| own.to == leg).is_some() && described {
            self.agree(leg);
            self.relay_agreed(context);
        }
    }

    /// A refusal that no offer of another leg waits for.
    pub(super) fn on_own_refused(&mut self, context: &mut Context<'_>, leg: LegId, status: u16) {
        match self.own_offer.as_mut().filter(|own| own.to == leg) {
            Some(own) if status == 491 => {
                own.asked = false;
                context.order(Order::WaitForGlare { leg });
            }
            Some(_) => self.own_offer = None,
            None => {}
        }
    }

    /// Whether a leg may be asked for another one: not while our own offer waits for its answer. One that was not made
    /// yet, or is to be made again, yields to what goes to the same leg now.
    pub(super) fn may_ask(&mut self, leg: LegId) -> bool {
        let own = self.own_offer.take_if(|own| own.to == leg && !own.asked);
        own.is_some() || self.own_offer.is_none_or(|own| own.to != leg)
    }

    /// The time is over: once more, unless the peer asks for something itself just now.
    pub(super) fn on_glare_over(&mut self, context: &mut Context<'_>, leg: LegId) {
        let Some(own) = self.own_offer.filter(|own| own.to == leg) else { return };
        match self.offer.is_none() && self.is_confirmed(leg) {
            true => self.ask(context, own),
            false => context.order(Order::WaitForGlare { leg }),
        }
    }
}
