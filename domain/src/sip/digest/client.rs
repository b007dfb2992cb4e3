//! The side that answers: credentials for a challenge (RFC 3261 §22.1, RFC 8760 §2.4).

use super::challenge::{Challenge, Qop};
use super::hash::{Algorithm, DigestSecret, Exchange, Ha1};
use crate::sip::wire::{HeaderName, quoted};
use std::borrow::Cow;
use std::fmt::{self, Write as _};

/// Who logs in.
#[derive(Clone, Copy)]
pub struct Login<'a> {
    /// The user name.
    pub username: &'a str,
    /// What proves it.
    pub secret: Secret<'a>,
}

/// What proves a user name.
#[derive(Clone, Copy)]
pub enum Secret<'a> {
    /// A password: good at every realm.
    Password(&'a str),
    /// What was stored of one: good at the realm it was made for, and nothing here can tell which that is.
    Stored(&'a DigestSecret),
}

impl Login<'_> {
    fn ha1(&self, algorithm: Algorithm, realm: &str) -> Cow<'_, Ha1> {
        match self.secret {
            Secret::Password(password) => Cow::Owned(Ha1::of(algorithm, self.username, realm, password)),
            Secret::Stored(secret) => Cow::Borrowed(secret.ha1(algorithm)),
        }
    }
}

impl fmt::Debug for Login<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login(…)")
    }
}

/// The first challenge in the server's order that we can answer: of a known algorithm, with `auth` or no quality of
/// protection at all (RFC 8760 §2.4). `auth-int` alone is not answered.
pub(super) fn chosen(challenges: &[Challenge]) -> Option<&Challenge> {
    challenges.iter().find(|challenge| challenge.algorithm.is_some() && challenge.qop != Qop::Others)
}

/// The header that answers a 401 or 407, for a request of this method and Request-URI. `cnonce` is 64 unguessable bits,
/// `nc` how often the nonce was used, this time included. `None` if no challenge can be answered.
pub fn answer(
    challenges: &[Challenge],
    login: &Login<'_>,
    method: &str,
    uri: &str,
    cnonce: u64,
    nc: u32,
) -> Option<(HeaderName, String)> {
    answer_one(chosen(challenges)?, login, method, uri, cnonce, nc)
}

pub(super) fn answer_one(
    challenge: &Challenge,
    login: &Login<'_>,
    method: &str,
    uri: &str,
    cnonce: u64,
    nc: u32,
) -> Option<(HeaderName, String)> {
    let algorithm = challenge.algorithm?;
    let (nc, cnonce) = (format!("{nc:08x}"), format!("{cnonce:016x}"));
    let counted = match challenge.qop {
        Qop::Auth => Some((nc.as_str(), cnonce.as_str(), "auth")),
        Qop::Absent => None,
        Qop::Others => return None,
    };
    let ha1 = login.ha1(algorithm, &challenge.realm);
    let response = ha1.response(&Exchange { method, uri, nonce: &challenge.nonce, counted });
    let mut value = format!(
        "Digest username={}, realm={}, nonce={}, uri={}, response=\"{response}\"",
        quoted(login.username),
        quoted(&challenge.realm),
        quoted(&challenge.nonce),
        quoted(uri)
    );
    // Writing to a String cannot fail.
    if challenge.algorithm_named {
        let _ = write!(value, ", algorithm={}", algorithm.token());
    }
    if let Some((nc, cnonce, qop)) = counted {
        let _ = write!(value, ", qop={qop}, cnonce=\"{cnonce}\", nc={nc}");
    }
    if let Some(opaque) = &challenge.opaque {
        let _ = write!(value, ", opaque={}", quoted(opaque));
    }
    Some((challenge.asker.credentials(), value))
}
