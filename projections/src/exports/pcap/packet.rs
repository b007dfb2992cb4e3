//! IP packets (RFC 791, RFC 8200) with UDP (RFC 768) or TCP (RFC 9293) in them.

use domain::address::Flow;
use domain::session::event::Way;
use std::net::{IpAddr, SocketAddr};

const UDP: u8 = 17;
const TCP: u8 = 6;
const UDP_HEAD: usize = 8;
const TCP_HEAD: usize = 20;
const V4_HEAD: usize = 20;
/// Payload of an Ethernet frame.
const MTU: usize = 1_500;
const HOPS: u8 = 64;

/// Whence and whither; both of one family.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ends {
    from: SocketAddr,
    to: SocketAddr,
}

impl Ends {
    /// A flow's ends as a message sees them that goes this way.
    pub fn of(flow: Flow, way: Way) -> Self {
        let ends = match way {
            Way::Received => Self { from: flow.remote, to: flow.local },
            Way::Sent => Self { from: flow.local, to: flow.remote },
        };
        match ends.from.is_ipv4() == ends.to.is_ipv4() {
            true => ends,
            false => Self { from: mapped(ends.from), to: mapped(ends.to) },
        }
    }

    /// The way back.
    pub const fn turned(self) -> Self {
        Self { from: self.to, to: self.from }
    }

    fn ip_head(self) -> usize {
        if self.from.is_ipv4() { V4_HEAD } else { 40 }
    }
}

/// An IPv4 address as IPv6 knows it (RFC 4291 §2.5.5.2).
fn mapped(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) => SocketAddr::new(ip.to_ipv6_mapped().into(), address.port()),
        IpAddr::V6(_) => address,
    }
}

/// A datagram with as much of `data` as one can hold: 65,507 bytes over IPv4, 65,527 over IPv6.
pub(super) fn datagram(ends: Ends, data: &[u8]) -> Vec<u8> {
    let head = if ends.from.is_ipv4() { V4_HEAD + UDP_HEAD } else { UDP_HEAD };
    let data = data.get(..usize::from(u16::MAX) - head).unwrap_or(data);
    let mut udp = Vec::with_capacity(UDP_HEAD + data.len());
    for half in [ends.from.port(), ends.to.port(), length_of(UDP_HEAD + data.len()), 0] {
        udp.extend_from_slice(&half.to_be_bytes());
    }
    udp.extend_from_slice(data);
    // Zero says that there is no checksum.
    let sum = match checksum(ends, UDP, &udp) {
        0 => u16::MAX,
        sum => sum,
    };
    udp[6..8].copy_from_slice(&sum.to_be_bytes());
    packet(ends, UDP, &udp)
}

/// What a segment says beside its data.
#[derive(Debug, Clone, Copy)]
pub(super) struct TcpFlags(u8);

impl TcpFlags {
    pub const SYN: Self = Self(0x02);
    pub const ACK: Self = Self(0x10);
    pub const SYN_ACK: Self = Self(0x12);
    /// The end of a message.
    pub const PUSH: Self = Self(0x18);
}

/// A TCP segment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Segment<'a> {
    pub sequence: u32,
    pub acknowledged: u32,
    pub flags: TcpFlags,
    pub data: &'a [u8],
}

/// How many bytes go in a segment over Ethernet.
pub(super) fn segment_room(ends: Ends) -> usize {
    MTU - ends.ip_head() - TCP_HEAD
}

/// A segment of at most [`segment_room`] bytes.
pub(super) fn segment(ends: Ends, segment: &Segment<'_>) -> Vec<u8> {
    let mut tcp = Vec::with_capacity(TCP_HEAD + segment.data.len());
    for half in [ends.from.port(), ends.to.port()] {
        tcp.extend_from_slice(&half.to_be_bytes());
    }
    for word in [segment.sequence, segment.acknowledged] {
        tcp.extend_from_slice(&word.to_be_bytes());
    }
    // Five words of head, the flags, the widest window, no checksum yet, nothing urgent.
    tcp.extend_from_slice(&[0x50, segment.flags.0, 0xff, 0xff, 0, 0, 0, 0]);
    tcp.extend_from_slice(segment.data);
    let sum = checksum(ends, TCP, &tcp);
    tcp[16..18].copy_from_slice(&sum.to_be_bytes());
    packet(ends, TCP, &tcp)
}

fn packet(ends: Ends, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = Vec::with_capacity(40 + payload.len());
    match (ends.from.ip(), ends.to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            packet.extend_from_slice(&[0x45, 0]);
            packet.extend_from_slice(&length_of(V4_HEAD + payload.len()).to_be_bytes());
            // No identification, no fragments.
            packet.extend_from_slice(&[0, 0, 0, 0, HOPS, protocol, 0, 0]);
            packet.extend_from_slice(&from.octets());
            packet.extend_from_slice(&to.octets());
            let sum = folded(sum_of(&packet));
            packet[10..12].copy_from_slice(&sum.to_be_bytes());
        }
        (from, to) => {
            packet.extend_from_slice(&[0x60, 0, 0, 0]);
            packet.extend_from_slice(&length_of(payload.len()).to_be_bytes());
            packet.extend_from_slice(&[protocol, HOPS]);
            packet.extend_from_slice(&octets(from));
            packet.extend_from_slice(&octets(to));
        }
    }
    packet.extend_from_slice(payload);
    packet
}

fn length_of(length: usize) -> u16 {
    u16::try_from(length).unwrap_or(u16::MAX)
}

fn octets(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

/// The Internet checksum (RFC 1071) over the pseudo header and the payload.
fn checksum(ends: Ends, protocol: u8, payload: &[u8]) -> u16 {
    let addresses: Vec<u8> = [octets(ends.from.ip()), octets(ends.to.ip())].concat();
    let length = u64::from(length_of(payload.len()));
    folded(sum_of(&addresses) + u64::from(protocol) + length + sum_of(payload))
}

fn sum_of(bytes: &[u8]) -> u64 {
    let words = bytes.chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
    words.map(u64::from).sum()
}

fn folded(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(0)
}
