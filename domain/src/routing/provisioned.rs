//! Provisioning events as tables and directories take them.

use crate::account::AccountEvent;
use crate::credential::CredentialEvent;
use crate::decider::{DecodeError, StoredEvent};
use crate::domain_name::DomainEvent;
use crate::log::{Position, Recorded, Revision};
use crate::number::NumberEvent;
use crate::ports::Keyring;
use crate::time::WallTime;
use crate::trunk::TrunkEvent;

/// An event of any provisioning stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProvisioningEvent {
    /// Of an account.
    Account(AccountEvent),
    /// Of a number.
    Number(NumberEvent),
    /// Of a trunk.
    Trunk(TrunkEvent),
    /// Of a domain.
    Domain(DomainEvent),
    /// Of a credential.
    Credential(CredentialEvent),
}

/// A durable provisioning event and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provisioned {
    /// Place in the whole log.
    pub position: Position,
    /// Place in its stream: the version of the rule that it makes.
    pub revision: Revision,
    /// When it happened.
    pub at: WallTime,
    /// The event.
    pub event: ProvisioningEvent,
}

impl ProvisioningEvent {
    /// Categories of the streams that hold such events.
    pub const CATEGORIES: [&'static str; 5] = ["account", "number", "trunk", "domain", "credential"];

    /// Reads an event of a stream of that category; `None` for any other category.
    pub fn decode(category: &str, kind: &str, version: u16, data: &[u8]) -> Result<Option<Self>, DecodeError> {
        match category {
            "account" => AccountEvent::decode(kind, version, data).map(|event| Some(Self::Account(event))),
            "number" => NumberEvent::decode(kind, version, data).map(|event| Some(Self::Number(event))),
            "trunk" => TrunkEvent::decode(kind, version, data).map(|event| Some(Self::Trunk(event))),
            "domain" => DomainEvent::decode(kind, version, data).map(|event| Some(Self::Domain(event))),
            "credential" => CredentialEvent::decode(kind, version, data).map(|event| Some(Self::Credential(event))),
            _ => Ok(None),
        }
    }

    /// Opens the secret in it, in memory, for tables that need it; says whether it can be read now, or there is none.
    pub fn open(&mut self, keyring: &dyn Keyring) -> bool {
        match self {
            Self::Trunk(event) => event.open(keyring),
            Self::Credential(event) => event.open(keyring),
            Self::Account(_) | Self::Number(_) | Self::Domain(_) => true,
        }
    }
}

impl Provisioned {
    /// Reads a recorded event; `None` where it belongs to no provisioning stream.
    pub fn read(recorded: &Recorded) -> Result<Option<Self>, DecodeError> {
        let category = recorded.stream.category();
        let event = ProvisioningEvent::decode(category, &recorded.kind, recorded.version, &recorded.data)?;
        let (position, revision, at) = (recorded.position, recorded.revision, recorded.at);
        Ok(event.map(|event| Self { position, revision, at, event }))
    }
}

impl From<AccountEvent> for ProvisioningEvent {
    fn from(event: AccountEvent) -> Self {
        Self::Account(event)
    }
}

impl From<NumberEvent> for ProvisioningEvent {
    fn from(event: NumberEvent) -> Self {
        Self::Number(event)
    }
}

impl From<TrunkEvent> for ProvisioningEvent {
    fn from(event: TrunkEvent) -> Self {
        Self::Trunk(event)
    }
}

impl From<DomainEvent> for ProvisioningEvent {
    fn from(event: DomainEvent) -> Self {
        Self::Domain(event)
    }
}

impl From<CredentialEvent> for ProvisioningEvent {
    fn from(event: CredentialEvent) -> Self {
        Self::Credential(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_of_other_categories_are_passed_over_and_unknown_events_are_not() {
        assert_eq!(ProvisioningEvent::decode("session", "SessionEnded", 1, b"{}"), Ok(None));
        assert!(ProvisioningEvent::decode("number", "SessionEnded", 1, b"{}").is_err());
    }
}
