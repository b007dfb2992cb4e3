//! What is to happen in a run, as its seed draws it.

use super::super::automaton::Errand;
use super::carrier::Doing;
use super::operator::Command;
use super::reach::Watching;
use super::station::{By, Station};
use super::uplink::Uplink;
use super::users::UserChange;
use super::weather::Weather;
use tests::world::{
    CARRIER, CARRIER_TCP, Chance, DEVICES, EXCHANGE, NUMBER, NUMBER_TCP, OUT, PBX, PBX_TCP, PUBLIC, USERS, World,
};

/// Within so many milliseconds everything begins that is planned.
pub(super) const BEGINS_WITHIN: u64 = 60_000;

/// Where the exchange is registered somewhere, it stays so for so many milliseconds at least.
const LEAVES_AFTER: u64 = 240_000;

/// Where carriers are looked after, they are so for so many milliseconds at least.
const WATCHED_FOR: u64 = 600_000;

/// The station at which it registers.
pub(super) const REGISTRAR: usize = 4;

/// The stations of carriers for calls out, in the order of [`OUT`].
pub(super) const CARRIERS: [usize; 2] = [4, 5];

/// Calls: from which station, and what for.
const CALLS: [(usize, Errand); 8] = [
    (0, Errand { to: NUMBER, user: None }),
    (0, Errand { to: NUMBER_TCP, user: None }),
    (1, Errand { to: NUMBER, user: None }),
    (1, Errand { to: NUMBER_TCP, user: None }),
    (2, Errand { to: "+12025550199", user: None }),
    (6, Errand { to: "sip:bob@pbx.example", user: Some(("alice@pbx.example", ("alice", "alice-secret"))) }),
    (7, Errand { to: "sip:alice@pbx.example", user: Some(("bob@pbx.example", ("bob", "bob-secret"))) }),
    (7, Errand { to: "sip:nobody@pbx.example", user: Some(("bob@pbx.example", ("bob", "bob-wrong"))) }),
];

/// What users say to each other, and as whom.
pub(super) const TEXTS: [Errand; 2] = [CALLS[5].1, CALLS[6].1];

/// Calls that somebody asks for by REFER: from which station, between itself and whom.
const REFERRALS: [(usize, Errand); 7] = [
    CALLS[5],
    CALLS[6],
    (6, Errand { to: "sip:+15550001111@pbx.example", ..CALLS[5].1 }),
    (7, Errand { to: "sip:bob@pbx.example", ..CALLS[6].1 }),
    (2, Errand { to: "sip:+12025550199@exchange.example", user: None }),
    (2, Errand { to: "sip:+15550007777@exchange.example", user: None }),
    (2, Errand { to: "sip:alice@pbx.example", user: None }),
];

/// Everything that may happen of itself.
#[derive(Debug, Clone, Copy)]
pub(super) enum Event {
    /// A station calls, with an offer or without.
    Call { station: usize, errand: Errand, late: bool },
    /// It changes.
    Weather(Weather),
    /// The process dies, after so many more effects, and is away for so many milliseconds.
    Dies(usize, u64),
    /// The process dies when the log has committed and nobody knows yet.
    DiesUntold(u64),
    /// Somebody asks the API.
    Operator(Command),
    /// Somebody asks it to change settings.
    Changes(Command),
    /// A station's connection breaks.
    Breaks(usize),
    /// Somebody in a call says something.
    Says,
    /// Who has two calls asks that their other parties be joined.
    Joins,
    /// A user says something to the other outside any call.
    Text(usize),
    /// What is not SIP comes from somewhere.
    Garbage(usize),
    /// A station asks for the place of somebody in a call: it picks up, or takes over; with an offer or without.
    Replaces { station: usize, errand: Errand, late: bool },
    /// A station asks by REFER for a call, outside any.
    Refers(usize, Errand),
    /// A trunk's settings ask that the exchange registers there.
    Uplink(Uplink),
    /// They ask for it no more.
    Leaves,
    /// Carriers for calls out are looked after so.
    Watches(Watching),
    /// One of them is so from now on.
    Does(usize, Doing),
    /// They are looked after no more.
    Unwatches,
    /// Somebody asks the API to change a domain and its users.
    Users(UserChange),
    /// A user's device is told which of two passwords it has.
    Learns { user: usize, second: bool },
    /// What is personal in the stream of a call, MESSAGE or address that is over is to go, or in `all` of them; now and then
    /// also in that of a call that runs, which the API refuses.
    Erases { all: bool, runs: bool },
}

/// All stations: two carriers, two PBXs, two carriers for calls out, two devices.
pub(super) fn stations(world: &mut World, chance: &mut Chance) -> Vec<Station> {
    [
        ((CARRIER, EXCHANGE), By::Udp),
        ((CARRIER_TCP, EXCHANGE), By::Opened(41_000)),
        ((PBX, PUBLIC), By::Udp),
        ((PBX_TCP, EXCHANGE), By::Accepted),
        ((OUT[0], PUBLIC), By::Udp),
        ((OUT[1], PUBLIC), By::Udp),
        ((DEVICES[0], PUBLIC), By::Udp),
        ((DEVICES[1], PUBLIC), By::Udp),
    ]
    .map(|(addresses, by)| Station::new(world, addresses, by, chance.draw()))
    .into()
}

/// The stations of [`USERS`].
pub(super) fn registrants() -> impl Iterator<Item = (usize, &'static str, &'static str)> {
    (6..).zip(USERS).zip(DEVICES).map(|((station, user), address)| (station, user, address))
}

/// What is planned so far.
struct Plan<'c> {
    chance: &'c mut Chance,
    all: Vec<(u64, Event)>,
}

impl Plan<'_> {
    /// Up to so many of a kind, at any time.
    fn some(&mut self, most: u64, event: impl Fn(&mut Chance) -> Event) {
        for _ in 0..self.chance.below(most + 1) {
            let at = self.chance.below(BEGINS_WITHIN);
            self.all.push((at, event(self.chance)));
        }
    }
}

/// What happens when, in milliseconds from the beginning.
pub(super) fn draw(chance: &mut Chance) -> Vec<(u64, Event)> {
    let all = vec![(0, Event::Weather(Weather::draw(chance)))];
    let mut plan = Plan { chance, all };
    plan.some(4, |chance| Event::Weather(Weather::draw(chance)));
    plan.some(10, |chance| {
        let (station, errand) = one_of(chance, &CALLS);
        Event::Call { station, errand, late: false }
    });
    plan.some(3, |chance| Event::Dies(chance.below(8) as usize, away(chance)));
    plan.some(1, |chance| Event::DiesUntold(away(chance)));
    plan.some(2, |chance| Event::Operator(Command::draw(chance)));
    plan.some(2, |chance| Event::Breaks([1, 3][chance.below(2) as usize]));
    plan.some(16, |_| Event::Says);
    plan.some(6, |_| Event::Joins);
    plan.some(3, |chance| Event::Text(chance.below(2) as usize));
    plan.some(3, |chance| Event::Garbage(chance.below(8) as usize));
    // What was added later is drawn last: seeds draw what they drew.
    plan.some(8, |chance| {
        let (station, errand) = one_of(chance, &CALLS[..7]);
        Event::Replaces { station, errand, late: false }
    });
    if plan.chance.percent(40) {
        plan.some(1, |chance| Event::Uplink(Uplink::draw(chance)));
        let Plan { chance, all } = &mut plan;
        all.push((chance.below(20_000), Event::Uplink(Uplink::draw(chance))));
        all.push((LEAVES_AFTER + chance.below(120_000), Event::Leaves));
    }
    plan.some(4, |chance| {
        let (station, errand) = one_of(chance, &REFERRALS);
        Event::Refers(station, errand)
    });
    plan.some(4, |chance| {
        let (station, errand) = one_of(chance, &CALLS[..7]);
        Event::Replaces { station, errand, late: true }
    });
    plan.some(2, |chance| {
        let (station, errand) = one_of(chance, &CALLS);
        Event::Call { station, errand, late: true }
    });
    if plan.chance.percent(40) {
        let Plan { chance, all } = &mut plan;
        for _ in 0..1 + chance.below(3) {
            let (at, erases) =
                (15_000 + chance.below(150_000), Event::Erases { all: chance.percent(30), runs: chance.percent(15) });
            all.push((at, erases));
        }
        all.push((20_000 + chance.below(160_000), Event::Dies(chance.below(8) as usize, away(chance))));
    }
    plan.some(4, |chance| Event::Changes(Command::draw_change(chance)));
    if plan.chance.percent(25) {
        let Plan { chance, all } = &mut plan;
        let at = chance.below(30_000);
        all.push((at, Event::Changes(Command::MoveAddress { back: false })));
        all.push((at + 5_000 + chance.below(25_000), Event::Changes(Command::MoveAddress { back: true })));
    }
    carriers_fail(&mut plan);
    users_change(&mut plan);
    // A log that stays away keeps everybody for ever.
    plan.all.push((BEGINS_WITHIN, Event::Weather(Weather::fair())));
    plan.all
}

/// Carriers for calls out that are looked after are down for a while, and calls go out meanwhile.
fn carriers_fail(plan: &mut Plan<'_>) {
    if !plan.chance.percent(40) {
        return;
    }
    plan.some(1, |chance| Event::Watches(Watching::draw(chance)));
    let Plan { chance, all } = plan;
    all.push((chance.below(5_000), Event::Watches(Watching::draw(chance))));
    for _ in 0..1 + chance.below(3) {
        let (at, place) = (chance.below(BEGINS_WITHIN), chance.below(2) as usize);
        all.push((at, Event::Does(place, Doing::draw(chance))));
        all.push((at + 10_000 + chance.below(290_000), Event::Does(place, Doing::Well)));
    }
    for _ in 0..chance.below(8) {
        let at = 10_000 + chance.below(250_000);
        let (station, errand) = one_of(chance, &[CALLS[4], REFERRALS[4]]);
        let refers = chance.percent(25);
        all.push((
            at,
            if refers { Event::Refers(station, errand) } else { Event::Call { station, errand, late: false } },
        ));
    }
    all.push((WATCHED_FOR + chance.below(300_000), Event::Unwatches));
}

/// Domain and users change while devices register, refresh and call; a device learns of its password before or after.
fn users_change(plan: &mut Plan<'_>) {
    if !plan.chance.percent(40) {
        return;
    }
    let Plan { chance, all } = plan;
    for _ in 0..1 + chance.below(4) {
        let (at, change) = (chance.below(2 * BEGINS_WITHIN), UserChange::draw(chance));
        all.push((at, Event::Users(change)));
        all.extend(change.undone().map(|undone| (at + chance.below(BEGINS_WITHIN), Event::Users(undone))));
        if let UserChange::Password { user, second } = change {
            all.push((at.saturating_sub(2_000) + chance.below(30_000), Event::Learns { user, second }));
        }
    }
}

fn one_of<T: Copy>(chance: &mut Chance, all: &[T]) -> T {
    all[chance.below(all.len() as u64) as usize]
}

/// For how many milliseconds there is no process: mostly a moment, now and then longer than a transaction lasts.
const fn away(chance: &mut Chance) -> u64 {
    match chance.below(10) {
        0..=5 => chance.below(300),
        6..=8 => chance.below(5_000),
        _ => chance.below(50_000),
    }
}
