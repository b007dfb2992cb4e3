//! INVITE with Replaces (RFC 3891): whose dialog of ours it names, and who may have its place. [X6]

use super::caller::Identified;
use super::{Exchange, live_of, route};
use crate::address::Flow;
use crate::codec::personal::Personal;
use crate::ids::{AccountId, LegId, SessionId};
use crate::media::MediaSource;
use crate::ports::Mint;
use crate::routing::{Caller, TrunkRow};
use crate::session::event::{Parties, ReplacementAsked};
use crate::session::order::Context;
use crate::session::sdp_of;
use crate::sip::dialog::{DialogState, Role};
use crate::sip::endpoint::{Output, SessionHeaders};
use crate::sip::wire::{Message, Replaces};
use crate::time::Now;

/// A dialog of ours that a Replaces names.
#[derive(Debug, Clone, Copy)]
pub(super) struct Named {
    /// Its leg.
    pub(super) leg: LegId,
    /// The leg's session.
    pub(super) session: SessionId,
    /// How far it is.
    pub(super) state: DialogState,
}

impl Exchange {
    /// The dialog that a Replaces names, if it is one of this account's: another's is as unknown as none. [X6]
    pub(super) fn named(&self, replaces: &Replaces<'_>, account: AccountId) -> Option<Named> {
        let leg = LegId::from_tag(replaces.to_tag)?;
        let session = *self.legs.get(&leg)?;
        let dialog = self.endpoint.dialog(leg)?;
        let fits = *dialog.call_id == *replaces.call_id && replaces.is_from(dialog.remote_tag.as_deref());
        let own = self.sessions.get(&session).is_some_and(|live| live.session.account == account);
        (fits && own).then_some(Named { leg, session, state: dialog.state })
    }

    /// The account that a caller calls for; none where it may not call.
    pub(super) fn account_of(&self, trunk: Option<&TrunkRow>, caller: Caller) -> Option<AccountId> {
        let account = match (caller, trunk) {
            (Caller::User(account), _) => account,
            (Caller::Source | Caller::Trunk(_), trunk) => trunk.filter(|trunk| trunk.settings.enabled)?.account,
        };
        (!self.tables.is_closed(account)).then_some(account)
    }

    /// An INVITE from a known peer that is to take another's place in a call.
    pub(super) fn replace(
        &mut self,
        now: Now,
        mint: &mut dyn Mint,
        flow: Flow,
        request: &Message,
        identified: &Identified,
    ) {
        let trunk = match identified.caller {
            Caller::Source => self.tables.identify(flow.remote, self.role_of(flow)),
            Caller::Trunk(id) => self.tables.trunk(id),
            Caller::User(_) => None,
        };
        let Some(account) = self.account_of(trunk, identified.caller) else {
            return self.endpoint.answer_statelessly(flow, request, 403);
        };
        let (Ok(Some(replaces)), Some(parties)) = (Replaces::of(request), route::parties(request)) else {
            return self.endpoint.answer_statelessly(flow, request, 400);
        };
        let media_source = trunk.map_or(MediaSource::Latch, |trunk| trunk.settings.media_source);
        let trunk = trunk.map(|trunk| trunk.id);
        let named = match self.named(&replaces, account) {
            Some(named) if named.state == DialogState::Confirmed => named,
            Some(named) if named.state == DialogState::Over => {
                return self.endpoint.answer_statelessly(flow, request, 603);
            }
            // RFC 3891 §3: an early dialog is its caller's to replace, and we are the caller of who rings.
            Some(named) if self.endpoint.dialog(named.leg).is_some_and(|dialog| dialog.role == Role::Uac) => named,
            Some(_) | None => return self.endpoint.answer_statelessly(flow, request, 481),
        };
        if let Some(trunk) = trunk {
            if let Some(seconds) = self.trunk_is_full(now.moment, trunk) {
                let later = SessionHeaders(vec![("Retry-After".into(), seconds.to_string().into())]);
                return self.endpoint.answer_statelessly_with(flow, request, 480, &later);
            }
            self.begin_leg(now.moment, trunk);
        }
        let asked = ReplacementAsked {
            leg: LegId::from_bits(mint.bits()),
            replaces: named.leg,
            edge: self.role_of(flow),
            trunk,
            user: identified.user,
            domain: identified.domain.as_ref().map(|(id, _)| *id),
            media_source,
            late_offer: sdp_of(request).is_none(),
            parties: Personal::<Parties>::Known(parties),
        };
        let early_only = replaces.early_only;
        self.begin_replacement(now, mint, flow, request, (named.session, asked, early_only));
    }

    /// The INVITE is taken in by the session whose leg it names.
    pub(super) fn begin_replacement(
        &mut self,
        now: Now,
        mint: &mut dyn Mint,
        flow: Flow,
        request: &Message,
        (id, asked, early_only): (SessionId, ReplacementAsked, bool),
    ) {
        let leg = asked.leg;
        if self.endpoint.accept(now.moment, mint, leg, flow, request.clone()).is_err() {
            return self.endpoint.answer_statelessly(flow, request, 400);
        }
        self.keep_registered_flow(leg, flow);
        self.legs.insert(leg, id);
        let received = self.endpoint.poll();
        let Some((_, live)) = live_of(&self.legs, &mut self.sessions, leg) else { return };
        live.legs += 1;
        live.begin_turn();
        if let Some(Output::Received(incoming)) = received {
            live.received(&mut self.desk, now.wall, incoming);
        }
        let mut context = Context::new(now, mint);
        live.session.on_replacing(&mut context, asked, early_only, request);
        let steps = context.steps;
        self.carry_out(now, mint, id, steps);
    }
}
