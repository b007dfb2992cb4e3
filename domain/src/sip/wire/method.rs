//! Methods (RFC 3261 §7.1): case-sensitive tokens, an open set.

use super::chars;
use std::fmt;

/// A request's method.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are the methods")]
pub enum Method {
    Invite,
    Ack,
    Bye,
    Cancel,
    Options,
    Register,
    Prack,
    Update,
    Refer,
    Subscribe,
    Notify,
    Info,
    Message,
    Publish,
    /// Any other token, as it came.
    Other(Box<str>),
}

const KNOWN: [Method; 14] = [
    Method::Invite,
    Method::Ack,
    Method::Bye,
    Method::Cancel,
    Method::Options,
    Method::Register,
    Method::Prack,
    Method::Update,
    Method::Refer,
    Method::Subscribe,
    Method::Notify,
    Method::Info,
    Method::Message,
    Method::Publish,
];

impl Method {
    /// The method of this token; `None` if it is no token. `invite` is not `INVITE` (RFC 3261 §7.1).
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(known) = KNOWN.iter().find(|known| known.as_str() == text) {
            return Some(known.clone());
        }
        chars::all(text, chars::TOKEN).then(|| Self::Other(text.into()))
    }

    /// The token.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Invite => "INVITE",
            Self::Ack => "ACK",
            Self::Bye => "BYE",
            Self::Cancel => "CANCEL",
            Self::Options => "OPTIONS",
            Self::Register => "REGISTER",
            Self::Prack => "PRACK",
            Self::Update => "UPDATE",
            Self::Refer => "REFER",
            Self::Subscribe => "SUBSCRIBE",
            Self::Notify => "NOTIFY",
            Self::Info => "INFO",
            Self::Message => "MESSAGE",
            Self::Publish => "PUBLISH",
            Self::Other(token) => token,
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl PartialEq<str> for Method {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_method_reads_back() {
        for method in KNOWN {
            assert_eq!(Method::parse(method.as_str()), Some(method));
        }
    }

    #[test]
    fn another_case_or_name_is_another_method() {
        assert_eq!(Method::parse("invite"), Some(Method::Other("invite".into())));
        assert_eq!(Method::parse("RE%47IST%45R"), Some(Method::Other("RE%47IST%45R".into())));
        assert_eq!(Method::parse("IN VITE"), None);
        assert_eq!(Method::parse(""), None);
    }
}
