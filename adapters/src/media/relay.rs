//! What happens to one packet: whose is it, what does it count for, where does it go.

use super::Counters;
use super::packet;
use super::path::{Admission, Destination, RelayPath, RelaySide, canonical};
use super::ports::PortTable;
use domain::media::{MediaReport, PathId};
use std::net::SocketAddr;
use std::sync::atomic::Ordering;

/// The surroundings of a packet.
pub(super) struct Relay<'a> {
    pub table: &'a PortTable,
    pub counters: &'a Counters,
    pub now_us: u64,
}

impl Relay<'_> {
    /// Relays a packet that came from `from` to our `port`, a port of the path's side. Allocates only where there is
    /// something to report.
    pub fn packet(
        &self,
        path: &mut RelayPath,
        side: usize,
        port: u16,
        from: SocketAddr,
        packet: &[u8],
        reports: &mut Vec<MediaReport>,
    ) {
        let [first, second] = &mut path.sides;
        let (peer, other) = if side == 0 { (first, second) } else { (second, first) };
        let on_rtcp_port = port % 2 == 1;
        let relayed = if packet::is_rtcp(packet) {
            self.rtcp(peer, other, on_rtcp_port, from, packet)
        } else {
            !on_rtcp_port && self.rtp(path.id, peer, other, from, packet, reports)
        };
        if !relayed {
            peer.meter.dropped();
        }
    }

    /// Whether the packet went on to the other side.
    fn rtp(
        &self,
        id: PathId,
        peer: &mut RelaySide,
        other: &RelaySide,
        from: SocketAddr,
        packet: &[u8],
        reports: &mut Vec<MediaReport>,
    ) -> bool {
        let Some(header) = packet::rtp(packet) else { return false };
        match peer.admit_rtp(from) {
            Admission::Known => {}
            Admission::Latched => {
                reports.push(MediaReport::Latched { path: id, leg: peer.leg, source: canonical(from) });
            }
            Admission::Stranger => return false,
        }
        let clock_rate = peer.clock_rate(header.payload_type);
        if peer.meter.rtp(self.now_us, &header, clock_rate) {
            reports.push(MediaReport::Heard { path: id, leg: peer.leg });
        }
        let sent = self.send(packet, other.rtp_destination());
        if sent {
            peer.meter.relayed(packet.len());
        }
        sent
    }

    fn rtcp(
        &self,
        peer: &mut RelaySide,
        other: &RelaySide,
        on_rtcp_port: bool,
        from: SocketAddr,
        packet: &[u8],
    ) -> bool {
        if peer.admit_rtcp(from, on_rtcp_port) == Admission::Stranger {
            return false;
        }
        peer.meter.rtcp(self.now_us);
        let sent_by_us = other.meter.ssrc();
        packet::report_blocks(packet, |block| {
            if sent_by_us == Some(block.ssrc) {
                peer.meter.reported_loss(block.fraction_lost);
            }
        });
        let sent = self.send(packet, other.rtcp_destination());
        if sent {
            peer.meter.rtcp_relayed();
        }
        sent
    }

    /// A failure (the peer's port is closed, no route, a full buffer) is the packet's loss and nobody's error.
    fn send(&self, packet: &[u8], destination: Option<Destination>) -> bool {
        let Some(Destination { from, to }) = destination else { return false };
        let sent = self.table.socket(from).is_some_and(|socket| socket.send_to(packet, to).is_ok());
        if !sent {
            self.counters.failed_sends.fetch_add(1, Ordering::Relaxed);
        }
        sent
    }
}
