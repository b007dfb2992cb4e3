//! A framed message: its bytes as they came and an index of its header fields.

use super::chars;
use super::list::Values;
use super::numbers;
use super::scan::MAX_VIA_LINES;
use super::{CSeq, HeaderName, Malformed, Method, NameAddr, NameAddrs, RAck, Via, Vias};
use bytes::Bytes;
use std::fmt;
use std::sync::Arc;

/// A range of a message's bytes; messages have at most 65,535.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: u16,
    pub(super) end: u16,
}

impl Span {
    pub(super) fn of(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    pub(super) fn of_text(self, text: &str) -> &str {
        text.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

/// Where a header field stands. The value is without blanks at its ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    pub(super) id: HeaderName,
    pub(super) name: Span,
    pub(super) value: Span,
}

/// Where the parts of the first line stand.
#[derive(Debug, Clone)]
pub(super) enum StartLine {
    Request { method: Method, uri: Span, version: Span },
    Response { version: Span, status: u16, reason: Span },
}

/// What framing noticed and the checks judge.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Oddities {
    /// The request line has blanks other than its two single spaces.
    pub(super) blanks_in_start: bool,
    /// A control character outside a quoted pair, or a CR without LF.
    pub(super) control: bool,
    /// First line or headers are not UTF-8.
    pub(super) not_utf8: bool,
}

/// A framed SIP message. Cloning shares the bytes and the index.
#[derive(Clone)]
pub struct Message {
    pub(super) bytes: Bytes,
    /// First line and headers with folds, bare CRs and undecodable bytes blanked out one for one, if there are any.
    pub(super) blanked: Option<Arc<[u8]>>,
    pub(super) fields: Arc<[Field]>,
    pub(super) start: StartLine,
    pub(super) body: Span,
    /// Names that occur, and names that occur more than once ([`HeaderName::bit`]).
    pub(super) seen: u64,
    pub(super) repeated: u64,
    pub(super) odd: Oddities,
}

/// The first line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start<'a> {
    /// A request line; `uri` is not judged yet.
    Request {
        /// The method.
        method: &'a Method,
        /// The Request-URI's text.
        uri: &'a str,
    },
    /// A status line.
    Response {
        /// Three digits; the checks want 100 to 699.
        status: u16,
        /// The phrase, perhaps empty.
        reason: &'a str,
    },
}

/// One header field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header<'a> {
    /// Its name.
    pub name: HeaderName,
    /// Its name as it is spelled.
    pub raw_name: &'a str,
    /// Its value without blanks at the ends. Where the field was folded the line ends are blanks (RFC 3261 §7.3.1);
    /// where it is not UTF-8 each such byte is `?`.
    pub value: &'a str,
}

impl Message {
    /// The datagram as it came, whatever precedes or follows the message included.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The first line.
    pub fn start(&self) -> Start<'_> {
        match &self.start {
            StartLine::Request { method, uri, .. } => Start::Request { method, uri: self.text(*uri) },
            StartLine::Response { status, reason, .. } => {
                Start::Response { status: *status, reason: self.text(*reason) }
            }
        }
    }

    /// Whether it is a request.
    pub fn is_request(&self) -> bool {
        self.method().is_some()
    }

    /// A request's method.
    pub fn method(&self) -> Option<&Method> {
        match &self.start {
            StartLine::Request { method, .. } => Some(method),
            StartLine::Response { .. } => None,
        }
    }

    /// A response's status.
    pub fn status(&self) -> Option<u16> {
        match self.start {
            StartLine::Request { .. } => None,
            StartLine::Response { status, .. } => Some(status),
        }
    }

    /// A request's Request-URI as text.
    pub fn request_uri(&self) -> Option<&str> {
        match self.start {
            StartLine::Request { uri, .. } => Some(self.text(uri)),
            StartLine::Response { .. } => None,
        }
    }

    /// The protocol version as it is spelled, `SIP/2.0` for all that pass the checks.
    pub fn version(&self) -> &str {
        match self.start {
            StartLine::Request { version, .. } | StartLine::Response { version, .. } => self.text(version),
        }
    }

    /// All header fields in their order.
    pub fn headers(&self) -> impl Iterator<Item = Header<'_>> {
        self.fields.iter().map(|field| self.view(field))
    }

    /// The value of the first header of this name. [`HeaderName::Other`] finds nothing: use
    /// [`Message::header_named`].
    pub fn header(&self, name: HeaderName) -> Option<&str> {
        self.fields_of(name).next().map(|field| self.text(field.value))
    }

    /// The value of the first header of this name in any case, known or not. Compact forms count as their names.
    pub fn header_named(&self, name: &str) -> Option<&str> {
        match HeaderName::of(name.as_bytes()) {
            HeaderName::Other => {
                self.headers().find(|header| header.raw_name.eq_ignore_ascii_case(name)).map(|header| header.value)
            }
            known => self.header(known),
        }
    }

    /// Whether a header of this name occurs.
    pub fn has(&self, name: HeaderName) -> bool {
        self.seen & name.bit() != 0
    }

    /// The comma-separated elements of all headers of this name in order, empty ones left out; commas in quotes or
    /// angle brackets do not separate (RFC 3261 §7.3.1). Only for headers that are lists: a Date is not.
    pub fn values(&self, name: HeaderName) -> Values<'_> {
        Values::new(self, name)
    }

    /// The body: as long as Content-Length says, or to the end of the datagram.
    pub fn body(&self) -> &[u8] {
        self.body.of(&self.bytes)
    }

    /// The body, sharing the message's memory.
    pub fn body_bytes(&self) -> Bytes {
        self.bytes.slice(self.body.start as usize..self.body.end as usize)
    }

    /// The first Via.
    pub fn top_via(&self) -> Result<Via<'_>, Malformed> {
        self.vias().next().unwrap_or(Err(Malformed::new("Via", "is missing")))
    }

    /// All Vias, top first.
    pub fn vias(&self) -> Vias<'_> {
        Vias::new(self)
    }

    /// The From header.
    pub fn from(&self) -> Result<NameAddr<'_>, Malformed> {
        NameAddr::parse_as("From", self.needed(HeaderName::From, "From")?)
    }

    /// The To header.
    pub fn to(&self) -> Result<NameAddr<'_>, Malformed> {
        NameAddr::parse_as("To", self.needed(HeaderName::To, "To")?)
    }

    /// The Call-ID.
    pub fn call_id(&self) -> Result<&str, Malformed> {
        numbers::call_id(self.needed(HeaderName::CallId, "Call-ID")?)
    }

    /// The CSeq.
    pub fn cseq(&self) -> Result<CSeq<'_>, Malformed> {
        CSeq::parse(self.needed(HeaderName::CSeq, "CSeq")?)
    }

    /// The RSeq of a reliable provisional response; `None` where there is none.
    pub fn rseq(&self) -> Result<Option<u32>, Malformed> {
        self.header(HeaderName::RSeq).map(numbers::rseq).transpose()
    }

    /// The RAck of a PRACK.
    pub fn rack(&self) -> Result<RAck<'_>, Malformed> {
        RAck::parse(self.needed(HeaderName::RAck, "RAck")?)
    }

    /// Whether a header that is a list of option tags names this one (RFC 3261 §19.2, in any case: §7.3.1).
    pub fn lists_option(&self, name: HeaderName, option: &str) -> bool {
        self.values(name).any(|listed| listed.eq_ignore_ascii_case(option))
    }

    /// All Contacts; none for `*` ([`Message::is_wildcard_contact`]).
    pub fn contacts(&self) -> NameAddrs<'_> {
        NameAddrs::new(self, HeaderName::Contact, "Contact")
    }

    /// Whether the only Contact is `*`: all bindings (RFC 3261 §10.2.2).
    pub fn is_wildcard_contact(&self) -> bool {
        self.header(HeaderName::Contact) == Some("*") && self.repeated & HeaderName::Contact.bit() == 0
    }

    /// The Record-Routes, top first.
    pub fn record_routes(&self) -> NameAddrs<'_> {
        NameAddrs::new(self, HeaderName::RecordRoute, "Record-Route")
    }

    /// The Routes, top first.
    pub fn routes(&self) -> NameAddrs<'_> {
        NameAddrs::new(self, HeaderName::Route, "Route")
    }

    /// Max-Forwards: 0 to 255; `None` where it is absent, as RFC 2543 allows.
    pub fn max_forwards(&self) -> Result<Option<u8>, Malformed> {
        self.header(HeaderName::MaxForwards).map(numbers::max_forwards).transpose()
    }

    /// Whether a response can be sent to this: a request, no ACK (RFC 3261 §17.1.1.3), with a Via and no more
    /// than 150 lines of them. If the top Via
    /// cannot be read the answer goes to the source (RFC 4475 §3.1.2.1); missing From, To, Call-ID or CSeq are
    /// missing in it too (§3.3.1).
    pub fn is_answerable(&self) -> bool {
        self.method().is_some_and(|method| *method != Method::Ack)
            && self.has(HeaderName::Via)
            && self.fields_of(HeaderName::Via).count() <= MAX_VIA_LINES
    }

    fn needed(&self, name: HeaderName, part: &'static str) -> Result<&str, Malformed> {
        self.header(name).ok_or(Malformed::new(part, "is missing"))
    }

    pub(super) fn fields_of(&self, name: HeaderName) -> impl Iterator<Item = &Field> {
        let fields = if self.has(name) { &self.fields[..] } else { &[] };
        fields.iter().filter(move |field| field.id == name)
    }

    pub(super) fn view(&self, field: &Field) -> Header<'_> {
        Header { name: field.id, raw_name: self.text(field.name), value: self.text(field.value) }
    }

    /// The text of a span of the head. It is UTF-8: framing saw to that.
    pub(super) fn text(&self, span: Span) -> &str {
        std::str::from_utf8(span.of(self.head())).unwrap_or_default()
    }

    /// What spans are read from.
    pub(super) fn head(&self) -> &[u8] {
        self.blanked.as_deref().unwrap_or(&self.bytes)
    }

    /// The whole head as text, for reading many spans.
    pub(super) fn head_text(&self) -> &str {
        self.text(Span { start: 0, end: self.body.start })
    }

    /// A header field as one line without its end: byte for byte, or unfolded if it was folded.
    pub(super) fn line(&self, field: &Field) -> &[u8] {
        let span = Span { start: field.name.start, end: field.value.end };
        let raw = span.of(&self.bytes);
        match (&self.blanked, memchr::memchr2(b'\r', b'\n', raw)) {
            (Some(blanked), Some(_)) => span.of(blanked),
            (_, _) => raw,
        }
    }
}

impl fmt::Debug for Message {
    /// The first line only: headers and bodies are personal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.start() {
            Start::Request { method, .. } => write!(f, "Message({method} …, {} bytes)", self.bytes.len()),
            Start::Response { status, .. } => write!(f, "Message({status} …, {} bytes)", self.bytes.len()),
        }
    }
}

/// Removes blanks at both ends of a span of `bytes`.
pub(super) fn trimmed(bytes: &[u8], mut start: usize, mut end: usize) -> Span {
    while start < end && chars::is(bytes[start], chars::BLANK) {
        start += 1;
    }
    while end > start && chars::is(bytes[end - 1], chars::BLANK) {
        end -= 1;
    }
    Span { start: start as u16, end: end as u16 }
}
