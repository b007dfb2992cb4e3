//! The exported file: roots outside the log, which a rewritten log does not fit any more.

use super::chain::Chain;
use super::finding::{Finding, Wrong};
use super::root::{NotaryKey, RootSigned, SignedRoot};
use crate::log::Position;

/// The roots of one notary that an exported file holds.
#[derive(Debug, Clone, Default)]
pub struct Exported(Vec<SignedRoot>);

impl Exported {
    /// Reads the roots of `node`, which may begin with any of them. What is wrong with the file itself is a finding.
    ///
    /// # Errors
    /// The first line that is no root, or does not follow the root before it.
    pub fn read(text: &str, node: u16, trusted: &[NotaryKey]) -> Result<Self, Finding> {
        let (mut chain, mut roots) = (Chain::part(node, trusted), Vec::new());
        for (number, line) in text.lines().enumerate() {
            let at = |wrong, position, what: &str| {
                Finding::at(wrong, position, format!("line {} of the exported file: {what}", number + 1))
            };
            let near = || roots.last().map_or(Position(0), |last: &SignedRoot| last.root.through);
            let signed = SignedRoot::from_line(line).map_err(|what| at(Wrong::RootForged, near(), &what))?;
            if signed.root.node != node {
                continue;
            }
            chain.take(&signed).map_err(|(wrong, what)| at(wrong, near(), &what))?;
            roots.push(signed);
        }
        Ok(Self(roots))
    }

    /// How many roots it holds.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it holds this root, by its number.
    pub fn holds(&self, index: u64) -> bool {
        // The file was read as a chain: its numbers follow each other.
        let first = self.0.first().map(|first| first.root.index);
        first.is_some_and(|first| first <= index && index - first < self.0.len() as u64)
    }

    /// Whether it holds none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Compares it with the notary's roots in the log, which ends at `head`; without it, with as many as there are.
    pub fn compare(&self, logged: &[RootSigned], head: Option<Position>) -> Option<Finding> {
        self.0.iter().find_map(|exported| {
            let root = &exported.root;
            let found = usize::try_from(root.index).ok().and_then(|index| logged.get(index));
            let name = format!("root {} of notary-{}", root.index, root.node);
            match (found, head) {
                (Some(found), _) if found.signed == *exported => None,
                (Some(_), _) => {
                    let what = format!(
                        "{name} in the log is not the one that was exported: the events after {} up to {}, or the file, were rewritten",
                        root.after, root.through
                    );
                    Some(Finding::at(Wrong::ExportDiffers, Position(root.after.0 + 1), what))
                }
                (None, Some(head)) if head < root.through => {
                    let what = format!("the log ends at {head}, but {name}, which was exported, covers events up to {}", root.through);
                    Some(Finding::at(Wrong::Truncated, Position(head.0 + 1), what))
                }
                (None, None) => None,
                (None, Some(head)) => {
                    let what = format!("{name} was exported, but is not in the log: the log was cut or rewritten");
                    Some(Finding::at(Wrong::Truncated, Position(head.0 + 1), what))
                }
            }
        })
    }
}
