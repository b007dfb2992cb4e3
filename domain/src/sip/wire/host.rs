//! Hosts of URIs and Vias (RFC 3261 §25.1 `host`, with RFC 5954's correction).

use super::{Malformed, chars};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The longest host name, in bytes (RFC 1035 §2.3.4).
const MAX_NAME: usize = 255;

/// A host: a name or an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Host<'a> {
    /// A name as it is spelled; names are compared without case.
    Name(&'a str),
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 address, in brackets on the wire.
    V6(Ipv6Addr),
}

impl<'a> Host<'a> {
    /// Reads a whole text; an IPv6 address stands in brackets.
    ///
    /// # Errors
    /// It is no host.
    pub fn parse(text: &'a str) -> Result<Self, Malformed> {
        match Self::take(text, "host")? {
            (host, "") => Ok(host),
            (_, _) => Err(Malformed::new("host", "has a character it may not have")),
        }
    }

    /// The address, if it is one.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Name(_) => None,
            Self::V4(address) => Some(IpAddr::V4(*address)),
            Self::V6(address) => Some(IpAddr::V6(*address)),
        }
    }

    /// Whether both are the same name without case, or the same address.
    pub fn same(&self, other: &Host<'_>) -> bool {
        match (self, other) {
            (Self::Name(one), Host::Name(two)) => one.eq_ignore_ascii_case(two),
            (Self::V4(one), Host::V4(two)) => one == two,
            (Self::V6(one), Host::V6(two)) => one == two,
            (Self::Name(_) | Self::V4(_) | Self::V6(_), _) => false,
        }
    }

    /// The host at the front of `text` and what follows it.
    pub(super) fn take(text: &'a str, part: &'static str) -> Result<(Self, &'a str), Malformed> {
        if let Some(inner) = text.strip_prefix('[') {
            let close = inner.find(']').ok_or(Malformed::new(part, "a bracket is not closed"))?;
            let address = ipv6(&inner[..close]).ok_or(Malformed::new(part, "no IPv6 address in the brackets"))?;
            return Ok((Self::V6(address), &inner[close + 1..]));
        }
        take_name(text).ok_or(Malformed::new(part, "the host is no name and no address"))
    }

    /// The host at the front of `text`, its port, and what follows.
    #[inline]
    pub(super) fn take_with_port(text: &'a str, part: &'static str) -> Result<(Self, Option<u16>, &'a str), Malformed> {
        let (host, rest) = Self::take(text, part)?;
        let Some(rest) = rest.strip_prefix(':') else {
            return Ok((host, None, rest));
        };
        let (port, rest) = take_port(rest, part)?;
        Ok((host, Some(port), rest))
    }
}

/// The port at the front of `text` and what follows it.
pub(super) fn take_port<'a>(text: &'a str, part: &'static str) -> Result<(u16, &'a str), Malformed> {
    let (digits, rest) = chars::split_class(text, chars::DIGIT);
    let port =
        super::numbers::decimal(digits.as_bytes()).and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0);
    port.map(|port| (port, rest)).ok_or(Malformed::new(part, "the port is not 1 to 65535"))
}

/// The host name or IPv4 address at the front of `text` and what follows it.
fn take_name(text: &str) -> Option<(Host<'_>, &str)> {
    let (name, rest) = chars::split_class(text, chars::HOST);
    let bytes = name.as_bytes();
    let (first, last) = (bytes.first()?, bytes.last()?);
    if first.is_ascii_digit()
        && last.is_ascii_digit()
        && let Some(address) = ipv4(bytes)
    {
        return Some((Host::V4(address), rest));
    }
    // No label is empty, or begins or ends with a hyphen; a dot may end the name.
    let loose = |pair: &[u8]| matches!(pair, [b'.', b'.' | b'-'] | [b'-', b'.']);
    if name.len() > MAX_NAME || matches!(first, b'.' | b'-') || *last == b'-' || bytes.windows(2).any(loose) {
        return None;
    }
    // RFC 3261: the last label begins with a letter, so that 192.0.2.300 is nothing.
    let labels = bytes.strip_suffix(b".").unwrap_or(bytes);
    let start = labels.iter().rposition(|byte| *byte == b'.').map_or(0, |dot| dot + 1);
    labels[start..].iter().any(|byte| !byte.is_ascii_digit()).then_some((Host::Name(name), rest))
}

/// Four numbers without leading zeros, as the standard library reads them at thrice the cost.
fn ipv4(text: &[u8]) -> Option<Ipv4Addr> {
    let (mut octets, mut index, mut digits) = ([0u8; 4], 0, 0);
    for byte in text {
        match byte {
            b'0'..=b'9' if digits == 0 || octets[index] != 0 => {
                octets[index] = octets[index].checked_mul(10)?.checked_add(byte - b'0')?;
                digits += 1;
            }
            b'.' if digits > 0 && index < 3 => (index, digits) = (index + 1, 0),
            _ => return None,
        }
    }
    (index == 3 && digits > 0).then(|| Ipv4Addr::from(octets))
}

/// An IPv6 address. The three colons that RFC 3261's grammar made before an embedded IPv4 address are read as two
/// (RFC 5118 §4.10).
pub(super) fn ipv6(text: &str) -> Option<Ipv6Addr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    let (front, embedded) = text.split_once(":::")?;
    if embedded.parse::<Ipv4Addr>().is_err() {
        return None;
    }
    format!("{front}::{embedded}").parse().ok()
}

impl fmt::Display for Host<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::V4(address) => address.fmt(f),
            Self::V6(address) => write!(f, "[{address}]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_told_apart() {
        assert_eq!(Host::parse("example.com."), Ok(Host::Name("example.com.")));
        assert_eq!(Host::parse("sip_1.local"), Ok(Host::Name("sip_1.local")));
        assert_eq!(Host::parse("192.0.2.1").map(|host| host.to_string()), Ok("192.0.2.1".to_owned()));
        assert_eq!(Host::parse("[2001:DB8::0:1]").map(|host| host.to_string()), Ok("[2001:db8::1]".to_owned()));
        assert_eq!(Host::parse("3com"), Ok(Host::Name("3com")));
    }

    #[test]
    fn ipv4_addresses_are_those_of_the_standard_library() {
        let mut texts: Vec<String> = (0..1000).map(|octet| format!("1.{octet}.3.{}", octet % 300)).collect();
        texts.extend(
            ["0.0.0.0", "01.2.3.4", "1.00.3.4", "1.2.3", "1.2.3.", ".1.2.3", "1..2.3", "1.2.3.4.5", ""]
                .map(str::to_owned),
        );
        for text in texts {
            assert_eq!(ipv4(text.as_bytes()), text.parse().ok(), "{text}");
        }
    }

    #[test]
    fn what_is_neither_is_refused() {
        for text in ["", ".", "a..b", "-a.b", "1.2.3", "192.0.2.300", "2001", "2001:db8::1", "[::1", "[1.2.3.4]", "a b"]
        {
            assert!(Host::parse(text).is_err(), "{text}");
        }
        assert!(Host::parse("[fe80::1%eth0]").is_err());
        assert!(Host::parse(&"a.".repeat(200)).is_err());
    }

    #[test]
    fn three_colons_before_an_ipv4_address_are_read_as_two() {
        assert_eq!(Host::parse("[2001:db8:::192.0.2.1]"), Host::parse("[2001:db8::192.0.2.1]"));
        assert!(Host::parse("[2001:db8:::1]").is_err());
    }
}
