//! A dialog as one leg sees it: RFC 3261 §12. What belongs to the 2xx of an INVITE and its ACK lives here and not in a
//! transaction (§13.2.2.4, §13.3.1.4).

use super::endpoint::{Login, Subscription};
use super::session_timer::SessionTimer;
use super::timer::TransactionId;
use super::wire::{HeaderName, Message, NameAddr, Uri};
use crate::address::{Flow, Transport};
use crate::ids::{EventId, LegId};
use bytes::Bytes;
use std::net::SocketAddr;
use std::time::Duration;

/// Which side began the dialog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The peer sent the INVITE.
    Uas,
    /// We did.
    Uac,
}

/// How far the dialog is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DialogState {
    /// No 2xx yet.
    Early,
    /// A 2xx was sent or received.
    Confirmed,
    /// BYE was sent or received, or no 2xx will come.
    Over,
}

/// Bytes of ours that may have to be sent again, and the event that holds them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The event.
    pub event: EventId,
    /// Where to.
    pub flow: Flow,
    /// The bytes.
    pub bytes: Bytes,
}

/// Our 2xx that waits for its ACK.
#[derive(Debug, Clone)]
pub struct PendingAnswer {
    /// The 2xx.
    pub sent: Sent,
    /// CSeq of the INVITE.
    pub cseq: u32,
    /// Next interval of repetition.
    pub interval: Duration,
}

/// Whether the INVITE we sent is to be cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancelling {
    /// No.
    No,
    /// Yes, once a provisional response allows it (RFC 3261 §9.1).
    Wanted,
    /// The CANCEL was sent.
    Sent,
}

/// The INVITE of ours that has no final response yet.
#[derive(Debug, Clone)]
pub struct OutgoingInvite {
    /// Its transaction.
    pub transaction: TransactionId,
    /// Whether it carries an offer.
    pub offers: bool,
    /// Whether it says that we take provisional responses reliably.
    pub takes_reliable: bool,
    /// Whether it is to be cancelled.
    pub cancelling: Cancelling,
}

/// The most ACKs of a dialog that are kept: a 2xx may still come again when the INVITE after its own was answered too.
const MAX_ACKS: usize = 4;

/// The most forks of one INVITE that are told apart; of a further one only its newest response counts.
pub const MAX_FORKS: usize = 8;

/// An early dialog that another fork of our INVITE made (RFC 3261 §12.1.2, §13.2.2.1): what requests to it need.
#[derive(Debug, Clone)]
pub struct EarlyDialog {
    /// The fork's tag.
    pub tag: Box<str>,
    /// Its To value.
    pub remote: Box<str>,
    /// Its Contact URI.
    pub target: Box<str>,
    /// Its Route values in the order of sending.
    pub routes: Vec<Box<str>>,
    /// Path of the next request to it.
    pub flow: Flow,
}

/// A fork that answered after another one had: its dialog was ended at once.
#[derive(Debug, Clone)]
pub struct LostFork {
    /// The fork's tag.
    pub tag: Box<str>,
    /// The event that holds its 2xx.
    pub event: EventId,
    /// The ACK that it got.
    pub ack: Sent,
}

/// One leg's dialog.
#[derive(Debug, Clone)]
pub struct Dialog {
    /// The leg; its hex form is our tag.
    pub leg: LegId,
    /// Who began.
    pub role: Role,
    /// How far it is.
    pub state: DialogState,
    /// Call-ID.
    pub call_id: Box<str>,
    /// Our From or To value, without the tag.
    pub local: Box<str>,
    /// The peer's, with its tag once known.
    pub remote: Box<str>,
    /// The peer's tag.
    pub remote_tag: Option<Box<str>>,
    /// The peer's Contact URI: the next request's URI.
    pub target: Box<str>,
    /// Route values in the order of sending.
    pub routes: Vec<Box<str>>,
    /// Path of the next request.
    pub flow: Flow,
    /// Whether requests go the way that the peer's came, whatever it says of itself: it is registered there, and behind
    /// NAT what it says reaches nobody (RFC 5626 §5.3).
    pub keeps_flow: bool,
    /// Our address that INVITEs leave from which are too long for a datagram, where they go over TCP.
    pub large_by_tcp: Option<SocketAddr>,
    /// CSeq of our last request.
    pub local_cseq: u32,
    /// CSeq of the peer's last request.
    pub remote_cseq: Option<u32>,
    /// How many branches were used.
    pub branches: u32,
    /// The peer's INVITE that waits for our final response.
    pub incoming: Option<TransactionId>,
    /// Our INVITE that waits for a final response.
    pub outgoing: Option<OutgoingInvite>,
    /// Requests of the peer other than INVITE that wait for our final response.
    pub waiting: Vec<TransactionId>,
    /// The UPDATE among them.
    pub updating: Option<TransactionId>,
    /// CSeq of our last INVITE.
    pub invite_cseq: u32,
    /// Its 2xx came and has no ACK yet.
    pub owes_ack: bool,
    /// Our 2xx that waits for its ACK.
    pub answer: Option<PendingAnswer>,
    /// The ACKs to the last 2xx that we received, the newest last, each with the CSeq it is for: at most [`MAX_ACKS`].
    pub acked: Vec<(u32, Sent)>,
    /// The last ACK to a 2xx of ours: its CSeq and event.
    pub ack_heard: Option<(u32, EventId)>,
    /// BYE is wanted but must wait: for the ACK of our 2xx (RFC 3261 §15), or until the peer has heard how its REFER ended.
    /// Many phones take a BYE before that for a failure.
    pub bye_wanted: bool,
    /// What the peer hears of its REFER.
    pub subscription: Option<Box<Subscription>>,
    /// When the session is refreshed, and when it is over without (RFC 4028).
    pub timer: SessionTimer,
    /// How often an INVITE of ours met one of the peer.
    pub retries: u32,
    /// Transactions that still name this leg.
    pub transactions: u32,
    /// Early dialogs of other forks than the one that the fields above describe, which spoke last. At most
    /// [`MAX_FORKS`] with it, none once the INVITE has its final response.
    pub forks: Vec<EarlyDialog>,
    /// Forks whose 2xx came too late, while their repeats may come; at most [`MAX_FORKS`].
    pub lost: Vec<LostFork>,
    /// What we answer with where the peer asks who we are.
    pub login: Option<Box<Login>>,
}

/// Whose dialog it is: what its first request says.
#[derive(Debug)]
pub struct Ends {
    /// Call-ID.
    pub call_id: Box<str>,
    /// Our From or To, as a header value.
    pub local: Box<str>,
    /// The peer's.
    pub remote: Box<str>,
    /// The URI that requests go to.
    pub target: Box<str>,
}

impl Dialog {
    /// The dialog that an INVITE of the peer begins (RFC 3261 §12.1.1); none where it does not say whom to answer.
    pub fn of_invite(leg: LegId, flow: Flow, request: &Message) -> Option<Self> {
        let from = request.from().ok()?;
        let routes = route_set(request, false);
        // RFC 2543 had INVITEs without Contact: their sender is reached by its From (RFC 4475 §3.4.1).
        let from_uri = || (!request.has(HeaderName::Contact)).then(|| from.uri.as_str().to_owned());
        let target: Box<str> = contact_uri(request).or_else(from_uri)?.into();
        let ends = Ends {
            call_id: request.call_id().ok()?.into(),
            local: request.header(HeaderName::To)?.into(),
            remote: request.header(HeaderName::From)?.into(),
            target,
        };
        let flow = next_hop(flow, &routes, &ends.target);
        Some(Self {
            remote_tag: from.tag().map(Box::from),
            routes,
            remote_cseq: request.cseq().ok().map(|cseq| cseq.number),
            ..Self::new(leg, Role::Uas, flow, ends)
        })
    }

    /// An early dialog in which nothing has been said.
    pub fn new(leg: LegId, role: Role, flow: Flow, ends: Ends) -> Self {
        let Ends { call_id, local, remote, target } = ends;
        Self {
            leg,
            role,
            state: DialogState::Early,
            call_id,
            local,
            remote,
            remote_tag: None,
            flow,
            keeps_flow: false,
            large_by_tcp: None,
            target,
            routes: Vec::new(),
            local_cseq: 0,
            remote_cseq: None,
            branches: 0,
            incoming: None,
            outgoing: None,
            waiting: Vec::new(),
            updating: None,
            invite_cseq: 0,
            owes_ack: false,
            answer: None,
            acked: Vec::new(),
            ack_heard: None,
            bye_wanted: false,
            subscription: None,
            timer: SessionTimer::default(),
            retries: 0,
            transactions: 0,
            forks: Vec::new(),
            lost: Vec::new(),
            login: None,
        }
    }

    /// Takes the peer's tag, Contact and route set from a response that makes or refreshes the dialog
    /// (RFC 3261 §12.1.2, §12.2.1.2).
    pub fn learn_from_response(&mut self, response: &Message, source: Flow) {
        if self.state == DialogState::Early
            && let Ok(to) = response.to()
            && let Some(tag) = to.tag()
        {
            self.turn_to(tag);
            if let Some(value) = response.header(HeaderName::To) {
                self.remote = value.into();
            }
            self.routes = route_set(response, true);
        }
        self.learn_target(response, source);
    }

    /// From here on the dialog is the one with this fork: its own tag, Contact and route set, as far as they are known.
    pub fn turn_to(&mut self, tag: &str) {
        if self.remote_tag.as_deref() == Some(tag) {
            return;
        }
        let known = self.forks.iter().position(|fork| *fork.tag == *tag).map(|at| self.forks.swap_remove(at));
        if let Some(tag) = self.remote_tag.replace(tag.into())
            && self.forks.len() + 1 < MAX_FORKS
        {
            let (remote, target) = (self.remote.clone(), self.target.clone());
            self.forks.push(EarlyDialog { tag, remote, target, routes: self.routes.clone(), flow: self.flow });
        }
        if let Some(fork) = known {
            (self.remote, self.target) = (fork.remote, fork.target);
            (self.routes, self.flow) = (fork.routes, fork.flow);
        }
    }

    /// Our INVITE goes again as this one: what forks said to the one before is void.
    pub fn begin_anew(&mut self, invite: &Message) {
        self.forks = Vec::new();
        self.remote_tag = None;
        self.remote = invite.header(HeaderName::To).unwrap_or_default().into();
        self.target = invite.request_uri().unwrap_or_default().into();
        self.routes = invite.values(HeaderName::Route).map(Box::from).collect();
    }

    /// Takes the peer's Contact from a target refresh (RFC 3261 §12.2): INVITE and its responses.
    pub fn learn_target(&mut self, message: &Message, source: Flow) {
        if let Some(uri) = contact_uri(message) {
            self.target = uri.into();
        }
        // One long request was carried by TCP: the others stay where they were.
        let detour =
            self.large_by_tcp.is_some() && source.transport.is_reliable() && !self.flow.transport.is_reliable();
        let source = if detour { self.flow } else { source };
        self.flow = if self.keeps_flow { source } else { next_hop(source, &self.routes, &self.target) };
    }

    /// The path of the next request once its connection is gone: a new one, to where the peer says that it listens. The
    /// same as before where it says nothing that can be reached.
    pub fn flow_without_connection(&self) -> Flow {
        let address = named_hop(self.flow, &self.routes, &self.target);
        Flow { remote: address.unwrap_or(self.flow.remote), ..self.flow }
    }

    /// The Route value we send, and whether there is one.
    pub fn route_header(&self) -> Option<String> {
        (!self.routes.is_empty()).then(|| self.routes.join(", "))
    }

    /// Whether a request from the peer belongs here (RFC 3261 §12): our tag already matched.
    pub fn matches(&self, request: &Message) -> bool {
        let tag_fits = match (&self.remote_tag, request.from()) {
            (Some(ours), Ok(from)) => from.tag() == Some(ours),
            (None, Ok(_)) => true,
            (_, Err(_)) => false,
        };
        tag_fits && request.call_id().is_ok_and(|id| *id == *self.call_id)
    }

    /// A new branch of this leg: RFC 3261's cookie, the leg, and a counter.
    pub fn next_branch(&mut self) -> u32 {
        self.branches += 1;
        self.branches
    }

    /// The ACK that the 2xx to an INVITE of ours with this CSeq got, if it is kept still.
    pub fn ack_of(&self, cseq: u32) -> Option<&Sent> {
        self.acked.iter().rev().find(|(number, _)| *number == cseq).map(|(_, sent)| sent)
    }

    /// Keeps an ACK, in place of an earlier one to the same 2xx.
    pub fn keep_ack(&mut self, cseq: u32, sent: Sent) {
        self.acked.retain(|(number, _)| *number != cseq);
        if self.acked.len() >= MAX_ACKS {
            self.acked.remove(0);
        }
        self.acked.reserve_exact(1);
        self.acked.push((cseq, sent));
    }

    /// Whether the peer is about to hear how its REFER ended.
    pub fn tells_the_end(&self) -> bool {
        self.subscription.as_ref().is_some_and(|subscription| subscription.ends.is_some())
    }

    /// Gives back what only requests of ours need, once none will go any more. An ended dialog sends none but the NOTIFYs of
    /// a REFER, and the ACK to a 2xx that its end overtook, which may come late (RFC 3261 §13.2.2.4, §12.2.1.1). What a late
    /// fork needs stays.
    pub fn slim_if_done(&mut self) {
        if self.state != DialogState::Over || self.subscription.is_some() || self.outgoing.is_some() || self.owes_ack {
            return;
        }
        self.remote = Box::default();
        self.target = Box::default();
        self.routes = Vec::new();
        self.forks = Vec::new();
    }

    /// Whether nothing more will happen in this dialog.
    pub fn is_forgettable(&self) -> bool {
        self.state == DialogState::Over
            && self.transactions == 0
            && self.answer.is_none()
            && self.subscription.is_none()
    }
}

/// The route set of a message: its Record-Route values, reversed for the side that sent the request.
pub fn route_set(message: &Message, reversed: bool) -> Vec<Box<str>> {
    let mut routes: Vec<Box<str>> = message.values(HeaderName::RecordRoute).map(Box::from).collect();
    if reversed {
        routes.reverse();
    }
    routes
}

/// The URI of the first Contact, where it can be read.
pub fn contact_uri(message: &Message) -> Option<String> {
    let first = message.values(HeaderName::Contact).next()?;
    let contact = NameAddr::parse(first).ok()?;
    Some(contact.uri.as_str().to_owned())
}

/// Where the next request of a dialog goes: to the first route or the Contact when that is an IP address reachable on
/// the same network as the flow, else where the peer's messages come from (NAT, `.invalid`, names we have not resolved).
/// A connection that is there is used in any case, unless a route names another host and this transport.
pub fn next_hop(source: Flow, routes: &[Box<str>], target: &str) -> Flow {
    let address = match source.transport.is_reliable() {
        false => named_hop(source, routes, target),
        true => routes.first().and_then(|route| {
            let route = NameAddr::parse(route).ok()?;
            let transport = route.uri.param("transport").and_then(Transport::from_param);
            let address = socket_addr(&route.uri).filter(|address| address.ip() != source.remote.ip());
            address.filter(|_| transport == Some(source.transport))
        }),
    };
    Flow { remote: address.unwrap_or(source.remote), ..source }
}

/// The address that the first route names, or else the Contact, if that is the host that the peer's messages come from.
fn named_hop(source: Flow, routes: &[Box<str>], target: &str) -> Option<SocketAddr> {
    match routes.first() {
        Some(route) => NameAddr::parse(route).ok().and_then(|route| socket_addr(&route.uri)),
        None => Uri::parse(target)
            .ok()
            .and_then(|uri| socket_addr(&uri))
            .filter(|contact| contact.ip() == source.remote.ip()),
    }
}

fn socket_addr(uri: &Uri<'_>) -> Option<SocketAddr> {
    let (host, port) = uri.host_port()?;
    Some(SocketAddr::new(host.ip()?, port))
}

#[cfg(test)]
mod tests;
