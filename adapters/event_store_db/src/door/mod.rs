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

use crate::wire::{gossip, persistent_subscriptions, server_features, streams as wire};
use domain::log::EventLog;
use futures_util::stream;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, Semaphore, mpsc, oneshot, watch};
use tonic::Status;
use tonic::metadata::MetadataMap;
use tonic::transport::Server;

/// How long a connection may be silent before it is asked whether it lives, and how long it has for the answer.
const KEEP_ALIVE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(10));
/// What a sender may have on its way to us in one call, and on one connection, before we have read it.
const WINDOWS: (u32, u32) = (1 << 20, 4 << 20);
/// A sender may send so much at once, in bytes: what a client has collected goes out by one call of the system.
const FRAME: u32 = 64 << 10;
/// More bytes of headers than this are refused.
const HEADERS: u32 = 16 << 10;
/// How long a wrong password waits for its answer.
const SLOW_REFUSAL: Duration = Duration::from_millis(300);
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
    /// Bytes of one message: more than the log takes as one append, for names and metadata stand beside its data.
    pub message: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: 64, calls: 256, reads: 256, subscriptions: 64, appending: 64, message: 24 << 20 }
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

/// What all calls share.
struct Shared {
    log: Arc<dyn EventLog>,
    node: u16,
    writable: bool,
    credentials: Option<Credentials>,
    message: usize,
    /// One writer at a time for each foreign stream: what it finds there is still so when it writes.
    locks: Vec<Mutex<()>>,
    reads: Arc<Semaphore>,
    subscriptions: Arc<Semaphore>,
    appending: Arc<Semaphore>,
    /// Told by being dropped.
    _alive: oneshot::Sender<()>,
}

impl Shared {
    /// Whether a call's sender may come in.
    async fn admit(&self, metadata: &MetadataMap) -> Result<(), Status> {
        let Some(credentials) = &self.credentials else { return Ok(()) };
        if credentials.are_in(metadata) {
            return Ok(());
        }
        tokio::time::sleep(SLOW_REFUSAL).await;
        Err(Status::unauthenticated("Not Authenticated: the door asks for its user and password"))
    }

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
            reads: Arc::new(Semaphore::new(limits.reads)),
            subscriptions: Arc::new(Semaphore::new(limits.subscriptions)),
            appending: Arc::new(Semaphore::new(limits.appending)),
            _alive: alive,
        });
        let connections = accept::connections(listener, tls, limits.connections, closing.clone());
        let streams = streams::Streams { shared: Arc::clone(&shared) };
        let small = small::Small { shared, address };
        let server = Server::builder()
            .http2_keepalive_interval(Some(KEEP_ALIVE.0))
            .http2_keepalive_timeout(Some(KEEP_ALIVE.1))
            .initial_stream_window_size(WINDOWS.0)
            .initial_connection_window_size(WINDOWS.1)
            .max_frame_size(FRAME)
            .max_concurrent_streams(limits.calls)
            .http2_max_header_list_size(HEADERS)
            .add_service(wire::streams_server::StreamsServer::new(streams).max_decoding_message_size(limits.message))
            .add_service(server_features::server_features_server::ServerFeaturesServer::new(small.clone()))
            .add_service(gossip::gossip_server::GossipServer::new(small.clone()))
            .add_service(
                persistent_subscriptions::persistent_subscriptions_server::PersistentSubscriptionsServer::new(small),
            );
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
