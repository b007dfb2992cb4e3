//! A capture in libpcap's format (draft-ietf-opsawg-pcap), of the SIP messages of a session with their addresses and times:
//! a datagram each over UDP, a conversation for each connection over TCP.
//!
//! What the log does not have is made up: sequence numbers and the handshake of a connection, both at the time of its first
//! message, and the checksums, which are right. Masked credentials stand as `Digest username="masked"`. A message longer than a datagram can be is cut there; over TCP it goes in
//! as many segments as Ethernet would ask for. A repeat has the time of its note, at most 100 ms late, and stands for all
//! that the note counts.

mod packet;

use bytes::Bytes;
use domain::address::{Flow, Transport};
use domain::ids::EventId;
use domain::log::Recorded;
use domain::session::event::{SessionEvent, SipMessage, Way};
use domain::sip::wire::Message;
use domain::time::WallTime;
use packet::{Ends, Segment, TcpFlags};
use std::collections::{HashMap, VecDeque};

/// Microseconds, the byte order of whoever wrote it.
const MAGIC: u32 = 0xa1b2_c3d4;
/// Packets begin with an IP header, of either version.
const LINKTYPE_RAW: u32 = 101;
/// The most bytes of a packet: what Wireshark takes. None of ours is cut by it.
const SNAPLEN: u32 = 262_144;
/// Messages whose repeats are shown: older ones are not repeated any more.
const REMEMBERED: usize = 256;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Capture {
    connections: HashMap<Flow, Connection>,
    /// The last messages, for their repeats.
    recent: VecDeque<(EventId, Flow, Bytes)>,
}

/// How many bytes each end has sent.
#[derive(Debug, Default)]
struct Connection {
    ours: u32,
    theirs: u32,
}

impl Capture {
    /// Writes the file's head.
    pub fn begin(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&MAGIC.to_le_bytes());
        for half in [2u16, 4] {
            out.extend_from_slice(&half.to_le_bytes());
        }
        for word in [0, 0, SNAPLEN, LINKTYPE_RAW] {
            out.extend_from_slice(&word.to_le_bytes());
        }
    }

    /// Writes the packets of the next event, if it has any.
    pub fn take(&mut self, out: &mut Vec<u8>, recorded: &Recorded, event: &SessionEvent) {
        match event {
            SessionEvent::SipMessageReceived(message) => self.message(out, recorded, Way::Received, message),
            SessionEvent::SipMessageCommitted(message) => self.message(out, recorded, Way::Sent, message),
            SessionEvent::SipMessageRepeated(repeated) => {
                let known = self.recent.iter().find(|(id, ..)| *id == repeated.of);
                if let Some((_, flow, bytes)) = known.cloned() {
                    self.transmit(out, recorded.at, repeated.way, flow, &bytes);
                }
            }
            // Whoever comes by the same ports afterwards has opened another.
            SessionEvent::ConnectionLost(lost) => drop(lost.flow.known().map(|flow| self.connections.remove(flow))),
            _ => {}
        }
    }

    fn message(&mut self, out: &mut Vec<u8>, recorded: &Recorded, way: Way, message: &SipMessage) {
        let Some(wire) = message.wire.known() else { return };
        if self.recent.len() >= REMEMBERED {
            self.recent.pop_front();
        }
        let bytes = readable(&wire.bytes);
        self.transmit(out, recorded.at, way, wire.flow, &bytes);
        self.recent.push_back((recorded.id, wire.flow, bytes));
    }

    fn transmit(&mut self, out: &mut Vec<u8>, at: WallTime, way: Way, flow: Flow, bytes: &[u8]) {
        let ends = Ends::of(flow, way);
        match flow.transport {
            Transport::Udp => frame(out, at, &packet::datagram(ends, bytes)),
            Transport::Tcp => {
                if !self.connections.contains_key(&flow) {
                    handshake(out, at, ends);
                }
                let connection = self.connections.entry(flow).or_insert(Connection { ours: 1, theirs: 1 });
                let (sent, heard) = match way {
                    Way::Received => (&mut connection.theirs, connection.ours),
                    Way::Sent => (&mut connection.ours, connection.theirs),
                };
                let mut parts = bytes.chunks(packet::segment_room(ends)).peekable();
                while let Some(data) = parts.next() {
                    let flags = if parts.peek().is_none() { TcpFlags::PUSH } else { TcpFlags::ACK };
                    frame(
                        out,
                        at,
                        &packet::segment(ends, &Segment { sequence: *sent, acknowledged: heard, flags, data }),
                    );
                    *sent = sent.wrapping_add(u32::try_from(data.len()).unwrap_or(0));
                }
            }
        }
    }
}

/// Credentials are masked in the log by a word that is none; whoever dissects the capture shall find the form of some.
fn readable(bytes: &Bytes) -> Bytes {
    match Message::scan(bytes.clone()) {
        Ok(message) => message.with_credentials(b"Digest username=\"masked\""),
        Err(_) => bytes.clone(),
    }
}

/// The end that sends first has opened the connection, so far as the log tells.
fn handshake(out: &mut Vec<u8>, at: WallTime, ends: Ends) {
    let shake = |sequence, acknowledged, flags| Segment { sequence, acknowledged, flags, data: &[] };
    frame(out, at, &packet::segment(ends, &shake(0, 0, TcpFlags::SYN)));
    frame(out, at, &packet::segment(ends.turned(), &shake(0, 1, TcpFlags::SYN_ACK)));
    frame(out, at, &packet::segment(ends, &shake(1, 1, TcpFlags::ACK)));
}

fn frame(out: &mut Vec<u8>, at: WallTime, packet: &[u8]) {
    let seconds = u32::try_from(at.micros().div_euclid(1_000_000)).unwrap_or(0);
    let micros = u32::try_from(at.micros().rem_euclid(1_000_000)).unwrap_or(0);
    let length = u32::try_from(packet.len()).unwrap_or(SNAPLEN);
    for word in [seconds, micros, length, length] {
        out.extend_from_slice(&word.to_le_bytes());
    }
    out.extend_from_slice(packet);
}

#[cfg(test)]
mod tests;
