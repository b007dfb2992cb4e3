//! Accounts (tenants), their sub-accounts and API keys. [T1, T2]

mod command;
mod event;
mod limits;
mod name;
mod secret;
mod state;

pub use command::{AccountCommand, AccountRejection, NewKey, ParentFacts};
pub use event::{
    AccountClosed, AccountEvent, AccountLimited, AccountOpened, AccountRenamed, ApiKeyIssued, ApiKeyRevoked,
};
pub use limits::{AccountLimits, LimitsPatch};
pub use name::{MalformedName, Name};
pub use secret::{MalformedHash, SecretHash};
pub use state::{Account, ApiKey, Profile};

/// How many accounts may stand above an account.
pub const MAX_DEPTH: usize = 8;

/// How many keys may open an account at a time.
pub const MAX_KEYS: usize = 20;
