//! What happens to a credential. Each event names the domain and user too, so that tables need no second index.

use super::{DigestSecret, Username};
use crate::codec::secret::Sealed;
use crate::decider::stored_events;
use crate::domain_name::DomainName;
use crate::ids::{AccountId, CredentialId, DomainId, KeyId};
use crate::ports::Keyring;
use serde::{Deserialize, Serialize};

/// An event of stream `credential-<uuid>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialEvent {
    /// It opens its user's address from now on.
    Added(CredentialAdded),
    /// It has another secret.
    Changed(CredentialChanged),
    /// It opens nothing any more.
    Removed(CredentialRemoved),
}

/// An account gave a user of its domain a password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CredentialAdded {
    /// Its id.
    pub id: CredentialId,
    /// Whose it is.
    pub account: AccountId,
    /// The domain.
    pub domain: DomainId,
    /// The domain's name, which is the realm.
    pub realm: DomainName,
    /// The user.
    pub username: Username,
    /// What is kept of the password, sealed.
    pub secret: Sealed<DigestSecret>,
    /// The key that asked; none for the exchange itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<KeyId>,
}

/// A user got another password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CredentialChanged {
    /// Its id.
    pub id: CredentialId,
    /// Whose it is.
    pub account: AccountId,
    /// The domain.
    pub domain: DomainId,
    /// The domain's name, which is the realm.
    pub realm: DomainName,
    /// The user.
    pub username: Username,
    /// What is kept of the new password, sealed.
    pub secret: Sealed<DigestSecret>,
    /// The key that asked; none for the exchange itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<KeyId>,
}

/// A credential was removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CredentialRemoved {
    /// Its id.
    pub id: CredentialId,
    /// Whose it was.
    pub account: AccountId,
    /// The domain.
    pub domain: DomainId,
    /// The user.
    pub username: Username,
    /// The key that asked; none for the exchange itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<KeyId>,
}

stored_events!(CredentialEvent {
    Added(CredentialAdded) = "CredentialAdded",
    Changed(CredentialChanged) = "CredentialChanged",
    Removed(CredentialRemoved) = "CredentialRemoved",
});

impl CredentialEvent {
    /// What a credential's secret is sealed for ([`Sealed::seal`]).
    pub fn place(realm: &DomainName, username: &Username) -> String {
        format!("credential {realm} {username}")
    }

    /// Opens the secret in it, in memory; says whether it can be read now, or there is none.
    pub fn open(&mut self, keyring: &dyn Keyring) -> bool {
        match self {
            Self::Added(CredentialAdded { realm, username, secret, .. })
            | Self::Changed(CredentialChanged { realm, username, secret, .. }) => {
                secret.open(keyring, &Self::place(realm, username))
            }
            Self::Removed(_) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::seal::{KeyRef, SealKey};
    use crate::spec::stored_as;

    struct One;

    impl Keyring for One {
        fn key(&self, reference: KeyRef) -> Option<SealKey> {
            (reference == KeyRef(7)).then(|| SealKey::from_bytes([3; 32]))
        }
    }

    #[test]
    fn every_event_is_stored_in_its_golden_form_and_without_its_secret() {
        let (id, account, domain) = (CredentialId::from_bits(1), AccountId::from_bits(2), DomainId::from_bits(3));
        let realm: DomainName = "a.example".parse().unwrap();
        let username: Username = "alice".parse().unwrap();
        let plain = DigestSecret::from_password("alice", "a.example", "password");
        let key = (KeyRef(7), SealKey::from_bytes([3; 32]));
        let secret = Sealed::seal(&plain, &key, [1; 24], &CredentialEvent::place(&realm, &username));
        let sealed = serde_json::to_string(&secret).unwrap();
        assert!(!sealed.contains(&plain.expose()[..16]));
        let ids = r#""id":"CR00000000000000000000000000000001","account":"AC00000000000000000000000000000002","domain":"SD00000000000000000000000000000003""#;
        let mut added = CredentialEvent::Added(CredentialAdded {
            id,
            account,
            domain,
            realm: realm.clone(),
            username: username.clone(),
            secret: secret.clone(),
            by: Some(KeyId::from_bits(4)),
        });
        stored_as(
            &added,
            "CredentialAdded",
            &format!(
                r#"{{{ids},"realm":"a.example","username":"alice","secret":{sealed},"by":"SK00000000000000000000000000000004"}}"#
            ),
        );
        assert!(added.open(&One));
        let CredentialEvent::Added(CredentialAdded { secret: opened, .. }) = &added else { panic!("{added:?}") };
        assert_eq!(opened.known(), Some(&plain));
        stored_as(
            &CredentialEvent::Changed(CredentialChanged {
                id,
                account,
                domain,
                realm,
                username: username.clone(),
                secret,
                by: None,
            }),
            "CredentialChanged",
            &format!(r#"{{{ids},"realm":"a.example","username":"alice","secret":{sealed}}}"#),
        );
        stored_as(
            &CredentialEvent::Removed(CredentialRemoved { id, account, domain, username, by: None }),
            "CredentialRemoved",
            &format!(r#"{{{ids},"username":"alice"}}"#),
        );
    }
}
