//! Cases that SIP libraries in use are known to fail, each as a whole message.

use super::{HeaderName, Uri};
use super::{
    Host, Message, Method, Scheme, Start, Unframed, Unreadable, UriBuf, Writer, validate_request, validate_response,
};
use bytes::Bytes;

const VIA: &str = "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n";
const FROM: &str = "From: <sip:a@a.example>;tag=1\r\n";
const TO: &str = "To: <sip:b@b.example>\r\n";
const REST: &str = "Call-ID: 1@a.example\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\n";

fn scan(text: impl Into<Vec<u8>>) -> Result<Message, Unreadable> {
    Message::scan(Bytes::from(text.into()))
}

/// A valid INVITE with these lines more.
fn invite(more: &str) -> Message {
    scan(format!("INVITE sip:b@b.example SIP/2.0\r\n{VIA}{FROM}{TO}{REST}{more}\r\n")).unwrap()
}

fn valid(text: impl Into<Vec<u8>>) -> Message {
    let message = scan(text).unwrap();
    let verdict = if message.is_request() { validate_request(&message) } else { validate_response(&message) };
    assert_eq!(verdict, Ok(()), "{message:?}");
    message
}

fn refused(text: impl Into<Vec<u8>>) -> u16 {
    let message = scan(text).unwrap();
    validate_request(&message).unwrap_err().status
}

#[test]
fn ipv6_literals_stand_in_every_place() {
    let message = valid(
        "INVITE sip:b@[2001:db8::10]:5070 SIP/2.0\r\nVia: SIP/2.0/UDP [2001:db8::9]:6050;branch=z9hG4bK1\r\n\
         From: <sip:a@[2001:db8::9]>;tag=1\r\nTo: sip:b@[2001:db8::10]\r\nCall-ID: 1@[2001:db8::9]\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:a@[2001:db8::9]:6050;lr>\r\n\r\n",
    );
    let uri = Uri::parse(message.request_uri().unwrap()).unwrap();
    assert_eq!(uri.host_port(), Some((Host::V6("2001:db8::10".parse().unwrap()), 5070)));
    assert_eq!(message.top_via().unwrap().port, Some(6050));
    assert_eq!(message.contacts().next().unwrap().unwrap().uri.port(), Some(6050));
}

#[test]
fn folded_and_compact_headers_are_read_and_copied_whole() {
    let text = "INVITE sip:b@b.example SIP/2.0\r\nv:\r\n SIP/2.0/UDP 192.0.2.1\r\n\t;branch=z9hG4bK1\r\n\
                f: \"A\r\n B\" <sip:a@a.example>\r\n  ;tag=1\r\nt: <sip:b@b.example>\r\ni: 1@a\r\nCSeq: 1\r\n INVITE\r\n\
                m: <sip:a@192.0.2.1>\r\ns:\r\nk: 100rel,\r\n timer\r\nl: 0\r\n\r\n";
    let message = valid(text);
    assert_eq!(message.bytes(), text.as_bytes());
    assert_eq!(message.top_via().unwrap().unique_branch(), Some("z9hG4bK1"));
    assert_eq!(message.from().unwrap().tag(), Some("1"));
    assert_eq!(message.cseq().unwrap().method, "INVITE");
    assert_eq!(message.header(HeaderName::Subject), Some(""));
    assert_eq!(message.values(HeaderName::Supported).collect::<Vec<_>>(), ["100rel", "timer"]);
    let copied = Writer::response(180).copy(&message, HeaderName::Via).copy(&message, HeaderName::Contact).finish();
    assert_eq!(
        copied.unwrap(),
        "SIP/2.0 180 Ringing\r\nv:   SIP/2.0/UDP 192.0.2.1  \t;branch=z9hG4bK1\r\nm: <sip:a@192.0.2.1>\r\n\
         Content-Length: 0\r\n\r\n"
    );
}

#[test]
fn tel_and_urn_request_uris_are_routed_and_unknown_schemes_get_416() {
    let with_uri = |uri: &str| format!("INVITE {uri} SIP/2.0\r\n{VIA}{FROM}{TO}{REST}\r\n");
    let message = valid(with_uri("tel:+494012345"));
    assert_eq!(Uri::parse(message.request_uri().unwrap()).unwrap().scheme(), Scheme::Tel);
    valid(with_uri("urn:service:sos"));
    valid(with_uri("sips:b@b.example"));
    assert_eq!(refused(with_uri("mailto:b@b.example")), 416);
    assert_eq!(refused(with_uri("b@b.example")), 400);
    assert_eq!(refused(with_uri("sip:b@b.example?Subject=x")), 400);
}

#[test]
fn an_unknown_method_is_a_method() {
    let message = valid(format!("newMethod sip:b SIP/2.0\r\n{VIA}{FROM}{TO}Call-ID: 1\r\nCSeq: 1 newMethod\r\n\r\n"));
    assert_eq!(message.method(), Some(&Method::Other("newMethod".into())));
}

#[test]
fn bare_line_feeds_are_taken_and_bare_carriage_returns_not() {
    let text = format!("INVITE sip:b@b.example SIP/2.0\r\n{VIA}{FROM}{TO}{REST}\r\nbody");
    assert_eq!(valid(text.replace("\r\n", "\n")).body(), b"body");
    let inside = text.replace("tag=1", "tag=1\rX: y");
    assert_eq!(refused(inside), 400);
}

#[test]
fn a_quoted_display_name_may_hold_marks() {
    let message = scan(format!(
        "INVITE sip:b@b.example SIP/2.0\r\n{VIA}From: \"a, b; c < d > \\\" e\" <sip:a@a.example;x=y>;tag=1\r\n{TO}{REST}\r\n"
    ))
    .unwrap();
    assert_eq!(validate_request(&message), Ok(()));
    let from = message.from().unwrap();
    assert_eq!(from.display_text().unwrap(), "a, b; c < d > \" e");
    assert_eq!((from.tag(), from.uri.as_str()), (Some("1"), "sip:a@a.example;x=y"));
}

#[test]
fn contacts_are_split_at_their_commas() {
    let message =
        scan("SIP/2.0 300 x\r\nContact: \"a, b\" <sip:a,1@a>;q=0.5, <sip:b@b>\r\nm: sip:c@c\r\n\r\n").unwrap();
    let users: Vec<_> = message.contacts().map(|contact| contact.unwrap().uri.user().unwrap().to_owned()).collect();
    assert_eq!(users, ["a,1", "b", "c"]);
    assert_eq!(validate_request(&invite("Contact: <sip:a@a>, <sip:b@b>\r\n")).unwrap_err().status, 400);
    assert_eq!(validate_request(&invite("Contact: *\r\n")).unwrap_err().status, 400);
}

#[test]
fn a_wildcard_contact_is_for_register_alone() {
    let text = format!("REGISTER sip:b SIP/2.0\r\n{VIA}{FROM}{TO}Call-ID: 1\r\nCSeq: 1 REGISTER\r\nContact: *\r\n");
    let message = valid(format!("{text}Expires: 0\r\n\r\n"));
    assert!(message.is_wildcard_contact());
    assert_eq!(message.contacts().count(), 0);
    assert_eq!(refused(format!("{text}Contact: <sip:a@a>\r\n\r\n")), 400);
}

#[test]
fn without_content_length_the_body_goes_to_the_end() {
    let head = format!("INVITE sip:b@b.example SIP/2.0\r\n{VIA}{FROM}{TO}{REST}");
    assert_eq!(valid(format!("{head}\r\nv=0\r\n")).body(), b"v=0\r\n");
    assert_eq!(valid(format!("{head}Content-Length: 3\r\n\r\nv=0\r\nmore")).body(), b"v=0");
    assert_eq!(valid(format!("{head}l: 0\r\nContent-Length: 000\r\n\r\nmore")).body(), b"");
}

#[test]
fn a_content_length_that_cannot_be_is_answered_with_400() {
    let cases = [
        ("Content-Length: 5\r\n", Unframed::BodyShort),
        ("Content-Length: 99999999999999999999999\r\n", Unframed::BodyShort),
        ("Content-Length: -1\r\n", Unframed::ContentLength),
        ("Content-Length: 4, 4\r\n", Unframed::ContentLength),
        ("Content-Length:\r\n", Unframed::ContentLength),
        ("Content-Length: 4\r\nl: 3\r\n", Unframed::ContentLengthTwice),
    ];
    for (lines, why) in cases {
        let error = scan(format!("INVITE sip:b SIP/2.0\r\n{VIA}{FROM}{TO}{REST}{lines}\r\nbody")).unwrap_err();
        assert_eq!((error.why, error.status()), (why, 400));
        assert_eq!(error.answerable().unwrap().call_id(), Ok("1@a.example"));
        let error = scan(format!("SIP/2.0 200 OK\r\n{VIA}{FROM}{TO}{REST}{lines}\r\nbody")).unwrap_err();
        assert!(error.answerable().is_none());
    }
}

#[test]
fn a_binary_body_is_not_touched() {
    let body: Vec<u8> = (0..=255).collect();
    let mut text = format!("INVITE sip:b@b.example SIP/2.0\r\n{VIA}{FROM}{TO}{REST}l: 256\r\n\r\n").into_bytes();
    text.extend_from_slice(&body);
    let message = valid(text);
    assert_eq!(message.body(), body);
    let written = Writer::response(200).body("application/octet-stream", &message.body_bytes()).unwrap();
    assert_eq!(Message::scan(written).unwrap().body(), body);
}

#[test]
fn what_is_no_sip_is_not_answered() {
    let cases: [(&[u8], Unframed); 9] = [
        (b"", Unframed::KeepAlive),
        (b"\r\n\r\n", Unframed::KeepAlive),
        (b"GET / HTTP/1.1\r\n\r\n", Unframed::NotSip),
        (b"\x00\x01\x00\x08\x21\x12\xa4\x42", Unframed::NotSip),
        (b"INVITE sip:a@b SIP/2.0", Unframed::NotSip),
        (b"SIP/2.0\r\n\r\n", Unframed::NotSip),
        (b"SIP/2.0 2000 OK\r\n\r\n", Unframed::Status),
        (b"SIP/2.0 20 OK\r\n\r\n", Unframed::Status),
        (b"IN\xffITE sip:a@b SIP/2.0\r\n\r\n", Unframed::NotSip),
    ];
    for (datagram, why) in cases {
        let error = scan(datagram).unwrap_err();
        assert_eq!(error.why, why);
        assert!(error.answerable().is_none());
    }
}

#[test]
fn line_ends_before_a_message_are_skipped() {
    let text = format!("\r\n\r\nINVITE sip:b@b.example SIP/2.0\r\n{VIA}{FROM}{TO}{REST}\r\n");
    assert_eq!(valid(text.clone()).bytes(), text.as_bytes());
}

#[test]
fn a_cut_or_broken_head_is_answered_if_it_can_be() {
    let head = format!("INVITE sip:b SIP/2.0\r\n{VIA}{FROM}{TO}{REST}");
    for (text, why) in [
        (head.clone(), Unframed::Cut),
        (format!("{head}Subject: x"), Unframed::Cut),
        (format!("INVITE sip:b SIP/2.0\r\nno colon\r\n{VIA}{FROM}{TO}{REST}\r\n"), Unframed::HeaderLine),
        (format!("INVITE sip:b SIP/2.0\r\n folded: what\r\n{VIA}{FROM}{TO}{REST}\r\n"), Unframed::HeaderLine),
        (format!("{head}: x\r\n\r\n"), Unframed::HeaderLine),
        (format!("{head}b@d name: x\r\n\r\n"), Unframed::HeaderLine),
    ] {
        let error = scan(text).unwrap_err();
        assert_eq!((error.why, error.answerable().is_some()), (why, true));
    }
    let error = scan("INVITE sip:b SIP/2.0\r\nno Via: what\r\nno colon\r\n\r\n").unwrap_err();
    assert!(error.answerable().is_none() && error.partial().is_some());
    let ack = format!("{head}no colon\r\n\r\n").replace("INVITE", "ACK");
    assert!(scan(ack).unwrap_err().answerable().is_none());
}

#[test]
fn limits_hold() {
    let many =
        |count: usize| scan(format!("INVITE sip:b SIP/2.0\r\n{VIA}{FROM}{TO}{REST}{}\r\n", "x: y\r\n".repeat(count)));
    assert_eq!(many(194).map(|message| message.headers().count()).ok(), Some(200));
    let error = many(195).unwrap_err();
    assert_eq!((error.why, error.status(), error.answerable().is_some()), (Unframed::TooManyHeaders, 513, true));
    let head = format!("INVITE sip:b SIP/2.0\r\n{VIA}{FROM}{TO}{REST}\r\n").into_bytes();
    let padded = |length: usize| [&head[..], &vec![0xff; length - head.len()][..]].concat();
    assert_eq!(valid(padded(65_535)).body().len(), 65_535 - head.len());
    assert_eq!(scan(padded(65_536)).unwrap_err().why, Unframed::TooLarge);
}

#[test]
fn mandatory_headers_are_there_once() {
    for header in [VIA, FROM, TO, "Call-ID: 1@a.example\r\n", "CSeq: 1 INVITE\r\n"] {
        let text = format!("INVITE sip:b SIP/2.0\r\n{VIA}{FROM}{TO}{REST}\r\n");
        assert_eq!(refused(text.replacen(header, "", 1)), 400, "without {header}");
        let twice = text.replacen(header, &header.repeat(2), 1);
        assert_eq!(validate_request(&scan(twice).unwrap()).is_ok(), header == VIA, "twice {header}");
        let answer = format!("SIP/2.0 200 OK\r\n{VIA}{FROM}{TO}{REST}\r\n");
        assert!(validate_response(&scan(answer.replacen(header, "", 1)).unwrap()).is_err(), "without {header}");
        valid(answer);
    }
    assert_eq!(validate_request(&invite("Max-Forwards: 1\r\n")).unwrap_err().detail, "Max-Forwards is given twice");
    valid(format!("INVITE sip:b SIP/2.0\r\n{VIA}{FROM}{TO}{REST}\r\n").replace("Max-Forwards: 70\r\n", ""));
}

#[test]
fn controls_are_legal_in_quoted_pairs_only() {
    let from = |name: &str| format!("INVITE sip:b SIP/2.0\r\n{VIA}From: \"{name}\" <sip:a@b>;tag=1\r\n{TO}{REST}\r\n");
    valid(from("a\\\0\\\x7f"));
    assert_eq!(refused(from("a\0")), 400);
    assert_eq!(refused(from("a\x7f")), 400);
    assert_eq!(validate_request(&invite("Subject: \\\x01\r\n")).unwrap_err().status, 400);
    valid(from("a\tb"));
}

#[test]
fn text_that_is_no_utf8_costs_a_request_400_and_a_response_nothing() {
    let mut request = format!("INVITE sip:b SIP/2.0\r\n{VIA}{FROM}{TO}{REST}Subject: x\r\n\r\n").into_bytes();
    let at = request.windows(4).position(|four| four == b": x\r").unwrap() + 2;
    request[at] = 0xe9;
    assert_eq!(refused(request.clone()), 400);
    let message = scan(request).unwrap();
    assert_eq!(message.header(HeaderName::Subject), Some("?"));
    let copied = Writer::response(400).copy(&message, HeaderName::Subject).finish().unwrap();
    assert!(copied.windows(12).any(|part| part == b"Subject: \xe9\r\n"));
    let mut response = format!("SIP/2.0 486 Occup_\r\n{VIA}{FROM}{TO}{REST}\r\n").into_bytes();
    response[17] = 0xe9;
    assert_eq!(valid(response).start(), Start::Response { status: 486, reason: "Occup?" });
}

#[test]
fn route_headers_need_brackets() {
    assert_eq!(validate_request(&invite("Route: <sip:p;lr>, <sip:q;lr>\r\nRecord-Route: <sip:r;lr>\r\n")), Ok(()));
    for line in ["Route: sip:p;lr\r\n", "Record-Route: sip:p;lr\r\n", "Route: <sip:p>,\r\n", "Route:\r\n"] {
        assert_eq!(validate_request(&invite(line)).unwrap_err().status, 400, "{line}");
    }
}

#[test]
fn a_status_outside_100_to_699_is_dropped() {
    for status in ["000", "099", "700", "999"] {
        let message = scan(format!("SIP/2.0 {status} x\r\n{VIA}{FROM}{TO}{REST}\r\n")).unwrap();
        assert!(validate_response(&message).is_err(), "{status}");
    }
}

#[test]
fn a_message_is_small_and_shared_among_threads() {
    fn shared<T: Send + Sync + Clone>() {}
    shared::<Message>();
    assert!(size_of::<Message>() <= 136, "{}", size_of::<Message>());
    let message = invite("");
    assert_eq!(message.clone().bytes().as_ptr(), message.bytes().as_ptr());
    assert!(!format!("{message:?}").contains("a.example"));
    assert_eq!(UriBuf::from(message.to().unwrap().uri).as_str(), "sip:b@b.example");
}
