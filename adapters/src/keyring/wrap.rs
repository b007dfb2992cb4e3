//! Keys encrypted by keys: AES-256-GCM under a key of that one wrapping (derived from the wrapping key and a salt drawn at
//! random), bound to the place where the result is stored.

use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, KeyInit, Nonce};
use domain::codec::seal::SealKey;
use zeroize::Zeroizing;

/// Bytes of a salt, drawn at random: 192 bits never repeat.
pub(super) const SALT: usize = 24;
/// Bytes that wrapping adds: salt and tag.
pub(super) const ADDED: usize = SALT + 16;

/// Where a wrapped key is stored; it opens nowhere else.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    /// The proof that the master key is the right one.
    Proof,
    /// The key of the account with this number in the keyring.
    Account(i64),
    /// The session keys from this reference on, of the account with this number.
    Sessions(i64, u64),
}

impl Place {
    fn bytes(self) -> [u8; 17] {
        let (kind, account, reference) = match self {
            Self::Proof => (0, 0, 0),
            Self::Account(account) => (1, account, 0),
            Self::Sessions(account, reference) => (2, account, reference),
        };
        let mut bytes = [kind; 17];
        bytes[1..9].copy_from_slice(&account.to_be_bytes());
        bytes[9..].copy_from_slice(&reference.to_be_bytes());
        bytes
    }
}

/// A key that wraps others.
pub(super) struct Wrapper(SealKey);

impl Wrapper {
    pub fn new(key: &SealKey) -> Self {
        Self(key.clone())
    }

    /// A key for another purpose, by BLAKE3's key derivation.
    pub fn derive(&self, purpose: &str) -> SealKey {
        let mut hasher = blake3::Hasher::new_derive_key("strowger keyring: bytes derived from the master key");
        hasher.update(self.0.expose()).update(purpose.as_bytes());
        SealKey::from_bytes(*hasher.finalize().as_bytes())
    }

    /// Wraps a key with a salt that is used this once.
    pub fn wrap(&self, key: &SealKey, salt: [u8; SALT], place: Place) -> Vec<u8> {
        self.wrap_bytes(key.expose(), salt, place)
    }

    /// As [`Wrapper::wrap`], of many keys that stand side by side.
    pub fn wrap_bytes(&self, keys: &[u8], salt: [u8; SALT], place: Place) -> Vec<u8> {
        let mut wrapped = Vec::with_capacity(keys.len() + ADDED);
        wrapped.extend_from_slice(&salt);
        let payload = Payload { msg: keys, aad: &place.bytes() };
        // It refuses only inputs beyond 64 GiB; what is cut short does not open, so nothing would be lost unseen.
        if let Ok(cipher) = self.cipher(&salt).encrypt(&Nonce::default(), payload) {
            wrapped.extend_from_slice(&cipher);
        }
        wrapped
    }

    /// The key wrapped for this place; `None` under another key, from another place, or altered.
    pub fn unwrap(&self, wrapped: &[u8], place: Place) -> Option<SealKey> {
        let plain = self.unwrap_bytes(wrapped, place)?;
        Some(SealKey::from_bytes(plain[..].try_into().ok()?))
    }

    /// As [`Wrapper::unwrap`], of many keys that stand side by side.
    pub fn unwrap_bytes(&self, wrapped: &[u8], place: Place) -> Option<Zeroizing<Vec<u8>>> {
        let (salt, cipher) = wrapped.split_first_chunk::<SALT>()?;
        let payload = Payload { msg: cipher, aad: &place.bytes() };
        self.cipher(salt).decrypt(&Nonce::default(), payload).ok().map(Zeroizing::new)
    }

    /// The cipher of one wrapping; its nonce is zero, for it is used once.
    fn cipher(&self, salt: &[u8; SALT]) -> Aes256Gcm {
        let derived = Zeroizing::new(*blake3::keyed_hash(self.0.expose(), salt).as_bytes());
        Aes256Gcm::new(derived.as_slice().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_opens_only_with_its_wrapper_and_in_its_place() {
        let wrapper = Wrapper::new(&SealKey::from_bytes([1; 32]));
        let key = SealKey::from_bytes([2; 32]);
        let wrapped = wrapper.wrap(&key, [3; SALT], Place::Sessions(4, 5));
        assert_eq!(wrapped.len(), 32 + ADDED);
        let opened = |wrapper: &Wrapper, place| wrapper.unwrap(&wrapped, place).map(|key| *key.expose());
        assert_eq!(opened(&wrapper, Place::Sessions(4, 5)), Some([2; 32]));
        assert_eq!(opened(&wrapper, Place::Sessions(4, 6)), None);
        assert_eq!(opened(&wrapper, Place::Sessions(5, 5)), None);
        assert_eq!(opened(&wrapper, Place::Account(4)), None);
        assert_eq!(opened(&Wrapper::new(&key), Place::Sessions(4, 5)), None);
        assert!(wrapper.unwrap(&wrapped[..50], Place::Sessions(4, 5)).is_none());
        assert!(wrapper.unwrap(&[], Place::Proof).is_none());
    }
}
