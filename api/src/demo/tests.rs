//! The whole story with a stand-in for the exchange: a canned HTTP API, and SIP that goes straight to the PBX phone.

use super::*;
use axum::extract::Path as UrlPath;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use std::io::Write;
use std::sync::{Arc, Mutex};

/// Sees what is printed.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(text)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Paper {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

fn timeline([carrier, pbx]: [u64; 2]) -> Value {
    let side = |leg, packets| json!({ "leg": leg, "packets": packets, "lost": 0, "jitter_us": 20, "mos_centi": 439 });
    json!({
        "legs": [{ "leg": "c", "role": "caller" }, { "leg": "p", "role": "callee 1" }],
        "entries": [
            { "since_start_ms": 0.0, "event": "SipMessageReceived", "text": "INVITE (SDP)" },
            { "since_start_ms": 0.21, "event": "RouteChosen", "text": "route by rule number-target v1" },
            { "since_start_ms": 9000.0, "event": "MediaMeasured", "text": "stream 0 is over",
              "data": { "stream": 0, "sides": [side("p", pbx), side("c", carrier)] } },
        ],
    })
}

/// A canned API on a free port. `packets` is what its timeline claims.
async fn api(packets: [u64; 2]) -> String {
    let created = |headers: HeaderMap, UrlPath(noun): UrlPath<String>, Json(body): Json<Value>| async move {
        let authorised = headers.get("authorization").is_some_and(|value| value == "Basic QUMxOnNlY3JldA==");
        let named = body.get(if noun == "numbers" { "number" } else { "destination" }).is_some();
        match authorised && named {
            true => (StatusCode::CREATED, Json(json!({ "id": format!("{noun}-1") }))),
            false => (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({ "error": "name is missing" }))),
        }
    };
    let sessions = Router::new()
        .route("/v1/{noun}", post(created))
        .route("/v1/sessions", get(|| async { Json(json!({ "items": [{ "id": "CA1" }] })) }))
        .route("/v1/sessions/CA1", get(|| async { Json(json!({ "id": "CA1", "state": "ended" })) }))
        .route("/v1/sessions/CA1/ladder", get(|| async { "carrier      exchange\n|---INVITE-->|\n" }))
        .route("/v1/sessions/CA1/timeline", get(move || async move { Json(timeline(packets)) }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, sessions).await });
    format!("http://{address}")
}

struct Told {
    outcome: Result<String, DemoError>,
    text: String,
    failures: usize,
    folder: PathBuf,
}

/// Packets that an exchange may have counted, given [`Pace`] below: two talks, and music toward the held side.
const EXPECTED: [u64; 2] = [55, 80];

/// Tells the story in two seconds.
async fn tell(packets: [u64; 2], token: &str) -> Told {
    let (carrier, pbx) = (phone("carrier", Voice::of_carrier()), phone("pbx", Voice::of_pbx()));
    let (carrier, pbx) = (carrier.await.unwrap(), pbx.await.unwrap());
    let desk = phone("desk", Voice::of_desk()).await.unwrap();
    let folder = std::env::temp_dir().join(format!("strowger-story-{}", pbx.address().port()));
    let folder = make_folder(Some(folder)).unwrap();
    let exchange = Exchange {
        sip: pbx.address(),
        public: pbx.address(),
        http: api(packets).await,
        account_sid: "AC1".to_owned(),
        auth_token: token.to_owned(),
        stop: Box::pin(async {}),
    };
    let paper = Paper::default();
    let mut screen = Screen::plain(Box::new(paper.clone()));
    let pace = Pace { talk: 30, hold: 20 };
    let mut stage = Stage { exchange: &exchange, carrier, pbx, desk, folder: &folder, pace };
    let outcome = story::tell(&mut stage, &mut screen).await;
    Told { outcome, text: paper.text(), failures: screen.failures(), folder }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_story_is_told_checked_and_recorded() {
    let told = tell(EXPECTED, "secret").await;
    assert_eq!(told.outcome.unwrap(), "CA1");
    assert_eq!(told.failures, 0, "{}", told.text);
    for expected in [
        "trunk  pbx          trunks-1",
        "✓ carrier heard pbx: 1.000 over ",
        "✓ carrier heard the hold music: 1.000 over ",
        "✓ pbx heard nothing over ",
        "|---INVITE-->|",
        "      0.2  route by rule number-target v1",
        "from pbx      80 of ",
    ] {
        assert!(told.text.contains(expected), "{expected:?} is not in\n{}", told.text);
    }
    for name in ["carrier-heard.wav", "pbx-heard.wav"] {
        let length = std::fs::metadata(told.folder.join(name)).unwrap().len();
        assert!(length > 44 + 2 * 80 * 160, "{name} has {length} bytes");
    }
    std::fs::remove_dir_all(told.folder).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_count_that_misses_packets_fails_the_demo() {
    let told = tell([3, 4], "secret").await;
    assert_eq!((told.outcome.is_ok(), told.failures), (true, 2), "{}", told.text);
    assert!(told.text.contains("✗ FAILED from carrier  3 of "));
    std::fs::remove_dir_all(told.folder).unwrap();
}

#[tokio::test]
async fn a_refusal_of_the_api_is_told_with_its_reason() {
    let told = tell(EXPECTED, "wrong").await;
    let error = told.outcome.unwrap_err().to_string();
    assert!(error.contains("/v1/trunks was answered with 422: {\"error\":\"name is missing\"}"), "{error}");
    std::fs::remove_dir_all(told.folder).unwrap();
}
