//! Rules of following.

use super::super::given::{
    append, first, ids, next, next_events, one, recorded_ids, soon, submit, until_caught_up, write,
};
use super::Home;
use domain::log::{Direction, Expected, Filter, Followed, Position, ReadError, Recorded};

fn only(category: &str, kind: &str) -> Filter {
    Filter { categories: vec![category.into()], kinds: vec![kind.into()] }
}

pub async fn a_follower_catches_up_then_is_live(home: &mut dyn Home) {
    let log = home.open().await;
    let mut empty = log.follow(Position(0), Filter::default());
    assert_eq!(next(&mut *empty).await, Followed::CaughtUp(Position(0)), "even an empty log is caught up with");
    let written = [first("session-1", 2), first("session-2", 3)];
    for append in &written {
        write(&*log, append.clone()).await;
    }
    let mut follow = log.follow(Position(0), Filter::default());
    assert_eq!(recorded_ids(&until_caught_up(&mut *follow).await), ids(&written));
    let live = first("session-3", 2);
    let (events, _) = tokio::join!(next_events(&mut *follow), one(&*log, live.clone()));
    assert_eq!(recorded_ids(&events), ids([&live]));
}

pub async fn a_follower_resumes_inside_a_batch(home: &mut dyn Home) {
    let log = home.open().await;
    let written = [first("session-1", 5), first("session-2", 3)];
    submit(&*log, written.to_vec()).await;
    drop(log);
    let log = home.open().await;
    let all = ids(&written);
    let events = until_caught_up(&mut *log.follow(Position(0), Filter::default())).await;
    assert_eq!(recorded_ids(&events), all);
    for (index, event) in events.iter().enumerate() {
        let mut follow = log.follow(event.position, Filter::default());
        assert_eq!(recorded_ids(&until_caught_up(&mut *follow).await), all[index + 1..]);
    }
}

pub async fn a_checkpoint_moves_though_nothing_matches(home: &mut dyn Home) {
    let log = home.open().await;
    let mut last = Position(0);
    for index in 0..30 {
        last = one(&*log, first(&format!("session-{index}"), 2)).await.position();
    }
    let mut follow = log.follow(Position(0), only("account", "Noted"));
    let mut told = Position(0);
    loop {
        match next(&mut *follow).await {
            Followed::Checkpoint(position) => assert!(std::mem::replace(&mut told, position) < position),
            Followed::CaughtUp(position) => break told = position,
            Followed::Events(events) => panic!("{events:?}"),
        }
    }
    assert!(told >= last, "{told} is before {last}");
}

pub async fn a_live_follower_gets_a_checkpoint_though_nothing_matches(home: &mut dyn Home) {
    let log = home.open().await;
    let mut follow = log.follow(Position(0), only("session", "Wanted"));
    assert_eq!(next(&mut *follow).await, Followed::CaughtUp(Position(0)));
    for round in 0..3 {
        let wanted = append(&format!("session-{round}"), Expected::NoStream, &["Noted", "Wanted", "Noted"]);
        write(&*log, wanted.clone()).await;
        let end = one(&*log, append(&format!("other-{round}"), Expected::NoStream, &["Wanted"])).await.position();
        // What is written for the log's own purposes may move the checkpoint before.
        let events = loop {
            match next(&mut *follow).await {
                Followed::Events(events) => break events,
                Followed::Checkpoint(position) | Followed::CaughtUp(position) => assert!(position < end),
            }
        };
        assert_eq!(recorded_ids(&events), [wanted.events[1].id]);
        loop {
            // An engine that had to ask its store has fallen behind and says so when it has caught up again.
            match next(&mut *follow).await {
                Followed::Checkpoint(position) | Followed::CaughtUp(position) if position >= end => break,
                Followed::Checkpoint(_) | Followed::CaughtUp(_) => {}
                Followed::Events(events) => panic!("{events:?}"),
            }
        }
    }
}

pub async fn a_long_way_is_handed_over_in_pages(home: &mut dyn Home) {
    let log = home.open().await;
    let written: Vec<_> = (0..9).map(|index| first(&format!("session-{index}"), 333)).collect();
    submit(&*log, written.clone()).await;
    drop(log);
    let log = home.open().await;
    let mut follow = log.follow(Position(0), Filter::default());
    let page = next_events(&mut *follow).await;
    assert!(page.len() < 1_500, "one page holds {} events", page.len());
    let mut read = recorded_ids(&page);
    read.extend(recorded_ids(&until_caught_up(&mut *follow).await));
    assert_eq!(read, ids(&written));
}

pub async fn a_follower_misses_nothing_under_concurrent_appends(home: &mut dyn Home) {
    const WRITERS: usize = 4;
    const APPENDS: usize = 50;
    let log = home.open().await;
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let log = log.clone();
        writers.push(tokio::spawn(async move {
            for index in 0..APPENDS {
                write(&*log, first(&format!("session-{writer}x{index}"), 1 + index % 3)).await;
                tokio::task::yield_now().await;
            }
        }));
    }
    let total: usize = WRITERS * (0..APPENDS).map(|index| 1 + index % 3).sum::<usize>();
    let mut follow = log.follow(Position(0), Filter::default());
    let mut read: Vec<Recorded> = Vec::new();
    while read.len() < total {
        if let Followed::Events(events) = next(&mut *follow).await {
            read.extend(events);
        }
    }
    assert!(read.is_sorted_by(|one, next| one.position < next.position), "no repeat");
    let all = soon(log.read_all(Position(0), Direction::Forwards, &Filter::default(), usize::MAX)).await;
    assert_eq!(all, Ok(read), "no gap");
    for writer in writers {
        soon(writer).await.unwrap();
    }
    assert_eq!(
        log.head(),
        soon(log.read_all(Position(u64::MAX), Direction::Backwards, &Filter::default(), 1)).await.unwrap()[0].position
    );
}

pub async fn a_checkpoint_of_another_log_is_noticed(home: &mut dyn Home) {
    let log = home.open().await;
    let beyond = Position(one(&*log, first("session-1", 3)).await.position().0 + 1_000_000);
    let mut follow = log.follow(beyond, Filter::default());
    assert!(matches!(soon(follow.next()).await, Err(ReadError::Damaged { position, .. }) if position == beyond));
}
