//! One pass over a body that finds everything both [`super::describe`] and [`super::rewrite`] need, so that what is
//! rewritten has been understood.

use super::media_line::{Media, clock_rate_of, read_rtpmap};
use super::scan::{Line, attribute, fields, lines, number};
use super::{Direction, MAX_HOSTS, MAX_STREAMS, Origin, SdpFault, StreamKind};
use memchr::memchr;
use std::net::IpAddr;
use std::ops::Range;

/// What a body says, level by level.
pub(super) struct Survey<'a> {
    pub lines: Vec<Line<'a>>,
    pub origin: Origin,
    /// Where the `o=` line lies, without its end.
    pub origin_line: Range<usize>,
    pub connection: Option<Connection>,
    pub direction: Option<Direction>,
    pub sections: Vec<Section>,
    /// Host names that the body names as its sender's, to be looked for elsewhere.
    pub hosts: Vec<&'a [u8]>,
}

/// What one m-line and the lines below it say.
#[derive(Debug, Clone)]
pub(super) struct Section {
    pub line: u16,
    pub kind: StreamKind,
    pub port: u16,
    /// Whether the protocol runs over UDP.
    pub datagrams: bool,
    /// Whether it is RTP, and so has RTCP.
    pub rtp: bool,
    pub connection: Option<Connection>,
    pub direction: Option<Direction>,
    pub rtcp: Option<Rtcp>,
    pub mux: bool,
    pub clock_rates: Vec<(u8, u32)>,
}

/// A `c=` line, or the address of an `a=rtcp` line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Connection {
    /// One host's address.
    Unicast(IpAddr),
    /// 0.0.0.0 or `::`: nothing is to be sent.
    Unspecified(IpAddr),
    /// A name, left to whoever resolves names: not the relay.
    Name,
    /// A group, a broadcast, or no internet address: nothing that we relay to.
    Foreign,
}

/// An `a=rtcp` line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rtcp {
    pub port: u16,
    pub connection: Option<Connection>,
}

/// Reads a whole body.
pub(super) fn survey(body: &[u8]) -> Result<Survey<'_>, SdpFault> {
    let mut origin = None;
    let mut survey = Survey {
        lines: Vec::with_capacity(32),
        origin: Origin { id: None, version: None, address: None },
        origin_line: 0..0,
        connection: None,
        direction: None,
        sections: Vec::new(),
        hosts: Vec::new(),
    };
    let mut first = true;
    for line in lines(body)? {
        let line = line?;
        if first != (line.letter == b'v') || (first && line.value.trim_ascii_end() != b"0") {
            return Err(SdpFault::Version { line: line.number });
        }
        first = false;
        match line.letter {
            b'a' => survey.attribute(line)?,
            b'm' => survey.media(line)?,
            b'c' => survey.connection(line)?,
            b'o' => {
                if origin.is_some() || !survey.sections.is_empty() {
                    return Err(SdpFault::Origin { line: line.number });
                }
                origin = Some(survey.origin(line)?);
                let start = line.whole.as_ptr().addr() - body.as_ptr().addr();
                survey.origin_line = start..start + line.whole.len();
            }
            b'v' | b's' | b'i' | b'u' | b'e' | b'p' | b'b' | b't' | b'r' | b'z' | b'k' => {}
            letter => return Err(SdpFault::UnknownType { line: line.number, letter }),
        }
        survey.lines.push(line);
    }
    survey.origin = origin.ok_or(SdpFault::NoOrigin)?;
    survey.check_connections()?;
    Ok(survey)
}

impl<'a> Survey<'a> {
    /// Where a stream is to be sent: its own `c=`, else the session's.
    pub(super) fn connection_of(&self, section: &Section) -> Option<Connection> {
        section.connection.or(self.connection)
    }

    /// Whether a relay can carry the stream, were its port not 0.
    pub(super) fn is_relayable(&self, section: &Section) -> bool {
        section.datagrams && self.connection_of(section) != Some(Connection::Foreign)
    }

    fn check_connections(&self) -> Result<(), SdpFault> {
        match self.sections.iter().find(|one| one.port != 0 && one.datagrams && self.connection_of(one).is_none()) {
            Some(section) => Err(SdpFault::NoConnection { line: section.line }),
            None => Ok(()),
        }
    }

    /// Read from the right, since user names with spaces and empty ones have been seen.
    fn origin(&mut self, line: Line<'a>) -> Result<Origin, SdpFault> {
        let fault = SdpFault::Origin { line: line.number };
        let mut back = fields(line.value).rev();
        let (Some(host), Some(_), Some(_), Some(version), Some(id)) =
            (back.next(), back.next(), back.next(), back.next(), back.next())
        else {
            return Err(fault);
        };
        if back.next().is_none() && !line.value.starts_with(b" ") {
            return Err(fault);
        }
        let address = parse_ip(host);
        if address.is_none() {
            self.hosts.push(host);
        }
        Ok(Origin { id: number(id), version: number(version), address })
    }

    fn connection(&mut self, line: Line<'a>) -> Result<(), SdpFault> {
        let fault = SdpFault::Connection { line: line.number };
        let connection = self.place(line.value).ok_or(fault)?;
        let level = match self.sections.last_mut() {
            Some(section) => &mut section.connection,
            None => &mut self.connection,
        };
        // Several c= lines of one stream are layers of a multicast session (RFC 8866 §5.7): not for a relay.
        if level.replace(connection).is_some() { Err(fault) } else { Ok(()) }
    }

    /// `<nettype> <addrtype> <address>`.
    fn place(&mut self, value: &'a [u8]) -> Option<Connection> {
        let mut fields = fields(value);
        let (network, kind, address) = (fields.next()?, fields.next()?, fields.next()?);
        let is_internet = network.eq_ignore_ascii_case(b"IN")
            && (kind.eq_ignore_ascii_case(b"IP4") || kind.eq_ignore_ascii_case(b"IP6"));
        let host = &address[..memchr(b'/', address).unwrap_or(address.len())];
        Some(match parse_ip(host) {
            Some(ip) if is_internet => judge(ip),
            Some(_) => Connection::Foreign,
            None => {
                self.name(host)?;
                if is_internet { Connection::Name } else { Connection::Foreign }
            }
        })
    }

    /// Remembers a name to hide; `None` when there are too many to look for.
    fn name(&mut self, host: &'a [u8]) -> Option<()> {
        if !self.hosts.contains(&host) {
            self.hosts.push(host);
        }
        (self.hosts.len() <= MAX_HOSTS).then_some(())
    }

    fn media(&mut self, line: Line<'a>) -> Result<(), SdpFault> {
        if self.sections.len() == MAX_STREAMS {
            return Err(SdpFault::TooManyStreams { line: line.number });
        }
        let media = Media::read(line.value).ok_or(SdpFault::Media { line: line.number })?;
        let rtp = media.is_rtp();
        let mut clock_rates = Vec::new();
        if rtp {
            clock_rates.reserve(8);
            let formats = fields(media.rest).skip(1).filter_map(number::<u8>).take(128);
            clock_rates.extend(formats.filter_map(|payload| Some((payload, clock_rate_of(payload)?))));
        }
        self.sections.push(Section {
            line: line.number,
            kind: StreamKind::named(media.kind),
            port: media.port,
            datagrams: media.is_datagrams(),
            rtp,
            connection: None,
            direction: None,
            rtcp: None,
            mux: false,
            clock_rates,
        });
        Ok(())
    }

    fn attribute(&mut self, line: Line<'a>) -> Result<(), SdpFault> {
        let (name, value) = attribute(line.value);
        if let Some(direction) = Direction::named(name) {
            match self.sections.last_mut() {
                Some(section) => section.direction = Some(direction),
                None => self.direction = Some(direction),
            }
        } else if name == b"rtpmap" {
            if let (Some(section), Some((payload, rate))) = (self.sections.last_mut(), read_rtpmap(value)) {
                section.set_clock_rate(payload, rate);
            }
        } else if name.eq_ignore_ascii_case(b"rtcp-mux") {
            if let Some(section) = self.sections.last_mut() {
                section.mux = section.rtp;
            }
        } else if name.eq_ignore_ascii_case(b"rtcp") {
            let fault = SdpFault::Rtcp { line: line.number };
            let rtcp = self.rtcp(value).ok_or(fault)?;
            if let Some(section) = self.sections.last_mut()
                && section.rtcp.replace(rtcp).is_some()
            {
                return Err(fault);
            }
        }
        Ok(())
    }

    fn rtcp(&mut self, value: &'a [u8]) -> Option<Rtcp> {
        let value = value.trim_ascii();
        let end = memchr(b' ', value).unwrap_or(value.len());
        let place = value[end..].trim_ascii_start();
        let connection = if place.is_empty() { None } else { Some(self.place(place)?) };
        Some(Rtcp { port: number(&value[..end])?, connection })
    }
}

impl Section {
    fn set_clock_rate(&mut self, payload: u8, rate: u32) {
        match self.clock_rates.iter_mut().find(|(known, _)| *known == payload) {
            Some(entry) => entry.1 = rate,
            None => self.clock_rates.push((payload, rate)),
        }
    }
}

fn judge(ip: IpAddr) -> Connection {
    if ip.is_unspecified() {
        Connection::Unspecified(ip)
    } else if ip.is_multicast() || matches!(ip, IpAddr::V4(v4) if v4.is_broadcast()) {
        Connection::Foreign
    } else {
        Connection::Unicast(ip)
    }
}

fn parse_ip(host: &[u8]) -> Option<IpAddr> {
    std::str::from_utf8(host).ok()?.parse().ok()
}
