//! `/v1/erasures`.

use super::{Tenant, World, text};
use adapters::event_log::memory::MemoryLog;
use axum::http::Method;
use domain::erasure::stream_of;
use domain::ids::ErasureId;
use domain::log::{Append, Direction, EventLog, Expected, Life, Revision, StreamName};
use serde_json::{Value, json};
use std::sync::Arc;
use tests::calls::{CallScript, Keys, record};
use tests::messages::MessageScript;
use tests::proofs::erasures;
use tests::registrations::{DOMAIN, RegistrationScript};

async fn erase(world: &World, who: &Tenant, body: Value) -> Value {
    world.ask(who, Method::POST, "/v1/erasures", body).await.ok()
}

async fn get(world: &World, who: &Tenant, path: &str) -> Value {
    world.ask(who, Method::GET, path, Value::Null).await.ok()
}

/// Calls and MESSAGEs of one account between these parties.
fn call(world: &World, who: &Tenant, number: u16, caller: &str, called: &str) -> CallScript {
    let call = CallScript::new(number).between(caller, called).of(who.id.parse().unwrap()).completed();
    record(&world.log, &call);
    call
}

#[tokio::test]
async fn a_session_that_is_erased_shows_that_it_was_and_keeps_its_times() {
    let world = World::whole().await;
    let owner = world.tenant("Owner").await;
    let gone = call(&world, &owner, 1, "+4930", "+1555").session;
    let stays = call(&world, &owner, 2, "+4931", "+1666").session;
    let done = erase(&world, &owner, json!({"session": gone.to_string()})).await;
    assert_eq!((&done["subject"], &done["sessions"], &done["keys"]), (&json!("session"), &json!(1), &json!(1)));
    assert!(done["completed_at"].is_string() && done["position"].is_u64(), "{done}");
    let row = get(&world, &owner, &format!("/v1/sessions/{gone}")).await;
    assert_eq!(
        (&row["erased"], &row["caller"], &row["called"], &row["call_id"]),
        (&json!(true), &Value::Null, &Value::Null, &Value::Null)
    );
    assert_eq!((&row["end_cause"], &row["duration_ms"]), (&json!("completed"), &json!(10_012)));
    let other = get(&world, &owner, &format!("/v1/sessions/{stays}")).await;
    assert_eq!((&other["erased"], &other["caller"]), (&Value::Null, &json!("+4931")));
    let told = get(&world, &owner, &format!("/v1/sessions/{gone}/timeline?raw=1")).await;
    assert_eq!((&told["erased"], &told["parties"]), (&json!(true), &Value::Null));
    for path in ["timeline", "timeline?raw=1", "ladder", "ladder?format=svg", "events", "events?raw=1"] {
        let answer = world.ask(&owner, Method::GET, &format!("/v1/sessions/{gone}/{path}"), Value::Null).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        let shown = answer.body.to_string();
        assert!(!shown.contains("+4930") && !shown.contains("+1555"), "{path}: {shown}");
    }
    let events = get(&world, &owner, &format!("/v1/sessions/{gone}/events")).await;
    assert!(events["items"].as_array().unwrap().iter().any(|event| event["erased"] == json!(true)), "{events}");
    // Once more does no harm, and destroys what is left: nothing.
    assert_eq!(erase(&world, &owner, json!({"session": gone.to_string()})).await["sessions"], json!(1));
}

#[tokio::test]
async fn a_number_is_erased_wherever_the_account_has_it() {
    let world = World::whole().await;
    let (owner, other) = (world.tenant("Owner").await, world.tenant("Other").await);
    let (out, back) = (call(&world, &owner, 1, "+4930", "+1555"), call(&world, &owner, 2, "+1666", "+4930"));
    let untouched = call(&world, &owner, 3, "+49301", "+1555");
    let foreign = call(&world, &other, 4, "+4930", "+1555");
    let account = owner.id.parse().unwrap();
    let message = MessageScript::new(1).of(account).between("+4930", "+1777").accepted().record(&world.log);
    let done = erase(&world, &owner, json!({"number": "+4930"})).await;
    assert_eq!((&done["sessions"], &done["messages"], &done["registrations"]), (&json!(2), &json!(1), &json!(0)));
    assert!(!done.to_string().contains("4930"), "{done}");
    for id in [out.session, back.session] {
        assert_eq!(get(&world, &owner, &format!("/v1/sessions/{id}")).await["erased"], json!(true));
    }
    assert_eq!(get(&world, &owner, &format!("/v1/sessions/{}", untouched.session)).await["caller"], json!("+49301"));
    assert_eq!(get(&world, &other, &format!("/v1/sessions/{}", foreign.session)).await["caller"], json!("+4930"));
    let row = get(&world, &owner, "/v1/messages").await["items"][0].clone();
    assert_eq!(
        (&row["id"], &row["erased"], &row["sender"]),
        (&json!(message.id.to_string()), &json!(true), &Value::Null)
    );
    let listed = get(&world, &owner, "/v1/sessions?number=%2B4930").await;
    assert_eq!(listed["items"], json!([]));
    let shown = get(&world, &owner, &format!("/v1/erasures/{}", text(&done["id"]))).await;
    assert_eq!((&shown["digest"], &shown["sessions"]), (&done["digest"], &json!(2)));
    // In the log it stands in nobody's words.
    let id: ErasureId = text(&done["id"]).parse().unwrap();
    let events = world.log.read_stream(&stream_of(id), Revision(0), Direction::Forwards, 9).await.unwrap();
    assert_eq!(events.iter().map(|event| &*event.kind).collect::<Vec<_>>(), ["SubjectErased", "KeysDestroyed"]);
    assert!(events.iter().all(|event| !String::from_utf8_lossy(&event.data).contains("4930")));
    assert_eq!(events[1].previous, events[0].hash());
}

#[tokio::test]
async fn nothing_of_who_was_erased_is_left_in_any_file_while_the_exchange_runs() {
    let world = World::whole().await;
    let owner = world.tenant("Owner").await;
    let account = owner.id.parse().unwrap();
    let (caller, called, other) = ("+49301234567", "+15557654321", "+16665554321");
    call(&world, &owner, 1, caller, called);
    call(&world, &owner, 2, other, other);
    MessageScript::new(1).of(account).between(caller, called).accepted().record(&world.log);
    world.reads_up_to(world.log.head()).await;
    assert!(world.files_with(caller) >= 2 && world.files_with(called) >= 2);
    for number in [caller, called] {
        // The second of them finds what is left of the first one's calls: nothing.
        world.ask(&owner, Method::POST, "/v1/erasures", json!({"number": number})).await;
        assert_eq!(world.files_with(number), 0, "{number}");
    }
    assert!(world.files_with(other) >= 1);
}

#[tokio::test]
async fn an_address_of_record_goes_with_its_bindings_and_what_names_it() {
    let world = World::whole().await;
    let owner = world.tenant("Owner").await;
    let account = owner.id.parse().unwrap();
    let registered = RegistrationScript::of("alice").in_domain(account, DOMAIN).added(1, 5060);
    let online = registered.record(&world.log);
    let head = world.log.head();
    let found = get(&world, &owner, &format!("/v1/registrations?at_least={head}")).await;
    let aor = json!({"aor": found["items"][0]["aor"]});
    let refused = world.ask(&owner, Method::POST, "/v1/erasures", aor.clone()).await;
    assert_eq!(refused.status, 409, "{}", refused.body);
    assert!(refused.body.to_string().contains("1 of the bindings still hold: remove them first"), "{}", refused.body);
    let online = online.removed(1, domain::registration::RemovalCause::Unregistered).record(&world.log);
    let done = erase(&world, &owner, aor).await;
    assert_eq!((&done["registrations"], &done["keys"]), (&json!(1), &json!(1)), "{done}");
    let row = get(&world, &owner, "/v1/registrations").await["items"][0].clone();
    assert_eq!(
        (&row["erased"], &row["aor"], &row["contact"], &row["address"]),
        (&json!(true), &Value::Null, &Value::Null, &Value::Null)
    );
    assert_eq!(row["state"], json!("unregistered"));
    let history = get(&world, &owner, &format!("/v1/registrations/{}/history", online.id())).await;
    let items = history["items"].as_array().unwrap();
    assert_eq!(items.len(), 2);
    let masked = |item: &Value| item["erased"] == json!(true) && item["contact"].is_null() && item["address"].is_null();
    assert!(items.iter().all(masked), "{history}");
}

#[tokio::test]
async fn an_address_that_registered_since_it_was_looked_at_keeps_its_key() {
    let (log, keys) = (MemoryLog::new(), Arc::new(Keys::default()));
    let ended = RegistrationScript::of("alice").in_domain(tests::calls::ACCOUNT, DOMAIN).added(1, 5060);
    let ended = ended.removed(1, domain::registration::RemovalCause::Unregistered).record(&log);
    let (known, shared): (_, Arc<dyn EventLog>) = (log.head(), Arc::new(log.clone()));
    let erasures = erasures(&shared, &keys, 1);
    let targets = domain::erasure::Targets { registrations: vec![ended.id()], ..Default::default() };
    let named = (domain::erasure::SubjectKind::Aor, "alice");
    let online = ended.added(2, 5061).record(&log);
    let refused = erasures.erase(tests::calls::ACCOUNT, named, targets.clone(), known).await.unwrap_err();
    assert!(matches!(refused, adapters::erasure::ErasureError::Changed), "{refused}");
    assert!(domain::ports::Keyring::key(&*keys, Keys::pair().0).is_some());
    online.removed(2, domain::registration::RemovalCause::Unregistered).record(&log);
    erasures.erase(tests::calls::ACCOUNT, named, targets, log.head()).await.unwrap();
    assert!(domain::ports::Keyring::key(&*keys, Keys::pair().0).is_none());
}

#[tokio::test]
async fn what_runs_is_refused_and_nothing_of_it_is_erased() {
    let world = World::whole().await;
    let owner = world.tenant("Owner").await;
    let ended = call(&world, &owner, 1, "+4930", "+1555");
    let whole = CallScript::new(2).between("+4930", "+1666").of(owner.id.parse().unwrap()).completed();
    let runs = whole.clone().cut(whole.len() - 3);
    record(&world.log, &runs);
    let head = world.log.head();
    for body in [json!({"session": runs.session.to_string()}), json!({"number": "+4930"})] {
        let refused = world.ask(&owner, Method::POST, "/v1/erasures", body).await;
        assert_eq!(refused.status, 409, "{}", refused.body);
        assert!(refused.body.to_string().contains("1 of the calls still run: end them"), "{}", refused.body);
    }
    assert_eq!(world.log.head(), head);
    assert_eq!(get(&world, &owner, &format!("/v1/sessions/{}", ended.session)).await["caller"], json!("+4930"));
}

#[tokio::test]
async fn a_body_names_exactly_one_subject() {
    let world = World::whole().await;
    let session = "CA00000000000000000000000000000001";
    for (body, field) in [
        (json!({}), Value::Null),
        (json!({"number": "+1", "session": session}), Value::Null),
        (json!({"number": "+1", "aor": "a@b.example"}), Value::Null),
        (json!({"number": ""}), json!("number")),
        (json!({"number": "x".repeat(513)}), json!("number")),
        (json!({"aor": "nobody"}), json!("aor")),
        (json!({"session": "CA1"}), json!("session")),
        (json!({"everything": true}), json!("everything")),
    ] {
        let answer = world.ask(&world.root, Method::POST, "/v1/erasures", body.clone()).await;
        assert_eq!(answer.status, 422, "{body}: {}", answer.body);
        assert_eq!(answer.body["error"]["field"], field, "{body}");
    }
    for path in [json!({"session": session}), json!({"message": "SM00000000000000000000000000000001"})] {
        assert_eq!(world.ask(&world.root, Method::POST, "/v1/erasures", path).await.status, 404);
    }
}

#[tokio::test]
async fn an_erasure_that_a_crash_cut_off_is_finished_at_the_next_start() {
    let (log, keys) = (MemoryLog::new(), Arc::new(Keys::default()));
    let call = CallScript::new(1).completed();
    record(&log, &call);
    let shared: Arc<dyn EventLog> = Arc::new(log.clone());
    let targets = domain::erasure::Targets { sessions: vec![call.session], ..Default::default() };
    let named = (domain::erasure::SubjectKind::Session, "CA1");
    let whole = erasures(&shared, &keys, 1).erase(tests::calls::ACCOUNT, named, targets, log.head()).await.unwrap().0;
    // The same, but for what comes after the first append.
    let (crashed, other) = (MemoryLog::new(), Arc::new(Keys::default()));
    record(&crashed, &call);
    let events = log.read_stream(&stream_of(whole.id), Revision(0), Direction::Forwards, 9).await.unwrap();
    let first = Append {
        stream: events[0].stream.clone(),
        expected: Expected::NoStream,
        life: Life::Open,
        correlation: events[0].correlation,
        node: 1,
        events: vec![domain::log::Draft {
            id: events[0].id,
            kind: "SubjectErased".into(),
            version: 1,
            at: events[0].at,
            cause: None,
            previous: events[0].previous,
            data: events[0].data.clone(),
        }],
    };
    tests::calls::submit(&crashed, vec![first]);
    let shared: Arc<dyn EventLog> = Arc::new(crashed.clone());
    let readable = || domain::ports::Keyring::key(&*other, Keys::pair().0).is_some();
    assert!(readable());
    let again = erasures(&shared, &other, 2);
    assert_eq!(again.find(whole.id).await.unwrap().unwrap().completed_at, None);
    assert_eq!((again.resume().await.unwrap(), again.resume().await.unwrap()), (1, 0));
    assert!(!readable(), "the key is gone");
    let done = again.find(whole.id).await.unwrap().unwrap();
    assert!(done.completed_at.is_some());
    assert_eq!((done.targets, done.keys, done.digest), (whole.targets, whole.keys, whole.digest));
    let open: Vec<StreamName> = shared.open_streams().await.unwrap();
    assert_eq!(open, []);
}

#[tokio::test]
async fn a_keyring_that_was_restored_from_a_copy_brings_nobody_back() {
    let folder = crate::views::Folder::new();
    let path = |name: &str| folder.file(name);
    let open = || {
        let master = adapters::keyring::Master::File(path("keyring.key"));
        Arc::new(adapters::keyring::Keyring::open(&path("keyring.db"), &master).unwrap())
    };
    let log = MemoryLog::new();
    let shared: Arc<dyn EventLog> = Arc::new(log.clone());
    let again = |keyring: &Arc<adapters::keyring::Keyring>| {
        let (log, keyring) = (Arc::clone(&shared), Arc::clone(keyring));
        let eraser: Arc<dyn domain::ports::KeyEraser> = keyring.clone();
        async move { adapters::erasure::destroy_again(&*log, &keyring, &eraser).await.unwrap() }
    };
    let readable =
        |keyring: &adapters::keyring::Keyring| domain::ports::Keyring::key(keyring, Keys::pair().0).is_some();
    let keyring = open();
    keyring.ensure_accounts(&[tests::calls::ACCOUNT]).unwrap();
    assert_eq!(keyring.take(tests::calls::ACCOUNT).unwrap().0, Keys::pair().0);
    let call = CallScript::new(1).completed();
    record(&log, &call);
    assert_eq!(again(&keyring).await, 0);
    std::fs::copy(path("keyring.db"), path("copy")).unwrap();
    let targets = domain::erasure::Targets { sessions: vec![call.session], ..Default::default() };
    let named = (domain::erasure::SubjectKind::Session, "CA1");
    erasures(&shared, &keyring, 1).erase(tests::calls::ACCOUNT, named, targets, log.head()).await.unwrap();
    assert_eq!((readable(&keyring), again(&keyring).await), (false, 0));
    drop(keyring);
    std::fs::rename(path("copy"), path("keyring.db")).unwrap();
    let keyring = open();
    assert!(readable(&keyring));
    let back = || adapters::erasure::back_again(&*shared, &*keyring);
    assert_eq!(back().await.unwrap(), 1);
    assert_eq!((again(&keyring).await, readable(&keyring), again(&keyring).await), (1, false, 0));
    assert_eq!(back().await.unwrap(), 0);
}
