//! Messages as they look on the wire, short.

use bytes::Bytes;

/// What a message's body is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// None.
    Empty,
    /// SDP with this direction and port.
    Sdp(&'static str, u16),
}

/// A message of a leg. `who` tells the leg's Call-ID and tags apart.
pub fn message(method: &str, status: Option<u16>, cseq: u32, who: &str, uri: &str, body: Body) -> Bytes {
    let start = match status {
        None => format!("{method} {uri} SIP/2.0"),
        Some(status) => format!("SIP/2.0 {status} {}", reason(status)),
    };
    let sdp = match body {
        Body::Empty => String::new(),
        Body::Sdp(direction, port) => format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
             m=audio {port} RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\na={direction}\r\n"
        ),
    };
    let kind = if sdp.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    let text = format!(
        "{start}\r\nVia: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bK-{who}-{cseq}\r\nFrom: <sip:+49301@pbx.example>;\
         tag=a-{who}\r\nTo: <{uri}>\r\nCall-ID: {who}@pbx.example\r\nCSeq: {cseq} {method}\r\n{kind}\
         Content-Length: {}\r\n\r\n{sdp}",
        sdp.len()
    );
    text.into()
}

fn reason(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        183 => "Session Progress",
        200 => "OK",
        202 => "Accepted",
        404 => "Not Found",
        503 => "Service Unavailable",
        _ => "Whatever",
    }
}
