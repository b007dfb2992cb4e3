//! The Merkle tree of RFC 6962 §2.1, with BLAKE3 in the place of SHA-256: leaves and nodes are hashed with a byte of their
//! own before them, so that none passes for the other.

use crate::log::{EventHash, Revision, StreamName};

const LEAF: u8 = 0;
const NODE: u8 = 1;

/// The leaf of an event: stream (its length before it, u32), revision (u64) and hash. Numbers are big endian.
pub fn leaf(stream: &StreamName, revision: Revision, hash: EventHash) -> EventHash {
    let name = stream.as_str().as_bytes();
    let mut hasher = blake3::Hasher::new();
    hasher.update(&[LEAF]);
    hasher.update(&u32::try_from(name.len()).unwrap_or(u32::MAX).to_be_bytes());
    hasher.update(name);
    hasher.update(&revision.0.to_be_bytes());
    hasher.update(&hash.0);
    EventHash(*hasher.finalize().as_bytes())
}

fn node(left: EventHash, right: EventHash) -> EventHash {
    let mut bytes = [NODE; 65];
    bytes[1..33].copy_from_slice(&left.0);
    bytes[33..].copy_from_slice(&right.0);
    EventHash(*blake3::hash(&bytes).as_bytes())
}

/// A tree in the making: the roots of its complete subtrees, larger ones first. It needs no more memory than these.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    subtrees: Vec<EventHash>,
    leaves: u64,
}

impl Tree {
    /// Adds a leaf.
    pub fn push(&mut self, leaf: EventHash) {
        let mut whole = leaf;
        // Each binary one at the end of the count is a subtree as large as the one that is complete now.
        for _ in 0..self.leaves.trailing_ones() {
            let Some(left) = self.subtrees.pop() else { break };
            whole = node(left, whole);
        }
        self.subtrees.push(whole);
        self.leaves += 1;
    }

    /// How many leaves it has.
    pub const fn leaves(&self) -> u64 {
        self.leaves
    }

    /// The hash over all leaves; of none, the hash of nothing.
    pub fn root(&self) -> EventHash {
        let mut subtrees = self.subtrees.iter().rev();
        let Some(last) = subtrees.next() else { return EventHash(*blake3::hash(&[]).as_bytes()) };
        subtrees.fold(*last, |right, left| node(*left, right))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As RFC 6962 §2.1 defines it.
    fn defined(leaves: &[EventHash]) -> EventHash {
        match leaves {
            [] => EventHash(*blake3::hash(&[]).as_bytes()),
            [leaf] => *leaf,
            more => {
                let (left, right) = more.split_at(more.len().next_power_of_two() / 2);
                node(defined(left), defined(right))
            }
        }
    }

    #[test]
    fn a_tree_of_any_size_has_the_root_that_the_rfc_defines() {
        let leaves: Vec<_> = (0..130).map(|n| EventHash([n; 32])).collect();
        let mut tree = Tree::default();
        for count in 0..leaves.len() {
            assert_eq!((tree.leaves(), tree.root()), (count as u64, defined(&leaves[..count])));
            tree.push(leaves[count]);
        }
    }

    #[test]
    fn a_leaf_tells_stream_revision_and_hash_apart_and_is_no_node() {
        let of = |name: &str, revision, hash| {
            leaf(&StreamName::new("session", name), Revision(revision), EventHash([hash; 32]))
        };
        let all = [of("1", 1, 1), of("11", 1, 1), of("1", 2, 1), of("1", 1, 2)];
        for (number, one) in all.iter().enumerate() {
            assert!(all[number + 1..].iter().all(|other| other != one));
        }
        assert_ne!(node(EventHash([0; 32]), EventHash([0; 32])), EventHash(*blake3::hash(&[0; 65]).as_bytes()));
    }
}
