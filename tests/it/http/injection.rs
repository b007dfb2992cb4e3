//! What could end a line, a quoted string or an address never becomes configuration that goes into a message: a table of
//! fields, each with every payload.

use super::World;
use serde_json::{Value, json};

const PAYLOADS: [&str; 12] = [
    "\r\nVia: x",
    "\n",
    "\r",
    "\0",
    "\u{7f}",
    "\"",
    "<sip:evil@evil.example>",
    ">",
    ";lr",
    "?Subject=x",
    "%0d%0a",
    " b",
];

/// A field of what is posted where, and how a payload gets into it.
type Case = (&'static str, &'static str, fn(&str) -> Value);

const FIELDS: [Case; 11] = [
    ("/v1/numbers", "number", |evil| json!({"number": format!("+1555000{evil}"), "target": {"sip": "sip:b.example"}})),
    (
        "/v1/numbers",
        "target.sip",
        |evil| json!({"number": "+15550001", "target": {"sip": format!("sip:a{evil}@b.example")}}),
    ),
    (
        "/v1/numbers",
        "target.sip",
        |evil| json!({"number": "+15550001", "target": {"sip": format!("sip:b.example{evil}")}}),
    ),
    ("/v1/trunks", "destination", |evil| trunk(json!({"destination": format!("sip:b.example{evil}")}))),
    ("/v1/trunks", "prefixes[0]", |evil| trunk(json!({"prefixes": [format!("+1{evil}")]}))),
    ("/v1/trunks", "addresses[0]", |evil| trunk(json!({"addresses": [format!("192.0.2.1{evil}")]}))),
    ("/v1/trunks", "username", |evil| trunk(json!({"username": format!("acme{evil}"), "password": "correct horse"}))),
    ("/v1/trunks", "register.aor", |evil| {
        trunk(json!({"register": {"registrar": "sip:b.example", "aor": format!("sip:a{evil}@b.example")}}))
    }),
    ("/v1/trunks", "register.registrar", |evil| {
        trunk(json!({"register": {"registrar": format!("sip:b.example{evil}"), "aor": "sip:a@b.example"}}))
    }),
    ("/v1/domains", "name", |evil| json!({"name": format!("pbx{evil}.example")})),
    (
        "/v1/credentials",
        "username",
        |evil| json!({"domain": "a.example", "username": format!("alice{evil}"), "password": "correct horse"}),
    ),
];

fn trunk(more: Value) -> Value {
    let mut trunk = json!({"name": "Carrier", "kind": "carrier", "addresses": ["127.0.0.1:5080"]});
    trunk.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    trunk
}

#[tokio::test]
async fn what_could_end_a_line_a_string_or_an_address_is_refused_with_its_field() {
    let world = World::new().await;
    world.post("/v1/domains", json!({"name": "a.example"})).await.created();
    for (path, field, body) in FIELDS {
        for payload in PAYLOADS {
            // These may stand in a user part (RFC 3261 §25.1): there they mean nothing but themselves.
            if body("x").to_string().contains("sip:ax@") && [";lr", "?Subject=x", "%0d%0a"].contains(&payload) {
                continue;
            }
            let (status, _, named) = world.post(path, body(payload)).await.error();
            assert_eq!((status, named.as_deref()), (422, Some(field)), "{path} {field}: {payload:?}");
        }
    }
}

#[tokio::test]
async fn names_that_people_give_have_no_control_characters() {
    let world = World::new().await;
    for payload in ["\r\nVia: x", "a\nb", "a\rb", "a\0b", "a\u{7f}b", "a\u{85}b"] {
        world.post("/v1/accounts", json!({"name": format!("x{payload}")})).await.names("name");
        world.post("/v1/trunks", trunk(json!({"name": format!("x{payload}")}))).await.names("name");
    }
}
