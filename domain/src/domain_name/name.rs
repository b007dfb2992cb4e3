//! DNS names.

use crate::decider::serde_as_text;
use std::fmt;
use std::str::FromStr;

/// A DNS name (RFC 1035 §2.3.1, RFC 3261 §25.1 `hostname`) in lower case: at most 253 letters, digits, hyphens and dots;
/// the last label begins with a letter, so that no address is one. A dot at the end is dropped.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DomainName(Box<str>);

/// A text that is no [`DomainName`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a DNS name such as example.com: letters, digits and hyphens between dots, no address")]
pub struct MalformedDomain;

impl DomainName {
    /// The text, in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DomainName {
    type Err = MalformedDomain;

    fn from_str(text: &str) -> Result<Self, MalformedDomain> {
        let name = text.strip_suffix('.').unwrap_or(text);
        let label = |label: &str| {
            let letters = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
            (1..=63).contains(&label.len()) && letters && !label.starts_with('-') && !label.ends_with('-')
        };
        let top = name.rsplit('.').next().unwrap_or_default().starts_with(|c: char| c.is_ascii_alphabetic());
        let legal = name.len() <= 253 && top && name.split('.').all(label);
        legal.then(|| Self(name.to_ascii_lowercase().into())).ok_or(MalformedDomain)
    }
}

impl fmt::Display for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

serde_as_text!(DomainName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_kept_in_lower_case_without_the_dot_at_its_end() {
        let name: DomainName = "PBX.Example.COM.".parse().unwrap();
        assert_eq!(name.as_str(), "pbx.example.com");
        assert_eq!(name, name.to_string().parse().unwrap());
        assert!("localhost".parse::<DomainName>().is_ok());
    }

    #[test]
    fn addresses_and_what_is_no_name_are_refused() {
        let long = format!("{}a", "a.".repeat(127));
        for text in [
            "",
            ".",
            "a..b",
            "-a.b",
            "a-.b",
            "a_b.c",
            "192.0.2.1",
            "[::1]",
            "a b",
            "é.example",
            "a.example:5060",
            &long,
            "a.1",
        ] {
            assert_eq!(text.parse::<DomainName>(), Err(MalformedDomain), "{text}");
        }
    }
}
