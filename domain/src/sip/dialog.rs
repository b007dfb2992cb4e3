//! A dialog as one leg sees it: RFC 3261 §12. What belongs to the 2xx of an INVITE and its ACK lives here and not in a
//! transaction (§13.2.2.4, §13.3.1.4).

use super::timer::TransactionId;
use super::wire::{HeaderName, Message, NameAddr, Uri};
use crate::address::Flow;
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
    /// Whether it is to be cancelled.
    pub cancelling: Cancelling,
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
    /// CSeq of our last INVITE.
    pub invite_cseq: u32,
    /// Our 2xx that waits for its ACK.
    pub answer: Option<PendingAnswer>,
    /// The ACK to the last 2xx we received, and the CSeq it is for.
    pub acked: Option<(u32, Sent)>,
    /// The last ACK to a 2xx of ours: its CSeq and event.
    pub ack_heard: Option<(u32, EventId)>,
    /// BYE is wanted but must wait for the ACK of our 2xx (RFC 3261 §15).
    pub bye_wanted: bool,
    /// Transactions that still name this leg.
    pub transactions: u32,
}

impl Dialog {
    /// Takes the peer's tag, Contact and route set from a response that makes or refreshes the dialog
    /// (RFC 3261 §12.1.2, §12.2.1.2).
    pub fn learn_from_response(&mut self, response: &Message, source: Flow) {
        if let Ok(to) = response.to() {
            let tag = to.tag().map(Box::from);
            if self.state == DialogState::Early && tag.is_some() {
                self.remote_tag = tag;
                if let Some(value) = response.header(HeaderName::To) {
                    self.remote = value.into();
                }
                self.routes = route_set(response, true);
            }
        }
        self.learn_target(response, source);
    }

    /// Takes the peer's Contact from a target refresh (RFC 3261 §12.2): INVITE and its responses.
    pub fn learn_target(&mut self, message: &Message, source: Flow) {
        if let Some(uri) = contact_uri(message) {
            self.target = uri.into();
        }
        self.flow = next_hop(source, &self.routes, &self.target);
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

    /// Gives back what only requests of ours need: an ended dialog sends none. What a late fork needs stays
    /// (RFC 3261 §13.2.2.4).
    pub fn slim(&mut self) {
        self.remote = Box::default();
        self.target = Box::default();
        self.routes = Vec::new();
    }

    /// Whether nothing more will happen in this dialog.
    pub fn is_forgettable(&self) -> bool {
        self.state == DialogState::Over && self.transactions == 0 && self.answer.is_none()
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
pub fn next_hop(source: Flow, routes: &[Box<str>], target: &str) -> Flow {
    let hop = match routes.first() {
        Some(route) => NameAddr::parse(route).ok().and_then(|route| socket_addr(&route.uri)),
        None => Uri::parse(target)
            .ok()
            .and_then(|uri| socket_addr(&uri))
            .filter(|contact| contact.ip() == source.remote.ip()),
    };
    Flow { remote: hop.unwrap_or(source.remote), ..source }
}

fn socket_addr(uri: &Uri<'_>) -> Option<SocketAddr> {
    let (host, port) = uri.host_port()?;
    Some(SocketAddr::new(host.ip()?, port))
}
