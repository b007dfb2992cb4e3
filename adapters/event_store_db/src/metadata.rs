//! What an event of ours carries beside its data: a flat JSON object of texts, which both versions of the protocol allow.
//!
//! `$correlationId` and `$causationId` are the protocol's own names; the rest is what the hash chain and the live set need.

use domain::ids::EventId;
use domain::log::{EventHash, Life};
use domain::time::WallTime;
use serde::Deserialize;
use std::fmt::Write as _;
use uuid::Uuid;

/// More bytes of metadata than this are not ours.
const LONGEST: usize = 1_024;

/// The metadata of one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metadata {
    /// What it belongs to.
    pub correlation: Uuid,
    /// What caused it.
    pub cause: Option<EventId>,
    /// Version of its shape.
    pub version: u16,
    /// Who wrote it.
    pub node: u16,
    /// When it happened.
    pub at: WallTime,
    /// Hash of its predecessor in the stream.
    pub previous: EventHash,
    /// Whether its append left the stream live.
    pub life: Life,
}

/// As it is written. An unknown member is a refusal: what it means would be lost.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written<'a> {
    #[serde(rename = "$correlationId")]
    correlation: &'a str,
    #[serde(rename = "$causationId")]
    cause: Option<&'a str>,
    version: &'a str,
    node: &'a str,
    at: &'a str,
    previous: &'a str,
    life: &'a str,
}

impl Metadata {
    /// As JSON. `at` is in microseconds since 1970, so that nothing of it is lost.
    pub fn write(&self) -> String {
        let mut text = String::with_capacity(320);
        let mut id = Uuid::encode_buffer();
        text.push_str(r#"{"$correlationId":""#);
        text.push_str(self.correlation.hyphenated().encode_lower(&mut id));
        if let Some(cause) = self.cause {
            text.push_str(r#"","$causationId":""#);
            text.push_str(cause.uuid().hyphenated().encode_lower(&mut id));
        }
        let life = match self.life {
            Life::Open => "open",
            Life::Closed => "closed",
        };
        let _ = write!(
            text,
            r#"","version":"{}","node":"{}","at":"{}","previous":"{}","life":"{life}"}}"#,
            self.version,
            self.node,
            self.at.micros(),
            self.previous
        );
        text
    }

    /// What was written; `None` where it is not ours, or not whole.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > LONGEST {
            return None;
        }
        let written: Written<'_> = serde_json::from_str(std::str::from_utf8(bytes).ok()?).ok()?;
        let cause = match written.cause {
            Some(cause) => Some(EventId::from_uuid(Uuid::parse_str(cause).ok()?)),
            None => None,
        };
        let life = match written.life {
            "open" => Life::Open,
            "closed" => Life::Closed,
            _ => return None,
        };
        Some(Self {
            correlation: Uuid::parse_str(written.correlation).ok()?,
            cause,
            version: written.version.parse().ok()?,
            node: written.node.parse().ok()?,
            at: WallTime::from_micros(written.at.parse().ok()?),
            previous: EventHash::parse(written.previous)?,
            life,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(cause: Option<EventId>, life: Life) -> Metadata {
        Metadata {
            correlation: Uuid::from_u128(0xabc),
            cause,
            version: u16::MAX,
            node: 7,
            at: WallTime::from_micros(i64::MIN),
            previous: EventHash([0xa5; 32]),
            life,
        }
    }

    #[test]
    fn everything_reads_back_as_it_was_written() {
        for cause in [None, Some(EventId::minted(1, 2, 3, 4))] {
            for life in [Life::Open, Life::Closed] {
                let written = metadata(cause, life);
                assert_eq!(Metadata::read(written.write().as_bytes()), Some(written));
            }
        }
    }

    #[test]
    fn it_is_a_flat_object_of_texts_with_the_protocols_names() {
        let text = metadata(Some(EventId::minted(1, 2, 3, 4)), Life::Open).write();
        let object: std::collections::BTreeMap<String, String> = serde_json::from_str(&text).unwrap();
        assert_eq!(object["$correlationId"], "00000000-0000-0000-0000-000000000abc");
        assert_eq!(object["$causationId"], "00010000-0002-8003-8000-000000000004");
        assert_eq!(object["at"], i64::MIN.to_string());
    }

    #[test]
    fn what_is_not_whole_or_says_more_is_not_ours() {
        let whole = metadata(None, Life::Closed).write();
        let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&whole).unwrap();
        for name in object.keys() {
            let mut less = object.clone();
            less.remove(name);
            assert_eq!(Metadata::read(serde_json::to_string(&less).unwrap().as_bytes()), None, "without {name}");
        }
        let mut more = object;
        more.insert("user".into(), "x".into());
        for text in [serde_json::to_string(&more).unwrap(), String::new(), "{}".into(), "[".repeat(500), whole + " x"] {
            assert_eq!(Metadata::read(text.as_bytes()), None, "{text}");
        }
    }
}
