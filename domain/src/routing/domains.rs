//! Domains and their users, for the call path.

use crate::credential::{CredentialAdded, CredentialChanged, CredentialEvent, DigestSecret};
use crate::domain_name::{DomainAdded, DomainChanged, DomainEvent, DomainName, DomainSettings};
use crate::id_map::IdMap;
use crate::ids::{AccountId, CredentialId, DomainId};
use crate::log::Revision;
use std::borrow::Cow;
use std::collections::HashMap;

/// A domain as routing knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainEntry {
    /// Its id.
    pub id: DomainId,
    /// Whose it is.
    pub account: AccountId,
    /// Its name, which is the realm of its users.
    pub name: DomainName,
    /// Its settings.
    pub settings: DomainSettings,
    /// Revision of its last event: the version of the rule.
    pub revision: Revision,
}

/// A user's credential as routing knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialEntry {
    /// Its id.
    pub id: CredentialId,
    /// Revision of its last event.
    pub revision: Revision,
    /// What answers are checked by; `None` where the key that opens it is gone: nobody passes.
    pub secret: Option<DigestSecret>,
}

/// Domains by name, and their users. A credential costs some 250 bytes with its table's slack.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Domains {
    names: HashMap<Box<str>, DomainId>,
    domains: IdMap<DomainId, DomainEntry>,
    /// By domain and user name. A domain's are kept apart, so that a look-up needs no key of both parts.
    credentials: IdMap<DomainId, HashMap<Box<str>, CredentialEntry>>,
}

impl Domains {
    pub(super) fn find(&self, name: &str) -> Option<&DomainEntry> {
        let name = name.strip_suffix('.').unwrap_or(name);
        let upper = name.bytes().any(|byte| byte.is_ascii_uppercase());
        let name = if upper { Cow::Owned(name.to_ascii_lowercase()) } else { Cow::Borrowed(name) };
        self.domains.get(self.names.get(&*name)?)
    }

    pub(super) fn get(&self, id: DomainId) -> Option<&DomainEntry> {
        self.domains.get(&id)
    }

    pub(super) fn credential(&self, domain: DomainId, username: &str) -> Option<&CredentialEntry> {
        self.credentials.get(&domain)?.get(username)
    }

    pub(super) fn apply_domain(&mut self, event: &DomainEvent, revision: Revision) {
        match event {
            DomainEvent::Added(DomainAdded { id, account, name, settings, .. })
            | DomainEvent::Changed(DomainChanged { id, account, name, settings, .. }) => {
                let (name, settings) = (name.clone(), settings.clone());
                self.names.insert(name.as_str().into(), *id);
                self.domains.insert(*id, DomainEntry { id: *id, account: *account, name, settings, revision });
            }
            DomainEvent::Removed(removed) => {
                self.domains.remove(&removed.id);
                if self.names.get(removed.name.as_str()) == Some(&removed.id) {
                    self.names.remove(removed.name.as_str());
                }
            }
        }
    }

    pub(super) fn apply_credential(&mut self, event: &CredentialEvent, revision: Revision) {
        match event {
            CredentialEvent::Added(CredentialAdded { id, domain, username, secret, .. })
            | CredentialEvent::Changed(CredentialChanged { id, domain, username, secret, .. }) => {
                let entry = CredentialEntry { id: *id, revision, secret: secret.known().cloned() };
                self.credentials.entry(*domain).or_default().insert(username.as_str().into(), entry);
            }
            CredentialEvent::Removed(removed) => {
                let Some(users) = self.credentials.get_mut(&removed.domain) else { return };
                // Who added the user again since has another credential.
                if users.get(removed.username.as_str()).is_some_and(|entry| entry.id == removed.id) {
                    users.remove(removed.username.as_str());
                }
                if users.is_empty() {
                    self.credentials.remove(&removed.domain);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::seal::{KeyRef, SealKey};
    use crate::codec::secret::Sealed;
    use crate::credential::{CredentialRemoved, Username};
    use crate::domain_name::DomainRemoved;
    use crate::log::Position;
    use crate::ports::Keyring;
    use crate::routing::{Provisioned, ProvisioningEvent, Tables};
    use crate::time::WallTime;

    const ACCOUNT: AccountId = AccountId::from_bits(1);

    struct One;

    impl Keyring for One {
        fn key(&self, reference: KeyRef) -> Option<SealKey> {
            (reference == KeyRef(7)).then(|| SealKey::from_bytes([3; 32]))
        }
    }

    fn name(text: &str) -> DomainName {
        text.parse().unwrap()
    }

    fn take(tables: &mut Tables, event: impl Into<ProvisioningEvent>) {
        let mut event = event.into();
        assert!(event.open(&One));
        take_sealed(tables, event);
    }

    fn take_sealed(tables: &mut Tables, event: ProvisioningEvent) {
        tables.apply(&Provisioned { position: Position(1), revision: Revision(0), at: WallTime::default(), event });
    }

    fn domain(id: u128, text: &str) -> DomainEvent {
        let (id, settings) = (DomainId::from_bits(id), DomainSettings::default());
        DomainEvent::Added(DomainAdded { id, account: ACCOUNT, name: name(text), settings, by: None })
    }

    fn user(id: u128, at: (u128, &str), username: &str, password: &str) -> CredentialEvent {
        let (realm, username): (_, Username) = (name(at.1), username.parse().unwrap());
        let plain = DigestSecret::from_password(username.as_str(), at.1, password);
        let key = (KeyRef(7), SealKey::from_bytes([3; 32]));
        let secret = Sealed::seal(&plain, &key, [1; 24], &CredentialEvent::place(&realm, &username));
        CredentialEvent::Added(CredentialAdded {
            id: CredentialId::from_bits(id),
            account: ACCOUNT,
            domain: DomainId::from_bits(at.0),
            realm,
            username,
            secret,
            by: None,
        })
    }

    #[test]
    fn two_users_of_the_same_name_in_two_domains_are_two() {
        let mut tables = Tables::default();
        for (id, text) in [(1, "a.example"), (2, "b.example")] {
            take(&mut tables, domain(id, text));
            take(&mut tables, user(id + 10, (id, text), "alice", text));
        }
        for (id, text) in [(11, "a.example"), (12, "B.Example.")] {
            let found = tables.credential(text, "alice").unwrap();
            assert_eq!(found.id, CredentialId::from_bits(id));
        }
        let secret = DigestSecret::from_password("alice", "a.example", "a.example");
        assert_eq!(tables.credential("a.example", "alice").unwrap().secret, Some(secret));
        assert_eq!(tables.credential("a.example", "Alice"), None);
        assert_eq!(tables.credential("c.example", "alice"), None);
        assert_eq!(tables.domain("A.EXAMPLE").unwrap().name, name("a.example"));
    }

    #[test]
    fn what_was_removed_is_not_found_and_what_came_after_it_is() {
        let mut tables = Tables::default();
        take(&mut tables, user(11, (1, "a.example"), "alice", "password"));
        take(&mut tables, domain(1, "a.example"));
        assert!(tables.credential("a.example", "alice").is_some(), "the order of streams does not matter");
        take(&mut tables, user(12, (1, "a.example"), "alice", "password"));
        let removed = |id| {
            let (id, domain) = (CredentialId::from_bits(id), DomainId::from_bits(1));
            let username = "alice".parse().unwrap();
            CredentialEvent::Removed(CredentialRemoved { id, account: ACCOUNT, domain, username, by: None })
        };
        take(&mut tables, removed(11));
        assert!(tables.credential("a.example", "alice").is_some());
        take(&mut tables, removed(12));
        assert_eq!(tables.credential("a.example", "alice"), None);
        let id = DomainId::from_bits(1);
        let gone = DomainRemoved { id, account: ACCOUNT, name: name("a.example"), by: None };
        take(&mut tables, domain(2, "a.example"));
        take(&mut tables, DomainEvent::Removed(gone));
        assert_eq!(tables.domain("a.example").map(|entry| entry.id), Some(DomainId::from_bits(2)));
    }

    #[test]
    fn a_secret_whose_key_is_gone_lets_nobody_in() {
        let mut tables = Tables::default();
        take(&mut tables, domain(1, "a.example"));
        take_sealed(&mut tables, user(11, (1, "a.example"), "alice", "password").into());
        assert_eq!(tables.credential("a.example", "alice").unwrap().secret, None);
    }

    #[test]
    fn a_credential_takes_few_bytes() {
        // A row; beside it stand the name on the heap and the table's slack.
        let row = size_of::<(Box<str>, CredentialEntry)>();
        assert!(row <= 160, "{row}");
    }
}
