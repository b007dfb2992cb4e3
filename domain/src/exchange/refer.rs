//! From a REFER and the tables to what a session is told: who asks and what that one may, where the target is, and who the
//! other party is to it. [X6]

use super::route::{chosen, identity_of, refusal, shown};
use super::{Exchange, live_of};
use crate::address::Flow;
use crate::ids::{AccountId, LegId, TransferId};
use crate::ports::Mint;
use crate::routing::{Caller, DomainEntry, Registered, Request, Rule, TrunkRow, choose};
use crate::session::Session;
use crate::session::event::{RouteChosen, RouteRefused};
use crate::session::leg::FarEnd;
use crate::session::order::Context;
use crate::session::transfer::{Joined, Joins, Referral};
use crate::sip::dialog::DialogState;
use crate::sip::timer::TransactionId;
use crate::sip::wire::{Host, Message, NameAddr, ReferTo, Replaces, Uri, escape_user, wants_notice};
use crate::time::Now;
use crate::trunk::ReferRule;

/// Where the target is, and whether that is within the account.
pub(super) type Routed = (Result<RouteChosen, RouteRefused>, bool);

impl Exchange {
    /// A REFER within a session's dialog.
    pub(super) fn refer(
        &mut self,
        now: Now,
        mint: &mut dyn Mint,
        leg: LegId,
        transaction: TransactionId,
        request: &Message,
    ) {
        let Some(id) = self.legs.get(&leg).copied() else { return };
        let transfer = TransferId::from_bits(mint.wide_bits());
        let Some(mut referral) = self.referral(now, leg, (transaction, transfer), request) else { return };
        if let Some(playing) = &self.replaying {
            playing.referral(&mut referral);
        }
        let targets = referral.route.as_ref().and_then(|route| route.as_ref().ok()?.targets.known());
        let full = targets.map(|targets| self.full_among(now.moment, targets, None)).unwrap_or_default();
        let Some((_, live)) = live_of(&self.legs, &mut self.sessions, leg) else { return };
        let mut context = Context::with_full(now, mint, full);
        live.session.on_referred(&mut context, leg, referral);
        let steps = context.steps;
        self.carry_out(now, mint, id, steps);
    }

    /// What a Replaces in a Refer-To names. [X6]
    fn joins(&self, session: &Session, transfer: TransferId, named: &str) -> Joins {
        let Ok(replaces) = Replaces::parse(named) else {
            return Joins::Never(400, "what is to be replaced cannot be read");
        };
        let Some(found) = self.named(&replaces, session.account) else { return Joins::Elsewhere(named.into()) };
        let other = self.sessions.get(&found.session).map(|live| &live.session);
        match other.and_then(|other| other.peer_of(found.leg)) {
            _ if found.session == session.id => Joins::Never(403, "a call cannot be joined with itself"),
            Some(moved) if found.state == DialogState::Confirmed && !replaces.early_only => {
                Joins::Ours(Joined { transfer, session: found.session, replaced: found.leg, moved })
            }
            Some(_) | None => Joins::Never(480, NOT_ANSWERED),
        }
    }

    fn referral(
        &self,
        now: Now,
        leg: LegId,
        (transaction, transfer): (TransactionId, TransferId),
        request: &Message,
    ) -> Option<Referral> {
        let session = &self.sessions.get(self.legs.get(&leg)?)?.session;
        let asks = session.leg(leg)?;
        let target = ReferTo::of(request);
        let uri = target.as_ref().ok().and_then(ReferTo::uri);
        let flow = self.endpoint.dialog(leg).map(|dialog| dialog.flow);
        let routed = uri.as_ref().zip(flow).map(|(uri, flow)| self.route_referred(now, session.account, flow, uri));
        let then = self.replaying.as_ref().and_then(|playing| playing.route());
        let to_devices = then.or(routed.as_ref().map(|(route, _)| route)).is_some_and(rings_devices);
        let dialled = uri.as_ref().map(shown).unwrap_or_default().into();
        let named = target.as_ref().ok().and_then(|target| target.replaces.as_deref());
        let joins = named.map_or(Joins::Nothing, |named| self.joins(session, transfer, named));
        Some(Referral {
            transaction,
            id: request.cseq().map_or(0, |cseq| cseq.number),
            notified: wants_notice(request),
            rule: self.refer_rule(session, &asks.far),
            identity: self.identity_of_other(session, leg, to_devices),
            inside: routed.as_ref().is_some_and(|(_, inside)| *inside),
            route: routed.map(|(route, _)| route),
            dialled,
            joins,
            refused: None,
            target,
        })
    }

    /// What the peer of a leg may ask for: by its trunk or domain as it is set now, if that is of the account that pays.
    /// A carrier of the account above says nothing in the name of this one.
    fn refer_rule(&self, session: &Session, far: &FarEnd) -> ReferRule {
        if let Some(trunk) = far.trunk {
            let own = |trunk: &&TrunkRow| trunk.account == session.account && trunk.settings.enabled;
            let trunk = self.tables.trunk(trunk).filter(own);
            return trunk.map_or(ReferRule::Refuse, |trunk| trunk.settings.refer);
        }
        let domain = self.domain_of_far(far).filter(|domain| domain.account == session.account);
        domain.map_or(ReferRule::Refuse, |domain| domain.settings.refer_rule())
    }

    /// The domain whose user is at the other end of a leg.
    fn domain_of_far(&self, far: &FarEnd) -> Option<&DomainEntry> {
        if let Some(domain) = far.domain {
            return self.tables.domain_of(domain);
        }
        let uri = Uri::parse(&far.to).ok().filter(|_| far.device)?;
        match uri.host()? {
            Host::Name(name) => self.tables.domain(name),
            Host::V4(_) | Host::V6(_) => None,
        }
    }

    /// The target is called on behalf of the account that pays, whoever asks.
    pub(super) fn route_referred(&self, now: Now, account: AccountId, flow: Flow, uri: &Uri<'_>) -> Routed {
        let called = shown(uri);
        let caller = Caller::User(account);
        let asked = Request { role: self.role_of(flow), source: flow.remote, caller, called: &called, uri: Some(*uri) };
        let own = self.settings.domain.as_deref();
        let registered = Registered { bindings: &self.registrar.bindings, now: now.wall, own };
        match choose(&self.tables, &registered, &asked) {
            Ok(decision) => {
                let inside = match decision.reason.rule {
                    Rule::Number | Rule::Inside | Rule::User | Rule::Gruu => true,
                    Rule::Source | Rule::Account | Rule::Carriers => false,
                };
                (chosen(decision, &self.settings.listeners, flow), inside)
            }
            Err(refused) => (Err(refusal(&refused)), true),
        }
    }

    /// From value toward the target: the party that is transferred, as it called, or as it was called. [R5]
    fn identity_of_other(&self, session: &Session, leg: LegId, to_devices: bool) -> Box<str> {
        let other = session.peer_of(leg).and_then(|other| session.leg(other));
        let own = other.filter(|_| to_devices).and_then(|other| self.domain_of_far(&other.far));
        let flow = self.endpoint.dialog(leg).map(|dialog| dialog.flow);
        let domain: Box<str> = match (own, flow) {
            (Some(domain), _) => domain.name.as_str().into(),
            (None, Some(flow)) => self.domain(flow),
            (None, None) => self.settings.domain.clone().unwrap_or_default(),
        };
        let caller = session.caller().map(|caller| caller.id);
        let address: Box<str> = match other.map(|other| &other.far) {
            None => format!("<sip:{domain}>").into(),
            Some(_) if other.map(|other| other.id) == caller => session.caller_identity.clone(),
            Some(far) if far.device => format!("<{}>", far.to).into(),
            Some(far) => format!("<sip:{}@{domain}>", escape_user(&far.dialled)).into(),
        };
        NameAddr::parse(&address).map_or_else(|_| format!("<sip:{domain}>").into(), |from| identity_of(&from, &domain))
    }
}

/// Why a call is not joined with one that rings or is over.
pub(super) const NOT_ANSWERED: &str = "the other call is not answered, or over";

/// Whether a route leads to registered devices alone: they call back by their own domain.
pub(super) fn rings_devices(route: &Result<RouteChosen, RouteRefused>) -> bool {
    let devices = |chosen: &RouteChosen| {
        let targets = chosen.targets.known();
        targets.is_some_and(|targets| targets.iter().all(|one| one.binding.is_some() && one.trunk.is_none()))
    };
    route.as_ref().is_ok_and(devices)
}
