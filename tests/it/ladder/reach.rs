//! Devices whose connections break: those that nobody can call any more, and those that are called where they listen.

use super::{answer, hang_up, pass, refused};
use bytes::Bytes;
use domain::sip::wire::Message;
use tests::world::{A, CARRIER, DEVICES, Device, NUMBER_BOB, PASSWORD, PUBLIC, Phone, World};

const HOST: &str = "198.51.100.60:41000";

/// A phone of bob's with a connection from that port to where everybody may come.
fn bob(world: &mut World, port: u16) -> Phone {
    let mut bob = world.phone(HOST);
    world.name(HOST, "bob");
    bob.exchange = PUBLIC.parse().unwrap();
    bob.connect(world, Some(port));
    bob
}

fn called(world: &mut World) -> Phone {
    let mut carrier = world.phone(CARRIER);
    let offer = carrier.sdp("sendrecv");
    carrier.call(world, NUMBER_BOB, Some(&offer));
    carrier
}

/// The phone rings, answers and is hung up on.
#[track_caller]
fn talk(world: &mut World, carrier: &mut Phone, bob: &mut Phone) -> Message {
    carrier.expect(world, "100");
    let invite = bob.expect(world, "INVITE");
    answer(world, carrier, bob, &invite);
    hang_up(world, carrier, bob);
    invite
}

fn a_phone_that_listens_is_called_there_when_its_connection_is_gone() {
    let mut world = World::with_users();
    let mut bob = bob(&mut world, 40_001);
    bob.register(&mut world, ("bob", A), PASSWORD, "");
    let mut carrier = called(&mut world);
    talk(&mut world, &mut carrier, &mut bob);
    pass(&mut world, 40_000);
    bob.disconnect(&mut world);
    assert_eq!(world.registered(), ["received", "added", "200", "by Contact"]);
    bob.forget_call();
    let mut carrier = called(&mut world);
    let invite = talk(&mut world, &mut carrier, &mut bob);
    assert_eq!(invite.request_uri(), Some("sip:phone@198.51.100.60:41000;transport=tcp"));
    // It comes back by another connection, and is called by that.
    bob.connect(&mut world, Some(40_002));
    bob.register(&mut world, ("bob", A), PASSWORD, "");
    assert_eq!(world.registered()[4..], ["received", "refreshed", "200"]);
    bob.forget_call();
    pass(&mut world, 40_000);
    let mut carrier = called(&mut world);
    talk(&mut world, &mut carrier, &mut bob);
    world.assert_nothing_left();
}

fn a_phone_that_only_its_connection_leads_to_is_gone_with_it() {
    // Behind NAT; at the near end of its connection; by its own word.
    for contact in ["10.0.0.5:5060", "198.51.100.60:40001", "198.51.100.60:5060;ob", "phone.invalid"] {
        let mut world = World::with_users();
        let mut bob = bob(&mut world, 40_001);
        bob.contact = format!("<sip:bob@{contact};transport=tcp>");
        bob.register(&mut world, ("bob", A), PASSWORD, "");
        bob.disconnect(&mut world);
        assert_eq!(world.registered(), ["received", "added", "200", "FlowLost"], "{contact}");
        let mut carrier = called(&mut world);
        carrier.expect(&mut world, "100");
        refused(&mut world, &mut carrier, "480");
        assert_eq!(world.exchange.binding_count(), 0);
        world.assert_nothing_left();
    }
}

fn of_two_flows_of_a_device_the_one_that_is_left_rings() {
    let mut world = World::with_users();
    let mut first = bob(&mut world, 40_001);
    let mut second = Phone::on_line(HOST.parse().unwrap(), 2);
    second.exchange = PUBLIC.parse().unwrap();
    second.connect(&mut world, Some(40_002));
    let flow = |number: u8| format!(";+sip.instance=\"<urn:uuid:1>\";reg-id={number}");
    first.register(&mut world, ("bob", A), PASSWORD, &flow(1));
    second.register(&mut world, ("bob", A), PASSWORD, &flow(2));
    // The newest is the one to ring.
    second.disconnect(&mut world);
    assert_eq!(world.registered()[3..], ["received", "added", "200", "FlowLost"]);
    first.forget_call();
    let mut carrier = called(&mut world);
    talk(&mut world, &mut carrier, &mut first);
    world.assert_nothing_left();
}

/// Bob's phone with two flows, the second the newer; and the carrier that calls.
fn two_flows(world: &mut World) -> [Phone; 3] {
    let mut first = bob(world, 40_001);
    let mut second = Phone::on_line(HOST.parse().unwrap(), 2);
    second.exchange = PUBLIC.parse().unwrap();
    second.connect(world, Some(40_002));
    for (number, phone) in (1..).zip([&mut first, &mut second]) {
        let flow = format!(";+sip.instance=\"<urn:uuid:1>\";reg-id={number}");
        pass(world, 1_000);
        phone.register(world, ("bob", A), PASSWORD, &flow);
        phone.forget_call();
    }
    let mut carrier = called(world);
    carrier.expect(world, "100");
    [carrier, first, second]
}

fn a_device_whose_newest_flow_has_failed_is_called_by_the_other() {
    let mut world = World::with_users();
    let [mut carrier, mut first, mut second] = two_flows(&mut world);
    let invite = second.expect(&mut world, "INVITE");
    first.expect_silence(&mut world);
    second.respond(&mut world, &invite, 430, None);
    second.expect(&mut world, "ACK");
    let invite = first.expect(&mut world, "INVITE");
    answer(&mut world, &mut carrier, &mut first, &invite);
    hang_up(&mut world, &mut carrier, &mut first);
    world.assert_nothing_left();
}

fn a_device_that_says_no_by_one_flow_is_not_asked_by_the_other() {
    let mut world = World::with_users();
    let [mut carrier, first, mut second] = two_flows(&mut world);
    let invite = second.expect(&mut world, "INVITE");
    second.respond(&mut world, &invite, 486, None);
    second.expect(&mut world, "ACK");
    first.expect_silence(&mut world);
    refused(&mut world, &mut carrier, "486");
    world.assert_nothing_left();
}

fn a_device_with_no_flow_left_is_away() {
    let mut world = World::with_users();
    let [mut carrier, mut first, mut second] = two_flows(&mut world);
    for phone in [&mut second, &mut first] {
        let invite = phone.expect(&mut world, "INVITE");
        phone.respond(&mut world, &invite, 430, None);
        phone.expect(&mut world, "ACK");
    }
    refused(&mut world, &mut carrier, "480");
    world.assert_nothing_left();
}

fn a_connection_of_nobodys_ends_nothing() {
    let mut world = World::with_users();
    let mut bob = bob(&mut world, 40_001);
    bob.contact = "<sip:bob@10.0.0.5;transport=tcp>".to_owned();
    bob.register(&mut world, ("bob", A), PASSWORD, "");
    world.disconnect(PUBLIC.parse().unwrap(), "198.51.100.60:40002".parse().unwrap());
    assert_eq!(world.registered(), ["received", "added", "200"]);
    world.assert_nothing_left();
}

fn connections_do_not_outlive_the_process() {
    let mut world = World::default();
    let mut device = Device::of("alice", DEVICES[0]);
    device.tcp = true;
    let wanted = device.for_seconds(600);
    device.register(&mut world, &wanted, 200);
    world.restart(true);
    assert_eq!(world.registered(), ["received", "added", "200", "FlowLost"]);
    assert_eq!(world.open_registrations(), 0);
    // It comes back, by datagrams.
    device.tcp = false;
    device.send(&mut world, &wanted);
    let challenge = device.expect(&mut world, 401);
    device.answer(&mut world, &wanted, &challenge);
    device.expect(&mut world, 200);
    assert_eq!(world.registered()[4..], ["received", "added", "200"]);
    world.assert_nothing_left();
}

/// A device of alice's that names its flow.
fn outbound(world: &mut World, tcp: bool) -> (Device, Message) {
    let mut device = Device::of("alice", DEVICES[0]);
    device.tcp = tcp;
    let flow = ";+sip.instance=\"<urn:uuid:1>\";reg-id=1;expires=3600";
    let wanted = format!("Contact: <{}>{flow}\r\nSupported: path, outbound\r\n", device.contact);
    let answer = device.register(world, &wanted, 200);
    (device, answer)
}

/// A STUN binding request.
const STUN: &[u8] = b"\x00\x01\x00\x00\x21\x12\xa4\x42abcdefghijkl";

fn a_flow_by_datagrams_that_was_kept_alive_and_is_no_more_is_gone() {
    let mut world = World::default();
    let (device, answer) = outbound(&mut world, false);
    let text = String::from_utf8(answer.bytes().to_vec()).unwrap();
    assert!(text.contains("Require: outbound\r\nFlow-Timer: 25\r\n"), "{text}");
    for _ in 0..5 {
        pass(&mut world, 24_000);
        world.send_to(device.exchange, device.address, Bytes::from_static(STUN));
        let told = world.next_for(device.address).unwrap();
        // 198.51.100.70:5060, masked.
        assert_eq!(told[20..], [0, 0x20, 0, 8, 0, 1, 0x32, 0xd6, 0xe7, 0x21, 0xc0, 0x04]);
    }
    pass(&mut world, 79_999);
    assert_eq!(world.exchange.binding_count(), 1);
    pass(&mut world, 1);
    assert_eq!(world.registered(), ["received", "added", "200", "FlowLost"]);
    world.assert_nothing_left();
    assert_eq!(world.edge_counts().get("stun"), Some(&5));
}

fn a_flow_that_was_never_kept_alive_is_not_missed() {
    let mut world = World::default();
    outbound(&mut world, false);
    pass(&mut world, 3_000_000);
    assert_eq!((world.exchange.binding_count(), world.registered().len()), (1, 3));
    world.assert_nothing_left();
}

fn a_connection_that_was_kept_alive_and_is_no_more_is_gone() {
    let mut world = World::default();
    let (device, answer) = outbound(&mut world, true);
    assert!(String::from_utf8(answer.bytes().to_vec()).unwrap().contains("Flow-Timer: 120\r\n"));
    pass(&mut world, 100_000);
    world.stream(device.exchange, device.address, b"\r\n\r\n");
    pass(&mut world, 149_999);
    assert_eq!(world.exchange.binding_count(), 1);
    pass(&mut world, 1);
    assert_eq!(world.registered(), ["received", "added", "200", "FlowLost"]);
    world.assert_nothing_left();
}

fn empty_lines_by_datagram_are_answered_by_one_and_counted() {
    let mut world = World::default();
    let phone = world.phone(DEVICES[0]);
    for (ping, answered) in [("\r\n\r\n", true), ("\r\n", false), ("\0\0\0\0", false), ("", false)] {
        world.send_to(PUBLIC.parse().unwrap(), phone.address, Bytes::from(ping));
        assert_eq!(world.next_for(phone.address), answered.then(|| Bytes::from("\r\n")), "{ping:?}");
    }
    assert_eq!(world.exchange.census().stateless_total, 4);
    world.assert_nothing_left();
}

super::scenarios![
    a_flow_by_datagrams_that_was_kept_alive_and_is_no_more_is_gone,
    a_flow_that_was_never_kept_alive_is_not_missed,
    a_connection_that_was_kept_alive_and_is_no_more_is_gone,
    empty_lines_by_datagram_are_answered_by_one_and_counted,
    a_phone_that_listens_is_called_there_when_its_connection_is_gone,
    a_phone_that_only_its_connection_leads_to_is_gone_with_it,
    of_two_flows_of_a_device_the_one_that_is_left_rings,
    a_device_whose_newest_flow_has_failed_is_called_by_the_other,
    a_device_that_says_no_by_one_flow_is_not_asked_by_the_other,
    a_device_with_no_flow_left_is_away,
    a_connection_of_nobodys_ends_nothing,
    connections_do_not_outlive_the_process,
];
