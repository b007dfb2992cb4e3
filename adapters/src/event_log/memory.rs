//! The log in memory: for tests and the simulator. Same contract, nothing survives the process.

use super::follow::{Follower, Source};
use super::tail::{Page, Tail};
use super::{Stored, check, lock};
use domain::log::{
    Append, AppendError, Committed, Direction, Durable, EventLog, Expected, Filter, Follow, Life, Outcome, PortFuture,
    Position, ReadError, Recorded, Revision, StreamName,
};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex};

/// The log in memory. Commits within `submit` unless [`MemoryLog::hold`] was called. Clones share one log.
#[derive(Clone)]
pub struct MemoryLog {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    tail: Tail,
}

#[derive(Default)]
struct State {
    appends: Vec<Arc<Stored>>,
    streams: HashMap<StreamName, Vec<Arc<Stored>>>,
    /// Live streams by the position that opened them.
    live: BTreeMap<Position, StreamName>,
    opened: HashMap<StreamName, Position>,
    held: bool,
    waiting: VecDeque<(Append, Arc<dyn Committed>)>,
    failures: VecDeque<Failure>,
}

enum Failure {
    /// Answered with this error; nothing is written.
    Refused(AppendError),
    /// Written, and answered with [`AppendError::Unknown`].
    AnswerLost,
}

impl Default for MemoryLog {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryLog {
    /// An empty log.
    pub fn new() -> Self {
        Self { shared: Arc::new(Shared { state: Mutex::default(), tail: Tail::new(Position(0), usize::MAX) }) }
    }

    /// From now on appends wait for [`MemoryLog::commit_next`].
    pub fn hold(&self) {
        lock(&self.shared.state).held = true;
    }

    /// Commits what waits and, from now on, at once.
    pub fn release(&self) {
        lock(&self.shared.state).held = false;
        self.commit_next(usize::MAX);
    }

    /// Commits the `n` oldest waiting appends as one group and delivers their outcomes; answers how many there were.
    pub fn commit_next(&self, n: usize) -> usize {
        let mut state = lock(&self.shared.state);
        let n = n.min(state.waiting.len());
        let group: Vec<_> = state.waiting.drain(..n).collect();
        let mut fresh = Vec::new();
        let mut replies: Vec<(Arc<dyn Committed>, Vec<Outcome>)> = Vec::new();
        for (append, reply) in group {
            let stream = append.stream.clone();
            let result = state.append(append, self.shared.tail.head(), &mut fresh);
            let outcome = Outcome { stream, result };
            match replies.iter_mut().find(|(known, _)| Arc::ptr_eq(known, &reply)) {
                Some((_, outcomes)) => outcomes.push(outcome),
                None => replies.push((reply, vec![outcome])),
            }
        }
        self.shared.tail.publish(fresh);
        drop(state);
        for (reply, outcomes) in replies {
            reply.committed(outcomes);
        }
        n
    }

    /// Appends that wait.
    pub fn waiting(&self) -> usize {
        lock(&self.shared.state).waiting.len()
    }

    /// Drops what waits without an outcome, as the death of the process does.
    pub fn lose_waiting(&self) {
        lock(&self.shared.state).waiting.clear();
    }

    /// The next append whose turn comes is answered with this error and not written. Repeated calls queue up.
    pub fn fail_next(&self, error: AppendError) {
        lock(&self.shared.state).failures.push_back(Failure::Refused(error));
    }

    /// The next append whose turn comes is written, but answered with [`AppendError::Unknown`].
    pub fn lose_next_answer(&self) {
        lock(&self.shared.state).failures.push_back(Failure::AnswerLost);
    }
}

impl State {
    fn append(&mut self, append: Append, head: Position, fresh: &mut Vec<Arc<Stored>>) -> Result<Durable, AppendError> {
        let stream = append.stream.clone();
        match self.failures.pop_front() {
            Some(Failure::Refused(error)) => Err(error),
            Some(Failure::AnswerLost) => self.write(append, head, fresh).and(Err(AppendError::Unknown(stream))),
            None => self.write(append, head, fresh),
        }
    }

    fn write(&mut self, append: Append, head: Position, fresh: &mut Vec<Arc<Stored>>) -> Result<Durable, AppendError> {
        check(&append)?;
        let stream = append.stream.clone();
        let known = self.streams.entry(stream.clone()).or_default();
        let last = known.last().map(|stored| stored.last_revision());
        if last.map_or(Expected::NoStream, Expected::Exactly) != append.expected {
            let first = append.expected.next();
            let repeated = known.iter().find(|stored| stored.append.expected.next() == first);
            return match repeated.filter(|stored| stored.append == append) {
                Some(stored) => Ok(Durable::after_commit(stream, stored.last_revision(), stored.last())),
                None => Err(AppendError::WrongRevision { stream, expected: append.expected, actual: last }),
            };
        }
        let newest = fresh.last().map_or(head, |stored| stored.last());
        let stored = Arc::new(Stored { first: Position(newest.0 + 1), append });
        known.push(stored.clone());
        self.appends.push(stored.clone());
        self.live(&stored);
        fresh.push(stored.clone());
        Ok(Durable::after_commit(stream, stored.last_revision(), stored.last()))
    }

    fn live(&mut self, stored: &Stored) {
        let stream = &stored.append.stream;
        match stored.append.life {
            Life::Open => {
                let opened = *self.opened.entry(stream.clone()).or_insert(stored.first);
                self.live.insert(opened, stream.clone());
            }
            Life::Closed => {
                if let Some(opened) = self.opened.remove(stream) {
                    self.live.remove(&opened);
                }
            }
        }
    }
}

impl Shared {
    /// At most `limit` events of these appends that are wanted, from that end.
    fn collect(
        &self,
        appends: &[Arc<Stored>],
        direction: Direction,
        limit: usize,
        wanted: impl Fn(&Recorded) -> bool,
    ) -> Vec<Recorded> {
        let mut kinds = lock(self.tail.kinds());
        let places =
            appends.iter().flat_map(|stored| (0..stored.append.events.len()).map(move |index| (stored, index)));
        let events = |(stored, index): (&Arc<Stored>, usize)| stored.recorded(index, &mut kinds);
        match direction {
            Direction::Forwards => places.filter_map(events).filter(wanted).take(limit).collect(),
            Direction::Backwards => places.rev().filter_map(events).filter(wanted).take(limit).collect(),
        }
    }

    fn stream(&self, stream: &StreamName, from: Revision, direction: Direction, limit: usize) -> Vec<Recorded> {
        let state = lock(&self.state);
        let Some(appends) = state.streams.get(stream) else { return Vec::new() };
        match direction {
            Direction::Forwards => {
                let start = appends.partition_point(|stored| stored.last_revision() < from);
                self.collect(&appends[start..], direction, limit, |event| event.revision >= from)
            }
            Direction::Backwards => {
                let end = appends.partition_point(|stored| stored.append.expected.next() <= from);
                self.collect(&appends[..end], direction, limit, |event| event.revision <= from)
            }
        }
    }

    fn all(&self, from: Position, direction: Direction, filter: &Filter, limit: usize) -> Vec<Recorded> {
        let state = lock(&self.state);
        let admitted = |event: &Recorded| filter.admits(&event.stream, &event.kind);
        match direction {
            Direction::Forwards => {
                let start = state.appends.partition_point(|stored| stored.last() <= from);
                let wanted = |event: &Recorded| event.position > from && admitted(event);
                self.collect(&state.appends[start..], direction, limit, wanted)
            }
            Direction::Backwards => {
                let end = state.appends.partition_point(|stored| stored.first < from);
                let wanted = |event: &Recorded| event.position < from && admitted(event);
                self.collect(&state.appends[..end], direction, limit, wanted)
            }
        }
    }
}

impl Source for Shared {
    fn tail(&self) -> &Tail {
        &self.tail
    }

    /// Never needed: the tail forgets nothing.
    fn older(
        &self,
        after: Position,
        head: Position,
        filter: Arc<Filter>,
        limit: usize,
    ) -> PortFuture<'_, Result<Page, ReadError>> {
        let events = self.all(after, Direction::Forwards, &filter, limit);
        let seen = if events.len() < limit { head } else { events.last().map_or(head, |event| event.position) };
        Box::pin(std::future::ready(Ok(Page { events, seen })))
    }
}

impl EventLog for MemoryLog {
    fn submit(&self, appends: Vec<Append>, reply: Arc<dyn Committed>) {
        let held = {
            let mut state = lock(&self.shared.state);
            state.waiting.extend(appends.into_iter().map(|append| (append, reply.clone())));
            state.held
        };
        if !held {
            self.commit_next(usize::MAX);
        }
    }

    fn read_stream<'a>(
        &'a self,
        stream: &'a StreamName,
        from: Revision,
        direction: Direction,
        limit: usize,
    ) -> PortFuture<'a, Result<Vec<Recorded>, ReadError>> {
        Box::pin(std::future::ready(Ok(self.shared.stream(stream, from, direction, limit))))
    }

    fn read_all<'a>(
        &'a self,
        from: Position,
        direction: Direction,
        filter: &'a Filter,
        limit: usize,
    ) -> PortFuture<'a, Result<Vec<Recorded>, ReadError>> {
        Box::pin(std::future::ready(Ok(self.shared.all(from, direction, filter, limit))))
    }

    fn follow(&self, after: Position, filter: Filter) -> Box<dyn Follow> {
        Box::new(Follower::new(self.shared.clone(), after, filter))
    }

    fn open_streams(&self) -> PortFuture<'_, Result<Vec<StreamName>, ReadError>> {
        let streams = lock(&self.shared.state).live.values().cloned().collect();
        Box::pin(std::future::ready(Ok(streams)))
    }

    fn head(&self) -> Position {
        self.shared.tail.head()
    }
}
