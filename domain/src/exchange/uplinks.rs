//! Uplinks of a shard: which trunks have one, their streams, and what calls and the API are told about them. What they do
//! is in `trunk_register.rs` and `trunk_health.rs`. [O10, O11]

use super::held::{Effect, Stood};
use super::live::masked;
use super::outbox::Outbox;
use super::trunk_register::Registration;
use super::{Exchange, SUMMARISE_EVERY};
use crate::codec::Desk;
use crate::codec::personal::Personal;
use crate::codec::seal::{KeyRef, SealKey};
use crate::codec::uplink::encode;
use crate::id_map::IdMap;
use crate::ids::{AccountId, EventId, LegId, TrunkId, UplinkId};
use crate::log::{Life, StreamName};
use crate::ports::Mint;
use crate::routing::TrunkRow;
use crate::session::event::{SipMessage, Wire};
use crate::sip::endpoint::{Fact, Incoming, Outcome, Outgoing, Stateless};
use crate::time::{Moment, Now, WallTime};
use crate::trunk::{HealthRule, TrunkSettings};
use crate::uplink::{Health, RegistrationState, Standing, UplinkBegun, UplinkEndCause, UplinkEnded, UplinkEvent};
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

/// What cannot begin for want of a key is tried again after this long.
const BEGIN_AGAIN: Duration = Duration::from_secs(1);

/// A new uplink waits at random up to this long, in milliseconds: after a start all begin at once.
const SPREAD: u64 = 1_000;

/// See the module.
#[derive(Debug)]
pub(super) struct Uplinks {
    /// Names our Contacts at trunks.
    hash_key: [u8; 32],
    node: u16,
    pub(super) live: IdMap<UplinkId, Box<Live>>,
    of_trunk: IdMap<TrunkId, UplinkId>,
    /// What our requests are for, by the leg that their transaction is known by.
    pub(super) asked: IdMap<LegId, (UplinkId, Ask)>,
    due: BTreeSet<(Moment, UplinkId)>,
    pub(super) touched: Vec<UplinkId>,
    /// What is durable of each trunk's uplink, and which that is.
    standings: IdMap<TrunkId, (UplinkId, Standing)>,
    /// How many of them are registered at, and how many are down: asked for every turn.
    counts: [usize; 2],
    /// Trunks by the user part of our Contact there.
    pub(super) contacts: HashMap<Box<str>, TrunkId>,
    /// When the trunks' settings are looked at for what they ask for.
    look_at: Option<Moment>,
}

/// What a request of an uplink is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    /// To be known at the registrar.
    Register,
    /// To be known there no longer.
    Unregister,
    /// To hear whether anybody is there.
    Ping,
}

/// One uplink.
#[derive(Debug)]
pub(super) struct Live {
    id: UplinkId,
    pub(super) trunk: TrunkId,
    account: AccountId,
    pub(super) outbox: Outbox,
    key: (KeyRef, SealKey),
    cause: Option<EventId>,
    pub(super) registration: Option<Registration>,
    pub(super) health: Option<Health>,
    /// When it is pinged, or its time of being down is over.
    pub(super) health_at: Option<Moment>,
    pub(super) pinging: bool,
    /// It is to end, and why.
    pub(super) ending: Option<UplinkEndCause>,
    /// Nothing more is written but for what came before.
    pub(super) ended: bool,
    /// Requests that the endpoint remembers.
    legs: u32,
    /// Its place in the queue of what is due.
    wakes: Option<Moment>,
}

impl Uplinks {
    pub(super) fn new(hash_key: [u8; 32], node: u16) -> Self {
        Self {
            hash_key,
            node,
            live: IdMap::default(),
            of_trunk: IdMap::default(),
            asked: IdMap::default(),
            due: BTreeSet::new(),
            touched: Vec::new(),
            standings: IdMap::default(),
            counts: [0; 2],
            contacts: HashMap::new(),
            look_at: Some(Moment::default()),
        }
    }

    /// The user part of our Contact at a trunk: the same for ever, and nobody else can tell which it is.
    fn contact_of(&self, trunk: TrunkId) -> Box<str> {
        let hash = blake3::keyed_hash(&self.hash_key, &trunk.bits().to_be_bytes());
        let bytes = hash.as_bytes().iter().take(8);
        bytes.fold(String::from("u"), |text, byte| format!("{text}{byte:02x}")).into()
    }

    /// The uplink of a trunk that is to stay.
    pub(super) fn of_trunk(&self, trunk: TrunkId) -> Option<UplinkId> {
        self.of_trunk.get(&trunk).copied()
    }

    pub(super) fn outbox(&mut self, id: UplinkId) -> Option<&mut Outbox> {
        self.live.get_mut(&id).map(|live| &mut live.outbox)
    }

    pub(super) fn next_wake(&self) -> Option<Moment> {
        self.due.first().map(|(at, _)| *at).into_iter().chain(self.look_at).min()
    }

    /// Settings changed: the next turn looks at what they ask for.
    pub(super) const fn look(&mut self) {
        self.look_at = Some(Moment::from_micros(0));
    }

    /// A message of an uplink came.
    fn received(&mut self, desk: &mut Desk, at: WallTime, incoming: Incoming) {
        let Some((id, _)) = self.asked.get(&incoming.leg).copied() else { return };
        let Some(live) = self.live.get_mut(&id) else { return };
        let Incoming { event, leg, flow, message, method, cseq } = incoming;
        let wire = Personal::Known(Wire { flow, bytes: message.without_credentials() });
        let heard = SipMessage { leg, method, status: message.status(), cseq, wire };
        live.cause = None;
        live.write_as(desk, event, at, &UplinkEvent::UplinkHeard(heard));
        live.cause = Some(event);
        self.touched.push(id);
    }

    /// A request of an uplink will leave once this is durable.
    fn commit(&mut self, desk: &mut Desk, at: WallTime, outgoing: Outgoing) {
        let Some((id, _)) = self.asked.get(&outgoing.leg).copied() else { return };
        let Some(live) = self.live.get_mut(&id) else { return };
        let Outgoing { event, leg, flow, bytes, method, status, cseq } = outgoing;
        let wire = Personal::Known(Wire { flow, bytes: masked(&bytes) });
        live.write_as(desk, event, at, &UplinkEvent::UplinkSent(SipMessage { leg, method, status, cseq, wire }));
        live.outbox.hold(Effect::Transmit { flow, bytes });
        self.touched.push(id);
    }

    fn is_durable(&self, leg: LegId, event: EventId) -> bool {
        let live = self.asked.get(&leg).and_then(|(id, _)| self.live.get(id));
        live.is_some_and(|live| live.outbox.is_durable(event))
    }

    /// What is durable now is what calls and the API are told; whether the trunk is down. The end of an uplink may become
    /// so after the beginning of the next.
    pub(super) fn stand(&mut self, stood: &Stood) -> bool {
        let Stood { uplink, trunk, at, event } = stood;
        let begins = matches!(event, UplinkEvent::UplinkBegun(_));
        let known = self.standings.entry(*trunk).or_insert_with(|| (*uplink, Standing::default()));
        let before = counted(&known.1);
        if begins {
            known.0 = *uplink;
        }
        if known.0 == *uplink {
            known.1.apply(*at, event);
        }
        let after = counted(&known.1);
        for (count, (before, after)) in self.counts.iter_mut().zip(before.into_iter().zip(after)) {
            *count = (*count + usize::from(after)).saturating_sub(usize::from(before));
        }
        let down = known.1.reach.down_since.is_some();
        if known.0 == *uplink && matches!(event, UplinkEvent::UplinkEnded(_)) {
            self.standings.remove(trunk);
        }
        down
    }

    /// Forgets an uplink of which nothing is left to do.
    pub(super) fn forget_if_over(&mut self, id: UplinkId) {
        if self.live.get(&id).is_some_and(|live| live.ended && live.legs == 0 && live.outbox.is_idle()) {
            self.remove(id);
        }
    }

    /// The stream is not ours to write any more: what is wanted begins anew, in another.
    pub(super) fn frozen(&mut self, id: UplinkId) {
        self.remove(id);
        self.look();
    }

    fn remove(&mut self, id: UplinkId) {
        let Some(live) = self.live.remove(&id) else { return };
        if let Some(at) = live.wakes {
            self.due.remove(&(at, id));
        }
        if self.of_trunk.get(&live.trunk) == Some(&id) {
            self.of_trunk.remove(&live.trunk);
            self.contacts.retain(|_, trunk| *trunk != live.trunk);
        }
    }

    /// Puts an uplink where it belongs in the queue of what is due.
    pub(super) fn reschedule(&mut self, now: Now, id: UplinkId) {
        let Some(live) = self.live.get_mut(&id) else { return };
        let next = live.next_wake(now);
        if let Some(at) = live.wakes {
            self.due.remove(&(at, id));
        }
        live.wakes = next;
        self.due.extend(next.map(|at| (at, id)));
    }
}

impl Live {
    fn write_as(&mut self, desk: &mut Desk, id: EventId, at: WallTime, event: &UplinkEvent) {
        let encoded = encode(desk, event, id, self.key.0, &self.key.1);
        self.outbox.record(desk, id, at, self.cause, encoded);
    }

    /// Records what changes; calls and the API are told when that is durable.
    pub(super) fn record(&mut self, desk: &mut Desk, mint: &mut dyn Mint, at: WallTime, event: UplinkEvent) {
        self.write_as(desk, mint.event_id(), at, &event);
        let (uplink, trunk) = (self.id, self.trunk);
        self.outbox.hold(Effect::Stand(Box::new(Stood { uplink, trunk, at, event })));
    }

    fn next_wake(&self, now: Now) -> Option<Moment> {
        let registration = self.registration.as_ref().and_then(|registration| registration.next_wake(now));
        let health = self.health_at.filter(|_| !self.pinging && self.ending.is_none());
        registration.filter(|_| !self.ended && self.ending.is_none()).into_iter().chain(health).min()
    }

    /// Whether these settings ask for what it does; how its trunk is looked after may differ.
    fn fits(&self, settings: &TrunkSettings) -> bool {
        match (&self.registration, &settings.register) {
            (Some(registration), Some(_)) => registration.fits(settings),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        }
    }
}

/// Whether we are registered, and whether the trunk is down.
fn counted(standing: &Standing) -> [bool; 2] {
    let registered = standing.registration.as_ref().is_some_and(|known| known.state == RegistrationState::Registered);
    [registered, standing.reach.down_since.is_some()]
}

/// Whether a trunk's settings ask for an uplink.
fn asks(settings: &TrunkSettings) -> bool {
    settings.enabled && (settings.register.is_some() || settings.health.rule != HealthRule::Off)
}

impl Exchange {
    /// How these trunks stand, as far as it is durable; of others nothing.
    pub fn standing(&self, trunk: TrunkId) -> Option<&Standing> {
        self.uplinks.standings.get(&trunk).map(|(_, standing)| standing)
    }

    /// How many trunks we are registered at, and how many are down.
    pub(super) const fn standing_counts(&self) -> [usize; 2] {
        self.uplinks.counts
    }

    /// Looks at what trunks ask for, and does what is due.
    pub(super) fn wake_uplinks(&mut self, now: Now, mint: &mut dyn Mint) {
        if self.uplinks.look_at.is_some_and(|at| at <= now.moment) {
            self.uplinks.look_at = None;
            self.look_at_trunks(now, mint);
        }
        while let Some((at, id)) = self.uplinks.due.first().copied().filter(|(at, _)| *at <= now.moment) {
            self.uplinks.due.remove(&(at, id));
            if let Some(live) = self.uplinks.live.get_mut(&id) {
                live.wakes = None;
                live.cause = None;
            }
            self.register_if_due(now, mint, id);
            self.look_after_if_due(now, mint, id);
            self.uplinks.reschedule(now, id);
        }
    }

    fn look_at_trunks(&mut self, now: Now, mint: &mut dyn Mint) {
        let Self { tables, uplinks, stage, .. } = self;
        let draining = stage.is_draining();
        let wanted = |row: &TrunkRow| !draining && asks(&row.settings) && !tables.is_closed(row.account);
        let mut steps = Vec::new();
        for (id, live) in &uplinks.live {
            let row = tables.trunk(live.trunk).filter(|row| wanted(row));
            match row {
                None if draining => steps.push((*id, Err(UplinkEndCause::Drained))),
                None => steps.push((*id, Err(UplinkEndCause::Removed))),
                Some(row) if !live.fits(&row.settings) => steps.push((*id, Err(UplinkEndCause::Changed))),
                Some(row) => steps.push((*id, Ok(row.settings.health))),
            }
        }
        let missing = |row: &&TrunkRow| wanted(row) && !uplinks.of_trunk.contains_key(&row.id);
        let mut new: Vec<TrunkRow> = tables.trunks().filter(missing).cloned().collect();
        new.sort_by_key(|row| row.id);
        steps.sort_by_key(|(id, _)| *id);
        for (id, step) in steps {
            match step {
                Ok(health) => self.set_health(now, mint, id, health),
                Err(cause) => self.end_uplink(now, mint, id, cause),
            }
            self.uplinks.reschedule(now, id);
        }
        for row in new {
            self.begin_uplink(now, mint, &row);
        }
    }

    fn begin_uplink(&mut self, now: Now, mint: &mut dyn Mint, row: &TrunkRow) {
        let Self { uplinks, desk, .. } = self;
        let Some(key) = mint.seal_key(row.account) else {
            uplinks.look_at = Some(now.moment + BEGIN_AGAIN);
            return;
        };
        let id = UplinkId::from_bits(mint.wide_bits());
        let at = now.moment + Duration::from_millis(mint.bits() % SPREAD);
        let contact = uplinks.contact_of(row.id);
        let registration = Registration::of(&row.settings, contact.clone(), mint, at);
        if registration.is_some() {
            uplinks.contacts.insert(contact, row.id);
        }
        let health = row.settings.health;
        let watched = (health.rule != HealthRule::Off).then(|| Health::new(health));
        let mut live = Live {
            id,
            trunk: row.id,
            account: row.account,
            outbox: Outbox::new(StreamName::new(UplinkEvent::CATEGORY, id.uuid()), id.uuid(), uplinks.node),
            key,
            cause: None,
            registration,
            health_at: watched.as_ref().and_then(Health::pings_every).map(|_| at),
            health: watched,
            pinging: false,
            ending: None,
            ended: false,
            legs: 0,
            wakes: None,
        };
        let begun = UplinkBegun { account: live.account, trunk: live.trunk, registers: live.registration.is_some() };
        live.record(desk, mint, now.wall, UplinkEvent::UplinkBegun(begun));
        uplinks.of_trunk.insert(row.id, id);
        uplinks.live.insert(id, Box::new(live));
        uplinks.touched.push(id);
        uplinks.reschedule(now, id);
    }

    /// An uplink is over: at once, or when the registrar has been told.
    pub(super) fn end_uplink(&mut self, now: Now, mint: &mut dyn Mint, id: UplinkId, cause: UplinkEndCause) {
        let Some(live) = self.uplinks.live.get_mut(&id).filter(|live| live.ending.is_none()) else { return };
        live.ending = Some(cause);
        live.cause = None;
        self.unregister(now, mint, id);
    }

    /// Nothing more is to be done; its end is its last event.
    pub(super) fn uplink_over(&mut self, now: Now, mint: &mut dyn Mint, id: UplinkId, unregistered: bool) {
        let Self { uplinks, desk, .. } = self;
        let Some(live) = uplinks.live.get_mut(&id).filter(|live| !live.ended) else { return };
        let Some(cause) = live.ending else { return };
        live.ended = true;
        live.record(desk, mint, now.wall, UplinkEvent::UplinkEnded(UplinkEnded { cause, unregistered }));
        live.outbox.set_life(Life::Closed);
        let trunk = live.trunk;
        uplinks.touched.push(id);
        uplinks.reschedule(now, id);
        if uplinks.of_trunk.get(&trunk) == Some(&id) {
            uplinks.of_trunk.remove(&trunk);
            uplinks.contacts.retain(|_, other| *other != trunk);
        }
        // The settings may ask for another.
        uplinks.look();
    }

    /// Whether a leg is a ping's, of a trunk or a device: no stream holds those.
    fn is_ping(&self, leg: LegId) -> bool {
        matches!(self.uplinks.asked.get(&leg), Some((_, Ask::Ping))) || self.pings.is_one(leg)
    }

    /// A request of an uplink goes out, or something came to one: nothing happens where the leg is none of theirs.
    pub(super) fn sends_for_uplink(&mut self, now: Now, outgoing: Outgoing) {
        match self.uplinks.asked.get(&outgoing.leg) {
            _ if self.is_ping(outgoing.leg) => {
                self.count(now, outgoing.flow, Stateless::Ping);
                let Outgoing { flow, bytes, .. } = outgoing;
                self.effects.push(Effect::Transmit { flow, bytes });
            }
            Some(_) => self.uplinks.commit(&mut self.desk, now.wall, outgoing),
            None if self.messages.legs.contains_key(&outgoing.leg) => {
                self.messages.commit(&mut self.desk, now.wall, outgoing);
            }
            None => self.registrar.commit(&mut self.desk, now.wall, outgoing),
        }
    }

    /// See [`Exchange::sends_for_uplink`].
    pub(super) fn hears_for_uplink(&mut self, now: Now, incoming: Incoming) {
        match self.uplinks.asked.get(&incoming.leg) {
            _ if self.is_ping(incoming.leg) => self.count(now, incoming.flow, Stateless::PingAnswered),
            Some(_) => self.uplinks.received(&mut self.desk, now.wall, incoming),
            None if self.messages.legs.contains_key(&incoming.leg) => {
                self.messages.received(&mut self.desk, now.wall, incoming);
            }
            None => self.registrar.received(&mut self.desk, now.wall, incoming),
        }
    }

    /// Whether bytes of a request that belongs to no session may go again. A ping's were never to be durable.
    pub(super) fn may_repeat(&self, leg: LegId, event: EventId) -> bool {
        match self.uplinks.asked.get(&leg) {
            _ if self.is_ping(leg) => true,
            Some(_) => self.uplinks.is_durable(leg, event),
            None => self.messages.is_durable(leg, event) || self.registrar.is_durable(leg, event),
        }
    }

    /// Something went or came again that belongs to no session: its stream holds what was said, the edge's summary how
    /// often it was said again.
    pub(super) fn note_repeat_of_none(&mut self, now: Now, leg: LegId) {
        let what = match self.uplinks.asked.get(&leg) {
            _ if self.is_ping(leg) => Stateless::Ping,
            None if self.messages.legs.contains_key(&leg) => Stateless::MessageRepeat,
            Some(_) | None => Stateless::RegisterRepeat,
        };
        self.edge.count(crate::address::EdgeRole::Public, what);
        self.next_summary.get_or_insert(now.moment + SUMMARISE_EVERY);
    }

    /// What the endpoint learned about a request of an uplink.
    pub(super) fn learn_of_uplink(&mut self, now: Now, mint: &mut dyn Mint, leg: LegId, fact: &Fact) {
        let Some((id, ask)) = self.uplinks.asked.get(&leg).copied() else {
            return match fact {
                Fact::Concluded(outcome) if self.messages.legs.contains_key(&leg) => {
                    self.message_answered(now, mint, leg, outcome);
                }
                fact => self.learn_of_ping(now, mint, leg, fact),
            };
        };
        match fact {
            Fact::Challenged(proof) => {
                let gave_up = proof.gave_up.map(|why| why.to_string().into());
                if let Some(registration) = self.uplinks.live.get_mut(&id).and_then(|live| live.registration.as_mut()) {
                    registration.gave_up = gave_up;
                }
            }
            Fact::Concluded(outcome) => self.uplink_answered(now, mint, id, ask, outcome),
            _ => {}
        }
    }

    fn uplink_answered(&mut self, now: Now, mint: &mut dyn Mint, id: UplinkId, ask: Ask, outcome: &Outcome) {
        if outcome.response.is_none()
            && let Some(live) = self.uplinks.live.get_mut(&id)
        {
            live.cause = None;
        }
        match ask {
            Ask::Register => self.registration_answered(now, mint, id, outcome),
            Ask::Unregister => {
                let status = outcome.response.as_ref().and_then(crate::sip::wire::Message::status);
                self.uplink_over(now, mint, id, status.is_some_and(|status| (200..300).contains(&status)));
            }
            Ask::Ping => self.ping_answered(now, mint, id, outcome),
        }
        self.uplinks.touched.push(id);
        self.uplinks.reschedule(now, id);
    }

    /// The endpoint remembers one more request of an uplink.
    pub(super) fn asks_for(&mut self, leg: LegId, id: UplinkId, ask: Ask) {
        self.uplinks.asked.insert(leg, (id, ask));
        if let Some(live) = self.uplinks.live.get_mut(&id) {
            live.legs += 1;
        }
    }

    pub(super) fn forget_leg_of_none(&mut self, leg: LegId) {
        let Some((id, _)) = self.uplinks.asked.remove(&leg) else {
            if !self.pings.forget(leg) {
                self.messages.forget_leg(leg);
                self.registrar.forget_leg(leg);
            }
            return;
        };
        if let Some(live) = self.uplinks.live.get_mut(&id) {
            live.legs = live.legs.saturating_sub(1);
        }
        self.uplinks.forget_if_over(id);
    }
}
