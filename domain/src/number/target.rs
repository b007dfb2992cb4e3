//! Where calls to a number go.

use crate::address::Transport;
use crate::decider::serde_as_text;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// Where calls to a number go.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// A SIP URI: the call is trunked there.
    Sip(SipTarget),
}

/// A configured SIP URI (RFC 3261 §19.1, strictly): `sip:[user@]host[:port][;transport=udp|tcp]`. No password, headers
/// or other parameters, so that nothing configured can smuggle syntax into a message.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SipTarget {
    /// The user part as written, escapes and all.
    pub user: Option<Box<str>>,
    /// The host.
    pub host: Host,
    /// The port; `None` leaves it to RFC 3263.
    pub port: Option<u16>,
    /// The transport; UDP where the URI says nothing.
    pub transport: Transport,
}

/// A host: literal, or a name that the shell resolves.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// An address literal.
    Ip(IpAddr),
    /// A name in lower case.
    Name(Box<str>),
}

/// Why a text is no [`SipTarget`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MalformedTarget {
    /// Longer than 255 bytes.
    #[error("the URI is longer than 255 bytes")]
    TooLong,
    /// Another scheme.
    #[error("expected a URI that begins with sip: (sips and tel targets are not supported)")]
    Scheme,
    /// A bad user part.
    #[error(
        "the part before @ may hold letters, digits, %HH and -_.!~*'()&=+$,?/ only, 1 to 64 characters, no password"
    )]
    User,
    /// A bad host.
    #[error("expected a host name, an IPv4 address or an IPv6 address in brackets")]
    Host,
    /// A bad port.
    #[error("expected a port from 1 to 65535")]
    Port,
    /// A parameter other than `transport=udp` or `transport=tcp`, or headers.
    #[error("the only parameters allowed are ;transport=udp or ;transport=tcp, and no ?headers")]
    Parameter,
}

impl FromStr for SipTarget {
    type Err = MalformedTarget;

    fn from_str(text: &str) -> Result<Self, MalformedTarget> {
        if text.len() > 255 {
            return Err(MalformedTarget::TooLong);
        }
        let scheme =
            text.get(..4).filter(|scheme| scheme.eq_ignore_ascii_case("sip:")).ok_or(MalformedTarget::Scheme)?;
        let rest = &text[scheme.len()..];
        let (user, rest) = match rest.split_once('@') {
            Some((user, rest)) => (Some(parse_user(user)?), rest),
            None => (None, rest),
        };
        let (place, parameters) = rest.split_at(rest.find([';', '?']).unwrap_or(rest.len()));
        let transport = parse_transport(parameters)?;
        let (host, port) = split_port(place)?;
        Ok(Self { user, host: parse_host(host)?, port: port.map(parse_port).transpose()?, transport })
    }
}

fn parse_transport(parameters: &str) -> Result<Transport, MalformedTarget> {
    const NAME: &str = ";transport=";
    match parameters.split_at_checked(NAME.len()) {
        None if parameters.is_empty() => Ok(Transport::default()),
        Some((name, value)) if name.eq_ignore_ascii_case(NAME) => {
            Transport::from_param(value).ok_or(MalformedTarget::Parameter)
        }
        Some(_) | None => Err(MalformedTarget::Parameter),
    }
}

fn parse_user(user: &str) -> Result<Box<str>, MalformedTarget> {
    let bytes = user.as_bytes();
    let legal = |at: usize| match bytes[at] {
        b'%' => bytes.get(at + 1..at + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)),
        byte => byte.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,?/".contains(&byte),
    };
    let fits = (1..=64).contains(&bytes.len());
    if fits && (0..bytes.len()).all(legal) { Ok(user.into()) } else { Err(MalformedTarget::User) }
}

fn split_port(place: &str) -> Result<(&str, Option<&str>), MalformedTarget> {
    if !place.starts_with('[') {
        return Ok(place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))));
    }
    let end = place.find(']').ok_or(MalformedTarget::Host)? + 1;
    match place[end..].strip_prefix(':') {
        Some(port) => Ok((&place[..end], Some(port))),
        None if place.len() == end => Ok((place, None)),
        None => Err(MalformedTarget::Host),
    }
}

fn parse_port(port: &str) -> Result<u16, MalformedTarget> {
    let digits = port.bytes().all(|b| b.is_ascii_digit());
    port.parse().ok().filter(|port| digits && *port > 0).ok_or(MalformedTarget::Port)
}

fn parse_host(host: &str) -> Result<Host, MalformedTarget> {
    if let Some(literal) = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
        let ip = literal.parse::<Ipv6Addr>().map_err(|_| MalformedTarget::Host)?;
        return usable(IpAddr::V6(ip).to_canonical());
    }
    if let Ok(ip) = host.parse() {
        return usable(IpAddr::V4(ip));
    }
    let label = |label: &str| {
        let letters = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        (1..=63).contains(&label.len()) && letters && !label.starts_with('-') && !label.ends_with('-')
    };
    // A last label that begins with a digit would be a mistyped address (RFC 3261: toplabel begins with a letter).
    let top = host.rsplit('.').next().unwrap_or_default().starts_with(|c: char| c.is_ascii_alphabetic());
    if host.len() > 253 || !top || !host.split('.').all(label) {
        return Err(MalformedTarget::Host);
    }
    Ok(Host::Name(host.to_ascii_lowercase().into()))
}

fn usable(ip: IpAddr) -> Result<Host, MalformedTarget> {
    if ip.is_unspecified() || ip.is_multicast() { Err(MalformedTarget::Host) } else { Ok(Host::Ip(ip)) }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(IpAddr::V4(ip)) => write!(f, "{ip}"),
            Self::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for SipTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sip:")?;
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        write!(f, "{}", self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))?;
        f.write_str(self.transport.uri_suffix())
    }
}

serde_as_text!(SipTarget);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_reads_back_what_it_prints() {
        for text in [
            "sip:pbx@127.0.0.1:5090",
            "sip:10.0.0.1",
            "sip:%2B1555@pbx.example.com",
            "sip:pbx@[2001:db8::1]:5060",
            "sip:[2001:db8::1]",
            "sip:localhost",
            "sip:pbx@10.0.0.1:5090;transport=tcp",
        ] {
            assert_eq!(text.parse::<SipTarget>().map(|target| target.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn scheme_host_and_transport_are_read_in_any_case_and_mapped_addresses_are_unmapped() {
        let same = |a: &str, b: &str| assert_eq!(a.parse::<SipTarget>(), b.parse(), "{a}");
        same("SIP:a@PBX.Example.COM;Transport=UDP", "sip:a@pbx.example.com");
        same("sip:10.0.0.1;TRANSPORT=Tcp", "sip:10.0.0.1;transport=tcp");
        same("sip:[::ffff:10.0.0.1]", "sip:10.0.0.1");
    }

    #[test]
    fn everything_that_could_smuggle_or_confuse_is_refused_with_its_reason() {
        use MalformedTarget as M;
        for (text, why) in [
            ("", M::Scheme),
            ("é:a", M::Scheme),
            ("sips:a@b.example", M::Scheme),
            ("tel:+1555", M::Scheme),
            ("sip:@b.example", M::User),
            ("sip:a:secret@b.example", M::User),
            ("sip:a%2@b.example", M::User),
            ("sip:a\r\nVia: x@b.example", M::User),
            ("sip:a b@c.example", M::User),
            ("sip:a@b@c.example", M::Host),
            ("sip:", M::Host),
            ("sip:a@", M::Host),
            ("sip:-a.example", M::Host),
            ("sip:a..example", M::Host),
            ("sip:a_b.example", M::Host),
            ("sip:1.2.3", M::Host),
            ("sip:1.2.3.400", M::Host),
            ("sip:0.0.0.0", M::Host),
            ("sip:224.0.0.1", M::Host),
            ("sip:[::1", M::Host),
            ("sip:[::1]x", M::Host),
            ("sip:b.example\r\n", M::Host),
            ("sip:b.example:0", M::Port),
            ("sip:b.example:65536", M::Port),
            ("sip:b.example:+5", M::Port),
            ("sip:b.example:", M::Port),
            ("sip:b.example;transport=tls", M::Parameter),
            ("sip:b.example;transport=", M::Parameter),
            ("sip:b.example;transport=tcp;lr", M::Parameter),
            ("sip:b.example;transport", M::Parameter),
            ("sip:b.example;lr", M::Parameter),
            ("sip:b.example?Subject=x", M::Parameter),
        ] {
            assert_eq!(text.parse::<SipTarget>(), Err(why), "{text:?}");
        }
        assert_eq!(format!("sip:{}", "a".repeat(252)).parse::<SipTarget>(), Err(M::TooLong));
    }
}
