//! An account as its history made it, and its decisions.

use super::{
    AccountClosed, AccountCommand, AccountEvent, AccountLimited, AccountLimits, AccountOpened, AccountRejection,
    AccountRenamed, ApiKeyIssued, ApiKeyRevoked, MAX_DEPTH, MAX_KEYS, Name, NewKey, ParentFacts, SecretHash,
};
use crate::decider::Aggregate;
use crate::ids::{AccountId, KeyId};

/// An account: not there yet, or known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Account {
    /// Nothing happened yet.
    #[default]
    Unopened,
    /// Opened once; closed accounts stay known, so that their calls and keys are refused for the right reason.
    Known(Profile),
}

/// What is known of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Its id.
    pub id: AccountId,
    /// Its name.
    pub name: Name,
    /// The account above.
    pub parent: Option<AccountId>,
    /// What it may have.
    pub limits: AccountLimits,
    /// Keys that open it, oldest first.
    pub keys: Vec<ApiKey>,
    /// Whether it was closed itself; one above it may be closed as well.
    pub closed: bool,
}

/// A key that opens an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id.
    pub id: KeyId,
    /// What people call it.
    pub name: Name,
    /// SHA-256 of its secret.
    pub secret_sha256: SecretHash,
}

impl Profile {
    /// The key whose secret this is. All keys are compared, so that the time tells nothing.
    pub fn key_of_secret(&self, hash: &SecretHash) -> Option<&ApiKey> {
        self.keys.iter().fold(None, |found, key| if key.secret_sha256.matches(hash) { Some(key) } else { found })
    }
}

impl Account {
    /// The profile, of a known account.
    pub const fn profile(&self) -> Option<&Profile> {
        match self {
            Self::Unopened => None,
            Self::Known(profile) => Some(profile),
        }
    }

    fn open(&self) -> Result<&Profile, AccountRejection> {
        match self {
            Self::Unopened => Err(AccountRejection::NotOpen),
            Self::Known(profile) if profile.closed => Err(AccountRejection::Closed),
            Self::Known(profile) => Ok(profile),
        }
    }
}

impl Aggregate for Account {
    const CATEGORY: &'static str = "account";
    type Command = AccountCommand;
    type Event = AccountEvent;
    type Rejection = AccountRejection;

    fn decide(&self, command: AccountCommand) -> Result<Vec<AccountEvent>, AccountRejection> {
        match command {
            AccountCommand::Open { account, name, parent, key, by } => {
                if self.profile().is_some() {
                    return Err(AccountRejection::AlreadyOpen);
                }
                let parent = parent.map(admitted).transpose()?;
                let opened = AccountOpened { account, name, parent, by };
                Ok(vec![AccountEvent::Opened(opened), issued(account, key, by)])
            }
            AccountCommand::Rename { name, by } => {
                let profile = self.open()?;
                if profile.name == name {
                    return Ok(vec![]);
                }
                Ok(vec![AccountEvent::Renamed(AccountRenamed { account: profile.id, name, by })])
            }
            AccountCommand::Limit { limits, by } => {
                let profile = self.open()?;
                let limits = limits.onto(profile.limits);
                if profile.limits == limits {
                    return Ok(vec![]);
                }
                Ok(vec![AccountEvent::Limited(AccountLimited { account: profile.id, limits, by })])
            }
            AccountCommand::IssueKey { key, by } => {
                let profile = self.open()?;
                if profile.keys.iter().any(|known| known.id == key.id) {
                    return Err(AccountRejection::KeyExists);
                }
                if profile.keys.len() >= MAX_KEYS {
                    return Err(AccountRejection::TooManyKeys);
                }
                Ok(vec![issued(profile.id, key, by)])
            }
            AccountCommand::RevokeKey { key, by } => {
                let profile = self.open()?;
                if !profile.keys.iter().any(|known| known.id == key) {
                    return Err(AccountRejection::UnknownKey);
                }
                if profile.keys.len() == 1 {
                    return Err(AccountRejection::LastKey);
                }
                Ok(vec![AccountEvent::KeyRevoked(ApiKeyRevoked { account: profile.id, key, by })])
            }
            AccountCommand::Close { by } => match self {
                Self::Known(profile) if profile.closed => Ok(vec![]),
                Self::Unopened | Self::Known(_) => {
                    Ok(vec![AccountEvent::Closed(AccountClosed { account: self.open()?.id, by })])
                }
            },
        }
    }

    fn evolve(self, event: &AccountEvent) -> Self {
        let mut profile = match (self, event) {
            (Self::Unopened, AccountEvent::Opened(event)) => {
                return Self::Known(Profile {
                    id: event.account,
                    name: event.name.clone(),
                    parent: event.parent,
                    limits: AccountLimits::default(),
                    keys: vec![],
                    closed: false,
                });
            }
            (Self::Unopened, _) => return Self::Unopened,
            (Self::Known(profile), _) => profile,
        };
        match event {
            AccountEvent::Opened(_) => {}
            AccountEvent::Renamed(event) => profile.name = event.name.clone(),
            AccountEvent::Limited(event) => profile.limits = event.limits,
            AccountEvent::KeyIssued(event) => profile.keys.push(ApiKey {
                id: event.key,
                name: event.name.clone(),
                secret_sha256: event.secret_sha256,
            }),
            AccountEvent::KeyRevoked(event) => profile.keys.retain(|key| key.id != event.key),
            AccountEvent::Closed(_) => profile.closed = true,
        }
        Self::Known(profile)
    }
}

const fn admitted(parent: ParentFacts) -> Result<AccountId, AccountRejection> {
    if parent.closed {
        return Err(AccountRejection::ParentClosed);
    }
    if parent.depth >= MAX_DEPTH {
        return Err(AccountRejection::TooDeep);
    }
    Ok(parent.id)
}

fn issued(account: AccountId, key: NewKey, by: Option<KeyId>) -> AccountEvent {
    AccountEvent::KeyIssued(ApiKeyIssued { account, key: key.id, name: key.name, secret_sha256: key.secret_sha256, by })
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
