//! Blind transfer: a party asks by REFER that the other one be connected elsewhere.

use super::{answered, body, gets_bye, hang_up};
use domain::sip::wire::{HeaderName, Message};
use serde_json::json;
use tests::world::{CARRIER, OUT, PBX, Phone, World};

/// A number of the world outside, which goes by the first of [`OUT`].
const OUTSIDE: &str = "<sip:+12025550199@exchange.example>";

/// Sets what the PBX may have transferred, or the carrier.
fn allow(world: &mut World, address: &str, rule: &str) {
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
fn talking(world: &mut World) -> (Phone, Phone) {
    allow(world, PBX, "any");
    allow(world, CARRIER, "any");
    answered(world)
}

/// The carrier that transfers to [`OUTSIDE`] go by.
fn outside(world: &mut World) -> Phone {
    world.phone(OUT[0])
}

/// `by` sends REFER.
fn asks(world: &mut World, by: &mut Phone, headers: &str) -> Message {
    let headers = format!("{headers}\r\nContact: <sip:phone@{}>\r\n", by.address);
    Message::scan(by.say_with(world, "REFER", &headers, "")).unwrap()
}

/// `by` sends REFER and has its 202; gives the Event of what it will hear.
#[track_caller]
fn refers(world: &mut World, by: &mut Phone, target: &str) -> String {
    let refer = asks(world, by, &format!("Refer-To: {target}"));
    assert!(by.expect(world, "202").has(HeaderName::Contact));
    format!("refer;id={}", refer.cseq().unwrap().number)
}

/// `by` hears this of its REFER, and says that it heard.
#[track_caller]
fn hears(world: &mut World, by: &mut Phone, status: u16) -> Message {
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
fn relayed(world: &World, between: [&str; 2]) {
    let last = world.ladder.lines().rfind(|line| line.contains("| relay ")).unwrap();
    assert!(between.iter().all(|end| last.contains(end)), "{last}\n{}", world.ladder);
    assert!(!last.contains("nowhere") && !last.contains("deaf") && !last.contains("silent"), "{last}");
}

fn media_of(phone: &Phone) -> String {
    format!("{}:{}", phone.address.ip(), phone.port)
}

/// Each side of the call asks in turn.
fn from_either_side(scenario: fn(&mut World, &mut Phone, &mut Phone)) {
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

super::scenarios![either_side_transfers_the_other_to_who_answers];
