//! Blind transfer: a party asks by REFER that the other one be connected elsewhere.

use super::{answered, body, cancelled, changed, gets_bye, hang_up, lines, pass};
use domain::session::event::{EndCause, SessionEvent};
use domain::sip::wire::{HeaderName, Message};
use serde_json::json;
use tests::world::{CARRIER, OUT, PBX, Phone, World};

/// A number of the world outside, which goes by the first of [`OUT`].
pub(super) const OUTSIDE: &str = "<sip:+12025550199@exchange.example>";

/// Sets what the PBX may have transferred, or the carrier.
pub(super) fn allow(world: &mut World, address: &str, rule: &str) {
    match address {
        PBX => world.set_trunk(
            2,
            json!({ "name": "pbx", "kind": "pbx", "addresses": [PBX], "media_source": "latch", "refer": rule }),
        ),
        _ => world.set_trunk(
            1,
            json!({ "name": "carrier", "kind": "carrier", "addresses": [CARRIER], "ring_timeout": 20, "refer": rule }),
        ),
    }
}

/// An answered call in which either side may have anything transferred.
#[track_caller]
pub(super) fn talking(world: &mut World) -> (Phone, Phone) {
    allow(world, PBX, "any");
    allow(world, CARRIER, "any");
    answered(world)
}

/// The carrier that transfers to [`OUTSIDE`] go by.
pub(super) fn outside(world: &mut World) -> Phone {
    world.phone(OUT[0])
}

/// `by` sends REFER.
pub(super) fn asks(world: &mut World, by: &mut Phone, headers: &str) -> Message {
    let headers = format!("{headers}\r\nContact: <sip:phone@{}>\r\n", by.address);
    Message::scan(by.say_with(world, "REFER", &headers, "")).unwrap()
}

/// `by` sends REFER and has its 202; gives the Event of what it will hear.
#[track_caller]
pub(super) fn refers(world: &mut World, by: &mut Phone, target: &str) -> String {
    let refer = asks(world, by, &format!("Refer-To: {target}"));
    assert!(by.expect(world, "202").has(HeaderName::Contact));
    format!("refer;id={}", refer.cseq().unwrap().number)
}

/// `by` hears this of its REFER, and says that it heard.
#[track_caller]
pub(crate) fn hears(world: &mut World, by: &mut Phone, status: u16) -> Message {
    let notify = by.expect(world, "NOTIFY");
    assert!(body(&notify).starts_with(&format!("SIP/2.0 {status} ")), "{}\n{}", body(&notify), world.ladder);
    assert_eq!(notify.header(HeaderName::ContentType), Some("message/sipfrag;version=2.0"));
    assert!(notify.has(HeaderName::Contact));
    let state = notify.header(HeaderName::SubscriptionState).unwrap();
    let expected = if status < 200 { "active;expires=" } else { "terminated;reason=noresource" };
    assert!(state.starts_with(expected), "{state}");
    by.respond(world, &notify, 200, None);
    notify
}

/// The last relay is between these two.
#[track_caller]
pub(super) fn relayed(world: &World, between: [&str; 2]) {
    let last = world.ladder.lines().rfind(|line| line.contains("| relay ")).unwrap();
    assert!(between.iter().all(|end| last.contains(end)), "{last}\n{}", world.ladder);
    assert!(!last.contains("nowhere") && !last.contains("deaf") && !last.contains("silent"), "{last}");
}

pub(super) fn media_of(phone: &Phone) -> String {
    format!("{}:{}", phone.address.ip(), phone.port)
}

/// Each side of the call asks in turn.
pub(super) fn from_either_side(scenario: fn(&mut World, &mut Phone, &mut Phone)) {
    for callee_asks in [false, true] {
        let mut world = World::default();
        let (mut caller, mut callee) = talking(&mut world);
        match callee_asks {
            false => scenario(&mut world, &mut caller, &mut callee),
            true => scenario(&mut world, &mut callee, &mut caller),
        }
        world.assert_nothing_left();
    }
}

/// The target rings.
#[track_caller]
pub(super) fn rings(world: &mut World, by: &mut Phone, target: &mut Phone) -> Message {
    hears(world, by, 100);
    let invite = target.expect(world, "INVITE");
    target.respond(world, &invite, 180, None);
    hears(world, by, 180);
    invite
}

/// The target answers.
#[track_caller]
pub(super) fn picks_up(world: &mut World, target: &mut Phone, invite: &Message) {
    let answer = target.sdp("sendrecv");
    target.respond(world, invite, 200, Some(&answer));
    target.expect(world, "ACK");
}

/// Why transfers failed.
pub(super) fn failures(world: &World) -> Vec<(u16, String)> {
    let failed = world.watch.events().filter_map(|event| match event {
        SessionEvent::TransferFailed(failed) => Some((failed.status, failed.reason.to_string())),
        _ => None,
    });
    failed.collect()
}

/// Why transfers were refused.
pub(super) fn refusals(world: &World) -> Vec<(u16, String)> {
    let refused = world.watch.events().filter_map(|event| match event {
        SessionEvent::TransferRefused(refused) => Some((refused.status, refused.reason.to_string())),
        _ => None,
    });
    refused.collect()
}

/// `by` holds, and `other` agrees.
#[track_caller]
pub(super) fn holds(world: &mut World, by: &mut Phone, other: &mut Phone) {
    let (offer, answer) = (by.sdp("sendonly"), other.sdp("recvonly"));
    changed(world, by, other, [&offer, &answer]);
}

fn either_side_transfers_the_other_to_who_answers() {
    from_either_side(|world, by, other| {
        let mut target = outside(world);
        let event = refers(world, by, OUTSIDE);
        let trying = hears(world, by, 100);
        assert_eq!(trying.header(HeaderName::Event), Some(event.as_str()));
        let invite = target.expect(world, "INVITE sip:+12025550199@198.51.100.11:5060");
        target.respond(world, &invite, 180, None);
        hears(world, by, 180);
        let answer = target.sdp("sendrecv");
        target.respond(world, &invite, 200, Some(&answer));
        target.expect(world, "ACK");
        // What it was told of the other's media serves for the target's.
        other.expect_silence(world);
        hears(world, by, 200);
        gets_bye(world, by);
        relayed(world, [&media_of(other), &media_of(&target)]);
        hang_up(world, &mut target, other);
    });
}

fn who_was_held_hears_the_target_by_a_re_invite() {
    from_either_side(|world, by, other| {
        let mut target = outside(world);
        holds(world, by, other);
        refers(world, by, OUTSIDE);
        let invite = rings(world, by, &mut target);
        assert!(body(&invite).contains("a=sendrecv"), "{}", body(&invite));
        picks_up(world, &mut target, &invite);
        let change = other.expect(world, "INVITE");
        assert!(body(&change).contains("a=sendrecv") && body(&change).contains("c=IN IP4 192.0.2.9"));
        by.expect_silence(world);
        let answer = other.sdp("sendrecv");
        other.respond(world, &change, 200, Some(&answer));
        other.expect(world, "ACK");
        hears(world, by, 200);
        gets_bye(world, by);
        target.expect_silence(world);
        relayed(world, [&media_of(other), &media_of(&target)]);
        hang_up(world, other, &mut target);
    });
}

fn a_party_that_holds_by_itself_keeps_holding_and_the_target_is_told() {
    from_either_side(|world, by, other| {
        let mut target = outside(world);
        holds(world, other, by);
        refers(world, by, OUTSIDE);
        let invite = rings(world, by, &mut target);
        picks_up(world, &mut target, &invite);
        let change = other.expect(world, "INVITE");
        let still_held = other.sdp("sendonly");
        other.respond(world, &change, 200, Some(&still_held));
        other.expect(world, "ACK");
        hears(world, by, 200);
        gets_bye(world, by);
        let told = target.expect(world, "INVITE");
        assert!(body(&told).contains("a=sendonly"), "{}", body(&told));
        let answer = target.sdp("recvonly");
        target.respond(world, &told, 200, Some(&answer));
        target.expect(world, "ACK");
        hang_up(world, &mut target, other);
    });
}

fn a_transfer_goes_on_when_who_asked_hangs_up_and_its_subscription_outlives_the_call() {
    from_either_side(|world, by, other| {
        let mut target = outside(world);
        refers(world, by, OUTSIDE);
        hears(world, by, 100);
        let invite = target.expect(world, "INVITE");
        by.say(world, "BYE");
        by.expect(world, "200");
        other.expect_silence(world);
        let last = world.ladder.lines().rfind(|line| line.contains("| relay ")).unwrap();
        assert!(last.contains("nowhere silent deaf"), "who hung up gets nothing more: {last}");
        target.respond(world, &invite, 180, None);
        hears(world, by, 180);
        picks_up(world, &mut target, &invite);
        hears(world, by, 200);
        by.expect_silence(world);
        relayed(world, [&media_of(other), &media_of(&target)]);
        // The subscription is over, and with it the dialog.
        by.say_with(world, "SUBSCRIBE", "Event: refer\r\nExpires: 60\r\n", "");
        by.expect(world, "481");
        hang_up(world, &mut target, other);
    });
}

fn a_busy_target_gives_the_call_back() {
    from_either_side(|world, by, other| {
        let mut target = outside(world);
        let before = lines(world, "| relay");
        refers(world, by, OUTSIDE);
        let invite = rings(world, by, &mut target);
        target.respond(world, &invite, 486, None);
        target.expect(world, "ACK");
        hears(world, by, 486);
        other.expect_silence(world);
        assert_eq!(lines(world, "| relay"), before, "the media is as it was");
        assert_eq!(failures(world), [(486, "no target answered".to_owned())]);
        // The call is theirs again.
        holds(world, by, other);
        hang_up(world, other, by);
    });
}

fn a_target_that_nobody_picks_up_is_cancelled_and_the_next_is_tried_as_for_a_call() {
    from_either_side(|world, by, other| {
        let [mut first, mut second] = OUT.map(|address| world.phone(address));
        refers(world, by, OUTSIDE);
        let invite = rings(world, by, &mut first);
        pass(world, 20_100);
        cancelled(world, &mut first, &invite);
        let invite = second.expect(world, "INVITE");
        second.respond(world, &invite, 503, None);
        second.expect(world, "ACK");
        hears(world, by, 480);
        hang_up(world, by, other);
    });
}

fn a_target_without_usable_media_is_hung_up_on() {
    from_either_side(|world, by, other| {
        let [mut first, second] = OUT.map(|address| world.phone(address));
        refers(world, by, OUTSIDE);
        let invite = rings(world, by, &mut first);
        first.respond(world, &invite, 200, None);
        first.expect(world, "ACK");
        gets_bye(world, &mut first);
        second.expect_silence(world);
        hears(world, by, 502);
        hang_up(world, by, other);
    });
}

fn a_transfer_that_fails_after_who_asked_hung_up_ends_the_call() {
    from_either_side(|world, by, other| {
        let mut target = outside(world);
        refers(world, by, OUTSIDE);
        let invite = rings(world, by, &mut target);
        by.say(world, "BYE");
        by.expect(world, "200");
        target.respond(world, &invite, 486, None);
        target.expect(world, "ACK");
        hears(world, by, 486);
        gets_bye(world, other);
        assert_eq!(world.ended().cause, EndCause::Completed);
    });
}

fn the_party_that_is_transferred_hangs_up_and_everything_ends() {
    from_either_side(|world, by, other| {
        let mut target = outside(world);
        refers(world, by, OUTSIDE);
        let invite = rings(world, by, &mut target);
        other.say(world, "BYE");
        other.expect(world, "200");
        hears(world, by, 487);
        gets_bye(world, by);
        cancelled(world, &mut target, &invite);
        assert_eq!(failures(world), [(487, "the call ended".to_owned())]);
    });
}

fn the_operator_ends_a_transfer_with_all_that_is_in_it() {
    from_either_side(|world, by, other| {
        let mut target = outside(world);
        refers(world, by, OUTSIDE);
        let invite = rings(world, by, &mut target);
        world.release_all();
        hears(world, by, 487);
        [by, other].into_iter().for_each(|phone| drop(gets_bye(world, phone)));
        cancelled(world, &mut target, &invite);
    });
}

fn who_was_transferred_may_transfer_and_after_a_failure_another_target_may_be_tried() {
    let mut world = World::default();
    let (mut carrier, mut pbx) = talking(&mut world);
    let [mut first, mut second] = OUT.map(|address| world.phone(address));
    refers(&mut world, &mut carrier, OUTSIDE);
    let invite = rings(&mut world, &mut carrier, &mut first);
    first.respond(&mut world, &invite, 603, None);
    first.expect(&mut world, "ACK");
    hears(&mut world, &mut carrier, 603);
    refers(&mut world, &mut carrier, OUTSIDE);
    let mut again = world.phone(OUT[0]);
    let invite = rings(&mut world, &mut carrier, &mut again);
    picks_up(&mut world, &mut again, &invite);
    hears(&mut world, &mut carrier, 200);
    gets_bye(&mut world, &mut carrier);
    // Now the PBX has the first target transferred: it is known as what was dialled for it.
    refers(&mut world, &mut pbx, "<sip:+12025550111@exchange.example>");
    hears(&mut world, &mut pbx, 100);
    let mut busy = Phone::on_line(OUT[0].parse().unwrap(), 7);
    let invite = busy.expect(&mut world, "INVITE sip:+12025550111@");
    assert!(invite.header(HeaderName::From).unwrap().starts_with("<sip:+12025550199@exchange.example>;tag="));
    busy.respond(&mut world, &invite, 503, None);
    busy.expect(&mut world, "ACK");
    let invite = second.expect(&mut world, "INVITE sip:+12025550111@");
    picks_up(&mut world, &mut second, &invite);
    hears(&mut world, &mut pbx, 200);
    gets_bye(&mut world, &mut pbx);
    relayed(&world, [&media_of(&again), &media_of(&second)]);
    hang_up(&mut world, &mut second, &mut again);
    world.assert_nothing_left();
}

fn the_target_sees_who_is_transferred_and_nothing_of_who_asked() {
    from_either_side(|world, by, other| {
        let mut target = outside(world);
        asks(world, by, &format!("Refer-To: {OUTSIDE}\r\nReferred-By: <sip:asker@a.example>\r\nSubject: secret"));
        by.expect(world, "202");
        let invite = rings(world, by, &mut target);
        let party = if other.address.to_string() == CARRIER { "+14155550100" } else { "+15550001111" };
        let from = invite.header(HeaderName::From).unwrap();
        assert!(from.contains(&format!("<sip:{party}@exchange.example>")), "{from}");
        assert!(!invite.has(HeaderName::ReferredBy) && !invite.has(HeaderName::Subject));
        picks_up(world, &mut target, &invite);
        hears(world, by, 200);
        gets_bye(world, by);
        hang_up(world, &mut target, other);
    });
}

super::scenarios![
    either_side_transfers_the_other_to_who_answers,
    who_was_held_hears_the_target_by_a_re_invite,
    a_party_that_holds_by_itself_keeps_holding_and_the_target_is_told,
    a_transfer_goes_on_when_who_asked_hangs_up_and_its_subscription_outlives_the_call,
    a_busy_target_gives_the_call_back,
    a_target_that_nobody_picks_up_is_cancelled_and_the_next_is_tried_as_for_a_call,
    a_target_without_usable_media_is_hung_up_on,
    a_transfer_that_fails_after_who_asked_hung_up_ends_the_call,
    the_party_that_is_transferred_hangs_up_and_everything_ends,
    the_operator_ends_a_transfer_with_all_that_is_in_it,
    who_was_transferred_may_transfer_and_after_a_failure_another_target_may_be_tried,
    the_target_sees_who_is_transferred_and_nothing_of_who_asked,
];
