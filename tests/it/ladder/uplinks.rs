//! Trunks at which the exchange keeps itself registered.

use super::{answer, comes, hang_up, lines, pass, refused};
use domain::routing::HostKey;
use domain::sip::digest::Credentials;
use domain::sip::wire::{HeaderName, Message};
use domain::uplink::{RegistrationState, UplinkEndCause, UplinkEvent};
use serde_json::{Value, json};
use tests::world::{NUMBER, OUT, OUT_LOGIN, PBX, Phone, World, login};

/// The trunk that registers.
const TRUNK: u128 = 3;

fn settings(password: &str) -> Value {
    json!({
        "name": "out", "kind": "carrier", "destination": format!("sip:{}", OUT[0]), "prefixes": ["+1"], "priority": 1,
        "ring_timeout": 20, "login": login((OUT_LOGIN.0, password)),
        "register": { "registrar": format!("sip:{}", OUT[0]), "aor": "sip:account-7@carrier.example", "expires": 600 },
    })
}

/// A world whose first carrier is registered at, the carrier, and the first REGISTER.
#[track_caller]
fn registering() -> (World, Phone, Message) {
    let mut world = World::default();
    world.set_trunk(TRUNK, settings(OUT_LOGIN.1));
    let mut carrier = world.phone(OUT[0]);
    let (register, _) = comes(&mut world, &mut carrier, "REGISTER sip:198.51.100.11:5060", 1_000);
    (world, carrier, register)
}

/// The same, registered for so many seconds.
#[track_caller]
fn registered(seconds: u32) -> (World, Phone, Message) {
    let (mut world, mut carrier, register) = registering();
    grants(&mut world, &mut carrier, &register, seconds);
    assert_eq!(state(&world), Some(RegistrationState::Registered));
    (world, carrier, register)
}

#[track_caller]
fn grants(world: &mut World, carrier: &mut Phone, register: &Message, seconds: u32) {
    carrier.respond_saying(world, register, 200, &format!("Expires: {seconds}"));
}

#[track_caller]
fn challenges(world: &mut World, carrier: &mut Phone, register: &Message, nonce: &str) {
    let line = format!("WWW-Authenticate: Digest realm=\"carrier\", nonce=\"{nonce}\", qop=\"auth\"");
    carrier.respond_saying(world, register, 401, &line);
}

fn state(world: &World) -> Option<RegistrationState> {
    world.standing(TRUNK).registration.map(|registration| registration.state)
}

fn last_error(world: &World) -> String {
    world.standing(TRUNK).registration.and_then(|registration| registration.last_error).unwrap_or_default().into()
}

fn count(register: &Message) -> Option<u32> {
    Credentials::parse(register.header(HeaderName::Authorization)?).unwrap().count()
}

fn expires(register: &Message) -> Option<&str> {
    register.header(HeaderName::Expires)
}

/// The trunk goes; the carrier is told, and nothing is left.
#[track_caller]
fn removed(mut world: World, mut carrier: Phone) -> World {
    world.remove_trunk(TRUNK);
    pass(&mut world, 0);
    let last = carrier.expect(&mut world, "REGISTER");
    assert_eq!(expires(&last), Some("0"));
    assert!(last.header(HeaderName::Contact).unwrap().ends_with(";expires=0"));
    carrier.respond(&mut world, &last, 200, None);
    carrier.expect_silence(&mut world);
    world.assert_nothing_left();
    assert_eq!((world.uplinks().last(), world.open_uplinks()), (Some(&"unregistered"), 0));
    assert_eq!(state(&world), None);
    world
}

fn a_trunk_is_registered_at_refreshed_and_left() {
    let (mut world, mut carrier, first) = registering();
    assert!(!first.has(HeaderName::Authorization));
    assert_eq!(first.header(HeaderName::To), Some("<sip:account-7@carrier.example>"));
    assert!(first.header(HeaderName::From).unwrap().starts_with("<sip:account-7@carrier.example>;tag="));
    let contact = first.header(HeaderName::Contact).unwrap();
    assert!(contact.starts_with("<sip:u") && contact.ends_with("@192.0.2.1:5060>;expires=600"), "{contact}");
    assert_eq!(state(&world), Some(RegistrationState::Registering));
    challenges(&mut world, &mut carrier, &first, "n1");
    let second = carrier.expect(&mut world, "REGISTER");
    assert_eq!((count(&second), second.cseq().unwrap().number), (Some(1), 2));
    grants(&mut world, &mut carrier, &second, 60);
    assert_eq!(state(&world), Some(RegistrationState::Registered));
    let (third, after) = comes(&mut world, &mut carrier, "REGISTER", 30_100);
    assert!((15_000..=30_100).contains(&after), "{after}");
    assert_eq!((count(&third), third.cseq().unwrap().number), (Some(2), 3));
    for name in [HeaderName::CallId, HeaderName::Contact, HeaderName::To] {
        assert_eq!(first.header(name), third.header(name));
    }
    grants(&mut world, &mut carrier, &third, 60);
    let world = removed(world, carrier);
    assert_eq!(world.uplinks(), ["begun", "registered", "refreshed", "unregistered"]);
    insta::assert_snapshot!("a_trunk_is_registered_at_refreshed_and_left", world.ladder);
}

fn a_registrar_that_refuses_the_password_is_asked_again_ever_later() {
    let (mut world, mut carrier, mut register) = registering();
    for most in [30_000, 60_000, 120_000] {
        challenges(&mut world, &mut carrier, &register, "n1");
        register = carrier.expect(&mut world, "REGISTER");
        challenges(&mut world, &mut carrier, &register, "n1");
        carrier.expect_silence(&mut world);
        assert_eq!(state(&world), Some(RegistrationState::Refused));
        assert!(last_error(&world).starts_with("401: the peer refused the credentials"), "{}", last_error(&world));
        let (again, after) = comes(&mut world, &mut carrier, "REGISTER", most + 100);
        assert!(after >= most / 2, "{after}");
        register = again;
    }
    grants(&mut world, &mut carrier, &register, 600);
    assert_eq!((state(&world), last_error(&world).as_str()), (Some(RegistrationState::Registered), ""));
    let world = removed(world, carrier);
    assert_eq!(world.uplinks()[..5], ["begun", "refused", "refused", "refused", "registered"]);
}

fn a_registrar_that_wants_longer_gets_it() {
    let (mut world, mut carrier, register) = registering();
    assert_eq!(expires(&register), Some("600"));
    carrier.respond_saying(&mut world, &register, 423, "Min-Expires: 1800");
    let again = carrier.expect(&mut world, "REGISTER");
    assert_eq!((expires(&again), again.cseq().unwrap().number), (Some("1800"), 2));
    grants(&mut world, &mut carrier, &again, 1_800);
    let world = removed(world, carrier);
    assert_eq!(world.uplinks(), ["begun", "registered", "unregistered"]);
}

fn a_registrar_that_falls_silent_is_lost_and_comes_back() {
    let (mut world, mut carrier, _) = registered(60);
    world.deafen(OUT[0], true);
    pass(&mut world, 61_000);
    assert_eq!(state(&world), Some(RegistrationState::Lost), "{:?}", world.uplinks());
    world.deafen(OUT[0], false);
    carrier.ignore_all(&mut world);
    let (register, _) = comes(&mut world, &mut carrier, "REGISTER", 60_000);
    grants(&mut world, &mut carrier, &register, 60);
    assert_eq!(state(&world), Some(RegistrationState::Registered));
    let world = removed(world, carrier);
    let story = world.uplinks();
    let words = ["lost", "refused", "back"].map(|word| story.contains(&word));
    assert_eq!(words, [true; 3], "{story:?}");
}

fn a_refresh_that_is_refused_leaves_the_registration_until_its_end() {
    let (mut world, mut carrier, _) = registered(60);
    let (refresh, _) = comes(&mut world, &mut carrier, "REGISTER", 30_100);
    carrier.respond_saying(&mut world, &refresh, 503, "Retry-After: 20");
    assert_eq!(state(&world), Some(RegistrationState::Registered));
    assert_eq!(last_error(&world), "503 Service Unavailable");
    let until = world.standing(TRUNK).registration.unwrap().until.unwrap();
    let (again, after) = comes(&mut world, &mut carrier, "REGISTER", 30_100);
    assert!(after >= 20_000, "{after}");
    grants(&mut world, &mut carrier, &again, 60);
    assert!(world.standing(TRUNK).registration.unwrap().until.unwrap() > until);
    let world = removed(world, carrier);
    let refused = world.uplinks().iter().filter(|word| **word == "refused").count();
    assert_eq!(refused, 1);
}

fn a_trunk_that_goes_while_an_answer_is_awaited_is_left_after_it() {
    let (mut world, mut carrier, register) = registering();
    world.remove_trunk(TRUNK);
    pass(&mut world, 0);
    carrier.expect_silence(&mut world);
    grants(&mut world, &mut carrier, &register, 600);
    let last = carrier.expect(&mut world, "REGISTER");
    assert_eq!(expires(&last), Some("0"));
    carrier.respond(&mut world, &last, 200, None);
    world.assert_nothing_left();
    assert_eq!(world.uplinks(), ["begun", "registered", "unregistered"]);
}

fn a_trunk_that_was_never_registered_at_is_left_without_a_word() {
    let (mut world, carrier, register) = registering();
    carrier.respond(&mut world, &register, 403, None);
    world.remove_trunk(TRUNK);
    pass(&mut world, 0);
    carrier.expect_silence(&mut world);
    world.assert_nothing_left();
    assert_eq!((world.uplinks(), world.open_uplinks()), (vec!["begun", "refused", "ended"], 0));
}

fn a_registrar_that_does_not_hear_that_we_leave_is_left_all_the_same() {
    let (mut world, carrier, _) = registered(600);
    world.deafen(OUT[0], true);
    world.remove_trunk(TRUNK);
    pass(&mut world, 33_000);
    carrier.expect_silence(&mut world);
    world.assert_nothing_left();
    assert_eq!(world.uplinks(), ["begun", "registered", "ended"]);
}

fn another_password_means_another_registration_after_the_old_one_is_left() {
    let (mut world, mut carrier, first) = registered(600);
    world.set_trunk(TRUNK, settings("another secret"));
    let (last, _) = comes(&mut world, &mut carrier, "REGISTER", 1_000);
    assert_eq!(expires(&last), Some("0"));
    carrier.expect_silence(&mut world);
    carrier.respond(&mut world, &last, 200, None);
    let (new, _) = comes(&mut world, &mut carrier, "REGISTER", 1_100);
    assert_eq!(expires(&new), Some("600"));
    assert_ne!(new.header(HeaderName::CallId), first.header(HeaderName::CallId));
    grants(&mut world, &mut carrier, &new, 600);
    let world = removed(world, carrier);
    assert_eq!(world.uplinks().iter().filter(|word| **word == "unregistered").count(), 2);
}

fn what_has_nothing_to_do_with_the_registration_changes_nothing_about_it() {
    let (mut world, carrier, _) = registered(600);
    let mut other = settings(OUT_LOGIN.1);
    other["priority"] = json!(7);
    other["health"] = json!({ "rule": "failures" });
    world.set_trunk(TRUNK, other);
    pass(&mut world, 1_000);
    carrier.expect_silence(&mut world);
    assert_eq!(state(&world), Some(RegistrationState::Registered));
    removed(world, carrier);
}

fn an_exchange_that_takes_no_more_calls_leaves_its_registrars() {
    let (mut world, mut carrier, _) = registered(600);
    world.exchange.drain();
    pass(&mut world, 0);
    let last = carrier.expect(&mut world, "REGISTER");
    assert_eq!(expires(&last), Some("0"));
    carrier.respond(&mut world, &last, 200, None);
    world.assert_nothing_left();
    let ended = world.uplink_events().into_iter().find_map(|event| match event {
        UplinkEvent::UplinkEnded(ended) => Some(ended.cause),
        _ => None,
    });
    assert_eq!(ended, Some(UplinkEndCause::Drained));
}

fn a_trunk_that_is_switched_off_is_not_registered_at() {
    let mut world = World::default();
    let mut off = settings(OUT_LOGIN.1);
    off["enabled"] = json!(false);
    world.set_trunk(TRUNK, off);
    let carrier = world.phone(OUT[0]);
    pass(&mut world, 60_000);
    carrier.expect_silence(&mut world);
    world.assert_nothing_left();
    assert_eq!(world.uplinks(), [""; 0]);
}

/// The settings, with a registrar that is known by its name alone.
fn named() -> Value {
    let mut named = settings(OUT_LOGIN.1);
    named["register"]["registrar"] = json!("sip:registrar.example");
    named
}

fn resolves(world: &mut World, addresses: &[&str]) {
    let host = HostKey { host: "registrar.example".into(), port: None };
    let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
    world.exchange.resolved(host, addresses);
}

fn a_registrar_without_an_address_says_why_once_and_is_asked_soon_after_it_has_one() {
    let mut world = World::default();
    world.set_trunk(TRUNK, named());
    pass(&mut world, 40_000);
    assert!(last_error(&world).contains("has no address"), "{}", last_error(&world));
    assert_eq!(world.uplinks(), ["begun", "refused"]);
    let mut carrier = world.phone(OUT[0]);
    resolves(&mut world, &[OUT[0]]);
    let (register, _) = comes(&mut world, &mut carrier, "REGISTER sip:registrar.example", 1_000);
    // It was no failure of the registrar's, whose first is waited after as a first.
    carrier.respond(&mut world, &register, 503, None);
    let (register, _) = comes(&mut world, &mut carrier, "REGISTER sip:registrar.example", 30_100);
    grants(&mut world, &mut carrier, &register, 600);
    let world = removed(world, carrier);
    assert_eq!(world.uplinks(), ["begun", "refused", "refused", "registered", "unregistered"]);
}

/// A call of the carrier from that address to the Contact that it knows, for a number.
#[track_caller]
fn calls(world: &mut World, register: &Message, from: &str, number: &str) -> Phone {
    let contact = register.contacts().next().unwrap().unwrap().uri.as_str().to_owned();
    let mut caller = world.phone(from);
    let offer = caller.sdp("sendrecv");
    caller.call_contact(world, &contact, number, Some(&offer));
    caller
}

fn calls_to_our_contact_reach_the_number_that_was_called() {
    let (mut world, carrier, register) = registered(600);
    is_taken(&mut world, &register, "198.51.100.11:5999");
    let mut other = calls(&mut world, &register, "198.51.100.11:5998", "+19998887777");
    other.expect(&mut world, "100");
    refused(&mut world, &mut other, "404");
    removed(world, carrier);
}

fn strangers_do_not_become_a_carrier_by_its_contact() {
    let (mut world, carrier, register) = registered(600);
    let mut stranger = calls(&mut world, &register, "192.0.2.77:5060", NUMBER);
    refused(&mut world, &mut stranger, "403");
    assert_eq!(lines(&world, "pbx <- INVITE"), 0);
    let world = removed(world, carrier);
    assert_eq!(world.watch.events().count(), 0);
}

/// A call of the carrier to our Contact reaches the PBX, and ends.
#[track_caller]
fn is_taken(world: &mut World, register: &Message, from: &str) {
    let mut caller = calls(world, register, from, NUMBER);
    caller.expect(world, "100");
    let mut pbx = world.phone(PBX);
    let invite = pbx.expect(world, "INVITE sip:reception@203.0.113.1:5060");
    answer(world, &mut caller, &mut pbx, &invite);
    hang_up(world, &mut caller, &mut pbx);
}

#[track_caller]
fn is_refused(world: &mut World, register: &Message, from: &str) {
    let mut caller = calls(world, register, from, NUMBER);
    refused(world, &mut caller, "403");
}

/// The process ends and starts again; nobody has been asked yet.
#[track_caller]
fn starts_again(world: &mut World, settings: Value) {
    world.restart(true);
    world.set_trunk(TRUNK, settings);
    pass(world, 0);
    assert_eq!(state(world), Some(RegistrationState::Registering));
}

fn calls_to_our_contact_are_taken_before_a_new_start_is_registered() {
    let (mut world, mut carrier, before) = registered(600);
    starts_again(&mut world, settings(OUT_LOGIN.1));
    is_taken(&mut world, &before, "198.51.100.11:5999");
    is_refused(&mut world, &before, "192.0.2.77:5060");
    let (first, _) = comes(&mut world, &mut carrier, "REGISTER", 1_000);
    is_taken(&mut world, &before, "198.51.100.11:5998");
    carrier.respond_saying(&mut world, &first, 503, "Retry-After: 60");
    is_taken(&mut world, &before, "198.51.100.11:5997");
    is_refused(&mut world, &before, "192.0.2.77:5061");
    let (second, _) = comes(&mut world, &mut carrier, "REGISTER", 60_100);
    carrier.respond(&mut world, &second, 403, None);
    is_refused(&mut world, &before, "198.51.100.11:5996");
    world.remove_trunk(TRUNK);
    world.assert_nothing_left();
}

fn calls_to_our_contact_are_taken_from_every_address_of_the_registrar() {
    let mut world = World::default();
    world.set_trunk(TRUNK, named());
    resolves(&mut world, &[OUT[0], OUT[1]]);
    let mut carrier = world.phone(OUT[0]);
    let (register, _) = comes(&mut world, &mut carrier, "REGISTER sip:registrar.example", 1_000);
    grants(&mut world, &mut carrier, &register, 600);
    is_taken(&mut world, &register, "198.51.100.12:5999");
    starts_again(&mut world, named());
    is_refused(&mut world, &register, "198.51.100.12:5998");
    resolves(&mut world, &[OUT[0], OUT[1]]);
    is_taken(&mut world, &register, "198.51.100.12:5997");
    let (register, _) = comes(&mut world, &mut carrier, "REGISTER sip:registrar.example", 1_000);
    grants(&mut world, &mut carrier, &register, 600);
    removed(world, carrier);
}

fn calls_to_the_contact_of_a_trunk_that_is_left_are_refused() {
    let (mut world, carrier, register) = registering();
    world.remove_trunk(TRUNK);
    pass(&mut world, 0);
    // Its answer is awaited, and then it will be told that we go.
    is_refused(&mut world, &register, "198.51.100.11:5999");
    carrier.respond(&mut world, &register, 503, None);
    is_refused(&mut world, &register, "198.51.100.11:5998");
    world.assert_nothing_left();
    assert_eq!((world.uplinks(), world.open_uplinks()), (vec!["begun", "refused", "ended"], 0));
}

fn calls_go_out_by_a_trunk_that_registers() {
    let (mut world, carrier, _) = registered(600);
    let (mut pbx, [mut first, _], invite) = super::called_out(&mut world);
    answer(&mut world, &mut pbx, &mut first, &invite);
    hang_up(&mut world, &mut pbx, &mut first);
    removed(world, carrier);
}

fn a_start_registers_anew() {
    let (mut world, mut carrier, first) = registered(600);
    world.restart(true);
    world.set_trunk(TRUNK, settings(OUT_LOGIN.1));
    assert_eq!(state(&world), None);
    let (again, _) = comes(&mut world, &mut carrier, "REGISTER", 1_000);
    assert_ne!(again.header(HeaderName::CallId), first.header(HeaderName::CallId));
    assert_eq!(again.header(HeaderName::Contact), first.header(HeaderName::Contact), "it replaces what was");
    grants(&mut world, &mut carrier, &again, 600);
    world.remove_trunk(TRUNK);
    pass(&mut world, 0);
    let last = carrier.expect(&mut world, "REGISTER");
    carrier.respond(&mut world, &last, 200, None);
    world.assert_nothing_left();
    assert_eq!(world.uplinks(), ["begun", "registered", "ended", "begun", "registered", "unregistered"]);
    let causes = world.uplink_events().into_iter().filter_map(|event| match event {
        UplinkEvent::UplinkEnded(ended) => Some(ended.cause),
        _ => None,
    });
    assert_eq!(causes.collect::<Vec<_>>(), [UplinkEndCause::ProcessEnded, UplinkEndCause::Removed]);
    assert_eq!(world.open_uplinks(), 0);
}

super::scenarios![
    a_trunk_is_registered_at_refreshed_and_left,
    a_registrar_that_refuses_the_password_is_asked_again_ever_later,
    a_registrar_that_wants_longer_gets_it,
    a_registrar_that_falls_silent_is_lost_and_comes_back,
    a_refresh_that_is_refused_leaves_the_registration_until_its_end,
    a_trunk_that_goes_while_an_answer_is_awaited_is_left_after_it,
    a_trunk_that_was_never_registered_at_is_left_without_a_word,
    a_registrar_that_does_not_hear_that_we_leave_is_left_all_the_same,
    another_password_means_another_registration_after_the_old_one_is_left,
    what_has_nothing_to_do_with_the_registration_changes_nothing_about_it,
    an_exchange_that_takes_no_more_calls_leaves_its_registrars,
    a_trunk_that_is_switched_off_is_not_registered_at,
    a_registrar_without_an_address_says_why_once_and_is_asked_soon_after_it_has_one,
    calls_to_our_contact_reach_the_number_that_was_called,
    strangers_do_not_become_a_carrier_by_its_contact,
    calls_go_out_by_a_trunk_that_registers,
    a_start_registers_anew,
    calls_to_our_contact_are_taken_before_a_new_start_is_registered,
    calls_to_our_contact_are_taken_from_every_address_of_the_registrar,
    calls_to_the_contact_of_a_trunk_that_is_left_are_refused,
];
