//! A leg as the session sees it: how far the call is on this side, and its media.

use super::event::{Parties, RefusalCause};
use crate::codec::personal::Personal;
use crate::ids::{DomainId, LegId, SessionId, TrunkId};
use crate::media::{MediaSource, PortPair};
use crate::sdp;
use crate::sip::dialog::MAX_FORKS;
use bytes::Bytes;
use std::net::SocketAddr;

/// Which side of the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LegRole {
    /// It called us.
    Caller,
    /// We called it.
    Callee,
}

/// How far the leg is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LegStatus {
    /// INVITE came or went; no 2xx.
    Inviting,
    /// The far end rings (callee), or is told so (caller).
    Alerting,
    /// A 2xx was sent, its ACK has not come (caller), or came and is not acknowledged yet (callee with a late offer).
    Answered,
    /// 2xx and ACK went.
    Confirmed,
    /// We said BYE or CANCEL; the wire has not answered yet.
    Releasing,
    /// Another session has it, for a transfer.
    Away,
    /// Over on the wire.
    Gone,
}

/// Who is at the other end of a leg, and on whose word.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FarEnd {
    /// The trunk it came or leaves by.
    pub trunk: Option<TrunkId>,
    /// The domain whose user called us.
    pub domain: Option<DomainId>,
    /// A registered device: a user of a domain, whose address of record `to` is.
    pub device: bool,
    /// The To URI of a leg that we began; empty for the caller's.
    pub to: Box<str>,
    /// What was dialled to reach it; who it says that it is where it called us.
    pub dialled: Box<str>,
}

impl FarEnd {
    /// Of a leg whose peer called us.
    pub fn of_caller(trunk: Option<TrunkId>, domain: Option<DomainId>, parties: &Personal<Parties>) -> Self {
        let dialled = parties.known().map(|parties| parties.caller.as_str()).unwrap_or_default().into();
        Self { trunk, domain, dialled, ..Self::default() }
    }
}

/// What one fork of a callee's leg said before an answer.
#[derive(Debug, Clone)]
pub struct EarlySdp {
    /// The fork's To tag; empty where it gives none.
    pub tag: Box<str>,
    /// Its last SDP; once it came reliably, what is agreed with the fork.
    pub sdp: Bytes,
    /// It came reliably: whatever its 2xx says more is ignored (RFC 3261 §13.2.1).
    pub reliable: bool,
}

/// One leg.
#[derive(Debug, Clone)]
pub struct Leg {
    /// Its id, also our dialog tag.
    pub id: LegId,
    /// Which side.
    pub role: LegRole,
    /// How far.
    pub status: LegStatus,
    /// Which of the session's targets it was begun for; 0 for the caller's.
    pub target: usize,
    /// For which of the session's routes it was begun: 0 is the call's own, each transfer has one more.
    pub hunt: u32,
    /// Who is there.
    pub far: FarEnd,
    /// The session that it was taken from, for a transfer.
    pub taken_from: Option<SessionId>,
    /// The leg whose place its INVITE asks for.
    pub replaces: Option<LegId>,
    /// How it came to nothing: the status, and why.
    pub refused: Option<(u16, RefusalCause)>,
    /// How its media is recognised.
    pub media_source: MediaSource,
    /// Our ports that this leg's peer is told, by m-line.
    pub ports: Vec<Option<PortPair>>,
    /// Sources that a latch pinned, by m-line.
    pub latched: Vec<Option<SocketAddr>>,
    /// Where SDP last said that the peer is, by m-line; noted while a source is pinned.
    pub named: Vec<Option<SocketAddr>>,
    /// The last SDP that came from the peer; before an answer, from the fork that sent the first.
    pub heard: Option<Bytes>,
    /// SDP by fork until one of them answers, in order of appearance; at most [`MAX_FORKS`].
    pub early: Vec<EarlySdp>,
    /// What the peer offered in the change that is on its way: it may say more before that is answered.
    pub offered: Option<Bytes>,
    /// The peer's Allow lists UPDATE.
    pub takes_update: bool,
    /// The leg takes provisional responses reliably: the caller said so, or we did to the callee.
    pub takes_reliable: bool,
    /// Our INVITE went without SDP, and what the callee offers is not answered.
    pub lacks_answer: bool,
    /// Offer and answer have been exchanged reliably before a final response.
    pub settled: bool,
    /// The peer's SDP in force.
    pub agreed: Option<Bytes>,
    /// The last SDP we sent.
    pub told: Option<Bytes>,
    /// That was refused: what the peer was told before is in force.
    pub told_in_vain: bool,
    /// Version in our `o=` line; steps when what we tell changes.
    pub version: u64,
}

impl Leg {
    /// A leg that has just begun.
    pub fn new(id: LegId, role: LegRole, media_source: MediaSource) -> Self {
        Self {
            id,
            role,
            status: LegStatus::Inviting,
            target: 0,
            hunt: 0,
            far: FarEnd::default(),
            taken_from: None,
            replaces: None,
            refused: None,
            media_source,
            ports: Vec::new(),
            latched: Vec::new(),
            named: Vec::new(),
            heard: None,
            early: Vec::new(),
            offered: None,
            takes_update: false,
            takes_reliable: false,
            lacks_answer: false,
            settled: false,
            agreed: None,
            told: None,
            told_in_vain: false,
            version: 0,
        }
    }

    /// Whether the leg has neither ended nor been told to.
    pub const fn is_live(&self) -> bool {
        match self.status {
            LegStatus::Inviting | LegStatus::Alerting | LegStatus::Answered | LegStatus::Confirmed => true,
            LegStatus::Releasing | LegStatus::Away | LegStatus::Gone => false,
        }
    }

    /// Whether no 2xx has come or gone.
    pub const fn is_early(&self) -> bool {
        matches!(self.status, LegStatus::Inviting | LegStatus::Alerting)
    }

    /// Whether a 2xx has come or gone and nobody has ended the leg.
    pub const fn is_answered(&self) -> bool {
        matches!(self.status, LegStatus::Answered | LegStatus::Confirmed)
    }

    /// Takes in the SDP of a provisional response. Until an answer the first fork that sends any is the one that counts.
    pub fn hear_early(&mut self, tag: &str, sdp: Bytes, reliable: bool) {
        let full = self.early.len() >= MAX_FORKS;
        match self.early.iter_mut().find(|early| *early.tag == *tag) {
            Some(early) if early.reliable => return,
            Some(early) => (early.sdp, early.reliable) = (sdp.clone(), reliable),
            None if full => return,
            None => self.early.push(EarlySdp { tag: tag.into(), sdp: sdp.clone(), reliable }),
        }
        if self.early.first().is_some_and(|first| *first.tag == *tag) {
            self.heard = Some(sdp);
        }
    }

    /// Takes in a 2xx: its SDP, or where it has none, or none that counts, what the same fork said before.
    pub fn hear_answer(&mut self, tag: &str, sdp: Option<Bytes>) {
        let early = std::mem::take(&mut self.early).into_iter().find(|early| *early.tag == *tag);
        self.settled = early.as_ref().is_some_and(|early| early.reliable);
        self.heard = sdp.filter(|_| !self.settled).or_else(|| early.map(|early| early.sdp));
    }

    /// Puts this SDP of the peer into force.
    pub fn agree(&mut self, sdp: Option<Bytes>) {
        if let (Some(early), Some(sdp)) = (self.early.first_mut(), &sdp) {
            early.sdp = sdp.clone();
        }
        if let (Some(before), Some(sdp)) = (&self.agreed, &sdp)
            && self.latched.iter().any(Option::is_some)
        {
            if self.named.is_empty() {
                self.named = named(before);
            }
            let now = named(sdp);
            self.follow(&now);
        }
        self.agreed = sdp;
    }

    /// A peer that names another address than before sends from elsewhere too: its first packet pins it anew (RFC 3264
    /// §8.3.1). Hold by 0.0.0.0 names none.
    fn follow(&mut self, now: &[Option<SocketAddr>]) {
        self.named.resize(self.named.len().max(now.len()), None);
        for (index, (before, now)) in self.named.iter_mut().zip(now).enumerate() {
            let moved = now.is_some_and(|now| before.replace(now).is_some_and(|before| before != now));
            if let Some(pinned) = self.latched.get_mut(index).filter(|_| moved) {
                *pinned = None;
            }
        }
    }

    /// Gives back what only a leg needs that may still carry media. Its ports are the session's to give back.
    pub fn forget_media(&mut self) {
        (self.heard, self.agreed, self.told) = (None, None, None);
        self.early = Vec::new();
        (self.latched, self.named) = (Vec::new(), Vec::new());
    }

    /// The session id in our `o=` line: the leg, within 63 bits (RFC 8866 §5.2 asks for a number).
    pub const fn origin(&self) -> u64 {
        self.id.bits() >> 1
    }
}

/// Where an SDP says that its peer is, by m-line.
fn named(sdp: &[u8]) -> Vec<Option<SocketAddr>> {
    let streams = sdp::describe(sdp).map(|description| description.streams).unwrap_or_default();
    streams.iter().map(|stream| stream.rtp.filter(sdp::is_reachable).filter(|_| stream.port != 0)).collect()
}
