//! What is there of somebody, to be erased; and what was erased, masked in every row that held it in clear. No table of its
//! own: an erasure is told by its stream, and each read model follows it.

mod find;
mod mask;

pub use find::{FindError, Found, Subject, find};

pub(crate) use mask::{Erased, mask};
