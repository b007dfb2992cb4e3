//! A REFER outside any dialog becomes a session, where its sender proves who it is and may have calls transferred: its
//! own devices ring first, or, where a trunk sent it, what the number in From leads to behind that trunk. [O1, X6]

use super::caller::Identified;
use super::route::{identity, parties, shown};
use super::{Exchange, Output, refer};
use crate::address::{EdgeRole, Flow};
use crate::codec::personal::Personal;
use crate::codec::seal::{KeyRef, SealKey};
use crate::ids::{AccountId, LegId, SessionId, TrunkId};
use crate::ports::Mint;
use crate::routing::Caller;
use crate::session::event::{Parties, RouteChosen, RouteRefused, SessionReferred, Target};
use crate::session::order::Context;
use crate::session::referred::Sender;
use crate::session::transfer::{Joins, Referral};
use crate::sip::endpoint::SessionHeaders;
use crate::sip::timer::TransactionId;
use crate::sip::wire::{Host, Message, ReferTo, Replaces, Uri, escape_user, wants_notice};
use crate::time::Now;
use crate::trunk::ReferRule;

/// The status and headers of a stateless answer.
type Refusal = (u16, SessionHeaders);

/// A sender that may ask for calls.
struct Asker {
    account: AccountId,
    edge: EdgeRole,
    trunk: Option<TrunkId>,
    rule: ReferRule,
    identified: Identified,
    parties: Parties,
    key: (KeyRef, SealKey),
}

impl Exchange {
    /// A REFER outside any dialog.
    pub(super) fn refer_outside(&mut self, now: Now, mint: &mut dyn Mint, flow: Flow, request: &Message) {
        if !self.stage.takes_calls(now.moment) {
            return self.turn_away(flow, request);
        }
        let asker = match self.judge_referral(now, mint, flow, request) {
            Ok(asker) => asker,
            Err((status, headers)) => {
                return self.endpoint.answer_statelessly_with(flow, request, status, &headers);
            }
        };
        if !self.take_referral(now, mint, flow, request, asker) {
            self.endpoint.answer_statelessly(flow, request, 400);
        }
    }

    /// A REFER whose sender may ask for calls: its session. `false` where it cannot be answered.
    fn take_referral(&mut self, now: Now, mint: &mut dyn Mint, flow: Flow, request: &Message, asker: Asker) -> bool {
        let leg = LegId::from_bits(mint.bits());
        let id = SessionId::from_bits(mint.wide_bits());
        if self.replaying.as_ref().is_some_and(|playing| !playing.knows(id)) {
            return false;
        }
        let Ok(transaction) = self.endpoint.accept_refer(mint, leg, flow, request.clone()) else {
            return false;
        };
        self.keep_registered_flow(leg, flow);
        if let Some(login) = self.login_for(leg, asker.trunk) {
            self.endpoint.give_login(leg, login);
        }
        let mut referral = self.referral_outside(now, (flow, request), &asker, transaction);
        let mut sender = self.sender(now, (flow, request), &asker, &referral);
        if let Some(playing) = &self.replaying {
            playing.referral_outside(&mut sender, &mut referral);
        }
        let targets = sender.route.as_ref().ok().and_then(|chosen| chosen.targets.known());
        let full = targets.map(|targets| self.full_among(now.moment, targets, None)).unwrap_or_default();
        let mut live = self.new_live(id, asker.key);
        live.legs = 1;
        // The REFER is the stream's first event.
        if let Some(Output::Received(incoming)) = self.endpoint.poll() {
            live.received(&mut self.desk, now.wall, incoming);
        }
        let asked = SessionReferred {
            leg,
            account: asker.account,
            edge: asker.edge,
            trunk: asker.trunk,
            user: asker.identified.user,
            domain: asker.identified.domain.map(|(id, _)| id),
            notified: referral.notified,
            max_forwards: request.max_forwards().ok().flatten().unwrap_or(70),
            parties: Personal::Known(Parties { called: referral.dialled.to_string(), ..asker.parties }),
        };
        let mut context = Context::with_full(now, mint, full);
        live.session.on_referred_outside(&mut context, asked, sender, referral);
        let steps = context.steps;
        if !live.session.ended {
            self.begin_call(now.moment, None, asker.account);
        }
        self.sessions.insert(id, Box::new(live));
        self.live_sessions += 1;
        self.legs.insert(leg, id);
        self.carry_out(now, mint, id, steps);
        true
    }

    /// A REFER comes again that a session began with: its past is played.
    pub(super) fn refer_again(
        &mut self,
        now: Now,
        mint: &mut dyn Mint,
        (flow, request): (Flow, &Message),
        asked: SessionReferred,
        key: (KeyRef, SealKey),
    ) {
        let Some(parties) = asked.parties.known().cloned() else { return };
        let trunk = asked.trunk.and_then(|trunk| self.tables.trunk(trunk));
        let domain = asked.domain.and_then(|id| self.tables.domain_of(id));
        let rule = trunk.map(|trunk| trunk.settings.refer).or_else(|| Some(domain?.settings.refer_rule()));
        let domain = asked.domain.and_then(|id| Some((id, self.domain_named(id, request)?)));
        let identified = Identified { caller: Caller::User(asked.account), user: asked.user, domain };
        let SessionReferred { account, edge, trunk, .. } = asked;
        let rule = rule.unwrap_or_default();
        let asker = Asker { account, edge, trunk, rule, identified, parties, key };
        self.take_referral(now, mint, flow, request, asker);
        self.settle(now, mint);
    }

    /// Who asks, for whom; or the stateless answer of who may not.
    fn judge_referral(
        &mut self,
        now: Now,
        mint: &mut dyn Mint,
        flow: Flow,
        request: &Message,
    ) -> Result<Asker, Refusal> {
        let refused = |status| (status, SessionHeaders::default());
        let edge = self.role_of(flow);
        let malformed = ReferTo::of(request).err().is_some_and(|fault| fault.is_malformed());
        let parties = parties(request).filter(|_| !malformed).ok_or(refused(400))?;
        let identified = self.identify(now, mint, edge, flow, request)?;
        let trunk = match identified.caller {
            Caller::Source => self.tables.identify(flow.remote, edge),
            Caller::Trunk(id) => self.tables.trunk(id),
            Caller::User(_) => None,
        };
        let account = self.account_of(trunk, identified.caller).ok_or(refused(403))?;
        let of_domain = || {
            let (id, _) = identified.domain.as_ref()?;
            Some(self.tables.domain_of(*id)?.settings.refer_rule())
        };
        let rule = trunk.map(|trunk| trunk.settings.refer).or_else(of_domain).unwrap_or_default();
        if rule == ReferRule::Refuse || self.is_for_another(request) {
            return Err(refused(403));
        }
        let trunk = trunk.map(|trunk| trunk.id);
        let key = mint.seal_key(account).ok_or(refused(503))?;
        Ok(Asker { account, edge, trunk, rule, identified, parties, key })
    }

    /// Whether a REFER is sent to a user of a domain of ours who is not its sender: nobody starts calls in another's name.
    fn is_for_another(&self, request: &Message) -> bool {
        let Some(uri) = request.request_uri().and_then(|uri| Uri::parse(uri).ok()) else { return false };
        let (Some(Host::Name(name)), Some(user)) = (uri.host(), uri.user_text()) else { return false };
        let own = request.from().is_ok_and(|from| match from.uri.host() {
            Some(Host::Name(own)) => own.eq_ignore_ascii_case(name) && from.uri.user_text() == Some(user),
            Some(Host::V4(_) | Host::V6(_)) | None => false,
        });
        !own && self.tables.domain(name).is_some()
    }

    fn referral_outside(
        &self,
        now: Now,
        (flow, request): (Flow, &Message),
        asker: &Asker,
        transaction: TransactionId,
    ) -> Referral {
        let target = ReferTo::of(request);
        let uri = target.as_ref().ok().and_then(ReferTo::uri);
        let routed = uri.as_ref().map(|uri| self.route_referred(now, asker.account, flow, uri));
        let then = self.replaying.as_ref().and_then(|playing| playing.leads_to_devices());
        let to_devices = then.unwrap_or(routed.as_ref().is_some_and(|(route, _)| refer::rings_devices(route)));
        let named = target.as_ref().ok().and_then(|target| target.replaces.as_deref());
        let joins = named.map_or(Joins::Nothing, |named| match Replaces::parse(named) {
            Err(_) => Joins::Never(400, "what is to be replaced cannot be read"),
            Ok(replaces) => match self.named(&replaces, asker.account) {
                None => Joins::Elsewhere(named.into()),
                Some(_) => Joins::Never(403, "a call through us is joined by a REFER within one"),
            },
        });
        // R5: the callee calls back through us; a device does so by the domain that both share.
        let own = asker.identified.domain.as_ref().filter(|_| to_devices).map(|(_, name)| name.clone());
        let domain = own.unwrap_or_else(|| self.domain(flow));
        Referral {
            transaction,
            id: request.cseq().map_or(0, |cseq| cseq.number),
            notified: wants_notice(request),
            rule: asker.rule,
            identity: identity(request, &domain).unwrap_or_else(|| format!("<sip:{domain}>").into()),
            inside: routed.as_ref().is_some_and(|(_, inside)| *inside),
            route: routed.map(|(route, _)| route),
            dialled: uri.as_ref().map(shown).unwrap_or_default().into(),
            joins,
            refused: None,
            target,
        }
    }

    /// The sender as one that is called: it sees whom it will talk to.
    fn sender(&self, now: Now, (flow, request): (Flow, &Message), asker: &Asker, referral: &Referral) -> Sender {
        let from = request.from().ok();
        let routed = from.map(|from| self.route_referred(now, asker.account, flow, &from.uri).0);
        let mut route = routed.unwrap_or_else(|| Err(not_there("who asks cannot be called")));
        let own = |target: &Target| match asker.trunk {
            Some(trunk) => target.trunk == Some(trunk),
            None => target.binding.is_some() && target.trunk.is_none(),
        };
        if route.as_ref().is_ok_and(|chosen| !all(chosen, own)) {
            route = Err(not_there("the number in From does not lead to who asks"));
        }
        if route.is_ok()
            && let Some(refused) = self.over_limit(now.moment, None, asker.account)
        {
            route = Err(refused);
        }
        let domain = asker.identified.domain.as_ref().map_or_else(|| self.domain(flow), |(_, name)| name.clone());
        let identity = format!("<sip:{}@{domain}>", escape_user(&referral.dialled)).into();
        Sender { route, identity, recorded: None }
    }
}

fn not_there(reason: &str) -> RouteRefused {
    RouteRefused { status: 403, rule: "refer".into(), reason: reason.into(), retry_after: None }
}

fn all(chosen: &RouteChosen, fits: impl Fn(&Target) -> bool) -> bool {
    chosen.targets.known().is_some_and(|targets| targets.iter().all(fits))
}
