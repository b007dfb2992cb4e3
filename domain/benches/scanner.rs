//! What reading costs: framing and all checks of an INVITE with SDP, and of a 200.

#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark")]

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use domain::sip::wire::{Message, Writer, validate_request, validate_response};
use std::hint::black_box;

const SDP: &str = "v=0\r\no=- 3724394400 3724394405 IN IP4 198.51.100.1\r\ns=call\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\n\
                   m=audio 49172 RTP/AVP 9 8 0 18 101\r\na=rtpmap:9 G722/8000\r\na=rtpmap:8 PCMA/8000\r\n\
                   a=rtpmap:0 PCMU/8000\r\na=rtpmap:18 G729/8000\r\na=fmtp:18 annexb=no\r\n\
                   a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n";

fn invite() -> Bytes {
    let head = "INVITE sip:+4940123456@198.51.100.20:5060;transport=udp SIP/2.0\r\n\
                Via: SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bK-524287-1---a1b2c3d4e5f60718;rport\r\n\
                Via: SIP/2.0/UDP 192.0.2.30:5066;branch=z9hG4bK8f3e7a;received=192.0.2.30\r\n\
                Max-Forwards: 69\r\nRecord-Route: <sip:198.51.100.1;lr;ftag=9fxced76sl>\r\n\
                Contact: <sip:alice@192.0.2.30:5066;transport=udp>\r\nTo: \"Bob\" <sip:+4940123456@example.com>\r\n\
                From: \"Alice Example\" <sip:alice@example.com>;tag=9fxced76sl\r\n\
                Call-ID: 3848276298220188511@192.0.2.30\r\nCSeq: 1 INVITE\r\n\
                Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE\r\nSupported: replaces, timer, 100rel\r\n\
                Session-Expires: 1800\r\nMin-SE: 90\r\nUser-Agent: Example Phone 4.2\r\nSubject: hello\r\n\
                Content-Type: application/sdp\r\n";
    Bytes::from(format!("{head}Content-Length: {}\r\n\r\n{SDP}", SDP.len()))
}

fn ok() -> Bytes {
    let invite = Message::scan(invite()).unwrap();
    let mut writer = Writer::answer(&invite, 200, "198.51.100.1:5060".parse().unwrap(), Some("8321234356"));
    writer.copy(&invite, domain::sip::wire::HeaderName::RecordRoute);
    writer.copy(&invite, domain::sip::wire::HeaderName::Contact);
    writer.body("application/sdp", SDP.as_bytes()).unwrap()
}

fn scanner(criterion: &mut Criterion) {
    let (invite, ok) = (invite(), ok());
    println!("INVITE: {} bytes, {} headers", invite.len(), Message::scan(invite.clone()).unwrap().headers().count());
    criterion.bench_function("scan INVITE", |bench| bench.iter(|| Message::scan(black_box(invite.clone())).unwrap()));
    criterion.bench_function("scan and validate INVITE", |bench| {
        bench.iter(|| {
            let message = Message::scan(black_box(invite.clone())).unwrap();
            validate_request(&message).unwrap();
            message
        });
    });
    criterion.bench_function("scan and validate 200", |bench| {
        bench.iter(|| {
            let message = Message::scan(black_box(ok.clone())).unwrap();
            validate_response(&message).unwrap();
            message
        });
    });
    let message = Message::scan(invite).unwrap();
    let source = "198.51.100.1:5060".parse().unwrap();
    criterion.bench_function("write 100", |bench| {
        bench.iter(|| Writer::answer(black_box(&message), 100, source, None).finish().unwrap());
    });
}

criterion_group!(benches, scanner);
criterion_main!(benches);
