//! What happens to a domain.

use super::{DomainName, DomainSettings};
use crate::decider::stored_events;
use crate::ids::{AccountId, DomainId, KeyId};
use serde::{Deserialize, Serialize};

/// An event of stream `domain-<uuid>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DomainEvent {
    /// It is served from now on.
    Added(DomainAdded),
    /// Its settings are others.
    Changed(DomainChanged),
    /// It is served no longer; whoever adds it next starts a new stream.
    Removed(DomainRemoved),
}

/// An account added a domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DomainAdded {
    /// Its id.
    pub id: DomainId,
    /// Whose it is.
    pub account: AccountId,
    /// Its name.
    pub name: DomainName,
    /// Its settings.
    pub settings: DomainSettings,
    /// The key that asked; none for the exchange itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<KeyId>,
}

/// A domain's settings changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DomainChanged {
    /// Its id.
    pub id: DomainId,
    /// Whose it is.
    pub account: AccountId,
    /// Its name.
    pub name: DomainName,
    /// All of its settings from now on.
    pub settings: DomainSettings,
    /// The key that asked; none for the exchange itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<KeyId>,
}

/// A domain was removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DomainRemoved {
    /// Its id.
    pub id: DomainId,
    /// Whose it was.
    pub account: AccountId,
    /// Its name.
    pub name: DomainName,
    /// The key that asked; none for the exchange itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<KeyId>,
}

stored_events!(DomainEvent {
    Added(DomainAdded) = "DomainAdded",
    Changed(DomainChanged) = "DomainChanged",
    Removed(DomainRemoved) = "DomainRemoved",
});

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::stored_as;

    #[test]
    fn every_event_is_stored_in_its_golden_form() {
        let (id, account) = (DomainId::from_bits(1), AccountId::from_bits(2));
        let name: DomainName = "a.example".parse().unwrap();
        let json = r#"{"min_expires":60,"max_expires":7200,"default_expires":3600,"max_bindings":10,"hunt":"sequential","auth":"either","addresses":["192.0.2.0/24"]}"#;
        let settings: DomainSettings = serde_json::from_str(json).unwrap();
        let ids = r#""id":"SD00000000000000000000000000000001","account":"AC00000000000000000000000000000002","name":"a.example""#;
        stored_as(
            &DomainEvent::Added(DomainAdded {
                id,
                account,
                name: name.clone(),
                settings: settings.clone(),
                by: Some(KeyId::from_bits(3)),
            }),
            "DomainAdded",
            &format!(r#"{{{ids},"settings":{json},"by":"SK00000000000000000000000000000003"}}"#),
        );
        stored_as(
            &DomainEvent::Changed(DomainChanged { id, account, name: name.clone(), settings, by: None }),
            "DomainChanged",
            &format!(r#"{{{ids},"settings":{json}}}"#),
        );
        stored_as(
            &DomainEvent::Removed(DomainRemoved { id, account, name, by: None }),
            "DomainRemoved",
            &format!("{{{ids}}}"),
        );
    }
}
