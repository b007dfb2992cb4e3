//! Passwords, and what is kept of them.

use crate::codec::secret::Secret;
use crate::sip::digest::DigestSecret;
use serde::{Deserialize, Deserializer, de::Error as _};
use std::fmt;
use std::str::FromStr;
use zeroize::Zeroizing;

/// A password as somebody gave it: 6 to 128 characters, none of them a control character. Wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Zeroizing<String>);

/// A text that is no [`Password`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a password of 6 to 128 characters without control characters")]
pub struct MalformedPassword;

impl Password {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Password {
    type Err = MalformedPassword;

    fn from_str(text: &str) -> Result<Self, MalformedPassword> {
        let fits = text.len() <= 512 && (6..=128).contains(&text.chars().count());
        let clean = fits && !text.chars().any(char::is_control);
        clean.then(|| Self(Zeroizing::new(text.to_owned()))).ok_or(MalformedPassword)
    }
}

/// It can be read from a request, and is written nowhere.
impl<'de> Deserialize<'de> for Password {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Zeroizing::new(String::deserialize(d)?).parse().map_err(D::Error::custom)
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

impl Secret for Password {
    fn expose(&self) -> Zeroizing<String> {
        self.0.clone()
    }

    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Secret for DigestSecret {
    fn expose(&self) -> Zeroizing<String> {
        Self::expose(self)
    }

    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hashes_are_those_of_rfc_7616() {
        // RFC 7616 §3.9.1: user Mufasa, realm http-auth@example.org; HA1 by an independent implementation.
        let secret = DigestSecret::from_password("Mufasa", "http-auth@example.org", "Circle of Life");
        let text = secret.expose();
        assert_eq!(&text[..64], "fb174f5c3c7802721517cae13b98e2b8dae2e0118cb705d94ee29946319204ce");
        assert_eq!(&text[64..128], "7987c64c30e25f1b74be53f966b49b90f2808aa92faf9a00262392d7b4794232");
        assert_eq!(&text[128..], "3d78807defe7de2157e2b0b6573a855f");
        assert_eq!(text.parse::<DigestSecret>(), Ok(secret));
    }

    #[test]
    fn a_secret_holds_for_one_user_of_one_realm() {
        let of = |user, realm| DigestSecret::from_password(user, realm, "password");
        assert_ne!(of("alice", "a.example"), of("alice", "b.example"));
        assert_ne!(of("alice", "a.example"), of("bob", "a.example"));
    }

    #[test]
    fn nothing_secret_is_printed() {
        let password: Password = "password".parse().unwrap();
        let secret = DigestSecret::from_password("a", "b", "password");
        assert_eq!(format!("{password:?} {secret:?}"), "Password(…) DigestSecret(…)");
    }

    #[test]
    fn short_endless_and_controlling_passwords_are_refused() {
        for text in ["", "12345", "1234567\u{0}", "123456\n", &"a".repeat(129), &"é".repeat(129)] {
            assert_eq!(text.parse::<Password>(), Err(MalformedPassword), "{text:?}");
        }
        assert!("é".repeat(128).parse::<Password>().is_ok());
    }
}
