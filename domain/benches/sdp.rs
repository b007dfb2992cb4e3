//! What reading and rewriting a session description cost on the call path: twice a message.

use criterion::{Criterion, criterion_group, criterion_main};
use domain::media::PortPair;
use domain::sdp::{Anchor, OurOrigin, describe, rewrite, same_media};
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

const AUDIO: &[u8] =
    b"v=0\r\no=- 3724394400 3724394405 IN IP4 192.0.2.10\r\ns=call\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n\
    m=audio 40000 RTP/AVP 8 0 9 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:9 G722/8000\r\n\
    a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=rtcp:40001 IN IP4 192.0.2.10\r\na=ptime:20\r\n\
    a=sendrecv\r\n";

fn sdp(criterion: &mut Criterion) {
    let ports = [PortPair::at(20000)];
    let origin = OurOrigin { id: 7_000_000_000, version: 3 };
    let anchor = Anchor { address: IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1)), ports: &ports, origin };
    criterion.bench_function("sdp/describe", |bench| bench.iter(|| describe(black_box(AUDIO))));
    criterion.bench_function("sdp/rewrite", |bench| bench.iter(|| rewrite(black_box(AUDIO), &anchor)));
    let other = AUDIO.to_vec();
    criterion.bench_function("sdp/same_media", |bench| bench.iter(|| same_media(black_box(AUDIO), &other)));
}

criterion_group!(benches, sdp);
criterion_main!(benches);
