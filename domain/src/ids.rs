//! Identities. Public ids are two letters and 32 hex digits; none is ever derived from another's text.

use crate::hex;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

/// A public id that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {prefix} followed by 32 lower-case hex digits")]
pub struct MalformedId {
    prefix: &'static str,
}

macro_rules! public_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(u128);

        impl $name {
            /// The two letters every such id begins with.
            pub const PREFIX: &'static str = $prefix;

            /// Makes an id of 128 bits drawn by the shell.
            pub const fn from_bits(bits: u128) -> Self { Self(bits) }

            /// The 128 bits.
            pub const fn bits(self) -> u128 { self.0 }

            /// The same bits as a UUID, as stream names spell them.
            pub const fn uuid(self) -> Uuid { Uuid::from_u128(self.0) }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($prefix)?;
                f.write_str(hex::write(&mut [0; 32], &self.0.to_be_bytes()))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { fmt::Display::fmt(self, f) }
        }

        impl FromStr for $name {
            type Err = MalformedId;

            fn from_str(text: &str) -> Result<Self, MalformedId> {
                let malformed = MalformedId { prefix: $prefix };
                let hex = text.strip_prefix($prefix).ok_or(malformed.clone())?;
                let lower = hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
                if hex.len() != 32 || !lower { return Err(malformed); }
                u128::from_str_radix(hex, 16).map(Self).map_err(|_| malformed)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> { s.collect_str(self) }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
                text.parse().map_err(D::Error::custom)
            }
        }
    };
}

public_id!(
    /// A tenant: the owner of numbers, trunks and sessions.
    AccountId, "AC"
);
public_id!(
    /// All legs of one conversation of one account.
    SessionId, "CA"
);
public_id!(
    /// A phone number or short code that the exchange routes.
    NumberId, "PN"
);
public_id!(
    /// A peer that calls arrive from or leave to: a carrier or a PBX.
    TrunkId, "TK"
);
public_id!(
    /// A DNS name whose users register here.
    DomainId, "SD"
);
public_id!(
    /// A user name and secret of a domain.
    CredentialId, "CR"
);
public_id!(
    /// All bindings of one user of a domain, now and before. It is a keyed hash of the address of record, so that it
    /// tells nobody who that is.
    RegistrationId, "RG"
);
public_id!(
    /// A place where a user of a domain can be reached now.
    BindingId, "RB"
);
public_id!(
    /// An attended transfer: what joins two sessions.
    TransferId, "TF"
);
public_id!(
    /// A MESSAGE outside any call.
    MessageId, "SM"
);
public_id!(
    /// What the exchange does at a trunk of its own accord, from a start or change of settings to the next.
    UplinkId, "UL"
);
public_id!(
    /// An API key of an account. The key's secret is never stored, only its hash.
    KeyId, "SK"
);

/// Our half of one dialog. Its hex form is also our dialog tag, so a tag names the leg.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LegId(u64);

impl LegId {
    /// Makes a leg id of 64 bits drawn by the shell: unguessable, since it is also our dialog tag.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The 64 bits.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Reads a tag of ours; `None` where the tag cannot be one.
    pub fn from_tag(tag: &str) -> Option<Self> {
        let lower = tag.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        (tag.len() == 16 && lower).then(|| u64::from_str_radix(tag, 16).ok().map(Self))?
    }
}

impl fmt::Display for LegId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(hex::write(&mut [0; 16], &self.0.to_be_bytes()))
    }
}

impl fmt::Debug for LegId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for LegId {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(hex::write(&mut [0; 16], &self.0.to_be_bytes()))
    }
}

impl<'de> Deserialize<'de> for LegId {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        Self::from_tag(&text).ok_or_else(|| D::Error::custom("expected 16 lower-case hex digits"))
    }
}

/// Identity of an event: a UUIDv8 of node, node epoch, shard and a counter. An epoch is used by one start of
/// one node only, so an id never repeats and can serve as an AEAD nonce.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventId(Uuid);

impl EventId {
    /// The id of the `counter`-th event (62 bits) of one shard (12 bits) in one epoch of a node.
    pub const fn minted(node: u16, epoch: u32, shard: u16, counter: u64) -> Self {
        let head = ((node as u128) << 32 | epoch as u128) << 80;
        let version = 8 << 76;
        let shard = ((shard & 0xfff) as u128) << 64;
        let variant = 0b10 << 62;
        Self(Uuid::from_u128(head | version | shard | variant | (counter & (u64::MAX >> 2)) as u128))
    }

    /// Node, epoch, shard and number of a minted id.
    pub const fn parts(self) -> (u16, u32, u16, u64) {
        let bits = self.0.as_u128();
        let number = (bits as u64) & (u64::MAX >> 2);
        ((bits >> 112) as u16, (bits >> 80) as u32, ((bits >> 64) & 0xfff) as u16, number)
    }

    /// An id as some store returned it.
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// The id as a UUID.
    pub const fn uuid(self) -> Uuid {
        self.0
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_id_reads_back_what_it_prints() {
        let id = AccountId::from_bits(0xabc);
        assert_eq!(id.to_string(), "AC00000000000000000000000000000abc");
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn another_kind_of_id_upper_case_and_wrong_length_are_refused() {
        for text in [
            "CA00000000000000000000000000000abc",
            "AC00000000000000000000000000000ABC",
            "ACabc",
            "AC+0000000000000000000000000000abc",
        ] {
            assert!(text.parse::<AccountId>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_event_id_is_a_valid_uuid_of_version_8() {
        let id = EventId::minted(7, 3, 1, 99).uuid();
        assert_eq!(id.get_version_num(), 8);
        assert_eq!(id.get_variant(), uuid::Variant::RFC4122);
        assert_ne!(EventId::minted(7, 3, 1, 99), EventId::minted(7, 4, 1, 99));
        assert_eq!(EventId::minted(7, 3, 0xabc, 1 << 61).parts(), (7, 3, 0xabc, 1 << 61));
    }
}
