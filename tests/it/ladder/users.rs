//! Calls from and to users of domains, and PBXes that prove themselves by password.

use super::{gets_bye, hang_up, lines, refused};
use domain::ids::TrunkId;
use domain::session::event::{RouteChosen, RouteRefused, SessionEvent, SessionOffered};
use domain::sip::wire::{HeaderName, Message};
use serde_json::json;
use tests::world::{
    A, ACME, B, CARRIER, IN_TURN, KNOWN, KNOWN_SOURCE, NUMBER_BOB, OUT, PASSWORD, PUBLIC, Phone, World, credential,
};

/// A phone behind NAT: its contact names the right host, and a port at which nobody listens.
fn phone(world: &mut World, name: &'static str, address: &str) -> Phone {
    let mut phone = world.phone(address);
    phone.exchange = PUBLIC.parse().unwrap();
    phone.contact = format!("<sip:{name}@{}:9>", phone.address.ip());
    world.name(address, name);
    phone
}

fn alice(world: &mut World) -> Phone {
    phone(world, "alice", "198.51.100.50:40000")
}

fn bob(world: &mut World) -> Phone {
    let mut bob = phone(world, "bob", "198.51.100.60:41000");
    bob.register(world, ("bob", A), PASSWORD, "");
    bob
}

/// Calls as a user of [`A`], and proves it.
#[track_caller]
fn call(world: &mut World, caller: &mut Phone, user: &str, uri: &str) {
    let offer = caller.sdp("sendrecv");
    caller.call_as(world, &format!("{user}@{A}"), uri, Some(&offer));
    let challenge = caller.expect(world, "407");
    caller.prove(world, &challenge, (user, PASSWORD), Some(&offer));
}

/// The call is answered: 200 and ACK on both sides.
#[track_caller]
fn answer(world: &mut World, caller: &mut Phone, callee: &mut Phone, invite: &Message) {
    super::answer(world, caller, callee, invite);
    callee.expect_silence(world);
}

fn offered(world: &World) -> SessionOffered {
    let found = world.watch.events().find_map(|event| match event {
        SessionEvent::SessionOffered(offered) => Some(offered.clone()),
        _ => None,
    });
    found.expect("no session was offered")
}

fn chosen(world: &World) -> RouteChosen {
    let found = world.watch.events().find_map(|event| match event {
        SessionEvent::RouteChosen(chosen) => Some(chosen.clone()),
        _ => None,
    });
    found.expect("no route was chosen")
}

fn route_refused(world: &World) -> RouteRefused {
    let found = world.watch.events().find_map(|event| match event {
        SessionEvent::RouteRefused(refused) => Some(refused.clone()),
        _ => None,
    });
    found.expect("no route was refused")
}

fn a_user_calls_a_user_and_both_are_reached_where_they_registered() {
    let mut world = World::with_users();
    let (mut alice, mut bob) = (alice(&mut world), bob(&mut world));
    alice.register(&mut world, ("alice", A), PASSWORD, "");
    call(&mut world, &mut alice, "alice", &format!("sip:bob@{A}"));
    alice.expect(&mut world, "100");
    let invite = bob.expect(&mut world, "INVITE sip:bob@198.51.100.60:9");
    assert_eq!(invite.header(HeaderName::To), Some("<sip:bob@a.example>"));
    assert!(invite.header(HeaderName::From).unwrap().starts_with("<sip:alice@a.example>;tag="));
    assert!(!invite.has(HeaderName::ProxyAuthorization));
    bob.respond(&mut world, &invite, 180, None);
    alice.expect(&mut world, "180");
    answer(&mut world, &mut alice, &mut bob, &invite);
    // Their contacts name ports at which nobody listens.
    bob.say(&mut world, "BYE");
    bob.expect(&mut world, "200");
    gets_bye(&mut world, &mut alice);
    world.assert_nothing_left();
    let offered = offered(&world);
    assert_eq!((offered.trunk, offered.user), (None, Some(credential(1))));
    let chosen = chosen(&world);
    assert_eq!(&*chosen.rule, "user");
    assert!(chosen.targets.known().unwrap()[0].binding.is_some());
}

fn who_names_the_network_of_others_users_as_its_trunks_gets_none_of_their_calls() {
    let mut world = World::with_users();
    let network = ["198.51.100.0/24"];
    world.add_trunk_of_other(30, json!({ "name": "wide", "kind": "pbx", "addresses": network, "ring_timeout": 20 }));
    let (mut alice, mut bob) = (alice(&mut world), bob(&mut world));
    call(&mut world, &mut alice, "alice", &format!("sip:bob@{A}"));
    alice.expect(&mut world, "100");
    let invite = bob.expect(&mut world, "INVITE sip:bob@198.51.100.60:9");
    answer(&mut world, &mut alice, &mut bob, &invite);
    hang_up(&mut world, &mut alice, &mut bob);
    world.assert_nothing_left();
    assert_eq!((offered(&world).trunk, offered(&world).user), (None, Some(credential(1))));
}

fn a_number_rings_the_device_of_the_user_that_it_points_at() {
    let mut world = World::with_users();
    let (mut bob, mut carrier) = (bob(&mut world), world.phone(CARRIER));
    let offer = carrier.sdp("sendrecv");
    carrier.call(&mut world, NUMBER_BOB, Some(&offer));
    carrier.expect(&mut world, "100");
    let invite = bob.expect(&mut world, "INVITE sip:bob@198.51.100.60:9");
    assert!(invite.header(HeaderName::From).unwrap().contains("<sip:+14155550100@exchange.example>"));
    answer(&mut world, &mut carrier, &mut bob, &invite);
    hang_up(&mut world, &mut carrier, &mut bob);
    world.assert_nothing_left();
    assert_eq!(&*chosen(&world).rule, "number-target");
    assert_eq!(offered(&world).trunk, Some(TrunkId::from_bits(1)));
}

fn a_user_dials_a_number_of_the_account_and_it_rings_inside() {
    let mut world = World::with_users();
    let (mut alice, mut bob) = (alice(&mut world), bob(&mut world));
    call(&mut world, &mut alice, "alice", &format!("sip:{NUMBER_BOB}@{A}"));
    alice.expect(&mut world, "100");
    let invite = bob.expect(&mut world, "INVITE sip:bob@");
    bob.respond(&mut world, &invite, 486, None);
    bob.expect(&mut world, "ACK");
    refused(&mut world, &mut alice, "486");
    world.assert_nothing_left();
    assert_eq!(&*chosen(&world).rule, "inside");
}

fn a_user_dials_a_number_and_it_goes_by_the_accounts_carrier() {
    let mut world = World::with_users();
    let (mut alice, mut out) = (alice(&mut world), world.phone(OUT[0]));
    out.exchange = PUBLIC.parse().unwrap();
    call(&mut world, &mut alice, "alice", &format!("sip:+12025550199@{A};user=phone"));
    alice.expect(&mut world, "100");
    let invite = out.expect(&mut world, "INVITE sip:+12025550199@198.51.100.11:5060");
    assert!(invite.header(HeaderName::From).unwrap().starts_with("<sip:alice@exchange.example>"));
    answer(&mut world, &mut alice, &mut out, &invite);
    alice.say(&mut world, "BYE");
    alice.expect(&mut world, "200");
    gets_bye(&mut world, &mut out);
    world.assert_nothing_left();
    assert_eq!(&*chosen(&world).rule, "carrier-by-prefix");
}

fn a_user_without_a_device_is_480_and_one_that_there_is_not_404() {
    for (user, status, reason) in [("carol", "480", "no device registered"), ("nobody", "404", "no such user")] {
        let mut world = World::with_users();
        let mut alice = alice(&mut world);
        call(&mut world, &mut alice, "alice", &format!("sip:{user}@{A}"));
        alice.expect(&mut world, "100");
        refused(&mut world, &mut alice, status);
        world.assert_nothing_left();
        let refused = route_refused(&world);
        assert_eq!((&*refused.rule, refused.status.to_string().as_str()), ("user", status));
        assert!(refused.reason.contains(reason), "{}", refused.reason);
    }
}

fn who_cannot_prove_who_it_is_leaves_nothing_but_a_count() {
    let mut world = World::with_users();
    let mut alice = alice(&mut world);
    let (offer, bob) = (alice.sdp("sendrecv"), format!("sip:bob@{A}"));
    alice.call_as(&mut world, &format!("alice@{A}"), &bob, Some(&offer));
    let challenge = alice.expect(&mut world, "407");
    let lines: Vec<_> = challenge.headers().filter(|header| header.name == HeaderName::ProxyAuthenticate).collect();
    assert!(lines.len() == 2 && lines[0].value.contains("SHA-256") && lines[1].value.contains("MD5"));
    assert!(lines[0].value.contains("realm=\"a.example\""));
    alice.prove(&mut world, &challenge, ("alice", "wrong"), Some(&offer));
    let again = alice.expect(&mut world, "407");
    // Right, but for another name than From has.
    alice.prove(&mut world, &again, ("carol", PASSWORD), Some(&offer));
    refused(&mut world, &mut alice, "403");
    alice.expect_silence(&mut world);
    assert_eq!(world.watch.events().count(), 0);
    world.assert_nothing_left();
}

fn another_accounts_users_are_not_there() {
    let mut world = World::with_users();
    let (mut theirs, mut alice) = (phone(&mut world, "theirs", "198.51.100.61:42000"), alice(&mut world));
    theirs.register(&mut world, ("alice", B), PASSWORD, "");
    call(&mut world, &mut alice, "alice", &format!("sip:alice@{B}"));
    alice.expect(&mut world, "100");
    refused(&mut world, &mut alice, "404");
    theirs.expect_silence(&mut world);
    world.assert_nothing_left();
    assert_eq!(offered(&world).user, Some(credential(1)));
}

fn a_gruu_rings_its_device_alone() {
    let mut world = World::with_users();
    let mut alice = alice(&mut world);
    let [mut desk, mobile] =
        [("desk", "198.51.100.62:43000"), ("mobile", "198.51.100.63:44000")].map(|(name, address)| {
            let mut device = phone(&mut world, name, address);
            let instance = format!(";+sip.instance=\"<urn:x:{name}>\"");
            device.register(&mut world, ("bob", A), PASSWORD, &instance);
            device
        });
    call(&mut world, &mut alice, "alice", &format!("sip:bob@{A};gr=urn:x:desk"));
    alice.expect(&mut world, "100");
    let invite = desk.expect(&mut world, "INVITE sip:desk@198.51.100.62:9");
    mobile.expect_silence(&mut world);
    desk.respond(&mut world, &invite, 486, None);
    desk.expect(&mut world, "ACK");
    refused(&mut world, &mut alice, "486");
    mobile.expect_silence(&mut world);
    world.assert_nothing_left();
    assert_eq!(&*chosen(&world).rule, "gruu");
}

fn the_next_device_rings_when_one_is_busy_where_they_ring_in_turn() {
    let mut world = World::with_users();
    let mut alice = alice(&mut world);
    let [mut old, mut new] = [("old", "198.51.100.62:43000"), ("new", "198.51.100.63:44000")].map(|(name, address)| {
        let mut device = phone(&mut world, name, address);
        device.register(&mut world, ("dave", IN_TURN), PASSWORD, "");
        super::pass(&mut world, 1_000);
        device
    });
    call(&mut world, &mut alice, "alice", &format!("sip:dave@{IN_TURN}"));
    alice.expect(&mut world, "100");
    let invite = new.expect(&mut world, "INVITE sip:new@");
    old.expect_silence(&mut world);
    new.respond(&mut world, &invite, 486, None);
    new.expect(&mut world, "ACK");
    let invite = old.expect(&mut world, "INVITE sip:old@");
    answer(&mut world, &mut alice, &mut old, &invite);
    alice.say(&mut world, "BYE");
    alice.expect(&mut world, "200");
    gets_bye(&mut world, &mut old);
    world.assert_nothing_left();
}

fn users_known_by_address_call_without_a_password_and_from_nowhere_else() {
    let mut world = World::with_users();
    let mut bob = bob(&mut world);
    let mut erin = phone(&mut world, "erin", KNOWN_SOURCE);
    let offer = erin.sdp("sendrecv");
    erin.call_as(&mut world, &format!("erin@{KNOWN}"), &format!("sip:bob@{A}"), Some(&offer));
    erin.expect(&mut world, "100");
    let invite = bob.expect(&mut world, "INVITE");
    assert!(invite.header(HeaderName::From).unwrap().starts_with("<sip:erin@known.example>"));
    bob.respond(&mut world, &invite, 603, None);
    bob.expect(&mut world, "ACK");
    refused(&mut world, &mut erin, "603");
    let mut mallory = phone(&mut world, "mallory", "198.51.100.71:5060");
    mallory.call_as(&mut world, &format!("erin@{KNOWN}"), &format!("sip:bob@{A}"), Some(&offer));
    refused(&mut world, &mut mallory, "403");
    bob.expect_silence(&mut world);
    world.assert_nothing_left();
    assert_eq!((offered(&world).trunk, offered(&world).user), (None, None));
}

fn a_pbx_without_an_address_proves_itself_by_password() {
    let mut world = World::with_users();
    let (mut pbx, mut out) = (phone(&mut world, "acme", "198.51.100.80:45000"), world.phone(OUT[0]));
    out.exchange = PUBLIC.parse().unwrap();
    let offer = pbx.sdp("sendrecv");
    pbx.call_as(&mut world, "+15550001111@pbx.acme.example", "sip:+12025550199@192.0.2.1:5070", Some(&offer));
    let challenge = pbx.expect(&mut world, "407");
    assert!(challenge.header(HeaderName::ProxyAuthenticate).unwrap().contains("realm=\"exchange.example\""));
    pbx.prove(&mut world, &challenge, ACME, Some(&offer));
    pbx.expect(&mut world, "100");
    let invite = out.expect(&mut world, "INVITE sip:+12025550199@198.51.100.11:5060");
    out.respond(&mut world, &invite, 404, None);
    out.expect(&mut world, "ACK");
    refused(&mut world, &mut pbx, "404");
    world.assert_nothing_left();
    assert_eq!((offered(&world).trunk, offered(&world).user), (Some(TrunkId::from_bits(20)), None));
    assert_eq!(lines(&world, "acme -> ACK"), 2, "the ACK to the challenge was absorbed");
}

super::scenarios![
    a_user_calls_a_user_and_both_are_reached_where_they_registered,
    who_names_the_network_of_others_users_as_its_trunks_gets_none_of_their_calls,
    a_number_rings_the_device_of_the_user_that_it_points_at,
    a_user_dials_a_number_of_the_account_and_it_rings_inside,
    a_user_dials_a_number_and_it_goes_by_the_accounts_carrier,
    a_user_without_a_device_is_480_and_one_that_there_is_not_404,
    who_cannot_prove_who_it_is_leaves_nothing_but_a_count,
    another_accounts_users_are_not_there,
    a_gruu_rings_its_device_alone,
    the_next_device_rings_when_one_is_busy_where_they_ring_in_turn,
    users_known_by_address_call_without_a_password_and_from_nowhere_else,
    a_pbx_without_an_address_proves_itself_by_password,
];
