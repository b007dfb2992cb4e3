//! Events as the log stores them: stable names, versions, sealed parts.

mod part;
pub mod personal;
pub mod registration;
pub mod seal;
pub mod secret;
pub mod session;

pub use part::{DecodeError, Desk, Encoded};
