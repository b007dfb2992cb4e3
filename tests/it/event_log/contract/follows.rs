//! Rules of following.

use super::super::given::{append, first, ids, next, one, recorded_ids, soon, submit, until_caught_up, write};
use super::Home;
use domain::log::{Expected, Filter, Followed, Position, ReadError};

fn only(category: &str, kind: &str) -> Filter {
    Filter { categories: vec![category.into()], kinds: vec![kind.into()] }
}

pub async fn a_follower_catches_up_then_is_live(home: &mut dyn Home) {
    let log = home.open();
    let mut empty = log.follow(Position(0), Filter::default());
    assert_eq!(next(&mut *empty).await, Followed::CaughtUp(Position(0)), "even an empty log is caught up with");
    let written = [first("session-1", 2), first("session-2", 3)];
    for append in &written {
        write(&*log, append.clone()).await;
    }
    let mut follow = log.follow(Position(0), Filter::default());
    assert_eq!(recorded_ids(&until_caught_up(&mut *follow).await), ids(&written));
    let live = first("session-3", 2);
    let (followed, _) = tokio::join!(next(&mut *follow), one(&*log, live.clone()));
    let Followed::Events(events) = followed else { panic!("{followed:?}") };
    assert_eq!(recorded_ids(&events), ids([&live]));
}

pub async fn a_follower_resumes_inside_a_batch(home: &mut dyn Home) {
    let log = home.open();
    let written = [first("session-1", 5), first("session-2", 3)];
    submit(&*log, written.to_vec()).await;
    drop(log);
    let log = home.open();
    let all = ids(&written);
    for after in 0..=8 {
        let mut follow = log.follow(Position(after as u64), Filter::default());
        assert_eq!(recorded_ids(&until_caught_up(&mut *follow).await), all[after..]);
    }
}

pub async fn a_checkpoint_moves_though_nothing_matches(home: &mut dyn Home) {
    let log = home.open();
    for index in 0..30 {
        write(&*log, first(&format!("session-{index}"), 2)).await;
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
    assert_eq!(told, Position(60));
}

pub async fn a_live_follower_gets_a_checkpoint_though_nothing_matches(home: &mut dyn Home) {
    let log = home.open();
    let mut follow = log.follow(Position(0), only("session", "Wanted"));
    assert_eq!(next(&mut *follow).await, Followed::CaughtUp(Position(0)));
    for round in 0..3 {
        let start = log.head().0;
        write(&*log, append(&format!("session-{round}"), Expected::NoStream, &["Noted", "Wanted", "Noted"])).await;
        write(&*log, append(&format!("other-{round}"), Expected::NoStream, &["Wanted"])).await;
        let Followed::Events(events) = next(&mut *follow).await else { panic!("the wanted event comes first") };
        assert_eq!(events.iter().map(|event| event.position.0).collect::<Vec<_>>(), [start + 2]);
        // An engine that had to ask its store has fallen behind and says so when it has caught up again.
        let followed = next(&mut *follow).await;
        let position = Position(start + 4);
        assert!(followed == Followed::Checkpoint(position) || followed == Followed::CaughtUp(position), "{followed:?}");
    }
}

pub async fn a_long_way_is_handed_over_in_pages(home: &mut dyn Home) {
    let log = home.open();
    let written: Vec<_> = (0..9).map(|index| first(&format!("session-{index}"), 333)).collect();
    submit(&*log, written.clone()).await;
    drop(log);
    let log = home.open();
    let mut follow = log.follow(Position(0), Filter::default());
    let Followed::Events(page) = next(&mut *follow).await else { panic!("a page of events comes first") };
    assert!(page.len() < 1_500, "one page holds {} events", page.len());
    let mut read = recorded_ids(&page);
    read.extend(recorded_ids(&until_caught_up(&mut *follow).await));
    assert_eq!(read, ids(&written));
}

pub async fn a_follower_misses_nothing_under_concurrent_appends(home: &mut dyn Home) {
    const WRITERS: usize = 4;
    const APPENDS: usize = 50;
    let log = home.open();
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
    let mut expected = 1;
    while expected <= total as u64 {
        if let Followed::Events(events) = next(&mut *follow).await {
            for event in events {
                assert_eq!(event.position.0, expected, "no gap and no repeat");
                expected += 1;
            }
        }
    }
    for writer in writers {
        soon(writer).await.unwrap();
    }
    assert_eq!(log.head().0, total as u64);
}

pub async fn a_checkpoint_of_another_log_is_noticed(home: &mut dyn Home) {
    let log = home.open();
    write(&*log, first("session-1", 3)).await;
    let mut follow = log.follow(Position(4), Filter::default());
    assert!(matches!(soon(follow.next()).await, Err(ReadError::Damaged { position: Position(4), .. })));
}
