//! The m-line and what tells an RTP payload's clock (RFC 8866 §5.14, RFC 3551 §6).

use super::scan::{fields, number};
use memchr::memchr;

/// An m-line's first fields.
pub(super) struct Media<'a> {
    pub kind: &'a [u8],
    pub port: u16,
    pub protocol: &'a [u8],
    /// From the protocol to the end of the line, as it came.
    pub rest: &'a [u8],
}

impl<'a> Media<'a> {
    /// `<media> <port>[/<count>] <proto> <fmt> …`.
    pub(super) fn read(value: &'a [u8]) -> Option<Self> {
        let kind_end = memchr(b' ', value)?;
        let after_kind = value[kind_end..].trim_ascii_start();
        let port_end = memchr(b' ', after_kind)?;
        let rest = after_kind[port_end..].trim_ascii_start();
        let protocol = fields(rest).next()?;
        let port = &after_kind[..port_end];
        let port = match memchr(b'/', port) {
            Some(slash) => {
                number::<u16>(&port[slash + 1..])?;
                &port[..slash]
            }
            None => port,
        };
        let kind = &value[..kind_end];
        if kind.is_empty() { None } else { Some(Self { kind, port: number(port)?, protocol, rest }) }
    }

    /// Whether it is RTP, and so has RTCP.
    pub(super) fn is_rtp(&self) -> bool {
        self.protocol.split(|byte| *byte == b'/').any(|part| part.eq_ignore_ascii_case(b"RTP"))
    }

    /// Whether the protocol runs over UDP.
    pub(super) fn is_datagrams(&self) -> bool {
        let mut parts = self.protocol.split(|byte| *byte == b'/');
        let over_udp = parts
            .next()
            .is_some_and(|first| [&b"RTP"[..], b"UDP", b"UDPTL"].iter().any(|known| known.eq_ignore_ascii_case(first)));
        over_udp && !parts.any(|part| part.eq_ignore_ascii_case(b"TCP"))
    }
}

/// `<payload type> <encoding>/<clock rate>[/<parameters>]`; payload types above 127 and a rate of 0 mean nothing.
pub(super) fn read_rtpmap(value: &[u8]) -> Option<(u8, u32)> {
    let mut fields = fields(value);
    let payload: u8 = number(fields.next()?)?;
    let rate: u32 = number(fields.next()?.split(|byte| *byte == b'/').nth(1)?)?;
    (payload < 128 && rate > 0).then_some((payload, rate))
}

/// RFC 3551 §6, tables 4 and 5.
pub(super) const fn clock_rate_of(payload: u8) -> Option<u32> {
    match payload {
        0 | 3..=5 | 7..=9 | 12 | 13 | 15 | 18 => Some(8000),
        6 => Some(16000),
        10 | 11 => Some(44100),
        16 => Some(11025),
        17 => Some(22050),
        14 | 25 | 26 | 28 | 31..=34 => Some(90000),
        _ => None,
    }
}
