//! `/v1/accounts`.

use super::{Tenant, World, column, text};
use axum::http::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn a_sub_account_is_opened_with_a_secret_that_is_shown_once() {
    let world = World::new().await;
    let opened = world.post("/v1/accounts", json!({"name": "Acme"})).await.created();
    assert_eq!((&opened["name"], &opened["status"]), (&json!("Acme"), &json!("open")));
    assert_eq!(
        (&opened["parent"], &opened["created_at"]),
        (&json!(world.root.id), &json!("2026-01-01T00:00:00.000002Z"))
    );
    let (id, secret) = (text(&opened["id"]), text(&opened["secret"]));
    assert_eq!(secret.len(), 32);
    let tenant = Tenant { id: id.clone(), secret };
    let shown = world.ask(&tenant, Method::GET, &format!("/v1/accounts/{id}"), Value::Null).await.ok();
    assert_eq!((&shown["id"], shown.get("secret"), shown.get("key")), (&json!(id), None, None));
}

#[tokio::test]
async fn accounts_are_listed_in_pages_in_the_order_of_creation_with_those_below() {
    let world = World::new().await;
    let acme = world.tenant("Acme").await;
    let below = format!("/v1/accounts?account={}", acme.id);
    world.post(&below, json!({"name": "Acme East"})).await.created();
    world.tenant("Bolt").await;

    let first = world.get("/v1/accounts?limit=3").await.ok();
    assert_eq!(column(&first, "name"), ["Root", "Acme", "Acme East"]);
    let second = world.get(&format!("/v1/accounts?limit=3&after={}", text(&first["next"]))).await.ok();
    assert_eq!((column(&second, "name"), second.get("next")), (vec!["Bolt".to_owned()], None));

    assert_eq!(column(&world.get(&below).await.ok(), "name"), ["Acme", "Acme East"]);
    let direct = world.get(&format!("/v1/accounts?parent={}", world.root.id)).await.ok();
    assert_eq!(column(&direct, "name"), ["Acme", "Bolt"]);
}

#[tokio::test]
async fn an_account_is_renamed() {
    let world = World::new().await;
    let path = format!("/v1/accounts/{}", world.root.id);
    let renamed = world.patch(&path, json!({"name": "Main"})).await.ok();
    assert_eq!(renamed["name"], "Main");
    assert_eq!(world.get(&path).await.ok()["name"], "Main");
    let unchanged = world.patch(&path, json!({})).await.ok();
    assert_eq!(unchanged["position"], renamed["position"]);
}

#[tokio::test]
async fn an_account_is_limited_by_one_above_it_and_not_by_itself() {
    let world = World::new().await;
    let acme = world.tenant("Acme").await;
    let path = format!("/v1/accounts/{}", acme.id);
    let none = world.get(&path).await.ok();
    let of =
        |shown: &Value| ["max_calls", "max_calls_per_second", "max_registrations"].map(|field| shown[field].clone());
    assert_eq!(of(&none), [Value::Null, Value::Null, Value::Null]);
    let limits = json!({"max_calls": 30, "max_calls_per_second": 5, "max_registrations": 200});
    assert_eq!(of(&world.patch(&path, limits).await.ok()), [json!(30), json!(5), json!(200)]);
    let changed = world.patch(&path, json!({"max_calls": null, "max_registrations": 300})).await.ok();
    assert_eq!(of(&changed), [Value::Null, json!(5), json!(300)]);
    assert_eq!(of(&world.get(&path).await.ok()), of(&changed));
    for raised in [json!({"max_calls": 1_000}), json!({"max_registrations": null})] {
        assert_eq!(world.ask(&acme, Method::PATCH, &path, raised).await.error().0, 409);
    }
    let unchanged = world.patch(&path, json!({"max_calls_per_second": 5})).await.ok();
    assert_eq!(unchanged["position"], changed["position"]);
    // Nobody is above the first account.
    let root = format!("/v1/accounts/{}", world.root.id);
    assert_eq!(world.patch(&root, json!({"max_calls": 7})).await.ok()["max_calls"], 7);
}

#[tokio::test]
async fn closing_an_account_shuts_it_and_all_below_it_out() {
    let world = World::new().await;
    let acme = world.tenant("Acme").await;
    let path = format!("/v1/accounts/{}", acme.id);
    let east = world.ask(&acme, Method::POST, "/v1/accounts", json!({"name": "East"})).await.created();
    let east = Tenant { id: text(&east["id"]), secret: text(&east["secret"]) };

    let itself = world.ask(&acme, Method::PATCH, &path, json!({"status": "closed"})).await;
    assert_eq!(itself.error().0, 409);
    assert_eq!(world.patch(&path, json!({"status": "closed"})).await.ok()["status"], "closed");
    for tenant in [&acme, &east] {
        world.ask(tenant, Method::GET, "/v1/accounts", Value::Null).await.with(401);
    }
    assert_eq!(world.get(&format!("/v1/accounts/{}", east.id)).await.ok()["status"], "closed");
    world.patch(&path, json!({"status": "open"})).await.names("status");
    assert_eq!(world.patch(&path, json!({"name": "New"})).await.error().0, 409);
    let under = world.post(&format!("/v1/accounts?account={}", acme.id), json!({"name": "West"})).await;
    assert_eq!(under.error().0, 409);
}

#[tokio::test]
async fn bad_values_are_told_with_their_field() {
    let world = World::new().await;
    let path = format!("/v1/accounts/{}", world.root.id);
    for (body, field) in [
        (json!({}), "name"),
        (json!({"name": ""}), "name"),
        (json!({"name": "a\nb"}), "name"),
        (json!({"name": "a".repeat(101)}), "name"),
        (json!({"name": 5}), "name"),
        (json!({"name": "a", "colour": "red"}), "colour"),
    ] {
        world.post("/v1/accounts", body).await.names(field);
    }
    for field in ["max_calls", "max_calls_per_second", "max_registrations"] {
        for wrong in [json!(0), json!(-1), json!(10_000_001), json!(1.5), json!("5")] {
            world.patch(&path, json!({ field: wrong })).await.names(field);
        }
    }
    world.patch(&path, json!({"status": "sleeping"})).await.names("status");
    world.patch(&path, json!({"id": "x"})).await.names("id");
    world.get("/v1/accounts?colour=red").await.names("colour");
    world.get("/v1/accounts?limit=0").await.names("limit");
    world.get("/v1/accounts?limit=1001").await.names("limit");
    world.get("/v1/accounts?after=x").await.names("after");
    world.get("/v1/accounts?account=x").await.names("account");
    world.get("/v1/accounts?limit=1&limit=2").await.names("limit");
}
