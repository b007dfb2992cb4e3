//! How was a number, a trunk, a domain set up at an instant? Its stream is folded by the aggregate itself.

use domain::decider::{Aggregate, DecodeError, StoredEvent};
use domain::log::{EventLog, Pages, Position, ReadError, StreamName};
use domain::time::WallTime;
use std::fmt::Display;

/// Why the past of a thing cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum PastError {
    /// The log could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// An event could not be understood; nothing is left out silently.
    #[error("event at position {at}: {source}")]
    Decode {
        /// Which.
        at: Position,
        /// Why.
        source: DecodeError,
    },
}

/// A thing of provisioning at an instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past<A> {
    /// When its first event happened.
    pub begins: WallTime,
    /// As it was made: whose it is, is to be asked before anything else is told.
    pub first: A,
    /// As it was; `None` before its first event.
    pub then: Option<A>,
}

/// How a thing was set up at an instant; `None` where there is no such stream.
pub async fn past<A: Aggregate + Clone>(
    log: &dyn EventLog,
    id: impl Display,
    at: WallTime,
) -> Result<Option<Past<A>>, PastError> {
    let stream = StreamName::new(A::CATEGORY, id);
    let mut past: Option<Past<A>> = None;
    let mut pages = Pages::of(log, &stream);
    loop {
        let page = pages.next().await?;
        let last = page.is_empty();
        for recorded in &page {
            let event = A::Event::decode(&recorded.kind, recorded.version, &recorded.data)
                .map_err(|source| PastError::Decode { at: recorded.position, source })?;
            let known = past.get_or_insert_with(|| {
                let first = A::default().evolve(&event);
                Past { begins: recorded.at, first, then: None }
            });
            if recorded.at > at {
                return Ok(past);
            }
            known.then = Some(known.then.take().unwrap_or_default().evolve(&event));
        }
        if last {
            return Ok(past);
        }
    }
}
