//! Credentials: the values of Authorization and Proxy-Authorization (RFC 3261 §20.7, §20.28; RFC 7616 §3.4).

use super::hash::{Algorithm, Exchange};
use super::params::{Pairs, Wrong, once, sized};
use crate::sip::wire::{Scheme, Uri};

/// Longest user name, realm, nonce and cnonce, in bytes.
const MAX_TEXT: usize = 512;
/// Longest `uri`, in bytes.
const MAX_URI: usize = 2_048;

/// What a peer answers to a challenge, read but not verified. Parameters that are not listed here are passed over, as
/// RFC 7616 §3.4 asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user name; it is not known to be anybody's.
    pub username: String,
    /// The realm.
    pub realm: String,
    /// The nonce as it was given.
    pub nonce: String,
    /// The target that the response was computed over.
    pub uri: String,
    /// The response, in hex of any case.
    pub response: String,
    /// The algorithm; MD5 where none is named, `None` where it is one we do not know.
    pub algorithm: Option<Algorithm>,
    /// The quality of protection as written: `auth` is the only one we serve. `None` is RFC 2617 without it.
    pub qop: Option<String>,
    /// The client's nonce.
    pub cnonce: Option<String>,
    /// The count as written: one to eight hex digits, not zero.
    pub nc: Option<String>,
    /// What the challenge gave to be given back.
    pub opaque: Option<String>,
}

/// Whose credentials are looked for among several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// They are there.
    Found(Credentials),
    /// None are for this realm.
    None,
    /// None are for this realm, but some could not be read.
    Malformed(Wrong),
}

impl Credentials {
    /// Reads one header value.
    ///
    /// # Errors
    /// It is none, or not complete.
    pub fn parse(value: &str) -> Result<Self, Wrong> {
        let mut pairs = Pairs::of(value)?;
        let (mut username, mut realm, mut nonce, mut uri, mut response) = (None, None, None, None, None);
        let (mut algorithm, mut qop, mut cnonce, mut nc, mut opaque) = (None, None, None, None, None);
        while let Some((name, value)) = pairs.next()? {
            match name.to_ascii_lowercase().as_str() {
                "username" => once(&mut username, "username", sized(value, "username", MAX_TEXT)?)?,
                "realm" => once(&mut realm, "realm", sized(value, "realm", MAX_TEXT)?)?,
                "nonce" => once(&mut nonce, "nonce", sized(value, "nonce", MAX_TEXT)?)?,
                "uri" => once(&mut uri, "uri", sized(value, "uri", MAX_URI)?)?,
                "response" => once(&mut response, "response", hex_digits(&value, 128, "response")?)?,
                "algorithm" => once(&mut algorithm, "algorithm", Algorithm::of(&value))?,
                "qop" => once(&mut qop, "qop", sized(value, "qop", MAX_TEXT)?)?,
                "cnonce" => once(&mut cnonce, "cnonce", sized(value, "cnonce", MAX_TEXT)?)?,
                "nc" => once(&mut nc, "nc", hex_digits(&value, 8, "nc")?)?,
                "opaque" => once(&mut opaque, "opaque", value.into_owned())?,
                _ => {}
            }
        }
        if nc.as_deref().is_some_and(|nc: &str| nc.bytes().all(|digit| digit == b'0')) {
            return Err(Wrong::Value("nc"));
        }
        Ok(Self {
            username: username.ok_or(Wrong::Missing("username"))?,
            realm: realm.ok_or(Wrong::Missing("realm"))?,
            nonce: nonce.ok_or(Wrong::Missing("nonce"))?,
            uri: uri.ok_or(Wrong::Missing("uri"))?,
            response: response.ok_or(Wrong::Missing("response"))?,
            algorithm: algorithm.unwrap_or(Some(Algorithm::Md5)),
            qop,
            cnonce,
            nc,
            opaque,
        })
    }

    /// The credentials for a realm among the values of a message's headers: a request may carry some for other realms
    /// (RFC 3261 §22.3), and those of other schemes are nobody's business here. Realms are compared as they are.
    pub fn for_realm<'a>(realm: &str, values: impl IntoIterator<Item = &'a str>) -> Lookup {
        let mut malformed = None;
        for value in values {
            match Self::parse(value) {
                Ok(credentials) if credentials.realm == realm => return Lookup::Found(credentials),
                Ok(_) | Err(Wrong::OtherScheme) => {}
                Err(wrong) => malformed = malformed.or(Some(wrong)),
            }
        }
        malformed.map_or(Lookup::None, Lookup::Malformed)
    }

    /// The count, where there is one.
    pub fn count(&self) -> Option<u32> {
        u32::from_str_radix(self.nc.as_deref()?, 16).ok()
    }

    /// What the response must have been computed over. With `qop` there must be `nc` and `cnonce` (RFC 7616 §3.4).
    pub(super) fn exchange<'a>(&'a self, method: &'a str) -> Result<Exchange<'a>, Wrong> {
        let counted = match &self.qop {
            None => None,
            Some(qop) => {
                let nc = self.nc.as_deref().ok_or(Wrong::Missing("nc"))?;
                Some((nc, self.cnonce.as_deref().ok_or(Wrong::Missing("cnonce"))?, qop.as_str()))
            }
        };
        Ok(Exchange { method, uri: &self.uri, nonce: &self.nonce, counted })
    }
}

fn hex_digits(value: &str, most: usize, name: &'static str) -> Result<String, Wrong> {
    let good = (1..=most).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_hexdigit());
    good.then(|| value.to_owned()).ok_or(Wrong::Value(name))
}

/// Whether the `uri` of credentials names the target of the request they came with.
///
/// RFC 7616 §3.4.6 wants the same resource; RFC 3261 §22.4 (point 5) knows that a proxy may have rewritten the
/// Request-URI and leaves the choice to the server. Nothing rewrites requests on the way to us, but phones put there
/// what they have at hand: with or without their parameters, `:5060`, escapes or capitals in the host. So this is our
/// choice: user, host and port decide, the user by case and after its escapes, a missing port as the scheme's default.
/// Whatever is no `sip:` or `sips:` URI must be spelled the same.
pub fn same_target(uri: &str, request_uri: &str) -> bool {
    let (Ok(one), Ok(two)) = (Uri::parse(uri), Uri::parse(request_uri)) else { return uri == request_uri };
    let sip = |uri: &Uri<'_>| matches!(uri.scheme(), Scheme::Sip | Scheme::Sips);
    let (Some((one_host, one_port)), Some((two_host, two_port))) = (one.host_port(), two.host_port()) else {
        return uri == request_uri;
    };
    sip(&one)
        && sip(&two)
        && one_host.same(&two_host)
        && one_port == two_port
        && (one.user() == two.user() || (one.user_text().is_some() && one.user_text() == two.user_text()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "Digest username=\"b\\\"ob\", realm=\"a.example\", nonce=\"n\", uri=\"sip:a.example\", \
                         response=\"0aF\", algorithm=sha-256, qop=auth, cnonce=\"c\", nc=0000000A, opaque=\"\", x-odd=1";

    #[test]
    fn whole_credentials_are_read() {
        let read = Credentials::parse(WHOLE).unwrap();
        assert_eq!(
            (read.username.as_str(), read.algorithm, read.count()),
            ("b\"ob", Some(Algorithm::Sha256), Some(10))
        );
        assert_eq!((read.qop.as_deref(), read.opaque.as_deref()), (Some("auth"), Some("")));
    }

    #[test]
    fn every_parameter_stands_once_and_what_is_needed_stands() {
        for name in ["username", "realm", "nonce", "uri", "response", "algorithm", "qop", "cnonce", "nc", "opaque"] {
            let twice = format!("{WHOLE}, {}=\"1\"", name.to_uppercase());
            assert_eq!(Credentials::parse(&twice), Err(Wrong::Twice(name)));
        }
        for name in ["username", "realm", "nonce", "uri", "response"] {
            let less = WHOLE.replace(&format!("{name}="), "x-other=");
            assert_eq!(Credentials::parse(&less), Err(Wrong::Missing(name)));
            let value = if name == "response" { "xyz" } else { "" };
            let empty = format!("Digest {name}=\"{value}\"");
            assert_eq!(Credentials::parse(&empty), Err(Wrong::Value(name)));
        }
        let least = Credentials::parse("Digest username=a,realm=b,nonce=c,uri=d,response=00").unwrap();
        assert_eq!((least.algorithm, least.qop), (Some(Algorithm::Md5), None));
    }

    #[test]
    fn a_count_is_one_to_eight_hex_digits_and_not_zero() {
        for (nc, count) in [("00000001", Some(1)), ("1", Some(1)), ("ffffffff", Some(u32::MAX))] {
            assert_eq!(Credentials::parse(&WHOLE.replace("0000000A", nc)).unwrap().count(), count);
        }
        for nc in ["00000000", "0", "000000001", "\"\"", "+1", "1x"] {
            assert_eq!(Credentials::parse(&WHOLE.replace("0000000A", nc)), Err(Wrong::Value("nc")), "{nc}");
        }
    }

    #[test]
    fn those_of_our_realm_are_found_among_others() {
        let other = WHOLE.replace("a.example\", nonce", "b.example\", nonce");
        let found = Credentials::for_realm("a.example", ["Basic x", "Digest broken", &other, WHOLE]);
        assert_eq!(found, Lookup::Found(Credentials::parse(WHOLE).unwrap()));
        assert_eq!(Credentials::for_realm("c.example", ["Basic x", WHOLE]), Lookup::None);
        assert_eq!(Credentials::for_realm("c.example", ["Digest x", WHOLE]), Lookup::Malformed(Wrong::Grammar));
    }

    #[test]
    fn user_host_and_port_decide_about_the_target() {
        for (uri, request_uri) in [
            ("sip:bob@a.example", "sip:bob@A.example:5060;transport=udp"),
            ("sip:%62ob@a.example", "sip:bob@a.example"),
            ("sip:[2001:db8::1]", "sip:[2001:db8:0::1]"),
            ("sips:a.example", "sips:a.example:5061"),
            ("tel:+15550001111", "tel:+15550001111"),
            ("*", "*"),
        ] {
            assert!(same_target(uri, request_uri), "{uri} {request_uri}");
        }
        for (uri, request_uri) in [
            ("sip:Bob@a.example", "sip:bob@a.example"),
            ("sip:a.example", "sip:bob@a.example"),
            ("sip:bob@a.example:5070", "sip:bob@a.example"),
            ("sip:bob@b.example", "sip:bob@a.example"),
            ("sip:a.example", "sips:a.example"),
            ("tel:+15550001111", "sip:+15550001111@a.example"),
            ("/index.html", "sip:a.example"),
            ("sip:%ff@a.example", "sip:%fe@a.example"),
        ] {
            assert!(!same_target(uri, request_uri), "{uri} {request_uri}");
        }
    }
}
