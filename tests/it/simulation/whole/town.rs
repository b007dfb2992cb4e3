//! Everything around one exchange, and time.

mod befalls;
mod promises;

use super::super::automaton::{Act, Automaton};
use super::Seen;
use super::admissions::Admissions;
use super::carrier::Carrier;
use super::device::Registrant;
use super::operator::allow_transfers;
use super::plan::{self, Event};
use super::reach::Reaches;
use super::readers::Readers;
use super::registrar::Registrar;
use super::station::{By, Station};
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

/// What ended is asked about for so long: 64·T1, and what its own messages took.
const REMEMBERED: Duration = Duration::from_secs(36);

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
    "referred",
    "called back",
    "late calls",
    "replaced late",
    "erased",
    "erased while it ran",
    "changes",
    "found down",
    "known to be down",
    "known to be up again",
    "passed over",
    "users change",
    "turned away",
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
    reaches: Reaches,
    admissions: Admissions,
    /// Where it has some.
    readers: Option<Readers>,
    seen: Seen,
    /// What the exchange asks by this method never arrives.
    loses: Option<&'static str>,
    /// For how long nobody will be there after the death that is to come, or came and was not noticed yet.
    away: Option<u64>,
    returning: bool,
    /// Whether the process was away for longer than transactions last.
    lost: bool,
    /// Since when the log has been away.
    log_away: Option<Moment>,
    /// Whether it was for longer than transactions last: what was to be asked meanwhile timed out before it left.
    mute: bool,
    /// Whether a stream was frozen at some time.
    frozen: bool,
    /// Where the process dies before then it forgets what ended a moment ago: the keys of that are gone.
    forgets_until: Moment,
    /// The same of a call that runs.
    unknown: bool,
    /// From then on network and log are well.
    fair_from: Moment,
    /// When the process came back, or something was asked of it, the last time.
    trouble: Moment,
}

impl Town {
    pub(super) fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let mut world = World::new(seed);
        world.network = Some(Vec::new());
        world.settings_by_log();
        allow_transfers(&mut world);
        world.log.hold();
        let mut stations = plan::stations(&mut world, &mut chance);
        for (station, user, address) in plan::registrants() {
            let first = world.now().moment + Duration::from_millis(chance.below(5_000));
            stations[station].registrant = Some(Registrant::new(user, address, first, 1 + chance.below(4) as u32));
        }
        let moody_until = world.now().moment + Duration::from_millis(plan::BEGINS_WITHIN);
        stations[plan::REGISTRAR].registrar = Some(Registrar::new(Chance::new(seed ^ 0x7265_6769), moody_until));
        for station in plan::CARRIERS {
            stations[station].carrier = Some(Carrier::new(stations[station].address));
        }
        let readers = has_readers(seed).then(|| Readers::new(seed, &world));
        let mut town = Self {
            world,
            stations,
            weather: Weather::fair(),
            chance,
            queue: BTreeMap::new(),
            queued: 0,
            committing: false,
            witness: Witness::default(),
            reaches: Reaches::default(),
            admissions: Admissions::default(),
            readers,
            seen: Seen::new(),
            loses: None,
            away: None,
            returning: false,
            lost: false,
            log_away: None,
            mute: false,
            frozen: false,
            forgets_until: Moment::from_micros(0),
            unknown: false,
            fair_from: moody_until,
            trouble: Moment::from_micros(0),
        };
        for (millis, event) in plan::draw(&mut town.chance) {
            town.after(millis, Happening::Event(event));
        }
        town
    }

    /// What the exchange asks by this method never arrives: for sabotage.
    pub(super) fn losing(self, method: &'static str) -> Self {
        Self { loses: Some(method), ..self }
    }

    /// No registration of the exchange is granted: for sabotage.
    pub(super) fn refusing_registrations(mut self) -> Self {
        self.stations[plan::REGISTRAR].registrar.as_mut().unwrap().refuses = true;
        self
    }

    /// Its routing tables overlook how trunks change: for sabotage.
    pub(super) fn overlooking_trunks(mut self) -> Self {
        self.world.overlook_trunks();
        self
    }

    /// Its routing tables overlook how users change, and nobody compares them with the log: for sabotage.
    pub(super) fn overlooking_users(mut self) -> Self {
        self.world.overlook_users();
        self
    }

    /// Its read models, which a seed alone may not have, are changed: for sabotage.
    pub(super) fn reading(self, seed: u64, change: impl FnOnce(Readers, &MemoryLog) -> Readers) -> Self {
        let readers = Some(change(Readers::new(seed, &self.world), &self.world.log));
        Self { readers, ..self }
    }

    /// Lives until nobody has anything left to say, and tells what was.
    pub(super) fn live(mut self) -> Story {
        self.run();
        self.weather = Weather::fair();
        if self.world.has_frozen() {
            self.note("frozen");
        }
        // What another writer took, or nobody knows the end of, is known again after the next start; what was to be erased
        // and could not be written down is gone then.
        while self.world.has_frozen() || self.world.has_open_erasures() {
            self.dies(0);
            self.notice_death();
            self.run();
        }
        self.world.log.release();
        self.world.settle();
        self.witness.see(self.world.sent(), self.lost || self.frozen, &self.world.ladder);
        self.world.assert_nothing_left();
        self.world.assert_uplinks_ended();
        self.world.assert_nothing_sealed_anew();
        self.world.assert_tables();
        assert_eq!(self.world.open_registrations(), 0, "bindings never end\n{}", self.world.ladder);
        self.check_agreement();
        self.check_routes();
        if let Some(readers) = &mut self.readers {
            readers.end(&self.world.ladder);
            self.note("read");
        }
        let registered = self.stations.iter().filter_map(|station| station.registrant.as_ref());
        let registered = registered.map(|registrant| registrant.registered).sum();
        self.seen.insert("registered", registered);
        let transfers = self.world.ladder.matches("202 (").count();
        self.seen.extend([("transfers", transfers), ("turned away", self.admissions.turned_away)]);
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
            self.reaches.look(&self.world);
            self.admissions.see(&self.world, &self.stations);
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
        self.world.assert_tables();
        self.world.assert_standings();
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
                    if self.loses.is_some_and(|method| bytes.starts_with(method.as_bytes())) {
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

    fn commit(&mut self) {
        self.committing = false;
        let waiting = self.world.log.waiting();
        let (now, away) = (self.world.now().moment, self.weather.log == LogMood::Away);
        self.log_away = away.then(|| self.log_away.unwrap_or(now));
        self.mute |= self.log_away.is_some_and(|since| now.since(since) > Duration::from_millis(TOO_LONG));
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
            self.lost |= away > TOO_LONG || self.unknown || self.world.now().moment < self.forgets_until;
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
        self.world.assert_tables();
    }
}

/// Whether the read models of this seed's exchange are looked at: in an ordinary run some, for it costs as much again.
fn has_readers(seed: u64) -> bool {
    seed.is_multiple_of(4) || std::env::var_os("STROWGER_SEEDS").is_some()
}
