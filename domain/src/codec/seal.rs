//! Sealing: what is personal or secret in an event is encrypted before it becomes one. One key a session; deleting
//! the key erases, and no hash changes.

use crate::ids::EventId;
use aes_gcm::{
    Aes256Gcm, KeyInit, Nonce,
    aead::{Aead, AeadInPlace, Payload},
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// Key reference and salt before a cipher text of [`SealKey::seal_at`].
const HEAD: usize = 8 + 24;

/// Names a key in the keyring. It stands in clear before everything sealed with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyRef(pub u64);

/// A 256-bit key. Never printed, never in an event.
#[derive(Clone)]
pub struct SealKey(Zeroizing<[u8; 32]>);

impl std::fmt::Debug for SealKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealKey(…)")
    }
}

/// Why something sealed could not be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Too short to hold a key reference.
    #[error("sealed part is cut short")]
    Truncated,
    /// Wrong key, wrong event, or altered.
    #[error("sealed part does not open with its key: it was altered or belongs to another event")]
    Forged,
}

impl SealKey {
    /// A key of these bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes, for wrapping by another key.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// Encrypts `plain` as a part of event `id` of type `kind`, by AES-256-GCM under a key of that event alone: derived
    /// from this key and the event's id, which never repeats. An event has at most one sealed part, so each derived key
    /// encrypts once.
    pub fn seal(&self, reference: KeyRef, id: EventId, kind: &str, plain: &[u8]) -> Vec<u8> {
        let mut sealed = Vec::with_capacity(plain.len() + 24);
        self.seal_into(&mut sealed, reference, id, kind, |out| out.extend_from_slice(plain));
        sealed
    }

    /// As [`SealKey::seal`], of what `write` appends to an empty buffer: encrypted where it was written.
    pub fn seal_into(
        &self,
        sealed: &mut Vec<u8>,
        reference: KeyRef,
        id: EventId,
        kind: &str,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        sealed.extend_from_slice(&reference.0.to_be_bytes());
        write(sealed);
        // AES-GCM refuses only inputs beyond 64 GiB; limits on messages keep us six orders below.
        match self.cipher(id.uuid().as_bytes()).encrypt_in_place_detached(
            &Nonce::default(),
            kind.as_bytes(),
            &mut sealed[8..],
        ) {
            Ok(tag) => sealed.extend_from_slice(&tag),
            Err(_) => sealed.truncate(8),
        }
    }

    /// Opens what [`SealKey::seal`] made for the same event and type.
    pub fn open(&self, id: EventId, kind: &str, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let cipher = sealed.get(8..).ok_or(SealError::Truncated)?;
        self.cipher(id.uuid().as_bytes())
            .decrypt(&Nonce::default(), Payload { msg: cipher, aad: kind.as_bytes() })
            .map_err(|_| SealError::Forged)
    }

    /// Encrypts a secret of provisioning, which is sealed before its event has an id: under a salt drawn at random,
    /// bound to `place`. What comes out is key reference, salt, cipher text and tag.
    pub fn seal_at(&self, reference: KeyRef, salt: [u8; 24], place: &str, plain: &[u8]) -> Vec<u8> {
        let mut sealed = Vec::with_capacity(HEAD + plain.len() + 16);
        sealed.extend_from_slice(&reference.0.to_be_bytes());
        sealed.extend_from_slice(&salt);
        // As above: it refuses only what no limit of ours lets through. What is cut short does not open.
        let payload = Payload { msg: plain, aad: place.as_bytes() };
        if let Ok(cipher) = self.cipher(&salt).encrypt(&Nonce::default(), payload) {
            sealed.extend_from_slice(&cipher);
        }
        sealed
    }

    /// Opens what [`SealKey::seal_at`] made for the same place. Where that is a secret, its bytes are to be wiped after use.
    pub fn open_at(&self, place: &str, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let (salt, cipher) =
            sealed.get(8..).and_then(|rest| rest.split_first_chunk::<24>()).ok_or(SealError::Truncated)?;
        let payload = Payload { msg: cipher, aad: place.as_bytes() };
        self.cipher(salt).decrypt(&Nonce::default(), payload).map_err(|_| SealError::Forged)
    }

    /// A cipher that encrypts once: its key is derived from this one and from what never repeats (an event's id, or a
    /// salt), so its nonce is zero.
    fn cipher(&self, once: &[u8]) -> Aes256Gcm {
        let derived = Zeroizing::new(*blake3::keyed_hash(&self.0, once).as_bytes());
        Aes256Gcm::new(derived.as_slice().into())
    }
}

/// The key that a sealed part names.
pub fn key_of(sealed: &[u8]) -> Result<KeyRef, SealError> {
    let head = sealed.first_chunk::<8>().ok_or(SealError::Truncated)?;
    Ok(KeyRef(u64::from_be_bytes(*head)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: EventId = EventId::minted(1, 1, 0, 1);

    fn key() -> SealKey {
        SealKey::from_bytes([7; 32])
    }

    #[test]
    fn what_was_sealed_opens_for_the_same_event_and_names_its_key() {
        let sealed = key().seal(KeyRef(9), ID, "SipMessageReceived", b"INVITE");
        assert_eq!(key_of(&sealed), Ok(KeyRef(9)));
        assert_eq!(key().open(ID, "SipMessageReceived", &sealed), Ok(b"INVITE".to_vec()));
        assert!(!sealed.windows(6).any(|part| part == b"INVITE"));
    }

    #[test]
    fn another_event_another_type_another_key_and_a_flipped_bit_do_not_open() {
        let sealed = key().seal(KeyRef(9), ID, "A", b"secret");
        let other = EventId::minted(1, 1, 0, 2);
        assert_eq!(key().open(other, "A", &sealed), Err(SealError::Forged));
        assert_eq!(key().open(ID, "B", &sealed), Err(SealError::Forged));
        assert_eq!(SealKey::from_bytes([8; 32]).open(ID, "A", &sealed), Err(SealError::Forged));
        let mut altered = sealed.clone();
        *altered.last_mut().unwrap() ^= 1;
        assert_eq!(key().open(ID, "A", &altered), Err(SealError::Forged));
        assert_eq!(key().open(ID, "A", &sealed[..7]), Err(SealError::Truncated));
    }
}
