//! Tamper evidence beyond the hash chain of each stream: a notary follows the whole log and signs, again and again, a
//! Merkle root over the events that came since its last one. Each root carries the hash of the one before, so that the
//! newest stands for the whole log before it; whoever keeps a copy of them finds out if the log was rewritten.
//!
//! Roots are events of their own, in `notary-<node>`. What a root covers are all events of its span, those of notaries
//! too: a root stands in the span of the next. Where nothing but roots came, none is due, or they would go on for ever.

mod chain;
mod export;
mod finding;
mod root;
mod span;
mod tree;
mod verify;

pub use chain::Chain;
pub use export::Exported;
pub use finding::{Finding, Wrong};
pub use root::{Marks, NotaryKey, Root, RootSigned, Signature, SignedRoot, Signer};
pub use span::Span;
pub use tree::{Tree, leaf};
pub use verify::Verifier;

use crate::log::StreamName;

/// The category of the streams that hold roots.
pub const CATEGORY: &str = "notary";

/// The stream of a node's roots.
pub fn stream_of(node: u16) -> StreamName {
    StreamName::new(CATEGORY, node)
}
