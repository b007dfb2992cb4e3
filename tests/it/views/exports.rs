//! Sessions to take along. `tests/e2e/audit.py` shows captures to tshark and runs scenarios by SIPp.

use super::harness::World;
use domain::ids::SessionId;
use projections::exports::{Export, Format, NoScenario, Survey, scenario, survey};
use serde_json::Value;
use tests::calls::{ACCOUNT, CallScript, basic, failover, hold, record, referred};

async fn surveyed(world: &World, session: SessionId) -> Survey {
    survey(&world.log, &*world.keys, session).await.unwrap().unwrap()
}

async fn exported(world: &World, script: &CallScript, format: Format) -> Vec<u8> {
    let found = (ACCOUNT, surveyed(world, script.session).await);
    let mut export = Export::new(world.log(), world.keys.clone(), script.session, found, format);
    let mut all = Vec::new();
    while let Some(bytes) = export.next().await.unwrap() {
        all.extend(bytes);
    }
    all
}

fn packets(capture: &[u8]) -> usize {
    let (mut rest, mut count) = (&capture[24..], 0);
    while !rest.is_empty() {
        let length = u32::from_le_bytes(rest[8..12].try_into().unwrap()) as usize;
        (rest, count) = (&rest[16 + length..], count + 1);
    }
    count
}

fn recorded(world: World, script: CallScript) -> (World, CallScript) {
    record(&world.log, &script);
    (world, script)
}

#[tokio::test]
async fn a_capture_has_every_message_and_every_note_of_a_repeat() {
    let (world, script) = recorded(World::new(), failover(1));
    let found = surveyed(&world, script.session).await;
    assert_eq!((found.account, found.events, found.erased), (Some(ACCOUNT), script.len() as u64, 0));
    assert_eq!(packets(&exported(&world, &script, Format::Pcap).await) as u64, found.messages + 1);
}

#[tokio::test]
async fn every_line_is_an_event_with_what_proves_the_chain() {
    let (world, script) = recorded(World::new(), hold(1));
    let text = String::from_utf8(exported(&world, &script, Format::JsonLines).await).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), script.len());
    let mut previous = Value::from("0".repeat(64));
    for (number, line) in lines.iter().enumerate() {
        assert_eq!((&line["revision"], &line["previous"]), (&Value::from(number), &previous));
        let stored: Value = serde_json::from_str(line["stored"].as_str().unwrap()).unwrap();
        assert!(line["data"].get("sealed").is_none() && stored.is_object());
        previous = line["hash"].clone();
    }
    assert_eq!(lines[0]["data"]["flow"]["remote"], "127.0.0.1:5070");
    assert!(lines[0]["data"]["raw"].is_string() && !lines[0]["stored"].as_str().unwrap().contains("5070"));
}

#[tokio::test]
async fn erased_messages_are_counted_and_in_no_capture_and_the_chain_is_as_before() {
    let (world, script) = recorded(World::new(), basic(1));
    let before = exported(&world, &script, Format::JsonLines).await;
    world.keys.erase();
    let found = surveyed(&world, script.session).await;
    assert!(found.erased == found.messages && found.erased > 0);
    assert_eq!(packets(&exported(&world, &script, Format::Pcap).await), 0);
    let after = exported(&world, &script, Format::JsonLines).await;
    let column = |text: &[u8], name: &str| -> Vec<Value> {
        let lines = std::str::from_utf8(text).unwrap().lines();
        lines.map(|line| serde_json::from_str::<Value>(line).unwrap()[name].clone()).collect()
    };
    assert_eq!(column(&before, "hash"), column(&after, "hash"));
    assert!(!String::from_utf8(after.clone()).unwrap().contains("+49301"));
    assert_eq!(column(&after, "erased")[0], true);
    let refused = scenario(&world.log, &*world.keys, script.session).await.unwrap();
    assert_eq!(refused, Err(NoScenario::Erased));
}

#[tokio::test]
async fn an_export_holds_what_was_surveyed_and_not_what_happened_since() {
    let whole = basic(1);
    let world = World::new();
    record(&world.log, &whole.clone().cut(9));
    let found = (ACCOUNT, surveyed(&world, whole.session).await);
    let mut export = Export::new(world.log(), world.keys.clone(), whole.session, found, Format::JsonLines);
    let later = CallScript::new(2).completed();
    record(&world.log, &later);
    let lines = export.next().await.unwrap().unwrap();
    assert_eq!(lines.iter().filter(|byte| **byte == b'\n').count(), 9);
    assert!(export.next().await.unwrap().is_none());
}

#[tokio::test]
async fn only_what_a_caller_began_can_be_played_again() {
    let (world, script) = recorded(World::new(), referred(4));
    let refused = scenario(&world.log, &*world.keys, script.session).await.unwrap();
    assert_eq!(refused, Err(NoScenario::NoCaller));
    let (world, script) = recorded(World::new(), basic(1));
    let written = scenario(&world.log, &*world.keys, script.session).await.unwrap().unwrap();
    assert_eq!(written.matches("<send").count(), 3, "{written}");
    assert!(written.contains("<pause milliseconds=\"10000\"/>") && written.ends_with("</scenario>\n"), "{written}");
    assert!(survey(&world.log, &*world.keys, SessionId::from_bits(7)).await.unwrap().is_none());
}
