//! Trunks that are looked after: by OPTIONS, and by what calls meet there. Calls go around those that are down.

use super::{answer, called_out, comes, hang_up, pass, refused};
use domain::session::event::{PassedOver, SessionEvent};
use domain::sip::wire::{HeaderName, Message};
use domain::uplink::UplinkEvent;
use serde_json::{Value, json};
use tests::world::{OUT, PBX, PUBLIC, Phone, World};

/// The trunks of the two carriers.
const TRUNKS: [u128; 2] = [3, 4];

fn settings(carrier: usize, rule: &str) -> Value {
    json!({
        "name": "out", "kind": "carrier", "destination": format!("sip:{}", OUT[carrier]), "prefixes": ["+1"],
        "priority": carrier, "ring_timeout": 20, "health": { "rule": rule, "interval": 30, "failures": 2 },
    })
}

/// A world that looks after its first carrier.
fn watching(rule: &str) -> World {
    let mut world = World::default();
    world.set_trunk(TRUNKS[0], settings(0, rule));
    pass(&mut world, 0);
    world
}

/// The trunks go, and nothing is left of what was done at them.
#[track_caller]
fn over(mut world: World) -> World {
    TRUNKS.into_iter().for_each(|trunk| world.remove_trunk(trunk));
    world.assert_nothing_left();
    assert_eq!(world.open_uplinks(), 0);
    world
}

#[track_caller]
fn pinged(world: &mut World, carrier: &mut Phone, most: u64) -> (Message, u64) {
    comes(world, carrier, "OPTIONS sip:198.51.100.11:5060", most)
}

fn is_down(world: &World) -> bool {
    world.standing(TRUNKS[0]).reach.down_since.is_some()
}

/// What the newest call passed over.
fn passed_over(world: &World) -> Vec<PassedOver> {
    let routes = world.watch.events().filter_map(|event| match event {
        SessionEvent::RouteChosen(chosen) => Some(chosen.passed_over.clone()),
        _ => None,
    });
    routes.flatten().collect()
}

/// A PBX that calls out, and the carrier that gets the INVITE.
#[track_caller]
fn calls(world: &mut World, line: u16, carrier: usize) -> (Phone, Phone, Message) {
    let mut pbx = Phone::on_line(PBX.parse().unwrap(), line);
    let mut phone = world.phone(OUT[carrier]);
    for one in [&mut pbx, &mut phone] {
        one.exchange = PUBLIC.parse().unwrap();
    }
    let offer = pbx.sdp("sendrecv");
    pbx.call(world, "+12025550199", Some(&offer));
    pbx.expect(world, "100");
    let invite = phone.expect(world, "INVITE");
    (pbx, phone, invite)
}

fn a_trunk_is_pinged_and_nothing_is_written_while_it_answers() {
    let mut world = watching("options");
    let mut carrier = world.phone(OUT[0]);
    for turn in 0..4 {
        let (ping, after) = pinged(&mut world, &mut carrier, 30_100);
        assert!(turn == 0 || after >= 30_000, "{after}");
        assert!(ping.has(HeaderName::MaxForwards) && !ping.has(HeaderName::Contact));
        // Whatever it says, it is there.
        carrier.respond(&mut world, &ping, 404, None);
        carrier.expect_silence(&mut world);
    }
    let world = over(world);
    assert_eq!(world.uplinks(), ["begun", "ended"]);
    assert!(world.uplink_events().iter().all(|event| !matches!(event, UplinkEvent::UplinkSent(_))));
    let counts = world.edge_counts();
    assert_eq!((counts.get("ping"), counts.get("ping-answered")), (Some(&4), Some(&4)));
}

fn a_trunk_that_falls_silent_is_passed_over_until_it_answers() {
    let mut world = watching("options");
    world.deafen(OUT[0], true);
    // Two pings without an answer.
    pass(&mut world, 96_000);
    assert!(is_down(&world), "{:?}", world.uplinks());
    let (mut pbx, mut second, invite) = calls(&mut world, 1, 1);
    answer(&mut world, &mut pbx, &mut second, &invite);
    hang_up(&mut world, &mut pbx, &mut second);
    let over_it = passed_over(&world);
    assert!(over_it.iter().any(|passed| &*passed.reason == "it is down"), "{over_it:?}");
    world.deafen(OUT[0], false);
    let carrier = world.phone(OUT[0]);
    while is_down(&world) {
        pass(&mut world, 1_000);
        while let Some(bytes) = world.next_for(carrier.address) {
            carrier.respond(&mut world, &Message::scan(bytes).unwrap(), 200, None);
        }
    }
    let (mut pbx, mut first, invite) = calls(&mut world, 2, 0);
    answer(&mut world, &mut pbx, &mut first, &invite);
    hang_up(&mut world, &mut pbx, &mut first);
    carrier.ignore_all(&mut world);
    let world = over(world);
    assert_eq!(world.uplinks(), ["begun", "down", "up", "ended"]);
}

fn a_503_that_names_a_time_is_obeyed_for_that_time() {
    let mut world = watching("options");
    let mut carrier = world.phone(OUT[0]);
    let (ping, _) = pinged(&mut world, &mut carrier, 1_000);
    carrier.respond_saying(&mut world, &ping, 503, "Retry-After: 120");
    assert!(is_down(&world));
    assert!(world.standing(TRUNKS[0]).reach.last_error.is_some_and(|why| why.contains("Retry-After 120")));
    let (ping, after) = pinged(&mut world, &mut carrier, 120_100);
    assert!(after >= 120_000, "{after}");
    carrier.respond(&mut world, &ping, 200, None);
    assert!(!is_down(&world));
    assert_eq!(over(world).uplinks(), ["begun", "down", "up", "ended"]);
}

fn calls_that_meet_503_put_a_trunk_down_and_later_ones_go_around_it() {
    let mut world = watching("failures");
    for line in [1, 2] {
        let (mut pbx, mut first, invite) = calls(&mut world, line, 0);
        assert!(!is_down(&world));
        first.respond(&mut world, &invite, 503, None);
        first.expect(&mut world, "ACK");
        let mut second = world.phone(OUT[1]);
        second.exchange = PUBLIC.parse().unwrap();
        let invite = second.expect(&mut world, "INVITE");
        second.respond(&mut world, &invite, 486, None);
        second.expect(&mut world, "ACK");
        refused(&mut world, &mut pbx, "486");
    }
    assert!(is_down(&world));
    let (mut pbx, mut second, invite) = calls(&mut world, 3, 1);
    answer(&mut world, &mut pbx, &mut second, &invite);
    hang_up(&mut world, &mut pbx, &mut second);
    // After a while it has another chance, and one answer is enough.
    pass(&mut world, 30_100);
    assert!(!is_down(&world));
    let (mut pbx, mut first, invite) = calls(&mut world, 4, 0);
    answer(&mut world, &mut pbx, &mut first, &invite);
    hang_up(&mut world, &mut pbx, &mut first);
    assert_eq!(over(world).uplinks(), ["begun", "down", "tried again", "ended"]);
}

fn a_trunk_that_had_another_chance_and_missed_it_is_down_at_once() {
    let mut world = watching("failures");
    let mut carrier = world.phone(OUT[0]);
    carrier.exchange = PUBLIC.parse().unwrap();
    let (mut pbx, mut first, invite) = calls(&mut world, 1, 0);
    first.respond_saying(&mut world, &invite, 503, "Retry-After: 10;duration=3600");
    first.expect(&mut world, "ACK");
    assert!(is_down(&world));
    let mut second = world.phone(OUT[1]);
    second.exchange = PUBLIC.parse().unwrap();
    let invite = second.expect(&mut world, "INVITE");
    second.respond(&mut world, &invite, 486, None);
    second.expect(&mut world, "ACK");
    refused(&mut world, &mut pbx, "486");
    pass(&mut world, 30_100);
    assert!(!is_down(&world));
    let (mut pbx, mut first, invite) = calls(&mut world, 2, 0);
    first.respond(&mut world, &invite, 503, None);
    first.expect(&mut world, "ACK");
    assert!(is_down(&world), "one failure is enough now");
    let invite = second.expect(&mut world, "INVITE");
    second.respond(&mut world, &invite, 486, None);
    second.expect(&mut world, "ACK");
    refused(&mut world, &mut pbx, "486");
    let world = over(world);
    assert_eq!(world.uplinks(), ["begun", "down", "tried again", "down", "ended"]);
}

fn a_carrier_that_never_answers_calls_counts_them_as_failures() {
    let mut world = watching("failures");
    for line in [1, 2] {
        let (mut pbx, first, _) = calls(&mut world, line, 0);
        // It rang out, and nothing had come.
        pass(&mut world, 20_100);
        first.ignore_all(&mut world);
        let mut second = world.phone(OUT[1]);
        second.exchange = PUBLIC.parse().unwrap();
        let invite = second.expect(&mut world, "INVITE");
        second.respond(&mut world, &invite, 486, None);
        second.expect(&mut world, "ACK");
        refused(&mut world, &mut pbx, "480");
        assert_eq!(is_down(&world), line == 2);
    }
    over(world);
}

fn carriers_that_are_all_down_are_tried_all_the_same() {
    let mut world = watching("failures");
    world.set_trunk(TRUNKS[1], settings(1, "failures"));
    pass(&mut world, 0);
    let (mut pbx, [mut first, mut second], invite) = called_out(&mut world);
    first.respond_saying(&mut world, &invite, 503, "Retry-After: 60");
    first.expect(&mut world, "ACK");
    let invite = second.expect(&mut world, "INVITE");
    second.respond_saying(&mut world, &invite, 503, "Retry-After: 60");
    second.expect(&mut world, "ACK");
    refused(&mut world, &mut pbx, "500");
    let (mut pbx, mut first, invite) = calls(&mut world, 7, 0);
    answer(&mut world, &mut pbx, &mut first, &invite);
    assert!(!is_down(&world), "it answered");
    hang_up(&mut world, &mut pbx, &mut first);
    over(world);
}

fn a_trunk_that_is_looked_after_no_more_is_down_no_more() {
    let mut world = watching("options");
    let mut carrier = world.phone(OUT[0]);
    let (ping, _) = pinged(&mut world, &mut carrier, 1_000);
    carrier.respond_saying(&mut world, &ping, 503, "Retry-After: 3000");
    assert!(is_down(&world));
    world.set_trunk(TRUNKS[0], settings(0, "off"));
    pass(&mut world, 60_000);
    assert!(!is_down(&world));
    carrier.expect_silence(&mut world);
    assert_eq!(over(world).open_uplinks(), 0);
}

fn a_busy_callee_says_nothing_against_its_carrier() {
    let mut world = watching("failures");
    for line in 1..5 {
        let (mut pbx, mut first, invite) = calls(&mut world, line, 0);
        first.respond(&mut world, &invite, 486, None);
        first.expect(&mut world, "ACK");
        refused(&mut world, &mut pbx, "486");
    }
    assert!(!is_down(&world));
    assert_eq!(over(world).uplinks(), ["begun", "ended"]);
}

fn a_redirect_or_a_6xx_of_a_carrier_ends_the_hunt() {
    for (said, heard) in [(302, "480"), (603, "603"), (600, "600")] {
        let mut world = World::default();
        let (mut pbx, [mut first, second], invite) = called_out(&mut world);
        first.respond_saying(&mut world, &invite, said, "Contact: <sip:elsewhere@192.0.2.99>");
        first.expect(&mut world, "ACK");
        let refusal = refused(&mut world, &mut pbx, heard);
        assert!(!refusal.has(HeaderName::Contact));
        second.expect_silence(&mut world);
        world.assert_nothing_left();
    }
}

super::scenarios![
    a_trunk_is_pinged_and_nothing_is_written_while_it_answers,
    a_trunk_that_falls_silent_is_passed_over_until_it_answers,
    a_503_that_names_a_time_is_obeyed_for_that_time,
    calls_that_meet_503_put_a_trunk_down_and_later_ones_go_around_it,
    a_trunk_that_had_another_chance_and_missed_it_is_down_at_once,
    a_carrier_that_never_answers_calls_counts_them_as_failures,
    carriers_that_are_all_down_are_tried_all_the_same,
    a_trunk_that_is_looked_after_no_more_is_down_no_more,
    a_busy_callee_says_nothing_against_its_carrier,
    a_redirect_or_a_6xx_of_a_carrier_ends_the_hunt,
];
