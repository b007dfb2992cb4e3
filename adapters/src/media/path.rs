//! One path between two peers as its thread sees it: who may send, and where each packet goes. Pure: sockets and
//! clocks are the thread's.

use super::meter::SideMeter;
use domain::ids::LegId;
use domain::media::{MediaSource, PathId, PortPair, Side};
use std::net::{IpAddr, SocketAddr};

/// Packets of the source before a move that do not pin it again: what was under way, and what is sent until our answer is there.
const UNDER_WAY: u8 = 50;

/// Payload types a side may name clock rates for; the rest keeps 8000 Hz.
const MAX_CLOCK_RATES: usize = 32;

/// A stream between two peers.
#[derive(Debug)]
pub(super) struct RelayPath {
    pub id: PathId,
    pub sides: [RelaySide; 2],
}

/// One peer, our sockets towards it, and the account of what it sends.
#[derive(Debug)]
pub(super) struct RelaySide {
    pub leg: LegId,
    pub ports: PortPair,
    pub meter: SideMeter,
    source: MediaSource,
    /// Where SDP last said the peer is; it stays the accepted source while SDP says nowhere (hold by 0.0.0.0).
    known_rtp: Option<SocketAddr>,
    known_rtcp: Option<SocketAddr>,
    wants_rtp: bool,
    wants_rtcp: bool,
    sends: bool,
    latched: Option<SocketAddr>,
    /// The source before the peer moved, and how many more of its packets are taken for what was under way.
    left: Option<(SocketAddr, u8)>,
    /// Where RTCP of a latched peer came from: behind NAT that port is no other's.
    latched_rtcp: Option<SocketAddr>,
    clock_rates: Vec<(u8, u32)>,
}

/// Whether a packet is the peer's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// It is.
    Known,
    /// It is the first, and pins its source.
    Latched,
    /// It is somebody else's.
    Stranger,
}

/// Where a packet leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Destination {
    /// Our port.
    pub from: u16,
    /// The peer's address.
    pub to: SocketAddr,
}

impl RelaySide {
    /// The side as ordered, with nothing counted yet.
    pub fn new(order: &Side, now_us: u64) -> Self {
        let mut side = Self::fresh(order);
        side.apply(order, now_us);
        side
    }

    /// The side without what the order says of its peer.
    fn fresh(order: &Side) -> Self {
        Self {
            leg: order.leg,
            ports: order.ports,
            meter: SideMeter::new(),
            source: order.source,
            known_rtp: None,
            known_rtcp: None,
            wants_rtp: false,
            wants_rtcp: false,
            sends: false,
            latched: None,
            left: None,
            latched_rtcp: None,
            clock_rates: Vec::new(),
        }
    }

    /// Makes the side what the order says. Counters stay, except when it faces another leg now. A latch stays while
    /// SDP names the same address; the order's own pinned source wins over ours.
    pub fn apply(&mut self, order: &Side, now_us: u64) {
        if self.leg != order.leg {
            // Nothing that was learned of the other leg's peer is true of this one's.
            *self = Self::fresh(order);
        }
        let moved = order.rtp.is_some_and(|to| self.known_rtp != Some(to));
        if moved || order.source != self.source {
            self.left = self.latched.take().map(|source| (source, UNDER_WAY));
            self.latched_rtcp = None;
        }
        if order.latched.is_some() && order.latched != self.latched {
            self.latched = order.latched;
            self.left = None;
            self.latched_rtcp = None;
        }
        self.ports = order.ports;
        self.source = order.source;
        self.known_rtp = order.rtp.or(self.known_rtp);
        self.known_rtcp = order.rtcp.or(self.known_rtcp);
        self.wants_rtp = order.rtp.is_some();
        self.wants_rtcp = order.rtcp.is_some();
        self.sends = order.sends;
        self.clock_rates.clear();
        self.clock_rates.extend(order.clock_rates.iter().take(MAX_CLOCK_RATES));
        self.meter.expect(order.expects, now_us);
    }

    /// Judges the source of an RTP packet; the first one of a latching side pins it.
    pub fn admit_rtp(&mut self, from: SocketAddr) -> Admission {
        let known = match (self.source, self.latched) {
            (MediaSource::Latch, None) => {
                if self.is_under_way(from) {
                    return Admission::Known;
                }
                (self.latched, self.left) = (Some(from), None);
                return Admission::Latched;
            }
            (MediaSource::Latch, pinned) => pinned,
            (MediaSource::Sdp, _) => self.known_rtp,
        };
        if known == Some(from) { Admission::Known } else { Admission::Stranger }
    }

    /// Whether a packet is from where the peer was before it moved, and soon after that.
    fn is_under_way(&mut self, from: SocketAddr) -> bool {
        match &mut self.left {
            Some((source, more)) if *source == from && *more > 0 => {
                *more -= 1;
                true
            }
            _ => false,
        }
    }

    /// Judges the source of an RTCP packet. RTCP never latches: it follows the address that RTP pinned.
    pub fn admit_rtcp(&mut self, from: SocketAddr, on_rtcp_port: bool) -> Admission {
        let known = match self.source {
            MediaSource::Sdp => self.known_rtcp == Some(from) || self.known_rtp == Some(from),
            MediaSource::Latch => self.latched.is_some_and(|pinned| pinned.ip() == from.ip()),
        };
        if known && on_rtcp_port && self.source == MediaSource::Latch {
            self.latched_rtcp = Some(from);
        }
        if known { Admission::Known } else { Admission::Stranger }
    }

    /// Where RTP for this peer leaves; `None` while it does not want any.
    pub fn rtp_destination(&self) -> Option<Destination> {
        let to = self.latched.or(self.known_rtp)?;
        (self.sends && self.wants_rtp).then_some(Destination { from: self.ports.rtp(), to })
    }

    /// Where RTCP for this peer leaves. It flows on hold too (RFC 3264 §5.1); with rtcp-mux over the RTP ports.
    pub fn rtcp_destination(&self) -> Option<Destination> {
        let to = self.known_rtcp.filter(|_| self.wants_rtcp)?;
        if self.known_rtp == Some(to) {
            return Some(Destination { from: self.ports.rtp(), to: self.latched.unwrap_or(to) });
        }
        let behind_nat = self.latched.map(|pinned| SocketAddr::new(pinned.ip(), to.port()));
        Some(Destination { from: self.ports.rtcp(), to: self.latched_rtcp.or(behind_nat).unwrap_or(to) })
    }

    /// Ticks a second of a payload type's timestamps.
    pub fn clock_rate(&self, payload_type: u8) -> u32 {
        self.clock_rates.iter().find(|(named, _)| *named == payload_type).map_or(8000, |(_, rate)| *rate)
    }
}

/// The order with addresses as our sockets spell them: sockets bound to `::` know IPv4 peers by mapped addresses.
pub(super) fn spelled(mut side: Side, dual_stack: bool) -> Side {
    if dual_stack {
        for address in [&mut side.rtp, &mut side.rtcp, &mut side.latched].into_iter().flatten() {
            if let IpAddr::V4(v4) = address.ip() {
                address.set_ip(IpAddr::V6(v4.to_ipv6_mapped()));
            }
        }
    }
    side
}

/// An address as people and events spell it, IPv4 as IPv4.
pub(super) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
