//! The single writer: adds the facts that a decision needs, appends, waits for the disk, updates routing and the
//! directory, and then answers. Claims of different numbers that wait together share one commit.

use super::directory::Directory;
use super::inner::Recall;
use super::load::{catch_up, route_by};
use super::order::{Job, Order, Rejection, Unavailable, unavailable};
use super::{Means, TablesSink};
use crate::event_log::commit::commit;
use bytes::Bytes;
use domain::credential::CredentialEvent;
use domain::decider::{Aggregate, EncodeError, StoredEvent};
use domain::domain_name::DomainEvent;
use domain::log::{
    Append, AppendError, Draft, Durable, EventHash, EventLog, Expected, Life, Position, Revision, StreamName,
};
use domain::number::NumberEvent;
use domain::routing::{Provisioned, ProvisioningEvent};
use domain::time::WallTime;
use domain::trunk::TrunkEvent;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use uuid::Uuid;

/// Claims that share a commit at most.
const BATCH: usize = 256;

pub(super) struct Writer {
    log: Arc<dyn EventLog>,
    means: Arc<dyn Means>,
    sink: Arc<dyn TablesSink>,
    pub(super) directory: Arc<Directory>,
    node: u16,
    /// No event is older than this, and no two are of the same microsecond: listings are in order of creation.
    newest: WallTime,
    /// Streams whose last append has an unknown outcome; nothing is decided before they are read again.
    frozen: Vec<StreamName>,
    /// Taken from the queue, but not of the last batch.
    held_over: Option<Job>,
}

/// What a decision would append.
pub(super) struct Plan {
    append: Append,
    events: Vec<ProvisioningEvent>,
}

/// Why there is nothing to append.
pub(super) enum NoPlan {
    Rejected(Rejection),
    Unavailable(Unavailable),
    /// Everything is as asked already.
    Nothing,
}

impl From<EncodeError> for NoPlan {
    fn from(fault: EncodeError) -> Self {
        Self::Unavailable(unavailable(fault))
    }
}

impl Writer {
    pub(super) fn new(
        log: Arc<dyn EventLog>,
        means: Arc<dyn Means>,
        sink: Arc<dyn TablesSink>,
        directory: Arc<Directory>,
        node: u16,
    ) -> Self {
        let newest = directory.newest();
        Self { log, means, sink, directory, node, newest, frozen: vec![], held_over: None }
    }

    /// Works until every handle is gone.
    pub(super) async fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        loop {
            let first = match self.held_over.take() {
                Some(job) => job,
                None => match jobs.recv().await {
                    Some(job) => job,
                    None => return,
                },
            };
            let batch = self.batch(first, &mut jobs);
            if let Err(away) = self.thaw().await {
                batch.into_iter().for_each(|job| drop(job.reply.send(Err(away.clone()))));
                continue;
            }
            self.work(batch).await;
        }
    }

    /// Claims of different numbers cannot change each other's outcome, nor can credentials of different users, so they
    /// go together; all else goes alone.
    fn batch(&mut self, first: Job, jobs: &mut mpsc::Receiver<Job>) -> Vec<Job> {
        let (mut numbers, mut users) = (HashSet::new(), HashSet::new());
        let mut joins = |order: &Order| {
            matches!(order, Order::Claim { number, .. } if numbers.insert(*number))
                || matches!(order, Order::AddCredential { realm, username, .. }
                    if users.insert((realm.clone(), username.clone())))
        };
        let grows = joins(&first.order);
        let mut batch = vec![first];
        while grows && batch.len() < BATCH {
            match jobs.try_recv() {
                Ok(job) if joins(&job.order) => batch.push(job),
                Ok(job) => {
                    self.held_over = Some(job);
                    break;
                }
                Err(_) => break,
            }
        }
        batch
    }

    async fn work(&mut self, batch: Vec<Job>) {
        let mut planned = Vec::with_capacity(batch.len());
        for Job { order, reply } in batch {
            match self.plan(order) {
                Ok(plan) => planned.push((plan, reply)),
                Err(NoPlan::Rejected(rejection)) => drop(reply.send(Ok(Err(rejection)))),
                Err(NoPlan::Unavailable(away)) => drop(reply.send(Err(away))),
                Err(NoPlan::Nothing) => drop(reply.send(Ok(Ok(self.directory.position())))),
            }
        }
        let appends = planned.iter().map(|(plan, _)| plan.append.clone()).collect();
        let outcomes = commit(self.log.as_ref(), appends).await;
        for ((plan, reply), outcome) in planned.into_iter().zip(outcomes) {
            let answer = self.settle(plan, outcome).await;
            // Whoever asked may be gone by now; what was asked is done all the same.
            drop(reply.send(answer.map(Ok)));
        }
    }

    pub(super) fn append<A: Aggregate>(
        &mut self,
        id: Uuid,
        decided: Result<Vec<A::Event>, A::Rejection>,
    ) -> Result<Plan, NoPlan>
    where
        A::Event: Clone + Into<ProvisioningEvent>,
        A::Rejection: Into<Rejection>,
    {
        let events = decided.map_err(|rejection| NoPlan::Rejected(rejection.into()))?;
        if events.is_empty() {
            return Err(NoPlan::Nothing);
        }
        let stream = StreamName::new(A::CATEGORY, id);
        let end = self.directory.end_of(&stream);
        let (expected, mut previous) =
            end.map_or((Expected::NoStream, EventHash::NONE), |(last, hash)| (Expected::Exactly(last), hash));
        let drafts: Vec<(&'static str, u16, Bytes)> = events
            .iter()
            .map(|event| event.encode().map(|data| (event.kind(), event.version(), data)))
            .collect::<Result<_, _>>()?;
        let events: Vec<ProvisioningEvent> = events.into_iter().map(Into::into).collect();
        let life = if events.last().is_some_and(ends_life) { Life::Closed } else { Life::Open };
        let mut append = Append { stream, expected, life, correlation: id, node: self.node, events: vec![] };
        for (kind, version, data) in drafts {
            let at = self.tick();
            let id = self.means.event_id();
            append.events.push(Draft { id, kind: kind.into(), version, at, cause: None, previous, data });
            previous = append.hash_of(append.events.len() - 1).unwrap_or(EventHash::NONE);
        }
        Ok(Plan { append, events })
    }

    fn tick(&mut self) -> WallTime {
        self.newest = self.means.now().max(self.newest + Duration::from_micros(1));
        self.newest
    }

    async fn settle(&mut self, plan: Plan, outcome: Result<Durable, AppendError>) -> Result<Position, Unavailable> {
        let Plan { append, events } = plan;
        let error = match outcome {
            Ok(durable) => {
                let recalls = recalls(&append, events, durable.position());
                route_by(&*self.sink, &recalls).await;
                self.directory.apply(&recalls);
                return Ok(durable.position());
            }
            Err(error) => error,
        };
        tracing::error!(stream = %append.stream, "provisioning.append_failed: {error}");
        match error {
            AppendError::Unavailable(why) => Err(unavailable(why)),
            AppendError::Invalid(_) => Err(unavailable(error)),
            AppendError::WrongRevision { .. } | AppendError::Unknown(_) => {
                let ours = append.events.first().map(|event| event.id);
                let found = match self.read_again(&append.stream).await {
                    Ok(recalls) => recalls,
                    Err(away) => {
                        self.frozen.push(append.stream);
                        return Err(away);
                    }
                };
                let written = found.iter().any(|recall| Some(recall.id) == ours);
                let last = found.last().map(|recall| recall.event.position);
                last.filter(|_| written).ok_or_else(|| unavailable(error))
            }
        }
    }

    async fn thaw(&mut self) -> Result<(), Unavailable> {
        while let Some(stream) = self.frozen.last().cloned() {
            self.read_again(&stream).await?;
            self.frozen.pop();
        }
        Ok(())
    }

    async fn read_again(&self, stream: &StreamName) -> Result<Vec<Recall>, Unavailable> {
        let read = catch_up(self.log.as_ref(), self.sink.as_ref(), &self.directory, stream).await;
        read.map_err(unavailable)
    }
}

pub(super) fn rejected(rejection: impl Into<Rejection>) -> NoPlan {
    NoPlan::Rejected(rejection.into())
}

const fn ends_life(event: &ProvisioningEvent) -> bool {
    matches!(
        event,
        ProvisioningEvent::Number(NumberEvent::Released(_))
            | ProvisioningEvent::Trunk(TrunkEvent::Removed(_))
            | ProvisioningEvent::Domain(DomainEvent::Removed(_))
            | ProvisioningEvent::Credential(CredentialEvent::Removed(_))
    )
}

fn recalls(append: &Append, events: Vec<ProvisioningEvent>, position: Position) -> Vec<Recall> {
    let first = append.expected.next().0;
    let places = (first..).zip(&append.events).enumerate();
    let recall = |((index, (revision, draft)), event): ((usize, (u64, &Draft)), ProvisioningEvent)| {
        let hash = append.hash_of(index)?;
        let event = Provisioned { position, revision: Revision(revision), at: draft.at, event };
        Some(Recall { event, id: draft.id, hash })
    };
    places.zip(events).filter_map(recall).collect()
}
