//! Owned URIs, and building them.

use super::{Host, Malformed, Uri, chars};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// An owned URI, checked when it was made. Equal means equal in every byte, not by RFC 3261 §19.1.4. In JSON it is
/// a string.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UriBuf(Box<str>);

impl UriBuf {
    /// Takes a URI without angle brackets.
    ///
    /// # Errors
    /// As [`Uri::parse`].
    pub fn parse(text: impl Into<Box<str>>) -> Result<Self, Malformed> {
        let text = text.into();
        Uri::parse(&text)?;
        Ok(Self(text))
    }

    /// A `sip:` URI; `user` is plain text and gets escaped.
    ///
    /// # Errors
    /// An empty user, or a host name that is none.
    pub fn sip(user: Option<&str>, host: Host<'_>, port: Option<u16>) -> Result<Self, Malformed> {
        let user = user.map(|user| format!("{}@", escape_user(user))).unwrap_or_default();
        match port {
            None => Self::parse(format!("sip:{user}{host}")),
            Some(port) => Self::parse(format!("sip:{user}{host}:{port}")),
        }
    }

    /// The URI's parts.
    pub fn as_uri(&self) -> Uri<'_> {
        // Checked when it was made; were that ever untrue, a URI without user and host harms nobody.
        Uri::parse(&self.0).unwrap_or_else(|_| Uri::opaque(&self.0))
    }

    /// The URI as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Escapes plain text for the user part of a SIP URI (RFC 3261 §19.1.2).
pub fn escape_user(text: &str) -> String {
    use fmt::Write as _;
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        // `#` is legal only by way of telephone numbers: escaped it is legal everywhere.
        if chars::is(byte, chars::USER) && byte != b'#' {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

impl From<Uri<'_>> for UriBuf {
    fn from(uri: Uri<'_>) -> Self {
        Self(uri.as_str().into())
    }
}

impl FromStr for UriBuf {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        Self::parse(text)
    }
}

impl TryFrom<String> for UriBuf {
    type Error = Malformed;

    fn try_from(text: String) -> Result<Self, Malformed> {
        Self::parse(text)
    }
}

impl From<UriBuf> for String {
    fn from(uri: UriBuf) -> Self {
        uri.0.into()
    }
}

impl fmt::Display for UriBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for UriBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::wire::Scheme;

    #[test]
    fn a_sip_uri_is_read_into_its_parts() {
        let uri = Uri::parse("SIP:al%69ce:pw@[2001:db8::1]:5070;transport=udp;LR?subject=a%20b&x=").unwrap();
        assert_eq!(uri.scheme(), Scheme::Sip);
        assert_eq!((uri.user(), uri.password()), (Some("al%69ce"), Some("pw")));
        assert_eq!(uri.user_text().as_deref(), Some("alice"));
        assert_eq!(uri.host_port().map(|(host, port)| (host.to_string(), port)), Some(("[2001:db8::1]".into(), 5070)));
        assert_eq!((uri.param("lr"), uri.param("Transport"), uri.param("l")), (Some(""), Some("udp"), None));
        assert_eq!(uri.headers(), Some("subject=a%20b&x="));
        assert_eq!(uri.to_string(), uri.as_str());
    }

    #[test]
    fn the_default_port_is_the_schemes() {
        assert_eq!(Uri::parse("sips:a.b").unwrap().host_port().map(|(_, port)| port), Some(5061));
        assert_eq!(Uri::parse("sip:a.b").unwrap().host_port().map(|(_, port)| port), Some(5060));
    }

    #[test]
    fn other_schemes_are_kept_verbatim() {
        let tel = Uri::parse("tel:+49-40-1234;phone-context=example.com").unwrap();
        assert_eq!((tel.scheme(), tel.user(), tel.host()), (Scheme::Tel, Some("+49-40-1234"), None));
        assert_eq!(tel.param("phone-context"), Some("example.com"));
        assert_eq!(Uri::parse("urn:service:sos").unwrap().scheme(), Scheme::Urn);
        assert_eq!(Uri::parse("soap.beep://192.0.2.103:3002").unwrap().scheme_str(), "soap.beep");
    }

    #[test]
    fn what_breaks_the_grammar_is_refused() {
        for text in [
            "",
            "sip",
            "sip:",
            ":a",
            "1sip:a",
            "sip:@a",
            "sip:a@",
            "sip:a b@c",
            "sip:a@b c",
            "sip:a@b;",
            "sip:a@b;;lr",
            "sip:a@b;=x",
            "sip:a@b;x=",
            "sip:a@b?",
            "sip:a@b?x",
            "sip:a%2@b",
            "sip:a%zz@b",
            "sip:a\0@b",
            "sip:a\r\n@b",
            "sip:a@b@c",
            "sip:a@b:0",
            "sip:a@b:65536",
            "sip:a@b:",
            "sip:a@b:5060x",
            "sip:<a@b>",
            "sip:\"a\"@b",
            "sip:é@b",
            "tel:",
            "tel:+",
            "tel:12 34",
            "tel:x",
            "http:",
            "http://a b",
            "sip:a@b\u{7f}",
            "sip:a@b;x=\"y\"",
            "sip:a@b#c",
        ] {
            assert!(Uri::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_built_uri_escapes_its_user() {
        let uri = UriBuf::sip(Some("a b@c#é"), Host::Name("example.com"), Some(5070)).unwrap();
        assert_eq!(uri.as_str(), "sip:a%20b%40c%23%C3%A9@example.com:5070");
        assert_eq!(uri.as_uri().user_text().as_deref(), Some("a b@c#é"));
        assert!(UriBuf::sip(Some("a"), Host::Name("b c"), None).is_err());
        assert!(UriBuf::sip(Some(""), Host::Name("b"), None).is_err());
    }

    #[test]
    fn json_holds_a_checked_string() {
        let uri: UriBuf = serde_json::from_str(r#""sip:a@b""#).unwrap();
        assert_eq!(serde_json::to_string(&uri).unwrap(), r#""sip:a@b""#);
        assert!(serde_json::from_str::<UriBuf>(r#""sip:a b""#).is_err());
    }
}
