//! The past decided again: what this build, or another one, would decide otherwise is found and named. That every scenario
//! is decided alike, also over deaths, is checked at the end of each that is taken up or begins anew (see `reborn`).

use crate::ladder::{answered, attended, cancelled, gets_bye, hang_up, invited, refer, refused, ringing};
use domain::codec::seal::{KeyRef, SealKey};
use domain::codec::{Desk, session};
use domain::draws::Draws;
use domain::exchange::{Again, Difference, Exchange, Input, Verdict};
use domain::ids::EventId;
use domain::log::Recorded;
use domain::ports::Keyring;
use domain::session::event::{EndCause, SessionEvent};
use domain::sip::timer::{LegTimer, Timer};
use std::time::Duration;
use tests::world::{SeedMint, World};

/// A call of three seconds as the log has it.
fn call() -> (World, Vec<Vec<Recorded>>) {
    let mut world = World::default();
    let (mut caller, mut callee) = answered(&mut world);
    world.pass(Duration::from_secs(3));
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
    let streams = world.calls().remove(0);
    (world, streams)
}

fn decide(world: &mut World, streams: &[Vec<Recorded>]) -> Again {
    let mut decider = world.decider();
    world.decide_again(&mut decider, &SeedMint::new(1), streams).remove(0)
}

#[track_caller]
fn difference(again: Again) -> Difference {
    match again.verdict {
        Verdict::Different(difference) => *difference,
        other => panic!("{other:?}"),
    }
}

/// Where the only event of a type stands.
fn place(stream: &[Recorded], kind: &str) -> usize {
    stream.iter().position(|event| *event.kind == *kind).unwrap()
}

/// An event that says something else, in what stands clear.
fn altered(event: &Recorded, change: impl FnOnce(&mut SessionEvent)) -> Recorded {
    let mut said = session::decode_clear(event).unwrap();
    change(&mut said);
    let key = SealKey::from_bytes([1; 32]);
    let encoded = session::encode(&mut Desk::default(), &said, event.id, KeyRef(1), &key);
    Recorded { data: encoded.data, ..event.clone() }
}

#[test]
fn a_call_is_decided_alike_in_so_many_turns() {
    let (mut world, streams) = call();
    let again = decide(&mut world, &streams);
    assert!(matches!(again.verdict, Verdict::Alike), "{again:?}");
    assert_eq!((again.events, again.rewritten), (streams[0].len(), 0));
    // INVITE, 180, 200, ACK, BYE and the 200 to ours.
    assert_eq!(again.turns, 6);
}

#[test]
fn what_is_recorded_and_was_never_said_is_named_with_what_is_said_upon_what() {
    let (mut world, mut streams) = call();
    let at = place(&streams[0], "SessionEnded");
    streams[0][at] = altered(&streams[0][at], |event| {
        if let SessionEvent::SessionEnded(ended) = event {
            ended.cause = EndCause::Busy;
        }
    });
    let found = difference(decide(&mut world, &streams));
    assert_eq!(found.why, "SessionEnded is not what it was then");
    assert_eq!(found.then.as_ref(), Some(&streams[0][at]));
    let said = found.said.unwrap();
    assert!(matches!(&said, SessionEvent::SessionEnded(ended) if ended.cause == EndCause::Completed), "{said:?}");
    assert_eq!(found.input, Some(Input::Message), "the answer to the last BYE");
}

#[test]
fn an_event_that_is_not_recorded_is_said_in_place_of_the_next() {
    let (mut world, mut streams) = call();
    let at = place(&streams[0], "LegsBridged");
    streams[0].remove(at);
    let found = difference(decide(&mut world, &streams));
    assert_eq!(found.then.as_ref().map(|event| &*event.kind), Some(&*streams[0][at].kind));
    assert!(matches!(found.said, Some(SessionEvent::LegsBridged(_))), "{found:?}");
    assert_eq!(found.input, Some(Input::Message));
    let turn = found.turn.unwrap();
    let began = session::decode(&turn, &SeedMint::new(1)).unwrap();
    assert!(matches!(&began, SessionEvent::SipMessageReceived(message) if message.status == Some(200)), "{began:?}");
}

#[test]
fn an_event_that_nothing_leads_to_does_not_follow_again() {
    let (mut world, mut streams) = call();
    let at = place(&streams[0], "SessionEnded");
    let more = streams[0][place(&streams[0], "LegAlerted")].clone();
    let last = streams[0][at].clone();
    let (node, epoch, shard, number) = last.id.parts();
    let id = EventId::minted(node, epoch, shard, number + 1);
    streams[0].push(Recorded { id, at: last.at, position: last.position, revision: last.revision, ..more.clone() });
    let found = difference(decide(&mut world, &streams));
    assert_eq!((found.why.as_str(), found.then.map(|event| event.id)), ("LegAlerted did not follow again", Some(id)));
    assert!(found.said.is_none());
}

#[test]
fn a_build_that_says_something_more_is_found() {
    let (mut world, mut streams) = call();
    assert_eq!(&*streams[0].last().unwrap().kind, "SessionEnded");
    streams[0].pop();
    let found = difference(decide(&mut world, &streams));
    assert!(found.then.is_none(), "{found:?}");
    assert!(matches!(found.said, Some(SessionEvent::SessionEnded(_))), "{found:?}");
    assert_eq!(found.place().map(|event| event.stream.clone()), Some(streams[0][0].stream.clone()));
}

#[test]
fn what_a_timer_led_to_and_now_leads_elsewhere_is_named_with_the_timer() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = ringing(&mut world);
    world.pass(Duration::from_millis(20_600));
    refused(&mut world, &mut caller, "480");
    callee.expect(&mut world, "CANCEL");
    cancelled(&mut world, &mut callee, &invite);
    caller.ignore_all(&mut world);
    world.assert_nothing_left();
    let mut streams = world.calls().remove(0);
    assert!(matches!(decide(&mut world, &streams).verdict, Verdict::Alike));
    let at = place(&streams[0], "LegRefused");
    streams[0].remove(at);
    let found = difference(decide(&mut world, &streams));
    assert!(matches!(found.input, Some(Input::Timer(Timer::Leg(_, LegTimer::NoAnswer), Some(_)))), "{found:?}");
    assert!(matches!(found.said, Some(SessionEvent::LegRefused(_))), "{found:?}");
}

/// How another build decides what this one recorded.
fn by_another_build(world: &mut World, change: impl FnOnce(&mut domain::exchange::ExchangeSettings)) -> Again {
    let streams = world.calls().remove(0);
    let mut other: Exchange = World::decider_of_another_build(change);
    world.decide_again(&mut other, &SeedMint::new(1), &streams).remove(0)
}

#[test]
fn a_build_that_waits_longer_says_nothing_where_this_one_gave_up() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = invited(&mut world);
    let sdp = callee.sdp("sendrecv");
    callee.respond(&mut world, &invite, 200, Some(&sdp));
    callee.expect(&mut world, "ACK");
    caller.expect(&mut world, "200 (");
    // Nobody acknowledges.
    world.pass(Duration::from_millis(32_100));
    (0..10).for_each(|_| drop(caller.expect(&mut world, "200 (1 INVITE)")));
    gets_bye(&mut world, &mut caller);
    gets_bye(&mut world, &mut callee);
    world.assert_nothing_left();
    let again = by_another_build(&mut world, |settings| settings.endpoint.timers.t1 *= 2);
    let found = difference(again);
    assert!(found.said.is_none() && found.input.is_none(), "{found:?}");
    assert!(found.then.is_some(), "{found:?}");
}

#[test]
fn a_build_that_asks_for_other_session_timers_differs_where_that_is_said() {
    let (mut world, _) = call();
    let again = by_another_build(&mut world, |settings| settings.endpoint.intervals.wanted = 600);
    let rewritten = again.rewritten;
    let found = difference(again);
    assert!(matches!(found.said, Some(SessionEvent::SessionTimerSet(_))), "{found:?}");
    assert!(rewritten > 0, "the INVITE is written otherwise first");
}

#[test]
fn a_build_of_another_name_only_writes_otherwise() {
    let (mut world, _) = call();
    let again = by_another_build(&mut world, |settings| settings.endpoint.software = "Another".into());
    assert!(matches!(again.verdict, Verdict::Alike), "{again:?}");
    assert!(again.rewritten > 4, "{again:?}");
}

/// Keys that were erased.
struct NoKeys;

impl Keyring for NoKeys {
    fn key(&self, _: KeyRef) -> Option<SealKey> {
        None
    }
}

#[test]
fn what_was_erased_or_written_without_draws_is_said_to_be_so() {
    let (mut world, streams) = call();
    let mut decider = world.decider();
    let again = world.decide_again(&mut decider, &NoKeys, &streams).remove(0);
    assert!(matches!(&again.verdict, Verdict::Unplayable(why) if why.contains("erased")), "{again:?}");
    let foreign = Draws::new([3; 32], 1, 1, 0);
    let again = decider.decide_again(&foreign, &SeedMint::new(1), &streams).remove(0);
    assert!(matches!(&again.verdict, Verdict::Unplayable(why) if why.contains("another keyring")), "{again:?}");
}

#[test]
fn a_call_that_shares_a_leg_with_what_is_gone_cannot_be_told_of() {
    let mut world = World::default();
    let mut calls = attended::two_calls(&mut world, false);
    attended::joined(&mut world, &mut calls);
    refer::hears(&mut world, &mut calls.asker, 200);
    gets_bye(&mut world, &mut calls.asker);
    gets_bye(&mut world, &mut calls.second);
    hang_up(&mut world, &mut calls.moved, &mut calls.remaining);
    world.assert_nothing_left();
    let mut streams = world.calls().remove(0);
    assert_eq!(streams.len(), 3);
    let (mut decider, keys) = (world.decider(), SeedMint::new(1));
    let whole = world.decide_again(&mut decider, &keys, &streams);
    assert!(whole.iter().all(|again| matches!(again.verdict, Verdict::Alike)), "{whole:?}");
    let gone = streams.pop().unwrap();
    for again in world.decide_again(&mut decider, &keys, &streams) {
        assert!(
            matches!(&again.verdict, Verdict::Unplayable(why) if why.contains(gone[0].stream.as_str())),
            "{again:?}"
        );
    }
}
