//! Accounts, numbers, trunks, domains and credentials: one writer that decides, makes durable, updates routing, and only then answers.

mod directory;
mod first;
mod inner;
mod kept;
mod load;
mod machine;
mod order;
mod plan;
mod users;
mod writer;

pub use directory::{Caller, Directory, Listed, Page};
pub use first::{FirstAccount, MalformedToken, Token};
pub use kept::Numbers;
pub use load::LoadError;
pub use machine::MachineMeans;
pub use order::{Rejection, Unavailable};

use crate::kept::Shelf;
use domain::account::{AccountCommand, LimitsPatch, Name, NewKey, SecretHash};
use domain::codec::seal::{KeyRef, SealKey};
use domain::ids::{AccountId, EventId, KeyId, NumberId, TrunkId};
use domain::log::{EventLog, PortFuture, Position};
use domain::number::{NumberCommand, PhoneNumber, Target};
use domain::routing::Provisioned;
use domain::time::WallTime;
use domain::trunk::{TrunkPatch, TrunkSettings};
use order::{Job, Order};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// What the service needs of the machine; a test gives its own.
pub trait Means: Send + Sync {
    /// 128 unguessable bits.
    fn bits(&self) -> u128;
    /// The next event id.
    fn event_id(&self) -> EventId;
    /// Wall time.
    fn now(&self) -> WallTime;
    /// The key that seals an account's secrets, made where it has none yet: durable when this returns. May wait for
    /// the disk.
    ///
    /// # Errors
    /// What is wrong, and what to do.
    fn secrets_key(&self, account: AccountId) -> Result<(KeyRef, SealKey), String>;
}

/// Takes durable provisioning events, each once and in order, before their command is answered: routing tables.
pub trait TablesSink: Send + Sync {
    /// So many numbers follow, at the start: tables that grow as they come are copied again and again.
    fn expect(&self, _numbers: usize) {}

    /// Takes them at once. A call that is routed after what this gives is done sees them.
    fn apply(&self, events: Vec<Provisioned>) -> PortFuture<'_, ()>;
}

/// How many commands may wait before callers do.
const QUEUE: usize = 1_024;

/// What a command gives: refused by a rule, or away; never both in one place.
pub type Answer<T> = Result<Result<T, Rejection>, Unavailable>;

/// Handle to the provisioning writer. Clones share it; the writer ends with the last of them.
#[derive(Clone)]
pub struct Provisioning {
    orders: mpsc::Sender<Job>,
    directory: Arc<Directory>,
    means: Arc<dyn Means>,
    log: Arc<dyn EventLog>,
}

/// A secret that was just made; it is stored nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct NewSecret {
    /// The key it belongs to.
    pub key: KeyId,
    /// 32 hex digits: 128 random bits.
    pub secret: String,
}

impl std::fmt::Debug for NewSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NewSecret({}, …)", self.key)
    }
}

impl Provisioning {
    /// Reads every open provisioning stream, or takes up what is kept of it, hands all to `sink`, and starts the writer on
    /// the current runtime.
    ///
    /// # Errors
    /// [`LoadError`].
    pub async fn start(
        log: Arc<dyn EventLog>,
        means: Arc<dyn Means>,
        sink: Arc<dyn TablesSink>,
        node: u16,
        kept: Option<&Shelf>,
    ) -> Result<Self, LoadError> {
        let directory = Arc::new(load::load(log.as_ref(), sink.as_ref(), kept).await?);
        let (orders, jobs) = mpsc::channel(QUEUE);
        let writer = writer::Writer::new(log.clone(), means.clone(), sink, directory.clone(), node);
        tokio::spawn(writer.run(jobs));
        Ok(Self { orders, directory, means, log })
    }

    /// What is provisioned now.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Opens an account, or a sub-account of `parent`, with a first key.
    pub async fn open_account(
        &self,
        name: Name,
        parent: Option<AccountId>,
        by: Option<KeyId>,
    ) -> Answer<(AccountId, NewSecret, Position)> {
        let account = AccountId::from_bits(self.means.bits());
        let first = self.new_secret();
        let order = Order::OpenAccount { account, name: name.clone(), parent, key: new_key(&first, name), by };
        Ok(self.order(order).await?.map(|position| (account, first, position)))
    }

    /// Gives an account other limits.
    pub async fn limit_account(&self, account: AccountId, limits: LimitsPatch, by: Option<KeyId>) -> Answer<Position> {
        self.order(Order::Account { account, command: AccountCommand::Limit { limits, by } }).await
    }

    /// Renames an account.
    pub async fn rename_account(&self, account: AccountId, name: Name, by: Option<KeyId>) -> Answer<Position> {
        self.order(Order::Account { account, command: AccountCommand::Rename { name, by } }).await
    }

    /// Closes an account for ever.
    pub async fn close_account(&self, account: AccountId, by: Option<KeyId>) -> Answer<Position> {
        self.order(Order::Account { account, command: AccountCommand::Close { by } }).await
    }

    /// Issues a key with a fresh secret.
    pub async fn issue_key(&self, account: AccountId, name: Name, by: Option<KeyId>) -> Answer<(NewSecret, Position)> {
        let made = self.new_secret();
        let command = AccountCommand::IssueKey { key: new_key(&made, name), by };
        Ok(self.order(Order::Account { account, command }).await?.map(|position| (made, position)))
    }

    /// Revokes a key.
    pub async fn revoke_key(&self, account: AccountId, key: KeyId, by: Option<KeyId>) -> Answer<Position> {
        self.order(Order::Account { account, command: AccountCommand::RevokeKey { key, by } }).await
    }

    /// Claims a number for an account.
    pub async fn claim_number(
        &self,
        account: AccountId,
        number: PhoneNumber,
        target: Target,
        by: Option<KeyId>,
    ) -> Answer<(NumberId, Position)> {
        let id = NumberId::from_bits(self.means.bits());
        let order = Order::Claim { id, number, account, target, by };
        Ok(self.order(order).await?.map(|position| (id, position)))
    }

    /// Sends a number's calls elsewhere.
    pub async fn retarget_number(&self, id: NumberId, target: Target, by: Option<KeyId>) -> Answer<Position> {
        self.order(Order::Number { id, command: NumberCommand::Retarget { target, by } }).await
    }

    /// Gives a number up.
    pub async fn release_number(&self, id: NumberId, by: Option<KeyId>) -> Answer<Position> {
        self.order(Order::Number { id, command: NumberCommand::Release { by } }).await
    }

    /// Adds a trunk to an account.
    pub async fn add_trunk(
        &self,
        account: AccountId,
        settings: TrunkSettings,
        by: Option<KeyId>,
    ) -> Answer<(TrunkId, Position)> {
        let id = TrunkId::from_bits(self.means.bits());
        Ok(self.order(Order::AddTrunk { id, account, settings, by }).await?.map(|position| (id, position)))
    }

    /// Changes some settings of a trunk.
    pub async fn change_trunk(&self, id: TrunkId, patch: TrunkPatch, by: Option<KeyId>) -> Answer<Position> {
        self.order(Order::ChangeTrunk { id, patch: Box::new(patch), by }).await
    }

    /// Removes a trunk.
    pub async fn remove_trunk(&self, id: TrunkId, by: Option<KeyId>) -> Answer<Position> {
        self.order(Order::RemoveTrunk { id, by }).await
    }

    /// Waits, at most `patience`, until the directory holds everything up to a position of the log; `Err` says how
    /// far the log is.
    pub async fn reach(&self, position: Position, patience: Duration) -> Result<(), Position> {
        let settled = async {
            let mut seen = self.directory.watch();
            while self.log.head() < position {
                if seen.changed().await.is_err() {
                    break;
                }
            }
            // Whatever the log holds by now, the writer has applied once it answers this.
            self.order(Order::Barrier).await.is_ok()
        };
        if self.directory.position() >= position {
            return Ok(());
        }
        match tokio::time::timeout(patience, settled).await {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(self.log.head()),
        }
    }

    async fn order(&self, order: Order) -> Answer<Position> {
        let (reply, answer) = oneshot::channel();
        self.orders.send(Job { order, reply }).await.map_err(|_| order::gone())?;
        answer.await.map_err(|_| order::gone())?
    }

    fn new_secret(&self) -> NewSecret {
        NewSecret { key: KeyId::from_bits(self.means.bits()), secret: format!("{:032x}", self.means.bits()) }
    }
}

fn new_key(made: &NewSecret, name: Name) -> NewKey {
    NewKey { id: made.key, name, secret_sha256: SecretHash::of(&made.secret) }
}

#[cfg(test)]
mod tests;
