//! Glare of our own (RFC 3261 §14.1). A 491 to what we ask for somebody goes back to who asked: each waits as long as its
//! role in its dialog says, the two sides for different times, and asks again. What we ask of our own accord, nobody else
//! would ask again: there we wait and do.

use crate::ids::LegId;
use crate::session::order::{Context, Order};
use crate::session::state::{PendingOffer, Restoring, Session};

/// A re-INVITE of ours goes this often at most: a peer that always says 491 is not asked for ever.
const MAX_TRIES: u8 = 8;

impl Session {
    /// The asker had given up, but the asked leg changed: it is asked back to what is in force.
    pub(super) fn restore(&mut self, context: &mut Context<'_>, offer: PendingOffer) {
        context.order(Order::Acknowledge { leg: offer.to, body: None });
        self.offer = None;
        let restoring = Restoring { from: offer.from, to: offer.to, tries: MAX_TRIES };
        self.ask_back(context, restoring);
    }

    fn ask_back(&mut self, context: &mut Context<'_>, restoring: Restoring) {
        let tries = restoring.tries.checked_sub(1);
        self.restoring = tries.map(|tries| Restoring { tries, ..restoring });
        if self.restoring.is_some()
            && let Ok(body) = self.rewrite_agreed(restoring.from, restoring.to)
        {
            context.order(Order::Reinvite { leg: restoring.to, body: Some(body) });
        }
    }

    /// A 2xx that no offer of another leg waits for.
    pub(super) fn on_own_accepted(&mut self, context: &mut Context<'_>, leg: LegId, described: bool) {
        context.order(Order::Acknowledge { leg, body: None });
        if self.restoring.take_if(|restoring| restoring.to == leg).is_some() && described {
            self.agree(leg);
            self.relay_agreed(context);
        }
    }

    /// A refusal that no offer of another leg waits for.
    pub(super) fn on_own_refused(&mut self, context: &mut Context<'_>, leg: LegId, status: u16) {
        match self.restoring.filter(|restoring| restoring.to == leg) {
            Some(_) if status == 491 => context.order(Order::WaitForGlare { leg }),
            Some(_) => self.restoring = None,
            None => {}
        }
    }

    /// The time is over: once more, unless the peer asks for something itself just now.
    pub(super) fn on_glare_over(&mut self, context: &mut Context<'_>, leg: LegId) {
        let Some(restoring) = self.restoring.filter(|restoring| restoring.to == leg) else { return };
        match self.offer.is_none() && self.is_confirmed(leg) {
            true => self.ask_back(context, restoring),
            false => context.order(Order::WaitForGlare { leg }),
        }
    }
}
