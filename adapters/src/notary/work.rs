//! The task: takes in events, signs when it is time, appends, exports.

use super::export::Export;
use super::{NotaryParts, Standing};
use crate::event_log::commit::commit;
use crate::exchange::machine_time;
use domain::log::{
    Append, AppendError, Direction, Draft, EventHash, Expected, Filter, Follow, Followed, Life, Position, ReadError,
    Recorded, Revision,
};
use domain::notary::{RootSigned, Span, stream_of};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use uuid::Uuid;

/// Pause before log or file are tried again.
const RETRY: Duration = Duration::from_secs(1);
/// Pause between two looks at the head of the log: what comes meanwhile is taken in together.
const GATHER: Duration = Duration::from_millis(250);
/// While farther behind the head than this, nothing is gathered.
const BEHIND: u64 = 10_000;
/// When nothing is due, the next look is so far away.
const NEVER: Duration = Duration::from_secs(3_600);
/// Roots read at a time for the exported file.
const PAGE: usize = 64;

pub(super) struct Work {
    parts: NotaryParts,
    standing: Arc<Standing>,
}

/// What stops a pass over the log.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("{0}")]
    Read(#[from] ReadError),
    #[error("{0}")]
    Append(#[from] AppendError),
    #[error("the exported file: {0}")]
    Export(#[from] std::io::Error),
    #[error("the newest root in the log cannot be read: {0}")]
    Root(#[from] domain::codec::DecodeError),
}

impl Fault {
    /// Whether nothing gets better by trying again.
    const fn is_lasting(&self) -> bool {
        matches!(self, Self::Read(ReadError::Damaged { .. }) | Self::Root(_) | Self::Append(AppendError::Invalid(_)))
    }
}

/// What lasts from root to root.
struct Desk {
    span: Span,
    /// The newest event of the notary's stream.
    newest: Option<Recorded>,
    export: Export,
    /// When the next root is made at the latest.
    due: Option<Instant>,
}

impl Work {
    pub fn new(parts: NotaryParts, standing: Arc<Standing>) -> Self {
        Self { parts, standing }
    }

    /// Runs until it is stopped, or the log is damaged.
    pub async fn run(self, mut stopped: oneshot::Receiver<()>) {
        loop {
            let Err(fault) = self.pass(&mut stopped).await else { return };
            if fault.is_lasting() {
                tracing::error!(%fault, "the notary stopped: what comes is not signed any more");
                return;
            }
            tracing::warn!(%fault, "the notary waits");
            tokio::select! {
                () = sleep(RETRY) => {}
                _ = &mut stopped => return,
            }
        }
    }

    async fn pass(&self, stopped: &mut oneshot::Receiver<()>) -> Result<(), Fault> {
        let mut desk = self.sit_down().await?;
        let mut follow = self.parts.log.follow(desk.span.through(), Filter::default());
        loop {
            let due = desk.due.unwrap_or_else(|| Instant::now() + NEVER);
            tokio::select! {
                page = follow.next() => self.take(page?, &mut desk).await?,
                () = sleep_until(due) => self.sign(&mut desk).await?,
                _ = &mut *stopped => return self.finish(&mut *follow, &mut desk).await,
            }
            let near = self.parts.log.head().0.saturating_sub(desk.span.through().0) < BEHIND;
            if near {
                tokio::select! {
                    () = sleep(GATHER) => {}
                    _ = &mut *stopped => return self.finish(&mut *follow, &mut desk).await,
                }
            }
        }
    }

    /// Finds the last root, and brings the exported file up to it.
    async fn sit_down(&self) -> Result<Desk, Fault> {
        let node = self.parts.ids.node();
        let mut export = Export::open(&self.parts.export, node)?;
        let (log, stream) = (&*self.parts.log, stream_of(node));
        loop {
            let from = Revision(export.next());
            let roots = log.read_stream(&stream, from, Direction::Forwards, PAGE).await?;
            for root in &roots {
                export.add(&RootSigned::decode(root)?.signed)?;
            }
            if roots.is_empty() {
                break;
            }
        }
        let newest = log.read_stream(&stream, Revision(u64::MAX), Direction::Backwards, 1).await?.pop();
        let last = newest.as_ref().map(RootSigned::decode).transpose()?.map(|last| last.signed);
        let desk = Desk { span: Span::after(node, last), newest, export, due: None };
        self.tell(&desk);
        Ok(desk)
    }

    async fn take(&self, page: Followed, desk: &mut Desk) -> Result<(), Fault> {
        let Followed::Events(events) = page else { return Ok(()) };
        for event in &events {
            desk.span.push(event);
            if desk.span.events() >= self.parts.events && desk.span.is_due() {
                self.sign(desk).await?;
            }
        }
        if desk.span.is_due() && desk.due.is_none() {
            desk.due = Some(Instant::now() + self.parts.every);
        }
        Ok(())
    }

    /// A root over all that is in the log by now, if one is due.
    async fn finish(&self, follow: &mut dyn Follow, desk: &mut Desk) -> Result<(), Fault> {
        while desk.span.through() < self.parts.log.head() {
            // What is handed over is enough, but the log may end with something that no page shows.
            let Ok(page) = timeout_at(Instant::now() + RETRY, follow.next()).await else { break };
            self.take(page?, desk).await?;
        }
        if desk.span.is_due() { self.sign(desk).await } else { Ok(()) }
    }

    /// Makes a root of the span, and begins the next span.
    async fn sign(&self, desk: &mut Desk) -> Result<(), Fault> {
        let at = machine_time();
        let root = desk.span.sign(at, &self.parts.signer);
        let encoded = root.encode();
        let (ids, previous) = (&self.parts.ids, desk.newest.as_ref().map_or(EventHash::NONE, Recorded::hash));
        let draft = Draft {
            id: ids.next(),
            kind: encoded.kind.into(),
            version: encoded.version,
            at,
            cause: None,
            previous,
            data: encoded.data,
        };
        let stream = stream_of(ids.node());
        let expected = desk.newest.as_ref().map_or(Expected::NoStream, |newest| Expected::Exactly(newest.revision));
        let mut newest = Recorded {
            position: Position(0),
            stream: stream.clone(),
            revision: expected.next(),
            id: draft.id,
            kind: draft.kind.as_str().into(),
            version: draft.version,
            at,
            correlation: Uuid::nil(),
            cause: None,
            node: ids.node(),
            previous,
            life: Life::Closed,
            data: draft.data.clone(),
        };
        // Nothing of it is to be recovered after a crash: it is closed at once.
        let (life, correlation, node) = (Life::Closed, Uuid::nil(), ids.node());
        let append = Append { stream, expected, life, correlation, node, events: vec![draft] };
        for outcome in commit(&*self.parts.log, vec![append]).await {
            newest.position = outcome?.position();
        }
        desk.newest = Some(newest);
        desk.span = Span::after(node, Some(root.signed));
        desk.due = None;
        desk.export.add(&root.signed)?;
        self.tell(desk);
        Ok(())
    }

    fn tell(&self, desk: &Desk) {
        let last = desk.span.last().map(|last| last.root);
        self.standing.through.store(desk.span.through().0, Ordering::Relaxed);
        self.standing.roots.store(last.map_or(0, |root| root.index + 1), Ordering::Relaxed);
    }
}
