//! A description in which nobody sends: what a party is told that waits for another.

use super::scan::{attribute, split_line};

/// The same description with every stream inactive (RFC 3264 §6.1).
pub fn inactive(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + 32);
    let (mut rest, mut in_stream) = (body, false);
    while !rest.is_empty() {
        let (line, after) = split_line(rest);
        let whole = &rest[..rest.len() - after.len()];
        rest = after;
        let direction = line.strip_prefix(b"a=").is_some_and(|value| {
            let (name, _) = attribute(value);
            [&b"sendrecv"[..], b"recvonly", b"sendonly", b"inactive"]
                .iter()
                .any(|known| known.eq_ignore_ascii_case(name))
        });
        if line.starts_with(b"m=") {
            end_stream(&mut out, in_stream);
            in_stream = true;
        }
        if !direction {
            out.extend_from_slice(whole);
        }
    }
    end_stream(&mut out, in_stream);
    out
}

/// The direction stands last in a stream's section: other attributes may precede it, other lines may not follow one.
fn end_stream(out: &mut Vec<u8>, in_stream: bool) {
    if !in_stream {
        return;
    }
    if !out.ends_with(b"\n") {
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"a=inactive\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stream_is_inactive_whatever_was_said() {
        let offer = b"v=0\r\na=sendrecv\r\nm=audio 4000 RTP/AVP 0\r\na=SendOnly\r\na=rtpmap:0 PCMU/8000\r\nm=video 0 RTP/AVP 31\r\nc=IN IP4 192.0.2.1";
        let told = "v=0\r\nm=audio 4000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=inactive\r\nm=video 0 RTP/AVP 31\r\nc=IN IP4 192.0.2.1\r\na=inactive\r\n";
        assert_eq!(String::from_utf8(inactive(offer)).unwrap(), told);
        assert_eq!(inactive(b"v=0\r\na=inactive\r\n"), b"v=0\r\n");
    }
}
