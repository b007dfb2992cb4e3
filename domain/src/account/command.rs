//! What can be asked of an account, and why it may be refused.

use super::{LimitsPatch, MAX_DEPTH, MAX_KEYS, Name, SecretHash};
use crate::ids::{AccountId, KeyId};

/// A key to be issued; its secret stays with whoever drew it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewKey {
    /// A fresh id.
    pub id: KeyId,
    /// What people call it.
    pub name: Name,
    /// SHA-256 of the fresh secret.
    pub secret_sha256: SecretHash,
}

/// What the writer knows of the account above at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParentFacts {
    /// Its id.
    pub id: AccountId,
    /// How many accounts stand above it.
    pub depth: usize,
    /// Whether it, or one above it, is closed.
    pub closed: bool,
}

/// A command to an account. `by` is the key that asks; none for the exchange itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountCommand {
    /// Open it, with a first key.
    Open {
        /// A fresh id.
        account: AccountId,
        /// Its name.
        name: Name,
        /// The account above, for a sub-account.
        parent: Option<ParentFacts>,
        /// Its first key.
        key: NewKey,
        /// Who asks.
        by: Option<KeyId>,
    },
    /// Give it another name.
    Rename {
        /// The name.
        name: Name,
        /// Who asks.
        by: Option<KeyId>,
    },
    /// Give it other limits.
    Limit {
        /// What changes.
        limits: LimitsPatch,
        /// Who asks.
        by: Option<KeyId>,
    },
    /// Issue one more key.
    IssueKey {
        /// The key.
        key: NewKey,
        /// Who asks.
        by: Option<KeyId>,
    },
    /// Revoke a key.
    RevokeKey {
        /// Its id.
        key: KeyId,
        /// Who asks.
        by: Option<KeyId>,
    },
    /// Close it for ever; its sub-accounts stop working with it.
    Close {
        /// Who asks.
        by: Option<KeyId>,
    },
}

/// Why a command to an account was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccountRejection {
    /// The id is in use.
    #[error("an account with this id is open already")]
    AlreadyOpen,
    /// There is no such account.
    #[error("there is no such account")]
    NotOpen,
    /// Closed accounts stay as they are.
    #[error("the account is closed: open a new one")]
    Closed,
    /// The account above is closed.
    #[error("the account above is closed: sub-accounts can be opened in open accounts only")]
    ParentClosed,
    /// Accounts nest at most [`MAX_DEPTH`] deep.
    #[error("accounts nest at most {MAX_DEPTH} deep: open this one further up")]
    TooDeep,
    /// An account has at most [`MAX_KEYS`] keys.
    #[error("the account has {MAX_KEYS} keys already: revoke one first")]
    TooManyKeys,
    /// The key id is in use.
    #[error("a key with this id exists already")]
    KeyExists,
    /// There is no such key, or it is revoked.
    #[error("the account has no such key")]
    UnknownKey,
    /// Without any key nobody could use the account again.
    #[error("this is the account's last key: issue another one first")]
    LastKey,
}
