//! MESSAGE outside any call (RFC 3428): to devices, to numbers and out by carriers.

use super::pass;
use domain::pager::{MessageEnded, PagerEvent};
use domain::sip::wire::{HeaderName, Message};
use tests::world::{A, B, CARRIER, NUMBER, OUT, OUT_LOGIN, PASSWORD, PBX, PUBLIC, Phone, World};

const HELLO: &str = "Hello, are you there?";

fn phone(world: &mut World, name: &'static str, address: &str) -> Phone {
    let mut phone = world.phone(address);
    phone.exchange = PUBLIC.parse().unwrap();
    world.name(address, name);
    phone
}

fn alice(world: &mut World) -> Phone {
    phone(world, "alice", "198.51.100.50:40000")
}

fn bob(world: &mut World, address: &str) -> Phone {
    let mut bob = phone(world, "bob", address);
    bob.register(world, ("bob", A), PASSWORD, "");
    bob
}

/// Alice says something and proves who she is.
#[track_caller]
fn says(world: &mut World, alice: &mut Phone, uri: &str) {
    alice.text(world, &format!("alice@{A}"), uri, ("", HELLO));
    let challenge = alice.expect(world, "407");
    alice.text_proven(world, &challenge, ("alice", PASSWORD), HELLO);
}

/// A PBX says something to a number.
fn from_pbx(world: &mut World, number: &str) -> Phone {
    let mut pbx = world.phone(PBX);
    pbx.exchange = PUBLIC.parse().unwrap();
    pbx.text(
        world,
        "desk@pbx.example",
        &format!("sip:{number}@192.0.2.1"),
        ("Subject: hi\r\nX-Private: no\r\n", HELLO),
    );
    pbx
}

fn text(message: &Message) -> String {
    String::from_utf8(message.body().to_vec()).unwrap()
}

#[track_caller]
fn over(mut world: World) -> World {
    world.assert_nothing_left();
    assert_eq!(world.open_messages(), 0);
    world
}

fn ended(world: &World) -> Vec<MessageEnded> {
    let ended = world.message_events().into_iter().filter_map(|event| match event {
        PagerEvent::MessageEnded(ended) => Some(ended),
        _ => None,
    });
    ended.collect()
}

fn a_user_says_something_to_another_and_hears_the_answer() {
    let mut world = World::with_users();
    let (mut alice, mut bob) = (alice(&mut world), bob(&mut world, "198.51.100.60:41000"));
    says(&mut world, &mut alice, &format!("sip:bob@{A}"));
    let message = bob.expect(&mut world, "MESSAGE sip:phone@198.51.100.60:41000");
    assert_eq!((text(&message).as_str(), message.header(HeaderName::ContentType)), (HELLO, Some("text/plain")));
    assert!(message.header(HeaderName::From).unwrap().starts_with("<sip:alice@a.example>;tag="));
    assert_eq!(message.header(HeaderName::To), Some("<sip:bob@a.example>"));
    assert_eq!(message.header(HeaderName::MaxForwards), Some("69"));
    assert!(!message.has(HeaderName::ProxyAuthorization) && !message.has(HeaderName::Contact));
    alice.expect_silence(&mut world);
    bob.respond(&mut world, &message, 200, None);
    let answer = alice.expect(&mut world, "200 (2 MESSAGE)");
    assert!(answer.body().is_empty() && !answer.has(HeaderName::Contact));
    let world = over(world);
    let story = ["heard", "offered", "routed by user", "sent", "heard 200", "ended 200", "sent 200"];
    assert_eq!(world.messages(), story);
    insta::assert_snapshot!("a_user_says_something_to_another_and_hears_the_answer", world.ladder);
}

fn every_device_gets_it_and_the_first_yes_counts() {
    let mut world = World::with_users();
    let mut alice = alice(&mut world);
    let mut devices = ["198.51.100.60:41000", "198.51.100.61:42000"].map(|address| bob(&mut world, address));
    says(&mut world, &mut alice, &format!("sip:bob@{A}"));
    let [one, two] = devices.each_mut().map(|device| device.expect(&mut world, "MESSAGE"));
    devices[0].respond(&mut world, &one, 486, None);
    alice.expect_silence(&mut world);
    devices[1].respond(&mut world, &two, 202, None);
    alice.expect(&mut world, "202");
    let world = over(world);
    assert_eq!(ended(&world), [MessageEnded { status: 202, target: Some(1) }]);
}

fn what_comes_after_the_first_yes_changes_nothing() {
    let mut world = World::with_users();
    let mut alice = alice(&mut world);
    let mut devices = ["198.51.100.60:41000", "198.51.100.61:42000"].map(|address| bob(&mut world, address));
    says(&mut world, &mut alice, &format!("sip:bob@{A}"));
    let [one, two] = devices.each_mut().map(|device| device.expect(&mut world, "MESSAGE"));
    devices[0].respond(&mut world, &one, 200, None);
    alice.expect(&mut world, "200");
    devices[1].respond(&mut world, &two, 200, None);
    alice.expect_silence(&mut world);
    assert_eq!(ended(&over(world)).len(), 1);
}

fn who_has_no_device_is_480_and_who_is_not_there_404() {
    for (user, status) in [("carol", "480"), ("nobody", "404")] {
        let mut world = World::with_users();
        let mut alice = alice(&mut world);
        says(&mut world, &mut alice, &format!("sip:{user}@{A}"));
        alice.expect(&mut world, status);
        let world = over(world);
        let last = [format!("unroutable: {status}"), format!("ended {status}"), format!("sent {status}")];
        assert_eq!(world.messages()[2..], last);
    }
}

fn strangers_and_wrong_passwords_leave_nothing_but_a_count() {
    let mut world = World::with_users();
    let (mut alice, bob) = (alice(&mut world), bob(&mut world, "198.51.100.60:41000"));
    alice.text(&mut world, &format!("alice@{A}"), &format!("sip:bob@{A}"), ("", HELLO));
    let challenge = alice.expect(&mut world, "407");
    alice.text_proven(&mut world, &challenge, ("alice", "guessed"), HELLO);
    alice.expect(&mut world, "407");
    // Nobody speaks under another's name.
    alice.text(&mut world, &format!("carol@{A}"), &format!("sip:bob@{A}"), ("", HELLO));
    let challenge = alice.expect(&mut world, "407");
    alice.text_proven(&mut world, &challenge, ("alice", PASSWORD), HELLO);
    alice.expect(&mut world, "403");
    let mut stranger = phone(&mut world, "stranger", "192.0.2.77:5060");
    stranger.exchange = tests::world::EXCHANGE.parse().unwrap();
    stranger.text(&mut world, "x@y.example", &format!("sip:{NUMBER}@192.0.2.1"), ("", HELLO));
    stranger.expect(&mut world, "403");
    bob.expect_silence(&mut world);
    assert_eq!(over(world).messages(), [""; 0]);
}

fn another_accounts_users_are_not_there() {
    let mut world = World::with_users();
    let mut alice = alice(&mut world);
    says(&mut world, &mut alice, &format!("sip:alice@{B}"));
    alice.expect(&mut world, "404");
    over(world);
}

fn a_number_of_the_account_is_reached_inside_and_from_a_carrier() {
    let mut world = World::default();
    let mut carrier = world.phone(CARRIER);
    carrier.text(&mut world, "x@carrier.example", &format!("sip:{NUMBER}@192.0.2.1"), ("", HELLO));
    let mut pbx = world.phone(PBX);
    let message = pbx.expect(&mut world, "MESSAGE sip:reception@203.0.113.1:5060");
    assert!(message.header(HeaderName::From).unwrap().contains("@exchange.example>"));
    pbx.respond(&mut world, &message, 200, None);
    carrier.expect(&mut world, "200");
    over(world);
}

fn a_pbx_says_something_to_the_world_and_the_next_carrier_is_asked_where_one_cannot() {
    let mut world = World::default();
    let mut pbx = from_pbx(&mut world, "+12025550199");
    let [mut first, mut second] = OUT.map(|address| phone(&mut world, "out", address));
    let message = first.expect(&mut world, "MESSAGE sip:+12025550199@198.51.100.11:5060");
    assert!(message.headers().any(|header| header.raw_name == "Subject"));
    assert!(!message.headers().any(|header| header.raw_name == "X-Private"));
    second.expect_silence(&mut world);
    first.respond(&mut world, &message, 503, None);
    let message = second.expect(&mut world, "MESSAGE");
    assert_eq!(text(&message), HELLO);
    second.respond(&mut world, &message, 202, None);
    pbx.expect(&mut world, "202");
    let world = over(world);
    assert_eq!(ended(&world), [MessageEnded { status: 202, target: Some(1) }]);
}

fn a_carrier_that_asks_who_we_are_gets_it_again() {
    let mut world = World::with_logins();
    let mut pbx = from_pbx(&mut world, "+12025550199");
    let mut first = phone(&mut world, "out", OUT[0]);
    let message = first.expect(&mut world, "MESSAGE");
    let challenge = "Proxy-Authenticate: Digest realm=\"carrier\", nonce=\"n1\", qop=\"auth\"";
    first.respond_saying(&mut world, &message, 407, challenge);
    let again = first.expect(&mut world, "MESSAGE");
    assert!(again.header(HeaderName::ProxyAuthorization).unwrap().contains(OUT_LOGIN.0));
    assert_eq!((text(&again).as_str(), again.cseq().unwrap().number), (HELLO, 2));
    pbx.expect_silence(&mut world);
    first.respond(&mut world, &again, 200, None);
    pbx.expect(&mut world, "200");
    over(world);
}

fn silence_is_told_when_the_last_has_had_its_time() {
    let mut world = World::default();
    let mut pbx = from_pbx(&mut world, "+12025550199");
    let [first, second] = OUT.map(|address| phone(&mut world, "out", address));
    pass(&mut world, 31_900);
    second.expect_silence(&mut world);
    pass(&mut world, 200);
    first.ignore_all(&mut world);
    pbx.expect_silence(&mut world);
    pass(&mut world, 32_100);
    second.ignore_all(&mut world);
    pbx.expect(&mut world, "504");
    over(world);
}

fn one_that_comes_again_gets_the_same_answer_and_goes_nowhere() {
    let mut world = World::default();
    let mut pbx = world.phone(PBX);
    pbx.exchange = PUBLIC.parse().unwrap();
    let uri = "sip:+12025550199@192.0.2.1".to_owned();
    pbx.text(&mut world, "desk@pbx.example", &uri, ("", HELLO));
    let mut first = phone(&mut world, "out", OUT[0]);
    let message = first.expect(&mut world, "MESSAGE");
    let said = world.received()[0].clone();
    world.deliver(said.clone());
    first.expect_silence(&mut world);
    first.respond(&mut world, &message, 200, None);
    let answer = pbx.expect(&mut world, "200");
    world.deliver(said);
    assert_eq!(pbx.expect(&mut world, "200").bytes(), answer.bytes());
    first.expect_silence(&mut world);
    let world = over(world);
    assert!(world.edge_counts().contains_key("message-repeat"));
}

fn what_may_go_no_further_or_is_too_long_is_refused_at_once() {
    let mut world = World::default();
    let mut pbx = world.phone(PBX);
    pbx.exchange = PUBLIC.parse().unwrap();
    let uri = "sip:+12025550199@192.0.2.1";
    pbx.text(&mut world, "desk@pbx.example", uri, ("", &"x".repeat(57_345)));
    pbx.expect(&mut world, "413");
    pbx.text(&mut world, "desk@pbx.example", uri, ("Require: teleport\r\n", HELLO));
    pbx.expect(&mut world, "420");
    world.exchange.drain();
    pbx.text(&mut world, "desk@pbx.example", uri, ("", HELLO));
    pbx.expect(&mut world, "503");
    assert_eq!(over(world).messages(), [""; 0]);
}

fn one_that_a_death_meets_on_its_way_is_said_once_and_answered() {
    let mut world = World::with_users();
    let (mut alice, mut bob) = (alice(&mut world), bob(&mut world, "198.51.100.60:41000"));
    says(&mut world, &mut alice, &format!("sip:bob@{A}"));
    let message = bob.expect(&mut world, "MESSAGE");
    world.dies();
    let again = bob.expect(&mut world, "MESSAGE");
    assert_eq!(again.bytes(), message.bytes(), "the same request, which bob absorbs");
    bob.respond(&mut world, &message, 200, None);
    alice.expect(&mut world, "200 (2 MESSAGE)");
    let world = over(world);
    assert_eq!(world.messages()[3..], ["sent", "heard 200", "ended 200", "sent 200"]);
}

fn who_sends_one_again_after_a_death_gets_the_answer_and_nobody_hears_it_twice() {
    let mut world = World::with_users();
    let (mut alice, mut bob) = (alice(&mut world), bob(&mut world, "198.51.100.60:41000"));
    alice.text(&mut world, &format!("alice@{A}"), &format!("sip:bob@{A}"), ("", HELLO));
    let challenge = alice.expect(&mut world, "407");
    let said = alice.text_proven(&mut world, &challenge, ("alice", PASSWORD), HELLO);
    let message = bob.expect(&mut world, "MESSAGE");
    bob.respond(&mut world, &message, 200, None);
    let answer = alice.expect(&mut world, "200 (2 MESSAGE)");
    pass(&mut world, 5_000);
    world.dies();
    // It was the last that was decided: nobody knows whether it left.
    assert_eq!(alice.expect(&mut world, "200 (2 MESSAGE)").bytes(), answer.bytes());
    world.send_to(PUBLIC.parse().unwrap(), alice.from(), said);
    assert_eq!(alice.expect(&mut world, "200 (2 MESSAGE)").bytes(), answer.bytes());
    bob.expect_silence(&mut world);
    assert_eq!(ended(&over(world)).len(), 1);
}

fn whom_nobody_answers_hears_so_also_over_deaths() {
    let mut world = World::with_users();
    let (mut alice, mut bob) = (alice(&mut world), bob(&mut world, "198.51.100.60:41000"));
    says(&mut world, &mut alice, &format!("sip:bob@{A}"));
    bob.expect(&mut world, "MESSAGE");
    pass(&mut world, 10_000);
    world.dies();
    pass(&mut world, 10_000);
    world.dies();
    pass(&mut world, 11_900);
    alice.expect_silence(&mut world);
    pass(&mut world, 200);
    alice.expect(&mut world, "504");
    bob.ignore_all(&mut world);
    assert_eq!(ended(&over(world)), [MessageEnded { status: 504, target: None }]);
}

super::scenarios![
    one_that_a_death_meets_on_its_way_is_said_once_and_answered,
    who_sends_one_again_after_a_death_gets_the_answer_and_nobody_hears_it_twice,
    whom_nobody_answers_hears_so_also_over_deaths,
    a_user_says_something_to_another_and_hears_the_answer,
    every_device_gets_it_and_the_first_yes_counts,
    what_comes_after_the_first_yes_changes_nothing,
    who_has_no_device_is_480_and_who_is_not_there_404,
    strangers_and_wrong_passwords_leave_nothing_but_a_count,
    another_accounts_users_are_not_there,
    a_number_of_the_account_is_reached_inside_and_from_a_carrier,
    a_pbx_says_something_to_the_world_and_the_next_carrier_is_asked_where_one_cannot,
    a_carrier_that_asks_who_we_are_gets_it_again,
    silence_is_told_when_the_last_has_had_its_time,
    one_that_comes_again_gets_the_same_answer_and_goes_nowhere,
    what_may_go_no_further_or_is_too_long_is_refused_at_once,
];
