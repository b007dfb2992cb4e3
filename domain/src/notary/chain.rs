//! Whether signed roots are what they say they are, and follow each other.

use super::finding::Wrong;
use super::root::{NotaryKey, SignedRoot};
use crate::log::EventHash;

/// Roots of one notary, seen one after the other.
#[derive(Debug, Clone)]
pub struct Chain<'k> {
    node: u16,
    trusted: &'k [NotaryKey],
    last: Option<SignedRoot>,
    from_first: bool,
}

impl<'k> Chain<'k> {
    /// Of all roots of a node, signed with one of these keys.
    pub const fn whole(node: u16, trusted: &'k [NotaryKey]) -> Self {
        Self { node, trusted, last: None, from_first: true }
    }

    /// Of the node's roots from any on.
    pub const fn part(node: u16, trusted: &'k [NotaryKey]) -> Self {
        Self { node, trusted, last: None, from_first: false }
    }

    /// Takes the next root, or says why it is not the next.
    ///
    /// # Errors
    /// What is wrong with it, and in words.
    pub fn take(&mut self, signed: &SignedRoot) -> Result<(), (Wrong, String)> {
        let root = &signed.root;
        let named = |what: &str| format!("root {} of notary-{} {what}", root.index, self.node);
        if !self.trusted.contains(&root.key) {
            let what = format!("is signed with the key {}, which is not the notary's", root.key);
            return Err((Wrong::RootForeign, named(&what)));
        }
        if !signed.is_signed() {
            return Err((
                Wrong::RootForged,
                named("has a signature that is not its key's: the root was altered or made up"),
            ));
        }
        let (index, previous, after) = match &self.last {
            Some(last) => (last.root.index + 1, last.hash(), last.root.through),
            None if self.from_first => (0, EventHash::NONE, crate::log::Position(0)),
            None => (root.index, root.previous, root.after),
        };
        let broken = |what: &str| Err((Wrong::RootBroken, named(what)));
        if root.node != self.node {
            return broken("is another notary's");
        }
        if root.index != index {
            return broken(&format!("stands where root {index} should"));
        }
        if root.previous != previous {
            return broken("does not carry the hash of the root before it: that one was replaced");
        }
        if root.after != after || root.through <= root.after {
            return broken("does not cover what follows the root before it");
        }
        self.last = Some(*signed);
        Ok(())
    }

    /// The newest root.
    pub const fn last(&self) -> Option<&SignedRoot> {
        self.last.as_ref()
    }
}
