//! Messages that cross, are lost, come twice or too early.

use super::{answer, answered, cancelled, gets_bye, hang_up, invited, lines, pass, refused, ringing};
use domain::session::event::EndCause;
use domain::sip::wire::HeaderName;
use tests::world::{CARRIER, PBX, World};

fn a_caller_that_cancels_before_the_callee_says_anything_makes_our_cancel_wait() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = invited(&mut world);
    caller.cancel(&mut world);
    caller.expect(&mut world, "200 (1 CANCEL)");
    refused(&mut world, &mut caller, "487");
    callee.expect_silence(&mut world);
    callee.respond(&mut world, &invite, 180, None);
    cancelled(&mut world, &mut callee, &invite);
    caller.expect_silence(&mut world);
    world.assert_nothing_left();
    assert_eq!((world.ended().cause, world.ended().status), (EndCause::Cancelled, Some(487)));
}

fn a_caller_that_cancels_a_ringing_call_cancels_the_callee() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = ringing(&mut world);
    caller.cancel(&mut world);
    caller.expect(&mut world, "200 (1 CANCEL)");
    refused(&mut world, &mut caller, "487");
    cancelled(&mut world, &mut callee, &invite);
    world.assert_nothing_left();
}

fn a_cancel_has_the_branch_uri_and_cseq_of_its_invite() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = ringing(&mut world);
    caller.cancel(&mut world);
    let cancel = callee.expect(&mut world, "CANCEL");
    for name in [HeaderName::Via, HeaderName::From, HeaderName::To, HeaderName::CallId] {
        assert_eq!(cancel.header(name), invite.header(name));
    }
    assert_eq!(cancel.request_uri(), invite.request_uri());
    assert_eq!(cancel.header(HeaderName::CSeq), Some("1 CANCEL"));
    callee.respond(&mut world, &cancel, 200, None);
    callee.respond(&mut world, &invite, 487, None);
    callee.expect(&mut world, "ACK");
    caller.expect(&mut world, "200");
    refused(&mut world, &mut caller, "487");
    world.assert_nothing_left();
}

fn a_cancel_whose_invite_is_never_answered_ends_after_64_t1() {
    let mut world = World::default();
    let (mut caller, mut callee, _) = ringing(&mut world);
    caller.cancel(&mut world);
    let cancel = callee.expect(&mut world, "CANCEL");
    callee.respond(&mut world, &cancel, 200, None);
    caller.expect(&mut world, "200");
    refused(&mut world, &mut caller, "487");
    world.assert_nothing_left();
}

fn a_cancel_that_comes_again_when_its_invite_is_forgotten_gets_its_answer_again() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = ringing(&mut world);
    caller.cancel(&mut world);
    let first = caller.expect(&mut world, "200 (1 CANCEL)");
    refused(&mut world, &mut caller, "487");
    cancelled(&mut world, &mut callee, &invite);
    // T4 after the ACK the INVITE is forgotten; its CANCEL lives for 64·T1.
    pass(&mut world, 10_000);
    caller.cancel(&mut world);
    assert_eq!(caller.expect(&mut world, "200 (1 CANCEL)").bytes(), first.bytes());
    world.assert_nothing_left();
}

fn a_cancel_that_comes_twice_is_answered_twice_and_done_once() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = ringing(&mut world);
    caller.cancel(&mut world);
    caller.cancel(&mut world);
    let first = caller.expect(&mut world, "200 (1 CANCEL)");
    refused(&mut world, &mut caller, "487");
    assert_eq!(caller.expect(&mut world, "200 (1 CANCEL)").bytes(), first.bytes());
    cancelled(&mut world, &mut callee, &invite);
    callee.expect_silence(&mut world);
    world.assert_nothing_left();
}

fn an_answer_that_crosses_our_cancel_gets_ack_and_bye() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = ringing(&mut world);
    caller.cancel(&mut world);
    caller.expect(&mut world, "200 (1 CANCEL)");
    refused(&mut world, &mut caller, "487");
    let cancel = callee.expect(&mut world, "CANCEL");
    let sdp = callee.sdp("sendrecv");
    callee.respond(&mut world, &invite, 200, Some(&sdp));
    callee.expect(&mut world, "ACK");
    gets_bye(&mut world, &mut callee);
    callee.respond(&mut world, &cancel, 481, None);
    caller.expect_silence(&mut world);
    world.assert_nothing_left();
    assert_eq!(world.ended().cause, EndCause::Cancelled);
}

fn an_answer_without_any_provisional_after_a_cancel_gets_ack_and_bye() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = invited(&mut world);
    caller.cancel(&mut world);
    caller.expect(&mut world, "200 (1 CANCEL)");
    refused(&mut world, &mut caller, "487");
    let sdp = callee.sdp("sendrecv");
    callee.respond(&mut world, &invite, 200, Some(&sdp));
    callee.expect(&mut world, "ACK");
    gets_bye(&mut world, &mut callee);
    world.assert_nothing_left();
}

fn a_cancel_that_comes_after_our_answer_changes_nothing() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = ringing(&mut world);
    let sdp = callee.sdp("sendrecv");
    callee.respond(&mut world, &invite, 200, Some(&sdp));
    callee.expect(&mut world, "ACK");
    caller.expect(&mut world, "200 (1 INVITE)");
    caller.cancel(&mut world);
    caller.expect(&mut world, "200 (1 CANCEL)");
    caller.ack(&mut world, None);
    callee.expect_silence(&mut world);
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
}

fn an_invite_that_comes_again_is_no_second_call_and_gets_the_last_response_again() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = invited(&mut world);
    caller.repeat_invite(&mut world);
    caller.expect(&mut world, "100");
    callee.respond(&mut world, &invite, 180, None);
    let ringing = caller.expect(&mut world, "180");
    caller.repeat_invite(&mut world);
    assert_eq!(caller.expect(&mut world, "180").bytes(), ringing.bytes());
    callee.expect_silence(&mut world);
    answer(&mut world, &mut caller, &mut callee, &invite);
    caller.repeat_invite(&mut world);
    caller.expect_silence(&mut world);
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
    assert_eq!(world.watch.story().iter().filter(|kind| **kind == "SessionOffered").count(), 1);
}

fn an_answer_is_repeated_with_doubling_gaps_until_its_ack() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = ringing(&mut world);
    world.deafen(CARRIER, true);
    let sdp = callee.sdp("sendrecv");
    callee.respond(&mut world, &invite, 200, Some(&sdp));
    callee.expect(&mut world, "ACK");
    pass(&mut world, 4_000);
    world.deafen(CARRIER, false);
    pass(&mut world, 4_000);
    let all = world.ladder.lines().filter(|line| line.contains("carrier <- 200 (1 INVITE)"));
    let at: Vec<&str> = all.map(|line| line[..7].trim()).collect();
    assert_eq!(at, ["0.000", "0.500", "1.500", "3.500", "7.500"]);
    caller.expect(&mut world, "200 (1 INVITE)");
    caller.ack(&mut world, None);
    pass(&mut world, 60_000);
    caller.expect_silence(&mut world);
    hang_up(&mut world, &mut callee, &mut caller);
    world.assert_nothing_left();
}

fn an_answer_that_is_never_acknowledged_ends_both_legs_as_lost() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = ringing(&mut world);
    let sdp = callee.sdp("sendrecv");
    callee.respond(&mut world, &invite, 200, Some(&sdp));
    callee.expect(&mut world, "ACK");
    pass(&mut world, 31_900);
    callee.expect_silence(&mut world);
    assert_eq!(lines(&world, "carrier <- 200 (1 INVITE)"), 11);
    (0..11).for_each(|_| drop(caller.expect(&mut world, "200 (1 INVITE)")));
    pass(&mut world, 200);
    gets_bye(&mut world, &mut caller);
    gets_bye(&mut world, &mut callee);
    world.assert_nothing_left();
    assert_eq!(world.ended().cause, EndCause::Lost);
}

fn an_ack_that_comes_twice_is_one() {
    let mut world = World::default();
    let (mut caller, mut callee) = answered(&mut world);
    caller.ack(&mut world, None);
    callee.expect_silence(&mut world);
    hang_up(&mut world, &mut caller, &mut callee);
    caller.ack(&mut world, None);
    world.assert_nothing_left();
}

fn an_answer_of_the_callee_that_comes_again_gets_the_same_ack_again() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = ringing(&mut world);
    let sdp = callee.sdp("sendrecv");
    callee.respond(&mut world, &invite, 200, Some(&sdp));
    let ack = callee.expect(&mut world, "ACK");
    callee.respond(&mut world, &invite, 200, Some(&sdp));
    assert_eq!(callee.expect(&mut world, "ACK").bytes(), ack.bytes());
    caller.expect(&mut world, "200 (1 INVITE)");
    caller.ack(&mut world, None);
    pass(&mut world, 40_000);
    callee.respond(&mut world, &invite, 200, Some(&sdp));
    assert_eq!(callee.expect(&mut world, "ACK").bytes(), ack.bytes(), "even after its transaction");
    caller.expect_silence(&mut world);
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
}

fn another_forks_answer_gets_ack_and_bye_in_its_own_dialog() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = ringing(&mut world);
    answer(&mut world, &mut caller, &mut callee, &invite);
    let sdp = callee.sdp("sendrecv");
    callee.respond_tagged(&mut world, &invite, 200, Some(&sdp), "fork");
    let ack = callee.expect(&mut world, "ACK");
    assert!(ack.header(HeaderName::To).unwrap().ends_with(";tag=fork"));
    let bye = gets_bye(&mut world, &mut callee);
    assert!(bye.header(HeaderName::To).unwrap().ends_with(";tag=fork"));
    caller.expect_silence(&mut world);
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
    assert_eq!(world.ended().cause, EndCause::Completed);
}

fn a_bye_that_comes_twice_is_answered_twice_and_passed_on_once() {
    let mut world = World::default();
    let (mut caller, mut callee) = answered(&mut world);
    let bye = caller.say(&mut world, "BYE");
    world.send(caller.address, bye);
    let first = caller.expect(&mut world, "200 (2 BYE)");
    assert_eq!(caller.expect(&mut world, "200 (2 BYE)").bytes(), first.bytes());
    gets_bye(&mut world, &mut callee);
    callee.expect_silence(&mut world);
    world.assert_nothing_left();
}

fn byes_that_cross_are_both_answered() {
    let mut world = World::default();
    let (mut caller, mut callee) = answered(&mut world);
    caller.say(&mut world, "BYE");
    caller.expect(&mut world, "200 (2 BYE)");
    let ours = callee.expect(&mut world, "BYE");
    callee.say(&mut world, "BYE");
    let crossed = callee.expect(&mut world, "");
    assert!(matches!(crossed.status(), Some(200 | 481)), "{}", world.ladder);
    callee.respond(&mut world, &ours, 200, None);
    caller.expect_silence(&mut world);
    world.assert_nothing_left();
}

fn a_bye_that_is_never_answered_is_repeated_and_given_up() {
    let mut world = World::default();
    let (mut caller, callee) = answered(&mut world);
    caller.say(&mut world, "BYE");
    caller.expect(&mut world, "200");
    pass(&mut world, 40_000);
    assert_eq!(lines(&world, "pbx <- BYE"), 11, "{}", world.ladder);
    callee.ignore_all(&mut world);
    world.assert_nothing_left();
}

fn a_bye_of_the_callee_waits_for_the_callers_ack() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = ringing(&mut world);
    let sdp = callee.sdp("sendrecv");
    callee.respond(&mut world, &invite, 200, Some(&sdp));
    callee.expect(&mut world, "ACK");
    caller.expect(&mut world, "200 (1 INVITE)");
    callee.say(&mut world, "BYE");
    callee.expect(&mut world, "200 (1 BYE)");
    pass(&mut world, 600);
    caller.expect(&mut world, "200 (1 INVITE)");
    caller.expect_silence(&mut world);
    caller.ack(&mut world, None);
    gets_bye(&mut world, &mut caller);
    world.assert_nothing_left();
}

fn a_bye_of_the_callee_whose_callers_ack_never_comes_goes_after_64_t1() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = ringing(&mut world);
    let sdp = callee.sdp("sendrecv");
    callee.respond(&mut world, &invite, 200, Some(&sdp));
    callee.expect(&mut world, "ACK");
    callee.say(&mut world, "BYE");
    callee.expect(&mut world, "200 (1 BYE)");
    pass(&mut world, 32_100);
    (0..11).for_each(|_| drop(caller.expect(&mut world, "200 (1 INVITE)")));
    gets_bye(&mut world, &mut caller);
    world.assert_nothing_left();
}

fn a_caller_may_say_bye_before_the_answer() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = ringing(&mut world);
    caller.say(&mut world, "BYE");
    caller.expect(&mut world, "200 (2 BYE)");
    let response = caller.expect(&mut world, "487 (1 INVITE)");
    assert!(response.header(HeaderName::To).unwrap().contains(";tag="));
    cancelled(&mut world, &mut callee, &invite);
    world.assert_nothing_left();
    assert_eq!(world.ended().cause, EndCause::Cancelled);
}

fn a_late_provisional_response_after_the_answer_is_nothing() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = ringing(&mut world);
    answer(&mut world, &mut caller, &mut callee, &invite);
    callee.respond(&mut world, &invite, 180, None);
    callee.respond(&mut world, &invite, 486, None);
    caller.expect_silence(&mut world);
    callee.expect_silence(&mut world);
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
}

fn lost_messages_to_the_callee_are_sent_again() {
    let mut world = World::default();
    let mut caller = world.phone(CARRIER);
    let mut callee = world.phone(PBX);
    world.deafen(PBX, true);
    let offer = caller.sdp("sendrecv");
    caller.call(&mut world, tests::world::NUMBER, Some(&offer));
    caller.expect(&mut world, "100");
    pass(&mut world, 1_000);
    world.deafen(PBX, false);
    pass(&mut world, 1_000);
    let invite = callee.expect(&mut world, "INVITE");
    answer(&mut world, &mut caller, &mut callee, &invite);
    world.deafen(PBX, true);
    caller.say(&mut world, "BYE");
    caller.expect(&mut world, "200");
    pass(&mut world, 1_000);
    world.deafen(PBX, false);
    pass(&mut world, 1_000);
    gets_bye(&mut world, &mut callee);
    world.assert_nothing_left();
}

fn a_request_with_an_old_cseq_is_refused_and_changes_nothing() {
    let mut world = World::default();
    let (mut caller, mut callee) = answered(&mut world);
    let options = caller.say(&mut world, "OPTIONS");
    caller.expect(&mut world, "200 (2 OPTIONS)");
    let old = String::from_utf8(options.to_vec()).unwrap();
    let old = old.replace("OPTIONS", "BYE").replace("2 BYE", "1 BYE").replace("z9hG4bK-", "z9hG4bK-old-");
    world.send(caller.address, old.into());
    caller.expect(&mut world, "500 (1 BYE)");
    callee.expect_silence(&mut world);
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
}

super::scenarios![
    a_caller_that_cancels_before_the_callee_says_anything_makes_our_cancel_wait,
    a_caller_that_cancels_a_ringing_call_cancels_the_callee,
    a_cancel_has_the_branch_uri_and_cseq_of_its_invite,
    a_cancel_whose_invite_is_never_answered_ends_after_64_t1,
    a_cancel_that_comes_again_when_its_invite_is_forgotten_gets_its_answer_again,
    a_cancel_that_comes_twice_is_answered_twice_and_done_once,
    an_answer_that_crosses_our_cancel_gets_ack_and_bye,
    an_answer_without_any_provisional_after_a_cancel_gets_ack_and_bye,
    a_cancel_that_comes_after_our_answer_changes_nothing,
    an_invite_that_comes_again_is_no_second_call_and_gets_the_last_response_again,
    an_answer_is_repeated_with_doubling_gaps_until_its_ack,
    an_answer_that_is_never_acknowledged_ends_both_legs_as_lost,
    an_ack_that_comes_twice_is_one,
    an_answer_of_the_callee_that_comes_again_gets_the_same_ack_again,
    another_forks_answer_gets_ack_and_bye_in_its_own_dialog,
    a_bye_that_comes_twice_is_answered_twice_and_passed_on_once,
    byes_that_cross_are_both_answered,
    a_bye_that_is_never_answered_is_repeated_and_given_up,
    a_bye_of_the_callee_waits_for_the_callers_ack,
    a_bye_of_the_callee_whose_callers_ack_never_comes_goes_after_64_t1,
    a_caller_may_say_bye_before_the_answer,
    a_late_provisional_response_after_the_answer_is_nothing,
    lost_messages_to_the_callee_are_sent_again,
    a_request_with_an_old_cseq_is_refused_and_changes_nothing,
];
