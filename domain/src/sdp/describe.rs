//! What a session description says, for the relay and for a reader of the timeline.

use super::SdpFault;
use super::survey::{Connection, Section, Survey, survey};
use std::hash::Hasher;
use std::net::{IpAddr, SocketAddr};

/// What a session description says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// One for each m-line, in order; at most [`super::MAX_STREAMS`].
    pub streams: Vec<StreamDescription>,
    /// Its `o=` line.
    pub origin: Origin,
    /// Differs when anything but the `o=` line does. For this process only: not to be stored.
    pub(super) media_hash: u64,
}

/// What an `o=` line says (RFC 8866 §5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// The session's id; `None` when it is no 64-bit number.
    pub id: Option<u64>,
    /// The version, which steps when the description changes (RFC 3264 §8); `None` when it is no 64-bit number.
    pub version: Option<u64>,
    /// The address; `None` when it is a name.
    pub address: Option<IpAddr>,
}

/// What it says about one m-line, for the relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamDescription {
    /// What flows.
    pub kind: StreamKind,
    /// The port of the m-line; 0 when the stream is rejected or switched off.
    pub port: u16,
    /// Whether a relay of datagrams can carry it: RTP, UDPTL and what else runs over UDP between two hosts.
    pub relayable: bool,
    /// Where RTP (or UDPTL, …) is wanted; `None` when rejected, not relayable, held by 0.0.0.0, or at a host name.
    pub rtp: Option<SocketAddr>,
    /// Where RTCP is wanted: at `rtp` when the line has `a=rtcp-mux`, else as in `rtcp_apart`.
    pub rtcp: Option<SocketAddr>,
    /// Where RTCP is wanted if the other side does not agree to `a=rtcp-mux` (RFC 5761 §5.1.1): at `a=rtcp`, else at
    /// the port above RTP; `None` where `rtp` is, and for what is not RTP.
    pub rtcp_apart: Option<SocketAddr>,
    /// From the describing side's view: its own, else the session's, else both ways. Whoever gives the address
    /// 0.0.0.0 receives nothing (RFC 3264 §8.4).
    pub direction: Direction,
    /// Whether RTCP may come on the RTP port.
    pub rtcp_mux: bool,
    /// RTP clock rate in Hz by payload type, from the static table (RFC 3551 §6) and `a=rtpmap`.
    pub clock_rates: Vec<(u8, u32)>,
}

/// What flows in a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamKind {
    /// `m=audio`.
    Audio,
    /// `m=video`.
    Video,
    /// `m=image`: fax (T.38).
    Image,
    /// Text, messages, application data.
    Other,
}

/// Which way a stream flows, from the view of the side that says so (RFC 8866 §6.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Direction {
    /// Both ways.
    #[default]
    SendRecv,
    /// It sends only.
    SendOnly,
    /// It receives only.
    RecvOnly,
    /// Neither.
    Inactive,
}

impl StreamKind {
    pub(super) fn named(name: &[u8]) -> Self {
        if name.eq_ignore_ascii_case(b"audio") {
            Self::Audio
        } else if name.eq_ignore_ascii_case(b"video") {
            Self::Video
        } else if name.eq_ignore_ascii_case(b"image") {
            Self::Image
        } else {
            Self::Other
        }
    }
}

impl Direction {
    pub(super) fn named(name: &[u8]) -> Option<Self> {
        // All four have eight letters: most attributes are told apart by their length alone.
        if name.len() != 8 {
            return None;
        }
        let known: [(&[u8], Self); 4] = [
            (b"sendrecv", Self::SendRecv),
            (b"sendonly", Self::SendOnly),
            (b"recvonly", Self::RecvOnly),
            (b"inactive", Self::Inactive),
        ];
        known.into_iter().find(|(word, _)| word.eq_ignore_ascii_case(name)).map(|(_, direction)| direction)
    }

    /// Whether the side that says so wants to receive.
    pub const fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    /// Whether the side that says so may send.
    pub const fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    const fn without_receiving(self) -> Self {
        match self {
            Self::SendRecv | Self::SendOnly => Self::SendOnly,
            Self::RecvOnly | Self::Inactive => Self::Inactive,
        }
    }
}

/// Reads a session description (RFC 8866). Bare LF line ends, blank lines and missing `s=` and `t=` lines are taken;
/// anything that two readers could take differently is a fault, and so is more than the limits of [`crate::sdp`].
pub fn describe(body: &[u8]) -> Result<Description, SdpFault> {
    let mut found = survey(body)?;
    let mut sections = std::mem::take(&mut found.sections);
    let streams = sections.iter_mut().map(|section| stream(&found, section)).collect();
    let mut hasher = std::hash::DefaultHasher::new();
    hasher.write(&body[..found.origin_line.start]);
    hasher.write(&body[found.origin_line.end..]);
    Ok(Description { streams, origin: found.origin, media_hash: hasher.finish() })
}

fn stream(found: &Survey<'_>, section: &mut Section) -> StreamDescription {
    let connection = found.connection_of(section);
    let relayable = found.is_relayable(section);
    let carried = relayable && section.port != 0;
    let rtp = connection.filter(|_| carried).and_then(|place| address(place, section.port));
    let direction = section.direction.or(found.direction).unwrap_or_default();
    let is_held = matches!(connection, Some(Connection::Unspecified(_)));
    let rtcp_apart = rtp.filter(|_| section.rtp).and_then(|rtp| match section.rtcp {
        Some(rtcp) => match rtcp.connection {
            Some(place) => address(place, rtcp.port),
            None => address(Connection::Unicast(rtp.ip()), rtcp.port),
        },
        None => Some(SocketAddr::new(rtp.ip(), rtp.port().checked_add(1)?)),
    });
    StreamDescription {
        kind: section.kind,
        port: section.port,
        relayable,
        rtp,
        rtcp: if section.mux { rtp } else { rtcp_apart },
        rtcp_apart,
        direction: if is_held { direction.without_receiving() } else { direction },
        rtcp_mux: section.mux,
        clock_rates: std::mem::take(&mut section.clock_rates),
    }
}

fn address(place: Connection, port: u16) -> Option<SocketAddr> {
    match place {
        Connection::Unicast(ip) if port != 0 => Some(SocketAddr::new(ip, port)),
        Connection::Unicast(_) | Connection::Unspecified(_) | Connection::Name | Connection::Foreign => None,
    }
}
/// Whether media can be sent there: old-style hold names the unspecified address.
pub fn is_reachable(address: &SocketAddr) -> bool {
    !address.ip().is_unspecified() && address.port() != 0
}
