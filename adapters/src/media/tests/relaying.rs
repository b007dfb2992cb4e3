//! What goes where, and what is counted and reported.

use super::*;

#[test]
fn packets_pass_both_ways_byte_for_byte() {
    let mut world = World::new();
    let call = world.call(1);
    for sequence in 0..50 {
        call.heard(0, &rtp(sequence));
        call.heard(1, &rtp(sequence));
    }
    call.heard(0, &[rtp(50), vec![7; 60_000]].concat());
    let [first, second] = world.close(&call);
    assert_eq!((first.packets, first.bytes, first.lost, first.dropped), (51, 51 * 172 + 60_000, 0, 0));
    assert_eq!((second.packets, second.bytes, second.lost, second.dropped), (50, 50 * 172, 0, 0));
    assert!(first.mos_centi > 400, "{first:?}");
}

#[test]
fn a_held_peer_gets_no_rtp_but_rtcp() {
    let mut world = World::new();
    let mut call = world.call(1);
    call.sides[1].sends = false;
    let mux = call.sides[1].rtp;
    call.sides[1].rtcp = mux;
    world.order(call.relay());
    call.send(0, &rtp(1));
    call.send(0, &rtcp());
    // RTCP from phone 0 comes on the RTP port: with mux that needs no agreement to be understood.
    assert_eq!(call.phones[1].hear().0, rtcp());
    call.heard(1, &rtp(5));
    call.sides[1].sends = true;
    world.order(call.relay());
    call.heard(0, &rtp(2));
    let [first, _] = world.close(&call);
    assert_eq!((first.packets, first.dropped, first.rtcp_packets, first.lost), (1, 1, 1, 0));
}

#[test]
fn a_peer_without_an_address_gets_nothing_and_is_heard_where_it_was_last() {
    let mut world = World::new();
    let mut call = world.call(1);
    (call.sides[1].rtp, call.sides[1].rtcp) = (None, None);
    world.order(call.relay());
    call.send(0, &rtp(1));
    call.heard(1, &rtp(1));
    call.send_rtcp(0, &rtcp());
    call.send_rtcp(1, &rtcp());
    assert_eq!(call.phones[0].hear_rtcp().0, rtcp());
    call.sides = Call::between(1, [Phone::at("127.0.0.1"), Phone::at("127.0.0.1")], call.sides.map(|s| s.ports)).sides;
    call.sides[0].rtp = call.phones[0].rtp.local_addr().ok();
    call.sides[1].rtp = call.phones[1].rtp.local_addr().ok();
    world.order(call.relay());
    call.heard(0, &rtp(2));
    assert_eq!(world.close(&call)[0].packets, 1);
}

#[test]
fn rtcp_passes_on_its_own_port_and_tells_of_loss() {
    let mut world = World::new();
    let call = world.call(1);
    call.heard(0, &rtp(1));
    call.send_rtcp(1, &rtcp());
    let (packet, source) = call.phones[0].hear_rtcp();
    assert_eq!((packet, source.port()), (rtcp(), call.sides[0].ports.rtcp()));
    Phone::at("127.0.0.1").send_rtcp(call.sides[0].ports.rtcp(), &rtcp());
    call.send_rtcp(0, &rtcp());
    assert_eq!(call.phones[1].hear_rtcp().0, rtcp());
    let [first, second] = world.close(&call);
    assert_eq!((first.rtcp_packets, first.dropped, first.reported_loss_permille), (1, 1, 0));
    assert_eq!((second.rtcp_packets, second.reported_loss_permille), (1, 250));
}

#[test]
fn rtcp_is_carried_between_a_multiplexing_peer_and_one_that_does_not() {
    let mut world = World::new();
    let mut call = world.call(1);
    call.sides[0].rtcp = call.sides[0].rtp;
    world.order(call.relay());
    call.send(0, &rtcp());
    let (packet, source) = call.phones[1].hear_rtcp();
    assert_eq!((packet, source.port()), (rtcp(), call.sides[1].ports.rtcp()));
    call.send_rtcp(1, &rtcp());
    let (packet, source) = call.phones[0].hear();
    assert_eq!((packet, source.port()), (rtcp(), call.sides[0].ports.rtp()));
}

#[test]
fn loss_disorder_and_wrap_come_out_in_the_statistics() {
    let mut world = World::new();
    let call = world.call(1);
    let sent = (0..200_u16).filter(|n| n % 20 != 7).map(|n| {
        if n % 10 == 2 {
            n + 1
        } else if n % 10 == 3 {
            n - 1
        } else {
            n
        }
    });
    for sequence in sent {
        call.heard(0, &rtp(sequence.wrapping_add(65_436)));
    }
    let [first, second] = world.close(&call);
    assert_eq!((first.packets, first.lost), (190, 10));
    assert!(first.mos_centi > 100 && second.mos_centi == 0, "{first:?} {second:?}");
}

#[test]
fn a_silent_peer_is_reported_once_and_heard_again() {
    let mut world = World::with(MediaSettings { silence_after: Duration::from_millis(40), ..settings() });
    let mut call = world.call(1);
    call.sides[1].expects = false;
    world.order(call.relay());
    let MediaReport::Silent { path, leg, lasted, rtcp_alive } = world.report() else { panic!("no silence") };
    assert_eq!((path, leg, rtcp_alive), (call.path, call.sides[0].leg, false));
    assert!(lasted >= Duration::from_millis(40), "{lasted:?}");
    call.heard(0, &rtp(1));
    assert_eq!(world.report(), MediaReport::Heard { path, leg });
    assert!(matches!(world.report(), MediaReport::Silent { .. }));
}

#[test]
fn ipv6_and_a_mixture_of_both_families_work() {
    let v6 = "::1".parse().unwrap();
    let mut world = World::with(MediaSettings { address: v6, advertised: v6, ..settings() });
    let ports = [world.take(), world.take()];
    let call = Call::between(1, [Phone::at("::1"), Phone::at("::1")], ports);
    world.order(call.relay());
    call.heard(0, &rtp(1));
    call.heard(1, &rtp(1));
    drop(world);

    let mut world = World::with(MediaSettings { address: "::".parse().unwrap(), ..settings() });
    let ports = [world.take(), world.take()];
    let mut call = Call::between(1, [Phone::at("127.0.0.1"), Phone::at("::1")], ports);
    call.sides[0].source = MediaSource::Latch;
    world.order(call.relay());
    call.heard(0, &rtp(1));
    call.heard(1, &rtp(1));
    let source = call.phones[0].rtp.local_addr().unwrap();
    assert_eq!(world.report(), MediaReport::Latched { path: call.path, leg: call.sides[0].leg, source });
}

#[test]
fn several_threads_and_many_paths_relay_at_their_tick() {
    let mut world = World::with(MediaSettings { threads: 3, tick_above: 0, ..settings() });
    let calls: Vec<_> = (0..20)
        .map(|session| {
            let ports = [world.take(), world.take()];
            Call::between(session, [Phone::at("127.0.0.1"), Phone::at("127.0.0.1")], ports)
        })
        .collect();
    world.plane.as_ref().unwrap().orders().order(calls.iter().map(Call::relay).collect());
    for round in 0..3 {
        for call in &calls {
            call.heard(0, &rtp(round));
            call.heard(1, &rtp(round));
        }
    }
    for call in &calls {
        assert_eq!(world.close(call).map(|side| side.packets), [3, 3]);
    }
}
