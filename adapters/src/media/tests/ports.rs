//! Which ports a path gets, and what becomes of them.

use super::*;

#[test]
fn freed_pairs_come_back_oldest_first() {
    let mut world = World::with(MediaSettings { ports: free_range(3), ..settings() });
    let mut taken: Vec<_> = std::iter::from_fn(|| world.pool.take()).collect();
    assert_eq!(taken.len(), 3);
    taken.rotate_left(1);
    let returned = taken.iter().map(|ports| MediaOrder::Return { ports: *ports }).collect();
    world.plane.as_ref().unwrap().orders().order(returned);
    assert_eq!([world.take(), world.take(), world.take()], taken.as_slice());
    assert_eq!(world.pool.take(), None);
}

#[test]
fn a_resting_pair_waits_while_others_are_to_be_had() {
    let rest = Duration::from_secs(3600);
    let mut world = World::with(MediaSettings { ports: free_range(4), rest, ..settings() });
    let first = world.call(1);
    world.close(&first);
    let second = world.call(2);
    let resting = first.sides.map(|side| side.ports);
    assert!(second.sides.iter().all(|side| !resting.contains(&side.ports)));
    assert_eq!([world.take(), world.take()], resting, "nothing else is left");
}

#[test]
fn a_repeated_order_gives_no_port_back() {
    let mut world = World::with(MediaSettings { ports: free_range(2), ..settings() });
    let call = world.call(1);
    world.order(call.relay());
    call.heard(0, &rtp(1));
    assert_eq!(world.pool.take(), None);
}

#[test]
fn ports_of_a_closed_path_come_back_and_its_late_packets_never_enter_the_next() {
    let mut world = World::with(MediaSettings { ports: free_range(2), ..settings() });
    for session in 0..50 {
        let old = world.call(session * 2);
        old.heard(0, &rtp(1));
        world.close(&old);
        let ports = [world.pool.take().unwrap(), world.pool.take().unwrap()];
        let mut next = Call::between(session * 2 + 1, [Phone::at("127.0.0.1"), Phone::at("127.0.0.1")], ports);
        for side in &mut next.sides {
            side.source = MediaSource::Latch;
        }
        old.send(0, &rtp(666));
        old.send(1, &rtp(666));
        world.order(next.relay());
        next.heard(0, &rtp(1));
        next.heard(1, &rtp(1));
        let sources = [world.report(), world.report()].map(|report| match report {
            MediaReport::Latched { source, .. } => source,
            other => panic!("expected a latch, got {other:?}"),
        });
        assert_eq!(sources, next.phones.each_ref().map(|phone| phone.rtp.local_addr().unwrap()));
        world.close(&next);
    }
}

#[test]
fn a_second_close_and_the_close_of_nothing_report_nothing() {
    let mut world = World::new();
    let call = world.call(1);
    world.close(&call);
    world.order(MediaOrder::Close { path: call.path });
    let other = world.call(2);
    world.close(&other);
}

#[test]
fn ports_of_one_path_are_refused_to_another() {
    let mut world = World::new();
    let call = world.call(1);
    let thief = Call::between(2, [Phone::at("127.0.0.1"), Phone::at("127.0.0.1")], [call.sides[1].ports, world.take()]);
    world.order(thief.relay());
    world.order(MediaOrder::Return { ports: call.sides[0].ports });
    call.heard(0, &rtp(1));
    call.heard(1, &rtp(1));
    assert_eq!(world.plane.as_ref().unwrap().counters().refused_orders, 1);
}

#[test]
fn a_path_may_change_its_ports() {
    let mut world = World::with(MediaSettings { ports: free_range(3), ..settings() });
    let mut call = world.call(1);
    call.heard(0, &rtp(1));
    let before = std::mem::replace(&mut call.sides[0].ports, world.pool.take().unwrap());
    world.order(call.relay());
    call.heard(0, &rtp(2));
    call.heard(1, &rtp(2));
    assert_eq!(world.take(), before);
    assert_eq!(world.close(&call)[0].packets, 2);
}

#[test]
fn after_a_restart_orders_claim_their_recorded_ports() {
    let range = MediaSettings { ports: free_range(4), ..settings() };
    let mut world = World::with(range.clone());
    let call = world.call(1);
    call.heard(0, &rtp(1));
    world.plane.take().unwrap().shutdown();
    let World { pool, .. } = world;
    drop(pool);
    let mut world = World::with(MediaSettings { ready_pairs: 1, ..range });
    world.order(call.relay());
    call.heard(0, &rtp(2));
    call.heard(1, &rtp(2));
    let rest = [world.take(), world.take()];
    assert!(call.sides.iter().all(|side| !rest.contains(&side.ports)), "{rest:?}");
}

#[test]
fn a_port_in_use_by_somebody_else_is_skipped() {
    let ports = free_range(2);
    let _somebody = UdpSocket::bind(("127.0.0.1", *ports.end())).unwrap();
    let mut world = World::with(MediaSettings { ports: ports.clone(), ..settings() });
    assert_eq!(world.take().rtp(), *ports.start());
    assert_eq!(world.pool.take(), None);
}

#[test]
fn a_range_without_a_free_port_is_refused_at_the_start() {
    let ports = free_range(1);
    let _somebody = UdpSocket::bind(("127.0.0.1", *ports.start())).unwrap();
    let without_a_pair = ports.end() + 2..=ports.end() + 3;
    for ports in [ports, without_a_pair] {
        let refused = MediaPlane::start(MediaSettings { ports, ..settings() }, drop).err();
        assert!(matches!(refused, Some(MediaError::Ports { .. })), "{refused:?}");
    }
}

#[test]
fn a_burst_larger_than_the_ready_pairs_is_served_at_once_up_to_the_whole_range() {
    let mut world = World::with(MediaSettings { ready_pairs: 4, ports: free_range(200), ..settings() });
    let mut taken: Vec<_> = (0..100).map(|_| world.pool.take().unwrap()).collect();
    taken.extend((100..150).map(|_| world.take()));
    taken.sort();
    taken.dedup();
    assert_eq!(taken.len(), 150);
}
