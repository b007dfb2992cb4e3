//! How something stood at an instant: sessions, bindings, things of provisioning.

use super::harness::World;
use domain::decider::StoredEvent;
use domain::ids::{BindingId, NumberId, SessionId};
use domain::log::{Append, Draft, EventHash, Expected, Life, Revision, StreamName};
use domain::number::{Number, NumberClaimed, NumberEvent, NumberReleased, NumberRetargeted, Target};
use domain::registration::Reach;
use domain::session::event::{LegAnswered, LegConfirmed, LegReleased, ReleaseCause, SessionEvent};
use domain::time::WallTime;
use projections::replay::{Before, Found, LegAt, SessionAt, bindings_at, past, stood, story};
use std::sync::Arc;
use tests::calls::{ACCOUNT, CallScript, basic, failover, hold, record, referred, refused, submit};
use tests::registrations::RegistrationScript;

/// The end of time, as far as these tests go.
const LATE: &str = "2027-01-01T00:00:00Z";

fn time(text: &str) -> WallTime {
    WallTime::parse(text).unwrap()
}

/// So many milliseconds after a script's call began.
fn after(number: i64, millis: i64) -> WallTime {
    WallTime::from_micros(1_767_323_045_000_000 + number * 1_000_000 + millis * 1_000)
}

async fn found(world: &World, session: SessionId, at: WallTime) -> Found {
    stood(&world.log, &*world.keys, session, at).await.unwrap().unwrap()
}

async fn state(world: &World, script: &CallScript, at: WallTime) -> SessionAt {
    found(world, script.session, at).await.stood.unwrap()
}

fn told(state: &SessionAt) -> String {
    let leg = |leg: &LegAt| {
        let talks = if leg.talks_with.is_some() { " talks" } else { "" };
        format!("{} {}{talks}", leg.role, leg.status)
    };
    let legs: Vec<_> = state.legs.iter().map(leg).collect();
    format!("{}: {}", state.status, legs.join(", "))
}

#[tokio::test]
async fn a_call_is_told_as_it_stood_between_any_two_of_its_turns() {
    let (world, script) = (World::new(), basic(1));
    record(&world.log, &script);
    let stood = async |millis| told(&state(&world, &script, after(1, millis)).await);
    assert_eq!(stood(0).await, "offered: caller inviting, callee 1 inviting");
    assert_eq!(stood(39).await, "offered: caller inviting, callee 1 inviting");
    assert_eq!(stood(40).await, "ringing: caller inviting, callee 1 alerting");
    assert_eq!(stood(1_505).await, "answered: caller inviting, callee 1 answered");
    assert_eq!(stood(11_509).await, "answered: caller gone, callee 1 answered");
    assert_eq!(stood(60_000).await, "ended: caller gone, callee 1 releasing");
}

#[tokio::test]
async fn a_state_names_its_event_and_how_long_it_stood() {
    let (world, script) = (World::new(), basic(1));
    record(&world.log, &script);
    let ringing = state(&world, &script, after(1, 700)).await;
    let last = &ringing.last_event;
    assert_eq!((last.event.as_str(), last.text.as_str()), ("SipMessageCommitted", "180 Ringing"));
    assert_eq!(last.at, after(1, 40).to_string());
    assert_eq!(ringing.next_at, Some(after(1, 1_500).to_string()));
    let parties = [&ringing.caller, &ringing.called, &ringing.call_id].map(|text| text.as_deref().unwrap());
    assert_eq!(parties, ["+49301", "+15550100", "1-0@pbx.example"]);
    assert_eq!((ringing.account, ringing.route_rule.as_deref()), (Some(ACCOUNT), Some("carrier-by-prefix")));
    let timers: Vec<_> =
        ringing.timers.iter().map(|timer| (timer.timer, timer.role.as_str(), timer.ends_at.as_str())).collect();
    let gives_up = after(1, 30_000).to_string();
    assert_eq!(timers, [("no-answer", "callee 1", gives_up.as_str())]);
    let over = state(&world, &script, time(LATE)).await;
    assert_eq!((over.ended.as_deref(), over.next_at), (Some("completed (200)"), None));
    assert!(over.timers.is_empty());
}

#[tokio::test]
async fn a_hold_shows_what_is_offered_and_then_what_is_agreed() {
    let (world, script) = (World::new(), hold(1));
    record(&world.log, &script);
    // Two seconds after the ACK the caller asks to hold, which is agreed 15 ms later.
    let asked = state(&world, &script, after(1, 3_510)).await;
    let change = asked.change.clone().unwrap();
    assert_eq!((change.role.as_str(), change.change.as_str()), ("caller", "hold"));
    let offers: Vec<_> =
        asked.legs.iter().map(|leg| leg.offer.as_ref().map(|offer| (offer.by, offer.says.clone()))).collect();
    assert_eq!(offers, [Some(("peer", vec!["sendonly"])), Some(("exchange", vec!["sendonly"]))]);
    let says = |state: &SessionAt| -> Vec<_> {
        state
            .legs
            .iter()
            .flat_map(|leg| &leg.media)
            .map(|stream| (stream.says, stream.told.unwrap(), stream.silent))
            .collect()
    };
    assert_eq!(says(&asked), [("sendrecv", "sendrecv", false); 2], "the old media stays until it is agreed");
    let held = state(&world, &script, after(1, 4_000)).await;
    assert!(held.change.is_none() && held.legs.iter().all(|leg| leg.offer.is_none()));
    assert_eq!(says(&held), [("sendonly", "recvonly", false), ("recvonly", "sendonly", false)]);
    let silent = state(&world, &script, after(1, 8_000)).await;
    assert_eq!(says(&silent)[1], ("recvonly", "sendonly", true));
    let resumed = state(&world, &script, after(1, 10_000)).await;
    assert_eq!(says(&resumed), [("sendrecv", "sendrecv", false); 2]);
    let stream = &resumed.legs[1].media[0];
    assert_eq!((stream.port, stream.wants_at.as_deref()), (Some(30_004), Some("127.0.0.1:41000")));
}

#[tokio::test]
async fn two_legs_talk_while_both_are_answered() {
    let world = World::new();
    let script = basic(1).cut(16);
    let (caller, callee) = (script.caller_leg(), script.callee_leg(1));
    let script = script
        .event(SessionEvent::LegAnswered(LegAnswered { leg: caller }))
        .event(SessionEvent::LegConfirmed(LegConfirmed { leg: caller }))
        .event(SessionEvent::LegConfirmed(LegConfirmed { leg: callee }))
        .after(1_000_000)
        .event(SessionEvent::LegReleased(LegReleased { leg: callee, cause: ReleaseCause::Bye }));
    record(&world.log, &script);
    let talking = state(&world, &script, after(1, 11_600)).await;
    assert_eq!(told(&talking), "answered: caller confirmed talks, callee 1 confirmed talks");
    let with: Vec<_> = talking.legs.iter().map(|leg| leg.talks_with).collect();
    assert_eq!((with, talking.mode.as_deref()), (vec![Some(callee), Some(caller)], Some("trunking")));
    let left = state(&world, &script, time(LATE)).await;
    assert_eq!(told(&left), "answered: caller confirmed, callee 1 gone");
    assert_eq!(left.legs[1].released.as_deref(), Some("bye"));
}

#[tokio::test]
async fn a_leg_that_was_refused_says_so_and_the_next_one_rings() {
    let (world, script) = (World::new(), failover(2));
    record(&world.log, &script);
    let second = state(&world, &script, after(2, 1_520)).await;
    assert_eq!(told(&second), "offered: caller inviting, callee 1 gone, callee 2 inviting");
    assert_eq!(second.legs[1].refused.as_deref(), Some("response 503"));
    assert_eq!(second.timers.len(), 1, "nobody waits for who has refused");
}

#[tokio::test]
async fn stepping_through_a_call_ends_where_the_instants_do() {
    for script in [basic(1), hold(2), failover(3), refused(4), referred(5)] {
        let world = World::new();
        record(&world.log, &script);
        let story = story(&world.log, &*world.keys, script.session).await.unwrap().unwrap();
        let steps: Vec<_> = story.steps().collect();
        assert_eq!(steps.len(), script.len());
        for (entry, stepped) in steps {
            assert_eq!(entry.revision, stepped.last_event.revision);
            let last_of_its_time = stepped.next_at.as_ref().is_none_or(|next| *next > entry.at);
            if last_of_its_time {
                assert_eq!(stepped, state(&world, &script, time(&entry.at)).await, "after {}", entry.text);
            }
        }
    }
}

#[tokio::test]
async fn before_the_first_event_there_is_nothing_but_whose_it_is() {
    let (world, script) = (World::new(), basic(1));
    record(&world.log, &script);
    let early = found(&world, script.session, after(1, -1)).await;
    assert_eq!((early.account, early.stood), (Some(ACCOUNT), Err(Before { begins: after(1, 0) })));
    let none = stood(&world.log, &*world.keys, SessionId::from_bits(7), time(LATE)).await.unwrap();
    assert!(none.is_none());
}

#[tokio::test]
async fn what_was_erased_is_left_out_and_the_rest_stays() {
    let (world, script) = (World::new(), hold(1));
    record(&world.log, &script);
    world.keys.erase();
    let held = state(&world, &script, after(1, 4_000)).await;
    assert_eq!(told(&held), "answered: caller inviting, callee 1 answered");
    assert!(held.caller.is_none() && held.legs.iter().all(|leg| leg.media.is_empty() && leg.offer.is_none()));
}

#[tokio::test]
async fn bindings_are_told_as_they_were_however_long_the_stream_is() {
    let world = World::new();
    let script = RegistrationScript::of("alice").added(1, 5070);
    // Longer than a page: one refresh a minute, from a port of its own.
    let script = (1..400u16).fold(script, |script, n| script.after(60).refreshed(1, 10_000 + n));
    let script = script.after(60).added(2, 6_000).after(60).reached_by_contact(2).record(&world.log);
    let at = async |minutes: i64, seconds: i64| {
        let at = WallTime::from_micros(1_767_323_045_000_000 + (minutes * 60 + seconds) * 1_000_000);
        bindings_at(&world.log, &*world.keys, script.id(), at).await.unwrap()
    };
    assert!(at(0, -1).await.state.is_empty());
    for (minutes, port) in [(0, 5_070), (1, 10_001), (200, 10_200), (399, 10_399)] {
        let then = at(minutes, 30).await;
        let [binding] = then.state.all() else { panic!("{then:?}") };
        assert_eq!(binding.device.contact.to_string(), format!("sip:alice@192.0.2.1:{port}"), "minute {minutes}");
        assert_eq!(then.position.0, 1 + minutes as u64);
    }
    let both = at(10_000, 0).await.state;
    assert_eq!(both.binding(BindingId::from_bits(2)).map(|binding| binding.reach), Some(Reach::Contact));
    assert_eq!(both.len(), 2);
}

/// A number's stream, an event a second from second 10 on.
fn number(world: &World, events: &[NumberEvent]) -> NumberId {
    let id = NumberId::from_bits(5);
    let mut previous = EventHash::NONE;
    for (number, event) in events.iter().enumerate() {
        let draft = Draft {
            id: domain::ids::EventId::minted(3, 1, 0, number as u64),
            kind: event.kind().into(),
            version: event.version(),
            at: WallTime::from_micros((10 + number as i64) * 1_000_000),
            cause: None,
            previous,
            data: event.encode().unwrap(),
        };
        let expected = if number == 0 { Expected::NoStream } else { Expected::Exactly(Revision(number as u64 - 1)) };
        let append = Append {
            stream: StreamName::new("number", id.uuid()),
            expected,
            life: Life::Open,
            correlation: id.uuid(),
            node: 3,
            events: vec![draft],
        };
        previous = append.hash_of(0).unwrap();
        submit(&*Arc::new(world.log.clone()), vec![append]);
    }
    id
}

#[tokio::test]
async fn a_number_led_where_its_last_event_before_sent_it() {
    let world = World::new();
    let to = |uri: &str| Target::Sip(uri.parse().unwrap());
    let (id, phone) = (NumberId::from_bits(5), "+15550000001".parse().unwrap());
    let (first, second) = (to("sip:10.0.0.1"), to("sip:10.0.0.2"));
    number(
        &world,
        &[
            NumberEvent::Claimed(NumberClaimed {
                id,
                number: phone,
                account: ACCOUNT,
                target: first.clone(),
                by: None,
            }),
            NumberEvent::Retargeted(NumberRetargeted {
                id,
                number: phone,
                account: ACCOUNT,
                target: second.clone(),
                by: None,
            }),
            NumberEvent::Released(NumberReleased { id, number: phone, account: ACCOUNT, by: None }),
        ],
    );
    let at = async |millis: i64| {
        past::<Number>(&world.log, id.uuid(), WallTime::from_micros(millis * 1_000)).await.unwrap().unwrap()
    };
    let led = |number: Option<Number>| number.and_then(|number| number.claim().map(|claim| claim.target.clone()));
    let early = at(9_999).await;
    assert_eq!((early.begins.micros(), early.then.is_none()), (10_000_000, true));
    assert_eq!(early.first.claim().map(|claim| claim.account), Some(ACCOUNT), "whose it is, is known all the same");
    assert_eq!(led(at(10_000).await.then), Some(first));
    assert_eq!(led(at(11_500).await.then), Some(second));
    let gone = at(12_000).await;
    assert_eq!((gone.then, gone.first.claim().is_some()), (Some(Number::Released), true));
    assert!(past::<Number>(&world.log, NumberId::from_bits(6).uuid(), time(LATE)).await.unwrap().is_none());
}
