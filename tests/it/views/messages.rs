//! MESSAGEs outside calls: the read model `messages`, the history of each, and their events in the feed.

use super::harness::World;
use domain::ids::{AccountId, MessageId};
use domain::log::{Direction, EventLog, Filter, Position};
use projections::Views;
use projections::events::{EventFeed, Visible};
use projections::messages::{ListQuery, MessageRow, State, Story, story};
use projections::timelines::Entry;
use serde_json::json;
use std::sync::Arc;
use tests::calls::{ACCOUNT, CARRIER_A, NUMBER, PBX, STRANGER, basic, record};
use tests::messages::MessageScript;
use tests::world::{A, PASSWORD, PUBLIC, SeedMint, World as Exchange};

fn all() -> ListQuery {
    ListQuery { accounts: vec![ACCOUNT], limit: 50, ..ListQuery::default() }
}

async fn list(views: &Views, query: &ListQuery) -> Vec<MessageRow> {
    views.messages().list(query).await.unwrap().rows
}

async fn told(world: &World, id: MessageId, raw: bool) -> Story {
    story(&world.log, &*world.keys, id, raw).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_message_is_a_row_with_who_said_it_to_whom_and_what_became_of_it() {
    let world = World::new();
    let script = MessageScript::new(1).accepted().record(&world.log);
    let views = world.views("views.db").await;
    let rows = list(&views, &all()).await;
    let [row] = rows.as_slice() else { panic!("{rows:?}") };
    assert_eq!((row.id, row.account, row.state(), row.edge.as_str()), (script.id, ACCOUNT, State::Accepted, "public"));
    assert_eq!((row.trunk, row.user, row.domain, row.number), (Some(PBX), None, None, Some(NUMBER)));
    let texts = [&row.sender, &row.recipient, &row.call_id, &row.rule, &row.reason].map(|text| text.as_deref());
    let reason = "the called number is one of the account's";
    assert_eq!(texts, ["+49301", "+15550100", "m1-0@pbx.example", "number", reason].map(Some));
    assert_eq!((row.status, row.target), (Some(200), Some(1)));
    assert_eq!(row.started_at.to_string(), "2026-01-02T03:04:06.000000Z");
    assert_eq!(row.lasted().unwrap().as_millis(), 50);
    assert_eq!(views.messages().find(script.id).await.unwrap().as_ref(), Some(row));
    assert_eq!(views.messages().find(MessageId::from_bits(1)).await.unwrap(), None);
    let story = told(&world, script.id, false).await;
    let shown = MessageRow { position: story.row.position, ..row.clone() };
    assert_eq!(story.row, shown, "the stream tells what the row does");
}

#[tokio::test]
async fn one_that_nobody_takes_says_why_and_one_without_an_answer_is_under_way() {
    let world = World::new();
    MessageScript::new(1).unroutable().record(&world.log);
    MessageScript::new(2).sent().record(&world.log);
    MessageScript::new(3).sent().heard(1, 486).ended(486, None).record(&world.log);
    let rows = list(&world.views("views.db").await, &all()).await;
    let found: Vec<_> = rows.iter().map(|row| (row.state(), row.status, row.rule.as_deref().unwrap())).collect();
    let expected = [
        (State::Refused, Some(486), "number"),
        (State::UnderWay, None, "number"),
        (State::Refused, Some(404), "no-such-number"),
    ];
    assert_eq!(found, expected);
    assert_eq!(
        (rows[1].ended_at, rows[1].lasted(), rows[2].reason.as_deref()),
        (None, None, Some("no rule serves it"))
    );
}

#[tokio::test]
async fn rows_are_found_by_account_party_time_and_state_in_pages() {
    let world = World::new();
    MessageScript::new(1).between("+1", "+2").accepted().record(&world.log);
    MessageScript::new(2).between("desk", "+2").unroutable().record(&world.log);
    MessageScript::new(3).between("+2", "+1").sent().record(&world.log);
    MessageScript::new(4).of(STRANGER).between("+1", "+2").accepted().record(&world.log);
    let views = world.views("views.db").await;
    let found = async |query: ListQuery| {
        let rows = list(&views, &query).await;
        rows.iter().map(|row| row.id.bits() as u16).collect::<Vec<_>>()
    };
    assert_eq!(found(all()).await, [3, 2, 1]);
    assert_eq!(found(ListQuery { accounts: vec![STRANGER, ACCOUNT], ..all() }).await, [4, 3, 2, 1]);
    assert_eq!(found(ListQuery { accounts: vec![], ..all() }).await, Vec::<u16>::new());
    assert_eq!(found(ListQuery { sender: Some("+1".into()), ..all() }).await, [1]);
    assert_eq!(found(ListQuery { sender: Some("desk".into()), ..all() }).await, [2]);
    assert_eq!(found(ListQuery { recipient: Some("+2".into()), ..all() }).await, [2, 1]);
    let both = ListQuery { sender: Some("+1".into()), recipient: Some("+1".into()), ..all() };
    assert_eq!(found(both).await, Vec::<u16>::new());
    for (state, expected) in [(State::UnderWay, 3), (State::Refused, 2), (State::Accepted, 1)] {
        assert_eq!(found(ListQuery { state: Some(state), ..all() }).await, [expected]);
    }
    let second = list(&views, &all()).await[1].started_at;
    assert_eq!(found(ListQuery { from: Some(second), ..all() }).await, [3, 2]);
    assert_eq!(found(ListQuery { to: Some(second), ..all() }).await, [1]);

    let first = views.messages().list(&ListQuery { limit: 2, ..all() }).await.unwrap();
    let next = first.next.unwrap().to_string().parse().unwrap();
    let second = views.messages().list(&ListQuery { limit: 2, after: Some(next), ..all() }).await.unwrap();
    assert_eq!((first.rows.len(), second.rows.len(), second.next), (2, 1, None));
    assert_eq!(second.rows[0].id.bits() as u16, 1);
}

#[tokio::test]
async fn rows_that_are_written_step_by_step_are_what_a_rebuild_makes_of_the_log() {
    let world = World::new();
    record(&world.log, &basic(1));
    let taken = MessageScript::new(1).sent().record(&world.log);
    let lost = MessageScript::new(2).sent().record(&world.log);
    let views = world.views("views.db").await;
    assert!(list(&views, &all()).await.iter().all(|row| row.state() == State::UnderWay));
    views.close().await;
    drop(views);
    let taken = taken.after(10_000).heard(1, 202).ended(202, Some(0)).record(&world.log);
    for number in 3..150 {
        MessageScript::new(number).accepted().record(&world.log);
    }
    let views = world.views("views.db").await;
    let row = views.messages().find(taken.id).await.unwrap().unwrap();
    assert_eq!(
        (row.state(), row.status, row.target, row.rule.as_deref()),
        (State::Accepted, Some(202), Some(0), Some("number"))
    );
    let row = views.messages().find(lost.id).await.unwrap().unwrap();
    assert_eq!(row.state(), State::UnderWay, "a process that ended meanwhile answers nobody");
    let rebuilt = world.views("again.db").await;
    let query = ListQuery { limit: 200, ..all() };
    assert_eq!(list(&views, &query).await.len(), 149);
    assert_eq!(list(&rebuilt, &query).await, list(&views, &query).await);
}

#[tokio::test]
async fn what_was_erased_is_masked_in_rows_that_are_made_again_and_in_histories() {
    let world = World::new();
    let script = MessageScript::new(1).accepted().record(&world.log);
    world.keys.erase();
    let row = list(&world.views("views.db").await, &all()).await.remove(0);
    assert_eq!((row.sender, row.recipient, row.call_id), (None, None, None));
    assert_eq!((row.account, row.status, row.trunk), (ACCOUNT, Some(200), Some(PBX)));
    let story = told(&world, script.id, true).await;
    let json = serde_json::to_string(&story.entries).unwrap() + &serde_json::to_string(&story.targets).unwrap();
    for personal in ["+49301", "+15550100", "pbx.example", "127.0.0.1", "Hello", "sealed"] {
        assert!(!json.contains(personal), "{personal} in {json}");
    }
    assert_eq!((story.entries.len(), story.targets.len()), (script.len(), 2));
}

#[tokio::test]
async fn a_history_tells_each_message_on_the_wire_the_decision_and_the_answer() {
    let world = World::new();
    let script = MessageScript::new(1).accepted().record(&world.log);
    let whole = told(&world, script.id, false).await;
    let line = |entry: &Entry| {
        let role = entry.role.as_deref().unwrap_or("-");
        format!("{:.0} {role}: {}", entry.since_start_ms, entry.text)
    };
    let lines: Vec<_> = whole.entries.iter().map(line).collect();
    insta::assert_snapshot!(lines.join("\n"), @r"
    0 sender: MESSAGE (5 bytes)
    0 sender: message offered by trunk TK…00b0 on the public edge
    0 -: route by rule number v1: the called number is one of the account's; targets: 1. 127.0.0.1:5080 by TK…00ca, 2. 127.0.0.1:5090
    0 target 1: MESSAGE (5 bytes)
    30 target 1: 503 Whatever (MESSAGE)
    30 target 2: MESSAGE (5 bytes)
    50 target 2: 200 OK (MESSAGE)
    50 -: the sender is told 200: target 2 took it
    50 sender: 200 OK (MESSAGE)
    ");
    let ways: Vec<_> = whole.entries.iter().filter_map(|entry| entry.direction).map(|way| format!("{way:?}")).collect();
    assert_eq!(ways, ["Received", "Sent", "Received", "Sent", "Received", "Sent"]);
    let targets = serde_json::to_value(&whole.targets).unwrap();
    assert_eq!(
        targets,
        json!([
            {"target": 0, "leg": "b000000000000101", "trunk": CARRIER_A, "uri": "sip:+15550100@127.0.0.1:5080",
             "destination": "127.0.0.1:5080", "status": 503},
            {"target": 1, "leg": "b000000000000102", "uri": "sip:+15550100@127.0.0.1:5090",
             "destination": "127.0.0.1:5090", "status": 200},
        ])
    );
    let first = whole.entries[0].message.as_ref().unwrap();
    assert_eq!((first.raw.as_ref(), first.flow.as_deref()), (None, Some("UDP 127.0.0.1:5060 - 127.0.0.1:5070")));
    let raw = told(&world, script.id, true).await;
    assert!(raw.entries[0].message.as_ref().unwrap().raw.as_ref().unwrap().ends_with("Hello"));
    assert!(!raw.truncated);
    assert_eq!(story(&world.log, &*world.keys, MessageId::from_bits(1), false).await.unwrap(), None);
}

#[tokio::test]
async fn what_the_exchange_records_is_told_with_every_device_that_was_asked() {
    let mut world = Exchange::with_users();
    let [mut alice, mut one, mut two] =
        ["198.51.100.50:40000", "198.51.100.60:41000", "198.51.100.61:42000"].map(|address| {
            let mut phone = world.phone(address);
            phone.exchange = PUBLIC.parse().unwrap();
            phone
        });
    one.register(&mut world, ("bob", A), PASSWORD, "");
    two.register(&mut world, ("bob", A), PASSWORD, "");
    alice.text(&mut world, &format!("alice@{A}"), &format!("sip:bob@{A}"), ("", "Hello"));
    let challenge = alice.expect(&mut world, "407");
    alice.text_proven(&mut world, &challenge, ("alice", PASSWORD), "Hello");
    let [first, second] = [&mut one, &mut two].map(|device| device.expect(&mut world, "MESSAGE"));
    one.respond(&mut world, &first, 486, None);
    two.respond(&mut world, &second, 202, None);
    alice.expect(&mut world, "202");
    world.assert_nothing_left();

    let filter = Filter { categories: vec!["message".to_owned()], kinds: vec![] };
    let events = world.log.read_all(Position(0), Direction::Forwards, &filter, 100).await.unwrap();
    let id = MessageId::from_bits(events[0].correlation.as_u128());
    let whole = story(&*world.log, &SeedMint::new(1), id, true).await.unwrap().unwrap();
    assert_eq!((whole.row.state(), whole.row.status, whole.row.target), (State::Accepted, Some(202), Some(1)));
    assert_eq!([whole.row.sender, whole.row.recipient].map(Option::unwrap), ["alice", "bob"]);
    let asked: Vec<_> = whole.targets.iter().map(|line| (line.destination.as_deref(), line.status)).collect();
    assert_eq!(asked, [(Some("198.51.100.60:41000"), Some(486)), (Some("198.51.100.61:42000"), Some(202))]);
    let roles: Vec<_> = whole.entries.iter().filter_map(|entry| entry.role.as_deref()).collect();
    assert!(roles.iter().all(|role| ["sender", "target 1", "target 2"].contains(role)), "{roles:?}");
    let json = serde_json::to_string(&whole.entries).unwrap();
    assert!(json.contains("masked") && !json.contains("response="), "credentials are nowhere: {json}");
}

#[tokio::test]
async fn the_feed_shows_an_account_the_events_of_its_messages_and_no_others() {
    let world = World::new();
    let mine = MessageScript::new(1).accepted().record(&world.log);
    let other = MessageScript::new(2).of(STRANGER).unroutable().record(&world.log);
    let feed = Arc::new(EventFeed::new(world.log(), world.keys.clone()));
    for (account, script) in [(ACCOUNT, &mine), (STRANGER, &other)] {
        let visible: Visible = Arc::new(move |owner: AccountId| owner == account);
        let page = feed.page(&visible, Position(0), 1_000, false).await.unwrap();
        assert_eq!(page.events.len(), script.len());
        assert_eq!(page.next, world.log.head());
        assert!(page.events.iter().all(|event| event.account == account && event.message == Some(script.id)));
        assert!(page.events.iter().all(|event| !event.erased && event.session.is_none() && event.uplink.is_none()));
        // Read from its middle on, too, by a reader that has seen nothing of it before.
        let late = Arc::new(EventFeed::new(world.log(), world.keys.clone()));
        let after = Position(page.events[3].position);
        let rest = late.page(&visible, after, 1, false).await.unwrap().events;
        assert_eq!(rest[0].position, page.events[4].position);
        let live = feed.live(visible, None, after, false).next().await.unwrap().events;
        assert_eq!(live[0].position, page.events[4].position);
    }
    let own: Visible = Arc::new(|owner| owner == ACCOUNT);
    let events = feed.page(&own, Position(0), 1_000, true).await.unwrap().events;
    assert_eq!((&events[0].kind[..], &events[0].data["flow"]["remote"]), ("MessageHeard", &json!("127.0.0.1:5070")));
    assert!(events[0].data["raw"].is_string());
    assert_eq!((&events[1].kind[..], &events[1].data["parties"]["called"]), ("MessageOffered", &json!("+15550100")));
    assert_eq!(events[2].data["targets"][1]["destination"], "127.0.0.1:5090");
    world.keys.erase();
    let masked = feed.page(&own, Position(0), 1_000, true).await.unwrap().events;
    let erased: Vec<_> = masked.iter().filter(|event| event.erased).map(|event| event.kind.as_str()).collect();
    assert_eq!(erased.len(), masked.len() - 1, "all but {:?} hold something personal", masked[7].kind);
    let json = serde_json::to_string(&masked).unwrap();
    assert!(!json.contains("sealed") && !json.contains("+1555") && !json.contains("127.0.0.1"), "{json}");
}
