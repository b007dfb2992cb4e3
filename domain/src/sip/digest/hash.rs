//! The arithmetic (RFC 7616 §3.4): HA1, the response, and what is stored of a password.

use md5::Md5;
use sha2::{Digest, Sha256, Sha512_256};
use std::fmt;
use std::str::FromStr;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A hash of RFC 8760 §2.1. The `-sess` forms are not among them: SIP never used them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// `SHA-512-256`: SHA-512/256 of FIPS 180-4, which is not SHA-512 cut short.
    Sha512_256,
    /// `SHA-256`.
    Sha256,
    /// `MD5`: what RFC 3261 began with and most phones still speak alone.
    Md5,
}

impl Algorithm {
    /// All, strongest first.
    pub const ALL: [Self; 3] = [Self::Sha512_256, Self::Sha256, Self::Md5];

    /// The algorithm of this token, in any case; `None` for those we do not know.
    pub fn of(token: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.token().eq_ignore_ascii_case(token))
    }

    /// The token of RFC 8760.
    pub const fn token(self) -> &'static str {
        match self {
            Self::Sha512_256 => "SHA-512-256",
            Self::Sha256 => "SHA-256",
            Self::Md5 => "MD5",
        }
    }

    /// Length of a hash, in bytes.
    pub const fn bytes(self) -> usize {
        match self {
            Self::Sha512_256 | Self::Sha256 => 32,
            Self::Md5 => 16,
        }
    }

    /// The hash of parts with colons between; its bytes beyond [`Algorithm::bytes`] are zero.
    pub(super) fn hash(self, parts: &[&str]) -> Zeroizing<[u8; 32]> {
        let mut out = Zeroizing::new([0; 32]);
        match self {
            Self::Sha512_256 => out.copy_from_slice(&hash_of::<Sha512_256>(parts)),
            Self::Sha256 => out.copy_from_slice(&hash_of::<Sha256>(parts)),
            Self::Md5 => out[..16].copy_from_slice(&hash_of::<Md5>(parts)),
        }
        out
    }
}

fn hash_of<D: Digest>(parts: &[&str]) -> sha2::digest::Output<D> {
    let mut hasher = D::new();
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            hasher.update(b":");
        }
        hasher.update(part.as_bytes());
    }
    hasher.finalize()
}

/// Lower-case hex.
pub(super) fn hex(bytes: &[u8]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(2 * bytes.len()));
    crate::hex::push(&mut text, bytes);
    text
}

/// The bytes of hex in any case, as many as `out` has.
pub(super) fn unhex(text: &str, out: &mut [u8]) -> Option<()> {
    if text.len() != 2 * out.len() {
        return None;
    }
    for (byte, pair) in out.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let [high, low] = pair else { return None };
        let digit = |letter: u8| char::from(letter).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(())
}

/// H(username ":" realm ":" password) under one algorithm. Whoever has it can log in as its user at its realm: it is
/// wiped from memory when dropped and never printed.
#[derive(Clone)]
pub struct Ha1 {
    algorithm: Algorithm,
    bytes: Zeroizing<[u8; 32]>,
}

/// What a response is computed over, beside the secret (RFC 7616 §3.4.1; RFC 2617 §3.2.2.1 where there is no `qop`).
#[derive(Debug, Clone, Copy)]
pub(super) struct Exchange<'a> {
    pub method: &'a str,
    pub uri: &'a str,
    pub nonce: &'a str,
    /// `nc`, `cnonce` and `qop` as they stand on the wire.
    pub counted: Option<(&'a str, &'a str, &'a str)>,
}

impl Ha1 {
    /// The hash of a user's password at a realm. A user name has no colon: with one, two users could share a hash.
    pub fn of(algorithm: Algorithm, username: &str, realm: &str, password: &str) -> Self {
        Self { algorithm, bytes: algorithm.hash(&[username, realm, password]) }
    }

    /// Its algorithm.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    fn raw(&self) -> &[u8] {
        &self.bytes[..self.algorithm.bytes()]
    }

    fn computed(&self, exchange: &Exchange<'_>) -> Zeroizing<[u8; 32]> {
        let length = self.algorithm.bytes();
        let ha1 = hex(self.raw());
        let ha2 = hex(&self.algorithm.hash(&[exchange.method, exchange.uri])[..length]);
        match exchange.counted {
            Some((nc, cnonce, qop)) => self.algorithm.hash(&[&ha1, exchange.nonce, nc, cnonce, qop, &ha2]),
            None => self.algorithm.hash(&[&ha1, exchange.nonce, &ha2]),
        }
    }

    /// The response in hex.
    pub(super) fn response(&self, exchange: &Exchange<'_>) -> String {
        hex(&self.computed(exchange)[..self.algorithm.bytes()]).to_string()
    }

    /// Whether `response`, in hex, is the right one; takes as long whether it is or not.
    pub(super) fn agrees(&self, exchange: &Exchange<'_>, response: &str) -> bool {
        let length = self.algorithm.bytes();
        let mut given = Zeroizing::new([0; 32]);
        let readable = unhex(response, &mut given[..length]).is_some();
        readable & bool::from(self.computed(exchange)[..length].ct_eq(&given[..length]))
    }
}

impl fmt::Debug for Ha1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ha1({}, …)", self.algorithm.token())
    }
}

/// What is stored of a password: its HA1 for every algorithm. It holds for one user name at one realm; a change of
/// either needs the password again.
///
/// Its text is what whoever has it can log in with: it goes nowhere but into a sealed part, so there is no serde form.
#[derive(Clone)]
pub struct DigestSecret {
    sha512_256: Ha1,
    sha256: Ha1,
    md5: Ha1,
}

/// Bytes of a stored secret: two hashes of 32 and one of 16.
const SECRET_BYTES: usize = 80;

/// A stored digest secret that could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a digest secret is 160 lower-case hex digits")]
pub struct MalformedSecret;

impl DigestSecret {
    /// From a password, which is not kept.
    pub fn from_password(username: &str, realm: &str, password: &str) -> Self {
        let of = |algorithm| Ha1::of(algorithm, username, realm, password);
        Self { sha512_256: of(Algorithm::Sha512_256), sha256: of(Algorithm::Sha256), md5: of(Algorithm::Md5) }
    }

    /// The HA1 under one algorithm.
    pub const fn ha1(&self, algorithm: Algorithm) -> &Ha1 {
        match algorithm {
            Algorithm::Sha512_256 => &self.sha512_256,
            Algorithm::Sha256 => &self.sha256,
            Algorithm::Md5 => &self.md5,
        }
    }

    /// The secret as text, for sealing: [`FromStr`] reads it. SHA-512-256, SHA-256, MD5, in hex.
    pub fn expose(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new([0; SECRET_BYTES]);
        bytes[..32].copy_from_slice(self.sha512_256.raw());
        bytes[32..64].copy_from_slice(self.sha256.raw());
        bytes[64..].copy_from_slice(self.md5.raw());
        hex(&*bytes)
    }
}

impl FromStr for DigestSecret {
    type Err = MalformedSecret;

    fn from_str(text: &str) -> Result<Self, MalformedSecret> {
        let mut bytes = Zeroizing::new([0; SECRET_BYTES]);
        let lower = text.bytes().all(|byte| !byte.is_ascii_uppercase());
        unhex(text, &mut *bytes).filter(|()| lower).ok_or(MalformedSecret)?;
        let take = |algorithm: Algorithm, from: usize| {
            let mut raw = Zeroizing::new([0; 32]);
            raw[..algorithm.bytes()].copy_from_slice(&bytes[from..from + algorithm.bytes()]);
            Ha1 { algorithm, bytes: raw }
        };
        let (sha512_256, sha256) = (take(Algorithm::Sha512_256, 0), take(Algorithm::Sha256, 32));
        Ok(Self { sha512_256, sha256, md5: take(Algorithm::Md5, 64) })
    }
}

impl fmt::Debug for DigestSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DigestSecret(…)")
    }
}

impl PartialEq for DigestSecret {
    fn eq(&self, other: &Self) -> bool {
        let same = |one: &Ha1, two: &Ha1| one.raw().ct_eq(two.raw());
        (same(&self.sha512_256, &other.sha512_256) & same(&self.sha256, &other.sha256) & same(&self.md5, &other.md5))
            .into()
    }
}

impl Eq for DigestSecret {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_read_in_any_case_and_no_others() {
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::of(&algorithm.token().to_lowercase()), Some(algorithm));
        }
        for token in ["SHA256", "SHA-512", "MD5-sess", "SHA-256-sess", "", "md 5"] {
            assert_eq!(Algorithm::of(token), None, "{token}");
        }
    }

    #[test]
    fn a_secret_reads_back_and_shows_nothing() {
        let secret = DigestSecret::from_password("bob", "biloxi.example", "zanzibar");
        let text = secret.expose();
        assert_eq!(text.parse::<DigestSecret>(), Ok(secret.clone()));
        assert_ne!(DigestSecret::from_password("bob", "biloxi.example", "zanzibaR"), secret);
        let shown = format!("{secret:?} {:?}", secret.ha1(Algorithm::Md5));
        assert_eq!(shown, "DigestSecret(…) Ha1(MD5, …)");
        for wrong in [String::new(), text.to_uppercase(), text[1..].to_owned(), format!("{}g", &text[1..])] {
            assert_eq!(wrong.parse::<DigestSecret>(), Err(MalformedSecret));
        }
    }

    #[test]
    fn hex_that_is_no_hex_agrees_with_nothing() {
        let ha1 = Ha1::of(Algorithm::Md5, "a", "b", "c");
        let exchange = Exchange { method: "INVITE", uri: "sip:a", nonce: "n", counted: None };
        let right = ha1.response(&exchange);
        assert!(ha1.agrees(&exchange, &right) && ha1.agrees(&exchange, &right.to_uppercase()));
        for wrong in ["", "0", &right[1..], &format!("{right}0"), &"g".repeat(32), &"é".repeat(16)] {
            assert!(!ha1.agrees(&exchange, wrong), "{wrong}");
        }
    }
}
