//! MESSAGEs outside any call: taken in from who may call, carried to where a call would go, answered with what came back.
//! Which targets are asked, and what the sender hears, is decided in `pager/relay.rs`. [A5]

use super::cut_off::FATE_UNKNOWN;
use super::held::Effect;
use super::live::masked;
use super::outbox::Outbox;
use super::replay::Recounted;
use super::{Exchange, route};
use crate::address::Flow;
use crate::codec::Desk;
use crate::codec::pager::encode;
use crate::codec::personal::Personal;
use crate::codec::seal::{KeyRef, SealKey};
use crate::id_map::IdMap;
use crate::ids::{EventId, LegId, MessageId};
use crate::log::StreamName;
use crate::pager::{MessageEnded, MessageOffered, Next, PagerEvent, Relay};
use crate::ports::Mint;
use crate::routing::{Registered, Request};
use crate::session::event::{RouteChosen, RouteRefused, SipMessage, Wire};
use crate::sip::endpoint::{Body, Incoming, Outcome, Outgoing, Output, OutsidePlan, SessionHeaders};
use crate::sip::timer::TransactionId;
use crate::sip::wire::{HeaderName, Message, Method, Uri};
use crate::time::{Now, WallTime};

/// Headers that pass: what the body is, and what it is for.
const PASSED: [&str; 8] = [
    "Subject",
    "Priority",
    "Date",
    "Expires",
    "Content-Disposition",
    "Content-Encoding",
    "Content-Language",
    "User-to-User",
];

/// The most that are on their way at once; more are refused with 503.
const MAX_ON_THE_WAY: usize = 10_000;

/// Every MESSAGE on its way.
#[derive(Debug, Default)]
pub(super) struct Messages {
    pub(super) live: IdMap<MessageId, Box<Live>>,
    /// What a leg is in one: the sender's, or that of a target.
    pub(super) legs: IdMap<LegId, (MessageId, Option<usize>)>,
    pub(super) touched: Vec<MessageId>,
}

/// One MESSAGE.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) outbox: Outbox,
    key: (KeyRef, SealKey),
    cause: Option<EventId>,
    transaction: TransactionId,
    relay: Relay,
    from: Box<str>,
    headers: SessionHeaders,
    body: Option<Body>,
    max_forwards: u8,
    /// Legs that the endpoint remembers.
    legs: u32,
    pub(super) ended: bool,
    /// While its past is played: what it is to say.
    pub(super) expects: Option<Box<Recounted>>,
}

/// A MESSAGE of somebody who may send it.
pub(super) struct Judged {
    pub(super) offered: MessageOffered,
    pub(super) from: Box<str>,
    pub(super) route: Result<RouteChosen, RouteRefused>,
    pub(super) key: (KeyRef, SealKey),
}

impl Messages {
    pub(super) fn outbox(&mut self, id: MessageId) -> Option<&mut Outbox> {
        self.live.get_mut(&id).map(|live| &mut live.outbox)
    }

    /// Whose leg it is, and what its stream still waits for.
    pub(super) fn owner(&self, leg: LegId) -> Option<(MessageId, &Outbox)> {
        let id = self.legs.get(&leg)?.0;
        Some((id, &self.live.get(&id)?.outbox))
    }

    fn of(&mut self, leg: LegId) -> Option<(MessageId, &mut Live)> {
        let id = self.legs.get(&leg)?.0;
        Some((id, self.live.get_mut(&id)?))
    }

    pub(super) fn received(&mut self, desk: &mut Desk, at: WallTime, incoming: Incoming) {
        let Some((id, live)) = self.of(incoming.leg) else { return };
        let Incoming { event, leg, flow, message, method, cseq } = incoming;
        let wire = Personal::Known(Wire { flow, bytes: message.without_credentials() });
        let heard = SipMessage { leg, method, status: message.status(), cseq, wire };
        live.cause = None;
        live.write_as(desk, event, at, &PagerEvent::MessageHeard(heard));
        live.cause = Some(event);
        self.touched.push(id);
    }

    pub(super) fn commit(&mut self, desk: &mut Desk, at: WallTime, outgoing: Outgoing) {
        let Some((id, live)) = self.of(outgoing.leg) else { return };
        let Outgoing { event, leg, flow, bytes, method, status, cseq } = outgoing;
        let wire = Personal::Known(Wire { flow, bytes: masked(&bytes) });
        live.write_as(desk, event, at, &PagerEvent::MessageSent(SipMessage { leg, method, status, cseq, wire }));
        if live.expects.is_none() {
            live.outbox.hold(Effect::Transmit { flow, bytes });
        }
        self.touched.push(id);
    }

    pub(super) fn is_durable(&self, leg: LegId, event: EventId) -> bool {
        let live = self.legs.get(&leg).and_then(|(id, _)| self.live.get(id));
        live.is_some_and(|live| live.outbox.is_durable(event))
    }

    pub(super) fn forget_leg(&mut self, leg: LegId) {
        let Some((id, _)) = self.legs.remove(&leg) else { return };
        if let Some(live) = self.live.get_mut(&id) {
            live.legs = live.legs.saturating_sub(1);
        }
        self.forget_if_over(id);
    }

    pub(super) fn forget_if_over(&mut self, id: MessageId) {
        let over = |live: &Live| live.ended && live.outbox.is_idle() || live.outbox.is_frozen();
        if self.live.get(&id).is_some_and(|live| live.legs == 0 && over(live)) {
            self.live.remove(&id);
        }
    }
}

impl Live {
    fn write_as(&mut self, desk: &mut Desk, id: EventId, at: WallTime, event: &PagerEvent) {
        if let Some(expects) = &mut self.expects {
            return expects.meet(id, event);
        }
        let encoded = encode(desk, event, id, self.key.0, &self.key.1);
        self.outbox.record(desk, id, at, self.cause, encoded);
    }

    /// Everything but how it is written: for tests.
    pub(super) fn shown(&self) -> String {
        let Self { transaction, relay, from, max_forwards, legs, ended, .. } = self;
        format!("{transaction:?} {relay:#?} {from} {max_forwards} {legs} {ended}")
    }

    fn record(&mut self, desk: &mut Desk, mint: &mut dyn Mint, at: WallTime, event: &PagerEvent) {
        self.write_as(desk, mint.event_id(), at, event);
    }
}

impl Exchange {
    /// A MESSAGE outside any dialog.
    pub(super) fn message(&mut self, now: Now, mint: &mut dyn Mint, flow: Flow, request: Message) {
        if !self.stage.takes_calls(now.moment) || self.messages.live.len() >= MAX_ON_THE_WAY {
            return self.turn_away(flow, &request);
        }
        let judged = match self.judge_message(now, mint, flow, &request) {
            Ok(judged) => judged,
            Err((status, headers)) => {
                return self.endpoint.answer_statelessly_with(flow, &request, status, &headers);
            }
        };
        if !self.take_message(now, mint, flow, &request, judged) {
            self.endpoint.answer_statelessly(flow, &request, 400);
        }
    }

    /// A MESSAGE that may go: its stream. `false` where it cannot be answered.
    pub(super) fn take_message(
        &mut self,
        now: Now,
        mint: &mut dyn Mint,
        flow: Flow,
        request: &Message,
        judged: Judged,
    ) -> bool {
        let Judged { offered, from, route, key } = judged;
        let leg = offered.leg;
        let Ok(transaction) = self.endpoint.accept_request(mint, leg, flow, request.clone()) else {
            return false;
        };
        let targets = route.as_ref().ok().and_then(|chosen| chosen.targets.known().cloned()).unwrap_or_default();
        let id = MessageId::from_bits(mint.wide_bits());
        let expects = self.replaying.as_mut().and_then(|playing| playing.begins_message(id));
        let mut relay = Relay::new(targets);
        let (routed, next) = match route {
            Ok(chosen) => (PagerEvent::MessageRouted(chosen), relay.begin()),
            Err(refused) => {
                let status = refused.status;
                (PagerEvent::MessageUnroutable(refused), Next::Tell(status))
            }
        };
        let live = Live {
            outbox: Outbox::new(StreamName::new(PagerEvent::CATEGORY, id.uuid()), id.uuid(), self.settings.node),
            key,
            cause: None,
            transaction,
            relay,
            from,
            headers: passed(request),
            body: body_of(request),
            max_forwards: request.max_forwards().ok().flatten().unwrap_or(70).saturating_sub(1),
            legs: 1,
            ended: false,
            expects,
        };
        self.messages.live.insert(id, Box::new(live));
        self.messages.legs.insert(leg, (id, None));
        // The MESSAGE is the stream's first event.
        if let Some(Output::Received(incoming)) = self.endpoint.poll() {
            self.messages.received(&mut self.desk, now.wall, incoming);
        }
        if let Some(live) = self.messages.live.get_mut(&id) {
            live.record(&mut self.desk, mint, now.wall, &PagerEvent::MessageOffered(offered));
            live.record(&mut self.desk, mint, now.wall, &routed);
        }
        self.message_goes_on(now, mint, id, next, None);
        true
    }

    /// What became of a MESSAGE nobody can tell: its sender is told so.
    pub(super) fn give_message_up(&mut self, now: Now, mint: &mut dyn Mint, id: MessageId) {
        if let Some(live) = self.messages.live.get_mut(&id).filter(|live| !live.ended) {
            live.cause = None;
            self.message_goes_on(now, mint, id, Next::Tell(FATE_UNKNOWN), None);
            self.settle(now, mint);
        }
    }

    /// Who speaks, for whom, and whither; or the stateless answer of who may not.
    fn judge_message(
        &mut self,
        now: Now,
        mint: &mut dyn Mint,
        flow: Flow,
        request: &Message,
    ) -> Result<Judged, (u16, SessionHeaders)> {
        let refused = |status| (status, SessionHeaders::default());
        let role = self.role_of(flow);
        let mut parties = route::parties(request).ok_or(refused(400))?;
        let called = self.called_at_contact(request).or_else(|| route::called(request)).ok_or(refused(400))?;
        parties.called.clone_from(&called);
        let identified = self.identify(now, mint, role, flow, request)?;
        let uri = request.request_uri().and_then(|uri| Uri::parse(uri).ok());
        let asked = Request { role, source: flow.remote, caller: identified.caller, called: &called, uri };
        let registered =
            Registered { bindings: &self.registrar.bindings, now: now.wall, own: self.settings.domain.as_deref() };
        let routed =
            route::route(&self.tables, &registered, &self.settings.listeners, flow, &asked).map_err(refused)?;
        let key = mint.seal_key(routed.account).ok_or(refused(503))?;
        // A device answers by the domain that both share, others through us, as for calls (R5).
        let own = identified.domain.as_ref().filter(|_| routed.to_devices).map(|(_, name)| name.clone());
        let domain = own.unwrap_or_else(|| self.domain(flow));
        let offered = MessageOffered {
            leg: LegId::from_bits(mint.bits()),
            account: routed.account,
            edge: role,
            trunk: routed.trunk,
            user: identified.user,
            domain: identified.domain.map(|(id, _)| id),
            parties: Personal::Known(parties),
        };
        let from = route::identity(request, &domain).unwrap_or_else(|| format!("<sip:{domain}>").into());
        Ok(Judged { offered, from, route: routed.route, key })
    }

    /// A target of a MESSAGE has said something, or never will.
    pub(super) fn message_answered(&mut self, now: Now, mint: &mut dyn Mint, leg: LegId, outcome: &Outcome) {
        let Some((id, Some(index))) = self.messages.legs.get(&leg).copied() else { return };
        let Some(live) = self.messages.live.get_mut(&id) else { return };
        let status = outcome.response.as_ref().and_then(Message::status);
        if status.is_none() {
            live.cause = None;
        }
        let next = live.relay.answered(index, status);
        let taken = status.filter(|status| (200..300).contains(status)).and_then(|_| u8::try_from(index).ok());
        self.message_goes_on(now, mint, id, next, taken);
    }

    fn message_goes_on(&mut self, now: Now, mint: &mut dyn Mint, id: MessageId, next: Next, taken: Option<u8>) {
        self.messages.touched.push(id);
        match next {
            Next::Wait => {}
            Next::Ask(targets) => targets.into_iter().for_each(|index| self.message_to(now, mint, id, index)),
            Next::Tell(status) => {
                let Some(live) = self.messages.live.get_mut(&id) else { return };
                live.ended = true;
                let ended = PagerEvent::MessageEnded(MessageEnded { status, target: taken });
                live.record(&mut self.desk, mint, now.wall, &ended);
                live.outbox.close();
                let (transaction, none) = (live.transaction, SessionHeaders::default());
                self.endpoint.respond_to(now.moment, mint, transaction, status, &none, None);
            }
        }
    }

    fn message_to(&mut self, now: Now, mint: &mut dyn Mint, id: MessageId, index: usize) {
        let Some(live) = self.messages.live.get(&id) else { return };
        let Some(target) = live.relay.target(index) else { return };
        let leg = LegId::from_bits(mint.bits());
        let plan = OutsidePlan {
            leg,
            method: Method::Message,
            uri: target.uri.as_str().into(),
            from: live.from.clone(),
            to: format!("<{}>", target.to).into(),
            call_id: format!("{:032x}", mint.wide_bits()).into(),
            cseq: 1,
            flow: Flow { transport: target.transport, local: target.local, remote: target.destination },
            routes: target.routes.iter().map(|route| route.as_str().into()).collect(),
            max_forwards: live.max_forwards,
            headers: live.headers.clone(),
            body: live.body.clone(),
            login: target.trunk.and_then(|trunk| self.login_of(trunk)).map(Box::new),
        };
        self.messages.legs.insert(leg, (id, Some(index)));
        if let Some(live) = self.messages.live.get_mut(&id) {
            live.legs += 1;
        }
        self.endpoint.ask(now.moment, mint, plan);
    }
}

fn passed(request: &Message) -> SessionHeaders {
    let headers =
        request.headers().filter(|header| PASSED.iter().any(|name| header.raw_name.eq_ignore_ascii_case(name)));
    SessionHeaders(headers.map(|header| (header.raw_name.into(), header.value.into())).collect())
}

fn body_of(request: &Message) -> Option<Body> {
    let bytes = request.body_bytes();
    let content_type = request.header(HeaderName::ContentType).unwrap_or("application/octet-stream");
    (!bytes.is_empty()).then(|| Body { content_type: content_type.into(), bytes })
}
