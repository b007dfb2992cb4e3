//! REGISTERs before a log that waits, refuses, or does not say.

use domain::log::AppendError;
use tests::world::{DEVICES, Device, World};

const ALICE: &str = "alice@pbx.example";

/// A device that was asked for its password, and has sent it.
fn asked(world: &mut World) -> Device {
    let mut device = Device::of("alice", DEVICES[0]);
    let wanted = device.for_seconds(600);
    device.send(world, &wanted);
    let challenge = device.expect(world, 401);
    device.answer(world, &wanted, &challenge);
    device
}

#[test]
fn nothing_leaves_before_its_append_is_durable_and_no_call_finds_the_binding() {
    let mut world = World::default();
    world.log.hold();
    let device = asked(&mut world);
    device.repeat(&mut world);
    device.expect_silence(&mut world);
    assert_eq!((world.contacts_of(ALICE).len(), world.registered().len()), (0, 0));
    assert_eq!(world.commit(1), 1, "message, change and answer are one append");
    device.expect(&mut world, 200);
    device.expect_silence(&mut world);
    assert_eq!(world.registered(), ["received", "added", "200"]);
    assert_eq!(world.contacts_of(ALICE), std::slice::from_ref(&device.contact));
    world.log.release();
    world.assert_nothing_left();
}

#[test]
fn what_was_decided_while_an_append_is_in_flight_joins_the_next() {
    let mut world = World::default();
    world.log.hold();
    let mut device = asked(&mut world);
    for contact in ["sip:alice@198.51.100.70:1", "sip:alice@198.51.100.70:2"] {
        device.contact = contact.into();
        let wanted = device.for_seconds(60);
        device.send(&mut world, &wanted);
    }
    assert_eq!(world.commit(1), 1);
    device.expect(&mut world, 200);
    device.expect_silence(&mut world);
    assert_eq!(world.commit(9), 1);
    device.expect(&mut world, 200);
    device.expect(&mut world, 200);
    assert_eq!(world.contacts_of(ALICE).len(), 3);
    world.log.release();
    // Their end was known before they were durable.
    world.pass(std::time::Duration::from_secs(61));
    assert_eq!(world.contacts_of(ALICE).len(), 1);
    world.assert_nothing_left();
}

#[test]
fn an_append_of_which_nobody_knows_is_looked_up_and_its_answer_leaves_once_it_is_there() {
    let mut world = World::default();
    world.log.lose_next_answer();
    let device = asked(&mut world);
    device.expect(&mut world, 200);
    device.expect_silence(&mut world);
    device.repeat(&mut world);
    device.expect(&mut world, 200);
    assert_eq!(world.registered(), ["received", "added", "200"], "it was durable, and is not decided again");
    assert_eq!(world.contacts_of(ALICE), std::slice::from_ref(&device.contact));
    world.assert_nothing_left();
}

#[test]
fn a_log_that_is_away_delays_a_registration_and_loses_none() {
    let mut world = World::default();
    for _ in 0..3 {
        world.log.fail_next(AppendError::Unavailable("it restarts".into()));
    }
    let device = asked(&mut world);
    device.expect(&mut world, 200);
    assert_eq!(world.registered(), ["received", "added", "200"]);
    world.assert_nothing_left();
}

#[test]
fn strangers_are_counted_in_the_edges_summary() {
    let mut world = World::default();
    for number in 0..3 {
        let mut device = Device::of(&format!("u{number}"), &format!("198.51.100.70:{}", 6_000 + number));
        let wanted = device.for_seconds(600);
        device.send(&mut world, &wanted);
        device.expect(&mut world, 401);
    }
    world.assert_nothing_left();
    assert_eq!(world.edge_counts().get("answered-401"), Some(&3));
}
