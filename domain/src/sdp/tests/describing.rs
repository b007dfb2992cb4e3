use super::{audio, described};
use crate::sdp::samples::{CHROMIUM, LINPHONE, PJSUA, SIPP, T38, TALKATIVE};
use crate::sdp::{Direction, MAX_BYTES, MAX_STREAMS, SdpFault, StreamKind, describe};
use std::net::SocketAddr;

fn at(text: &str) -> Option<SocketAddr> {
    Some(text.parse().unwrap())
}

fn fault(body: &str) -> SdpFault {
    describe(body.as_bytes()).unwrap_err()
}

const C: &str = "c=IN IP4 192.0.2.9\r\n";

#[test]
fn a_plain_call_says_where_its_audio_is_wanted() {
    let description = described(SIPP);
    assert_eq!((description.origin.id, description.origin.version), (Some(53655765), Some(2353687637)));
    let [stream] = &description.streams[..] else { panic!("one stream") };
    assert_eq!((stream.kind, stream.port, stream.relayable), (StreamKind::Audio, 6000, true));
    assert_eq!((stream.rtp, stream.rtcp), (at("192.0.2.24:6000"), at("192.0.2.24:6001")));
    assert_eq!((stream.direction, stream.rtcp_mux), (Direction::SendRecv, false));
    assert_eq!(stream.clock_rates, [(0, 8000)]);
}

#[test]
fn clock_rates_come_from_the_static_table_and_from_rtpmap() {
    let rates = &described(LINPHONE).streams[0].clock_rates;
    for known in [(0, 8000), (8, 8000), (18, 8000), (96, 48000), (97, 16000), (99, 48000)] {
        assert!(rates.contains(&known), "{known:?} in {rates:?}");
    }
    let odd = audio(C, "a=rtpmap:0 X/16000\r\na=rtpmap:200 Y/8000\r\na=rtpmap:97 Z/0\r\na=rtpmap:98\r\n");
    assert_eq!(described(&odd).streams[0].clock_rates, [(0, 16000)]);
}

#[test]
fn the_media_levels_address_and_direction_win_over_the_sessions() {
    let body = audio("c=IN IP4 192.0.2.1\r\na=sendonly\r\n", "c=IN IP4 192.0.2.2\r\na=recvonly\r\n");
    let stream = &described(&body).streams[0];
    assert_eq!((stream.rtp, stream.direction), (at("192.0.2.2:4000"), Direction::RecvOnly));
    let body = audio("c=IN IP4 192.0.2.1\r\na=inactive \r\n", "");
    let stream = &described(&body).streams[0];
    assert_eq!((stream.rtp, stream.direction), (at("192.0.2.1:4000"), Direction::Inactive));
}

#[test]
fn rtcp_goes_to_its_attribute_else_one_port_up_and_with_mux_to_rtp() {
    let rtcp = |lines: &str| {
        let stream = described(&audio(C, lines)).streams.remove(0);
        (stream.rtcp, stream.rtcp_apart)
    };
    let next = at("192.0.2.9:4001");
    assert_eq!(rtcp(""), (next, next));
    assert_eq!(rtcp("a=rtcp:53020\r\n"), (at("192.0.2.9:53020"), at("192.0.2.9:53020")));
    let elsewhere = at("[2001:db8::1]:53020");
    assert_eq!(rtcp("a=rtcp:53020 IN IP6 2001:db8::1\r\n"), (elsewhere, elsewhere));
    assert_eq!(rtcp("a=rtcp-mux\r\na=rtcp:53020\r\n"), (at("192.0.2.9:4000"), at("192.0.2.9:53020")));
    assert_eq!(rtcp("a=rtcp:53020 IN IP4 pc.example.com\r\n"), (None, None));
    assert_eq!(described(&audio(C, "").replace(" 4000 ", " 65535 ")).streams[0].rtcp, None);
}

#[test]
fn address_zero_means_that_nothing_is_received() {
    for zero in ["c=IN IP4 0.0.0.0\r\n", "c=IN IP6 ::\r\n"] {
        for (line, direction) in [
            ("", Direction::SendOnly),
            ("a=sendonly\r\n", Direction::SendOnly),
            ("a=recvonly\r\n", Direction::Inactive),
            ("a=inactive\r\n", Direction::Inactive),
        ] {
            let stream = &described(&audio(C, &format!("{zero}{line}"))).streams[0];
            assert_eq!((stream.rtp, stream.rtcp, stream.direction), (None, None, direction));
            assert!(stream.relayable);
        }
    }
}

#[test]
fn a_rejected_stream_and_one_at_a_host_name_have_no_address() {
    let rejected = described(T38).streams.remove(0);
    assert_eq!((rejected.port, rejected.rtp, rejected.rtcp), (0, None, None));
    let named = described(&audio("c=IN IP4 media.example.com\r\n", "")).streams.remove(0);
    assert_eq!((named.port, named.relayable, named.rtp, named.rtcp), (4000, true, None, None));
}

#[test]
fn fax_over_udp_is_relayed_without_rtcp() {
    let fax = described(T38).streams.remove(1);
    assert_eq!((fax.kind, fax.relayable), (StreamKind::Image, true));
    assert_eq!((fax.rtp, fax.rtcp, fax.rtcp_apart), (at("[2001:db8::26]:4000"), None, None));
}

#[test]
fn only_datagrams_between_two_hosts_are_relayable() {
    let relayable = |protocol: &str, connection: &str| {
        described(&audio(connection, "").replace("RTP/AVP", protocol)).streams[0].relayable
    };
    for protocol in ["RTP/AVP", "rtp/savpf", "UDP/TLS/RTP/SAVPF", "UDP/TLS/UDPTL", "udptl", "UDPTL", "udp"] {
        assert!(relayable(protocol, C), "{protocol}");
    }
    for protocol in ["TCP/RTP/AVP", "TCP/MSRP", "TCP", "RTP/AVP/TCP", "tcp/tls/bfcp", "PSTN", "RTPX/AVP"] {
        assert!(!relayable(protocol, C), "{protocol}");
    }
    for group in ["IN IP4 224.2.1.1/127/3", "IN IP6 ff15::101", "IN IP4 255.255.255.255", "PSTN E164 +4411496"] {
        assert!(!relayable("RTP/AVP", &format!("c={group}\r\n")), "{group}");
    }
}

#[test]
fn a_browsers_offer_is_understood() {
    let streams = described(CHROMIUM).streams;
    assert_eq!((streams[0].rtp, streams[0].rtcp), (at("192.0.2.23:51372"), at("192.0.2.23:51372")));
    assert!(streams[0].rtcp_mux && streams[0].clock_rates.contains(&(111, 48000)));
    assert_eq!((streams[1].kind, streams[1].direction), (StreamKind::Video, Direction::Inactive));
    assert_eq!(described(PJSUA).streams[0].rtcp, at("192.0.2.22:4001"));
}

#[test]
fn sloppy_descriptions_are_taken() {
    let streams = described(TALKATIVE).streams;
    assert_eq!((streams[0].rtp, streams[1].relayable), (at("192.0.2.25:6000"), false));
    described(
        "v=0\no=- 99999999999999999999999 x IN IP4 192.0.2.9\nc=IN IP4 192.0.2.9\nm=audio  4000  RTP/AVP  0 \n\n",
    );
    assert_eq!(described("v=0\no= 5 6 IN IP4 192.0.2.9\n").origin.id, Some(5));
    assert_eq!(described(&audio("", "").replace("m=audio 4000", "m=audio 0")).streams[0].port, 0);
}

#[test]
fn what_two_readers_could_take_differently_is_refused() {
    assert_eq!(fault(""), SdpFault::NoOrigin);
    assert_eq!(fault("v=0\r\ns=-\r\n"), SdpFault::NoOrigin);
    assert_eq!(fault("v=1\r\n"), SdpFault::Version { line: 1 });
    assert_eq!(fault("o=- 1 1 IN IP4 192.0.2.9\r\nv=0\r\n"), SdpFault::Version { line: 1 });
    assert_eq!(fault(&audio("v=0\r\n", "")), SdpFault::Version { line: 5 });
    assert_eq!(fault(&audio("o=- 1 1 IN IP4 192.0.2.9\r\n", "")), SdpFault::Origin { line: 5 });
    assert_eq!(fault(&audio(C, "o=- 1 1 IN IP4 192.0.2.9\r\n")), SdpFault::Origin { line: 7 });
    assert_eq!(fault("v=0\r\no=- 1 IN IP4 192.0.2.9\r\n"), SdpFault::Origin { line: 2 });
    assert_eq!(fault(&audio("", "")), SdpFault::NoConnection { line: 5 });
    assert_eq!(fault(&audio(C, "c=IN IP4\r\n")), SdpFault::Connection { line: 7 });
    assert_eq!(fault(&audio(&C.repeat(2), "")), SdpFault::Connection { line: 6 });
    assert_eq!(fault(&audio(C, "a=rtcp:70000\r\n")), SdpFault::Rtcp { line: 7 });
    assert_eq!(fault(&audio(C, "a=rtcp:1 IN IP4\r\n")), SdpFault::Rtcp { line: 7 });
    assert_eq!(fault(&audio(C, "a=rtcp:1\r\na=rtcp:2\r\n")), SdpFault::Rtcp { line: 8 });
    assert_eq!(fault(&audio("y=0100000001\r\n", "")), SdpFault::UnknownType { line: 5, letter: b'y' });
    for media in ["audio", "audio 4000", "audio 4000 ", "audio 65536 RTP/AVP 0", "audio x RTP/AVP 0", " 1 RTP/AVP 0"] {
        assert_eq!(fault(&audio(C, &format!("m={media}\r\n"))), SdpFault::Media { line: 7 }, "{media}");
    }
}

#[test]
fn the_limits_hold() {
    let line = "m=audio 0 RTP/AVP 0\r\n";
    described(&audio(C, &line.repeat(MAX_STREAMS - 1)));
    assert_eq!(fault(&audio(C, &line.repeat(MAX_STREAMS))), SdpFault::TooManyStreams { line: 38 });
    let long = audio(C, &format!("a={}", "x".repeat(MAX_BYTES)));
    assert_eq!(fault(&long), SdpFault::TooLong { bytes: long.len() });
    assert_eq!(fault(&audio(C, &"a=x\n".repeat(1000))), SdpFault::TooManyLines);
    let hosts: String = (0..9).map(|n| format!("m=audio 0 RTP/AVP 0\r\nc=IN IP4 h{n}.example.com\r\n")).collect();
    assert_eq!(fault(&audio(C, &hosts)), SdpFault::Connection { line: 24 });
}

#[test]
fn malformed_bodies_get_400_and_refused_ones_488() {
    assert_eq!(fault("v=0\r\ns=-\r\n").status(), 400);
    assert_eq!(fault(&audio("y=1\r\n", "")).status(), 488);
    assert_eq!(fault(&audio(C, "m=x\r\n")).to_string(), "line 7: the m= line is malformed");
}
