//! `/v1/domains`.

use super::{World, column, text};
use serde_json::{Value, json};

fn domain(name: &str) -> Value {
    json!({ "name": name })
}

#[tokio::test]
async fn a_domain_is_added_shown_changed_and_removed() {
    let world = World::new().await;
    let whole = json!({
        "name": "pbx.example.com", "min_expires": 30, "max_expires": 600, "default_expires": 300, "max_bindings": 3,
        "hunt": "sequential", "auth": "either", "addresses": ["192.0.2.0/24", "198.51.100.7:5060"], "refer": "any",
        "digest": ["MD5", "SHA-256"],
    });
    let added = world.post("/v1/domains", whole.clone()).await.created();
    for (field, value) in whole.as_object().unwrap() {
        assert_eq!(&added[field], value, "{field}");
    }
    let path = format!("/v1/domains/{}", text(&added["id"]));
    assert_eq!(world.get(&path).await.ok()["account"], json!(world.root.id));
    let unset = world.patch(&path, json!({"refer": null, "digest": null})).await.ok();
    assert_eq!((&unset["refer"], &unset["digest"]), (&json!(null), &json!(null)));
    let one = world.patch(&path, json!({"digest": ["md5"]})).await.ok();
    assert_eq!(one["digest"], json!(["MD5"]));
    let changed = world.patch(&path, json!({"hunt": "parallel", "max_bindings": 5})).await.ok();
    let now = (&changed["hunt"], &changed["max_bindings"], &changed["min_expires"]);
    assert_eq!(now, (&json!("parallel"), &json!(5), &json!(30)));
    assert!(changed["position"].as_u64() > added["position"].as_u64());

    world.delete(&path).await.with(204);
    world.get(&path).await.not_found();
    world.delete(&path).await.not_found();
    world.post("/v1/domains", domain("pbx.example.com")).await.created();
}

#[tokio::test]
async fn what_a_new_domain_does_not_say_has_its_default_and_its_name_is_in_lower_case() {
    let world = World::new().await;
    let added = world.post("/v1/domains", domain("PBX.Example.COM.")).await.created();
    let defaults = json!({
        "name": "pbx.example.com", "min_expires": 60, "max_expires": 7200, "default_expires": 3600,
        "max_bindings": 10, "hunt": "parallel", "auth": "digest", "addresses": [], "refer": null,
        "digest": null,
    });
    for (field, value) in defaults.as_object().unwrap() {
        assert_eq!(&added[field], value, "{field}");
    }
}

#[tokio::test]
async fn a_name_that_another_tenant_has_cannot_be_added() {
    let world = World::new().await;
    let acme = world.tenant("Acme").await;
    world.post(&format!("/v1/domains?account={}", acme.id), domain("a.example")).await.created();
    let taken = world.post("/v1/domains", domain("A.example")).await;
    assert_eq!(taken.error(), (409, "conflict".to_owned(), Some("name".to_owned())));
}

#[tokio::test]
async fn a_domain_with_credentials_stays() {
    let world = World::new().await;
    let added = world.post("/v1/domains", domain("a.example")).await.created();
    let user = json!({"domain": "a.example", "username": "alice", "password": "password"});
    let user = world.post("/v1/credentials", user).await.created();
    let path = format!("/v1/domains/{}", text(&added["id"]));
    assert_eq!(world.delete(&path).await.error(), (409, "conflict".to_owned(), None));
    world.delete(&format!("/v1/credentials/{}", text(&user["id"]))).await.with(204);
    world.delete(&path).await.with(204);
}

#[tokio::test]
async fn domains_are_listed_by_account_in_pages_and_found_by_name() {
    let world = World::new().await;
    let acme = world.tenant("Acme").await;
    for name in ["a.example", "b.example", "c.example"] {
        world.post("/v1/domains", domain(name)).await.created();
    }
    world.post(&format!("/v1/domains?account={}", acme.id), domain("theirs.example")).await.created();
    let first = world.get("/v1/domains?limit=2").await.ok();
    assert_eq!(column(&first, "name"), ["a.example", "b.example"]);
    let second = world.get(&format!("/v1/domains?limit=2&after={}", text(&first["next"]))).await.ok();
    assert_eq!((column(&second, "name"), second.get("next")), (vec!["c.example".to_owned()], None));
    assert_eq!(column(&world.get("/v1/domains?name=B.Example").await.ok(), "name"), ["b.example"]);
    let not_ours = world.get("/v1/domains?name=theirs.example").await.ok();
    assert_eq!(column(&not_ours, "name"), Vec::<String>::new());
    let theirs = world.get(&format!("/v1/domains?account={}", acme.id)).await.ok();
    assert_eq!(column(&theirs, "name"), ["theirs.example"]);
}

#[tokio::test]
async fn bad_values_are_told_with_their_field() {
    let world = World::new().await;
    let with = |field: &str, value: Value| {
        let mut body = domain("a.example");
        body.as_object_mut().unwrap().insert(field.to_owned(), value);
        body
    };
    for (body, field) in [
        (json!({}), "name"),
        (domain("192.0.2.1"), "name"),
        (domain("a_b.example"), "name"),
        (with("min_expires", json!(0)), "min_expires"),
        (with("min_expires", json!(3601)), "min_expires"),
        (with("max_expires", json!(59)), "max_expires"),
        (with("default_expires", json!(7201)), "default_expires"),
        (with("max_bindings", json!(0)), "max_bindings"),
        (with("max_bindings", json!(-1)), "max_bindings"),
        (with("hunt", json!("random")), "hunt"),
        (with("refer", json!("always")), "refer"),
        (with("auth", json!("none")), "auth"),
        (with("auth", json!("address")), "addresses"),
        (with("addresses", json!(["192.0.2.1", "nowhere"])), "addresses[1]"),
        (with("addresses", json!(["192.0.2.1", "192.0.2.1"])), "addresses"),
        (with("digest", json!([])), "digest"),
        (with("digest", json!(["MD5", "md5"])), "digest"),
        (with("digest", json!(["MD5", "SHA-1"])), "digest[1]"),
        (with("realm", json!("x")), "realm"),
    ] {
        let shown = body.to_string();
        let (status, _, named) = world.post("/v1/domains", body).await.error();
        assert_eq!((status, named.as_deref()), (422, Some(field)), "{shown}");
    }
    let added = world.post("/v1/domains", domain("a.example")).await.created();
    let path = format!("/v1/domains/{}", text(&added["id"]));
    world.patch(&path, json!({"name": "b.example"})).await.names("name");
    world.patch(&path, json!({"auth": "both"})).await.names("addresses");
}
