//! Calls of well-behaved phones over a network that loses, doubles and reorders, before a log that is slow and fails.

use super::automaton::{Act, Automaton};
use bytes::Bytes;
use domain::log::AppendError;
use domain::time::Moment;
use std::collections::BTreeMap;
use std::time::Duration;
use tests::world::{CARRIER, Chance, PBX, Packet, World};

enum Happening {
    ToExchange(Packet),
    ToPhone(usize, Bytes),
    Act(usize, Act),
    Commit,
}

struct Storm {
    world: World,
    phones: [Automaton; 2],
    chance: Chance,
    queue: BTreeMap<(Moment, u64), Happening>,
    queued: u64,
    committing: bool,
    loss: u64,
}

impl Storm {
    fn new(seed: u64) -> Self {
        let mut world = World::new(seed);
        world.network = Some(Vec::new());
        world.log.hold();
        let mut chance = Chance::new(seed);
        let talks = if chance.percent(20) { 95_000 } else { 6_000 };
        let phones = [CARRIER, PBX].map(|address| Automaton::new(world.phone(address), chance.draw(), talks));
        let loss = chance.below(30);
        let mut storm = Self { world, phones, chance, queue: BTreeMap::new(), queued: 0, committing: false, loss };
        storm.after(0, Happening::Act(0, Act::Call));
        if storm.chance.percent(25) {
            let at = storm.chance.below(10_000);
            storm.after(at, Happening::Act(0, Act::Cancel));
        }
        storm
    }

    fn after(&mut self, millis: u64, happening: Happening) {
        self.queued += 1;
        let at = self.world.now().moment + Duration::from_millis(millis);
        self.queue.insert((at, self.queued), happening);
    }

    /// One packet's ways: none, one or two, each with a delay of its own.
    fn delays(&mut self) -> Vec<u64> {
        let copies = if self.chance.percent(self.loss) { 0 } else { 1 + u64::from(self.chance.percent(10)) };
        let delay = |chance: &mut Chance| if chance.percent(10) { chance.below(900) } else { chance.below(40) };
        (0..copies).map(|_| delay(&mut self.chance)).collect()
    }

    /// What was said goes on its way.
    fn collect(&mut self) {
        for packet in std::mem::take(self.world.network.as_mut().unwrap()) {
            for delay in self.delays() {
                self.after(delay, Happening::ToExchange(packet.clone()));
            }
        }
        for index in 0..2 {
            while let Some(bytes) = self.world.next_for(self.phones[index].phone.address) {
                for delay in self.delays() {
                    self.after(delay, Happening::ToPhone(index, bytes.clone()));
                }
            }
            for (millis, act) in std::mem::take(&mut self.phones[index].plans) {
                self.after(millis, Happening::Act(index, act));
            }
        }
        if !self.committing && self.world.log.waiting() > 0 {
            self.committing = true;
            let delay = self.chance.below(60);
            self.after(delay, Happening::Commit);
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::ToExchange(packet) => self.world.deliver(packet),
            Happening::ToPhone(index, bytes) => self.phones[index].hear(&mut self.world, bytes),
            Happening::Act(index, act) => self.phones[index].act(&mut self.world, act),
            Happening::Commit => {
                self.committing = false;
                if self.chance.percent(10) {
                    self.world.log.fail_next(AppendError::Unavailable("it is away".into()));
                }
                let appends = 1 + self.chance.below(3) as usize;
                self.world.commit(appends);
            }
        }
    }

    /// Runs until nobody has anything left to say.
    fn run(&mut self) {
        for step in 0..20_000 {
            self.collect();
            let queued = self.queue.first_key_value().map(|((at, _), _)| *at);
            let repeats = self.phones.iter().filter_map(Automaton::next).min();
            let Some(next) = [queued, repeats, self.world.exchange.next_wake()].into_iter().flatten().min() else {
                return;
            };
            self.world.pass(next.max(self.world.now().moment).since(self.world.now().moment));
            self.phones.iter_mut().for_each(|phone| phone.wake(&mut self.world));
            if queued == Some(next)
                && let Some((_, happening)) = self.queue.pop_first()
            {
                self.happen(happening);
            }
            if step % 16 == 0 {
                self.world.examine();
            }
        }
        panic!("the storm never ends\n{}", self.world.ladder);
    }
}

#[test]
fn calls_survive_loss_doubling_reordering_and_a_slow_log() {
    let seeds = if std::env::var_os("STROWGER_LONG_TESTS").is_some() { 2_000 } else { 600 };
    let (mut ends, mut pracks, mut refreshes) = (BTreeMap::new(), [0, 0], [0, 0]);
    for seed in 1..=seeds {
        let end = std::panic::catch_unwind(|| {
            let mut storm = Storm::new(seed);
            storm.run();
            storm.world.log.release();
            storm.world.settle();
            storm.world.examine();
            storm.world.assert_nothing_left();
            let acknowledged = ["carrier <- 200 (2 PRACK)", "pbx -> 200 (2 PRACK)"];
            let refreshed = ["<- UPDATE", "carrier <- INVITE"];
            let has = |line: &str| usize::from(storm.world.ladder.contains(line));
            (storm.world.ended().cause, acknowledged.map(has), refreshed.map(has))
        });
        let (end, acknowledged, refreshed) = end.unwrap_or_else(|_| panic!("seed {seed}: see above"));
        pracks = [0, 1].map(|side| pracks[side] + acknowledged[side]);
        refreshes = [0, 1].map(|way| refreshes[way] + refreshed[way]);
        *ends.entry(format!("{end:?}")).or_insert(0) += 1;
    }
    for end in ["Completed", "Cancelled", "Busy", "NoAnswer", "Failed"] {
        assert!(ends.contains_key(end), "the storms never end as {end}: {ends:?}");
    }
    assert!(pracks.iter().all(|pracks| *pracks > 60), "hardly a PRACK in all the storms: {pracks:?}");
    assert!(refreshes.iter().all(|refreshes| *refreshes > 6), "hardly a refresh in all the storms: {refreshes:?}");
    println!("{ends:?} {pracks:?} {refreshes:?}");
}
