//! What every route has in common when it says no.

use super::{Answer, World};
use axum::body::Body;
use axum::http::{Method, Request, header};
use domain::log::AppendError;
use serde_json::{Value, json};

async fn post(world: &World, kind: &str, body: impl Into<Body>) -> Answer {
    let request = Request::post("/v1/accounts").header(header::AUTHORIZATION, world.root.basic());
    world.send(request.header(header::CONTENT_TYPE, kind).body(body.into()).unwrap()).await
}

#[tokio::test]
async fn without_credentials_or_with_wrong_ones_it_challenges() {
    let world = World::new().await;
    let mut wrong = world.root.clone();
    wrong.secret.push('0');
    let bare = Request::get("/v1/accounts").body(Body::empty()).unwrap();
    for answer in [world.send(bare).await, world.ask(&wrong, Method::GET, "/v1/accounts", Value::Null).await] {
        assert!(answer.headers["www-authenticate"].to_str().unwrap().starts_with("Basic realm="));
        assert_eq!(answer.error(), (401, "unauthenticated".to_owned(), None));
    }
}

#[tokio::test]
async fn credentials_are_asked_for_before_anything_else_is_looked_at() {
    let world = World::new().await;
    let request = Request::post("/v1/numbers?nonsense=1").body(Body::from("{")).unwrap();
    world.send(request).await.with(401);
}

#[tokio::test]
async fn an_unknown_path_a_wrong_method_and_a_malformed_id_keep_the_one_shape() {
    let world = World::new().await;
    world.get("/v2/accounts").await.not_found();
    world.get("/v1/numbers/nonsense").await.not_found();
    world.get(&format!("/v1/numbers/{}", world.root.id)).await.not_found();
    assert_eq!(world.delete("/v1/numbers").await.error(), (405, "method_not_allowed".to_owned(), None));
}

#[tokio::test]
async fn a_body_must_be_json_declared_as_json_and_of_limited_size() {
    let world = World::new().await;
    assert_eq!(post(&world, "text/plain", "{}").await.error().0, 415);
    for broken in ["", "{", "{\"name\":\"a\"} x", "\u{feff}{}"] {
        assert_eq!(post(&world, "application/json", broken).await.error().0, 400, "{broken}");
    }
    assert_eq!(post(&world, "application/json; charset=utf-8", "[]").await.error().0, 422);
    let large = json!({"name": "a".repeat(70_000)}).to_string();
    assert_eq!(post(&world, "application/json", large).await.error(), (413, "too_large".to_owned(), None));
    let twice = r#"{"name":"a","name":"b"}"#;
    post(&world, "application/json", twice).await.names("name");
}

#[tokio::test]
async fn a_log_that_is_away_is_a_503_that_may_be_tried_again() {
    let world = World::new().await;
    world.log.fail_next(AppendError::Unavailable("disk full".into()));
    let answer = post(&world, "application/json", r#"{"name":"Acme"}"#).await;
    assert!(answer.headers.contains_key("retry-after"));
    assert_eq!(answer.error(), (503, "unavailable".to_owned(), None));
    post(&world, "application/json", r#"{"name":"Acme"}"#).await.created();
}
