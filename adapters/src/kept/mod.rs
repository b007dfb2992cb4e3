//! What a start needs of streams that have not changed for a while, kept beside the log: derived from it, as its index is, made
//! again when it is lost, and never believed of a stream that was written since.
//!
//! A file holds what some categories' open streams come to, up to a position of the log. A start takes it up, reads which
//! streams were written after that position, and reads those, and whatever the file lacks, from the log. Everything in it is
//! sealed under a key of that file alone: an erasure destroys the key, and with it the file ([`Shelf::destroy`]).

mod file;
mod keeper;
mod openers;
mod shelf;
#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) use keeper::Keep;
pub use keeper::{Derive, Derived, Keeper};
pub use openers::Openers;
pub use shelf::Shelf;
