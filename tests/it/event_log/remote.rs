//! A log behind its door, and the client before it: what neither can show alone.

use super::given::{
    Inbox, NODE, after, append, closing, connect, door_at, door_of, draft, first, ids, next, open_streams,
    recorded_ids, soon, stream, submit, write,
};
use adapters::event_log::memory::MemoryLog;
use domain::log::{
    Append, AppendError, Direction, EventLog, Expected, Filter, Followed, Life, Position, Recorded, Revision,
};
use event_store_db::client::StoreLog;

async fn everything(log: &dyn EventLog) -> Vec<Recorded> {
    soon(log.read_all(Position(0), Direction::Forwards, &Filter::default(), usize::MAX)).await.unwrap()
}

/// Events of the exchange's own, without the list of live streams.
fn of_calls(events: Vec<Recorded>) -> Vec<Recorded> {
    events.into_iter().filter(|event| event.stream.category() != "live").collect()
}

/// What the store does with an append that lies before it when it dies.
#[derive(Clone, Copy)]
enum Dying {
    Commits,
    Loses,
}

/// A store dies over an append and comes back at its address: whether it committed or not, the append is there once, and
/// the client says so.
async fn a_store_dies_over_an_append(dying: Dying) {
    let log = MemoryLog::new();
    let door = door_of(log.clone()).await;
    let address = door.address();
    let store = connect(&door).await;
    write(&store, first("session-1", 1)).await;
    log.hold();
    let wanted = after("session-1", 0, 3);
    let (inbox, mut outcomes) = Inbox::new();
    store.submit(vec![wanted.clone()], inbox);
    soon(async {
        while log.waiting() == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    door.close().await;
    if let Dying::Loses = dying {
        log.lose_waiting();
    }
    log.release();
    let door = door_at(log.clone(), address).await;
    let outcome = soon(outcomes.recv()).await.unwrap().remove(0);
    assert_eq!(outcome.result.unwrap().last(), Revision(3));
    let read = soon(store.read_stream(&stream("session-1"), Revision(1), Direction::Forwards, 10)).await.unwrap();
    assert_eq!(recorded_ids(&read), ids([&wanted]));
    assert_eq!(of_calls(everything(&log).await).len(), 4);
    door.close().await;
}

#[tokio::test]
async fn an_append_whose_answer_was_lost_is_found_and_not_written_twice() {
    a_store_dies_over_an_append(Dying::Commits).await;
}

#[tokio::test]
async fn an_append_that_never_arrived_is_sent_again() {
    a_store_dies_over_an_append(Dying::Loses).await;
}

#[tokio::test]
async fn while_the_store_is_away_nothing_new_is_promised_and_later_it_goes_on() {
    let log = MemoryLog::new();
    let door = door_of(log.clone()).await;
    let address = door.address();
    let store = connect(&door).await;
    let mut follow = store.follow(Position(0), Filter::default());
    assert_eq!(next(&mut *follow).await, Followed::CaughtUp(Position(0)));
    door.close().await;
    let wanted = first("session-1", 2);
    let refused = submit(&store, vec![wanted.clone()]).await.remove(0).result;
    assert!(matches!(refused, Err(AppendError::Unavailable(_))), "{refused:?}");
    assert!(everything(&log).await.is_empty());
    let door = door_at(log.clone(), address).await;
    // As an exchange does: again and again, the same.
    soon(async {
        while submit(&store, vec![wanted.clone()]).await.remove(0).result.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let events = loop {
        if let Followed::Events(events) = next(&mut *follow).await {
            break events;
        }
    };
    assert_eq!(recorded_ids(&events), ids([&wanted]), "a follower comes back by itself");
    assert_eq!(open_streams(&store).await, ["session-1"]);
    door.close().await;
}

/// A note of the live list, as a client that died left it.
fn note(kind: &'static str, name: &str, expected: Expected) -> Append {
    let event = draft(kind, &format!("{{\"stream\":\"{name}\"}}"));
    Append { life: Life::Closed, events: vec![event], ..append("live-7", expected, &[]) }
}

#[tokio::test]
async fn what_a_crash_left_in_the_live_list_too_much_is_not_recovered() {
    let log = MemoryLog::new();
    for (expected, name) in [
        (Expected::NoStream, "session-1"),
        (Expected::Exactly(Revision(0)), "session-2"),
        (Expected::Exactly(Revision(1)), "session-3"),
    ] {
        write(&log, note("StreamOpened", name, expected)).await;
    }
    // One was never written, one was closed and that not noted, one lives.
    write(&log, closing(first("session-2", 2))).await;
    write(&log, first("session-3", 1)).await;
    let door = door_of(log.clone()).await;
    let store = connect(&door).await;
    assert!(!store.is_new_node());
    assert_eq!(open_streams(&store).await, ["session-3"]);
    door.close().await;
}

#[tokio::test]
async fn an_opening_is_durable_before_the_first_append_of_its_stream() {
    let log = MemoryLog::new();
    let door = door_of(log.clone()).await;
    let store = connect(&door).await;
    assert!(store.is_new_node());
    submit(&store, (0..50).map(|call| first(&format!("session-{call}"), 2)).collect()).await;
    let events = everything(&log).await;
    for call in 0..50 {
        let name = format!("session-{call}");
        let listed = events
            .iter()
            .position(|event| String::from_utf8_lossy(&event.data) == format!("{{\"stream\":\"{name}\"}}"));
        let written = events.iter().position(|event| event.stream.as_str() == name);
        assert!(listed.unwrap() < written.unwrap(), "{name}");
    }
    door.close().await;
}

#[tokio::test]
async fn the_live_list_is_stated_anew_so_that_reading_it_costs_by_live_streams() {
    let log = MemoryLog::new();
    let door = door_of(log.clone()).await;
    let store = connect(&door).await;
    write(&store, first("session-lives", 1)).await;
    for round in 0..30 {
        let names: Vec<_> = (0..50).map(|call| format!("session-{round}x{call}")).collect();
        submit(&store, names.iter().map(|name| first(name, 1)).collect()).await;
        submit(&store, names.iter().map(|name| closing(after(name, 0, 1))).collect()).await;
    }
    let list = stream("live-7");
    let stated =
        everything(&log).await.into_iter().filter(|event| event.stream == list && &*event.kind == "LiveStated");
    let last = stated.last().expect("3,000 notes are more than lie between two statements").revision;
    let after = soon(log.read_stream(&list, last, Direction::Forwards, usize::MAX)).await.unwrap().len();
    assert!(after < 2_000, "{after} notes since");
    drop(store);
    let store = connect(&door).await;
    assert_eq!(open_streams(&store).await, ["session-lives"]);
    // Its hash chain goes on over statements, notes and clients.
    write(&store, first("session-next", 1)).await;
    let mut previous = domain::log::EventHash::NONE;
    for event in soon(log.read_stream(&list, Revision(0), Direction::Forwards, usize::MAX)).await.unwrap() {
        assert_eq!(event.previous, previous, "at {:?}", event.revision);
        previous = event.hash();
    }
    door.close().await;
}

#[tokio::test]
async fn who_reads_alone_sees_everything_and_writes_nothing() {
    let log = MemoryLog::new();
    let door = door_of(log.clone()).await;
    let store = connect(&door).await;
    write(&store, first("session-1", 2)).await;
    write(&store, closing(first("session-2", 1))).await;
    let before = everything(&log).await;
    let url = format!("esdb://{}?tls=false&discoveryInterval=1", door.address());
    let reader = StoreLog::open_for_reading(url.parse().unwrap(), NODE).await.unwrap();
    assert_eq!(everything(&reader).await, of_calls(before.clone()));
    assert_eq!(Some(reader.head()), of_calls(before.clone()).last().map(|event| event.position));
    assert_eq!(open_streams(&reader).await, ["session-1"]);
    let (inbox, mut outcomes) = Inbox::new();
    reader.submit(vec![after("session-1", 1, 1)], inbox);
    let refused = soon(outcomes.recv()).await.unwrap().remove(0).result;
    assert!(matches!(refused, Err(AppendError::Invalid(_))), "{refused:?}");
    assert_eq!(everything(&log).await, before);
    door.close().await;
}
