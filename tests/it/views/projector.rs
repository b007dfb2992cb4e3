//! The engine: restarts, rebuilds, events it cannot read.

use super::harness::{PATIENCE, World};
use domain::ids::EventId;
use domain::log::{
    Append, Committed, Direction, Draft, EventHash, EventLog, Expected, Filter, Life, Outcome, Position, Recorded,
    Revision, StreamName,
};
use domain::time::WallTime;
use projections::routing::{UseQuery, Used};
use projections::sessions::{ListQuery, SessionRow};
use projections::{Model, NotThere, Views};
use std::sync::Arc;
use std::time::Duration;
use tests::calls::{ACCOUNT, CallScript, basic, failover, hold, record, record_together, refused};
use uuid::Uuid;

async fn everything(views: &Views) -> (Vec<SessionRow>, Vec<Used>) {
    let query = ListQuery { accounts: vec![ACCOUNT], limit: 200, ..ListQuery::default() };
    let uses = UseQuery { accounts: vec![ACCOUNT], ..UseQuery::default() };
    (views.sessions().list(&query).await.unwrap().rows, views.routing().used(&uses).await.unwrap())
}

fn mixed() -> Vec<CallScript> {
    (0..40).map(|n| [basic, failover, hold, refused][usize::from(n % 4)](n)).collect()
}

#[tokio::test]
async fn a_rebuild_equals_what_was_written_live_through_restarts_at_any_place() {
    let world = World::new();
    record_together(&world.log, &mixed());
    let straight = everything(&world.views("straight").await).await;
    assert_eq!(straight.0.len(), 40);

    // A log that grows: the same calls up to a place, a restart, the rest.
    let all = Filter::default();
    let whole = world.log.read_all(Position(0), Direction::Forwards, &all, 10_000).await.unwrap();
    for cut in [1, 2, 3, 57, 200, 333, 500, whole.len() - 1] {
        let name = format!("cut-{cut}");
        let live = World::new();
        let first: Vec<_> = split(&whole, 0, cut);
        live.log.submit(first, Arc::new(Ignore));
        let before = live.views(&name).await;
        let shown = everything(&before).await;
        before.close().await;
        let after = live.views(&name).await;
        assert_eq!(everything(&after).await, shown, "sessions that live survive a restart after {cut} events");
        after.close().await;
        live.log.submit(split(&whole, cut, whole.len()), Arc::new(Ignore));
        assert_eq!(live.log.head(), world.log.head(), "the fixture lost nothing");
        assert_eq!(everything(&live.views(&name).await).await, straight, "restarted after {cut} events");
    }
}

/// The recorded events from..to again, one append each.
fn split(whole: &[Recorded], from: usize, to: usize) -> Vec<Append> {
    let one = |event: &Recorded| Append {
        stream: event.stream.clone(),
        expected: match event.revision.0 {
            0 => Expected::NoStream,
            n => Expected::Exactly(Revision(n - 1)),
        },
        life: Life::Open,
        correlation: event.correlation,
        node: event.node,
        events: vec![Draft {
            id: event.id,
            kind: event.kind.clone().into(),
            version: event.version,
            at: event.at,
            cause: None,
            previous: event.previous,
            data: event.data.clone(),
        }],
    };
    whole[from..to].iter().map(one).collect()
}

struct Ignore;

impl Committed for Ignore {
    fn committed(&self, _: Vec<Outcome>) {}
}

fn append(stream: StreamName, kind: &'static str, data: &'static str) -> Append {
    Append {
        correlation: Uuid::parse_str(stream.id()).unwrap_or_default(),
        stream,
        expected: Expected::NoStream,
        life: Life::Open,
        node: 1,
        events: vec![Draft {
            id: EventId::minted(1, 999, 0, 1),
            kind: kind.into(),
            version: 1,
            at: WallTime::from_micros(5),
            cause: None,
            previous: EventHash::NONE,
            data: data.into(),
        }],
    }
}

#[tokio::test]
async fn an_event_that_cannot_be_read_stops_the_read_models_at_its_position_also_after_a_restart() {
    let world = World::new();
    record(&world.log, &basic(1));
    let poison = Position(world.log.head().0 + 1);
    let stream = StreamName::new("session", Uuid::from_u128(77));
    world.log.submit(vec![append(stream, "SessionOffered", "{\"leg\":7}")], Arc::new(Ignore));
    record(&world.log, &basic(2));
    for _ in 0..2 {
        let views = world.views_behind("a").await;
        let refused = views.progress().wait_for(world.log.head(), PATIENCE).await.unwrap_err();
        let NotThere::Stopped(stopped) = refused else { panic!("{refused}") };
        assert_eq!(stopped.at, poison);
        assert!(stopped.why.contains("SessionOffered"), "{}", stopped.why);
        assert_eq!(views.progress().now().position, Position(poison.0 - 1), "what came before is there");
        assert_eq!(everything(&views).await.0.len(), 1, "what came after is not");
        views.close().await;
    }
}

#[tokio::test]
async fn a_session_without_a_beginning_stops_the_read_models() {
    let world = World::new();
    let stream = StreamName::new("session", Uuid::from_u128(77));
    let refused = "{\"status\":404,\"rule\":\"r\",\"reason\":\"x\"}";
    world.log.submit(vec![append(stream, "RouteRefused", refused)], Arc::new(Ignore));
    let views = world.views_behind("a").await;
    let stopped = views.progress().wait_for(Position(1), PATIENCE).await.unwrap_err();
    assert!(matches!(stopped, NotThere::Stopped(_)), "{stopped}");
}

#[tokio::test]
async fn the_checkpoint_moves_when_nothing_matches_and_waiters_see_it() {
    let world = World::new();
    let views = world.views("a").await;
    world.log.submit(vec![append(StreamName::new("account", "x"), "AccountOpened", "{}")], Arc::new(Ignore));
    views.progress().wait_for_rows(Position(1), PATIENCE).await.unwrap();
    assert_eq!(views.progress().positions(), Model::ALL.map(|model| (model, Position(1))));
}

#[tokio::test]
async fn waiting_for_a_position_that_does_not_come_says_so() {
    let world = World::new();
    let views = world.views("a").await;
    let late = views.progress().wait_for(Position(9), Duration::from_millis(20)).await.unwrap_err();
    assert_eq!(late, NotThere::Late { at: Position(0), wanted: Position(9) });
}
