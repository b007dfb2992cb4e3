//! Header injection: whatever a peer writes into whatever field, what we send to others is whole, says what we mean, and
//! has no header, parameter or line of the peer's making. A table of fields, each with every payload.

use bytes::Bytes;
use domain::sip::wire::{HeaderName, Host, Message, validate_request, validate_response};
use std::collections::BTreeSet;
use tests::world::{CARRIER, NUMBER, OUT, PBX, PUBLIC, Packet, Phone, World};

/// What fields are filled with.
const PAYLOADS: [&str; 30] = [
    "\rX-Evil: 1",
    "\nX-Evil: 1",
    "\r\nX-Evil: 1",
    "\r\n X-Evil: 1",
    "\r\n\r\nX-Evil: 1",
    "\0",
    "\0X-Evil: 1",
    "\u{7f}",
    "\u{85}X-Evil: 1",
    "\u{2028}X-Evil: 1",
    "\t",
    "\"",
    "\\",
    "\\\"",
    "\" <sip:evil@evil.example>",
    "<sip:evil@evil.example>",
    ">",
    "> , <sip:evil@evil.example>",
    ";evil=1",
    "?X-Evil=1",
    "&X-Evil=1",
    "@evil.example",
    ",evil",
    "%0d%0aX-Evil:%201",
    "%00",
    "%22%3Csip:evil@evil.example%3E",
    "%40evil.example",
    "%3bevil=1%3fX-Evil=1",
    "%",
    "é",
];

/// The fields of an INVITE that a peer can fill.
#[derive(Clone)]
struct Invite {
    uri: String,
    from: String,
    to: String,
    call_id: String,
    contact: String,
    extra: String,
    sdp: [String; 5],
}

impl Invite {
    fn new(turn: usize) -> Self {
        Self {
            uri: format!("sip:{NUMBER}@192.0.2.1"),
            from: "\"Alice\" <sip:alice@198.51.100.1>;tag=f".to_owned(),
            to: format!("<sip:{NUMBER}@192.0.2.1>"),
            call_id: format!("injection-{turn}@198.51.100.1"),
            contact: "<sip:alice@198.51.100.1:5060>".to_owned(),
            extra: String::new(),
            sdp: [
                "o=alice 1 1 IN IP4 198.51.100.1",
                "s=-",
                "c=IN IP4 198.51.100.1",
                "t=0 0",
                "m=audio 4000 RTP/AVP 0 101",
            ]
            .map(str::to_owned),
        }
    }

    fn bytes(&self, turn: usize) -> Bytes {
        let body = format!("v=0\r\n{}\r\na=rtpmap:101 telephone-event/8000\r\n", self.sdp.join("\r\n"));
        let Self { uri, from, to, call_id, contact, extra, .. } = self;
        Bytes::from(format!(
            "INVITE {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bKi{turn};rport\r\nFrom: {from}\r\n\
             To: {to}\r\nCall-ID: {call_id}\r\nCSeq: 1 INVITE\r\nContact: {contact}\r\nMax-Forwards: 70\r\n{extra}\
             Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ))
    }
}

/// Puts a payload into a field.
type Fill = fn(&mut Invite, &str);

/// Every field that is read, passed on, or stands beside one that is.
const FIELDS: [(&str, Fill); 20] = [
    ("user of the request URI", |invite, evil| invite.uri = format!("sip:{NUMBER}{evil}@192.0.2.1")),
    ("host of the request URI", |invite, evil| invite.uri = format!("sip:{NUMBER}@192.0.2.1{evil}")),
    ("tel: with a parameter", |invite, evil| invite.uri = format!("tel:{NUMBER};phone-context={evil}")),
    ("display name", |invite, evil| invite.from = format!("\"Alice{evil}\" <sip:alice@198.51.100.1>;tag=f")),
    ("display name without quotes", |invite, evil| invite.from = format!("Alice{evil} <sip:a@198.51.100.1>;tag=f")),
    ("caller's user", |invite, evil| invite.from = format!("<sip:alice{evil}@198.51.100.1>;tag=f")),
    ("caller's number by tel:", |invite, evil| invite.from = format!("<tel:+14155550100{evil}>;tag=f")),
    ("caller's host", |invite, evil| invite.from = format!("<sip:alice@198.51.100.1{evil}>;tag=f")),
    ("caller's tag", |invite, evil| invite.from = format!("<sip:alice@198.51.100.1>;tag=f{evil}")),
    ("To", |invite, evil| invite.to = format!("<sip:{NUMBER}{evil}@192.0.2.1>")),
    ("Call-ID", |invite, evil| invite.call_id.push_str(evil)),
    ("Contact", |invite, evil| invite.contact = format!("<sip:alice{evil}@198.51.100.1:5060>")),
    ("Subject", |invite, evil| invite.extra = format!("Subject: s{evil}\r\n")),
    ("Priority", |invite, evil| invite.extra = format!("Priority: urgent{evil}\r\n")),
    ("User-to-User", |invite, evil| invite.extra = format!("User-to-User: 00{evil};encoding=hex\r\n")),
    ("Recv-Info", |invite, evil| invite.extra = format!("Recv-Info: x{evil}\r\n")),
    ("Record-Route", |invite, evil| invite.extra = format!("Record-Route: <sip:p1{evil};lr>\r\n")),
    ("SDP's session name", |invite, evil| invite.sdp[1] = format!("s=x{evil}")),
    ("SDP's origin", |invite, evil| invite.sdp[0] = format!("o=a{evil} 1 1 IN IP4 198.51.100.1")),
    ("SDP's media", |invite, evil| invite.sdp[4] = format!("m=audio 4000 RTP/AVP 0 101\r\na=fmtp:101 0-15{evil}")),
];

/// A message of ours, whoever caused it, is whole and holds nothing of the peer's making.
#[track_caller]
fn assert_clean(case: &str, bytes: &Bytes) {
    let shown = || format!("{case}\n{}", String::from_utf8_lossy(bytes));
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or_else(|| panic!("{}", shown()));
    for line in bytes[..end].split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        assert!(!line.contains(&b'\r') && !line.to_ascii_lowercase().starts_with(b"x-evil"), "{}", shown());
    }
    let message = Message::scan(bytes.clone()).unwrap_or_else(|_| panic!("{}", shown()));
    assert!(message.header_named("X-Evil").is_none(), "{}", shown());
    let Some(uri) = message.request_uri() else {
        // An answer says again to the peer what it said, and stays whole with it.
        return;
    };
    let control = |byte: &u8| byte.is_ascii_control() && !matches!(byte, b'\t' | b'\r' | b'\n');
    assert!(!bytes[..end].iter().any(control), "{}", shown());
    assert_eq!(validate_request(&message), Ok(()), "{}", shown());
    assert!(!uri.contains("evil"), "{}", shown());
    for name in [HeaderName::From, HeaderName::To, HeaderName::CallId, HeaderName::CSeq, HeaderName::Via] {
        assert_eq!(message.headers().filter(|header| header.name == name).count(), 1, "{}", shown());
    }
    let from = message.from().unwrap();
    let host = from.uri.host().map(|host| matches!(host, Host::Name("exchange.example" | "anonymous.invalid")));
    assert_eq!(host, Some(true), "{}", shown());
    let params: Vec<_> = from.params.iter().map(|param| param.name.to_owned()).collect();
    assert_eq!(params, ["tag"], "{}", shown());
    let ours = [HeaderName::To, HeaderName::Contact, HeaderName::Via, HeaderName::Route, HeaderName::RecordRoute];
    for header in message.headers().filter(|header| ours.contains(&header.name)) {
        assert!(!header.value.contains("evil"), "{}", shown());
    }
    let body = message.body();
    for line in body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        assert!(line.get(1) == Some(&b'=') && line[0].is_ascii_lowercase(), "{}", shown());
        assert!(!line.iter().any(|byte| matches!(byte, b'\r' | b'\n' | b'\0')), "{}", shown());
    }
}

#[test]
fn no_field_of_an_invite_gets_anything_into_what_others_are_sent() {
    let mut passed = BTreeSet::new();
    let mut turn = 0;
    for (field, fill) in FIELDS {
        let mut world = World::default();
        for payload in PAYLOADS {
            turn += 1;
            let mut invite = Invite::new(turn);
            fill(&mut invite, payload);
            let sent = world.sent().len();
            let bytes = invite.bytes(turn);
            world.deliver(Packet { local: "192.0.2.1:5060".parse().unwrap(), from: CARRIER.parse().unwrap(), bytes });
            let case = format!("{field}: {payload:?}");
            for (flow, bytes) in &world.sent()[sent..] {
                assert_clean(&case, bytes);
                if flow.remote == PBX.parse().unwrap() {
                    passed.insert(field);
                }
            }
        }
        world.release_all();
        for (_, bytes) in world.sent() {
            assert_clean(field, bytes);
        }
        world.assert_nothing_left();
    }
    // A field of which no payload passes at all would show nothing of what becomes of it.
    let closed = ["tel: with a parameter"];
    for (field, _) in FIELDS {
        assert!(passed.contains(field) || closed.contains(&field), "{field}: every payload is refused");
    }
}

/// A call between the carrier and the PBX, either of which may transfer it anywhere.
fn talking(world: &mut World) -> (Phone, Phone) {
    for (id, name, kind, address) in [(1, "carrier", "carrier", CARRIER), (2, "pbx", "pbx", PBX)] {
        world.set_trunk(id, serde_json::json!({ "name": name, "kind": kind, "addresses": [address], "refer": "any" }));
    }
    crate::ladder::answered(world)
}

#[test]
fn nothing_in_a_refer_gets_into_the_invite_to_its_target() {
    let targets: [fn(&str) -> String; 6] = [
        |evil| format!("<sip:+12025550199@exchange.example?Replaces=a%3Bto-tag%3D1%3Bfrom-tag%3D2{evil}>"),
        |evil| format!("<sip:+12025550199@exchange.example?X-Evil=1{evil}>"),
        |evil| format!("<sip:+12025550199@exchange.example?Subject=x{evil}>"),
        |evil| format!("\"Bob{evil}\" <sip:+12025550199@exchange.example>"),
        |evil| format!("<sip:+12025550199@exchange.example;user=phone{evil}>"),
        |evil| format!("<tel:+12025550199;phone-context={evil}>"),
    ];
    let mut invited = 0;
    for (index, target) in targets.iter().enumerate() {
        for payload in PAYLOADS {
            let mut world = World::default();
            let (_, mut callee) = talking(&mut world);
            let sent = world.sent().len();
            let headers = format!("Refer-To: {}\r\nContact: <sip:phone@{PBX}>\r\n", target(payload));
            callee.say_with(&mut world, "REFER", &headers, "");
            let case = format!("Refer-To {index}: {payload:?}");
            for (flow, bytes) in &world.sent()[sent..] {
                let message = Message::scan(bytes.clone()).unwrap();
                if message.request_uri().is_some() && flow.remote == OUT[0].parse().unwrap() {
                    assert_clean(&case, bytes);
                    assert_eq!(message.request_uri(), Some("sip:+12025550199@198.51.100.11:5060"), "{case}");
                    assert_eq!(message.header(HeaderName::Subject), None, "{case}");
                    invited += 1;
                } else if message.status().is_some() {
                    assert_eq!(validate_response(&message), Ok(()), "{case}");
                }
            }
            world.release_all();
            world.assert_nothing_left();
        }
    }
    assert!(invited > 20, "{invited} were invited: the table shows little");
}

#[test]
fn nothing_in_an_info_gets_beyond_its_own_lines() {
    let names = ["Info-Package", "Content-Disposition", "Content-Language", "Subject", "Priority", "User-to-User"];
    for name in names {
        let mut world = World::default();
        let (mut caller, callee) = talking(&mut world);
        for payload in PAYLOADS {
            let headers = format!("{name}: x{payload}\r\nContent-Type: text/plain\r\n");
            caller.say_with(&mut world, "INFO", &headers, "x");
            while let Some(bytes) = world.next_for(callee.address) {
                let case = format!("{name}: {payload:?}");
                let message = Message::scan(bytes.clone()).unwrap();
                assert!(message.header_named("X-Evil").is_none(), "{case}");
                assert_eq!(validate_request(&message), Ok(()), "{case}");
                let head = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
                let control = |byte: &u8| byte.is_ascii_control() && !matches!(byte, b'\t' | b'\r' | b'\n');
                assert!(!bytes[..head].iter().any(control), "{case}");
                callee.respond(&mut world, &message, 200, None);
            }
            caller.ignore_all(&mut world);
        }
        world.release_all();
        world.assert_nothing_left();
    }
}

#[test]
fn no_user_name_of_credentials_gets_into_an_answer() {
    let mut world = World::default();
    for (turn, payload) in PAYLOADS.into_iter().enumerate() {
        let port = 6_000 + turn;
        let credentials = format!(
            "Authorization: Digest username=\"alice{payload}\", realm=\"pbx.example{payload}\", nonce=\"{payload}\", \
             uri=\"sip:pbx.example\", response=\"00112233445566778899aabbccddeeff\", algorithm=MD5, opaque=\"{payload}\"\r\n"
        );
        let text = format!(
            "REGISTER sip:pbx.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.200:{port};branch=z9hG4bKu{turn};rport\r\n\
             From: <sip:alice@pbx.example>;tag=f\r\nTo: <sip:alice@pbx.example>\r\nCall-ID: u{turn}\r\n\
             CSeq: 1 REGISTER\r\nMax-Forwards: 70\r\n{credentials}Contact: <sip:alice@192.0.2.200>\r\n\
             Content-Length: 0\r\n\r\n"
        );
        let sent = world.sent().len();
        let from = format!("192.0.2.200:{port}").parse().unwrap();
        world.deliver(Packet { local: PUBLIC.parse().unwrap(), from, bytes: Bytes::from(text) });
        for (_, bytes) in &world.sent()[sent..] {
            assert_clean(payload, bytes);
            let answer = Message::scan(bytes.clone()).unwrap();
            assert_eq!(validate_response(&answer), Ok(()), "{payload:?}");
            let asked = answer.header(HeaderName::WwwAuthenticate).unwrap_or_default();
            assert!(!asked.contains("vil"), "{payload:?}: {asked}");
        }
    }
    world.assert_nothing_left();
}
