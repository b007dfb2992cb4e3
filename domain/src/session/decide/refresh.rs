//! Session timers (RFC 4028), each leg's own: a refresh of ours is never passed to the other leg. It is an UPDATE without SDP
//! where the peer takes UPDATE, else a re-INVITE that says again what was told. That one waits while another offer is on
//! its way. One that meets the peer's own INVITE is made again like any offer of
//! ours (`glare`). Whoever's INVITE or UPDATE passes through refreshes both legs as well.

use crate::ids::LegId;
use crate::session::event::{ReleaseCause, SessionEvent, SessionTimerSet};
use crate::session::leg::Leg;
use crate::session::order::{Context, Order};
use crate::session::state::{OwnOffer, Session};
use crate::sip::endpoint::Body;
use crate::sip::session_timer::Terms;

impl Session {
    pub(super) fn on_timer_set(&mut self, context: &mut Context<'_>, leg: LegId, timer: Option<Terms>) {
        if self.leg(leg).is_some_and(Leg::is_live) {
            self.record(context, SessionEvent::SessionTimerSet(SessionTimerSet { leg, timer }));
        }
    }

    pub(super) fn on_refresh_due(&mut self, context: &mut Context<'_>, leg: LegId) {
        // What is on its way on this leg refreshes it, if it comes to something.
        let busy = self.offer.is_some_and(|offer| offer.to == leg || offer.from == leg && !offer.ours);
        if busy || !self.is_confirmed(leg) {
            return;
        }
        if self.leg(leg).is_some_and(|leg| leg.takes_update) {
            return context.order(Order::Refresh { leg });
        }
        let Some(peer) = self.peer_of(leg) else { return };
        let waits = self.own_offer.is_some_and(|own| self.leg(own.to).is_some_and(Leg::is_live));
        match self.offer.is_none() && !waits {
            true => self.ask(context, OwnOffer::refresh(peer, leg)),
            false => self.refreshes.push(leg),
        }
    }

    /// Refreshes that waited for another offer go once that is answered.
    pub(super) fn refresh_waiting(&mut self, context: &mut Context<'_>) {
        if self.offer.is_none() {
            for leg in std::mem::take(&mut self.refreshes) {
                self.on_refresh_due(context, leg);
            }
        }
    }

    /// The peer said no to an UPDATE that refreshes, or nothing. Other refusals than these are tried again in due time.
    pub(super) fn on_refresh_refused(&mut self, context: &mut Context<'_>, leg: LegId, status: u16) {
        match status {
            408 | 481 => self.on_dialog_gone(context, leg),
            // Its Allow says otherwise: by INVITE, then.
            405 | 501 => {
                if let Some(leg) = self.leg_mut(leg) {
                    leg.takes_update = false;
                }
                self.on_refresh_due(context, leg);
            }
            _ => {}
        }
    }

    /// Nobody refreshed the session: whoever is there does not count on it any more.
    pub(super) fn on_expired(&mut self, context: &mut Context<'_>, leg: LegId) {
        self.lose_leg(context, leg, ReleaseCause::Expired);
    }

    /// What the peer of a leg was told last and did not refuse, byte for byte: its `o=` says that nothing changed (§7.4).
    pub(super) fn told_before(&self, leg: LegId) -> Option<Body> {
        let told = self.leg(leg).filter(|leg| !leg.told_in_vain)?.told.clone()?;
        Some(Body { content_type: "application/sdp".into(), bytes: told })
    }

    /// Whether a re-INVITE on its way to this leg says nothing new.
    pub(super) fn is_refreshing(&self, leg: LegId) -> bool {
        let refreshes = self.own_offer.is_some_and(|own| own.to == leg && own.refreshes);
        refreshes && self.offer.is_some_and(|offer| offer.ours && offer.to == leg)
    }
}
