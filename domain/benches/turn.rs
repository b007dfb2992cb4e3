//! What a turn costs without a socket and a disk: an INVITE in, its append out; and a whole call.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a benchmark")]

use bytes::Bytes;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use domain::address::{EdgeRole, Flow, Transport};
use domain::codec::seal::{KeyRef, SealKey};
use domain::draws::Draws;
use domain::exchange::{Effect, Exchange, ExchangeSettings, Listener};
use domain::ids::AccountId;
use domain::log::{Append, Durable, Outcome, Position, Revision, StreamName};
use domain::media::{MediaOrder, MediaReport, PathId, PortPair, PortSource, SideStatistics};
use domain::ports::Mint;
use domain::routing::{Provisioned, ProvisioningEvent, Tables};
use domain::sip::endpoint::EndpointSettings;
use domain::sip::session_timer::SessionIntervals;
use domain::sip::timer::TimerValues;
use domain::sip::wire::{HeaderName, Message};
use domain::time::{Moment, Now, WallTime};
use serde_json::json;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

const EXCHANGE: &str = "192.0.2.1:5060";
const CARRIER: &str = "198.51.100.1:5060";
const PBX: &str = "203.0.113.1:5060";

/// Draws in order, so that two calls of two exchanges are the same byte for byte.
struct Counting {
    draws: Draws,
    port: u16,
}

impl Mint for Counting {
    fn draws(&mut self) -> &mut Draws {
        &mut self.draws
    }

    fn seal_key(&mut self, _: AccountId) -> Option<(KeyRef, SealKey)> {
        Some((KeyRef(1), SealKey::from_bytes([7; 32])))
    }

    fn ports(&mut self) -> &mut dyn PortSource {
        self
    }
}

impl PortSource for Counting {
    fn take(&mut self) -> Option<PortPair> {
        self.port += 2;
        PortPair::at(self.port)
    }

    fn claim(&mut self, _: PortPair) {}

    fn address(&self) -> IpAddr {
        IpAddr::from([192, 0, 2, 9])
    }
}

/// An exchange before a log that is durable at once.
struct Bench {
    exchange: Exchange,
    mint: Counting,
    now: Now,
    /// The legs of a path, by path.
    paths: HashMap<PathId, [domain::ids::LegId; 2]>,
}

fn tables() -> Tables {
    let id = |prefix: &str, number: u8| format!("{prefix}{number:032x}");
    let trunk = |number, kind, address| {
        let settings = json!({ "name": kind, "kind": kind, "ring_timeout": 20, "addresses": [address] });
        ("trunk", "TrunkAdded", json!({ "id": id("TK", number), "account": id("AC", 1), "settings": settings }))
    };
    let target = json!({ "sip": format!("sip:reception@{PBX}") });
    let number = json!({ "id": id("PN", 1), "number": "+15550001111", "account": id("AC", 1), "target": target });
    let events = [
        ("account", "AccountOpened", json!({ "account": id("AC", 1), "name": "bench" })),
        trunk(1, "carrier", CARRIER),
        trunk(2, "pbx", PBX),
        ("number", "NumberClaimed", number),
    ];
    let mut tables = Tables::default();
    for (position, (category, kind, data)) in (1..).zip(events) {
        let data = serde_json::to_vec(&data).unwrap();
        let event = ProvisioningEvent::decode(category, kind, 1, &data).unwrap().unwrap();
        let at = WallTime::from_micros(0);
        tables.apply(&Provisioned { position: Position(position), revision: Revision(0), at, event });
    }
    tables
}

impl Bench {
    fn new() -> Self {
        let settings = ExchangeSettings {
            epoch: 1,
            algorithms: domain::sip::digest::Algorithm::ALL.to_vec(),
            secret: SealKey::from_bytes([9; 32]),
            endpoint: EndpointSettings {
                timers: TimerValues::default(),
                software: "Strowger".into(),
                tag_secret: 7,
                intervals: SessionIntervals::default(),
            },
            node: 1,
            edge_stream: StreamName::new("edge", "1-0-1"),
            domain: Some("exchange.example".into()),
            ping: None,
            listeners: vec![Listener {
                address: EXCHANGE.parse().unwrap(),
                role: EdgeRole::Carrier,
                transport: domain::address::Transport::Udp,
            }],
            guard: domain::exchange::GuardSettings::default(),
            may_wait: None,
        };
        let now = Now { wall: WallTime::from_micros(1_800_000_000_000_000), moment: Moment::from_micros(1_000_000) };
        let mut mint = Counting { draws: Draws::new([7; 32], 1, 1, 0), port: 20_000 };
        let mut exchange = Exchange::new(settings, tables());
        exchange.serve(now, &mut mint);
        Self { exchange, mint, now, paths: HashMap::new() }
    }

    /// A message in, what is to be appended out.
    fn turn(&mut self, from: SocketAddr, bytes: Bytes) -> Vec<Append> {
        let flow = Flow { transport: Transport::Udp, local: EXCHANGE.parse().unwrap(), remote: from };
        self.exchange.receive(self.now, &mut self.mint, flow, bytes);
        self.exchange.appends(self.now, &mut self.mint)
    }

    /// A message in, and all that follows from it; what leaves out.
    fn whole(&mut self, from: SocketAddr, bytes: Bytes) -> Vec<(SocketAddr, Bytes)> {
        let mut appends = self.turn(from, bytes);
        let mut left = Vec::new();
        while !appends.is_empty() {
            for append in appends {
                let last = Revision(append.expected.next().0 + append.events.len() as u64 - 1);
                let durable = Durable::after_commit(append.stream.clone(), last, Position(last.0 + 1));
                self.exchange.landed(Outcome { stream: append.stream, result: Ok(durable) }).unwrap();
            }
            for effect in self.exchange.effects() {
                match effect {
                    Effect::Transmit { flow, bytes } => left.push((flow.remote, bytes)),
                    Effect::Media(order) => self.media(order),
                    Effect::Bind(_) | Effect::Proceed(..) | Effect::Stand(_) => {}
                }
            }
            appends = self.exchange.appends(self.now, &mut self.mint);
        }
        left
    }

    fn media(&mut self, order: MediaOrder) {
        match order {
            MediaOrder::Relay { path, sides } => {
                self.paths.insert(path, [sides[0].leg, sides[1].leg]);
            }
            MediaOrder::Close { path } => {
                let sides = self.paths.remove(&path).unwrap().map(|leg| (leg, SideStatistics::default()));
                self.exchange.report(self.now, &mut self.mint, &MediaReport::Closed { path, sides });
            }
            MediaOrder::Return { .. } => {}
        }
    }
}

fn sdp(address: &str) -> String {
    let ip = address.parse::<SocketAddr>().unwrap().ip();
    format!(
        "v=0\r\no=- 3724394400 3724394405 IN IP4 {ip}\r\ns=call\r\nc=IN IP4 {ip}\r\nt=0 0\r\n\
         m=audio 40000 RTP/AVP 8 0 9 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:9 G722/8000\r\n\
         a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
    )
}

/// A request of the caller: where it goes, and the To that it names.
fn request(method: &str, cseq: u32, target: &str, to: &str, body: &str) -> Bytes {
    let content = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    Bytes::from(format!(
        "{method} {target} SIP/2.0\r\nVia: SIP/2.0/UDP {CARRIER};branch=z9hG4bK-{method}-{cseq};rport\r\n\
         Max-Forwards: 70\r\nFrom: \"Alice\" <sip:+14155550100@{CARRIER}>;tag=caller\r\nTo: {to}\r\n\
         Call-ID: 3848276298220188511@198.51.100.1\r\nCSeq: {cseq} {method}\r\nContact: <sip:alice@{CARRIER}>\r\n\
         Allow: INVITE, ACK, CANCEL, BYE, OPTIONS\r\nUser-Agent: Example Phone 4.2\r\n{content}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    ))
}

/// A response of the callee.
fn response(request: &Message, status: &str, body: &str) -> Bytes {
    let content = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    let header = |name| request.header(name).unwrap();
    let (via, from, to) = (header(HeaderName::Via), header(HeaderName::From), header(HeaderName::To));
    let to = if to.contains(";tag=") { to.to_owned() } else { format!("{to};tag=callee") };
    let (call_id, cseq) = (header(HeaderName::CallId), header(HeaderName::CSeq));
    Bytes::from(format!(
        "SIP/2.0 {status}\r\nVia: {via}\r\nFrom: {from}\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: {cseq}\r\n\
         Contact: <sip:reception@{PBX}>\r\n{content}Content-Length: {}\r\n\r\n{body}",
        body.len()
    ))
}

fn invite() -> Bytes {
    let target = format!("sip:+15550001111@{EXCHANGE}");
    request("INVITE", 1, &target, &format!("<{target}>"), &sdp(CARRIER))
}

/// What carrier and PBX send in a basic call, in order. An exchange that is new is told the same again.
fn script() -> Vec<(SocketAddr, Bytes)> {
    let (carrier, pbx): (SocketAddr, SocketAddr) = (CARRIER.parse().unwrap(), PBX.parse().unwrap());
    let (mut bench, mut said) = (Bench::new(), Vec::new());
    let mut say = |from: SocketAddr, bytes: Bytes, expected: &[(SocketAddr, &str)]| {
        said.push((from, bytes.clone()));
        let left = bench.whole(from, bytes);
        assert_eq!(left.len(), expected.len(), "{left:?}");
        for (to, begins) in expected {
            assert!(left.iter().any(|(at, bytes)| at == to && bytes.starts_with(begins.as_bytes())), "{left:?}");
        }
        left.into_iter().map(|(to, bytes)| (to, Message::scan(bytes).unwrap())).collect::<Vec<_>>()
    };
    let to = |left: Vec<(SocketAddr, Message)>, whom| left.into_iter().rfind(|(at, _)| *at == whom).unwrap().1;
    let invited = to(say(carrier, invite(), &[(carrier, "SIP/2.0 100"), (pbx, "INVITE")]), pbx);
    say(pbx, response(&invited, "180 Ringing", ""), &[(carrier, "SIP/2.0 180")]);
    let answer = response(&invited, "200 OK", &sdp(PBX));
    let answered = to(say(pbx, answer, &[(carrier, "SIP/2.0 200"), (pbx, "ACK")]), carrier);
    let target = answered.contacts().next().unwrap().unwrap().uri.as_str().to_owned();
    let callee = answered.header(HeaderName::To).unwrap().to_owned();
    say(carrier, request("ACK", 1, &target, &callee, ""), &[]);
    let bye = request("BYE", 2, &target, &callee, "");
    let bye = to(say(carrier, bye, &[(carrier, "SIP/2.0 200"), (pbx, "BYE")]), pbx);
    say(pbx, response(&bye, "200 OK", ""), &[]);
    assert_eq!(bench.exchange.census().live_sessions, 0);
    said
}

fn turn(criterion: &mut Criterion) {
    let script = script();
    let (from, invite) = script.first().unwrap().clone();
    criterion.bench_function("turn/INVITE in, append out", |bench| {
        bench.iter_batched_ref(Bench::new, |bench| bench.turn(from, invite.clone()), BatchSize::SmallInput);
    });
    criterion.bench_function("turn/basic call", |bench| {
        let run = |bench: &mut Bench| {
            let left = script.iter().map(|(from, bytes)| bench.whole(*from, bytes.clone()).len());
            left.sum::<usize>()
        };
        assert_eq!(run(&mut Bench::new()), 7);
        bench.iter_batched_ref(Bench::new, run, BatchSize::SmallInput);
    });
}

criterion_group!(benches, turn);
criterion_main!(benches);
