//! Everything around one exchange, and time.

use super::super::automaton::{Act, Automaton, Errand, Manners, Stage};
use super::Seen;
use super::device::Registrant;
use super::operator::allow_transfers;
use super::plan::{self, Event};
use super::readers::Readers;
use super::registrar::Registrar;
use super::station::{By, Station, joins, says};
use super::uplink;
use super::weather::{LogMood, Weather};
use super::witness::Witness;
use adapters::event_log::memory::MemoryLog;
use bytes::Bytes;
use domain::log::{AppendError, Expected, StreamName};
use domain::time::Moment;
use std::collections::BTreeMap;
use std::time::Duration;
use tests::world::{Chance, Packet, World};

/// Who is away longer than this loses what was on its way: transactions end after 64·T1.
const TOO_LONG: u64 = 20_000;

/// So many happenings are more than any run has.
const MOST_STEPS: usize = 30_000;

/// By then every call is over: those that nobody ends are ended by their session timers.
const LAST: Moment = Moment::from_micros(3 * 3_600 * 1_000_000);

/// What must have happened in all ordinary runs together.
pub(super) const EVERYTHING: &[&str] = &[
    "calls",
    "agreed",
    "gave up",
    "deaths",
    "untold deaths",
    "frozen",
    "commands",
    "breaks",
    "said",
    "garbage",
    "registered",
    "transfers",
    "taken up beside",
    "joins",
    "texts",
    "read",
    "replaced",
    "uplinked",
];

enum Happening {
    ToExchange(Packet),
    ToStation(usize, Bytes),
    Act(usize, usize, Act),
    Event(Event),
    Commit,
    Returns,
}

/// What a run tells.
pub(super) struct Story {
    pub(super) seen: Seen,
    pub(super) ladder: String,
}

/// See the module.
pub(super) struct Town {
    pub(super) world: World,
    stations: Vec<Station>,
    weather: Weather,
    chance: Chance,
    queue: BTreeMap<(Moment, u64), Happening>,
    queued: u64,
    committing: bool,
    witness: Witness,
    /// Where it has some.
    readers: Option<Readers>,
    seen: Seen,
    loses_byes: bool,
    /// For how long nobody will be there after the death that is to come, or came and was not noticed yet.
    away: Option<u64>,
    returning: bool,
    /// Whether the process was away for longer than transactions last.
    lost: bool,
    /// Whether a stream was frozen at some time.
    frozen: bool,
    /// When the process came back, or something was asked of it, the last time.
    trouble: Moment,
}

impl Town {
    pub(super) fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let mut world = World::new(seed);
        world.network = Some(Vec::new());
        world.log.hold();
        allow_transfers(&mut world);
        let mut stations = plan::stations(&mut world, &mut chance);
        for (station, user, address) in plan::registrants() {
            let first = world.now().moment + Duration::from_millis(chance.below(5_000));
            stations[station].registrant = Some(Registrant::new(user, address, first, 1 + chance.below(4) as u32));
        }
        let moody_until = world.now().moment + Duration::from_millis(plan::BEGINS_WITHIN);
        stations[plan::REGISTRAR].registrar = Some(Registrar::new(Chance::new(seed ^ 0x7265_6769), moody_until));
        let readers = has_readers(seed).then(|| Readers::new(seed, &world.log));
        let mut town = Self {
            world,
            stations,
            weather: Weather::fair(),
            chance,
            queue: BTreeMap::new(),
            queued: 0,
            committing: false,
            witness: Witness::default(),
            readers,
            seen: Seen::new(),
            loses_byes: false,
            away: None,
            returning: false,
            lost: false,
            frozen: false,
            trouble: Moment::from_micros(0),
        };
        for (millis, event) in plan::draw(&mut town.chance) {
            town.after(millis, Happening::Event(event));
        }
        town
    }

    /// No BYE of the exchange arrives: for sabotage.
    pub(super) fn losing_byes(self) -> Self {
        Self { loses_byes: true, ..self }
    }

    /// No registration of the exchange is granted: for sabotage.
    pub(super) fn refusing_registrations(mut self) -> Self {
        self.stations[plan::REGISTRAR].registrar.as_mut().unwrap().refuses = true;
        self
    }

    /// Its read models, which a seed alone may not have, are changed: for sabotage.
    pub(super) fn reading(self, seed: u64, change: impl FnOnce(Readers, &MemoryLog) -> Readers) -> Self {
        let readers = Some(change(Readers::new(seed, &self.world.log), &self.world.log));
        Self { readers, ..self }
    }

    /// Lives until nobody has anything left to say, and tells what was.
    pub(super) fn live(mut self) -> Story {
        self.run();
        self.weather = Weather::fair();
        if self.world.has_frozen() {
            // What another writer took, or nobody knows the end of, is known again after the next start.
            self.note("frozen");
            self.dies(0);
            self.notice_death();
            self.run();
        }
        self.world.log.release();
        self.world.settle();
        self.witness.see(self.world.sent(), self.lost || self.frozen, &self.world.ladder);
        self.world.assert_nothing_left();
        self.world.assert_uplinks_ended();
        self.check_agreement();
        if let Some(readers) = &mut self.readers {
            readers.end(&self.world.ladder);
            self.note("read");
        }
        let registered = self.stations.iter().filter_map(|station| station.registrant.as_ref());
        let registered = registered.map(|registrant| registrant.registered).sum();
        self.seen.insert("registered", registered);
        let transfers = self.world.ladder.matches("202 (").count();
        self.seen.insert("transfers", transfers);
        self.seen.retain(|_, times| *times > 0);
        Story { seen: self.seen, ladder: std::mem::take(&mut self.world.ladder) }
    }

    fn note(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    fn after(&mut self, millis: u64, happening: Happening) {
        self.at(self.world.now().moment + Duration::from_millis(millis), happening);
    }

    fn at(&mut self, at: Moment, happening: Happening) {
        self.queued += 1;
        self.queue.insert((at, self.queued), happening);
    }

    fn run(&mut self) {
        for step in 0..MOST_STEPS {
            self.collect();
            let Some((next, queued)) = self.next() else { return };
            self.world.pass(next.max(self.world.now().moment).since(self.world.now().moment));
            self.wake();
            if queued && let Some((_, happening)) = self.queue.pop_first() {
                self.happen(happening);
            }
            self.notice_death();
            self.witness.see(self.world.sent(), self.lost || self.frozen, &self.world.ladder);
            assert!(self.world.now().moment < LAST, "it goes on for ever\n{}", self.world.ladder);
            if step % 64 == 0 && !self.world.is_dead() {
                self.examine();
            }
            if let Some(readers) = self.readers.as_mut().filter(|_| !self.world.is_dead()) {
                readers.step(&self.world.ladder);
            }
        }
        panic!("it never ends\n{}", self.world.ladder);
    }

    /// When something happens next, and whether it is queued.
    fn next(&self) -> Option<(Moment, bool)> {
        let queued = self.queue.first_key_value().map(|((at, _), _)| *at);
        let phones = self.stations.iter().flat_map(|station| {
            let repeats = station.phones.iter().filter_map(Automaton::next);
            repeats.chain(station.registrant.as_ref().and_then(Registrant::next))
        });
        let wakes = if self.world.is_dead() { None } else { self.world.exchange.next_wake() };
        let next = queued.into_iter().chain(phones).chain(wakes).min()?;
        Some((next, queued == Some(next)))
    }

    fn wake(&mut self) {
        for station in &mut self.stations {
            station.phones.iter_mut().for_each(|automaton| automaton.wake(&mut self.world));
            if let Some(registrant) = &mut station.registrant {
                registrant.wake(&mut self.world);
            }
        }
    }

    /// Memory is what the log tells; now and then also as a start would take it up.
    fn examine(&mut self) {
        self.world.examine();
        self.world.pass(Duration::ZERO);
        let whole = self.world.log.waiting() == 0 && self.world.exchange.census().frozen == 0;
        if whole && self.chance.percent(20) {
            self.note("taken up beside");
            self.world.assert_taken_up();
        }
    }

    /// What was said goes on its way.
    fn collect(&mut self) {
        for packet in std::mem::take(self.world.network.as_mut().unwrap()) {
            let by_connection =
                self.stations.iter().position(|station| station.from() == packet.from && station.by != By::Udp);
            for at in self.ways(by_connection, 0) {
                self.at(at, Happening::ToExchange(packet.clone()));
            }
        }
        for index in 0..self.stations.len() {
            for address in self.stations[index].hears_at() {
                while let Some(bytes) = self.world.next_for(address) {
                    if self.loses_byes && bytes.starts_with(b"BYE ") {
                        continue;
                    }
                    let by_connection = Some(index).filter(|_| self.stations[index].by != By::Udp);
                    for at in self.ways(by_connection, 1) {
                        self.at(at, Happening::ToStation(index, bytes.clone()));
                    }
                }
            }
            for phone in 0..self.stations[index].phones.len() {
                for (millis, act) in std::mem::take(&mut self.stations[index].phones[phone].plans) {
                    self.after(millis, Happening::Act(index, phone, act));
                }
            }
        }
        if !self.committing && self.world.log.waiting() > 0 {
            self.committing = true;
            let millis = self.weather.commits_in(&mut self.chance);
            self.after(millis, Happening::Commit);
        }
    }

    /// When a packet arrives: one by a connection arrives once, after those before it.
    fn ways(&mut self, by_connection: Option<usize>, direction: usize) -> Vec<Moment> {
        let now = self.world.now().moment;
        let Some(station) = by_connection else {
            let ways = self.weather.ways(&mut self.chance);
            return ways.into_iter().map(|millis| now + Duration::from_millis(millis)).collect();
        };
        let newest = &mut self.stations[station].newest[direction];
        *newest = (*newest).max(now + Duration::from_millis(1 + self.chance.below(20)));
        vec![*newest]
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::ToExchange(packet) if self.is_cut_off(&packet) => {}
            Happening::ToExchange(packet) => self.world.deliver(packet),
            Happening::ToStation(index, bytes) => self.stations[index].hear(&mut self.world, bytes),
            Happening::Act(index, phone, act) => self.stations[index].phones[phone].act(&mut self.world, act),
            Happening::Event(event) => self.befalls(event),
            Happening::Commit => self.commit(),
            Happening::Returns => self.returns(),
        }
    }

    /// Whether it was on its way by a connection that is no more.
    fn is_cut_off(&self, packet: &Packet) -> bool {
        let station = self.stations.iter().find(|station| station.address.ip() == packet.from.ip());
        station.is_some_and(|station| station.by != By::Udp && station.from() != packet.from)
    }

    fn befalls(&mut self, event: Event) {
        match event {
            Event::Weather(weather) => self.weather = weather,
            Event::Call(station, errand) => {
                self.note("calls");
                let phone = self.stations[station].call(&mut self.world, errand);
                if self.chance.percent(20) {
                    self.note("gave up");
                    let millis = self.chance.below(10_000);
                    self.after(millis, Happening::Act(station, phone, Act::Cancel));
                }
            }
            Event::Says => self.says(),
            Event::Joins => self.joins(),
            Event::Replaces(station, errand) => self.replaces(station, errand),
            Event::Uplink(_) | Event::Leaves if self.world.is_dead() => {
                self.after(1_000, Happening::Event(event));
            }
            Event::Uplink(uplink) => {
                self.trouble = self.world.now().moment;
                uplink.begin(&mut self.world);
            }
            Event::Leaves => self.leaves(),
            Event::Text(user) => {
                self.note("texts");
                self.stations[6 + user].text(&mut self.world, plan::TEXTS[user]);
            }
            Event::Garbage(station) => {
                let (from, local) = (self.stations[station].address, tests::world::PUBLIC.parse().unwrap());
                if self.stations[station].by == By::Udp {
                    self.note("garbage");
                    self.world.deliver(Packet { local, from, bytes: garbage(&mut self.chance) });
                }
            }
            Event::Breaks(station) => {
                self.note("breaks");
                let (local, remote) = self.stations[station].reconnect(&mut self.world);
                self.world.disconnect(local, remote);
            }
            // An exchange that is away or about to die is asked for nothing, and does not die twice.
            _ if self.world.is_dead() || self.away.is_some() => {}
            Event::Operator(command) => {
                self.note("commands");
                command.carry_out(&mut self.world);
            }
            Event::Dies(effects, away) => {
                self.away = Some(away);
                self.world.doom(effects);
            }
            Event::DiesUntold(away) => {
                self.note("untold deaths");
                self.world.log.commit_next(usize::MAX);
                self.dies(away);
            }
        }
    }

    /// Somebody who talks says something.
    fn says(&mut self) {
        let act = says(&mut self.chance);
        let up = self.stations.iter_mut().flat_map(|station| &mut station.phones);
        let mut up: Vec<&mut Automaton> = up.filter(|automaton| automaton.stage == Stage::Up).collect();
        if !up.is_empty() {
            let speaker = self.chance.below(up.len() as u64) as usize;
            up[speaker].act(&mut self.world, act);
            self.note("said");
        }
    }

    /// Who has two calls asks in one that it be joined with the other.
    fn joins(&mut self) {
        for station in &mut self.stations {
            let is_up = |automaton: &Automaton| automaton.stage == Stage::Up;
            let mut up: Vec<usize> = (0..station.phones.len()).filter(|phone| is_up(&station.phones[*phone])).collect();
            if let (Some(asks), Some(other)) = (up.pop(), up.pop()) {
                let named = station.phones[other].phone.named();
                station.phones[asks].act(&mut self.world, joins(&named));
                return self.note("joins");
            }
        }
    }

    /// Somebody asks for the place of another, who is in a call or rings.
    fn replaces(&mut self, station: usize, errand: Errand) {
        let phones = self.stations.iter().flat_map(|station| &station.phones);
        let dialogs = phones.filter(|automaton| automaton.has_dialog()).map(|automaton| automaton.phone.named());
        let mut dialogs: Vec<String> = dialogs.collect();
        if !dialogs.is_empty() {
            let named = dialogs.swap_remove(self.chance.below(dialogs.len() as u64) as usize);
            self.stations[station].replace(&mut self.world, errand, named);
            self.note("replaces");
        }
    }

    /// The exchange is to be registered at its carrier no longer.
    fn leaves(&mut self) {
        let registrar = self.stations[plan::REGISTRAR].registrar.as_ref().unwrap();
        if uplink::leave(&mut self.world, registrar, self.trouble) {
            self.note("uplinked");
        }
    }

    fn commit(&mut self) {
        self.committing = false;
        let waiting = self.world.log.waiting();
        match self.weather.log {
            LogMood::Away => {
                (0..waiting).for_each(|_| self.world.log.fail_next(AppendError::Unavailable("it is away".into())));
            }
            LogMood::Unsure if self.chance.percent(4) => match self.chance.percent(50) {
                true => self.world.log.lose_next_answer(),
                false => self.world.log.fail_next(AppendError::Unknown(StreamName::new("session", 1))),
            },
            LogMood::Contested if self.chance.percent(4) => {
                let (stream, expected) = (StreamName::new("session", 1), Expected::NoStream);
                self.world.log.fail_next(AppendError::WrongRevision { stream, expected, actual: None });
            }
            LogMood::Quick | LogMood::Slow | LogMood::Unsure | LogMood::Contested => {
                if self.chance.percent(3) {
                    self.world.log.fail_next(AppendError::Unavailable("it hesitates".into()));
                }
            }
        }
        let appends = 1 + self.chance.below(4) as usize;
        self.world.commit(if self.weather.log == LogMood::Away { waiting } else { appends });
    }

    fn dies(&mut self, away: u64) {
        self.away = Some(away);
        self.world.kill();
    }

    fn notice_death(&mut self) {
        if self.world.is_dead() && !self.returning {
            self.note("deaths");
            self.returning = true;
            self.readers.iter_mut().for_each(Readers::die);
            let away = self.away.unwrap_or_default();
            self.lost |= away > TOO_LONG;
            self.after(away, Happening::Returns);
        }
        self.frozen |= self.world.exchange.census().frozen > 0;
    }

    fn returns(&mut self) {
        (self.away, self.returning) = (None, false);
        self.trouble = self.world.now().moment;
        for station in &mut self.stations {
            station.reconnect(&mut self.world);
        }
        self.world.come_back();
        self.world.examine();
    }

    /// Nobody who keeps his promises thinks that a call goes on, or thought so when it was over.
    fn check_agreement(&mut self) {
        let (lost, ladder) = (self.lost || self.frozen, &self.world.ladder);
        for station in &self.stations {
            for automaton in station.phones.iter().filter(|automaton| automaton.manners == Manners::Good) {
                let (up, call) = (automaton.stage == Stage::Up, automaton.phone.call_id());
                assert!(lost || !up, "{call} goes on for its phone alone\n{ladder}");
                let over = automaton.hung_up_on_nobody;
                assert!(lost || !over, "{call} was over, and its phone did not hear of it\n{ladder}");
            }
        }
        let phones = self.stations.iter().flat_map(|station| &station.phones);
        let over: Vec<_> = phones.filter(|automaton| automaton.ends_a_call || automaton.heard_bye).collect();
        *self.seen.entry("agreed").or_default() += over.len();
        let replaced = over.iter().filter(|automaton| automaton.replaces.is_some()).count();
        *self.seen.entry("replaced").or_default() += replaced;
    }
}

/// Whether the read models of this seed's exchange are looked at: in an ordinary run some, for it costs as much again.
fn has_readers(seed: u64) -> bool {
    seed.is_multiple_of(4) || std::env::var_os("STROWGER_SEEDS").is_some()
}

/// What is not SIP, or nearly.
fn garbage(chance: &mut Chance) -> Bytes {
    let begins: &[u8] = [&b"INVITE sip:x SIP/2.0\r\n"[..], b"SIP/2.0 200 OK\r\nVia: ", b""][chance.below(3) as usize];
    let random = (0..chance.below(200)).map(|_| chance.below(256) as u8);
    begins.iter().copied().chain(random).collect()
}
