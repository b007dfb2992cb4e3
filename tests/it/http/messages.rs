//! `/v1/messages` and `/v1/trunks/{id}/history`: who is told what.

use super::{Tenant, World, column, text};
use axum::http::Method;
use domain::ids::{MessageId, TrunkId};
use domain::log::EventLog;
use serde_json::{Value, json};
use tests::messages::MessageScript;
use tests::uplinks::UplinkScript;

async fn asked(world: &World, tenant: &Tenant, path: &str) -> Value {
    let mark = if path.contains('?') { '&' } else { '?' };
    let path = format!("{path}{mark}at_least={}", world.log.head());
    world.ask(tenant, Method::GET, &path, Value::Null).await.ok()
}

fn script(number: u16, of: &Tenant) -> MessageScript {
    MessageScript::new(number).of(of.id.parse().unwrap())
}

#[tokio::test]
async fn messages_are_listed_newest_first_and_found_by_party_state_and_time() {
    let world = World::whole().await;
    let owner = world.tenant("Owner").await;
    let first = script(1, &owner).accepted().record(&world.log);
    script(2, &owner).between("desk", "+2").unroutable().record(&world.log);
    script(3, &owner).sent().record(&world.log);
    let ids = |numbers: &[u128]| {
        numbers.iter().map(|n| MessageId::from_bits(0x5300_0000 + n).to_string()).collect::<Vec<_>>()
    };
    let found = async |query: &str| column(&asked(&world, &owner, &format!("/v1/messages?{query}")).await, "id");
    assert_eq!(found("").await, ids(&[3, 2, 1]));
    assert_eq!(found("sender=desk").await, ids(&[2]));
    assert_eq!(found("recipient=+15550100").await, ids(&[3, 1]));
    assert_eq!(found("state=refused").await, ids(&[2]));
    assert_eq!(found("state=under-way").await, ids(&[3]));
    assert_eq!(found("from=2026-01-02T03:04:07Z&to=2026-01-02T03:04:08Z").await, ids(&[2]));
    let page = asked(&world, &owner, "/v1/messages?limit=2").await;
    let next = text(&page["next"]);
    assert_eq!(found(&format!("limit=2&after={next}")).await, ids(&[1]));
    let all = asked(&world, &owner, "/v1/messages").await;
    let expected = json!({
        "id": first.id, "account": owner.id, "sender": "+49301", "recipient": "+15550100", "call_id": "m1-0@pbx.example",
        "edge": "public", "trunk": tests::calls::PBX, "user": null, "domain": null, "number": tests::calls::NUMBER,
        "route_rule": "number", "route_reason": "the called number is one of the account's", "state": "accepted",
        "started_at": "2026-01-02T03:04:06.000000Z", "ended_at": "2026-01-02T03:04:06.050000Z", "total_ms": 50,
        "final_status": 200, "target": 1, "position": all["items"][2]["position"],
    });
    assert_eq!(all["items"][2], expected);
    for (query, field) in [("state=sent", "state"), ("after=x", "after"), ("limit=201", "limit"), ("from=now", "from")]
    {
        world.ask(&owner, Method::GET, &format!("/v1/messages?{query}"), Value::Null).await.names(field);
    }
}

#[tokio::test]
async fn a_message_is_shown_with_its_history() {
    let world = World::whole().await;
    let owner = world.tenant("Owner").await;
    let message = script(1, &owner).accepted().record(&world.log);
    let shown = asked(&world, &owner, &format!("/v1/messages/{}", message.id)).await;
    assert_eq!((&shown["state"], &shown["final_status"]), (&json!("accepted"), &json!(200)));
    let kinds: Vec<_> = shown["entries"].as_array().unwrap().iter().map(|entry| text(&entry["event"])).collect();
    let expected = [
        "MessageHeard",
        "MessageOffered",
        "MessageRouted",
        "MessageSent",
        "MessageHeard",
        "MessageSent",
        "MessageHeard",
        "MessageEnded",
        "MessageSent",
    ];
    assert_eq!(kinds, expected);
    assert_eq!(shown["targets"][1]["status"], 200);
    assert_eq!(shown["entries"][0]["message"].get("raw"), None);
    let raw = asked(&world, &owner, &format!("/v1/messages/{}?raw=1", message.id)).await;
    assert!(text(&raw["entries"][0]["message"]["raw"]).ends_with("Hello"));
    let early = format!("/v1/messages/{}?at_least=999999", message.id);
    assert_eq!(world.ask(&owner, Method::GET, &early, Value::Null).await.status, 503);
    let nobody = MessageId::from_bits(9).to_string();
    for id in [nobody.as_str(), "SM1", "%00"] {
        world.ask(&owner, Method::GET, &format!("/v1/messages/{id}"), Value::Null).await.not_found();
    }
}

#[tokio::test]
async fn a_trunks_history_is_told_newest_first_also_after_it_was_removed() {
    let world = World::whole().await;
    let owner = world.tenant("Owner").await;
    let new = json!({"name": "T", "kind": "pbx", "addresses": ["10.0.0.1"]});
    let trunk = text(&world.ask(&owner, Method::POST, "/v1/trunks", new).await.created()["id"]);
    let path = format!("/v1/trunks/{trunk}/history");
    assert_eq!(asked(&world, &owner, &path).await, json!({"items": []}), "nothing is done there");
    let id: TrunkId = trunk.parse().unwrap();
    let uplink = UplinkScript::new(1).at(owner.id.parse().unwrap(), id).begun(true).registered(false).after(9).down();
    let uplink = uplink.record(&world.log);
    let told = asked(&world, &owner, &path).await;
    assert_eq!(column(&told, "what"), ["down", "registered", "begun"]);
    let position = told["items"][0]["position"].clone();
    let down = json!({
        "position": position, "at": "2026-01-02T03:04:14.000000Z", "uplink": uplink.id, "what": "down",
        "reason": "no answer, 3 in a row", "status": null, "expires": null, "until": null,
        "again": "2026-01-02T03:05:14.000000Z",
    });
    assert_eq!(told["items"][0], down);
    let first = asked(&world, &owner, &format!("{path}?limit=2")).await;
    let rest = asked(&world, &owner, &format!("{path}?limit=2&after={}", text(&first["next"]))).await;
    assert_eq!(column(&rest, "what"), ["begun"]);
    world.ask(&owner, Method::DELETE, &format!("/v1/trunks/{trunk}"), Value::Null).await;
    assert_eq!(column(&asked(&world, &owner, &path).await, "what").len(), 3);
    let sibling = world.tenant("Sibling").await;
    world.ask(&sibling, Method::GET, &path, Value::Null).await.not_found();
    let nobody = TrunkId::from_bits(9);
    world.ask(&owner, Method::GET, &format!("/v1/trunks/{nobody}/history"), Value::Null).await.not_found();
}

#[tokio::test]
async fn the_routes_are_described() {
    let world = World::whole().await;
    let document = world.get("/openapi.json").await.ok();
    for path in ["/v1/messages", "/v1/messages/{id}", "/v1/trunks/{id}/history"] {
        let described = &document["paths"][path]["get"];
        assert!(described["summary"].is_string() && described["security"] == json!([{"basic": []}]), "{path}");
    }
    let event = &document["components"]["schemas"]["EventView"]["properties"];
    assert!(event["message"].is_object() && event["uplink"].is_object() && event["erased"].is_object());
    let message = &document["components"]["schemas"]["Message"]["properties"]["state"];
    assert!(text(&message["description"]).contains("under-way"));
}
