use super::keeper::{Derive, Derived, Fault, Keep};
use super::shelf::Shelf;
use crate::event_log::commit::commit;
use crate::event_log::memory::MemoryLog;
use crate::keyring::{Keyring, Master};
use crate::scratch::Folder;
use bytes::Bytes;
use domain::ids::EventId;
use domain::log::{
    Append, Direction, Draft, EventHash, EventLog, Expected, Life, PortFuture, Position, ReadError, Revision,
    StreamName,
};
use domain::time::WallTime;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;
use uuid::Uuid;

const CATEGORIES: [&str; 1] = ["number"];

/// What is kept of a stream is its events, side by side.
struct Plain {
    log: Arc<dyn EventLog>,
    /// Destroyed in the midst of reading.
    destroys: Option<Arc<Shelf>>,
    read: Mutex<Vec<String>>,
}

impl Derive for Plain {
    fn categories(&self) -> &'static [&'static str] {
        &CATEGORIES
    }

    fn derive(&self, streams: Vec<StreamName>, out: mpsc::Sender<Derived>) -> PortFuture<'_, Result<(), ReadError>> {
        Box::pin(async move {
            if let Some(shelf) = &self.destroys {
                shelf.destroy().unwrap();
            }
            for stream in streams {
                let events = self.log.read_stream(&stream, Revision(0), Direction::Forwards, 100).await?;
                self.read.lock().unwrap().push(stream.to_string());
                let what: Vec<u8> = events.iter().flat_map(|event| event.data.to_vec()).collect();
                // A page a stream.
                let _ = out.send(vec![(stream, what)]).await;
            }
            Ok(())
        })
    }
}

struct Stage {
    folder: Folder,
    log: MemoryLog,
    keyring: Arc<Keyring>,
    shelf: Arc<Shelf>,
    counter: u64,
}

impl Stage {
    fn new() -> Self {
        let folder = Folder::new();
        let master = Master::File(folder.path().join("keyring.key"));
        let keyring = Arc::new(Keyring::open(&folder.path().join("keyring.db"), &master).unwrap());
        let shelf = Arc::new(Shelf::new(folder.path().join("some.kept"), Arc::clone(&keyring)));
        Self { folder, log: MemoryLog::new(), keyring, shelf, counter: 0 }
    }

    async fn write(&mut self, stream: &str, text: &str, life: Life) {
        self.write_times(stream, text, life, 1).await;
    }

    /// So many events, in one append.
    async fn write_times(&mut self, stream: &str, text: &str, life: Life, times: u64) {
        let stream = StreamName::parse(stream).unwrap();
        let last = self.log.read_stream(&stream, Revision(u64::MAX), Direction::Backwards, 1).await.unwrap().pop();
        let previous = last.as_ref().map_or(EventHash::NONE, domain::log::Recorded::hash);
        let counter = self.counter;
        self.counter += times;
        let event = |number| Draft {
            id: EventId::minted(1, 1, 0, number),
            kind: "Noted".into(),
            version: 1,
            at: WallTime::from_micros(number as i64),
            cause: None,
            previous,
            data: Bytes::from(format!("\"{text}\"")),
        };
        let events = (counter + 1..=counter + times).map(event).collect();
        let expected = last.map_or(Expected::NoStream, |last| Expected::Exactly(last.revision));
        let append = Append { stream, expected, life, correlation: Uuid::from_u128(1), node: 1, events };
        for outcome in commit(&self.log, vec![append]).await {
            let _ = outcome.unwrap();
        }
    }

    fn keep(&self, destroys: bool) -> (Keep, Arc<Plain>) {
        let log: Arc<dyn EventLog> = Arc::new(self.log.clone());
        let destroys = destroys.then(|| Arc::clone(&self.shelf));
        let plain = Arc::new(Plain { log: Arc::clone(&log), destroys, read: Mutex::default() });
        let (shelf, derive) = (Arc::clone(&self.shelf), Arc::clone(&plain) as Arc<dyn Derive>);
        (Keep { shelf, log, derive }, plain)
    }

    /// Makes a file; answers how much is in it, and which streams were read for it.
    async fn make(&self) -> (Result<usize, Fault>, BTreeSet<String>) {
        let (keep, plain) = self.keep(false);
        let made = keep.make(self.log.head()).await;
        let read = plain.read.lock().unwrap().drain(..).collect();
        (made, read)
    }

    /// What a start takes up, and what is left to be read.
    async fn taken(&self) -> (BTreeMap<String, String>, BTreeSet<String>) {
        taken_by(&self.shelf, &self.log).await
    }

    fn file(&self) -> std::path::PathBuf {
        self.folder.path().join("some.kept")
    }
}

async fn taken_by(shelf: &Shelf, log: &MemoryLog) -> (BTreeMap<String, String>, BTreeSet<String>) {
    let mut open = log.open_streams().await.unwrap();
    open.retain(|stream| CATEGORIES.contains(&stream.category()));
    let (all, kept) = (open.len(), Arc::new(Mutex::new(BTreeMap::new())));
    let told = Arc::clone(&kept);
    let take = move |derived: Derived| {
        for (stream, what) in derived {
            told.lock().unwrap().insert(stream.to_string(), String::from_utf8(what).unwrap());
        }
        vec![]
    };
    let left = shelf.take_up(log, &CATEGORIES, open, take).await.unwrap();
    let left: BTreeSet<String> = left.iter().map(StreamName::to_string).collect();
    let kept = std::mem::take(&mut *kept.lock().unwrap());
    assert_eq!(kept.len() + left.len(), all, "each is either kept or left");
    assert!(kept.keys().all(|stream| !left.contains(stream)));
    (kept, left)
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

async fn three() -> Stage {
    let mut stage = Stage::new();
    for (stream, text) in
        [("number-1", "a"), ("number-2", "b"), ("number-3", "c"), ("account-1", "x"), ("number-1", "d")]
    {
        stage.write(stream, text, Life::Open).await;
    }
    stage
}

#[tokio::test]
async fn what_was_not_written_since_is_taken_up_and_the_rest_is_left() {
    let mut stage = three().await;
    assert_eq!(
        stage.taken().await,
        (BTreeMap::new(), names(&["number-1", "number-2", "number-3"])),
        "nothing is kept yet"
    );
    let (made, read) = stage.make().await;
    assert_eq!((made.unwrap(), read), (3, names(&["number-1", "number-2", "number-3"])));
    let (kept, left) = stage.taken().await;
    assert_eq!((kept["number-1"].as_str(), kept.len(), left.len()), ("\"a\"\"d\"", 3, 0));
    stage.write("number-2", "e", Life::Open).await;
    stage.write("number-3", "f", Life::Closed).await;
    stage.write("number-4", "g", Life::Open).await;
    let (kept, left) = stage.taken().await;
    assert_eq!((kept.into_keys().collect(), left), (names(&["number-1"]), names(&["number-2", "number-4"])));
}

#[tokio::test]
async fn what_is_left_comes_in_the_order_in_which_it_was_written_last() {
    let mut stage = three().await;
    stage.make().await.0.unwrap();
    for stream in ["number-3", "number-2", "number-1", "number-3"] {
        stage.write(stream, "e", Life::Open).await;
    }
    let open = ["number-1", "number-2", "number-3"].map(|stream| StreamName::parse(stream).unwrap());
    let left = stage.shelf.take_up(&stage.log, &CATEGORIES, open.into(), |_| vec![]).await.unwrap();
    assert_eq!(left.iter().map(StreamName::to_string).collect::<Vec<_>>(), ["number-2", "number-1", "number-3"]);
}

#[tokio::test]
async fn the_next_file_takes_over_what_is_still_true_and_reads_what_was_written_since() {
    let mut stage = three().await;
    stage.make().await.0.unwrap();
    let first = std::fs::read(stage.file()).unwrap();
    stage.write("number-2", "e", Life::Open).await;
    stage.write("number-3", "f", Life::Closed).await;
    stage.write("account-1", "y", Life::Open).await;
    let (made, read) = stage.make().await;
    assert_eq!((made.unwrap(), read), (2, names(&["number-2"])));
    let (kept, left) = stage.taken().await;
    assert_eq!((kept["number-2"].as_str(), kept.len(), left.len()), ("\"b\"\"e\"", 2, 0));
    // The key of the first is gone with it.
    std::fs::write(stage.file(), first).unwrap();
    assert_eq!(stage.taken().await.0, BTreeMap::new());
}

#[tokio::test]
async fn what_is_destroyed_says_nothing_any_more_nor_does_what_is_being_made_of_it() {
    let stage = three().await;
    stage.make().await.0.unwrap();
    let file = std::fs::read(stage.file()).unwrap();
    assert!(!file.windows(3).any(|part| part == b"\"d\""), "it is sealed");
    stage.shelf.destroy().unwrap();
    assert!(!stage.file().exists());
    std::fs::write(stage.file(), file).unwrap();
    assert_eq!(stage.taken().await.0, BTreeMap::new(), "its key is gone");
    std::fs::remove_file(stage.file()).unwrap();
    let (keep, _) = stage.keep(true);
    keep.make(stage.log.head()).await.unwrap();
    assert_eq!(stage.taken().await.0, BTreeMap::new());
    assert!(!stage.file().exists() && !stage.file().with_extension("new").exists());
    stage.make().await.0.unwrap();
    assert_eq!(stage.taken().await.0.len(), 3);
}

#[tokio::test]
async fn a_file_that_is_damaged_anywhere_says_nothing_that_is_not_so() {
    let stage = three().await;
    stage.make().await.0.unwrap();
    let (whole, truth) = (std::fs::read(stage.file()).unwrap(), stage.taken().await.0);
    for at in 0..whole.len() {
        let mut altered = whole.clone();
        altered[at] ^= 1;
        for damaged in [&altered[..], &whole[..at]] {
            std::fs::write(stage.file(), damaged).unwrap();
            let (kept, _) = stage.taken().await;
            assert!(kept.iter().all(|(stream, what)| truth[stream] == *what), "at {at}");
        }
    }
}

#[tokio::test]
async fn a_file_that_was_found_damaged_anywhere_is_made_anew_soon() {
    let stage = three().await;
    let (keep, _) = stage.keep(false);
    assert!(keep.is_due(None).await, "there is none");
    stage.make().await.0.unwrap();
    stage.taken().await;
    assert!(!keep.is_due(None).await);
    let (length, mut found) = (std::fs::read(stage.file()).unwrap().len(), 0);
    for at in (0..length).step_by(5) {
        for cuts in [false, true] {
            let mut damaged = std::fs::read(stage.file()).unwrap();
            damaged[at] ^= 1;
            damaged.truncate(if cuts { at } else { length });
            std::fs::write(stage.file(), damaged).unwrap();
            // Nobody reads the reference of a key that stands before each sealed part.
            let says_all = stage.taken().await.0.len() == 3;
            let is_due = keep.is_due(None).await;
            assert!(is_due || (says_all && !cuts), "at {at}");
            found += usize::from(is_due);
            keep.make(stage.log.head()).await.unwrap();
            stage.taken().await;
            assert!(!keep.is_due(None).await, "at {at}");
        }
    }
    assert!(found * 5 > length, "{found} of {length}");
}

#[tokio::test]
async fn a_file_that_lacks_much_is_made_anew_when_it_is_a_minute_old_and_one_that_is_gone_sooner() {
    let mut stage = three().await;
    stage.make().await.0.unwrap();
    let (keep, [young, old]) = (stage.keep(false).0, [59, 60].map(|seconds| Some(Duration::from_secs(seconds))));
    assert!(!keep.is_due(old).await, "it lacks nothing");
    for _ in 0..20 {
        stage.write_times("number-1", "m", Life::Open, 1_000).await;
    }
    assert!(keep.is_due(None).await, "another process made it");
    assert!(keep.is_due(old).await && !keep.is_due(young).await);
    stage.shelf.destroy().unwrap();
    assert!(keep.is_due(young).await);
}

#[tokio::test]
async fn a_file_of_another_log_or_of_more_than_there_is_says_nothing() {
    let stage = three().await;
    stage.make().await.0.unwrap();
    let mut other = Stage::new();
    other.write("number-1", "a", Life::Open).await;
    assert_eq!(taken_by(&stage.shelf, &other.log).await.0, BTreeMap::new(), "it is shorter");
    for _ in 0..9 {
        other.write("number-2", "z", Life::Open).await;
    }
    assert_eq!(taken_by(&stage.shelf, &other.log).await.0, BTreeMap::new(), "it is another one");
    drop(stage.keyring);
}

#[tokio::test]
async fn an_empty_log_keeps_nothing() {
    let stage = Stage::new();
    assert_eq!(stage.log.head(), Position(0));
    assert_eq!(stage.make().await.0.unwrap(), 0);
    assert!(!stage.file().exists());
}
