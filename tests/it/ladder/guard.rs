//! Strangers at the edge: floods, guessers and scanners, and those who are not to suffer from them.

use super::{answered, hang_up, pass};
use domain::exchange::{Allowance, GuardSettings};
use domain::sip::wire::Message;
use tests::world::{CARRIER, DEVICES, Device, NUMBER, PUBLIC, Phone, World};

scenarios![
    a_flood_without_credentials_is_answered_a_burst_and_summarised,
    wrong_passwords_make_a_source_unheard_and_time_forgives,
    a_registered_phone_goes_on_while_its_neighbour_guesses,
    scanners_get_no_answer,
    who_is_dropped_for_a_flood_is_heard_in_its_call,
    a_trunk_is_answered_whatever_it_asks,
    invites_without_credentials_are_limited_too,
];

/// Little of everything, so that a scenario is short.
fn strict() -> GuardSettings {
    GuardSettings {
        strangers: Allowance { per_second: 2, burst: 6 },
        known: Allowance { per_second: 10, burst: 40 },
        failures: 3,
        ..GuardSettings::default()
    }
}

fn alice() -> Device {
    Device::of("alice", DEVICES[0])
}

/// A device that does not know its password.
fn guesser(number: u16) -> Device {
    let mut device = Device::of("bob", &format!("198.51.100.70:{}", 7_000 + number));
    device.password = format!("guess {number}");
    device
}

fn guess(world: &mut World, number: u16) {
    let mut device = guesser(number);
    let wanted = device.for_seconds(600);
    device.send(world, &wanted);
    let challenge = device.expect(world, 401);
    device.answer(world, &wanted, &challenge);
    device.expect(world, 401);
}

fn a_flood_without_credentials_is_answered_a_burst_and_summarised() {
    let mut world = World::guarded(strict());
    let mut device = alice();
    let wanted = device.for_seconds(600);
    for number in 0..10 {
        device.send_with(&mut world, &wanted, None);
        match number < 6 {
            true => drop(device.expect(&mut world, 401)),
            false => device.expect_silence(&mut world),
        }
    }
    pass(&mut world, 500);
    device.send_with(&mut world, &wanted, None);
    device.expect(&mut world, 401);
    device.send_with(&mut world, &wanted, None);
    device.expect_silence(&mut world);
    world.assert_nothing_left();
    let counts = world.edge_counts();
    assert_eq!((counts.get("answered-401"), counts.get("dropped-flood")), (Some(&7), Some(&5)));
    assert_eq!(world.edge_worst(), (vec![("198.51.100.70".to_owned(), 5)], 0));
    assert_eq!(world.registered().len(), 0);
}

fn wrong_passwords_make_a_source_unheard_and_time_forgives() {
    let mut world = World::guarded(strict());
    // What went before fades a little meanwhile: the fourth is the third.
    for number in 0..4 {
        guess(&mut world, number);
        pass(&mut world, 3_000);
    }
    let mut device = alice();
    let wanted = device.for_seconds(3_600);
    device.send(&mut world, &wanted);
    device.expect_silence(&mut world);
    pass(&mut world, 297_100);
    device.repeat(&mut world);
    let challenge = device.expect(&mut world, 401);
    device.answer(&mut world, &wanted, &challenge);
    device.expect(&mut world, 200);
    world.assert_nothing_left();
    assert_eq!(world.edge_counts().get("dropped-banned"), Some(&1));
    assert_eq!(world.edge_worst(), (vec![("198.51.100.70".to_owned(), 1)], 1));
}

fn a_registered_phone_goes_on_while_its_neighbour_guesses() {
    let mut world = World::guarded(GuardSettings { failures: 1, ..strict() });
    let mut device = alice();
    let wanted = device.for_seconds(600);
    device.register(&mut world, &wanted, 200);
    // Ten times as many as where nobody has proved himself.
    for number in 0..11 {
        guess(&mut world, number);
        pass(&mut world, 1_000);
    }
    let mut late = guesser(99);
    late.send(&mut world, &wanted);
    late.expect_silence(&mut world);
    device.register(&mut world, &wanted, 200);
    // In another's name it is as unheard as the others.
    late.address = device.address;
    late.send(&mut world, &wanted);
    late.expect_silence(&mut world);
    world.assert_nothing_left();
    assert_eq!(world.edge_worst().1, 1);
}

fn scanners_get_no_answer() {
    let mut world = World::guarded(strict());
    let mut scanner = world.phone("198.51.100.66:5060");
    scanner.exchange = PUBLIC.parse().unwrap();
    scanner.ask(&mut world, "OPTIONS", "<sip:100@192.0.2.1>", "User-Agent: friendly-scanner\r\n");
    scanner.expect_silence(&mut world);
    scanner.ask(&mut world, "OPTIONS", "<sip:100@192.0.2.1>", "User-Agent: Phone 1\r\n");
    scanner.expect(&mut world, "200");
    for _ in 0..2 {
        scanner.ask(&mut world, "REGISTER", "<sip:100@pbx.example>", "User-Agent: sipcli/v1.8\r\n");
        scanner.expect_silence(&mut world);
    }
    // It has scanned too often: what it calls itself does not matter any more.
    scanner.ask(&mut world, "OPTIONS", "<sip:100@192.0.2.1>", "User-Agent: Phone 1\r\n");
    scanner.expect_silence(&mut world);
    world.assert_nothing_left();
    let counts = world.edge_counts();
    assert_eq!((counts.get("dropped-scanner"), counts.get("dropped-banned")), (Some(&3), Some(&1)));
}

fn who_is_dropped_for_a_flood_is_heard_in_its_call() {
    let mut world = World::guarded(strict());
    let mut alice = alice();
    let wanted = alice.for_seconds(600);
    alice.register(&mut world, &wanted, 200);
    let mut callee = Phone::new(DEVICES[0].parse().unwrap());
    callee.exchange = PUBLIC.parse().unwrap();
    let offer = callee.sdp("sendrecv");
    callee.call_as(&mut world, "alice@pbx.example", &format!("sip:{NUMBER}@pbx.example"), Some(&offer));
    let challenge = callee.expect(&mut world, "407");
    callee.prove(&mut world, &challenge, ("alice", "alice-secret"), Some(&offer));
    callee.expect(&mut world, "100");
    let mut pbx = world.phone(tests::world::PBX);
    let invite = pbx.expect(&mut world, "INVITE");
    super::answer(&mut world, &mut callee, &mut pbx, &invite);
    let mut flooder = guesser(1);
    for _ in 0..50 {
        flooder.send_with(&mut world, &wanted, None);
    }
    while world.next_for(flooder.address).is_some() {}
    flooder.send_with(&mut world, &wanted, None);
    flooder.expect_silence(&mut world);
    hang_up(&mut world, &mut callee, &mut pbx);
    world.assert_nothing_left();
}

fn a_trunk_is_answered_whatever_it_asks() {
    let mut world = World::guarded(strict());
    let mut carrier = world.phone(CARRIER);
    for _ in 0..20 {
        carrier.ask(&mut world, "OPTIONS", "<sip:192.0.2.1>", "User-Agent: friendly-scanner\r\n");
        carrier.expect(&mut world, "200");
    }
    let (mut caller, mut callee) = answered(&mut world);
    hang_up(&mut world, &mut caller, &mut callee);
    assert_eq!(world.exchange.guard_figures().sources, 0, "nothing is kept of it");
    world.assert_nothing_left();
}

fn invites_without_credentials_are_limited_too() {
    let mut world = World::guarded(strict());
    let mut stranger = world.phone("198.51.100.67:5060");
    stranger.exchange = PUBLIC.parse().unwrap();
    for number in 0..8 {
        let offer = stranger.sdp("sendrecv");
        stranger.call(&mut world, NUMBER, Some(&offer));
        match number < 6 {
            true => {
                let challenge: Message = stranger.expect(&mut world, "407");
                stranger.ack_refusal(&mut world, &challenge);
            }
            false => stranger.expect_silence(&mut world),
        }
    }
    world.assert_nothing_left();
    let counts = world.edge_counts();
    assert_eq!((counts.get("answered-407"), counts.get("stray-ack")), (Some(&6), Some(&6)));
    assert_eq!(counts.get("dropped-flood"), Some(&2));
}
