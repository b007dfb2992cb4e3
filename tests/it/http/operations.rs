//! `/healthz`, `/readyz`, `/metrics`, `/openapi.json`: no credentials needed.

use super::{Answer, World};
use axum::body::Body;
use axum::http::Request;
use serde_json::json;

async fn anonymous(world: &World, path: &str) -> Answer {
    world.send(Request::get(path).body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn it_is_alive_always_and_ready_when_it_says_so() {
    let world = World::new().await;
    assert_eq!(anonymous(&world, "/healthz").await.ok(), json!({"status": "ok"}));
    anonymous(&world, "/readyz").await.with(503);
    world.readiness.set(true);
    assert_eq!(anonymous(&world, "/readyz").await.ok(), json!({"status": "ready"}));
}

#[tokio::test]
async fn metrics_count_what_is_provisioned() {
    let world = World::new().await;
    world.tenant("Acme").await;
    let answer = anonymous(&world, "/metrics").await;
    assert!(answer.headers["content-type"].to_str().unwrap().starts_with("text/plain"));
    let text = super::text(&answer.ok());
    assert!(text.contains("\n# TYPE strowger_accounts gauge\nstrowger_accounts 2\n"), "{text}");
}

#[tokio::test]
async fn the_api_describes_itself() {
    let world = World::new().await;
    let document = anonymous(&world, "/openapi.json").await.ok();
    assert_eq!(document["info"]["title"], "Strowger");
    assert_eq!(document["components"]["securitySchemes"]["basic"]["scheme"], "basic");
    let number = &document["components"]["schemas"]["NewNumber"]["properties"]["number"];
    assert_eq!((&number["type"], &number["example"]), (&json!("string"), &json!("+15550000001")));
    assert_eq!(document["paths"]["/v1/trunks"]["post"]["security"], json!([{"basic": []}]));
}

#[tokio::test]
async fn the_notarys_key_and_newest_root_are_there_for_whoever_has_an_account() {
    let world = World::whole().await;
    let shown = world.get("/v1/notary").await.ok();
    assert_eq!((&shown["key"], &shown["stream"]), (&"07".repeat(32).into(), &"notary-1".into()));
    assert!(shown["root"].is_null(), "{shown}");
    let log: std::sync::Arc<dyn domain::log::EventLog> = std::sync::Arc::new(world.log.clone());
    let folder = crate::event_log::given::Folder::new();
    let head = domain::log::EventLog::head(&world.log).0;
    crate::notary::sign(&log, crate::notary::signer(1), &folder.path().join("roots.jsonl"), 1).await;
    let root = world.get("/v1/notary").await.ok()["root"].clone();
    assert_eq!((&root["index"], &root["through"], &root["events"]), (&0.into(), &head.into(), &head.into()));
    assert_eq!(root["signature"].as_str().map(str::len), Some(128));
}
