//! `/v1/read-models`.

use super::World;
use axum::http::Method;
use domain::log::EventLog;
use serde_json::{Value, json};
use tests::calls::{CallScript, record};

const NAMES: [&str; 5] = ["sessions", "routing", "registrations", "messages", "uplinks"];

/// Asks until the rebuild of that model has ended.
async fn ended(world: &World, name: &str) -> Value {
    loop {
        let all = world.get("/v1/read-models").await.ok();
        let model = all["read_models"].as_array().unwrap().iter().find(|model| model["name"] == name).unwrap().clone();
        if model["rebuild"]["state"] != "running" {
            return model;
        }
    }
}

#[tokio::test]
async fn an_operator_sees_how_far_they_are_and_rebuilds_them() {
    let world = World::whole().await;
    let call = CallScript::new(1).of(world.root.id.parse().unwrap()).completed();
    record(&world.log, &call);
    world.reads_up_to(world.log.head()).await;
    let before = world.get("/v1/sessions").await.ok();
    let all = world.get("/v1/read-models").await.ok();
    let names: Vec<_> = all["read_models"].as_array().unwrap().iter().map(|model| model["name"].clone()).collect();
    assert_eq!((Value::from(names), &all["head"]), (json!(NAMES), &json!(world.log.head().0)));
    assert_eq!(all["read_models"][0]["rebuild"], Value::Null);
    let begun = world.post("/v1/read-models/sessions/rebuild", Value::Null).await;
    assert_eq!(begun.status, 202, "{}", begun.body);
    let done = ended(&world, "sessions").await;
    assert_eq!((&done["rebuild"]["state"], &done["generation"]), (&json!("serves"), &json!(2)), "{done}");
    assert_eq!(done["rebuild"]["position"], json!(world.log.head().0));
    assert_eq!(world.get("/v1/sessions").await.ok(), before);
}

#[tokio::test]
async fn nobody_below_another_account_sees_or_rebuilds_them() {
    let world = World::whole().await;
    let tenant = world.tenant("Acme").await;
    let list = world.ask(&tenant, Method::GET, "/v1/read-models", Value::Null).await;
    assert_eq!((list.status, &list.body["error"]["code"]), (403.try_into().unwrap(), &json!("forbidden")));
    world.ask(&tenant, Method::POST, "/v1/read-models/sessions/rebuild", Value::Null).await.with(403);
}

#[tokio::test]
async fn there_are_no_others() {
    let world = World::whole().await;
    world.post("/v1/read-models/calls/rebuild", Value::Null).await.with(404);
}
