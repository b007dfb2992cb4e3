//! The session's media: whose SDP is in force, our ports, and what the relay shall do.

use super::event::{LegMeasure, MediaMeasured, MediaReserved, SessionEvent};
use super::leg::{Leg, LegRole};
use super::order::{Context, Order};
use super::state::{PendingOffer, Session};
use crate::ids::LegId;
use crate::media::{MediaOrder, PathId, PortPair, Side};
use crate::sdp::{self, Anchor, Description, OurOrigin, SdpFault};
use crate::sip::endpoint::{Body, RELIABLE};
use crate::sip::wire::{HeaderName, Message};
use bytes::Bytes;

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
            SessionEvent::OfferAccepted(_) => (self.offer, self.late_offer) = (None, false),
            SessionEvent::OfferRefused(_) => self.offer = None,
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
        let describes = |method| matches!(method, "INVITE" | "ACK" | "UPDATE");
        let Some(cseq) = message.cseq().ok().filter(|cseq| describes(cseq.method)) else { return };
        let body = sdp_of(message);
        let Some(leg) = self.leg_mut(leg) else { return };
        if message.has(HeaderName::Allow) {
            leg.takes_update = message.values(HeaderName::Allow).any(|method| method == "UPDATE");
        }
        let early = leg.role == LegRole::Callee && leg.is_early() && cseq.method == "INVITE";
        let reliable = leg.takes_reliable && is_reliable(message);
        let tag = || message.to().ok().and_then(|to| to.tag().map(str::to_owned)).unwrap_or_default();
        match (message.status(), body) {
            (Some(100..=199), Some(body)) if early => leg.hear_early(&tag(), body, reliable),
            (Some(200..=299), body) if early => leg.hear_answer(&tag(), body),
            (_, Some(body)) if leg.is_live() => leg.heard = Some(body),
            (_, Some(_) | None) => {}
        }
    }

    /// Puts what the leg's peer last said into force.
    pub(super) fn agree(&mut self, leg: LegId) {
        if let Some(leg) = self.leg_mut(leg) {
            leg.agree(leg.heard.clone());
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
            let offered = leg.offered.take().or_else(|| leg.heard.clone());
            leg.agree(offered);
        }
    }

    /// What `from` last said, rewritten for `to` with our address and the ports that `to` is told.
    pub(super) fn rewrite_heard(&mut self, from: LegId, to: LegId) -> Result<Body, MediaFault> {
        let heard = self.leg(from).and_then(|leg| leg.heard.clone()).ok_or(MediaFault::Missing)?;
        self.rewrite(&heard, to)
    }

    /// The same as the answer to what `to` offered last: with as many m-lines as that has, for `from` may have been told more
    /// before (RFC 3264 §6).
    pub(super) fn answer_heard(&mut self, from: LegId, to: LegId) -> Result<Body, MediaFault> {
        let heard = self.leg(from).and_then(|leg| leg.heard.clone()).ok_or(MediaFault::Missing)?;
        let offered =
            self.leg(to).and_then(|leg| leg.offered.as_ref()).map(|offer| sdp::describe(offer)).transpose()?;
        match offered {
            Some(offered) => self.rewrite(sdp::cut(&heard, offered.streams.len()), to),
            None => self.rewrite(&heard, to),
        }
    }

    /// What is in force on `from`, rewritten for `to`.
    pub(super) fn rewrite_agreed(&mut self, from: LegId, to: LegId) -> Result<Body, MediaFault> {
        let agreed = self.leg(from).and_then(|leg| leg.agreed.clone()).ok_or(MediaFault::Missing)?;
        self.rewrite(&agreed, to)
    }

    /// The callee's SDP as the caller's answer. Where the caller was given another callee's early and that still serves,
    /// it is given the same again: it must ignore any other (RFC 3261 §13.2.1). Where it does not serve the SDP of the
    /// callee that answered follows with a higher version, which most phones take up.
    pub(super) fn answer_for_caller(&mut self, callee: LegId, caller: LegId) -> Result<Body, MediaFault> {
        let before = self.leg(caller).and_then(|leg| Some((leg.told.clone()?, leg.version)));
        let body = self.rewrite_heard(callee, caller)?;
        match (before, self.leg_mut(caller)) {
            (Some((told, version)), Some(leg)) if sdp::stands_for(&told, &body.bytes) => {
                (leg.told, leg.version) = (Some(told.clone()), version);
                Ok(Body { bytes: told, ..body })
            }
            (Some(_) | None, _) => Ok(body),
        }
    }

    pub(super) fn rewrite(&mut self, source: &[u8], to: LegId) -> Result<Body, MediaFault> {
        let address = self.media_address.ok_or(MediaFault::NoPorts)?;
        let leg = self.leg_mut(to).ok_or(MediaFault::Missing)?;
        let extended = leg.told.as_ref().map(|told| sdp::extend(source, told));
        let source = extended.as_deref().unwrap_or(source);
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
        leg.told_in_vain = false;
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
                let ports = [a.ports, b.ports];
                orders.push((index, ports, MediaOrder::Relay { path, sides: Box::new([a, b]) }));
            }
        }
        self.paths.resize(self.paths.len().max(lines), None);
        for (index, ports, order) in orders {
            let before = self.paths.get_mut(index).and_then(|path| path.replace(ports));
            context.order(Order::Media(order));
            for replaced in before.into_iter().flatten().filter(|before| !ports.contains(before)) {
                self.disown(replaced);
            }
        }
    }

    /// Ports that media has given back by itself, since others took their place in a path.
    fn disown(&mut self, ports: PortPair) {
        let slots = self.legs.iter_mut().flat_map(|leg| &mut leg.ports);
        slots.filter(|slot| **slot == Some(ports)).for_each(|slot| *slot = None);
    }

    /// Closes the paths in which a leg still has a part that is in the call no more: a line that nobody took over.
    pub(super) fn close_paths_of(&mut self, context: &mut Context<'_>, leg: LegId) {
        let ports = self.leg(leg).map(|leg| leg.ports.clone()).unwrap_or_default();
        let left = |open: &[PortPair; 2]| open.iter().any(|pair| ports.contains(&Some(*pair)));
        let stale: Vec<(usize, [PortPair; 2])> =
            self.paths.iter().enumerate().filter_map(|(index, path)| Some((index, path.filter(left)?))).collect();
        for (index, open) in stale {
            let path = PathId { session: self.id, stream: u8::try_from(index).unwrap_or(u8::MAX) };
            context.order(Order::Media(MediaOrder::Close { path }));
            open.into_iter().for_each(|ports| self.disown(ports));
        }
    }

    /// Closes every path, and gives back the ports that are in none.
    pub(super) fn close_media(&mut self, context: &mut Context<'_>) {
        for (index, path) in self.paths.iter().enumerate() {
            if path.is_some() {
                let path = PathId { session: self.id, stream: u8::try_from(index).unwrap_or(u8::MAX) };
                context.order(Order::Media(MediaOrder::Close { path }));
            }
        }
        let legs: Vec<LegId> = self.legs.iter().map(|leg| leg.id).collect();
        legs.into_iter().for_each(|leg| self.return_ports(context, leg));
    }

    /// Gives back the ports of a leg that came to nothing. Those in a path stay there: the next relay order for it, or its
    /// end, gives them back.
    pub(super) fn return_ports(&mut self, context: &mut Context<'_>, leg: LegId) {
        let in_paths: Vec<PortPair> = self.paths.iter().flatten().flatten().copied().collect();
        let Some(leg) = self.leg_mut(leg) else { return };
        let taken = leg.ports.iter_mut().filter_map(Option::take);
        for ports in taken.filter(|ports| !in_paths.contains(ports)) {
            context.order(Order::Media(MediaOrder::Return { ports }));
        }
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

/// Whether a provisional response came reliably, from a peer that may send such.
pub(super) fn is_reliable(response: &Message) -> bool {
    response.lists_option(HeaderName::Require, RELIABLE) && response.rseq().is_ok_and(|rseq| rseq.is_some())
}

/// The SDP in a message's body.
pub(crate) fn sdp_of(message: &Message) -> Option<Bytes> {
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
    // Who hung up gets nothing more, and is not waited for.
    let here = leg.is_live();
    Some(Side {
        leg: leg.id,
        ports,
        rtp: stream.rtp.filter(sdp::is_reachable).filter(|_| here),
        rtcp: stream.rtcp.filter(sdp::is_reachable).filter(|_| here),
        source: leg.media_source,
        latched: leg.latched.get(index).copied().flatten(),
        expects: here && stream.direction.sends(),
        sends: here && stream.direction.receives(),
        clock_rates: stream.clock_rates.clone(),
    })
}
