//! Session timers (RFC 4028): each leg has its own. What is agreed, who refreshes and how, and what ends a call that nobody
//! refreshes.

use super::attended::{accepts, asked, joined, two_calls};
use super::refer::{OUTSIDE, hears, holds, outside, picks_up, refers, rings, talking};
use super::{answer, body, gets_bye, hang_up, invited, lines, pass, refused};
use domain::session::event::{EndCause, ReleaseCause, SessionEvent};
use domain::sip::session_timer::{RefreshedBy, Terms};
use domain::sip::wire::{HeaderName, Message, Method};
use tests::world::{CARRIER, NUMBER, PBX, Phone, World};

pub(super) const UPDATES: &str = "Allow: INVITE, ACK, CANCEL, BYE, UPDATE\r\n";
/// The callee refreshes, every half of ten minutes.
const CALLEE_REFRESHES: &str = "Session-Expires: 600;refresher=uas\r\nRequire: timer\r\n";
/// Nobody of this leg bothers others in a scenario that is about the other leg.
pub(super) const QUIET: &str = "Session-Expires: 86400;refresher=uas\r\n";

/// The caller says `asks` in its INVITE, the callee `says` in its 2xx: what each sees of the other's side.
#[track_caller]
pub(super) fn called(world: &mut World, asks: &str, says: &str) -> (Phone, Phone, [Message; 2]) {
    let (mut caller, mut callee) = (world.phone(CARRIER), world.phone(PBX));
    let offer = caller.sdp("sendrecv");
    caller.call_with(world, NUMBER, Some(&offer), &format!("Max-Forwards: 70\r\n{asks}"));
    caller.expect(world, "100");
    let invite = callee.expect(world, "INVITE");
    let ok = picked_up(world, &mut caller, &mut callee, &invite, says);
    (caller, callee, [invite, ok])
}

/// The callee answers and says this in its 2xx; what the caller gets.
#[track_caller]
pub(super) fn picked_up(
    world: &mut World,
    caller: &mut Phone,
    callee: &mut Phone,
    invite: &Message,
    says: &str,
) -> Message {
    let answer = callee.sdp("sendrecv");
    says_once(callee, says, |callee| callee.respond(world, invite, 200, Some(&answer)));
    callee.expect(world, "ACK");
    let ok = caller.expect(world, "200 (");
    caller.ack(world, None);
    ok
}

/// What a phone does while it says this as well.
pub(super) fn says_once<T>(phone: &mut Phone, says: &str, act: impl FnOnce(&mut Phone) -> T) -> T {
    let usual = std::mem::replace(&mut phone.extra, says.into());
    let done = act(phone);
    phone.extra = usual;
    done
}

pub(super) fn expires(message: &Message) -> Option<&str> {
    message.header(HeaderName::SessionExpires)
}

pub(super) fn requires_timer(message: &Message) -> bool {
    message.lists_option(HeaderName::Require, "timer")
}

pub(super) fn seconds(world: &mut World, seconds: u64) {
    pass(world, seconds * 1_000);
}

/// A phone gets an UPDATE that refreshes and agrees, with `says` in its 2xx; the UPDATE.
#[track_caller]
pub(super) fn updated(world: &mut World, phone: &mut Phone, says: &str) -> Message {
    let update = phone.expect(world, "UPDATE");
    assert!(update.body().is_empty() && update.has(HeaderName::Contact));
    assert!(update.lists_option(HeaderName::Supported, "timer"));
    says_once(phone, says, |phone| phone.respond(world, &update, 200, None));
    update
}

/// A phone gets a re-INVITE that refreshes and agrees, with `says` in its 2xx; the INVITE.
#[track_caller]
pub(super) fn reinvited(world: &mut World, phone: &mut Phone, direction: &str, says: &str) -> Message {
    let invite = phone.expect(world, "INVITE");
    assert!(invite.lists_option(HeaderName::Supported, "timer"));
    let answer = phone.sdp(direction);
    says_once(phone, says, |phone| phone.respond(world, &invite, 200, Some(&answer)));
    phone.expect(world, "ACK");
    invite
}

/// What was agreed, leg by leg in the order in which it was: the caller's is the first that anything is known of.
pub(super) fn timers(world: &World) -> Vec<Option<(u32, RefreshedBy)>> {
    let set = world.watch.events().filter_map(|event| match event {
        SessionEvent::SessionTimerSet(set) => Some(set.timer.map(|Terms { interval, by }| (interval, by))),
        _ => None,
    });
    set.collect()
}

fn released(world: &World, cause: ReleaseCause) -> usize {
    let causes = world.watch.events().filter(|event| match event {
        SessionEvent::LegReleased(released) => released.cause == cause,
        _ => false,
    });
    causes.count()
}

/// Both legs get BYE, and the call counts as lost.
#[track_caller]
pub(super) fn lost(world: &mut World, phones: [&mut Phone; 2], cause: ReleaseCause) {
    for phone in phones {
        gets_bye(world, phone);
    }
    world.assert_nothing_left();
    assert_eq!(world.ended().cause, EndCause::Lost);
    assert_eq!(released(world, cause), 1, "{}", world.ladder);
    assert_eq!(released(world, ReleaseCause::OtherLeg), 1);
}

fn each_leg_agrees_on_a_timer_of_its_own() {
    let mut world = World::default();
    let asks = "Supported: timer\r\nSession-Expires: 1200;refresher=uac\r\n";
    let (mut caller, mut callee, [invite, ok]) = called(&mut world, asks, CALLEE_REFRESHES);
    assert!(invite.lists_option(HeaderName::Supported, "timer") && !requires_timer(&invite));
    assert_eq!((expires(&invite), invite.header(HeaderName::MinSe)), (Some("1800"), None));
    assert_eq!(expires(&ok), Some("1200;refresher=uac"));
    assert!(requires_timer(&ok) && ok.lists_option(HeaderName::Supported, "timer"));
    hang_up(&mut world, &mut caller, &mut callee);
    seconds(&mut world, 2_000);
    world.assert_nothing_left();
    // The callee's 2xx came before ours to the caller went.
    assert_eq!(timers(&world), [Some((600, RefreshedBy::Peer)), Some((1_200, RefreshedBy::Peer))]);
}

fn what_a_peer_does_not_ask_for_and_supports_it_is_given_and_we_refresh() {
    let mut world = World::default();
    let (mut caller, mut callee, [_, ok]) = called(&mut world, "Supported: timer\r\n", "");
    assert_eq!(expires(&ok), Some("1800;refresher=uas"));
    assert!(requires_timer(&ok));
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
    assert_eq!(timers(&world), [Some((1_800, RefreshedBy::ExchangeAlone)), Some((1_800, RefreshedBy::Exchange))]);
}

fn who_knows_no_timers_hears_nothing_of_them_and_is_refreshed_all_the_same() {
    let mut world = World::default();
    let (mut caller, mut callee, [_, ok]) = called(&mut world, UPDATES, UPDATES);
    assert!(!ok.has(HeaderName::SessionExpires) && !requires_timer(&ok));
    for _ in 0..3 {
        pass(&mut world, 899_900);
        caller.expect_silence(&mut world);
        callee.expect_silence(&mut world);
        pass(&mut world, 100);
        for phone in [&mut caller, &mut callee] {
            assert_eq!(expires(&updated(&mut world, phone, "")), Some("1800;refresher=uac"));
        }
    }
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
    assert_eq!(timers(&world), [Some((1_800, RefreshedBy::ExchangeAlone)); 2]);
}

fn no_timer_runs_where_nobody_wants_one() {
    let mut world = World::with_intervals(0, 90);
    let (mut caller, mut callee, [invite, ok]) = called(&mut world, "Supported: timer\r\n", "");
    assert!(!invite.has(HeaderName::SessionExpires) && !ok.has(HeaderName::SessionExpires));
    assert!(invite.lists_option(HeaderName::Supported, "timer"));
    seconds(&mut world, 90_000);
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
    assert_eq!(timers(&world), []);
}

fn a_peer_that_wants_one_gets_it_also_where_we_want_none() {
    let mut world = World::with_intervals(0, 90);
    let asks = format!("Supported: timer\r\nSession-Expires: 600;refresher=uas\r\n{UPDATES}");
    let (mut caller, mut callee, [_, ok]) = called(&mut world, &asks, CALLEE_REFRESHES);
    assert_eq!(expires(&ok), Some("600;refresher=uas"));
    seconds(&mut world, 300);
    updated(&mut world, &mut caller, "Session-Expires: 600;refresher=uac\r\n");
    callee.say_with(&mut world, "UPDATE", "Supported: timer\r\nSession-Expires: 600;refresher=uac\r\n", "");
    assert_eq!(expires(&callee.expect(&mut world, "200 (1 UPDATE)")), Some("600;refresher=uac"));
    // A 2xx that names no interval ends the timer.
    seconds(&mut world, 300);
    updated(&mut world, &mut caller, "");
    callee.say_with(&mut world, "UPDATE", "", "");
    assert!(!callee.expect(&mut world, "200 (2 UPDATE)").has(HeaderName::SessionExpires));
    seconds(&mut world, 5_000);
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
    let both = [Some((600, RefreshedBy::Peer)), Some((600, RefreshedBy::Exchange))];
    assert_eq!(timers(&world), [both[0], both[1], None, None]);
}

fn we_refresh_by_update_who_takes_updates() {
    let mut world = World::default();
    let asks = format!("Supported: timer\r\nSession-Expires: 600;refresher=uas\r\n{UPDATES}");
    let says = format!("Session-Expires: 600;refresher=uac\r\nRequire: timer\r\n{UPDATES}");
    let (mut caller, mut callee, _) = called(&mut world, &asks, &says);
    let before = lines(&world, "| relay");
    for _ in 0..4 {
        seconds(&mut world, 300);
        for phone in [&mut caller, &mut callee] {
            let update = updated(&mut world, phone, "Session-Expires: 600;refresher=uac\r\nRequire: timer\r\n");
            assert_eq!(expires(&update), Some("600;refresher=uac"));
        }
    }
    assert_eq!(lines(&world, "| relay"), before);
    hang_up(&mut world, &mut callee, &mut caller);
    world.assert_nothing_left();
    assert_eq!(timers(&world), [Some((600, RefreshedBy::Exchange)); 2]);
}

fn we_refresh_by_re_invite_who_does_not_and_say_that_nothing_changed() {
    let mut world = World::default();
    let asks = "Supported: timer\r\nSession-Expires: 600;refresher=uas\r\n";
    let says = "Session-Expires: 600;refresher=uac\r\nRequire: timer\r\n";
    let (mut caller, mut callee, [invite, ok]) = called(&mut world, asks, says);
    let relay = |world: &World| world.ladder.lines().rfind(|line| line.contains("| relay")).unwrap().to_owned();
    let relayed = relay(&world);
    for _ in 0..3 {
        seconds(&mut world, 300);
        // One offer at a time; which leg is the first nobody says.
        let mut refreshed = Vec::new();
        for _ in 0..2 {
            let of_caller = world.has_for(caller.address);
            let (phone, told) = if of_caller { (&mut caller, &ok) } else { (&mut callee, &invite) };
            let refresh = reinvited(&mut world, phone, "sendrecv", "Session-Expires: 600;refresher=uac\r\n");
            assert_eq!(expires(&refresh), Some("600;refresher=uac"));
            assert_eq!(body(&refresh), body(told), "the SDP in force, with its version");
            refreshed.push(of_caller);
        }
        assert!(refreshed.contains(&true) && refreshed.contains(&false), "{}", world.ladder);
        caller.expect_silence(&mut world);
        callee.expect_silence(&mut world);
    }
    assert_eq!(relay(&world), relayed);
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
}

fn an_update_that_is_not_taken_after_all_is_followed_by_an_invite() {
    for status in [405, 501] {
        let mut world = World::default();
        let asks = format!("Supported: timer\r\nSession-Expires: 600;refresher=uas\r\n{UPDATES}");
        let (mut caller, mut callee, _) = called(&mut world, &asks, QUIET);
        seconds(&mut world, 300);
        let update = caller.expect(&mut world, "UPDATE");
        caller.respond(&mut world, &update, status, None);
        reinvited(&mut world, &mut caller, "sendrecv", "Session-Expires: 600;refresher=uac\r\n");
        seconds(&mut world, 300);
        reinvited(&mut world, &mut caller, "sendrecv", "Session-Expires: 600;refresher=uac\r\n");
        callee.expect_silence(&mut world);
        hang_up(&mut world, &mut caller, &mut callee);
        world.assert_nothing_left();
    }
}

fn a_peer_refreshes_its_leg_alone_by_update_in_either_role() {
    let mut world = World::default();
    let asks = "Supported: timer\r\nSession-Expires: 600;refresher=uac\r\n";
    let (mut caller, mut callee, _) = called(&mut world, asks, CALLEE_REFRESHES);
    for _ in 0..5 {
        seconds(&mut world, 300);
        for phone in [&mut caller, &mut callee] {
            phone.say_with(&mut world, "UPDATE", "Supported: timer\r\nx: 600;refresher=uac\r\n", "");
            let ok = phone.expect(&mut world, "200 (");
            assert_eq!(expires(&ok), Some("600;refresher=uac"));
            assert!(requires_timer(&ok));
        }
        caller.expect_silence(&mut world);
        callee.expect_silence(&mut world);
    }
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
    assert_eq!(timers(&world), [Some((600, RefreshedBy::Peer)); 2]);
}

fn a_re_invite_of_a_peer_refreshes_both_legs() {
    let mut world = World::default();
    let asks = "Supported: timer\r\nSession-Expires: 600;refresher=uac\r\n";
    let (mut caller, mut callee, _) = called(&mut world, asks, CALLEE_REFRESHES);
    for _ in 0..4 {
        seconds(&mut world, 300);
        let offer = caller.sdp("sendrecv");
        says_once(&mut caller, "Supported: timer\r\nSession-Expires: 600;refresher=uac\r\n", |caller| {
            caller.reinvite(&mut world, Some(&offer));
        });
        caller.expect(&mut world, "100");
        let invite = reinvited(&mut world, &mut callee, "sendrecv", CALLEE_REFRESHES);
        assert_eq!(expires(&invite), Some("600;refresher=uas"), "the role stays");
        assert_eq!(expires(&caller.expect(&mut world, "200 (")), Some("600;refresher=uac"));
        caller.ack(&mut world, None);
    }
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
    assert_eq!(timers(&world), [Some((600, RefreshedBy::Peer)); 2]);
}

fn a_peer_that_does_not_refresh_in_time_ends_the_call() {
    for callee_refreshes in [false, true] {
        let mut world = World::default();
        let asks = "Supported: timer\r\nSession-Expires: 90;refresher=uac\r\n";
        let says = "Session-Expires: 90;refresher=uas\r\nRequire: timer\r\n";
        let (asks, says) = if callee_refreshes { ("Supported: timer\r\n", says) } else { (asks, QUIET) };
        let (mut caller, mut callee, _) = called(&mut world, asks, says);
        pass(&mut world, 59_900);
        caller.expect_silence(&mut world);
        callee.expect_silence(&mut world);
        pass(&mut world, 100);
        lost(&mut world, [&mut caller, &mut callee], ReleaseCause::Expired);
    }
}

fn a_refresh_of_a_dialog_that_is_gone_ends_the_call() {
    for by_update in [true, false] {
        for status in [481, 408] {
            let mut world = World::default();
            let more = if by_update { UPDATES } else { "" };
            let asks = format!("Supported: timer\r\nSession-Expires: 600;refresher=uas\r\n{more}");
            let (mut caller, mut callee, _) = called(&mut world, &asks, QUIET);
            seconds(&mut world, 300);
            let refresh = caller.expect(&mut world, if by_update { "UPDATE" } else { "INVITE" });
            caller.respond(&mut world, &refresh, status, None);
            if !by_update {
                caller.expect(&mut world, "ACK");
            }
            lost(&mut world, [&mut caller, &mut callee], ReleaseCause::DialogGone);
        }
    }
}

fn a_refresh_of_a_dialog_that_went_meanwhile_changes_nothing() {
    let mut world = World::default();
    let asks = format!("Supported: timer\r\nSession-Expires: 600;refresher=uas\r\n{UPDATES}");
    let says = format!("Session-Expires: 600;refresher=uac\r\nRequire: timer\r\n{UPDATES}");
    let (mut caller, mut callee, _) = called(&mut world, &asks, &says);
    seconds(&mut world, 300);
    updated(&mut world, &mut caller, "Session-Expires: 600;refresher=uac\r\nRequire: timer\r\n");
    let refresh = callee.expect(&mut world, "UPDATE");
    callee.say(&mut world, "BYE");
    callee.expect(&mut world, "200");
    // It is gone before the call is over.
    callee.respond(&mut world, &refresh, 481, None);
    gets_bye(&mut world, &mut caller);
    world.assert_nothing_left();
    assert_eq!(world.ended().cause, EndCause::Completed);
}

fn a_refresh_that_nobody_answers_ends_the_call() {
    for by_update in [true, false] {
        let mut world = World::default();
        let more = if by_update { UPDATES } else { "" };
        // It knows nothing of timers, and is gone all the same.
        let (caller, mut callee, _) = called(&mut world, more, QUIET);
        world.deafen(CARRIER, true);
        seconds(&mut world, 931);
        callee.expect_silence(&mut world);
        seconds(&mut world, 2);
        gets_bye(&mut world, &mut callee);
        world.assert_nothing_left();
        caller.ignore_all(&mut world);
        assert_eq!(world.ended().cause, EndCause::Lost);
        assert_eq!(released(&world, ReleaseCause::DialogGone), 1);
    }
}

fn a_refresh_that_is_refused_is_tried_again_until_the_session_is_over() {
    for status in [500, 488, 491] {
        let mut world = World::default();
        let asks = format!("Supported: timer\r\nSession-Expires: 800;refresher=uas\r\n{UPDATES}");
        let (mut caller, mut callee, _) = called(&mut world, &asks, QUIET);
        for after in [400, 200, 100] {
            pass(&mut world, after * 1_000 - 100);
            caller.expect_silence(&mut world);
            pass(&mut world, 100);
            let update = caller.expect(&mut world, "UPDATE");
            caller.respond(&mut world, &update, status, None);
        }
        pass(&mut world, 99_900);
        caller.expect_silence(&mut world);
        pass(&mut world, 100);
        lost(&mut world, [&mut caller, &mut callee], ReleaseCause::Expired);
    }
}

fn who_refuses_every_refresh_and_counts_on_none_keeps_its_call() {
    let mut world = World::default();
    let (mut caller, mut callee, _) = called(&mut world, "", QUIET);
    for _ in 0..6 {
        seconds(&mut world, 900);
        let invite = caller.expect(&mut world, "INVITE");
        caller.respond(&mut world, &invite, 488, None);
        caller.expect(&mut world, "ACK");
    }
    callee.expect_silence(&mut world);
    hang_up(&mut world, &mut callee, &mut caller);
    world.assert_nothing_left();
}

fn a_refresh_that_meets_glare_goes_again_and_is_the_same() {
    let mut world = World::default();
    let asks = "Supported: timer\r\nSession-Expires: 600;refresher=uas\r\n";
    let (mut caller, mut callee, [_, ok]) = called(&mut world, asks, QUIET);
    seconds(&mut world, 300);
    for _ in 0..3 {
        let refresh = caller.expect(&mut world, "INVITE");
        assert_eq!(body(&refresh), body(&ok));
        caller.respond(&mut world, &refresh, 491, None);
        caller.expect(&mut world, "ACK");
        // It made the Call-ID: we wait up to 2 s (RFC 3261 §14.1).
        let mut waited = 0;
        while !world.has_for(caller.address) {
            pass(&mut world, 10);
            waited += 10;
            assert!(waited <= 2_000, "{}", world.ladder);
        }
    }
    let refresh = reinvited(&mut world, &mut caller, "sendrecv", "Session-Expires: 600;refresher=uac\r\n");
    assert_eq!(body(&refresh), body(&ok));
    callee.expect_silence(&mut world);
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
}

fn a_peer_that_asks_while_we_refresh_hears_491_and_then_has_its_turn() {
    for callee_asks in [false, true] {
        let mut world = World::default();
        let asks = "Supported: timer\r\nSession-Expires: 600;refresher=uas\r\n";
        let (mut caller, mut callee, _) = called(&mut world, asks, QUIET);
        seconds(&mut world, 300);
        let refresh = caller.expect(&mut world, "INVITE");
        let asker = if callee_asks { &mut callee } else { &mut caller };
        let offer = asker.sdp("sendonly");
        asker.reinvite(&mut world, Some(&offer));
        if callee_asks {
            asker.expect(&mut world, "100");
        }
        refused(&mut world, asker, "491");
        let answer = caller.sdp("sendrecv");
        caller.respond(&mut world, &refresh, 200, Some(&answer));
        caller.expect(&mut world, "ACK");
        let (by, other) = if callee_asks { (&mut callee, &mut caller) } else { (&mut caller, &mut callee) };
        holds(&mut world, by, other);
        hang_up(&mut world, by, other);
        world.assert_nothing_left();
    }
}

fn a_session_on_hold_is_refreshed_as_it_is() {
    for caller_holds in [true, false] {
        let mut world = World::default();
        let asks = "Supported: timer\r\nSession-Expires: 600;refresher=uas\r\n";
        let says = "Session-Expires: 600;refresher=uac\r\n";
        let (mut caller, mut callee, _) = called(&mut world, asks, says);
        let (by, other) = if caller_holds { (&mut caller, &mut callee) } else { (&mut callee, &mut caller) };
        for phone in [&mut *by, &mut *other] {
            phone.extra = "Supported: timer\r\n".into();
        }
        holds(&mut world, by, other);
        let relay = |world: &World| world.ladder.lines().rfind(|line| line.contains("| relay")).unwrap().to_owned();
        let held = relay(&world);
        seconds(&mut world, 300);
        let mut directions = Vec::new();
        for _ in 0..2 {
            let (phone, answers) = match world.has_for(by.address) {
                true => (&mut *by, "sendonly"),
                false => (&mut *other, "recvonly"),
            };
            let refresh = reinvited(&mut world, phone, answers, says);
            directions.push(body(&refresh).contains("a=sendonly"));
        }
        directions.sort();
        assert_eq!(directions, [false, true], "each is told what it was told");
        assert_eq!(relay(&world), held);
        hang_up(&mut world, by, other);
        world.assert_nothing_left();
    }
}

fn a_change_on_its_way_refreshes_both_legs_and_no_refresh_meets_it() {
    let mut world = World::default();
    let asks = "Supported: timer\r\nSession-Expires: 600;refresher=uas\r\n";
    let says = "Session-Expires: 600;refresher=uac\r\n";
    let (mut caller, mut callee, _) = called(&mut world, asks, says);
    seconds(&mut world, 299);
    let offer = caller.sdp("sendonly");
    says_once(&mut caller, "Supported: timer\r\n", |caller| caller.reinvite(&mut world, Some(&offer)));
    caller.expect(&mut world, "100");
    let invite = callee.expect(&mut world, "INVITE");
    callee.respond(&mut world, &invite, 100, None);
    seconds(&mut world, 20);
    callee.expect_silence(&mut world);
    caller.expect_silence(&mut world);
    let answer = callee.sdp("recvonly");
    says_once(&mut callee, says, |callee| callee.respond(&mut world, &invite, 200, Some(&answer)));
    callee.expect(&mut world, "ACK");
    assert_eq!(expires(&caller.expect(&mut world, "200 (")), Some("600;refresher=uas"));
    caller.ack(&mut world, None);
    pass(&mut world, 299_900);
    callee.expect_silence(&mut world);
    caller.expect_silence(&mut world);
    pass(&mut world, 100);
    assert!(world.has_for(caller.address) || world.has_for(callee.address));
    hang_up_now(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
}

/// The caller hangs up, whatever else is on its way.
fn hang_up_now(world: &mut World, caller: &mut Phone, callee: &mut Phone) {
    caller.ignore_all(world);
    callee.ignore_all(world);
    caller.say(world, "BYE");
    seconds(world, 1);
    while let Some(bytes) = world.next_for(callee.address) {
        let message = Message::scan(bytes).unwrap();
        if message.method() == Some(&Method::Bye) {
            callee.respond(world, &message, 200, None);
        }
    }
    caller.ignore_all(world);
}

fn nothing_is_refreshed_once_bye_is_said() {
    let mut world = World::default();
    let asks = format!("Supported: timer\r\nSession-Expires: 90;refresher=uas\r\n{UPDATES}");
    let (mut caller, mut callee, _) = called(&mut world, &asks, "Session-Expires: 90;refresher=uas\r\n");
    seconds(&mut world, 44);
    callee.say(&mut world, "BYE");
    callee.expect(&mut world, "200");
    caller.expect(&mut world, "BYE");
    seconds(&mut world, 70);
    // Our BYE alone, again and again.
    while let Some(bytes) = world.next_for(caller.address) {
        assert!(bytes.starts_with(b"BYE"), "{}", world.ladder);
    }
    world.assert_nothing_left();
    assert_eq!(world.ended().cause, EndCause::Completed);
}

fn of_several_forks_the_timer_of_the_one_that_answered_counts() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = invited(&mut world);
    for tag in ["one", "two"] {
        callee.respond_tagged(&mut world, &invite, 180, None, tag);
    }
    caller.expect(&mut world, "180");
    let answer = callee.sdp("sendrecv");
    callee.retag("two");
    picked_up(&mut world, &mut caller, &mut callee, &invite, CALLEE_REFRESHES);
    says_once(&mut callee, "Session-Expires: 90;refresher=uac\r\n", |callee| {
        callee.respond_tagged(&mut world, &invite, 200, Some(&answer), "one");
    });
    callee.expect(&mut world, "ACK");
    gets_bye(&mut world, &mut callee);
    assert_eq!(timers(&world)[0], Some((600, RefreshedBy::Peer)));
    seconds(&mut world, 567);
    caller.expect_silence(&mut world);
    callee.expect_silence(&mut world);
    seconds(&mut world, 1);
    lost(&mut world, [&mut caller, &mut callee], ReleaseCause::Expired);
}

fn whom_a_transfer_connects_has_a_timer_like_others() {
    let mut world = World::default();
    let (mut by, mut other) = talking(&mut world);
    let mut target = outside(&mut world);
    refers(&mut world, &mut by, OUTSIDE);
    let invite = rings(&mut world, &mut by, &mut target);
    assert_eq!(expires(&invite), Some("1800"));
    says_once(&mut target, "Session-Expires: 600;refresher=uac\r\n", |target| {
        picks_up(&mut world, target, &invite);
    });
    hears(&mut world, &mut by, 200);
    gets_bye(&mut world, &mut by);
    other.expect_silence(&mut world);
    for _ in 0..2 {
        seconds(&mut world, 300);
        reinvited(&mut world, &mut target, "sendrecv", "Session-Expires: 600;refresher=uac\r\n");
        other.expect_silence(&mut world);
    }
    seconds(&mut world, 300);
    // Both legs are due: one after the other.
    for _ in 0..2 {
        match world.has_for(target.address) {
            true => reinvited(&mut world, &mut target, "sendrecv", "Session-Expires: 600;refresher=uac\r\n"),
            false => reinvited(&mut world, &mut other, "sendrecv", ""),
        };
    }
    by.expect_silence(&mut world);
    hang_up(&mut world, &mut target, &mut other);
    world.assert_nothing_left();
}

fn the_leg_of_who_asked_for_a_transfer_may_expire_before_that_is_done() {
    let mut world = World::default();
    super::refer::allow(&mut world, CARRIER, "any");
    let asks = "Supported: timer\r\nSession-Expires: 90;refresher=uac\r\n";
    let (mut by, mut other, _) = called(&mut world, asks, QUIET);
    let mut target = outside(&mut world);
    seconds(&mut world, 50);
    refers(&mut world, &mut by, OUTSIDE);
    let invite = rings(&mut world, &mut by, &mut target);
    seconds(&mut world, 10);
    // The other party waits for the target.
    gets_bye(&mut world, &mut by);
    other.expect_silence(&mut world);
    picks_up(&mut world, &mut target, &invite);
    hears(&mut world, &mut by, 200);
    hang_up(&mut world, &mut target, &mut other);
    world.assert_nothing_left();
    assert_eq!(released(&world, ReleaseCause::Expired), 1);
}

/// The asker of a transfer, whose leg is due while the other party is asked to take the target's media, and the INVITE that
/// the other party has.
#[track_caller]
fn due_while_connecting(world: &mut World) -> ([Phone; 3], Message) {
    super::refer::allow(world, CARRIER, "any");
    let asks = "Supported: timer\r\nSession-Expires: 90;refresher=uas\r\n";
    let (mut by, mut other, _) = called(world, asks, QUIET);
    let mut target = outside(world);
    holds(world, &mut by, &mut other);
    seconds(world, 40);
    refers(world, &mut by, OUTSIDE);
    let invite = rings(world, &mut by, &mut target);
    picks_up(world, &mut target, &invite);
    let connect = other.expect(world, "INVITE");
    other.respond(world, &connect, 100, None);
    seconds(world, 10);
    by.expect_silence(world);
    ([by, other, target], connect)
}

fn a_refresh_waits_for_the_re_invite_of_a_transfer_and_is_forgotten_with_its_leg() {
    let mut world = World::default();
    let ([mut by, mut other, mut target], connect) = due_while_connecting(&mut world);
    let answer = other.sdp("sendrecv");
    says_once(&mut other, QUIET, |other| other.respond(&mut world, &connect, 200, Some(&answer)));
    other.expect(&mut world, "ACK");
    hears(&mut world, &mut by, 200);
    gets_bye(&mut world, &mut by);
    by.expect_silence(&mut world);
    hang_up(&mut world, &mut target, &mut other);
    world.assert_nothing_left();
}

fn a_refresh_waits_for_the_re_invite_of_a_transfer_that_fails_and_goes_then() {
    let mut world = World::default();
    let ([mut by, mut other, mut target], connect) = due_while_connecting(&mut world);
    other.respond(&mut world, &connect, 488, None);
    other.expect(&mut world, "ACK");
    hears(&mut world, &mut by, 488);
    gets_bye(&mut world, &mut target);
    let refresh = reinvited(&mut world, &mut by, "sendonly", "Session-Expires: 90;refresher=uac\r\n");
    assert!(body(&refresh).contains("a=recvonly"), "{}", body(&refresh));
    hang_up(&mut world, &mut by, &mut other);
    world.assert_nothing_left();
}

fn a_leg_that_another_session_took_is_refreshed_there() {
    for outgoing in [false, true] {
        let mut world = World::default();
        let mut calls = two_calls(&mut world, outgoing);
        seconds(&mut world, 10);
        joined(&mut world, &mut calls);
        hears(&mut world, &mut calls.asker, 200);
        gets_bye(&mut world, &mut calls.asker);
        gets_bye(&mut world, &mut calls.second);
        // Each was asked by re-INVITE, which began its interval anew.
        pass(&mut world, 899_900);
        calls.remaining.expect_silence(&mut world);
        calls.moved.expect_silence(&mut world);
        pass(&mut world, 100);
        let mut refreshed = Vec::new();
        for _ in 0..2 {
            let of_moved = world.has_for(calls.moved.address);
            let phone = if of_moved { &mut calls.moved } else { &mut calls.remaining };
            assert_eq!(expires(&reinvited(&mut world, phone, "sendrecv", "")), Some("1800;refresher=uac"));
            refreshed.push(of_moved);
        }
        assert!(refreshed.contains(&true) && refreshed.contains(&false), "{}", world.ladder);
        hang_up(&mut world, &mut calls.moved, &mut calls.remaining);
        world.assert_nothing_left();
    }
}

fn a_leg_that_comes_back_from_another_session_is_told_what_is_in_force_there() {
    let mut world = World::default();
    let mut calls = two_calls(&mut world, false);
    let invite = asked(&mut world, &mut calls);
    accepts(&mut world, &mut calls.remaining, &invite);
    let invite = calls.moved.expect(&mut world, "INVITE");
    let version = |message: &Message| {
        let text = body(message);
        let origin = text.lines().find(|line| line.starts_with("o=")).unwrap();
        origin.split(' ').nth(2).unwrap().parse::<u64>().unwrap()
    };
    calls.moved.respond(&mut world, &invite, 488, None);
    calls.moved.expect(&mut world, "ACK");
    hears(&mut world, &mut calls.asker, 488);
    seconds(&mut world, 900);
    // Both calls are due, two legs each.
    let mut refreshed = 0;
    while let Some(phone) = [&mut calls.asker, &mut calls.remaining, &mut calls.second, &mut calls.moved]
        .into_iter()
        .find(|phone| world.has_for(phone.address))
    {
        let refresh = Message::scan(world.next_for(phone.address).unwrap()).unwrap();
        if refresh.method() != Some(&Method::Invite) {
            continue;
        }
        if phone.address.to_string() == tests::world::OUT[0] {
            assert!(version(&refresh) >= version(&invite), "a version never goes back");
        }
        let answer = phone.sdp("sendrecv");
        phone.respond(&mut world, &refresh, 200, Some(&answer));
        refreshed += 1;
    }
    assert_eq!(refreshed, 4, "{}", world.ladder);
    hang_up(&mut world, &mut calls.asker, &mut calls.remaining);
    hang_up(&mut world, &mut calls.moved, &mut calls.second);
    world.assert_nothing_left();
}

fn before_the_answer_an_update_sets_no_timer() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = invited(&mut world);
    callee.respond(&mut world, &invite, 180, None);
    caller.expect(&mut world, "180");
    for phone in [&mut caller, &mut callee] {
        phone.say_with(&mut world, "UPDATE", "Supported: timer\r\nSession-Expires: 90;refresher=uac\r\n", "");
        assert!(!phone.expect(&mut world, "200").has(HeaderName::SessionExpires));
    }
    seconds(&mut world, 10);
    answer(&mut world, &mut caller, &mut callee, &invite);
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
    assert_eq!(timers(&world), [Some((1_800, RefreshedBy::ExchangeAlone)); 2]);
}

scenarios![
    each_leg_agrees_on_a_timer_of_its_own,
    what_a_peer_does_not_ask_for_and_supports_it_is_given_and_we_refresh,
    who_knows_no_timers_hears_nothing_of_them_and_is_refreshed_all_the_same,
    no_timer_runs_where_nobody_wants_one,
    a_peer_that_wants_one_gets_it_also_where_we_want_none,
    we_refresh_by_update_who_takes_updates,
    we_refresh_by_re_invite_who_does_not_and_say_that_nothing_changed,
    an_update_that_is_not_taken_after_all_is_followed_by_an_invite,
    a_peer_refreshes_its_leg_alone_by_update_in_either_role,
    a_re_invite_of_a_peer_refreshes_both_legs,
    a_peer_that_does_not_refresh_in_time_ends_the_call,
    a_refresh_of_a_dialog_that_is_gone_ends_the_call,
    a_refresh_of_a_dialog_that_went_meanwhile_changes_nothing,
    a_refresh_that_nobody_answers_ends_the_call,
    a_refresh_that_is_refused_is_tried_again_until_the_session_is_over,
    who_refuses_every_refresh_and_counts_on_none_keeps_its_call,
    a_refresh_that_meets_glare_goes_again_and_is_the_same,
    a_peer_that_asks_while_we_refresh_hears_491_and_then_has_its_turn,
    a_session_on_hold_is_refreshed_as_it_is,
    a_change_on_its_way_refreshes_both_legs_and_no_refresh_meets_it,
    nothing_is_refreshed_once_bye_is_said,
    of_several_forks_the_timer_of_the_one_that_answered_counts,
    whom_a_transfer_connects_has_a_timer_like_others,
    the_leg_of_who_asked_for_a_transfer_may_expire_before_that_is_done,
    a_refresh_waits_for_the_re_invite_of_a_transfer_and_is_forgotten_with_its_leg,
    a_refresh_waits_for_the_re_invite_of_a_transfer_that_fails_and_goes_then,
    a_leg_that_another_session_took_is_refreshed_there,
    a_leg_that_comes_back_from_another_session_is_told_what_is_in_force_there,
    before_the_answer_an_update_sets_no_timer,
];
