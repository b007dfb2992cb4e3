//! Calls and MESSAGEs that a start cannot take up as they were: their streams end, and who can be told is told.

use crate::ladder::{answered, hang_up};
use domain::codec::seal::{KeyRef, SealKey};
use domain::exchange::Histories;
use domain::log::{Append, Life, Recorded};
use domain::pager::PagerEvent;
use domain::ports::Keyring;
use tests::world::{PBX, PUBLIC, SeedMint, World};

/// Keys that were erased.
struct NoKeys;

impl Keyring for NoKeys {
    fn key(&self, _: KeyRef) -> Option<SealKey> {
        None
    }
}

/// A world in which a PBX has said something to a carrier, and the stream of that while nobody has answered.
fn on_its_way() -> (World, Vec<Recorded>) {
    let mut world = World::default();
    let mut pbx = world.phone(PBX);
    pbx.exchange = PUBLIC.parse().unwrap();
    pbx.text(&mut world, "desk@pbx.example", "sip:+12025550199@192.0.2.1", ("", "hello"));
    let name = world.streams().into_iter().find(|stream| stream.category() == PagerEvent::CATEGORY).unwrap();
    let events = world.stream_of(&name);
    (world, events)
}

/// What the next start appends to the stream.
fn taken_up(world: &mut World, keys: &dyn Keyring, events: Vec<Recorded>) -> (Vec<String>, Append) {
    let (mut next, mut mint, now) = (world.decider(), SeedMint::new(1), world.now());
    let taken = next.take_up(now, &mut mint, Histories::read(&[events], keys));
    let mut appends = next.appends(now, &mut mint);
    assert_eq!(appends.len(), 1, "{appends:?}");
    (taken.unlike.into_iter().map(|unlike| unlike.why).collect(), appends.remove(0))
}

fn kinds(append: &Append) -> Vec<&str> {
    append.events.iter().map(|event| event.kind.as_str()).collect()
}

#[track_caller]
fn end(mut world: World) {
    world.pass(std::time::Duration::from_secs(70));
    world.assert_nothing_left();
}

#[test]
fn one_whose_key_is_gone_ends_as_one_of_which_nobody_knows() {
    let (mut world, events) = on_its_way();
    let last = events.last().unwrap().clone();
    let (why, append) = taken_up(&mut world, &NoKeys, events);
    assert!(why[0].contains("erased"), "{why:?}");
    assert_eq!((kinds(&append), append.life), (vec!["MessageEnded"], Life::Closed));
    assert_eq!((append.expected.next().0, append.events[0].previous), (last.revision.0 + 1, last.hash()));
    assert_eq!(&append.events[0].data[..], br#"{"status":500}"#);
    end(world);
}

#[test]
fn a_call_whose_key_is_gone_ends_as_lost() {
    let mut world = World::default();
    let (mut caller, mut callee) = answered(&mut world);
    let name = world.streams().into_iter().find(|stream| stream.category() == "session").unwrap();
    let events = world.stream_of(&name);
    let last = events.last().unwrap().clone();
    let (why, append) = taken_up(&mut world, &NoKeys, events);
    assert!(why[0].contains("erased"), "{why:?}");
    assert_eq!((kinds(&append), append.life), (vec!["SessionEnded"], Life::Closed));
    assert_eq!((append.expected.next().0, append.events[0].previous), (last.revision.0 + 1, last.hash()));
    assert_eq!(&append.events[0].data[..], br#"{"cause":"lost"}"#);
    hang_up(&mut world, &mut caller, &mut callee);
    end(world);
}

#[test]
fn the_sender_of_one_that_this_build_would_carry_otherwise_is_told_500() {
    let (mut world, mut events) = on_its_way();
    assert_eq!(&*events.last().unwrap().kind, "MessageSent");
    // As if an earlier build had not sent it yet.
    events.pop();
    let (why, append) = taken_up(&mut world, &SeedMint::new(1), events);
    assert_eq!(why, ["MessageSent followed in place of nothing"]);
    assert_eq!((kinds(&append), append.life), (vec!["MessageEnded", "MessageSent"], Life::Closed));
    end(world);
}
