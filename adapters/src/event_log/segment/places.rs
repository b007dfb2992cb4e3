//! Where appends stand, and those of which the index does not know yet.

use super::super::lock;
use domain::log::{Life, Position, StreamName};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// Where an append stands. Its segment is the one that holds its position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// Position of its first event.
    pub position: u64,
    /// Revision of its first event.
    pub revision: u64,
    pub count: u16,
    /// Where its record begins in its segment, bytes.
    pub offset: u32,
    /// Bytes of its record.
    pub size: u32,
}

impl Place {
    /// Position of its last event.
    pub const fn last(&self) -> u64 {
        self.position + self.count as u64 - 1
    }

    /// Where its record ends in its segment.
    pub const fn end(&self) -> u32 {
        self.offset.saturating_add(self.size)
    }

    /// Revision of its last event.
    pub const fn last_revision(&self) -> u64 {
        self.revision + self.count as u64 - 1
    }
}

/// A place, and a mark of whose it is.
pub(super) type Marked = (Place, usize);

/// Places of appends, by stream, in the order of the log.
pub(super) type ByStream = HashMap<StreamName, Vec<Place>>;

/// What the index does not hold yet.
#[derive(Default)]
pub(super) struct Unindexed(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    fresh: ByStream,
    appends: usize,
    /// What the index is about to hold.
    storing: Option<Arc<ByStream>>,
}

impl Unindexed {
    /// Adds an append, maybe before it is durable: readers look only up to the head.
    pub fn push(&self, stream: &StreamName, place: Place) {
        let mut inner = lock(&self.0);
        inner.appends += 1;
        match inner.fresh.get_mut(stream) {
            Some(places) => places.push(place),
            None => drop(inner.fresh.insert(stream.clone(), vec![place])),
        }
    }

    /// Appends that no batch holds yet.
    pub fn fresh(&self) -> usize {
        lock(&self.0).appends
    }

    /// Makes a batch of what is fresh; it stays here too until [`Unindexed::stored`].
    pub fn batch(&self) -> Arc<ByStream> {
        let mut inner = lock(&self.0);
        inner.appends = 0;
        let batch = Arc::new(std::mem::take(&mut inner.fresh));
        inner.storing = Some(Arc::clone(&batch));
        batch
    }

    /// The index holds the batch.
    pub fn stored(&self) {
        let stored = lock(&self.0).storing.take();
        drop(stored);
    }

    /// The stream's places that are here.
    pub fn places(&self, stream: &StreamName) -> Vec<Place> {
        self.places_of(std::slice::from_ref(stream)).pop().unwrap_or_default()
    }

    /// The places of many streams that are here.
    pub fn places_of(&self, streams: &[StreamName]) -> Vec<Vec<Place>> {
        let inner = lock(&self.0);
        let parts = [inner.storing.as_deref(), Some(&inner.fresh)];
        let parts: Vec<&ByStream> = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
        let of = |stream| parts.iter().filter_map(|part| part.get(stream)).flatten().copied().collect();
        streams.iter().map(of).collect()
    }

    /// The stream's newest place, if it is here.
    pub fn newest(&self, stream: &StreamName) -> Option<Place> {
        let inner = lock(&self.0);
        let fresh = inner.fresh.get(stream).and_then(|places| places.last());
        let storing = || inner.storing.as_ref().and_then(|storing| storing.get(stream)?.last());
        fresh.or_else(storing).copied()
    }
}

/// Streams that live, with the position that opened each.
#[derive(Debug, Default)]
pub(super) struct Live {
    order: std::collections::BTreeMap<u64, StreamName>,
    opened: HashMap<StreamName, u64>,
    changes: LiveChanges,
}

/// What changed since the index was told last.
#[derive(Debug, Default, Clone)]
pub(super) struct LiveChanges {
    pub opened: std::collections::BTreeMap<u64, StreamName>,
    pub closed: Vec<u64>,
}

impl Live {
    /// As the index knew it.
    pub fn restored(order: std::collections::BTreeMap<u64, StreamName>) -> Self {
        let opened = order.iter().map(|(position, stream)| (stream.clone(), *position)).collect();
        Self { order, opened, changes: LiveChanges::default() }
    }

    pub fn is_open(&self, stream: &StreamName) -> bool {
        self.opened.contains_key(stream)
    }

    /// An append at this position opened the stream; nothing changes where it was open.
    pub fn open(&mut self, stream: &StreamName, position: Position) {
        if !self.is_open(stream) {
            self.opened.insert(stream.clone(), position.0);
            self.order.insert(position.0, stream.clone());
            self.changes.opened.insert(position.0, stream.clone());
        }
    }

    /// An append closed the stream.
    pub fn close(&mut self, stream: &StreamName) {
        if let Some(position) = self.opened.remove(stream) {
            self.order.remove(&position);
            if self.changes.opened.remove(&position).is_none() {
                self.changes.closed.push(position);
            }
        }
    }

    /// An append at this position left the stream like this.
    pub fn took(&mut self, stream: &StreamName, position: Position, life: Life) {
        match life {
            Life::Open => self.open(stream, position),
            Life::Closed => self.close(stream),
        }
    }

    /// In the order of their opening.
    pub fn streams(&self) -> Vec<StreamName> {
        self.order.values().cloned().collect()
    }

    /// What changed since this was asked last.
    pub fn take_changes(&mut self) -> LiveChanges {
        std::mem::take(&mut self.changes)
    }
}
