//! Timelines and ladders.

use super::harness::World;
use domain::ids::SessionId;
use projections::timelines::{Timeline, timeline};
use serde_json::{Value, json};
use tests::calls::{CallScript, basic, failover, hold, record, referred, refused};

async fn told(world: &World, script: &CallScript, raw: bool) -> Timeline {
    record(&world.log, script);
    timeline(&world.log, &*world.keys, script.session, raw).await.unwrap().unwrap()
}

async fn ladder(script: &CallScript) -> String {
    told(&World::new(), script, false).await.ladder_text()
}

#[tokio::test]
async fn the_ladder_of_a_basic_call() {
    insta::assert_snapshot!(ladder(&basic(1)).await, @r"
    session CA00000000000000000000000070000001 · account AC00000000000000000000000000000acc
    +49301 calls +15550100 · Call-ID 1-0@pbx.example
    from 2026-01-02T03:04:06.000000Z · completed (200)
    post-dial delay 0.040 s · ringing 1.460 s · talking 10.012 s · in all 11.512 s

             caller                                       strowger                                      callee 1
         0.000  │─────────────── INVITE (SDP) ───────────────▶│                                             │
                │                   [ call offered by trunk TK…00b0 on the public edge ]                    │
                │◀─────────────── 100 Trying ─────────────────│                                             │
                │  [ route by rule carrier-by-prefix v1: prefix 1555 is served by two carriers, by      ]   │
                │  [ priority; targets: 1. 127.0.0.1:5080 by TK…00ca, 2. 127.0.0.1:5090 by TK…00cb; not ]   │
                │  [ TK…00b0: it is where the call came from                                            ]   │
                │                      [ media of callee 1 at 127.0.0.1 port 30004 ]                        │
                │                                             │─────────────── INVITE (SDP) ───────────────▶│
         0.040  │                                             │◀─────────────── 180 Ringing ────────────────│
                │◀─────────────── 180 Ringing ────────────────│                                             │
         1.500  │                                             │◀────────────── 200 OK (SDP) ────────────────│
                │                    [ mode trunking from here on: answer by callee 1 ]                     │
                │                                             │──────────────────── ACK ───────────────────▶│
                │◀────────────── 200 OK (SDP) ────────────────│                                             │
         1.509  │──────────────────── ACK ───────────────────▶│                                             │
        11.509  │──────────────────── BYE ───────────────────▶│                                             │
                │◀────────────── 200 OK (BYE) ────────────────│                                             │
                │                                             │──────────────────── BYE ───────────────────▶│
        11.512  │                                             │◀────────────── 200 OK (BYE) ────────────────│
                │  [ stream 0: caller sent 499 packets, 0 lost, jitter 0.0 ms, MOS 4.36; callee 1 sent ]    │
                │  [ 500 packets, 0 lost, jitter 0.0 ms, MOS 4.36                                      ]    │
                │                   [ session ended: completed (200), ended by caller ]                     │
                │                                             │                                             │
    ");
}

#[tokio::test]
async fn the_ladder_of_a_call_that_a_refer_asked_for() {
    insta::assert_snapshot!(ladder(&referred(4)).await);
}

#[tokio::test]
async fn the_ladder_of_a_failover_has_a_column_for_each_target() {
    insta::assert_snapshot!(ladder(&failover(2)).await, @r"
    session CA00000000000000000000000070000002 · account AC00000000000000000000000000000acc
    +49301 calls +15550100 · Call-ID 2-0@pbx.example
    from 2026-01-02T03:04:07.000000Z · completed (200)
    post-dial delay 1.540 s · ringing 1.460 s · talking 10.012 s · in all 13.012 s

             caller                          strowger                         callee 1                         callee 2
         0.000  │──────── INVITE (SDP) ─────────▶│                                │                                │
                │                      [ call offered by trunk TK…00b0 on the public edge ]                        │
                │◀──────── 100 Trying ───────────│                                │                                │
                │   [ route by rule carrier-by-prefix v1: prefix 1555 is served by two carriers, by priority; ]    │
                │   [ targets: 1. 127.0.0.1:5080 by TK…00ca, 2. 127.0.0.1:5090 by TK…00cb; not TK…00b0: it is ]    │
                │   [ where the call came from                                                                ]    │
                │                          [ media of callee 1 at 127.0.0.1 port 30004 ]                           │
                │                                │──────── INVITE (SDP) ─────────▶│                                │
         1.500  │                                │╌╌╌╌ INVITE (SDP) again ×2 ╌╌╌╌▶│                                │
                │                                │◀── 503 Service Unavailable ────│                                │
                │                                │───────────── ACK ─────────────▶│                                │
                │                                │ [ callee 1 refuses with 503 ]  │                                │
                │                          [ media of callee 2 at 127.0.0.1 port 30008 ]                           │
                │                                │────────────────────────────────┼──────── INVITE (SDP) ─────────▶│
         1.540  │                                │◀───────────────────────────────┼───────── 180 Ringing ──────────│
                │◀──────── 180 Ringing ──────────│                                │                                │
         3.000  │                                │◀───────────────────────────────┼──────── 200 OK (SDP) ──────────│
                │                       [ mode trunking from here on: answer by callee 2 ]                         │
                │                                │────────────────────────────────┼───────────── ACK ─────────────▶│
                │◀─────── 200 OK (SDP) ──────────│                                │                                │
         3.009  │───────────── ACK ─────────────▶│                                │                                │
        13.009  │───────────── BYE ─────────────▶│                                │                                │
                │◀─────── 200 OK (BYE) ──────────│                                │                                │
                │                                │────────────────────────────────┼───────────── BYE ─────────────▶│
        13.012  │                                │◀───────────────────────────────┼──────── 200 OK (BYE) ──────────│
                │    [ stream 0: caller sent 499 packets, 0 lost, jitter 0.0 ms, MOS 4.36; callee 2 sent 500 ]     │
                │    [ packets, 0 lost, jitter 0.0 ms, MOS 4.36                                              ]     │
                │                       [ session ended: completed (200), ended by caller ]                        │
                │                                │                                │                                │
    ");
}

#[tokio::test]
async fn the_ladder_of_a_hold_shows_directions_and_the_silence_meanwhile() {
    insta::assert_snapshot!(ladder(&hold(3)).await, @r"
    session CA00000000000000000000000070000003 · account AC00000000000000000000000000000acc
    +49301 calls +15550100 · Call-ID 3-0@pbx.example
    from 2026-01-02T03:04:08.000000Z · completed (200)
    post-dial delay 0.040 s · ringing 1.460 s · talking 18.058 s · in all 19.558 s

             caller                                       strowger                                      callee 1
         0.000  │─────────────── INVITE (SDP) ───────────────▶│                                             │
                │                   [ call offered by trunk TK…00b0 on the public edge ]                    │
                │◀─────────────── 100 Trying ─────────────────│                                             │
                │  [ route by rule carrier-by-prefix v1: prefix 1555 is served by two carriers, by      ]   │
                │  [ priority; targets: 1. 127.0.0.1:5080 by TK…00ca, 2. 127.0.0.1:5090 by TK…00cb; not ]   │
                │  [ TK…00b0: it is where the call came from                                            ]   │
                │                      [ media of callee 1 at 127.0.0.1 port 30004 ]                        │
                │                                             │─────────────── INVITE (SDP) ───────────────▶│
         0.040  │                                             │◀─────────────── 180 Ringing ────────────────│
                │◀─────────────── 180 Ringing ────────────────│                                             │
         1.500  │                                             │◀────────────── 200 OK (SDP) ────────────────│
                │                    [ mode trunking from here on: answer by callee 1 ]                     │
                │                                             │──────────────────── ACK ───────────────────▶│
                │◀────────────── 200 OK (SDP) ────────────────│                                             │
         1.509  │──────────────────── ACK ───────────────────▶│                                             │
         3.509  │────────── INVITE (SDP, sendonly) ──────────▶│                                             │
                │                                 [ caller asks to hold ]                                   │
                │◀─────────────── 100 Trying ─────────────────│                                             │
                │                                             │────────── INVITE (SDP, sendonly) ──────────▶│
         3.524  │                                             │◀───────── 200 OK (SDP, recvonly) ───────────│
                │                                             │──────────────────── ACK ───────────────────▶│
                │◀───────── 200 OK (SDP, recvonly) ───────────│                                             │
         3.532  │──────────────────── ACK ───────────────────▶│                                             │
         7.532  │        [ nothing heard from callee 1 for 4.0 s, its RTCP still comes (stream 0) ]         │
         9.532  │─────────────── INVITE (SDP) ───────────────▶│                                             │
                │                                [ caller asks to resume ]                                  │
                │◀─────────────── 100 Trying ─────────────────│                                             │
                │                                             │─────────────── INVITE (SDP) ───────────────▶│
         9.547  │                                             │◀────────────── 200 OK (SDP) ────────────────│
                │                                             │──────────────────── ACK ───────────────────▶│
                │◀────────────── 200 OK (SDP) ────────────────│                                             │
         9.555  │──────────────────── ACK ───────────────────▶│                                             │
                │                          [ callee 1 is heard again (stream 0) ]                           │
        19.555  │──────────────────── BYE ───────────────────▶│                                             │
                │◀────────────── 200 OK (BYE) ────────────────│                                             │
                │                                             │──────────────────── BYE ───────────────────▶│
        19.558  │                                             │◀────────────── 200 OK (BYE) ────────────────│
                │  [ stream 0: caller sent 499 packets, 0 lost, jitter 0.0 ms, MOS 4.36; callee 1 sent ]    │
                │  [ 500 packets, 0 lost, jitter 0.0 ms, MOS 4.36                                      ]    │
                │                   [ session ended: completed (200), ended by caller ]                     │
                │                                             │                                             │
    ");
}

#[tokio::test]
async fn the_ladder_of_a_refused_call_has_no_callee() {
    insta::assert_snapshot!(ladder(&refused(4)).await, @r"
    session CA00000000000000000000000070000004 · account AC00000000000000000000000000000acc
    +49301 calls +15550100 · Call-ID 4-0@pbx.example
    from 2026-01-02T03:04:09.000000Z · failed (404)
    in all 0.005 s

             caller                                       strowger
         0.000  │─────────────── INVITE (SDP) ───────────────▶│
                │  [ call offered by trunk TK…00b0 on the ]   │
                │  [ public edge                          ]   │
                │  [ no route by rule no-such-number: no ]    │
                │  [ rule serves it; the caller gets 404 ]    │
                │◀────────────── 404 Not Found ───────────────│
         0.005  │──────────────────── ACK ───────────────────▶│
                │      [ session ended: failed (404) ]        │
                │                                             │
    ");
}

#[tokio::test]
async fn a_ladder_stays_within_120_columns_and_has_a_row_for_every_message() {
    for script in [basic(1), failover(2), hold(3), refused(4)] {
        let told = told(&World::new(), &script, false).await;
        let text = told.ladder_text();
        assert!(text.lines().all(|line| line.chars().count() <= 120), "{text}");
        let messages = told.entries.iter().filter(|entry| entry.direction.is_some()).count();
        let arrows = text.lines().filter(|line| line.contains('▶') || line.contains('◀')).count();
        assert_eq!(arrows, messages, "{text}");
        assert_eq!(told.ladder_svg().matches("url(#tip)").count(), messages);
    }
}

#[tokio::test]
async fn a_peer_cannot_smuggle_control_characters_or_markup_into_a_ladder() {
    let script = CallScript::new(1).between("\u{1b}[2J<script>alert(1)</script>", "\"&\u{0}'").completed();
    let told = told(&World::new(), &script, false).await;
    assert!(told.ladder_text().chars().all(|c| c == '\n' || !c.is_control()));
    let svg = told.ladder_svg();
    assert!(!svg.contains("<script>") && svg.contains("&lt;script&gt;"), "{svg}");
    well_formed(&svg);
}

#[tokio::test]
async fn the_svg_of_every_ladder_is_well_formed() {
    for script in [basic(1), failover(2), hold(3), refused(4), basic(5).cut(1), CallScript::new(6).completed().cut(9)] {
        well_formed(&told(&World::new(), &script, false).await.ladder_svg());
    }
}

/// Every element closes, in order; no character but those XML 1.0 allows; `&` only begins an entity.
fn well_formed(svg: &str) {
    assert!(svg.chars().all(|c| c == '\n' || !c.is_control()));
    let mut open: Vec<&str> = Vec::new();
    let mut rest = svg;
    while let Some(start) = rest.find('<') {
        text_is_legal(&rest[..start]);
        let end = start + rest[start..].find('>').expect("an element ends");
        let element = &rest[start + 1..end];
        assert!(!element.contains('<') && element.matches('"').count().is_multiple_of(2), "{element}");
        let name = element.trim_start_matches('/').split([' ', '/']).next().unwrap();
        match element {
            closing if closing.starts_with('/') => assert_eq!(open.pop(), Some(name), "{closing}"),
            empty if empty.ends_with('/') => {}
            _ => open.push(name),
        }
        rest = &rest[end + 1..];
    }
    assert!(open.is_empty() && rest.trim().is_empty(), "{open:?} {rest}");
}

fn text_is_legal(text: &str) {
    let entities = ["&amp;", "&lt;", "&gt;", "&quot;"];
    for (at, _) in text.match_indices('&') {
        assert!(entities.iter().any(|entity| text[at..].starts_with(entity)), "{text}");
    }
    assert!(!text.contains('>'), "{text}");
}

#[tokio::test]
async fn the_timeline_of_a_failover_tells_every_event_the_legs_and_the_durations() {
    let script = failover(2);
    let told = told(&World::new(), &script, false).await;
    assert_eq!(told.entries.len(), script.len());
    assert!(told.entries.iter().enumerate().all(|(index, entry)| entry.revision == index as u64));
    let legs: Vec<_> = told.legs.iter().map(|leg| (leg.role.as_str(), leg.outcome.as_deref())).collect();
    assert_eq!(legs, [("caller", None), ("callee 1", Some("response 503")), ("callee 2", Some("answered"))]);
    let json = serde_json::to_value(&told).unwrap();
    assert_eq!(
        json["durations"],
        json!({"post_dial_delay_ms": 1540.0, "ring_ms": 1460.0, "talk_ms": 10012.0, "total_ms": 13012.0})
    );
    let route = entry(&json, "RouteChosen");
    assert_eq!(route["data"]["rule"], "carrier-by-prefix");
    assert_eq!(route["data"]["passed_over"][0]["reason"], "it is where the call came from");
    assert_eq!(route["data"]["targets"][1]["destination"], "127.0.0.1:5090");
    let repeated = entry(&json, "SipMessageRepeated");
    assert_eq!((&repeated["text"], &repeated["role"]), (&json!("INVITE (SDP) again ×2"), &json!("callee 1")));
    let first = &json["entries"][0];
    assert_eq!((&first["role"], &first["direction"]), (&json!("caller"), &json!("received")));
    assert_eq!(first["message"]["flow"], "UDP 127.0.0.1:5060 - 127.0.0.1:5070");
    assert_eq!(first["message"].get("raw"), None, "nobody asked");
}

fn entry<'a>(timeline: &'a Value, event: &str) -> &'a Value {
    timeline["entries"].as_array().unwrap().iter().find(|entry| entry["event"] == event).unwrap()
}

#[tokio::test]
async fn raw_messages_come_when_asked_for_and_only_to_those_with_the_key() {
    let world = World::new();
    let known = told(&world, &basic(1), true).await;
    let raw = known.entries[0].message.as_ref().unwrap().raw.as_ref().unwrap();
    assert!(raw.starts_with("INVITE sip:+15550100@127.0.0.1:5070 SIP/2.0\r\n"), "{raw}");
    world.keys.erase();
    let masked = timeline(&world.log, &*world.keys, basic(1).session, true).await.unwrap().unwrap();
    let json = serde_json::to_string(&masked).unwrap();
    for personal in ["+49301", "+15550100", "pbx.example", "127.0.0.1:50", "sealed"] {
        assert!(!json.contains(personal), "{personal} in {json}");
    }
    assert_eq!(masked.entries.len(), known.entries.len());
    assert!(masked.ladder_text().contains("INVITE"), "methods stay clear");
}

#[tokio::test]
async fn an_unknown_session_has_no_timeline() {
    let world = World::new();
    let none = timeline(&world.log, &*world.keys, SessionId::from_bits(1), false).await.unwrap();
    assert_eq!(none, None);
}
