//! The messages we write. A value that another party controls reaches them only through the wire writer, which refuses
//! line breaks.

use super::Endpoint;
use super::options::{SUPPORTED, unsupported};
use crate::address::Flow;
use crate::ids::LegId;
use crate::sip::dialog::{Dialog, DialogState};
use crate::sip::session_timer::{SessionIntervals, TIMER};
use crate::sip::wire::{HeaderName, Message, Method, NameAddr, Rport, WriteError, Writer};
use bytes::Bytes;
use std::borrow::Cow;
use std::net::SocketAddr;

/// Methods that we serve.
pub const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, MESSAGE, UPDATE, PRACK, REFER, SUBSCRIBE";

/// Methods that we serve outside dialogs.
const ALLOW_OUTSIDE: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER, MESSAGE, REFER";

/// Bodies that we read; multiparts for the SDP in them.
const ACCEPT: &str = "application/sdp, multipart/mixed, multipart/alternative";

const COOKIE: &str = "z9hG4bK";

/// A body and its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// Content-Type.
    pub content_type: Box<str>,
    /// The bytes.
    pub bytes: Bytes,
}

/// Headers that a session passes from one leg to the other, by the pass list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionHeaders(pub Vec<(Box<str>, Box<str>)>);

/// Why a message could not be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// A value breaks the grammar.
    #[error("a header value cannot be written: {0}")]
    Value(#[from] WriteError),
    /// What it must be built from is gone.
    #[error("the message it answers is gone")]
    Unanswerable,
}

/// What a request within (or beginning) a dialog consists of.
pub(super) struct RequestParts<'a> {
    pub method: Method,
    pub branch: u32,
    pub cseq: u32,
    pub max_forwards: u8,
    pub headers: &'a SessionHeaders,
    pub body: Option<&'a Body>,
}

impl Endpoint {
    /// A request that will leave by `path`, which is the dialog's flow or a detour of one request.
    pub(super) fn write_request(
        &self,
        dialog: &Dialog,
        path: Flow,
        parts: &RequestParts<'_>,
    ) -> Result<Bytes, BuildError> {
        let (uri, routes) = request_target(dialog);
        let mut writer = Writer::request(&parts.method, uri);
        let Dialog { leg, flow, .. } = *dialog;
        let (sent_by, branch) = (sent_by(path), parts.branch);
        write_via(&mut writer, &sent_by, leg, branch);
        for route in routes {
            writer.header(HeaderName::Route, &route);
        }
        writer
            .header_fmt(HeaderName::MaxForwards, format_args!("{}", parts.max_forwards))
            .header_fmt(HeaderName::From, format_args!("{};tag={}", dialog.local, dialog.leg))
            .header(HeaderName::To, &dialog.remote)
            .header(HeaderName::CallId, &dialog.call_id)
            .header_fmt(HeaderName::CSeq, format_args!("{} {}", parts.cseq, parts.method.as_str()));
        if matches!(parts.method, Method::Invite | Method::Update | Method::Notify) {
            write_contact(&mut writer, leg, flow).header(HeaderName::Allow, ALLOW);
        }
        // RFC 4028 §7.1: every request of a call but ACK; an INVITE says more.
        if dialog.state != DialogState::Over && !matches!(parts.method, Method::Invite | Method::Ack) {
            writer.header(HeaderName::Supported, TIMER);
        }
        self.write_session_timer(&mut writer, dialog, &parts.method);
        writer.header(HeaderName::UserAgent, &self.settings.software);
        finish(&mut writer, parts.headers, parts.body)
    }

    pub(super) fn write_response(
        &self,
        leg: LegId,
        flow: Flow,
        request: &Message,
        status: u16,
        headers: &SessionHeaders,
        body: Option<&Body>,
    ) -> Result<Bytes, BuildError> {
        let invite = request.method() == Some(&Method::Invite);
        let tag = leg.to_string();
        let mut writer = Writer::answer(request, status, flow.remote, (status > 100).then_some(tag.as_str()));
        if invite && (101..300).contains(&status) {
            write_contact(writer.copy(request, HeaderName::RecordRoute), leg, flow);
        }
        // What begins a dialog says by which proxies (RFC 3261 §12.1.1).
        let outside = request.to().is_ok_and(|to| to.tag().is_none());
        if request.method() == Some(&Method::Refer) && outside && (200..300).contains(&status) {
            writer.copy(request, HeaderName::RecordRoute);
        }
        // All of these say where we are (RFC 3311 §5.1, RFC 3515 §2.2, RFC 6665 §4.2.1).
        let located = [Method::Update, Method::Refer, Method::Subscribe];
        if request.method().is_some_and(|method| located.contains(method)) && (200..300).contains(&status) {
            write_contact(&mut writer, leg, flow);
        }
        write_capabilities(&mut writer, request, status, self.settings.intervals);
        if status > 100 {
            writer.header(HeaderName::Server, &self.settings.software);
        }
        finish(&mut writer, headers, body)
    }
}

fn finish(writer: &mut Writer, headers: &SessionHeaders, body: Option<&Body>) -> Result<Bytes, BuildError> {
    for (name, value) in &headers.0 {
        writer.header_raw(name, value);
    }
    Ok(match body {
        Some(body) => writer.body(&body.content_type, &body.bytes)?,
        None => writer.finish()?,
    })
}

/// What a status or method obliges us to say about ourselves.
pub(super) fn write_capabilities(writer: &mut Writer, request: &Message, status: u16, intervals: SessionIntervals) {
    let invite = request.method() == Some(&Method::Invite);
    let options = request.method() == Some(&Method::Options);
    let update = request.method() == Some(&Method::Update);
    if status == 405 || status == 501 || ((invite || options || update) && (200..300).contains(&status)) {
        let outside = status == 405 && request.to().is_ok_and(|to| to.tag().is_none());
        writer.header(HeaderName::Allow, if outside { ALLOW_OUTSIDE } else { ALLOW });
    }
    if (invite || options) && (200..300).contains(&status) {
        writer.header(HeaderName::Supported, SUPPORTED);
    }
    if options && status == 200 {
        writer.header_raw("Accept", ACCEPT);
    }
    if status == 415 {
        writer.header_raw("Accept", ACCEPT);
        if request.has(HeaderName::ContentEncoding) {
            writer.header_raw("Accept-Encoding", "identity");
        }
    }
    if status == 406 && invite {
        writer.header(HeaderName::Warning, "399 exchange \"Accept does not list application/sdp\"");
    }
    if status == 489 {
        writer.header(HeaderName::AllowEvents, "refer");
    }
    if status == 422 {
        writer.header_fmt(HeaderName::MinSe, format_args!("{}", intervals.least()));
    }
    if status == 420 {
        for option in unsupported(request) {
            writer.header(HeaderName::Unsupported, option);
        }
    }
}

/// A request that belongs to an INVITE of ours and shares its branch: the CANCEL, or the ACK to a refusal, whose To
/// comes from the response (RFC 3261 §9.1, §17.1.1.3).
pub(super) fn write_sibling(invite: &Message, method: &Method, to: Option<&Message>) -> Result<Bytes, BuildError> {
    let uri = invite.request_uri().ok_or(BuildError::Unanswerable)?;
    let cseq = invite.cseq().map_err(|_| BuildError::Unanswerable)?.number;
    let mut writer = Writer::request(method, uri);
    writer
        .copy(invite, HeaderName::Via)
        .copy(invite, HeaderName::Route)
        .header(HeaderName::MaxForwards, "70")
        .copy(invite, HeaderName::From)
        .copy(to.unwrap_or(invite), HeaderName::To)
        .copy(invite, HeaderName::CallId)
        .header_fmt(HeaderName::CSeq, format_args!("{cseq} {}", method.as_str()));
    Ok(writer.finish()?)
}

/// Our Via; `sent_by` is how it begins.
pub(super) fn write_via(writer: &mut Writer, sent_by: &str, leg: LegId, branch: u32) {
    writer.header_fmt(HeaderName::Via, format_args!("{sent_by};branch={COOKIE}{leg}-{branch:x};rport"));
}

/// How our Via begins on a path.
pub(super) fn sent_by(path: Flow) -> String {
    format!("SIP/2.0/{} {}", path.transport.via_name(), path.local)
}

/// Our Contact on a leg. Its user part is the leg: opaque to the peer.
fn write_contact(writer: &mut Writer, leg: LegId, flow: Flow) -> &mut Writer {
    writer.header_fmt(HeaderName::Contact, format_args!("<sip:{leg}@{}{}>", flow.local, flow.transport.uri_suffix()))
}

/// The leg and counter in a branch of ours.
pub(super) fn read_branch(branch: &str) -> Option<(LegId, u32)> {
    let (leg, counter) = branch.strip_prefix(COOKIE)?.split_once('-')?;
    Some((LegId::from_tag(leg)?, u32::from_str_radix(counter, 16).ok()?))
}

/// Request URI and Route values (RFC 3261 §12.2.1.1): a first route without `lr` is a strict router, which gets the
/// request URI while the target becomes the last route.
pub(super) fn request_target(dialog: &Dialog) -> (&str, Vec<Cow<'_, str>>) {
    let routes = dialog.routes.iter().map(|route| Cow::Borrowed(&**route));
    let strict = dialog.routes.first().and_then(|route| {
        let route = NameAddr::parse(route).ok()?;
        route.uri.params().all(|(name, _)| !name.eq_ignore_ascii_case("lr")).then(|| route.uri.as_str())
    });
    match strict {
        None => (&dialog.target, routes.collect()),
        Some(uri) => (uri, routes.skip(1).chain([Cow::Owned(format!("<{}>", dialog.target))]).collect()),
    }
}

/// Where a response goes: over the connection that the request came by; by datagram as RFC 3581 §4 says with `rport`,
/// else RFC 3261 §18.2.2 (the source's address, the Via's port). `maddr` is not followed: it would let a stranger aim our
/// answers at others.
pub(super) fn response_flow(flow: Flow, request: &Message) -> Flow {
    if flow.transport.is_reliable() {
        return flow;
    }
    let remote = request.top_via().ok().filter(|via| via.rport() == Rport::Absent);
    let remote = remote.map_or(flow.remote, |via| SocketAddr::new(flow.remote.ip(), via.port.unwrap_or(5060)));
    Flow { remote, ..flow }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_branch_of_ours_reads_back_and_a_foreign_one_does_not() {
        let leg = LegId::from_bits(0xfeed);
        assert_eq!(read_branch(&format!("{COOKIE}{leg}-1f")), Some((leg, 31)));
        for foreign in ["z9hG4bK776asdhds", "z9hG4bK-", "", "z9hG4bK000000000000feed", "z9hG4bK000000000000feed-x"] {
            assert_eq!(read_branch(foreign), None, "{foreign}");
        }
    }
}
