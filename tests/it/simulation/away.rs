//! A log that is away: calls wait, new ones are refused, and nothing is sent that is not stored.

use crate::ladder::attended::{refer, two_calls};
use crate::ladder::refer::hears;
use crate::ladder::{gets_bye, pass, refused, ringing};
use domain::log::AppendError;
use domain::sip::wire::{HeaderName, Message};
use std::time::Duration;
use tests::world::{CARRIER, DEVICES, Device, NUMBER, PBX, Phone, World};

/// The log, which commits nothing by itself any more, has been away for this long.
fn away(world: &mut World, span: Duration) {
    for _ in 0..2 {
        world.log.fail_next(AppendError::Unavailable("it is away".into()));
        assert_eq!(world.commit(1), 1);
        world.pass(span / 2);
    }
}

/// A call between two phones that is answered.
fn call(world: &mut World) -> (Phone, Phone) {
    let (mut caller, mut callee) = (world.phone(CARRIER), world.phone(PBX));
    let (offer, answer) = (caller.sdp("sendrecv"), callee.sdp("sendrecv"));
    caller.call(world, NUMBER, Some(&offer));
    caller.expect(world, "100");
    let invite = callee.expect(world, "INVITE");
    callee.respond(world, &invite, 200, Some(&answer));
    callee.expect(world, "ACK");
    caller.expect(world, "200");
    caller.ack(world, None);
    (caller, callee)
}

#[test]
fn calls_wait_for_the_log_and_new_ones_are_refused_until_it_is_back() {
    let mut world = World::default();
    let (mut caller, mut callee) = call(&mut world);
    world.log.hold();
    caller.say(&mut world, "BYE");
    away(&mut world, Duration::from_secs(1));
    caller.expect_silence(&mut world);
    callee.expect_silence(&mut world);

    let mut late = Phone::on_line(caller.from(), 2);
    let offer = late.sdp("sendrecv");
    late.call(&mut world, NUMBER, Some(&offer));
    let refusal = late.expect(&mut world, "503");
    assert_eq!(refusal.header(HeaderName::RetryAfter), None, "a carrier that obeys it would send nobody's calls");
    late.ack_refusal(&mut world, &refusal);
    let mut device = Device::of("alice", DEVICES[0]);
    let wanted = device.for_seconds(600);
    device.send(&mut world, &wanted);
    let refusal = device.expect(&mut world, 503);
    assert_eq!(refusal.header(HeaderName::RetryAfter), Some("5"));
    assert_eq!(world.log.waiting(), 1, "nothing was begun for either");

    world.log.release();
    world.settle();
    caller.expect(&mut world, "200");
    let bye = callee.expect(&mut world, "BYE");
    callee.respond(&mut world, &bye, 200, None);
    late.forget_call();
    late.call(&mut world, NUMBER, Some(&offer));
    late.expect(&mut world, "100");
    let invite = callee.expect(&mut world, "INVITE");
    callee.respond(&mut world, &invite, 486, None);
    callee.expect(&mut world, "ACK");
    let refusal = late.expect(&mut world, "486");
    late.ack_refusal(&mut world, &refusal);
    world.assert_nothing_left();
}

#[test]
fn a_short_pause_of_the_log_refuses_nobody() {
    let mut world = World::default();
    let (mut caller, mut callee) = call(&mut world);
    world.log.hold();
    caller.say(&mut world, "BYE");
    away(&mut world, Duration::from_millis(400));
    let mut late = Phone::on_line(caller.from(), 2);
    let offer = late.sdp("sendrecv");
    late.call(&mut world, NUMBER, Some(&offer));
    late.expect_silence(&mut world);
    world.log.release();
    world.settle();
    caller.expect(&mut world, "200");
    let bye = callee.expect(&mut world, "BYE");
    callee.respond(&mut world, &bye, 200, None);
    late.expect(&mut world, "100");
    let invite = callee.expect(&mut world, "INVITE");
    callee.respond(&mut world, &invite, 486, None);
    callee.expect(&mut world, "ACK");
    let refusal = late.expect(&mut world, "486");
    late.ack_refusal(&mut world, &refusal);
    world.assert_nothing_left();
}

#[test]
fn an_invite_that_is_acknowledged_before_its_refusal_has_left_is_not_forgotten_before_that() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = ringing(&mut world);
    world.log.hold();
    callee.respond(&mut world, &invite, 486, None);
    away(&mut world, Duration::from_secs(1));
    let to = format!("SIP/2.0 486 Busy Here\r\nTo: <sip:{NUMBER}@192.0.2.1>;tag=1\r\n\r\n");
    caller.ack_refusal(&mut world, &Message::scan(to.into()).unwrap());
    away(&mut world, Duration::from_secs(6));
    caller.repeat_invite(&mut world);
    caller.expect_silence(&mut world);
    world.log.release();
    world.settle();
    refused(&mut world, &mut caller, "486");
    callee.expect(&mut world, "ACK");
    pass(&mut world, 1_000);
    callee.ignore_all(&mut world);
    world.assert_nothing_left();
}

#[test]
fn a_transfer_that_the_operator_ends_before_the_leg_is_taken_leaves_no_step_to_a_start() {
    // Nothing of it is durable, that it is asked for, that it has begun.
    for durable in 0..=2 {
        let mut world = World::default();
        let mut calls = two_calls(&mut world, false);
        world.log.hold();
        let named = calls.second.named();
        refer(&mut world, &mut calls.asker, &named);
        (0..durable).for_each(|_| assert_eq!(world.commit(1), 1));
        world.release_all();
        while world.log.waiting() > 0 {
            world.commit(1);
        }
        world.assert_taken_up();
        world.log.release();
        calls.asker.expect(&mut world, "202");
        hears(&mut world, &mut calls.asker, 100);
        for phone in [&mut calls.second, &mut calls.remaining, &mut calls.moved] {
            gets_bye(&mut world, phone);
        }
        hears(&mut world, &mut calls.asker, 487);
        gets_bye(&mut world, &mut calls.asker);
        world.assert_nothing_left();
    }
}
