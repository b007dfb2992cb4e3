//! Whose packets are taken for the peer's.

use super::*;

/// A call whose first side is pinned by its first packet.
fn latching(world: &mut World) -> Call {
    let mut call = world.call(1);
    call.sides[0].source = MediaSource::Latch;
    world.order(call.relay());
    call
}

#[test]
fn packets_from_another_address_than_the_sdp_names_are_dropped() {
    let mut world = World::new();
    let call = world.call(1);
    Phone::at("127.0.0.1").send(call.sides[0].ports.rtp(), &rtp(666));
    call.heard(0, &rtp(1));
    let [first, _] = world.close(&call);
    assert_eq!((first.packets, first.dropped, first.lost), (1, 1, 0));
}

#[test]
fn what_is_not_rtp_is_dropped() {
    let mut world = World::new();
    let call = world.call(1);
    call.send(0, &[0; 20]);
    call.send(0, &[]);
    call.send(0, &[0x80; 11]);
    call.heard(0, &rtp(1));
    call.send_rtcp(0, &rtp(2));
    call.send_rtcp(0, &rtcp());
    assert_eq!(call.phones[1].hear_rtcp().0, rtcp());
    assert_eq!(world.close(&call)[0].dropped, 4);
}

#[test]
fn a_latching_side_is_pinned_by_its_first_packet_and_answered_there() {
    let mut world = World::new();
    let call = latching(&mut world);
    let behind_nat = Phone::at("127.0.0.1");
    let port = call.sides[0].ports.rtp();
    behind_nat.send(port, b"not RTP and no latch");
    behind_nat.send(port, &rtp(1));
    assert_eq!(call.phones[1].hear().0, rtp(1));
    let source = behind_nat.rtp.local_addr().unwrap();
    assert_eq!(world.report(), MediaReport::Latched { path: call.path, leg: call.sides[0].leg, source });
    call.send(0, &rtp(666));
    behind_nat.send(port, &rtp(2));
    assert_eq!(call.phones[1].hear().0, rtp(2), "the address in SDP came second and is a stranger");
    call.send(1, &rtp(3));
    assert_eq!(behind_nat.hear().0, rtp(3));

    let elsewhere = UdpSocket::bind("127.0.0.2:0").unwrap();
    elsewhere.send_to(&rtcp(), ("127.0.0.1", call.sides[0].ports.rtcp())).unwrap();
    behind_nat.send_rtcp(call.sides[0].ports.rtcp(), &rtcp());
    assert_eq!(call.phones[1].hear_rtcp().0, rtcp());
    call.send_rtcp(1, &rtcp());
    assert_eq!(behind_nat.hear_rtcp().0, rtcp(), "RTCP goes back where RTCP came from");
    let [first, _] = world.close(&call);
    assert_eq!((first.dropped, first.rtcp_packets), (3, 1));
}

#[test]
fn a_source_pinned_before_a_restart_stays_pinned() {
    let mut world = World::new();
    let mut call = world.call(1);
    let pinned = Phone::at("127.0.0.1");
    call.sides[0].source = MediaSource::Latch;
    call.sides[0].latched = Some(pinned.rtp.local_addr().unwrap());
    world.order(call.relay());
    call.send(0, &rtp(666));
    pinned.send(call.sides[0].ports.rtp(), &rtp(1));
    assert_eq!(call.phones[1].hear().0, rtp(1));
    world.close(&call);
}

#[test]
fn a_latch_survives_an_update_and_opens_anew_when_the_peer_moves() {
    let mut world = World::new();
    let mut call = latching(&mut world);
    call.heard(0, &rtp(1));
    assert!(matches!(world.report(), MediaReport::Latched { .. }));
    world.order(call.relay());
    Phone::at("127.0.0.1").send(call.sides[0].ports.rtp(), &rtp(666));
    call.heard(0, &rtp(2));
    call.phones[0] = Phone::at("127.0.0.1");
    call.sides[0].rtp = Some(call.phones[0].rtp.local_addr().unwrap());
    world.order(call.relay());
    call.heard(0, &rtp(3));
    assert!(matches!(world.report(), MediaReport::Latched { .. }));
}

#[test]
fn what_was_under_way_when_a_peer_moved_is_heard_and_pins_nothing() {
    let mut world = World::new();
    let mut call = latching(&mut world);
    call.heard(0, &rtp(1));
    assert!(matches!(world.report(), MediaReport::Latched { .. }));
    let before = std::mem::replace(&mut call.phones[0], Phone::at("127.0.0.1"));
    call.sides[0].rtp = Some(call.phones[0].rtp.local_addr().unwrap());
    world.order(call.relay());
    before.send(call.sides[0].ports.rtp(), &rtp(2));
    assert_eq!(call.phones[1].hear().0, rtp(2));
    call.heard(1, &rtp(9));
    call.heard(0, &rtp(3));
    let source = call.phones[0].rtp.local_addr().unwrap();
    assert_eq!(world.report(), MediaReport::Latched { path: call.path, leg: call.sides[0].leg, source });
    before.send(call.sides[0].ports.rtp(), &rtp(666));
    call.heard(0, &rtp(4));
    assert_eq!(world.close(&call)[0].dropped, 1);
}

#[test]
fn who_says_that_it_moved_and_does_not_is_pinned_where_it_is() {
    let mut world = World::new();
    let mut call = latching(&mut world);
    call.heard(0, &rtp(1));
    let latched = world.report();
    call.sides[0].rtp = Some("127.0.0.2:9".parse().unwrap());
    world.order(call.relay());
    (2..53).for_each(|n| call.heard(0, &rtp(n)));
    assert_eq!(world.report(), latched);
    call.heard(1, &rtp(9));
    world.close(&call);
}

#[test]
fn a_changed_address_takes_effect_at_once_and_counters_survive() {
    let mut world = World::new();
    let mut call = world.call(1);
    call.heard(0, &rtp(1));
    let moved_from = std::mem::replace(&mut call.phones[0], Phone::at("127.0.0.1"));
    call.sides[0].rtp = Some(call.phones[0].rtp.local_addr().unwrap());
    world.order(call.relay());
    world.order(call.relay());
    moved_from.send(call.sides[0].ports.rtp(), &rtp(666));
    call.heard(0, &rtp(2));
    call.heard(1, &rtp(9));
    let [first, second] = world.close(&call);
    assert_eq!((first.packets, first.dropped, second.packets), (2, 1, 1));
}
