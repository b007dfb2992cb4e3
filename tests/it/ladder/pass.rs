//! Requests within a call that pass from leg to leg.

use super::{answered, gets_bye, hang_up, invited, pass, ringing};
use domain::session::event::{EndCause, ReleaseCause, SessionEvent};
use domain::sip::wire::{HeaderName, Message};
use tests::world::{CARRIER, NUMBER, PBX, World};

const DTMF: &str = "Content-Type: application/dtmf-relay\r\nInfo-Package: dtmf\r\nX-Secret: 198.51.100.1\r\n";
const DIGIT: &str = "Signal=5\r\nDuration=160\r\n";

fn text(message: &Message) -> String {
    String::from_utf8(message.bytes().to_vec()).unwrap()
}

fn an_info_reaches_the_other_leg_as_it_is_and_its_answer_comes_back() {
    for callee_asks in [false, true] {
        let mut world = World::default();
        let (mut caller, mut callee) = answered(&mut world);
        let (by, other) = if callee_asks { (&mut callee, &mut caller) } else { (&mut caller, &mut callee) };
        by.say_with(&mut world, "INFO", DTMF, DIGIT);
        let info = other.expect(&mut world, "INFO");
        assert_eq!(info.body(), DIGIT.as_bytes());
        assert_eq!(info.header(HeaderName::ContentType), Some("application/dtmf-relay"));
        assert_eq!(info.header_named("Info-Package"), Some("dtmf"));
        assert_eq!(info.header(HeaderName::MaxForwards), Some("69"));
        assert!(!text(&info).contains("X-Secret"), "nothing else of a leg shows on the other");
        by.expect_silence(&mut world);
        other.respond(&mut world, &info, 200, None);
        by.expect(&mut world, "200");
        hang_up(&mut world, by, other);
        world.assert_nothing_left();
    }
}

fn who_takes_which_info_is_said_across() {
    let mut world = World::default();
    let (mut caller, mut callee) = (world.phone(CARRIER), world.phone(PBX));
    let offer = caller.sdp("sendrecv");
    caller.call_with(&mut world, NUMBER, Some(&offer), "Max-Forwards: 70\r\nRecv-Info: dtmf, poll\r\n");
    caller.expect(&mut world, "100");
    let invite = callee.expect(&mut world, "INVITE");
    assert_eq!(invite.header_named("Recv-Info"), Some("dtmf, poll"));
    callee.extra = "Recv-Info: dtmf\r\n".into();
    callee.respond(&mut world, &invite, 180, None);
    assert_eq!(caller.expect(&mut world, "180").header_named("Recv-Info"), Some("dtmf"));
    let sdp = callee.sdp("sendrecv");
    callee.respond(&mut world, &invite, 200, Some(&sdp));
    callee.expect(&mut world, "ACK");
    assert_eq!(caller.expect(&mut world, "200").header_named("Recv-Info"), Some("dtmf"));
    caller.ack(&mut world, None);
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
}

fn an_info_refused_while_the_call_rings_ends_nothing() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = ringing(&mut world);
    caller.say_with(&mut world, "INFO", DTMF, DIGIT);
    let info = callee.expect(&mut world, "INFO");
    callee.respond(&mut world, &info, 481, None);
    caller.expect(&mut world, "500 (2 INFO)");
    let sdp = callee.sdp("sendrecv");
    callee.respond(&mut world, &invite, 200, Some(&sdp));
    callee.expect(&mut world, "ACK");
    caller.expect(&mut world, "200 (1 INVITE)");
    caller.ack(&mut world, None);
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
}

fn a_message_passes_within_a_call() {
    let mut world = World::default();
    let (mut caller, mut callee) = answered(&mut world);
    callee.say_with(&mut world, "MESSAGE", "Content-Type: text/plain;charset=utf-8\r\n", "on my way");
    let message = caller.expect(&mut world, "MESSAGE");
    assert_eq!(message.body(), b"on my way");
    caller.respond(&mut world, &message, 200, None);
    callee.expect(&mut world, "200 (1 MESSAGE)");
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
}

fn an_info_passes_while_the_call_rings() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = ringing(&mut world);
    caller.say_with(&mut world, "INFO", DTMF, DIGIT);
    let info = callee.expect(&mut world, "INFO");
    callee.respond(&mut world, &info, 200, None);
    caller.expect(&mut world, "200 (2 INFO)");
    callee.respond(&mut world, &invite, 486, None);
    callee.expect(&mut world, "ACK");
    caller.expect(&mut world, "486 (1 INVITE)");
    caller.ignore_all(&mut world);
    world.assert_nothing_left();
}

fn an_info_to_nobody_yet_is_to_be_tried_later() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = invited(&mut world);
    let leg = world.watch.events().find_map(|event| match event {
        SessionEvent::SessionOffered(offered) => Some(offered.leg),
        _ => None,
    });
    caller.learn_tag(&leg.unwrap().to_string());
    caller.say_with(&mut world, "INFO", DTMF, DIGIT);
    let later = caller.expect(&mut world, "500 (2 INFO)");
    assert!(later.has(HeaderName::RetryAfter));
    callee.expect_silence(&mut world);
    super::answer(&mut world, &mut caller, &mut callee, &invite);
    hang_up(&mut world, &mut callee, &mut caller);
    world.assert_nothing_left();
}

fn what_the_other_leg_refuses_is_refused_and_the_call_goes_on() {
    for (status, told) in [(469, "469"), (415, "415"), (405, "500"), (503, "500"), (401, "403")] {
        let mut world = World::default();
        let (mut caller, mut callee) = answered(&mut world);
        callee.extra = "Recv-Info: conference\r\n".into();
        caller.say_with(&mut world, "INFO", DTMF, DIGIT);
        let info = callee.expect(&mut world, "INFO");
        callee.respond(&mut world, &info, status, None);
        let refusal = caller.expect(&mut world, told);
        assert_eq!(refusal.header_named("Recv-Info"), Some("conference"));
        hang_up(&mut world, &mut caller, &mut callee);
        world.assert_nothing_left();
    }
}

fn an_info_to_a_dialog_that_is_gone_ends_the_call() {
    for says_so in [true, false] {
        let mut world = World::default();
        let (mut caller, mut callee) = answered(&mut world);
        caller.say_with(&mut world, "INFO", DTMF, DIGIT);
        let info = callee.expect(&mut world, "INFO");
        match says_so {
            true => callee.respond(&mut world, &info, 481, None),
            false => pass(&mut world, 32_100),
        }
        if !says_so {
            (0..10).for_each(|_| drop(callee.expect(&mut world, "INFO")));
        }
        caller.expect(&mut world, "500 (2 INFO)");
        gets_bye(&mut world, &mut callee);
        gets_bye(&mut world, &mut caller);
        world.assert_nothing_left();
        assert_eq!(world.ended().cause, EndCause::Lost);
        let gone = |event: &SessionEvent| match event {
            SessionEvent::LegReleased(released) => released.cause == ReleaseCause::DialogGone,
            _ => false,
        };
        assert!(world.watch.events().any(gone));
    }
}

fn an_info_that_comes_again_passes_once() {
    let mut world = World::default();
    let (mut caller, mut callee) = answered(&mut world);
    let info = caller.say_with(&mut world, "INFO", DTMF, DIGIT);
    world.send(caller.address, info.clone());
    let passed = callee.expect(&mut world, "INFO");
    callee.expect_silence(&mut world);
    callee.respond(&mut world, &passed, 200, None);
    let first = caller.expect(&mut world, "200 (2 INFO)");
    world.send(caller.address, info);
    assert_eq!(caller.expect(&mut world, "200 (2 INFO)").bytes(), first.bytes());
    callee.expect_silence(&mut world);
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
}

fn an_info_that_waits_when_the_call_ends_is_487() {
    let mut world = World::default();
    let (mut caller, mut callee) = answered(&mut world);
    caller.say_with(&mut world, "INFO", DTMF, DIGIT);
    let info = callee.expect(&mut world, "INFO");
    callee.say(&mut world, "BYE");
    callee.expect(&mut world, "200 (1 BYE)");
    caller.expect(&mut world, "487 (2 INFO)");
    gets_bye(&mut world, &mut caller);
    callee.respond(&mut world, &info, 200, None);
    caller.expect_silence(&mut world);
    world.assert_nothing_left();
}

fn limits_hold_for_hops_bodies_and_how_many_wait() {
    let mut world = World::default();
    let (mut caller, mut callee) = answered(&mut world);
    let long = "x".repeat(domain::sip::endpoint::MAX_PASSED_BODY + 1);
    caller.say_with(&mut world, "MESSAGE", "Content-Type: text/plain\r\n", &long);
    caller.expect(&mut world, "413 (2 MESSAGE)");
    caller.say_with(&mut world, "MESSAGE", "Require: timetravel\r\n", "");
    caller.expect(&mut world, "420 (3 MESSAGE)");
    callee.expect_silence(&mut world);
    (0..8).for_each(|_| drop(caller.say_with(&mut world, "INFO", DTMF, DIGIT)));
    caller.expect_silence(&mut world);
    caller.say_with(&mut world, "INFO", DTMF, DIGIT);
    assert!(caller.expect(&mut world, "500 (12 INFO)").has(HeaderName::RetryAfter));
    for _ in 0..8 {
        let info = callee.expect(&mut world, "INFO");
        callee.respond(&mut world, &info, 200, None);
        caller.expect(&mut world, "200");
    }
    callee.expect_silence(&mut world);
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
}

fn methods_that_are_not_served_are_405_and_unknown_ones_501() {
    let mut world = World::default();
    let (mut caller, mut callee) = answered(&mut world);
    caller.say(&mut world, "PUBLISH");
    let refusal = caller.expect(&mut world, "405 (2 PUBLISH)");
    let allow = refusal.header(HeaderName::Allow).unwrap();
    for method in ["INFO", "MESSAGE", "UPDATE", "INVITE", "BYE"] {
        assert!(allow.split(", ").any(|allowed| allowed == method), "{allow}");
    }
    caller.say(&mut world, "TELEPORT");
    caller.expect(&mut world, "501 (3 TELEPORT)");
    callee.expect_silence(&mut world);
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
}

super::scenarios![
    an_info_reaches_the_other_leg_as_it_is_and_its_answer_comes_back,
    who_takes_which_info_is_said_across,
    an_info_refused_while_the_call_rings_ends_nothing,
    a_message_passes_within_a_call,
    an_info_passes_while_the_call_rings,
    an_info_to_nobody_yet_is_to_be_tried_later,
    what_the_other_leg_refuses_is_refused_and_the_call_goes_on,
    an_info_to_a_dialog_that_is_gone_ends_the_call,
    an_info_that_comes_again_passes_once,
    an_info_that_waits_when_the_call_ends_is_487,
    limits_hold_for_hops_bodies_and_how_many_wait,
    methods_that_are_not_served_are_405_and_unknown_ones_501,
];
