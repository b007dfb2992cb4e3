use super::{OURS, audio, described, rewritten, rewritten_to};
use crate::media::PortPair;
use crate::sdp::samples::{ALL, CHROMIUM, LINPHONE, PJSUA, SIPP, T38, TALKATIVE};
use crate::sdp::{Anchor, MAX_ANCHORED, OurOrigin, SdpFault, describe, reject_all, rewrite};
use std::net::SocketAddr;

const OTHERS: [&str; 6] = ["192.0.2.", "127.0.0.1", "2001:db8:", "example.com", ".local", "bob"];

#[test]
fn a_plain_call_has_only_its_addresses_replaced() {
    let expected = "v=0\r\no=- 77 3 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\n\
                    m=audio 20000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n";
    assert_eq!(rewritten(SIPP), expected);
}

#[test]
fn keys_fingerprints_bandwidth_and_unknown_attributes_pass_byte_for_byte_and_in_order() {
    for (body, changed) in [(PJSUA, ["o=", "m=", "c=", "a=rtcp:"]), (LINPHONE, ["o=", "m=", "c=", "a=rtcp:"])] {
        let kept = |text: &str| -> Vec<String> {
            let lines = text.lines().filter(|line| !changed.iter().any(|start| line.starts_with(start)));
            lines.map(str::to_owned).collect()
        };
        assert_eq!(kept(body), kept(&rewritten(body)));
    }
    insta::assert_snapshot!(rewritten(CHROMIUM).replace('\r', ""));
}

#[test]
fn nothing_that_names_the_sender_remains() {
    for body in ALL {
        let result = rewritten(body);
        for other in OTHERS {
            assert!(!result.to_lowercase().contains(other), "{other} in\n{result}");
        }
    }
    let expected = "v=0\r\no=- 77 3 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\n\
                    m=audio 20000 RTP/AVP 0\r\nc=IN IP4 198.51.100.1\r\na=rtcp:20001 IN IP4 198.51.100.1\r\n\
                    m=message 0 TCP/MSRP *\r\n";
    assert_eq!(rewritten(TALKATIVE), expected);
}

#[test]
fn an_address_among_the_formats_is_refused_rather_than_passed() {
    let body = SIPP.replace("RTP/AVP 0", "RTP/AVP 192.0.2.24");
    let anchor = Anchor { address: [198, 51, 100, 1].into(), ports: &[], origin: OurOrigin { id: 1, version: 1 } };
    assert_eq!(rewrite(body.as_bytes(), &anchor), Err(SdpFault::Media { line: 6 }));
}

#[test]
fn what_we_send_describes_our_ports() {
    for ours in [OURS, "2001:1::1"] {
        for body in ALL {
            let (before, after) = (described(body), described(&rewritten_to(ours, body)));
            assert_eq!(after.origin.address, Some(ours.parse().unwrap()));
            assert_eq!(before.streams.len(), after.streams.len());
            for (index, (from, to)) in before.streams.iter().zip(&after.streams).enumerate() {
                let port = 20000 + 2 * u16::try_from(index).unwrap();
                let ours = |port| Some(SocketAddr::new(ours.parse().unwrap(), port));
                assert_eq!((from.kind, from.rtcp_mux, &from.clock_rates), (to.kind, to.rtcp_mux, &to.clock_rates));
                assert_eq!(from.direction, to.direction);
                assert_eq!(to.rtp, from.rtp.and(ours(port)));
                assert_eq!(to.rtcp, from.rtcp.and(if to.rtcp_mux { ours(port) } else { ours(port + 1) }));
            }
        }
    }
}

#[test]
fn rewriting_twice_with_the_same_anchor_is_stable() {
    for body in ALL {
        let once = rewritten(body);
        assert_eq!(rewritten(&once), once);
    }
}

#[test]
fn address_zero_stays_so_that_an_old_hold_is_one_on_the_other_side_too() {
    let held = rewritten(&SIPP.replace("c=IN IP4 192.0.2.24", "c=IN IP4 0.0.0.0"));
    assert!(held.contains("\r\nc=IN IP4 0.0.0.0\r\n") && held.contains("m=audio 20000 "), "{held}");
    let held = rewritten(&T38.replace("c=IN IP6 2001:db8::26", "c=IN IP6 ::"));
    assert!(held.contains("\r\nc=IN IP6 ::\r\n"), "{held}");
}

#[test]
fn a_stream_without_ports_or_relay_is_rejected_and_a_rejected_one_stays_so() {
    let body = audio(
        "c=IN IP4 192.0.2.9\r\n",
        "a=rtcp:4001\r\nm=video 5000/2 RTP/AVP 31\r\nm=audio 0 RTP/AVP 0\r\nm=message 9 TCP/MSRP *\r\n\
         m=audio 6000 RTP/AVP 0\r\nc=IN IP4 224.2.1.1/127\r\n",
    );
    let media = |ports: &[Option<PortPair>]| -> Vec<String> {
        let anchor = Anchor { address: [198, 51, 100, 1].into(), ports, origin: OurOrigin { id: 1, version: 1 } };
        let text = String::from_utf8(rewrite(body.as_bytes(), &anchor).unwrap()).unwrap();
        text.lines().filter(|line| line.starts_with("m=") || line.starts_with("a=")).map(str::to_owned).collect()
    };
    let rest = ["m=audio 0 RTP/AVP 0", "m=message 0 TCP/MSRP *", "m=audio 0 RTP/AVP 0"];
    let pair = PortPair::at;
    let all = media(&[pair(20000), pair(20002), pair(20004), pair(20006), pair(20008)]);
    assert_eq!(all[..3], ["m=audio 20000 RTP/AVP 0", "a=rtcp:20001", "m=video 20002 RTP/AVP 31"]);
    assert_eq!(all[3..], rest);
    let second = media(&[None, pair(20002)]);
    assert_eq!(second[..2], ["m=audio 0 RTP/AVP 0", "m=video 20002 RTP/AVP 31"]);
    assert_eq!(second[2..], rest);
}

#[test]
fn the_ninth_stream_is_rejected() {
    let body = audio("c=IN IP4 192.0.2.9\r\n", &"m=audio 4000 RTP/AVP 0\r\n".repeat(MAX_ANCHORED));
    let ports = [PortPair::at(20000); 9];
    let anchor = Anchor { address: [198, 51, 100, 1].into(), ports: &ports, origin: OurOrigin { id: 1, version: 1 } };
    let result = describe(&rewrite(body.as_bytes(), &anchor).unwrap()).unwrap();
    assert!(result.streams[..8].iter().all(|stream| stream.port == 20000));
    assert_eq!(result.streams[8].port, 0);
}

#[test]
fn the_rtcp_attribute_is_only_there_if_it_was_and_follows_mux() {
    let line = |lines: &str| {
        let text = rewritten(&audio("c=IN IP4 192.0.2.9\r\n", lines));
        text.lines().find(|line| line.starts_with("a=rtcp:")).map(str::to_owned)
    };
    assert_eq!(line(""), None);
    assert_eq!(line("a=rtcp:9000\r\n").as_deref(), Some("a=rtcp:20001"));
    assert_eq!(line("a=rtcp:9000 IN IP6 2001:db8::1\r\n").as_deref(), Some("a=rtcp:20001 IN IP4 198.51.100.1"));
    assert_eq!(line("a=rtcp:4000\r\na=rtcp-mux\r\n").as_deref(), Some("a=rtcp:20000"));
    assert_eq!(line("a=rtcp:9000\r\na=rtcp-mux\r\n").as_deref(), Some("a=rtcp:20001"));
}

#[test]
fn an_answer_that_rejects_all_has_every_line_with_port_zero() {
    let origin = OurOrigin { id: 5, version: 6 };
    let answer = reject_all(PJSUA.as_bytes(), origin, [198, 51, 100, 1].into());
    let expected = "v=0\r\no=- 5 6 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\n\
                    m=audio 0 RTP/SAVP 96 9 0 8 120\r\n";
    assert_eq!(String::from_utf8(answer).unwrap(), expected);
    for body in ALL {
        let answer = describe(&reject_all(body.as_bytes(), origin, [198, 51, 100, 1].into())).unwrap();
        assert_eq!(crate::sdp::answers(&described(body), &answer), Ok(()));
        assert!(answer.streams.iter().all(|stream| stream.port == 0));
    }
}
