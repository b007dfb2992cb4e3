//! A SIP message in a line.

use domain::session::event::{SessionEvent, SipMessage, Way};
use serde::Serialize;
use utoipa::ToSchema;

/// A SIP message as a timeline shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct MessageLine {
    /// The request's method, or for a response the method it answers.
    #[schema(value_type = String)]
    pub method: Box<str>,
    /// Status of a response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// CSeq number.
    pub cseq: u32,
    /// One line, e.g. `INVITE (SDP, sendonly)` `200 OK (SDP)` or `200 OK (BYE)`.
    pub summary: String,
    /// Transport and addresses; absent once erased.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flow: Option<String>,
    /// The message as text, bytes that are no UTF-8 replaced; only when asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
}

/// Longest reason phrase shown, in characters.
const LONGEST_REASON: usize = 40;

/// The message that an event holds.
pub(crate) fn message_of(event: &SessionEvent) -> Option<&SipMessage> {
    if let SessionEvent::SipMessageReceived(message) | SessionEvent::SipMessageCommitted(message) = event {
        return Some(message);
    }
    None
}

/// Which way the message went that an event is about.
pub(super) fn way_of(event: &SessionEvent) -> Option<Way> {
    if let SessionEvent::SipMessageRepeated(repeated) = event {
        return Some(repeated.way);
    }
    let way = if matches!(event, SessionEvent::SipMessageReceived(_)) { Way::Received } else { Way::Sent };
    message_of(event).map(|_| way)
}

pub(crate) fn line(message: &SipMessage, raw: bool) -> MessageLine {
    let wire = message.wire.known();
    MessageLine {
        method: message.method.clone(),
        status: message.status,
        cseq: message.cseq,
        summary: summary(message),
        flow: wire.map(|wire| wire.flow.to_string()),
        raw: wire.filter(|_| raw).map(|wire| String::from_utf8_lossy(&wire.bytes).into_owned()),
    }
}

fn summary(message: &SipMessage) -> String {
    let bytes: &[u8] = message.wire.known().map_or(&[], |wire| &wire.bytes);
    let body = body(bytes);
    match message.status {
        None if body.is_empty() => message.method.to_string(),
        None => format!("{} ({body})", message.method),
        Some(status) => {
            // Most responses answer an INVITE: only the others say what they answer.
            let method = (&*message.method != "INVITE").then_some(&*message.method);
            let inside: Vec<&str> = method.into_iter().chain((!body.is_empty()).then_some(&*body)).collect();
            let inside = if inside.is_empty() { String::new() } else { format!(" ({})", inside.join(", ")) };
            format!("{status} {}", reason(bytes)).trim_end().to_owned() + &inside
        }
    }
}

/// What a status line says after the code.
fn reason(bytes: &[u8]) -> String {
    let line = bytes.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    let phrase = line.splitn(3, |byte| *byte == b' ').nth(2).unwrap_or_default();
    let phrase = String::from_utf8_lossy(phrase);
    phrase.chars().filter(|c| !c.is_control()).take(LONGEST_REASON).collect()
}

/// `SDP`, with its first direction where that is not the usual one; empty without a body.
fn body(bytes: &[u8]) -> String {
    let Some(start) = bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4) else {
        return String::new();
    };
    let body = &bytes[start..];
    if body.is_empty() {
        return String::new();
    }
    if !body.starts_with(b"v=0") {
        return format!("{} bytes", body.len());
    }
    let directions = ["sendonly", "recvonly", "inactive"];
    let mut lines = body.split(|byte| matches!(byte, b'\r' | b'\n')).filter_map(|line| line.strip_prefix(b"a="));
    let direction = lines.find_map(|line| directions.into_iter().find(|name| name.as_bytes() == line));
    direction.map_or_else(|| "SDP".to_owned(), |direction| format!("SDP, {direction}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_phrase_is_shown_without_control_characters_and_not_beyond_its_length() {
        assert_eq!(reason(b"SIP/2.0 486 Busy Here\r\nVia: x"), "Busy Here");
        assert_eq!(reason(b"SIP/2.0 486 \x1b[2JBusy\xff"), "[2JBusy\u{fffd}");
        assert_eq!(reason(format!("SIP/2.0 486 {}", "x".repeat(99)).as_bytes()).len(), LONGEST_REASON);
        assert_eq!(reason(b"SIP/2.0 486"), "");
        assert_eq!(reason(b""), "");
    }

    #[test]
    fn a_body_is_named_by_what_it_is() {
        assert_eq!(body(b"INVITE\r\n\r\n"), "");
        assert_eq!(body(b"INVITE"), "");
        assert_eq!(body(b"INVITE\r\n\r\nv=0\r\na=sendrecv\r\n"), "SDP");
        assert_eq!(body(b"INVITE\r\n\r\nv=0\r\nm=audio 0\r\na=inactive\r\n"), "SDP, inactive");
        assert_eq!(body(b"MESSAGE\r\n\r\nhello"), "5 bytes");
    }
}
