//! Calls that come to nothing, and requests that are turned away.

use super::{answer, answered, called_out, cancelled, hang_up, invited, lines, pass, refused, ringing};
use domain::session::event::{EndCause, SessionEvent};
use domain::sip::wire::HeaderName;
use tests::world::{CARRIER, NUMBER, PBX, PUBLIC, World};

fn a_busy_callee_makes_the_caller_hear_486() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = ringing(&mut world);
    callee.respond(&mut world, &invite, 486, None);
    callee.expect(&mut world, "ACK");
    refused(&mut world, &mut caller, "486");
    world.assert_nothing_left();
    assert_eq!((world.ended().cause, world.ended().status), (EndCause::Busy, Some(486)));
}

fn a_refusal_that_is_not_acknowledged_is_repeated_and_given_up() {
    let mut world = World::default();
    let (mut caller, callee, invite) = ringing(&mut world);
    callee.respond(&mut world, &invite, 486, None);
    caller.expect(&mut world, "486");
    pass(&mut world, 40_000);
    assert_eq!(lines(&world, "carrier <- 486"), 11, "{}", world.ladder);
    world.assert_nothing_left();
}

fn a_refusal_of_the_callee_that_comes_again_gets_its_ack_again() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = ringing(&mut world);
    callee.respond(&mut world, &invite, 486, None);
    let ack = callee.expect(&mut world, "ACK");
    callee.respond(&mut world, &invite, 486, None);
    assert_eq!(callee.expect(&mut world, "ACK").bytes(), ack.bytes());
    refused(&mut world, &mut caller, "486");
    caller.expect_silence(&mut world);
    world.assert_nothing_left();
}

fn a_carrier_that_says_503_is_followed_by_the_next() {
    let mut world = World::default();
    let (mut pbx, [mut first, mut second], invite) = called_out(&mut world);
    first.respond(&mut world, &invite, 503, None);
    first.expect(&mut world, "ACK");
    let invite = second.expect(&mut world, "INVITE sip:+12025550199@198.51.100.12:5060");
    pbx.expect_silence(&mut world);
    answer(&mut world, &mut pbx, &mut second, &invite);
    hang_up(&mut world, &mut pbx, &mut second);
    first.expect_silence(&mut world);
    world.assert_nothing_left();
    assert_eq!(world.ended().cause, EndCause::Completed);
}

fn two_carriers_that_say_503_make_the_caller_hear_500() {
    let mut world = World::default();
    let (mut pbx, [mut first, mut second], invite) = called_out(&mut world);
    first.respond(&mut world, &invite, 503, None);
    first.expect(&mut world, "ACK");
    let invite = second.expect(&mut world, "INVITE");
    second.respond(&mut world, &invite, 503, None);
    second.expect(&mut world, "ACK");
    refused(&mut world, &mut pbx, "500");
    world.assert_nothing_left();
    assert_eq!(world.ended().cause, EndCause::Failed);
}

fn a_target_that_failed_after_early_media_gives_back_its_ports_and_so_does_the_next() {
    let mut world = World::default();
    let (mut pbx, [mut first, mut second], invite) = called_out(&mut world);
    let early = first.sdp("sendrecv");
    first.respond(&mut world, &invite, 183, Some(&early));
    pbx.expect(&mut world, "183");
    first.respond(&mut world, &invite, 503, None);
    first.expect(&mut world, "ACK");
    let invite = second.expect(&mut world, "INVITE");
    second.respond(&mut world, &invite, 486, None);
    second.expect(&mut world, "ACK");
    refused(&mut world, &mut pbx, "486");
    world.assert_nothing_left();
}

fn early_media_of_a_second_target_replaces_the_firsts() {
    let mut world = World::default();
    let (mut pbx, [mut first, mut second], invite) = called_out(&mut world);
    let early = first.sdp("sendrecv");
    first.respond(&mut world, &invite, 183, Some(&early));
    pbx.expect(&mut world, "183");
    first.respond(&mut world, &invite, 503, None);
    first.expect(&mut world, "ACK");
    let invite = second.expect(&mut world, "INVITE");
    let early = second.sdp("sendrecv");
    second.respond(&mut world, &invite, 183, Some(&early));
    pbx.expect_silence(&mut world);
    assert_eq!(lines(&world, "| relay 203.0.113.1:4000 <-> 198.51.100.12:4000"), 1, "{}", world.ladder);
    answer(&mut world, &mut pbx, &mut second, &invite);
    hang_up(&mut world, &mut pbx, &mut second);
    world.assert_nothing_left();
}

fn a_callee_that_rings_too_long_is_cancelled_and_the_caller_hears_480() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = ringing(&mut world);
    pass(&mut world, 19_900);
    callee.expect_silence(&mut world);
    pass(&mut world, 200);
    cancelled(&mut world, &mut callee, &invite);
    refused(&mut world, &mut caller, "480");
    world.assert_nothing_left();
    assert_eq!(world.ended().cause, EndCause::NoAnswer);
}

fn a_carrier_that_rings_too_long_is_cancelled_and_the_next_is_tried() {
    let mut world = World::default();
    let (mut pbx, [mut first, mut second], invite) = called_out(&mut world);
    first.respond(&mut world, &invite, 180, None);
    pbx.expect(&mut world, "180");
    pass(&mut world, 20_000);
    cancelled(&mut world, &mut first, &invite);
    let invite = second.expect(&mut world, "INVITE");
    answer(&mut world, &mut pbx, &mut second, &invite);
    hang_up(&mut world, &mut second, &mut pbx);
    first.expect_silence(&mut world);
    world.assert_nothing_left();
}

fn a_carrier_that_never_says_anything_is_followed_by_the_next() {
    let mut world = World::default();
    let (mut pbx, [first, mut second], _) = called_out(&mut world);
    pass(&mut world, 20_000);
    first.ignore_all(&mut world);
    assert!(lines(&world, "out-1 <- CANCEL") == 0, "no CANCEL without a provisional\n{}", world.ladder);
    let invite = second.expect(&mut world, "INVITE");
    answer(&mut world, &mut pbx, &mut second, &invite);
    hang_up(&mut world, &mut pbx, &mut second);
    world.assert_nothing_left();
}

fn a_callee_that_never_says_anything_gets_seven_invites_with_doubling_gaps() {
    let mut world = World::default();
    let (mut caller, callee, _) = invited(&mut world);
    pass(&mut world, 33_000);
    let at: Vec<&str> =
        world.ladder.lines().filter(|line| line.contains("pbx <- INVITE")).map(|l| l[..7].trim()).collect();
    assert_eq!(at, ["0.000", "0.500", "1.500", "3.500", "7.500", "15.500", "31.500"]);
    callee.ignore_all(&mut world);
    refused(&mut world, &mut caller, "480");
    world.assert_nothing_left();
}

fn an_unknown_number_is_404_and_the_log_says_why() {
    let mut world = World::default();
    let mut caller = world.phone(CARRIER);
    let offer = caller.sdp("sendrecv");
    caller.call(&mut world, "+19998887777", Some(&offer));
    caller.expect(&mut world, "100");
    refused(&mut world, &mut caller, "404");
    world.assert_nothing_left();
    let refused = world.watch.events().find_map(|event| match event {
        SessionEvent::RouteRefused(refused) => Some((refused.status, refused.reason.clone())),
        _ => None,
    });
    let (status, reason) = refused.unwrap();
    assert_eq!(status, 404);
    assert!(!reason.is_empty() && !reason.contains("+1999"), "{reason}");
}

fn a_stranger_is_refused_without_a_stream() {
    for (listener, status) in [(PUBLIC, "407"), (tests::world::EXCHANGE, "403")] {
        let mut world = World::default();
        let mut stranger = world.phone("192.0.2.77:5060");
        stranger.exchange = listener.parse().unwrap();
        let offer = stranger.sdp("sendrecv");
        stranger.call(&mut world, NUMBER, Some(&offer));
        let refusal = refused(&mut world, &mut stranger, status);
        stranger.repeat_invite(&mut world);
        let again = stranger.expect(&mut world, status);
        assert_eq!(again.header(HeaderName::To), refusal.header(HeaderName::To), "a repeat gets the same tag");
        stranger.expect_silence(&mut world);
        assert_eq!(world.watch.events().count(), 0);
        assert_eq!(world.watch.stateless, 2);
        world.assert_nothing_left();
    }
}

fn requests_that_no_call_owns_are_answered_by_the_book() {
    let tag = "<sip:somebody@192.0.2.1>;tag=00000000000000aa";
    let cases = [
        ("OPTIONS", "<sip:192.0.2.1>", "", "200"),
        ("REGISTER", "<sip:192.0.2.1>", "", "405"),
        ("PUBLISH", "<sip:192.0.2.1>", "", "405"),
        ("FROBNICATE", "<sip:192.0.2.1>", "", "501"),
        ("MESSAGE", "<sip:192.0.2.1>", "Require: 100rel\r\n", "420"),
        ("OPTIONS", "<sip:192.0.2.1>", "Require: 100rel\r\n", "420"),
        ("BYE", tag, "", "481"),
        ("INVITE", tag, "Contact: <sip:a@198.51.100.1>\r\n", "481"),
        ("OPTIONS", tag, "", "481"),
        ("CANCEL", "<sip:192.0.2.1>", "", "481"),
    ];
    for (method, to, headers, status) in cases {
        let mut world = World::default();
        let mut phone = world.phone(CARRIER);
        phone.ask(&mut world, method, to, headers);
        let response = phone.expect(&mut world, status);
        match status {
            "420" => assert_eq!(response.header(HeaderName::Unsupported), Some("100rel")),
            "405" | "501" | "200" => assert!(response.header(HeaderName::Allow).unwrap().contains("INVITE")),
            _ => {}
        }
        phone.expect_silence(&mut world);
        world.assert_nothing_left();
        assert_eq!(world.watch.events().count(), 0, "{method}");
    }
}

fn an_ack_that_belongs_to_nothing_is_dropped() {
    let mut world = World::default();
    let mut phone = world.phone(CARRIER);
    phone.ask(&mut world, "ACK", "<sip:somebody@192.0.2.1>;tag=00000000000000aa", "");
    phone.expect_silence(&mut world);
    world.assert_nothing_left();
}

fn an_invite_that_may_go_no_further_is_483() {
    let mut world = World::default();
    let mut caller = world.phone(CARRIER);
    let offer = caller.sdp("sendrecv");
    caller.call_with(&mut world, NUMBER, Some(&offer), "Max-Forwards: 0\r\n");
    refused(&mut world, &mut caller, "483");
    world.assert_nothing_left();
    assert_eq!(world.watch.events().count(), 0);
}

fn an_invite_that_demands_an_extension_is_420() {
    let mut world = World::default();
    let mut caller = world.phone(CARRIER);
    let offer = caller.sdp("sendrecv");
    caller.call_with(&mut world, NUMBER, Some(&offer), "Max-Forwards: 70\r\nRequire: 100rel, teleport\r\n");
    let response = refused(&mut world, &mut caller, "420");
    assert_eq!(response.header(HeaderName::Unsupported), Some("teleport"));
    world.assert_nothing_left();
}

fn our_own_invite_sent_back_is_482() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = invited(&mut world);
    world.send(callee.address, invite.bytes().clone());
    callee.expect(&mut world, "482");
    callee.respond(&mut world, &invite, 486, None);
    callee.expect(&mut world, "ACK");
    refused(&mut world, &mut caller, "486");
    world.assert_nothing_left();
}

fn the_same_invite_by_another_way_is_482() {
    let mut world = World::default();
    let (mut caller, callee, _) = invited(&mut world);
    let merged = caller.invite.replace("branch=z9hG4bK-", "branch=z9hG4bK-other-");
    world.send(caller.address, merged.into());
    caller.expect(&mut world, "482");
    callee.expect_silence(&mut world);
    caller.cancel(&mut world);
    caller.expect(&mut world, "200 (1 CANCEL)");
    refused(&mut world, &mut caller, "487");
    world.assert_nothing_left();
}

fn while_draining_new_calls_hear_503_and_running_ones_go_on() {
    let mut world = World::default();
    let (mut caller, mut callee) = answered(&mut world);
    world.exchange.drain();
    let mut late = world.phone("198.51.100.1:5099");
    let offer = late.sdp("sendrecv");
    late.call(&mut world, NUMBER, Some(&offer));
    late.expect(&mut world, "503");
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
}

fn without_free_ports_the_caller_hears_500_and_every_port_returns() {
    for left in [0, 1] {
        let mut world = World::default();
        world.leave_ports(left);
        let (mut caller, callee) = (world.phone(CARRIER), world.phone(PBX));
        let offer = caller.sdp("sendrecv");
        caller.call(&mut world, NUMBER, Some(&offer));
        caller.expect(&mut world, "100");
        refused(&mut world, &mut caller, "500");
        callee.expect_silence(&mut world);
        world.assert_nothing_left();
    }
}

super::scenarios![
    a_busy_callee_makes_the_caller_hear_486,
    a_refusal_that_is_not_acknowledged_is_repeated_and_given_up,
    a_refusal_of_the_callee_that_comes_again_gets_its_ack_again,
    a_carrier_that_says_503_is_followed_by_the_next,
    two_carriers_that_say_503_make_the_caller_hear_500,
    a_target_that_failed_after_early_media_gives_back_its_ports_and_so_does_the_next,
    early_media_of_a_second_target_replaces_the_firsts,
    a_callee_that_rings_too_long_is_cancelled_and_the_caller_hears_480,
    a_carrier_that_rings_too_long_is_cancelled_and_the_next_is_tried,
    a_carrier_that_never_says_anything_is_followed_by_the_next,
    a_callee_that_never_says_anything_gets_seven_invites_with_doubling_gaps,
    an_unknown_number_is_404_and_the_log_says_why,
    a_stranger_is_refused_without_a_stream,
    requests_that_no_call_owns_are_answered_by_the_book,
    an_ack_that_belongs_to_nothing_is_dropped,
    an_invite_that_may_go_no_further_is_483,
    an_invite_that_demands_an_extension_is_420,
    our_own_invite_sent_back_is_482,
    the_same_invite_by_another_way_is_482,
    while_draining_new_calls_hear_503_and_running_ones_go_on,
    without_free_ports_the_caller_hears_500_and_every_port_returns,
];
