//! Devices that register: with a password, durably, and across starts of the process.

use super::{pass, refused};
use domain::registration::{CommandRejection, NewBinding, RegistrationCommand, STATE_EVERY};
use domain::sip::wire::{HeaderName, Message};
use tests::world::{CARRIER, DEVICES, DOMAIN, Device, EXCHANGE, World};

const ALICE: &str = "alice@pbx.example";

fn alice() -> Device {
    Device::of("alice", DEVICES[0])
}

/// A second device of hers.
fn other() -> Device {
    Device::of("alice", DEVICES[1])
}

fn text(message: &Message) -> String {
    String::from_utf8(message.bytes().to_vec()).unwrap()
}

/// The Contact lines of an answer.
fn contacts(answer: &Message) -> Vec<String> {
    let text = text(answer);
    text.lines().filter_map(|line| line.strip_prefix("Contact: ")).map(str::to_owned).collect()
}

fn a_device_is_asked_for_its_password_and_told_all_bindings_of_its_user() {
    let mut world = World::default();
    let (mut first, mut second) = (alice(), other());
    let wanted = first.for_seconds(600);
    first.send(&mut world, &wanted);
    let challenge = first.expect(&mut world, 401);
    assert!(text(&challenge).contains("WWW-Authenticate: Digest realm=\"pbx.example\""), "{}", text(&challenge));
    assert_eq!((world.registered(), world.exchange.census().transactions), (vec![], 0), "nobody was believed");
    first.answer(&mut world, &wanted, &challenge);
    let answer = first.expect(&mut world, 200);
    assert_eq!(contacts(&answer), ["<sip:alice@198.51.100.70:5060;x=1>;expires=600"]);
    pass(&mut world, 100_000);
    let wanted = second.for_seconds(3_600);
    let answer = second.register(&mut world, &wanted, 200);
    assert_eq!(
        contacts(&answer),
        ["<sip:alice@198.51.100.70:5060;x=1>;expires=500", "<sip:alice@198.51.100.71:5060;x=1>;expires=3600"]
    );
    assert_eq!(world.registered(), ["received", "added", "200", "received", "added", "200"]);
    world.assert_nothing_left();
    assert_eq!(world.contacts_of(ALICE).len(), 2);
}

fn a_device_by_tcp_registers_all_the_same() {
    let mut world = World::default();
    let mut device = alice();
    device.tcp = true;
    let wanted = device.for_seconds(600);
    device.register(&mut world, &wanted, 200);
    device.expect_silence(&mut world);
    world.assert_nothing_left();
    assert_eq!(world.contacts_of(ALICE), [device.contact.clone()]);
}

fn bindings_are_refreshed_fetched_and_removed() {
    let mut world = World::default();
    let (mut first, mut second) = (alice(), other());
    let (ours, theirs) = (first.for_seconds(600), second.for_seconds(600));
    first.register(&mut world, &ours, 200);
    second.register(&mut world, &theirs, 200);
    pass(&mut world, 60_000);
    let answer = first.register(&mut world, &ours, 200);
    assert!(contacts(&answer)[0].ends_with("expires=600") && contacts(&answer)[1].ends_with("expires=540"));
    // Who names no contact asks what there is.
    assert_eq!(contacts(&second.register(&mut world, "", 200)).len(), 2);
    let gone = first.for_seconds(0);
    let answer = first.register(&mut world, &gone, 200);
    assert_eq!(contacts(&answer), ["<sip:alice@198.51.100.71:5060;x=1>;expires=540"]);
    assert_eq!(world.contacts_of(ALICE), [second.contact.clone()]);
    first.register(&mut world, &ours, 200);
    let answer = second.register(&mut world, "Contact: *\r\nExpires: 0\r\n", 200);
    assert_eq!((contacts(&answer).len(), world.contacts_of(ALICE).len()), (0, 0));
    let story = ["added", "added", "refreshed", "Unregistered", "added", "Unregistered", "Unregistered"];
    let happened: Vec<_> = world.registered().into_iter().filter(|word| story.contains(&word.as_str())).collect();
    assert_eq!(happened, story);
    world.assert_nothing_left();
}

fn a_registration_that_is_too_brief_is_told_how_long_it_must_be() {
    let mut world = World::default();
    let mut device = alice();
    let wanted = device.for_seconds(30);
    let answer = device.register(&mut world, &wanted, 423);
    assert!(text(&answer).contains("Min-Expires: 60\r\n"), "{}", text(&answer));
    assert_eq!(world.registered(), ["received", "423"]);
    let wanted = device.for_seconds(60);
    device.register(&mut world, &wanted, 200);
    world.assert_nothing_left();
}

fn a_wrong_password_and_an_unknown_user_get_the_same_401() {
    let mut world = World::default();
    let (mut wrong, mut unknown, mut right) = (alice(), other(), Device::of("bob", DEVICES[0]));
    wrong.password = "guessed".into();
    unknown.user = "carol".into();
    unknown.username = "carol".into();
    let wanted = wrong.for_seconds(600);
    let told = [&mut wrong, &mut unknown].map(|device| {
        let answer = device.register(&mut world, &wanted, 401);
        // All but the nonce, which is another one each time.
        let shape = |line: &str| {
            line.split_once("nonce=")
                .map(|(before, after)| (before.to_owned(), after.split_once(',').map(|rest| rest.1.to_owned())))
        };
        text(&answer).lines().filter(|line| line.starts_with("WWW-Authenticate: ")).map(shape).collect::<Vec<_>>()
    });
    assert_eq!(told[0], told[1]);
    assert!(!told[0].is_empty() && !format!("{told:?}").contains("stale=true"));
    assert_eq!(world.registered(), Vec::<String>::new());
    let wanted = right.for_seconds(600);
    right.register(&mut world, &wanted, 200);
    world.assert_nothing_left();
}

fn an_old_nonce_is_stale_and_the_device_may_try_again_by_itself() {
    let mut world = World::default();
    let mut device = alice();
    let wanted = device.for_seconds(3_600);
    device.register(&mut world, &wanted, 200);
    pass(&mut world, 400_000);
    device.send(&mut world, &wanted);
    let challenge = device.expect(&mut world, 401);
    assert!(text(&challenge).contains("stale=true"), "{}", text(&challenge));
    device.answer(&mut world, &wanted, &challenge);
    device.expect(&mut world, 200);
    assert_eq!(world.registered(), ["received", "added", "200", "received", "refreshed", "200"]);
    world.assert_nothing_left();
}

fn credentials_serve_once() {
    let mut world = World::default();
    let (mut device, mut thief) = (alice(), other());
    let wanted = device.for_seconds(600);
    device.register(&mut world, &wanted, 200);
    let heard = Message::scan(device.last.clone()).unwrap();
    let stolen = heard.header(HeaderName::Authorization).unwrap().to_owned();
    let wanted = thief.for_seconds(600);
    thief.send_with(&mut world, &wanted, Some((HeaderName::Authorization, stolen)));
    let challenge = thief.expect(&mut world, 401);
    assert!(text(&challenge).contains("stale=true"), "a device may have lost an answer: {}", text(&challenge));
    assert_eq!(world.contacts_of(ALICE), [device.contact.clone()]);
    world.assert_nothing_left();
}

fn only_users_of_our_domains_register_and_only_as_themselves() {
    let mut world = World::default();
    let mut stranger = alice();
    stranger.domain = "elsewhere.example".into();
    let wanted = stranger.for_seconds(600);
    stranger.send(&mut world, &wanted);
    stranger.expect(&mut world, 404);
    let mut bob = Device::of("bob", DEVICES[1]);
    bob.user = "alice".into();
    let wanted = bob.for_seconds(600);
    bob.register(&mut world, &wanted, 403);
    let mut lost = alice();
    lost.exchange = EXCHANGE.parse().unwrap();
    lost.send(&mut world, &wanted);
    lost.expect(&mut world, 405);
    assert_eq!((world.registered(), world.contacts_of(ALICE)), (vec![], vec![]));
    world.assert_nothing_left();
}

fn a_register_that_comes_again_gets_the_same_bytes_again() {
    let mut world = World::default();
    let mut device = alice();
    let wanted = device.for_seconds(600);
    let answer = device.register(&mut world, &wanted, 200);
    for _ in 0..3 {
        pass(&mut world, 500);
        device.repeat(&mut world);
        assert_eq!(device.expect(&mut world, 200).bytes(), answer.bytes());
    }
    assert_eq!(world.registered(), ["received", "added", "200"]);
    world.assert_nothing_left();
    let counts = world.edge_counts();
    assert_eq!(counts.get("register-repeat"), Some(&6), "heard thrice, said thrice");
}

fn a_flood_of_strangers_leaves_nothing_but_counts() {
    let mut world = World::default();
    for number in 0..30 {
        let mut device = Device::of(&format!("u{number}"), &format!("198.51.100.70:{}", 6_000 + number));
        let wanted = device.for_seconds(600);
        device.send(&mut world, &wanted);
        device.expect(&mut world, 401);
        // What it was told does not help without a password.
        device.send_with(&mut world, &wanted, None);
        device.expect(&mut world, 401);
    }
    let census = world.exchange.census();
    assert_eq!((census.transactions, census.timers, census.stateless_total), (0, 0, 60));
    assert_eq!((world.registered().len(), world.exchange.binding_count()), (0, 0));
    world.assert_nothing_left();
}

fn a_binding_that_nobody_refreshes_expires_as_an_event() {
    let mut world = World::default();
    let (mut first, mut second) = (alice(), other());
    let (ours, theirs) = (first.for_seconds(60), second.for_seconds(90));
    first.register(&mut world, &ours, 200);
    second.register(&mut world, &theirs, 200);
    pass(&mut world, 59_999);
    assert_eq!(world.exchange.binding_count(), 2);
    pass(&mut world, 101);
    assert_eq!(world.contacts_of(ALICE), [second.contact.clone()]);
    assert_eq!(world.registered().last().map(String::as_str), Some("Expired"));
    pass(&mut world, 30_000);
    assert_eq!((world.exchange.binding_count(), world.registered().len()), (0, 8));
    assert_eq!(world.open_registrations(), 0, "without bindings there is nothing to take up at the next start");
    world.assert_nothing_left();
}

fn bind(contact: &str, expires: Option<u32>) -> RegistrationCommand {
    let new = NewBinding { contact: contact.parse().unwrap(), q: None, expires };
    RegistrationCommand::Bind { new, by: None }
}

fn the_api_binds_and_unbinds() {
    let mut world = World::default();
    let mut device = alice();
    let wanted = device.for_seconds(600);
    device.register(&mut world, &wanted, 200);
    let made = world.command(ALICE, &bind("sip:alice@203.0.113.9", None)).unwrap().unwrap();
    let brief = world.command(ALICE, &bind("sip:alice@203.0.113.10", Some(60))).unwrap().unwrap();
    assert_eq!((brief.stream.clone(), brief.revision.0), (made.stream.clone(), made.revision.0 + 1));
    assert_eq!(world.contacts_of(ALICE).len(), 3);
    assert_eq!(world.command(ALICE, &bind("sip:alice@203.0.113.9", None)), Err(CommandRejection::Taken));
    assert_eq!(world.command("alice@elsewhere.example", &bind("sip:a@b", None)), Err(CommandRejection::NoDomain));
    // The device is told of it and cannot change it.
    let answer = device.register(&mut world, "Contact: *\r\nExpires: 0\r\n", 200);
    assert_eq!(contacts(&answer).len(), 2);
    pass(&mut world, 60_200);
    assert_eq!(world.contacts_of(ALICE), ["sip:alice@203.0.113.9"]);
    let unbind = RegistrationCommand::Unbind { id: made.binding, by: None };
    assert_eq!(world.command(ALICE, &unbind).unwrap().unwrap().binding, made.binding);
    assert_eq!(world.command(ALICE, &unbind), Err(CommandRejection::Unknown));
    assert_eq!(world.contacts_of(ALICE).len(), 0);
    // Who is refused leaves no stream behind.
    assert_eq!(world.command("bob@pbx.example", &unbind), Err(CommandRejection::Unknown));
    world.assert_nothing_left();
}

fn bindings_outlive_the_process_and_their_stream_goes_on() {
    let mut world = World::default();
    let mut device = alice();
    let wanted = device.for_seconds(600);
    device.register(&mut world, &wanted, 200);
    world.command(ALICE, &bind("sip:alice@203.0.113.9", None)).unwrap().unwrap();
    world.restart(true);
    assert_eq!(world.contacts_of(ALICE), [&device.contact, "sip:alice@203.0.113.9"]);
    pass(&mut world, 100_000);
    // Its nonce is of the last start.
    device.send(&mut world, &wanted);
    let challenge = device.expect(&mut world, 401);
    assert!(text(&challenge).contains("stale=true"), "{}", text(&challenge));
    device.answer(&mut world, &wanted, &challenge);
    assert_eq!(contacts(&device.expect(&mut world, 200)).len(), 2);
    world.restart(true);
    pass(&mut world, 600_100);
    assert_eq!(world.contacts_of(ALICE), ["sip:alice@203.0.113.9"], "what is taken up expires");
    let story = ["received", "added", "200", "added", "received", "refreshed", "200", "Expired"];
    assert_eq!(world.registered(), story);
    world.assert_nothing_left();
}

fn a_stream_that_is_elsewhere_than_thought_is_read_and_who_waited_is_answered() {
    let mut world = World::default();
    let mut device = alice();
    let wanted = device.for_seconds(600);
    device.register(&mut world, &wanted, 200);
    world.restart(false);
    world.hold_reads(true);
    device.send(&mut world, &wanted);
    let challenge = device.expect(&mut world, 401);
    device.answer(&mut world, &wanted, &challenge);
    // The log says that the stream exists; until it was read nothing is said, however often it is asked.
    pass(&mut world, 500);
    device.repeat(&mut world);
    device.expect_silence(&mut world);
    let away = world.command(ALICE, &bind("sip:alice@203.0.113.9", None));
    assert_eq!(away, Ok(None));
    world.hold_reads(false);
    let answer = device.expect(&mut world, 200);
    device.repeat(&mut world);
    assert_eq!(device.expect(&mut world, 200).bytes(), answer.bytes());
    assert_eq!(contacts(&answer), ["<sip:alice@198.51.100.70:5060;x=1>;expires=600"]);
    assert_eq!(world.registered(), ["received", "added", "200", "received", "refreshed", "200"]);
    world.assert_nothing_left();
}

fn a_stream_without_bindings_is_found_again_too() {
    let mut world = World::default();
    let mut device = alice();
    let wanted = device.for_seconds(30);
    device.register(&mut world, &wanted, 423);
    world.restart(false);
    device.cseq = 0;
    device.session.forget();
    let wanted = device.for_seconds(600);
    device.send(&mut world, &wanted);
    let challenge = device.expect(&mut world, 401);
    device.answer(&mut world, &wanted, &challenge);
    device.expect(&mut world, 200);
    assert_eq!(world.registered(), ["received", "423", "received", "added", "200"]);
    assert_eq!(world.contacts_of(ALICE), [device.contact.clone()]);
    world.assert_nothing_left();
}

fn a_long_stream_is_taken_up_from_its_last_summary() {
    let mut world = World::default();
    let mut device = alice();
    let wanted = device.for_seconds(3_600);
    world.command(ALICE, &bind("sip:alice@203.0.113.9", None)).unwrap().unwrap();
    for _ in 0..STATE_EVERY / 3 + 20 {
        device.register(&mut world, &wanted, 200);
    }
    let story = world.registered();
    let summary = story.iter().position(|word| word == "2 stated").unwrap();
    assert!((STATE_EVERY..STATE_EVERY + 4).contains(&summary), "{story:?}");
    assert_eq!(story[summary + 1..summary + 4], ["received", "refreshed", "200"], "it comes before what it is not of");
    world.restart(true);
    assert_eq!(world.contacts_of(ALICE).len(), 2);
    assert!((story.len() - summary..story.len()).contains(&world.most_read), "{}", world.most_read);
    // The chain goes on, and its next summary is as far from the last as ever.
    device.send(&mut world, &wanted);
    let challenge = device.expect(&mut world, 401);
    device.answer(&mut world, &wanted, &challenge);
    assert_eq!(contacts(&device.expect(&mut world, 200)).len(), 2);
    assert_eq!(world.registered().len(), story.len() + 3);
    world.assert_nothing_left();
}

fn a_user_with_one_device_needs_no_summary() {
    let mut world = World::default();
    let mut device = alice();
    let wanted = device.for_seconds(3_600);
    for _ in 0..STATE_EVERY / 3 + 20 {
        device.register(&mut world, &wanted, 200);
    }
    let story = world.registered();
    assert!(!story.iter().any(|word| word.contains("stated")), "{story:?}");
    world.restart(true);
    assert!(world.most_read < story.len(), "{}", world.most_read);
    assert_eq!(world.contacts_of(ALICE), [device.contact.clone()]);
    // A second one comes: from here on there are summaries, and what was told so far stays.
    world.command(ALICE, &bind("sip:alice@203.0.113.9", None)).unwrap().unwrap();
    world.restart(true);
    device.send(&mut world, &wanted);
    let challenge = device.expect(&mut world, 401);
    device.answer(&mut world, &wanted, &challenge);
    assert_eq!(contacts(&device.expect(&mut world, 200)).len(), 2);
    world.assert_nothing_left();
}

fn a_stream_without_bindings_leaves_memory_and_goes_on_when_its_user_comes_back() {
    let mut world = World::default();
    let mut device = alice();
    let wanted = device.for_seconds(600);
    device.register(&mut world, &wanted, 200);
    pass(&mut world, 60_000);
    assert_eq!(world.exchange.address_count(), 1, "what is bound is kept");
    let gone = device.for_seconds(0);
    let answer = device.register(&mut world, &gone, 200);
    pass(&mut world, 20_000);
    device.repeat(&mut world);
    assert_eq!(device.expect(&mut world, 200).bytes(), answer.bytes());
    pass(&mut world, 20_000);
    assert_eq!(world.exchange.address_count(), 0);
    device.register(&mut world, &wanted, 200);
    pass(&mut world, 700_000);
    assert_eq!((world.exchange.address_count(), world.contacts_of(ALICE).len()), (0, 0));
    // The API finds it too, and who is refused leaves nothing in memory.
    let made = world.command(ALICE, &bind("sip:alice@203.0.113.9", None)).unwrap().unwrap();
    let unbind = RegistrationCommand::Unbind { id: made.binding, by: None };
    assert_eq!(world.command("bob@pbx.example", &unbind), Err(CommandRejection::Unknown));
    assert_eq!(world.exchange.address_count(), 1);
    let story = ["received", "added", "200", "received", "Unregistered", "200", "received", "added", "200"];
    assert_eq!(world.registered(), [&story[..], &["Expired", "added"]].concat());
    world.assert_nothing_left();
}

fn who_comes_before_everything_is_loaded_may_come_again() {
    let mut world = World::default();
    let (mut device, mut caller) = (alice(), world.phone(CARRIER));
    let wanted = device.for_seconds(600);
    device.register(&mut world, &wanted, 200);
    world.begin_again();
    device.send(&mut world, &wanted);
    assert!(text(&device.expect(&mut world, 503)).contains("Retry-After: 5\r\n"));
    // A carrier that obeys Retry-After would send nobody's calls.
    let offer = caller.sdp("sendrecv");
    caller.call(&mut world, "+15559999999", Some(&offer));
    let refusal = caller.expect(&mut world, "503");
    assert!(refusal.header(HeaderName::RetryAfter).is_none());
    world.restore_open();
    device.send(&mut world, &wanted);
    device.expect(&mut world, 503);
    world.serve();
    device.send(&mut world, &wanted);
    let challenge = device.expect(&mut world, 401);
    device.answer(&mut world, &wanted, &challenge);
    device.expect(&mut world, 200);
    let mut caller = world.phone(CARRIER);
    caller.call(&mut world, "+15559999999", Some(&offer));
    caller.expect(&mut world, "100");
    refused(&mut world, &mut caller, "404");
    assert_eq!(world.registered(), ["received", "added", "200", "received", "refreshed", "200"]);
    world.assert_nothing_left();
}

/// The algorithms that a challenge asks for, in its order.
fn asked(challenge: &Message) -> Vec<String> {
    let text = text(challenge);
    let lines = text.lines().filter(|line| line.starts_with("WWW-Authenticate: "));
    let algorithm =
        |line: &str| line.split_once("algorithm=").map(|(_, rest)| rest.split(',').next().unwrap().to_owned());
    lines.filter_map(algorithm).collect()
}

fn users_are_asked_for_what_their_domain_is_set_to() {
    let mut world = World::default();
    let mut device = alice();
    let wanted = device.for_seconds(600);
    device.send(&mut world, &wanted);
    let challenge = device.expect(&mut world, 401);
    assert_eq!(asked(&challenge), ["SHA-256", "MD5"], "what all are asked");
    world.set_digest(1, DOMAIN, &["MD5"]);
    // What is not asked for any more does not help.
    device.answer(&mut world, &wanted, &challenge);
    let challenge = device.expect(&mut world, 401);
    assert_eq!(asked(&challenge), ["MD5"]);
    device.session.forget();
    device.answer(&mut world, &wanted, &challenge);
    device.expect(&mut world, 200);
    world.set_digest(1, DOMAIN, &["SHA-512-256", "MD5"]);
    let mut second = other();
    second.send(&mut world, &wanted);
    let challenge = second.expect(&mut world, 401);
    assert_eq!(asked(&challenge), ["SHA-512-256", "MD5"]);
    second.answer(&mut world, &wanted, &challenge);
    second.expect(&mut world, 200);
    assert_eq!(world.registered(), ["received", "added", "200", "received", "refreshed", "200"]);
    world.assert_nothing_left();
}

super::scenarios![
    users_are_asked_for_what_their_domain_is_set_to,
    a_long_stream_is_taken_up_from_its_last_summary,
    a_user_with_one_device_needs_no_summary,
    a_stream_without_bindings_leaves_memory_and_goes_on_when_its_user_comes_back,
    who_comes_before_everything_is_loaded_may_come_again,
    a_device_is_asked_for_its_password_and_told_all_bindings_of_its_user,
    a_device_by_tcp_registers_all_the_same,
    bindings_are_refreshed_fetched_and_removed,
    a_registration_that_is_too_brief_is_told_how_long_it_must_be,
    a_wrong_password_and_an_unknown_user_get_the_same_401,
    an_old_nonce_is_stale_and_the_device_may_try_again_by_itself,
    credentials_serve_once,
    only_users_of_our_domains_register_and_only_as_themselves,
    a_register_that_comes_again_gets_the_same_bytes_again,
    a_flood_of_strangers_leaves_nothing_but_counts,
    a_binding_that_nobody_refreshes_expires_as_an_event,
    the_api_binds_and_unbinds,
    bindings_outlive_the_process_and_their_stream_goes_on,
    a_stream_that_is_elsewhere_than_thought_is_read_and_who_waited_is_answered,
    a_stream_without_bindings_is_found_again_too,
];
