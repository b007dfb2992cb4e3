//! Carriers for calls out that are looked after, and what must hold of that: one that is known to be down gets no call
//! while another is there, one that is not is never passed over for it, and what a carrier does is known after a while.

use super::carrier::Carrier;
use super::operator::change;
use domain::address::Transport;
use domain::codec::personal::Personal;
use domain::ids::TrunkId;
use domain::media::MediaSource;
use domain::session::event::{PassedOver, RouteChosen, Target};
use domain::time::{Moment, WallTime};
use domain::trunk::{HealthRule, TrunkHealth, TrunkPatch};
use std::time::Duration;
use tests::world::{Chance, OUT, PUBLIC, World};

/// The trunks, in the order of [`tests::world::OUT`].
pub(super) const TRUNKS: [u128; 2] = [3, 4];
/// What is asked waits so long for an answer: 64·T1.
const UNANSWERED: Duration = Duration::from_secs(33);
/// Until then calls may say that a carrier is there which has gone since: as long as phones ring, and a little more.
const RINGS: Duration = Duration::from_secs(60);
/// Between two pings of one that is down there is no more, and what it asked for besides.
const LONGEST: Duration = Duration::from_secs(300 + 60);

/// How carriers are looked after.
#[derive(Debug, Clone, Copy)]
pub(super) struct Watching {
    rule: HealthRule,
    interval: u16,
    failures: u32,
}

impl Watching {
    pub(super) const OFF: Self = Self { rule: HealthRule::Off, interval: 30, failures: 3 };

    pub(super) const fn draw(chance: &mut Chance) -> Self {
        let rule = if chance.percent(70) { HealthRule::Options } else { HealthRule::Failures };
        Self { rule, interval: 5 + chance.below(26) as u16, failures: 1 + chance.below(2) as u32 }
    }

    /// From here on the settings ask for it.
    pub(super) fn begin(self, world: &mut World) {
        let Self { rule, interval, failures } = self;
        for trunk in TRUNKS {
            let patch = TrunkPatch {
                health: Some(rule),
                health_interval: Some(interval),
                health_failures: Some(failures),
                ..TrunkPatch::default()
            };
            change(world, trunk, patch);
        }
    }
}

/// What a carrier does is known, where it is pinged and nothing else happened for long enough. Answers whether it is down,
/// where that had to be known.
#[track_caller]
pub(super) fn assert_known(world: &World, place: usize, carrier: &Carrier, trouble: Moment) -> Option<bool> {
    let trunk = TrunkId::from_bits(TRUNKS[place]);
    let row = world.exchange.tables().trunk(trunk).filter(|row| row.settings.enabled)?;
    let TrunkHealth { rule, interval, failures } = row.settings.health;
    if rule != HealthRule::Options || world.is_dead() || world.exchange.census().frozen > 0 {
        return None;
    }
    let since = trouble.max(carrier.since).max(world.settings_changed());
    let interval = Duration::from_secs(u64::from(interval));
    let within = match carrier.doing.is_down() {
        true => RINGS + (interval + UNANSWERED) * failures,
        false => RINGS + LONGEST.max(interval) + UNANSWERED,
    };
    let (down, known) = (world.exchange.is_down(trunk), world.now().moment.since(since) >= within);
    let doing = carrier.doing;
    assert!(!known || down == doing.is_down(), "trunk {place} is {doing:?}, and down: {down}\n{}", world.ladder);
    known.then_some(down)
}

/// Which of the trunks were down, from when on.
#[derive(Default)]
pub(super) struct Reaches([Vec<(WallTime, bool)>; 2]);

impl Reaches {
    /// Takes in what the exchange knows now.
    pub(super) fn look(&mut self, world: &World) {
        for (known, trunk) in self.0.iter_mut().zip(TRUNKS) {
            let down = world.exchange.is_down(TrunkId::from_bits(trunk));
            if known.last().map_or(down, |(_, before)| *before != down) {
                known.push((world.now().wall, down));
            }
        }
    }

    /// Whether a trunk was down between two moments; nothing where that changed then.
    fn was_down(&self, trunk: TrunkId, [since, at]: [WallTime; 2]) -> Option<bool> {
        let place = TRUNKS.iter().position(|known| TrunkId::from_bits(*known) == trunk);
        let Some(place) = place else { return Some(false) };
        let changes = &self.0[place];
        let changed = changes.iter().any(|(when, _)| (since..=at).contains(when));
        let last = changes.iter().rev().find(|(when, _)| *when < since);
        (!changed).then(|| last.is_some_and(|(_, down)| *down))
    }

    /// How often a trunk was found down.
    pub(super) fn downs(&self) -> usize {
        self.0.iter().flatten().filter(|(_, down)| *down).count()
    }

    /// What is wrong with a route that was decided between these moments.
    pub(super) fn objection(&self, at: [WallTime; 2], route: &RouteChosen) -> Option<String> {
        let targets = route.targets.known().map_or(&[][..], Vec::as_slice);
        let trunks = || targets.iter().filter_map(|target| target.trunk);
        let is = |trunk: TrunkId, down| self.was_down(trunk, at) == Some(down);
        if let Some(down) = trunks().find(|trunk| is(*trunk, true))
            && let Some(up) = trunks().find(|trunk| is(*trunk, false))
        {
            return Some(format!("{down} is known to be down, and is called beside {up}, which is not"));
        }
        let over = route.passed_over.iter().find(|over| &*over.reason == "it is down" && is(over.trunk, false));
        over.map(|over| format!("{} is passed over, and is not down", over.trunk))
    }
}

/// What is said of a route between the trunks 3 and 4, or by one of them past the other, where 3 is down from second 10 to 20.
fn said_of(at: [i64; 2], called: &[u128], passed_over: &[u128]) -> Option<String> {
    let at = at.map(|second| WallTime::from_micros(second * 1_000_000));
    let downs = [(10, true), (20, false)].map(|(second, down)| (WallTime::from_micros(second * 1_000_000), down));
    let target = |trunk: &u128| Target {
        uri: String::new(),
        to: String::new(),
        local: PUBLIC.parse().unwrap(),
        destination: OUT[0].parse().unwrap(),
        transport: Transport::Udp,
        large_by_tcp: None,
        trunk: Some(TrunkId::from_bits(*trunk)),
        media_source: MediaSource::Sdp,
        ring_timeout: 20,
        group: 0,
        spare: false,
        routes: vec![],
        binding: None,
    };
    let over = |trunk: &u128| PassedOver { trunk: TrunkId::from_bits(*trunk), reason: "it is down".into() };
    let route = RouteChosen {
        rule: "carrier-by-prefix".into(),
        rule_version: 0,
        number: None,
        reason: "".into(),
        asked_by: None,
        passed_over: passed_over.iter().map(over).collect(),
        targets: Personal::Known(called.iter().map(target).collect()),
    };
    Reaches([downs.into(), vec![]]).objection(at, &route)
}

#[test]
fn a_call_to_who_is_down_beside_who_is_not_is_noticed() {
    assert!(said_of([15, 15], &[3, 4], &[]).unwrap().contains("is known to be down, and is called beside"));
    assert!(said_of([12, 15], &[3, 5], &[]).unwrap().contains("is known to be down, and is called beside"));
    assert_eq!(said_of([15, 15], &[4], &[3]), None);
    assert_eq!(said_of([15, 15], &[3], &[]), None, "there is no other");
}

#[test]
fn who_is_passed_over_and_is_not_down_is_noticed() {
    assert!(said_of([25, 25], &[4], &[3]).unwrap().contains("is passed over, and is not down"));
    assert!(said_of([5, 5], &[3], &[4]).unwrap().contains("is passed over, and is not down"));
}

#[test]
fn what_changed_while_a_route_was_decided_is_right_either_way() {
    for at in [[10, 10], [20, 20], [15, 22], [5, 12]] {
        assert_eq!((said_of(at, &[3, 4], &[]), said_of(at, &[4], &[3])), (None, None), "{at:?}");
    }
}
