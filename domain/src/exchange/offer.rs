//! An INVITE outside any dialog becomes a session.

use super::{Exchange, Output, route};
use crate::address::{EdgeRole, Flow};
use crate::codec::personal::Personal;
use crate::codec::seal::{KeyRef, SealKey};
use crate::ids::{AccountId, CredentialId, DomainId, LegId, SessionId, TrunkId};
use crate::media::MediaSource;
use crate::ports::Mint;
use crate::routing::{Registered, Request};
use crate::session::decide::offer::Offer;
use crate::session::event::{Parties, RouteChosen, RouteRefused};
use crate::session::order::Context;
use crate::sip::wire::{HeaderName, Message, Uri};
use crate::time::Now;

/// A call that was judged and routed, with the key of its session.
pub(super) struct Call {
    pub(super) account: AccountId,
    pub(super) edge: EdgeRole,
    pub(super) trunk: Option<TrunkId>,
    pub(super) user: Option<CredentialId>,
    pub(super) domain: Option<DomainId>,
    pub(super) media_source: MediaSource,
    pub(super) parties: Parties,
    pub(super) identity: Box<str>,
    pub(super) route: Result<RouteChosen, RouteRefused>,
    pub(super) key: (KeyRef, SealKey),
}

impl Exchange {
    /// An INVITE outside any dialog: routed, and where an account answers for it, a session.
    pub(super) fn offer(&mut self, now: Now, mint: &mut dyn Mint, flow: Flow, request: Message) {
        if !self.stage.takes_calls(now.moment) {
            return self.turn_away(flow, &request);
        }
        let role = self.role_of(flow);
        let (Some(called), Some(mut parties)) = (route::called(&request), route::parties(&request)) else {
            return self.endpoint.answer_statelessly(flow, &request, 400);
        };
        let called = self.called_at_contact(&request).unwrap_or(called);
        parties.called.clone_from(&called);
        let identified = match self.identify(now, mint, role, flow, &request) {
            Ok(identified) => identified,
            Err((status, headers)) => {
                return self.endpoint.answer_statelessly_with(flow, &request, status, &headers);
            }
        };
        if request.has(HeaderName::Replaces) {
            return self.replace(now, mint, flow, &request, &identified);
        }
        let uri = request.request_uri().and_then(|uri| Uri::parse(uri).ok());
        let asked = Request { role, source: flow.remote, caller: identified.caller, called: &called, uri };
        let own = self.settings.domain.as_deref();
        let registered = Registered { bindings: &self.registrar.bindings, now: now.wall, own };
        let mut routed = match route::route(&self.tables, &registered, &self.settings.listeners, flow, &asked) {
            Ok(routed) => routed,
            Err(status) => return self.endpoint.answer_statelessly(flow, &request, status),
        };
        if let (Some(instead), Ok(chosen)) = (&self.instead, &mut routed.route) {
            chosen.targets = Personal::Known(instead.clone());
        }
        self.admit_call(now.moment, &mut routed);
        let Some(key) = mint.seal_key(routed.account) else {
            // By datagram it comes again in a moment, and then there is one, unless their disk is full: a copy of it may be
            // behind it already.
            if self.stage.lacks_keys(now.moment) || flow.transport.is_reliable() {
                self.turn_away(flow, &request);
            }
            return;
        };
        self.stage.has_keys();
        let of_user = identified.domain.as_ref().map(|(id, _)| *id);
        let own = identified.domain.filter(|_| routed.to_devices).map(|(_, name)| name);
        let identity = self.identity_of(flow, &request, own);
        let call = Call {
            account: routed.account,
            edge: role,
            trunk: routed.trunk,
            user: identified.user,
            domain: of_user,
            media_source: routed.media_source,
            parties,
            identity,
            route: routed.route,
            key,
        };
        if !self.take_call(now, mint, flow, &request, call) {
            self.endpoint.answer_statelessly(flow, &request, 400);
        }
    }

    /// From value toward the callee, who calls back through us; a device does so by the domain that caller and callee
    /// share. [R5]
    pub(super) fn identity_of(&self, flow: Flow, request: &Message, shared: Option<Box<str>>) -> Box<str> {
        let domain = shared.unwrap_or_else(|| self.domain(flow));
        route::identity(request, &domain).unwrap_or_else(|| format!("<sip:{domain}>").into())
    }

    /// A call that may begin: its leg and its session. `false` where its INVITE cannot be answered.
    pub(super) fn take_call(
        &mut self,
        now: Now,
        mint: &mut dyn Mint,
        flow: Flow,
        request: &Message,
        call: Call,
    ) -> bool {
        let leg = LegId::from_bits(mint.bits());
        let id = SessionId::from_bits(mint.wide_bits());
        if self.replaying.as_ref().is_some_and(|playing| !playing.knows(id)) {
            return false;
        }
        if self.endpoint.accept(now.moment, mint, leg, flow, request.clone()).is_err() {
            return false;
        }
        self.keep_registered_flow(leg, flow);
        if let Some(login) = self.login_for(leg, call.trunk) {
            self.endpoint.give_login(leg, login);
        }
        let mut live = self.new_live(id, call.key);
        live.legs = 1;
        self.sessions.insert(id, Box::new(live));
        self.live_sessions += 1;
        self.legs.insert(leg, id);
        let offer = Offer {
            leg,
            account: call.account,
            edge: call.edge,
            trunk: call.trunk,
            user: call.user,
            domain: call.domain,
            media_source: call.media_source,
            parties: call.parties,
            identity: call.identity,
            route: call.route,
        };
        self.begin_session(now, mint, id, offer, request);
        true
    }

    /// The INVITE is the stream's first event, what follows from it comes next, then what is sent.
    pub(super) fn begin_session(
        &mut self,
        now: Now,
        mint: &mut dyn Mint,
        id: SessionId,
        offer: Offer,
        request: &Message,
    ) {
        let targets = offer.route.as_ref().ok().and_then(|chosen| chosen.targets.known());
        let full = targets.map(|targets| self.full_among(now.moment, targets, offer.trunk)).unwrap_or_default();
        let Some(live) = self.sessions.get_mut(&id) else { return };
        if let Some(Output::Received(incoming)) = self.endpoint.poll() {
            live.received(&mut self.desk, now.wall, incoming);
        }
        let mut context = Context::with_full(now, mint, full);
        live.session.on_offer(&mut context, offer, request);
        let steps = context.steps;
        self.carry_out(now, mint, id, steps);
    }
}
