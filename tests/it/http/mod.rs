//! The HTTP API in process, over the log in memory. A file a noun, as in `api/src/routes`.

#![allow(clippy::unwrap_used, clippy::panic)]

mod accounts;
mod connections;
mod credentials;
mod domains;
mod erasures;
mod errors;
mod injection;
mod keys;
mod messages;
mod numbers;
mod operations;
mod read_models;
mod tenancy;
mod trunks;

use crate::views::{Folder, PATIENCE};
use adapters::event_log::memory::MemoryLog;
use adapters::provisioning::{Means, Provisioning, TablesSink};
use api::routes::events::EventState;
use api::routes::registrations::RegistrationState;
use api::routes::sessions::SessionState;
use api::{AppState, Readiness};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use base64::Engine;
use domain::codec::seal::{KeyRef, SealKey};
use domain::ids::{AccountId, EventId};
use domain::log::{EventLog, PortFuture, Position};
use domain::routing::Provisioned;
use domain::time::WallTime;
use projections::events::EventFeed;
use projections::{Database, Views};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tests::calls::Keys;
use tests::registrations::ObligingRegistrar;
use tests::standings::Told;
use tower::ServiceExt;

/// An exchange's API with one account.
struct World {
    router: Router,
    log: MemoryLog,
    readiness: Readiness,
    root: Tenant,
    /// How trunks stand.
    told: Arc<Told>,
    /// The read models' folder, where there are any; it goes with this.
    history: Option<Folder>,
}

/// An account and a secret that opens it.
#[derive(Clone)]
struct Tenant {
    id: String,
    secret: String,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

struct Counting(AtomicU64);

impl Means for Counting {
    fn bits(&self) -> u128 {
        u128::from(self.0.fetch_add(1, Relaxed))
    }

    fn event_id(&self) -> EventId {
        EventId::minted(1, 1, 0, self.0.fetch_add(1, Relaxed))
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

impl World {
    /// The API without what tells of sessions.
    async fn new() -> Self {
        Self::made(false).await
    }

    /// The whole API, as it is served.
    async fn whole() -> Self {
        Self::made(true).await
    }

    async fn made(whole: bool) -> Self {
        let log = MemoryLog::new();
        let means = Arc::new(Counting(AtomicU64::new(1)));
        let provisioning =
            Provisioning::start(Arc::new(log.clone()), means, Arc::new(NoRouting), 1, None).await.unwrap();
        let opened = provisioning.open_account("Root".parse().unwrap(), None, None).await.unwrap().unwrap();
        let root = Tenant { id: opened.0.to_string(), secret: opened.1.secret };
        let readiness = Readiness::default();
        let patience = if whole { PATIENCE } else { Duration::from_millis(20) };
        let standings = Arc::new(Told::default());
        let told = Arc::clone(&standings);
        let keys = Arc::new(Keys::default());
        let state = AppState {
            provisioning,
            log: Arc::new(log.clone()),
            keyring: keys.clone(),
            standings,
            readiness: readiness.clone(),
            metrics: Arc::default(),
            patience,
        };
        let (router, history) = match whole {
            false => (api::router(state), None),
            true => Self::with_history(state, &log, &keys).await,
        };
        Self { router, log, readiness, root, told, history }
    }

    async fn with_history(app: AppState, log: &MemoryLog, keys: &Arc<Keys>) -> (Router, Option<Folder>) {
        let folder = Folder::new();
        let log: Arc<dyn EventLog> = Arc::new(log.clone());
        let window = Duration::from_millis(5);
        let views = Views::open_with_window(Database::files(&folder.file("data")), log.clone(), keys.clone(), window)
            .await
            .unwrap();
        let feed = Arc::new(EventFeed::new(log.clone(), keys.clone()));
        let views = Arc::new(views);
        let registrations =
            RegistrationState { app: app.clone(), views: views.clone(), registrar: Arc::new(ObligingRegistrar) };
        let proofs = tests::proofs::proofs(&app, &views, &log, keys);
        let sessions = SessionState { app: app.clone(), views };
        let events = EventState::new(app.clone(), feed);
        (api::whole_router(app, sessions, events, registrations, proofs), Some(folder))
    }

    /// Waits until the read models have seen this, so that an empty answer means something.
    async fn reads_up_to(&self, position: Position) {
        for path in ["/v1/sessions", "/v1/registrations", "/v1/messages"] {
            self.get(&format!("{path}?at_least={position}")).await.ok();
        }
    }

    /// How many files of the read models hold this text, as they are now.
    fn files_with(&self, text: &str) -> usize {
        let views = self.history.as_ref().unwrap().file("data").join("views");
        let files = std::fs::read_dir(views).unwrap().map(|file| std::fs::read(file.unwrap().path()).unwrap());
        files.filter(|file| file.windows(text.len()).any(|part| part == text.as_bytes())).count()
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        let text = || Value::String(String::from_utf8_lossy(&bytes).into_owned());
        let body = serde_json::from_slice(&bytes).unwrap_or_else(|_| text());
        Answer { status, headers, body }
    }

    /// A request as `tenant`, with a body unless that is null.
    async fn ask(&self, tenant: &Tenant, method: Method, path: &str, body: Value) -> Answer {
        let mut request = Request::builder().method(method).uri(path).header(header::AUTHORIZATION, tenant.basic());
        if !body.is_null() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        self.send(request.body(body).unwrap()).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask(&self.root, Method::GET, path, Value::Null).await
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        self.ask(&self.root, Method::POST, path, body).await
    }

    async fn patch(&self, path: &str, body: Value) -> Answer {
        self.ask(&self.root, Method::PATCH, path, body).await
    }

    async fn delete(&self, path: &str) -> Answer {
        self.ask(&self.root, Method::DELETE, path, Value::Null).await
    }

    /// A sub-account of the root.
    async fn tenant(&self, name: &str) -> Tenant {
        let opened = self.post("/v1/accounts", serde_json::json!({ "name": name })).await.created();
        Tenant { id: text(&opened["id"]), secret: text(&opened["secret"]) }
    }
}

impl Tenant {
    fn basic(&self) -> String {
        let credentials = format!("{}:{}", self.id, self.secret);
        format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(credentials))
    }
}

impl Answer {
    #[track_caller]
    fn with(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        self.body
    }

    #[track_caller]
    fn ok(self) -> Value {
        self.with(200)
    }

    /// 201, and the position stands in both places.
    #[track_caller]
    fn created(self) -> Value {
        let header = self.headers.get("strowger-position").map(|value| value.to_str().unwrap().to_owned());
        let body = self.with(201);
        assert_eq!(header, Some(body["position"].to_string()));
        body
    }

    /// An error of the one shape: its status, code and field.
    #[track_caller]
    fn error(self) -> (u16, String, Option<String>) {
        let error = &self.body["error"];
        assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{}", self.body);
        (self.status.as_u16(), text(&error["code"]), error["field"].as_str().map(str::to_owned))
    }

    /// A 422 that names this field.
    #[track_caller]
    fn names(self, field: &str) {
        assert_eq!(self.error(), (422, "invalid".to_owned(), Some(field.to_owned())));
    }

    #[track_caller]
    fn not_found(self) {
        let body = self.body.clone();
        assert_eq!(self.error(), (404, "not_found".to_owned(), None), "{body}");
    }
}

#[track_caller]
fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}")).to_owned()
}

/// The items of a list, by one field.
fn column(list: &Value, field: &str) -> Vec<String> {
    list["items"].as_array().unwrap().iter().map(|item| text(&item[field])).collect()
}
