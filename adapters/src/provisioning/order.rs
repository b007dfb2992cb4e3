//! What the writer is asked, and what it answers beside success.

use domain::account::{AccountCommand, AccountRejection, Name, NewKey};
use domain::codec::secret::Sealed;
use domain::credential::{CredentialCommand, CredentialRejection, DigestSecret, Username};
use domain::domain_name::{DomainName, DomainPatch, DomainRejection, DomainSettings};
use domain::ids::{AccountId, CredentialId, DomainId, KeyId, NumberId, TrunkId};
use domain::log::Position;
use domain::number::{NumberCommand, NumberRejection, PhoneNumber, Target};
use domain::trunk::{TrunkPatch, TrunkRejection, TrunkSettings};
use tokio::sync::oneshot;

/// A command before the writer adds the facts that only it knows.
#[derive(Debug)]
pub(super) enum Order {
    OpenAccount {
        account: AccountId,
        name: Name,
        parent: Option<AccountId>,
        key: NewKey,
        by: Option<KeyId>,
    },
    Account {
        account: AccountId,
        command: AccountCommand,
    },
    Claim {
        id: NumberId,
        number: PhoneNumber,
        account: AccountId,
        target: Target,
        by: Option<KeyId>,
    },
    Number {
        id: NumberId,
        command: NumberCommand,
    },
    AddTrunk {
        id: TrunkId,
        account: AccountId,
        settings: TrunkSettings,
        by: Option<KeyId>,
    },
    ChangeTrunk {
        id: TrunkId,
        patch: Box<TrunkPatch>,
        by: Option<KeyId>,
    },
    RemoveTrunk {
        id: TrunkId,
        by: Option<KeyId>,
    },
    AddDomain {
        id: DomainId,
        account: AccountId,
        name: DomainName,
        settings: DomainSettings,
        by: Option<KeyId>,
    },
    ChangeDomain {
        id: DomainId,
        patch: Box<DomainPatch>,
        by: Option<KeyId>,
    },
    RemoveDomain {
        id: DomainId,
        by: Option<KeyId>,
    },
    AddCredential {
        id: CredentialId,
        account: AccountId,
        realm: DomainName,
        username: Username,
        secret: Sealed<DigestSecret>,
        by: Option<KeyId>,
    },
    Credential {
        id: CredentialId,
        command: CredentialCommand,
    },
    /// Nothing but an answer, after everything before it was applied.
    Barrier,
}

/// An order and where its answer goes.
pub(super) struct Job {
    pub(super) order: Order,
    pub(super) reply: oneshot::Sender<Result<Result<Position, Rejection>, Unavailable>>,
}

/// A rule said no; trying again changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// Of an account.
    #[error(transparent)]
    Account(#[from] AccountRejection),
    /// Of a number.
    #[error(transparent)]
    Number(#[from] NumberRejection),
    /// Of a trunk.
    #[error(transparent)]
    Trunk(#[from] TrunkRejection),
    /// Of a domain.
    #[error(transparent)]
    Domain(#[from] DomainRejection),
    /// Of a credential.
    #[error(transparent)]
    Credential(#[from] CredentialRejection),
}

/// The command was not carried out, as far as is known; the same command may succeed later.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("provisioning is not available now: {why}; look whether the change was made, then try again")]
pub struct Unavailable {
    /// What is wrong.
    pub why: String,
}

pub(super) fn unavailable(why: impl ToString) -> Unavailable {
    Unavailable { why: why.to_string() }
}

pub(super) fn gone() -> Unavailable {
    unavailable("the exchange is stopping")
}
