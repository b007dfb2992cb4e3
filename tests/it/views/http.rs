//! `/v1/sessions` and `/v1/events` over HTTP.

mod feed;

use super::harness::{PATIENCE, World};
use adapters::provisioning::{Means, Provisioning, TablesSink};
use api::routes::events::EventState;
use api::routes::registrations::RegistrationState;
use api::routes::sessions::SessionState;
use api::{AppState, Readiness};
use domain::codec::seal::{KeyRef, SealKey};
use domain::ids::{AccountId, EventId, TransferId};
use domain::log::{EventLog, PortFuture};
use domain::routing::Provisioned;
use domain::time::WallTime;
use domain::transfer::{TransferBegun, TransferEvent};
use projections::events::EventFeed;
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use tests::calls::{
    ACCOUNT, CallScript, NUMBER, PBX, STRANGER, basic, failover, hold, record, record_together, submit, transfer,
};
use tests::registrations::NoRegistrar;
use tests::watched::Watched;
use tokio::sync::Notify;

/// The whole API on a loopback port, for requests of [`ACCOUNT`].
struct Server {
    world: World,
    base: String,
    client: Client,
    /// An account below [`ACCOUNT`].
    below: AccountId,
    secret: String,
    /// Told when a request begins to wait for events.
    waiting: Arc<Notify>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Counting(AtomicU64);

impl Means for Counting {
    fn bits(&self) -> u128 {
        u128::from(self.0.fetch_add(1, Relaxed))
    }

    fn event_id(&self) -> EventId {
        EventId::minted(9, 1, 0, self.0.fetch_add(1, Relaxed))
    }

    fn now(&self) -> WallTime {
        WallTime::from_micros(1_767_225_600_000_000)
    }

    fn secrets_key(&self, _: AccountId) -> Result<(KeyRef, SealKey), String> {
        Ok((KeyRef(1), SealKey::from_bytes([1; 32])))
    }
}

struct NoRouting;

impl TablesSink for NoRouting {
    fn apply(&self, _: Vec<Provisioned>) -> PortFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

impl Server {
    async fn start() -> Self {
        let world = World::new();
        let means = Arc::new(Counting(AtomicU64::new(ACCOUNT.bits() as u64)));
        let provisioning = Provisioning::start(world.log(), means, Arc::new(NoRouting), 1, None).await.unwrap();
        let (account, secret, _) =
            provisioning.open_account("Own".parse().unwrap(), None, None).await.unwrap().unwrap();
        assert_eq!(account, ACCOUNT, "the scripts' account is the first that was opened");
        let below = provisioning.open_account("Below".parse().unwrap(), Some(account), None).await.unwrap().unwrap().0;
        let views = Arc::new(world.views_behind("views.db").await);
        let waiting: Arc<Notify> = Arc::default();
        let told = waiting.clone();
        let each = move |follow| {
            told.notify_one();
            follow
        };
        let watched = Watched { log: world.log.clone(), each };
        let feed = Arc::new(EventFeed::new(Arc::new(watched), world.keys.clone()));
        let app = AppState {
            provisioning,
            log: world.log(),
            keyring: world.keys.clone(),
            standings: Arc::new(tests::standings::Told::default()),
            readiness: Readiness::default(),
            metrics: Arc::default(),
            patience: PATIENCE,
        };
        let registrations =
            RegistrationState { app: app.clone(), views: views.clone(), registrar: Arc::new(NoRegistrar) };
        let proofs = tests::proofs::proofs(&app, &views, &app.log, &world.keys);
        let state = SessionState { app: app.clone(), views };
        let events = EventState::new(app.clone(), feed);
        let router = api::whole_router(app, state, events, registrations, proofs);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let client = Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        Self { world, base, client, below, secret: secret.secret, waiting, task }
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(format!("{}{path}", self.base)).basic_auth(ACCOUNT, Some(&self.secret))
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let request = self.client.post(format!("{}{path}", self.base)).basic_auth(ACCOUNT, Some(&self.secret));
        let response = request.header("content-type", "application/json").body(body.to_string()).send().await.unwrap();
        assert_eq!(response.status(), 201);
        response.json().await.unwrap()
    }

    async fn ask(&self, path: &str) -> (u16, Value) {
        let response = self.get(path).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    /// As fresh as the log.
    async fn fresh(&self, path: &str) -> (u16, Value) {
        let mark = if path.contains('?') { '&' } else { '?' };
        self.ask(&format!("{path}{mark}at_least={}", self.world.log.head())).await
    }
}

#[tokio::test]
async fn a_session_is_listed_and_shown_as_soon_as_a_query_asks_for_its_position() {
    let server = Server::start().await;
    record(&server.world.log, &basic(1));
    let (status, body) = server.fresh("/v1/sessions?number=+15550100&state=ended").await;
    assert_eq!(status, 200, "{body}");
    let expected = json!({
        "id": "CA00000000000000000000000070000001", "account": ACCOUNT.to_string(),
        "caller": "+49301", "called": "+15550100", "call_id": "1-0@pbx.example",
        "trunk": PBX.to_string(), "number": NUMBER.to_string(), "route_rule": "carrier-by-prefix",
        "state": "ended", "started_at": "2026-01-02T03:04:06.000000Z", "ringing_at": "2026-01-02T03:04:06.040000Z",
        "answered_at": "2026-01-02T03:04:07.500000Z", "ended_at": "2026-01-02T03:04:17.512000Z",
        "duration_ms": 10_012, "total_ms": 11_512, "end_cause": "completed", "final_status": 200,
        "mode": "trunking", "position": server.world.log.head().0,
    });
    assert_eq!(body["items"], json!([expected]));
    assert_eq!(body.get("next"), None);
    let (_, one) = server.ask(&format!("/v1/sessions/{}", basic(1).session)).await;
    assert_eq!(one, body["items"][0]);
}

#[tokio::test]
async fn pages_follow_each_other_by_their_cursor() {
    let server = Server::start().await;
    record_together(&server.world.log, &(0..5).map(basic).collect::<Vec<_>>());
    let (_, first) = server.fresh("/v1/sessions?limit=3").await;
    let next = first["next"].as_str().unwrap();
    let (_, second) = server.ask(&format!("/v1/sessions?limit=3&after={next}")).await;
    let ids = |page: &Value| page["items"].as_array().unwrap().iter().map(|s| s["id"].clone()).collect::<Vec<_>>();
    let newest_first: Vec<Value> = (0..5).rev().map(|n| json!(basic(n).session.to_string())).collect();
    assert_eq!([ids(&first), ids(&second)].concat(), newest_first);
    assert_eq!(second.get("next"), None);
}

#[tokio::test]
async fn a_wrong_parameter_is_named() {
    let server = Server::start().await;
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=x", "limit"),
        ("from=yesterday", "from"),
        ("state=held", "state"),
        ("after=zz", "after"),
        ("number=", "number"),
        ("colour=red", "colour"),
        ("limit=5&limit=6", "limit"),
        ("at_least=-1", "at_least"),
        ("account=CA00000000000000000000000000000acc", "account"),
    ] {
        let (status, body) = server.ask(&format!("/v1/sessions?{query}")).await;
        assert_eq!((status, &body["error"]["field"]), (422, &json!(field)), "{query}: {body}");
        assert!(!body["error"]["message"].as_str().unwrap().is_empty() && body["error"]["code"] == "invalid");
    }
    let time = "from=2026-01-01T00:00:00+01:00";
    assert_eq!(server.ask(&format!("/v1/sessions?{time}")).await.0, 200, "an offset needs no escaping");
}

#[tokio::test]
async fn what_belongs_to_others_and_what_does_not_exist_answer_alike() {
    let server = Server::start().await;
    let strange = CallScript::new(7).of(STRANGER).completed();
    record(&server.world.log, &strange);
    let begun = TransferBegun {
        account: STRANGER,
        taking: strange.session,
        asking: strange.callee_leg(1),
        remaining: strange.caller_leg(),
        giving: strange.session,
        replaced: strange.caller_leg(),
        moved: strange.callee_leg(1),
    };
    submit(&server.world.log, transfer(TransferId::from_bits(7), 0, &[TransferEvent::TransferBegun(begun)]));
    let nobody = CallScript::new(8).session;
    for session in [strange.session.to_string(), nobody.to_string(), "CA1".to_owned(), "%00".to_owned()] {
        for route in ["", "/timeline", "/ladder", "/events"] {
            let (status, body) = server.ask(&format!("/v1/sessions/{session}{route}")).await;
            assert_eq!((status, &body["error"]["code"]), (404, &json!("not_found")), "{session}{route}: {body}");
        }
    }
    let (_, list) = server.fresh("/v1/sessions").await;
    assert_eq!(list["items"], json!([]));
    let (_, events) = server.ask("/v1/events").await;
    assert_eq!((&events["items"], &events["next"]), (&json!([]), &json!(server.world.log.head().0)));
    assert_eq!(server.ask(&format!("/v1/sessions?account={STRANGER}")).await.0, 404);
}

#[tokio::test]
async fn sub_accounts_sessions_are_seen_from_above_and_can_be_singled_out() {
    let server = Server::start().await;
    record_together(&server.world.log, &[basic(1), CallScript::new(2).of(server.below).completed()]);
    let count = |body: Value| body["items"].as_array().unwrap().len();
    assert_eq!(count(server.fresh("/v1/sessions").await.1), 2);
    let below = server.below;
    assert_eq!(count(server.fresh(&format!("/v1/sessions?account={below}")).await.1), 1);
    let path = format!("/v1/sessions/{}", CallScript::new(2).session);
    assert_eq!(server.ask(&path).await.1["account"], below.to_string());
}

#[tokio::test]
async fn without_authentication_nothing_is_answered() {
    let server = Server::start().await;
    for path in [
        "/v1/sessions",
        "/v1/sessions/CA1",
        "/v1/sessions/CA1/timeline",
        "/v1/sessions/CA1/ladder",
        "/v1/events",
        "/v1/messages",
        "/v1/messages/SM1",
        "/v1/trunks/TK1/history",
    ] {
        let response = server.client.get(format!("{}{path}", server.base)).send().await.unwrap();
        assert_eq!(response.status(), 401, "{path}");
    }
}

#[tokio::test]
async fn the_routes_are_described() {
    let server = Server::start().await;
    let (_, document) = server.ask("/openapi.json").await;
    for path in ["", "/{id}", "/{id}/timeline", "/{id}/ladder", "/{id}/events"] {
        assert!(document["paths"][format!("/v1/sessions{path}")]["get"].is_object(), "{path}");
    }
    assert!(document["components"]["schemas"]["Timeline"]["properties"]["entries"].is_object());
}

#[tokio::test]
async fn a_ladder_is_text_and_on_request_a_picture_that_can_run_nothing() {
    let server = Server::start().await;
    record(&server.world.log, &failover(1));
    let path = format!("/v1/sessions/{}/ladder", failover(1).session);
    let header = |response: &Response, name: &str| response.headers()[name].to_str().unwrap().to_owned();
    let text = server.get(&path).send().await.unwrap();
    assert_eq!(header(&text, "content-type"), "text/plain; charset=utf-8");
    assert!(text.text().await.unwrap().contains("503 Service Unavailable"));
    let asked =
        [server.get(&format!("{path}?format=svg")), server.get(&path).header("accept", "image/svg+xml,*/*;q=0.8")];
    for request in asked {
        let svg = request.send().await.unwrap();
        assert_eq!(header(&svg, "content-type"), "image/svg+xml");
        assert!(header(&svg, "content-security-policy").starts_with("default-src 'none'"));
        assert_eq!(header(&svg, "x-content-type-options"), "nosniff");
        assert!(svg.text().await.unwrap().starts_with("<svg "));
    }
    assert_eq!(server.ask(&format!("{path}?format=pdf")).await.0, 422);
}

#[tokio::test]
async fn a_timeline_comes_as_json_with_raw_messages_on_request() {
    let server = Server::start().await;
    record(&server.world.log, &hold(1));
    let path = format!("/v1/sessions/{}/timeline", hold(1).session);
    let (status, body) = server.ask(&format!("{path}?raw=1")).await;
    assert_eq!(status, 200);
    assert_eq!(body["entries"].as_array().unwrap().len(), hold(1).len());
    assert!(body["entries"][0]["message"]["raw"].as_str().unwrap().starts_with("INVITE "));
    let (_, body) = server.ask(&path).await;
    assert_eq!(body["entries"][0]["message"].get("raw"), None);
    assert_eq!(server.ask(&format!("{path}?at_least=999999")).await.0, 503);
}

#[tokio::test]
async fn a_session_is_shown_as_it_stood_at_an_instant() {
    let server = Server::start().await;
    record(&server.world.log, &basic(1));
    let path = format!("/v1/sessions/{}", basic(1).session);
    let (status, ringing) = server.ask(&format!("{path}?at=2026-01-02T03:04:06.5Z")).await;
    assert_eq!((status, &ringing["status"]), (200, &json!("ringing")), "{ringing}");
    assert_eq!(ringing["legs"][1]["status"], "alerting");
    assert_eq!(ringing["last_event"]["at"], "2026-01-02T03:04:06.040000Z");
    // An offset whose plus was not escaped is understood.
    let (_, same) = server.ask(&format!("{path}?at=2026-01-02T04:04:06.5+01:00")).await;
    assert_eq!(same, ringing);
    for at in ["2026-01-02T03:04:05Z", "yesterday", ""] {
        let (status, body) = server.ask(&format!("{path}?at={at}")).await;
        assert_eq!((status, &body["error"]["field"]), (422, &json!("at")), "{at}: {body}");
    }
    let (status, _) = server.ask(&format!("{path}?at=2026-01-02T03:04:06.5Z&at_least=9999999")).await;
    assert_eq!(status, 503);
}

#[tokio::test]
async fn an_export_is_a_file_of_its_own_name_and_kind() {
    let server = Server::start().await;
    let call = basic(1);
    record(&server.world.log, &call);
    let path = format!("/v1/sessions/{}/export", call.session);
    for (format, kind, ending, begins) in [
        ("pcap", "application/vnd.tcpdump.pcap", "pcap", &b"\xd4\xc3\xb2\xa1"[..]),
        ("jsonl", "application/jsonl", "jsonl", b"{\"position\":"),
        ("svg", "image/svg+xml", "svg", b"<svg "),
        ("sipp", "application/xml", "xml", b"<?xml "),
    ] {
        let answer = server.get(&format!("{path}?format={format}")).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{format}");
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("content-type"), kind);
        let name = format!("attachment; filename=\"{}.{ending}\"", call.session);
        assert_eq!(header("content-disposition"), name);
        assert_eq!([header("strowger-messages"), header("strowger-erased-messages")], ["13", "0"]);
        assert_eq!([header("x-content-type-options"), header("cache-control")], ["nosniff", "private, no-store"]);
        assert!(answer.bytes().await.unwrap().starts_with(begins), "{format}");
    }
    for query in ["", "?format=doc"] {
        let (status, body) = server.ask(&format!("{path}{query}")).await;
        assert_eq!((status, &body["error"]["code"]), (422, &json!("invalid")), "{query}: {body}");
    }
    server.world.keys.erase();
    let (status, body) = server.ask(&format!("{path}?format=sipp")).await;
    assert_eq!((status, &body["error"]["code"]), (409, &json!("conflict")), "{body}");
    let erased = server.get(&format!("{path}?format=pcap")).send().await.unwrap();
    assert_eq!(erased.headers()["strowger-erased-messages"], "13");
    let stranger = record_strangers_call(&server);
    for format in ["pcap", "jsonl", "svg", "sipp"] {
        let (status, _) = server.ask(&format!("/v1/sessions/{stranger}/export?format={format}")).await;
        assert_eq!(status, 404, "{format}");
    }
}

/// A call of an account that the caller may not use.
fn record_strangers_call(server: &Server) -> domain::ids::SessionId {
    let call = CallScript::new(9).of(STRANGER).completed();
    record(&server.world.log, &call);
    call.session
}
