//! The exchange of one shard: the real loop, without I/O. Inputs become facts, facts decisions, decisions events and
//! effects; effects wait in [`Held`] until the log proves their events durable.
//!
//! The shell (or the simulator) calls: an input ([`Exchange::receive`], [`Exchange::report`], [`Exchange::wake`]), then
//! [`Exchange::appends`] to submit, [`Exchange::landed`] for each outcome, and [`Exchange::effects`] to carry out.

mod about;
mod addresses;
mod answered;
mod bindings;
mod caller;
mod cut_off;
mod edge;
mod guard;
mod guarded;
mod held;
mod keepalive;
mod limits;
mod live;
mod log;
mod messages;
mod offer;
mod outbox;
mod overload;
mod overloaded;
mod pings;
mod refer;
mod referred;
mod registrar;
mod replace;
mod replay;
mod restore;
mod route;
mod stage;
mod strangers;
mod streams;
mod transfers;
mod trunk_health;
mod trunk_register;
mod unsaid;
mod uplinks;

pub use about::{Census, ExchangeSettings, addresses_key};
pub use bindings::{Commanded, Decided};
pub use edge::{EdgeCount, EdgeCounters, EdgeSource, EdgeSummarised};
pub use guard::{Allowance, Guard, GuardFigures, GuardSettings};
pub use held::{Bound, Effect, Held, Stood};
pub use limits::Counted;
pub use outbox::{Landed, Outbox};
pub use overload::{NewWork, Overload, Overloaded, Waits};
pub use replay::{Again, Difference, Histories, Input, MAY_NOT_HAVE_LEFT, TakenUp, Unlike, Verdict, needs};
pub use route::Listener;

use crate::address::{EdgeRole, Flow};
use crate::codec::Desk;
use crate::id_map::IdMap;
use crate::ids::{LegId, SessionId, UplinkId};
use crate::log::Append;
use crate::media::MediaReport;
use crate::ports::Mint;
use crate::routing::{HostKey, Provisioned, ProvisioningEvent, Tables};
use crate::session::event::{ReleaseCause, Target, Way};
use crate::session::order::{Context, Order, Step};
use crate::sip::digest::{Challenger, ChallengerSettings};
use crate::sip::endpoint::{Endpoint, Fact, Output, Stateless};
use crate::sip::timer::Timer;
use crate::sip::wire::{Message, validate_request, validate_response};
use crate::time::{Moment, Now};
use crate::uplink::Heard;
use bytes::Bytes;
use live::{Live, live_of};
use registrar::Registrar;
use std::net::SocketAddr;
use std::time::Duration;
use uuid::Uuid;

/// Repeats are written down at most this long after they happened.
const NOTE_REPEATS_AFTER: Duration = Duration::from_millis(100);

/// Summaries of what belongs to no stream are this far apart.
const SUMMARISE_EVERY: Duration = Duration::from_secs(10);

/// See the module.
#[derive(Debug)]
pub struct Exchange {
    settings: ExchangeSettings,
    tables: Tables,
    endpoint: Endpoint,
    sessions: IdMap<SessionId, Box<Live>>,
    registrar: Registrar,
    transfers: transfers::Transfers,
    uplinks: uplinks::Uplinks,
    /// What calls met at trunks in the turn at hand.
    met: Vec<(UplinkId, Heard)>,
    messages: messages::Messages,
    cut_off: cut_off::CutOff,
    unsaid: unsaid::Unsaid,
    legs: IdMap<LegId, SessionId>,
    /// Sessions that may have something to append.
    touched: Vec<SessionId>,
    effects: Vec<Effect>,
    desk: Desk,
    /// Appends that the log could not take, and when they are tried again.
    resubmit: Vec<Append>,
    resubmit_at: Option<Moment>,
    guard: Guard,
    overload: Overload,
    counts: limits::Counts,
    edge: EdgeCounters,
    edge_outbox: Outbox,
    next_summary: Option<Moment>,
    /// When the next binding may have expired.
    expire_at: Option<Moment>,
    /// When bindings of lost flows are looked at again that could not be ended.
    lost_at: Option<Moment>,
    stage: stage::Stage,
    kept: keepalive::Kept,
    pings: pings::Pings,
    frozen: usize,
    live_sessions: usize,
    /// Where the past is played: what there was beside it.
    replaying: Option<Box<replay::Playing>>,
    /// See [`Exchange::ring_instead`].
    instead: Option<Vec<Target>>,
}

impl Exchange {
    /// An exchange without calls. It serves nobody before [`Exchange::serve`].
    pub fn new(settings: ExchangeSettings, tables: Tables) -> Self {
        let edge_outbox = Outbox::new(settings.edge_stream.clone(), Uuid::nil(), settings.node);
        let secret = |purpose: &[u8]| *blake3::keyed_hash(settings.secret.expose(), purpose).as_bytes();
        let asks = ChallengerSettings::new(secret(b"nonces"), settings.epoch);
        let challenger = Challenger::new(ChallengerSettings { algorithms: settings.algorithms.clone(), ..asks });
        Self {
            registrar: Registrar::new(addresses_key(&settings.secret), settings.node, challenger),
            uplinks: uplinks::Uplinks::new(secret(b"uplinks"), settings.node),
            messages: messages::Messages::default(),
            cut_off: cut_off::CutOff::default(),
            unsaid: unsaid::Unsaid::default(),
            endpoint: Endpoint::new(settings.endpoint.clone()),
            guard: Guard::new(settings.guard.clone()),
            overload: Overload::new(settings.may_wait),
            counts: limits::Counts::default(),
            pings: pings::Pings::new(settings.ping),
            met: Vec::new(),
            settings,
            tables,
            transfers: transfers::Transfers::default(),
            sessions: IdMap::default(),
            legs: IdMap::default(),
            touched: Vec::new(),
            effects: Vec::new(),
            desk: Desk::default(),
            resubmit: Vec::new(),
            resubmit_at: None,
            edge: EdgeCounters::default(),
            edge_outbox,
            next_summary: None,
            expire_at: None,
            lost_at: None,
            stage: stage::Stage::default(),
            kept: keepalive::Kept::default(),
            frozen: 0,
            live_sessions: 0,
            replaying: None,
            instead: None,
        }
    }

    /// A datagram arrived.
    pub fn receive(&mut self, now: Now, mint: &mut dyn Mint, flow: Flow, datagram: Bytes) {
        if self.keep_alive(now, flow, &datagram) {
            return;
        }
        self.fire_due(now, mint);
        mint.begin_turn();
        match Message::scan(datagram) {
            Ok(message) if !self.hears(now, flow, &message) || self.sheds(now, flow, &message) => {}
            Ok(message) => self.receive_message(now, mint, flow, message),
            Err(unreadable) => match unreadable.answerable() {
                Some(request) if !self.hears(now, flow, request) => {}
                Some(request) => self.endpoint.answer_statelessly(flow, request, unreadable.status()),
                None => self.count(now, flow, Stateless::Unreadable),
            },
        }
        self.settle(now, mint);
    }

    fn receive_message(&mut self, now: Now, mint: &mut dyn Mint, flow: Flow, message: Message) {
        let checked = if message.is_request() { validate_request(&message) } else { validate_response(&message) };
        match checked {
            Ok(()) => self.endpoint.receive(now.moment, mint, flow, message),
            Err(fault) if message.is_request() && message.is_answerable() => {
                self.endpoint.answer_statelessly(flow, &message, fault.status);
            }
            Err(_) => self.count(now, flow, Stateless::Unreadable),
        }
    }

    /// Media reported something.
    pub fn report(&mut self, now: Now, mint: &mut dyn Mint, report: &MediaReport) {
        let path = match report {
            MediaReport::Latched { path, .. }
            | MediaReport::Silent { path, .. }
            | MediaReport::Heard { path, .. }
            | MediaReport::Closed { path, .. } => path,
        };
        let id = path.session;
        self.fire_due(now, mint);
        let Some(live) = self.sessions.get_mut(&id) else { return };
        mint.begin_turn();
        live.begin_turn();
        let mut context = Context::new(now, mint);
        live.session.on_media(&mut context, report);
        let steps = context.steps;
        self.carry_out(now, mint, id, steps);
        self.settle(now, mint);
    }

    /// Timers that are due.
    pub fn wake(&mut self, now: Now, mint: &mut dyn Mint) {
        self.fire_due(now, mint);
        self.wake_others(now, mint);
    }

    /// Timers of calls that are due. They fire before anything else that happens at this moment: in what order things
    /// happened can be told from their times.
    fn fire_due(&mut self, now: Now, mint: &mut dyn Mint) {
        if self.replaying.is_some() {
            return;
        }
        while self.endpoint.next_wake().is_some_and(|at| at <= now.moment) {
            mint.begin_turn();
            let left = self.endpoint.wake(now.moment, mint);
            match left {
                Some(Timer::NoteRepeats(id)) => {
                    if let Some(live) = self.sessions.get_mut(&id) {
                        live.write_repeats(&mut self.desk, mint, now.wall);
                        self.touched.push(id);
                    }
                }
                Some(answered) => self.forget_answered(now, mint, answered),
                None => {}
            }
            self.settle(now, mint);
        }
    }

    fn wake_others(&mut self, now: Now, mint: &mut dyn Mint) {
        if self.uplinks.next_wake().is_some_and(|at| at <= now.moment) {
            self.wake_uplinks(now, mint);
            self.settle(now, mint);
        }
        if self.next_summary.is_some_and(|at| at <= now.moment) {
            self.summarise(now, mint);
        }
        if self.expire_at.is_some_and(|at| at <= now.moment) {
            self.expire_bindings(now, mint);
        }
        self.miss_flows(now, mint);
        self.ping_devices(now, mint);
        if self.lost_at.is_some_and(|at| at <= now.moment) {
            self.end_lost_flows(now, mint);
        }
    }

    /// When [`Exchange::wake`] is due.
    pub fn next_wake(&self) -> Option<Moment> {
        let own = [self.next_summary, self.resubmit_at, self.expire_at, self.lost_at];
        let others = [self.next_overdue(), self.pings.next(), self.uplinks.next_wake()];
        own.into_iter().chain(others).chain([self.endpoint.next_wake()]).flatten().min()
    }

    /// Configuration changed, durably.
    pub fn provision(&mut self, provisioned: &Provisioned) {
        self.tables.apply(provisioned);
        self.counts.keep_limited(&self.tables);
        if matches!(provisioned.event, ProvisioningEvent::Trunk(_) | ProvisioningEvent::Account(_)) {
            self.uplinks.look();
        }
    }

    /// See [`Tables::hosts`].
    pub fn hosts(&mut self) -> Vec<HostKey> {
        self.tables.hosts()
    }

    /// A host name's addresses.
    pub fn resolved(&mut self, host: HostKey, addresses: Vec<SocketAddr>) {
        self.tables.set_resolved(host, addresses);
    }

    /// From here on calls that would ring any target ring these. For tests of groups.
    #[doc(hidden)]
    pub fn ring_instead(&mut self, targets: Vec<Target>) {
        self.instead = Some(targets);
    }

    /// Ends every call that still runs.
    pub fn release_all(&mut self, now: Now, mint: &mut dyn Mint) {
        let ids: Vec<SessionId> =
            self.sessions.iter().filter(|(_, live)| !live.session.ended).map(|(id, _)| *id).collect();
        self.fire_due(now, mint);
        for id in ids {
            mint.begin_turn();
            self.release_session(now, mint, id);
        }
    }

    /// Ends what still runs of a session.
    fn release_session(&mut self, now: Now, mint: &mut dyn Mint, id: SessionId) {
        let Some(live) = self.sessions.get_mut(&id) else { return };
        live.begin_turn();
        let mut context = Context::new(now, mint);
        live.session.release_all(&mut context, ReleaseCause::Operator);
        let steps = context.steps;
        self.carry_out(now, mint, id, steps);
        self.settle(now, mint);
    }

    /// How much there is of everything.
    pub fn census(&self) -> Census {
        Census {
            live_sessions: self.live_sessions,
            sessions: self.sessions.len(),
            legs: self.endpoint.dialog_count(),
            transactions: self.endpoint.transaction_count(),
            timers: self.endpoint.timer_count(),
            flows: self.endpoint.flow_count(),
            stateless_total: self.edge.total(),
            frozen: self.frozen,
            transfers: self.transfers.len(),
            uplinks: self.uplinks.live.len() + self.cut_off.len(),
            messages: self.messages.live.len(),
            registered: self.standing_counts()[0],
            down: self.standing_counts()[1],
        }
    }

    /// The endpoint's outputs, each carried to where it belongs, until it is quiet.
    fn settle(&mut self, now: Now, mint: &mut dyn Mint) {
        while let Some(output) = self.endpoint.poll() {
            match output {
                Output::Received(incoming) => match live_of(&self.legs, &mut self.sessions, incoming.leg) {
                    Some((id, live)) => {
                        live.begin_turn();
                        live.received(&mut self.desk, now.wall, incoming);
                        self.touched.push(id);
                    }
                    None => self.hears_for_uplink(now, incoming),
                },
                Output::Send(outgoing) => match live_of(&self.legs, &mut self.sessions, outgoing.leg) {
                    Some((id, live)) => {
                        live.commit(&mut self.desk, now.wall, outgoing);
                        self.touched.push(id);
                    }
                    None => self.sends_for_uplink(now, outgoing),
                },
                Output::Repeat { leg, sent } => self.send_again(now, leg, sent),
                Output::Absorbed { leg, event } => self.note_repeat(now, leg, Way::Received, event),
                Output::Learned(leg, fact) => self.learn(now, mint, leg, &fact),
                Output::Offered { flow, request } => self.offer(now, mint, flow, request),
                Output::Registering { flow, request } => self.register(now, mint, flow, request),
                Output::Messaged { flow, request } => self.message(now, mint, flow, request),
                Output::Referring { flow, request } => self.refer_outside(now, mint, flow, &request),
                Output::Stateless { .. } if self.replaying.is_some() => {}
                Output::Stateless { flow, bytes, why } => {
                    self.count(now, flow, why);
                    if bytes.is_some() && matches!(why, Stateless::Answered(_)) {
                        self.note_answered(now, flow);
                    }
                    self.effects.extend(bytes.map(|bytes| Effect::Transmit { flow, bytes }));
                }
                Output::Unbuildable { leg, .. } => self.give_up(now, mint, leg),
            }
        }
        self.heed_calls(now, mint);
    }

    /// Durable bytes go at once; others are about to go anyway.
    fn send_again(&mut self, now: Now, leg: LegId, sent: crate::sip::dialog::Sent) {
        let durable = match live_of(&self.legs, &mut self.sessions, leg) {
            Some((_, live)) => live.outbox.is_durable(sent.event),
            None => self.may_repeat(leg, sent.event),
        };
        if durable {
            self.effects.push(Effect::Transmit { flow: sent.flow, bytes: sent.bytes });
            self.note_repeat(now, leg, Way::Sent, sent.event);
        }
    }

    fn note_repeat(&mut self, now: Now, leg: LegId, way: Way, event: crate::ids::EventId) {
        if self.replaying.is_some() {
            return;
        }
        let Some((id, live)) = live_of(&self.legs, &mut self.sessions, leg) else {
            return self.note_repeat_of_none(now, leg);
        };
        live.note_repeat(leg, way, event);
        let timers = self.endpoint.timers();
        if !timers.is_set(Timer::NoteRepeats(id)) {
            timers.set(Timer::NoteRepeats(id), now.moment + NOTE_REPEATS_AFTER);
        }
    }

    fn learn(&mut self, now: Now, mint: &mut dyn Mint, leg: LegId, fact: &Fact) {
        if matches!(fact, Fact::Forgotten) {
            return self.forget_leg(leg);
        }
        if let Fact::Referred(transaction, request) = fact {
            return self.refer(now, mint, leg, *transaction, request);
        }
        let Some(id) = self.legs.get(&leg).copied() else { return self.learn_of_uplink(now, mint, leg, fact) };
        self.call_met(id, leg, fact);
        let full = self.full_for(now.moment, id);
        let Some(live) = self.sessions.get_mut(&id) else { return };
        let mut context = Context::with_full(now, mint, full);
        live.session.observe(&mut context, leg, fact);
        let steps = context.steps;
        self.carry_out(now, mint, id, steps);
    }

    /// Records and orders, in the order of decision.
    fn carry_out(&mut self, now: Now, mint: &mut dyn Mint, id: SessionId, steps: Vec<Step>) {
        self.touched.push(id);
        for step in steps {
            match step {
                Step::Record(event) => {
                    if let Some(live) = self.sessions.get_mut(&id) {
                        live.write(&mut self.desk, mint, now.wall, &event);
                        if live.session.ended && matches!(event, crate::session::event::SessionEvent::SessionEnded(_)) {
                            self.live_sessions = self.live_sessions.saturating_sub(1);
                            live.session.slim();
                        }
                    }
                }
                Step::Order(order) => self.obey(now, mint, id, order),
            }
        }
        self.recount(id);
    }

    fn obey(&mut self, now: Now, mint: &mut dyn Mint, id: SessionId, order: Order) {
        let moment = now.moment;
        match order {
            Order::Answer { leg, status, headers, body } => {
                self.endpoint.answer(moment, mint, leg, status, &headers, body.as_ref());
            }
            Order::Invite(mut plan) => {
                plan.login = self.login_for(plan.leg, plan.trunk).map(Box::new);
                self.legs.insert(plan.leg, id);
                if let Some(live) = self.sessions.get_mut(&id) {
                    live.legs += 1;
                }
                if let Some(trunk) = plan.trunk {
                    self.begin_leg(moment, trunk);
                }
                self.endpoint.invite(moment, mint, *plan);
            }
            Order::Reinvite { leg, body } => self.endpoint.reinvite(moment, mint, leg, body.as_ref()),
            Order::Refresh { leg } => self.endpoint.refresh(moment, mint, leg),
            Order::Request(plan) => self.endpoint.request(moment, mint, *plan),
            Order::Respond { transaction, status, headers, body } => {
                self.endpoint.respond_to(moment, mint, transaction, status, &headers, body.as_ref());
            }
            Order::Watch { leg, id } => self.endpoint.watch(moment, leg, id),
            Order::Notify { leg, status } => self.endpoint.notify(moment, mint, leg, status),
            Order::Retry { leg } => self.endpoint.retry(moment, leg),
            Order::Acknowledge { leg, body } => self.endpoint.acknowledge(mint, leg, body.as_ref()),
            Order::Prack { leg, tag, body } => {
                self.endpoint.acknowledge_provisional(moment, mint, leg, &tag, body.as_ref());
            }
            Order::Cancel { leg } => self.endpoint.cancel(moment, mint, leg),
            Order::Bye { leg } => self.endpoint.bye(moment, mint, leg),
            Order::BeginTransfer(transfer, begun) => self.begin_transfer(transfer, begun),
            Order::EndTransfer(transfer, ended) => self.end_transfer(id, transfer, ended),
            Order::Media(order) => {
                if let Some(live) = self.sessions.get_mut(&id) {
                    live.hold(Effect::Media(order));
                }
            }
        }
    }

    /// A message of ours could not be built: the call cannot go on.
    fn give_up(&mut self, now: Now, mint: &mut dyn Mint, leg: LegId) {
        let full = self.legs.get(&leg).map(|id| self.full_for(now.moment, *id)).unwrap_or_default();
        let Some((id, live)) = live_of(&self.legs, &mut self.sessions, leg) else { return };
        let mut context = Context::with_full(now, mint, full);
        live.session.on_unbuildable(&mut context, leg);
        let steps = context.steps;
        self.carry_out(now, mint, id, steps);
    }

    fn role_of(&self, flow: Flow) -> EdgeRole {
        route::role_of(&self.settings.listeners, flow)
    }
}
