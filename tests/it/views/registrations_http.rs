//! `/v1/registrations` over HTTP, with a registrar that only remembers.

use super::harness::{PATIENCE, World};
use adapters::provisioning::{Means, Provisioning, TablesSink};
use api::routes::events::EventState;
use api::routes::registrations::RegistrationState;
use api::routes::sessions::SessionState;
use api::{AppState, Readiness};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, header};
use base64::Engine;
use domain::codec::seal::{KeyRef, SealKey};
use domain::domain_name::DomainSettings;
use domain::ids::{AccountId, BindingId, DomainId, EventId};
use domain::log::{EventLog, PortFuture, Position};
use domain::registration::{Aor, CommandRejection, Done, Registrar, RegistrarAway, RegistrationCommand, RemovalCause};
use domain::routing::Provisioned;
use domain::time::WallTime;
use projections::events::EventFeed;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use tests::calls::ACCOUNT;
use tests::registrations::RegistrationScript;
use tower::ServiceExt;

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

type Answer = Result<Result<Done, CommandRejection>, RegistrarAway>;

/// Remembers what it was asked and answers what it was told to.
struct Remembering {
    asked: Mutex<Vec<(AccountId, Aor, RegistrationCommand)>>,
    answer: Mutex<Answer>,
}

impl Registrar for Remembering {
    fn command(&self, account: AccountId, aor: Aor, command: RegistrationCommand) -> PortFuture<'_, Answer> {
        self.asked.lock().unwrap().push((account, aor, command));
        Box::pin(std::future::ready(self.answer.lock().unwrap().clone()))
    }
}

/// The API for [`ACCOUNT`], which has the domain `a.example`, and for a stranger, who has `b.example`.
struct Server {
    world: World,
    router: Router,
    registrar: Arc<Remembering>,
    domain: DomainId,
    own: (AccountId, String),
    stranger: (AccountId, String),
}

impl Server {
    async fn start() -> Self {
        let world = World::new();
        let means = Arc::new(Counting(AtomicU64::new(ACCOUNT.bits() as u64)));
        let provisioning = Provisioning::start(world.log(), means, Arc::new(NoRouting), 1, None).await.unwrap();
        let mut accounts = vec![];
        for (name, domain) in [("Own", "a.example"), ("Stranger", "b.example")] {
            let opened = provisioning.open_account(name.parse().unwrap(), None, None).await.unwrap().unwrap();
            let added =
                provisioning.add_domain(opened.0, domain.parse().unwrap(), DomainSettings::default(), None).await;
            accounts.push(((opened.0, opened.1.secret), added.unwrap().unwrap().0));
        }
        let (stranger, _) = accounts.pop().unwrap();
        let (own, domain) = accounts.pop().unwrap();
        let views = Arc::new(world.views_behind("views.db").await);
        let done = Done { binding: BindingId::from_bits(7), position: Position(42) };
        let registrar = Arc::new(Remembering { asked: Mutex::default(), answer: Mutex::new(Ok(Ok(done))) });
        let app = AppState {
            provisioning,
            log: world.log(),
            keyring: world.keys.clone(),
            standings: Arc::new(tests::standings::Told::default()),
            readiness: Readiness::default(),
            metrics: Arc::default(),
            patience: PATIENCE,
        };
        let proofs = tests::proofs::proofs(&app, &views, &app.log, &world.keys);
        let feed = EventFeed::new(app.log.clone(), app.keyring.clone());
        let events = EventState::new(app.clone(), Arc::new(feed));
        let sessions = SessionState { app: app.clone(), views: views.clone() };
        let state = RegistrationState { app: app.clone(), views, registrar: registrar.clone() };
        let router = api::whole_router(app, sessions, events, state, proofs);
        Self { world, router, registrar, domain, own, stranger }
    }

    async fn ask(&self, who: &(AccountId, String), method: Method, path: &str, body: Value) -> (u16, Value) {
        let basic = base64::engine::general_purpose::STANDARD.encode(format!("{}:{}", who.0, who.1));
        let request =
            Request::builder().method(method).uri(path).header(header::AUTHORIZATION, format!("Basic {basic}"));
        let request = request.header(header::CONTENT_TYPE, "application/json");
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let response = self.router.clone().oneshot(request.body(body).unwrap()).await.unwrap();
        let status = response.status().as_u16();
        let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.ask(&self.own, Method::GET, path, Value::Null).await
    }

    /// As fresh as the log.
    async fn fresh(&self, path: &str) -> Value {
        let mark = if path.contains('?') { '&' } else { '?' };
        let (status, body) = self.get(&format!("{path}{mark}at_least={}", self.world.log.head())).await;
        assert_eq!(status, 200, "{body}");
        body
    }

    fn script(&self, user: &str) -> RegistrationScript {
        RegistrationScript::of(user).in_domain(self.own.0, self.domain)
    }
}

#[tokio::test]
async fn who_is_online_is_listed_as_soon_as_a_query_asks_for_its_position() {
    let server = Server::start().await;
    let script = server.script("alice").added(1, 5070).record(&server.world.log);
    let body = server.fresh("/v1/registrations?online=1").await;
    let expected = json!({
        "id": BindingId::from_bits(1).to_string(), "registration": script.id().to_string(),
        "account": server.own.0.to_string(), "domain": server.domain.to_string(), "trunk": null, "aor": "alice@a.example",
        "contact": "sip:alice@192.0.2.1:5070", "user_agent": "Phone/1", "instance": "urn:uuid:1", "reg_id": 1,
        "q": 0.5, "transport": "udp", "address": "198.51.100.1:5070", "api": false, "reach": "flow", "state": "online",
        "since": "2026-01-02T03:04:05.000000Z", "refreshed_at": "2026-01-02T03:04:05.000000Z", "refreshes": 0,
        "expires_at": "2026-01-02T03:14:05.000000Z", "ended_at": null, "duration_ms": null,
        "position": server.world.log.head().0,
    });
    assert_eq!(body, json!({ "items": [expected] }));

    script.after(90).removed(1, RemovalCause::Expired).record(&server.world.log);
    assert_eq!(server.fresh("/v1/registrations?online=1").await["items"], json!([]));
    let ended = &server.fresh("/v1/registrations?online=0").await["items"][0];
    assert_eq!((&ended["state"], &ended["duration_ms"]), (&json!("expired"), &json!(90_000)));
}

#[tokio::test]
async fn registrations_are_found_by_domain_and_address_in_pages() {
    let server = Server::start().await;
    for (binding, user) in [(1, "alice"), (2, "bob"), (3, "carol")] {
        server.script(user).added(binding, 5070).record(&server.world.log);
    }
    let aors = async |query: &str| {
        let body = server.fresh(&format!("/v1/registrations?{query}")).await;
        let items = body["items"].as_array().unwrap().clone();
        items.iter().map(|item| item["aor"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(aors("domain=A.Example").await, ["carol@a.example", "bob@a.example", "alice@a.example"]);
    assert_eq!(aors("domain=b.example").await, Vec::<String>::new(), "it is the stranger's");
    assert_eq!(aors("domain=none.example").await, Vec::<String>::new());
    assert_eq!(aors("aor=bob@A.EXAMPLE").await, ["bob@a.example"]);
    let first = server.fresh("/v1/registrations?limit=2").await;
    let next = first["next"].as_str().unwrap();
    assert_eq!(aors(&format!("limit=2&after={next}")).await, ["alice@a.example"]);
    for (query, field) in [("aor=alice", "aor"), ("online=yes", "online"), ("limit=0", "limit"), ("user=x", "user")] {
        let (status, body) = server.get(&format!("/v1/registrations?{query}")).await;
        assert_eq!((status, &body["error"]["field"]), (422, &json!(field)), "{body}");
    }
}

#[tokio::test]
async fn a_history_tells_what_happened_the_newest_first_and_to_its_owner_alone() {
    let server = Server::start().await;
    let script = server.script("alice").added(1, 5070).after(60).refreshed(1, 6000).after(60);
    let script = script.removed(1, RemovalCause::FlowLost).record(&server.world.log);
    let path = format!("/v1/registrations/{}/history", script.id());
    let body = server.fresh(&path).await;
    let what: Vec<_> = body["items"].as_array().unwrap().iter().map(|item| item["what"].clone()).collect();
    assert_eq!(what, ["removed", "moved", "added"]);
    assert_eq!(body["items"][0]["cause"], "flow-lost");
    assert_eq!(body["items"][1]["address"], "198.51.100.1:6000");
    let first = server.fresh(&format!("{path}?limit=2")).await;
    let next = first["next"].as_str().unwrap();
    assert_eq!(server.fresh(&format!("{path}?limit=2&after={next}")).await["items"][0]["what"], "added");

    let (status, _) = server.ask(&server.stranger, Method::GET, &path, Value::Null).await;
    assert_eq!(status, 404);
    let (_, list) = server.ask(&server.stranger, Method::GET, "/v1/registrations", Value::Null).await;
    assert_eq!(list["items"], json!([]));
    let path = format!("/v1/registrations?account={}", server.own.0);
    assert_eq!(server.ask(&server.stranger, Method::GET, &path, Value::Null).await.0, 404);
    let nobody = domain::ids::RegistrationId::from_bits(9);
    assert_eq!(server.get(&format!("/v1/registrations/{nobody}/history")).await.0, 404);
}

#[tokio::test]
async fn a_binding_is_made_and_removed_by_the_registrar_for_the_domains_owner_alone() {
    let server = Server::start().await;
    let new = json!({"aor": "alice@A.example", "contact": "sip:alice@192.0.2.9", "q": 0.25, "expires": 600});
    let (status, body) = server.ask(&server.own, Method::POST, "/v1/registrations", new.clone()).await;
    let expected = json!({
        "id": BindingId::from_bits(7).to_string(), "account": server.own.0.to_string(), "aor": "alice@a.example",
        "contact": "sip:alice@192.0.2.9", "q": 0.25, "expires": 600, "position": 42,
    });
    assert_eq!((status, body), (201, expected));
    let binding = format!("/v1/registrations/alice@a.example/bindings/{}", BindingId::from_bits(7));
    assert_eq!(server.ask(&server.own, Method::DELETE, &binding, Value::Null).await.0, 204);
    {
        let asked = server.registrar.asked.lock().unwrap();
        assert!(asked.iter().all(|(account, aor, _)| *account == server.own.0 && aor.as_str() == "alice@a.example"));
        let [(_, _, RegistrationCommand::Bind { new, by: Some(_) }), (_, _, RegistrationCommand::Unbind { id, .. })] =
            asked.as_slice()
        else {
            panic!("{asked:?}")
        };
        assert_eq!((new.q.map(|q| q.thousandths()), new.expires, *id), (Some(250), Some(600), BindingId::from_bits(7)));
    }
    for (method, path, body) in [(Method::POST, "/v1/registrations", new), (Method::DELETE, &binding, Value::Null)] {
        assert_eq!(server.ask(&server.stranger, method, path, body).await.0, 404);
    }
    let elsewhere = json!({"aor": "alice@none.example", "contact": "sip:alice@192.0.2.9"});
    assert_eq!(server.ask(&server.own, Method::POST, "/v1/registrations", elsewhere).await.0, 404);
    assert_eq!(server.registrar.asked.lock().unwrap().len(), 2, "nobody else reached the registrar");
}

#[tokio::test]
async fn bad_values_and_refusals_are_told_with_their_field() {
    let server = Server::start().await;
    let with = |field: &str, value: Value| {
        let mut body = json!({"aor": "alice@a.example", "contact": "sip:alice@192.0.2.9"});
        body[field] = value;
        body
    };
    for (body, field) in [
        (json!({"contact": "sip:alice@192.0.2.9"}), "aor"),
        (with("aor", json!("alice")), "aor"),
        (with("contact", json!("alice b")), "contact"),
        (with("q", json!(1.5)), "q"),
        (with("q", json!("high")), "q"),
        (with("expires", json!(-1)), "expires"),
        (with("device", json!("x")), "device"),
    ] {
        let (status, answer) = server.ask(&server.own, Method::POST, "/v1/registrations", body).await;
        assert_eq!((status, &answer["error"]["field"]), (422, &json!(field)), "{answer}");
    }
    for (answer, status, field) in [
        (Ok(Err(CommandRejection::TooMany(10))), 409, Value::Null),
        (Ok(Err(CommandRejection::AccountFull)), 409, Value::Null),
        (Ok(Err(CommandRejection::Taken)), 409, json!("contact")),
        (Ok(Err(CommandRejection::Loop)), 422, json!("contact")),
        (Ok(Err(CommandRejection::Contact)), 422, json!("contact")),
        (Ok(Err(CommandRejection::Expires { min: 60, max: 600 })), 422, json!("expires")),
        (Ok(Err(CommandRejection::Unknown)), 404, Value::Null),
        (Ok(Err(CommandRejection::NoDomain)), 404, Value::Null),
        (Err(RegistrarAway("stopping".into())), 503, Value::Null),
    ] {
        *server.registrar.answer.lock().unwrap() = answer;
        let body = with("q", json!(1));
        let (got, body) = server.ask(&server.own, Method::POST, "/v1/registrations", body).await;
        assert_eq!((got, body["error"]["field"].clone()), (status, field), "{body}");
    }
}

#[tokio::test]
async fn bindings_of_an_instant_are_listed_as_they_were_then() {
    let server = Server::start().await;
    let script = server.script("alice").added(1, 5070).after(60).refreshed(1, 6000).after(60);
    script.removed(1, RemovalCause::FlowLost).record(&server.world.log);
    server.script("bob").after(90).added(2, 5080).record(&server.world.log);
    let at = async |time: &str| {
        let body = server.fresh(&format!("/v1/registrations?at=2026-01-02T03:{time}Z")).await;
        let items = body["items"].as_array().unwrap().clone();
        items.iter().map(|item| format!("{} {} {}", item["aor"], item["contact"], item["state"])).collect::<Vec<_>>()
    };
    assert_eq!(at("04:04").await, Vec::<String>::new());
    assert_eq!(at("04:30").await, [r#""alice@a.example" "sip:alice@192.0.2.1:5070" "online""#]);
    let both = [
        r#""bob@a.example" "sip:bob@192.0.2.1:5080" "online""#,
        r#""alice@a.example" "sip:alice@192.0.2.1:6000" "online""#,
    ];
    assert_eq!(at("05:40").await, both);
    assert_eq!(at("06:05").await, both[..1]);
    let body = server.fresh("/v1/registrations?at=2026-01-02T03:05:40Z&aor=alice@a.example").await;
    let item = &body["items"][0];
    assert_eq!(item["expires_at"], "2026-01-02T03:15:05.000000Z");
    assert_eq!((&item["refreshed_at"], &item["ended_at"]), (&json!("2026-01-02T03:05:05.000000Z"), &Value::Null));
    assert_eq!((&item["refreshes"], &item["duration_ms"]), (&Value::Null, &Value::Null));
    for query in ["at=now", "at=2026-01-02T03:05:40Z&online=1"] {
        let (status, body) = server.get(&format!("/v1/registrations?{query}")).await;
        assert_eq!((status, &body["error"]["field"]), (422, &json!("at")), "{body}");
    }
}
