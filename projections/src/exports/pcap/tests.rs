//! Captures, read back byte by byte. `tests/e2e/audit.py` shows them to tshark.

use super::packet::{Ends, datagram};
use super::*;
use domain::codec::personal::Personal;
use domain::ids::LegId;
use domain::log::{EventHash, Position, Revision, StreamName};
use domain::session::event::{SipMessageRepeated, Wire};
use std::net::SocketAddr;
use uuid::Uuid;

fn at(address: &str) -> SocketAddr {
    address.parse().unwrap()
}

fn flow(transport: Transport, local: &str, remote: &str) -> Flow {
    Flow { transport, local: at(local), remote: at(remote) }
}

fn recorded(number: u64, micros: i64) -> Recorded {
    Recorded {
        position: Position(number + 1),
        stream: StreamName::new("session", Uuid::nil()),
        revision: Revision(number),
        id: EventId::minted(1, 1, 0, number),
        kind: "SipMessageReceived".into(),
        version: 1,
        at: WallTime::from_micros(micros),
        correlation: Uuid::nil(),
        cause: None,
        node: 1,
        previous: EventHash::NONE,
        life: domain::log::Life::Open,
        data: bytes::Bytes::new(),
    }
}

fn message(flow: Flow, bytes: &'static [u8]) -> SipMessage {
    let wire = Personal::Known(Wire { flow, bytes: bytes::Bytes::from_static(bytes) });
    SipMessage { leg: LegId::from_bits(1), method: "INFO".into(), status: None, cseq: 1, wire }
}

fn captured(events: &[(u64, i64, SessionEvent)]) -> Vec<(u32, u32, Vec<u8>)> {
    let mut capture = Capture::default();
    let mut out = Vec::new();
    capture.begin(&mut out);
    for (number, micros, event) in events {
        capture.take(&mut out, &recorded(*number, *micros), event);
    }
    assert_eq!(out[..4], [0xd4, 0xc3, 0xb2, 0xa1]);
    assert_eq!(out[20..24], [101, 0, 0, 0]);
    let mut rest = &out[24..];
    let mut packets = Vec::new();
    while !rest.is_empty() {
        let word = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().unwrap());
        let length = word(8) as usize;
        assert_eq!(word(8), word(12));
        packets.push((word(0), word(4), rest[16..16 + length].to_vec()));
        rest = &rest[16 + length..];
    }
    packets
}

/// One's complement sum of everything that a right checksum covers: all ones.
fn sums_up(packet: &[u8]) {
    let (v4, head) = if packet[0] >> 4 == 4 { (true, 20) } else { (false, 40) };
    let (addresses, protocol) = if v4 { (&packet[12..20], packet[9]) } else { (&packet[8..40], packet[6]) };
    let payload = &packet[head..];
    let words = |bytes: &[u8]| {
        bytes.chunks(2).map(|pair| u64::from(pair[0]) << 8 | u64::from(*pair.get(1).unwrap_or(&0))).sum::<u64>()
    };
    let fold = |mut sum: u64| {
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        sum
    };
    assert_eq!(fold(words(addresses) + u64::from(protocol) + payload.len() as u64 + words(payload)), 0xffff);
    let length = usize::from(u16::from_be_bytes(if v4 { [packet[2], packet[3]] } else { [packet[4], packet[5]] }));
    if v4 {
        assert_eq!((fold(words(&packet[..20])), length), (0xffff, packet.len()));
    } else {
        assert_eq!(length, packet.len() - 40);
    }
}

#[test]
fn a_datagram_has_its_time_its_ends_and_its_bytes() {
    for (local, remote, head) in
        [("10.0.0.1:5060", "10.0.0.2:5062", 20), ("[2001:db8::1]:5060", "[2001:db8::2]:5062", 40)]
    {
        let flow = flow(Transport::Udp, local, remote);
        let sent = SessionEvent::SipMessageCommitted(message(flow, b"odd"));
        let packets = captured(&[(0, 1_700_000_000_000_042, sent)]);
        let (seconds, micros, packet) = &packets[0];
        assert_eq!((*seconds, *micros, packets.len()), (1_700_000_000, 42, 1));
        sums_up(packet);
        assert_eq!(packet[head..head + 4], [0x13, 0xc4, 0x13, 0xc6], "from our port to theirs");
        assert_eq!(&packet[head + 8..], b"odd");
    }
}

#[test]
fn a_connection_begins_with_a_handshake_and_counts_every_byte() {
    let flow = flow(Transport::Tcp, "10.0.0.1:5060", "10.0.0.2:40000");
    static LONG: [u8; 3_000] = [b'x'; 3_000];
    let packets = captured(&[
        (0, 1, SessionEvent::SipMessageReceived(message(flow, &LONG))),
        (1, 2, SessionEvent::SipMessageCommitted(message(flow, b"answer"))),
    ]);
    let told: Vec<(u16, u32, u32, u8, usize)> = packets
        .iter()
        .map(|(_, _, packet)| {
            sums_up(packet);
            let word = |at: usize| u32::from_be_bytes(packet[at..at + 4].try_into().unwrap());
            let port = u16::from_be_bytes([packet[20], packet[21]]);
            (port, word(24), word(28), packet[33], packet.len() - 40)
        })
        .collect();
    let expected = [
        (40000, 0, 0, 0x02, 0),
        (5060, 0, 1, 0x12, 0),
        (40000, 1, 1, 0x10, 0),
        (40000, 1, 1, 0x10, 1_460),
        (40000, 1_461, 1, 0x10, 1_460),
        (40000, 2_921, 1, 0x18, 80),
        (5060, 1, 3_001, 0x18, 6),
    ];
    assert_eq!(told, expected);
}

#[test]
fn a_repeat_shows_the_bytes_that_it_names_and_an_erased_message_nothing() {
    let flow = flow(Transport::Udp, "10.0.0.1:5060", "10.0.0.2:5062");
    let repeat =
        SipMessageRepeated { leg: LegId::from_bits(1), way: Way::Received, of: EventId::minted(1, 1, 0, 0), times: 3 };
    let erased = SipMessage { wire: Personal::Masked, ..message(flow, b"") };
    let packets = captured(&[
        (0, 1, SessionEvent::SipMessageReceived(message(flow, b"once"))),
        (1, 2, SessionEvent::SipMessageRepeated(repeat)),
        (2, 3, SessionEvent::SipMessageReceived(erased)),
    ]);
    assert_eq!(packets.len(), 2);
    assert_eq!(packets[0].2, packets[1].2);
    assert_eq!(packets[1].1, 2);
}

#[test]
fn what_is_longer_than_a_datagram_is_cut_there() {
    let long = vec![b'x'; 70_000];
    for (ends, most) in [(("10.0.0.1:1", "10.0.0.2:2"), 65_535), (("[::1]:1", "[::2]:2"), 65_535 + 40)] {
        let packet = datagram(Ends::of(flow(Transport::Udp, ends.0, ends.1), Way::Sent), &long);
        assert_eq!(packet.len(), most);
        sums_up(&packet);
    }
}

#[test]
fn ends_of_two_families_are_shown_in_the_wider_one() {
    let mixed = flow(Transport::Udp, "10.0.0.1:5060", "[2001:db8::2]:5062");
    let packet = datagram(Ends::of(mixed, Way::Sent), b"x");
    sums_up(&packet);
    assert_eq!(packet[8..24], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 1]);
}

#[test]
fn masked_credentials_have_the_form_of_some() {
    let flow = flow(Transport::Udp, "10.0.0.1:5060", "10.0.0.2:5062");
    let told = b"BYE sip:b SIP/2.0\r\nProxy-Authorization: masked\r\nContent-Length: 0\r\n\r\n";
    let packets = captured(&[(0, 1, SessionEvent::SipMessageReceived(message(flow, told)))]);
    let text = String::from_utf8_lossy(&packets[0].2[28..]).into_owned();
    assert_eq!(
        text,
        "BYE sip:b SIP/2.0\r\nProxy-Authorization: Digest username=\"masked\"\r\nContent-Length: 0\r\n\r\n"
    );
}
