//! Our wire layer against `rsip`: where both read a message they agree on what it says.

use bytes::Bytes;
use domain::sip::wire::{Message, validate_request, validate_response};
use rsip::prelude::*;
use std::collections::BTreeMap;

/// What both are asked. `rsip`'s own spelling of a URI is not the message's, so a URI is its user, host and port.
#[derive(Debug, PartialEq, Eq)]
struct Reading {
    start: String,
    uri: Option<(Option<String>, String, Option<u16>)>,
    call_id: String,
    cseq: (u32, String),
    from_tag: Option<String>,
    to_tag: Option<String>,
    branch: Option<String>,
    body: Vec<u8>,
}

fn ours(bytes: &[u8]) -> Option<Reading> {
    let message = Message::scan(Bytes::copy_from_slice(bytes)).ok()?;
    let uri = match message.request_uri() {
        Some(text) => {
            validate_request(&message).ok()?;
            let uri = domain::sip::wire::Uri::parse(text).ok()?;
            Some((uri.user().map(str::to_owned), uri.host()?.to_string(), uri.port()))
        }
        None => {
            validate_response(&message).ok()?;
            None
        }
    };
    let cseq = message.cseq().ok()?;
    Some(Reading {
        start: message.method().map_or_else(|| format!("{:?}", message.status()), ToString::to_string),
        uri,
        call_id: message.call_id().ok()?.to_owned(),
        cseq: (cseq.number, cseq.method.to_owned()),
        from_tag: message.from().ok()?.tag().map(str::to_owned),
        to_tag: message.to().ok()?.tag().map(str::to_owned),
        branch: message.top_via().ok()?.branch().map(str::to_owned),
        body: message.body().to_vec(),
    })
}

fn theirs(bytes: &[u8]) -> Option<Reading> {
    let message = rsip::SipMessage::try_from(bytes).ok()?;
    let (start, uri) = match &message {
        rsip::SipMessage::Request(request) => {
            let uri = &request.uri;
            let user = uri.auth.as_ref().map(|auth| auth.user.clone());
            let (host, port) = (uri.host_with_port.host.to_string(), uri.host_with_port.port.as_ref());
            (request.method.to_string(), Some((user, host, port.map(|port| *port.value()))))
        }
        rsip::SipMessage::Response(response) => (format!("{:?}", Some(response.status_code.code())), None),
    };
    let cseq = message.cseq_header().ok()?.typed().ok()?;
    let (from, to) = (message.from_header().ok()?.typed().ok()?, message.to_header().ok()?.typed().ok()?);
    let via = message.via_header().ok()?.typed().ok()?;
    Some(Reading {
        start,
        uri,
        call_id: message.call_id_header().ok()?.value().to_owned(),
        cseq: (cseq.seq, cseq.method.to_string()),
        from_tag: from.tag().map(|tag| tag.value().to_owned()),
        to_tag: to.tag().map(|tag| tag.value().to_owned()),
        branch: via.branch().map(|branch| branch.value().to_owned()),
        body: message.body().clone(),
    })
}

/// Every combination of one choice from each row.
fn messages() -> Vec<String> {
    let starts = [
        ("INVITE sip:bob@192.0.2.4:5070;transport=udp SIP/2.0", "INVITE"),
        ("BYE sip:+4940123@host.example.com SIP/2.0", "BYE"),
        ("REGISTER sip:example.com SIP/2.0", "REGISTER"),
        ("OPTIONS sips:bob@example.com SIP/2.0", "OPTIONS"),
        ("SIP/2.0 100 Trying", "INVITE"),
        ("SIP/2.0 486 Busy Here", "INVITE"),
        ("SIP/2.0 603 Decline", "CANCEL"),
    ];
    let vias = [
        "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK-524287-1---a1",
        "Via: SIP/2.0/TCP a.example.com;branch=z9hG4bKnashds8;received=192.0.2.9\r\nVia: SIP/2.0/UDP b;branch=z9hG4bK2",
        "Via: SIP/2.0/UDP 192.0.2.1;rport;branch=z9hG4bK3",
    ];
    let froms = [
        "From: <sip:alice@example.com>;tag=9fxced76sl",
        "From: \"Alice\" <sip:alice@example.com:5080;user=phone>;tag=a.b-c",
        "From: sip:alice@example.com;tag=1",
        "From: Alice <sip:+4940123@192.0.2.1>;x=y;tag=2",
    ];
    let tos =
        ["To: <sip:bob@example.com>", "To: \"Bob Example\" <sip:bob@example.com>;tag=314159", "To: sip:bob@b.example"];
    let ids = ["Call-ID: 3848276298220188511@192.0.2.1", "Call-ID: f81d4fae-7dec-11d0-a765"];
    let bodies = ["", "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\n"];
    let mut all = Vec::new();
    for (start, method) in starts {
        for via in vias {
            for from in froms {
                for to in tos {
                    for id in ids {
                        for body in bodies {
                            all.push(format!(
                                "{start}\r\n{via}\r\nMax-Forwards: 70\r\n{from}\r\n{to}\r\n{id}\r\nCSeq: 4711 {method}\r\n\
                                 Contact: <sip:alice@192.0.2.1>\r\nContent-Length: {}\r\n\r\n{body}",
                                body.len()
                            ));
                        }
                    }
                }
            }
        }
    }
    all
}

#[test]
fn both_read_every_plain_message_and_say_the_same() {
    for text in messages() {
        let (ours, theirs) = (ours(text.as_bytes()), theirs(text.as_bytes()));
        assert!(ours.is_some(), "{text}");
        assert_eq!(ours, theirs, "{text}");
    }
}

/// Changes one byte of each plain message, by a fixed generator. Left out is what `rsip` reads otherwise than RFC 3261
/// says: blanks and commas inside values, line ends, dots or new `@` in user parts, the case of methods, and
/// Content-Length, which it does not heed.
#[test]
fn where_both_read_a_damaged_message_they_say_the_same() {
    let mut state = 0x5eed_u64;
    let mut random = move |limit: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 20) as usize % limit
    };
    let letters = b"xZ0;:<>\"=%-/";
    let mut outcomes: BTreeMap<&str, usize> = BTreeMap::new();
    for _ in 0..20 {
        for text in messages() {
            let mut bytes = text.into_bytes();
            let at = random(bytes.len());
            if matches!(bytes[at], b'\r' | b'\n') {
                continue;
            }
            bytes[at] = letters[random(letters.len())];
            let outcome = match (ours(&bytes), theirs(&bytes)) {
                (Some(ours), Some(theirs)) => {
                    let ours = Reading { body: theirs.body.clone(), ..ours };
                    assert_eq!(ours, theirs, "{}", String::from_utf8_lossy(&bytes));
                    "both"
                }
                (Some(_), None) => "ours alone",
                (None, Some(_)) => "theirs alone",
                (None, None) => "neither",
            };
            *outcomes.entry(outcome).or_default() += 1;
        }
    }
    assert!(outcomes.get("both").is_some_and(|both| *both > 5_000), "{outcomes:?}");
}
