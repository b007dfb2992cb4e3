//! What other threads tell a shard. One system call wakes it, however much is waiting.

use domain::codec::DecodeError;
use domain::exchange::{Histories, TakenUp};
use domain::ids::{AccountId, TrunkId};
use domain::log::{Committed, Outcome, PortFuture, Recorded, StreamName};
use domain::media::MediaReport;
use domain::registration::{Aor, CommandRejection, Done, Registrar, RegistrarAway, RegistrationCommand, Restored};
use domain::routing::{HostKey, Provisioned};
use domain::uplink::{Standing, Standings};
use nix::sys::eventfd::{EfdFlags, EventFd};
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Mutex;
use std::sync::PoisonError;
use tokio::sync::oneshot;

/// One thing told.
pub enum Notice {
    /// Appends became durable, or did not.
    Outcomes(Vec<Outcome>),
    /// Media reported.
    Media(Vec<MediaReport>),
    /// Configuration changed; the sender waits until the shard routes by it.
    Provisioned(Vec<Provisioned>, oneshot::Sender<()>),
    /// Which host names do targets and trunks name?
    Hosts(oneshot::Sender<Vec<HostKey>>),
    /// A host name's addresses.
    Resolved(HostKey, Vec<SocketAddr>),
    /// So many streams of registrations follow, at the start.
    ExpectAddresses(usize),
    /// So many numbers follow, at the start.
    ExpectNumbers(usize),
    /// What streams of registrations say of bindings, at the start.
    Bindings(Vec<(StreamName, Result<Restored, DecodeError>)>),
    /// The newest events of a registration's stream, from one on that tells all bindings, oldest first.
    Restored(StreamName, Vec<Recorded>),
    /// Calls that are to be taken up: configuration and bindings are told. What came of it is told.
    TakeUp(Box<Histories>, oneshot::Sender<TakenUp>),
    /// Streams of uplinks that the start before left open, by their last events.
    EndCutOff(Vec<Recorded>),
    /// Configuration, registrations and calls are all told: serve. Before, no socket is read: what comes waits there.
    Serve,
    /// A command of the API on a user's bindings.
    Bind(Box<BindCommand>),
    /// How do these trunks stand?
    Standings(Vec<TrunkId>, oneshot::Sender<HashMap<TrunkId, Standing>>),
    /// Take no new calls.
    Drain,
    /// End every call.
    ReleaseAll,
    /// Stop the thread.
    Stop,
}

/// What the API asks of a user's bindings, and where the answer goes.
pub struct BindCommand {
    /// Whose domain it must be.
    pub account: AccountId,
    /// The user.
    pub aor: Aor,
    /// What to do.
    pub command: RegistrationCommand,
    /// Answered when it is durable; dropped where it cannot be carried out now.
    pub reply: oneshot::Sender<Result<Done, CommandRejection>>,
}

/// See the module.
pub struct Inbox {
    waiting: Mutex<Vec<Notice>>,
    wake: EventFd,
}

impl Inbox {
    /// An empty inbox.
    pub fn new() -> io::Result<Self> {
        let wake = EventFd::from_value_and_flags(0, EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)?;
        Ok(Self { waiting: Mutex::new(Vec::new()), wake })
    }

    /// Tells the shard.
    pub fn tell(&self, notice: Notice) {
        let first = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.push(notice);
            waiting.len() == 1
        };
        if first {
            // It fails only when the counter is full, and then the shard is awake already.
            let _ = self.wake.write(1);
        }
    }

    /// Takes everything, and the wake-up with it.
    pub fn take(&self) -> Vec<Notice> {
        let _ = self.wake.read();
        std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl AsFd for Inbox {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}

impl Committed for Inbox {
    fn committed(&self, outcomes: Vec<Outcome>) {
        self.tell(Notice::Outcomes(outcomes));
    }
}

impl Registrar for Inbox {
    fn command(
        &self,
        account: AccountId,
        aor: Aor,
        command: RegistrationCommand,
    ) -> PortFuture<'_, Result<Result<Done, CommandRejection>, RegistrarAway>> {
        let (reply, answer) = oneshot::channel();
        self.tell(Notice::Bind(Box::new(BindCommand { account, aor, command, reply })));
        Box::pin(async move {
            answer.await.map_err(|_| RegistrarAway("the exchange stops, or the log cannot take it".to_owned()))
        })
    }
}

impl Standings for Inbox {
    fn standings(&self, trunks: Vec<TrunkId>) -> PortFuture<'_, HashMap<TrunkId, Standing>> {
        let (reply, answer) = oneshot::channel();
        self.tell(Notice::Standings(trunks, reply));
        // A shard that stops looks after no trunk.
        Box::pin(async move { answer.await.unwrap_or_default() })
    }
}
