//! Processes that are away for longer than a timer lasts. Each of these was found by whole exchanges (see `whole`).

use super::super::ladder::{gets_bye, hang_up, invited, ringing};
use domain::session::event::EndCause;
use std::time::Duration;
use tests::world::{CARRIER_TCP, DEVICES, Device, NUMBER, NUMBER_TCP, OUT, PBX_TCP, Phone, World};

/// The process dies, and is back after so many seconds.
fn away(world: &mut World, seconds: u64) {
    world.kill();
    world.pass(Duration::from_secs(seconds));
    world.come_back();
    world.pass(Duration::ZERO);
}

#[test]
fn a_caller_who_never_acknowledged_is_hung_up_on_by_the_next_start() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = invited(&mut world);
    let answer = callee.sdp("sendrecv");
    callee.respond(&mut world, &invite, 200, Some(&answer));
    callee.expect(&mut world, "ACK");
    caller.expect(&mut world, "200");
    away(&mut world, 40);
    caller.expect(&mut world, "200");
    callee.expect(&mut world, "ACK");
    gets_bye(&mut world, &mut caller);
    gets_bye(&mut world, &mut callee);
    world.assert_nothing_left();
}

#[test]
fn who_rang_too_long_meanwhile_is_told_so_and_the_start_after_that_knows_it() {
    let mut world = World::default();
    let mut caller = world.phone(CARRIER_TCP);
    caller.connect(&mut world, Some(40_001));
    let mut callee = world.phone(PBX_TCP);
    callee.connect(&mut world, None);
    let offer = caller.sdp("sendrecv");
    caller.call(&mut world, NUMBER_TCP, Some(&offer));
    caller.expect(&mut world, "100");
    let invite = callee.expect(&mut world, "INVITE");
    callee.respond(&mut world, &invite, 180, None);
    caller.expect(&mut world, "180");
    away(&mut world, 200);
    let cancel = callee.expect(&mut world, "CANCEL");
    callee.respond(&mut world, &cancel, 200, None);
    callee.respond(&mut world, &invite, 487, None);
    callee.expect(&mut world, "ACK");
    caller.connect(&mut world, None);
    // Its connection went with the process: it is told where it listens.
    caller.ignore_all(&mut world);
    away(&mut world, 1);
    world.assert_taken_up();
    assert_eq!(world.ended().cause, EndCause::NoAnswer);
    world.assert_nothing_left();
}

#[test]
fn what_waits_for_the_log_is_overtaken_in_it_and_played_where_it_was() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = ringing(&mut world);
    callee.respond(&mut world, &invite, 486, None);
    callee.expect(&mut world, "ACK");
    let refusal = caller.expect(&mut world, "486");
    // The note that it was repeated is on its way into the log, and what is heard meanwhile waits for that.
    world.pass(Duration::from_millis(550));
    world.log.hold();
    world.pass(Duration::from_millis(200));
    caller.ack_refusal(&mut world, &refusal);
    world.pass(Duration::from_secs(33));
    let mut other = Phone::on_line(caller.address, 2);
    let offer = other.sdp("sendrecv");
    other.call(&mut world, NUMBER, Some(&offer));
    caller.ignore_all(&mut world);
    world.log.release();
    world.settle();
    other.expect(&mut world, "100");
    callee.forget_call();
    let invite = callee.expect(&mut world, "INVITE");
    away(&mut world, 0);
    let sdp = callee.sdp("sendrecv");
    callee.respond(&mut world, &invite, 200, Some(&sdp));
    callee.ignore_all(&mut world);
    other.expect(&mut world, "100");
    other.expect(&mut world, "200");
    other.ack(&mut world, None);
    hang_up(&mut world, &mut other, &mut callee);
    world.assert_nothing_left();
}

#[test]
fn a_register_that_was_answered_before_the_death_is_answered_again_in_the_same_words() {
    let mut world = World::default();
    let mut device = Device::of("alice", DEVICES[0]);
    let wanted = device.for_seconds(600);
    let answer = device.register(&mut world, &wanted, 200);
    let last = device.last.clone();
    away(&mut world, 2);
    device.repeat(&mut world);
    assert_eq!(device.expect(&mut world, 200).bytes(), answer.bytes());
    assert_eq!(world.registered(), ["received", "added", "200"]);
    // After 64·T1 nobody repeats it any more: it is judged as any other, and its nonce is of another start.
    world.pass(Duration::from_secs(33));
    device.repeat(&mut world);
    device.expect(&mut world, 401);
    assert_eq!(device.last, last);
    world.assert_nothing_left();
}

#[test]
fn who_was_called_out_while_the_process_was_away_rings_on() {
    let mut world = World::default();
    let mut pbx = world.phone(tests::world::PBX);
    pbx.exchange = tests::world::PUBLIC.parse().unwrap();
    let offer = pbx.sdp("sendrecv");
    pbx.call(&mut world, "+12025550199", Some(&offer));
    pbx.expect(&mut world, "100");
    let mut out = world.phone(OUT[0]);
    out.exchange = pbx.exchange;
    out.expect(&mut world, "INVITE");
    away(&mut world, 5);
    let invite = out.expect(&mut world, "INVITE");
    pbx.ignore_all(&mut world);
    let sdp = out.sdp("sendrecv");
    out.respond(&mut world, &invite, 200, Some(&sdp));
    out.expect(&mut world, "ACK");
    pbx.expect(&mut world, "200");
    pbx.ack(&mut world, None);
    hang_up(&mut world, &mut pbx, &mut out);
    world.assert_nothing_left();
}
