//! The body that the other side gets.

use super::media_line::Media;
use super::scan::{Line, attribute, fields, split_line};
use super::survey::{Connection, Section, Survey, survey};
use super::{MAX_ANCHORED, MAX_STREAMS, SdpFault, hide};
use crate::media::PortPair;
use std::net::IpAddr;

/// What takes the place of the sender's addresses.
#[derive(Debug, Clone, Copy)]
pub struct Anchor<'a> {
    /// Our address toward the receiver.
    pub address: IpAddr,
    /// Our ports toward the receiver, by m-line; `None`, or none left, rejects the line. Of these the first
    /// [`MAX_ANCHORED`] are used.
    pub ports: &'a [Option<PortPair>],
    /// Our `o=` line.
    pub origin: OurOrigin,
}

/// What our `o=` line says. RFC 3264 §5 wants both below 2⁶³, and the version one more with every change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OurOrigin {
    /// The session's id.
    pub id: u64,
    /// The version.
    pub version: u64,
}

/// The session description for the other side; see [`crate::sdp`] for what changes. Faults as [`super::describe`].
/// Rewriting the result with the same anchor gives the same bytes.
pub fn rewrite(body: &[u8], anchor: &Anchor<'_>) -> Result<Vec<u8>, SdpFault> {
    let found = survey(body)?;
    let place = place(anchor.address);
    let mut writer = Writer { out: Vec::with_capacity(body.len() + 128), place: &place, found: &found, anchor };
    let mut sections = found.sections.iter().enumerate();
    let mut current = None;
    for line in found.lines.iter().copied() {
        if line.letter == b'm' {
            current = sections.next().map(|(index, section)| (section, writer.pair(index, section)));
            writer.media(line, current.and_then(|(_, pair)| pair))?;
        } else {
            writer.line(line, current);
        }
    }
    Ok(writer.out)
}

/// An answer that rejects every stream of an offer (RFC 3264 §6). A line of the offer that is not understood counts
/// as audio; [`super::describe`] would have refused it.
pub fn reject_all(offer: &[u8], origin: OurOrigin, address: IpAddr) -> Vec<u8> {
    let place = place(address);
    let mut out = Vec::with_capacity(256);
    put(&mut out, &[b"v=0"]);
    put_origin(&mut out, origin, &place);
    put(&mut out, &[b"s=-"]);
    put(&mut out, &[b"c=", place.as_bytes()]);
    let (mut rest, mut media, mut time) = (offer, Vec::new(), &b"t=0 0"[..]);
    while !rest.is_empty() && media.len() < MAX_STREAMS {
        let (line, after) = split_line(rest);
        rest = after;
        match line {
            [b'm', b'=', value @ ..] => media.push(value),
            // The answer's time is the offer's.
            [b't', b'=', value @ ..] if media.is_empty() && is_time(value) => time = line,
            _ => {}
        }
    }
    put(&mut out, &[time]);
    for value in media {
        match Media::read(value).filter(|media| is_clean(media.kind) && is_clean(media.rest)) {
            Some(media) => put(&mut out, &[b"m=", media.kind, b" 0 ", media.rest]),
            None => put(&mut out, &[b"m=audio 0 RTP/AVP 0"]),
        }
    }
    out
}

struct Writer<'a> {
    out: Vec<u8>,
    place: &'a str,
    found: &'a Survey<'a>,
    anchor: &'a Anchor<'a>,
}

impl Writer<'_> {
    /// Our ports for a stream, unless it is rejected.
    fn pair(&self, index: usize, section: &Section) -> Option<PortPair> {
        if index >= MAX_ANCHORED || section.port == 0 || !self.found.is_relayable(section) {
            return None;
        }
        self.anchor.ports.get(index).copied().flatten()
    }

    fn media(&mut self, line: Line<'_>, pair: Option<PortPair>) -> Result<(), SdpFault> {
        let media = Media::read(line.value)
            .filter(|media| !hide::shows_address(media.kind) && !hide::shows_address(media.rest))
            .ok_or(SdpFault::Media { line: line.number })?;
        let port = pair.map_or(0, PortPair::rtp).to_string();
        put(&mut self.out, &[b"m=", media.kind, b" ", port.as_bytes(), b" ", media.rest]);
        Ok(())
    }

    fn line(&mut self, line: Line<'_>, current: Option<(&Section, Option<PortPair>)>) {
        match line.letter {
            b'o' => put_origin(&mut self.out, self.anchor.origin, self.place),
            b'c' => self.connection(current.map_or(self.found.connection, |(section, _)| section.connection)),
            b'a' => self.attribute(line, current),
            b'i' | b'u' | b'e' | b'p' => {}
            b's' if hide::shows_sender(line.value, &self.found.hosts) => put(&mut self.out, &[b"s=-"]),
            _ if hide::shows_sender(line.value, &self.found.hosts) => {}
            _ => put(&mut self.out, &[line.whole]),
        }
    }

    fn connection(&mut self, connection: Option<Connection>) {
        match connection {
            Some(Connection::Unspecified(IpAddr::V4(_))) => put(&mut self.out, &[b"c=IN IP4 0.0.0.0"]),
            Some(Connection::Unspecified(IpAddr::V6(_))) => put(&mut self.out, &[b"c=IN IP6 ::"]),
            Some(Connection::Unicast(_) | Connection::Name | Connection::Foreign) | None => {
                put(&mut self.out, &[b"c=", self.place.as_bytes()]);
            }
        }
    }

    fn attribute(&mut self, line: Line<'_>, current: Option<(&Section, Option<PortPair>)>) {
        let (name, _) = attribute(line.value);
        if name.eq_ignore_ascii_case(b"rtcp") {
            if let Some((section, Some(pair))) = current {
                self.rtcp(section, pair);
            }
        } else if !hide::hides_attribute(line.value, &self.found.hosts) {
            put(&mut self.out, &[line.whole]);
        }
    }

    fn rtcp(&mut self, section: &Section, pair: PortPair) {
        let Some(rtcp) = section.rtcp else { return };
        // Whoever names its RTP port here wants both on one, and offers a=rtcp-mux for it (RFC 5761 §5.1.3).
        let port = if section.mux && rtcp.port == section.port { pair.rtp() } else { pair.rtcp() };
        let port = port.to_string();
        match rtcp.connection {
            Some(_) => put(&mut self.out, &[b"a=rtcp:", port.as_bytes(), b" ", self.place.as_bytes()]),
            None => put(&mut self.out, &[b"a=rtcp:", port.as_bytes()]),
        }
    }
}

fn place(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => format!("IN IP4 {v4}"),
        IpAddr::V6(v6) => format!("IN IP6 {v6}"),
    }
}

fn put_origin(out: &mut Vec<u8>, origin: OurOrigin, place: &str) {
    let (id, version) = (origin.id.to_string(), origin.version.to_string());
    put(out, &[b"o=- ", id.as_bytes(), b" ", version.as_bytes(), b" ", place.as_bytes()]);
}

/// One line from its pieces.
fn put(out: &mut Vec<u8>, pieces: &[&[u8]]) {
    for piece in pieces {
        out.extend_from_slice(piece);
    }
    out.extend_from_slice(b"\r\n");
}

/// Start and stop.
fn is_time(value: &[u8]) -> bool {
    fields(value).count() == 2 && fields(value).all(|field| field.iter().all(u8::is_ascii_digit))
}

fn is_clean(value: &[u8]) -> bool {
    !value.contains(&b'\r') && !value.contains(&0) && !hide::shows_address(value)
}
