//! What happens to an account.

use super::{AccountLimits, Name, SecretHash};
use crate::decider::stored_events;
use crate::ids::{AccountId, KeyId};
use serde::{Deserialize, Serialize};

/// An event of stream `account-<uuid>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountEvent {
    /// It exists from now on.
    Opened(AccountOpened),
    /// It has another name.
    Renamed(AccountRenamed),
    /// It has other limits.
    Limited(AccountLimited),
    /// A key opens it.
    KeyIssued(ApiKeyIssued),
    /// A key no longer opens it.
    KeyRevoked(ApiKeyRevoked),
    /// It takes no calls and no commands any more.
    Closed(AccountClosed),
}

/// An account, or a sub-account of `parent`, was opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountOpened {
    /// Its id.
    pub account: AccountId,
    /// Its name.
    pub name: Name,
    /// The account above it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<AccountId>,
    /// The key that asked; none for the exchange itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<KeyId>,
}

/// The account's name changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountRenamed {
    /// Which account.
    pub account: AccountId,
    /// Its name from now on.
    pub name: Name,
    /// The key that asked; none for the exchange itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<KeyId>,
}

/// The account's limits changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountLimited {
    /// Which account.
    pub account: AccountId,
    /// All of its limits from now on.
    pub limits: AccountLimits,
    /// The key that asked; none for the exchange itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<KeyId>,
}

/// A key was made. Its secret was shown once; only its hash is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKeyIssued {
    /// Whose key.
    pub account: AccountId,
    /// Its id.
    pub key: KeyId,
    /// What people call it.
    pub name: Name,
    /// SHA-256 of its secret.
    pub secret_sha256: SecretHash,
    /// The key that asked; none for the exchange itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<KeyId>,
}

/// A key stopped opening the account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKeyRevoked {
    /// Whose key.
    pub account: AccountId,
    /// Its id.
    pub key: KeyId,
    /// The key that asked; none for the exchange itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<KeyId>,
}

/// The account was closed, for ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountClosed {
    /// Which account.
    pub account: AccountId,
    /// The key that asked; none for the exchange itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<KeyId>,
}

stored_events!(AccountEvent {
    Opened(AccountOpened) = "AccountOpened",
    Renamed(AccountRenamed) = "AccountRenamed",
    Limited(AccountLimited) = "AccountLimited",
    KeyIssued(ApiKeyIssued) = "ApiKeyIssued",
    KeyRevoked(ApiKeyRevoked) = "ApiKeyRevoked",
    Closed(AccountClosed) = "AccountClosed",
});

impl AccountEvent {
    /// Which account it happened to.
    pub const fn account(&self) -> AccountId {
        match self {
            Self::Opened(event) => event.account,
            Self::Renamed(event) => event.account,
            Self::Limited(event) => event.account,
            Self::KeyIssued(event) => event.account,
            Self::KeyRevoked(event) => event.account,
            Self::Closed(event) => event.account,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::stored_as;

    const ACCOUNT: AccountId = AccountId::from_bits(1);
    const KEY: KeyId = KeyId::from_bits(2);

    #[test]
    fn every_event_is_stored_in_its_golden_form() {
        let name: Name = "Acme".parse().unwrap();
        let by = Some(KEY);
        stored_as(
            &AccountEvent::Opened(AccountOpened {
                account: ACCOUNT,
                name: name.clone(),
                parent: Some(AccountId::from_bits(9)),
                by,
            }),
            "AccountOpened",
            r#"{"account":"AC00000000000000000000000000000001","name":"Acme","parent":"AC00000000000000000000000000000009","by":"SK00000000000000000000000000000002"}"#,
        );
        stored_as(
            &AccountEvent::Renamed(AccountRenamed { account: ACCOUNT, name: name.clone(), by: None }),
            "AccountRenamed",
            r#"{"account":"AC00000000000000000000000000000001","name":"Acme"}"#,
        );
        let limits = AccountLimits { max_calls: Some(30.try_into().unwrap()), ..AccountLimits::default() };
        stored_as(
            &AccountEvent::Limited(AccountLimited { account: ACCOUNT, limits, by }),
            "AccountLimited",
            r#"{"account":"AC00000000000000000000000000000001","limits":{"max_calls":30},"by":"SK00000000000000000000000000000002"}"#,
        );
        stored_as(
            &AccountEvent::KeyIssued(ApiKeyIssued {
                account: ACCOUNT,
                key: KEY,
                name,
                secret_sha256: SecretHash::of("secret"),
                by: None,
            }),
            "ApiKeyIssued",
            r#"{"account":"AC00000000000000000000000000000001","key":"SK00000000000000000000000000000002","name":"Acme","secret_sha256":"2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"}"#,
        );
        stored_as(
            &AccountEvent::KeyRevoked(ApiKeyRevoked { account: ACCOUNT, key: KEY, by }),
            "ApiKeyRevoked",
            r#"{"account":"AC00000000000000000000000000000001","key":"SK00000000000000000000000000000002","by":"SK00000000000000000000000000000002"}"#,
        );
        stored_as(
            &AccountEvent::Closed(AccountClosed { account: ACCOUNT, by: None }),
            "AccountClosed",
            r#"{"account":"AC00000000000000000000000000000001"}"#,
        );
    }
}
