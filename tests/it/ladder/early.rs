//! What is agreed before an answer: offers in reliable provisional responses, in PRACKs and in UPDATEs.

use super::modify::waits;
use super::prack::{REQUIRED, SUPPORTED, assert_reliable, called, says_reliably};
use super::{body, cancelled, gets_bye, hang_up, lines, pass, refused};
use domain::session::event::EndCause;
use domain::sip::wire::{HeaderName, Message};
use tests::world::{CARRIER, DESKS, NUMBER, PBX, Phone, World};

const ALLOW: &str = "Allow: INVITE, ACK, CANCEL, BYE, PRACK, UPDATE\r\n";

/// A caller that calls without an offer, and the INVITE that the callee has.
#[track_caller]
fn asked_for_an_offer(world: &mut World, headers: &str) -> (Phone, Phone, Message) {
    let (mut caller, mut callee) = (world.phone(CARRIER), world.phone(PBX));
    caller.call_with(world, NUMBER, None, headers);
    caller.expect(world, "100");
    let invite = callee.expect(world, "INVITE");
    assert!(invite.body().is_empty());
    (caller, callee, invite)
}

/// The callee offers reliably, the caller answers in its PRACK, and both are agreed.
#[track_caller]
fn agreed(world: &mut World, caller: &mut Phone, callee: &mut Phone, invite: &Message) -> Message {
    let offer = callee.sdp("sendrecv");
    callee.respond_reliably(world, invite, 183, Some(&offer), 8);
    callee.expect_silence(world);
    let told = caller.expect(world, "183");
    assert_reliable(&told);
    assert!(body(&told).contains("c=IN IP4 192.0.2.9"));
    let answer = caller.sdp("sendrecv");
    caller.prack(world, &told, Some(&answer));
    caller.expect(world, "200 (2 PRACK)");
    let prack = callee.expect(world, "PRACK");
    assert_eq!(prack.header(HeaderName::RAck), Some("8 1 INVITE"));
    assert!(body(&prack).contains("c=IN IP4 192.0.2.9"));
    callee.respond(world, &prack, 200, None);
    told
}

fn a_late_offer_comes_reliably_and_its_answer_goes_by_prack() {
    for headers in [SUPPORTED, REQUIRED] {
        let mut world = World::default();
        let (mut caller, mut callee, invite) = asked_for_an_offer(&mut world, headers);
        assert!(invite.lists_option(HeaderName::Supported, "100rel"));
        agreed(&mut world, &mut caller, &mut callee, &invite);
        assert_eq!(lines(&world, "| relay 198.51.100.1:4000 <-> 203.0.113.1:4000"), 1, "{}", world.ladder);
        callee.respond(&mut world, &invite, 200, None);
        assert!(callee.expect(&mut world, "ACK").body().is_empty());
        assert!(caller.expect(&mut world, "200 (1 INVITE)").body().is_empty());
        caller.ack(&mut world, None);
        callee.expect_silence(&mut world);
        hang_up(&mut world, &mut caller, &mut callee);
        world.assert_nothing_left();
        assert_eq!(world.ended().cause, EndCause::Completed);
    }
}

fn a_late_offer_is_not_asked_for_early_where_the_caller_could_not_answer_it() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = asked_for_an_offer(&mut world, "Max-Forwards: 70\r\n");
    assert!(!invite.lists_option(HeaderName::Supported, "100rel"));
    let offer = callee.sdp("sendrecv");
    callee.respond(&mut world, &invite, 183, Some(&offer));
    assert!(caller.expect(&mut world, "183").body().is_empty());
    callee.respond(&mut world, &invite, 200, Some(&offer));
    caller.expect(&mut world, "200 (1 INVITE)");
    let answer = caller.sdp("sendrecv");
    caller.ack(&mut world, Some(&answer));
    callee.expect(&mut world, "ACK");
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();

    let mut world = World::default();
    world.ring_instead(&[&DESKS[..2]], 20);
    let mut caller = world.phone(CARRIER);
    caller.call_with(&mut world, NUMBER, None, SUPPORTED);
    caller.expect(&mut world, "100");
    for address in &DESKS[..2] {
        let mut desk = world.phone(address);
        let invite = desk.expect(&mut world, "INVITE");
        assert!(!invite.lists_option(HeaderName::Supported, "100rel"), "one offer is answered, not two");
        desk.respond(&mut world, &invite, 486, None);
        desk.expect(&mut world, "ACK");
    }
    refused(&mut world, &mut caller, "486");
    world.assert_nothing_left();
}

fn a_caller_that_requires_it_is_told_nothing_reliably_before_there_is_an_offer() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = asked_for_an_offer(&mut world, REQUIRED);
    callee.respond(&mut world, &invite, 180, None);
    caller.expect_silence(&mut world);
    let offer = callee.sdp("sendrecv");
    callee.respond(&mut world, &invite, 200, Some(&offer));
    assert!(!caller.expect(&mut world, "200 (1 INVITE)").body().is_empty());
    let answer = caller.sdp("sendrecv");
    caller.ack(&mut world, Some(&answer));
    assert!(!callee.expect(&mut world, "ACK").body().is_empty());
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
}

fn a_prack_that_does_not_answer_a_late_offer_ends_the_call() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = asked_for_an_offer(&mut world, SUPPORTED);
    let offer = callee.sdp("sendrecv");
    callee.respond_reliably(&mut world, &invite, 183, Some(&offer), 8);
    let told = caller.expect(&mut world, "183");
    caller.prack(&mut world, &told, None);
    caller.expect(&mut world, "200 (2 PRACK)");
    refused(&mut world, &mut caller, "488");
    cancelled(&mut world, &mut callee, &invite);
    world.assert_nothing_left();
}

fn a_late_offer_that_cannot_be_relayed_ends_the_call() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = asked_for_an_offer(&mut world, SUPPORTED);
    callee.respond_reliably(&mut world, &invite, 183, Some("v=0\r\nx"), 8);
    cancelled(&mut world, &mut callee, &invite);
    refused(&mut world, &mut caller, "488");
    world.assert_nothing_left();
}

fn a_callee_that_answers_without_waiting_for_its_prack_is_answered_by_the_ack() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = asked_for_an_offer(&mut world, SUPPORTED);
    let offer = callee.sdp("sendrecv");
    callee.respond_reliably(&mut world, &invite, 183, Some(&offer), 8);
    let told = caller.expect(&mut world, "183");
    callee.respond(&mut world, &invite, 200, None);
    callee.expect_silence(&mut world);
    caller.expect_silence(&mut world);
    let answer = caller.sdp("sendrecv");
    caller.prack(&mut world, &told, Some(&answer));
    caller.expect(&mut world, "200 (2 PRACK)");
    assert!(!callee.expect(&mut world, "ACK").body().is_empty());
    assert!(caller.expect(&mut world, "200 (1 INVITE)").body().is_empty());
    caller.ack(&mut world, None);
    callee.expect_silence(&mut world);
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
}

fn after_a_late_offer_was_answered_the_next_target_gets_an_offer() {
    let mut world = World::default();
    world.ring_instead(&[&DESKS[..1], &DESKS[1..2]], 20);
    let mut caller = world.phone(CARRIER);
    caller.call_with(&mut world, NUMBER, None, SUPPORTED);
    caller.expect(&mut world, "100");
    let [mut first, mut second] = [DESKS[0], DESKS[1]].map(|address| world.phone(address));
    let invite = first.expect(&mut world, "INVITE");
    let told = agreed(&mut world, &mut caller, &mut first, &invite);
    first.respond(&mut world, &invite, 503, None);
    first.expect(&mut world, "ACK");
    let invite = second.expect(&mut world, "INVITE");
    assert!(body(&invite).contains("c=IN IP4 192.0.2.9"));
    let answer = second.sdp("sendrecv");
    second.respond(&mut world, &invite, 200, Some(&answer));
    assert!(second.expect(&mut world, "ACK").body().is_empty());
    let ok = caller.expect(&mut world, "200 (1 INVITE)");
    assert_eq!((ok.header(HeaderName::To), ok.body().len()), (told.header(HeaderName::To), 0));
    caller.ack(&mut world, None);
    assert_eq!(lines(&world, "| relay 198.51.100.1:4000 <-> 203.0.113.22:4000"), 1, "{}", world.ladder);
    hang_up(&mut world, &mut caller, &mut second);
    world.assert_nothing_left();
}

fn a_late_offer_of_a_target_that_fails_is_answered_for_the_next_by_the_ack() {
    for early in [false, true] {
        let mut world = World::default();
        world.ring_instead(&[&DESKS[..1], &DESKS[1..2]], 20);
        let mut caller = world.phone(CARRIER);
        caller.call_with(&mut world, NUMBER, None, SUPPORTED);
        caller.expect(&mut world, "100");
        let [mut first, mut second] = [DESKS[0], DESKS[1]].map(|address| world.phone(address));
        let invite = first.expect(&mut world, "INVITE");
        let offer = first.sdp("sendrecv");
        first.respond_reliably(&mut world, &invite, 183, Some(&offer), 8);
        let told = caller.expect(&mut world, "183");
        first.respond(&mut world, &invite, 503, None);
        first.expect(&mut world, "ACK");
        let invite = second.expect(&mut world, "INVITE");
        assert!(invite.body().is_empty());
        let answer = caller.sdp("sendrecv");
        let offer = second.sdp("sendrecv");
        if early {
            second.respond_reliably(&mut world, &invite, 183, Some(&offer), 1);
            second.expect_silence(&mut world);
        }
        caller.prack(&mut world, &told, Some(&answer));
        caller.expect(&mut world, "200 (2 PRACK)");
        match early {
            true => {
                let prack = second.expect(&mut world, "PRACK");
                assert!(body(&prack).contains("c=IN IP4 192.0.2.9"));
                second.respond(&mut world, &prack, 200, None);
                second.respond(&mut world, &invite, 200, None);
                assert!(second.expect(&mut world, "ACK").body().is_empty());
            }
            false => {
                second.respond(&mut world, &invite, 200, Some(&offer));
                assert!(body(&second.expect(&mut world, "ACK")).contains("c=IN IP4 192.0.2.9"));
            }
        }
        assert!(caller.expect(&mut world, "200 (1 INVITE)").body().is_empty());
        caller.ack(&mut world, None);
        assert!(lines(&world, "| relay 198.51.100.1:4000 <-> 203.0.113.22:4000") >= 1, "{}", world.ladder);
        hang_up(&mut world, &mut caller, &mut second);
        world.assert_nothing_left();
    }
}

fn where_another_callee_answers_than_was_heard_reliably_its_sdp_is_offered_after_the_answer() {
    let mut world = World::default();
    world.ring_instead(&[&DESKS[..2]], 20);
    let mut caller = world.phone(CARRIER);
    let offer = caller.sdp("sendrecv");
    caller.call_with(&mut world, NUMBER, Some(&offer), SUPPORTED);
    caller.expect(&mut world, "100");
    let [mut first, mut second] = [DESKS[0], DESKS[1]].map(|address| world.phone(address));
    let invites = [&mut first, &mut second].map(|desk| desk.expect(&mut world, "INVITE"));
    let early = first.sdp("sendrecv");
    first.respond(&mut world, &invites[0], 183, Some(&early));
    let told = caller.expect(&mut world, "183");
    let sdp = second.sdp("sendrecv").replace("RTP/AVP 0\r\na=rtpmap:0 PCMU", "RTP/AVP 8\r\na=rtpmap:8 PCMA");
    second.respond(&mut world, &invites[1], 200, Some(&sdp));
    second.expect(&mut world, "ACK");
    cancelled(&mut world, &mut first, &invites[0]);
    caller.expect_silence(&mut world);
    caller.prack(&mut world, &told, None);
    caller.expect(&mut world, "200 (2 PRACK)");
    assert!(caller.expect(&mut world, "200 (1 INVITE)").body().is_empty());
    caller.ack(&mut world, None);
    let invite = caller.expect(&mut world, "INVITE");
    assert!(body(&invite).contains("RTP/AVP 8\r\n") && body(&told).contains("RTP/AVP 0\r\n"));
    // Glare: it is ours to ask again.
    caller.respond(&mut world, &invite, 491, None);
    caller.expect(&mut world, "ACK");
    let (_, invite) = waits(&mut world, &mut caller);
    let sdp = caller.sdp("sendrecv").replace("RTP/AVP 0\r\na=rtpmap:0 PCMU", "RTP/AVP 8\r\na=rtpmap:8 PCMA");
    caller.respond(&mut world, &invite, 200, Some(&sdp));
    caller.expect(&mut world, "ACK");
    second.expect_silence(&mut world);
    hang_up(&mut world, &mut caller, &mut second);
    world.assert_nothing_left();
}

/// A call that rings, offer and answer exchanged reliably on both legs, both sides taking UPDATE.
#[track_caller]
fn settled(world: &mut World) -> (Phone, Phone, Message) {
    let (mut caller, mut callee, invite) = called(world, &format!("{SUPPORTED}{ALLOW}"));
    callee.extra = ALLOW.into();
    let sdp = callee.sdp("sendrecv");
    says_reliably(world, &mut callee, &invite, (183, 1, Some(&sdp)));
    let told = caller.expect(world, "183");
    caller.prack(world, &told, None);
    caller.expect(world, "200 (2 PRACK)");
    (caller, callee, invite)
}

/// The callee picks up without saying its SDP again.
#[track_caller]
fn picks_up(world: &mut World, caller: &mut Phone, callee: &mut Phone, invite: &Message) {
    callee.respond(world, invite, 200, None);
    callee.expect(world, "ACK");
    caller.expect(world, "200 (1 INVITE)");
    caller.ack(world, None);
}

fn what_was_agreed_reliably_may_be_changed_by_update_before_the_answer() {
    for callee_asks in [false, true] {
        let mut world = World::default();
        let (mut caller, mut callee, invite) = settled(&mut world);
        let (by, other) = if callee_asks { (&mut callee, &mut caller) } else { (&mut caller, &mut callee) };
        by.port = 4100;
        let offer = by.sdp("sendrecv");
        by.say_with(&mut world, "UPDATE", &format!("Contact: {}\r\n{ALLOW}", by.contact), &offer);
        let update = other.expect(&mut world, "UPDATE");
        assert!(body(&update).contains("c=IN IP4 192.0.2.9"));
        let sdp = other.sdp("sendrecv");
        other.respond(&mut world, &update, 200, Some(&sdp));
        assert!(body(&by.expect(&mut world, "200")).contains("c=IN IP4 192.0.2.9"));
        let relay = world.ladder.lines().rfind(|line| line.contains("| relay")).unwrap().to_owned();
        assert!(relay.contains(":4100"), "{}", world.ladder);
        picks_up(&mut world, &mut caller, &mut callee, &invite);
        let relay = world.ladder.lines().rfind(|line| line.contains("| relay")).unwrap().to_owned();
        assert!(relay.contains(":4100"), "the answer does not take it back\n{}", world.ladder);
        hang_up(&mut world, &mut caller, &mut callee);
        world.assert_nothing_left();
    }
}

fn an_early_change_that_is_refused_changes_nothing() {
    for status in [488, 481, 491] {
        let mut world = World::default();
        let (mut caller, mut callee, invite) = settled(&mut world);
        caller.port = 4100;
        let offer = caller.sdp("sendrecv");
        caller.say_with(&mut world, "UPDATE", ALLOW, &offer);
        let update = callee.expect(&mut world, "UPDATE");
        callee.respond(&mut world, &update, status, None);
        caller.expect(
            &mut world,
            if status == 481 {
                "500 (3 UPDATE)"
            } else if status == 488 {
                "488"
            } else {
                "491"
            },
        );
        picks_up(&mut world, &mut caller, &mut callee, &invite);
        assert_eq!(lines(&world, ":4100"), 0, "{}", world.ladder);
        hang_up(&mut world, &mut caller, &mut callee);
        world.assert_nothing_left();
    }
}

fn an_early_change_is_overtaken_by_a_refusal_of_the_call() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = settled(&mut world);
    let offer = caller.sdp("inactive");
    caller.say_with(&mut world, "UPDATE", ALLOW, &offer);
    let update = callee.expect(&mut world, "UPDATE");
    callee.respond(&mut world, &invite, 486, None);
    callee.expect(&mut world, "ACK");
    refused(&mut world, &mut caller, "486");
    callee.respond(&mut world, &update, 481, None);
    caller.expect(&mut world, "500 (3 UPDATE)");
    world.assert_nothing_left();
}

fn an_early_change_is_500_where_the_other_leg_has_agreed_nothing_yet() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = super::invited(&mut world);
    callee.extra = ALLOW.into();
    let sdp = callee.sdp("sendrecv");
    says_reliably(&mut world, &mut callee, &invite, (183, 1, Some(&sdp)));
    caller.expect(&mut world, "183");
    let offer = callee.sdp("sendonly");
    callee.say_with(&mut world, "UPDATE", ALLOW, &offer);
    assert!(callee.expect(&mut world, "500 (1 UPDATE)").has(HeaderName::RetryAfter));
    caller.expect_silence(&mut world);
    picks_up(&mut world, &mut caller, &mut callee, &invite);
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
}

fn an_offer_in_a_prack_passes_as_update_and_is_answered_in_its_2xx() {
    for answers_first in [false, true] {
        let mut world = World::default();
        let (mut caller, mut callee, invite) = called(&mut world, SUPPORTED);
        callee.extra = ALLOW.into();
        let sdp = callee.sdp("sendrecv");
        says_reliably(&mut world, &mut callee, &invite, (183, 1, Some(&sdp)));
        let told = caller.expect(&mut world, "183");
        caller.port = 4100;
        let offer = caller.sdp("sendrecv");
        caller.prack(&mut world, &told, Some(&offer));
        let update = callee.expect(&mut world, "UPDATE");
        if answers_first {
            callee.respond(&mut world, &invite, 200, None);
            callee.expect(&mut world, "ACK");
        }
        caller.expect_silence(&mut world);
        callee.respond(&mut world, &update, 200, Some(&sdp));
        assert!(body(&caller.expect(&mut world, "200 (2 PRACK)")).contains("c=IN IP4 192.0.2.9"));
        match answers_first {
            true => {
                caller.expect(&mut world, "200 (1 INVITE)");
                caller.ack(&mut world, None);
            }
            false => picks_up(&mut world, &mut caller, &mut callee, &invite),
        }
        assert!(lines(&world, "| relay 198.51.100.1:4100") >= 1, "{}", world.ladder);
        hang_up(&mut world, &mut caller, &mut callee);
        world.assert_nothing_left();
    }
}

fn an_offer_in_a_prack_that_nobody_can_take_is_488_and_the_response_is_acknowledged() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = called(&mut world, SUPPORTED);
    let sdp = callee.sdp("sendrecv");
    callee.respond(&mut world, &invite, 183, Some(&sdp));
    let told = caller.expect(&mut world, "183");
    caller.port = 4100;
    let offer = caller.sdp("sendrecv");
    caller.prack(&mut world, &told, Some(&offer));
    caller.expect(&mut world, "488 (2 PRACK)");
    pass(&mut world, 15_000);
    caller.expect_silence(&mut world);
    picks_up(&mut world, &mut caller, &mut callee, &invite);
    assert_eq!(lines(&world, ":4100"), 0, "{}", world.ladder);
    caller.say(&mut world, "BYE");
    caller.expect(&mut world, "200");
    gets_bye(&mut world, &mut callee);
    world.assert_nothing_left();
}

super::scenarios![
    a_late_offer_comes_reliably_and_its_answer_goes_by_prack,
    a_late_offer_is_not_asked_for_early_where_the_caller_could_not_answer_it,
    a_caller_that_requires_it_is_told_nothing_reliably_before_there_is_an_offer,
    a_prack_that_does_not_answer_a_late_offer_ends_the_call,
    a_late_offer_that_cannot_be_relayed_ends_the_call,
    a_callee_that_answers_without_waiting_for_its_prack_is_answered_by_the_ack,
    after_a_late_offer_was_answered_the_next_target_gets_an_offer,
    a_late_offer_of_a_target_that_fails_is_answered_for_the_next_by_the_ack,
    where_another_callee_answers_than_was_heard_reliably_its_sdp_is_offered_after_the_answer,
    what_was_agreed_reliably_may_be_changed_by_update_before_the_answer,
    an_early_change_that_is_refused_changes_nothing,
    an_early_change_is_overtaken_by_a_refusal_of_the_call,
    an_early_change_is_500_where_the_other_leg_has_agreed_nothing_yet,
    an_offer_in_a_prack_passes_as_update_and_is_answered_in_its_2xx,
    an_offer_in_a_prack_that_nobody_can_take_is_488_and_the_response_is_acknowledged,
];
