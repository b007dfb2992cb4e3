//! Overload: what is new gets 503 and leaves nothing; what runs goes on. [E5]

use crate::ladder::{answered, body, hang_up, refused, ringing};
use domain::sip::wire::{HeaderName, Message};
use serde_json::json;
use std::time::Duration;
use tests::world::{CARRIER, DEVICES, Device, NUMBER, PUBLIC, Phone, World};

/// Another call of the carrier.
fn calls(world: &mut World, line: u16) -> Phone {
    let mut caller = Phone::on_line(CARRIER.parse().unwrap(), line);
    let offer = caller.sdp("sendrecv");
    caller.call(world, NUMBER, Some(&offer));
    caller
}

/// Another call of the carrier, which gets 503.
#[track_caller]
fn is_refused(world: &mut World, line: u16) -> Message {
    let mut caller = calls(world, line);
    refused(world, &mut caller, "503")
}

#[test]
fn new_calls_are_refused_without_a_trace_and_calls_that_run_go_on() {
    let mut world = World::default();
    let (mut caller, mut callee) = answered(&mut world);
    world.overload();
    let streams = world.streams().len();
    for line in 2..7 {
        let refusal = is_refused(&mut world, line);
        assert_eq!(refusal.header(HeaderName::RetryAfter), None, "a carrier that obeys it would send nobody's calls");
    }
    assert_eq!((world.streams().len(), world.exchange.census().live_sessions), (streams, 1));

    let offer = caller.sdp("sendonly");
    caller.reinvite(&mut world, Some(&offer));
    caller.expect(&mut world, "100");
    let invite = callee.expect(&mut world, "INVITE");
    let answer = callee.sdp("recvonly");
    callee.respond(&mut world, &invite, 200, Some(&answer));
    callee.expect(&mut world, "ACK");
    let answer = caller.expect(&mut world, "200");
    assert!(body(&answer).contains("a=recvonly"));
    caller.ack(&mut world, None);
    hang_up(&mut world, &mut callee, &mut caller);

    assert!(world.relieve() < Duration::from_secs(15));
    assert_eq!(world.exchange.overloaded().refused, 5);
    let mut later = calls(&mut world, 9);
    later.expect(&mut world, "100");
    let invite = callee.expect(&mut world, "INVITE");
    callee.respond(&mut world, &invite, 486, None);
    callee.expect(&mut world, "ACK");
    refused(&mut world, &mut later, "486");
    world.assert_nothing_left();
    assert_eq!(world.edge_counts().get("answered-503"), Some(&5));
}

#[test]
fn a_call_that_rings_is_answered_cancelled_and_repeated_as_ever() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = ringing(&mut world);
    world.overload();
    caller.repeat_invite(&mut world);
    caller.expect(&mut world, "180");
    caller.cancel(&mut world);
    caller.expect(&mut world, "200 (1 CANCEL)");
    crate::ladder::cancelled(&mut world, &mut callee, &invite);
    refused(&mut world, &mut caller, "487");
    world.relieve();
    world.assert_nothing_left();
}

#[test]
fn a_trunk_is_told_when_to_come_again_where_it_is_set_to() {
    let mut world = World::default();
    let settings = json!({ "name": "carrier", "kind": "carrier", "addresses": [CARRIER], "retry_after": 7 });
    world.set_trunk(1, settings);
    world.overload();
    let refusal = is_refused(&mut world, 2);
    assert_eq!(refusal.header(HeaderName::RetryAfter), Some("7"));
    world.relieve();
    world.assert_nothing_left();
}

#[test]
fn a_user_of_a_domain_may_come_again_soon_and_others_learn_nothing() {
    let mut world = World::default();
    world.overload();
    let told = |world: &mut World, line: u16, user: &str| {
        let mut phone = Phone::on_line(DEVICES[0].parse().unwrap(), line);
        phone.exchange = PUBLIC.parse().unwrap();
        let offer = phone.sdp("sendrecv");
        phone.call_as(world, user, "sip:bob@pbx.example", Some(&offer));
        let refusal = refused(world, &mut phone, "503");
        refusal.header(HeaderName::RetryAfter).map(|seconds| seconds.parse::<u32>().unwrap())
    };
    let waits: Vec<u32> = (2..12).map(|line| told(&mut world, line, "alice@pbx.example").unwrap()).collect();
    assert!(waits.iter().all(|wait| (5..10).contains(wait)), "{waits:?}");
    assert!(waits.iter().any(|wait| *wait != waits[0]), "not all at once: {waits:?}");
    assert_eq!(told(&mut world, 12, "alice@elsewhere.example"), None);
    world.relieve();
    world.assert_nothing_left();
}

#[test]
fn calls_for_help_and_calls_that_take_a_place_are_heard() {
    let mut world = World::default();
    let (mut caller, mut callee) = answered(&mut world);
    world.overload();
    let mut helped = Phone::on_line(CARRIER.parse().unwrap(), 2);
    let offer = helped.sdp("sendrecv");
    helped.call(&mut world, NUMBER, Some(&offer));
    refused(&mut world, &mut helped, "503");
    helped.call_as(&mut world, "+14155550100@198.51.100.1", "urn:service:sos.fire", Some(&offer));
    // Nothing routes them yet: that is told by the call itself.
    helped.expect(&mut world, "100");
    refused(&mut world, &mut helped, "404");
    let mut replacing = Phone::on_line(CARRIER.parse().unwrap(), 3);
    replacing.call_with(
        &mut world,
        NUMBER,
        Some(&offer),
        "Max-Forwards: 70\r\nReplaces: nothing;to-tag=a;from-tag=b\r\n",
    );
    refused(&mut world, &mut replacing, "481");
    hang_up(&mut world, &mut caller, &mut callee);
    world.relieve();
    world.assert_nothing_left();
}

#[test]
fn without_keys_callers_are_told_as_soon_as_it_lasts() {
    let mut world = World::default();
    let mut phones = answered(&mut world);
    world.lack_keys(true);
    let mut late = calls(&mut world, 2);
    late.expect_silence(&mut world);
    world.pass(Duration::from_millis(500));
    late.repeat_invite(&mut world);
    refused(&mut world, &mut late, "503");
    hang_up(&mut world, &mut phones.0, &mut phones.1);
    world.lack_keys(false);
    let mut later = calls(&mut world, 3);
    later.expect(&mut world, "100");
    let invite = phones.1.expect(&mut world, "INVITE");
    phones.1.respond(&mut world, &invite, 486, None);
    phones.1.expect(&mut world, "ACK");
    refused(&mut world, &mut later, "486");
    world.assert_nothing_left();
}

#[test]
fn devices_register_while_calls_are_refused() {
    let mut world = World::default();
    let mut device = Device::of("alice", DEVICES[0]);
    world.overload();
    is_refused(&mut world, 2);
    let wanted = device.for_seconds(600);
    device.register(&mut world, &wanted, 200);
    world.relieve();
    let gone = device.for_seconds(0);
    device.register(&mut world, &gone, 200);
    world.assert_nothing_left();
}
