//! What the exchange does at trunks: the read model `uplinks`, and its events in the feed.

use super::harness::World;
use domain::ids::{AccountId, TrunkId};
use domain::log::{EventLog, Position};
use projections::Views;
use projections::events::{EventFeed, Visible};
use projections::uplinks::{HistoryPage, HistoryQuery, HistoryRow};
use serde_json::json;
use std::sync::Arc;
use tests::calls::{ACCOUNT, CARRIER_A, CARRIER_B, STRANGER};
use tests::uplinks::UplinkScript;

async fn page(views: &Views, trunk: TrunkId, after: Option<Position>, limit: usize) -> HistoryPage {
    views.uplinks().history(&HistoryQuery { trunk, after, limit }).await.unwrap()
}

async fn history(views: &Views, trunk: TrunkId) -> Vec<HistoryRow> {
    page(views, trunk, None, 200).await.rows
}

/// What happened, oldest first.
fn told(rows: &[HistoryRow]) -> Vec<&'static str> {
    rows.iter().rev().map(|row| row.told.what.name()).collect()
}

#[tokio::test]
async fn a_trunks_history_says_what_happened_when_and_why() {
    let world = World::new();
    let script = UplinkScript::new(1).begun(true).asked(403).refused(Some(403)).after(30).asked(200).registered(false);
    let script = script.after(60).down().after(60).up().after(3_600).lost().after(30).registered(true).after(1).ended();
    let script = script.record(&world.log);
    let views = world.views("views.db").await;
    let rows = history(&views, CARRIER_A).await;
    assert_eq!(told(&rows), ["begun", "refused", "registered", "down", "up", "lost", "registered", "ended"]);
    assert!(rows.iter().all(|row| row.uplink == script.id) && rows.is_sorted_by(|a, b| a.position > b.position));
    let reasons: Vec<_> = rows.iter().rev().map(|row| row.told.reason.as_deref().unwrap_or("-")).collect();
    let expected = [
        "the exchange registers there, as its settings ask",
        "403",
        "-",
        "no answer, 3 in a row",
        "it answered",
        "no answer",
        "it was lost before",
        "its settings changed; its registrar was told",
    ];
    assert_eq!(reasons, expected);
    let refused = &rows[6].told;
    assert_eq!((refused.status, refused.again.unwrap().to_string()), (Some(403), "2026-01-02T03:04:35.000000Z".into()));
    let registered = &rows[5];
    assert_eq!(
        (registered.told.expires, registered.at.to_string()),
        (Some(3_600), "2026-01-02T03:04:35.000000Z".into())
    );
    assert_eq!(registered.told.until.unwrap().to_string(), "2026-01-02T04:04:35.000000Z");
    assert_eq!(views.uplinks().owner(CARRIER_A).await.unwrap(), Some(ACCOUNT));
    assert_eq!(views.uplinks().owner(CARRIER_B).await.unwrap(), None);
}

#[tokio::test]
async fn a_refresh_is_told_only_after_a_refusal() {
    let world = World::new();
    let script = UplinkScript::new(1).begun(true).registered(false).after(3_000).refreshed().after(3_000).refreshed();
    let script = script.after(3_000).refused(None).after(30).refused(None).after(60).down().after(1).refreshed();
    script.after(3_000).refreshed().record(&world.log);
    let views = world.views("views.db").await;
    let rows = history(&views, CARRIER_A).await;
    assert_eq!(told(&rows), ["begun", "registered", "refused", "refused", "down", "refreshed"]);
}

#[tokio::test]
async fn histories_come_in_pages_and_go_on_over_restarts_as_a_rebuild_tells_them() {
    let world = World::new();
    let script = UplinkScript::new(1).begun(true).registered(false).after(60).refused(None).record(&world.log);
    UplinkScript::new(2).at(STRANGER, CARRIER_B).begun(false).down().record(&world.log);
    let views = world.views("views.db").await;
    views.close().await;
    drop(views);
    script.after(30).refreshed().after(60).down().record(&world.log);
    // A process that was cut off ends nothing; the next begins.
    UplinkScript::new(3).after(600).begun(true).registered(false).record(&world.log);
    let views = world.views("views.db").await;
    let rows = history(&views, CARRIER_A).await;
    assert_eq!(told(&rows), ["begun", "registered", "refused", "refreshed", "down", "begun", "registered"]);
    assert_eq!(told(&history(&views, CARRIER_B).await), ["begun", "down"]);
    let first = page(&views, CARRIER_A, None, 5).await;
    let second = page(&views, CARRIER_A, first.next, 5).await;
    assert_eq!((first.rows.len(), second.next), (5, None));
    assert_eq!([first.rows, second.rows].concat(), rows);
    let rebuilt = world.views("again.db").await;
    assert_eq!(history(&rebuilt, CARRIER_A).await, rows);
    assert_eq!(history(&rebuilt, CARRIER_B).await, history(&views, CARRIER_B).await);
}

#[tokio::test]
async fn the_feed_shows_an_account_what_is_done_at_its_trunks_and_no_others() {
    let world = World::new();
    let mine = UplinkScript::new(1).begun(true).asked(200).registered(false).record(&world.log);
    let other = UplinkScript::new(2).at(STRANGER, CARRIER_B).begun(true).asked(403).refused(Some(403));
    let other = other.record(&world.log);
    let feed = Arc::new(EventFeed::new(world.log(), world.keys.clone()));
    for (account, uplink) in [(ACCOUNT, mine.id), (STRANGER, other.id)] {
        let visible: Visible = Arc::new(move |owner: AccountId| owner == account);
        let events = feed.page(&visible, Position(0), 1_000, false).await.unwrap().events;
        assert!(events.iter().all(|event| event.account == account && event.uplink == Some(uplink) && !event.erased));
        assert_eq!(events.len(), 4);
        let late = Arc::new(EventFeed::new(world.log(), world.keys.clone()));
        let after = Position(events[2].position);
        assert_eq!(late.page(&visible, after, 9, false).await.unwrap().events, events[3..]);
        assert_eq!(feed.live(visible, None, after, false).next().await.unwrap().events[..], events[3..]);
    }
    let own: Visible = Arc::new(|owner| owner == ACCOUNT);
    let events = feed.page(&own, Position(0), 1_000, true).await.unwrap().events;
    assert_eq!((&events[0].kind[..], &events[0].data["trunk"]), ("UplinkBegun", &json!(CARRIER_A)));
    assert_eq!(events[1].data["flow"]["remote"], "127.0.0.1:5080");
    assert!(events[1].data["raw"].is_string());
    world.keys.erase();
    let masked = feed.page(&own, Position(0), world.log.head().0 as usize, true).await.unwrap().events;
    assert_eq!(masked.iter().map(|event| event.erased).collect::<Vec<_>>(), [false, true, true, false]);
    assert!(!serde_json::to_string(&masked).unwrap().contains("127.0.0.1"));
}
