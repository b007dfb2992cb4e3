use super::{OURS, pairs, rewritten};
use crate::sdp::samples::ALL;
use crate::sdp::{Anchor, OurOrigin, change, describe, find, reject_all, rewrite, same_media};
use std::net::{IpAddr, Ipv4Addr};

/// xorshift64*: the same bytes every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(high).unwrap() % limit
    }
}

/// Pieces that mean something to a reader.
const PIECES: [&[u8]; 24] = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b" ",
    b":",
    b"/",
    b"=",
    b"m=audio 1 RTP/AVP 0\r\n",
    b"c=IN IP4 0.0.0.0\r\n",
    b"c=IN IP6 ::1\r\n",
    b"c=IN IP4 h\r\n",
    b"a=rtcp:1 IN IP4 192.0.2.77\r\n",
    b"a=rtcp-mux\r\n",
    b"a=sendonly\r\n",
    b"a=rtpmap:255 x/0\r\n",
    b"65536",
    b"18446744073709551616",
    b"-1",
    b"192.0.2.78",
    b"\xff\xfe",
    b"o=",
    b"v=0",
    b"--b\r\nContent-Type: application/sdp\r\n\r\n",
];

fn mutated(dice: &mut Dice) -> Vec<u8> {
    let mut body = ALL[dice.below(ALL.len())].as_bytes().to_vec();
    for _ in 0..=dice.below(4) {
        let (at, other) = (dice.below(body.len() + 1), dice.below(body.len() + 1));
        let range = at.min(other)..at.max(other).min(at.min(other) + 40);
        match dice.below(5) {
            0 => drop(body.splice(at..at, PIECES[dice.below(PIECES.len())].iter().copied())),
            1 => drop(body.drain(range)),
            2 => {
                let copy = body[range].to_vec();
                drop(body.splice(at..at, copy));
            }
            3 if at < body.len() => body[at] = u8::try_from(dice.below(256)).unwrap(),
            _ => drop(body.splice(range, PIECES[dice.below(PIECES.len())].iter().copied())),
        }
    }
    body
}

/// Whether a dotted address of somebody else stands in the text; written apart from the code under test.
fn foreign_address(body: &[u8]) -> Option<Ipv4Addr> {
    let text = String::from_utf8_lossy(body);
    let mut words = text.split(|c: char| !c.is_ascii_digit() && c != '.').filter_map(|word| word.parse().ok());
    let ours: Ipv4Addr = OURS.parse().unwrap();
    words.find(|address: &Ipv4Addr| *address != ours && !address.is_unspecified())
}

#[test]
fn a_hundred_thousand_mutations_neither_panic_nor_leak() {
    let mut dice = Dice(0x5EED);
    let (pairs, origin) = (pairs(), OurOrigin { id: 77, version: 3 });
    let address: IpAddr = OURS.parse().unwrap();
    let anchor = Anchor { address, ports: &pairs, origin };
    let (mut taken, mut last) = (0, describe(ALL[0].as_bytes()).unwrap());
    for round in 0..100_000 {
        let body = mutated(&mut dice);
        let described = describe(&body);
        let result = rewrite(&body, &anchor);
        let shown = || format!("round {round}: {}", String::from_utf8_lossy(&body));
        let _ = (find("multipart/mixed;boundary=b", &body), same_media(&body, ALL[0].as_bytes()));
        let rejected =
            describe(&reject_all(&body, origin, address)).unwrap_or_else(|fault| panic!("{fault} {}", shown()));
        assert!(rejected.streams.iter().all(|stream| stream.port == 0), "{}", shown());
        let Ok(result) = result else { continue };
        taken += 1;
        let described = described.unwrap_or_else(|fault| panic!("rewritten but not described, {fault}: {}", shown()));
        let again = describe(&result).unwrap_or_else(|fault| panic!("{fault}: {}", shown()));
        assert_eq!(described.streams.len(), again.streams.len(), "{}", shown());
        assert_eq!(described.streams.len(), rejected.streams.len(), "{}", shown());
        assert_eq!(foreign_address(&result), None, "{}", shown());
        assert!(again.streams.iter().all(|one| one.rtp.is_none_or(|rtp| rtp.ip() == address)), "{}", shown());
        if round % 8 == 0 {
            assert_eq!(rewrite(&result, &anchor).as_ref(), Ok(&result), "{}", shown());
        }
        let _ = change(&last, &described);
        last = described;
    }
    assert!((20_000..90_000).contains(&taken), "{taken} of the mutations were taken");
}

#[test]
fn another_parser_reads_what_we_send_and_finds_our_address() {
    for body in ALL {
        // It insists on t=, which one phone lacks and we do not add.
        let text =
            rewritten(body).replace("\r\nm=audio 20000 RTP/AVP 0\r\nc=", "\r\nt=0 0\r\nm=audio 20000 RTP/AVP 0\r\nc=");
        let session = sdp_types::Session::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert_eq!((session.origin.unicast_address.as_str(), session.origin.sess_version), (OURS, 3));
        let ours = describe(text.as_bytes()).unwrap();
        assert_eq!(session.medias.len(), ours.streams.len());
        for (theirs, ours) in session.medias.iter().zip(&ours.streams) {
            assert_eq!(theirs.port, ours.port);
            let connection = theirs.connections.first().or(session.connection.as_ref()).unwrap();
            assert!([OURS, "0.0.0.0"].contains(&connection.connection_address.as_str()));
            assert_eq!(theirs.has_attribute("rtcp-mux"), ours.rtcp_mux);
            assert!(!theirs.has_attribute("candidate") && !theirs.has_attribute("ice-ufrag"));
        }
    }
}

#[test]
fn another_parser_finds_the_same_ports_and_addresses_in_what_comes() {
    for body in ALL {
        let ours = describe(body.as_bytes()).unwrap();
        let Ok(session) = sdp_types::Session::parse(body.as_bytes()) else { continue };
        for (theirs, ours) in session.medias.iter().zip(&ours.streams) {
            assert_eq!(theirs.port, ours.port);
            let connection = theirs.connections.first().or(session.connection.as_ref()).unwrap();
            if let Some(rtp) = ours.rtp {
                assert_eq!(connection.connection_address, rtp.ip().to_string());
            }
        }
    }
}
