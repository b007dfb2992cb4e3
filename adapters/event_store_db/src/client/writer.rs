//! The one task that writes: what is submitted goes to the store in one batch session, answers come back in order.
//!
//! The client crate's session ends with the first append that is refused, and then says nothing of the others. So whatever
//! was sent and not answered with yes is looked for in the store ([`resolve`]) and, where it is not there, sent again with
//! the same ids. While the store is away, or takes nothing, what was never sent is answered with
//! [`AppendError::Unavailable`]; what was sent waits until it is written: it may be there, or be on its way.
//!
//! A stream that cannot be read while the store can is that stream's trouble alone: its append is
//! [`AppendError::Unknown`], and whoever writes it stops.

use super::connection::{PATIENCE, Trouble};
use super::entry::{Doubt, Entries, Entry, Stage, tell};
use super::event::data_of;
use super::resolve::{Found, resolve};
use super::{Shared, Submission, read};
use domain::log::{Append, AppendError, Durable, Expected, Life, Position, Revision};
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use kurrentdb::{BatchAppendClient, BatchWriteResult, Error, StreamState};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Appends that the store has to answer for at once.
const IN_FLIGHT: usize = 1_024;
/// Appends that try whether a store that was away takes any again.
const PROBES: usize = 4;
/// Appends whose streams are read at once.
const RESOLVING: usize = 16;
/// How often it is looked whether something takes too long.
const TICK: Duration = Duration::from_millis(250);
/// After a failure nothing is tried for this long, and for up to so long where it goes on.
const AGAIN: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// So many closings are noted without waiting for anything else.
const NOTES: usize = 64;

/// Something that was waited for.
enum Came {
    /// A session, or why there is none.
    Session(Result<BatchAppendClient, Trouble>),
    /// The answer to an append, by its number and that of its session.
    Answer(u64, u64, Result<BatchWriteResult, Error>),
    /// What a stream tells.
    Resolved(u64, Result<Found, Trouble>),
}

/// The batch session.
enum Session {
    None,
    Opening,
    Open(Arc<BatchAppendClient>),
}

/// See the module.
pub struct Writer {
    shared: Arc<Shared>,
    entries: Entries,
    session: Session,
    /// Which session it is: answers of earlier ones tell nothing.
    generation: u64,
    flights: FuturesUnordered<BoxFuture<'static, Came>>,
    resolving: usize,
    /// Nothing is tried before that.
    pause: Option<Instant>,
    /// Why the store is away, where that was said. It ends with an append that was written.
    away: Option<String>,
    pause_for: Duration,
    /// Since when closings wait to be noted.
    noted_since: Option<Instant>,
}

impl Writer {
    pub fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            entries: Entries::default(),
            session: Session::None,
            generation: 0,
            flights: FuturesUnordered::new(),
            resolving: 0,
            pause: None,
            away: None,
            pause_for: AGAIN.0,
            noted_since: None,
        }
    }

    /// Works until nobody can submit any more.
    pub async fn work(mut self, mut submissions: mpsc::UnboundedReceiver<Submission>) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                submission = submissions.recv() => match submission {
                    Some(submission) => {
                        self.take(submission);
                        // What came meanwhile goes along.
                        while let Ok(submission) = submissions.try_recv() {
                            self.take(submission);
                        }
                    }
                    None => return,
                },
                Some(came) = self.flights.next(), if !self.flights.is_empty() => {
                    self.came(came);
                    while let Some(Some(came)) = self.flights.next().now_or_never() {
                        self.came(came);
                    }
                }
                _ = tick.tick() => self.look_at_the_clock(),
            }
            self.advance();
        }
    }

    fn take(&mut self, submission: Submission) {
        let Submission { appends, reply } = submission;
        for append in appends {
            self.entries.add(append, Some(Arc::clone(&reply)));
        }
    }

    /// Whether nothing is tried now.
    const fn rests(&self) -> bool {
        self.pause.is_some()
    }

    /// Does whatever can be done without waiting.
    fn advance(&mut self) {
        if self.rests() {
            self.refuse_unsent();
        }
        self.note();
        self.send();
        // Sending asks for openings.
        if self.note() {
            self.send();
        }
        self.read_doubtful();
        self.answer();
    }

    /// What was never sent will not be: the store is away.
    fn refuse_unsent(&mut self) {
        let why = self.away.clone().unwrap_or_default();
        for number in self.entries.unsent() {
            self.entries.set(number, Stage::Done(Err(AppendError::Unavailable(why.clone()))));
        }
    }

    /// Puts notes of the live list among the appends, where it is time; answers whether it did.
    fn note(&mut self) -> bool {
        let mut live = self.shared.live();
        let (notes, urgent) = live.waiting();
        if notes == 0 {
            self.noted_since = None;
            return false;
        }
        let since = *self.noted_since.get_or_insert_with(Instant::now);
        let due = urgent || notes >= NOTES || since.elapsed() >= Duration::from_secs(1);
        if live.is_flying() || !due || self.pause.is_some() {
            return false;
        }
        let append = live.take();
        drop(live);
        self.noted_since = None;
        self.entries.add(append, None);
        true
    }

    fn send(&mut self) {
        if self.rests() {
            return;
        }
        let most = if self.away.is_some() { PROBES } else { IN_FLIGHT };
        let room = most.saturating_sub(self.entries.in_flight());
        let numbers = self.entries.sendable(&mut self.shared.live(), room);
        if numbers.is_empty() {
            return;
        }
        let session = match &self.session {
            Session::Open(session) => Arc::clone(session),
            Session::Opening => return,
            Session::None => return self.open_session(),
        };
        for number in numbers {
            self.send_one(&session, number);
        }
    }

    fn open_session(&mut self) {
        self.session = Session::Opening;
        let shared = Arc::clone(&self.shared);
        self.flights.push(async move { Came::Session(shared.connection.batch().await) }.boxed());
    }

    fn send_one(&mut self, session: &Arc<BatchAppendClient>, number: u64) {
        let head = Position(self.shared.head.load(std::sync::atomic::Ordering::Relaxed));
        let Some(append) = self.entries.get(number).map(|entry| Arc::clone(&entry.append)) else { return };
        self.entries.set(number, Stage::Sent(Instant::now(), head));
        let (session, generation) = (Arc::clone(session), self.generation);
        let mut answer = async move {
            let state = match append.expected {
                Expected::NoStream => StreamState::NoStream,
                Expected::Exactly(Revision(last)) => StreamState::StreamRevision(last),
            };
            let events = append.events.iter().map(|draft| data_of(&append, draft)).collect();
            let result = session.append_to_stream(append.stream.as_str(), state, events).await;
            Came::Answer(number, generation, result)
        }
        .boxed();
        // Begun here and now, so that appends leave in order.
        match (&mut answer).now_or_never() {
            Some(came) => self.came(came),
            None => self.flights.push(answer),
        }
    }

    fn came(&mut self, came: Came) {
        match came {
            // That proves nothing: it is open before the store has said a word.
            Came::Session(Ok(session)) => self.session = Session::Open(Arc::new(session)),
            Came::Session(Err(trouble)) => {
                self.session = Session::None;
                self.away(trouble.to_string());
            }
            Came::Answer(number, generation, result) => self.answered(number, generation, result),
            Came::Resolved(number, found) => self.resolved(number, found),
        }
    }

    fn answered(&mut self, number: u64, generation: u64, result: Result<BatchWriteResult, Error>) {
        match result {
            Ok(written) => {
                let Some(entry) = self.entries.get(number) else { return };
                let Stage::Sent(_, head) = entry.stage else { return };
                let last = entry.append.expected.next().0 + entry.append.events.len() as u64 - 1;
                match written.current_position().map(|position| Position(position.commit)) {
                    // Nothing new is written at a position that was seen before: then the stream may have gone on since.
                    Some(position) if position > head && i64::try_from(position.0).is_ok() => {
                        let life = entry.append.life;
                        let durable = Durable::after_commit(entry.append.stream.clone(), Revision(last), position);
                        self.done(number, durable, life);
                        self.back();
                    }
                    _ => self.entries.set(number, Stage::Doubtful(Doubt::Unanswered)),
                }
            }
            Err(error) => {
                if self.entries.get(number).is_some_and(|entry| matches!(entry.stage, Stage::Sent(..))) {
                    self.entries.set(number, Stage::Doubtful(Doubt::from(&error)));
                }
                if generation == self.generation {
                    self.session_broke(&Doubt::beside(&error));
                    self.shared.connection.session_broke(&error);
                }
            }
        }
    }

    /// Nothing of this session will be answered any more.
    fn session_broke(&mut self, doubt: &Doubt) {
        self.session = Session::None;
        self.generation += 1;
        for number in self.entries.which(|stage| matches!(stage, Stage::Sent(..))) {
            self.entries.set(number, Stage::Doubtful(doubt.clone()));
        }
    }

    fn resolved(&mut self, number: u64, found: Result<Found, Trouble>) {
        self.resolving -= 1;
        let Some(Entry { append, stage, sent, .. }) = self.entries.get(number) else { return };
        let Stage::Resolving(doubt) = stage else { return };
        let (append, doubt, sent) = (Arc::clone(append), doubt.clone(), *sent);
        let next = match found {
            Ok(Found::Written(durable, life)) => return self.done(number, durable, life),
            Ok(Found::Elsewhere(actual)) => Stage::Done(Err(AppendError::WrongRevision {
                stream: append.stream.clone(),
                expected: append.expected,
                actual,
            })),
            Ok(Found::NotThere) => match doubt {
                Doubt::Unanswered | Doubt::Cut => {
                    if doubt.in_vain(sent) {
                        self.away("the store answers no appends".into());
                    }
                    Stage::Waits
                }
                Doubt::Refused(why) => Stage::Done(Err(AppendError::Invalid(why))),
                Doubt::ForNow(why) => {
                    self.away(why);
                    Stage::Waits
                }
            },
            Err(trouble @ (Trouble::Away(_) | Trouble::NotLeader(_))) => {
                self.away(trouble.to_string());
                Stage::Doubtful(doubt)
            }
            Err(trouble @ (Trouble::Refused(_) | Trouble::Damaged(..) | Trouble::NotFound | Trouble::Deleted)) => {
                self.unreadable(number, &trouble)
            }
        };
        let failed = matches!(next, Stage::Done(_));
        self.entries.set(number, next);
        if failed {
            self.shared.live().not_written(&append.stream);
        }
    }

    /// One stream cannot be read, and the others can. Where it is the live list, nothing can be opened any more.
    fn unreadable(&mut self, number: u64, trouble: &Trouble) -> Stage {
        let Some(Entry { append, reply, .. }) = self.entries.get(number) else { return Stage::Waits };
        let stream = append.stream.clone();
        tracing::error!(%stream, %trouble, "a stream in the event store cannot be read: nothing more is written to it");
        if reply.is_none() {
            self.away(format!("the list of live streams {stream} cannot be read: {trouble}"));
        }
        Stage::Done(Err(AppendError::Unknown(stream)))
    }

    /// An append is in the store, and its stream stands so since.
    fn done(&mut self, number: u64, durable: Durable, life: Life) {
        let Some(entry) = self.entries.get(number) else { return };
        let append: Arc<Append> = Arc::clone(&entry.append);
        let ours = entry.reply.is_some();
        let position = durable.position();
        self.entries.set(number, Stage::Done(Ok(durable)));
        let mut live = self.shared.live();
        if ours {
            live.written(&append.stream, life);
        } else {
            live.landed(&append);
        }
        drop(live);
        if ours {
            self.shared.saw(position);
        }
    }

    fn read_doubtful(&mut self) {
        if self.rests() || !self.entries.has_doubtful() {
            return;
        }
        let room = RESOLVING.saturating_sub(self.resolving);
        let doubtful = self.entries.which(|stage| matches!(stage, Stage::Doubtful(_)));
        for number in doubtful.into_iter().take(room) {
            let Some(Entry { append, stage: Stage::Doubtful(doubt), .. }) = self.entries.get(number) else { continue };
            let (append, doubt) = (Arc::clone(append), doubt.clone());
            self.entries.set(number, Stage::Resolving(doubt));
            self.resolving += 1;
            let shared = Arc::clone(&self.shared);
            self.flights
                .push(async move { Came::Resolved(number, resolve(&shared.connection, &append).await) }.boxed());
        }
    }

    fn answer(&mut self) {
        let due = self.entries.take_due();
        for entry in due.iter().filter(|entry| entry.reply.is_none()) {
            self.noted(&entry.stage);
        }
        let count = due.iter().filter(|entry| entry.reply.is_some()).count();
        self.shared.waiting.fetch_sub(count, std::sync::atomic::Ordering::Relaxed);
        tell(due);
    }

    /// What became of an append of the live list that was not written.
    fn noted(&mut self, stage: &Stage) {
        let Stage::Done(Err(error)) = stage else { return };
        self.shared.live().lost();
        if let AppendError::WrongRevision { stream, .. } | AppendError::Unknown(stream) = error {
            tracing::error!(%stream, "another process writes as this node: node numbers must differ");
            let shared = Arc::clone(&self.shared);
            let stream = stream.clone();
            tokio::spawn(async move {
                match read::end_of(&shared.connection, &stream).await {
                    Ok(Some((last, hash))) => shared.live().overtaken(last, hash),
                    Ok(None) => {}
                    Err(trouble) => tracing::error!(%trouble, "the list of live streams cannot be read"),
                }
            });
        }
    }

    fn away(&mut self, why: String) {
        if self.away.is_none() {
            tracing::error!(%why, "the event store is away: calls wait, new ones are refused");
        }
        self.away = Some(why);
        self.pause = Some(Instant::now() + self.pause_for);
        self.pause_for = (self.pause_for * 2).min(AGAIN.1);
    }

    fn back(&mut self) {
        if self.away.take().is_some() {
            tracing::info!("the event store is back");
        }
        self.pause = None;
        self.pause_for = AGAIN.0;
    }

    fn look_at_the_clock(&mut self) {
        if self.pause.is_some_and(|until| until <= Instant::now()) {
            // Not back yet, but it is tried: whatever waits goes out, or fails again.
            self.pause = None;
        }
        let late = |stage: &Stage| matches!(stage, Stage::Sent(at, _) if at.elapsed() > PATIENCE);
        if self.entries.in_flight() > 0 && !self.entries.which(late).is_empty() {
            tracing::warn!(
                seconds = PATIENCE.as_secs(),
                "the event store has not answered: its connection is made anew"
            );
            self.session_broke(&Doubt::Unanswered);
        }
    }
}
