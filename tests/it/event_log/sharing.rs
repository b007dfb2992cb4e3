//! Followers of a store elsewhere: who has caught up shares one subscription with the others.

use super::given::{append, connect, door_of, draft, first, ids, next, recorded_ids, soon, until_caught_up, write};
use adapters::event_log::memory::MemoryLog;
use domain::log::{Append, EventLog, Expected, Filter, Follow, Followed, PortFuture, Position, ReadError, Recorded};
use event_store_db::client::StoreLog;
use event_store_db::door::Door;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tests::watched::Watched;

/// A follower that is counted.
struct Follower {
    inner: Box<dyn Follow>,
    followers: Arc<AtomicUsize>,
}

impl Follow for Follower {
    fn next(&mut self) -> PortFuture<'_, Result<Followed, ReadError>> {
        self.inner.next()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.followers.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A store, and how many follow it there.
struct Store {
    door: Door,
    log: StoreLog,
    followers: Arc<AtomicUsize>,
}

impl Store {
    async fn open() -> Self {
        let followers = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&followers);
        let each = move |inner| -> Box<dyn Follow> {
            counted.fetch_add(1, Ordering::SeqCst);
            Box::new(Follower { inner, followers: Arc::clone(&counted) })
        };
        let door = door_of(Watched { log: MemoryLog::new(), each }).await;
        let log = connect(&door).await;
        Self { door, log, followers }
    }
}

async fn are(followers: &AtomicUsize, wanted: usize) {
    soon(async {
        while followers.load(Ordering::SeqCst) != wanted {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// The next events; the list of live streams moves checkpoints in between.
async fn events(follow: &mut dyn Follow) -> Vec<Recorded> {
    loop {
        if let Followed::Events(events) = next(follow).await {
            return events;
        }
    }
}

fn of(category: &str) -> Filter {
    Filter { categories: vec![category.into()], kinds: vec![] }
}

#[tokio::test]
async fn an_event_comes_from_the_store_once_for_all_who_have_caught_up() {
    let store = Store::open().await;
    let before = first("session-1", 2);
    write(&store.log, before.clone()).await;
    let mut all = store.log.follow(Position(0), Filter::default());
    let mut sessions = store.log.follow(Position(0), of("session"));
    let mut others = store.log.follow(Position(0), of("other"));
    for (follow, wanted) in [(&mut all, ids([&before])), (&mut sessions, ids([&before])), (&mut others, vec![])] {
        assert_eq!(recorded_ids(&until_caught_up(&mut **follow).await), wanted);
    }
    let (one, two) = (first("session-2", 3), first("other-1", 1));
    write(&store.log, one.clone()).await;
    write(&store.log, two.clone()).await;
    let both = ids([&one, &two]);
    for (follow, wanted) in [(&mut all, &both[..]), (&mut sessions, &both[..3]), (&mut others, &both[3..])] {
        let mut read = Vec::new();
        while read.len() < wanted.len() {
            read.extend(recorded_ids(&events(&mut **follow).await));
        }
        assert_eq!(read, wanted);
    }
    are(&store.followers, 1).await;
    let Store { door, log, followers } = store;
    drop((all, sessions, others, log));
    are(&followers, 0).await;
    door.close().await;
}

#[tokio::test]
async fn who_falls_behind_what_is_shared_asks_the_store_and_misses_nothing() {
    let store = Store::open().await;
    let mut slow = store.log.follow(Position(0), Filter::default());
    let mut quick = store.log.follow(Position(0), Filter::default());
    for follow in [&mut slow, &mut quick] {
        assert_eq!(until_caught_up(&mut **follow).await, []);
    }
    // More than is kept for all.
    let long = format!("{{\"n\":\"{}\"}}", "x".repeat(200_000));
    let mut written = Vec::new();
    for call in 1..=120 {
        let event = draft("Noted", &long);
        let wanted = Append { events: vec![event], ..append(&format!("session-{call}"), Expected::NoStream, &[]) };
        write(&store.log, wanted.clone()).await;
        assert_eq!(recorded_ids(&events(&mut *quick).await), ids([&wanted]));
        written.push(wanted);
    }
    let wanted = ids(&written);
    let mut read = recorded_ids(&until_caught_up(&mut *slow).await);
    // It says that it has caught up once more, and follows with the others again.
    let last = first("session-last", 1);
    write(&store.log, last.clone()).await;
    read.extend(recorded_ids(&events(&mut *slow).await));
    assert_eq!(read, [wanted, ids([&last])].concat());
    are(&store.followers, 1).await;
    store.door.close().await;
}
