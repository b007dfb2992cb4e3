//! Via (RFC 3261 §20.42, RFC 3581).

use super::list::RawElements;
use super::{HeaderName, Host, Malformed, Message, Params, chars, host, numbers};
use std::net::IpAddr;

/// What a branch begins with that is unique by RFC 3261 §8.1.1.7.
const MAGIC_COOKIE: &str = "z9hG4bK";

/// One Via.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Via<'a> {
    /// The protocol's name, `SIP`.
    pub protocol: &'a str,
    /// Its version, `2.0`.
    pub version: &'a str,
    /// The transport as written, known or not.
    pub transport: &'a str,
    /// Who sent it and where answers go if nothing better is known.
    pub sent_by: Host<'a>,
    /// The port of `sent_by`, if written.
    pub port: Option<u16>,
    /// All parameters.
    pub params: Params<'a>,
}

/// The `rport` parameter (RFC 3581).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rport {
    /// Not there.
    Absent,
    /// There, with no port in it: the client asks for it.
    Asked,
    /// Filled in by the server.
    Port(u16),
}

impl<'a> Via<'a> {
    /// Reads one element.
    ///
    /// # Errors
    /// It breaks the grammar.
    pub fn parse(text: &'a str) -> Result<Self, Malformed> {
        let (protocol, version, rest) = match text.strip_prefix("SIP/2.0/") {
            Some(rest) => ("SIP", "2.0", rest),
            None => {
                let (protocol, rest) = word(text)?;
                let (version, rest) = word(slash(rest)?)?;
                (protocol, version, slash(rest)?)
            }
        };
        let (transport, rest) = word(rest)?;
        let host_text = chars::trim_start(rest);
        if host_text.len() == rest.len() {
            return Err(bad("has no sender after the transport"));
        }
        let (sent_by, port, rest) = sender(host_text)?;
        let params = Params::parse(rest, "Via", "branch")?;
        Ok(Self { protocol, version, transport, sent_by, port, params })
    }

    /// The branch, whatever it looks like.
    pub fn branch(&self) -> Option<&'a str> {
        self.params.value("branch")
    }

    /// The branch if it is unique by RFC 3261: the magic cookie and something after it. Else the transaction is
    /// found by RFC 2543's rules (§17.2.3).
    pub fn unique_branch(&self) -> Option<&'a str> {
        self.branch().filter(|branch| branch.len() > MAGIC_COOKIE.len() && branch.starts_with(MAGIC_COOKIE))
    }

    /// Where the server saw it come from, brackets around IPv6 or none (RFC 5118 §4.5).
    pub fn received(&self) -> Option<IpAddr> {
        let text = self.params.value("received")?;
        if let Some(bare) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
            return host::ipv6(bare).map(IpAddr::V6);
        }
        text.parse().ok()
    }

    /// `rport`; one that is no port counts as asked.
    pub fn rport(&self) -> Rport {
        match self.params.value("rport") {
            None => Rport::Absent,
            Some(value) => value.parse().map_or(Rport::Asked, Rport::Port),
        }
    }

    /// `maddr`: where answers go instead of the sender's host.
    pub fn maddr(&self) -> Option<Host<'a>> {
        Host::parse(self.params.value("maddr")?).ok()
    }

    /// `ttl` of multicast.
    pub fn ttl(&self) -> Option<u8> {
        numbers::decimal(self.params.value("ttl")?.as_bytes()).and_then(|ttl| u8::try_from(ttl).ok())
    }

    /// Whether the branch is the bare cookie, which identifies nothing (RFC 4475 §3.2.1).
    pub(super) fn has_empty_branch(&self) -> bool {
        self.branch() == Some(MAGIC_COOKIE)
    }
}

const fn bad(why: &'static str) -> Malformed {
    Malformed::new("Via", why)
}

/// Host and port, blanks around the colon allowed.
fn sender(text: &str) -> Result<(Host<'_>, Option<u16>, &str), Malformed> {
    let (host, rest) = Host::take(text, "Via")?;
    let (port, rest) = match chars::trim_start(rest).strip_prefix(':') {
        None => (None, rest),
        Some(rest) => {
            let (port, rest) = host::take_port(chars::trim_start(rest), "Via")?;
            (Some(port), rest)
        }
    };
    Ok((host, port, rest))
}

fn word(text: &str) -> Result<(&str, &str), Malformed> {
    let (word, rest) = chars::split_class(chars::trim_start(text), chars::TOKEN);
    if word.is_empty() { Err(bad("is not protocol/version/transport")) } else { Ok((word, rest)) }
}

fn slash(text: &str) -> Result<&str, Malformed> {
    chars::trim_start(text).strip_prefix('/').ok_or(bad("is not protocol/version/transport"))
}

/// All Vias of a message, top first.
#[derive(Clone)]
pub struct Vias<'a>(RawElements<'a>);

impl<'a> Vias<'a> {
    pub(super) fn new(message: &'a Message) -> Self {
        Self(RawElements::new(message, HeaderName::Via))
    }
}

impl<'a> Iterator for Vias<'a> {
    type Item = Result<Via<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(Via::parse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_around_its_marks_are_legal() {
        let via =
            Via::parse("SIP  / 2.0  / TCP     spindle.example.com : 5070  ;  branch  =   z9hG4bK9ikj8  ").unwrap();
        assert_eq!((via.protocol, via.version, via.transport), ("SIP", "2.0", "TCP"));
        assert_eq!((via.sent_by, via.port), (Host::Name("spindle.example.com"), Some(5070)));
        assert_eq!(via.unique_branch(), Some("z9hG4bK9ikj8"));
    }

    #[test]
    fn received_may_stand_in_brackets_or_not() {
        for text in ["2001:db8::9:255", "[2001:db8::9:255]"] {
            let line = format!("SIP/2.0/UDP [2001:db8::9:1]:6050;received={text};rport=7;ttl=3;maddr=224.2.0.1");
            let via = Via::parse(&line).unwrap();
            assert_eq!(via.received(), "2001:db8::9:255".parse().ok());
            assert_eq!((via.rport(), via.ttl(), via.port), (Rport::Port(7), Some(3), Some(6050)));
            assert!(via.maddr().is_some());
        }
        assert_eq!(Via::parse("SIP/2.0/UDP a;rport").unwrap().rport(), Rport::Asked);
        assert_eq!(Via::parse("SIP/2.0/UDP a").unwrap().rport(), Rport::Absent);
    }

    #[test]
    fn what_breaks_the_grammar_is_refused() {
        for text in [
            "",
            "SIP/2.0 a",
            "SIP/2.0/UDP",
            "SIP/2.0/UDPa",
            "SIP/2.0/UDP a;;",
            "SIP/2.0/UDP 192.0.2.15;;,;,,",
            "SIP/2.0/UDP ;branch=z",
            "SIP/2.0/UDP a b",
            "SIP/2.0/UDP a:99999",
            "SIP/2.0/UDP a;branch=1;branch=2",
            "SIP/2.0/UDP 2001:db8::1",
        ] {
            assert!(Via::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_branch_without_the_cookie_or_with_nothing_else_is_not_unique() {
        let branch = |text| Via::parse(text).unwrap().unique_branch();
        assert_eq!(branch("SIP/2.0/UDP a;branch=390skdjuw"), None);
        assert_eq!(branch("SIP/2.0/UDP a;branch=z9hG4bK"), None);
        assert_eq!(branch("SIP/2.0/UDP a"), None);
    }
}
