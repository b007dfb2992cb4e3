//! A dialog (RFC 3261 §12): what every request between the same two ends repeats.

use super::message::{self, Incoming, Key};
use super::transaction::Datagram;
use rsip::prelude::UntypedHeader;
use rsip::{Header, Method, Request, Uri};
use std::net::SocketAddr;

/// Our half of a dialog, or of one to be.
#[derive(Debug)]
pub struct Dialog {
    /// Our SIP address.
    pub local: SocketAddr,
    /// Call-ID.
    pub call_id: String,
    /// Our tag.
    pub our_tag: String,
    /// Their tag, once known.
    pub their_tag: Option<String>,
    /// Number of our last request.
    pub sequence: u32,
    /// Number of their last request.
    pub their_sequence: Option<u32>,
    /// Value of From in our requests, tag included.
    us: String,
    /// Value of To in our requests, with their tag once known.
    them: String,
    target: Uri,
    routes: Vec<String>,
    /// Where requests go while neither route nor target names an address.
    fallback: SocketAddr,
}

impl Dialog {
    /// The dialog that an INVITE from `user` to `target` asks for; it is sent to `first_hop`.
    pub fn outgoing(local: SocketAddr, user: &str, target: Uri, first_hop: SocketAddr) -> Self {
        let our_tag = message::token();
        Self {
            local,
            call_id: message::token(),
            their_tag: None,
            sequence: 0,
            their_sequence: None,
            us: format!("<sip:{user}@{local}>;tag={our_tag}"),
            them: format!("<{target}>"),
            our_tag,
            target,
            routes: Vec::new(),
            fallback: first_hop,
        }
    }

    /// The dialog that `invite` asks for. `None` where it lacks the other end's tag or Contact.
    pub fn incoming(local: SocketAddr, invite: &Incoming, source: SocketAddr) -> Option<Self> {
        use rsip::message::HeadersExt;
        let our_tag = message::token();
        Some(Self {
            local,
            call_id: invite.call_id.clone(),
            their_tag: Some(invite.from_tag.clone()?),
            sequence: 0,
            their_sequence: Some(invite.sequence),
            us: invite.to_with(&our_tag),
            them: invite.message.from_header().ok()?.value().to_owned(),
            our_tag,
            target: invite.contact()?,
            routes: invite.record_route(),
            fallback: source,
        })
    }

    /// Takes tag, target and route set from a response to our first INVITE (RFC 3261 §12.1.2).
    pub fn learn(&mut self, response: &Incoming) {
        self.their_tag.clone_from(&response.to_tag);
        response.to().clone_into(&mut self.them);
        self.routes = response.record_route();
        self.routes.reverse();
        self.refresh(response);
    }

    /// Takes the target that a re-INVITE or its 2xx names.
    pub fn refresh(&mut self, message: &Incoming) {
        if let Some(contact) = message.contact() {
            self.target = contact;
        }
    }

    /// Whether a request with these tags belongs to this dialog.
    pub fn owns(&self, request: &Incoming) -> bool {
        request.to_tag.as_deref() == Some(&self.our_tag) && request.from_tag == self.their_tag
    }

    /// The next request of ours.
    pub fn next_request(&mut self, method: Method, sdp: Option<String>) -> (Key, Request) {
        self.sequence += 1;
        self.request(method, self.sequence, sdp)
    }

    /// A request with a number of its own choice: for the ACK of a 2xx, that of its INVITE (RFC 3261 §13.2.2.4).
    pub fn request(&self, method: Method, sequence: u32, sdp: Option<String>) -> (Key, Request) {
        let branch = message::branch();
        let mut request = message::request(method, self.target.clone(), self.local, &branch);
        let headers = &mut request.headers;
        headers.extend(self.routes.iter().map(|route| Header::Route(route.as_str().into())).collect());
        headers.push(Header::From(self.us.as_str().into()));
        headers.push(Header::To(self.them.as_str().into()));
        headers.push(Header::CallId(self.call_id.as_str().into()));
        headers.push(Header::CSeq(format!("{sequence} {method}").into()));
        if method == Method::Invite {
            headers.push(Header::Allow(message::ALLOW.into()));
        }
        message::finish(&mut request.headers, &mut request.body, sdp);
        (Key { branch, method }, request)
    }

    /// `request` on its way: to the first route, else to the target, where they name an address; the first INVITE to its
    /// first hop.
    pub fn datagram(&self, request: &Request) -> Datagram {
        let route = self.routes.first().and_then(|route| Uri::try_from(route.trim_start_matches('<')).ok());
        let next = route.or_else(|| self.their_tag.is_some().then(|| self.target.clone()));
        let to = next.and_then(|uri| message::socket_address(&uri)).unwrap_or(self.fallback);
        Datagram { to, bytes: request.to_string().into_bytes() }
    }
}
