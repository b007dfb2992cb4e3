//! The door: a gRPC server that speaks the EventStoreDB protocol over any log, so that auditors read it with the official
//! clients of their language, and an exchange elsewhere can write to it.
//!
//! Streams of ours are read-only, but for another exchange's appends where the door is writable. Everybody else's streams
//! lie in a category of their own ([`names`]); nothing of them is ever removed ([`retention`]).

// Calls are answered with tonic's status by value: to box it would be undone at every handler.
#![allow(clippy::result_large_err)]

mod accept;
mod append;
mod batch;
mod credentials;
mod delete;
mod entrance;
mod envelope;
mod filter;
mod foreign;
mod names;
mod read;
mod retention;
mod small;
mod status;
mod streams;
mod subscribe;

pub use credentials::Credentials;

use crate::wire::gossip::gossip_server::GossipServer;
use crate::wire::persistent_subscriptions::persistent_subscriptions_server::PersistentSubscriptionsServer;
use crate::wire::server_features::server_features_server::ServerFeaturesServer;
use crate::wire::streams::streams_server::StreamsServer;
use domain::log::EventLog;
use entrance::{Entrance, Who};
use futures_util::stream;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, Semaphore, mpsc, oneshot, watch};
use tonic::Status;
use tonic::transport::Server;

/// How long a connection may be silent before it is asked whether it lives, and how long it has for the answer.
const KEEP_ALIVE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(10));
/// What a sender may have on its way to us in one call, and on one connection, before we have read it.
const WINDOWS: (u32, u32) = (1 << 20, 4 << 20);
/// A sender may send so much at once, in bytes: what a client has collected goes out by one call of the system.
const FRAME: u32 = 64 << 10;
/// More bytes of headers than this are refused.
const HEADERS: u32 = 16 << 10;
/// Writers of foreign streams wait for each other where their streams share one of so many locks.
const LOCKS: usize = 64;
/// How long the end of everything that the door does is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// What may be at once. What is more is refused with `RESOURCE_EXHAUSTED`, or waits in the sender.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections.
    pub connections: usize,
    /// Calls on one connection.
    pub calls: u32,
    /// Reads that are under way.
    pub reads: usize,
    /// Subscriptions.
    pub subscriptions: usize,
    /// Calls that append.
    pub appending: usize,
    /// Bytes of one message that appends: more than the log takes as one append, for names and metadata stand beside its
    /// data.
    pub message: usize,
    /// Bytes of appends whose last part has not come, and as many that the log has before it.
    pub appended: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 64,
            calls: 256,
            reads: 256,
            subscriptions: 64,
            appending: 64,
            message: 24 << 20,
            appended: 128 << 20,
        }
    }
}

/// A certificate chain and its key, both PEM.
#[derive(Clone)]
pub struct Identity {
    /// The chain.
    pub certificate: Vec<u8>,
    /// The key.
    pub key: Vec<u8>,
}

/// How a door stands.
pub struct DoorSettings {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Who may come in; everybody where nobody is named.
    pub credentials: Option<Credentials>,
    /// TLS, where it has a certificate.
    pub identity: Option<Identity>,
    /// Whether anything may be written.
    pub writable: bool,
    /// The node that strangers' events are noted under.
    pub node: u16,
    /// What may be at once.
    pub limits: Limits,
}

impl DoorSettings {
    /// A read-only door without TLS at this address, for everybody.
    pub fn at(listen: SocketAddr) -> Self {
        Self { listen, credentials: None, identity: None, writable: false, node: 0, limits: Limits::default() }
    }
}

/// Why a door cannot open.
#[derive(Debug, thiserror::Error)]
pub enum DoorError {
    /// It cannot listen there.
    #[error("the log's door cannot listen on {address}: {source}; is another program using the port?")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The certificate or its key cannot be used.
    #[error("the log's door cannot use its certificate and key: {0}; both are PEM files, the key unencrypted")]
    Identity(String),
}

/// How much may be at once.
struct Rooms {
    reads: Arc<Semaphore>,
    subscriptions: Arc<Semaphore>,
    appending: Arc<Semaphore>,
    /// For appends that come in parts, in bytes.
    gathered: Arc<Semaphore>,
    /// For appends that came whole, until the log has them, in bytes.
    under_way: Arc<Semaphore>,
}

impl Rooms {
    fn new(limits: &Limits) -> Self {
        let room = |most| Arc::new(Semaphore::new(most));
        // Any one append finds room in the end: what an event costs beside its data is counted too.
        let bytes = limits.appended.max(limits.message) + (1 << 20);
        Self {
            reads: room(limits.reads),
            subscriptions: room(limits.subscriptions),
            appending: room(limits.appending),
            gathered: room(bytes),
            under_way: room(bytes),
        }
    }
}

/// What all calls share.
struct Shared {
    log: Arc<dyn EventLog>,
    node: u16,
    writable: bool,
    credentials: Option<Credentials>,
    message: usize,
    /// One writer at a time for each foreign stream: what it finds there is still so when it writes.
    locks: Vec<Mutex<()>>,
    rooms: Rooms,
    /// Told by being dropped.
    _alive: oneshot::Sender<()>,
}

impl Shared {
    /// The lock of a foreign stream and what is said about it.
    fn lock(&self, base: &str) -> &Mutex<()> {
        let sum = base.bytes().fold(0usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(byte)));
        &self.locks[sum % self.locks.len()]
    }
}

/// Answers of a streaming call.
type Answers<T> = Pin<Box<dyn stream::Stream<Item = Result<T, Status>> + Send>>;

/// What a task sends into a bounded channel, as a call's answer: a slow reader makes the task wait.
fn answers<T: Send + 'static>(receiver: mpsc::Receiver<Result<T, Status>>) -> Answers<T> {
    Box::pin(stream::unfold(receiver, |mut receiver| async move {
        let answer = receiver.recv().await?;
        Some((answer, receiver))
    }))
}

/// An open door.
pub struct Door {
    address: SocketAddr,
    cut: watch::Sender<bool>,
    gone: oneshot::Receiver<()>,
}

impl Door {
    /// Opens a door over a log.
    ///
    /// # Errors
    /// [`DoorError`].
    pub async fn open(log: Arc<dyn EventLog>, settings: DoorSettings) -> Result<Self, DoorError> {
        let DoorSettings { listen, credentials, identity, writable, node, limits } = settings;
        let refused = |source| DoorError::Listen { address: listen, source };
        let listener = tokio::net::TcpListener::bind(listen).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let tls = identity.as_ref().map(accept::tls).transpose()?;
        let (cut, closing) = watch::channel(false);
        let (alive, gone) = oneshot::channel();
        let shared = Arc::new(Shared {
            log,
            node,
            writable,
            credentials,
            message: limits.message,
            locks: (0..LOCKS).map(|_| Mutex::default()).collect(),
            rooms: Rooms::new(&limits),
            _alive: alive,
        });
        let connections = accept::connections(listener, tls, limits.connections, closing.clone());
        let streams = Arc::new(streams::Streams { shared: Arc::clone(&shared) });
        let streams = |most| StreamsServer::from_arc(Arc::clone(&streams)).max_decoding_message_size(most);
        let streams = Entrance::of_appends(Arc::clone(&shared), streams(entrance::SMALL), streams(limits.message));
        let small = small::Small { address };
        let features = ServerFeaturesServer::new(small).max_decoding_message_size(entrance::SMALLEST);
        let gossip = GossipServer::new(small).max_decoding_message_size(entrance::SMALLEST);
        let persistent = PersistentSubscriptionsServer::new(small).max_decoding_message_size(entrance::SMALL);
        let server = Server::builder()
            .http2_keepalive_interval(Some(KEEP_ALIVE.0))
            .http2_keepalive_timeout(Some(KEEP_ALIVE.1))
            .initial_stream_window_size(WINDOWS.0)
            .initial_connection_window_size(WINDOWS.1)
            .max_frame_size(FRAME)
            .max_concurrent_streams(limits.calls)
            .http2_max_header_list_size(HEADERS)
            .add_service(streams)
            .add_service(Entrance::of_small(Arc::clone(&shared), Who::Anybody, features))
            .add_service(Entrance::of_small(Arc::clone(&shared), Who::Anybody, gossip))
            .add_service(Entrance::of_small(shared, Who::Known, persistent));
        let mut closed = closing;
        tokio::spawn(async move {
            let until = async move {
                // A door that is dropped is closed.
                let _ = closed.wait_for(|cut| *cut).await;
            };
            if let Err(error) = server.serve_with_incoming_shutdown(connections, until).await {
                tracing::error!(%error, "the log's door closed");
            }
        });
        Ok(Self { address, cut, gone })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts every connection and waits until nothing of the door holds the log any more.
    pub async fn close(self) {
        self.cut.send_replace(true);
        if tokio::time::timeout(PATIENCE, self.gone).await.is_err() {
            tracing::warn!("something still reads the log through its door, which is closed");
        }
    }
}
