//! Trunks at which we keep ourselves registered (RFC 3261 §10.2): REGISTERs of ours, and the calls that come to our Contact.
//! What follows from an answer is decided in `uplink/register.rs`.

use super::Exchange;
use super::route::listener_for;
use super::uplinks::Ask;
use crate::address::{EdgeRole, Flow};
use crate::ids::{LegId, TrunkId, UplinkId};
use crate::number::SipTarget;
use crate::ports::Mint;
use crate::routing::Destination;
use crate::sip::endpoint::{Login, Outcome, OutsidePlan, SessionHeaders};
use crate::sip::wire::{Message, Method, NameAddr, Uri};
use crate::time::{Moment, Now};
use crate::trunk::{TrunkKind, TrunkLogin, TrunkRegister, TrunkSettings};
use crate::uplink::{Answer, Registering, UplinkEvent};

/// Why nothing was asked.
const NO_WAY: &str = "the registrar's host has no address, or no listener has its transport";

/// A registration of ours.
#[derive(Debug)]
pub(super) struct Registration {
    settings: TrunkRegister,
    login_settings: Option<Box<TrunkLogin>>,
    kind: TrunkKind,
    /// The user part of our Contact.
    contact: Box<str>,
    call_id: Box<str>,
    /// Of the last REGISTER.
    cseq: u32,
    state: Registering,
    login: Option<Box<Login>>,
    /// When to ask next; nothing while an answer is awaited.
    at: Option<Moment>,
    /// Which of the registrar's addresses is asked.
    address: usize,
    /// The way of the last REGISTER.
    flow: Option<Flow>,
    /// Why the last challenge was not answered.
    pub(super) gave_up: Option<Box<str>>,
}

impl Registration {
    pub(super) fn of(settings: &TrunkSettings, contact: Box<str>, mint: &mut dyn Mint, at: Moment) -> Option<Self> {
        let register = settings.register.as_deref()?.clone();
        let login = settings
            .login
            .as_deref()
            .and_then(|login| Some(Login::new(login.username.as_str(), login.password.known()?.as_str())));
        Some(Self {
            state: Registering::new(register.expires),
            settings: register,
            login_settings: settings.login.clone(),
            kind: settings.kind,
            contact,
            call_id: format!("{:032x}", mint.wide_bits()).into(),
            cseq: 0,
            login: login.map(Box::new),
            at: Some(at),
            address: 0,
            flow: None,
            gave_up: None,
        })
    }

    pub(super) fn fits(&self, settings: &TrunkSettings) -> bool {
        let register = settings.register.as_deref() == Some(&self.settings);
        register && settings.login == self.login_settings && settings.kind == self.kind
    }

    pub(super) fn next_wake(&self, now: Now) -> Option<Moment> {
        let lapses = self.state.until.map(|until| now.moment + until.since(now.wall));
        self.at.into_iter().chain(lapses).min()
    }

    /// The request, from our address to the registrar's.
    fn plan(&self, leg: LegId, flow: Flow, expires: u32) -> OutsidePlan {
        let Self { settings, contact, .. } = self;
        let aor: Box<str> = format!("<{}>", settings.aor).into();
        let contact = format!("<sip:{contact}@{}{}>;expires={expires}", flow.local, flow.transport.uri_suffix());
        let headers = vec![("Contact".into(), contact.into()), ("Expires".into(), expires.to_string().into())];
        OutsidePlan {
            leg,
            method: Method::Register,
            uri: settings.registrar.to_string().into(),
            from: aor.clone(),
            to: aor,
            call_id: self.call_id.clone(),
            cseq: self.cseq + 1,
            flow,
            routes: Vec::new(),
            max_forwards: 70,
            headers: SessionHeaders(headers),
            body: None,
            login: self.login.clone(),
        }
    }
}

impl Exchange {
    /// Asks the registrar where it is time to, and notes where the registration has lapsed.
    pub(super) fn register_if_due(&mut self, now: Now, mint: &mut dyn Mint, id: UplinkId) {
        let Self { uplinks, desk, .. } = self;
        let Some(live) = uplinks.live.get_mut(&id).filter(|live| live.ending.is_none()) else { return };
        let Some(registration) = live.registration.as_mut() else { return };
        let lapsed = registration.state.lapses(now.wall);
        let due = registration.at.is_some_and(|at| at <= now.moment);
        if let Some(event) = lapsed {
            live.record(desk, mint, now.wall, event);
            uplinks.touched.push(id);
        }
        if due {
            self.ask_registrar(now, mint, id, Ask::Register);
        }
    }

    fn ask_registrar(&mut self, now: Now, mint: &mut dyn Mint, id: UplinkId, ask: Ask) {
        let Some(registration) = self.uplinks.live.get(&id).and_then(|live| live.registration.as_ref()) else { return };
        let flow = match ask {
            // Where we are registered, and from where.
            Ask::Unregister => registration.flow,
            Ask::Register | Ask::Ping => {
                self.way_to(&registration.settings.registrar, registration.kind, registration.address)
            }
        };
        let expires = if ask == Ask::Unregister { 0 } else { registration.state.asks };
        let leg = LegId::from_bits(mint.bits());
        let plan = flow.map(|flow| registration.plan(leg, flow, expires));
        if let Some(registration) = self.registration_mut(id) {
            registration.at = None;
            registration.flow = flow.or(registration.flow);
            registration.gave_up = None;
        }
        match plan {
            Some(plan) => {
                self.asks_for(leg, id, ask);
                self.endpoint.ask(now.moment, mint, plan);
            }
            None if ask == Ask::Unregister => self.uplink_over(now, mint, id, false),
            None => self.no_way_to_registrar(now, mint, id),
        }
    }

    /// The registrar cannot be asked now: at another of its addresses perhaps, or once its name resolves.
    fn no_way_to_registrar(&mut self, now: Now, mint: &mut dyn Mint, id: UplinkId) {
        let Self { uplinks, desk, .. } = self;
        let Some(live) = uplinks.live.get_mut(&id) else { return };
        let Some(registration) = live.registration.as_mut() else { return };
        let (event, wait) = registration.state.unasked(now, NO_WAY);
        registration.at = Some(now.moment + wait);
        registration.address = registration.address.wrapping_add(1);
        if let Some(event) = event {
            live.record(desk, mint, now.wall, event);
            uplinks.touched.push(id);
        }
    }

    fn registration_mut(&mut self, id: UplinkId) -> Option<&mut Registration> {
        self.uplinks.live.get_mut(&id)?.registration.as_mut()
    }

    /// Our way to a host of a trunk: to one of its addresses after the other, from a listener that has its transport.
    pub(super) fn way_to(&self, target: &SipTarget, kind: TrunkKind, turn: usize) -> Option<Flow> {
        let role = match kind {
            TrunkKind::Carrier => EdgeRole::Carrier,
            TrunkKind::Pbx => EdgeRole::Public,
        };
        let addresses = self.tables.addresses_of(target);
        let addresses = addresses.into_iter().filter_map(|destination| match destination {
            Destination::Address(address) => Some(address),
            Destination::Unresolved { .. } => None,
        });
        let addresses: Vec<_> = addresses.collect();
        let remote = *addresses.get(turn.checked_rem(addresses.len())?)?;
        let local = listener_for(&self.settings.listeners, role, target.transport, remote)?;
        Some(Flow { transport: target.transport, local, remote })
    }

    /// A REGISTER of ours has its answer, or will have none.
    pub(super) fn registration_answered(&mut self, now: Now, mint: &mut dyn Mint, id: UplinkId, outcome: &Outcome) {
        if let Some(registration) = self.registration_mut(id) {
            registration.cseq = outcome.cseq;
            registration.login = outcome.login.clone().or(registration.login.take());
        }
        self.registrar_said(now, mint, id, outcome.response.as_ref());
        let ending = self.uplinks.live.get(&id).is_some_and(|live| live.ending.is_some());
        let due = self.registration_mut(id).is_some_and(|registration| registration.at == Some(now.moment));
        match (ending, due) {
            (true, _) => self.unregister(now, mint, id),
            // It wants to be asked for longer (423).
            (false, true) => self.ask_registrar(now, mint, id, Ask::Register),
            (false, false) => {}
        }
    }

    fn registrar_said(&mut self, now: Now, mint: &mut dyn Mint, id: UplinkId, response: Option<&Message>) {
        let Self { uplinks, desk, .. } = self;
        let Some(live) = uplinks.live.get_mut(&id) else { return };
        let Some(registration) = live.registration.as_mut() else { return };
        let answer = Answer { response, contact: &registration.contact, gave_up: registration.gave_up.as_deref() };
        let (event, wait) = registration.state.answered(now, answer, mint.bits());
        registration.at = Some(now.moment + wait);
        if matches!(event, Some(UplinkEvent::UplinkRefused(_))) {
            registration.address = registration.address.wrapping_add(1);
        }
        if let Some(event) = event {
            live.record(desk, mint, now.wall, event);
        }
        uplinks.touched.push(id);
    }

    /// Tells the registrar, if it knows us, that it no longer shall; then the uplink is over. While an answer is awaited,
    /// that comes first.
    pub(super) fn unregister(&mut self, now: Now, mint: &mut dyn Mint, id: UplinkId) {
        let Some(live) = self.uplinks.live.get(&id) else { return };
        match &live.registration {
            Some(registration) if registration.at.is_none() => {}
            Some(registration) if registration.state.until.is_some() => {
                self.ask_registrar(now, mint, id, Ask::Unregister);
            }
            Some(_) | None => self.uplink_over(now, mint, id, false),
        }
    }

    /// The trunk at whose Contact of ours a call arrives, where it comes from the registrar's host: a carrier may send from
    /// elsewhere than its settings name. What a start before registered stands at the registrar (RFC 3261 §10.2.1) with the
    /// same Contact: such calls are taken before the first answer, too.
    pub(super) fn trunk_of_contact(&self, flow: Flow, request: &Message) -> Option<TrunkId> {
        let uri = Uri::parse(request.request_uri()?).ok()?;
        let trunk = *self.uplinks.contacts.get(&*uri.user_text()?)?;
        let live = self.uplinks.live.get(&self.uplinks.of_trunk(trunk)?)?;
        let registration = live.registration.as_ref()?;
        let known = match registration.state.until {
            Some(_) => true,
            None => live.ending.is_none() && registration.state.may_be_known(),
        };
        let by_address = self.tables.trunk(trunk)?.settings.auth.asks_password(true) == Some(false);
        (known && by_address && self.is_registrar(registration, flow)).then_some(trunk)
    }

    /// Whether something comes from a registrar's host: where it was asked last, or any that its name resolves to, for the
    /// process before may have asked another.
    fn is_registrar(&self, registration: &Registration, flow: Flow) -> bool {
        let asked = registration.flow.map(|way| way.remote);
        let addresses = self.tables.addresses_of(&registration.settings.registrar).into_iter();
        let resolved = addresses.filter_map(|destination| match destination {
            Destination::Address(address) => Some(address),
            Destination::Unresolved { .. } => None,
        });
        asked.into_iter().chain(resolved).any(|address| address.ip() == flow.remote.ip())
    }

    /// Who is called at our Contact at a trunk: who the carrier says that it was (RFC 7315 §4.2), else who stands in To,
    /// else whom we registered. Nothing where the call is to no such Contact.
    pub(super) fn called_at_contact(&self, request: &Message) -> Option<String> {
        let uri = Uri::parse(request.request_uri()?).ok()?;
        let trunk = *self.uplinks.contacts.get(&*uri.user_text()?)?;
        let party = request.headers().find(|header| header.raw_name.eq_ignore_ascii_case("P-Called-Party-ID"));
        let party = party.and_then(|header| NameAddr::parse(header.value).ok());
        let named = party.or_else(|| request.to().ok()).map(|named| super::route::shown(&named.uri));
        let register = self.tables.trunk(trunk)?.settings.register.as_deref();
        named.or_else(|| register.and_then(|register| register.aor.user.as_deref()).map(str::to_owned))
    }
}
