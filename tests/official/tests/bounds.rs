//! What a stranger or a careless client may cost the door, which calls go through to their end, and where clients are sent.

use adapters::event_log::memory::MemoryLog;
use event_store_db::client::StoreLog;
use event_store_db::door::{Credentials, Door, DoorSettings, Limits};
use futures::{StreamExt as _, stream};
use kurrentdb::{AppendToStreamOptions, Client, Error, EventData, ReadStreamOptions, StreamState};
use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tonic::body::Body;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::codegen::http::{Request, Response};
use tonic::codegen::{BoxFuture, Service};
use tonic::metadata::MetadataMap;
use tonic::server::NamedService;
use tonic::transport::Channel;
use tonic::{Code, Status};
use uuid::Uuid;

/// Messages as bytes.
#[derive(Default, Clone, Copy)]
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        bytes::BufMut::put_slice(buffer, &item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        Ok(Some(bytes::Buf::copy_to_bytes(buffer, bytes::Buf::remaining(buffer)).to_vec()))
    }
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), future).await.expect("it is answered")
}

/// Calls a method with these messages; afterwards nothing comes and the call is not ended.
async fn call(door: &Door, method: &'static str, messages: Vec<Vec<u8>>) -> Result<Vec<u8>, Status> {
    let at = format!("http://127.0.0.1:{}", door.address().port());
    let channel = Channel::from_shared(at).unwrap().connect().await.unwrap();
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await.unwrap();
    let messages = tonic::Request::new(stream::iter(messages).chain(stream::pending()));
    let answer = grpc.client_streaming(messages, PathAndQuery::from_static(method), Raw);
    soon(answer).await.map(tonic::Response::into_inner)
}

const STREAMS: [&str; 5] = [
    "/event_store.client.streams.Streams/Read",
    "/event_store.client.streams.Streams/Append",
    "/event_store.client.streams.Streams/BatchAppend",
    "/event_store.client.streams.Streams/Delete",
    "/event_store.client.streams.Streams/Tombstone",
];

fn settings() -> DoorSettings {
    DoorSettings::at("127.0.0.1:0".parse().unwrap())
}

async fn open(log: &MemoryLog, settings: DoorSettings) -> Door {
    Door::open(Arc::new(log.clone()), settings).await.unwrap()
}

fn client(door: &Door) -> Client {
    event_store_db::choose_crypto();
    Client::new(format!("esdb://{}?tls=false&discoveryInterval=1", door.address()).parse().unwrap()).unwrap()
}

fn at(state: StreamState) -> AppendToStreamOptions {
    AppendToStreamOptions::default().stream_state(state)
}

fn events(count: usize) -> Vec<EventData> {
    (0..count).map(|_| EventData::binary("Noted", bytes::Bytes::new()).id(Uuid::new_v4())).collect()
}

async fn count(client: &Client, stream: &str) -> usize {
    let mut reading = client.read_stream(stream, &ReadStreamOptions::default().max_count(10_000)).await.unwrap();
    let mut count = 0;
    while reading.next().await.unwrap().is_some() {
        count += 1;
    }
    count
}

#[tokio::test]
async fn who_has_no_password_is_refused_before_anything_is_read() {
    let credentials = Some(Credentials::new("auditor", "secret"));
    let door = open(&MemoryLog::new(), DoorSettings { credentials, writable: true, ..settings() }).await;
    let persistent = "/event_store.client.persistent_subscriptions.PersistentSubscriptions/List";
    for method in STREAMS.into_iter().chain([persistent]) {
        let refused = call(&door, method, vec![]).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated, "{method}");
    }
    door.close().await;
}

#[tokio::test]
async fn a_door_that_is_read_only_reads_nothing_of_what_it_would_not_write() {
    let door = open(&MemoryLog::new(), settings()).await;
    for method in &STREAMS[1..] {
        let refused = call(&door, method, vec![]).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied, "{method}");
    }
    door.close().await;
}

#[tokio::test]
async fn what_appends_nothing_is_small() {
    let door = open(&MemoryLog::new(), DoorSettings { writable: true, ..settings() }).await;
    for (method, most) in [
        (STREAMS[0], 64 << 10),
        (STREAMS[3], 64 << 10),
        (STREAMS[4], 64 << 10),
        ("/event_store.client.gossip.Gossip/Read", 1 << 10),
        ("/event_store.client.server_features.ServerFeatures/GetSupportedMethods", 1 << 10),
    ] {
        let refused = call(&door, method, vec![vec![0; most + 1]]).await.unwrap_err();
        assert_eq!(refused.code(), Code::OutOfRange, "{method}: {refused}");
    }
    door.close().await;
}

async fn waiting(log: &MemoryLog, count: usize) {
    soon(async {
        while log.waiting() < count {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn appends_of_all_calls_have_so_many_bytes_together() {
    let log = MemoryLog::new();
    let limits = Limits { message: 1 << 20, appended: 1 << 20, ..Limits::default() };
    let door = open(&log, DoorSettings { writable: true, limits, ..settings() }).await;
    log.hold();
    let append = |stream: &'static str| {
        let client = client(&door);
        let large = EventData::binary("Large", vec![0; 900 << 10].into());
        tokio::spawn(async move { client.append_to_stream(stream, &at(StreamState::Any), large).await })
    };
    let two = [append("orders-1"), append("orders-2")];
    waiting(&log, 2).await;
    let refused = soon(append("orders-3")).await.unwrap();
    assert!(matches!(&refused, Err(Error::ServerError(why)) if why.contains("too much")), "{refused:?}");
    log.release();
    for written in two {
        soon(written).await.unwrap().unwrap();
    }
    assert!(soon(append("orders-3")).await.unwrap().is_ok());
    door.close().await;
}

#[tokio::test]
async fn a_repeat_of_many_events_after_many_others_is_known() {
    let door = open(&MemoryLog::new(), DoorSettings { writable: true, ..settings() }).await;
    let client = client(&door);
    for (index, (many, between)) in [(300, 0), (257, 250), (1_000, 256)].into_iter().enumerate() {
        let stream = format!("orders-{index}");
        let repeated = events(many);
        client.append_to_stream(stream.as_str(), &at(StreamState::NoStream), repeated.clone()).await.unwrap();
        if between > 0 {
            client.append_to_stream(stream.as_str(), &at(StreamState::Any), events(between)).await.unwrap();
        }
        for state in [StreamState::Any, StreamState::StreamExists] {
            client.append_to_stream(stream.as_str(), &at(state), repeated.clone()).await.unwrap();
        }
        assert_eq!(count(&client, &stream).await, many + between);
    }
    door.close().await;
}

#[tokio::test]
async fn an_append_that_nobody_waits_for_holds_its_stream_until_the_log_has_it() {
    let log = MemoryLog::new();
    let door = open(&log, DoorSettings { writable: true, ..settings() }).await;
    let client = client(&door);
    log.hold();
    let append = |client: Client| async move {
        client.append_to_stream("orders-1", &at(StreamState::Any), EventData::binary("A", bytes::Bytes::new())).await
    };
    let left = tokio::spawn(append(client.clone()));
    waiting(&log, 1).await;
    left.abort();
    assert!(left.await.unwrap_err().is_cancelled());
    let second = tokio::spawn(append(client.clone()));
    // Calls of one connection begin in their order: both ends of the door have seen the second when these are answered.
    for _ in 0..20 {
        assert!(client.read_stream("none", &ReadStreamOptions::default()).await.unwrap().next().await.is_err());
    }
    assert_eq!(log.waiting(), 1, "the second waits for the first, which nobody waits for");
    log.release();
    assert_eq!(soon(second).await.unwrap().unwrap().next_expected_version, 1);
    door.close().await;
}

#[tokio::test]
async fn gossip_names_the_door_as_its_caller_does() {
    let door = open(&MemoryLog::new(), DoorSettings::at("0.0.0.0:0".parse().unwrap())).await;
    let channel = Channel::from_shared(format!("http://127.0.0.1:{}", door.address().port())).unwrap();
    let mut grpc = tonic::client::Grpc::new(channel.connect().await.unwrap());
    grpc.ready().await.unwrap();
    let method = PathAndQuery::from_static("/event_store.client.gossip.Gossip/Read");
    let answer = soon(grpc.unary(tonic::Request::new(Vec::new()), method, Raw)).await.unwrap().into_inner();
    let told = String::from_utf8_lossy(&answer).into_owned();
    assert!(told.contains("127.0.0.1") && !told.contains("0.0.0.0:") && !told.contains("\u{7}0.0.0.0"), "{told:?}");
    door.close().await;
}

/// A node of a store that sends everybody to the one that leads.
#[derive(Clone)]
struct Follower {
    leader: SocketAddr,
}

impl NamedService for Follower {
    const NAME: &'static str = "event_store.client.streams.Streams";
}

impl Service<Request<Body>> for Follower {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Response<Body>, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        assert_eq!(request.headers().get("requires-leader").unwrap(), "true");
        let mut trailers = MetadataMap::new();
        trailers.insert("exception", "not-leader".parse().unwrap());
        trailers.insert("leader-endpoint-host", self.leader.ip().to_string().parse().unwrap());
        trailers.insert("leader-endpoint-port", self.leader.port().into());
        let refused = Status::with_metadata(Code::NotFound, "not the leader", trailers);
        Box::pin(std::future::ready(Ok(refused.into_http())))
    }
}

#[tokio::test]
async fn a_client_finds_the_node_that_leads() {
    let door = open(&MemoryLog::new(), DoorSettings { writable: true, ..settings() }).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let follower = listener.local_addr().unwrap();
    let incoming = stream::unfold(listener, |listener| async move {
        let accepted = listener.accept().await.map(|(socket, _)| socket);
        Some((accepted, listener))
    });
    let service = Follower { leader: door.address() };
    let node =
        tokio::spawn(tonic::transport::Server::builder().add_service(service).serve_with_incoming(Box::pin(incoming)));
    let url = format!("esdb://{follower}?tls=false&discoveryInterval=1");
    let store = soon(StoreLog::connect(url.parse().unwrap(), 7)).await.unwrap();
    assert!(store.is_new_node());
    node.abort();
    drop(store);
    door.close().await;
}
