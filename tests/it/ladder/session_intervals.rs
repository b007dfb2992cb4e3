//! Session timers (RFC 4028): intervals that are too short, too long or no intervals at all, on either side.

use super::session_timer::{
    QUIET, UPDATES, called, expires, lost, picked_up, reinvited, requires_timer, says_once, seconds, timers, updated,
};
use super::{body, gets_bye, hang_up, invited, pass, refused};
use domain::session::event::ReleaseCause;
use domain::sip::session_timer::RefreshedBy;
use domain::sip::wire::HeaderName;
use tests::world::{CARRIER, NUMBER, PBX, World};

fn an_interval_that_is_too_short_is_422_with_what_is_not() {
    let mut world = World::with_intervals(1_800, 300);
    let mut caller = world.phone(CARRIER);
    let offer = caller.sdp("sendrecv");
    let asks = |seconds| format!("Max-Forwards: 70\r\nSupported: timer\r\nSession-Expires: {seconds}\r\n");
    caller.call_with(&mut world, NUMBER, Some(&offer), &asks(299));
    let refusal = refused(&mut world, &mut caller, "422");
    assert_eq!(refusal.header(HeaderName::MinSe), Some("300"));
    caller.call_with(&mut world, NUMBER, Some(&offer), &asks(300));
    caller.expect(&mut world, "100");
    let mut callee = world.phone(PBX);
    let invite = callee.expect(&mut world, "INVITE");
    assert_eq!(invite.header(HeaderName::MinSe), Some("300"));
    let ok = picked_up(&mut world, &mut caller, &mut callee, &invite, QUIET);
    assert_eq!(expires(&ok), Some("300;refresher=uac"));
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
}

fn an_interval_that_is_too_short_is_422_in_a_call_too_and_changes_nothing() {
    let mut world = World::default();
    let asks = "Supported: timer\r\nSession-Expires: 300;refresher=uac\r\n";
    let (mut caller, mut callee, _) = called(&mut world, asks, QUIET);
    seconds(&mut world, 100);
    let short = "Supported: timer\r\nSession-Expires: 89;refresher=uac\r\n";
    caller.say_with(&mut world, "UPDATE", short, "");
    assert_eq!(caller.expect(&mut world, "422 (2 UPDATE)").header(HeaderName::MinSe), Some("90"));
    let offer = caller.sdp("sendonly");
    says_once(&mut caller, short, |caller| caller.reinvite(&mut world, Some(&offer)));
    let refusal = refused(&mut world, &mut caller, "422 (3 INVITE)");
    assert_eq!(refusal.header(HeaderName::MinSe), Some("90"));
    callee.expect_silence(&mut world);
    // Neither refreshed anything.
    pass(&mut world, 167_900);
    caller.expect_silence(&mut world);
    pass(&mut world, 100);
    lost(&mut world, [&mut caller, &mut callee], ReleaseCause::Expired);
}

fn who_asks_for_too_little_without_knowing_timers_is_given_more() {
    let mut world = World::default();
    let asks = format!("Session-Expires: 30\r\n{UPDATES}");
    let (mut caller, mut callee, [_, ok]) = called(&mut world, &asks, QUIET);
    assert_eq!(expires(&ok), Some("90;refresher=uas"), "who cannot refresh is refreshed");
    assert!(!requires_timer(&ok));
    seconds(&mut world, 45);
    assert_eq!(expires(&updated(&mut world, &mut caller, "")), Some("90;refresher=uac"));
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
}

fn what_cannot_be_read_is_400() {
    for broken in ["soon", "-90", "90;refresher=me", ""] {
        let mut world = World::default();
        let mut caller = world.phone(CARRIER);
        let offer = caller.sdp("sendrecv");
        let headers = format!("Max-Forwards: 70\r\nSupported: timer\r\nSession-Expires: {broken}\r\n");
        caller.call_with(&mut world, NUMBER, Some(&offer), &headers);
        refused(&mut world, &mut caller, "400");
        // From a callee it is as if it had said nothing.
        let says = format!("Session-Expires: {broken}\r\n");
        let (mut caller, mut callee, _) = called(&mut world, "", &says);
        caller.say_with(&mut world, "UPDATE", &says, "");
        caller.expect(&mut world, "400");
        hang_up(&mut world, &mut caller, &mut callee);
        world.assert_nothing_left();
        assert_eq!(timers(&world), [Some((1_800, RefreshedBy::ExchangeAlone)); 2]);
    }
}

fn who_asks_for_ever_gets_two_hours_and_who_says_it_is_believed() {
    let mut world = World::default();
    let asks = "Supported: timer\r\nSession-Expires: 99999999999999999999;refresher=uac\r\n";
    let says = "Session-Expires: 4294967295;refresher=uas\r\nRequire: timer\r\n";
    let (mut caller, mut callee, [_, ok]) = called(&mut world, asks, says);
    assert_eq!(expires(&ok), Some("7200;refresher=uac"));
    seconds(&mut world, 7_167);
    callee.expect_silence(&mut world);
    seconds(&mut world, 1);
    lost(&mut world, [&mut caller, &mut callee], ReleaseCause::Expired);
    assert_eq!(timers(&world), [Some((u32::MAX, RefreshedBy::Peer)), Some((7_200, RefreshedBy::Peer))]);
}

fn a_422_of_the_callee_is_followed_and_the_caller_hears_nothing_of_it() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = invited(&mut world);
    // Early dialogs end with the refusal.
    callee.respond(&mut world, &invite, 183, None);
    caller.expect(&mut world, "183");
    says_once(&mut callee, "Min-SE: 3600\r\n", |callee| callee.respond(&mut world, &invite, 422, None));
    callee.expect(&mut world, "ACK");
    let again = callee.expect(&mut world, "INVITE");
    assert_eq!((expires(&again), again.header(HeaderName::MinSe)), (Some("3600"), Some("3600")));
    assert_eq!(again.cseq().unwrap().number, invite.cseq().unwrap().number + 1);
    for same in [HeaderName::CallId, HeaderName::From, HeaderName::To, HeaderName::Contact, HeaderName::Supported] {
        assert_eq!(again.header(same), invite.header(same));
    }
    assert_eq!((again.request_uri(), body(&again)), (invite.request_uri(), body(&invite)));
    assert_ne!(again.top_via().unwrap().branch(), invite.top_via().unwrap().branch());
    caller.expect_silence(&mut world);
    callee.retag("again");
    picked_up(&mut world, &mut caller, &mut callee, &again, "Session-Expires: 3600;refresher=uas\r\n");
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
    assert!(world.watch.story().iter().all(|kind| *kind != "LegRefused"));
}

fn a_422_that_is_of_no_use_refuses_the_call() {
    for min_se in ["", "Min-SE: 90\r\n", "Min-SE: 999999\r\n", "Min-SE: more\r\n"] {
        let mut world = World::default();
        let (mut caller, mut callee, invite) = invited(&mut world);
        says_once(&mut callee, min_se, |callee| callee.respond(&mut world, &invite, 422, None));
        callee.expect(&mut world, "ACK");
        callee.expect_silence(&mut world);
        assert!(!refused(&mut world, &mut caller, "500").has(HeaderName::MinSe));
        world.assert_nothing_left();
    }
}

fn who_never_has_enough_is_not_asked_for_ever() {
    let mut world = World::default();
    let (mut caller, mut callee, mut invite) = invited(&mut world);
    for min_se in [2_000, 3_000, 4_000, 5_000] {
        let says = format!("Min-SE: {min_se}\r\n");
        says_once(&mut callee, &says, |callee| callee.respond(&mut world, &invite, 422, None));
        callee.expect(&mut world, "ACK");
        if min_se < 5_000 {
            invite = callee.expect(&mut world, "INVITE");
            assert_eq!(expires(&invite), Some(min_se.to_string().as_str()));
        }
    }
    callee.expect_silence(&mut world);
    refused(&mut world, &mut caller, "500");
    world.assert_nothing_left();
}

fn a_422_that_crosses_a_cancel_is_not_followed() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = invited(&mut world);
    callee.respond(&mut world, &invite, 180, None);
    caller.expect(&mut world, "180");
    caller.cancel(&mut world);
    caller.expect(&mut world, "200 (1 CANCEL)");
    refused(&mut world, &mut caller, "487");
    let cancel = callee.expect(&mut world, "CANCEL");
    callee.respond(&mut world, &cancel, 200, None);
    says_once(&mut callee, "Min-SE: 3600\r\n", |callee| callee.respond(&mut world, &invite, 422, None));
    callee.expect(&mut world, "ACK");
    callee.expect_silence(&mut world);
    world.assert_nothing_left();
}

fn a_422_to_a_refresh_is_followed() {
    for by_update in [true, false] {
        let mut world = World::default();
        let more = if by_update { UPDATES } else { "" };
        let asks = format!("Supported: timer\r\nSession-Expires: 600;refresher=uas\r\n{more}");
        let (mut caller, mut callee, _) = called(&mut world, &asks, QUIET);
        seconds(&mut world, 300);
        let refresh = caller.expect(&mut world, if by_update { "UPDATE" } else { "INVITE" });
        says_once(&mut caller, "Min-SE: 900\r\n", |caller| caller.respond(&mut world, &refresh, 422, None));
        let again = match by_update {
            true => updated(&mut world, &mut caller, "Session-Expires: 900;refresher=uac\r\n"),
            false => {
                caller.expect(&mut world, "ACK");
                reinvited(&mut world, &mut caller, "sendrecv", "Session-Expires: 900;refresher=uac\r\n")
            }
        };
        assert_eq!(expires(&again), Some("900;refresher=uac"));
        assert_eq!(again.header(HeaderName::MinSe), Some("900"));
        assert_eq!(again.cseq().unwrap().number, refresh.cseq().unwrap().number + 1);
        callee.expect_silence(&mut world);
        pass(&mut world, 449_900);
        caller.expect_silence(&mut world);
        pass(&mut world, 100);
        caller.expect(&mut world, if by_update { "UPDATE" } else { "INVITE" });
        caller.say(&mut world, "BYE");
        gets_bye(&mut world, &mut callee);
        caller.ignore_all(&mut world);
        world.assert_nothing_left();
    }
}

fn a_timer_may_be_required() {
    let mut world = World::default();
    let asks = "Require: timer\r\nSession-Expires: 600;refresher=uac\r\n";
    let (mut caller, mut callee, [_, ok]) = called(&mut world, asks, "");
    assert_eq!(expires(&ok), Some("600;refresher=uac"));
    caller.say_with(&mut world, "UPDATE", "Require: timer\r\nSession-Expires: 600;refresher=uac\r\n", "");
    caller.expect(&mut world, "200 (2 UPDATE)");
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
}

scenarios![
    an_interval_that_is_too_short_is_422_with_what_is_not,
    an_interval_that_is_too_short_is_422_in_a_call_too_and_changes_nothing,
    who_asks_for_too_little_without_knowing_timers_is_given_more,
    what_cannot_be_read_is_400,
    who_asks_for_ever_gets_two_hours_and_who_says_it_is_believed,
    a_422_of_the_callee_is_followed_and_the_caller_hears_nothing_of_it,
    a_422_that_is_of_no_use_refuses_the_call,
    who_never_has_enough_is_not_asked_for_ever,
    a_422_that_crosses_a_cancel_is_not_followed,
    a_422_to_a_refresh_is_followed,
    a_timer_may_be_required,
];
