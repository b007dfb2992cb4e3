//! The guard as it is set where nothing else is said, at the size of an office and of a botnet.

use bytes::Bytes;
use domain::exchange::Census;
use std::time::Duration;
use tests::world::{Device, PUBLIC, Packet, World};

/// A phone of an office: a user's, behind one address.
fn phone(number: u16) -> Device {
    Device::of("alice", &format!("198.51.100.70:{}", 10_000 + number))
}

/// Sends a REGISTER, and again while there is no answer, as phones do (RFC 3261 §17.1.2.1).
fn begin(world: &mut World, phones: &mut [Device]) {
    for phone in phones {
        let wanted = "Contact: *\r\nExpires: 0\r\n";
        phone.send(world, wanted);
    }
}

#[test]
fn two_hundred_phones_behind_one_address_come_back_after_a_power_cut() {
    let mut world = World::default();
    let mut first = Device::of("bob", "198.51.100.70:9000");
    let wanted = first.for_seconds(60);
    first.register(&mut world, &wanted, 200);
    world.pass(Duration::from_secs(3_600));
    let mut phones: Vec<Device> = (0..200).map(phone).collect();
    begin(&mut world, &mut phones);
    for phone in &mut phones {
        let challenge = phone.expect(&mut world, 401);
        phone.answer(&mut world, "Contact: *\r\nExpires: 0\r\n", &challenge);
    }
    for phone in &phones {
        phone.expect(&mut world, 200);
    }
    assert_eq!(world.exchange.guard_figures().dropped, 0);
    world.assert_nothing_left();
}

#[test]
fn two_hundred_phones_of_a_new_office_are_all_registered_within_their_repeats() {
    let mut world = World::default();
    let mut phones: Vec<Device> = (0..200).map(phone).collect();
    let mut waiting: Vec<usize> = (0..phones.len()).collect();
    begin(&mut world, &mut phones);
    // Timer E: after 500 ms, then twice as long each time, four seconds at most.
    for interval in [0, 500, 1_000, 2_000, 4_000, 4_000] {
        world.pass(Duration::from_millis(interval));
        if interval > 0 {
            waiting.iter().for_each(|at| phones[*at].repeat(&mut world));
        }
        waiting.retain(|at| {
            let phone = &mut phones[*at];
            let mut registered = false;
            while let Some(bytes) = world.next_for(phone.address) {
                let answer = domain::sip::wire::Message::scan(bytes).unwrap();
                match answer.status() {
                    Some(401) => phone.answer(&mut world, "Contact: *\r\nExpires: 0\r\n", &answer),
                    status => registered = status == Some(200),
                }
            }
            !registered
        });
    }
    assert_eq!(waiting, Vec::<usize>::new());
    world.assert_nothing_left();
}

#[test]
fn more_than_a_hundred_thousand_sources_leave_no_more_than_those_behind() {
    let mut world = World::default();
    let before = world.exchange.census();
    for number in 0..120_000u32 {
        let source = std::net::Ipv4Addr::from_bits(0x0b00_0000 + number);
        let text = format!(
            "OPTIONS sip:192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP {source};branch=z9hG4bK{number};rport\r\n\
             From: <sip:a@b>;tag=1\r\nTo: <sip:192.0.2.1>\r\nCall-ID: {number}\r\nCSeq: 1 OPTIONS\r\n\
             Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        );
        let from = (source, 5060).into();
        world.exchange_hears(Packet { local: PUBLIC.parse().unwrap(), from, bytes: Bytes::from(text) });
        assert!(world.exchange.guard_figures().sources <= 100_000);
    }
    let census = world.exchange.census();
    assert_eq!(Census { stateless_total: 0, ..census }, Census { stateless_total: 0, ..before });
    assert_eq!(census.stateless_total, 120_000);
    world.assert_nothing_left();
}
