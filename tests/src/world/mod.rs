//! A world with virtual time: the exchange's own loop, a log in memory, a carrier and PBX phones. Nothing waits.

mod again;
mod autopsy;
mod doubt;
mod drawn;
mod erasing;
mod faults;
mod joined;
mod messages;
mod mortal;
mod phone;
mod provisioning;
mod reborn;
mod registering;
mod registrar;
mod seed;
mod surroundings;
mod uplinks;
mod users;
mod watch;

pub use doubt::{Chance, Course, Death, Ended, Fate, Sabotage, under};
pub use drawn::summary;
pub use erasing::Keys;
pub use phone::Phone;
pub use registering::{DEVICES, DOMAIN, Device, USERS, password};
pub use seed::SeedMint;
pub use users::{
    A, ACME, B, IN_TURN, KNOWN, KNOWN_SOURCE, NUMBER_ACME, NUMBER_BOB, NUMBER_STOLEN, OUT_LOGIN, PASSWORD, credential,
    login,
};
pub use watch::Watch;

use adapters::event_log::memory::MemoryLog;
use bytes::Bytes;
use domain::address::{EdgeRole, Flow, Transport};
use domain::codec::seal::SealKey;
use domain::exchange::{Census, Exchange, ExchangeSettings, GuardSettings, Listener};
use domain::ids::{AccountId, LegId, NumberId, TrunkId};
use domain::log::{AppendError, Committed, Outcome, Position, Revision, StreamName};
use domain::media::{MediaReport, MediaSource, PathId, PortPair, Side};
use domain::routing::{Provisioned, Tables};
use domain::session::event::{SessionEnded, SessionEvent, Target};
use domain::sip::digest::Algorithm;
use domain::sip::endpoint::EndpointSettings;
use domain::sip::session_timer::SessionIntervals;
use domain::sip::timer::TimerValues;
use domain::sip::wire::{Framed, StreamFramer};
use domain::time::{Moment, Now, WallTime};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Where the exchange listens to carriers.
pub const EXCHANGE: &str = "192.0.2.1:5060";
/// Where it listens to everybody.
pub const PUBLIC: &str = "192.0.2.1:5070";
/// The carrier.
pub const CARRIER: &str = "198.51.100.1:5060";
/// The PBX that a number points at.
pub const PBX: &str = "203.0.113.1:5060";
/// Two carriers that calls go out by, in order of priority.
pub const OUT: [&str; 2] = ["198.51.100.11:5060", "198.51.100.12:5060"];
/// A number of the account, which rings the PBX.
pub const NUMBER: &str = "+15550001111";
/// Where the exchange listens to carriers by IPv6.
pub const EXCHANGE_V6: &str = "[2001:db8::1]:5060";
/// The carrier's IPv6 address.
pub const CARRIER_V6: &str = "[2001:db8:c::1]:5060";
/// A PBX by IPv6, which [`NUMBER_V6`] rings.
pub const PBX_V6: &str = "[2001:db8:b::1]:5060";
/// A number of the account, which rings [`PBX_V6`].
pub const NUMBER_V6: &str = "+15550006666";
/// Phones that a test rings at once.
pub const DESKS: [&str; 3] = ["203.0.113.21:5060", "203.0.113.22:5060", "203.0.113.23:5060"];
/// A carrier that connects by TCP: where it listens. It is known by its host.
pub const CARRIER_TCP: &str = "198.51.100.2:5060";
/// A PBX that takes connections, which [`NUMBER_TCP`] rings.
pub const PBX_TCP: &str = "203.0.113.2:5060";
/// A number of the account, which rings [`PBX_TCP`].
pub const NUMBER_TCP: &str = "+15550007777";
/// A carrier by TCP that `+33` goes out by; the next choice is the second of [`OUT`].
pub const OUT_TCP: &str = "198.51.100.13:5060";
/// A carrier by UDP that `+44` goes out by, and that takes large requests by TCP.
pub const OUT_LARGE: &str = "198.51.100.14:5060";

/// The account that everything belongs to.
pub const ACCOUNT: AccountId = AccountId::from_bits(1);

/// See the module.
pub struct World {
    now: Now,
    /// The loop under test.
    pub exchange: Exchange,
    /// Its log.
    pub log: Arc<MemoryLog>,
    mint: SeedMint,
    keys: Arc<Keys>,
    erasing: erasing::Erasing,
    /// Where settings go by way of the log.
    provisioner: Option<provisioning::Provisioner>,
    outcomes: Arc<Outcomes>,
    mailboxes: HashMap<SocketAddr, VecDeque<Bytes>>,
    paths: BTreeMap<PathId, [(LegId, PortPair); 2]>,
    latched: [Option<SocketAddr>; 2],
    names: HashMap<SocketAddr, &'static str>,
    /// What was said, in order.
    pub ladder: String,
    /// Checks every effect against the log.
    pub watch: Watch,
    /// Whether packets to this address are lost.
    deaf: Vec<SocketAddr>,
    /// Addresses whose messages come by TCP.
    by_tcp: Vec<SocketAddr>,
    /// Addresses that take no connection.
    refusing: Vec<SocketAddr>,
    started: Moment,
    /// Everything that left.
    sent: Vec<(Flow, Bytes)>,
    /// What was sent to whom.
    said: HashSet<(SocketAddr, Bytes)>,
    /// Relays that were ordered.
    relayed: Vec<(PathId, Box<[Side; 2]>)>,
    /// Whether anything was sent to who spoke last, since.
    answered: bool,
    /// The process is about to begin anew.
    returns: bool,
    /// Everything that arrived.
    received: Vec<Packet>,
    fate: Fate,
    chance: Chance,
    /// The deadline that a sabotaged shell lost.
    lost_wake: Option<Moment>,
    /// Why streams are frozen; without a word in the test there is none.
    frozen: Vec<AppendError>,
    /// All streams that were frozen at some time, before deaths too.
    ever_frozen: BTreeSet<StreamName>,
    /// The log never takes the next append with an event of this type, and says this.
    refused: Option<(&'static str, AppendError)>,
    /// Streams that a start could not take up, for keys were erased.
    given_up: BTreeSet<StreamName>,
    /// Streams of registrations that are to be read.
    unread: Vec<StreamName>,
    /// Whether nobody reads them for now.
    reads_held: bool,
    /// How often devices behind NAT are pinged.
    ping: Option<Duration>,
    /// The most events that a stream of a registration was taken up from.
    pub most_read: usize,
    /// Which start of the process it is.
    epoch: u32,
    /// Whether it was seen that nothing is left.
    ended: bool,
    mortal: mortal::Mortal,
    /// Where set, what phones send goes here instead of to the exchange: a network takes it from there.
    pub network: Option<Vec<Packet>>,
}

/// A datagram toward the exchange.
#[derive(Debug, Clone)]
pub struct Packet {
    /// The exchange's listener.
    pub local: SocketAddr,
    /// The sender.
    pub from: SocketAddr,
    /// The datagram.
    pub bytes: Bytes,
}

#[derive(Default)]
struct Outcomes(Mutex<Vec<Outcome>>);

impl Committed for Outcomes {
    fn committed(&self, outcomes: Vec<Outcome>) {
        self.0.lock().unwrap().extend(outcomes);
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new(1)
    }
}

impl World {
    /// A world whose randomness comes from a seed.
    pub fn new(seed: u64) -> Self {
        let now = Now { wall: WallTime::from_micros(1_800_000_000_000_000), moment: Moment::from_micros(1_000_000) };
        let names = [
            (CARRIER, "carrier"),
            (CARRIER_V6, "carrier"),
            (PBX, "pbx"),
            (PBX_V6, "pbx"),
            (OUT[0], "out-1"),
            (OUT[1], "out-2"),
            (CARRIER_TCP, "carrier"),
            (PBX_TCP, "pbx"),
            (OUT_TCP, "out-tcp"),
            (OUT_LARGE, "out-big"),
            (DESKS[0], "desk-1"),
            (DESKS[1], "desk-2"),
            (DESKS[2], "desk-3"),
            (registering::DEVICES[0], "phone-1"),
            (registering::DEVICES[1], "phone-2"),
        ];
        let mut world = Self {
            now,
            exchange: Exchange::new(settings(1), tables()),
            log: Arc::new(MemoryLog::new()),
            mint: SeedMint::new(seed),
            keys: Arc::default(),
            erasing: erasing::Erasing::default(),
            provisioner: None,
            outcomes: Arc::default(),
            mailboxes: HashMap::new(),
            paths: BTreeMap::new(),
            latched: [None; 2],
            names: names.iter().map(|(address, name)| (address.parse().unwrap(), *name)).collect(),
            ladder: String::new(),
            watch: Watch::default(),
            deaf: Vec::new(),
            by_tcp: Vec::new(),
            refusing: Vec::new(),
            started: now.moment,
            sent: Vec::new(),
            said: HashSet::new(),
            relayed: Vec::new(),
            answered: false,
            returns: false,
            received: Vec::new(),
            fate: doubt::fate(),
            chance: Chance::new(doubt::fate().hesitates.unwrap_or(seed)),
            lost_wake: None,
            frozen: Vec::new(),
            ever_frozen: BTreeSet::new(),
            refused: None,
            given_up: BTreeSet::new(),
            unread: Vec::new(),
            reads_held: false,
            most_read: 0,
            ping: None,
            epoch: 1,
            ended: false,
            mortal: mortal::Mortal::default(),
            network: None,
        };
        world.serve();
        world
    }

    /// A world whose exchange wants other session timers than usual.
    pub fn with_intervals(wanted: u32, min: u32) -> Self {
        let mut settings = settings(1);
        settings.endpoint.intervals = SessionIntervals { wanted, min };
        let mut world = Self::default();
        world.exchange = Exchange::new(settings, tables());
        world.serve();
        world
    }

    /// Virtual now.
    pub const fn now(&self) -> Now {
        self.now
    }

    /// From here on every call rings these instead: the addresses of a group at once, groups one after the other, each
    /// address for so many seconds.
    pub fn ring_instead(&mut self, groups: &[&[&str]], ring_timeout: u16) {
        let target = |group, address: &str| Target {
            spare: false,
            binding: None,
            uri: format!("sip:desk@{address}"),
            to: format!("sip:desk@{address}"),
            local: EXCHANGE.parse().unwrap(),
            destination: address.parse().unwrap(),
            transport: Transport::Udp,
            large_by_tcp: None,
            group,
            routes: vec![],
            trunk: None,
            media_source: MediaSource::Sdp,
            ring_timeout,
        };
        let of = |(group, addresses): (u16, &&[&str])| addresses.iter().map(move |at| target(group, at)).collect();
        let targets: Vec<Vec<Target>> = (0..).zip(groups).map(of).collect();
        self.exchange.ring_instead(targets.concat());
    }

    /// A phone at an address.
    pub fn phone(&mut self, address: &str) -> Phone {
        Phone::new(address.parse().unwrap())
    }

    /// A datagram reaches the exchange on its carrier listener.
    pub fn send(&mut self, from: SocketAddr, bytes: Bytes) {
        self.send_to(EXCHANGE.parse().unwrap(), from, bytes);
    }

    /// A datagram reaches one of the exchange's listeners.
    pub fn send_to(&mut self, local: SocketAddr, from: SocketAddr, bytes: Bytes) {
        match &mut self.network {
            Some(network) => network.push(Packet { local, from, bytes }),
            None => self.deliver(Packet { local, from, bytes }),
        }
    }

    /// A datagram reaches the exchange.
    pub fn deliver(&mut self, packet: Packet) {
        if self.keeps(&packet) {
            return;
        }
        self.received.push(packet.clone());
        self.answered = false;
        self.deliver_again(packet);
    }

    /// A datagram that may have come before.
    pub(super) fn deliver_again(&mut self, packet: Packet) {
        let Packet { local, from, bytes } = packet;
        self.lost_wake = None;
        self.draw(from, true, &bytes);
        let flow = self.flow(local, from);
        self.exchange.receive(self.now, &mut self.mint, flow, bytes);
        self.settle();
    }

    fn flow(&self, local: SocketAddr, remote: SocketAddr) -> Flow {
        let transport = if self.by_tcp.contains(&remote) { Transport::Tcp } else { Transport::Udp };
        Flow { transport, local, remote }
    }

    /// What this address says comes by TCP from now on, or not any more.
    pub fn speak_tcp(&mut self, address: SocketAddr, tcp: bool) {
        self.by_tcp.retain(|known| *known != address);
        if tcp {
            self.by_tcp.push(address);
        }
    }

    /// Connections to this address are refused from now on, or not any more.
    pub fn refuse_connections(&mut self, address: &str, refuse: bool) {
        let address: SocketAddr = address.parse().unwrap();
        self.refusing.retain(|known| *known != address);
        if refuse {
            self.refusing.push(address);
        }
    }

    /// The connection that this address has with a listener of the exchange ends.
    pub fn disconnect(&mut self, local: SocketAddr, remote: SocketAddr) {
        let _ =
            writeln!(self.ladder, "        | {} disconnects", self.names.get(&remote).copied().unwrap_or("somebody"));
        self.lost_wake = None;
        if self.is_dead() {
            return;
        }
        let flow = Flow { transport: Transport::Tcp, local, remote };
        self.exchange.flow_failed(self.now, &mut self.mint, flow);
        self.settle();
    }

    /// Bytes of a connection reach the exchange, whole messages or not.
    pub fn stream(&mut self, local: SocketAddr, remote: SocketAddr, bytes: &[u8]) {
        let mut framer = StreamFramer::new();
        framer.push(bytes);
        self.speak_tcp(remote, true);
        while let Some(framed) = framer.next() {
            match framed {
                Framed::Message(message) => self.deliver(Packet { local, from: remote, bytes: message }),
                Framed::Ping => self.exchange.pinged(self.now, self.flow(local, remote)),
                Framed::Pong => {}
                Framed::Fatal(fault) => {
                    let flow = self.flow(local, remote);
                    self.exchange.receive_broken(self.now, &mut self.mint, flow, &fault);
                    self.settle();
                }
            }
        }
    }

    /// Packets to this address are lost from now on, or not any more.
    pub fn deafen(&mut self, address: &str, deaf: bool) {
        let address: SocketAddr = address.parse().unwrap();
        self.deaf.retain(|known| *known != address);
        if deaf {
            self.deaf.push(address);
        }
    }

    /// Time passes; timers fire in their order.
    pub fn pass(&mut self, span: Duration) {
        let end = self.now.moment + span;
        while let Some(at) = self.exchange.next_wake().filter(|at| *at <= end && self.lost_wake != Some(*at)) {
            if self.is_dead() {
                break;
            }
            self.jump(at.max(self.now.moment));
            if self.loses_wake(at) {
                continue;
            }
            self.exchange.wake(self.now, &mut self.mint);
            self.settle();
        }
        self.jump(end);
    }

    fn jump(&mut self, to: Moment) {
        self.now.wall = self.now.wall + to.since(self.now.moment);
        self.now.moment = to;
    }

    /// Only this many port pairs are left from now on.
    pub fn leave_ports(&mut self, pairs: usize) {
        self.mint.ports.leave(pairs);
    }

    /// The media paths that are open, and the legs of their two sides.
    pub fn media_paths(&self) -> Vec<(PathId, [LegId; 2])> {
        self.paths.iter().map(|(path, ends)| (*path, ends.map(|(leg, _)| leg))).collect()
    }

    /// The pinned sources that the last relay order named, by side.
    pub const fn latched(&self) -> [Option<SocketAddr>; 2] {
        self.latched
    }

    /// Media reports something.
    pub fn report(&mut self, report: &MediaReport) {
        if self.is_dead() {
            return;
        }
        self.exchange.report(self.now, &mut self.mint, report);
        self.settle();
    }

    /// How the only session ended.
    #[track_caller]
    pub fn ended(&self) -> SessionEnded {
        let mut ends = self.watch.events().filter_map(|event| match event {
            SessionEvent::SessionEnded(ended) => Some(ended.clone()),
            _ => None,
        });
        let ended = ends.next().expect("no session ended");
        assert!(ends.next().is_none(), "more than one session ended");
        ended
    }

    /// Everything that left, in order, and where to.
    pub fn sent(&self) -> &[(Flow, Bytes)] {
        &self.sent
    }

    /// Everything that arrived, in order.
    pub fn received(&self) -> &[Packet] {
        &self.received
    }

    /// The operator ends every call.
    pub fn release_all(&mut self) {
        self.exchange.release_all(self.now, &mut self.mint);
        self.settle();
    }

    /// The next message for an address.
    pub fn next_for(&mut self, address: SocketAddr) -> Option<Bytes> {
        self.mailboxes.get_mut(&address)?.pop_front()
    }

    /// Whether something waits for an address.
    pub fn has_for(&self, address: SocketAddr) -> bool {
        self.mailboxes.get(&address).is_some_and(|mailbox| !mailbox.is_empty())
    }

    /// Everything that is there is back where it was before the first call, once the last timer has run out.
    #[track_caller]
    pub fn assert_nothing_left(&mut self) {
        self.pass(Duration::from_secs(200));
        let census = self.exchange.census();
        let left = Census { stateless_total: 0, ..census };
        assert_eq!(left, Census::default(), "{}", self.ladder);
        assert_eq!(self.frozen, [], "{}", self.ladder);
        assert_eq!(self.exchange.audit_counts(), [vec![], vec![]], "calls stay counted\n{}", self.ladder);
        assert_eq!(self.mint.ports.taken(), 0, "media ports remain\n{}", self.ladder);
        assert!(self.paths.is_empty(), "media paths remain\n{}", self.ladder);
        self.watch.assert_sessions_ended();
        self.examine();
        if self.fate.replays || self.fate.reborn_after.is_some() {
            self.assert_decided_alike();
        }
        self.ended = true;
    }

    /// Whether a stream was frozen since the start: of an uplink another takes its place, and the next start ends it.
    pub fn has_frozen(&self) -> bool {
        !self.frozen.is_empty()
    }

    /// As [`World::assert_nothing_left`], where this froze the only session: nobody remembers it, and its media, which
    /// may not be ordered any more, is as it was.
    #[track_caller]
    pub fn assert_frozen(&mut self, why: &AppendError) {
        self.pass(Duration::from_secs(200));
        let left = Census { stateless_total: 0, ..self.exchange.census() };
        assert_eq!(left, Census { frozen: 1, ..Census::default() }, "{}", self.ladder);
        assert_eq!(self.frozen, std::slice::from_ref(why));
        assert_eq!(self.exchange.audit_counts(), [vec![], vec![]], "calls stay counted\n{}", self.ladder);
        self.examine();
        self.ended = true;
    }

    /// The log never takes the next append that has an event of this type.
    pub fn refuse_append(&mut self, kind: &'static str, why: &AppendError) {
        self.refused = Some((kind, why.clone()));
    }
}

/// No test lets a world go before it has seen that nothing is left in it.
impl Drop for World {
    fn drop(&mut self) {
        assert!(self.ended || std::thread::panicking(), "the test does not end with `assert_nothing_left`");
    }
}

fn tables() -> Tables {
    let mut tables = Tables::default();
    for provisioned in seed::provisioning(ACCOUNT, NumberId::from_bits(1), TrunkId::from_bits) {
        tables.apply(&provisioned);
    }
    for (position, event) in (1_000..).zip(registering::provisioning(ACCOUNT)) {
        let at = WallTime::from_micros(0);
        tables.apply(&Provisioned { position: Position(position), revision: Revision(0), at, event });
    }
    tables
}

/// How long messages may wait before new calls are refused for it.
const MAY_WAIT: Duration = Duration::from_millis(120);

/// What the exchange of this start is set to.
fn settings(epoch: u32) -> ExchangeSettings {
    let listener = |address: &str, role, transport| {
        let address = address.parse().unwrap();
        Listener { address, role, transport }
    };
    ExchangeSettings {
        epoch,
        algorithms: vec![Algorithm::Sha256, Algorithm::Md5],
        secret: SealKey::from_bytes([9; 32]),
        endpoint: EndpointSettings {
            timers: TimerValues::default(),
            software: "Strowger".into(),
            tag_secret: 7,
            intervals: SessionIntervals::default(),
        },
        node: 1,
        edge_stream: StreamName::new("edge", "1-0-1"),
        domain: Some("exchange.example".into()),
        ping: None,
        listeners: vec![
            listener(EXCHANGE, EdgeRole::Carrier, Transport::Udp),
            listener(PUBLIC, EdgeRole::Public, Transport::Udp),
            listener(EXCHANGE_V6, EdgeRole::Carrier, Transport::Udp),
            listener(EXCHANGE, EdgeRole::Carrier, Transport::Tcp),
            listener(PUBLIC, EdgeRole::Public, Transport::Tcp),
        ],
        guard: GuardSettings::default(),
        may_wait: Some(MAY_WAIT),
    }
}
