//! Calls that go as they should.

use super::{answered, body, hang_up};
use domain::sip::wire::HeaderName;
use tests::world::{CARRIER, NUMBER, PBX, PUBLIC, World};

fn a_call_rings_is_answered_and_ends() {
    let mut world = World::default();
    let (mut caller, mut callee) = answered(&mut world);
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
    insta::assert_snapshot!("a_call_rings_is_answered_and_ends", world.ladder);
    insta::assert_debug_snapshot!("events_of_a_call", world.watch.story());
}

fn the_callee_may_hang_up_too() {
    let mut world = World::default();
    let (mut caller, mut callee) = answered(&mut world);
    hang_up(&mut world, &mut callee, &mut caller);
    world.assert_nothing_left();
}

fn both_legs_are_dialogs_of_their_own_and_nothing_of_the_caller_shows() {
    let mut world = World::default();
    let (mut caller, mut callee) = (world.phone(CARRIER), world.phone(PBX));
    let offer = caller.sdp("sendrecv");
    let headers = "Max-Forwards: 17\r\nSubject: hello\r\nX-Secret: 198.51.100.1\r\nUser-Agent: spy\r\n";
    caller.call_with(&mut world, NUMBER, Some(&offer), headers);
    let invite = callee.expect(&mut world, "INVITE sip:reception@203.0.113.1:5060");
    let text = String::from_utf8(invite.bytes().to_vec()).unwrap();
    for secret in ["198.51.100.1", "t5060", "call-5060", "X-Secret", "spy"] {
        assert!(!text.contains(secret), "{secret} shows:\n{text}");
    }
    assert_eq!(invite.header(HeaderName::MaxForwards), Some("16"));
    assert_eq!(invite.header(HeaderName::Subject), Some("hello"));
    assert_eq!(invite.vias().count(), 1);
    assert!(invite.header(HeaderName::From).unwrap().starts_with("\"Alice\" <sip:+14155550100@exchange.example>;tag="));
    assert_eq!(invite.header(HeaderName::To), Some("<sip:reception@203.0.113.1>"));
    assert!(body(&invite).contains("c=IN IP4 192.0.2.9\r\n") && body(&invite).contains("m=audio 200"));
    callee.respond(&mut world, &invite, 486, None);
    callee.expect(&mut world, "ACK");
    caller.expect(&mut world, "100");
    super::refused(&mut world, &mut caller, "486");
    world.assert_nothing_left();
}

fn early_media_reaches_the_caller_with_our_address() {
    let mut world = World::default();
    let (mut caller, mut callee) = (world.phone(CARRIER), world.phone(PBX));
    let (offer, answer) = (caller.sdp("sendrecv"), callee.sdp("sendrecv"));
    caller.call(&mut world, NUMBER, Some(&offer));
    caller.expect(&mut world, "100");
    let invite = callee.expect(&mut world, "INVITE");
    callee.respond(&mut world, &invite, 183, Some(&answer));
    let early = caller.expect(&mut world, "183");
    assert!(body(&early).contains("c=IN IP4 192.0.2.9"));
    callee.respond(&mut world, &invite, 200, Some(&answer));
    callee.expect(&mut world, "ACK");
    let answered = caller.expect(&mut world, "200");
    assert_eq!(body(&early), body(&answered), "the same SDP has the same version");
    caller.ack(&mut world, None);
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
}

fn a_late_offer_is_made_by_the_callee_and_answered_in_the_ack() {
    let mut world = World::default();
    let (mut caller, mut callee) = (world.phone(CARRIER), world.phone(PBX));
    caller.call(&mut world, NUMBER, None);
    caller.expect(&mut world, "100");
    let invite = callee.expect(&mut world, "INVITE");
    assert!(invite.body().is_empty());
    let offer = callee.sdp("sendrecv");
    callee.respond(&mut world, &invite, 200, Some(&offer));
    let ok = caller.expect(&mut world, "200");
    assert!(body(&ok).contains("c=IN IP4 192.0.2.9"));
    callee.expect_silence(&mut world);
    let answer = caller.sdp("sendrecv");
    caller.ack(&mut world, Some(&answer));
    let ack = callee.expect(&mut world, "ACK");
    assert!(body(&ack).contains("c=IN IP4 192.0.2.9"));
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
}

fn a_pbx_calls_out_by_its_own_edge() {
    let mut world = World::default();
    let mut pbx = world.phone(PBX);
    pbx.exchange = PUBLIC.parse().unwrap();
    let mut carrier = world.phone(tests::world::OUT[0]);
    carrier.exchange = pbx.exchange;
    let (offer, answer) = (pbx.sdp("sendrecv"), carrier.sdp("sendrecv"));
    pbx.call(&mut world, "+12025550199", Some(&offer));
    pbx.expect(&mut world, "100");
    let invite = carrier.expect(&mut world, "INVITE sip:+12025550199@198.51.100.11:5060");
    carrier.respond(&mut world, &invite, 200, Some(&answer));
    carrier.expect(&mut world, "ACK");
    pbx.expect(&mut world, "200");
    pbx.ack(&mut world, None);
    hang_up(&mut world, &mut carrier, &mut pbx);
    world.assert_nothing_left();
}

super::scenarios![
    a_call_rings_is_answered_and_ends,
    the_callee_may_hang_up_too,
    both_legs_are_dialogs_of_their_own_and_nothing_of_the_caller_shows,
    early_media_reaches_the_caller_with_our_address,
    a_late_offer_is_made_by_the_callee_and_answered_in_the_ack,
    a_pbx_calls_out_by_its_own_edge,
];
