//! Messages of our own for every section of RFC 4475 and RFC 5118, for checkouts without the RFCs' bytes.

use super::Owes::{Answer, Routed, Silence};
use super::{Owes, last_said, play, whole_call};
use domain::sip::wire::Message;
use tests::world::{CARRIER, NUMBER, PBX, Phone, World};

/// Section, method, what differs from a plain request, what is owed.
type Case = (&'static str, &'static str, &'static [(&'static str, &'static str)], Owes);

const BAD: Owes = Answer(&[400], &[]);
const NOT_SERVED: Owes = Answer(&[405], &[("Allow", "INVITE")]);
const PLAIN: Owes = Answer(&[200], &[]);

/// A plain request of the carrier. `{length}` is filled in last.
fn plain(method: &str) -> (String, String) {
    let body = if method == "INVITE" { Phone::new(CARRIER.parse().unwrap()).sdp("sendrecv") } else { String::new() };
    let content = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    let head = format!(
        "{method} sip:{NUMBER}@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.1;branch=z9hG4bKown\r\n\
         From: \"Own\" <sip:+14155550100@198.51.100.1>;tag=f\r\nTo: <sip:{NUMBER}@192.0.2.1>\r\n\
         Call-ID: own@198.51.100.1\r\nCSeq: 7 {method}\r\nMax-Forwards: 70\r\nContact: <sip:own@198.51.100.1>\r\n\
         {content}Content-Length: {{length}}\r\n\r\n"
    );
    (head, body)
}

fn written(method: &str, edits: &[(&str, &str)]) -> String {
    let (mut head, mut body) = plain(method);
    for (from, to) in edits {
        match (head.contains(from), body.contains(from)) {
            (true, _) => head = head.replacen(from, to, 1),
            (false, true) => body = body.replacen(from, to, 1),
            (false, false) => panic!("{from} does not stand in a plain {method}"),
        }
    }
    head.replace("{length}", &body.len().to_string()) + &body
}

const CASES: &[Case] = &[
    ("plain", "INVITE", &[], Routed(&[("Max-Forwards", "69")])),
    ("plain", "OPTIONS", &[], PLAIN),
    (
        "4475 3.1.1.1 folds, blanks and compact names",
        "INVITE",
        &[
            ("Via: SIP/2.0/UDP 198.51.100.1", "v  :\r\n SIP  /\r\n\t2.0 / UDP\r\n  198.51.100.1  "),
            ("From: \"Own\"", "f\t:\"O\\\"w\\\\n\"\r\n  "),
            (";tag=f", "\r\n ; \r\n tag  =\r\n  f"),
            ("Max-Forwards: 70", "mAx-fOrWaRdS: 0070\r\nX-Odd: ;;,,;\r\ns :"),
            ("CSeq: 7 INVITE", "CSEQ: 0007\r\n  INVITE"),
        ],
        Routed(&[("Max-Forwards", "69")]),
    ),
    (
        "4475 3.1.1.2 every token character in a method",
        "aZ9-.!%*_+`'~",
        &[("\"Own\"", "\"\\\u{1}\\\0\\\u{7f}\"")],
        Answer(&[501, 405], &[("Allow", "INVITE")]),
    ),
    (
        "4475 3.1.1.3 escapes in a user",
        "INVITE",
        &[("INVITE sip:+15550001111", "INVITE sip:%2b1%3555%30001111")],
        Routed(&[]),
    ),
    ("4475 3.1.1.4 escaped zero bytes", "REGISTER", &[("<sip:own@", "<sip:%00own%00@")], NOT_SERVED),
    ("4475 3.1.1.5 an escaped method is another", "%49NVITE", &[], Answer(&[501, 405], &[])),
    ("4475 3.1.1.6 no blank before a bracket", "OPTIONS", &[("\"Own\" <", "Own<")], PLAIN),
    (
        "4475 3.1.1.8 bytes after the message",
        "OPTIONS",
        &[("\r\n\r\n", "\r\n\r\nINVITE sip:+15550001111@192.0.2.1 SIP/2.0\r\n\r\n")],
        PLAIN,
    ),
    (
        "4475 3.1.1.9 a semicolon in a user",
        "OPTIONS",
        &[("sip:+15550001111@", "sip:u;p=v%40w@")],
        Answer(&[200, 404], &[]),
    ),
    (
        "4475 3.1.1.10 Vias of all kinds",
        "OPTIONS",
        &[("From:", "Via: SIP/2.0/NEWER a.example;branch=z9hG4bKa, SIP/2.0/TLS b.example;branch=z9hG4bKb\r\nFrom:")],
        PLAIN,
    ),
    (
        "4475 3.1.1.11 SDP among other parts",
        "INVITE",
        &[
            ("application/sdp", "multipart/mixed;boundary=\"b b\""),
            (
                "v=0",
                "--b b\r\nContent-Type: text/plain\r\n\r\n\u{1}\u{2}\r\n--b b\r\nContent-Type: application/sdp\r\n\r\nv=0",
            ),
            ("a=sendrecv\r\n", "a=sendrecv\r\n\r\n--b b--\r\n"),
        ],
        Routed(&[]),
    ),
    ("4475 3.1.2.1 separators without anything", "INVITE", &[(";branch=z9hG4bKown", ";;,;,,")], BAD),
    ("4475 3.1.2.2 less body than it says", "INVITE", &[("{length}", "9999")], BAD),
    ("4475 3.1.2.3 a negative length", "INVITE", &[("{length}", "-1")], BAD),
    ("4475 3.1.2.3 a length in words", "INVITE", &[("{length}", "five")], BAD),
    ("4475 3.1.2.4 a CSeq beyond 32 bits", "OPTIONS", &[("CSeq: 7", "CSeq: 4294967296")], BAD),
    ("4475 3.1.2.6 an open quote", "INVITE", &[("To: <", "To: \"open <")], BAD),
    ("4475 3.1.2.7 brackets around the Request-URI", "INVITE", &[(" sip:", " <sip:"), (" SIP/2.0", "> SIP/2.0")], BAD),
    ("4475 3.1.2.8 a blank in the Request-URI", "INVITE", &[("@192.0.2.1 SIP/2.0", "@192.0.2.1; lr SIP/2.0")], BAD),
    ("4475 3.1.2.9 two blanks in the request line", "INVITE", &[("INVITE sip:", "INVITE  sip:")], BAD),
    (
        "4475 3.1.2.10 blanks after the version",
        "OPTIONS",
        &[(" SIP/2.0\r\n", " SIP/2.0 \r\n")],
        Answer(&[400, 200], &[]),
    ),
    (
        "4475 3.1.2.11 headers in the Request-URI",
        "INVITE",
        &[("@192.0.2.1 SIP", "@192.0.2.1?Route=%3Csip:x%3E SIP")],
        BAD,
    ),
    (
        "4475 3.1.2.12 a Date of another zone",
        "INVITE",
        &[("Max-Forwards", "Date: yesterday, EST\r\nMax-Forwards")],
        Routed(&[]),
    ),
    (
        "4475 3.1.2.13 headers in a Contact without brackets",
        "INVITE",
        &[("<sip:own@198.51.100.1>\r\n", "sip:own@198.51.100.1?Route=%3Csip:x%3E\r\n")],
        BAD,
    ),
    ("4475 3.1.2.14 blanks within brackets", "OPTIONS", &[("To: <sip:", "To: < sip:")], BAD),
    ("4475 3.1.2.15 a comma in a bare name", "OPTIONS", &[("\"Own\"", "Own, Phone")], BAD),
    ("4475 3.1.2.16 another version", "OPTIONS", &[("1 SIP/2.0\r\n", "1 SIP/3.0\r\n")], Answer(&[505], &[])),
    ("4475 3.1.2.17 a CSeq of another method", "OPTIONS", &[("7 OPTIONS", "7 INVITE")], BAD),
    ("4475 3.1.2.18 an unknown method and a CSeq of another", "NEWER", &[("7 NEWER", "7 INVITE")], Answer(&[501], &[])),
    ("4475 3.2.1 a branch that is only its cookie", "OPTIONS", &[("z9hG4bKown", "z9hG4bK")], Answer(&[400, 200], &[])),
    (
        "4475 3.3.1 no From, To and Call-ID",
        "INVITE",
        &[("From:", "X-From:"), ("To:", "X-To:"), ("Call-ID:", "X-Call-ID:")],
        BAD,
    ),
    ("4475 3.3.2 an unknown scheme", "OPTIONS", &[("sip:+15550001111@192.0.2.1 ", "unheard:of ")], Answer(&[416], &[])),
    (
        "4475 3.3.3 a scheme of others",
        "INVITE",
        &[("sip:+15550001111@192.0.2.1 ", "http://a.example/ ")],
        Answer(&[416], &[]),
    ),
    (
        "4475 3.3.4 schemes of others in headers",
        "OPTIONS",
        &[("<sip:+14155550100@198.51.100.1>", "<http://a.example/>")],
        PLAIN,
    ),
    (
        "4475 3.3.5 what nobody supports",
        "INVITE",
        &[("Max-Forwards", "Require: one, two\r\nMax-Forwards")],
        Answer(&[420], &[("Unsupported", "one"), ("Unsupported", "two")]),
    ),
    (
        "4475 3.3.6 a body of another type",
        "INVITE",
        &[("application/sdp", "application/x-new")],
        Answer(&[415], &[("Accept", "application/sdp")]),
    ),
    (
        "4475 3.3.6 a body without a type",
        "INVITE",
        &[("Content-Type: application/sdp\r\n", "")],
        Answer(&[400, 415], &[]),
    ),
    (
        "4475 3.3.6 a body of another type that is optional",
        "INVITE",
        &[("application/sdp", "application/x-new\r\nContent-Disposition: render;handling=optional")],
        Routed(&[]),
    ),
    (
        "4475 3.3.6 an encoded body",
        "INVITE",
        &[("application/sdp", "application/sdp\r\nContent-Encoding: gzip")],
        Answer(&[415], &[("Accept-Encoding", "identity")]),
    ),
    (
        "4475 3.3.7 credentials of an unknown scheme",
        "REGISTER",
        &[("Max-Forwards", "Authorization: New x=y\r\nMax-Forwards")],
        NOT_SERVED,
    ),
    ("4475 3.3.8 two Call-IDs", "INVITE", &[("CSeq", "Call-ID: other@x\r\nCSeq")], BAD),
    ("4475 3.3.8 two To", "INVITE", &[("CSeq", "To: <sip:other@x>\r\nCSeq")], BAD),
    ("4475 3.3.9 two lengths", "OPTIONS", &[("{length}", "{length}\r\nContent-Length: 7")], BAD),
    ("4475 3.3.11 no hops left", "OPTIONS", &[("Max-Forwards: 70", "Max-Forwards: 0")], Answer(&[200, 483], &[])),
    ("4475 3.3.11 no hops left for a call", "INVITE", &[("Max-Forwards: 70", "Max-Forwards: 0")], Answer(&[483], &[])),
    (
        "4475 3.3.12 a parameter of a Contact",
        "REGISTER",
        &[("<sip:own@198.51.100.1>\r\n", "sip:own@198.51.100.1;x\r\n")],
        NOT_SERVED,
    ),
    (
        "4475 3.3.13 a parameter of a URI",
        "REGISTER",
        &[("<sip:own@198.51.100.1>\r\n", "<sip:own@198.51.100.1;x>\r\n")],
        NOT_SERVED,
    ),
    (
        "4475 3.3.14 a header of a URI",
        "REGISTER",
        &[("<sip:own@198.51.100.1>\r\n", "<sip:own@198.51.100.1?Route=x>\r\n")],
        NOT_SERVED,
    ),
    (
        "4475 3.3.15 no SDP wanted",
        "INVITE",
        &[("Max-Forwards", "Accept: text/plain\r\nMax-Forwards")],
        Answer(&[406, 400], &[]),
    ),
    (
        "4475 3.3.15 SDP wanted among others",
        "INVITE",
        &[("Max-Forwards", "Accept: text/plain\r\nAccept: a/b , Application/SDP;q=0.5\r\nMax-Forwards")],
        Routed(&[]),
    ),
    ("4475 3.3.15 everything wanted", "INVITE", &[("Max-Forwards", "Accept: */*\r\nMax-Forwards")], Routed(&[])),
    (
        "4475 3.4.1 as RFC 2543 had it",
        "INVITE",
        &[
            (";branch=z9hG4bKown", ""),
            (";tag=f", ""),
            ("Max-Forwards: 70\r\n", ""),
            ("Contact: <sip:own@198.51.100.1>\r\n", ""),
            ("Content-Length: {length}\r\n", ""),
        ],
        Routed(&[("Max-Forwards", "69")]),
    ),
    ("5118 4.1 an IPv6 address", "OPTIONS", &[("@192.0.2.1 SIP", "@[2001:db8::10] SIP")], PLAIN),
    ("5118 4.2 an IPv6 address without brackets", "OPTIONS", &[("@192.0.2.1 SIP", "@2001:db8::10 SIP")], BAD),
    (
        "5118 4.3 a port that is part of the address",
        "OPTIONS",
        &[("@192.0.2.1 SIP", "@[2001:db8::10:5070] SIP")],
        PLAIN,
    ),
    ("5118 4.4 a port after the address", "OPTIONS", &[("@192.0.2.1 SIP", "@[2001:db8::10]:5070 SIP")], PLAIN),
    ("5118 4.5 received with brackets", "OPTIONS", &[(";branch", ";received=[2001:db8::9];branch")], PLAIN),
    ("5118 4.5 received without brackets", "OPTIONS", &[(";branch", ";received=2001:db8::9;branch")], PLAIN),
    ("5118 4.6 IPv6 in SDP", "INVITE", &[("c=IN IP4 198.51.100.1", "c=IN IP6 2001:db8::20")], Routed(&[])),
    (
        "5118 4.7 addresses of both families",
        "BYE",
        &[
            ("From:", "Via: SIP/2.0/UDP [2001:db8::1]:6050;branch=z9hG4bKa\r\nVia: SIP/2.0/TCP 192.0.2.9\r\nFrom:"),
            ("To: <sip:+15550001111@192.0.2.1>", "To: <sip:+15550001111@192.0.2.1>;tag=x"),
        ],
        Answer(&[481], &[]),
    ),
    (
        "5118 4.8 streams of both families",
        "INVITE",
        &[("a=sendrecv\r\n", "a=sendrecv\r\nm=video 6024 RTP/AVP 107\r\nc=IN IP6 2001:db8::1\r\n")],
        Routed(&[]),
    ),
    ("5118 4.9 an IPv4 address within IPv6", "INVITE", &[("198.51.100.1;", "[::ffff:198.51.100.1];")], Routed(&[])),
    ("5118 4.10 three colons", "OPTIONS", &[("@192.0.2.1 SIP", "@[2001:db8:::192.0.2.1] SIP")], PLAIN),
    ("5118 4.10 two colons", "OPTIONS", &[("@192.0.2.1 SIP", "@[2001:db8::192.0.2.1] SIP")], PLAIN),
];

/// Cases whose verdict is not met yet. This list may only shrink.
const OWED: &[&str] = &[];

#[test]
fn every_message_of_our_own_gets_what_it_is_owed() {
    let mut wrong = Vec::new();
    for (name, method, edits, owes) in CASES {
        match (play(written(method, edits).as_bytes(), *owes), OWED.contains(name)) {
            (Ok(()), true) => wrong.push(format!("{name}: met, take it off OWED")),
            (Err(why), false) => wrong.push(format!("{name}: {why}")),
            (Ok(()), false) | (Err(_), true) => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// RFC 4475 §3.1.1.7.
#[test]
fn long_values_pass() {
    let long = |letter: &str| letter.repeat(900);
    let vias: String = (0..40).map(|hop| format!("Via: SIP/2.0/TCP hop{hop}.example\r\n")).collect();
    let message = written(
        "INVITE",
        &[
            ("\"Own\"", &format!("\"{}\"", long("Own "))),
            (";tag=f", &format!(";tag={}", long("f"))),
            ("Call-ID: own", &format!("Call-ID: {}", long("own"))),
            ("z9hG4bKown", &format!("z9hG4bK{}", long("b"))),
            ("From:", &format!("{vias}X-{}: {}\r\nFrom:", long("Long"), long("value"))),
        ],
    );
    play(message.as_bytes(), Routed(&[("Max-Forwards", "69")])).unwrap();
}

/// Nothing of the RFCs', a limit of ours.
#[test]
fn more_headers_than_are_read_are_refused() {
    let headers = |count: usize| format!("{}From:", "X-Y: 1\r\n".repeat(count));
    let message = |count: usize| written("OPTIONS", &[("From:", &headers(count))]);
    play(message(190).as_bytes(), PLAIN).unwrap();
    play(message(200).as_bytes(), Answer(&[513], &[])).unwrap();
}

/// RFC 4475 §3.1.1.12 and §3.1.1.13: phrases are for people.
#[test]
fn odd_reason_phrases_answer_a_call_all_the_same() {
    for phrase in ["= 2**3 * 5**2 что-то", "", "\t"] {
        let mut world = World::default();
        let (caller, callee) = (CARRIER.parse().unwrap(), Phone::new(PBX.parse().unwrap()));
        world.send(caller, written("INVITE", &[]).into());
        let invite = Message::scan(world.next_for(callee.address).unwrap()).unwrap();
        callee.respond(&mut world, &invite, 183, None);
        let via = invite.header_named("Via").unwrap();
        let odd = format!(
            "SIP/2.0 180 {phrase}\r\nVia: {via}\r\nFrom: {}\r\nTo: {};tag=odd\r\nCall-ID: {}\r\nCSeq: {}\r\n\r\n",
            invite.header_named("From").unwrap(),
            invite.header_named("To").unwrap(),
            invite.header_named("Call-ID").unwrap(),
            invite.header_named("CSeq").unwrap(),
        );
        world.send(callee.address, odd.into());
        last_said(&world, "180").unwrap();
        whole_call(&mut world, &invite).unwrap();
        world.assert_nothing_left();
    }
}

/// RFC 4475 §3.1.2.5, §3.1.2.19 and §3.3.10: responses that are nobody's, and a call beside them that goes on.
#[test]
fn responses_that_are_wrong_or_not_ours_are_dropped() {
    let mut world = World::default();
    let callee = Phone::new(PBX.parse().unwrap());
    world.send(CARRIER.parse().unwrap(), written("INVITE", &[]).into());
    let invite = Message::scan(world.next_for(callee.address).unwrap()).unwrap();
    let said = world.sent().len();
    let header = |name: &str| invite.header_named(name).unwrap().to_owned();
    let (via, cseq) = (header("Via"), header("CSeq"));
    for (status, via, cseq) in [
        ("4294967496", via.clone(), cseq.clone()),
        ("700", via.clone(), cseq.clone()),
        ("099", via.clone(), cseq.clone()),
        ("20", via.clone(), cseq.clone()),
        ("486", via.clone(), "4294967297 INVITE".to_owned()),
        ("486", format!("SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKx, {via}"), cseq.clone()),
        ("486", format!("{via}, SIP/2.0/UDP 255.255.255.255;branch=z9hG4bKx"), cseq.clone()),
    ] {
        let text = format!(
            "SIP/2.0 {status} Odd\r\nVia: {via}\r\nFrom: {}\r\nTo: {};tag=odd\r\nCall-ID: {}\r\nCSeq: {cseq}\r\n\r\n",
            header("From"),
            header("To"),
            header("Call-ID"),
        );
        let stray: &[u8] = text.as_bytes();
        world.send(callee.address, stray.to_vec().into());
        assert_eq!(world.sent().len(), said, "{status} {via} {cseq}");
    }
    whole_call(&mut world, &invite).unwrap();
    world.assert_nothing_left();
}

/// Responses and ACKs are never answered, however broken.
#[test]
fn broken_responses_and_acks_hear_nothing() {
    for text in [
        "SIP/2.0 200 OK\r\n\r\n",
        "SIP/2.0 200\r\nVia: ;;\r\n\r\n",
        "SIP/9.0 200 OK\r\nVia: SIP/2.0/UDP a\r\n\r\n",
        "ACK sip:a SIP/2.0\r\nVia: SIP/2.0/UDP a\r\n\r\n",
        "ACK <sip:a> SIP/7.0\r\nVia: SIP/2.0/UDP a\r\n\r\n",
        "INVITE sip:a SIP/2.0\r\n\r\n",
        "\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        play(text.as_bytes(), Silence).unwrap_or_else(|why| panic!("{text}: {why}"));
    }
}
