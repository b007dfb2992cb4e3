//! Challenges: the values of WWW-Authenticate and Proxy-Authenticate (RFC 3261 §20.44, §20.27; RFC 8760 §2).

use super::hash::Algorithm;
use super::params::{Pairs, Wrong, once, sized};
use crate::sip::wire::{HeaderName, Message, quoted};
use std::fmt;

/// Longest realm of ours, in bytes.
const MAX_REALM: usize = 255;
/// Longest text of a challenge, in bytes.
const MAX_TEXT: usize = 1_024;
/// The most challenges of one response that are looked at.
const MAX_CHALLENGES: usize = 16;

/// A realm of ours: one to 255 visible ASCII characters or blanks, without quotes and backslashes, so that there is but
/// one way to write and to hash it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Realm(Box<str>);

/// A text that is no realm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a realm is 1 to 255 printable ASCII characters, none of them a quote or backslash")]
pub struct BadRealm;

impl Realm {
    /// A realm of this text.
    ///
    /// # Errors
    /// It is none.
    pub fn new(text: &str) -> Result<Self, BadRealm> {
        let good = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
        let legal = (1..=MAX_REALM).contains(&text.len()) && text.bytes().all(good);
        legal.then(|| Self(text.into())).ok_or(BadRealm)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Realm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Asker {
    /// A server about its own user: 401, WWW-Authenticate, Authorization.
    Server,
    /// A proxy on the way: 407, Proxy-Authenticate, Proxy-Authorization.
    Proxy,
}

impl Asker {
    /// The status of a challenge.
    pub const fn status(self) -> u16 {
        match self {
            Self::Server => 401,
            Self::Proxy => 407,
        }
    }

    /// The header that asks.
    pub const fn challenge(self) -> HeaderName {
        match self {
            Self::Server => HeaderName::WwwAuthenticate,
            Self::Proxy => HeaderName::ProxyAuthenticate,
        }
    }

    /// The header that answers.
    pub const fn credentials(self) -> HeaderName {
        match self {
            Self::Server => HeaderName::Authorization,
            Self::Proxy => HeaderName::ProxyAuthorization,
        }
    }
}

/// The quality of protection that a challenge offers (RFC 7616 §3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Qop {
    /// `auth`, perhaps beside others: what we answer with.
    Auth,
    /// None at all: RFC 2617 for RFC 2069's sake.
    Absent,
    /// Only others, as `auth-int`: not answered.
    Others,
}

/// A challenge as a client reads it. Parameters that are not listed are passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// Who asks.
    pub asker: Asker,
    /// The realm.
    pub realm: String,
    /// The nonce.
    pub nonce: String,
    /// To be given back as it is.
    pub opaque: Option<String>,
    /// The algorithm, `None` for one we do not know; MD5 where none is named.
    pub algorithm: Option<Algorithm>,
    /// Whether it is named: an old server may not read an answer that names what it did not.
    pub algorithm_named: bool,
    /// The quality of protection.
    pub qop: Qop,
    /// Whether only the nonce was at fault: the same password will do.
    pub stale: bool,
}

impl Challenge {
    /// Reads one header value.
    ///
    /// # Errors
    /// It is none, or not complete.
    pub fn parse(asker: Asker, value: &str) -> Result<Self, Wrong> {
        let mut pairs = Pairs::of(value)?;
        let (mut realm, mut nonce, mut opaque, mut algorithm) = (None, None, None, None);
        let (mut qop, mut stale) = (None, None);
        while let Some((name, value)) = pairs.next()? {
            match name.to_ascii_lowercase().as_str() {
                "realm" => once(&mut realm, "realm", sized(value, "realm", MAX_TEXT)?)?,
                "nonce" => once(&mut nonce, "nonce", sized(value, "nonce", MAX_TEXT)?)?,
                "opaque" => once(&mut opaque, "opaque", value.into_owned())?,
                "algorithm" => once(&mut algorithm, "algorithm", Algorithm::of(&value))?,
                "qop" => once(&mut qop, "qop", qop_of(&value))?,
                "stale" => once(&mut stale, "stale", value.eq_ignore_ascii_case("true"))?,
                _ => {}
            }
        }
        Ok(Self {
            asker,
            realm: realm.ok_or(Wrong::Missing("realm"))?,
            nonce: nonce.ok_or(Wrong::Missing("nonce"))?,
            opaque,
            algorithm_named: algorithm.is_some(),
            algorithm: algorithm.unwrap_or(Some(Algorithm::Md5)),
            qop: qop.unwrap_or(Qop::Absent),
            stale: stale.unwrap_or(false),
        })
    }

    /// The challenges of a 401 or 407 in their order, which is the server's preference (RFC 8760 §2.3). Those that
    /// cannot be read, of other schemes, and beyond the sixteenth are left out.
    pub fn of(response: &Message) -> Vec<Self> {
        let asker = match response.status() {
            Some(401) => Asker::Server,
            Some(407) => Asker::Proxy,
            _ => return Vec::new(),
        };
        let lines = response.headers().filter(|header| header.name == asker.challenge()).take(MAX_CHALLENGES);
        lines.filter_map(|header| Self::parse(asker, header.value).ok()).collect()
    }

    /// As [`Challenge::of`], but of both headers: a proxy that forked gives every challenge it heard in one response
    /// (RFC 3261 §16.7 step 7, §22.3).
    pub fn all_of(response: &Message) -> Vec<Self> {
        if !matches!(response.status(), Some(401 | 407)) {
            return Vec::new();
        }
        let asked = response.headers().filter_map(|header| {
            let asker = [Asker::Server, Asker::Proxy].into_iter().find(|asker| asker.challenge() == header.name)?;
            Some((asker, header.value))
        });
        asked.take(MAX_CHALLENGES).filter_map(|(asker, value)| Self::parse(asker, value).ok()).collect()
    }
}

fn qop_of(value: &str) -> Qop {
    let offered = value.split(',').map(|one| one.trim_matches([' ', '\t']));
    match offered.clone().any(|one| one.eq_ignore_ascii_case("auth")) {
        true => Qop::Auth,
        false if offered.into_iter().all(str::is_empty) => Qop::Absent,
        false => Qop::Others,
    }
}

/// Writes a challenge of ours.
pub(super) fn write(realm: &Realm, nonce: &str, opaque: &str, algorithm: Algorithm, stale: bool) -> String {
    let stale = if stale { ", stale=true" } else { "" };
    format!(
        "Digest realm={}, nonce=\"{nonce}\", opaque=\"{opaque}\", algorithm={}, qop=\"auth\"{stale}",
        quoted(realm.as_str()),
        algorithm.token()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(value: &str) -> Result<Challenge, Wrong> {
        Challenge::parse(Asker::Proxy, value)
    }

    #[test]
    fn a_challenge_of_ours_reads_back() {
        let realm = Realm::new("a b.example").unwrap();
        let read = parse(&write(&realm, "n", "o", Algorithm::Sha256, true)).unwrap();
        assert_eq!((read.realm.as_str(), read.nonce.as_str(), read.opaque.as_deref()), ("a b.example", "n", Some("o")));
        assert_eq!((read.algorithm, read.qop, read.stale), (Some(Algorithm::Sha256), Qop::Auth, true));
        assert!(!parse(&write(&realm, "n", "o", Algorithm::Sha256, false)).unwrap().stale);
    }

    #[test]
    fn qop_is_a_list_of_which_auth_is_ours() {
        for (offered, qop) in [
            ("qop=\"auth\"", Qop::Auth),
            ("qop=\"auth-int,auth\"", Qop::Auth),
            ("qop=\"auth-int , AUTH , x\"", Qop::Auth),
            ("qop=auth", Qop::Auth),
            ("qop=\"auth-int\"", Qop::Others),
            ("qop=\"\"", Qop::Absent),
            ("x=1", Qop::Absent),
        ] {
            assert_eq!(parse(&format!("Digest realm=\"r\", nonce=\"n\", {offered}")).unwrap().qop, qop, "{offered}");
        }
    }

    #[test]
    fn an_unknown_algorithm_is_known_to_be_unknown() {
        let named = |token: &str| {
            let read = parse(&format!("Digest realm=r,nonce=n,algorithm={token}")).unwrap();
            (read.algorithm, read.algorithm_named)
        };
        assert_eq!(named("md5"), (Some(Algorithm::Md5), true));
        assert_eq!(named("MD5-sess"), (None, true));
        let bare = parse("Digest realm=r,nonce=n").unwrap();
        assert_eq!((bare.algorithm, bare.algorithm_named), (Some(Algorithm::Md5), false));
        assert_eq!(parse("Digest realm=r"), Err(Wrong::Missing("nonce")));
        assert_eq!(parse("Digest nonce=n,nonce=n,realm=r"), Err(Wrong::Twice("nonce")));
    }

    #[test]
    fn a_realm_has_no_two_spellings() {
        for text in ["", "a\"b", "a\\b", "a\r\nb", "é", &"a".repeat(256)] {
            assert_eq!(Realm::new(text), Err(BadRealm), "{text}");
        }
        assert_eq!(Realm::new("biloxi.example").map(|realm| realm.to_string()), Ok("biloxi.example".to_owned()));
    }
}
