//! The call as the exchange remembers it, read back over its HTTP API.

use super::DemoError;
use super::control::Control;
use super::screen::Screen;
use serde_json::{Map, Value};

/// Shows ladder, decisions and packet counts of the newest session and returns its id. `sent` is what the carrier's and the
/// PBX's phone counted.
pub async fn show(control: &Control, sent: [u64; 2], screen: &mut Screen) -> Result<String, DemoError> {
    screen.step("The exchange tells what happened")?;
    let newest = |answer: &Value| answer["sessions"][0]["id"].as_str().map(str::to_owned);
    let session = control.wait_for("/sessions", "any session", newest).await?;
    let path = format!("/sessions/{session}");
    control
        .wait_for(&path, "that the session has ended", |session| (session["state"] == "ended").then_some(()))
        .await?;
    screen.note(&format!("session {session}"))?;
    screen.note("")?;
    screen.block(&control.text(&format!("{path}/ladder")).await?)?;
    let timeline = control.get(&format!("{path}/timeline")).await?;
    let entries = entries(&timeline);
    screen.step("What it decided, and when")?;
    for entry in entries.iter().filter(|entry| !kind(entry).starts_with("SipMessage")) {
        screen.note(&describe(entry))?;
    }
    let routed = entries.iter().any(|entry| kind(entry) == "RouteChosen");
    let messages = entries.iter().filter(|entry| kind(entry).starts_with("SipMessage")).count();
    screen.check(routed && messages > 0, &format!("{messages} SIP messages and the route's reason are in the log"))?;
    screen.step("Packets it counted")?;
    show_packets(&timeline, sent, screen)?;
    Ok(session)
}

fn show_packets(timeline: &Value, sent: [u64; 2], screen: &mut Screen) -> Result<(), DemoError> {
    let mut measures = Vec::new();
    find_measures(timeline, &mut measures);
    for (who, (measure, sent)) in ["carrier", "pbx"].iter().zip(measures.iter().zip(sent)) {
        let number = |name: &str| measure.get(name).and_then(Value::as_u64).unwrap_or_default();
        let counted = number("packets");
        // The last packets may cross the BYE.
        let nearly_all = counted <= sent && counted + 25 >= sent;
        let (lost, jitter, mos) = (number("lost"), number("jitter_us"), number("mos_centi") as f64 / 100.0);
        screen.check(
            nearly_all,
            &format!("from {who:<8} {counted} of {sent} packets, {lost} lost, jitter {jitter} µs, MOS about {mos:.2}"),
        )?;
    }
    let counts = measures.len();
    if counts < 2 {
        screen.check(false, &format!("the timeline holds packet counts of {counts} sides, not of both"))?;
    }
    Ok(())
}

/// The timeline's list, bare or under a name.
fn entries(timeline: &Value) -> Vec<&Map<String, Value>> {
    let lists = [Some(timeline), timeline.get("timeline"), timeline.get("entries")];
    let list = lists.into_iter().flatten().find_map(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_object).collect()
}

fn kind(entry: &Map<String, Value>) -> &str {
    ["kind", "type", "event"].iter().find_map(|name| entry.get(*name)?.as_str()).unwrap_or_default()
}

/// One line: time of day, type, and the plain facts in it.
fn describe(entry: &Map<String, Value>) -> String {
    let time = ["at", "time"].iter().find_map(|name| entry.get(*name)?.as_str()).unwrap_or_default();
    let time = time.split_once('T').map_or(time, |(_, time)| time.trim_end_matches('Z'));
    let facts = ["data", "facts"].iter().find_map(|name| entry.get(*name)?.as_object()).unwrap_or(entry);
    let hidden = ["at", "time", "kind", "type", "event", "id", "position", "revision"];
    let plain = facts.iter().filter(|(name, _)| !hidden.contains(&name.as_str()));
    let plain = plain.filter_map(|(name, value)| match value {
        Value::String(text) => Some(format!("{name} {text}")),
        Value::Number(_) | Value::Bool(_) => Some(format!("{name} {value}")),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    });
    format!("{time:<15} {:<15} {}", kind(entry), plain.collect::<Vec<_>>().join(", "))
}

/// Whatever counts packets, in the order of the timeline: the caller's side first.
fn find_measures<'a>(value: &'a Value, found: &mut Vec<&'a Map<String, Value>>) {
    match value {
        Value::Object(fields) if fields.get("packets").is_some_and(Value::is_u64) => found.push(fields),
        Value::Object(fields) => fields.values().for_each(|value| find_measures(value, found)),
        Value::Array(values) => values.iter().for_each(|value| find_measures(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
