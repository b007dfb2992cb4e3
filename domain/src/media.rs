//! What the exchange orders of its media threads, and what they report. An order says how a path shall be, not
//! what to change: giving it twice changes nothing.

use crate::ids::{LegId, SessionId};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// One media stream (m-line) of a session, relayed between two legs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PathId {
    /// The session.
    pub session: SessionId,
    /// Index of the m-line.
    pub stream: u8,
}

/// Two bound sockets of ours: an even RTP port and the RTCP port above it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PortPair(u16);

impl PortPair {
    /// The pair that begins at an even port; `None` for an odd one.
    pub const fn at(rtp: u16) -> Option<Self> {
        if rtp.is_multiple_of(2) && rtp > 0 { Some(Self(rtp)) } else { None }
    }

    /// The RTP port.
    pub const fn rtp(self) -> u16 {
        self.0
    }

    /// The RTCP port.
    pub const fn rtcp(self) -> u16 {
        self.0 + 1
    }
}

/// Where the peer's media is believed to come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum MediaSource {
    /// From the address in its SDP, and from there only.
    #[default]
    Sdp,
    /// From wherever its first valid RTP packet comes (peers behind NAT); pinned from then on.
    Latch,
}

/// One end of a path: our sockets and the peer's addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Side {
    /// The leg this side faces.
    pub leg: LegId,
    /// Our sockets.
    pub ports: PortPair,
    /// Where the peer wants RTP; `None` while unknown, on hold by address 0.0.0.0 or rejected.
    pub rtp: Option<SocketAddr>,
    /// Where the peer wants RTCP; equal to `rtp` with rtcp-mux.
    pub rtcp: Option<SocketAddr>,
    /// Which packets are taken for the peer's.
    pub source: MediaSource,
    /// Source pinned earlier by a latch: survives a restart, opens no new window.
    pub latched: Option<SocketAddr>,
    /// Whether the peer is expected to send (its direction allows it): silence counts only then.
    pub expects: bool,
    /// Whether the peer wants to receive; while not, nothing is sent to it.
    pub sends: bool,
    /// RTP clock rate in Hz by payload type, for jitter; 8000 where nothing is said.
    pub clock_rates: Vec<(u8, u32)>,
}

/// An order to the media threads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MediaOrder {
    /// Relay between these two sides, or change a relay to this.
    Relay {
        /// The path.
        path: PathId,
        /// Both sides.
        sides: Box<[Side; 2]>,
    },
    /// Stop, report [`MediaReport::Closed`], and take the ports back.
    Close {
        /// The path.
        path: PathId,
    },
    /// Ports that were taken but never became part of a path.
    Return {
        /// The pair.
        ports: PortPair,
    },
}

/// Counters of what one side's peer sent us, at the end of a path. RFC 3550 A.3 and A.8.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, Default)]
pub struct SideStatistics {
    /// RTP packets that came from the peer and were relayed to the other side.
    pub packets: u64,
    /// Their payload and headers, bytes.
    pub bytes: u64,
    /// Packets missing by sequence number.
    pub lost: u64,
    /// Packets from elsewhere, malformed or with nowhere to go.
    pub dropped: u64,
    /// RTCP packets relayed.
    pub rtcp_packets: u64,
    /// Interarrival jitter, microseconds.
    pub jitter_us: u32,
    /// Largest loss that the peer reported of what it received from us (RTCP fraction lost), per mille.
    pub reported_loss_permille: u16,
    /// Mean opinion score estimated from loss and jitter (ITU-T G.107 simplified), hundredths: 100 to 450; 0 where
    /// too few packets came to tell.
    pub mos_centi: u16,
}

/// What the media threads report.
#[derive(Debug, Clone, PartialEq)]
pub enum MediaReport {
    /// The first packet pinned this source.
    Latched {
        /// The path.
        path: PathId,
        /// The leg.
        leg: LegId,
        /// Whence.
        source: SocketAddr,
    },
    /// Neither RTP nor comfort noise came from a side that is expected to send.
    Silent {
        /// The path.
        path: PathId,
        /// The leg.
        leg: LegId,
        /// For how long.
        lasted: Duration,
        /// Whether its RTCP still comes: then it is alive, only quiet.
        rtcp_alive: bool,
    },
    /// Packets come again after [`MediaReport::Silent`].
    Heard {
        /// The path.
        path: PathId,
        /// The leg.
        leg: LegId,
    },
    /// The path is closed and its ports are free.
    Closed {
        /// The path.
        path: PathId,
        /// What each side's peer sent, in the order's sequence of sides.
        sides: [(LegId, SideStatistics); 2],
    },
}

/// Ports that are bound and free, handed out to a turn as its argument.
pub trait PortSource {
    /// Takes a bound pair, oldest freed first; `None` when the range is used up.
    fn take(&mut self) -> Option<PortPair>;

    /// A pair that a session has had since before the process began: nobody else gets it.
    fn claim(&mut self, ports: PortPair);

    /// The address that SDP names for these ports.
    fn address(&self) -> IpAddr;
}
