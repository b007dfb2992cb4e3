//! Random mutations and random messages, from fixed seeds.

use super::{
    HeaderName, Message, Method, Start, UriBuf, Writer, escape_user, quoted, validate_request, validate_response,
};
use bytes::Bytes;
use std::net::SocketAddr;

/// Marsaglia's xorshift64*: plain and repeatable.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() >> 33) as usize % limit.max(1)
    }
}

const SEEDS: [&str; 3] = [
    "INVITE sip:b%20c:pw@[2001:db8::1]:5070;lr;transport=udp SIP/2.0\r\nVia: SIP/2.0/UDP a.example:5060;branch=z9hG4bK1;\
     rport , SIP / 2.0/TCP [::1];received=[::2]\r\nFrom: \"A \\\"B\\\" , ;\" <sip:a@a.example>;tag=1\r\nt: Bob\r\n \
     <sip:b@b.example>\r\nCall-ID: 1@a.example\r\nCSeq: 1\r\n INVITE\r\nMax-Forwards: 70\r\nContact: <sip:a@192.0.2.1>;\
     expires=60\r\nRoute: <sip:p;lr>,<sip:q;lr>\r\nRecord-Route: <sip:r;lr>\r\nSupported: 100rel, timer\r\n\
     Content-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n",
    "REGISTER sip:b.example SIP/2.0\nv: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK2\nf: tel:+49401;tag=2\nt: sip:b@b.example\n\
     i: 2\nCSeq: 2 REGISTER\nRAck: 9 1 INVITE\nm: *\nl: 0\n\n",
    "SIP/2.0 200 Größe\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK3;rport=5;received=192.0.2.1\r\nFrom: <sip:a@b>;tag=3\r\n\
     To: <sip:c@d>;tag=4\r\nCall-ID: 3\r\nCSeq: 3 BYE\r\nRSeq: 9\r\nContact: <sip:a@b>, \"x\" <sip:c@d>\r\n\r\n",
];
const PIECES: [&[u8]; 16] = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b"\"",
    b"\\",
    b"<",
    b">",
    b";",
    b",",
    b":",
    b"%",
    b" ",
    b"\xff",
    b"\r\n ",
    b"\r\n\r\n",
];

fn mutate(random: &mut Random, bytes: &mut Vec<u8>) {
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len());
        match random.below(6) {
            0 => bytes[at] = random.next() as u8,
            1 => drop(bytes.drain(at..(at + random.below(12)).min(bytes.len()))),
            2 => drop(bytes.splice(at..at, PIECES[random.below(PIECES.len())].iter().copied())),
            3 => bytes.truncate(at.max(1)),
            4 => {
                let end = (at + random.below(40)).min(bytes.len());
                let copied = bytes[at..end].to_vec();
                let to = random.below(bytes.len());
                drop(bytes.splice(to..to, copied));
            }
            _ => bytes[at] = PIECES[random.below(PIECES.len())][0],
        }
        if bytes.is_empty() {
            bytes.push(b'\n');
        }
    }
}

/// Reads everything there is to read.
fn exercise(message: &Message) -> usize {
    let mut read = message.headers().map(|header| header.raw_name.len() + header.value.len()).sum::<usize>();
    for name in [HeaderName::Via, HeaderName::Supported, HeaderName::Contact] {
        read += message.values(name).map(str::len).sum::<usize>();
    }
    let addresses = message.contacts().chain(message.routes()).chain(message.record_routes());
    for address in addresses.chain([message.from(), message.to()]).flatten() {
        read += address.display_text().map_or(0, |name| name.len()) + address.tag().map_or(0, str::len);
        read += address.uri.user_text().map_or(0, |user| user.len()) + address.uri.params().count();
        assert_eq!(UriBuf::from(address.uri).as_uri(), address.uri);
    }
    for via in message.vias().flatten() {
        read += usize::from(via.received().is_some()) + via.params.iter().count() + via.maddr().iter().count();
    }
    read += message.rseq().is_ok_and(|rseq| rseq != Some(0)) as usize;
    if let Ok(rack) = message.rack() {
        assert!(rack.rseq > 0 && rack.cseq.number < 1 << 31 && !rack.cseq.method.is_empty());
    }
    read + message.body().len() + message.body_bytes().len()
}

#[test]
fn mutated_messages_never_panic_and_keep_their_bytes() {
    let mut random = Random(0x5eed_0001);
    let source: SocketAddr = "192.0.2.7:7".parse().unwrap();
    let (mut valid, mut answered, mut dropped) = (0, 0, 0);
    // Unoptimised it takes 80 µs a message.
    let rounds = if cfg!(debug_assertions) { 40_000 } else { 400_000 };
    for round in 0..rounds {
        let mut bytes = SEEDS[round % SEEDS.len()].as_bytes().to_vec();
        mutate(&mut random, &mut bytes);
        let scanned = Message::scan(Bytes::from(bytes.clone()));
        let (message, good) = match &scanned {
            Ok(message) if message.is_request() => (Some(message), validate_request(message).is_ok()),
            Ok(message) => (Some(message), validate_response(message).is_ok()),
            Err(unreadable) => (unreadable.partial(), false),
        };
        let Some(message) = message else {
            dropped += 1;
            continue;
        };
        assert_eq!(message.bytes(), &bytes);
        exercise(message);
        if good {
            valid += 1;
        }
        if message.is_answerable() {
            answered += 1;
            let written = Writer::answer(message, 400, source, Some("t")).finish().unwrap();
            let answer = Message::scan(written).unwrap();
            assert_eq!(answer.status(), Some(400));
            assert_eq!(answer.vias().count(), message.vias().count());
            assert!(!good || validate_response(&answer).is_ok(), "{:?}", String::from_utf8_lossy(&bytes));
        }
    }
    // Had the mutations become so wild or tame that one outcome vanished, this test would show nothing.
    let enough = valid > rounds / 50 && answered > rounds / 10 && dropped > rounds / 10;
    assert!(enough, "{valid} {answered} {dropped}");
}

fn text(random: &mut Random, letters: &[char]) -> String {
    (0..=random.below(12)).map(|_| letters[random.below(letters.len())]).collect()
}

#[test]
fn what_the_writer_writes_the_scanner_reads_back() {
    let mut random = Random(0x5eed_0002);
    let any: Vec<char> = "aZ9 \t,;<>\"\\@:%#?=/é漢\u{1}\r\n\0".chars().collect();
    let token: Vec<char> = "aZ9-.!%*_+`'~".chars().collect();
    for _ in 0..5_000 {
        let (name, user, tag) = (text(&mut random, &any), text(&mut random, &any), text(&mut random, &token));
        let header = format!("X-{}", text(&mut random, &token));
        let body: Vec<u8> = (0..random.below(64)).map(|_| random.next() as u8).collect();
        let uri = format!("sip:{}@[2001:db8::1]:5070;lr", escape_user(&user));
        let method = Method::parse(&text(&mut random, &token)).unwrap();
        let mut writer = Writer::request(&method, &uri);
        writer.header(HeaderName::Via, "SIP/2.0/UDP a;branch=z9hG4bK1");
        writer.header_fmt(HeaderName::From, format_args!("{} <{uri}>;tag={tag}", quoted(&name)));
        writer.header_fmt(HeaderName::To, format_args!("<{uri}>")).header(HeaderName::CallId, &tag);
        writer.header_fmt(HeaderName::CSeq, format_args!("1 {method}")).header_raw(&header, "x, y");
        let message = Message::scan(writer.body("a/b", &body).unwrap()).unwrap();
        assert_eq!(validate_request(&message), Ok(()), "{:?}", message.bytes());
        assert_eq!(message.start(), Start::Request { method: &method, uri: &uri });
        let from = message.from().unwrap();
        let plain: String = name.chars().filter(|letter| !letter.is_control()).collect();
        assert_eq!(from.display_text().unwrap(), plain);
        assert_eq!((from.uri.user_text(), from.tag()), (Some(user), Some(tag.as_str())));
        assert_eq!((message.header_named(&header), message.body()), (Some("x, y"), &body[..]));
    }
}

#[test]
fn no_message_takes_more_than_linear_time() {
    // Each of these would take minutes if anything were quadratic in the message's length.
    let heads = ["Contact: ", "Via: SIP/2.0/UDP a", "From: <sip:a@b>", "Route: ", "To: \"", "Call-ID: "];
    let fillers = [";a", ",", "<", "\"\\", "@", "\r\n ", "%41", " ", "\r", "\u{e9}"];
    for head in heads {
        for filler in fillers {
            let text = format!("INVITE sip:a SIP/2.0\r\n{head}{}\r\n\r\n", filler.repeat(60_000 / filler.len()));
            let scanned = Message::scan(Bytes::from(text));
            let message = scanned.as_ref().ok().or(scanned.as_ref().err().and_then(|error| error.partial())).unwrap();
            let verdict = validate_request(message);
            assert!(verdict.is_err());
            exercise(message);
        }
    }
}
