//! Keys encrypted by keys: XChaCha20-Poly1305 under a random nonce, bound to the place where the result is stored.

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use domain::codec::seal::SealKey;
use zeroize::Zeroizing;

/// Bytes of a nonce, drawn at random: 192 bits never repeat.
pub(super) const NONCE: usize = 24;
/// Bytes of a wrapped key: nonce, key, tag.
pub(super) const WRAPPED: usize = NONCE + 32 + 16;

/// Where a wrapped key is stored; it opens nowhere else.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    /// The proof that the master key is the right one.
    Proof,
    /// The key of the account with this number in the keyring.
    Account(i64),
    /// The session key of this reference, of the account with this number.
    Session(i64, u64),
}

impl Place {
    fn bytes(self) -> [u8; 17] {
        let (kind, account, reference) = match self {
            Self::Proof => (0, 0, 0),
            Self::Account(account) => (1, account, 0),
            Self::Session(account, reference) => (2, account, reference),
        };
        let mut bytes = [kind; 17];
        bytes[1..9].copy_from_slice(&account.to_be_bytes());
        bytes[9..].copy_from_slice(&reference.to_be_bytes());
        bytes
    }
}

/// A key made ready to wrap others.
pub(super) struct Wrapper(XChaCha20Poly1305);

impl Wrapper {
    pub fn new(key: &SealKey) -> Self {
        Self(XChaCha20Poly1305::new(key.expose().into()))
    }

    /// Wraps a key with a nonce that is used this once.
    pub fn wrap(&self, key: &SealKey, nonce: [u8; NONCE], place: Place) -> Vec<u8> {
        let mut wrapped = Vec::with_capacity(WRAPPED);
        wrapped.extend_from_slice(&nonce);
        let payload = Payload { msg: key.expose(), aad: &place.bytes() };
        // It refuses only inputs beyond 256 GiB; what is cut short does not open, so nothing would be lost unseen.
        if let Ok(cipher) = self.0.encrypt(&XNonce::from(nonce), payload) {
            wrapped.extend_from_slice(&cipher);
        }
        wrapped
    }

    /// The key wrapped for this place; `None` under another key, from another place, or altered.
    pub fn unwrap(&self, wrapped: &[u8], place: Place) -> Option<SealKey> {
        let (nonce, cipher) = wrapped.split_first_chunk::<NONCE>()?;
        let payload = Payload { msg: cipher, aad: &place.bytes() };
        let plain = Zeroizing::new(self.0.decrypt(&XNonce::from(*nonce), payload).ok()?);
        Some(SealKey::from_bytes(plain[..].try_into().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_opens_only_with_its_wrapper_and_in_its_place() {
        let wrapper = Wrapper::new(&SealKey::from_bytes([1; 32]));
        let key = SealKey::from_bytes([2; 32]);
        let wrapped = wrapper.wrap(&key, [3; NONCE], Place::Session(4, 5));
        assert_eq!(wrapped.len(), WRAPPED);
        let opened = |wrapper: &Wrapper, place| wrapper.unwrap(&wrapped, place).map(|key| *key.expose());
        assert_eq!(opened(&wrapper, Place::Session(4, 5)), Some([2; 32]));
        assert_eq!(opened(&wrapper, Place::Session(4, 6)), None);
        assert_eq!(opened(&wrapper, Place::Session(5, 5)), None);
        assert_eq!(opened(&wrapper, Place::Account(4)), None);
        assert_eq!(opened(&Wrapper::new(&key), Place::Session(4, 5)), None);
        assert!(wrapper.unwrap(&wrapped[..50], Place::Session(4, 5)).is_none());
        assert!(wrapper.unwrap(&[], Place::Proof).is_none());
    }
}
