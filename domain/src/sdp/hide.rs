//! What must not reach the other side.

use super::scan::attribute;
use memchr::{memchr, memchr3};
use std::net::Ipv6Addr;

/// Attributes that are removed by name; with them all that begin with `ice-`. See [`crate::sdp`].
const HIDDEN: [&[u8]; 12] = [
    b"candidate",
    b"remote-candidates",
    b"end-of-candidates",
    b"alt",
    b"altc",
    b"ccap",
    b"source-filter",
    b"control",
    b"path",
    b"identity",
    b"cs-correlation",
    b"tool",
];

/// Whether an `a=` line has to go, by what follows the equals sign.
pub(super) fn hides_attribute(line: &[u8], hosts: &[&[u8]]) -> bool {
    let (name, value) = attribute(line);
    let is_ice = name.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"ice-"));
    if is_ice || HIDDEN.iter().any(|hidden| hidden.eq_ignore_ascii_case(name)) {
        return true;
    }
    let is_name_only = name.eq_ignore_ascii_case(b"extmap");
    (!is_name_only && shows_uri(value)) || shows_address(value) || shows_address(name) || shows_host(line, hosts)
}

/// Whether a value of another line shows its sender.
pub(super) fn shows_sender(value: &[u8], hosts: &[&[u8]]) -> bool {
    shows_uri(value) || shows_address(value) || shows_host(value, hosts)
}

fn shows_uri(value: &[u8]) -> bool {
    memchr(b':', value).is_some_and(|colon| value[colon..].windows(3).any(|three| three == b"://"))
}

/// Whether an IP address or `user@host` stands somewhere in the value.
pub(super) fn shows_address(value: &[u8]) -> bool {
    let Some(first) = memchr3(b'.', b':', b'@', value) else { return false };
    memchr(b'@', &value[first..]).is_some()
        || runs(value, |byte| byte.is_ascii_digit() || byte == b'.').any(is_like_ipv4)
        || runs(value, |byte| byte.is_ascii_hexdigit() || byte == b':').any(is_like_ipv6)
}

fn runs(value: &[u8], belongs: impl Fn(u8) -> bool) -> impl Iterator<Item = &[u8]> {
    value.split(move |byte| !belongs(*byte)).filter(|run| run.len() > 1)
}

/// Four numbers of at most 255 in a row, leading zeros allowed.
fn is_like_ipv4(run: &[u8]) -> bool {
    let mut in_a_row = 0;
    run.split(|byte| *byte == b'.').any(|group| {
        let is_octet = matches!(group.len(), 1..=3)
            && group.iter().fold(0_u16, |sum, digit| sum * 10 + u16::from(digit - b'0')) <= 255;
        in_a_row = if is_octet { in_a_row + 1 } else { 0 };
        in_a_row == 4
    })
}

/// A run with `::` that has digits beside it, or at least eight groups, one of which has no two digits: a
/// certificate's fingerprint has pairs only.
fn is_like_ipv6(run: &[u8]) -> bool {
    let has_gap = run.len() > 2 && run.windows(2).any(|pair| pair == b"::");
    if has_gap {
        return true;
    }
    let groups = run.split(|byte| *byte == b':');
    groups.clone().count() >= 8
        && (groups.clone().any(|group| group.len() != 2)
            || std::str::from_utf8(run).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok()))
}

/// Whether a name stands in the value as a word of its own, in any case of letters.
fn shows_host(value: &[u8], hosts: &[&[u8]]) -> bool {
    hosts.iter().filter(|host| host.len() > 1 && host.iter().any(u8::is_ascii_alphanumeric)).any(|host| {
        value.windows(host.len()).enumerate().any(|(start, window)| {
            let before = start.checked_sub(1).and_then(|at| value.get(at));
            let after = value.get(start + host.len());
            window.eq_ignore_ascii_case(host)
                && !before.is_some_and(u8::is_ascii_alphanumeric)
                && !after.is_some_and(u8::is_ascii_alphanumeric)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_seen_wherever_it_stands() {
        for value in [
            "192.0.2.1",
            "1 1 : F8C4 1D2C 192.0.2.1 5062",
            "x192.0.2.1.",
            "192.0.2.001",
            "9.192.0.2.1",
            "bob@pc",
            "2001:db8::1",
            "from [2001:db8:1:2:3:4:5:6]",
            "x:2001:db8:1:2:3:4:5:6",
            "::1",
            "::ffff:192.0.2.1",
            "11:22:33:44:55:66:77:88",
        ] {
            assert!(shows_address(value.as_bytes()), "{value}");
        }
    }

    #[test]
    fn what_only_looks_like_an_address_passes() {
        for value in [
            "101 0-15",
            "0 PCMU/8000",
            "library 1.2.3",
            "1.2.840.113549",
            "sha-256 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB:3E:5D:49:6B:19:E5:7C:AB:3E:5D:49:6B",
            "sha-1 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB",
            "1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj|2^20|1:4",
            "1 urn:ietf:params:rtp-hdrext:ssrc-audio-level",
            "BUNDLE 0 1",
        ] {
            assert!(!shows_address(value.as_bytes()), "{value}");
        }
    }

    #[test]
    fn a_host_name_is_seen_as_a_word_only() {
        let hosts = [&b"pc7.example.com"[..]];
        assert!(shows_host(b"call on PC7.example.COM today", &hosts));
        assert!(!shows_host(b"call on mypc7.example.com", &hosts));
        assert!(!shows_host(b"pc7.example.community", &hosts));
    }

    #[test]
    fn an_attribute_with_a_uri_goes_unless_the_uri_is_a_name() {
        assert!(hides_attribute(b"info:http://pc7/", &[]));
        assert!(!hides_attribute(b"extmap:3 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time", &[]));
    }

    #[test]
    fn every_ice_attribute_goes_and_the_rtcp_and_dtls_ones_stay() {
        for gone in ["ice-ufrag:a", "ice-pwd:b", "ice-lite", "ICE-options:ice2", "ice-pacing:50", "candidate:1 1 UDP"] {
            assert!(hides_attribute(gone.as_bytes(), &[]), "{gone}");
        }
        for kept in ["rtcp-mux", "rtcp-mux-only", "rtcp-fb:96 nack", "setup:actpass", "sendonly", "ptime:20", "icey"] {
            assert!(!hides_attribute(kept.as_bytes(), &[]), "{kept}");
        }
    }
}
