//! Rules of reading.

use super::super::given::{after, append, first, fresh, one, recorded_ids, soon, stream, together, write};
use super::Home;
use domain::log::Direction::{Backwards, Forwards};
use domain::log::{Append, EventHash, EventLog, Expected, Filter, Kind, Part, Position, Recorded, Revision};

async fn read_stream(log: &dyn EventLog, from: u64, direction: domain::log::Direction, limit: usize) -> Vec<u64> {
    let name = stream("session-1");
    let events = soon(log.read_stream(&name, Revision(from), direction, limit)).await.unwrap();
    assert!(events.iter().all(|event| event.stream == name));
    events.iter().map(|event| event.revision.0).collect()
}

async fn read_all(log: &dyn EventLog, from: u64, direction: domain::log::Direction, limit: usize) -> Vec<u64> {
    let events = soon(log.read_all(Position(from), direction, &Filter::default(), limit)).await.unwrap();
    events.iter().map(|event| event.position.0).collect()
}

pub async fn everything_that_was_written_is_read_unchanged(home: &mut dyn Home) {
    let log = home.open().await;
    let mut written = append("session-1", Expected::NoStream, &["SessionOffered", "LegInvited"]);
    written.events[0].data = "{\"text\":\"\\u0000 é 😀\"}".into();
    written.events[1].version = u16::MAX;
    written.events[1].at = domain::time::WallTime::from_micros(i64::MIN);
    written.events[1].previous = EventHash([0xab; 32]);
    written.node = u16::MAX;
    let durable = one(&*log, written.clone()).await;
    let before = soon(log.read_stream(&written.stream, Revision(0), Forwards, 1)).await.unwrap()[0].position;
    assert!(before < durable.position());
    let expected: Vec<_> = written
        .events
        .iter()
        .zip(0..)
        .map(|(draft, index)| Recorded {
            position: [before, durable.position()][index as usize],
            stream: written.stream.clone(),
            revision: Revision(index),
            id: draft.id,
            kind: draft.kind.as_str().into(),
            version: draft.version,
            at: draft.at,
            correlation: written.correlation,
            cause: draft.cause,
            node: written.node,
            previous: draft.previous,
            life: written.life,
            data: draft.data.clone(),
        })
        .collect();
    assert_eq!(soon(log.read_stream(&written.stream, Revision(0), Forwards, 10)).await, Ok(expected.clone()));
    assert_eq!(soon(log.read_all(Position(0), Forwards, &Filter::default(), 10)).await, Ok(expected.clone()));
    drop(log);
    let log = home.open().await;
    assert_eq!(soon(log.read_all(Position(0), Forwards, &Filter::default(), 10)).await, Ok(expected));
}

/// Chains an append to what its stream held, as writers do.
fn chained(mut append: Append, mut previous: EventHash) -> (Append, EventHash) {
    for index in 0..append.events.len() {
        append.events[index].previous = previous;
        previous = append.hash_of(index).unwrap();
    }
    (append, previous)
}

pub async fn hashes_survive_and_chain(home: &mut dyn Home) {
    let log = home.open().await;
    let (head, last) = chained(first("session-1", 3), EventHash::NONE);
    let (tail, _) = chained(after("session-1", 2, 2), last);
    let written: Vec<_> = [&head, &tail].iter().flat_map(|a| (0..a.events.len()).map(|i| a.hash_of(i))).collect();
    write(&*log, head).await;
    write(&*log, tail).await;
    drop(log);
    let log = home.open().await;
    let events = soon(log.read_stream(&stream("session-1"), Revision(0), Forwards, 10)).await.unwrap();
    let read: Vec<_> = events.iter().map(|event| Some(event.hash())).collect();
    assert_eq!(read, written);
    let mut previous = EventHash::NONE;
    for event in events {
        assert_eq!(event.previous, previous);
        previous = event.hash();
    }
}

pub async fn a_stream_is_read_both_ways_within_bounds_and_limits(home: &mut dyn Home) {
    let log = home.open().await;
    write(&*log, first("session-1", 3)).await;
    write(&*log, first("session-2", 2)).await;
    write(&*log, after("session-1", 2, 1)).await;
    write(&*log, after("session-1", 3, 4)).await;
    assert_eq!(read_stream(&*log, 0, Forwards, 100).await, [0, 1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(read_stream(&*log, 0, Forwards, 2).await, [0, 1]);
    assert_eq!(read_stream(&*log, 1, Forwards, 3).await, [1, 2, 3]);
    assert_eq!(read_stream(&*log, 6, Forwards, 100).await, [6, 7]);
    assert!(read_stream(&*log, 8, Forwards, 100).await.is_empty());
    assert!(read_stream(&*log, u64::MAX, Forwards, 100).await.is_empty());
    assert_eq!(read_stream(&*log, u64::MAX, Backwards, 100).await, [7, 6, 5, 4, 3, 2, 1, 0]);
    assert_eq!(read_stream(&*log, 5, Backwards, 3).await, [5, 4, 3]);
    assert_eq!(read_stream(&*log, 0, Backwards, 3).await, [0]);
    assert!(read_stream(&*log, 0, Forwards, 0).await.is_empty());
    assert_eq!(read_stream(&*log, 0, Forwards, usize::MAX).await.len(), 8);
}

pub async fn a_missing_stream_reads_as_empty(home: &mut dyn Home) {
    let log = home.open().await;
    assert!(read_stream(&*log, 0, Forwards, 10).await.is_empty());
    assert!(read_stream(&*log, u64::MAX, Backwards, 10).await.is_empty());
    assert!(read_all(&*log, 0, Forwards, 10).await.is_empty());
    assert!(read_all(&*log, u64::MAX, Backwards, 10).await.is_empty());
}

pub async fn the_whole_log_is_read_by_positions_without_gaps(home: &mut dyn Home) {
    let log = home.open().await;
    write(&*log, first("session-1", 3)).await;
    write(&*log, first("session-2", 2)).await;
    write(&*log, after("session-1", 2, 3)).await;
    assert_eq!(read_all(&*log, 0, Forwards, 100).await, [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(read_all(&*log, 1, Forwards, 3).await, [2, 3, 4]);
    assert_eq!(read_all(&*log, 6, Forwards, 100).await, [7, 8]);
    assert!(read_all(&*log, 8, Forwards, 100).await.is_empty());
    assert!(read_all(&*log, u64::MAX, Forwards, 100).await.is_empty());
    assert_eq!(read_all(&*log, u64::MAX, Backwards, 100).await, [8, 7, 6, 5, 4, 3, 2, 1]);
    assert_eq!(read_all(&*log, 5, Backwards, 3).await, [4, 3, 2]);
    assert_eq!(read_all(&*log, 2, Backwards, 3).await, [1]);
    assert!(read_all(&*log, 1, Backwards, 3).await.is_empty());
    assert!(read_all(&*log, 0, Backwards, 3).await.is_empty());
    assert!(read_all(&*log, 0, Forwards, 0).await.is_empty());
    assert_eq!(read_all(&*log, 0, Forwards, usize::MAX).await.len(), 8);
}

pub async fn the_whole_log_is_read_both_ways_within_bounds_and_limits(home: &mut dyn Home) {
    let log = home.open().await;
    write(&*log, first("session-1", 3)).await;
    write(&*log, first("session-2", 2)).await;
    write(&*log, after("session-1", 2, 3)).await;
    let all = read_all(&*log, 0, Forwards, 100).await;
    let backwards: Vec<_> = all.iter().rev().copied().collect();
    assert_eq!(all.len(), 8);
    for (index, at) in all.iter().enumerate() {
        assert_eq!(read_all(&*log, *at, Forwards, 100).await, all[index + 1..]);
        assert_eq!(
            read_all(&*log, *at, Forwards, 2).await,
            all[index + 1..].iter().take(2).copied().collect::<Vec<_>>()
        );
        assert_eq!(read_all(&*log, *at, Backwards, 100).await, backwards[8 - index..]);
        assert_eq!(
            read_all(&*log, *at, Backwards, 1).await,
            backwards[8 - index..].iter().take(1).copied().collect::<Vec<_>>()
        );
    }
    assert!(read_all(&*log, u64::MAX, Forwards, 100).await.is_empty());
    assert_eq!(read_all(&*log, u64::MAX, Backwards, 100).await, backwards);
    assert!(read_all(&*log, 0, Backwards, 3).await.is_empty());
    assert!(read_all(&*log, 0, Forwards, 0).await.is_empty());
    assert_eq!(read_all(&*log, 0, Forwards, usize::MAX).await, all);
}

pub async fn filters_choose_by_category_and_type(home: &mut dyn Home) {
    let log = home.open().await;
    let mut events = Vec::new();
    for category in ["session", "sessions", "account", "session"] {
        let name = format!("{category}-{}", fresh());
        let written = append(&name, Expected::NoStream, &["Opened", "Noted", "Closed"]);
        write(&*log, written.clone()).await;
        events.extend(written.events.iter().map(|event| (category, event.kind.clone(), event.id)).collect::<Vec<_>>());
    }
    for (categories, kinds) in [
        (vec!["session"], vec![]),
        (vec!["session", "account"], vec![]),
        (vec![], vec!["Noted"]),
        (vec![], vec!["Closed", "Opened"]),
        (vec!["account"], vec!["Closed"]),
        (vec!["nothing"], vec![]),
        (vec![], vec!["Nothing"]),
    ] {
        let filter = Filter {
            categories: categories.iter().map(ToString::to_string).collect(),
            kinds: kinds.iter().map(ToString::to_string).collect(),
        };
        let wanted = |(category, kind, _): &&(&str, Kind, _)| {
            (categories.is_empty() || categories.contains(category))
                && (kinds.is_empty() || kinds.contains(&kind.as_str()))
        };
        let mut expected: Vec<_> = events.iter().filter(wanted).map(|(_, _, id)| *id).collect();
        let read = soon(log.read_all(Position(0), Forwards, &filter, 100)).await.unwrap();
        assert_eq!(recorded_ids(&read), expected, "{filter:?}");
        let few = soon(log.read_all(Position(0), Forwards, &filter, 2)).await.unwrap();
        assert_eq!(recorded_ids(&few), expected[..expected.len().min(2)], "the limit counts what matches");
        expected.reverse();
        let read = soon(log.read_all(Position(u64::MAX), Backwards, &filter, 100)).await.unwrap();
        assert_eq!(recorded_ids(&read), expected, "{filter:?}");
    }
}

pub async fn many_streams_are_read_together_as_each_alone(home: &mut dyn Home) {
    let log = home.open().await;
    for round in 0..3 {
        for name in ["session-1", "session-2", "number-1"] {
            let append = if round == 0 { first(name, 2) } else { after(name, round * 2 - 1, 2) };
            let _ = one(&*log, append).await;
        }
    }
    let names = ["session-2", "session-9", "number-1", "session-1"].map(stream);
    for (from, direction, limit) in [(0, Forwards, 9), (3, Forwards, 2), (u64::MAX, Backwards, 3), (2, Backwards, 9)] {
        let part = Part { from: Revision(from), direction, limit };
        let all = together(&*log, &names, part).await;
        assert_eq!(all.iter().map(|(name, _)| name).collect::<Vec<_>>(), names.iter().collect::<Vec<_>>());
        for (name, events) in all {
            assert_eq!(Ok(events), soon(log.read_stream(&name, Revision(from), direction, limit)).await, "{name}");
        }
    }
    assert_eq!(together(&*log, &[], Part { from: Revision(0), direction: Forwards, limit: 1 }).await, []);
}
