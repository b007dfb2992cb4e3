//! What a notary has seen since its last root.

use super::root::{Marks, NotaryKey, Root, RootSigned, Signer};
use super::tree::{Tree, leaf};
use super::{CATEGORY, SignedRoot};
use crate::log::{EventHash, Position, Recorded};
use crate::time::WallTime;

/// Events in the order of the log, from which the next root is made.
#[derive(Debug, Clone)]
pub struct Span {
    node: u16,
    last: Option<SignedRoot>,
    through: Position,
    tree: Tree,
    marks: Vec<[u8; 4]>,
    due: bool,
}

impl Span {
    /// The span after the node's last root; where there is none, of everything.
    pub fn after(node: u16, last: Option<SignedRoot>) -> Self {
        let through = last.map_or(Position(0), |last| last.root.through);
        Self { node, last, through, tree: Tree::default(), marks: Vec::new(), due: false }
    }

    /// Takes in the next event of the log.
    pub fn push(&mut self, event: &Recorded) {
        let leaf = leaf(&event.stream, event.revision, event.hash());
        self.tree.push(leaf);
        self.marks.push(Marks::of(leaf));
        self.through = event.position;
        self.due |= event.stream.category() != CATEGORY;
    }

    /// Everything up to here is in it, or in a root before it.
    pub const fn through(&self) -> Position {
        self.through
    }

    /// How many events are in it.
    pub const fn events(&self) -> u64 {
        self.tree.leaves()
    }

    /// Whether a root is due sooner or later: something else came than roots.
    pub const fn is_due(&self) -> bool {
        self.due
    }

    /// The root before it.
    pub const fn last(&self) -> Option<&SignedRoot> {
        self.last.as_ref()
    }

    /// Makes and signs the root over it.
    pub fn sign(&self, at: WallTime, signer: &Signer) -> RootSigned {
        let before = self.last.as_ref();
        let root = Root {
            node: self.node,
            index: before.map_or(0, |before| before.root.index + 1),
            after: before.map_or(Position(0), |before| before.root.through),
            through: self.through,
            events: self.tree.leaves(),
            at,
            tree: self.tree.root(),
            previous: before.map_or(EventHash::NONE, SignedRoot::hash),
            key: NotaryKey([0; 32]),
        };
        RootSigned { signed: signer.sign(root), marks: Marks(self.marks.clone()) }
    }
}
