//! Changes that the far end leaves without a final response once it has said something: an INVITE within a dialog has
//! an end of its own (RFC 3261 §16.6 item 11 and §16.8, timer C).

use super::{answered, cancelled, changed, gets_bye, hang_up, pass, refused};
use domain::session::event::EndCause;
use domain::sip::wire::Message;
use tests::world::{Phone, World};

/// How long it may stay so, in milliseconds.
const BOUND: u64 = 90_000;

/// The caller holds, the callee says so much and no more: the INVITE as it has it.
#[track_caller]
fn left_pending(world: &mut World, caller: &mut Phone, callee: &mut Phone, status: u16) -> Message {
    let offer = caller.sdp("sendonly");
    caller.reinvite(world, Some(&offer));
    caller.expect(world, "100");
    let invite = callee.expect(world, "INVITE");
    callee.respond(world, &invite, status, None);
    invite
}

/// One side asks, the other agrees.
#[track_caller]
fn change(world: &mut World, by: &mut Phone, other: &mut Phone) {
    let (offer, answer) = (by.sdp("sendrecv"), other.sdp("sendrecv"));
    changed(world, by, other, [&offer, &answer]);
}

fn a_change_that_stays_at_100_is_cancelled_and_the_call_goes_on() {
    let mut world = World::default();
    let (mut caller, mut callee) = answered(&mut world);
    let invite = left_pending(&mut world, &mut caller, &mut callee, 100);
    pass(&mut world, BOUND - 100);
    caller.expect_silence(&mut world);
    callee.expect_silence(&mut world);
    pass(&mut world, 200);
    cancelled(&mut world, &mut callee, &invite);
    refused(&mut world, &mut caller, "487 (2 INVITE)");
    // Nothing of it stays: either side may ask.
    change(&mut world, &mut caller, &mut callee);
    change(&mut world, &mut callee, &mut caller);
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
    assert_eq!(world.ended().cause, EndCause::Completed);
}

fn a_change_whose_far_end_dies_after_its_100_ends_both_legs() {
    let mut world = World::default();
    let (mut caller, mut callee) = answered(&mut world);
    left_pending(&mut world, &mut caller, &mut callee, 100);
    pass(&mut world, BOUND + 100);
    callee.expect(&mut world, "CANCEL");
    pass(&mut world, 31_800);
    caller.expect_silence(&mut world);
    pass(&mut world, 200);
    refused(&mut world, &mut caller, "487 (2 INVITE)");
    gets_bye(&mut world, &mut caller);
    callee.ignore_all(&mut world);
    world.assert_nothing_left();
    assert_eq!(world.ended().cause, EndCause::Lost);
}

fn a_change_that_goes_on_ringing_is_left_alone() {
    let mut world = World::default();
    let (mut caller, mut callee) = answered(&mut world);
    let invite = left_pending(&mut world, &mut caller, &mut callee, 100);
    // RFC 3261 §13.3.1.1: who takes long says so every minute.
    for _ in 0..4 {
        pass(&mut world, 60_000);
        callee.respond(&mut world, &invite, 180, None);
        callee.expect_silence(&mut world);
    }
    let sdp = callee.sdp("recvonly");
    callee.respond(&mut world, &invite, 200, Some(&sdp));
    callee.expect(&mut world, "ACK");
    caller.expect(&mut world, "200 (2 INVITE)");
    caller.ack(&mut world, None);
    pass(&mut world, 2 * BOUND);
    callee.expect_silence(&mut world);
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
}

fn more_of_the_same_100_gains_no_time() {
    let mut world = World::default();
    let (mut caller, mut callee) = answered(&mut world);
    let invite = left_pending(&mut world, &mut caller, &mut callee, 100);
    pass(&mut world, 60_000);
    callee.respond(&mut world, &invite, 100, None);
    pass(&mut world, BOUND - 59_900);
    cancelled(&mut world, &mut callee, &invite);
    refused(&mut world, &mut caller, "487 (2 INVITE)");
    hang_up(&mut world, &mut callee, &mut caller);
    world.assert_nothing_left();
}

fn a_change_that_is_answered_as_it_is_cancelled_holds() {
    let mut world = World::default();
    let (mut caller, mut callee) = answered(&mut world);
    let invite = left_pending(&mut world, &mut caller, &mut callee, 180);
    pass(&mut world, BOUND + 100);
    let cancel = callee.expect(&mut world, "CANCEL");
    let sdp = callee.sdp("recvonly");
    callee.respond(&mut world, &invite, 200, Some(&sdp));
    callee.respond(&mut world, &cancel, 200, None);
    callee.expect(&mut world, "ACK");
    caller.expect(&mut world, "200 (2 INVITE)");
    caller.ack(&mut world, None);
    callee.expect_silence(&mut world);
    pass(&mut world, 40_000);
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
    assert_eq!(world.ended().cause, EndCause::Completed);
}

fn a_change_that_its_asker_cancels_before_is_cancelled_once() {
    let mut world = World::default();
    let (mut caller, mut callee) = answered(&mut world);
    let invite = left_pending(&mut world, &mut caller, &mut callee, 100);
    pass(&mut world, BOUND - 1_000);
    caller.cancel(&mut world);
    caller.expect(&mut world, "200 (2 CANCEL)");
    refused(&mut world, &mut caller, "487 (2 INVITE)");
    let cancel = callee.expect(&mut world, "CANCEL");
    callee.respond(&mut world, &cancel, 200, None);
    pass(&mut world, 2_000);
    callee.expect_silence(&mut world);
    callee.respond(&mut world, &invite, 487, None);
    callee.expect(&mut world, "ACK");
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
}

super::scenarios![
    a_change_that_stays_at_100_is_cancelled_and_the_call_goes_on,
    a_change_whose_far_end_dies_after_its_100_ends_both_legs,
    a_change_that_goes_on_ringing_is_left_alone,
    more_of_the_same_100_gains_no_time,
    a_change_that_is_answered_as_it_is_cancelled_holds,
    a_change_that_its_asker_cancels_before_is_cancelled_once,
];
