//! Secrets of provisioning (passwords, and what is stored of them): sealed in the log, opened in memory where the key
//! is at hand. Their key belongs to the account; erasing it makes all its secrets useless.

use super::personal::Personal;
use super::seal::{KeyRef, SealKey, key_of};
use crate::ports::Keyring;
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD as BASE64};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::fmt;
use zeroize::Zeroizing;

/// A secret as the text that is sealed.
pub trait Secret: Sized {
    /// The text.
    fn expose(&self) -> Zeroizing<String>;
    /// Reads it back.
    fn read(text: &str) -> Option<Self>;
}

/// A secret in an event. In JSON it is base64 of what [`SealKey::seal_at`] makes; `Debug` never prints it. Two are equal
/// when their sealed bytes are.
#[derive(Clone)]
pub struct Sealed<T> {
    sealed: Box<[u8]>,
    opened: Personal<T>,
}

/// Longer is nothing of ours.
const MOST_BYTES: usize = 1_024;

impl<T: Secret> Sealed<T> {
    /// Seals a secret. `nonce` is drawn by the shell and used this once; `place` names what the secret belongs to, so
    /// that it opens nowhere else.
    pub fn seal(secret: &T, (reference, key): &(KeyRef, SealKey), nonce: [u8; 24], place: &str) -> Self {
        Self {
            sealed: key.seal_at(*reference, nonce, place, secret.expose().as_bytes()).into(),
            opened: Personal::Masked,
        }
    }

    /// The same secret with its value in memory, where the keyring has the key and `place` is the one it was sealed
    /// for; else it stays a mask.
    #[must_use]
    pub fn opened(mut self, keyring: &dyn Keyring, place: &str) -> Self {
        self.open(keyring, place);
        self
    }

    /// As [`Sealed::opened`], in place; says whether it can be read now.
    pub fn open(&mut self, keyring: &dyn Keyring, place: &str) -> bool {
        if self.known().is_none()
            && let Some(secret) = self.value(keyring, place)
        {
            self.opened = Personal::Known(secret);
        }
        self.known().is_some()
    }

    fn value(&self, keyring: &dyn Keyring, place: &str) -> Option<T> {
        let key = keyring.key(key_of(&self.sealed).ok()?)?;
        let plain = Zeroizing::new(key.open_at(place, &self.sealed).ok()?);
        T::read(std::str::from_utf8(&plain).ok()?)
    }
}

impl<T> Sealed<T> {
    /// The secret, where it was opened.
    pub const fn known(&self) -> Option<&T> {
        self.opened.known()
    }
}

impl<T> PartialEq for Sealed<T> {
    fn eq(&self, other: &Self) -> bool {
        self.sealed == other.sealed
    }
}

impl<T> Eq for Sealed<T> {}

impl<T> fmt::Debug for Sealed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealed(…)")
    }
}

impl<T> Serialize for Sealed<T> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&BASE64.encode(&self.sealed))
    }
}

impl<'de, T> Deserialize<'de> for Sealed<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        if text.len() > MOST_BYTES * 4 / 3 {
            return Err(D::Error::custom("a sealed secret is longer than any of ours"));
        }
        let sealed =
            BASE64.decode(text.as_bytes()).map_err(|_| D::Error::custom("expected base64 of a sealed secret"))?;
        Ok(Self { sealed: sealed.into(), opened: Personal::Masked })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credential::Password;

    struct One;

    impl Keyring for One {
        fn key(&self, reference: KeyRef) -> Option<SealKey> {
            (reference == KeyRef(7)).then(|| SealKey::from_bytes([3; 32]))
        }
    }

    struct Nothing;

    impl Keyring for Nothing {
        fn key(&self, _: KeyRef) -> Option<SealKey> {
            None
        }
    }

    fn sealed() -> Sealed<Password> {
        let password: Password = "correct horse".parse().unwrap();
        Sealed::seal(&password, &(KeyRef(7), SealKey::from_bytes([3; 32])), [1; 24], "trunk alice")
    }

    #[test]
    fn a_secret_opens_with_its_key_in_its_place_alone() {
        let text = |sealed: Sealed<Password>| sealed.known().map(|password| password.as_str().to_owned());
        assert_eq!(text(sealed().opened(&One, "trunk alice")), Some("correct horse".to_owned()));
        assert_eq!(text(sealed().opened(&One, "trunk bob")), None);
        assert_eq!(text(sealed().opened(&Nothing, "trunk alice")), None);
        assert_eq!(text(sealed()), None);
    }

    #[test]
    fn json_and_debug_show_nothing_and_json_reads_back() {
        let json = serde_json::to_string(&sealed()).unwrap();
        assert!(!json.contains("horse"));
        let read: Sealed<Password> = serde_json::from_str(&json).unwrap();
        assert_eq!(read, sealed());
        assert!(read.opened(&One, "trunk alice").known().is_some());
        assert_eq!(format!("{:?}", sealed().opened(&One, "trunk alice")), "Sealed(…)");
    }

    #[test]
    fn an_altered_short_or_endless_secret_does_not_open() {
        for text in ["\"\"", "\"AAAA\"", "\"AAAAAAAAAAc\"", "\"?\""] {
            let read = serde_json::from_str::<Sealed<Password>>(text);
            assert!(read.is_err() || read.unwrap().opened(&One, "trunk alice").known().is_none(), "{text}");
        }
        assert!(serde_json::from_str::<Sealed<Password>>(&format!("\"{}\"", "A".repeat(2_000))).is_err());
    }
}
