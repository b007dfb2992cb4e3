//! A credential as its history made it, and its decisions.

use super::{CredentialAdded, CredentialChanged, CredentialEvent, CredentialRemoved, DigestSecret, Username};
use crate::codec::secret::Sealed;
use crate::decider::Aggregate;
use crate::domain_name::DomainName;
use crate::ids::{AccountId, CredentialId, DomainId, KeyId};

/// A credential: not there yet, there, or gone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Credential {
    /// Nothing happened yet.
    #[default]
    Unknown,
    /// There.
    Active(Box<ActiveCredential>),
    /// Gone.
    Removed,
}

/// A credential that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveCredential {
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
}

/// A command to a credential. `by` is the key that asks; none for the exchange itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialCommand {
    /// Add it to a domain of an account.
    Add {
        /// A fresh id.
        id: CredentialId,
        /// Whose.
        account: AccountId,
        /// The account's domain of that name, where the writer knows one.
        domain: Option<DomainId>,
        /// The domain's name.
        realm: DomainName,
        /// The user.
        username: Username,
        /// What is kept of the password, sealed for this realm and user.
        secret: Sealed<DigestSecret>,
        /// The writer knows that this user of the domain has a credential.
        taken: bool,
        /// The writer knows that the account, or one above it, is closed.
        account_closed: bool,
        /// Who asks.
        by: Option<KeyId>,
    },
    /// Give it another password.
    Change {
        /// What is kept of the new password, sealed for the same realm and user.
        secret: Sealed<DigestSecret>,
        /// Who asks.
        by: Option<KeyId>,
    },
    /// Remove it.
    Remove {
        /// Who asks.
        by: Option<KeyId>,
    },
}

/// Why a command to a credential was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CredentialRejection {
    /// The id is in use.
    #[error("a credential with this id exists already")]
    IdInUse,
    /// There is no such credential, or it is gone.
    #[error("there is no such credential")]
    Unknown,
    /// Closed accounts get nothing new.
    #[error("the account is closed: credentials can be added to open accounts only")]
    AccountClosed,
    /// The account has no such domain; others' domains are not told from none.
    #[error("the account has no domain of this name: add the domain first")]
    NoDomain,
    /// A user has one credential.
    #[error("this user of the domain has a credential already: change or remove it")]
    Taken,
}

impl CredentialRejection {
    /// The field at fault, where it is one.
    pub const fn field(&self) -> Option<&'static str> {
        match self {
            Self::NoDomain => Some("domain"),
            Self::Taken => Some("username"),
            Self::IdInUse | Self::Unknown | Self::AccountClosed => None,
        }
    }
}

impl Credential {
    /// The credential, while it is there.
    pub const fn active(&self) -> Option<&ActiveCredential> {
        match self {
            Self::Active(credential) => Some(credential),
            Self::Unknown | Self::Removed => None,
        }
    }
}

impl Aggregate for Credential {
    const CATEGORY: &'static str = "credential";
    type Command = CredentialCommand;
    type Event = CredentialEvent;
    type Rejection = CredentialRejection;

    fn decide(&self, command: CredentialCommand) -> Result<Vec<CredentialEvent>, CredentialRejection> {
        let active = || self.active().cloned().ok_or(CredentialRejection::Unknown);
        match command {
            CredentialCommand::Add { id, account, domain, realm, username, secret, taken, account_closed, by } => {
                if *self != Self::Unknown {
                    return Err(CredentialRejection::IdInUse);
                }
                if account_closed {
                    return Err(CredentialRejection::AccountClosed);
                }
                let domain = domain.ok_or(CredentialRejection::NoDomain)?;
                if taken {
                    return Err(CredentialRejection::Taken);
                }
                let added = CredentialAdded { id, account, domain, realm, username, secret, by };
                Ok(vec![CredentialEvent::Added(added)])
            }
            CredentialCommand::Change { secret, by } => {
                let ActiveCredential { id, account, domain, realm, username, .. } = active()?;
                let changed = CredentialChanged { id, account, domain, realm, username, secret, by };
                Ok(vec![CredentialEvent::Changed(changed)])
            }
            CredentialCommand::Remove { by } => {
                let ActiveCredential { id, account, domain, username, .. } = active()?;
                Ok(vec![CredentialEvent::Removed(CredentialRemoved { id, account, domain, username, by })])
            }
        }
    }

    fn evolve(self, event: &CredentialEvent) -> Self {
        match event {
            CredentialEvent::Added(CredentialAdded { id, account, domain, realm, username, secret, .. })
            | CredentialEvent::Changed(CredentialChanged { id, account, domain, realm, username, secret, .. }) => {
                Self::Active(Box::new(ActiveCredential {
                    id: *id,
                    account: *account,
                    domain: *domain,
                    realm: realm.clone(),
                    username: username.clone(),
                    secret: secret.clone(),
                }))
            }
            CredentialEvent::Removed(_) => Self::Removed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::seal::{KeyRef, SealKey};
    use crate::spec::given;

    const ID: CredentialId = CredentialId::from_bits(1);
    const ACCOUNT: AccountId = AccountId::from_bits(2);
    const DOMAIN: DomainId = DomainId::from_bits(3);

    fn realm() -> DomainName {
        "a.example".parse().unwrap()
    }

    fn alice() -> Username {
        "alice".parse().unwrap()
    }

    fn secret(password: &str) -> Sealed<DigestSecret> {
        let plain = DigestSecret::from_password("alice", "a.example", password);
        let key = (KeyRef(1), SealKey::from_bytes([3; 32]));
        Sealed::seal(&plain, &key, [1; 24], &CredentialEvent::place(&realm(), &alice()))
    }

    fn added() -> CredentialEvent {
        let (realm, username, secret) = (realm(), alice(), secret("first"));
        let added = CredentialAdded { id: ID, account: ACCOUNT, domain: DOMAIN, realm, username, secret, by: None };
        CredentialEvent::Added(added)
    }

    fn removed() -> CredentialEvent {
        let removed = CredentialRemoved { id: ID, account: ACCOUNT, domain: DOMAIN, username: alice(), by: None };
        CredentialEvent::Removed(removed)
    }

    fn add(domain: Option<DomainId>, taken: bool, account_closed: bool) -> CredentialCommand {
        let (realm, username, secret) = (realm(), alice(), secret("first"));
        CredentialCommand::Add {
            id: ID,
            account: ACCOUNT,
            domain,
            realm,
            username,
            secret,
            taken,
            account_closed,
            by: None,
        }
    }

    #[test]
    fn a_user_of_an_accounts_own_domain_gets_one_credential() {
        let nothing = given::<Credential>([]);
        nothing.when(add(Some(DOMAIN), false, false)).then([added()]);
        nothing.when(add(None, false, false)).then_rejected(CredentialRejection::NoDomain);
        nothing.when(add(Some(DOMAIN), true, false)).then_rejected(CredentialRejection::Taken);
        nothing.when(add(Some(DOMAIN), false, true)).then_rejected(CredentialRejection::AccountClosed);
        let there = given::<Credential>([added()]);
        there.when(add(Some(DOMAIN), false, false)).then_rejected(CredentialRejection::IdInUse);
    }

    #[test]
    fn another_password_leaves_the_user_as_it_is() {
        let (realm, username, secret) = (realm(), alice(), secret("second"));
        let changed = CredentialChanged {
            id: ID,
            account: ACCOUNT,
            domain: DOMAIN,
            realm,
            username,
            secret: secret.clone(),
            by: None,
        };
        given::<Credential>([added()])
            .when(CredentialCommand::Change { secret, by: None })
            .then([CredentialEvent::Changed(changed)]);
    }

    #[test]
    fn a_removed_credential_obeys_nothing() {
        given::<Credential>([added()]).when(CredentialCommand::Remove { by: None }).then([removed()]);
        let gone = given::<Credential>([added(), removed()]);
        gone.when(CredentialCommand::Remove { by: None }).then_rejected(CredentialRejection::Unknown);
        gone.when(CredentialCommand::Change { secret: secret("x"), by: None })
            .then_rejected(CredentialRejection::Unknown);
        gone.when(add(Some(DOMAIN), false, false)).then_rejected(CredentialRejection::IdInUse);
    }
}
