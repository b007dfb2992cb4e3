//! Settings by way of the log, in virtual time: the exchange's own writer of them appends, and its tables take what is
//! durable. A start reads all of it again, as every start does.

use super::seed::{self, SeedKeys};
use super::{ACCOUNT, DOMAIN, Keys, World, autopsy, registering, settings};
use adapters::event_log::memory::MemoryLog;
use adapters::provisioning::{Means, Provisioning, TablesSink};
use bytes::Bytes;
use domain::codec::seal::{KeyRef, SealKey};
use domain::credential::{AuthRule, CredentialEvent, DigestSecret};
use domain::decider::StoredEvent;
use domain::domain_name::DomainEvent;
use domain::exchange::Exchange;
use domain::ids::{AccountId, EventId, NumberId, TrunkId};
use domain::log::{Append, Committed, Draft, EventHash, EventLog, Expected, Life, Outcome, PortFuture, StreamName};
use domain::number::NumberEvent;
use domain::ports::Keyring;
use domain::routing::{Provisioned, ProvisioningEvent, Tables};
use domain::time::{Moment, WallTime};
use domain::trunk::TrunkEvent;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, yield_now};
use uuid::Uuid;

/// Shard number of the writer in event ids.
const SHARD: u16 = 0xfff;
/// In so many turns its tasks have done all that they can.
const TURNS: usize = 16;
/// What secrets in settings are sealed with.
pub(super) const KEY: KeyRef = KeyRef(u64::MAX - 1);

/// What is asked of the writer: `true` once that was done or refused, `false` where it is to be asked again.
type Ask = Arc<dyn Fn(Provisioning) -> Pin<Box<dyn Future<Output = bool> + Send>> + Send + Sync>;

/// Events that the tables are to take, and who waits until they have.
type Told = (Vec<Provisioned>, oneshot::Sender<()>);

/// See the module.
pub(super) struct Provisioner {
    /// Nothing of the writer runs but within a call here.
    runtime: Runtime,
    writer: Option<Provisioning>,
    means: Arc<Minted>,
    told: Arc<Sink>,
    /// What was asked and has no answer, and the tasks that ask it.
    asked: Vec<(Ask, JoinHandle<bool>)>,
    /// When the tables took something the last time.
    changed: Moment,
    /// They overlook this: for sabotage.
    overlooks: Overlooks,
}

/// What tables overlook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Overlooks {
    Nothing,
    /// How trunks change.
    Trunks,
    /// How credentials change and go; and nobody compares the tables with the log.
    Users,
}

impl Overlooks {
    const fn is_about(self, event: &ProvisioningEvent) -> bool {
        match self {
            Self::Nothing => false,
            Self::Trunks => matches!(event, ProvisioningEvent::Trunk(TrunkEvent::Changed(_))),
            Self::Users => matches!(
                event,
                ProvisioningEvent::Credential(CredentialEvent::Changed(_) | CredentialEvent::Removed(_))
            ),
        }
    }
}

/// What the writer has of the machine: time, the number of this start, and how many ids it drew.
#[derive(Default)]
struct Minted(Mutex<(WallTime, u32, u64)>);

impl Minted {
    fn next(&self) -> (u32, u64) {
        let mut state = self.0.lock().unwrap();
        state.2 += 1;
        (state.1, state.2)
    }

    fn set(&self, now: WallTime, epoch: u32) {
        let mut state = self.0.lock().unwrap();
        (state.0, state.1) = (now, epoch);
    }
}

impl Means for Minted {
    fn bits(&self) -> u128 {
        let (epoch, number) = self.next();
        1 << 100 | u128::from(epoch) << 64 | u128::from(number)
    }

    fn event_id(&self) -> EventId {
        let (epoch, number) = self.next();
        EventId::minted(1, epoch, SHARD, number)
    }

    fn now(&self) -> WallTime {
        self.0.lock().unwrap().0
    }

    fn secrets_key(&self, _: AccountId) -> Result<(KeyRef, SealKey), String> {
        Ok((KEY, SeedKeys.key(KEY).unwrap()))
    }
}

/// Where the writer tells what is durable.
#[derive(Default)]
struct Sink(Mutex<Vec<Told>>);

impl TablesSink for Sink {
    fn apply(&self, events: Vec<Provisioned>) -> PortFuture<'_, ()> {
        let (done, applied) = oneshot::channel();
        self.0.lock().unwrap().push((events, done));
        Box::pin(async move { drop(applied.await) })
    }
}

/// Tables that a start fills.
struct Filled {
    tables: Mutex<Tables>,
    keys: Arc<Keys>,
}

impl TablesSink for Filled {
    fn apply(&self, events: Vec<Provisioned>) -> PortFuture<'_, ()> {
        for mut provisioned in events {
            provisioned.event.open(&*self.keys);
            self.tables.lock().unwrap().apply(&provisioned);
        }
        Box::pin(std::future::ready(()))
    }
}

/// What a world begins with is stored.
struct MustCommit;

impl Committed for MustCommit {
    fn committed(&self, outcomes: Vec<Outcome>) {
        outcomes.into_iter().for_each(|outcome| drop(outcome.result.unwrap()));
    }
}

impl Provisioner {
    fn new() -> Self {
        Self {
            runtime: runtime(),
            writer: None,
            means: Arc::default(),
            told: Arc::default(),
            asked: vec![],
            changed: Moment::from_micros(0),
            overlooks: Overlooks::Nothing,
        }
    }

    /// Its tasks do what they can; gives what the tables are told.
    fn run(&self) -> Vec<Told> {
        self.runtime.block_on(async {
            for _ in 0..TURNS {
                yield_now().await;
            }
        });
        std::mem::take(&mut *self.told.0.lock().unwrap())
    }

    fn ask(&mut self, ask: Ask) {
        let writer = self.writer.clone().unwrap();
        let task = self.runtime.spawn(ask(writer));
        self.asked.push((ask, task));
    }

    /// What was not done is asked again; true where there was something.
    fn ask_again(&mut self) -> bool {
        let mut again = vec![];
        for (ask, task) in std::mem::take(&mut self.asked) {
            match task.is_finished() {
                false => self.asked.push((ask, task)),
                true if self.runtime.block_on(task).unwrap() => {}
                true => again.push(ask),
            }
        }
        let any = !again.is_empty();
        again.into_iter().for_each(|ask| self.ask(ask));
        any
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().build().unwrap()
}

impl World {
    /// From here on settings go by way of the log, where those that there are stand already.
    pub fn settings_by_log(&mut self) {
        let provisioner = Provisioner::new();
        provisioner.means.set(self.now.wall, self.epoch);
        let seeded = seed::provisioning(ACCOUNT, NumberId::from_bits(1), TrunkId::from_bits);
        let events = seeded.into_iter().map(|provisioned| provisioned.event).chain(registering::provisioning(ACCOUNT));
        // No two are of one time: listings are in order of creation.
        let mut at = self.now.wall - Duration::from_secs(1);
        for event in events {
            at = at + Duration::from_micros(1);
            let (category, id, (kind, version, data)) = stored(&event);
            let (cause, previous) = (None, EventHash::NONE);
            let draft =
                Draft { id: provisioner.means.event_id(), kind: kind.into(), version, at, cause, previous, data };
            let stream = StreamName::new(category, id);
            let (expected, life) = (Expected::NoStream, Life::Open);
            let append = Append { stream, expected, life, correlation: id, node: 1, events: vec![draft] };
            self.log.submit(vec![append], Arc::new(MustCommit));
        }
        self.exchange = Exchange::new(settings(self.epoch), Tables::default());
        self.provisioner = Some(provisioner);
        self.start_writer();
        self.serve();
    }

    /// The process begins: the writer reads what the log has, and what nobody answered is asked again.
    pub(super) fn start_writer(&mut self) {
        let Some(mut old) = self.provisioner.take() else { return };
        let asked = std::mem::take(&mut old.asked);
        let mut provisioner = Provisioner { runtime: runtime(), told: Arc::default(), writer: None, ..old };
        provisioner.means.set(self.now.wall, self.epoch);
        self.exchange.forget_settings();
        let (log, means, told) =
            (MemoryLog::clone(&self.log), Arc::clone(&provisioner.means), Arc::clone(&provisioner.told));
        let starts = provisioner.runtime.spawn(Provisioning::start(Arc::new(log), means, told, 1, None));
        while !starts.is_finished() {
            let told = provisioner.run();
            self.take_settings(&mut provisioner, told);
        }
        provisioner.writer = Some(provisioner.runtime.block_on(starts).unwrap().unwrap());
        asked.into_iter().for_each(|(ask, _)| provisioner.ask(ask));
        self.provisioner = Some(provisioner);
    }

    /// The API asks the writer for something, again and again until it answers.
    pub fn ask_writer<F>(&mut self, ask: impl Fn(Provisioning) -> F + Send + Sync + 'static)
    where
        F: Future<Output = bool> + Send + 'static,
    {
        if let Some(provisioner) = &mut self.provisioner {
            provisioner.ask(Arc::new(move |writer| Box::pin(ask(writer))));
        }
        self.settle();
    }

    /// The writer goes on, and the tables take what is durable.
    pub(super) fn go_on_writing(&mut self) {
        if self.is_dead() {
            return;
        }
        let Some(mut provisioner) = self.provisioner.take_if(|provisioner| !provisioner.asked.is_empty()) else {
            return;
        };
        provisioner.means.set(self.now.wall, self.epoch);
        loop {
            let told = provisioner.run();
            let more = !told.is_empty();
            self.take_settings(&mut provisioner, told);
            if !provisioner.ask_again() && !more {
                break;
            }
        }
        self.provisioner = Some(provisioner);
    }

    fn take_settings(&mut self, provisioner: &mut Provisioner, told: Vec<Told>) {
        for (events, done) in told {
            for mut provisioned in events {
                assert!(provisioned.event.open(&*self.keys), "the key of a secret is gone");
                if !provisioner.overlooks.is_about(&provisioned.event) {
                    self.exchange.provision(&provisioned);
                }
                provisioner.changed = self.now.moment;
            }
            // The writer may have died meanwhile.
            let _ = done.send(());
        }
    }

    /// When settings changed the last time.
    pub fn settings_changed(&self) -> Moment {
        self.provisioner.as_ref().map_or(Moment::from_micros(0), |provisioner| provisioner.changed)
    }

    /// The tables overlook from here on how trunks change: for sabotage.
    pub fn overlook_trunks(&mut self) {
        self.provisioner.iter_mut().for_each(|provisioner| provisioner.overlooks = Overlooks::Trunks);
    }

    /// They overlook from here on how credentials change and go, and nobody compares them with the log: for sabotage.
    pub fn overlook_users(&mut self) {
        self.provisioner.iter_mut().for_each(|provisioner| provisioner.overlooks = Overlooks::Users);
    }

    /// The routing tables, as the log tells them event by event from its beginning.
    fn told_tables(&self) -> Tables {
        let mut told = Tables::default();
        for recorded in autopsy::everything(&self.log) {
            if let Some(mut provisioned) = Provisioned::read(&recorded).unwrap() {
                provisioned.event.open(&*self.keys);
                told.apply(&provisioned);
            }
        }
        told
    }

    /// Whether, as the log tells, who knows this password may register as a user of [`DOMAIN`].
    pub fn may_register(&self, user: &str, password: &str) -> bool {
        let told = self.told_tables();
        let asked = told.domain(DOMAIN).is_some_and(|domain| domain.settings.auth == AuthRule::Digest);
        let secret = told.credential(DOMAIN, user).and_then(|known| known.secret.clone());
        asked && secret == Some(DigestSecret::from_password(user, DOMAIN, password))
    }

    /// The routing tables are what the log tells, event by event from its beginning, and those of a start now would be.
    #[track_caller]
    pub fn assert_tables(&self) {
        let compared = |provisioner: &&Provisioner| provisioner.overlooks != Overlooks::Users;
        let Some(provisioner) = self.provisioner.as_ref().filter(compared) else { return };
        let told = self.told_tables();
        let unlike = self.exchange.tables().unlike(&told);
        assert!(unlike.is_empty(), "routing tables are not what the log tells: {unlike:?}\n{}", self.ladder);
        let filled = Arc::new(Filled { tables: Mutex::default(), keys: self.keys() });
        let log = Arc::new(MemoryLog::clone(&self.log));
        let starts = Provisioning::start(log, Arc::<Minted>::default(), filled.clone(), 1, None);
        drop(provisioner.runtime.block_on(starts).unwrap());
        let unlike = filled.tables.lock().unwrap().unlike(&told);
        assert!(unlike.is_empty(), "a start reads other routing tables: {unlike:?}\n{}", self.ladder);
    }
}

/// Where an event that something begins with is stored, and how.
fn stored(event: &ProvisioningEvent) -> (&'static str, Uuid, (&'static str, u16, Bytes)) {
    fn parts<E: StoredEvent>(event: &E) -> (&'static str, u16, Bytes) {
        (event.kind(), event.version(), event.encode().unwrap())
    }
    match event {
        ProvisioningEvent::Account(event) => ("account", event.account().uuid(), parts(event)),
        ProvisioningEvent::Number(event @ NumberEvent::Claimed(claimed)) => ("number", claimed.id.uuid(), parts(event)),
        ProvisioningEvent::Trunk(event @ TrunkEvent::Added(added)) => ("trunk", added.id.uuid(), parts(event)),
        ProvisioningEvent::Domain(event @ DomainEvent::Added(added)) => ("domain", added.id.uuid(), parts(event)),
        ProvisioningEvent::Credential(event @ CredentialEvent::Added(added)) => {
            ("credential", added.id.uuid(), parts(event))
        }
        other => panic!("nothing begins with {other:?}"),
    }
}
