use super::{audio, described};
use crate::sdp::samples::{CHROMIUM, LINPHONE, SIPP, T38};
use crate::sdp::{Change, SdpFault, answers, change, less_rejected, same_media, stands_for};

fn with(direction: &str) -> String {
    audio("c=IN IP4 192.0.2.9\r\n", direction)
}

fn changes(before: &str, after: &str) -> Change {
    change(&described(before), &described(after))
}

#[test]
fn an_offerer_that_stops_listening_holds_and_one_that_listens_again_resumes() {
    let (both, zero) = (with(""), with("c=IN IP4 0.0.0.0\r\n"));
    for held in [with("a=sendonly\r\n"), with("a=inactive\r\n"), zero] {
        assert_eq!(changes(&both, &held), Change::Hold);
        assert_eq!(changes(&held, &both), Change::Resume);
        assert_eq!(changes(&held, &with("a=recvonly\r\n")), Change::Resume);
    }
    assert_eq!(changes(&with("a=sendonly\r\n"), &with("a=inactive\r\n")), Change::Other);
}

#[test]
fn a_hold_counts_only_the_streams_that_are_on() {
    let two = with("a=sendrecv\r\nm=video 5000 RTP/AVP 31\r\n");
    let audio_held = with("a=sendonly\r\nm=video 5000 RTP/AVP 31\r\n");
    let held_without_video = with("a=sendonly\r\nm=video 0 RTP/AVP 31\r\n");
    assert_eq!(changes(&two, &audio_held), Change::Other);
    assert_eq!(changes(&two, &held_without_video), Change::Hold);
    assert_eq!(changes(&with(""), &with("").replace(" 4000 ", " 0 ")), Change::Other);
}

#[test]
fn the_same_media_under_a_new_version_is_a_refresh_and_a_new_codec_is_not() {
    assert_eq!(changes(SIPP, &SIPP.replace("2353687637", "2353687638")), Change::Refresh);
    assert_eq!(changes(SIPP, &SIPP.replace("AVP 0", "AVP 0 8")), Change::Other);
    assert_eq!(changes(SIPP, &SIPP.replace("audio 6000", "audio 6002")), Change::Other);
}

#[test]
fn bodies_are_the_same_media_when_only_the_origin_and_line_ends_differ() {
    assert!(same_media(SIPP.as_bytes(), SIPP.as_bytes()));
    assert!(same_media(SIPP.as_bytes(), SIPP.replace("2353687637", "9").as_bytes()));
    assert!(same_media(SIPP.as_bytes(), SIPP.replace('\r', "").as_bytes()));
    assert!(!same_media(SIPP.as_bytes(), SIPP.replace("s=-", "s=x").as_bytes()));
    assert!(!same_media(SIPP.as_bytes(), format!("{SIPP}a=ptime:20\r\n").as_bytes()));
}

#[test]
fn an_answer_has_the_offers_lines_in_the_offers_order() {
    let check = |offer: &str, answer: &str| answers(&described(offer), &described(answer));
    assert_eq!(check(LINPHONE, CHROMIUM), Ok(()));
    assert_eq!(check(LINPHONE, SIPP), Err(SdpFault::StreamCount { offered: 2, answered: 1 }));
    assert_eq!(check(LINPHONE, T38), Err(SdpFault::StreamKind { stream: 1 }));
    let switched_off = LINPHONE.replace("m=video 9078", "m=video 0");
    assert_eq!(check(&switched_off, LINPHONE), Err(SdpFault::NotOffered { stream: 1 }));
    assert_eq!(check(LINPHONE, &switched_off), Ok(()));
}

fn answer(line: &str) -> Vec<u8> {
    format!("v=0\r\no=- 1 2 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 20000 {line}")
        .into_bytes()
}

#[test]
fn an_answer_stands_where_the_far_end_takes_at_least_the_same_formats_and_the_same_first() {
    let given = answer("RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=ptime:20\r\n");
    let more = answer(
        "RTP/AVP 0 8 101\r\na=sendrecv\r\na=rtpmap:101 telephone-event/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n",
    );
    assert!(stands_for(&given, &more) && stands_for(&given, &given));
    assert!(!stands_for(&more, &given), "8 is not taken");
    let other_first = answer("RTP/AVP 101 0\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n");
    assert!(!stands_for(&given, &other_first));
    assert!(stands_for(&answer("RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"), &answer("RTP/AVP 0\r\n")));
    let [opus, speex] =
        ["opus/48000/2", "speex/16000"].map(|codec| answer(&format!("RTP/AVP 96\r\na=rtpmap:96 {codec}\r\n")));
    assert!(!stands_for(&opus, &speex));
}

#[test]
fn an_answer_does_not_stand_for_another_direction_key_line_or_protocol() {
    let given = answer("RTP/AVP 0\r\n");
    for other in [
        "RTP/AVP 0\r\na=recvonly\r\n",
        "RTP/AVP 0\r\na=rtcp-mux\r\n",
        "RTP/SAVP 0\r\n",
        "RTP/AVP 0\r\nm=video 20002 RTP/AVP 31\r\n",
    ] {
        assert!(!stands_for(&given, &answer(other)) && !stands_for(&answer(other), &given), "{other}");
    }
    let key = |key: &str| answer(&format!("RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{key}\r\n"));
    assert!(stands_for(&key("a"), &key("a")) && !stands_for(&key("a"), &key("b")));
}

#[test]
fn an_offer_stands_without_the_streams_that_its_answer_rejected() {
    let offer = answer("RTP/AVP 0\r\nm=video 20002 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n");
    let taken = less_rejected(&offer, &answer("RTP/AVP 0\r\nm=video 0 RTP/AVP 96\r\n"));
    assert!(String::from_utf8_lossy(&taken).contains("\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96"));
    // Of a stream that there is not no format and no attribute counts.
    assert!(stands_for(&taken, &answer("RTP/AVP 0\r\nm=video 0 RTP/AVP 31\r\na=inactive\r\n")));
    assert!(!stands_for(&taken, &offer) && !stands_for(&offer, &taken));
    assert_eq!(less_rejected(&offer, &offer), offer);
}
