//! Registrations at the start of an exchange, and when the shard finds a stream elsewhere than it thought.

use adapters::exchange::{Inbox, Notice};
use adapters::kept::{Derive, Derived, Openers, Shelf};
use adapters::keyring::Keyring;
use domain::codec::DecodeError;
use domain::exchange::MAY_NOT_HAVE_LEFT;
use domain::log::{
    Direction, EventLog, Filter, Part, PortFuture, Position, ReadError, Recorded, Revision, StreamName, Together,
};
use domain::registration::{Aor, LAST_TURN, Restored, TAIL, read_tail};
use domain::time::WallTime;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinHandle};

/// A registration's stream that could not be read is read again after this long.
const READ_AGAIN: Duration = Duration::from_secs(1);

/// Category of the streams.
const CATEGORIES: [&str; 1] = [Aor::CATEGORY];

/// Streams and what they say of bindings.
type Page = Vec<(StreamName, Result<Restored, DecodeError>)>;

/// See [`restore_registrations`]: it runs on by itself.
pub(super) fn restoring(
    log: &Arc<dyn EventLog>,
    keyring: &Arc<Keyring>,
    inbox: &Arc<Inbox>,
    (shelf, streams): (Option<Arc<Shelf>>, Vec<StreamName>),
) -> JoinHandle<Result<(), ReadError>> {
    tokio::spawn(restore_registrations(Arc::clone(log), Arc::clone(keyring), Arc::clone(inbox), shelf, streams))
}

/// Bindings live longer than the process: every address's stream that is open is taken up again, by what is kept of it or
/// from the log. What they say is read here, so that the shard has but to keep it.
async fn restore_registrations(
    log: Arc<dyn EventLog>,
    keyring: Arc<Keyring>,
    inbox: Arc<Inbox>,
    shelf: Option<Arc<Shelf>>,
    mut streams: Vec<StreamName>,
) -> Result<(), ReadError> {
    inbox.tell(Notice::ExpectAddresses(streams.len()));
    let newest = log.read_all(Position(u64::MAX), Direction::Backwards, &Filter::default(), 1).await?;
    let answered_since = newest.first().map_or(WallTime::default(), |event| event.at - MAY_NOT_HAVE_LEFT);
    if let Some(shelf) = shelf {
        let tell = kept_to(Arc::clone(&inbox));
        streams = shelf.take_up(&*log, &CATEGORIES, streams, tell).await?;
    }
    let out = Arc::new(move |page| inbox.tell(Notice::Bindings(page)));
    Reader { log, keyring, out, answered_since }.read(streams).await
}

/// Tells the shard what is kept of streams; those of which nothing can be made are given back.
fn kept_to(inbox: Arc<Inbox>) -> impl Fn(Derived) -> Vec<StreamName> + Clone {
    move |derived| {
        let (mut bindings, mut refused) = (Vec::with_capacity(derived.len()), vec![]);
        for (stream, bytes) in derived {
            match Restored::kept(&bytes) {
                Some(restored) => bindings.push((stream, Ok(restored))),
                None => refused.push(stream),
            }
        }
        inbox.tell(Notice::Bindings(bindings));
        refused
    }
}

/// Reads bindings for what is kept of them.
pub(super) struct Addresses {
    pub log: Arc<dyn EventLog>,
    pub keyring: Arc<Keyring>,
}

impl Derive for Addresses {
    fn categories(&self) -> &'static [&'static str] {
        &CATEGORIES
    }

    fn derive(&self, streams: Vec<StreamName>, out: mpsc::Sender<Derived>) -> PortFuture<'_, Result<(), ReadError>> {
        let (told, mut pages) = mpsc::unbounded_channel::<Page>();
        // Who asked may have gone.
        let tell = Arc::new(move |page| drop(told.send(page)));
        // No answer is asked for: none is kept.
        let answered_since = WallTime::from_micros(i64::MAX);
        let reader =
            Reader { log: Arc::clone(&self.log), keyring: Arc::clone(&self.keyring), out: tell, answered_since };
        let sending = async move {
            while let Some(page) = pages.recv().await {
                let keep = |(stream, restored): (StreamName, Result<Restored, DecodeError>)| {
                    let bytes = restored.ok()?.keep()?;
                    Some((stream, bytes))
                };
                // Who asked may have gone.
                let _ = out.send(page.into_iter().filter_map(keep).collect()).await;
            }
        };
        Box::pin(async move { tokio::join!(reader.read(streams), sending).0 })
    }
}

/// What is needed to read bindings.
#[derive(Clone)]
struct Reader {
    log: Arc<dyn EventLog>,
    keyring: Arc<Keyring>,
    out: Arc<dyn Fn(Page) + Send + Sync>,
    /// Who was answered since then may not have heard it.
    answered_since: WallTime,
}

impl Reader {
    /// Reads these streams, of each as little as is enough.
    async fn read(self, mut streams: Vec<StreamName>) -> Result<(), ReadError> {
        for part in [LAST_TURN, TAIL] {
            streams = self.take_up(streams, part).await?;
        }
        for stream in streams {
            let events = read_tail(&*self.log, &stream, Revision(u64::MAX)).await?;
            let restored = Restored::read(&events, &*self.keyring, self.answered_since);
            (self.out)(vec![(stream, restored)]);
        }
        Ok(())
    }

    /// Takes up the streams of which that part is enough; the others are given back.
    async fn take_up(&self, streams: Vec<StreamName>, part: Part) -> Result<Vec<StreamName>, ReadError> {
        let (mut reading, mut openers) = (self.log.read_together(streams, part), Openers::default());
        loop {
            let together = reading.next().await?;
            if together.is_empty() {
                return openers.finish().await;
            }
            // Opening what is sealed costs most of all: every processor has its part of it.
            let reader = self.clone();
            openers.open(move || reader.take_in(together)).await?;
        }
    }

    /// Tells of the streams of which these newest events, newest first, are enough; the others are given back.
    fn take_in(&self, together: Together) -> Vec<StreamName> {
        let (mut bindings, mut others) = (Vec::with_capacity(together.len()), vec![]);
        for (stream, mut newest) in together {
            newest.reverse();
            match Restored::read(&newest, &*self.keyring, self.answered_since) {
                Ok(restored) if !restored.is_whole || !self.has_all_answers(&newest) => others.push(stream),
                restored => bindings.push((stream, restored)),
            }
        }
        (self.out)(bindings);
        others
    }

    /// Whether these newest events hold all that was answered of late.
    fn has_all_answers(&self, newest: &[Recorded]) -> bool {
        newest.first().is_none_or(|oldest| oldest.revision == Revision(0) || oldest.at < self.answered_since)
    }
}

/// What became of a task; one that panicked read nothing.
pub(super) fn finished(task: Result<Result<(), ReadError>, JoinError>) -> Result<(), ReadError> {
    task.unwrap_or_else(|_| Err(ReadError::Unavailable("reading bindings was broken off".into())))
}

/// Reads a registration's stream for the shard, when that does not know it or finds it elsewhere than it thought.
pub(super) fn reader_of(log: Arc<dyn EventLog>, inbox: Arc<Inbox>) -> Box<dyn Fn(StreamName) + Send> {
    let runtime = tokio::runtime::Handle::current();
    Box::new(move |stream| {
        let (log, inbox) = (Arc::clone(&log), Arc::clone(&inbox));
        runtime.spawn(async move {
            // Until it is read its user cannot register: there is nothing better to do than to try again.
            loop {
                match read_tail(&*log, &stream, Revision(u64::MAX)).await {
                    Ok(events) => return inbox.tell(Notice::Restored(stream, events)),
                    Err(error) => tracing::error!(%error, %stream, "a registration's stream cannot be read"),
                }
                tokio::time::sleep(READ_AGAIN).await;
            }
        });
    })
}
