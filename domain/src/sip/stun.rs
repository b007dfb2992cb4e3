//! STUN binding requests among SIP datagrams (RFC 5626 §8): devices keep their flows by UDP alive with them, and learn
//! where we see them (RFC 5389). No authentication, nothing but the Binding method.

use bytes::{BufMut, Bytes, BytesMut};
use std::net::{IpAddr, SocketAddr};

/// What marks STUN (RFC 5389 §6). No SIP message has it there.
const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
/// Length of the header.
const HEADER: usize = 20;

const REQUEST: u16 = 0x0001;
const INDICATION: u16 = 0x0011;
const SUCCESS: u16 = 0x0101;
const ERROR: u16 = 0x0111;

const XOR_MAPPED_ADDRESS: u16 = 0x0020;
const ERROR_CODE: u16 = 0x0009;
const UNKNOWN_ATTRIBUTES: u16 = 0x000a;

/// Attributes that a request may hold although we make nothing of them: credentials that nobody asked for (USERNAME,
/// MESSAGE-INTEGRITY, REALM, NONCE), and what only responses mean.
const UNDERSTOOD: [u16; 8] =
    [0x0001, 0x0006, 0x0008, ERROR_CODE, UNKNOWN_ATTRIBUTES, 0x0014, 0x0015, XOR_MAPPED_ADDRESS];
/// From here on whoever does not know an attribute passes it over (RFC 5389 §15).
const OPTIONAL: u16 = 0x8000;
/// Unknown attributes that an answer lists at most.
const MOST_LISTED: usize = 8;

/// A STUN message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stun {
    /// A binding request, and what answers it.
    Request(Bytes),
    /// A binding indication: it asks for nothing.
    Indication,
    /// Any other: it is none of ours.
    Other,
}

impl Stun {
    /// Reads a datagram that came from `source`; `None` where it is no STUN message.
    pub fn read(datagram: &[u8], source: SocketAddr) -> Option<Self> {
        let (header, attributes) = datagram.split_at_checked(HEADER)?;
        let kind = number(header, 0)?;
        let whole = usize::from(number(header, 2)?) == attributes.len() && attributes.len().is_multiple_of(4);
        if kind >= 0x4000 || header.get(4..8)? != COOKIE || !whole {
            return None;
        }
        let transaction = header.get(4..)?;
        Some(match kind {
            REQUEST => match unknown(attributes) {
                Some(unknown) if unknown.is_empty() => Self::Request(mapped(transaction, source)),
                Some(unknown) => Self::Request(refused(transaction, &unknown)),
                None => Self::Other,
            },
            INDICATION => Self::Indication,
            _ => Self::Other,
        })
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_be_bytes)
}

/// The attributes that must be understood and are not; `None` where the attributes do not add up.
fn unknown(mut attributes: &[u8]) -> Option<Vec<u16>> {
    let mut unknown = Vec::new();
    while !attributes.is_empty() {
        let (kind, length) = (number(attributes, 0)?, usize::from(number(attributes, 2)?));
        attributes = attributes.get(4 + length.next_multiple_of(4)..)?;
        if kind < OPTIONAL && !UNDERSTOOD.contains(&kind) && unknown.len() < MOST_LISTED && !unknown.contains(&kind) {
            unknown.push(kind);
        }
    }
    Some(unknown)
}

/// A message of that type: cookie and transaction as they came, and these attributes.
fn message(kind: u16, transaction: &[u8], attributes: &[u8]) -> Bytes {
    let mut message = BytesMut::with_capacity(HEADER + attributes.len());
    message.put_u16(kind);
    message.put_u16(u16::try_from(attributes.len()).unwrap_or(0));
    message.put_slice(transaction);
    message.put_slice(attributes);
    message.freeze()
}

/// Where we see the sender (RFC 5389 §15.2).
fn mapped(transaction: &[u8], source: SocketAddr) -> Bytes {
    let ip = source.ip().to_canonical();
    let (family, octets) = match ip {
        IpAddr::V4(ip) => (1, ip.octets().to_vec()),
        IpAddr::V6(ip) => (2, ip.octets().to_vec()),
    };
    let mut attribute = Vec::with_capacity(24);
    attribute.put_u16(XOR_MAPPED_ADDRESS);
    attribute.put_u16(u16::try_from(4 + octets.len()).unwrap_or(0));
    attribute.put_u16(family);
    attribute.put_u16(source.port() ^ u16::from_be_bytes([COOKIE[0], COOKIE[1]]));
    attribute.extend(octets.iter().zip(transaction).map(|(octet, mask)| octet ^ mask));
    message(SUCCESS, transaction, &attribute)
}

/// 420 with what was not understood (RFC 5389 §7.3.1).
fn refused(transaction: &[u8], unknown: &[u16]) -> Bytes {
    let mut attributes = Vec::with_capacity(16 + 2 * MOST_LISTED);
    attributes.put_u16(ERROR_CODE);
    attributes.put_u16(4);
    attributes.put_u32(0x0000_0414);
    attributes.put_u16(UNKNOWN_ATTRIBUTES);
    attributes.put_u16(u16::try_from(2 * unknown.len()).unwrap_or(0));
    unknown.iter().for_each(|kind| attributes.put_u16(*kind));
    attributes.resize(attributes.len().next_multiple_of(4), 0);
    message(ERROR, transaction, &attributes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn request(attributes: &[u8]) -> Vec<u8> {
        let mut message = vec![0, 1, 0, attributes.len() as u8, 0x21, 0x12, 0xa4, 0x42];
        // The transaction of RFC 5769's samples.
        message.extend([0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae]);
        message.extend(attributes);
        message
    }

    fn answer(message: &[u8], from: &str) -> Bytes {
        match Stun::read(message, source(from)) {
            Some(Stun::Request(answer)) => answer,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_request_is_told_where_it_was_seen() {
        // RFC 5769 §2.2 and §2.3: the same transaction, the same addresses.
        let told = answer(&request(&[]), "192.0.2.1:32853");
        assert_eq!(told[..8], [1, 1, 0, 12, 0x21, 0x12, 0xa4, 0x42]);
        assert_eq!(told[8..20], request(&[])[8..]);
        assert_eq!(told[20..], [0, 0x20, 0, 8, 0, 1, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43]);
        let told = answer(&request(&[]), "[2001:db8:1234:5678:11:2233:4455:6677]:32853");
        let masked = [0x01, 0x13, 0xa9, 0xfa, 0xa5, 0xd3, 0xf1, 0x79, 0xbc, 0x25, 0xf4, 0xb5, 0xbe, 0xd2, 0xb9, 0xd9];
        assert_eq!(told[20..28], [0, 0x20, 0, 20, 0, 2, 0xa1, 0x47]);
        assert_eq!(told[28..], masked);
        assert_eq!(answer(&request(&[]), "[::ffff:192.0.2.1]:32853"), answer(&request(&[]), "192.0.2.1:32853"));
    }

    #[test]
    fn what_may_be_passed_over_is_and_what_must_be_understood_is_named() {
        // SOFTWARE and FINGERPRINT.
        let optional = [0x80, 0x22, 0, 3, b'a', b'b', b'c', 0, 0x80, 0x28, 0, 4, 1, 2, 3, 4];
        assert_eq!(answer(&request(&optional), "192.0.2.1:1")[..2], [1, 1]);
        let refused = answer(&request(&[0, 3, 0, 4, 0, 0, 0, 6, 0, 0x24, 0, 0]), "192.0.2.1:1");
        assert_eq!(refused[..4], [1, 0x11, 0, 16]);
        assert_eq!(refused[20..], [0, 9, 0, 4, 0, 0, 4, 20, 0, 10, 0, 4, 0, 3, 0, 0x24]);
        let mut many = Vec::new();
        (0x100..0x200u16).for_each(|kind| many.extend([kind.to_be_bytes(), [0, 0]].concat()));
        let mut flood = request(&many[..252]);
        flood[3] = 252;
        assert!(answer(&flood, "192.0.2.1:1").len() < flood.len(), "an answer never outweighs such a request");
    }

    #[test]
    fn what_is_no_request_gets_no_answer() {
        let read = |message: &[u8]| Stun::read(message, source("192.0.2.1:1"));
        let change = |at: usize, byte: u8| {
            let mut message = request(&[]);
            message[at] = byte;
            message
        };
        assert_eq!(read(&change(1, 0x11)), Some(Stun::Indication));
        assert_eq!((read(&change(0, 1)), read(&change(1, 3))), (Some(Stun::Other), Some(Stun::Other)));
        assert_eq!((read(&change(4, 0)), read(&change(0, 0x40)), read(&change(3, 4))), (None, None, None));
        assert_eq!(
            (read(&request(&[])[..19]), read(b""), read(b"OPTIONS sip:a@192.0.2.1 SIP/2.0\r\n")),
            (None, None, None)
        );
        // An attribute that is longer than the message.
        assert_eq!(read(&request(&[0x80, 0x22, 0, 9])), Some(Stun::Other));
    }
}
