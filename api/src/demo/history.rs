//! The call as the exchange remembers it, read back over its HTTP API.

use super::DemoError;
use super::control::Control;
use super::screen::Screen;
use serde_json::Value;

/// Packets that may cross a hold, a resume or the BYE: they are sent, but no longer counted.
const LATE: u64 = 25;

/// Shows ladder, decisions and packet counts of the newest session and returns its id. `sent` is what the carrier's and the
/// PBX's phone counted.
pub async fn show(control: &Control, sent: [u64; 2], screen: &mut Screen) -> Result<String, DemoError> {
    screen.step("The exchange tells what happened")?;
    let newest = |answer: &Value| answer["items"][0]["id"].as_str().map(str::to_owned);
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
    screen.step("What it decided, in milliseconds from the first INVITE")?;
    let (messages, decisions): (Vec<&Value>, Vec<&Value>) =
        entries.iter().partition(|entry| event(entry).starts_with("SipMessage"));
    for decision in &decisions {
        let (at, text) = (decision["since_start_ms"].as_f64(), decision["text"].as_str());
        screen.note(&format!("{:>9.1}  {}", at.unwrap_or_default(), text.unwrap_or_else(|| event(decision))))?;
    }
    let is_routed = decisions.iter().any(|decision| event(decision) == "RouteChosen");
    let verdict = format!("the log holds {} SIP messages and why the call went where it went", messages.len());
    screen.check(is_routed && !messages.is_empty(), &verdict)?;
    screen.step("Packets it relayed")?;
    show_packets(&timeline, sent, screen)?;
    Ok(session)
}

/// Shows the ladder of the newest session, once that is another than `before`, and whether it tells of a transfer.
pub async fn show_transfer(control: &Control, before: &str, screen: &mut Screen) -> Result<(), DemoError> {
    let newest = |answer: &Value| answer["items"][0]["id"].as_str().filter(|id| *id != before).map(str::to_owned);
    let session = control.wait_for("/sessions", "the second session", newest).await?;
    let path = format!("/sessions/{session}");
    control
        .wait_for(&path, "that the session has ended", |session| (session["state"] == "ended").then_some(()))
        .await?;
    screen.note(&format!("session {session}"))?;
    screen.note("")?;
    screen.block(&control.text(&format!("{path}/ladder")).await?)?;
    let timeline = control.get(&format!("{path}/timeline")).await?;
    let is_told = entries(&timeline).iter().any(|entry| event(entry) == "TransferCompleted");
    screen.check(is_told, "the log tells who asked for the transfer, and that it was completed")?;
    Ok(())
}

/// `sent`: what the carrier's and the PBX's phone counted.
fn show_packets(timeline: &Value, sent: [u64; 2], screen: &mut Screen) -> Result<(), DemoError> {
    let measured = entries(timeline).iter().find(|entry| event(entry) == "MediaMeasured");
    let sides = measured.and_then(|entry| entry["data"]["sides"].as_array());
    let Some([one, other]) = sides.map(Vec::as_slice) else {
        screen.check(false, "the timeline tells how many packets came from either side")?;
        return Ok(());
    };
    let caller = &timeline["legs"][0]["leg"];
    let sides = if other["leg"] == *caller { [other, one] } else { [one, other] };
    for (who, (side, sent)) in ["carrier", "pbx"].iter().zip(sides.iter().zip(sent)) {
        let number = |name: &str| side[name].as_u64().unwrap_or_default();
        let counted = number("packets");
        let nearly_all = counted <= sent && counted + LATE >= sent;
        let (lost, jitter, mos) = (number("lost"), number("jitter_us"), number("mos_centi") as f64 / 100.0);
        let verdict =
            format!("from {who:<8} {counted} of {sent} packets, {lost} lost, jitter {jitter} µs, MOS about {mos:.2}");
        screen.check(nearly_all, &verdict)?;
    }
    Ok(())
}

/// The timeline's list, under its name or bare.
fn entries(timeline: &Value) -> &[Value] {
    timeline.get("entries").unwrap_or(timeline).as_array().map_or(&[], Vec::as_slice)
}

fn event(entry: &Value) -> &str {
    entry["event"].as_str().unwrap_or_default()
}
