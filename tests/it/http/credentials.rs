//! `/v1/credentials`.

use super::{World, column, text};
use domain::log::{Direction, EventLog, Filter, Position};
use serde_json::{Value, json};

fn user(username: &str) -> Value {
    json!({"domain": "a.example", "username": username, "password": "correct horse"})
}

async fn world() -> World {
    let world = World::new().await;
    world.post("/v1/domains", json!({"name": "a.example"})).await.created();
    world
}

#[tokio::test]
async fn a_credential_is_added_shown_changed_and_removed_and_its_password_is_nowhere() {
    let world = world().await;
    let added = world.post("/v1/credentials", user("alice")).await.created();
    assert_eq!((&added["domain"], &added["username"]), (&json!("a.example"), &json!("alice")));
    let path = format!("/v1/credentials/{}", text(&added["id"]));
    let shown = world.get(&path).await.ok();
    assert_eq!(shown["created_at"], added["created_at"]);
    let changed = world.patch(&path, json!({"password": "battery staple"})).await.ok();
    assert!(changed["position"].as_u64() > added["position"].as_u64());
    world.patch(&path, json!({})).await.ok();
    for answer in [&added, &shown, &changed] {
        assert!(!answer.to_string().contains("horse") && answer.get("secret").is_none(), "{answer}");
    }
    let all = world.log.read_all(Position(0), Direction::Forwards, &Filter::default(), 100).await.unwrap();
    let texts: Vec<_> = all.iter().map(|event| String::from_utf8_lossy(&event.data)).collect();
    assert_eq!(texts.iter().filter(|text| text.contains(r#""secret":""#)).count(), 2);
    assert!(!texts.iter().any(|text| text.contains("horse") || text.contains("battery")));

    world.delete(&path).await.with(204);
    world.get(&path).await.not_found();
    world.delete(&path).await.not_found();
    world.post("/v1/credentials", user("alice")).await.created();
}

#[tokio::test]
async fn a_user_has_one_credential_and_only_in_a_domain_of_its_own_account() {
    let world = world().await;
    let acme = world.tenant("Acme").await;
    world.post("/v1/credentials", user("alice")).await.created();
    let taken = world.post("/v1/credentials", user("alice")).await;
    assert_eq!(taken.error(), (409, "conflict".to_owned(), Some("username".to_owned())));
    world.post("/v1/credentials", user("Alice")).await.created();
    let theirs = format!("/v1/credentials?account={}", acme.id);
    world.post(&theirs, user("alice")).await.names("domain");
    world
        .post("/v1/credentials", json!({"domain": "none.example", "username": "a", "password": "password"}))
        .await
        .names("domain");
    world.post(&format!("/v1/domains?account={}", acme.id), json!({"name": "b.example"})).await.created();
    let same_name = json!({"domain": "b.example", "username": "alice", "password": "password"});
    world.post(&theirs, same_name).await.created();
}

#[tokio::test]
async fn credentials_are_listed_in_pages_by_domain_and_found_by_user() {
    let world = world().await;
    world.post("/v1/domains", json!({"name": "b.example"})).await.created();
    for username in ["alice", "bob", "carol"] {
        world.post("/v1/credentials", user(username)).await.created();
    }
    let other = json!({"domain": "b.example", "username": "dave", "password": "password"});
    world.post("/v1/credentials", other).await.created();
    let first = world.get("/v1/credentials?limit=2").await.ok();
    assert_eq!(column(&first, "username"), ["alice", "bob"]);
    let second = world.get(&format!("/v1/credentials?limit=2&after={}", text(&first["next"]))).await.ok();
    assert_eq!((column(&second, "username"), second.get("next")), (vec!["carol".to_owned(), "dave".to_owned()], None));
    let of = async |query: &str| column(&world.get(&format!("/v1/credentials?{query}")).await.ok(), "username");
    assert_eq!(of("domain=b.example").await, ["dave"]);
    assert_eq!(of("domain=a.example&username=bob").await, ["bob"]);
    assert_eq!(of("domain=b.example&username=bob").await, Vec::<String>::new());
    assert_eq!(of("domain=none.example").await, Vec::<String>::new());
    world.get("/v1/credentials?username=bob").await.names("domain");
}

#[tokio::test]
async fn bad_values_are_told_with_their_field() {
    let world = world().await;
    let with = |field: &str, value: Value| {
        let mut body = user("alice");
        body[field] = value;
        body
    };
    for (body, field) in [
        (json!({"username": "alice", "password": "password"}), "domain"),
        (json!({"domain": "a.example", "password": "password"}), "username"),
        (json!({"domain": "a.example", "username": "alice"}), "password"),
        (with("domain", json!("127.0.0.1")), "domain"),
        (with("username", json!("a b")), "username"),
        (with("username", json!("a@a.example")), "username"),
        (with("password", json!("12345")), "password"),
        (with("password", json!("123456\n")), "password"),
        (with("realm", json!("x")), "realm"),
    ] {
        let shown = body.to_string();
        let answer = world.post("/v1/credentials", body).await;
        assert!(!answer.body.to_string().contains("123456"), "{}", answer.body);
        let (status, _, named) = answer.error();
        assert_eq!((status, named.as_deref()), (422, Some(field)), "{shown}");
    }
}
