//! What a verification decides, event by event, in the order of the log.

use super::finding::{Finding, Wrong};
use super::root::{Marks, RootSigned};
use super::tree::{Tree, leaf};
use crate::id_map::IdMap;
use crate::log::{EventHash, Position, Recorded, Revision, StreamName};
use std::collections::VecDeque;

/// The newest event of a stream, as far as the verification has come.
#[derive(Debug, Clone, Copy)]
struct Newest {
    position: Position,
    revision: Revision,
    hash: EventHash,
}

/// Follows the hash chains of all streams and the Merkle trees of all roots.
#[derive(Debug)]
pub struct Verifier {
    /// Everything up to here is taken for granted.
    after: Position,
    /// By a hash of the stream's name: names would be most of the memory. Whoever found two names with one hash of 128 bits
    /// could make the verification complain, not pass.
    streams: IdMap<u128, Newest>,
    notaries: Vec<Notary>,
    events: u64,
    seen: Position,
    text: Vec<u8>,
}

impl Verifier {
    /// Takes everything up to `after` for granted; `notaries` are the roots of each notary, in order.
    pub fn new(after: Position, notaries: Vec<Vec<RootSigned>>) -> Self {
        let notaries = notaries.into_iter().map(|roots| Notary::new(roots, after)).collect();
        Self { after, streams: IdMap::default(), notaries, events: 0, seen: after, text: Vec::new() }
    }

    /// Events taken so far.
    pub const fn events(&self) -> u64 {
        self.events
    }

    /// Roots that fit so far.
    pub fn roots(&self) -> u64 {
        self.notaries.iter().map(|notary| notary.fit).sum()
    }

    /// Whether the event before this one in its stream lies before what is verified and has to be told by
    /// [`Verifier::recall`] first.
    pub fn lacks_predecessor(&self, event: &Recorded) -> bool {
        self.after > Position(0) && event.revision > Revision(0) && !self.streams.contains_key(&key_of(&event.stream))
    }

    /// Tells of an event that lies before what is verified.
    pub fn recall(&mut self, event: &Recorded) {
        let Recorded { position, revision, .. } = *event;
        self.streams.insert(key_of(&event.stream), Newest { position, revision, hash: event.hash() });
    }

    /// Takes the next event.
    ///
    /// # Errors
    /// What is wrong with it, or with one before it.
    pub fn take(&mut self, event: &Recorded) -> Result<(), Finding> {
        if event.position <= self.seen {
            let what = format!("it comes after the event at position {}", self.seen);
            return Err(Finding::of(Wrong::Reordered, event, what));
        }
        for notary in &mut self.notaries {
            notary.close_before(event.position)?;
        }
        let key = key_of(&event.stream);
        self.follows(event, self.streams.get(&key))?;
        let hash = event.hashed().hash_in(&mut self.text);
        let Recorded { position, revision, .. } = *event;
        self.streams.insert(key, Newest { position, revision, hash });
        let leaf = leaf(&event.stream, revision, hash);
        for notary in &mut self.notaries {
            notary.push(event, leaf);
        }
        self.events += 1;
        self.seen = position;
        Ok(())
    }

    /// There are no more events up to `through`.
    ///
    /// # Errors
    /// A root that does not fit.
    pub fn finish(&mut self, through: Position) -> Result<(), Finding> {
        self.notaries.iter_mut().try_for_each(|notary| notary.close_before(Position(through.0.saturating_add(1))))
    }

    /// Whether an event follows the newest of its stream.
    fn follows(&self, event: &Recorded, newest: Option<&Newest>) -> Result<(), Finding> {
        let revision = event.revision;
        let Some(newest) = newest else {
            return match (revision, event.previous) {
                (Revision(0), EventHash::NONE) => Ok(()),
                (Revision(0), _) => Err(Finding::of(
                    Wrong::Altered,
                    event,
                    "it is its stream's first event, but carries a predecessor's hash",
                )),
                (Revision(found), _) => {
                    let what = format!("the stream begins with revision {found}: what was before is missing");
                    Err(Finding { revision: Some(Revision(0)), ..Finding::of(Wrong::Missing, event, what) })
                }
            };
        };
        let next = Revision(newest.revision.0 + 1);
        if revision < next {
            let what =
                format!("it comes after revision {}, which stands at position {}", newest.revision.0, newest.position);
            return Err(Finding::of(Wrong::Reordered, event, what));
        }
        if revision > next {
            let what = format!(
                "revision {} follows revision {}, which stands at position {}: what was between is missing",
                revision.0, newest.revision.0, newest.position
            );
            return Err(Finding { revision: Some(next), ..Finding::of(Wrong::Missing, event, what) });
        }
        if event.previous != newest.hash {
            let what = format!(
                "its hash is not the one that its successor, revision {} at position {}, carries",
                revision.0, event.position
            );
            let stream = Some(event.stream.clone());
            return Err(Finding {
                stream,
                revision: Some(newest.revision),
                ..Finding::at(Wrong::Altered, newest.position, what)
            });
        }
        Ok(())
    }
}

fn key_of(stream: &StreamName) -> u128 {
    let hash = blake3::hash(stream.as_str().as_bytes());
    hash.as_bytes().first_chunk().map_or(0, |bytes| u128::from_be_bytes(*bytes))
}

/// One notary's roots, and the span of the next of them as it is found.
#[derive(Debug)]
struct Notary {
    roots: VecDeque<RootSigned>,
    fit: u64,
    tree: Tree,
    places: Vec<Place>,
}

/// An event of the span.
#[derive(Debug)]
struct Place {
    position: Position,
    stream: StreamName,
    revision: Revision,
    mark: [u8; 4],
}

impl Notary {
    fn new(roots: Vec<RootSigned>, after: Position) -> Self {
        let roots = roots.into_iter().filter(|root| root.signed.root.after >= after).collect();
        Self { roots, fit: 0, tree: Tree::default(), places: Vec::new() }
    }

    fn push(&mut self, event: &Recorded, leaf: EventHash) {
        let Some(next) = self.roots.front() else { return };
        if event.position > next.signed.root.after {
            self.tree.push(leaf);
            let Recorded { position, stream, revision, .. } = event;
            let (position, revision, stream) = (*position, *revision, stream.clone());
            self.places.push(Place { position, stream, revision, mark: Marks::of(leaf) });
        }
    }

    /// Compares the roots whose spans end before a position.
    fn close_before(&mut self, position: Position) -> Result<(), Finding> {
        while let Some(next) = self.roots.front().filter(|next| next.signed.root.through < position) {
            let root = &next.signed.root;
            if self.tree.leaves() != root.events || self.tree.root() != root.tree {
                return Err(misfit(next, &self.places));
            }
            self.fit += 1;
            self.roots.pop_front();
            self.tree = Tree::default();
            self.places.clear();
        }
        Ok(())
    }
}

/// Which event of a span it is that its root does not fit.
fn misfit(signed: &RootSigned, places: &[Place]) -> Finding {
    let root = &signed.signed.root;
    let name = format!("root {} of notary-{}", root.index, root.node);
    let marks = &signed.marks.0;
    let same = |at: usize, mark: usize| matches!((places.get(at), marks.get(mark)), (Some(place), Some(mark)) if place.mark == *mark);
    let first = (0..places.len().max(marks.len())).find(|at| !same(*at, *at));
    let usable = marks.len() as u64 == root.events;
    let Some(first) = first.filter(|_| usable) else {
        let what = format!("{name} signed other events after {} up to {} than are there", root.after, root.through);
        return Finding::at(Wrong::Altered, Position(root.after.0 + 1), what);
    };
    let of = |wrong, place: &Place, what: String| Finding {
        wrong,
        position: place.position,
        stream: Some(place.stream.clone()),
        revision: Some(place.revision),
        what,
    };
    let before = first.checked_sub(1).and_then(|at| places.get(at)).map_or(root.after, |place| place.position);
    let Some(place) = places.get(first) else {
        let what = format!("events are missing after position {before}, which {name} signed");
        return Finding::at(Wrong::Missing, Position(before.0 + 1), what);
    };
    // Whether what is here was signed at a later place, and what was signed here is at a later place.
    let signed_later = marks.iter().skip(first + 1).any(|mark| *mark == place.mark);
    let found_later =
        marks.get(first).is_some_and(|mark| places.iter().skip(first + 1).any(|place| place.mark == *mark));
    match (signed_later, found_later) {
        (true, true) => {
            of(Wrong::Reordered, place, format!("{name} signed it at a later place, and another event here"))
        }
        (true, false) => {
            let what =
                format!("an event is missing between positions {before} and {}, which {name} signed", place.position);
            Finding::at(Wrong::Missing, Position(before.0 + 1), what)
        }
        (false, true) => of(Wrong::Added, place, format!("it is not among the events that {name} signed")),
        (false, false) if marks.get(first).is_none() => {
            of(Wrong::Added, place, format!("it is behind the events that {name} signed"))
        }
        (false, false) => of(Wrong::Altered, place, format!("it is not the event that {name} signed at this place")),
    }
}
