//! What happens to a trunk.

use super::TrunkSettings;
use crate::decider::stored_events;
use crate::ids::{AccountId, KeyId, TrunkId};
use crate::ports::Keyring;
use serde::{Deserialize, Serialize};

/// An event of stream `trunk-<uuid>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrunkEvent {
    /// It exists from now on.
    Added(TrunkAdded),
    /// Its settings are others.
    Changed(TrunkChanged),
    /// It is gone.
    Removed(TrunkRemoved),
}

/// An account added a trunk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrunkAdded {
    /// Its id.
    pub id: TrunkId,
    /// Whose it is.
    pub account: AccountId,
    /// Its settings.
    pub settings: TrunkSettings,
    /// The key that asked; none for the exchange itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<KeyId>,
}

/// A trunk's settings changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrunkChanged {
    /// Its id.
    pub id: TrunkId,
    /// Whose it is.
    pub account: AccountId,
    /// All of its settings from now on.
    pub settings: TrunkSettings,
    /// The key that asked; none for the exchange itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<KeyId>,
}

/// A trunk was removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrunkRemoved {
    /// Its id.
    pub id: TrunkId,
    /// Whose it was.
    pub account: AccountId,
    /// The key that asked; none for the exchange itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<KeyId>,
}

impl TrunkEvent {
    /// Opens the password in it, in memory; says whether it can be read now, or there is none.
    pub fn open(&mut self, keyring: &dyn Keyring) -> bool {
        match self {
            Self::Added(TrunkAdded { settings, .. }) | Self::Changed(TrunkChanged { settings, .. }) => {
                settings.login.as_mut().is_none_or(|login| login.open(keyring))
            }
            Self::Removed(_) => true,
        }
    }
}

stored_events!(TrunkEvent {
    Added(TrunkAdded) = "TrunkAdded",
    Changed(TrunkChanged) = "TrunkChanged",
    Removed(TrunkRemoved) = "TrunkRemoved",
});

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::stored_as;

    #[test]
    fn every_event_is_stored_in_its_golden_form() {
        let (id, account) = (TrunkId::from_bits(1), AccountId::from_bits(2));
        let json = r#"{"name":"Carrier","kind":"carrier","addresses":["192.0.2.0/24","192.0.2.7:5060"],"destination":"sip:127.0.0.1:5090","prefixes":["+1",""],"priority":1,"media_source":"latch","ring_timeout":30,"enabled":true,"large_requests":"tcp","refer":"internal"}"#;
        let settings: TrunkSettings = serde_json::from_str(json).unwrap();
        let ids = r#""id":"TK00000000000000000000000000000001","account":"AC00000000000000000000000000000002""#;
        let by = Some(KeyId::from_bits(3));
        stored_as(
            &TrunkEvent::Added(TrunkAdded { id, account, settings: settings.clone(), by }),
            "TrunkAdded",
            &format!(r#"{{{ids},"settings":{json},"by":"SK00000000000000000000000000000003"}}"#),
        );
        stored_as(
            &TrunkEvent::Changed(TrunkChanged { id, account, settings, by: None }),
            "TrunkChanged",
            &format!(r#"{{{ids},"settings":{json}}}"#),
        );
        stored_as(&TrunkEvent::Removed(TrunkRemoved { id, account, by: None }), "TrunkRemoved", &format!("{{{ids}}}"));
    }
}
