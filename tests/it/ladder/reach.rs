//! Devices whose connections break: those that nobody can call any more, and those that are called where they listen.

use super::{answer, hang_up, pass, refused};
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
    (bob.call_id, bob.cseq) = (String::new(), 0);
    let mut carrier = called(&mut world);
    let invite = talk(&mut world, &mut carrier, &mut bob);
    assert_eq!(invite.request_uri(), Some("sip:phone@198.51.100.60:41000;transport=tcp"));
    // It comes back by another connection, and is called by that.
    bob.connect(&mut world, Some(40_002));
    bob.register(&mut world, ("bob", A), PASSWORD, "");
    assert_eq!(world.registered()[4..], ["received", "refreshed", "200"]);
    bob.call_id = String::new();
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
        refused(&mut world, &mut carrier, "480");
        assert_eq!(world.exchange.binding_count(), 0);
        world.assert_nothing_left();
    }
}

fn of_two_flows_of_a_device_the_one_that_is_left_rings() {
    let mut world = World::with_users();
    let [mut first, mut second] = [40_001, 40_002].map(|port| bob(&mut world, port));
    let flow = |number: u8| format!(";+sip.instance=\"<urn:uuid:1>\";reg-id={number}");
    first.register(&mut world, ("bob", A), PASSWORD, &flow(1));
    second.tag = "t2".to_owned();
    second.register(&mut world, ("bob", A), PASSWORD, &flow(2));
    // The newest is the one to ring.
    second.disconnect(&mut world);
    assert_eq!(world.registered()[3..], ["received", "added", "200", "FlowLost"]);
    first.call_id = String::new();
    let mut carrier = called(&mut world);
    talk(&mut world, &mut carrier, &mut first);
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
    world.assert_nothing_left();
}

super::scenarios![
    a_phone_that_listens_is_called_there_when_its_connection_is_gone,
    a_phone_that_only_its_connection_leads_to_is_gone_with_it,
    of_two_flows_of_a_device_the_one_that_is_left_rings,
    a_connection_of_nobodys_ends_nothing,
    connections_do_not_outlive_the_process,
];
