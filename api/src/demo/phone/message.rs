//! Reading and writing SIP messages with `rsip`: what the phone needs beyond that crate's types.

use rsip::headers::ToTypedHeader;
use rsip::headers::typed::WwwAuthenticate;
use rsip::message::HeadersExt;
use rsip::prelude::UntypedHeader;
use rsip::{Header, Headers, Method, Request, Response, SipMessage, StatusCode, Uri, Version};
use std::net::SocketAddr;

/// What the phone does; sent with every INVITE, its 2xx, OPTIONS and 405.
pub const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, NOTIFY";
const AGENT: &str = "Strowger-demo-phone";

/// What names a transaction (RFC 3261 §17.1.3 and §17.2.3). An ACK has the INVITE's method here where it shares its branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The branch of the topmost Via.
    pub branch: String,
    /// The method of CSeq.
    pub method: Method,
}

/// A message with what every decision about it needs.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// As `rsip` read it.
    pub message: SipMessage,
    /// Its Call-ID.
    pub call_id: String,
    /// Number of its CSeq.
    pub sequence: u32,
    /// Its transaction.
    pub key: Key,
    /// The tag in From, where there is one.
    pub from_tag: Option<String>,
    /// The tag in To, where there is one.
    pub to_tag: Option<String>,
}

impl Incoming {
    /// Reads a datagram. `None` where it is no SIP that `rsip` reads or lacks a header that every message must have.
    pub fn parse(datagram: &[u8]) -> Option<Self> {
        let message = SipMessage::try_from(datagram).ok()?;
        let cseq = message.cseq_header().ok()?.typed().ok()?;
        let branch = message.transaction_id().ok()??.to_string();
        let branch = branch.trim_start_matches(";branch=").to_owned();
        let call_id = message.call_id_header().ok()?.value().to_owned();
        let from_tag = message.from_header().ok()?.typed().ok()?.tag().map(|tag| tag.value().to_owned());
        let to_tag = message.to_header().ok()?.typed().ok()?.tag().map(|tag| tag.value().to_owned());
        let key = Key { branch, method: cseq.method };
        Some(Self { call_id, sequence: cseq.seq, key, from_tag, to_tag, message })
    }

    /// The URI of Contact, where there is one.
    pub fn contact(&self) -> Option<Uri> {
        Some(self.message.contact_header().ok()?.typed().ok()?.uri)
    }

    /// The values of Record-Route, topmost first, one route each.
    pub fn record_route(&self) -> Vec<String> {
        let values = headers(&self.message).filter_map(|header| match header {
            Header::RecordRoute(value) => Some(value.value()),
            _ => None,
        });
        values.flat_map(|value| value.split(',')).map(|route| route.trim().to_owned()).collect()
    }

    /// The value of Require, where there is one.
    pub fn require(&self) -> Option<&str> {
        headers(&self.message).find_map(|header| match header {
            Header::Require(value) => Some(value.value()),
            _ => None,
        })
    }

    /// What it asks to be proved, in its order; only what `rsip` can read.
    pub fn challenges(&self) -> Vec<WwwAuthenticate> {
        let values = headers(&self.message).filter_map(|header| match header {
            // `rsip` has a name of its own for what RFC 8760 calls SHA-256.
            Header::WwwAuthenticate(value) => {
                let value = value.value().replace("algorithm=SHA-256", "algorithm=SHA256");
                rsip::headers::WwwAuthenticate::from(value).typed().ok()
            }
            _ => None,
        });
        values.collect()
    }

    /// The value of To.
    pub fn to(&self) -> &str {
        self.message.to_header().map(|to| to.value()).unwrap_or_default()
    }

    /// The value of To with a tag: its own, else `tag`.
    pub fn to_with(&self, tag: &str) -> String {
        if self.to_tag.is_some() { self.to().to_owned() } else { format!("{};tag={tag}", self.to()) }
    }
}

fn headers(message: &SipMessage) -> impl Iterator<Item = &Header> {
    match message {
        SipMessage::Request(request) => request.headers.iter(),
        SipMessage::Response(response) => response.headers.iter(),
    }
}

/// The address a URI names, where it is an IP address; port 5060 where none is given.
pub fn socket_address(uri: &Uri) -> Option<SocketAddr> {
    uri.host_with_port.clone().try_into().ok()
}

/// Headers of a request; the caller adds From, To and what the method needs.
pub fn request(method: Method, uri: Uri, local: SocketAddr, branch: &str) -> Request {
    let via = format!("SIP/2.0/UDP {local};branch={branch};rport");
    let headers = vec![
        Header::Via(via.into()),
        Header::MaxForwards("70".into()),
        Header::UserAgent(AGENT.into()),
        Header::Contact(format!("<sip:{local}>").into()),
    ];
    Request { method, uri, version: Version::V2, headers: headers.into(), body: Vec::new() }
}

/// A response to `request`: its Vias, Record-Route, From, Call-ID and CSeq repeated, and To with `tag`.
pub fn response(request: &Incoming, status: (u16, &str), tag: &str, source: SocketAddr, local: SocketAddr) -> Response {
    let mut first_via = true;
    let kept = headers(&request.message).filter_map(|header| match header {
        Header::Via(via) if std::mem::take(&mut first_via) => {
            Some(Header::Via(with_source(via.value(), source).into()))
        }
        Header::To(_) => Some(Header::To(request.to_with(tag).into())),
        Header::Via(_) | Header::RecordRoute(_) | Header::From(_) | Header::CallId(_) | Header::CSeq(_) => {
            Some(header.clone())
        }
        _ => None,
    });
    let mut headers: Vec<Header> = kept.collect();
    headers.push(Header::Contact(format!("<sip:{local}>").into()));
    headers.push(Header::Server(AGENT.into()));
    let status_code = StatusCode::Other(status.0, status.1.to_owned());
    Response { status_code, version: Version::V2, headers: headers.into(), body: Vec::new() }
}

/// Fills the `rport` that a client left empty (RFC 3581 §4).
fn with_source(via: &str, source: SocketAddr) -> String {
    let filled = format!(";rport={};received={}", source.port(), source.ip());
    via.split(';').enumerate().fold(String::new(), |text, (index, part)| match (index, part.trim()) {
        (0, _) => part.to_owned(),
        (_, "rport") => text + &filled,
        (_, _) => text + ";" + part,
    })
}

/// Where a response to `request` goes (RFC 3261 §18.2.2, RFC 3581 §4): to the source with `rport`, else to the port in Via.
pub fn reply_address(request: &Incoming, source: SocketAddr) -> SocketAddr {
    let Ok(via) = request.message.via_header() else { return source };
    if via.value().split(';').any(|part| part.trim().starts_with("rport")) {
        return source;
    }
    let port = via.typed().ok().and_then(|via| via.uri.host_with_port.port.map(u16::from));
    SocketAddr::new(source.ip(), port.unwrap_or(5060))
}

/// Ends a message: Content-Type where there is a body, and Content-Length.
pub fn finish(headers: &mut Headers, body: &mut Vec<u8>, sdp: Option<String>) {
    if let Some(sdp) = sdp {
        headers.push(Header::ContentType("application/sdp".into()));
        *body = sdp.into_bytes();
    }
    headers.push(Header::ContentLength(body.len().to_string().into()));
}

/// The CANCEL of `invite`, or the ACK of its refusal with that response's To: same branch, Request-URI, Route and CSeq
/// number (RFC 3261 §9.1 and §17.1.1.3).
pub fn companion(invite: &Request, method: Method, to: Option<String>) -> Request {
    let kept = invite.headers.iter().filter_map(|header| match header {
        Header::To(own) => Some(Header::To(to.clone().map_or_else(|| own.clone(), Into::into))),
        Header::CSeq(own) => {
            let number = own.value().split(' ').next().unwrap_or_default();
            Some(Header::CSeq(format!("{number} {method}").into()))
        }
        Header::ContentType(_) | Header::ContentLength(_) | Header::Allow(_) | Header::Contact(_) => None,
        other => Some(other.clone()),
    });
    let mut request = Request {
        method,
        uri: invite.uri.clone(),
        version: Version::V2,
        headers: kept.collect::<Vec<_>>().into(),
        body: Vec::new(),
    };
    finish(&mut request.headers, &mut request.body, None);
    request
}

/// A branch, tag or Call-ID that never was before.
pub fn token() -> String {
    let unique = rsip::headers::CallId::default();
    unique.value().split('@').next().unwrap_or_default().replace('-', "")
}

/// A branch that never was before.
pub fn branch() -> String {
    format!("z9hG4bK{}", token())
}

/// The user part of a URI, or its host where there is none.
pub fn user(uri: &Uri) -> String {
    uri.user().map_or_else(|| uri.host_with_port.to_string(), str::to_owned)
}
