//! Devices behind NAT that are asked by OPTIONS whether they are there.

use super::{lines, pass};
use domain::domain_name::Hunt;
use domain::sip::wire::HeaderName;
use tests::world::{DEVICES, Device, PUBLIC, Phone, World};

/// A device of alice's that registers for ten minutes with that contact, and what answers its pings.
fn registered(world: &mut World, contact: &str) -> (Device, Phone) {
    let mut device = Device::of("alice", DEVICES[0]);
    device.contact = contact.to_owned();
    let wanted = device.for_seconds(600);
    device.register(world, &wanted, 200);
    let mut phone = world.phone(DEVICES[0]);
    phone.exchange = PUBLIC.parse().unwrap();
    (device, phone)
}

/// How many devices of alice's a call would ring.
fn rings(world: &World) -> usize {
    let bound = world.exchange.bindings_of(&"alice@pbx.example".parse().unwrap()).unwrap();
    bound.targets(Hunt::Parallel, world.now().wall).len()
}

/// Half a minute passes; the ping that came meanwhile is answered.
#[track_caller]
fn answers(world: &mut World, phone: &mut Phone) {
    pass(world, 30_000);
    let ping = phone.expect(world, "OPTIONS sip:alice@10.0.0.9:5060");
    assert_eq!(ping.header(HeaderName::To), Some("<sip:alice@pbx.example>"));
    phone.ignore_all(world);
    phone.respond(world, &ping, 200, None);
}

fn who_answered_before_and_answers_no_more_is_not_called_until_it_does() {
    let mut world = World::pinging();
    let (_, mut phone) = registered(&mut world, "sip:alice@10.0.0.9:5060");
    answers(&mut world, &mut phone);
    answers(&mut world, &mut phone);
    pass(&mut world, 185_999);
    assert_eq!((rings(&world), world.registered().len()), (1, 3));
    pass(&mut world, 1);
    assert_eq!((rings(&world), world.registered()[3..].to_vec()), (0, vec!["by Nowhere".to_owned()]));
    assert_eq!(world.contacts_of("alice@pbx.example").len(), 1, "it is bound all the same");
    phone.ignore_all(&mut world);
    answers(&mut world, &mut phone);
    assert_eq!((rings(&world), world.registered()[4..].to_vec()), (1, vec!["by Flow".to_owned()]));
    pass(&mut world, 600_000);
    world.assert_nothing_left();
    assert_eq!(world.registered()[5..], ["by Nowhere", "Expired"], "it is gone again, and nobody refreshes it");
    assert!(world.edge_counts()["ping"] > 20 && world.edge_counts()["ping-answered"] == 3);
}

fn who_never_answered_is_called_all_the_same() {
    let mut world = World::pinging();
    registered(&mut world, "sip:alice@10.0.0.9:5060");
    pass(&mut world, 500_000);
    assert_eq!((rings(&world), world.registered().len()), (1, 3));
    assert!(lines(&world, "phone-1 <- OPTIONS") > 20);
    pass(&mut world, 200_000);
    world.assert_nothing_left();
}

fn any_answer_will_do_and_a_refresh_takes_back_what_was_missed() {
    let mut world = World::pinging();
    let (mut device, mut phone) = registered(&mut world, "sip:alice@10.0.0.9:5060");
    pass(&mut world, 30_000);
    let ping = phone.expect(&mut world, "OPTIONS");
    phone.ignore_all(&mut world);
    phone.respond(&mut world, &ping, 501, None);
    // Two are missed, then it registers again.
    pass(&mut world, 130_000);
    phone.ignore_all(&mut world);
    let wanted = device.for_seconds(600);
    device.register(&mut world, &wanted, 200);
    pass(&mut world, 90_000);
    assert_eq!((rings(&world), world.registered().len()), (1, 6));
    pass(&mut world, 600_000);
    world.assert_nothing_left();
}

fn whom_datagrams_reach_anyway_is_left_alone() {
    let mut world = World::pinging();
    let (_, phone) = registered(&mut world, "sip:alice@198.51.100.70:5060");
    pass(&mut world, 500_000);
    phone.expect_silence(&mut world);
    pass(&mut world, 200_000);
    world.assert_nothing_left();
}

fn devices_are_pinged_again_after_a_restart() {
    let mut world = World::pinging();
    let (_, mut phone) = registered(&mut world, "sip:alice@10.0.0.9:5060");
    world.restart(true);
    answers(&mut world, &mut phone);
    pass(&mut world, 600_000);
    world.assert_nothing_left();
}

super::scenarios![
    who_answered_before_and_answers_no_more_is_not_called_until_it_does,
    who_never_answered_is_called_all_the_same,
    any_answer_will_do_and_a_refresh_takes_back_what_was_missed,
    whom_datagrams_reach_anyway_is_left_alone,
    devices_are_pinged_again_after_a_restart,
];
