//! `/v1/events` over HTTP: long polls and streams, and by whom they are read.

use super::{Server, World};
use crate::views::harness::PATIENCE;
use domain::log::EventLog;
use reqwest::Response;
use serde_json::{Value, json};
use tests::calls::{ACCOUNT, CallScript, PBX, STRANGER, basic, failover, interleaved, record, submit};
use tests::messages::MessageScript;
use tests::uplinks::UplinkScript;
use tokio::time::timeout;

#[tokio::test]
async fn a_long_poll_answers_with_the_event_that_comes_and_goes_on_without_a_gap() {
    let server = Server::start().await;
    let appends: Vec<_> = interleaved(&[basic(1)]).into_iter().map(|(_, append)| append).collect();
    submit(&server.world.log, appends[..1].to_vec());
    let mut after = 0;
    let mut revisions: Vec<u64> = Vec::new();
    for append in &appends[1..] {
        let (_, page) = server.ask(&format!("/v1/events?after={after}")).await;
        after = collect(&page, &mut revisions);
        let path = format!("/v1/sessions/{}/events?after={after}&wait=30", basic(1).session);
        let append_when_it_waits = async {
            server.waiting.notified().await;
            submit(&server.world.log, vec![append.clone()]);
        };
        let (waited, ()) = tokio::join!(server.ask(&path), append_when_it_waits);
        after = collect(&waited.1, &mut revisions);
    }
    assert_eq!(revisions, (0..basic(1).len() as u64).collect::<Vec<_>>());
    assert_eq!(server.ask("/v1/events?wait=61").await.0, 422);
}

fn collect(page: &Value, revisions: &mut Vec<u64>) -> u64 {
    revisions.extend(page["items"].as_array().unwrap().iter().map(|event| event["revision"].as_u64().unwrap()));
    page["next"].as_u64().unwrap()
}

#[tokio::test]
async fn a_long_poll_without_news_answers_empty_when_its_time_is_up() {
    let server = Server::start().await;
    record(&server.world.log, &CallScript::new(7).of(STRANGER).completed());
    let head = server.world.log.head().0;
    let (status, body) = server.ask("/v1/events?wait=1").await;
    assert_eq!((status, body), (200, json!({"items": [], "next": head, "more": false})));
}

#[tokio::test]
async fn a_stream_carries_every_event_with_its_position_and_goes_on_after_the_last_one_seen() {
    let server = Server::start().await;
    let appends: Vec<_> = interleaved(&[basic(1), failover(2)]).into_iter().map(|(_, append)| append).collect();
    let (before, later) = appends.split_at(appends.len() / 2);
    let head = server.world.log.head().0;
    submit(&server.world.log, before.to_vec());
    let stream = || server.get("/v1/events").header("accept", "text/event-stream");
    let mut first = stream().send().await.unwrap();
    assert_eq!(first.headers()["content-type"], "text/event-stream");
    let mut ids = read_ids(&mut first, 5).await;
    drop(first);
    submit(&server.world.log, later.to_vec());
    ids.truncate(5);
    let mut second = stream().header("last-event-id", ids[4].to_string()).send().await.unwrap();
    let total = basic(1).len() + failover(2).len();
    ids.extend(read_ids(&mut second, total - 5).await);
    assert_eq!(ids, (head + 1..=head + total as u64).collect::<Vec<_>>());
    let wrong = stream().header("last-event-id", "x").send().await.unwrap();
    assert_eq!(wrong.status(), 422);
}

#[tokio::test]
async fn a_stream_and_a_long_poll_end_with_the_key_that_asked_for_them() {
    let server = Server::start().await;
    let keys = format!("/v1/accounts/{ACCOUNT}/keys");
    let key: Value = server.post(&keys, json!({"name": "leaves"})).await;
    let by_key = |path: &str| {
        let (id, secret) = (key["id"].as_str().unwrap(), key["secret"].as_str().unwrap());
        server.client.get(format!("{}{path}", server.base)).basic_auth(id, Some(secret))
    };
    let mut stream = by_key("/v1/events").header("accept", "text/event-stream").send().await.unwrap();
    server.waiting.notified().await;
    let head = server.world.log.head().0;
    let poll = by_key(&format!("/v1/events?after={head}&wait=60")).send();
    let revoke = async {
        server.waiting.notified().await;
        let path = format!("{}{keys}/{}", server.base, key["id"].as_str().unwrap());
        let revoked = server.client.delete(path).basic_auth(ACCOUNT, Some(&server.secret)).send().await.unwrap();
        assert_eq!(revoked.status(), 204);
        record(&server.world.log, &basic(1));
    };
    let (polled, ()) = tokio::join!(poll, revoke);
    assert_eq!(polled.unwrap().status(), 401);
    let rest = async {
        let mut text = Vec::new();
        while let Some(chunk) = stream.chunk().await.unwrap() {
            text.extend(chunk);
        }
        String::from_utf8(text).unwrap()
    };
    let rest = timeout(PATIENCE, rest).await.expect("the stream ends");
    assert!(!rest.contains("data:"), "nothing is told after that: {rest}");
}

#[tokio::test]
async fn a_stream_ends_with_the_account_whose_key_reads_it() {
    let server = Server::start().await;
    let made: Value = server.post(&format!("/v1/accounts/{}/keys", server.below), json!({"name": "below"})).await;
    let (id, secret) = (made["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
    let ask = server.client.get(format!("{}/v1/events", server.base)).basic_auth(id, Some(secret));
    let mut stream = ask.header("accept", "text/event-stream").send().await.unwrap();
    server.waiting.notified().await;
    let closing = server.client.patch(format!("{}/v1/accounts/{}", server.base, server.below));
    let closing = closing.basic_auth(ACCOUNT, Some(&server.secret)).header("content-type", "application/json");
    assert_eq!(closing.body(r#"{"status": "closed"}"#).send().await.unwrap().status(), 200);
    record(&server.world.log, &CallScript::new(2).of(server.below).completed());
    let end = timeout(PATIENCE, stream.chunk()).await.expect("the stream ends").unwrap();
    assert_eq!(end, None);
}

#[tokio::test]
async fn what_waits_for_events_hears_of_messages_and_trunks_too_and_of_nobody_elses() {
    let server = Server::start().await;
    let mut after = server.world.log.head().0;
    let happen = async |path: String, happens: &dyn Fn(&World)| {
        let when_it_waits = async {
            server.waiting.notified().await;
            happens(&server.world);
        };
        tokio::join!(server.ask(&path), when_it_waits).0.1
    };
    let message = MessageScript::new(1);
    let (id, uplink) = (message.id, UplinkScript::new(1).id);
    let page = happen(format!("/v1/events?after={after}&wait=30"), &|world| {
        MessageScript::new(2).of(STRANGER).accepted().record(&world.log);
        MessageScript::new(1).accepted().record(&world.log);
    });
    let page = page.await;
    let items = page["items"].as_array().unwrap();
    assert!(!items.is_empty() && items.iter().all(|event| event["message"] == json!(id)), "{page}");
    after = page["next"].as_u64().unwrap();
    let page = happen(format!("/v1/events?after={after}&wait=30"), &|world| {
        UplinkScript::new(2).at(STRANGER, PBX).begun(true).record(&world.log);
        UplinkScript::new(1).begun(true).registered(false).record(&world.log);
    });
    let page = page.await;
    let items = page["items"].as_array().unwrap();
    assert!(!items.is_empty() && items.iter().all(|event| event["uplink"] == json!(uplink)), "{page}");
    let mut stream = server.get("/v1/events").header("accept", "text/event-stream").send().await.unwrap();
    let ids = read_ids(&mut stream, message.accepted().len() + 2).await;
    assert!(ids.is_sorted_by(|a, b| a < b));
}

/// Reads a stream of events until it has carried that many; every event must be whole.
async fn read_ids(response: &mut Response, count: usize) -> Vec<u64> {
    let mut text = String::new();
    loop {
        let ids: Vec<u64> =
            text.lines().filter_map(|line| line.strip_prefix("id: ")).map(|id| id.parse().unwrap()).collect();
        if ids.len() >= count && text.ends_with("\n\n") {
            let data: Vec<Value> = text
                .lines()
                .filter_map(|line| line.strip_prefix("data: "))
                .map(|data| serde_json::from_str(data).unwrap())
                .collect();
            assert_eq!(data.iter().map(|event| event["position"].as_u64().unwrap()).collect::<Vec<_>>(), ids);
            return ids;
        }
        let chunk = timeout(PATIENCE, response.chunk()).await.expect("more events come").unwrap().expect("it goes on");
        text.push_str(std::str::from_utf8(&chunk).unwrap());
    }
}
