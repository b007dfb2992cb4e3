//! A machine's clock that is set while calls run: timers are not moved by it, times in the log are what the clock says.

use crate::ladder::{answered, hang_up, refused, ringing};
use domain::session::event::EndCause;
use std::time::Duration;
use tests::world::{DEVICES, Device, World};

/// Seconds.
const HOUR: i64 = 3_600;

#[test]
fn a_call_goes_on_and_its_timers_run_as_before() {
    for step in [HOUR, -HOUR] {
        let mut world = World::default();
        let (mut caller, mut callee) = answered(&mut world);
        let before = world.exchange.next_wake();
        world.set_clock(step);
        assert_eq!(world.exchange.next_wake(), before, "no timer was moved");
        world.pass(Duration::from_secs(60));
        hang_up(&mut world, &mut callee, &mut caller);
        assert_eq!(world.ended().cause, EndCause::Completed);
        world.assert_nothing_left();
    }
}

#[test]
fn a_call_that_rings_is_given_up_when_its_time_is_over_by_the_watch() {
    for step in [HOUR, -HOUR] {
        let mut world = World::default();
        let (mut caller, mut callee, invite) = ringing(&mut world);
        world.set_clock(step);
        world.pass(Duration::from_secs(15));
        caller.expect_silence(&mut world);
        callee.respond(&mut world, &invite, 486, None);
        callee.expect(&mut world, "ACK");
        refused(&mut world, &mut caller, "486");
        world.assert_nothing_left();
    }
}

/// It registers for ten minutes, and proves itself again where its nonce is too old by now.
fn registers(world: &mut World, device: &mut Device) {
    let wanted = device.for_seconds(600);
    device.send_with(world, &wanted, None);
    let challenge = device.expect(world, 401);
    device.answer(world, &wanted, &challenge);
    device.expect(world, 200);
}

#[test]
fn bindings_end_by_the_clock_and_the_next_register_sets_them_right() {
    let mut world = World::default();
    let mut device = Device::of("alice", DEVICES[0]);
    let bound = |world: &World| world.contacts_of("alice@pbx.example").len();
    registers(&mut world, &mut device);
    world.set_clock(HOUR);
    world.pass(Duration::from_secs(601));
    assert_eq!(bound(&world), 0, "its time was over by the clock");
    registers(&mut world, &mut device);
    world.set_clock(-HOUR);
    world.pass(Duration::from_secs(601));
    assert_eq!(bound(&world), 1, "by the clock it has an hour more");
    registers(&mut world, &mut device);
    world.pass(Duration::from_secs(700));
    assert_eq!(bound(&world), 0, "whoever refreshes is right again");
    world.assert_nothing_left();
}
