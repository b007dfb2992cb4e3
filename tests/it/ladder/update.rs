//! UPDATE: changes and refreshes without INVITE.

use super::{answered, body, gets_bye, hang_up, invited, lines, pass, refused, ringing};
use domain::session::event::{EndCause, OfferChange, SessionEvent};
use domain::sip::wire::{HeaderName, Message};
use tests::world::{Phone, World};

const ALLOW: &str = "Allow: INVITE, ACK, CANCEL, BYE, UPDATE\r\n";

/// Caller and callee with an answered call; both have said that they take UPDATE.
#[track_caller]
fn updating(world: &mut World) -> (Phone, Phone) {
    let (mut caller, mut callee) = answered(world);
    for phone in [&mut caller, &mut callee] {
        phone.extra = ALLOW.into();
        phone.say_with(world, "UPDATE", ALLOW, "");
        phone.expect(world, "200");
    }
    (caller, callee)
}

fn offer_of(phone: &mut Phone, world: &mut World, direction: &str) {
    let offer = phone.sdp(direction);
    phone.say_with(world, "UPDATE", &format!("Contact: {}\r\n{ALLOW}", phone.contact), &offer);
}

fn relays(world: &World) -> usize {
    lines(world, "| relay 1") + lines(world, "| relay 2")
}

#[track_caller]
fn assert_retry(response: &Message) {
    let wait: u32 = response.header(HeaderName::RetryAfter).unwrap().parse().unwrap();
    assert!(wait <= 10);
}

fn an_update_with_an_offer_passes_as_update_and_its_answer_comes_back() {
    for callee_asks in [false, true] {
        let mut world = World::default();
        let (mut caller, mut callee) = updating(&mut world);
        let (by, other) = if callee_asks { (&mut callee, &mut caller) } else { (&mut caller, &mut callee) };
        offer_of(by, &mut world, "sendonly");
        let update = other.expect(&mut world, "UPDATE");
        assert!(body(&update).contains("a=sendonly") && body(&update).contains("c=IN IP4 192.0.2.9"));
        assert!(update.has(HeaderName::Contact) && update.header(HeaderName::Allow).unwrap().contains("UPDATE"));
        let sdp = other.sdp("recvonly");
        other.respond(&mut world, &update, 200, Some(&sdp));
        let ok = by.expect(&mut world, "200");
        assert!(body(&ok).contains("a=recvonly") && body(&ok).contains("c=IN IP4 192.0.2.9"));
        assert!(ok.has(HeaderName::Contact));
        assert!(world.ladder.lines().rfind(|line| line.contains("| relay")).unwrap().contains("deaf"));
        other.expect_silence(&mut world);
        hang_up(&mut world, by, other);
        world.assert_nothing_left();
        let made = world.watch.events().any(|event| match event {
            SessionEvent::OfferMade(made) => made.change == OfferChange::Hold,
            _ => false,
        });
        assert!(made && world.watch.story().contains(&"OfferAccepted"));
    }
}

fn an_update_passes_as_invite_to_who_does_not_take_updates() {
    let mut world = World::default();
    let (mut caller, mut callee) = answered(&mut world);
    offer_of(&mut caller, &mut world, "sendonly");
    let invite = callee.expect(&mut world, "INVITE");
    assert!(body(&invite).contains("a=sendonly"));
    let sdp = callee.sdp("recvonly");
    callee.respond(&mut world, &invite, 200, Some(&sdp));
    callee.expect(&mut world, "ACK");
    assert!(body(&caller.expect(&mut world, "200 (2 UPDATE)")).contains("a=recvonly"));
    offer_of(&mut caller, &mut world, "sendrecv");
    let invite = callee.expect(&mut world, "INVITE");
    callee.respond(&mut world, &invite, 488, None);
    callee.expect(&mut world, "ACK");
    caller.expect(&mut world, "488 (3 UPDATE)");
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
}

fn an_update_without_sdp_is_answered_at_once_and_says_where_the_peer_is() {
    let mut world = World::default();
    let (mut caller, mut callee) = answered(&mut world);
    callee.say_with(&mut world, "UPDATE", "Contact: <sip:elsewhere@203.0.113.1:5060>\r\n", "");
    assert!(callee.expect(&mut world, "200 (1 UPDATE)").has(HeaderName::Contact));
    caller.expect_silence(&mut world);
    caller.say(&mut world, "BYE");
    caller.expect(&mut world, "200");
    let bye = callee.expect(&mut world, "BYE sip:elsewhere@203.0.113.1:5060");
    callee.respond(&mut world, &bye, 200, None);
    world.assert_nothing_left();
}

fn a_refused_update_leaves_the_media_and_the_call_as_they_were() {
    for status in [488, 491, 500, 504] {
        let mut world = World::default();
        let (mut caller, mut callee) = updating(&mut world);
        let before = relays(&world);
        offer_of(&mut caller, &mut world, "inactive");
        let update = callee.expect(&mut world, "UPDATE");
        callee.respond(&mut world, &update, status, None);
        caller.expect(&mut world, &status.to_string());
        assert_eq!(relays(&world), before);
        assert!(world.watch.story().contains(&"OfferRefused"));
        offer_of(&mut callee, &mut world, "sendrecv");
        let update = caller.expect(&mut world, "UPDATE");
        let sdp = caller.sdp("sendrecv");
        caller.respond(&mut world, &update, 200, Some(&sdp));
        callee.expect(&mut world, "200");
        hang_up(&mut world, &mut caller, &mut callee);
        world.assert_nothing_left();
    }
}

fn updates_that_cross_are_491_and_a_second_one_is_500_with_retry_after() {
    let mut world = World::default();
    let (mut caller, mut callee) = updating(&mut world);
    offer_of(&mut caller, &mut world, "sendonly");
    let update = callee.expect(&mut world, "UPDATE");
    offer_of(&mut callee, &mut world, "inactive");
    callee.expect(&mut world, "491 (2 UPDATE)");
    offer_of(&mut caller, &mut world, "inactive");
    assert_retry(&caller.expect(&mut world, "500 (4 UPDATE)"));
    let sdp = callee.sdp("inactive");
    callee.reinvite(&mut world, Some(&sdp));
    callee.expect(&mut world, "100");
    refused(&mut world, &mut callee, "491 (3 INVITE)");
    let sdp = callee.sdp("recvonly");
    callee.respond(&mut world, &update, 200, Some(&sdp));
    caller.expect(&mut world, "200 (3 UPDATE)");
    caller.expect_silence(&mut world);
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
}

fn an_update_that_crosses_an_invite_is_491_with_an_offer_and_200_without() {
    let mut world = World::default();
    let (mut caller, mut callee) = updating(&mut world);
    let sdp = caller.sdp("sendonly");
    caller.reinvite(&mut world, Some(&sdp));
    caller.expect(&mut world, "100");
    let invite = callee.expect(&mut world, "INVITE");
    offer_of(&mut callee, &mut world, "inactive");
    callee.expect(&mut world, "491 (2 UPDATE)");
    callee.say_with(&mut world, "UPDATE", ALLOW, "");
    callee.expect(&mut world, "200 (3 UPDATE)");
    let sdp = callee.sdp("recvonly");
    callee.respond(&mut world, &invite, 200, Some(&sdp));
    callee.expect(&mut world, "ACK");
    caller.expect(&mut world, "200 (3 INVITE)");
    caller.ack(&mut world, None);
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
}

fn a_refused_second_offer_is_not_taken_for_the_first() {
    let mut world = World::default();
    let (mut caller, mut callee) = updating(&mut world);
    caller.port = 4100;
    offer_of(&mut caller, &mut world, "sendrecv");
    let update = callee.expect(&mut world, "UPDATE");
    caller.port = 4200;
    offer_of(&mut caller, &mut world, "sendrecv");
    caller.expect(&mut world, "500 (4 UPDATE)");
    let sdp = callee.sdp("sendrecv");
    callee.respond(&mut world, &update, 200, Some(&sdp));
    caller.expect(&mut world, "200 (3 UPDATE)");
    let relay = world.ladder.lines().rfind(|line| line.contains("| relay")).unwrap();
    assert!(relay.contains("198.51.100.1:4100"), "{}", world.ladder);
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
}

fn before_the_answer_an_update_may_refresh_and_offers_nothing() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = ringing(&mut world);
    offer_of(&mut caller, &mut world, "sendonly");
    assert_retry(&caller.expect(&mut world, "500 (2 UPDATE)"));
    offer_of(&mut callee, &mut world, "sendonly");
    callee.expect(&mut world, "491 (1 UPDATE)");
    for phone in [&mut caller, &mut callee] {
        phone.say_with(&mut world, "UPDATE", ALLOW, "");
        phone.expect(&mut world, "200");
    }
    callee.respond(&mut world, &invite, 486, None);
    callee.expect(&mut world, "ACK");
    caller.expect(&mut world, "486 (1 INVITE)");
    caller.ignore_all(&mut world);
    world.assert_nothing_left();
}

fn an_update_to_a_dialog_that_is_gone_ends_the_call() {
    for says_so in [true, false] {
        let mut world = World::default();
        let (mut caller, mut callee) = updating(&mut world);
        offer_of(&mut caller, &mut world, "sendonly");
        let update = callee.expect(&mut world, "UPDATE");
        match says_so {
            true => callee.respond(&mut world, &update, 481, None),
            false => pass(&mut world, 32_100),
        }
        if !says_so {
            (0..10).for_each(|_| drop(callee.expect(&mut world, "UPDATE")));
        }
        caller.expect(&mut world, "500 (3 UPDATE)");
        gets_bye(&mut world, &mut callee);
        gets_bye(&mut world, &mut caller);
        world.assert_nothing_left();
        assert_eq!(world.ended().cause, EndCause::Lost);
    }
}

fn an_update_whose_call_ends_meanwhile_is_487() {
    let mut world = World::default();
    let (mut caller, mut callee) = updating(&mut world);
    offer_of(&mut caller, &mut world, "sendonly");
    let update = callee.expect(&mut world, "UPDATE");
    callee.say(&mut world, "BYE");
    callee.expect(&mut world, "200 (2 BYE)");
    caller.expect(&mut world, "487 (3 UPDATE)");
    gets_bye(&mut world, &mut caller);
    callee.respond(&mut world, &update, 200, None);
    caller.expect_silence(&mut world);
    world.assert_nothing_left();
}

fn an_update_with_what_is_no_sdp_is_refused() {
    let mut world = World::default();
    let (mut caller, mut callee) = updating(&mut world);
    caller.say_with(&mut world, "UPDATE", "Content-Type: text/plain\r\n", "hello");
    assert!(caller.expect(&mut world, "415 (3 UPDATE)").header_named("Accept").is_some());
    let optional = "Content-Type: text/plain\r\nContent-Disposition: render;handling=optional\r\n";
    caller.say_with(&mut world, "UPDATE", optional, "hello");
    caller.expect(&mut world, "200 (4 UPDATE)");
    caller.say_with(&mut world, "UPDATE", "", "v=0\r\nnonsense\r\n");
    caller.expect(&mut world, "488 (5 UPDATE)");
    callee.expect_silence(&mut world);
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
}

fn an_offer_before_the_callers_ack_is_to_be_tried_later() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = invited(&mut world);
    let sdp = callee.sdp("sendrecv");
    callee.respond(&mut world, &invite, 200, Some(&sdp));
    callee.expect(&mut world, "ACK");
    caller.expect(&mut world, "200 (1 INVITE)");
    offer_of(&mut callee, &mut world, "sendonly");
    assert_retry(&callee.expect(&mut world, "500 (1 UPDATE)"));
    caller.ack(&mut world, None);
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
}

super::scenarios![
    an_update_with_an_offer_passes_as_update_and_its_answer_comes_back,
    an_update_passes_as_invite_to_who_does_not_take_updates,
    an_update_without_sdp_is_answered_at_once_and_says_where_the_peer_is,
    a_refused_update_leaves_the_media_and_the_call_as_they_were,
    updates_that_cross_are_491_and_a_second_one_is_500_with_retry_after,
    an_update_that_crosses_an_invite_is_491_with_an_offer_and_200_without,
    a_refused_second_offer_is_not_taken_for_the_first,
    before_the_answer_an_update_may_refresh_and_offers_nothing,
    an_update_to_a_dialog_that_is_gone_ends_the_call,
    an_update_whose_call_ends_meanwhile_is_487,
    an_update_with_what_is_no_sdp_is_refused,
    an_offer_before_the_callers_ack_is_to_be_tried_later,
];
