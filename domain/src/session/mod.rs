//! The session aggregate: all legs of one conversation of one account.

pub mod event;
pub mod mode;
