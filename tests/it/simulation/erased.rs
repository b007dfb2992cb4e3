//! What is personal of a call is erased, and then the process begins anew.

use crate::ladder::attended::{joined, two_calls};
use crate::ladder::refer::hears;
use crate::ladder::{answered, gets_bye, hang_up};
use domain::codec::key_named_in;
use domain::erasure::{SubjectKind, Targets};
use domain::ids::SessionId;
use domain::log::{EventLog, StreamName};
use domain::registration::Aor;
use std::sync::Arc;
use tests::proofs::erasures;
use tests::world::{ACCOUNT, DEVICES, Device, USERS, World};
use uuid::Uuid;

/// The stream of the only call that has ended.
fn ended(world: &World) -> StreamName {
    let has_ended = |stream: &StreamName| {
        stream.category() == "session" && world.stream_of(stream).iter().any(|event| &*event.kind == "SessionEnded")
    };
    world.streams().into_iter().find(has_ended).unwrap()
}

#[test]
fn a_call_that_runs_without_its_key_is_lost_at_the_next_start() {
    let mut world = World::default();
    let _ = answered(&mut world);
    let [_, running] = world.erasable();
    world.erase(&running);
    world.dies_unnoticed();
    world.assert_nothing_left();
}

#[test]
fn what_has_ended_is_erased_and_a_start_goes_on_without_it() {
    let mut world = World::default();
    let (mut caller, mut callee) = answered(&mut world);
    hang_up(&mut world, &mut caller, &mut callee);
    let [over, _] = world.erasable();
    assert_eq!(over, [ended(&world)]);
    world.erase(&over);
    world.dies_unnoticed();
    world.assert_nothing_left();
    world.assert_nothing_sealed_anew();
    assert_eq!(world.erasable(), [vec![], vec![]]);
}

#[test]
#[should_panic(expected = "was sealed with an erased key")]
fn a_binding_that_holds_and_is_refreshed_under_an_erased_key_is_noticed() {
    let mut world = World::default();
    let mut alice = Device::of(USERS[0], DEVICES[0]);
    let wanted = alice.for_seconds(600);
    alice.register(&mut world, &wanted, 200);
    let stream = world.streams().into_iter().find(|stream| stream.category() == Aor::CATEGORY).unwrap();
    world.erase(&[stream]);
    alice.register(&mut world, &wanted, 200);
    world.assert_nothing_sealed_anew();
}

#[tokio::test]
async fn a_call_that_gave_its_leg_away_is_not_erased_while_that_is_in_a_call() {
    for outgoing in [false, true] {
        let mut world = World::default();
        let mut calls = two_calls(&mut world, outgoing);
        joined(&mut world, &mut calls);
        hears(&mut world, &mut calls.asker, 200);
        gets_bye(&mut world, &mut calls.asker);
        gets_bye(&mut world, &mut calls.second);
        let stream = ended(&world);
        let id = SessionId::from_bits(Uuid::parse_str(stream.id()).unwrap().as_u128());
        let targets = || Targets { sessions: vec![id], ..Targets::default() };
        let log: Arc<dyn EventLog> = Arc::clone(&world.log) as Arc<dyn EventLog>;
        let erasures = erasures(&log, &world.keys(), 1);
        let refused = erasures.erase(ACCOUNT, (SubjectKind::Session, "one"), targets(), log.head()).await.unwrap_err();
        assert!(refused.to_string().starts_with("1 calls that still run are joined with"), "{refused}");
        assert_eq!(world.erasable()[0], []);
        // So it is known at the next start whom to tell that the call is over.
        world.dies_unnoticed();
        hang_up(&mut world, &mut calls.remaining, &mut calls.moved);
        let (erased, _) = erasures.erase(ACCOUNT, (SubjectKind::Session, "one"), targets(), log.head()).await.unwrap();
        assert!(erased.completed_at.is_some());
        let key = key_named_in(&world.stream_of(&stream)[0].data).unwrap();
        assert_eq!(erased.keys, [key]);
        world.assert_nothing_left();
    }
}
