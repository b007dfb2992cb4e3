//! One caller, several callees at once: groups of targets, and forks below one leg.

use super::{body, cancelled, gets_bye, hang_up, lines, pass, refused, ringing};
use domain::session::event::EndCause;
use domain::sip::wire::{HeaderName, Message};
use tests::world::{CARRIER, DESKS, NUMBER, Phone, World};

/// A call to desks that ring at once, and the INVITE that each has.
#[track_caller]
fn invited<const N: usize>(world: &mut World) -> (Phone, [Phone; N], [Message; N]) {
    let mut caller = world.phone(CARRIER);
    let offer = caller.sdp("sendrecv");
    caller.call(world, NUMBER, Some(&offer));
    caller.expect(world, "100");
    let mut desks = std::array::from_fn(|index| world.phone(DESKS[index]));
    let invites = desks.each_mut().map(|desk| desk.expect(world, "INVITE sip:desk@"));
    (caller, desks, invites)
}

/// The same, to one group.
#[track_caller]
fn group<const N: usize>(world: &mut World) -> (Phone, [Phone; N], [Message; N]) {
    world.ring_instead(&[&DESKS[..N]], 20);
    invited(world)
}

/// A desk refuses and has its ACK.
#[track_caller]
fn says_no(world: &mut World, desk: &mut Phone, invite: &Message, status: u16) {
    desk.respond(world, invite, status, None);
    desk.expect(world, "ACK");
}

/// A desk answers: it has its ACK, the caller has the 200 and acknowledges it.
#[track_caller]
fn picks_up(world: &mut World, caller: &mut Phone, desk: &mut Phone, invite: &Message) -> Message {
    let sdp = desk.sdp("sendrecv");
    desk.respond(world, invite, 200, Some(&sdp));
    desk.expect(world, "ACK");
    let answer = caller.expect(world, "200 (1 INVITE)");
    caller.ack(world, None);
    answer
}

fn all_of_a_group_ring_at_once_and_the_first_to_answer_wins() {
    let mut world = World::default();
    let (mut caller, [mut first, mut second, mut third], invites) = group(&mut world);
    for (index, invite) in invites.iter().enumerate() {
        for other in &invites[..index] {
            assert_ne!(invite.header(HeaderName::CallId), other.header(HeaderName::CallId));
            assert_ne!(body(invite), body(other), "each leg has ports of its own");
        }
    }
    first.respond(&mut world, &invites[0], 180, None);
    caller.expect(&mut world, "180");
    second.respond(&mut world, &invites[1], 180, None);
    third.respond(&mut world, &invites[2], 100, None);
    caller.expect_silence(&mut world);
    picks_up(&mut world, &mut caller, &mut second, &invites[1]);
    cancelled(&mut world, &mut first, &invites[0]);
    cancelled(&mut world, &mut third, &invites[2]);
    caller.expect_silence(&mut world);
    hang_up(&mut world, &mut caller, &mut second);
    world.assert_nothing_left();
    assert_eq!(world.ended().cause, EndCause::Completed);
}

fn an_answer_that_crosses_another_gets_ack_and_bye_and_the_call_goes_on() {
    let mut world = World::default();
    let (mut caller, [mut first, mut second], invites) = group(&mut world);
    first.respond(&mut world, &invites[0], 180, None);
    caller.expect(&mut world, "180");
    second.respond(&mut world, &invites[1], 180, None);
    picks_up(&mut world, &mut caller, &mut first, &invites[0]);
    let cancel = second.expect(&mut world, "CANCEL");
    second.extra = "Record-Route: <sip:203.0.113.22:5066;lr>\r\n".to_owned();
    let sdp = second.sdp("sendrecv");
    second.respond(&mut world, &invites[1], 200, Some(&sdp));
    let mut proxy = world.phone("203.0.113.22:5066");
    let ack = proxy.expect(&mut world, "ACK sip:phone@203.0.113.22:5060");
    assert_eq!(ack.header(HeaderName::Route), Some("<sip:203.0.113.22:5066;lr>"));
    let bye = proxy.expect(&mut world, "BYE sip:phone@203.0.113.22:5060");
    second.respond(&mut world, &cancel, 481, None);
    second.extra.clear();
    second.respond(&mut world, &bye, 200, None);
    caller.expect_silence(&mut world);
    first.expect_silence(&mut world);
    hang_up(&mut world, &mut first, &mut caller);
    world.assert_nothing_left();
    assert_eq!(world.ended().cause, EndCause::Completed);
}

fn a_loser_that_hangs_up_by_itself_does_not_end_the_call() {
    let mut world = World::default();
    let (mut caller, [mut first, mut second], invites) = group(&mut world);
    second.respond(&mut world, &invites[1], 180, None);
    caller.expect(&mut world, "180");
    picks_up(&mut world, &mut caller, &mut first, &invites[0]);
    let cancel = second.expect(&mut world, "CANCEL");
    second.respond(&mut world, &cancel, 200, None);
    let sdp = second.sdp("sendrecv");
    second.respond(&mut world, &invites[1], 200, Some(&sdp));
    second.expect(&mut world, "ACK");
    second.say(&mut world, "BYE");
    gets_bye(&mut world, &mut second);
    second.expect(&mut world, "200");
    first.expect_silence(&mut world);
    caller.expect_silence(&mut world);
    pass(&mut world, 1_000);
    hang_up(&mut world, &mut caller, &mut first);
    world.assert_nothing_left();
    assert_eq!(world.ended().cause, EndCause::Completed);
}

fn a_desk_that_says_bye_while_others_ring_only_leaves() {
    let mut world = World::default();
    let (mut caller, [mut first, mut second], invites) = group(&mut world);
    first.respond(&mut world, &invites[0], 180, None);
    caller.expect(&mut world, "180");
    first.say(&mut world, "BYE");
    first.expect(&mut world, "200");
    first.respond(&mut world, &invites[0], 487, None);
    first.expect(&mut world, "ACK");
    caller.expect_silence(&mut world);
    picks_up(&mut world, &mut caller, &mut second, &invites[1]);
    hang_up(&mut world, &mut caller, &mut second);
    world.assert_nothing_left();
}

fn a_group_in_which_all_are_busy_makes_the_caller_hear_486() {
    let mut world = World::default();
    let (mut caller, [mut first, mut second], invites) = group(&mut world);
    says_no(&mut world, &mut first, &invites[0], 486);
    caller.expect_silence(&mut world);
    says_no(&mut world, &mut second, &invites[1], 486);
    refused(&mut world, &mut caller, "486");
    world.assert_nothing_left();
    assert_eq!((world.ended().cause, world.ended().status), (EndCause::Busy, Some(486)));
}

fn one_busy_and_one_that_rings_in_vain_is_no_answer() {
    let mut world = World::default();
    let (mut caller, [mut first, mut second], invites) = group(&mut world);
    second.respond(&mut world, &invites[1], 180, None);
    caller.expect(&mut world, "180");
    says_no(&mut world, &mut first, &invites[0], 486);
    caller.expect_silence(&mut world);
    pass(&mut world, 20_000);
    cancelled(&mut world, &mut second, &invites[1]);
    refused(&mut world, &mut caller, "480");
    world.assert_nothing_left();
    assert_eq!((world.ended().cause, world.ended().status), (EndCause::NoAnswer, Some(480)));
}

fn a_603_ends_it_for_all_and_for_every_group() {
    let mut world = World::default();
    world.ring_instead(&[&DESKS[..2], &DESKS[2..]], 20);
    let (mut caller, [mut first, mut second], invites) = invited(&mut world);
    first.respond(&mut world, &invites[0], 180, None);
    caller.expect(&mut world, "180");
    says_no(&mut world, &mut second, &invites[1], 603);
    cancelled(&mut world, &mut first, &invites[0]);
    refused(&mut world, &mut caller, "603");
    assert_eq!(lines(&world, "desk-3"), 0, "{}", world.ladder);
    world.assert_nothing_left();
    assert_eq!(world.ended().cause, EndCause::Failed);
}

fn a_caller_that_cancels_makes_every_leg_end_also_one_that_has_said_nothing() {
    let mut world = World::default();
    let (mut caller, [mut first, mut second, third], invites) = group(&mut world);
    first.respond(&mut world, &invites[0], 180, None);
    caller.expect(&mut world, "180");
    caller.cancel(&mut world);
    caller.expect(&mut world, "200 (1 CANCEL)");
    refused(&mut world, &mut caller, "487");
    cancelled(&mut world, &mut first, &invites[0]);
    second.expect_silence(&mut world);
    let sdp = second.sdp("sendrecv");
    second.respond(&mut world, &invites[1], 200, Some(&sdp));
    second.expect(&mut world, "ACK");
    gets_bye(&mut world, &mut second);
    pass(&mut world, 40_000);
    third.ignore_all(&mut world);
    assert_eq!(lines(&world, "desk-3 <- CANCEL"), 0, "no CANCEL without a provisional\n{}", world.ladder);
    caller.expect_silence(&mut world);
    world.assert_nothing_left();
    assert_eq!((world.ended().cause, world.ended().status), (EndCause::Cancelled, Some(487)));
}

fn the_next_group_rings_when_the_first_has_rung_in_vain() {
    let mut world = World::default();
    world.ring_instead(&[&DESKS[..2], &DESKS[2..]], 10);
    let (mut caller, [mut first, mut second], invites) = invited(&mut world);
    first.respond(&mut world, &invites[0], 180, None);
    caller.expect(&mut world, "180");
    says_no(&mut world, &mut second, &invites[1], 503);
    pass(&mut world, 9_900);
    assert_eq!(lines(&world, "desk-3"), 0, "{}", world.ladder);
    pass(&mut world, 200);
    cancelled(&mut world, &mut first, &invites[0]);
    let mut third = world.phone(DESKS[2]);
    let invite = third.expect(&mut world, "INVITE");
    third.respond(&mut world, &invite, 180, None);
    caller.expect_silence(&mut world);
    picks_up(&mut world, &mut caller, &mut third, &invite);
    hang_up(&mut world, &mut third, &mut caller);
    world.assert_nothing_left();
}

fn a_group_with_somebody_who_is_busy_is_the_last() {
    let mut world = World::default();
    world.ring_instead(&[&DESKS[..2], &DESKS[2..]], 20);
    let (mut caller, [mut first, mut second], invites) = invited(&mut world);
    says_no(&mut world, &mut first, &invites[0], 486);
    says_no(&mut world, &mut second, &invites[1], 503);
    refused(&mut world, &mut caller, "486");
    assert_eq!(lines(&world, "desk-3"), 0, "{}", world.ladder);
    world.assert_nothing_left();
    assert_eq!(world.ended().cause, EndCause::Busy);
}

fn a_group_that_never_says_anything_is_followed_by_the_best_response_of_all() {
    let mut world = World::default();
    world.ring_instead(&[&DESKS[..2], &DESKS[2..]], 60);
    let (mut caller, [first, second], _) = invited(&mut world);
    pass(&mut world, 32_000);
    first.ignore_all(&mut world);
    second.ignore_all(&mut world);
    let mut third = world.phone(DESKS[2]);
    let invite = third.expect(&mut world, "INVITE");
    says_no(&mut world, &mut third, &invite, 503);
    refused(&mut world, &mut caller, "504");
    world.assert_nothing_left();
    assert_eq!(world.ended().cause, EndCause::Failed);
}

fn a_group_of_more_than_ten_rings_in_tens() {
    let mut world = World::default();
    let many: Vec<String> = (0..12).map(|index| format!("203.0.113.{}:5060", 30 + index)).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    world.ring_instead(&[&many], 20);
    let (mut caller, [], []) = invited(&mut world);
    let mut desks: Vec<Phone> = many.iter().map(|address| world.phone(address)).collect();
    let (ten, rest) = desks.split_at_mut(10);
    for desk in rest.iter() {
        desk.expect_silence(&mut world);
    }
    for desk in ten {
        let invite = desk.expect(&mut world, "INVITE");
        says_no(&mut world, desk, &invite, 503);
    }
    for desk in rest {
        let invite = desk.expect(&mut world, "INVITE");
        says_no(&mut world, desk, &invite, 503);
    }
    refused(&mut world, &mut caller, "500");
    world.assert_nothing_left();
}

fn a_desk_without_media_ports_is_passed_over_while_the_others_ring() {
    let mut world = World::default();
    world.leave_ports(2);
    world.ring_instead(&[&DESKS[..2]], 20);
    let (mut caller, [mut first], invites) = invited(&mut world);
    assert_eq!(lines(&world, "desk-2"), 0, "{}", world.ladder);
    picks_up(&mut world, &mut caller, &mut first, &invites[0]);
    hang_up(&mut world, &mut caller, &mut first);
    world.assert_nothing_left();
}

fn an_answer_that_cannot_be_used_leaves_the_others_ringing() {
    let mut world = World::default();
    let (mut caller, [mut first, mut second], invites) = group(&mut world);
    first.respond(&mut world, &invites[0], 200, None);
    first.expect(&mut world, "ACK");
    gets_bye(&mut world, &mut first);
    caller.expect_silence(&mut world);
    picks_up(&mut world, &mut caller, &mut second, &invites[1]);
    hang_up(&mut world, &mut caller, &mut second);
    world.assert_nothing_left();
    assert_eq!(world.ended().cause, EndCause::Completed);
}

fn after_early_media_of_one_the_answer_of_another_carries_the_same_sdp() {
    let mut world = World::default();
    let (mut caller, [mut first, mut second], invites) = group(&mut world);
    second.respond(&mut world, &invites[1], 180, None);
    caller.expect(&mut world, "180");
    let early = first.sdp("sendrecv");
    first.respond(&mut world, &invites[0], 183, Some(&early));
    let told = caller.expect(&mut world, "183");
    let early = second.sdp("sendrecv");
    second.respond(&mut world, &invites[1], 183, Some(&early));
    second.respond(&mut world, &invites[1], 180, None);
    caller.expect_silence(&mut world);
    assert_eq!(lines(&world, "| relay"), 1, "{}", world.ladder);
    let answer = picks_up(&mut world, &mut caller, &mut second, &invites[1]);
    assert_eq!(body(&told), body(&answer));
    assert_eq!(told.header(HeaderName::To), answer.header(HeaderName::To), "one dialog");
    assert_eq!(lines(&world, "| relay 198.51.100.1:4000 <-> 203.0.113.22:4000"), 1, "{}", world.ladder);
    cancelled(&mut world, &mut first, &invites[0]);
    hang_up(&mut world, &mut caller, &mut second);
    world.assert_nothing_left();
}

fn after_early_media_an_answer_in_another_codec_follows_with_a_higher_version() {
    let mut world = World::default();
    world.ring_instead(&[&DESKS[..2]], 20);
    let (mut caller, [mut first, mut second], invites) = invited(&mut world);
    let early = first.sdp("sendrecv");
    first.respond(&mut world, &invites[0], 183, Some(&early));
    let told = body(&caller.expect(&mut world, "183"));
    let sdp = second.sdp("sendrecv").replace("RTP/AVP 0\r\na=rtpmap:0 PCMU", "RTP/AVP 8\r\na=rtpmap:8 PCMA");
    second.respond(&mut world, &invites[1], 200, Some(&sdp));
    second.expect(&mut world, "ACK");
    let answer = body(&caller.expect(&mut world, "200 (1 INVITE)"));
    caller.ack(&mut world, None);
    assert!(answer.contains("RTP/AVP 8\r\n"), "{answer}");
    let words = |text: &str, line: &str, nth: usize| {
        let found = text.lines().find(|known| known.starts_with(line)).unwrap();
        found.split(' ').nth(nth).unwrap().to_owned()
    };
    assert_eq!(words(&told, "m=audio", 1), words(&answer, "m=audio", 1), "our port stays");
    assert_eq!(words(&told, "o=", 1), words(&answer, "o=", 1));
    assert_eq!([words(&told, "o=", 2), words(&answer, "o=", 2)], ["0", "1"]);
    cancelled(&mut world, &mut first, &invites[0]);
    hang_up(&mut world, &mut caller, &mut second);
    world.assert_nothing_left();
}

fn early_media_that_ends_is_followed_by_anothers_and_else_by_ringing() {
    let mut world = World::default();
    let (mut caller, [mut first, mut second, mut third], invites) = group(&mut world);
    for (desk, invite) in [(&first, &invites[0]), (&second, &invites[1])] {
        let early = desk.sdp("sendrecv");
        desk.respond(&mut world, invite, 183, Some(&early));
    }
    caller.expect(&mut world, "183");
    third.respond(&mut world, &invites[2], 180, None);
    says_no(&mut world, &mut first, &invites[0], 500);
    caller.expect_silence(&mut world);
    assert_eq!(lines(&world, "| relay 198.51.100.1:4000 <-> 203.0.113.22:4000"), 1, "{}", world.ladder);
    says_no(&mut world, &mut second, &invites[1], 500);
    caller.expect(&mut world, "180");
    picks_up(&mut world, &mut caller, &mut third, &invites[2]);
    hang_up(&mut world, &mut caller, &mut third);
    world.assert_nothing_left();
}

fn early_media_of_a_group_that_fails_leaves_the_caller_its_tag_and_sdp() {
    let mut world = World::default();
    world.ring_instead(&[&DESKS[..1], &DESKS[1..2]], 20);
    let (mut caller, [mut first], invites) = invited(&mut world);
    let early = first.sdp("sendrecv");
    first.respond(&mut world, &invites[0], 183, Some(&early));
    let told = caller.expect(&mut world, "183");
    says_no(&mut world, &mut first, &invites[0], 503);
    let mut second = world.phone(DESKS[1]);
    let invite = second.expect(&mut world, "INVITE");
    second.respond(&mut world, &invite, 180, None);
    let rings = caller.expect(&mut world, "180");
    let answer = picks_up(&mut world, &mut caller, &mut second, &invite);
    assert_eq!(told.header(HeaderName::To), rings.header(HeaderName::To));
    assert_eq!(told.header(HeaderName::To), answer.header(HeaderName::To));
    assert_eq!(body(&told), body(&answer));
    hang_up(&mut world, &mut second, &mut caller);
    world.assert_nothing_left();
}

fn a_late_offer_is_asked_of_all_and_the_winners_goes_to_the_caller() {
    let mut world = World::default();
    world.ring_instead(&[&DESKS[..2]], 20);
    let mut caller = world.phone(CARRIER);
    caller.call(&mut world, NUMBER, None);
    caller.expect(&mut world, "100");
    let [mut first, mut second] = [DESKS[0], DESKS[1]].map(|address| world.phone(address));
    let invites = [&mut first, &mut second].map(|desk| desk.expect(&mut world, "INVITE"));
    assert!(invites.iter().all(|invite| invite.body().is_empty()));
    first.respond(&mut world, &invites[0], 180, None);
    caller.expect(&mut world, "180");
    let offer = second.sdp("sendrecv");
    second.respond(&mut world, &invites[1], 200, Some(&offer));
    assert!(body(&caller.expect(&mut world, "200 (1 INVITE)")).contains("c=IN IP4 192.0.2.9"));
    cancelled(&mut world, &mut first, &invites[0]);
    second.expect_silence(&mut world);
    let answer = caller.sdp("sendrecv");
    caller.ack(&mut world, Some(&answer));
    assert!(!second.expect(&mut world, "ACK").body().is_empty());
    assert_eq!(lines(&world, "| relay 198.51.100.1:4000 <-> 203.0.113.22:4000"), 1, "{}", world.ladder);
    hang_up(&mut world, &mut caller, &mut second);
    world.assert_nothing_left();
}

/// A fork below one leg speaks: by its own tag, Contact and proxy.
fn fork_says(world: &mut World, callee: &mut Phone, invite: &Message, status: u16, sdp: Option<&str>, tag: &str) {
    callee.contact = format!("<sip:{tag}@203.0.113.1:5060>");
    callee.extra = format!("Record-Route: <sip:203.0.113.1:5060;lr;fork={tag}>\r\n");
    callee.respond_tagged(world, invite, status, sdp, tag);
}

fn forks_below_one_leg_are_early_dialogs_of_their_own() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = ringing(&mut world);
    let sdp = callee.sdp("sendrecv");
    fork_says(&mut world, &mut callee, &invite, 183, Some(&sdp), "one");
    let told = caller.expect(&mut world, "183");
    let other = sdp.replace("m=audio 4000", "m=audio 4444");
    fork_says(&mut world, &mut callee, &invite, 183, Some(&other), "two");
    caller.expect_silence(&mut world);
    assert_eq!(lines(&world, "| relay"), 1, "early media does not change from fork to fork\n{}", world.ladder);
    // The first answers without repeating what it said early.
    fork_says(&mut world, &mut callee, &invite, 200, None, "one");
    let ack = callee.expect(&mut world, "ACK sip:one@203.0.113.1:5060");
    assert_eq!(ack.header(HeaderName::Route), Some("<sip:203.0.113.1:5060;lr;fork=one>"));
    assert!(ack.header(HeaderName::To).unwrap().ends_with(";tag=one"));
    assert_eq!(body(&told), body(&caller.expect(&mut world, "200 (1 INVITE)")));
    caller.ack(&mut world, None);
    caller.say(&mut world, "BYE");
    caller.expect(&mut world, "200");
    let bye = callee.expect(&mut world, "BYE sip:one@203.0.113.1:5060");
    assert_eq!(bye.header(HeaderName::Route), Some("<sip:203.0.113.1:5060;lr;fork=one>"));
    callee.respond(&mut world, &bye, 200, None);
    world.assert_nothing_left();
}

fn a_fork_that_sent_no_early_media_answers_with_its_own() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = ringing(&mut world);
    let sdp = callee.sdp("sendrecv");
    fork_says(&mut world, &mut callee, &invite, 183, Some(&sdp), "one");
    let told = caller.expect(&mut world, "183");
    let other = sdp.replace("m=audio 4000", "m=audio 4444");
    fork_says(&mut world, &mut callee, &invite, 200, Some(&other), "two");
    callee.expect(&mut world, "ACK sip:two@203.0.113.1:5060");
    assert_eq!(body(&told), body(&caller.expect(&mut world, "200 (1 INVITE)")));
    assert_eq!(lines(&world, "<-> 203.0.113.1:4444"), 1, "{}", world.ladder);
    caller.ack(&mut world, None);
    caller.say(&mut world, "BYE");
    caller.expect(&mut world, "200");
    gets_bye(&mut world, &mut callee);
    world.assert_nothing_left();
}

fn a_fork_that_answers_too_late_gets_one_bye_and_the_same_ack_for_every_repeat() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = ringing(&mut world);
    super::answer(&mut world, &mut caller, &mut callee, &invite);
    let sdp = callee.sdp("sendrecv");
    fork_says(&mut world, &mut callee, &invite, 200, Some(&sdp), "late");
    let ack = callee.expect(&mut world, "ACK sip:late@");
    assert_eq!(ack.header(HeaderName::Route), Some("<sip:203.0.113.1:5060;lr;fork=late>"));
    let bye = callee.expect(&mut world, "BYE sip:late@");
    fork_says(&mut world, &mut callee, &invite, 200, Some(&sdp), "late");
    assert_eq!(callee.expect(&mut world, "ACK sip:late@").bytes(), ack.bytes());
    callee.expect_silence(&mut world);
    (callee.contact, callee.extra) = ("<sip:phone@203.0.113.1:5060>".to_owned(), String::new());
    callee.respond(&mut world, &bye, 200, None);
    caller.expect_silence(&mut world);
    caller.say(&mut world, "BYE");
    caller.expect(&mut world, "200");
    callee.expect(&mut world, "BYE sip:phone@203.0.113.1:5060");
    pass(&mut world, 40_000);
    callee.ignore_all(&mut world);
    world.assert_nothing_left();
}

fn more_forks_that_answer_too_late_than_are_told_apart_are_not_heard() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = ringing(&mut world);
    super::answer(&mut world, &mut caller, &mut callee, &invite);
    let sdp = callee.sdp("sendrecv");
    for fork in 0..12 {
        callee.respond_tagged(&mut world, &invite, 200, Some(&sdp), &format!("late{fork}"));
    }
    assert_eq!(lines(&world, "pbx <- BYE"), 8, "{}", world.ladder);
    callee.ignore_all(&mut world);
    pass(&mut world, 40_000);
    callee.ignore_all(&mut world);
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
}

super::scenarios![
    all_of_a_group_ring_at_once_and_the_first_to_answer_wins,
    an_answer_that_crosses_another_gets_ack_and_bye_and_the_call_goes_on,
    a_loser_that_hangs_up_by_itself_does_not_end_the_call,
    a_desk_that_says_bye_while_others_ring_only_leaves,
    a_group_in_which_all_are_busy_makes_the_caller_hear_486,
    one_busy_and_one_that_rings_in_vain_is_no_answer,
    a_603_ends_it_for_all_and_for_every_group,
    a_caller_that_cancels_makes_every_leg_end_also_one_that_has_said_nothing,
    the_next_group_rings_when_the_first_has_rung_in_vain,
    a_group_with_somebody_who_is_busy_is_the_last,
    a_group_that_never_says_anything_is_followed_by_the_best_response_of_all,
    a_group_of_more_than_ten_rings_in_tens,
    a_desk_without_media_ports_is_passed_over_while_the_others_ring,
    an_answer_that_cannot_be_used_leaves_the_others_ringing,
    after_early_media_of_one_the_answer_of_another_carries_the_same_sdp,
    after_early_media_an_answer_in_another_codec_follows_with_a_higher_version,
    early_media_that_ends_is_followed_by_anothers_and_else_by_ringing,
    early_media_of_a_group_that_fails_leaves_the_caller_its_tag_and_sdp,
    a_late_offer_is_asked_of_all_and_the_winners_goes_to_the_caller,
    forks_below_one_leg_are_early_dialogs_of_their_own,
    a_fork_that_sent_no_early_media_answers_with_its_own,
    a_fork_that_answers_too_late_gets_one_bye_and_the_same_ack_for_every_repeat,
    more_forks_that_answer_too_late_than_are_told_apart_are_not_heard,
];
