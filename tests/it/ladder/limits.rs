//! Trunks and accounts with as many calls as they may have: one more is refused or passed over, and when one is over
//! there is room again. [T3]

use super::refer::{OUTSIDE, asks, hears, talking};
use super::{answer, answered, called_out, cancelled, gets_bye, hang_up, pass, refused, ringing};
use domain::session::event::{EndCause, RefusalCause, RouteRefused, SessionEvent};
use domain::sip::wire::HeaderName;
use serde_json::{Value, json};
use tests::world::{CARRIER, DEVICES, Device, NUMBER, OUT, PBX, PUBLIC, Phone, World};

scenarios![
    a_trunk_takes_one_more_call_when_one_is_over,
    a_call_that_is_cancelled_or_refused_makes_room,
    no_more_calls_of_a_trunk_begin_in_a_second,
    a_full_carrier_is_passed_over,
    where_every_carrier_is_full_the_caller_may_try_later,
    the_next_way_to_the_same_carrier_is_no_call_more,
    an_account_takes_one_more_call_when_one_is_over,
    a_transfer_to_full_carriers_fails_and_the_call_goes_on,
    a_transferred_party_is_counted_where_it_goes_and_its_old_trunk_is_free,
    an_account_without_room_keeps_the_devices_it_has,
];

/// The carrier that calls, with these limits.
fn limit_carrier(world: &mut World, limits: &Value) {
    set(world, 1, json!({ "name": "carrier", "kind": "carrier", "addresses": [CARRIER], "ring_timeout": 20 }), limits);
}

/// One of the carriers that calls go out by, with these limits.
fn limit_out(world: &mut World, index: usize, limits: &Value) {
    let destination = format!("sip:{}", OUT[index]);
    let settings = json!({
        "name": format!("out {}", index + 1), "kind": "carrier", "destination": destination, "prefixes": ["+1"],
        "priority": index + 1, "ring_timeout": 20,
    });
    set(world, 3 + index as u128, settings, limits);
}

fn set(world: &mut World, id: u128, mut settings: Value, limits: &Value) {
    settings.as_object_mut().unwrap().extend(limits.as_object().unwrap().clone());
    world.set_trunk(id, settings);
}

/// Another call of the carrier; what it is answered.
fn calls(world: &mut World, line: u16) -> Phone {
    let mut caller = Phone::on_line(CARRIER.parse().unwrap(), line);
    let offer = caller.sdp("sendrecv");
    caller.call(world, NUMBER, Some(&offer));
    caller.expect(world, "100");
    caller
}

/// It is refused, and may try again after so many seconds.
#[track_caller]
fn may_try_again(world: &mut World, caller: &mut Phone, seconds: &str) {
    let refusal = refused(world, caller, "480");
    assert_eq!(refusal.header(HeaderName::RetryAfter), Some(seconds));
}

fn routes_refused(world: &World) -> Vec<(u16, String)> {
    let refused = world.watch.events().filter_map(|event| match event {
        SessionEvent::RouteRefused(RouteRefused { status, rule, .. }) => Some((*status, rule.to_string())),
        _ => None,
    });
    refused.collect()
}

fn at_limit(world: &World) -> usize {
    let refused = |event: &&SessionEvent| matches!(event, SessionEvent::LegRefused(refused) if refused.cause == RefusalCause::AtLimit && refused.status == 480);
    world.watch.events().filter(refused).count()
}

fn causes(world: &World) -> Vec<EndCause> {
    let ends = world.watch.events().filter_map(|event| match event {
        SessionEvent::SessionEnded(ended) => Some(ended.cause),
        _ => None,
    });
    ends.collect()
}

fn a_trunk_takes_one_more_call_when_one_is_over() {
    let mut world = World::default();
    limit_carrier(&mut world, &json!({ "max_calls": 1 }));
    let (mut caller, mut callee) = answered(&mut world);
    let mut second = calls(&mut world, 2);
    may_try_again(&mut world, &mut second, "30");
    hang_up(&mut world, &mut callee, &mut caller);
    let mut third = calls(&mut world, 3);
    let mut other = Phone::on_line(PBX.parse().unwrap(), 3);
    let invite = other.expect(&mut world, "INVITE");
    answer(&mut world, &mut third, &mut other, &invite);
    hang_up(&mut world, &mut third, &mut other);
    world.assert_nothing_left();
    assert_eq!(routes_refused(&world), [(480, "trunk-limit".to_owned())]);
    assert_eq!(causes(&world).iter().filter(|cause| **cause == EndCause::Failed).count(), 1);
}

fn a_call_that_is_cancelled_or_refused_makes_room() {
    let mut world = World::default();
    limit_carrier(&mut world, &json!({ "max_calls": 1 }));
    let (mut caller, mut callee, invite) = ringing(&mut world);
    let mut second = calls(&mut world, 2);
    may_try_again(&mut world, &mut second, "30");
    caller.cancel(&mut world);
    caller.expect(&mut world, "200 (1 CANCEL)");
    refused(&mut world, &mut caller, "487");
    cancelled(&mut world, &mut callee, &invite);
    let mut third = calls(&mut world, 3);
    let mut other = Phone::on_line(PBX.parse().unwrap(), 3);
    let invite = other.expect(&mut world, "INVITE");
    other.respond(&mut world, &invite, 486, None);
    other.expect(&mut world, "ACK");
    refused(&mut world, &mut third, "486");
    let mut fourth = calls(&mut world, 4);
    let mut last = Phone::on_line(PBX.parse().unwrap(), 4);
    let invite = last.expect(&mut world, "INVITE");
    answer(&mut world, &mut fourth, &mut last, &invite);
    hang_up(&mut world, &mut last, &mut fourth);
    world.assert_nothing_left();
}

fn no_more_calls_of_a_trunk_begin_in_a_second() {
    let mut world = World::default();
    limit_carrier(&mut world, &json!({ "max_calls_per_second": 2 }));
    let mut callers: Vec<Phone> = (1..=2).map(|line| calls(&mut world, line)).collect();
    let mut third = calls(&mut world, 3);
    may_try_again(&mut world, &mut third, "1");
    pass(&mut world, 999);
    let mut fourth = calls(&mut world, 4);
    may_try_again(&mut world, &mut fourth, "1");
    pass(&mut world, 1);
    callers.push(calls(&mut world, 5));
    let pbx = world.phone(PBX);
    pbx.ignore_all(&mut world);
    world.release_all();
    pbx.ignore_all(&mut world);
    callers.iter().for_each(|caller| caller.ignore_all(&mut world));
    world.assert_nothing_left();
    assert_eq!(routes_refused(&world).len(), 2);
}

/// Another call of the PBX to the world outside.
fn dials(world: &mut World, line: u16) -> Phone {
    let mut pbx = Phone::on_line(PBX.parse().unwrap(), line);
    pbx.exchange = PUBLIC.parse().unwrap();
    let offer = pbx.sdp("sendrecv");
    pbx.call(world, "+12025550199", Some(&offer));
    pbx.expect(world, "100");
    pbx
}

/// The carrier that a call goes out by gets it and answers.
#[track_caller]
fn takes(world: &mut World, pbx: &mut Phone, out: usize, line: u16) -> Phone {
    let mut carrier = Phone::on_line(OUT[out].parse().unwrap(), line);
    carrier.exchange = PUBLIC.parse().unwrap();
    let invite = carrier.expect(world, "INVITE");
    answer(world, pbx, &mut carrier, &invite);
    carrier
}

fn a_full_carrier_is_passed_over() {
    let mut world = World::default();
    limit_out(&mut world, 0, &json!({ "max_calls": 1 }));
    let (mut pbx, [mut first, _], invite) = called_out(&mut world);
    answer(&mut world, &mut pbx, &mut first, &invite);
    let mut other = dials(&mut world, 2);
    first.expect_silence(&mut world);
    let mut second = takes(&mut world, &mut other, 1, 2);
    assert_eq!(at_limit(&world), 1);
    hang_up(&mut world, &mut pbx, &mut first);
    let mut third = dials(&mut world, 3);
    let mut again = takes(&mut world, &mut third, 0, 3);
    hang_up(&mut world, &mut other, &mut second);
    hang_up(&mut world, &mut again, &mut third);
    world.assert_nothing_left();
}

fn where_every_carrier_is_full_the_caller_may_try_later() {
    let mut world = World::default();
    limit_out(&mut world, 0, &json!({ "max_calls_per_second": 1 }));
    limit_out(&mut world, 1, &json!({ "max_calls": 1 }));
    let (mut pbx, [mut first, mut second], invite) = called_out(&mut world);
    answer(&mut world, &mut pbx, &mut first, &invite);
    let mut other = dials(&mut world, 2);
    let mut third = takes(&mut world, &mut other, 1, 2);
    let mut last = dials(&mut world, 3);
    refused(&mut world, &mut last, "480");
    [&mut first, &mut second].iter().for_each(|carrier| carrier.expect_silence(&mut world));
    hang_up(&mut world, &mut pbx, &mut first);
    hang_up(&mut world, &mut other, &mut third);
    world.assert_nothing_left();
    assert_eq!(at_limit(&world), 3);
    assert_eq!(causes(&world).iter().filter(|cause| **cause == EndCause::Failed).count(), 1);
}

fn the_next_way_to_the_same_carrier_is_no_call_more() {
    let mut world = World::default();
    limit_out(&mut world, 0, &json!({ "max_calls": 1 }));
    // The second carrier is the first one's other address: a limit of the whole is one of both.
    let (mut pbx, [first, mut second], invite) = called_out(&mut world);
    limit_out(&mut world, 1, &json!({ "max_calls": 1 }));
    first.respond(&mut world, &invite, 503, None);
    let mut first = first;
    first.expect(&mut world, "ACK");
    let invite = second.expect(&mut world, "INVITE");
    answer(&mut world, &mut pbx, &mut second, &invite);
    hang_up(&mut world, &mut second, &mut pbx);
    world.assert_nothing_left();
    assert_eq!(at_limit(&world), 0);
}

fn an_account_takes_one_more_call_when_one_is_over() {
    let mut world = World::default();
    world.limit_account(json!({ "max_calls": 1 }));
    let (mut caller, mut callee) = answered(&mut world);
    let mut second = calls(&mut world, 2);
    may_try_again(&mut world, &mut second, "30");
    // Any trunk's call is one of the account's.
    let mut pbx = dials(&mut world, 3);
    may_try_again(&mut world, &mut pbx, "30");
    hang_up(&mut world, &mut caller, &mut callee);
    let mut pbx = dials(&mut world, 4);
    let mut carrier = takes(&mut world, &mut pbx, 0, 4);
    hang_up(&mut world, &mut pbx, &mut carrier);
    world.limit_account(json!({}));
    let talking = [5, 6].map(|line| {
        let (mut caller, mut callee) = (calls(&mut world, line), Phone::on_line(PBX.parse().unwrap(), line));
        let invite = callee.expect(&mut world, "INVITE");
        answer(&mut world, &mut caller, &mut callee, &invite);
        (caller, callee)
    });
    for (mut caller, mut callee) in talking {
        hang_up(&mut world, &mut caller, &mut callee);
    }
    world.assert_nothing_left();
    assert_eq!(routes_refused(&world), vec![(480, "account-limit".to_owned()); 2]);
}

fn a_transfer_to_full_carriers_fails_and_the_call_goes_on() {
    let mut world = World::default();
    let (mut caller, mut callee) = talking(&mut world);
    for out in [0, 1] {
        limit_out(&mut world, out, &json!({ "max_calls": 1 }));
    }
    let mut others = vec![];
    for (out, line) in [(0, 2), (1, 3)] {
        let mut pbx = dials(&mut world, line);
        let carrier = takes(&mut world, &mut pbx, out, line);
        others.push((pbx, carrier));
    }
    asks(&mut world, &mut callee, &format!("Refer-To: {OUTSIDE}"));
    callee.expect(&mut world, "202");
    hears(&mut world, &mut callee, 100);
    hears(&mut world, &mut callee, 480);
    for (mut pbx, mut carrier) in others {
        hang_up(&mut world, &mut pbx, &mut carrier);
    }
    hang_up(&mut world, &mut callee, &mut caller);
    world.assert_nothing_left();
}

fn a_transferred_party_is_counted_where_it_goes_and_its_old_trunk_is_free() {
    let mut world = World::default();
    let (mut caller, mut callee) = talking(&mut world);
    for out in [0, 1] {
        limit_out(&mut world, out, &json!({ "max_calls": 1 }));
    }
    asks(&mut world, &mut callee, &format!("Refer-To: {OUTSIDE}"));
    callee.expect(&mut world, "202");
    hears(&mut world, &mut callee, 100);
    let mut target = Phone::on_line(OUT[0].parse().unwrap(), 9);
    let invite = target.expect(&mut world, "INVITE");
    let answer = target.sdp("sendrecv");
    target.respond(&mut world, &invite, 200, Some(&answer));
    target.expect(&mut world, "ACK");
    hears(&mut world, &mut callee, 200);
    gets_bye(&mut world, &mut callee);
    // The transfer's target takes the place of the first carrier; the second has room.
    let mut pbx = dials(&mut world, 2);
    let mut second = takes(&mut world, &mut pbx, 1, 2);
    hang_up(&mut world, &mut target, &mut caller);
    hang_up(&mut world, &mut second, &mut pbx);
    world.assert_nothing_left();
    assert_eq!(at_limit(&world), 1);
}

fn an_account_without_room_keeps_the_devices_it_has() {
    let mut world = World::default();
    world.limit_account(json!({ "max_registrations": 1 }));
    let (mut first, mut second) = (Device::of("alice", DEVICES[0]), Device::of("bob", DEVICES[1]));
    let (ours, theirs) = (first.for_seconds(600), second.for_seconds(600));
    first.register(&mut world, &ours, 200);
    second.register(&mut world, &theirs, 403);
    first.register(&mut world, &ours, 200);
    first.register(&mut world, "Contact: *\r\nExpires: 0\r\n", 200);
    second.register(&mut world, &theirs, 200);
    world.assert_nothing_left();
}
