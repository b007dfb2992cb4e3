//! Events as the log stores them: stable names, versions and what leads from old ones, sealed parts.

mod part;
pub mod personal;
pub mod seal;
pub mod session;
pub mod upcast;

pub use part::{DecodeError, Encoded};
