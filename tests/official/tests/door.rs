//! The door as the official client finds it: who may do what, and what the protocol promises beyond the client's own suite.

use adapters::event_log::memory::MemoryLog;
use bytes::Bytes;
use domain::ids::EventId;
use domain::log::{
    Append, Committed, Direction, Draft, EventHash, EventLog, Expected, Life, Outcome, Recorded, Revision, StreamName,
};
use domain::time::WallTime;
use event_store_db::door::{Credentials, Door, DoorSettings, Limits};
use kurrentdb::{
    AppendToStreamOptions, Client, CurrentRevision, DeleteStreamOptions, Error, EventData, ReadStreamOptions,
    StreamMetadataBuilder, StreamPosition, StreamState, SubscribeToAllOptions, SubscriptionEvent,
};
use std::sync::Arc;
use uuid::Uuid;

const OURS: &str = "session-00000000-0000-0000-0000-000000000001";

struct Nobody;

impl Committed for Nobody {
    fn committed(&self, outcomes: Vec<Outcome>) {
        for outcome in outcomes {
            drop(outcome.result.unwrap());
        }
    }
}

/// A log with one event of ours.
fn log() -> MemoryLog {
    let log = MemoryLog::new();
    let event = Draft {
        id: EventId::minted(1, 1, 1, 1),
        kind: "SessionOffered".into(),
        version: 1,
        at: WallTime::from_micros(1_000_000),
        cause: None,
        previous: EventHash::NONE,
        data: Bytes::from_static(b"{\"n\":1}"),
    };
    let append = Append {
        stream: StreamName::parse(OURS).unwrap(),
        expected: Expected::NoStream,
        life: Life::Open,
        correlation: Uuid::from_u128(1),
        node: 1,
        events: vec![event],
    };
    log.submit(vec![append], Arc::new(Nobody));
    log
}

fn settings() -> DoorSettings {
    DoorSettings::at("127.0.0.1:0".parse().unwrap())
}

async fn open(log: &MemoryLog, settings: DoorSettings) -> (Door, Client) {
    let door = Door::open(Arc::new(log.clone()), settings).await.unwrap();
    let client = client(&door, "");
    (door, client)
}

fn client(door: &Door, user: &str) -> Client {
    event_store_db::choose_crypto();
    let url = format!("esdb://{user}{}?tls=false&discoveryInterval=1", door.address());
    Client::new(url.parse().unwrap()).unwrap()
}

fn event(kind: &str) -> EventData {
    EventData::json(kind, &serde_json::json!({ "n": 1 })).unwrap()
}

fn at(state: StreamState) -> AppendToStreamOptions {
    AppendToStreamOptions::default().stream_state(state)
}

async fn read(client: &Client, stream: &str) -> kurrentdb::Result<Vec<kurrentdb::RecordedEvent>> {
    let options = ReadStreamOptions::default().position(StreamPosition::Start);
    let (mut reading, mut found) = (client.read_stream(stream, &options).await?, Vec::new());
    while let Some(resolved) = reading.next().await? {
        found.extend(resolved.event);
    }
    Ok(found)
}

async fn stored(log: &MemoryLog) -> Vec<Recorded> {
    let stream = StreamName::parse(OURS).unwrap();
    log.read_stream(&stream, Revision(0), Direction::Forwards, 100).await.unwrap()
}

#[tokio::test]
async fn an_event_of_ours_is_read_with_all_that_it_carries() {
    let log = log();
    let (door, client) = open(&log, settings()).await;
    let found = read(&client, OURS).await.unwrap().remove(0);
    let metadata: serde_json::Value = serde_json::from_slice(&found.custom_metadata).unwrap();
    assert_eq!(found.data, "{\"n\":1}");
    assert!(found.is_json);
    assert_eq!((found.created.timestamp(), found.event_type.as_str()), (1, "SessionOffered"));
    assert_eq!(
        metadata,
        serde_json::json!({
            "$correlationId": "00000000-0000-0000-0000-000000000001", "version": "1", "node": "1", "at": "1000000",
            "previous": "0".repeat(64), "life": "open",
        })
    );
    door.close().await;
}

#[tokio::test]
async fn a_door_is_read_only_unless_told_otherwise() {
    let log = log();
    let (door, client) = open(&log, settings()).await;
    for stream in [OURS, "orders-1", "$$orders-1"] {
        let appended = client.append_to_stream(stream, &at(StreamState::Any), event("Forged")).await;
        assert!(matches!(appended, Err(Error::AccessDenied)), "{stream}: {appended:?}");
        let deleted = client.delete_stream(stream, &DeleteStreamOptions::default()).await;
        assert!(matches!(deleted, Err(Error::AccessDenied)), "{stream}: {deleted:?}");
        let ended = client.tombstone_stream(stream, &kurrentdb::TombstoneStreamOptions::default()).await;
        assert!(matches!(ended, Err(Error::AccessDenied)), "{stream}: {ended:?}");
    }
    assert_eq!(log.head().0, 1);
    door.close().await;
}

#[tokio::test]
async fn nobody_but_an_exchange_writes_to_streams_of_ours() {
    let log = log();
    let (door, client) = open(&log, DoorSettings { writable: true, ..settings() }).await;
    let found = read(&client, OURS).await.unwrap().remove(0);
    let whole = found.custom_metadata.clone();
    let less = String::from_utf8(whole.to_vec()).unwrap().replace(r#","life":"open""#, "");
    let foreign = String::from_utf8(whole.to_vec()).unwrap().replace(r#""version":"1""#, r#""version":"0""#);
    for (state, metadata) in [
        (StreamState::Any, whole.clone()),
        (StreamState::StreamExists, whole.clone()),
        (StreamState::StreamRevision(0), Bytes::new()),
        (StreamState::StreamRevision(0), less.into()),
        (StreamState::StreamRevision(0), foreign.into()),
    ] {
        let forged = event("Forged").metadata(metadata.clone());
        let appended = client.append_to_stream(OURS, &at(state), forged).await;
        assert!(matches!(appended, Err(Error::AccessDenied)), "{state:?} {metadata:?}: {appended:?}");
    }
    let limits = StreamMetadataBuilder::new().max_count(1).build();
    let limited = client.set_stream_metadata(OURS, &at(StreamState::Any), &limits).await;
    assert!(matches!(limited, Err(Error::AccessDenied)), "{limited:?}");
    assert!(client.delete_stream(OURS, &DeleteStreamOptions::default()).await.is_err());
    assert!(client.tombstone_stream(OURS, &kurrentdb::TombstoneStreamOptions::default()).await.is_err());
    assert_eq!((stored(&log).await.len(), log.head().0), (1, 1));

    // That is how an exchange elsewhere writes.
    let proper = event("SessionEnded").metadata(whole);
    client.append_to_stream(OURS, &at(StreamState::StreamRevision(0)), proper).await.unwrap();
    let last = stored(&log).await.remove(1);
    assert_eq!((&*last.kind, last.version, last.node, last.correlation), ("SessionEnded", 1, 1, Uuid::from_u128(1)));
    door.close().await;
}

#[tokio::test]
async fn only_who_knows_the_password_comes_in() {
    let credentials = Some(Credentials::new("auditor", "secret"));
    let (door, stranger) = open(&log(), DoorSettings { credentials, writable: true, ..settings() }).await;
    assert!(stranger.server_info().await.is_ok(), "clients ask before they have anything to show");
    for user in ["", "auditor:Secret@", "admin:secret@"] {
        let client = client(&door, user);
        assert!(matches!(read(&client, OURS).await, Err(Error::AccessDenied)), "{user}");
        let appended = client.append_to_stream("orders-1", &at(StreamState::Any), event("Placed")).await;
        assert!(matches!(appended, Err(Error::AccessDenied)), "{user}");
    }
    assert_eq!(read(&client(&door, "auditor:secret@"), OURS).await.unwrap().len(), 1);
    door.close().await;
}

#[tokio::test]
async fn what_strangers_bring_is_read_as_they_brought_it_whatever_it_is_called() {
    let log = log();
    let (door, client) = open(&log, DoorSettings { writable: true, ..settings() }).await;
    for name in ["orders", "orders-1", "Größe 50%", "foreign-orders-1", "sessions-1", "-"] {
        let binary =
            EventData::binary("Größe", Bytes::from_static(&[0, 255, 10])).metadata(Bytes::from_static(&[1, 254]));
        client.append_to_stream(name, &at(StreamState::NoStream), vec![binary, event("Noted")]).await.unwrap();
        let found = read(&client, name).await.unwrap();
        assert_eq!(found.iter().map(|event| event.stream_id()).collect::<Vec<_>>(), [name, name]);
        assert_eq!((found[0].event_type.as_str(), found[0].is_json), ("Größe", false));
        assert_eq!((&found[0].data[..], &found[0].custom_metadata[..]), (&[0, 255, 10][..], &[1, 254][..]));
        assert!(found[1].is_json && found[1].custom_metadata.is_empty());
    }
    assert_eq!(stored(&log).await.len(), 1);
    door.close().await;
}

#[tokio::test]
async fn a_wrong_version_says_where_the_stream_is() {
    let (door, client) = open(&MemoryLog::new(), DoorSettings { writable: true, ..settings() }).await;
    let append = async |state| client.append_to_stream("orders-1", &at(state), event("Placed")).await;
    let wrong = |result: kurrentdb::Result<_>| match result {
        Err(Error::WrongExpectedVersion { current, .. }) => current,
        other => panic!("{:?}", other.map(drop)),
    };
    assert_eq!(wrong(append(StreamState::StreamExists).await), CurrentRevision::NoStream);
    assert_eq!(wrong(append(StreamState::StreamRevision(3)).await), CurrentRevision::NoStream);
    append(StreamState::NoStream).await.unwrap();
    append(StreamState::StreamExists).await.unwrap();
    assert_eq!(wrong(append(StreamState::NoStream).await), CurrentRevision::Current(1));
    assert_eq!(wrong(append(StreamState::StreamRevision(0)).await), CurrentRevision::Current(1));
    assert_eq!(append(StreamState::StreamRevision(1)).await.unwrap().next_expected_version, 2);
    door.close().await;
}

#[tokio::test]
async fn a_repeat_is_known_by_its_ids_whatever_it_expects() {
    let (door, client) = open(&MemoryLog::new(), DoorSettings { writable: true, ..settings() }).await;
    let placed = event("Placed").id(Uuid::from_u128(5));
    for state in [StreamState::NoStream, StreamState::Any, StreamState::NoStream, StreamState::StreamExists] {
        let written = client.append_to_stream("orders-1", &at(state), placed.clone()).await.unwrap();
        assert_eq!((written.next_expected_version, written.position.commit), (0, 1), "{state:?}");
    }
    assert_eq!(read(&client, "orders-1").await.unwrap().len(), 1);
    door.close().await;
}

#[tokio::test]
async fn a_deleted_stream_goes_on_where_it_was_and_a_tombstone_is_for_good() {
    let (door, client) = open(&MemoryLog::new(), DoorSettings { writable: true, ..settings() }).await;
    client.append_to_stream("orders-1", &at(StreamState::NoStream), vec![event("A"), event("B")]).await.unwrap();
    client.delete_stream("orders-1", &DeleteStreamOptions::default()).await.unwrap();
    assert!(matches!(read(&client, "orders-1").await, Err(Error::ResourceNotFound)));
    client.append_to_stream("orders-1", &at(StreamState::NoStream), event("C")).await.unwrap();
    let found = read(&client, "orders-1").await.unwrap();
    assert_eq!(found.iter().map(|event| (event.revision, event.event_type.as_str())).collect::<Vec<_>>(), [(2, "C")]);
    client.tombstone_stream("orders-1", &kurrentdb::TombstoneStreamOptions::default()).await.unwrap();
    assert!(matches!(read(&client, "orders-1").await, Err(Error::ResourceDeleted)));
    let late = client.append_to_stream("orders-1", &at(StreamState::Any), event("D")).await;
    assert!(matches!(late, Err(Error::ResourceDeleted)), "{late:?}");
    door.close().await;
}

#[tokio::test]
async fn a_stream_shows_as_much_as_its_metadata_says() {
    let (door, client) = open(&MemoryLog::new(), DoorSettings { writable: true, ..settings() }).await;
    let events: Vec<_> = (0..5).map(|_| event("A").id(Uuid::new_v4())).collect();
    client.append_to_stream("orders-1", &at(StreamState::Any), events).await.unwrap();
    let revisions = async || read(&client, "orders-1").await.unwrap().iter().map(|e| e.revision).collect::<Vec<_>>();
    for (metadata, shown) in [
        (StreamMetadataBuilder::new().max_count(2).build(), vec![3, 4]),
        (StreamMetadataBuilder::new().truncate_before(1).build(), vec![1, 2, 3, 4]),
        (StreamMetadataBuilder::new().build(), vec![0, 1, 2, 3, 4]),
    ] {
        client.set_stream_metadata("orders-1", &at(StreamState::Any), &metadata).await.unwrap();
        assert_eq!(revisions().await, shown);
    }
    door.close().await;
}

#[tokio::test]
async fn what_is_too_much_is_refused() {
    let limits = Limits { subscriptions: 1, message: 1 << 20, ..Limits::default() };
    let (door, client) = open(&log(), DoorSettings { writable: true, limits, ..settings() }).await;
    let large = EventData::binary("Large", vec![0; 2 << 20].into());
    assert!(client.append_to_stream("orders-1", &at(StreamState::Any), large).await.is_err());
    let many: Vec<_> = (0..1_001).map(|_| event("A").id(Uuid::new_v4())).collect();
    let refused = client.append_to_stream("orders-1", &at(StreamState::Any), many).await;
    assert!(matches!(refused, Err(Error::Grpc { code: tonic::Code::InvalidArgument, .. })), "{refused:?}");
    assert!(matches!(read(&client, "orders-1").await, Err(Error::ResourceNotFound)));

    let mut first = client.subscribe_to_all(&SubscribeToAllOptions::default()).await;
    assert!(matches!(first.next_subscription_event().await, Ok(SubscriptionEvent::Confirmed(_))));
    let mut second = client.subscribe_to_all(&SubscribeToAllOptions::default()).await;
    let refused = second.next_subscription_event().await;
    assert!(matches!(refused, Err(Error::Grpc { code: tonic::Code::ResourceExhausted, .. })), "{refused:?}");
    door.close().await;
}
