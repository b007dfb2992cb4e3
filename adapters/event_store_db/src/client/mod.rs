//! The log's port over a store that speaks the EventStoreDB protocol, through the official client crate.
//!
//! Positions are the store's: they rise, but are not dense. Streams of other programs are not seen. What a store has no
//! word for (the hash chain, which streams are live) travels in metadata and in [`live`].

mod connection;
mod entry;
mod event;
mod follow;
mod live;
mod read;
mod recent;
mod resolve;
mod settings;
mod subscription;
mod writer;

pub use settings::{ConnectionString, NoConnectionString};

use connection::{Connection, Trouble};
use domain::log::{
    Append, AppendError, Committed, Direction, EventLog, Filter, Follow, Outcome, PortFuture, Position, ReadError,
    Recorded, Revision, StreamName,
};
use live::Live;
use recent::Recent;
use std::future::Future;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;

/// More appends than this do not wait for the store.
const MOST_WAITING: usize = 16_384;

/// Why the store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It could not be reached, or does not let us in.
    #[error("the event store {at} cannot be used: {why}; check store.url, its user and password, and that it runs")]
    Unreachable {
        /// Where it should be, without a password.
        at: String,
        /// Why.
        why: String,
    },
}

/// A log in an EventStoreDB, or behind the door of another log.
pub struct StoreLog {
    shared: Arc<Shared>,
    /// None where it was opened for reading.
    submissions: Option<mpsc::UnboundedSender<Submission>>,
    node: u16,
    new_node: bool,
}

/// What reading, following and writing share.
struct Shared {
    connection: Arc<Connection>,
    /// What followers share that have caught up.
    recent: Recent,
    /// Position of the newest event of ours that was seen.
    head: AtomicU64,
    live: Mutex<Live>,
    /// Appends that were submitted and not answered.
    waiting: AtomicUsize,
}

impl Shared {
    fn new(connection: Connection, head: Position, live: Live) -> Self {
        let (head, waiting) = (AtomicU64::new(head.0), AtomicUsize::new(0));
        Self { connection: Arc::new(connection), recent: Recent::new(), head, live: Mutex::new(live), waiting }
    }

    fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn saw(&self, position: Position) {
        self.head.fetch_max(position.0, Ordering::Relaxed);
    }
}

/// Appends of one call of `submit`.
struct Submission {
    appends: Vec<Append>,
    reply: Arc<dyn Committed>,
}

impl StoreLog {
    /// Connects to the store and takes up what this node has there. Needs a runtime, as all that follows does.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn connect(at: ConnectionString, node: u16) -> Result<Self, StoreError> {
        let connection = Connection::new(at);
        let opened = at_the_leader(|| read::open(&connection, node)).await;
        let read::Opened { live, head, new_node } = opened.map_err(|trouble| unreachable(&connection, &trouble))?;
        let shared = Arc::new(Shared::new(connection, head, live));
        let (submissions, receiver) = mpsc::unbounded_channel();
        tokio::spawn(writer::Writer::new(Arc::clone(&shared)).work(receiver));
        Ok(Self { shared, submissions: Some(submissions), node, new_node })
    }

    /// Connects to read alone, also beside the exchange that writes: nothing is written, appends are refused as invalid,
    /// and the head is where it is now. Streams that are live are those of this node.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn open_for_reading(at: ConnectionString, node: u16) -> Result<Self, StoreError> {
        let connection = Connection::new(at);
        let head =
            at_the_leader(|| read::newest(&connection)).await.map_err(|trouble| unreachable(&connection, &trouble))?;
        let shared = Arc::new(Shared::new(connection, head, Live::new(node)));
        Ok(Self { shared, submissions: None, node, new_node: false })
    }

    /// Whether this node had never written to the store when we connected.
    pub const fn is_new_node(&self) -> bool {
        self.new_node
    }
}

/// Reads once more where another node leads: then the client asks that one.
async fn at_the_leader<T, F: Future<Output = Result<T, Trouble>>>(read: impl Fn() -> F) -> Result<T, Trouble> {
    match read().await {
        Err(Trouble::NotLeader(_)) => read().await,
        other => other,
    }
}

fn unreachable(connection: &Connection, trouble: &Trouble) -> StoreError {
    StoreError::Unreachable { at: connection.address().to_string(), why: trouble.to_string() }
}

/// Answers all appends with the same error.
fn refuse(appends: Vec<Append>, reply: &dyn Committed, error: impl Fn() -> AppendError) {
    let outcomes = appends.into_iter().map(|append| Outcome { stream: append.stream, result: Err(error()) });
    reply.committed(outcomes.collect());
}

impl EventLog for StoreLog {
    fn submit(&self, appends: Vec<Append>, reply: Arc<dyn Committed>) {
        let Some(submissions) = &self.submissions else {
            return refuse(appends, &*reply, || AppendError::Invalid("the store was opened for reading".into()));
        };
        let count = appends.len();
        if self.shared.waiting.fetch_add(count, Ordering::Relaxed) + count > MOST_WAITING {
            self.shared.waiting.fetch_sub(count, Ordering::Relaxed);
            return refuse(appends, &*reply, || AppendError::Unavailable("too many appends wait for the store".into()));
        }
        if let Err(mpsc::error::SendError(submission)) = submissions.send(Submission { appends, reply }) {
            let closed = || AppendError::Unavailable("the store's client has ended".into());
            refuse(submission.appends, &*submission.reply, closed);
        }
    }

    fn read_stream<'a>(
        &'a self,
        stream: &'a StreamName,
        from: Revision,
        direction: Direction,
        limit: usize,
    ) -> PortFuture<'a, Result<Vec<Recorded>, ReadError>> {
        Box::pin(read::stream(&self.shared.connection, stream, from, direction, limit))
    }

    fn read_all<'a>(
        &'a self,
        from: Position,
        direction: Direction,
        filter: &'a Filter,
        limit: usize,
    ) -> PortFuture<'a, Result<Vec<Recorded>, ReadError>> {
        Box::pin(read::all(&self.shared.connection, from, direction, filter, limit))
    }

    fn follow(&self, after: Position, filter: Filter) -> Box<dyn Follow> {
        Box::new(follow::Follower::new(Arc::clone(&self.shared), after, filter))
    }

    fn open_streams(&self) -> PortFuture<'_, Result<Vec<StreamName>, ReadError>> {
        if self.submissions.is_none() {
            let opened = read::open(&self.shared.connection, self.node);
            return Box::pin(async { opened.await.map(|opened| opened.live.streams()).map_err(unreadable) });
        }
        let streams = self.shared.live().streams();
        Box::pin(std::future::ready(Ok(streams)))
    }

    fn head(&self) -> Position {
        Position(self.shared.head.load(Ordering::Relaxed))
    }
}

/// The store could not be read.
fn unreadable(trouble: Trouble) -> ReadError {
    match trouble {
        Trouble::Damaged(position, what) => ReadError::Damaged { position, what },
        // Nobody need ask again.
        Trouble::Deleted => ReadError::Damaged { position: Position(0), what: trouble.to_string() },
        Trouble::Away(_) | Trouble::NotLeader(_) | Trouble::Refused(_) | Trouble::NotFound => {
            ReadError::Unavailable(trouble.to_string())
        }
    }
}
