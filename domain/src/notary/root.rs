//! What a notary signs, and how it is written down.

use super::{CATEGORY, stream_of};
use crate::codec::{DecodeError, Encoded};
use crate::hex::{self, Hexed, hexed};
use crate::log::{EventHash, Position, Recorded, StreamName};
use crate::time::WallTime;
use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use std::fmt;
use zeroize::Zeroizing;

/// What every statement begins with: no signature of ours for another purpose can pass for a root's.
const PURPOSE: &[u8] = b"strowger notary root 1\n";

/// The public half of a notary's key (Ed25519), 64 hex digits in text.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct NotaryKey(pub [u8; 32]);

/// A signature (Ed25519), 128 hex digits in text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature(pub [u8; 64]);

/// What one root says. Everything in it is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Root {
    /// The node whose notary it is.
    pub node: u16,
    /// Counts the notary's roots from 0.
    pub index: u64,
    /// It covers the events after this position …
    pub after: Position,
    /// … up to this one: the last of them.
    pub through: Position,
    /// How many these are. Positions may have gaps.
    pub events: u64,
    /// When it was made.
    pub at: WallTime,
    /// The Merkle root over these events, in the order of their positions.
    #[serde(with = "hex")]
    pub tree: EventHash,
    /// Hash of the root before it with its signature; zeros for the first.
    #[serde(with = "hex")]
    pub previous: EventHash,
    /// The key that it is signed with.
    #[serde(with = "hex")]
    pub key: NotaryKey,
}

/// A root with its signature: what is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedRoot {
    /// What is signed.
    #[serde(flatten)]
    pub root: Root,
    /// The signature over [`Root::statement`].
    #[serde(with = "hex")]
    pub signature: Signature,
}

/// A root as it stands in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootSigned {
    /// The root.
    #[serde(flatten)]
    pub signed: SignedRoot,
    /// Which of the events it is where the root does not fit.
    pub marks: Marks,
}

/// The first four bytes of each leaf of a root, in order. They prove nothing, but where a root does not fit any more they
/// tell which event is another than it was, is missing, or has another place.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Marks(pub Vec<[u8; 4]>);

impl Marks {
    /// The mark of a leaf.
    pub const fn of(leaf: EventHash) -> [u8; 4] {
        let [first, second, third, fourth, ..] = leaf.0;
        [first, second, third, fourth]
    }
}

/// The secret half of a notary's key. Never printed; wiped when dropped.
pub struct Signer(SigningKey);

impl Signer {
    /// The key of these 32 random bytes.
    pub fn from_bytes(bytes: &Zeroizing<[u8; 32]>) -> Self {
        Self(SigningKey::from_bytes(bytes))
    }

    /// The public half.
    pub fn key(&self) -> NotaryKey {
        NotaryKey(self.0.verifying_key().to_bytes())
    }

    /// Signs a root, under this key whatever it says.
    pub fn sign(&self, root: Root) -> SignedRoot {
        let root = Root { key: self.key(), ..root };
        SignedRoot { root, signature: Signature(self.0.sign(&root.statement()).to_bytes()) }
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer(…)")
    }
}

impl Root {
    /// What is signed: the purpose, then all fields in their order, numbers big endian.
    pub fn statement(&self) -> Vec<u8> {
        let mut text = PURPOSE.to_vec();
        text.extend_from_slice(&self.node.to_be_bytes());
        for number in [self.index, self.after.0, self.through.0, self.events] {
            text.extend_from_slice(&number.to_be_bytes());
        }
        text.extend_from_slice(&self.at.micros().to_be_bytes());
        for hash in [self.tree.0, self.previous.0, self.key.0] {
            text.extend_from_slice(&hash);
        }
        text
    }
}

impl SignedRoot {
    /// Whether the key that it names has signed it.
    pub fn is_signed(&self) -> bool {
        let key = VerifyingKey::from_bytes(&self.root.key.0);
        let signature = ed25519_dalek::Signature::from_bytes(&self.signature.0);
        key.is_ok_and(|key| key.verify_strict(&self.root.statement(), &signature).is_ok())
    }

    /// BLAKE3 over statement and signature, which the next root carries.
    pub fn hash(&self) -> EventHash {
        let mut text = self.root.statement();
        text.extend_from_slice(&self.signature.0);
        EventHash(*blake3::hash(&text).as_bytes())
    }

    /// The stream that it stands in.
    pub fn stream(&self) -> StreamName {
        stream_of(self.root.node)
    }

    /// The line of the exported file.
    pub fn to_line(&self) -> String {
        // Numbers and digits only: this cannot fail, and an empty line would say so.
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }

    /// Reads a line of the exported file; an error says what is wrong with it.
    pub fn from_line(line: &str) -> Result<Self, String> {
        serde_json::from_str(line).map_err(|error| error.to_string())
    }
}

impl RootSigned {
    /// Its stable type name.
    pub const KIND: &'static str = "RootSigned";

    /// Makes it ready for the log.
    pub fn encode(&self) -> Encoded {
        // Numbers and digits only: this cannot fail, and an empty object would say so.
        let data = serde_json::to_vec(self).unwrap_or_else(|_| b"{}".to_vec());
        Encoded { kind: Self::KIND, version: 1, data: data.into() }
    }

    /// Reads a stored root.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn decode(recorded: &Recorded) -> Result<Self, DecodeError> {
        let Recorded { kind, version, data, .. } = recorded;
        if &**kind != Self::KIND || *version != 1 || recorded.stream.category() != CATEGORY {
            return Err(DecodeError::Unknown { kind: kind.to_string(), version: *version });
        }
        let malformed =
            |error: serde_json::Error| DecodeError::Malformed { kind: kind.to_string(), what: error.to_string() };
        serde_json::from_slice(data).map_err(malformed)
    }
}

hexed!(NotaryKey, 32);
hexed!(Signature, 64);

impl fmt::Display for NotaryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.write())
    }
}

impl fmt::Debug for NotaryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.write())
    }
}

impl std::str::FromStr for NotaryKey {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::read(text).ok_or("a notary's key has 64 hex digits")
    }
}

impl Serialize for Marks {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&BASE64_STANDARD_NO_PAD.encode(self.0.as_flattened()))
    }
}

impl<'de> Deserialize<'de> for Marks {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(from)?;
        let bytes = BASE64_STANDARD_NO_PAD.decode(text.as_bytes()).map_err(serde::de::Error::custom)?;
        Ok(Self(bytes.as_chunks().0.to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer(byte: u8) -> Signer {
        Signer::from_bytes(&Zeroizing::new([byte; 32]))
    }

    fn root() -> Root {
        let (tree, previous, key) = (EventHash([1; 32]), EventHash([2; 32]), NotaryKey([0; 32]));
        let (after, through) = (Position(4), Position(9));
        Root { node: 7, index: 3, after, through, events: 5, at: WallTime::from_micros(-6), tree, previous, key }
    }

    #[test]
    fn every_changed_field_breaks_the_signature() {
        let signed = signer(1).sign(root());
        assert!(signed.is_signed());
        let sound = signed.root;
        let changed = [
            Root { node: 8, ..sound },
            Root { index: 4, ..sound },
            Root { after: Position(5), ..sound },
            Root { through: Position(8), ..sound },
            Root { events: 6, ..sound },
            Root { at: WallTime::from_micros(6), ..sound },
            Root { tree: EventHash([3; 32]), ..sound },
            Root { previous: EventHash([3; 32]), ..sound },
            Root { key: signer(2).key(), ..sound },
            Root { key: NotaryKey([0xff; 32]), ..sound },
        ];
        for root in changed {
            let forged = SignedRoot { root, ..signed };
            assert!(!forged.is_signed() && forged.hash() != signed.hash(), "{root:?}");
        }
        let mut bytes = signed.signature.0;
        bytes[0] ^= 1;
        assert!(!SignedRoot { signature: Signature(bytes), ..signed }.is_signed());
    }

    #[test]
    fn a_root_reads_back_as_line_and_as_event() {
        let signed = signer(1).sign(root());
        assert_eq!(SignedRoot::from_line(signed.to_line().trim_end()), Ok(signed));
        for line in ["", "{}", "[1]", &signed.to_line()[..40], &signed.to_line().replace("01", "0g")] {
            assert!(SignedRoot::from_line(line).is_err(), "{line}");
        }
        let event = RootSigned { signed, marks: Marks(vec![[1, 2, 3, 4], [255, 0, 0, 1]]) };
        let data = event.encode().data;
        assert_eq!(serde_json::from_slice::<RootSigned>(&data).unwrap(), event);
        assert_eq!(signed.stream().as_str(), "notary-7");
    }

    #[test]
    fn the_statement_is_what_it_always_was() {
        let statement = Root { key: signer(1).key(), ..root() }.statement();
        assert_eq!(statement.len(), 23 + 2 + 5 * 8 + 3 * 32);
        let hash = blake3::hash(&statement).to_hex();
        assert_eq!(hash.as_str(), "b775c70530d14fc73138a889113d3494967b46df05bd76cc042f268fb1037734");
    }
}
