//! Messages made worse, by the thousand, against everything that reads messages and against an exchange with a call in
//! every state. Seeded: a failure says its seed and repeats.

mod corpus;
mod mutate;
mod sequences;
mod views;

use bytes::Bytes;
use domain::exchange::Census;
use std::net::SocketAddr;
use tests::world::{Chance, EXCHANGE, PUBLIC, Packet, World};

/// A message, and whence it came to which listener.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    local: SocketAddr,
    from: SocketAddr,
    bytes: Bytes,
}

/// Messages that one world gets before it must be able to forget them all.
const BATCH: u64 = 250;

/// Somebody of whom no table speaks.
const STRANGER: &str = "192.0.2.77:5060";

/// How many messages: `STROWGER_MUTATIONS`, else what takes some ten seconds unoptimised.
fn mutations() -> u64 {
    let said = std::env::var("STROWGER_MUTATIONS").ok();
    said.map_or(10_000, |said| said.parse().expect("STROWGER_MUTATIONS is a number"))
}

/// Says which message it was that a check failed at.
struct Culprit<'a>(u64, &'a [u8]);

impl Drop for Culprit<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed {}: {:?}", self.0, String::from_utf8_lossy(self.1));
        }
    }
}

#[test]
fn whatever_arrives_can_be_read_or_refused() {
    let samples = corpus::samples();
    let mut good = 0;
    for seed in 0..mutations() {
        let mut chance = Chance::new(seed);
        let sample = &samples[usize::try_from(seed).unwrap() % samples.len()];
        let bytes = mutate::mutated(&mut chance, &samples, sample);
        let culprit = Culprit(seed, &bytes);
        good += u64::from(views::read(culprit.1));
    }
    let share = good * 100 / mutations().max(1);
    assert!((5..80).contains(&share), "{share} % pass the checks: too wild or too tame to show anything");
}

/// Nobody can make memory grow by more than his messages: a session and its two legs for an INVITE, a transaction for
/// a request and what we send on for it.
fn assert_bounded(before: Census, after: Census, messages: u64) {
    let grown = |now: usize, then: usize| u64::try_from(now.saturating_sub(then)).unwrap();
    assert!(grown(after.sessions, before.sessions) <= messages, "{before:?} {after:?}");
    assert!(grown(after.legs, before.legs) <= 3 * messages, "{before:?} {after:?}");
    assert!(grown(after.transactions, before.transactions) <= 5 * messages, "{before:?} {after:?}");
    assert!(grown(after.timers, before.timers) <= 10 * messages, "{before:?} {after:?}");
    assert_eq!(after.frozen, 0);
}

#[test]
fn whatever_arrives_an_exchange_with_calls_goes_on_and_forgets_it() {
    let samples = corpus::samples();
    let stranger: SocketAddr = STRANGER.parse().unwrap();
    let (mut begun, mut heard, mut answered) = (0, 0, 0);
    for batch in 0..mutations() / 2 / BATCH {
        let mut world = corpus::busy_world();
        let (before, events) = (world.exchange.census(), world.watch.events().count());
        for seed in batch * BATCH..(batch + 1) * BATCH {
            let mut chance = Chance::new(!seed);
            let at = usize::try_from(chance.below(samples.len() as u64)).unwrap();
            let (sample, other) = (&samples[at], &samples[samples.len() - 1 - at]);
            let from = [sample.from, sample.from, sample.from, other.from, stranger][(seed % 5) as usize];
            let bytes = Bytes::from(mutate::mutated(&mut chance, &samples, sample));
            let culprit = Culprit(seed, &bytes);
            world.deliver(Packet { local: sample.local, from, bytes: bytes.clone() });
            if chance.percent(5) {
                world.pass(std::time::Duration::from_millis(chance.below(2_000)));
            }
            drop(culprit);
        }
        let after = world.exchange.census();
        assert_bounded(before, after, BATCH);
        // What the log says is what memory holds.
        world.examine();
        begun += after.sessions.saturating_sub(before.sessions);
        let culprit = Culprit(batch * BATCH, b"the whole batch");
        heard += world.watch.events().count() - events;
        answered += world.watch.stateless;
        world.release_all();
        world.assert_nothing_left();
        drop(culprit);
    }
    // Had the mutations become so wild or tame that one outcome vanished, this test would show nothing.
    let messages = usize::try_from(mutations() / 2 / BATCH * BATCH).unwrap();
    let enough = begun > messages / 50 && heard > messages / 5 && answered > messages / 10;
    assert!(enough, "{begun} sessions, {heard} events, {answered} stateless answers to {messages} messages");
}

/// Bytes of this process in memory: what allocators keep is in it.
fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4_096
}

/// Events of the log that strangers alone may cause.
fn assert_only_summaries(world: &World) {
    assert_eq!(world.watch.events().count(), 0);
    assert_eq!(world.registered().len(), 0);
    assert!(world.streams().iter().all(|stream| stream.category() == "edge"), "{:?}", world.streams());
}

#[test]
fn strangers_make_no_event_but_summaries_and_no_memory_grow_however_much_they_say() {
    let samples = corpus::samples();
    let messages = mutations() / 2;
    let mut world = World::new(5_000_000);
    let mut settled = None;
    for seed in 0..messages {
        let mut chance = Chance::new(seed ^ 0x0a11_0000_0000);
        let sample = &samples[usize::try_from(chance.below(samples.len() as u64)).unwrap()];
        let bytes = Bytes::from(mutate::mutated(&mut chance, &samples, sample));
        let culprit = Culprit(seed, &bytes);
        let host = std::net::Ipv4Addr::from_bits(0x0b00_0000 + u32::try_from(chance.below(200_000)).unwrap());
        let local = [EXCHANGE, PUBLIC][(seed % 2) as usize].parse().unwrap();
        world.exchange_hears(Packet { local, from: (host, 5060).into(), bytes: bytes.clone() });
        drop(culprit);
        if seed % 1_000 == 0 {
            world.pass(std::time::Duration::from_secs(1));
        }
        if seed == messages / 2 {
            settled = Some(resident());
        }
    }
    let census = world.exchange.census();
    assert_eq!(Census { stateless_total: 0, ..census }, Census::default());
    assert_eq!(census.stateless_total, messages, "everything is counted");
    world.assert_nothing_left();
    assert_only_summaries(&world);
    // The sources are remembered at half time: another half of a million messages adds next to nothing. Tests beside this
    // one take memory too, for a while.
    let grown = resident().saturating_sub(settled.unwrap_or_default());
    assert!(grown < 64 << 20, "{grown} bytes more than at half time");
}

#[test]
fn a_stranger_gets_one_answer_at_most_and_leaves_nothing_but_a_count() {
    let samples = corpus::samples();
    let stranger: SocketAddr = STRANGER.parse().unwrap();
    let mut answers = 0;
    for batch in 0..mutations() / 2 / BATCH {
        // Of another seed: no tag or branch of the samples is one of its.
        let mut world = World::new(1_000 + batch);
        for seed in batch * BATCH..(batch + 1) * BATCH {
            let mut chance = Chance::new(seed ^ 0x5eed_0000_0000);
            let sample = &samples[usize::try_from(chance.below(samples.len() as u64)).unwrap()];
            let bytes = Bytes::from(mutate::mutated(&mut chance, &samples, sample));
            let culprit = Culprit(seed, &bytes);
            let local = [EXCHANGE, PUBLIC][(seed % 2) as usize].parse().unwrap();
            let sent = world.sent().len();
            world.deliver(Packet { local, from: stranger, bytes: bytes.clone() });
            let new = &world.sent()[sent..];
            assert!(new.len() <= 1);
            for (flow, answer) in new {
                assert_eq!(flow.remote.ip(), stranger.ip(), "nobody else is bothered");
                // A challenge names two algorithms; nothing an answer holds beyond that grows with the request.
                assert!(answer.len() <= bytes.len() + 600, "{} bytes for {}", answer.len(), bytes.len());
                answers += 1;
            }
            drop(culprit);
        }
        let census = world.exchange.census();
        assert_eq!(Census { stateless_total: 0, ..census }, Census::default());
        assert_eq!(census.stateless_total, BATCH, "everything is counted");
        assert_eq!(world.watch.events().count(), 0);
        world.assert_nothing_left();
    }
    assert!(answers > 0);
}
