//! What a store may do to its client beyond going away: refuse for a while, lose a stream, hold what no exchange wrote, be
//! damaged.

use super::given::{
    after, append, connect, door_of, draft, first, ids, next, one, open_streams, recorded_ids, soon, stream, submit,
    try_one, write,
};
use adapters::event_log::memory::MemoryLog;
use domain::log::{
    Append, AppendError, Direction, EventLog, Expected, Filter, Follow, Followed, PortFuture, Position, ReadError,
    Revision,
};
use tests::watched::Watched;

/// One stream becomes unreadable in the store: its writer hears of it, everybody else goes on, and so does the next start.
async fn one_stream_is_lost(lose: Append) {
    let log = MemoryLog::new();
    let door = door_of(log.clone()).await;
    let store = connect(&door).await;
    write(&store, first("other-1", 1)).await;
    write(&log, lose).await;
    let outcome = try_one(&store, after("other-1", 0, 1)).await;
    assert!(matches!(outcome, Err(AppendError::Unknown(_))), "{outcome:?}");
    let read = soon(store.read_stream(&stream("other-1"), Revision(0), Direction::Forwards, 10)).await;
    assert!(matches!(read, Err(ReadError::Damaged { .. })), "{read:?}");
    write(&store, first("session-1", 1)).await;
    drop(store);
    let store = connect(&door).await;
    assert_eq!(open_streams(&store).await, ["session-1"]);
    write(&store, after("session-1", 0, 1)).await;
    door.close().await;
}

#[tokio::test]
async fn a_stream_that_holds_what_no_exchange_wrote_stops_nothing_but_itself() {
    let strange = draft("Strange", r#"{"content_type":"application/json","metadata":"","data":"e30"}"#);
    let at = Expected::Exactly(Revision(0));
    one_stream_is_lost(Append { events: vec![strange], ..append("foreign-other-1", at, &[]) }).await;
}

#[tokio::test]
async fn a_stream_that_was_deleted_for_good_stops_nothing_but_itself() {
    one_stream_is_lost(append("foreign-$$other-1", Expected::NoStream, &["$streamDeleted"])).await;
}

fn full() -> AppendError {
    AppendError::Unavailable("the disk is full".into())
}

#[tokio::test]
async fn while_the_store_takes_nothing_new_appends_hear_why() {
    let log = MemoryLog::new();
    let door = door_of(log.clone()).await;
    let store = connect(&door).await;
    log.fail_next(full());
    let wanted = first("session-1", 2);
    let refused = try_one(&store, wanted.clone()).await;
    assert!(matches!(&refused, Err(AppendError::Unavailable(why)) if why.contains("disk is full")), "{refused:?}");
    soon(async {
        while try_one(&store, wanted.clone()).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(open_streams(&store).await, ["session-1"]);
    let read = soon(log.read_stream(&stream("session-1"), Revision(0), Direction::Forwards, 10)).await.unwrap();
    assert_eq!(recorded_ids(&read), ids([&wanted]));
    door.close().await;
}

#[tokio::test]
async fn what_was_sent_is_never_said_to_be_unwritten_for_good() {
    let log = MemoryLog::new();
    let door = door_of(log.clone()).await;
    let store = connect(&door).await;
    write(&store, first("session-1", 1)).await;
    // Refused, and again when it is tried once more: an answer that was lost looks the same from here.
    (0..3).for_each(|_| log.fail_next(full()));
    let outcomes = submit(&store, vec![after("session-1", 0, 1)]).await;
    assert_eq!(outcomes[0].result.as_ref().unwrap().last(), Revision(1));
    door.close().await;
}

#[tokio::test]
async fn a_repeat_leaves_its_stream_as_live_as_it_is() {
    let log = MemoryLog::new();
    let written = first("session-1", 2);
    // As a client did that died before it heard the answer.
    let before = one(&log, written.clone()).await;
    let door = door_of(log).await;
    let store = connect(&door).await;
    assert_eq!(one(&store, written).await.position(), before.position());
    assert_eq!(open_streams(&store).await, ["session-1"]);
    door.close().await;
}

/// A follower that meets damage after what has been written so far.
struct Stops(Box<dyn Follow>);

impl Follow for Stops {
    fn next(&mut self) -> PortFuture<'_, Result<Followed, ReadError>> {
        Box::pin(async {
            match self.0.next().await {
                Ok(Followed::CaughtUp(position)) => Err(ReadError::Damaged { position, what: "a row is none".into() }),
                other => other,
            }
        })
    }
}

#[tokio::test]
async fn a_follower_ends_where_the_log_behind_the_door_is_damaged() {
    let log = MemoryLog::new();
    write(&log, first("session-1", 1)).await;
    let door = door_of(Watched { log, each: |follow| Box::new(Stops(follow)) as Box<dyn Follow> }).await;
    let store = connect(&door).await;
    let mut follow = store.follow(Position(0), Filter::default());
    assert!(matches!(next(&mut *follow).await, Followed::Events(_)));
    let met = soon(follow.next()).await;
    assert!(
        matches!(&met, Err(ReadError::Damaged { position: Position(1), what }) if what.starts_with("a row is none")),
        "{met:?}"
    );
    door.close().await;
}
