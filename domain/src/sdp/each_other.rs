//! Two offers as answers to each other: when somebody picks up a call that rings, both sides have offered.

use super::scan::{attribute, fields, number, split_line};

/// Formats that nobody talks with.
const NOT_TALK: [&[u8]; 2] = [b"telephone-event", b"cn"];

/// One stream: its profile, and what it can be talked with: payload types that need no name (RFC 3551 §6), and names with
/// clock rates, in lower case.
#[derive(Default)]
struct Talk<'a> {
    profile: &'a [u8],
    codecs: Vec<Vec<u8>>,
}

/// Whether two sides have a stream in which each can take what the other offered as its answer: the same profile without
/// keys, which an answer would have to choose among, and a codec that both name.
pub fn suit_each_other(one: &[u8], other: &[u8]) -> bool {
    let (one, other) = (talks(one), talks(other));
    let plain = |talk: &Talk<'_>| matches!(talk.profile, b"RTP/AVP" | b"RTP/AVPF");
    let suit = |(one, other): (&Talk<'_>, &Talk<'_>)| {
        one.profile == other.profile && plain(one) && one.codecs.iter().any(|codec| other.codecs.contains(codec))
    };
    one.iter().zip(&other).any(suit)
}

fn talks(body: &[u8]) -> Vec<Talk<'_>> {
    let mut found: Vec<Talk<'_>> = Vec::new();
    let mut rest = body;
    while !rest.is_empty() {
        let (line, after) = split_line(rest);
        rest = after;
        if let Some(value) = line.strip_prefix(b"m=") {
            let words: Vec<&[u8]> = fields(value).collect();
            let on = words.get(1).is_some_and(|port| *port != b"0");
            let formats = words.get(3..).filter(|_| on).unwrap_or_default();
            let known = formats.iter().filter(|format| number::<u8>(format).is_some_and(|format| format < 35));
            let codecs = known.filter(|format| **format != b"13").map(|format| format.to_vec()).collect();
            found.push(Talk { profile: words.get(2).copied().unwrap_or_default(), codecs });
        } else if let (Some(value), Some(talk)) = (line.strip_prefix(b"a="), found.last_mut())
            && let (b"rtpmap", named) = attribute(value)
            && let Some(name) = fields(named).nth(1)
        {
            let name = name.to_ascii_lowercase();
            let encoding = name.split(|byte| *byte == b'/').next().unwrap_or_default();
            if !NOT_TALK.contains(&encoding) {
                talk.codecs.push(name);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sdp(profile: &str, formats: &str, maps: &[&str]) -> Vec<u8> {
        let maps: String = maps.iter().map(|map| format!("a=rtpmap:{map}\r\n")).collect();
        format!("v=0\r\nm=audio 4000 {profile} {formats}\r\n{maps}").into_bytes()
    }

    fn suit(one: &[u8], other: &[u8]) -> bool {
        assert_eq!(suit_each_other(one, other), suit_each_other(other, one));
        suit_each_other(one, other)
    }

    #[test]
    fn a_codec_is_common_by_its_number_where_that_needs_no_name_and_else_by_its_name() {
        let pcmu = sdp("RTP/AVP", "0", &["0 PCMU/8000"]);
        assert!(suit(&pcmu, &sdp("RTP/AVP", "8 0", &[])));
        assert!(suit(&pcmu, &sdp("RTP/AVP", "97", &["97 pcmu/8000"])));
        assert!(!suit(&pcmu, &sdp("RTP/AVP", "8", &["8 PCMA/8000"])));
        let opus = |number: u8| sdp("RTP/AVP", &number.to_string(), &[&format!("{number} opus/48000/2")]);
        assert!(suit(&opus(96), &opus(111)));
        assert!(!suit(&opus(96), &sdp("RTP/AVP", "96", &["96 iLBC/8000"])));
    }

    #[test]
    fn digits_and_silence_are_no_talk() {
        let with = |codec: &str| sdp("RTP/AVP", "96 101 13", &[codec, "101 telephone-event/8000", "13 CN/8000"]);
        assert!(!suit(&with("96 opus/48000/2"), &with("96 iLBC/8000")));
    }

    #[test]
    fn what_has_keys_or_another_profile_does_not_suit() {
        let with = |profile: &str| sdp(profile, "0", &[]);
        assert!(suit(&with("RTP/AVPF"), &with("RTP/AVPF")));
        assert!(!suit(&with("RTP/AVP"), &with("RTP/AVPF")));
        assert!(!suit(&with("RTP/SAVP"), &with("RTP/SAVP")));
        assert!(!suit(&with("UDP/TLS/RTP/SAVPF"), &with("UDP/TLS/RTP/SAVPF")));
    }

    #[test]
    fn a_stream_that_is_switched_off_suits_nobody() {
        let on = sdp("RTP/AVP", "0", &[]);
        let off = String::from_utf8(on.clone()).unwrap().replace(" 4000 ", " 0 ").into_bytes();
        assert!(!suit(&on, &off));
    }
}
