//! Whether we can do with an INVITE's body what it asks for (RFC 3261 §8.2.3), and it with ours (§20.1).

use crate::sdp;
use crate::sip::wire::{Elements, HeaderName, Message};

/// The status that refuses an INVITE for its content: 415 for a body that we cannot read and may not pass over, 406
/// where the peer would not read SDP. A multipart is never refused: who sends one knows that parts are passed over.
pub fn content_refusal(request: &Message) -> Option<u16> {
    if !body_is_usable(request) {
        return Some(415);
    }
    (!takes_sdp(request)).then_some(406)
}

fn body_is_usable(request: &Message) -> bool {
    let body = request.body();
    // Without a Content-Length whatever ends a datagram is a body.
    if body.iter().all(|byte| matches!(byte, b'\r' | b'\n' | b' ' | 0)) || is_optional(request) {
        return true;
    }
    let encoded = request.values(HeaderName::ContentEncoding).any(|coding| !coding.eq_ignore_ascii_case("identity"));
    let Some(content_type) = request.header(HeaderName::ContentType).filter(|_| !encoded) else { return false };
    let multipart = content_type.get(..10).is_some_and(|kind| kind.eq_ignore_ascii_case("multipart/"));
    multipart || sdp::find(content_type, body).is_some()
}

/// RFC 3261 §20.11: `handling=optional`.
fn is_optional(request: &Message) -> bool {
    let disposition = request.header(HeaderName::ContentDisposition).unwrap_or_default();
    disposition.split(';').skip(1).filter_map(|param| param.split_once('=')).any(|(name, value)| {
        name.trim().eq_ignore_ascii_case("handling") && value.trim().eq_ignore_ascii_case("optional")
    })
}

/// Whether an Accept lists SDP, or there is none that lists anything.
fn takes_sdp(request: &Message) -> bool {
    let accepts = request.headers().filter(|header| header.name == HeaderName::Accept);
    let mut ranges = accepts.flat_map(|header| Elements::of(header.value)).filter(|range| !range.is_empty()).peekable();
    let takes = |range: &str| {
        let range = range.split(';').next().unwrap_or_default();
        let (kind, subtype) = range.split_once('/').unwrap_or((range, ""));
        let (kind, subtype) = (kind.trim(), subtype.trim());
        match kind {
            "*" => true,
            _ => kind.eq_ignore_ascii_case("application") && (subtype == "*" || subtype.eq_ignore_ascii_case("sdp")),
        }
    };
    ranges.peek().is_none() || ranges.any(takes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SDP: &str = "v=0\r\n";

    fn refusal(headers: &str, body: &str) -> Option<u16> {
        let text = format!("INVITE sip:a SIP/2.0\r\n{headers}\r\n{body}");
        content_refusal(&Message::scan(text.into()).unwrap())
    }

    #[test]
    fn sdp_nothing_and_what_is_optional_is_taken() {
        assert_eq!(refusal("", ""), None);
        assert_eq!(refusal("", "\r\n\0"), None, "the rest of a datagram");
        assert_eq!(refusal("c: Application/SDP ; x=y\r\n", SDP), None);
        assert_eq!(refusal("c: application/sdp\r\nContent-Encoding: Identity\r\n", SDP), None);
        assert_eq!(refusal("c: a/b\r\nContent-Disposition: render; Handling = Optional\r\n", SDP), None);
        assert_eq!(refusal("c: Multipart/mixed;boundary=x\r\n", "--x--"), None);
    }

    #[test]
    fn what_must_be_read_and_cannot_is_415() {
        for headers in [
            "",
            "c: text/plain\r\n",
            "c: application/sdpx\r\n",
            "c: application/sdp\r\ne: gzip\r\n",
            "c: a/b\r\nContent-Disposition: session;handling=required\r\n",
            "c: ééééééé\r\n",
        ] {
            assert_eq!(refusal(headers, SDP), Some(415), "{headers}");
        }
    }

    #[test]
    fn who_lists_what_it_takes_and_no_sdp_hears_406() {
        let list =
            ["", "Accept:\r\n", "Accept: */*\r\n", "Accept: x/y, application/*;q=1\r\n", "Accept: Application/sdp\r\n"];
        for accept in list {
            assert_eq!(refusal(accept, ""), None, "{accept}");
        }
        for accept in ["Accept: text/plain\r\n", "Accept: x/y\r\nAccept: application/xml,text/*\r\n", "Accept: sdp\r\n"]
        {
            assert_eq!(refusal(accept, ""), Some(406), "{accept}");
        }
    }
}
