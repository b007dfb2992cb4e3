//! `/v1/trunks`.

use super::{World, column, text};
use domain::ids::TrunkId;
use domain::time::WallTime;
use domain::uplink::{Reach, Registered, RegistrationState, Standing};
use serde_json::{Value, json};

fn trunk(more: Value) -> Value {
    let mut trunk = json!({"name": "Carrier", "kind": "carrier", "addresses": ["127.0.0.1:5080"]});
    trunk.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    trunk
}

#[tokio::test]
async fn a_trunk_is_added_shown_changed_and_removed() {
    let world = World::new().await;
    let whole = json!({
        "name": "Carrier", "kind": "carrier", "addresses": ["127.0.0.1:5080", "192.0.2.0/24"],
        "destination": "sip:127.0.0.1:5090", "prefixes": ["+1"], "priority": 1,
        "media_source": "latch", "ring_timeout": 30, "enabled": true, "large_requests": "tcp",
        "refer": "internal", "max_calls": 30, "max_calls_per_second": 5, "retry_after": 7, "health": "options", "health_interval": 60,
        "health_failures": 2,
    });
    let added = world.post("/v1/trunks", whole.clone()).await.created();
    for (field, value) in whole.as_object().unwrap() {
        assert_eq!(&added[field], value, "{field}");
    }
    let path = format!("/v1/trunks/{}", text(&added["id"]));
    assert_eq!(world.get(&path).await.ok()["account"], json!(world.root.id));

    let changed = world
        .patch(&path, json!({"priority": 2, "destination": null, "enabled": false, "health": "failures"}))
        .await
        .ok();
    let now = (&changed["priority"], &changed["destination"], &changed["enabled"], &changed["prefixes"]);
    assert_eq!(now, (&json!(2), &Value::Null, &json!(false), &json!(["+1"])));
    let changed = world.patch(&path, json!({"max_calls": null})).await.ok();
    assert_eq!((&changed["max_calls"], &changed["max_calls_per_second"]), (&Value::Null, &json!(5)));
    assert_eq!(changed["retry_after"], json!(7));
    assert_eq!(world.patch(&path, json!({"retry_after": null})).await.ok()["retry_after"], Value::Null);

    world.delete(&path).await.with(204);
    world.get(&path).await.not_found();
}

#[tokio::test]
async fn what_a_new_trunk_does_not_say_has_its_default() {
    let world = World::new().await;
    let added = world.post("/v1/trunks", trunk(json!({}))).await.created();
    let defaults = json!({"destination": null, "prefixes": [], "priority": 0, "media_source": "sdp", "ring_timeout": 60, "enabled": true, "auth": "address", "username": null, "register": null, "large_requests": "udp", "refer": "refuse", "max_calls": null, "max_calls_per_second": null, "retry_after": null, "health": "off", "health_interval": 30, "health_failures": 3, "registration": null, "reach": null});
    for (field, value) in defaults.as_object().unwrap() {
        assert_eq!(&added[field], value, "{field}");
    }
}

#[tokio::test]
async fn trunks_are_listed_by_account_and_kind() {
    let world = World::new().await;
    let acme = world.tenant("Acme").await;
    world.post("/v1/trunks", trunk(json!({}))).await.created();
    world.post("/v1/trunks", trunk(json!({"name": "PBX", "kind": "pbx"}))).await.created();
    let theirs = json!({"name": "Theirs", "addresses": ["10.0.0.1"]});
    world.post(&format!("/v1/trunks?account={}", acme.id), trunk(theirs)).await.created();
    assert_eq!(column(&world.get("/v1/trunks").await.ok(), "name"), ["Carrier", "PBX"]);
    assert_eq!(column(&world.get("/v1/trunks?kind=pbx").await.ok(), "name"), ["PBX"]);
    let first = world.get("/v1/trunks?limit=1").await.ok();
    let next = world.get(&format!("/v1/trunks?limit=1&after={}", text(&first["next"]))).await.ok();
    assert_eq!((column(&first, "name"), column(&next, "name")), (vec!["Carrier".into()], vec!["PBX".into()]));
    let list = world.get(&format!("/v1/trunks?account={}", acme.id)).await.ok();
    assert_eq!(column(&list, "name"), ["Theirs"]);
    world.get("/v1/trunks?kind=radio").await.names("kind");
}

#[tokio::test]
async fn an_address_identifies_one_trunk_of_a_kind() {
    let world = World::new().await;
    world.post("/v1/trunks", trunk(json!({}))).await.created();
    let twice = world.post("/v1/trunks", trunk(json!({"name": "Other"}))).await;
    assert_eq!(twice.error(), (409, "conflict".to_owned(), Some("addresses".to_owned())));
}

#[tokio::test]
async fn bad_values_are_told_with_their_field() {
    let world = World::new().await;
    for (more, field) in [
        (json!({"kind": "radio"}), "kind"),
        (json!({"name": ""}), "name"),
        (json!({"addresses": ["127.0.0.1", "nowhere"]}), "addresses[1]"),
        (json!({"addresses": ["10.0.0.1/8"]}), "addresses[0]"),
        (json!({"addresses": []}), "addresses"),
        (json!({"addresses": ["10.0.0.1", "10.0.0.1"]}), "addresses"),
        (json!({"destination": "127.0.0.1"}), "destination"),
        (json!({"destination": "sip:user@127.0.0.1"}), "destination"),
        (json!({"prefixes": ["1x"]}), "prefixes[0]"),
        (json!({"priority": -1}), "priority"),
        (json!({"priority": 70_000}), "priority"),
        (json!({"media_source": "guess"}), "media_source"),
        (json!({"ring_timeout": 0}), "ring_timeout"),
        (json!({"ring_timeout": "60"}), "ring_timeout"),
        (json!({"enabled": 1}), "enabled"),
        (json!({"codecs": []}), "codecs"),
        (json!({"max_calls": 0}), "max_calls"),
        (json!({"max_calls": 1_000_001}), "max_calls"),
        (json!({"max_calls_per_second": 10_001}), "max_calls_per_second"),
        (json!({"max_calls_per_second": "5"}), "max_calls_per_second"),
        (json!({"retry_after": 0}), "retry_after"),
        (json!({"retry_after": 3_601}), "retry_after"),
        (json!({"auth": "none"}), "auth"),
        (json!({"auth": "digest"}), "username"),
        (json!({"username": "acme"}), "password"),
        (json!({"password": "password"}), "username"),
        (json!({"username": "a b", "password": "password"}), "username"),
        (json!({"username": "acme", "password": "short"}), "password"),
        (json!({"register": {"aor": "sip:a@b.example"}}), "register.registrar"),
        (json!({"register": {"registrar": "sip:u@b.example", "aor": "sip:a@b.example"}}), "register.registrar"),
        (json!({"register": {"registrar": "sip:b.example", "aor": "sip:b.example"}}), "register.aor"),
        (
            json!({"register": {"registrar": "sip:b.example", "aor": "sip:a@b.example", "expires": 5}}),
            "register.expires",
        ),
    ] {
        let shown = more.to_string();
        let (status, _, named) = world.post("/v1/trunks", trunk(more)).await.error();
        assert_eq!((status, named.as_deref()), (422, Some(field)), "{shown}");
    }
    let added = world.post("/v1/trunks", trunk(json!({}))).await.created();
    let path = format!("/v1/trunks/{}", text(&added["id"]));
    world.patch(&path, json!({"addresses": []})).await.names("addresses");
    world.patch(&path, json!({"max_calls": 0})).await.names("max_calls");
    world.patch(&path, json!({"account": "x"})).await.names("account");
}

#[tokio::test]
async fn a_trunk_has_a_digest_whose_password_is_never_shown_and_a_registration() {
    let world = World::new().await;
    let register = json!({"registrar": "sip:carrier.example", "aor": "sip:acme@carrier.example", "expires": 600});
    let more = json!({"auth": "both", "username": "acme", "password": "correct horse", "register": register});
    let added = world.post("/v1/trunks", trunk(more)).await.created();
    let now = (&added["auth"], &added["username"], &added["register"], added.get("password"));
    assert_eq!(now, (&json!("both"), &json!("acme"), &register, None));
    assert!(!added.to_string().contains("horse"));
    let path = format!("/v1/trunks/{}", text(&added["id"]));
    world.patch(&path, json!({"password": "battery staple"})).await.ok();
    world.patch(&path, json!({"username": "acme"})).await.ok();
    world.patch(&path, json!({"username": "other"})).await.names("password");
    world.patch(&path, json!({"username": null})).await.names("username");
    let gone = world.patch(&path, json!({"username": null, "auth": "address", "register": null})).await.ok();
    assert_eq!((&gone["username"], &gone["register"]), (&Value::Null, &Value::Null));
    world.patch(&path, json!({"password": "battery staple"})).await.names("username");

    let digest = |name: &str, port: u16| {
        let addresses = [format!("127.0.0.1:{port}")];
        trunk(
            json!({"name": name, "addresses": addresses, "auth": "digest", "username": "acme", "password": "password"}),
        )
    };
    world.post("/v1/trunks", digest("A", 5081)).await.created();
    let taken = world.post("/v1/trunks", digest("B", 5082)).await;
    assert_eq!(taken.error(), (409, "conflict".to_owned(), Some("username".to_owned())));
}

#[tokio::test]
async fn health_that_cannot_be_is_refused_with_its_field() {
    let world = World::new().await;
    for (wrong, field) in [
        (json!({"health": "sometimes"}), "health"),
        (json!({"health": "options"}), "health"),
        (json!({"health_interval": 4}), "health_interval"),
        (json!({"health_interval": 3601}), "health_interval"),
        (json!({"health_failures": 0}), "health_failures"),
        (json!({"health_failures": 101}), "health_failures"),
        (json!({"registration": null}), "registration"),
    ] {
        world.post("/v1/trunks", trunk(wrong)).await.names(field);
    }
    let added = world.post("/v1/trunks", trunk(json!({"health": "failures"}))).await.created();
    let path = format!("/v1/trunks/{}", text(&added["id"]));
    world.patch(&path, json!({"health": "options"})).await.names("health");
    let changed = world.patch(&path, json!({"health_failures": 5})).await.ok();
    assert_eq!((&changed["health"], &changed["health_failures"]), (&json!("failures"), &json!(5)));
}

#[tokio::test]
async fn a_trunk_says_how_it_stands() {
    let world = World::new().await;
    let register = json!({"registrar": "sip:192.0.2.9", "aor": "sip:acme@carrier.example"});
    let added = world.post("/v1/trunks", trunk(json!({"register": register, "health": "failures"}))).await.created();
    assert_eq!((&added["registration"], &added["reach"]), (&json!(null), &json!(null)), "nobody looks after it yet");
    let id: TrunkId = text(&added["id"]).parse().unwrap();
    let at = |seconds: i64| WallTime::from_micros(seconds * 1_000_000);
    let registration = Registered {
        state: RegistrationState::Lost,
        since: at(10),
        until: None,
        last_error: Some("503 Service Unavailable".into()),
    };
    let reach = Reach { down_since: Some(at(20)), again: Some(at(50)), last_error: Some("no answer".into()) };
    world.told.0.lock().unwrap().insert(id, Standing { registration: Some(registration), reach });
    let shown = world.get(&format!("/v1/trunks/{id}")).await.ok();
    let lost = json!({
        "state": "lost", "since": "1970-01-01T00:00:10.000000Z", "until": null, "last_error": "503 Service Unavailable",
    });
    let down = json!({
        "state": "down", "since": "1970-01-01T00:00:20.000000Z", "again": "1970-01-01T00:00:50.000000Z",
        "last_error": "no answer",
    });
    assert_eq!((&shown["registration"], &shown["reach"]), (&lost, &down));
    let list = world.get("/v1/trunks").await.ok();
    assert_eq!(list["items"][0]["registration"], lost);
    let off = world.patch(&format!("/v1/trunks/{id}"), json!({"health": "off"})).await.ok();
    assert_eq!((&off["registration"], &off["reach"]), (&lost, &json!(null)));
}
