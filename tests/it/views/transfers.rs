//! Attended transfers: what both sessions' timelines, and the feed of events, tell of them.

use super::harness::World;
use domain::ids::{AccountId, SessionId, TransferId};
use domain::log::Position;
use domain::session::event::{LegGivenAway, SessionEvent, TransferLinked};
use domain::transfer::{TransferBegun, TransferEnded, TransferEvent};
use projections::events::{EventFeed, Visible};
use projections::timelines::{Part, Timeline, timeline};
use serde_json::json;
use std::sync::Arc;
use tests::calls::{ACCOUNT, CallScript, STRANGER, record, submit, transfer};

/// Two calls of an account, of which `taking` asks for a transfer that joins it with `giving`.
fn joined(account: AccountId, numbers: [u16; 2]) -> (CallScript, CallScript, TransferId) {
    let [taking, giving] = numbers.map(|number| CallScript::new(number).of(account));
    let id = TransferId::from_bits(0x7f00 + u128::from(numbers[0]));
    let linked = TransferLinked { leg: taking.callee_leg(1), transfer: id, with: giving.session };
    let given = LegGivenAway { leg: giving.callee_leg(1), to: taking.session, transfer: id };
    let taking = taking.completed().event(SessionEvent::TransferLinked(linked));
    let giving = giving.completed().event(SessionEvent::LegGivenAway(given));
    (taking, giving, id)
}

fn begun((taking, giving, _): &(CallScript, CallScript, TransferId)) -> TransferEvent {
    TransferEvent::TransferBegun(TransferBegun {
        account: taking.account,
        taking: taking.session,
        asking: taking.callee_leg(1),
        remaining: taking.caller_leg(),
        giving: giving.session,
        replaced: giving.caller_leg(),
        moved: giving.callee_leg(1),
    })
}

fn ended(completed: bool, status: u16) -> TransferEvent {
    TransferEvent::TransferEnded(TransferEnded::told(completed, status))
}

/// A transfer and its sessions, in a log.
fn recorded(world: &World, account: AccountId, numbers: [u16; 2], end: &[TransferEvent]) -> [SessionId; 2] {
    let calls = joined(account, numbers);
    record(&world.log, &calls.0);
    record(&world.log, &calls.1);
    let events: Vec<_> = [begun(&calls)].into_iter().chain(end.iter().cloned()).collect();
    submit(&world.log, transfer(calls.2, 1_767_323_045_000_000, &events));
    [calls.0.session, calls.1.session]
}

async fn told(world: &World, session: SessionId) -> Timeline {
    timeline(&world.log, &*world.keys, session, false).await.unwrap().unwrap()
}

#[tokio::test]
async fn the_timelines_of_both_sessions_name_the_transfer_the_other_session_and_how_it_ended() {
    let world = World::new();
    let [taking, giving] = recorded(&world, ACCOUNT, [1, 2], &[ended(true, 200)]);
    let expected = |part: &str, with: SessionId| {
        json!([{
            "transfer": "TF00000000000000000000000000007f01", "part": part, "with": with,
            "began_at": "2026-01-02T03:04:05.000000Z", "ended_at": "2026-01-02T03:04:06.000000Z",
            "completed": true, "status": 200,
        }])
    };
    for (session, part, with) in [(taking, "takes", giving), (giving, "gives", taking)] {
        let told = serde_json::to_value(told(&world, session).await).unwrap();
        assert_eq!(told["transfers"], expected(part, with));
        let named = told["entries"].as_array().unwrap().last().unwrap()["text"].as_str().unwrap();
        assert!(named.contains(&with.to_string()) && named.contains("TF0000"), "{named}");
    }
}

#[tokio::test]
async fn a_transfer_under_way_has_no_end_and_one_that_came_to_nothing_says_why() {
    let world = World::new();
    let [running, _] = recorded(&world, ACCOUNT, [1, 2], &[]);
    let [failed, _] = recorded(&world, ACCOUNT, [3, 4], &[ended(false, 480)]);
    let running = told(&world, running).await.transfers.remove(0);
    assert_eq!((running.part, running.ended_at, running.completed, running.status), (Part::Takes, None, None, None));
    assert!(running.began_at.is_some());
    let failed = told(&world, failed).await.transfers.remove(0);
    assert_eq!((failed.completed, failed.status), (Some(false), Some(480)));
}

#[tokio::test]
async fn a_transfer_that_is_named_and_has_no_stream_is_told_as_far_as_it_is_known() {
    let world = World::new();
    let (taking, giving, id) = joined(ACCOUNT, [1, 2]);
    record(&world.log, &taking);
    let told = told(&world, taking.session).await.transfers.remove(0);
    assert_eq!((told.transfer, told.with, told.began_at, told.completed), (id, giving.session, None, None));
}

#[tokio::test]
async fn a_session_without_transfers_tells_of_none() {
    let world = World::new();
    let call = CallScript::new(1).completed();
    record(&world.log, &call);
    assert_eq!(told(&world, call.session).await.transfers, []);
}

#[tokio::test]
async fn the_feed_shows_an_account_its_own_transfers_and_no_others() {
    let world = World::new();
    let [taking, giving] = recorded(&world, ACCOUNT, [1, 2], &[ended(true, 200)]);
    recorded(&world, STRANGER, [3, 4], &[ended(false, 480)]);
    let feed = Arc::new(EventFeed::new(world.log(), world.keys.clone()));
    for (account, status) in [(ACCOUNT, 200), (STRANGER, 480)] {
        let visible: Visible = Arc::new(move |owner| owner == account);
        let page = feed.page(&visible, Position(0), 1_000, false).await.unwrap();
        assert!(page.events.iter().all(|event| event.account == account));
        let transfers: Vec<_> = page.events.iter().filter(|event| event.transfer.is_some()).collect();
        assert!(page.events.iter().all(|event| event.session.is_some() != event.transfer.is_some()));
        let kinds: Vec<_> = transfers.iter().map(|event| event.kind.as_str()).collect();
        assert_eq!(kinds, ["TransferBegun", "TransferEnded"]);
        assert_eq!(transfers[1].data, json!({ "completed": status == 200, "status": status }));
        // Read from its middle on, too.
        let after = Position(transfers[0].position);
        let rest = feed.page(&visible, after, 1, false).await.unwrap().events;
        assert_eq!(rest[0].position, transfers[1].position);
        let mut live = feed.live(visible, None, after, false);
        let next = live.next().await.unwrap().events;
        assert_eq!(next[0].position, transfers[1].position);
    }
    let own: Visible = Arc::new(|owner| owner == ACCOUNT);
    let first = feed.page(&own, Position(0), 1_000, false).await.unwrap().events;
    let begun = first.iter().find(|event| event.kind == "TransferBegun").unwrap();
    assert_eq!((&begun.data["taking"], &begun.data["giving"]), (&json!(taking), &json!(giving)));
    let page = feed.page_of(taking, Position(0), 1_000, false).await.unwrap();
    assert!(page.events.iter().all(|event| event.session == Some(taking)), "a session's events are its stream's");
}
