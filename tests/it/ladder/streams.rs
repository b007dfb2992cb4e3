//! Calls by TCP: nothing is repeated that the transport delivers, and a call outlives its connections.

use super::{answer, gets_bye, hang_up, lines, pass, refused};
use domain::session::event::EndCause;
use domain::sip::wire::{HeaderName, Message};
use tests::world::{
    CARRIER, CARRIER_TCP, NUMBER, NUMBER_TCP, OUT, OUT_LARGE, OUT_TCP, PBX, PBX_TCP, PUBLIC, Phone, World,
};

/// The port at the caller's end of its connection.
const PORT: u16 = 40_001;

/// A carrier with a connection to the exchange.
fn caller(world: &mut World) -> Phone {
    let mut caller = world.phone(CARRIER_TCP);
    caller.connect(world, Some(PORT));
    caller
}

/// A PBX that the exchange connects to.
fn callee(world: &mut World) -> Phone {
    let mut callee = world.phone(PBX_TCP);
    callee.connect(world, None);
    callee
}

/// Caller and callee by TCP with a call that rings, and the INVITE that the callee has.
#[track_caller]
fn ringing(world: &mut World) -> (Phone, Phone, Message) {
    let (mut caller, mut callee) = (caller(world), callee(world));
    let offer = caller.sdp("sendrecv");
    caller.call(world, NUMBER_TCP, Some(&offer));
    caller.expect(world, "100");
    let invite = callee.expect(world, "INVITE");
    callee.respond(world, &invite, 180, None);
    caller.expect(world, "180");
    (caller, callee, invite)
}

#[track_caller]
fn answered(world: &mut World) -> (Phone, Phone) {
    let (mut caller, mut callee, invite) = ringing(world);
    answer(world, &mut caller, &mut callee, &invite);
    (caller, callee)
}

/// A PBX that calls out to this number, by UDP.
fn calls_out(world: &mut World, number: &str, sdp: impl Fn(&Phone) -> String) -> Phone {
    let mut pbx = world.phone(PBX);
    pbx.exchange = PUBLIC.parse().unwrap();
    let offer = sdp(&pbx);
    pbx.call(world, number, Some(&offer));
    pbx.expect(world, "100");
    pbx
}

fn plain(phone: &Phone) -> String {
    phone.sdp("sendrecv")
}

/// SDP that no datagram of 1,300 bytes has room for.
fn long(phone: &Phone) -> String {
    format!("{}a=x-long:{}\r\n", phone.sdp("sendrecv"), "z".repeat(1_400))
}

fn a_call_runs_by_tcp_on_both_legs() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = ringing(&mut world);
    let via = invite.header(HeaderName::Via).unwrap();
    assert!(via.starts_with("SIP/2.0/TCP 192.0.2.1:5060;branch="), "{via}");
    let contact = invite.header(HeaderName::Contact).unwrap();
    assert!(contact.ends_with("@192.0.2.1:5060;transport=tcp>"), "{contact}");
    assert_eq!(invite.request_uri(), Some("sip:reception@203.0.113.2:5060;transport=tcp"));
    answer(&mut world, &mut caller, &mut callee, &invite);
    hang_up(&mut world, &mut caller, &mut callee);
    pass(&mut world, 0);
    let census = world.exchange.census();
    // Of timers there is RFC 6026's for the 2xx on both sides, whatever the transport.
    assert_eq!((census.transactions, census.timers), (2, 2), "what absorbs repeats is gone at once");
    assert_eq!(census.flows, 2);
    world.assert_nothing_left();
    insta::assert_snapshot!("a_call_runs_by_tcp_on_both_legs", world.ladder);
}

fn a_call_goes_from_tcp_to_udp_and_the_other_way() {
    let mut world = World::default();
    let (mut tcp, mut udp) = (caller(&mut world), world.phone(PBX));
    let (offer, number) = (tcp.sdp("sendrecv"), NUMBER);
    tcp.call(&mut world, number, Some(&offer));
    tcp.expect(&mut world, "100");
    let invite = udp.expect(&mut world, "INVITE");
    assert!(invite.header(HeaderName::Via).unwrap().starts_with("SIP/2.0/UDP "));
    assert!(!invite.header(HeaderName::Contact).unwrap().contains("transport"));
    answer(&mut world, &mut tcp, &mut udp, &invite);
    hang_up(&mut world, &mut tcp, &mut udp);
    world.assert_nothing_left();

    let mut world = World::default();
    let (mut udp, mut tcp) = (world.phone(CARRIER), callee(&mut world));
    let offer = udp.sdp("sendrecv");
    udp.call(&mut world, NUMBER_TCP, Some(&offer));
    udp.expect(&mut world, "100");
    let invite = tcp.expect(&mut world, "INVITE");
    answer(&mut world, &mut udp, &mut tcp, &invite);
    hang_up(&mut world, &mut tcp, &mut udp);
    world.assert_nothing_left();
}

fn an_invite_by_tcp_is_sent_once_and_times_out_all_the_same() {
    let mut world = World::default();
    let (mut caller, mut callee) = (caller(&mut world), callee(&mut world));
    let offer = caller.sdp("sendrecv");
    caller.call(&mut world, NUMBER_TCP, Some(&offer));
    caller.expect(&mut world, "100");
    callee.expect(&mut world, "INVITE");
    pass(&mut world, 31_999);
    caller.expect_silence(&mut world);
    callee.expect_silence(&mut world);
    assert_eq!(lines(&world, "pbx <- INVITE"), 1);
    pass(&mut world, 1);
    refused(&mut world, &mut caller, "504");
    world.assert_nothing_left();
}

fn a_refusal_by_tcp_is_sent_once_and_a_2xx_until_its_ack() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = ringing(&mut world);
    callee.respond(&mut world, &invite, 486, None);
    callee.expect(&mut world, "ACK");
    caller.expect(&mut world, "486");
    pass(&mut world, 40_000);
    caller.expect_silence(&mut world);
    world.assert_nothing_left();

    let mut world = World::default();
    let (mut caller, mut callee, invite) = ringing(&mut world);
    let sdp = callee.sdp("sendrecv");
    callee.respond(&mut world, &invite, 200, Some(&sdp));
    callee.expect(&mut world, "ACK");
    caller.expect(&mut world, "200");
    pass(&mut world, 1_600);
    caller.expect(&mut world, "200");
    caller.expect(&mut world, "200");
    caller.ack(&mut world, None);
    pass(&mut world, 10_000);
    caller.expect_silence(&mut world);
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
}

fn a_call_outlives_its_connections_and_the_next_request_opens_new_ones() {
    let mut world = World::default();
    let (mut caller, mut callee) = answered(&mut world);
    pass(&mut world, 60_000);
    caller.disconnect(&mut world);
    callee.disconnect(&mut world);
    for phone in [&caller, &callee] {
        phone.expect_silence(&mut world);
    }
    assert_eq!(world.exchange.census().live_sessions, 1);
    callee.say(&mut world, "BYE");
    callee.expect(&mut world, "200");
    gets_bye(&mut world, &mut caller);
    world.assert_nothing_left();
    assert_eq!(world.ended().cause, EndCause::Completed);
}

fn a_bye_that_is_lost_with_its_connection_goes_where_the_contact_says() {
    let mut world = World::default();
    let (mut caller, mut callee) = answered(&mut world);
    callee.say(&mut world, "BYE");
    callee.expect(&mut world, "200");
    let lost = caller.expect(&mut world, "BYE");
    caller.disconnect(&mut world);
    let bye = gets_bye(&mut world, &mut caller);
    assert_eq!(bye.bytes(), lost.bytes(), "the same request, by another connection");
    world.assert_nothing_left();
}

fn a_bye_without_any_connection_left_ends_the_leg_at_once() {
    let mut world = World::default();
    let (mut caller, callee) = answered(&mut world);
    world.refuse_connections(PBX_TCP, true);
    caller.say(&mut world, "BYE");
    caller.expect(&mut world, "200");
    callee.expect_silence(&mut world);
    pass(&mut world, 0);
    assert_eq!(world.exchange.census().live_sessions, 0);
    world.assert_nothing_left();
}

fn a_carrier_that_takes_no_connection_is_passed_over_at_once() {
    let mut world = World::default();
    world.refuse_connections(OUT_TCP, true);
    let mut pbx = calls_out(&mut world, "+33123456789", plain);
    let mut second = world.phone(OUT[1]);
    second.exchange = pbx.exchange;
    let invite = second.expect(&mut world, "INVITE sip:+33123456789@198.51.100.12:5060");
    answer(&mut world, &mut pbx, &mut second, &invite);
    hang_up(&mut world, &mut pbx, &mut second);
    world.assert_nothing_left();
}

fn a_carrier_whose_connection_breaks_while_it_rings_is_passed_over() {
    let mut world = World::default();
    let mut pbx = calls_out(&mut world, "+33123456789", plain);
    let (mut first, mut second) = (world.phone(OUT_TCP), world.phone(OUT[1]));
    first.exchange = pbx.exchange;
    second.exchange = pbx.exchange;
    first.connect(&mut world, None);
    let invite = first.expect(&mut world, "INVITE sip:+33123456789@198.51.100.13:5060;transport=tcp");
    first.respond(&mut world, &invite, 180, None);
    pbx.expect(&mut world, "180");
    first.disconnect(&mut world);
    let invite = second.expect(&mut world, "INVITE");
    answer(&mut world, &mut pbx, &mut second, &invite);
    hang_up(&mut world, &mut second, &mut pbx);
    first.expect_silence(&mut world);
    world.assert_nothing_left();
}

fn a_call_outlives_deaths_of_ours_and_their_connections() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = ringing(&mut world);
    world.dies();
    caller.expect(&mut world, "180");
    // From here on it is reached where it listens. The callee's answer comes by a connection of its own: its INVITE was
    // not given up.
    caller.connection = None;
    answer(&mut world, &mut caller, &mut callee, &invite);
    // An ACK of the last moments may not have left.
    world.dies();
    callee.expect(&mut world, "ACK");
    pass(&mut world, 5_000);
    caller.say(&mut world, "BYE");
    caller.expect(&mut world, "200");
    let bye = callee.expect(&mut world, "BYE");
    world.dies();
    caller.expect(&mut world, "200");
    let again = callee.expect(&mut world, "BYE");
    assert_eq!(bye.bytes(), again.bytes());
    callee.respond(&mut world, &again, 200, None);
    pass(&mut world, 40_000);
    world.assert_nothing_left();
}

fn a_request_that_comes_again_by_another_connection_finds_its_answer() {
    let mut world = World::default();
    let (mut caller, mut callee) = answered(&mut world);
    let bye = caller.say(&mut world, "BYE");
    caller.expect(&mut world, "200");
    gets_bye(&mut world, &mut callee);
    world.dies();
    caller.connection = None;
    caller.expect(&mut world, "200");
    callee.expect(&mut world, "ACK");
    caller.connect(&mut world, Some(PORT + 1));
    world.send_to(caller.exchange, caller.from(), bye);
    caller.expect(&mut world, "200");
    pass(&mut world, 40_000);
    world.assert_nothing_left();
}

fn a_request_of_some_while_before_a_death_finds_its_answer_by_another_connection() {
    let mut world = World::default();
    let (mut caller, mut callee) = answered(&mut world);
    let old = caller.say(&mut world, "OPTIONS");
    caller.expect(&mut world, "200");
    pass(&mut world, 20_000);
    caller.say(&mut world, "OPTIONS");
    caller.expect(&mut world, "200");
    world.dies();
    // What was answered of late may not have left, and goes again by itself.
    caller.connection = None;
    caller.expect(&mut world, "200");
    caller.expect_silence(&mut world);
    caller.connect(&mut world, Some(PORT + 1));
    world.send_to(caller.exchange, caller.from(), old);
    caller.expect(&mut world, "200");
    hang_up(&mut world, &mut caller, &mut callee);
    pass(&mut world, 40_000);
    world.assert_nothing_left();
}

fn a_request_that_comes_again_when_it_is_forgotten_is_out_of_order() {
    let mut world = World::default();
    let (mut caller, mut callee) = answered(&mut world);
    let options = caller.say(&mut world, "OPTIONS");
    caller.expect(&mut world, "200");
    // By a connection nobody repeats himself (RFC 3261 §17.2.2: Timer J is zero).
    pass(&mut world, 1_000);
    world.send_to(caller.exchange, caller.from(), options);
    caller.expect(&mut world, "500");
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
}

fn a_response_whose_connection_is_gone_goes_where_the_via_says() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = ringing(&mut world);
    caller.disconnect(&mut world);
    answer(&mut world, &mut caller, &mut callee, &invite);
    hang_up(&mut world, &mut callee, &mut caller);
    world.assert_nothing_left();
}

fn a_2xx_that_is_lost_with_its_connection_goes_again_by_a_new_one() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = ringing(&mut world);
    let sdp = callee.sdp("sendrecv");
    callee.respond(&mut world, &invite, 200, Some(&sdp));
    callee.expect(&mut world, "ACK");
    let lost = caller.expect(&mut world, "200");
    caller.disconnect(&mut world);
    let again = caller.expect(&mut world, "200");
    assert_eq!(lost.bytes(), again.bytes());
    caller.ack(&mut world, None);
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
}

fn an_ack_that_may_be_lost_with_its_connection_goes_again_by_a_new_one() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = ringing(&mut world);
    callee.contact = format!("<sip:phone@{}:5066;transport=tcp>", callee.address.ip());
    answer(&mut world, &mut caller, &mut callee, &invite);
    let from = callee.address;
    world.disconnect(callee.exchange, from);
    callee.address.set_port(5066);
    world.speak_tcp(callee.address, true);
    callee.expect(&mut world, "ACK");
    callee.expect_silence(&mut world);
    hang_up(&mut world, &mut callee, &mut caller);
    world.assert_nothing_left();
}

fn a_large_invite_goes_by_tcp_where_the_trunk_says_so_and_all_else_by_udp() {
    let mut world = World::default();
    let mut pbx = calls_out(&mut world, "+442079460000", long);
    let mut carrier = world.phone(OUT_LARGE);
    carrier.exchange = pbx.exchange;
    world.speak_tcp(carrier.address, true);
    let invite = carrier.expect(&mut world, "INVITE");
    assert!(invite.bytes().len() > 1_300);
    assert!(invite.header(HeaderName::Via).unwrap().starts_with("SIP/2.0/TCP 192.0.2.1:5070;"));
    assert!(!invite.header(HeaderName::Contact).unwrap().contains("transport"), "the dialog stays with UDP");
    pass(&mut world, 5_000);
    carrier.expect_silence(&mut world);
    let sdp = carrier.sdp("sendrecv");
    carrier.respond(&mut world, &invite, 200, Some(&sdp));
    let ack = carrier.expect(&mut world, "ACK");
    assert!(ack.header(HeaderName::Via).unwrap().starts_with("SIP/2.0/UDP "));
    pbx.expect(&mut world, "200");
    pbx.ack(&mut world, None);
    world.speak_tcp(carrier.address, false);
    pbx.say(&mut world, "BYE");
    pbx.expect(&mut world, "200");
    let bye = gets_bye(&mut world, &mut carrier);
    assert!(bye.header(HeaderName::Via).unwrap().starts_with("SIP/2.0/UDP "));
    world.assert_nothing_left();
}

fn a_large_invite_falls_back_to_udp_with_the_same_branch_where_no_connection_comes_about() {
    let mut world = World::default();
    world.refuse_connections(OUT_LARGE, true);
    let mut pbx = calls_out(&mut world, "+442079460000", long);
    let mut carrier = world.phone(OUT_LARGE);
    carrier.exchange = pbx.exchange;
    assert_eq!(lines(&world, "out-big <- INVITE"), 2, "one by TCP, one by UDP\n{}", world.ladder);
    let invite = carrier.expect(&mut world, "INVITE");
    assert!(invite.header(HeaderName::Via).unwrap().starts_with("SIP/2.0/UDP 192.0.2.1:5070;branch="));
    pass(&mut world, 600);
    let repeat = carrier.expect(&mut world, "INVITE");
    assert_eq!(invite.bytes(), repeat.bytes(), "by UDP it is repeated");
    answer(&mut world, &mut pbx, &mut carrier, &invite);
    hang_up(&mut world, &mut carrier, &mut pbx);
    world.assert_nothing_left();
}

fn a_stream_that_cannot_be_read_is_answered_where_it_can_be_and_counted() {
    let mut world = World::default();
    let (local, remote) = ("192.0.2.1:5060".parse().unwrap(), "203.0.113.77:40000".parse().unwrap());
    let request = "OPTIONS sip:192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/TCP 203.0.113.77;branch=z9hG4bK1\r\n\
                   From: <sip:a@b>;tag=1\r\nTo: <sip:192.0.2.1>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n";
    world.stream(local, remote, format!("{request}Content-Length: 0\r\n\r\n{request}\r\n").as_bytes());
    let statuses = [world.next_for(remote), world.next_for(remote)];
    let statuses = statuses.map(|bytes| Message::scan(bytes.unwrap()).unwrap().status());
    assert_eq!(statuses, [Some(200), Some(400)]);
    world.stream(local, remote, b"GET / HTTP/1.1\r\n\r\n");
    assert_eq!(world.next_for(remote), None);
    assert_eq!(world.exchange.census().stateless_total, 3);
    world.assert_nothing_left();
}

super::scenarios![
    a_call_runs_by_tcp_on_both_legs,
    a_call_goes_from_tcp_to_udp_and_the_other_way,
    an_invite_by_tcp_is_sent_once_and_times_out_all_the_same,
    a_refusal_by_tcp_is_sent_once_and_a_2xx_until_its_ack,
    a_call_outlives_its_connections_and_the_next_request_opens_new_ones,
    a_call_outlives_deaths_of_ours_and_their_connections,
    a_request_that_comes_again_by_another_connection_finds_its_answer,
    a_bye_that_is_lost_with_its_connection_goes_where_the_contact_says,
    a_bye_without_any_connection_left_ends_the_leg_at_once,
    a_carrier_that_takes_no_connection_is_passed_over_at_once,
    a_carrier_whose_connection_breaks_while_it_rings_is_passed_over,
    a_request_of_some_while_before_a_death_finds_its_answer_by_another_connection,
    a_request_that_comes_again_when_it_is_forgotten_is_out_of_order,
    a_response_whose_connection_is_gone_goes_where_the_via_says,
    a_2xx_that_is_lost_with_its_connection_goes_again_by_a_new_one,
    an_ack_that_may_be_lost_with_its_connection_goes_again_by_a_new_one,
    a_large_invite_goes_by_tcp_where_the_trunk_says_so_and_all_else_by_udp,
    a_large_invite_falls_back_to_udp_with_the_same_branch_where_no_connection_comes_about,
    a_stream_that_cannot_be_read_is_answered_where_it_can_be_and_counted,
];
