//! Who may have which calls transferred, and what a REFER or SUBSCRIBE must look like.

use super::refer::{
    OUTSIDE, allow, asks, failures, from_either_side, hears, outside, picks_up, refers, refusals, rings, talking,
};
use super::{answered, cancelled, gets_bye, hang_up, ringing};
use domain::session::event::{RouteChosen, SessionEvent, TransferAsked};
use domain::sip::wire::HeaderName;
use tests::world::{
    A, CARRIER, EXCHANGE_V6, IN_TURN, KNOWN, KNOWN_SOURCE, NUMBER, NUMBER_V6, OUT, PASSWORD, PBX, PBX_V6, PUBLIC,
    Phone, World,
};

/// A number of the account, which rings [`PBX_V6`].
fn inside_number() -> String {
    format!("<sip:{NUMBER_V6}@exchange.example>")
}

fn inside(world: &mut World) -> Phone {
    let mut target = world.phone(PBX_V6);
    target.exchange = EXCHANGE_V6.parse().unwrap();
    target
}

fn asked(world: &World) -> Vec<TransferAsked> {
    let asked = world.watch.events().filter_map(|event| match event {
        SessionEvent::TransferAsked(asked) => Some(asked.clone()),
        _ => None,
    });
    asked.collect()
}

fn route_of_transfer(world: &World) -> RouteChosen {
    let found = world.watch.events().find_map(|event| match event {
        SessionEvent::RouteChosen(chosen) if chosen.asked_by.is_some() => Some(chosen.clone()),
        _ => None,
    });
    found.expect("no route was chosen for a transfer")
}

/// `by` sends a REFER that is refused with this status, for this reason; nobody else hears of it.
#[track_caller]
fn is_refused(world: &mut World, by: &mut Phone, other: &Phone, headers: &str, (status, why): (u16, &str)) {
    asks(world, by, headers);
    by.expect(world, &format!("{status} ("));
    by.expect_silence(world);
    other.expect_silence(world);
    let (told, reason) = refusals(world).pop().unwrap();
    assert!(told == status && reason.contains(why), "{told} {reason}");
}

fn nothing_is_transferred_for_who_is_not_allowed_to_ask_and_who_asked_is_in_the_history() {
    for by_callee in [false, true] {
        let mut world = World::default();
        let (mut caller, mut callee) = answered(&mut world);
        let (by, other) = if by_callee { (&mut callee, &mut caller) } else { (&mut caller, &mut callee) };
        is_refused(&mut world, by, other, &format!("Refer-To: {OUTSIDE}"), (403, "no transfers are allowed"));
        outside(&mut world).expect_silence(&mut world);
        hang_up(&mut world, by, other);
        world.assert_nothing_left();
        let [asked] = &asked(&world)[..] else { panic!("it was asked once") };
        assert_eq!(asked.target.known().map(String::as_str), Some("sip:+12025550199@exchange.example"));
    }
}

fn internal_lets_numbers_of_the_account_ring_and_nothing_leave() {
    let mut world = World::default();
    allow(&mut world, CARRIER, "internal");
    let (mut carrier, mut pbx) = answered(&mut world);
    let mut target = inside(&mut world);
    is_refused(&mut world, &mut carrier, &pbx, &format!("Refer-To: {OUTSIDE}"), (403, "of the account alone"));
    refers(&mut world, &mut carrier, &inside_number());
    let invite = rings(&mut world, &mut carrier, &mut target);
    picks_up(&mut world, &mut target, &invite);
    hears(&mut world, &mut carrier, 200);
    gets_bye(&mut world, &mut carrier);
    hang_up(&mut world, &mut pbx, &mut target);
    world.assert_nothing_left();
    let route = route_of_transfer(&world);
    assert_eq!((&*route.rule, route.number.is_some()), ("inside", true));
}

fn a_rule_that_changes_during_the_call_counts_as_it_is_then() {
    let mut world = World::default();
    let (mut carrier, mut pbx) = talking(&mut world);
    allow(&mut world, PBX, "refuse");
    is_refused(&mut world, &mut pbx, &carrier, &format!("Refer-To: {OUTSIDE}"), (403, "no transfers"));
    hang_up(&mut world, &mut carrier, &mut pbx);
    world.assert_nothing_left();
}

/// A phone behind NAT that is registered as a user of a domain.
fn registered(world: &mut World, name: &'static str, address: &str, domain: &str) -> Phone {
    let mut phone = world.phone(address);
    phone.exchange = PUBLIC.parse().unwrap();
    phone.contact = format!("<sip:{name}@{}:9>", phone.address.ip());
    world.name(address, name);
    phone.register(world, (name, domain), PASSWORD, "");
    phone
}

fn users_with_passwords_transfer_inside_by_default_and_all_devices_of_the_target_ring() {
    for by_callee in [false, true] {
        let mut world = World::with_users();
        let mut alice = registered(&mut world, "alice", "198.51.100.50:40000", A);
        let mut bob = registered(&mut world, "bob", "198.51.100.60:41000", A);
        let [mut desk, mut mobile] =
            ["198.51.100.62:43000", "198.51.100.63:44000"].map(|address| registered(&mut world, "carol", address, A));
        let offer = alice.sdp("sendrecv");
        alice.call_as(&mut world, &format!("alice@{A}"), &format!("sip:bob@{A}"), Some(&offer));
        let challenge = alice.expect(&mut world, "407");
        alice.prove(&mut world, &challenge, ("alice", PASSWORD), Some(&offer));
        alice.expect(&mut world, "100");
        let invite = bob.expect(&mut world, "INVITE");
        super::answer(&mut world, &mut alice, &mut bob, &invite);
        let (by, other) = if by_callee { (&mut bob, &mut alice) } else { (&mut alice, &mut bob) };
        let out = "Refer-To: <sip:+12025550199@a.example>";
        is_refused(&mut world, by, other, out, (403, "of the account alone"));
        refers(&mut world, by, &format!("<sip:carol@{A}>"));
        let invite = rings(&mut world, by, &mut desk);
        let losing = mobile.expect(&mut world, "INVITE sip:carol@");
        let party = if by_callee { "<sip:alice@a.example>" } else { "<sip:bob@a.example>" };
        assert!(invite.header(HeaderName::From).unwrap().starts_with(party));
        mobile.respond(&mut world, &losing, 180, None);
        by.expect_silence(&mut world);
        picks_up(&mut world, &mut desk, &invite);
        cancelled(&mut world, &mut mobile, &losing);
        hears(&mut world, by, 200);
        gets_bye(&mut world, by);
        hang_up(&mut world, &mut desk, other);
        world.assert_nothing_left();
        assert_eq!(&*route_of_transfer(&world).rule, "user");
    }
}

fn users_known_by_address_alone_transfer_nothing_unless_their_domain_says_so() {
    let mut world = World::with_users();
    let mut bob = registered(&mut world, "bob", "198.51.100.60:41000", A);
    let mut erin = world.phone(KNOWN_SOURCE);
    erin.exchange = PUBLIC.parse().unwrap();
    let offer = erin.sdp("sendrecv");
    erin.call_as(&mut world, &format!("erin@{KNOWN}"), &format!("sip:bob@{A}"), Some(&offer));
    erin.expect(&mut world, "100");
    let invite = bob.expect(&mut world, "INVITE");
    super::answer(&mut world, &mut erin, &mut bob, &invite);
    let to_carol = format!("Refer-To: <sip:carol@{A}>");
    is_refused(&mut world, &mut erin, &bob, &to_carol, (403, "no transfers"));
    world.set_domain(4, KNOWN, &["198.51.100.70"], "internal");
    refers(&mut world, &mut erin, &format!("<sip:dave@{IN_TURN}>"));
    hears(&mut world, &mut erin, 480);
    hang_up(&mut world, &mut bob, &mut erin);
    world.assert_nothing_left();
    assert_eq!(failures(&world)[0].0, 480);
}

fn a_refer_that_cannot_be_read_is_400_and_one_that_leads_nowhere_is_told_by_notify() {
    from_either_side(|world, by, other| {
        for headers in
            ["X: y", "Refer-To: bob", "Refer-To: <sip:a@b>\r\nRefer-To: <sip:c@d>", "r: <sip:a@b>, <sip:c@d>"]
        {
            is_refused(world, by, other, headers, (400, "Refer-To"));
        }
        let nowhere = [
            ("<sip:nobody@exchange.example>", 404),
            ("<sip:+49305550199@exchange.example>", 404),
            ("<http://a.example/>", 416),
            ("<urn:service:sos>", 416),
            ("<sip:+12025550199@exchange.example;method=BYE>", 501),
            ("<sip:+12025550199@exchange.example?Replaces=1%40a>", 400),
        ];
        for (target, status) in nowhere {
            refers(world, by, target);
            hears(world, by, status);
            assert_eq!(failures(world).pop().unwrap().0, status);
        }
        hang_up(world, by, other);
    });
}

fn tel_and_escaped_targets_are_called() {
    for target in
        ["tel:+1-202-555-0199", "<sip:%2B12025550199@exchange.example?Subject=a%20b>", "\"B\" <sip:0012025550199@x>"]
    {
        let mut world = World::default();
        let (mut carrier, mut pbx) = talking(&mut world);
        let mut out = outside(&mut world);
        refers(&mut world, &mut pbx, target);
        let invite = rings(&mut world, &mut pbx, &mut out);
        assert_eq!(invite.request_uri(), Some("sip:+12025550199@198.51.100.11:5060"));
        picks_up(&mut world, &mut out, &invite);
        hears(&mut world, &mut pbx, 200);
        gets_bye(&mut world, &mut pbx);
        hang_up(&mut world, &mut carrier, &mut out);
        world.assert_nothing_left();
    }
}

fn who_wants_no_notice_gets_none() {
    from_either_side(|world, by, other| {
        let mut target = outside(world);
        asks(world, by, &format!("Refer-To: {OUTSIDE}\r\nRefer-Sub: false\r\nRequire: norefersub"));
        let ok = by.expect(world, "200 (");
        assert!(ok.headers().any(|header| header.raw_name == "Refer-Sub" && header.value == "false"));
        let invite = target.expect(world, "INVITE");
        target.respond(world, &invite, 180, None);
        by.expect_silence(world);
        picks_up(world, &mut target, &invite);
        gets_bye(world, by);
        by.expect_silence(world);
        hang_up(world, &mut target, other);
        assert!(!asked(world)[0].notified);
    });
}

fn what_nobody_would_hear_of_is_refused_at_once() {
    from_either_side(|world, by, other| {
        let nowhere = "Refer-To: <sip:nobody@exchange.example>\r\nRefer-Sub: false";
        is_refused(world, by, other, nowhere, (403, "no such number"));
        asks(world, by, &format!("Refer-To: {OUTSIDE}\r\nRequire: replaces"));
        by.expect(world, "420");
        hang_up(world, by, other);
    });
}

fn before_an_answer_nobody_is_transferred() {
    let mut world = World::default();
    allow(&mut world, PBX, "any");
    allow(&mut world, CARRIER, "any");
    let (mut carrier, mut pbx, invite) = ringing(&mut world);
    let to = format!("Refer-To: {OUTSIDE}");
    is_refused(&mut world, &mut carrier, &pbx, &to, (491, "not answered"));
    is_refused(&mut world, &mut pbx, &carrier, &to, (491, "not answered"));
    pbx.respond(&mut world, &invite, 486, None);
    pbx.expect(&mut world, "ACK");
    let busy = carrier.expect(&mut world, "486");
    carrier.ack_refusal(&mut world, &busy);
    world.assert_nothing_left();
}

fn a_second_refer_while_one_is_on_its_way_is_491_whoever_sends_it() {
    from_either_side(|world, by, other| {
        let mut target = outside(world);
        refers(world, by, OUTSIDE);
        let invite = rings(world, by, &mut target);
        let to = format!("Refer-To: {OUTSIDE}");
        asks(world, by, &to);
        by.expect(world, "491");
        asks(world, other, &to);
        other.expect(world, "491");
        target.respond(world, &invite, 486, None);
        target.expect(world, "ACK");
        // Its last NOTIFY has no answer yet.
        let last = by.expect(world, "NOTIFY");
        asks(world, by, &to);
        by.expect(world, "491");
        by.respond(world, &last, 200, None);
        hang_up(world, by, other);
        assert!(refusals(world).iter().all(|(status, why)| *status == 491 && why.contains("another transfer")));
    });
}

fn nobody_is_connected_with_itself() {
    let mut world = World::default();
    let (mut carrier, mut pbx) = talking(&mut world);
    let own = format!("Refer-To: <sip:{NUMBER}@exchange.example>");
    is_refused(&mut world, &mut carrier, &pbx, &own, (403, "is to be transferred"));
    hang_up(&mut world, &mut carrier, &mut pbx);
    world.assert_nothing_left();
}

fn a_call_is_transferred_so_often_and_no_more() {
    let mut world = World::default();
    let (mut carrier, mut pbx) = talking(&mut world);
    let mut target = outside(&mut world);
    for _ in 0..8 {
        target = Phone::on_line(OUT[0].parse().unwrap(), target.port);
        refers(&mut world, &mut pbx, OUTSIDE);
        let invite = rings(&mut world, &mut pbx, &mut target);
        target.respond(&mut world, &invite, 486, None);
        target.expect(&mut world, "ACK");
        hears(&mut world, &mut pbx, 486);
    }
    is_refused(&mut world, &mut pbx, &carrier, &format!("Refer-To: {OUTSIDE}"), (403, "too often"));
    hang_up(&mut world, &mut carrier, &mut pbx);
    world.assert_nothing_left();
}

/// `by` sends SUBSCRIBE.
fn subscribes(world: &mut World, by: &mut Phone, headers: &str) {
    by.say_with(world, "SUBSCRIBE", &format!("{headers}\r\nContact: <sip:phone@{}>\r\n", by.address), "");
}

/// `by` hears how its subscription is.
#[track_caller]
fn hears_state(world: &mut World, by: &mut Phone, state: &str) {
    let notify = by.expect(world, "NOTIFY");
    assert_eq!(notify.header(HeaderName::SubscriptionState), Some(state));
    by.respond(world, &notify, 200, None);
}

fn a_subscription_is_refreshed_and_given_up_and_there_are_no_others() {
    from_either_side(|world, by, other| {
        let mut target = outside(world);
        subscribes(world, by, "Event: refer");
        by.expect(world, "481");
        let event = refers(world, by, OUTSIDE);
        let invite = rings(world, by, &mut target);
        for (headers, status) in [
            ("Event: presence", "489"),
            ("X: no event", "489"),
            ("Event: refer;id=77", "481"),
            ("Event: refer\r\nExpires: soon", "400"),
        ] {
            subscribes(world, by, headers);
            by.expect(world, status);
        }
        subscribes(world, by, &format!("Event: {event}\r\nExpires: 90000"));
        let ok = by.expect(world, "200 (");
        assert_eq!(ok.header(HeaderName::Expires), Some("3600"));
        assert!(ok.has(HeaderName::Contact));
        hears_state(world, by, "active;expires=3600");
        subscribes(world, by, "Event: refer\r\nExpires: 0");
        by.expect(world, "200 (");
        hears_state(world, by, "terminated;reason=timeout");
        // The transfer goes on, unheard.
        picks_up(world, &mut target, &invite);
        gets_bye(world, by);
        by.expect_silence(world);
        hang_up(world, other, &mut target);
        by.ask(world, "SUBSCRIBE", "<sip:a@192.0.2.1>", "Event: refer\r\n");
        assert_eq!(by.expect(world, "489").header(HeaderName::AllowEvents), Some("refer"));
    });
}

fn a_subscription_that_nobody_refreshes_expires() {
    let mut world = World::default();
    let (mut carrier, mut pbx) = talking(&mut world);
    let mut target = outside(&mut world);
    refers(&mut world, &mut pbx, OUTSIDE);
    subscribes(&mut world, &mut pbx, "Event: refer\r\nExpires: 10");
    let trying = pbx.expect(&mut world, "NOTIFY");
    pbx.expect(&mut world, "200 (");
    pbx.respond(&mut world, &trying, 200, None);
    hears_state(&mut world, &mut pbx, "active;expires=10");
    let invite = target.expect(&mut world, "INVITE");
    target.respond(&mut world, &invite, 100, None);
    super::pass(&mut world, 10_000);
    hears_state(&mut world, &mut pbx, "terminated;reason=timeout");
    pbx.say(&mut world, "BYE");
    pbx.expect(&mut world, "200");
    target.respond(&mut world, &invite, 486, None);
    target.expect(&mut world, "ACK");
    pbx.expect_silence(&mut world);
    gets_bye(&mut world, &mut carrier);
    world.assert_nothing_left();
}

super::scenarios![
    nothing_is_transferred_for_who_is_not_allowed_to_ask_and_who_asked_is_in_the_history,
    internal_lets_numbers_of_the_account_ring_and_nothing_leave,
    a_rule_that_changes_during_the_call_counts_as_it_is_then,
    users_with_passwords_transfer_inside_by_default_and_all_devices_of_the_target_ring,
    users_known_by_address_alone_transfer_nothing_unless_their_domain_says_so,
    a_refer_that_cannot_be_read_is_400_and_one_that_leads_nowhere_is_told_by_notify,
    tel_and_escaped_targets_are_called,
    who_wants_no_notice_gets_none,
    what_nobody_would_hear_of_is_refused_at_once,
    before_an_answer_nobody_is_transferred,
    a_second_refer_while_one_is_on_its_way_is_491_whoever_sends_it,
    nobody_is_connected_with_itself,
    a_call_is_transferred_so_often_and_no_more,
    a_subscription_is_refreshed_and_given_up_and_there_are_no_others,
    a_subscription_that_nobody_refreshes_expires,
];
