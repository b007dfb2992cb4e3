//! `/v1/numbers`.

use super::{World, column, text};
use serde_json::{Value, json};

fn number(number: &str) -> Value {
    json!({"number": number, "target": {"sip": "sip:pbx@127.0.0.1:5090"}})
}

#[tokio::test]
async fn a_number_is_claimed_shown_retargeted_and_released() {
    let world = World::new().await;
    let claimed = world.post("/v1/numbers", number("+15550000001")).await.created();
    assert_eq!(claimed["number"], "+15550000001");
    assert_eq!(claimed["target"], json!({"sip": "sip:pbx@127.0.0.1:5090"}));
    assert_eq!(claimed["account"], json!(world.root.id));
    let path = format!("/v1/numbers/{}", text(&claimed["id"]));
    assert_eq!(world.get(&path).await.ok()["created_at"], claimed["created_at"]);

    let moved = world.patch(&path, json!({"target": {"sip": "sip:pbx.example.com"}})).await.ok();
    assert_eq!(moved["target"], json!({"sip": "sip:pbx.example.com"}));
    assert!(moved["position"].as_u64() > claimed["position"].as_u64());

    world.delete(&path).await.with(204);
    world.get(&path).await.not_found();
    world.delete(&path).await.not_found();
    world.post("/v1/numbers", number("+15550000001")).await.created();
}

#[tokio::test]
async fn a_number_that_another_tenant_has_cannot_be_claimed() {
    let world = World::new().await;
    let acme = world.tenant("Acme").await;
    let path = format!("/v1/numbers?account={}", acme.id);
    world.post(&path, number("+15550000001")).await.created();
    let taken = world.post("/v1/numbers", number("+15550000001")).await;
    assert_eq!(taken.error(), (409, "conflict".to_owned(), Some("number".to_owned())));
}

#[tokio::test]
async fn numbers_are_listed_by_account_in_pages_and_found_by_number() {
    let world = World::new().await;
    let acme = world.tenant("Acme").await;
    for n in ["+15550000001", "+15550000002", "112"] {
        world.post("/v1/numbers", number(n)).await.created();
    }
    world.post(&format!("/v1/numbers?account={}", acme.id), number("+15550000009")).await.created();

    let first = world.get("/v1/numbers?limit=2").await.ok();
    assert_eq!(column(&first, "number"), ["+15550000001", "+15550000002"]);
    let second = world.get(&format!("/v1/numbers?limit=2&after={}", text(&first["next"]))).await.ok();
    assert_eq!((column(&second, "number"), second.get("next")), (vec!["112".to_owned()], None));
    let theirs = world.get(&format!("/v1/numbers?account={}", acme.id)).await.ok();
    assert_eq!(column(&theirs, "number"), ["+15550000009"]);

    for spelling in ["%2B15550000002", "+15550000002"] {
        let found = world.get(&format!("/v1/numbers?number={spelling}")).await.ok();
        assert_eq!(column(&found, "number"), ["+15550000002"], "{spelling}");
    }
    let not_ours = world.get("/v1/numbers?number=%2B15550000009").await.ok();
    assert_eq!(column(&not_ours, "number"), Vec::<String>::new());
}

#[tokio::test]
async fn bad_values_are_told_with_their_field() {
    let world = World::new().await;
    let target = |uri: &str| json!({"number": "+15550000001", "target": {"sip": uri}});
    for (body, field) in [
        (json!({"target": {"sip": "sip:a@b.example"}}), "number"),
        (json!({"number": "+15550000001"}), "target"),
        (number("5550000001"), "number"),
        (number("+1 555"), "number"),
        (number("+0123"), "number"),
        (target("http://example.com"), "target.sip"),
        (target("sip:a@b.example\r\nVia: x"), "target.sip"),
        (target("sip:a@b.example;transport=tls"), "target.sip"),
        (json!({"number": "+15550000001", "target": {}}), "target.sip"),
        (json!({"number": "+15550000001", "target": {"fax": "x"}}), "target.fax"),
        (json!({"number": "+15550000001", "target": {"sip": "sip:a.example"}, "nmae": "x"}), "nmae"),
    ] {
        let shown = body.to_string();
        let (status, _, named) = world.post("/v1/numbers", body).await.error();
        assert_eq!((status, named.as_deref()), (422, Some(field)), "{shown}");
    }
    world.get("/v1/numbers?number=alice").await.names("number");
    let claimed = world.post("/v1/numbers", number("+15550000001")).await.created();
    world.patch(&format!("/v1/numbers/{}", text(&claimed["id"])), json!({"number": "112"})).await.names("number");
}

#[tokio::test]
async fn a_query_sees_at_least_the_position_that_it_asks_for_or_says_that_it_cannot() {
    let world = World::new().await;
    let position = world.post("/v1/numbers", number("+15550000001")).await.created()["position"].as_u64().unwrap();
    let list = world.get(&format!("/v1/numbers?at_least={position}")).await.ok();
    assert_eq!(column(&list, "number"), ["+15550000001"]);
    let early = world.get(&format!("/v1/numbers?at_least={}", position + 1)).await;
    assert_eq!(early.error(), (503, "too_early".to_owned(), None));
    world.get("/v1/numbers?at_least=soon").await.names("at_least");
}
