//! `/v1/accounts/{id}/keys`.

use super::{Tenant, World, column, text};
use axum::http::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn every_unrevoked_key_opens_the_account_by_account_id_or_key_id() {
    let world = World::new().await;
    let keys = format!("/v1/accounts/{}/keys", world.root.id);
    let made = world.post(&keys, json!({"name": "billing"})).await.created();
    let (key, secret) = (text(&made["id"]), text(&made["secret"]));
    let users = [world.root.id.clone(), key.clone()];
    for id in users.clone() {
        let tenant = Tenant { id, secret: secret.clone() };
        world.ask(&tenant, Method::GET, "/v1/accounts", Value::Null).await.ok();
    }
    let answer = world.delete(&format!("{keys}/{key}")).await;
    assert!(answer.headers.contains_key("strowger-position"));
    answer.with(204);
    for id in users {
        let tenant = Tenant { id, secret: secret.clone() };
        world.ask(&tenant, Method::GET, "/v1/accounts", Value::Null).await.with(401);
    }
}

#[tokio::test]
async fn keys_are_listed_without_secrets_and_the_last_one_stays() {
    let world = World::new().await;
    let keys = format!("/v1/accounts/{}/keys", world.root.id);
    let only = world.get(&keys).await.ok();
    assert_eq!(only["items"].as_array().unwrap().len(), 1);
    assert_eq!(only["items"][0].as_object().unwrap().keys().collect::<Vec<_>>(), ["id", "name"]);
    let last = world.delete(&format!("{keys}/{}", text(&only["items"][0]["id"]))).await;
    assert_eq!(last.error(), (409, "conflict".to_owned(), None));
    world.post(&keys, json!({"name": "second"})).await.created();
    assert_eq!(column(&world.get(&keys).await.ok(), "name"), ["Root", "second"]);
}

#[tokio::test]
async fn an_unknown_key_is_not_found_and_bad_values_are_told_with_their_field() {
    let world = World::new().await;
    let keys = format!("/v1/accounts/{}/keys", world.root.id);
    world.delete(&format!("{keys}/SK{}", "0".repeat(32))).await.not_found();
    world.delete(&format!("{keys}/nonsense")).await.not_found();
    world.post(&keys, json!({"name": ""})).await.names("name");
    world.post(&keys, json!({"name": "x", "secret": "mine"})).await.names("secret");
}
