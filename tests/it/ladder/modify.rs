//! Calls that change while they run.

use super::{answer, answered, body, gets_bye, hang_up, lines, pass, refused, ringing};
use domain::session::event::{EndCause, OfferChange, SessionEvent};
use domain::sip::wire::{HeaderName, Message, Method};
use tests::world::{CARRIER, NUMBER, PBX, Phone, World};

/// `by` asks, `other` answers; gives the offer as `other` saw it and the answer as `by` saw it.
#[track_caller]
fn change(world: &mut World, by: &mut Phone, other: &mut Phone, offer: &str, answer: &str) -> (Message, Message) {
    by.reinvite(world, Some(offer));
    by.expect(world, "100");
    let invite = other.expect(world, "INVITE");
    other.respond(world, &invite, 200, Some(answer));
    other.expect(world, "ACK");
    let ok = by.expect(world, "200 (");
    by.ack(world, None);
    other.expect_silence(world);
    (invite, ok)
}

/// `by` asks; gives the INVITE as `other` has it.
#[track_caller]
fn asked(world: &mut World, by: &mut Phone, other: &mut Phone, offer: Option<&str>) -> Message {
    by.reinvite(world, offer);
    by.expect(world, "100");
    other.expect(world, "INVITE")
}

fn changes(world: &World) -> Vec<OfferChange> {
    let made = world.watch.events().filter_map(|event| match event {
        SessionEvent::OfferMade(made) => Some(made.change),
        _ => None,
    });
    made.collect()
}

fn last_relay(world: &World) -> &str {
    world.ladder.lines().rfind(|line| line.contains("| relay")).unwrap().trim()
}

fn two_lines(phone: &Phone) -> String {
    format!("{}m=video {} RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n", phone.sdp("sendrecv"), phone.port + 2)
}

fn either_side_holds_and_resumes() {
    for callee_asks in [false, true] {
        let mut world = World::default();
        let (mut caller, mut callee) = answered(&mut world);
        let (by, other) = if callee_asks { (&mut callee, &mut caller) } else { (&mut caller, &mut callee) };
        let (offer, answer) = (by.sdp("sendonly"), other.sdp("recvonly"));
        let (invite, ok) = change(&mut world, by, other, &offer, &answer);
        assert!(body(&invite).contains("a=sendonly") && body(&invite).contains("c=IN IP4 192.0.2.9"));
        assert!(body(&ok).contains("a=recvonly"));
        assert!(last_relay(&world).contains("deaf") && last_relay(&world).contains("silent"), "{}", world.ladder);
        let (offer, answer) = (by.sdp("sendrecv"), other.sdp("sendrecv"));
        change(&mut world, by, other, &offer, &answer);
        assert!(!last_relay(&world).contains("deaf"), "{}", world.ladder);
        hang_up(&mut world, by, other);
        world.assert_nothing_left();
        assert_eq!(changes(&world), [OfferChange::Hold, OfferChange::Resume]);
    }
}

fn what_we_tell_keeps_its_origin_and_steps_its_version_when_it_changes() {
    let mut world = World::default();
    let (mut caller, mut callee) = answered(&mut world);
    let origin = |message: &Message| {
        let text = body(message);
        let line = text.lines().find(|line| line.starts_with("o=")).unwrap();
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        (words[1].clone(), words[2].parse::<u64>().unwrap())
    };
    let (refresh, answer) = (caller.sdp("sendrecv"), callee.sdp("sendrecv"));
    let (first, _) = change(&mut world, &mut caller, &mut callee, &refresh, &answer);
    let (hold, answer) = (caller.sdp("inactive"), callee.sdp("inactive"));
    let (second, _) = change(&mut world, &mut caller, &mut callee, &hold, &answer);
    assert_eq!(origin(&first).0, origin(&second).0);
    assert_eq!(origin(&first).1 + 1, origin(&second).1);
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
    assert_eq!(changes(&world)[0], OfferChange::Refresh);
}

fn a_change_of_codec_and_port_passes_and_moves_the_relay() {
    let mut world = World::default();
    let (mut caller, mut callee) = answered(&mut world);
    let alaw = |phone: &Phone| phone.sdp("sendrecv").replace("RTP/AVP 0", "RTP/AVP 8").replace("0 PCMU", "8 PCMA");
    caller.port = 4100;
    let (offer, answer) = (alaw(&caller), alaw(&callee));
    let (invite, ok) = change(&mut world, &mut caller, &mut callee, &offer, &answer);
    assert!(body(&invite).contains("PCMA") && body(&ok).contains("PCMA"));
    assert!(last_relay(&world).contains("198.51.100.1:4100"), "{}", world.ladder);
    hang_up(&mut world, &mut callee, &mut caller);
    world.assert_nothing_left();
}

fn a_late_offer_within_a_call_is_answered_in_the_ack() {
    let mut world = World::default();
    let (mut caller, mut callee) = answered(&mut world);
    let invite = asked(&mut world, &mut caller, &mut callee, None);
    assert!(invite.body().is_empty());
    let offer = callee.sdp("sendrecv");
    callee.respond(&mut world, &invite, 200, Some(&offer));
    callee.expect_silence(&mut world);
    let ok = caller.expect(&mut world, "200 (2 INVITE)");
    assert!(body(&ok).contains("c=IN IP4 192.0.2.9"));
    let answer = caller.sdp("sendonly");
    caller.ack(&mut world, Some(&answer));
    let ack = callee.expect(&mut world, "ACK");
    assert!(body(&ack).contains("a=sendonly"));
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
    assert_eq!(changes(&world), [OfferChange::Late]);
}

fn a_late_offer_whose_ack_has_no_sdp_keeps_what_was_agreed() {
    let mut world = World::default();
    let (mut caller, mut callee) = answered(&mut world);
    let invite = asked(&mut world, &mut caller, &mut callee, None);
    let offer = callee.sdp("sendrecv");
    callee.respond(&mut world, &invite, 200, Some(&offer));
    caller.expect(&mut world, "200 (2 INVITE)");
    caller.ack(&mut world, None);
    let ack = callee.expect(&mut world, "ACK");
    assert!(body(&ack).contains("m=audio"), "an answer is owed");
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
}

fn a_late_offer_whose_ack_never_comes_ends_the_call() {
    let mut world = World::default();
    let (mut caller, mut callee) = answered(&mut world);
    let invite = asked(&mut world, &mut caller, &mut callee, None);
    let offer = callee.sdp("sendrecv");
    callee.respond(&mut world, &invite, 200, Some(&offer));
    pass(&mut world, 32_100);
    callee.expect(&mut world, "ACK");
    gets_bye(&mut world, &mut callee);
    (0..11).for_each(|_| drop(caller.expect(&mut world, "200 (2 INVITE)")));
    gets_bye(&mut world, &mut caller);
    world.assert_nothing_left();
    assert_eq!(world.ended().cause, EndCause::Lost);
}

fn a_refused_change_leaves_the_media_as_it_was() {
    let mut world = World::default();
    let (mut caller, mut callee) = answered(&mut world);
    let before = lines(&world, "| relay");
    let offer = caller.sdp("inactive");
    let invite = asked(&mut world, &mut caller, &mut callee, Some(&offer));
    callee.respond(&mut world, &invite, 488, None);
    callee.expect(&mut world, "ACK");
    refused(&mut world, &mut caller, "488");
    assert_eq!(lines(&world, "| relay"), before);
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
    assert!(world.watch.story().contains(&"OfferRefused"));
}

fn a_change_without_readable_sdp_is_488_and_the_call_goes_on() {
    let mut world = World::default();
    let (mut caller, mut callee) = answered(&mut world);
    caller.reinvite(&mut world, Some("v=0\r\nnonsense\r\n"));
    caller.expect(&mut world, "100");
    refused(&mut world, &mut caller, "488");
    callee.expect_silence(&mut world);
    let (offer, answer) = (caller.sdp("sendrecv"), callee.sdp("sendrecv"));
    change(&mut world, &mut caller, &mut callee, &offer, &answer);
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
}

fn changes_that_cross_are_both_491() {
    let mut world = World::default();
    let (mut caller, mut callee) = answered(&mut world);
    let offer = caller.sdp("sendonly");
    let ours = asked(&mut world, &mut caller, &mut callee, Some(&offer));
    let crossing = callee.sdp("inactive");
    callee.reinvite(&mut world, Some(&crossing));
    refused(&mut world, &mut callee, "491");
    caller.expect_silence(&mut world);
    callee.respond(&mut world, &ours, 491, None);
    callee.expect(&mut world, "ACK");
    refused(&mut world, &mut caller, "491");
    change(&mut world, &mut callee, &mut caller, &crossing, &offer.replace("sendonly", "inactive"));
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
}

fn a_second_change_before_the_first_is_answered_is_500_with_retry_after() {
    let mut world = World::default();
    let (mut caller, mut callee) = answered(&mut world);
    let offer = caller.sdp("sendonly");
    let invite = asked(&mut world, &mut caller, &mut callee, Some(&offer));
    caller.reinvite(&mut world, Some(&offer));
    let response = refused(&mut world, &mut caller, "500 (3 INVITE)");
    let wait: u32 = response.header(HeaderName::RetryAfter).unwrap().parse().unwrap();
    assert!(wait <= 10);
    let sdp = callee.sdp("recvonly");
    callee.respond(&mut world, &invite, 200, Some(&sdp));
    callee.expect(&mut world, "ACK");
    caller.expect(&mut world, "200 (2 INVITE)");
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
}

fn a_cancelled_change_is_487_on_both_legs_and_the_call_goes_on() {
    let mut world = World::default();
    let (mut caller, mut callee) = answered(&mut world);
    let offer = caller.sdp("sendonly");
    let invite = asked(&mut world, &mut caller, &mut callee, Some(&offer));
    callee.respond(&mut world, &invite, 100, None);
    caller.cancel(&mut world);
    caller.expect(&mut world, "200 (2 CANCEL)");
    refused(&mut world, &mut caller, "487");
    super::cancelled(&mut world, &mut callee, &invite);
    let (offer, answer) = (caller.sdp("sendrecv"), callee.sdp("sendrecv"));
    change(&mut world, &mut caller, &mut callee, &offer, &answer);
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
}

fn a_change_that_is_cancelled_before_the_answer_was_acknowledged_does_not_end_the_call() {
    let mut world = World::default();
    let (mut caller, mut callee) = (world.phone(CARRIER), world.phone(PBX));
    let offer = caller.sdp("sendrecv");
    caller.call(&mut world, NUMBER, Some(&offer));
    caller.expect(&mut world, "100");
    let invite = callee.expect(&mut world, "INVITE");
    let sdp = callee.sdp("sendrecv");
    callee.respond(&mut world, &invite, 200, Some(&sdp));
    callee.expect(&mut world, "ACK");
    caller.expect(&mut world, "200");
    let offer = caller.sdp("sendonly");
    let invite = asked(&mut world, &mut caller, &mut callee, Some(&offer));
    callee.respond(&mut world, &invite, 100, None);
    caller.cancel(&mut world);
    caller.expect(&mut world, "200 (2 CANCEL)");
    refused(&mut world, &mut caller, "487");
    super::cancelled(&mut world, &mut callee, &invite);
    callee.expect_silence(&mut world);
    // Nothing but a missing ACK ends it, and then for both.
    pass(&mut world, 32_000);
    gets_bye(&mut world, &mut callee);
    (0..10).for_each(|_| drop(caller.expect(&mut world, "200 (1 INVITE)")));
    gets_bye(&mut world, &mut caller);
    world.assert_nothing_left();
}

fn a_change_that_is_answered_after_its_cancel_is_taken_back() {
    let mut world = World::default();
    let (mut caller, mut callee) = answered(&mut world);
    let offer = caller.sdp("inactive");
    let invite = asked(&mut world, &mut caller, &mut callee, Some(&offer));
    caller.cancel(&mut world);
    caller.expect(&mut world, "200 (2 CANCEL)");
    refused(&mut world, &mut caller, "487");
    let sdp = callee.sdp("inactive");
    callee.respond(&mut world, &invite, 200, Some(&sdp));
    callee.expect(&mut world, "ACK");
    let back = callee.expect(&mut world, "INVITE");
    assert!(body(&back).contains("a=sendrecv"));
    let sdp = callee.sdp("sendrecv");
    callee.respond(&mut world, &back, 200, Some(&sdp));
    callee.expect(&mut world, "ACK");
    caller.expect_silence(&mut world);
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
}

/// A callee that was asked back after a change whose asker had given up, and says 491.
#[track_caller]
fn asked_back(world: &mut World, caller: &mut Phone, callee: &mut Phone) {
    let offer = caller.sdp("inactive");
    let invite = asked(world, caller, callee, Some(&offer));
    caller.cancel(world);
    caller.expect(world, "200");
    refused(world, caller, "487");
    let sdp = callee.sdp("inactive");
    callee.respond(world, &invite, 200, Some(&sdp));
    callee.expect(world, "ACK");
    let back = callee.expect(world, "INVITE");
    callee.respond(world, &back, 491, None);
    callee.expect(world, "ACK");
}

/// Milliseconds until the phone gets an INVITE.
#[track_caller]
pub(super) fn waits(world: &mut World, phone: &mut Phone) -> (u64, Message) {
    for waited in 0..=400 {
        if let Some(bytes) = world.next_for(phone.address) {
            return (waited * 10, Message::scan(bytes).unwrap());
        }
        pass(world, 10);
    }
    panic!("nothing came\n{}", world.ladder);
}

fn what_we_ask_of_our_own_accord_and_is_491_is_asked_again_in_due_time() {
    // We made the Call-ID of the callee's leg, and not that of the caller's (RFC 3261 §14.1).
    for (callee_asks, range) in [(false, 2_100..=4_000), (true, 0..=2_000)] {
        let mut world = World::default();
        let (mut caller, mut callee) = answered(&mut world);
        let (by, other) = if callee_asks { (&mut callee, &mut caller) } else { (&mut caller, &mut callee) };
        asked_back(&mut world, by, other);
        for _ in 0..2 {
            let (waited, again) = waits(&mut world, other);
            assert!(range.contains(&waited), "{waited}");
            assert!(body(&again).contains("a=sendrecv"));
            other.respond(&mut world, &again, 491, None);
            other.expect(&mut world, "ACK");
        }
        let (_, again) = waits(&mut world, other);
        let sdp = other.sdp("sendrecv");
        other.respond(&mut world, &again, 200, Some(&sdp));
        other.expect(&mut world, "ACK");
        by.expect_silence(&mut world);
        pass(&mut world, 10_000);
        other.expect_silence(&mut world);
        hang_up(&mut world, by, other);
        world.assert_nothing_left();
    }
}

fn what_we_ask_of_our_own_accord_is_not_asked_for_ever_nor_after_the_call() {
    let mut world = World::default();
    let (mut caller, mut callee) = answered(&mut world);
    asked_back(&mut world, &mut caller, &mut callee);
    for _ in 0..7 {
        let (_, again) = waits(&mut world, &mut callee);
        callee.respond(&mut world, &again, 491, None);
        callee.expect(&mut world, "ACK");
    }
    pass(&mut world, 20_000);
    callee.expect_silence(&mut world);
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();

    let mut world = World::default();
    let (mut caller, mut callee) = answered(&mut world);
    asked_back(&mut world, &mut caller, &mut callee);
    hang_up(&mut world, &mut callee, &mut caller);
    pass(&mut world, 20_000);
    callee.expect_silence(&mut world);
    world.assert_nothing_left();
}

fn what_the_peer_asks_meanwhile_goes_before_what_we_ask_again() {
    let mut world = World::default();
    let (mut caller, mut callee) = answered(&mut world);
    asked_back(&mut world, &mut caller, &mut callee);
    let (offer, answer) = (callee.sdp("sendonly"), caller.sdp("recvonly"));
    let invite = asked(&mut world, &mut callee, &mut caller, Some(&offer));
    caller.respond(&mut world, &invite, 100, None);
    pass(&mut world, 4_100);
    callee.expect_silence(&mut world);
    caller.respond(&mut world, &invite, 200, Some(&answer));
    caller.expect(&mut world, "ACK");
    callee.expect(&mut world, "200 (1 INVITE)");
    callee.ack(&mut world, None);
    let (_, again) = waits(&mut world, &mut callee);
    assert!(body(&again).contains("a=recvonly"), "what is in force now");
    let sdp = callee.sdp("sendonly");
    callee.respond(&mut world, &again, 200, Some(&sdp));
    callee.expect(&mut world, "ACK");
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
}

fn what_we_ask_of_our_own_accord_yields_to_what_is_asked_of_the_same_leg_and_is_not_overtaken() {
    let mut world = World::default();
    let (mut caller, mut callee) = answered(&mut world);
    asked_back(&mut world, &mut caller, &mut callee);
    let (offer, answer) = (caller.sdp("sendonly"), callee.sdp("recvonly"));
    change(&mut world, &mut caller, &mut callee, &offer, &answer);
    pass(&mut world, 10_000);
    callee.expect_silence(&mut world);
    asked_back(&mut world, &mut caller, &mut callee);
    let (_, again) = waits(&mut world, &mut callee);
    let offer = caller.sdp("sendrecv");
    caller.reinvite(&mut world, Some(&offer));
    caller.expect(&mut world, "100");
    refused(&mut world, &mut caller, "491");
    caller.say_with(&mut world, "UPDATE", "", &offer);
    caller.expect(&mut world, "491");
    let sdp = callee.sdp("recvonly");
    callee.respond(&mut world, &again, 200, Some(&sdp));
    callee.expect(&mut world, "ACK");
    callee.expect_silence(&mut world);
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
}

fn a_change_that_is_answered_481_ends_both_legs() {
    let mut world = World::default();
    let (mut caller, mut callee) = answered(&mut world);
    let offer = caller.sdp("sendonly");
    let invite = asked(&mut world, &mut caller, &mut callee, Some(&offer));
    callee.respond(&mut world, &invite, 481, None);
    callee.expect(&mut world, "ACK");
    let bye = callee.expect(&mut world, "BYE");
    callee.respond(&mut world, &bye, 481, None);
    refused(&mut world, &mut caller, "487");
    gets_bye(&mut world, &mut caller);
    world.assert_nothing_left();
    assert_eq!(world.ended().cause, EndCause::Lost);
}

fn a_change_that_is_never_answered_ends_both_legs() {
    let mut world = World::default();
    let (mut caller, mut callee) = answered(&mut world);
    let offer = caller.sdp("sendonly");
    asked(&mut world, &mut caller, &mut callee, Some(&offer));
    pass(&mut world, 32_100);
    refused(&mut world, &mut caller, "487");
    gets_bye(&mut world, &mut caller);
    callee.ignore_all(&mut world);
    assert!(lines(&world, "pbx <- BYE") > 0);
    world.assert_nothing_left();
}

fn a_bye_ends_a_pending_change_from_either_side() {
    for asker_leaves in [false, true] {
        let mut world = World::default();
        let (mut caller, mut callee) = answered(&mut world);
        let offer = caller.sdp("sendonly");
        let invite = asked(&mut world, &mut caller, &mut callee, Some(&offer));
        if asker_leaves {
            caller.say(&mut world, "BYE");
            caller.expect(&mut world, "200 (3 BYE)");
            caller.expect(&mut world, "487 (2 INVITE)");
            gets_bye(&mut world, &mut callee);
            callee.respond(&mut world, &invite, 487, None);
            callee.expect(&mut world, "ACK");
        } else {
            callee.say(&mut world, "BYE");
            callee.expect(&mut world, "200 (1 BYE)");
            callee.respond(&mut world, &invite, 481, None);
            callee.expect(&mut world, "ACK");
            refused(&mut world, &mut caller, "487");
            gets_bye(&mut world, &mut caller);
        }
        world.assert_nothing_left();
        assert_eq!(world.ended().cause, EndCause::Completed, "{}", world.ladder);
    }
}

fn an_added_line_gets_ports_and_a_path_of_its_own() {
    let mut world = World::default();
    let (mut caller, mut callee) = answered(&mut world);
    let (offer, answer) = (two_lines(&caller), two_lines(&callee));
    let (invite, ok) = change(&mut world, &mut caller, &mut callee, &offer, &answer);
    assert!(body(&invite).contains("m=video 200") && body(&ok).contains("m=video 200"));
    assert_eq!(world.media_paths().len(), 2);
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
}

fn an_added_line_that_is_rejected_gets_no_path_and_may_come_again() {
    let mut world = World::default();
    let (mut caller, mut callee) = answered(&mut world);
    let (offer, answer) = (two_lines(&caller), two_lines(&callee));
    let rejection = answer.replace("m=video 4002", "m=video 0");
    let (_, ok) = change(&mut world, &mut caller, &mut callee, &offer, &rejection);
    assert!(body(&ok).contains("m=video 0"));
    assert_eq!(world.media_paths().len(), 1);
    change(&mut world, &mut caller, &mut callee, &offer, &answer);
    assert_eq!(world.media_paths().len(), 2);
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
}

fn a_line_that_the_offer_rejects_gets_ports_once_it_is_wanted() {
    let mut world = World::default();
    let (mut caller, mut callee) = answered(&mut world);
    let (offer, answer) = (two_lines(&caller), two_lines(&callee));
    let without = |sdp: &str| sdp.replace("m=video 4002", "m=video 0");
    let (invite, _) = change(&mut world, &mut caller, &mut callee, &without(&offer), &without(&answer));
    assert!(body(&invite).contains("m=video 0"));
    let (invite, ok) = change(&mut world, &mut caller, &mut callee, &offer, &answer);
    assert!(body(&invite).contains("m=video 200") && body(&ok).contains("m=video 200"), "{}", body(&invite));
    assert_eq!(world.media_paths().len(), 2);
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
}

fn a_change_that_only_rings_when_the_call_ends_is_forgotten() {
    for late in [None, Some(200), Some(487)] {
        for caller_ends in [true, false] {
            let mut world = World::default();
            let (mut caller, mut callee, invite) = ringing(&mut world);
            callee.extra = format!("Record-Route: <sip:edge@{};lr>\r\n", callee.address);
            answer(&mut world, &mut caller, &mut callee, &invite);
            let offer = caller.sdp("sendonly");
            caller.reinvite(&mut world, Some(&offer));
            caller.expect(&mut world, "100");
            let invite = callee.expect(&mut world, "INVITE");
            callee.respond(&mut world, &invite, 180, None);
            let (ends, other) = if caller_ends { (&mut caller, &mut callee) } else { (&mut callee, &mut caller) };
            ends.say(&mut world, "BYE");
            ends.ignore_all(&mut world);
            let bye = std::iter::from_fn(|| world.next_for(other.address)).last().unwrap();
            let bye = Message::scan(bye).unwrap();
            assert_eq!(bye.method().map(Method::as_str), Some("BYE"), "{}", world.ladder);
            other.respond(&mut world, &bye, 200, None);
            match late {
                None => {}
                Some(200) => acknowledges_late(&mut world, &mut callee, &invite),
                Some(status) => {
                    callee.respond(&mut world, &invite, status, None);
                    callee.expect(&mut world, "ACK");
                }
            }
            world.assert_nothing_left();
        }
    }
}

/// A callee's 2xx to this INVITE within the dialog comes when the dialog is over on either side, and once more: both get an
/// ACK that finds its way, and belongs to the dialog (RFC 3261 §12.2.1.1, §13.2.2.4).
#[track_caller]
fn acknowledges_late(world: &mut World, callee: &mut Phone, invite: &Message) {
    for _ in 0..2 {
        callee.respond(world, invite, 200, None);
        let ack = callee.expect(world, "ACK");
        for name in [HeaderName::To, HeaderName::From, HeaderName::CallId, HeaderName::Route] {
            assert!(ack.header(name).is_some_and(|value| value.len() > 8), "{name:?}: {}", world.ladder);
            assert_eq!(ack.header(name), invite.header(name), "{}", world.ladder);
        }
        assert_eq!(ack.request_uri(), invite.request_uri());
        assert_eq!(ack.cseq().unwrap().number, invite.cseq().unwrap().number);
        callee.expect_silence(world);
    }
}

super::scenarios![
    either_side_holds_and_resumes,
    what_we_tell_keeps_its_origin_and_steps_its_version_when_it_changes,
    a_change_of_codec_and_port_passes_and_moves_the_relay,
    a_late_offer_within_a_call_is_answered_in_the_ack,
    a_late_offer_whose_ack_has_no_sdp_keeps_what_was_agreed,
    a_late_offer_whose_ack_never_comes_ends_the_call,
    a_refused_change_leaves_the_media_as_it_was,
    a_change_without_readable_sdp_is_488_and_the_call_goes_on,
    changes_that_cross_are_both_491,
    a_second_change_before_the_first_is_answered_is_500_with_retry_after,
    a_cancelled_change_is_487_on_both_legs_and_the_call_goes_on,
    a_change_that_is_cancelled_before_the_answer_was_acknowledged_does_not_end_the_call,
    a_change_that_is_answered_after_its_cancel_is_taken_back,
    what_we_ask_of_our_own_accord_and_is_491_is_asked_again_in_due_time,
    what_we_ask_of_our_own_accord_is_not_asked_for_ever_nor_after_the_call,
    what_we_ask_of_our_own_accord_yields_to_what_is_asked_of_the_same_leg_and_is_not_overtaken,
    what_the_peer_asks_meanwhile_goes_before_what_we_ask_again,
    a_change_that_is_answered_481_ends_both_legs,
    a_change_that_is_never_answered_ends_both_legs,
    a_bye_ends_a_pending_change_from_either_side,
    an_added_line_gets_ports_and_a_path_of_its_own,
    an_added_line_that_is_rejected_gets_no_path_and_may_come_again,
    a_line_that_the_offer_rejects_gets_ports_once_it_is_wanted,
    a_change_that_only_rings_when_the_call_ends_is_forgotten,
];
