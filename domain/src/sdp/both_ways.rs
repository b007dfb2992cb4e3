//! A description without hold: what was agreed with a party that was held, offered to somebody new.

use super::scan::{attribute, split_line};

/// The same description with every stream in both directions, to be rewritten: an address that says "send nothing"
/// becomes some other.
pub fn both_ways(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + 16);
    let mut rest = body;
    while !rest.is_empty() {
        let (line, after) = split_line(rest);
        let whole = &rest[..rest.len() - after.len()];
        rest = after;
        let direction = line.strip_prefix(b"a=").is_some_and(|value| {
            let (name, _) = attribute(value);
            [&b"recvonly"[..], b"sendonly", b"inactive"].iter().any(|known| known.eq_ignore_ascii_case(name))
        });
        match line {
            _ if direction => out.extend_from_slice(b"a=sendrecv\r\n"),
            // RFC 3264 §8.4, old-style hold. Any address will do: ours takes its place.
            b"c=IN IP4 0.0.0.0" => out.extend_from_slice(b"c=IN IP4 192.0.2.1\r\n"),
            b"c=IN IP6 ::" => out.extend_from_slice(b"c=IN IP6 2001:db8::1\r\n"),
            _ => out.extend_from_slice(whole),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_says_hold_changes() {
        let held = b"v=0\r\nc=IN IP4 0.0.0.0\r\na=inactive\r\nm=audio 4000 RTP/AVP 0\na=recvonly\na=rtpmap:0 PCMU/8000\r\na=sendonlyx\r\n";
        let free = "v=0\r\nc=IN IP4 192.0.2.1\r\na=sendrecv\r\nm=audio 4000 RTP/AVP 0\na=sendrecv\r\na=rtpmap:0 PCMU/8000\r\na=sendonlyx\r\n";
        assert_eq!(String::from_utf8(both_ways(held)).unwrap(), free);
    }
}
