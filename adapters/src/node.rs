//! Who this node is: its number and the epoch of this start. Event ids are made of both, so an epoch is on disk
//! before it is used and is never used twice.

use crate::private_file;
use domain::ids::EventId;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Number and epoch of this start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node {
    /// The node's number, the same for its whole life.
    pub number: u16,
    /// Counts starts, from 1.
    pub epoch: u32,
}

/// Why a node cannot start.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The file cannot be read or written.
    #[error("{} cannot be used: {source}; check that its folder exists and belongs to this user", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not what we wrote.
    #[error("{} is damaged: restore it from a backup, with an epoch above every one used", .0.display())]
    Damaged(PathBuf),
    /// The file is gone although the node has run before.
    #[error("{} is missing, but the log is not empty: restore it; without it event ids would repeat", .0.display())]
    Missing(PathBuf),
    /// The setting was changed.
    #[error("this is node {stored}, the settings say {wanted}: set it back, a node keeps its number for life")]
    OtherNumber {
        /// In the file.
        stored: u16,
        /// In the settings.
        wanted: u16,
    },
    /// Four thousand million starts.
    #[error("node {0} has used up its epochs: give this node a fresh number and data folder")]
    Exhausted(u16),
}

impl Node {
    /// Begins the next epoch of node `number`, kept in the file at `path`. The file is made only where the log is
    /// empty: a node that has run before must not begin at epoch 1 again. One process at a time may do this, which
    /// the log's own lock ensures when it is opened first.
    pub fn start(path: &Path, number: u16, log_is_empty: bool) -> Result<Self, NodeError> {
        let file = |source| NodeError::File { path: path.to_owned(), source };
        let last = match std::fs::read_to_string(path) {
            Ok(text) => Some(parse(&text).ok_or_else(|| NodeError::Damaged(path.to_owned()))?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return Err(NodeError::Damaged(path.to_owned()));
            }
            Err(error) => return Err(file(error)),
        };
        let epoch = match last {
            None if !log_is_empty => return Err(NodeError::Missing(path.to_owned())),
            None => 1,
            Some(last) if last.number != number => {
                return Err(NodeError::OtherNumber { stored: last.number, wanted: number });
            }
            Some(last) => last.epoch.checked_add(1).ok_or(NodeError::Exhausted(number))?,
        };
        private_file::make_folder_of(path).map_err(file)?;
        private_file::replace(path, format!("node {number} epoch {epoch}\n").as_bytes()).map_err(file)?;
        Ok(Self { number, epoch })
    }
}

/// The event ids of one writer beside the shards: of this start, each given once.
#[derive(Debug)]
pub struct EventIds {
    node: Node,
    shard: u16,
    counter: AtomicU64,
}

impl EventIds {
    /// Ids of a shard number that no other writer of this node has.
    pub const fn new(node: Node, shard: u16) -> Self {
        Self { node, shard, counter: AtomicU64::new(0) }
    }

    /// The node whose events they are for.
    pub const fn node(&self) -> u16 {
        self.node.number
    }

    /// The next id.
    pub fn next(&self) -> EventId {
        let counter = self.counter.fetch_add(1, Ordering::Relaxed) + 1;
        EventId::minted(self.node.number, self.node.epoch, self.shard, counter)
    }
}

fn parse(text: &str) -> Option<Node> {
    let rest = text.strip_prefix("node ")?.strip_suffix('\n')?;
    let (number, epoch) = rest.split_once(" epoch ")?;
    let epoch = epoch.parse().ok().filter(|epoch| *epoch > 0)?;
    Some(Node { number: number.parse().ok()?, epoch })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Folder;

    #[test]
    fn each_start_is_an_epoch_of_its_own() {
        let folder = Folder::new();
        let path = folder.path().join("data/node");
        for epoch in 1..=3 {
            let node = Node::start(&path, 7, epoch == 1).unwrap();
            assert_eq!(node, Node { number: 7, epoch });
            assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("node 7 epoch {epoch}\n"));
        }
    }

    #[test]
    fn another_number_a_lost_file_and_a_damaged_one_are_refused() {
        let folder = Folder::new();
        let path = folder.path().join("node");
        assert!(matches!(Node::start(&path, 7, false), Err(NodeError::Missing(_))));
        Node::start(&path, 7, true).unwrap();
        assert!(matches!(Node::start(&path, 8, false), Err(NodeError::OtherNumber { stored: 7, wanted: 8 })));
        for damaged in ["", "node 7 epoch 0\n", "node 7 epoch 12", "node 70000 epoch 1\n", "node 7 epoch 1\nx", "\u{0}"]
        {
            std::fs::write(&path, damaged).unwrap();
            assert!(matches!(Node::start(&path, 7, true), Err(NodeError::Damaged(_))), "{damaged:?}");
        }
        std::fs::write(&path, b"\xff\xfe").unwrap();
        assert!(matches!(Node::start(&path, 7, true), Err(NodeError::Damaged(_))));
        std::fs::write(&path, "node 7 epoch 4294967295\n").unwrap();
        assert!(matches!(Node::start(&path, 7, false), Err(NodeError::Exhausted(7))));
    }
}
