//! Nonces that carry their own proof: nothing is remembered of one until it was answered rightly.

use crate::time::Moment;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Epoch, time of issue and random bits, in bytes.
const HEAD: usize = 4 + 8 + 8;
/// The proof: HMAC-SHA256 cut to 128 bits.
const PROOF: usize = 16;
/// Length of a nonce as text: its 36 bytes in base64 (RFC 4648 §5), which need no padding.
const TEXT: usize = (HEAD + PROOF) / 3 * 4;

/// What tells the nonces of one start apart. They sort by age.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NonceId {
    /// When it was issued.
    pub issued: Moment,
    bits: u64,
}

impl NonceId {
    pub const fn new(issued: Moment, bits: u64) -> Self {
        Self { issued, bits }
    }
}

/// A nonce that we issued at this realm, in this start or another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Opened {
    pub epoch: u32,
    pub id: NonceId,
}

/// The key of the proofs, as a block of SHA-256.
#[derive(Clone)]
pub(super) struct NonceKey(Zeroizing<[u8; 64]>);

impl NonceKey {
    pub fn new(secret: &[u8; 32]) -> Self {
        let mut block = Zeroizing::new([0; 64]);
        block[..32].copy_from_slice(secret);
        Self(block)
    }

    /// The nonce as text. The algorithm is not in it: one nonce serves all challenges of a response.
    pub fn write(&self, epoch: u32, id: NonceId, realm: &str) -> String {
        let mut bytes = [0; HEAD + PROOF];
        bytes[..4].copy_from_slice(&epoch.to_be_bytes());
        bytes[4..12].copy_from_slice(&id.issued.micros().to_be_bytes());
        bytes[12..HEAD].copy_from_slice(&id.bits.to_be_bytes());
        let proof = self.proof("nonce", &bytes[..HEAD], realm);
        bytes[HEAD..].copy_from_slice(&proof);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// What a nonce of ours says; `None` for everything else.
    pub fn open(&self, text: &str, realm: &str) -> Option<Opened> {
        if text.len() != TEXT {
            return None;
        }
        let bytes: [u8; HEAD + PROOF] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
        let (head, proof) = bytes.split_at(HEAD);
        if !bool::from(self.proof("nonce", head, realm).ct_eq(proof)) {
            return None;
        }
        let (epoch, rest) = head.split_first_chunk::<4>()?;
        let (issued, bits) = rest.split_first_chunk::<8>()?;
        let issued = Moment::from_micros(u64::from_be_bytes(*issued));
        let bits = u64::from_be_bytes(*bits.first_chunk::<8>()?);
        Some(Opened { epoch: u32::from_be_bytes(*epoch), id: NonceId { issued, bits } })
    }

    /// A text of 128 bits that follows from the key: the same for a purpose and realm, unguessable without the key.
    pub fn derive(&self, purpose: &str, realm: &str) -> String {
        super::hash::hex(&self.proof(purpose, &[0; HEAD], realm)).to_string()
    }

    /// Purposes have no zero byte and heads one length: no two inputs are the same bytes.
    fn proof(&self, purpose: &str, head: &[u8], realm: &str) -> [u8; PROOF] {
        let mut mac = <Hmac<Sha256> as hmac::digest::KeyInit>::new((&*self.0).into());
        for part in [purpose.as_bytes(), &[0], head, realm.as_bytes()] {
            mac.update(part);
        }
        let whole: [u8; 32] = mac.finalize().into_bytes().into();
        let mut proof = [0; PROOF];
        proof.copy_from_slice(&whole[..PROOF]);
        proof
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: NonceId = NonceId::new(Moment::from_micros(77), 99);

    #[test]
    fn a_nonce_opens_at_its_realm_and_under_its_key_alone() {
        let key = NonceKey::new(&[1; 32]);
        let text = key.write(5, ID, "a.example");
        assert_eq!(text.len(), TEXT);
        assert_eq!(key.open(&text, "a.example"), Some(Opened { epoch: 5, id: ID }));
        assert_eq!(key.open(&text, "b.example"), None);
        assert_eq!(NonceKey::new(&[2; 32]).open(&text, "a.example"), None);
    }

    #[test]
    fn no_letter_of_a_nonce_can_be_another() {
        let key = NonceKey::new(&[1; 32]);
        let text = key.write(5, ID, "a.example");
        for at in 0..text.len() {
            let other = if text.as_bytes()[at] == b'A' { "B" } else { "A" };
            let mut changed = text.clone();
            changed.replace_range(at..=at, other);
            assert_eq!(key.open(&changed, "a.example"), None, "{at}");
        }
        for odd in ["", "é", &text[1..], &format!("{text}A"), &format!("{}=", &text[1..])] {
            assert_eq!(key.open(odd, "a.example"), None, "{odd}");
        }
    }

    #[test]
    fn proofs_of_two_purposes_differ() {
        let key = NonceKey::new(&[1; 32]);
        assert_ne!(key.derive("opaque", "a"), key.derive("nobody", "a"));
        assert_ne!(key.derive("opaque", "a"), key.derive("opaque", "b"));
        assert_eq!(key.derive("opaque", "a").len(), 32);
    }
}
