//! Mutated REGISTERs, from a fixed seed: none ends the process, grows without bound, or gets an answer that is no SIP.

use super::*;
use crate::address::{Flow, Transport};
use crate::codec::registration::{decode, encode};
use crate::codec::seal::{KeyRef, SealKey};
use crate::domain_name::{DomainSettings, Hunt};
use crate::ids::{AccountId, BindingId, DomainId, EventId};
use crate::log::{EventHash, Position, Recorded, Revision};
use crate::ports::Keyring;
use crate::sip::wire::{Message, Writer, validate_request, validate_response};
use crate::time::WallTime;
use bytes::Bytes;

/// Marsaglia's xorshift64*: plain and repeatable.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit.max(1)
    }
}

struct One;

impl Keyring for One {
    fn key(&self, _: KeyRef) -> Option<SealKey> {
        Some(SealKey::from_bytes([1; 32]))
    }
}

const SEED: &str = "REGISTER sip:a.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n\
    From: <sip:alice@a.example>;tag=1\r\nTo: <sip:alice@a.example>\r\nCall-ID: c\r\nCSeq: 7 REGISTER\r\n\
    Contact: \"A, \\\"B\" <sip:alice@192.0.2.1:5060;transport=udp;ob?x=y>;expires=60;q=0.5;\
    +sip.instance=\"<urn:uuid:1>\";reg-id=1;methods=\"INVITE, BYE\", <sips:b@c.example>;expires=0\r\n\
    Path: <sip:p.example;lr;ob>\r\nSupported: path, outbound, gruu\r\nUser-Agent: P\r\nExpires: 600\r\n\r\n";

const PIECES: [&[u8]; 14] = [
    b"\"",
    b"\\",
    b"<",
    b">",
    b";",
    b",",
    b"*",
    b"%41",
    b"\xff",
    b"=",
    b"@",
    b";reg-id=2",
    b"\r\nContact: *\r\n",
    b"9999999999",
];

fn mutated(random: &mut Random, cseq: i64) -> Bytes {
    let mut bytes = SEED.replace("CSeq: 7", &format!("CSeq: {cseq}")).into_bytes();
    for _ in 0..=random.below(3) {
        // Behind the Via: what breaks that is another test's.
        let at = 80 + random.below(bytes.len() - 84);
        match random.below(4) {
            0 => bytes[at] = PIECES[random.below(PIECES.len())][0],
            1 => drop(bytes.splice(at..at, PIECES[random.below(PIECES.len())].iter().copied())),
            2 => drop(bytes.drain(at..(at + random.below(8)).min(bytes.len() - 4))),
            _ => {
                let copied = bytes[at..(at + random.below(60)).min(bytes.len())].to_vec();
                drop(bytes.splice(at..at, copied));
            }
        }
    }
    bytes.into()
}

/// What an event is after it went through the log.
fn through_the_log(event: &RegistrationEvent) -> RegistrationEvent {
    let id = EventId::minted(1, 1, 0, 1);
    let encoded = encode(&mut crate::codec::Desk::default(), event, id, KeyRef(1), &SealKey::from_bytes([1; 32]));
    let recorded = Recorded {
        position: Position(1),
        stream: crate::log::StreamName::new("registration", "x"),
        revision: Revision(0),
        id,
        kind: encoded.kind.into(),
        version: 1,
        at: WallTime::default(),
        correlation: uuid::Uuid::nil(),
        cause: None,
        node: 1,
        previous: EventHash::NONE,
        life: crate::log::Life::Open,
        data: encoded.data,
    };
    decode(&recorded, &One).unwrap()
}

#[test]
fn mutated_registers_are_refused_or_answered_and_survive_the_log() {
    let mut random = Random(7);
    let settings = DomainSettings { max_bindings: 3, ..DomainSettings::default() };
    let [local, remote] = ["192.0.2.100:5060", "192.0.2.1:5060"].map(|text| text.parse().unwrap());
    let flow = Flow { transport: Transport::Udp, local, remote };
    let (mut registration, mut taken, mut ids) = (Registration::default(), 0, 0);
    for turn in 0..20_000i64 {
        let now = WallTime::from_micros(turn * 5_000_000);
        let Ok(message) = Message::scan(mutated(&mut random, turn)) else { continue };
        if validate_request(&message).is_err() {
            continue;
        }
        let Ok(request) = RegisterRequest::read(&message, flow) else { continue };
        let terms = Terms {
            aor: &request.aor,
            account: AccountId::from_bits(1),
            home: super::Home::Domain(DomainId::from_bits(2)),
            settings: &settings,
            room: None,
        };
        let mut id = || {
            ids += 1;
            BindingId::from_bits(ids)
        };
        let Ok(events) = registration.register(&request, &terms, now, &mut id) else { continue };
        for event in &events {
            let read = through_the_log(event);
            assert_eq!(&read, event);
            registration.apply(now, &read);
        }
        taken += 1;
        assert!(registration.bindings.len() <= 3 && registration.bindings.iter().all(|binding| binding.holds(now)));
        let rung: usize =
            registration.targets(Hunt::Parallel, now).concat().iter().map(|callee| callee.ways.len()).sum();
        assert_eq!(rung, registration.bindings.len(), "each binding is some device's");
        let answer = registration.answer(&request, &terms, now);
        let mut writer = Writer::answer(&message, 200, remote, Some("t"));
        answer.headers().0.iter().for_each(|(name, value)| {
            writer.header_raw(name, value);
        });
        let answered = Message::scan(writer.finish().unwrap()).unwrap();
        assert_eq!(validate_response(&answered), Ok(()));
        let told: Vec<_> = answered.contacts().map(|contact| contact.unwrap().uri.as_str().to_owned()).collect();
        let held: Vec<_> = registration.bindings.iter().map(|binding| binding.device.contact.to_string()).collect();
        assert_eq!(told, held, "every binding is told with the URI that the device sent");
    }
    assert!(taken > 2_000, "only {taken} of the mutations are still REGISTERs that do something");
}
