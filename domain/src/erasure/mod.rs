//! Erasure [L7]: the keys of what is personal of somebody are destroyed. What was erased, and that it was, is in a stream
//! `erasure-<uuid>`, written before the keys go, so that the notary signs it and a crash in between is made good. Of whom it
//! was it holds a keyed hash: whoever knows the exchange's key and a name can tell that it is that name, nobody else.

use crate::codec::seal::{KeyRef, SealKey};
use crate::codec::{DecodeError, Encoded};
use crate::hex;
use crate::ids::{AccountId, ErasureId, MessageId, RegistrationId, SessionId};
use crate::log::{Recorded, StreamName};
use crate::time::WallTime;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// By what somebody or something to be erased is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SubjectKind {
    /// One session.
    Session,
    /// One MESSAGE outside calls.
    Message,
    /// A number or user name, as caller or called, sender or recipient.
    Number,
    /// An address of record: its bindings, and sessions and MESSAGEs that name it.
    Aor,
}

impl SubjectKind {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Message => "message",
            Self::Number => "number",
            Self::Aor => "aor",
        }
    }
}

/// A keyed hash of a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubjectDigest(pub [u8; 32]);

hex::hexed!(SubjectDigest, 32);

impl SubjectDigest {
    /// Of a subject of an account, under the exchange's key for this purpose.
    pub fn of(key: &SealKey, account: AccountId, kind: SubjectKind, text: &str) -> Self {
        let mut hasher = blake3::Hasher::new_keyed(key.expose());
        hasher
            .update(&account.bits().to_be_bytes())
            .update(kind.name().as_bytes())
            .update(b"\n")
            .update(text.as_bytes());
        Self(*hasher.finalize().as_bytes())
    }

    /// 64 hex digits.
    pub fn to_text(self) -> String {
        hex::Hexed::write(&self)
    }
}

/// What an erasure is about, as far as streams hold it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Targets {
    /// Sessions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sessions: Vec<SessionId>,
    /// MESSAGEs outside calls.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<MessageId>,
    /// Addresses of record.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub registrations: Vec<RegistrationId>,
}

impl Targets {
    /// How many streams these are.
    pub const fn len(&self) -> usize {
        self.sessions.len() + self.messages.len() + self.registrations.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Their streams.
    pub fn streams(&self) -> impl Iterator<Item = StreamName> {
        let sessions = self.sessions.iter().map(|id| StreamName::new("session", id.uuid()));
        let messages = self.messages.iter().map(|id| StreamName::new("message", id.uuid()));
        let registrations = self.registrations.iter().map(|id| StreamName::new("registration", id.uuid()));
        sessions.chain(messages).chain(registrations)
    }
}

/// One event of an erasure's stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum ErasureEvent {
    /// What is personal in these streams is erased from here on. Several of one append say one thing together.
    SubjectErased(SubjectErased),
    /// The keys are gone.
    KeysDestroyed(KeysDestroyed),
}

/// See [`ErasureEvent::SubjectErased`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubjectErased {
    /// Whose it is.
    pub account: AccountId,
    /// By what the subject was named.
    pub subject: SubjectKind,
    /// Who or what it was.
    #[serde(with = "hex")]
    pub digest: SubjectDigest,
    /// What is erased.
    #[serde(flatten)]
    pub targets: Targets,
    /// The keys that go.
    pub keys: Vec<KeyRef>,
}

/// See [`ErasureEvent::KeysDestroyed`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeysDestroyed {
    /// How many these were.
    pub keys: u64,
}

impl ErasureEvent {
    /// The category of the streams.
    pub const CATEGORY: &'static str = "erasure";

    /// The stable type name.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::SubjectErased(_) => "SubjectErased",
            Self::KeysDestroyed(_) => "KeysDestroyed",
        }
    }

    /// Makes it ready for the log.
    pub fn encode(&self) -> Encoded {
        // Ids and numbers only: this cannot fail, and an empty object would say so.
        let data = serde_json::to_vec(self).unwrap_or_else(|_| b"{}".to_vec());
        Encoded { kind: self.kind(), version: 1, data: data.into() }
    }

    /// Reads a stored event.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn decode(recorded: &Recorded) -> Result<Self, DecodeError> {
        let Recorded { kind, version, data, .. } = recorded;
        let read = match (&**kind, *version) {
            ("SubjectErased", 1) => serde_json::from_slice(data).map(Self::SubjectErased),
            ("KeysDestroyed", 1) => serde_json::from_slice(data).map(Self::KeysDestroyed),
            (_, version) => return Err(DecodeError::Unknown { kind: kind.to_string(), version }),
        };
        read.map_err(|error| DecodeError::Malformed { kind: kind.to_string(), what: error.to_string() })
    }
}

/// The stream of an erasure.
pub fn stream_of(id: ErasureId) -> StreamName {
    StreamName::new(ErasureEvent::CATEGORY, id.uuid())
}

/// The erasure whose stream this is.
pub fn id_of(stream: &StreamName) -> Option<ErasureId> {
    let id = Uuid::parse_str(stream.id()).ok().filter(|_| stream.category() == ErasureEvent::CATEGORY)?;
    Some(ErasureId::from_bits(id.as_u128()))
}

/// An erasure as its stream tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasure {
    /// Its id.
    pub id: ErasureId,
    /// Whose it is.
    pub account: AccountId,
    /// By what the subject was named.
    pub subject: SubjectKind,
    /// Who or what it was.
    pub digest: SubjectDigest,
    /// What is erased.
    pub targets: Targets,
    /// The keys.
    pub keys: Vec<KeyRef>,
    /// When it was ordered.
    pub ordered_at: WallTime,
    /// When the keys were gone; `None` before that.
    pub completed_at: Option<WallTime>,
}

impl Erasure {
    /// Folds the events of its stream; `None` where it does not begin as every erasure does.
    pub fn of<'e>(id: ErasureId, events: impl IntoIterator<Item = (WallTime, &'e ErasureEvent)>) -> Option<Self> {
        let mut found: Option<Self> = None;
        for (at, event) in events {
            match (event, &mut found) {
                (ErasureEvent::SubjectErased(erased), None) => {
                    let SubjectErased { account, subject, digest, targets, keys } = erased.clone();
                    let (ordered_at, completed_at) = (at, None);
                    found = Some(Self { id, account, subject, digest, targets, keys, ordered_at, completed_at });
                }
                (ErasureEvent::SubjectErased(erased), Some(known)) => {
                    known.targets.sessions.extend_from_slice(&erased.targets.sessions);
                    known.targets.messages.extend_from_slice(&erased.targets.messages);
                    known.targets.registrations.extend_from_slice(&erased.targets.registrations);
                    known.keys.extend_from_slice(&erased.keys);
                }
                (ErasureEvent::KeysDestroyed(_), Some(known)) => known.completed_at = Some(at),
                (ErasureEvent::KeysDestroyed(_), None) => return None,
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn erased(sessions: u128, keys: &[u64]) -> ErasureEvent {
        let targets = Targets { sessions: vec![SessionId::from_bits(sessions)], ..Targets::default() };
        ErasureEvent::SubjectErased(SubjectErased {
            account: AccountId::from_bits(1),
            subject: SubjectKind::Number,
            digest: SubjectDigest([7; 32]),
            targets,
            keys: keys.iter().copied().map(KeyRef).collect(),
        })
    }

    #[test]
    fn events_of_one_append_say_one_thing_together() {
        let done = ErasureEvent::KeysDestroyed(KeysDestroyed { keys: 3 });
        let at = WallTime::from_micros;
        let id = ErasureId::from_bits(9);
        let (one, two) = (erased(1, &[1]), erased(2, &[2, 3]));
        let erasure = Erasure::of(id, [(at(5), &one), (at(5), &two), (at(6), &done)]).unwrap();
        assert_eq!((erasure.targets.len(), erasure.keys.len()), (2, 3));
        assert_eq!((erasure.ordered_at, erasure.completed_at), (at(5), Some(at(6))));
        assert_eq!(Erasure::of(id, [(at(6), &done)]), None);
        assert_eq!(id_of(&stream_of(id)), Some(id));
    }

    #[test]
    fn what_is_stored_has_the_shape_of_version_one() {
        let written = erased(1, &[4, 5]).encode();
        let expected = r#"{"account":"AC00000000000000000000000000000001","subject":"number","digest":"0707070707070707070707070707070707070707070707070707070707070707","sessions":["CA00000000000000000000000000000001"],"keys":[4,5]}"#;
        assert_eq!((written.kind, &written.data[..]), ("SubjectErased", expected.as_bytes()));
        let done = ErasureEvent::KeysDestroyed(KeysDestroyed { keys: 2 }).encode();
        assert_eq!((done.kind, &done.data[..]), ("KeysDestroyed", br#"{"keys":2}"#.as_slice()));
    }

    #[test]
    fn a_digest_tells_accounts_kinds_and_subjects_apart() {
        let key = SealKey::from_bytes([1; 32]);
        let of = |account, kind, text| SubjectDigest::of(&key, AccountId::from_bits(account), kind, text);
        let one = of(1, SubjectKind::Number, "+1");
        assert_eq!(one, of(1, SubjectKind::Number, "+1"));
        for other in [of(2, SubjectKind::Number, "+1"), of(1, SubjectKind::Aor, "+1"), of(1, SubjectKind::Number, "+2")]
        {
            assert_ne!(one, other);
        }
        assert_ne!(
            one,
            SubjectDigest::of(&SealKey::from_bytes([2; 32]), AccountId::from_bits(1), SubjectKind::Number, "+1")
        );
    }
}
