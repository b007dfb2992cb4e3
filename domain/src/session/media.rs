//! The session's media: whose SDP is in force, our ports, and what the relay shall do.

use super::event::{LegMeasure, MediaMeasured, MediaReserved, SessionEvent};
use super::leg::Leg;
use super::order::{Context, Order};
use super::state::{PendingOffer, Session};
use crate::ids::LegId;
use crate::media::{MediaOrder, PathId, PortPair, Side};
use crate::sdp::{self, Anchor, Description, OurOrigin, SdpFault};
use crate::sip::endpoint::Body;
use crate::sip::wire::{HeaderName, Message};
use bytes::Bytes;
use std::net::{IpAddr, SocketAddr};

/// The most m-lines that we anchor.
const MAX_STREAMS: usize = 8;

/// Why media cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum MediaFault {
    #[error("no media ports are free")]
    NoPorts,
    #[error(transparent)]
    Sdp(#[from] SdpFault),
    #[error("there is no session description")]
    Missing,
}

impl Session {
    pub(super) fn evolve_media(&mut self, event: &SessionEvent) {
        match event {
            SessionEvent::MediaReserved(reserved) => {
                self.media_address = Some(reserved.address);
                if let Some(leg) = self.leg_mut(reserved.leg) {
                    leg.ports.truncate(usize::from(reserved.first));
                    leg.ports.extend_from_slice(&reserved.ports);
                    leg.latched.resize(leg.ports.len(), None);
                }
            }
            SessionEvent::OfferMade(_) => {}
            SessionEvent::OfferAccepted(_) | SessionEvent::OfferRefused(_) => self.offer = None,
            SessionEvent::MediaLatched(latched) => {
                let source = latched.source.known().copied();
                if let Some(slot) =
                    self.leg_mut(latched.leg).and_then(|leg| leg.latched.get_mut(usize::from(latched.stream)))
                {
                    *slot = source;
                }
            }
            _ => {}
        }
    }

    /// Notes the SDP that a message from a leg's peer carries, if any.
    pub fn hear(&mut self, leg: LegId, message: &Message) {
        // What an INFO or MESSAGE carries is not for us.
        let describes = |method| matches!(method, "INVITE" | "ACK" | "UPDATE" | "PRACK");
        if !message.cseq().is_ok_and(|cseq| describes(cseq.method)) {
            return;
        }
        let Some(leg) = self.leg_mut(leg) else { return };
        if message.has(HeaderName::Allow) {
            leg.takes_update = message.values(HeaderName::Allow).any(|method| method == "UPDATE");
        }
        if let Some(body) = sdp_of(message) {
            leg.heard = Some(body);
        }
    }

    /// Puts what the leg's peer last said into force.
    pub(super) fn agree(&mut self, leg: LegId) {
        if let Some(leg) = self.leg_mut(leg) {
            leg.agreed = leg.heard.clone();
        }
    }

    /// Notes what a leg's peer offers.
    pub(super) fn keep_offer(&mut self, leg: LegId) {
        if let Some(leg) = self.leg_mut(leg) {
            leg.offered = leg.heard.clone();
        }
    }

    /// Puts what the leg's peer offered into force, whatever it said since.
    pub(super) fn agree_to_offer(&mut self, leg: LegId) {
        if let Some(leg) = self.leg_mut(leg) {
            leg.agreed = leg.offered.take().or_else(|| leg.heard.clone());
        }
    }

    /// What `from` last said, rewritten for `to` with our address and the ports that `to` is told.
    pub(super) fn rewrite_heard(&mut self, from: LegId, to: LegId) -> Result<Body, MediaFault> {
        let heard = self.leg(from).and_then(|leg| leg.heard.clone()).ok_or(MediaFault::Missing)?;
        self.rewrite(&heard, to)
    }

    /// What is in force on `from`, rewritten for `to`.
    pub(super) fn rewrite_agreed(&mut self, from: LegId, to: LegId) -> Result<Body, MediaFault> {
        let agreed = self.leg(from).and_then(|leg| leg.agreed.clone()).ok_or(MediaFault::Missing)?;
        self.rewrite(&agreed, to)
    }

    fn rewrite(&mut self, source: &[u8], to: LegId) -> Result<Body, MediaFault> {
        let address = self.media_address.ok_or(MediaFault::NoPorts)?;
        let leg = self.leg_mut(to).ok_or(MediaFault::Missing)?;
        let write = |version| {
            let origin = OurOrigin { id: leg.origin(), version };
            sdp::rewrite(source, &Anchor { address, ports: &leg.ports, origin })
        };
        let mut written = write(leg.version)?;
        if let Some(told) = &leg.told
            && !sdp::same_media(told, &written)
        {
            written = write(leg.version + 1)?;
            leg.version += 1;
        }
        let bytes = Bytes::from(written);
        leg.told = Some(bytes.clone());
        Ok(Body { content_type: "application/sdp".into(), bytes })
    }

    /// Sets ports aside for the m-lines of `described` that a leg has none for yet: new ones, and such as were
    /// rejected and are wanted again (RFC 3264 §8.1).
    pub(super) fn reserve(
        &mut self,
        context: &mut Context<'_>,
        leg: LegId,
        described: &Description,
    ) -> Result<(), MediaFault> {
        let held = self.leg(leg).map(|leg| leg.ports.clone()).unwrap_or_default();
        let wanted: Vec<bool> =
            described.streams.iter().take(MAX_STREAMS).map(|stream| stream.port != 0 && stream.relayable).collect();
        let lines = held.len().max(wanted.len());
        let lacks = |index: &usize| match held.get(*index) {
            None => true,
            Some(pair) => pair.is_none() && wanted.get(*index) == Some(&true),
        };
        let first = (0..lines).find(lacks).unwrap_or(lines);
        let source = context.mint.ports();
        let address = source.address();
        let (mut ports, mut taken): (Vec<Option<PortPair>>, Vec<PortPair>) = (Vec::new(), Vec::new());
        for index in first..lines {
            let kept = held.get(index).copied().flatten();
            if kept.is_some() || wanted.get(index) != Some(&true) {
                ports.push(kept);
                continue;
            }
            let Some(pair) = source.take() else {
                taken.into_iter().for_each(|ports| context.order(Order::Media(MediaOrder::Return { ports })));
                return Err(MediaFault::NoPorts);
            };
            taken.push(pair);
            ports.push(Some(pair));
        }
        if !ports.is_empty() || held.is_empty() {
            let first = u8::try_from(first).unwrap_or(u8::MAX);
            self.record(context, SessionEvent::MediaReserved(MediaReserved { leg, address, first, ports }));
        }
        Ok(())
    }

    /// Reads what a leg's peer last said.
    pub(super) fn describe_heard(&self, leg: LegId) -> Result<Description, MediaFault> {
        let heard = self.leg(leg).and_then(|leg| leg.heard.as_ref()).ok_or(MediaFault::Missing)?;
        Ok(sdp::describe(heard)?)
    }

    /// Orders the relay that the descriptions in force on both legs ask for.
    pub(super) fn relay(&mut self, context: &mut Context<'_>, caller: LegId, callee: LegId) {
        let (Some(left), Some(right)) = (self.leg(caller), self.leg(callee)) else { return };
        let (Some(left_sdp), Some(right_sdp)) = (described(left), described(right)) else { return };
        let mut orders = Vec::new();
        let lines = left.ports.len().min(right.ports.len());
        for index in 0..lines {
            if let (Some(a), Some(b)) = (side(left, &left_sdp, index), side(right, &right_sdp, index)) {
                let stream = u8::try_from(index).unwrap_or(u8::MAX);
                let path = PathId { session: self.id, stream };
                orders.push((index, MediaOrder::Relay { path, sides: Box::new([a, b]) }));
            }
        }
        self.open_paths.resize(self.open_paths.len().max(lines), false);
        for (index, order) in orders {
            self.open_paths[index] = true;
            context.order(Order::Media(order));
        }
    }

    /// Closes every path, and gives back the ports that never were in one.
    pub(super) fn close_media(&mut self, context: &mut Context<'_>) {
        for (index, open) in self.open_paths.iter().enumerate() {
            if *open {
                let path = PathId { session: self.id, stream: u8::try_from(index).unwrap_or(u8::MAX) };
                context.order(Order::Media(MediaOrder::Close { path }));
            }
        }
        let paired = self.bridged_or_early();
        let open = self.open_paths.clone();
        for leg in &mut self.legs {
            let in_path = paired.is_some_and(|(caller, callee)| leg.id == caller || leg.id == callee);
            for (index, slot) in leg.ports.iter_mut().enumerate() {
                let used = in_path && open.get(index) == Some(&true);
                if let Some(ports) = slot.take()
                    && !used
                {
                    context.steps.push(super::order::Step::Order(Order::Media(MediaOrder::Return { ports })));
                }
            }
        }
    }

    /// Gives back the ports of a leg that came to nothing. A path that carried its early media is closed first.
    pub(super) fn return_ports(&mut self, context: &mut Context<'_>, leg: LegId) {
        let open = self.open_paths.iter().any(|open| *open) && self.bridged.is_none();
        let in_path = open && self.leg(leg).is_some_and(|leg| leg.agreed.is_some());
        if in_path {
            // Early media of a target that failed: its path would keep the caller's ports. Both go back; the caller's
            // stay reserved for it, so only the failed leg's side changes with the next relay order.
            self.detach(context, leg);
            return;
        }
        let Some(leg) = self.leg_mut(leg) else { return };
        for ports in leg.ports.iter_mut().filter_map(Option::take) {
            context.order(Order::Media(MediaOrder::Return { ports }));
        }
    }

    /// The next relay order for the same path replaces this leg's side; media gives its ports back then.
    fn detach(&mut self, _context: &mut Context<'_>, leg: LegId) {
        if let Some(leg) = self.leg_mut(leg) {
            leg.ports.clear();
        }
    }

    /// Caller and the callee whose media was last relayed.
    fn bridged_or_early(&self) -> Option<(LegId, LegId)> {
        self.bridged.or_else(|| {
            let callee = self.legs.iter().rev().find(|leg| leg.agreed.is_some() && leg.id != self.legs[0].id)?;
            Some((self.legs.first()?.id, callee.id))
        })
    }

    /// What was counted, as events.
    pub(super) fn record_measures(&mut self, context: &mut Context<'_>) {
        for (stream, sides) in std::mem::take(&mut self.measures) {
            let sides = sides.map(|(leg, statistics)| LegMeasure { leg, statistics });
            self.record(context, SessionEvent::MediaMeasured(MediaMeasured { stream, sides }));
        }
    }

    /// The re-INVITE on its way, if it is this leg's answer we wait for.
    pub(super) fn offer_to(&self, leg: LegId) -> Option<PendingOffer> {
        self.offer.filter(|offer| offer.to == leg)
    }
}

/// The SDP in a message's body.
pub(super) fn sdp_of(message: &Message) -> Option<Bytes> {
    let body = message.body_bytes();
    if body.is_empty() {
        return None;
    }
    let content_type = message.header(HeaderName::ContentType)?;
    sdp::find(content_type, &body).map(|range| Bytes::copy_from_slice(&body[range]))
}

fn described(leg: &Leg) -> Option<Description> {
    leg.agreed.as_ref().and_then(|body| sdp::describe(body).ok())
}

/// One side of a path; `None` where the line is rejected.
fn side(leg: &Leg, description: &Description, index: usize) -> Option<Side> {
    let ports = leg.ports.get(index).copied().flatten()?;
    let stream = description.streams.get(index)?;
    if stream.port == 0 {
        return None;
    }
    Some(Side {
        leg: leg.id,
        ports,
        rtp: stream.rtp.filter(is_reachable),
        rtcp: stream.rtcp.filter(is_reachable),
        source: leg.media_source,
        latched: leg.latched.get(index).copied().flatten(),
        expects: stream.direction.sends(),
        sends: stream.direction.receives(),
        clock_rates: stream.clock_rates.clone(),
    })
}

/// Old-style hold names the unspecified address.
fn is_reachable(address: &SocketAddr) -> bool {
    let unspecified = match address.ip() {
        IpAddr::V4(address) => address.is_unspecified(),
        IpAddr::V6(address) => address.is_unspecified(),
    };
    !unspecified && address.port() != 0
}
