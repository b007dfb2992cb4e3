//! What is known of an API secret: its hash. The secret itself is shown once and never stored.

use crate::decider::serde_as_text;
use crate::hex;
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;

/// SHA-256 of a secret. Secrets are 128 random bits or more, so no salt or slow hash is needed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SecretHash([u8; 32]);

/// A secret hash that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected 64 lower-case hex digits")]
pub struct MalformedHash;

impl SecretHash {
    /// The hash of a secret.
    pub fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret.as_bytes()).into())
    }

    /// Whether two hashes are equal, in a time that does not tell where they differ.
    pub fn matches(&self, other: &Self) -> bool {
        let difference = self.0.iter().zip(&other.0).fold(0, |sum, (a, b)| sum | (a ^ b));
        std::hint::black_box(difference) == 0
    }
}

impl fmt::Display for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(hex::write(&mut [0; 64], &self.0))
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(…)")
    }
}

impl FromStr for SecretHash {
    type Err = MalformedHash;

    fn from_str(text: &str) -> Result<Self, MalformedHash> {
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(MalformedHash);
        }
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| MalformedHash)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| MalformedHash)?;
        }
        Ok(Self(bytes))
    }
}

serde_as_text!(SecretHash);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_matches_its_own_secret_alone() {
        let hash = SecretHash::of("correct horse");
        assert!(hash.matches(&SecretHash::of("correct horse")));
        assert!(!hash.matches(&SecretHash::of("correct horsf")));
        assert_eq!(hash.to_string().parse(), Ok(hash));
    }

    #[test]
    fn debug_output_never_shows_a_hash() {
        assert_eq!(format!("{:?}", SecretHash::of("x")), "SecretHash(…)");
    }
}
