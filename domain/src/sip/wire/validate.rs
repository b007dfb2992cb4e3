//! What a message must be before a transaction, dialog or route is looked for (RFC 3261 §8.1.1, §8.2, §16.3).

use super::message::{Message, StartLine};
use super::scan::MAX_VIA_LINES;
use super::{
    CSeq, Elements, HeaderName, Malformed, Method, NameAddr, Replaces, Scheme, Uri, Via, numbers, reason_phrase,
};

/// Headers without which there is no transaction and no answer. Max-Forwards may be absent (RFC 3261 §16.3).
const MANDATORY: [HeaderName; 5] =
    [HeaderName::Via, HeaderName::From, HeaderName::To, HeaderName::CallId, HeaderName::CSeq];

/// Headers that are no lists and that something is decided by: two of them contradict each other
/// (RFC 4475 §3.3.8). Content-Length is judged by framing.
const SINGLE: [HeaderName; 17] = [
    HeaderName::From,
    HeaderName::To,
    HeaderName::CallId,
    HeaderName::CSeq,
    HeaderName::MaxForwards,
    HeaderName::ContentType,
    HeaderName::ContentDisposition,
    HeaderName::Expires,
    HeaderName::MinExpires,
    HeaderName::Event,
    HeaderName::ReferTo,
    HeaderName::ReferredBy,
    HeaderName::Replaces,
    HeaderName::RAck,
    HeaderName::RSeq,
    HeaderName::SessionExpires,
    HeaderName::MinSe,
];

const fn set<const N: usize>(names: [HeaderName; N]) -> u64 {
    let (mut bits, mut at) = (0, 0);
    while at < N {
        bits |= names[at].bit();
        at += 1;
    }
    bits
}

/// Why a message is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{status} {reason}: {detail}")]
pub struct Fault {
    /// The status a request is answered with: 400, 416, 501 or 505. Responses are dropped whatever it is.
    pub status: u16,
    /// The status's phrase.
    pub reason: &'static str,
    /// What is wrong, for the log; it holds no more of the message than names.
    pub detail: String,
}

impl Fault {
    fn new(status: u16, detail: impl Into<String>) -> Self {
        Self { status, reason: reason_phrase(status), detail: detail.into() }
    }
}

impl From<Malformed> for Fault {
    fn from(malformed: Malformed) -> Self {
        Self::new(400, malformed.to_string())
    }
}

/// Judges a request. What is absent though RFC 2543 allowed it (From tag, branch, Max-Forwards) is accepted.
/// Extensions (420), methods (405), dialogs (481), hops (483) and bodies (415, 488) are judged by others later.
///
/// # Errors
/// [`Fault`]: 505 for another version, 416 for a Request-URI of no scheme we route, 501 for a method of nobody's whose
/// CSeq names another (RFC 4475 §3.1.2.18: a newer SIP may have its reasons), else 400. Answer it if
/// [`Message::is_answerable`].
pub fn validate_request(message: &Message) -> Result<(), Fault> {
    let StartLine::Request { method, .. } = &message.start else {
        return Err(Fault::new(400, "a response, no request"));
    };
    check_version(message)?;
    check_text(message)?;
    if message.odd.not_utf8 {
        return Err(Fault::new(400, "headers are not UTF-8"));
    }
    check_occurrence(message)?;
    check_values(message, Some(method))?;
    check_request_uri(message.request_uri().unwrap_or_default())
}

/// Judges a response. Header text that is not UTF-8 is let pass: dropping an answer would cost a call.
///
/// # Errors
/// [`Fault`]: the response is to be dropped, there is no answer to it.
pub fn validate_response(message: &Message) -> Result<(), Fault> {
    let StartLine::Response { status, .. } = message.start else {
        return Err(Fault::new(400, "a request, no response"));
    };
    check_version(message)?;
    check_text(message)?;
    if !(100..=699).contains(&status) {
        return Err(Fault::new(400, "status is not 100 to 699"));
    }
    check_occurrence(message)?;
    check_values(message, None)
}

fn check_version(message: &Message) -> Result<(), Fault> {
    let (StartLine::Request { version, .. } | StartLine::Response { version, .. }) = message.start;
    if version.of(message.head()).eq_ignore_ascii_case(b"SIP/2.0") {
        return Ok(());
    }
    Err(Fault::new(505, "the version is not SIP/2.0"))
}

fn check_text(message: &Message) -> Result<(), Fault> {
    if message.odd.blanks_in_start {
        return Err(Fault::new(400, "the request line has blanks where none belong"));
    }
    if message.odd.control {
        return Err(Fault::new(400, "a header has a control character outside a quoted pair"));
    }
    Ok(())
}

/// The headers every message needs, and no second one where two would contradict each other.
fn check_occurrence(message: &Message) -> Result<(), Fault> {
    const NEEDED: u64 = set(MANDATORY);
    const ONCE: u64 = set(SINGLE);
    let (missing, twice) = (NEEDED & !message.seen, ONCE & message.repeated);
    if missing | twice == 0 {
        return Ok(());
    }
    if let Some(name) = MANDATORY.iter().find(|name| missing & name.bit() != 0) {
        return Err(Fault::new(400, format!("{name} is missing")));
    }
    let names = SINGLE.iter().filter(|name| twice & name.bit() != 0).map(HeaderName::to_string);
    Err(Fault::new(400, format!("{} is given twice", names.collect::<Vec<_>>().join(", "))))
}

/// The values that something is decided by; of a response only those that it is matched by. Via lines below
/// the first are only ever copied.
fn check_values(message: &Message, method: Option<&Method>) -> Result<(), Fault> {
    let head = message.head_text();
    let (mut vias, mut contacts) = (0, 0);
    for field in message.fields.iter() {
        let value = field.value.of_text(head);
        match (field.id, method) {
            (HeaderName::From, _) => drop(NameAddr::parse_as("From", value)?),
            (HeaderName::To, _) => drop(NameAddr::parse_as("To", value)?),
            (HeaderName::CallId, _) => drop(numbers::call_id(value)?),
            (HeaderName::CSeq, _) => check_cseq(value, method)?,
            (HeaderName::Via, _) => {
                if vias == 0 {
                    check_top_via(value)?;
                }
                vias += 1;
            }
            (HeaderName::MaxForwards, Some(_)) => drop(numbers::max_forwards(value)?),
            (HeaderName::Contact, Some(method)) if message.is_wildcard_contact() => {
                if *method != Method::Register {
                    return Err(Fault::new(400, "Contact: * is for REGISTER"));
                }
            }
            (HeaderName::Contact, Some(_)) => contacts += check_addresses("Contact", value, false)?,
            // RFC 3911 §4: no call can do both.
            (HeaderName::Replaces, Some(Method::Invite)) if message.header_named("Join").is_some() => {
                return Err(Fault::new(400, "Replaces and Join contradict each other"));
            }
            (HeaderName::Replaces, Some(Method::Invite)) => drop(Replaces::parse(value)?),
            // RFC 3891 §3.
            (HeaderName::Replaces, Some(_)) => return Err(Fault::new(400, "Replaces is for INVITE")),
            (HeaderName::Route, Some(_)) => drop(check_addresses("Route", value, true)?),
            (HeaderName::RecordRoute, Some(_)) => drop(check_addresses("Record-Route", value, true)?),
            (_, _) => {}
        }
    }
    if vias > MAX_VIA_LINES {
        return Err(Fault::new(400, "Via: more than 150 lines"));
    }
    // RFC 3261 §8.1.1.8.
    if contacts > 1 && method == Some(&Method::Invite) {
        return Err(Fault::new(400, "Contact: an INVITE has one"));
    }
    Ok(())
}

fn check_cseq(value: &str, method: Option<&Method>) -> Result<(), Fault> {
    let cseq = CSeq::parse(value)?;
    match method {
        Some(method) if method.as_str() != cseq.method => {
            let status = if matches!(method, Method::Other(_)) { 501 } else { 400 };
            Err(Fault::new(status, "CSeq: the method is not the request's"))
        }
        Some(_) | None => Ok(()),
    }
}

/// Judges the first Via line; of more than one Via on it the first is the top one.
fn check_top_via(value: &str) -> Result<(), Fault> {
    for (index, element) in Elements::of(value).enumerate() {
        let via = Via::parse(element)?;
        if index > 0 {
            continue;
        }
        if !via.protocol.eq_ignore_ascii_case("SIP") || via.version != "2.0" {
            return Err(Fault::new(400, "Via: the protocol is not SIP/2.0"));
        }
        if via.has_empty_branch() {
            return Err(Fault::new(400, "Via: the branch has nothing after its cookie"));
        }
    }
    Ok(())
}

fn check_addresses(part: &'static str, value: &str, bracketed: bool) -> Result<usize, Fault> {
    let mut count = 0;
    for element in Elements::of(value) {
        if !NameAddr::parse_as(part, element)?.bracketed && bracketed {
            return Err(Fault::new(400, format!("{part}: the URI needs angle brackets")));
        }
        count += 1;
    }
    Ok(count)
}

fn check_request_uri(text: &str) -> Result<(), Fault> {
    let uri = Uri::parse(text).map_err(|malformed| Fault::new(400, format!("Request-{malformed}")))?;
    match uri.scheme() {
        Scheme::Sip | Scheme::Sips if uri.headers().is_some() => {
            Err(Fault::new(400, "Request-URI: headers do not belong in it"))
        }
        Scheme::Sip | Scheme::Sips | Scheme::Tel | Scheme::Urn => Ok(()),
        Scheme::Other => Err(Fault::new(416, "Request-URI: the scheme is none we route")),
    }
}
