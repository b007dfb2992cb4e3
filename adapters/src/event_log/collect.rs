//! From rows to the events that a reader wants, the same for every engine on a disk.

use super::Kinds;
use super::row::Row;
use super::tail::Page;
use bytes::Bytes;
use domain::log::{Append, Direction, Position, ReadError, Recorded, Revision, StreamName};

/// Where a row's first event stands.
pub(super) struct Place {
    pub position: Position,
    pub stream: StreamName,
    pub revision: u64,
    pub count: u64,
}

/// Collects the events of rows until there are enough.
pub(super) struct Collect<'k> {
    pub page: Page,
    pub limit: usize,
    pub direction: Direction,
    pub kinds: &'k mut Kinds,
}

impl Collect<'_> {
    /// Whether there are enough.
    pub fn full(&self) -> bool {
        self.page.events.len() >= self.limit
    }

    /// Adds what is wanted of a row's events: whose type is admitted, and that lie inside the bounds asked for.
    pub fn events(
        &mut self,
        place: &Place,
        row: &[u8],
        admits: &impl Fn(&StreamName, &str) -> bool,
        inside: &impl Fn(Position, Revision) -> bool,
    ) -> Result<(), ReadError> {
        let broken = |what| damaged(place.position, what);
        let opened = Row::open(row).map_err(broken)?;
        let (node, correlation, life) = (opened.node, opened.correlation, opened.life);
        let mut events = Vec::with_capacity(usize::try_from(place.count).unwrap_or_default().min(Append::MAX_EVENTS));
        for event in opened {
            events.push(event.map_err(broken)?);
        }
        if events.len() as u64 != place.count {
            return Err(damaged(place.position, "its row holds another number of events than it says"));
        }
        let position = |index: usize| Position(place.position.0 + index as u64);
        let revision = |index: usize| Revision(place.revision + index as u64);
        let wanted = |index: usize, kind: &str| admits(&place.stream, kind) && inside(position(index), revision(index));
        let mut copied = None;
        for step in 0..events.len() {
            let index = match self.direction {
                Direction::Forwards => step,
                Direction::Backwards => events.len() - 1 - step,
            };
            let event = &events[index];
            if self.full() {
                return Ok(());
            }
            self.page.seen = position(index);
            if !wanted(index, event.kind) {
                continue;
            }
            // Copied once a row, from the first event on that is wanted.
            let (start, bytes) = copied.get_or_insert_with(|| {
                let first = events.iter().enumerate().find(|(index, event)| wanted(*index, event.kind));
                let start = first.map_or(0, |(_, event)| event.data.start);
                (start, Bytes::copy_from_slice(row.get(start..).unwrap_or_default()))
            });
            self.page.events.push(Recorded {
                position: position(index),
                stream: place.stream.clone(),
                revision: revision(index),
                id: event.id,
                kind: self.kinds.intern(event.kind),
                version: event.version,
                at: event.at,
                correlation,
                cause: event.cause,
                node,
                previous: event.previous,
                life,
                data: bytes.slice(event.data.start - *start..event.data.end - *start),
            });
        }
        Ok(())
    }
}

/// What is stored is not what was written.
pub(super) fn damaged(position: Position, what: &str) -> ReadError {
    ReadError::Damaged { position, what: what.into() }
}
