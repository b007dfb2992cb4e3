//! The feed of events: pages without gaps, live continuation, own events only.

use super::harness::{PATIENCE, World};
use domain::ids::AccountId;
use domain::log::{EventLog, Position};
use projections::events::{EventFeed, Visible};
use std::sync::Arc;
use tests::calls::{ACCOUNT, CallScript, STRANGER, basic, failover, hold, interleaved, record, submit};
use tokio::time::timeout;

fn feed(world: &World) -> Arc<EventFeed> {
    Arc::new(EventFeed::new(world.log(), world.keys.clone()))
}

fn own() -> Visible {
    Arc::new(|account| account == ACCOUNT)
}

fn calls() -> Vec<CallScript> {
    let strange = |n| CallScript::new(n).of(STRANGER).completed();
    (0..30).map(|n| if n % 3 == 0 { strange(n) } else { [basic, failover, hold][usize::from(n % 2)](n) }).collect()
}

fn expected(account: AccountId) -> usize {
    calls().iter().filter(|call| call.account == account).map(CallScript::len).sum()
}

#[tokio::test]
async fn pages_of_any_size_show_every_event_of_the_account_once_in_order() {
    let world = World::new();
    submit(&world.log, interleaved(&calls()).into_iter().map(|(_, append)| append).collect());
    let feed = feed(&world);
    for limit in [1, 7, 1_000] {
        let (mut after, mut positions) = (Position(0), Vec::new());
        loop {
            let page = feed.page(&own(), after, limit, false).await.unwrap();
            assert!(page.events.len() <= limit && page.next >= after);
            assert!(page.events.iter().all(|event| event.account == ACCOUNT));
            positions.extend(page.events.iter().map(|event| event.position));
            after = page.next;
            if !page.more {
                break;
            }
        }
        assert_eq!(positions.len(), expected(ACCOUNT), "limit {limit}");
        assert!(positions.is_sorted_by(|a, b| a < b));
        assert_eq!(after, world.log.head(), "a reader without news moves on");
    }
}

#[tokio::test]
async fn pages_of_one_session_show_its_stream() {
    let world = World::new();
    submit(&world.log, interleaved(&calls()).into_iter().map(|(_, append)| append).collect());
    let feed = feed(&world);
    let session = failover(1).session;
    let first = feed.page_of(session, Position(0), 5, false).await.unwrap();
    let rest = feed.page_of(session, first.next, 1_000, false).await.unwrap();
    let revisions: Vec<u64> = first.events.iter().chain(&rest.events).map(|event| event.revision).collect();
    assert_eq!(revisions, (0..calls()[1].len() as u64).collect::<Vec<_>>());
    assert!(first.more && !rest.more);
    assert_eq!(feed.owner(session).await.unwrap(), Some(ACCOUNT));
    assert_eq!(feed.owner(CallScript::new(999).session).await.unwrap(), None);
}

#[tokio::test]
async fn a_live_reader_gets_what_was_there_and_what_comes_without_a_gap() {
    let world = World::new();
    let appends: Vec<_> = interleaved(&calls()).into_iter().map(|(_, append)| append).collect();
    let (before, later) = appends.split_at(appends.len() / 2);
    submit(&world.log, before.to_vec());
    let mut live = feed(&world).live(own(), None, Position(0), false);
    let mut seen = Vec::new();
    let mut rest = later.chunks(5);
    while seen.len() < expected(ACCOUNT) {
        // Events come while the reader reads.
        if let Some(chunk) = rest.next() {
            submit(&world.log, chunk.to_vec());
        }
        let page = timeout(PATIENCE, live.next()).await.expect("more events are there").unwrap();
        seen.extend(page.events.iter().map(|event| event.position));
    }
    assert!(seen.is_sorted_by(|a, b| a < b));
    assert_eq!(seen.len(), expected(ACCOUNT));
}

#[tokio::test]
async fn an_event_shows_what_is_sealed_only_to_those_with_the_key_and_bytes_only_when_asked() {
    let world = World::new();
    record(&world.log, &basic(1));
    let feed = feed(&world);
    let plain = feed.page(&own(), Position(0), 2, false).await.unwrap().events;
    assert_eq!(plain[0].data["flow"]["remote"], "127.0.0.1:5070");
    assert_eq!(plain[0].data.get("raw"), None);
    assert_eq!(plain[1].data["parties"]["called"], "+15550100");
    let raw = feed.page(&own(), Position(0), 1, true).await.unwrap().events;
    assert!(raw[0].data["raw"].as_str().unwrap().starts_with("SU5WSVRFIHNpcDo"), "INVITE sip: in base64");
    world.keys.erase();
    let masked = feed.page(&own(), Position(0), 1_000, true).await.unwrap().events;
    let json = serde_json::to_string(&masked).unwrap();
    assert!(!json.contains("sealed") && !json.contains("+1555") && !json.contains("\"raw\""), "{json}");
    assert_eq!(masked.len(), basic(1).len());
}
