//! A REFER outside any call starts one: its sender's own phone rings first, then whom it named.

use super::refer::{OUTSIDE, allow, hears, media_of, outside, relayed};
use super::{body, cancelled, comes, gets_bye, hang_up, lines, pass};
use domain::session::event::{EndCause, RouteRefused, SessionEvent, SessionReferred};
use domain::sip::wire::{HeaderName, Message};
use serde_json::json;
use tests::world::{A, B, CARRIER, KNOWN, KNOWN_SOURCE, NUMBER, PASSWORD, PBX, PUBLIC, Phone, World, credential};

scenarios![
    who_asks_is_rung_first_then_whom_it_named,
    a_pbx_asks_for_a_call_to_the_world_outside,
    by_tcp_the_notices_go_by_the_connection_that_asked,
    the_first_of_ones_own_phones_to_answer_is_connected,
    who_wants_no_notice_of_its_call_gets_none,
    nobody_is_called_for_who_declines,
    a_phone_of_ones_own_that_does_not_answer_ends_it,
    an_answer_without_an_offer_ends_it,
    a_target_that_is_busy_ends_the_call,
    who_hangs_up_before_the_target_is_there_ends_the_call,
    a_target_that_hangs_up_before_it_is_connected_ends_the_call,
    who_refuses_the_targets_media_is_released,
    what_comes_back_again_later_is_asked_again,
    whoever_has_no_right_leaves_nothing_but_a_count,
    what_cannot_be_read_is_400,
    what_leads_nowhere_is_refused_and_in_the_history,
    a_number_that_leads_elsewhere_is_not_its_senders,
    nobody_picks_up_the_call_of_who_asked,
    what_the_exchange_ends_is_told,
    a_transfer_follows_as_in_any_call,
    an_account_with_all_its_calls_gets_no_more_by_refer,
    carriers_without_room_are_not_asked_for_the_target,
    who_asked_may_stop_listening_and_has_no_call_to_end,
];

const ALICE: &str = "198.51.100.50:40000";
pub(crate) const BOB: &str = "198.51.100.60:41000";

fn registered(world: &mut World, name: &'static str, address: &str) -> Phone {
    let mut phone = world.phone(address);
    phone.exchange = PUBLIC.parse().unwrap();
    world.name(address, name);
    phone.register(world, (name, A), PASSWORD, "");
    phone
}

/// Another line of a phone: the one that asks.
fn asker(of: &Phone) -> Phone {
    let mut asker = Phone::on_line(of.address, 9);
    asker.exchange = of.exchange;
    asker
}

/// Alice asks, and proves who she is.
#[track_caller]
fn asks(world: &mut World, alice: &mut Phone, headers: &str) {
    let user = format!("alice@{A}");
    alice.refer(world, &user, &format!("sip:{A}"), headers);
    let challenge = alice.expect(world, "407");
    alice.refer_proven(world, &challenge, ("alice", PASSWORD), headers);
}

/// Alice asks for a call with bob, and her own phone rings.
#[track_caller]
pub(crate) fn rings_alice(world: &mut World, alice: &mut Phone, desk: &mut Phone) -> Message {
    asks(world, alice, &format!("Refer-To: <sip:bob@{A}>\r\n"));
    assert!(alice.expect(world, "202 (2 REFER)").has(HeaderName::Contact));
    hears(world, alice, 100);
    let invite = desk.expect(world, "INVITE sip:phone@198.51.100.50:40000");
    desk.respond(world, &invite, 180, None);
    alice.expect_silence(world);
    invite
}

/// Who asked picks up and hears nothing yet.
#[track_caller]
pub(crate) fn waits(world: &mut World, desk: &mut Phone, invite: &Message) {
    assert!(invite.body().is_empty());
    let offer = desk.sdp("sendrecv");
    desk.respond(world, invite, 200, Some(&offer));
    let ack = desk.expect(world, "ACK");
    assert!(body(&ack).contains("a=inactive") && !body(&ack).contains("sendrecv"), "{}", body(&ack));
}

/// Bob answers; the re-INVITE that is to connect the desk with him.
#[track_caller]
fn bob_answers(world: &mut World, desk: &mut Phone, bob: &mut Phone, invite: &Message) -> Message {
    let answer = bob.sdp("sendrecv");
    bob.respond(world, invite, 200, Some(&answer));
    bob.expect(world, "ACK");
    desk.expect(world, "INVITE")
}

/// Alice waits and bob rings.
#[track_caller]
fn rings_bob(world: &mut World, alice: &mut Phone, desk: &mut Phone, bob: &mut Phone) -> Message {
    let invite = rings_alice(world, alice, desk);
    waits(world, desk, &invite);
    let invite = bob.expect(world, "INVITE");
    bob.respond(world, &invite, 180, None);
    hears(world, alice, 180);
    invite
}

/// The target answers, and who asked is connected.
#[track_caller]
fn connects(world: &mut World, desk: &mut Phone, target: &mut Phone, invite: &Message) {
    assert!(body(invite).contains("a=sendrecv"));
    let answer = target.sdp("sendrecv");
    target.respond(world, invite, 200, Some(&answer));
    target.expect(world, "ACK");
    let again = desk.expect(world, "INVITE");
    assert!(body(&again).contains("a=sendrecv"));
    let answer = desk.sdp("sendrecv");
    desk.respond(world, &again, 200, Some(&answer));
    desk.expect(world, "ACK");
}

pub(crate) fn people(world: &mut World) -> [Phone; 3] {
    let (desk, bob) = (registered(world, "alice", ALICE), registered(world, "bob", BOB));
    [asker(&desk), desk, bob]
}

fn referred(world: &World) -> Vec<SessionReferred> {
    let asked = world.watch.events().filter_map(|event| match event {
        SessionEvent::SessionReferred(asked) => Some(asked.clone()),
        _ => None,
    });
    asked.collect()
}

fn ended(world: &World) -> (EndCause, Option<u16>) {
    let ended = world.watch.events().filter_map(|event| match event {
        SessionEvent::SessionEnded(ended) => Some((ended.cause, ended.status)),
        _ => None,
    });
    ended.last().expect("nothing ended")
}

fn refusal(world: &World) -> RouteRefused {
    let refused = world.watch.events().filter_map(|event| match event {
        SessionEvent::RouteRefused(refused) => Some(refused.clone()),
        _ => None,
    });
    refused.last().expect("nothing was refused")
}

fn who_asks_is_rung_first_then_whom_it_named() {
    let mut world = World::with_users();
    let [mut alice, mut desk, mut bob] = people(&mut world);
    let invite = rings_alice(&mut world, &mut alice, &mut desk);
    assert!(invite.header(HeaderName::From).unwrap().starts_with("<sip:bob@a.example>;tag="));
    assert_eq!(invite.header(HeaderName::To), Some("<sip:alice@a.example>"));
    bob.expect_silence(&mut world);
    waits(&mut world, &mut desk, &invite);
    let ring = bob.expect(&mut world, "INVITE sip:phone@198.51.100.60:41000");
    assert!(ring.header(HeaderName::From).unwrap().starts_with("<sip:alice@a.example>;tag="));
    assert_eq!(ring.header(HeaderName::MaxForwards), Some("69"));
    bob.respond(&mut world, &ring, 180, None);
    hears(&mut world, &mut alice, 180);
    connects(&mut world, &mut desk, &mut bob, &ring);
    hears(&mut world, &mut alice, 200);
    relayed(&world, [&media_of(&desk), &media_of(&bob)]);
    hang_up(&mut world, &mut desk, &mut bob);
    world.assert_nothing_left();
    let [asked] = &referred(&world)[..] else { panic!("it was asked once") };
    assert!(asked.notified && asked.user == Some(credential(1)) && asked.trunk.is_none());
    assert_eq!(asked.parties.known().map(|parties| (&*parties.caller, &*parties.called)), Some(("alice", "bob")));
    assert_eq!(ended(&world), (EndCause::Completed, Some(200)));
    insta::assert_snapshot!("who_asks_is_rung_first_then_whom_it_named", world.ladder);
}

fn a_pbx_asks_for_a_call_to_the_world_outside() {
    let mut world = World::default();
    allow(&mut world, PBX, "any");
    let (mut pbx, mut out) = (world.phone(PBX), outside(&mut world));
    (pbx.exchange, out.exchange) = (PUBLIC.parse().unwrap(), PUBLIC.parse().unwrap());
    let mut desk = asker(&pbx);
    pbx.refer(&mut world, &format!("{NUMBER}@pbx.example"), "sip:192.0.2.1", &format!("Refer-To: {OUTSIDE}\r\n"));
    pbx.expect(&mut world, "202");
    hears(&mut world, &mut pbx, 100);
    let invite = desk.expect(&mut world, "INVITE");
    waits(&mut world, &mut desk, &invite);
    let invite = out.expect(&mut world, "INVITE sip:+12025550199@");
    assert!(invite.header(HeaderName::From).unwrap().contains(NUMBER));
    connects(&mut world, &mut desk, &mut out, &invite);
    hears(&mut world, &mut pbx, 200);
    hang_up(&mut world, &mut out, &mut desk);
    world.assert_nothing_left();
    assert!(referred(&world)[0].trunk.is_some());
}

fn by_tcp_the_notices_go_by_the_connection_that_asked() {
    let mut world = World::with_users();
    let mut alice = world.phone("198.51.100.80:5060");
    alice.exchange = PUBLIC.parse().unwrap();
    alice.connect(&mut world, Some(50_000));
    let (mut desk, mut bob) = (registered(&mut world, "alice", ALICE), registered(&mut world, "bob", BOB));
    let invite = rings_bob(&mut world, &mut alice, &mut desk, &mut bob);
    connects(&mut world, &mut desk, &mut bob, &invite);
    hears(&mut world, &mut alice, 200);
    hang_up(&mut world, &mut bob, &mut desk);
    world.assert_nothing_left();
}

fn the_first_of_ones_own_phones_to_answer_is_connected() {
    let mut world = World::with_users();
    let [mut alice, mut desk, mut bob] = people(&mut world);
    let mut mobile = registered(&mut world, "alice", "198.51.100.51:42000");
    let losing = rings_alice(&mut world, &mut alice, &mut desk);
    let invite = mobile.expect(&mut world, "INVITE");
    waits(&mut world, &mut mobile, &invite);
    cancelled(&mut world, &mut desk, &losing);
    let invite = bob.expect(&mut world, "INVITE");
    connects(&mut world, &mut mobile, &mut bob, &invite);
    hears(&mut world, &mut alice, 200);
    hang_up(&mut world, &mut mobile, &mut bob);
    world.assert_nothing_left();
}

fn who_wants_no_notice_of_its_call_gets_none() {
    let mut world = World::with_users();
    let [mut alice, mut desk, mut bob] = people(&mut world);
    let quiet = format!("Refer-To: <sip:bob@{A}>\r\nRefer-Sub: false\r\nRequire: norefersub\r\n");
    asks(&mut world, &mut alice, &quiet);
    let ok = alice.expect(&mut world, "200 (2 REFER)");
    assert!(ok.headers().any(|header| header.raw_name == "Refer-Sub" && header.value == "false"));
    let invite = desk.expect(&mut world, "INVITE");
    waits(&mut world, &mut desk, &invite);
    let invite = bob.expect(&mut world, "INVITE");
    bob.respond(&mut world, &invite, 180, None);
    connects(&mut world, &mut desk, &mut bob, &invite);
    alice.expect_silence(&mut world);
    hang_up(&mut world, &mut desk, &mut bob);
    world.assert_nothing_left();
    assert!(!referred(&world)[0].notified);
}

fn nobody_is_called_for_who_declines() {
    for (status, cause) in [(603, EndCause::Failed), (486, EndCause::Busy)] {
        let mut world = World::with_users();
        let [mut alice, mut desk, bob] = people(&mut world);
        let invite = rings_alice(&mut world, &mut alice, &mut desk);
        desk.respond(&mut world, &invite, status, None);
        desk.expect(&mut world, "ACK");
        hears(&mut world, &mut alice, status);
        bob.expect_silence(&mut world);
        world.assert_nothing_left();
        assert_eq!(ended(&world), (cause, Some(status)));
    }
}

fn a_phone_of_ones_own_that_does_not_answer_ends_it() {
    let mut world = World::with_users();
    let [mut alice, mut desk, bob] = people(&mut world);
    let invite = rings_alice(&mut world, &mut alice, &mut desk);
    pass(&mut world, 60_000);
    let cancel = desk.expect(&mut world, "CANCEL");
    hears(&mut world, &mut alice, 480);
    desk.respond(&mut world, &cancel, 200, None);
    desk.respond(&mut world, &invite, 487, None);
    desk.expect(&mut world, "ACK");
    bob.expect_silence(&mut world);
    world.assert_nothing_left();
    assert_eq!(ended(&world), (EndCause::NoAnswer, Some(480)));
}

fn an_answer_without_an_offer_ends_it() {
    let mut world = World::with_users();
    let [mut alice, mut desk, bob] = people(&mut world);
    let invite = rings_alice(&mut world, &mut alice, &mut desk);
    desk.respond(&mut world, &invite, 200, None);
    desk.expect(&mut world, "ACK");
    gets_bye(&mut world, &mut desk);
    hears(&mut world, &mut alice, 502);
    bob.expect_silence(&mut world);
    world.assert_nothing_left();
}

fn a_target_that_is_busy_ends_the_call() {
    let mut world = World::with_users();
    let [mut alice, mut desk, mut bob] = people(&mut world);
    let invite = rings_bob(&mut world, &mut alice, &mut desk, &mut bob);
    bob.respond(&mut world, &invite, 486, None);
    bob.expect(&mut world, "ACK");
    hears(&mut world, &mut alice, 486);
    gets_bye(&mut world, &mut desk);
    world.assert_nothing_left();
    assert_eq!(ended(&world), (EndCause::Busy, Some(486)));
}

fn who_hangs_up_before_the_target_is_there_ends_the_call() {
    let mut world = World::with_users();
    let [mut alice, mut desk, mut bob] = people(&mut world);
    let invite = rings_bob(&mut world, &mut alice, &mut desk, &mut bob);
    desk.say(&mut world, "BYE");
    desk.expect(&mut world, "200");
    hears(&mut world, &mut alice, 487);
    cancelled(&mut world, &mut bob, &invite);
    world.assert_nothing_left();
    assert_eq!(ended(&world), (EndCause::Cancelled, Some(487)));
}

fn a_target_that_hangs_up_before_it_is_connected_ends_the_call() {
    let mut world = World::with_users();
    let [mut alice, mut desk, mut bob] = people(&mut world);
    let invite = rings_bob(&mut world, &mut alice, &mut desk, &mut bob);
    let again = bob_answers(&mut world, &mut desk, &mut bob, &invite);
    desk.respond(&mut world, &again, 100, None);
    bob.say(&mut world, "BYE");
    bob.expect(&mut world, "200");
    hears(&mut world, &mut alice, 480);
    desk.expect(&mut world, "CANCEL");
    gets_bye(&mut world, &mut desk);
    desk.respond(&mut world, &again, 487, None);
    desk.expect(&mut world, "ACK");
    world.assert_nothing_left();
    assert_eq!(ended(&world), (EndCause::NoAnswer, Some(480)));
}

fn who_refuses_the_targets_media_is_released() {
    let mut world = World::with_users();
    let [mut alice, mut desk, mut bob] = people(&mut world);
    let invite = rings_bob(&mut world, &mut alice, &mut desk, &mut bob);
    let again = bob_answers(&mut world, &mut desk, &mut bob, &invite);
    desk.respond(&mut world, &again, 488, None);
    desk.expect(&mut world, "ACK");
    hears(&mut world, &mut alice, 488);
    gets_bye(&mut world, &mut bob);
    gets_bye(&mut world, &mut desk);
    world.assert_nothing_left();
    assert_eq!(ended(&world), (EndCause::Failed, Some(488)));
}

fn what_comes_back_again_later_is_asked_again() {
    let mut world = World::with_users();
    let [mut alice, mut desk, mut bob] = people(&mut world);
    let invite = rings_bob(&mut world, &mut alice, &mut desk, &mut bob);
    let hold = desk.sdp("sendonly");
    // While nobody else is there its own change is for later.
    desk.reinvite(&mut world, Some(&hold));
    desk.expect(&mut world, "100");
    let refused = desk.expect(&mut world, "491");
    desk.ack_refusal(&mut world, &refused);
    let again = bob_answers(&mut world, &mut desk, &mut bob, &invite);
    desk.respond(&mut world, &again, 491, None);
    desk.expect(&mut world, "ACK");
    let (again, _) = comes(&mut world, &mut desk, "INVITE", 4_100);
    let answer = desk.sdp("sendrecv");
    desk.respond(&mut world, &again, 200, Some(&answer));
    desk.expect(&mut world, "ACK");
    hears(&mut world, &mut alice, 200);
    hang_up(&mut world, &mut bob, &mut desk);
    world.assert_nothing_left();
}

fn whoever_has_no_right_leaves_nothing_but_a_count() {
    let mut world = World::with_users();
    let [mut alice, desk, bob] = people(&mut world);
    let to_bob = format!("Refer-To: <sip:bob@{A}>\r\n");
    alice.refer(&mut world, &format!("alice@{A}"), &format!("sip:{A}"), &to_bob);
    let challenge = alice.expect(&mut world, "407");
    alice.refer_proven(&mut world, &challenge, ("alice", "guessed"), &to_bob);
    alice.expect(&mut world, "407");
    // Nobody asks in another's name, nor has another called.
    let carol = (format!("carol@{A}"), format!("sip:{A}"));
    let others = [format!("sip:bob@{A}"), format!("sip:alice@{B}")].map(|uri| (format!("alice@{A}"), uri));
    for (from, uri) in others.into_iter().chain([carol]) {
        alice.refer(&mut world, &from, &uri, &to_bob);
        let challenge = alice.expect(&mut world, "407");
        alice.refer_proven(&mut world, &challenge, ("alice", PASSWORD), &to_bob);
        alice.expect(&mut world, "403");
    }
    let mut erin = world.phone(KNOWN_SOURCE);
    erin.exchange = PUBLIC.parse().unwrap();
    erin.refer(&mut world, &format!("erin@{KNOWN}"), &format!("sip:{KNOWN}"), &to_bob);
    erin.expect(&mut world, "403");
    for address in ["192.0.2.77:5060", CARRIER, PBX] {
        let mut phone = world.phone(address);
        phone.refer(&mut world, &format!("{NUMBER}@x.example"), "sip:192.0.2.1", &format!("Refer-To: {OUTSIDE}\r\n"));
        phone.expect(&mut world, "403");
    }
    desk.expect_silence(&mut world);
    bob.expect_silence(&mut world);
    world.assert_nothing_left();
    assert!(referred(&world).is_empty() && world.watch.story().is_empty());
}

fn what_cannot_be_read_is_400() {
    let mut world = World::with_users();
    let [mut alice, ..] = people(&mut world);
    for headers in ["X: y", "Refer-To: bob", "Refer-To: <sip:a@b>\r\nRefer-To: <sip:c@d>", "r: <sip:a@b>, <sip:c@d>"] {
        alice.refer(&mut world, &format!("alice@{A}"), &format!("sip:{A}"), &format!("{headers}\r\n"));
        alice.expect(&mut world, "400");
    }
    let to_bob = format!("Refer-To: <sip:bob@{A}>\r\n");
    alice.refer(&mut world, &format!("alice@{A}"), &format!("sip:{A}"), &format!("{to_bob}Require: replaces\r\n"));
    alice.expect(&mut world, "420");
    world.assert_nothing_left();
    assert!(world.watch.story().is_empty());
}

fn what_leads_nowhere_is_refused_and_in_the_history() {
    let refused = [
        (format!("<sip:nobody@{A}>"), 404, "no such user"),
        (format!("<sip:carol@{A}>"), 480, "registered"),
        ("<sip:+12025550199@a.example>".to_owned(), 403, "of the account alone"),
        (format!("<sip:alice@{A}>"), 403, "the target is who asks"),
        ("<http://a.example/>".to_owned(), 416, "scheme"),
        (format!("<sip:bob@{A};method=BYE>"), 501, "method"),
        (format!("<sip:bob@{A}?Replaces=1%40a>"), 400, "replaced"),
    ];
    for (target, status, why) in refused {
        let mut world = World::with_users();
        let [mut alice, desk, bob] = people(&mut world);
        asks(&mut world, &mut alice, &format!("Refer-To: {target}\r\n"));
        alice.expect(&mut world, &format!("{status} (2 REFER)"));
        desk.expect_silence(&mut world);
        bob.expect_silence(&mut world);
        world.assert_nothing_left();
        let refused = refusal(&world);
        assert!(refused.status == status && refused.reason.contains(why), "{refused:?}");
        assert_eq!(ended(&world), (EndCause::Failed, Some(status)));
    }
    let mut world = World::with_users();
    let mut bob = registered(&mut world, "bob", BOB);
    let mut alice = world.phone(ALICE);
    alice.exchange = PUBLIC.parse().unwrap();
    asks(&mut world, &mut alice, &format!("Refer-To: <sip:bob@{A}>\r\n"));
    alice.expect(&mut world, "480");
    bob.forget_call();
    bob.expect_silence(&mut world);
    world.assert_nothing_left();
}

fn a_number_that_leads_elsewhere_is_not_its_senders() {
    let mut world = World::default();
    allow(&mut world, PBX, "any");
    let mut pbx = world.phone(PBX);
    pbx.exchange = PUBLIC.parse().unwrap();
    for from in ["+12025550142", "desk", tests::world::NUMBER_V6] {
        pbx.refer(&mut world, &format!("{from}@pbx.example"), "sip:192.0.2.1", &format!("Refer-To: {OUTSIDE}\r\n"));
        let answer = pbx.expect(&mut world, "40");
        assert!(matches!(answer.status(), Some(403 | 404)));
    }
    world.assert_nothing_left();
    assert_eq!(lines(&world, "INVITE"), 0);
}

fn nobody_picks_up_the_call_of_who_asked() {
    let mut world = World::with_users();
    let [mut alice, mut desk, bob] = people(&mut world);
    let mut carol = registered(&mut world, "carol", "198.51.100.62:43000");
    let invite = rings_alice(&mut world, &mut alice, &mut desk);
    let offer = carol.sdp("sendrecv");
    let replaces = format!("Replaces: {}\r\n", desk.named());
    carol.call_as(&mut world, &format!("carol@{A}"), &format!("sip:alice@{A}"), Some(&offer));
    let challenge = carol.expect(&mut world, "407");
    carol.extra = replaces;
    carol.prove(&mut world, &challenge, ("carol", PASSWORD), Some(&offer));
    carol.expect(&mut world, "100");
    carol.extra = String::new();
    super::refused(&mut world, &mut carol, "481");
    desk.respond(&mut world, &invite, 603, None);
    desk.expect(&mut world, "ACK");
    hears(&mut world, &mut alice, 603);
    bob.expect_silence(&mut world);
    world.assert_nothing_left();
}

fn what_the_exchange_ends_is_told() {
    for answered in [false, true] {
        let mut world = World::with_users();
        let [mut alice, mut desk, mut bob] = people(&mut world);
        if answered {
            let invite = rings_bob(&mut world, &mut alice, &mut desk, &mut bob);
            world.release_all();
            hears(&mut world, &mut alice, 487);
            gets_bye(&mut world, &mut desk);
            cancelled(&mut world, &mut bob, &invite);
        } else {
            let invite = rings_alice(&mut world, &mut alice, &mut desk);
            world.release_all();
            hears(&mut world, &mut alice, 487);
            cancelled(&mut world, &mut desk, &invite);
        }
        world.assert_nothing_left();
        assert_eq!(ended(&world).0, EndCause::Failed);
    }
}

fn a_transfer_follows_as_in_any_call() {
    let mut world = World::with_users();
    let [mut alice, mut desk, mut bob] = people(&mut world);
    let mut carol = registered(&mut world, "carol", "198.51.100.62:43000");
    let invite = rings_bob(&mut world, &mut alice, &mut desk, &mut bob);
    connects(&mut world, &mut desk, &mut bob, &invite);
    hears(&mut world, &mut alice, 200);
    super::refer::refers(&mut world, &mut desk, &format!("<sip:carol@{A}>"));
    let invite = super::refer::rings(&mut world, &mut desk, &mut carol);
    assert!(invite.header(HeaderName::From).unwrap().starts_with("<sip:bob@a.example>"));
    super::refer::picks_up(&mut world, &mut carol, &invite);
    hears(&mut world, &mut desk, 200);
    gets_bye(&mut world, &mut desk);
    hang_up(&mut world, &mut bob, &mut carol);
    world.assert_nothing_left();
    assert_eq!(ended(&world), (EndCause::Completed, Some(200)));
}

fn an_account_with_all_its_calls_gets_no_more_by_refer() {
    let mut world = World::with_users();
    let [mut alice, mut desk, mut bob] = people(&mut world);
    let mut carol = registered(&mut world, "carol", "198.51.100.62:43000");
    world.limit_account(json!({ "max_calls": 1 }));
    let invite = rings_bob(&mut world, &mut alice, &mut desk, &mut bob);
    let mut other = Phone::on_line(carol.address, 9);
    other.exchange = carol.exchange;
    let to_bob = format!("Refer-To: <sip:bob@{A}>\r\n");
    other.refer(&mut world, &format!("carol@{A}"), &format!("sip:{A}"), &to_bob);
    let challenge = other.expect(&mut world, "407");
    other.refer_proven(&mut world, &challenge, ("carol", PASSWORD), &to_bob);
    assert!(other.expect(&mut world, "480").has(HeaderName::RetryAfter));
    carol.expect_silence(&mut world);
    connects(&mut world, &mut desk, &mut bob, &invite);
    hears(&mut world, &mut alice, 200);
    hang_up(&mut world, &mut desk, &mut bob);
    carol.forget_call();
    world.assert_nothing_left();
    assert_eq!(&*refusal(&world).rule, "account-limit");
}

fn carriers_without_room_are_not_asked_for_the_target() {
    let mut world = World::default();
    allow(&mut world, PBX, "any");
    let out = |index: usize, more: serde_json::Value| {
        let mut settings = json!({
            "name": "out", "kind": "carrier", "destination": format!("sip:{}", tests::world::OUT[index]),
            "prefixes": ["+1"], "priority": index + 1, "ring_timeout": 20,
        });
        settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        settings
    };
    world.set_trunk(3, out(0, json!({ "max_calls": 1 })));
    world.set_trunk(4, out(1, json!({ "enabled": false })));
    let (mut pbx, [mut first, _], invite) = super::called_out(&mut world);
    let mut asking = Phone::on_line(pbx.address, 8);
    asking.exchange = pbx.exchange;
    let mut desk = asker(&pbx);
    asking.refer(&mut world, &format!("{NUMBER}@pbx.example"), "sip:192.0.2.1", &format!("Refer-To: {OUTSIDE}\r\n"));
    asking.expect(&mut world, "202");
    hears(&mut world, &mut asking, 100);
    let ring = desk.expect(&mut world, "INVITE");
    waits(&mut world, &mut desk, &ring);
    hears(&mut world, &mut asking, 480);
    gets_bye(&mut world, &mut desk);
    super::answer(&mut world, &mut pbx, &mut first, &invite);
    hang_up(&mut world, &mut pbx, &mut first);
    world.assert_nothing_left();
}

fn who_asked_may_stop_listening_and_has_no_call_to_end() {
    let mut world = World::with_users();
    let [mut alice, mut desk, mut bob] = people(&mut world);
    let invite = rings_bob(&mut world, &mut alice, &mut desk, &mut bob);
    alice.say(&mut world, "BYE");
    alice.expect(&mut world, "481");
    let contact = format!("Contact: <sip:phone@{}>\r\n", alice.address);
    alice.say_with(&mut world, "SUBSCRIBE", &format!("Event: refer\r\nExpires: 0\r\n{contact}"), "");
    alice.expect(&mut world, "200 (");
    let last = alice.expect(&mut world, "NOTIFY");
    assert_eq!(last.header(HeaderName::SubscriptionState), Some("terminated;reason=timeout"));
    alice.respond(&mut world, &last, 200, None);
    connects(&mut world, &mut desk, &mut bob, &invite);
    alice.expect_silence(&mut world);
    hang_up(&mut world, &mut bob, &mut desk);
    world.assert_nothing_left();
    assert_eq!(ended(&world), (EndCause::Completed, Some(200)));
}
