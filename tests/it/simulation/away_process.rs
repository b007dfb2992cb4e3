//! Processes that are away for longer than a timer lasts. Each of these was found by whole exchanges (see `whole`).

use super::super::ladder::{answer, answered, cancelled, gets_bye, hang_up, invited, pass, refused, ringing};
use domain::session::event::EndCause;
use domain::sip::wire::Message;
use std::time::Duration;
use tests::world::{CARRIER_TCP, DEVICES, Device, NUMBER, NUMBER_TCP, OUT, PBX_TCP, Phone, World};

/// The process dies, and is back after so many seconds.
fn away(world: &mut World, seconds: u64) {
    world.kill();
    world.pass(Duration::from_secs(seconds));
    world.come_back();
    world.pass(Duration::ZERO);
}

/// A caller and a callee by TCP, and the INVITE that the callee has.
fn invited_by_tcp(world: &mut World) -> (Phone, Phone, Message) {
    let (mut caller, mut callee) = (world.phone(CARRIER_TCP), world.phone(PBX_TCP));
    caller.connect(world, Some(40_001));
    callee.connect(world, None);
    let offer = caller.sdp("sendrecv");
    caller.call(world, NUMBER_TCP, Some(&offer));
    caller.expect(world, "100");
    let invite = callee.expect(world, "INVITE");
    (caller, callee, invite)
}

#[test]
fn a_caller_who_never_acknowledged_is_hung_up_on_by_the_next_start() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = invited(&mut world);
    let sdp = callee.sdp("sendrecv");
    callee.respond(&mut world, &invite, 200, Some(&sdp));
    callee.expect(&mut world, "ACK");
    caller.expect(&mut world, "200");
    away(&mut world, 40);
    caller.expect(&mut world, "200");
    callee.expect(&mut world, "ACK");
    gets_bye(&mut world, &mut caller);
    gets_bye(&mut world, &mut callee);
    world.assert_nothing_left();
}

/// Found by `scripts/chaos`: a phone that waits for the ACK of its newest answer took the one before for it.
#[test]
fn an_ack_is_not_said_again_by_a_start_once_another_invite_went() {
    let mut world = World::default();
    let (mut caller, mut callee) = answered(&mut world);
    let hold = caller.sdp("sendonly");
    caller.reinvite(&mut world, Some(&hold));
    caller.expect(&mut world, "100");
    callee.expect(&mut world, "INVITE");
    away(&mut world, 1);
    let again = callee.expect(&mut world, "INVITE");
    caller.expect(&mut world, "100");
    let held = callee.sdp("recvonly");
    callee.respond(&mut world, &again, 200, Some(&held));
    callee.expect(&mut world, "ACK");
    caller.expect(&mut world, "200");
    caller.ack(&mut world, None);
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
}

#[test]
fn who_rang_too_long_meanwhile_is_told_so_and_the_start_after_that_knows_it() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = invited_by_tcp(&mut world);
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
fn what_the_operator_ends_just_before_a_timer_would_is_the_operators_doing_to_a_start_too() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = ringing(&mut world);
    // It would have rung long enough a second later.
    pass(&mut world, 19_000);
    world.release_all();
    world.assert_taken_up();
    refused(&mut world, &mut caller, "480");
    cancelled(&mut world, &mut callee, &invite);
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

/// Found by seeds 887 and 1031: nobody may be told that we know nothing of what he asks, on the strength of what may yet be
/// forgotten.
#[test]
fn who_asks_again_by_another_connection_while_the_log_is_away_waits_for_his_answer() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = invited_by_tcp(&mut world);
    answer(&mut world, &mut caller, &mut callee, &invite);
    world.log.hold();
    let bye = caller.say(&mut world, "BYE");
    world.pass(Duration::from_secs(5));
    caller.disconnect(&mut world);
    caller.connect(&mut world, Some(40_002));
    world.send_to(caller.exchange, caller.from(), bye.clone());
    caller.expect_silence(&mut world);
    world.kill();
    world.log.release();
    world.come_back();
    world.pass(Duration::ZERO);
    // It is as if nobody had hung up: whoever did says so again.
    callee.expect(&mut world, "ACK");
    caller.connect(&mut world, Some(40_003));
    world.send_to(caller.exchange, caller.from(), bye);
    caller.expect(&mut world, "200");
    gets_bye(&mut world, &mut callee);
    world.pass(Duration::from_secs(40));
    world.assert_nothing_left();
}
