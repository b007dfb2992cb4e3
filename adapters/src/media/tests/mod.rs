//! The whole plane over loopback sockets. Nothing sleeps: every step waits for what proves the one before. A packet
//! that must *not* arrive is followed by one on the same socket that must, and arrives first.

use super::*;
use domain::ids::{LegId, SessionId};
use domain::media::{MediaSource, PathId, PortPair, PortSource, Side, SideStatistics};
use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::Receiver;
use std::time::Instant;

mod ports;
mod relaying;
mod sources;

const PATIENCE: Duration = Duration::from_secs(10);

struct World {
    plane: Option<MediaPlane>,
    pool: PortPool,
    reports: Receiver<MediaReport>,
}

impl World {
    fn with(settings: MediaSettings) -> Self {
        let (sender, reports) = channel();
        let (plane, pool) = MediaPlane::start(settings, move |batch| {
            batch.into_iter().for_each(|report| sender.send(report).unwrap());
        })
        .unwrap();
        Self { plane: Some(plane), pool, reports }
    }

    fn new() -> Self {
        Self::with(settings())
    }

    fn order(&self, order: MediaOrder) {
        self.plane.as_ref().unwrap().orders().order(vec![order]);
    }

    fn report(&self) -> MediaReport {
        self.reports.recv_timeout(PATIENCE).expect("a report")
    }

    /// A path between two phones, and the phones.
    fn call(&mut self, session: u128) -> Call {
        let phones = [Phone::at("127.0.0.1"), Phone::at("127.0.0.1")];
        let call = Call::between(session, phones, [self.pool.take().unwrap(), self.pool.take().unwrap()]);
        self.order(call.relay());
        call
    }

    fn close(&self, call: &Call) -> [SideStatistics; 2] {
        self.order(MediaOrder::Close { path: call.path });
        match self.report() {
            MediaReport::Closed { path, sides } if path == call.path => {
                assert_eq!(sides.map(|(leg, _)| leg), call.sides.each_ref().map(|side| side.leg));
                sides.map(|(_, statistics)| statistics)
            }
            other => panic!("expected the end of {:?}, got {other:?}", call.path),
        }
    }

    /// Takes a pair as soon as there is one.
    fn take(&mut self) -> PortPair {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(ports) = self.pool.take() {
                return ports;
            }
            std::thread::yield_now();
        }
        panic!("no pair came back");
    }
}

fn settings() -> MediaSettings {
    MediaSettings { threads: 1, ready_pairs: 8, rest: Duration::ZERO, ..MediaSettings::default() }
}

/// So many pairs that nobody uses, away from the default range.
fn free_range(pairs: u16) -> RangeInclusive<u16> {
    for _ in 0..1000 {
        let first = 30_000 + 2 * (getrandom::u32().unwrap() % 1000) as u16;
        let range = first..=first + 2 * pairs - 1;
        let free = range.clone().map_while(|port| UdpSocket::bind(("127.0.0.1", port)).ok()).count();
        if free == range.len() {
            return range;
        }
    }
    panic!("no {pairs} pairs in a row are free between 30000 and 32700");
}

struct Call {
    path: PathId,
    phones: [Phone; 2],
    sides: [Side; 2],
}

impl Call {
    fn between(session: u128, phones: [Phone; 2], ports: [PortPair; 2]) -> Self {
        let side = |index: usize| Side {
            leg: LegId::from_bits(session as u64 * 2 + index as u64),
            ports: ports[index],
            rtp: Some(phones[index].rtp.local_addr().unwrap()),
            rtcp: Some(phones[index].rtcp.local_addr().unwrap()),
            source: MediaSource::Sdp,
            latched: None,
            expects: true,
            sends: true,
            clock_rates: vec![(0, 8000)],
        };
        let sides = [side(0), side(1)];
        Self { path: PathId { session: SessionId::from_bits(session), stream: 0 }, phones, sides }
    }

    fn relay(&self) -> MediaOrder {
        MediaOrder::Relay { path: self.path, sides: Box::new(self.sides.clone()) }
    }

    /// A phone sends RTP to the exchange.
    fn send(&self, phone: usize, packet: &[u8]) {
        self.phones[phone].send(self.sides[phone].ports.rtp(), packet);
    }

    fn send_rtcp(&self, phone: usize, packet: &[u8]) {
        self.phones[phone].send_rtcp(self.sides[phone].ports.rtcp(), packet);
    }

    /// What one phone sends, the other hears, from the port that its SDP named.
    fn heard(&self, from: usize, packet: &[u8]) {
        self.send(from, packet);
        let to = 1 - from;
        let (heard, source) = self.phones[to].hear();
        assert_eq!((heard.as_slice(), source.port()), (packet, self.sides[to].ports.rtp()));
    }
}

struct Phone {
    rtp: UdpSocket,
    rtcp: UdpSocket,
    exchange: IpAddr,
}

impl Phone {
    fn at(address: &str) -> Self {
        let exchange = address.parse().unwrap();
        let bind = || {
            let socket = UdpSocket::bind(SocketAddr::new(exchange, 0)).unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            socket
        };
        Self { rtp: bind(), rtcp: bind(), exchange }
    }

    fn send(&self, port: u16, packet: &[u8]) {
        self.rtp.send_to(packet, (self.exchange, port)).unwrap();
    }

    fn send_rtcp(&self, port: u16, packet: &[u8]) {
        self.rtcp.send_to(packet, (self.exchange, port)).unwrap();
    }

    fn hear(&self) -> (Vec<u8>, SocketAddr) {
        received(&self.rtp)
    }

    fn hear_rtcp(&self) -> (Vec<u8>, SocketAddr) {
        received(&self.rtcp)
    }
}

fn received(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = vec![0; 65_536];
    let (length, from) = socket.recv_from(&mut buffer).expect("a packet");
    buffer.truncate(length);
    (buffer, from)
}

fn rtp(sequence: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 0];
    packet.extend(sequence.to_be_bytes());
    packet.extend((u32::from(sequence) * 160).to_be_bytes());
    packet.extend(7_u32.to_be_bytes());
    packet.extend((0..160).map(|n| (n as u16 ^ sequence) as u8));
    packet
}

/// A receiver report that 64/256 of what SSRC 7 sent was lost.
fn rtcp() -> Vec<u8> {
    let mut packet = vec![0x81, 201, 0, 7, 0, 0, 0, 9, 0, 0, 0, 7, 64];
    packet.extend([0; 19]);
    packet
}
