//! The session aggregate: all legs of one conversation of one account. [`Session::evolve`] folds its events;
//! [`decide`] says what follows from what happens.

pub mod decide;
pub mod event;
pub mod leg;
mod media;
pub mod mode;
pub mod order;
pub mod referred;
mod state;
pub mod transfer;

pub(crate) use media::sdp_of;
pub use state::{PendingOffer, Session};
