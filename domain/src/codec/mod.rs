//! Events as the log stores them: stable names, versions and what leads from old ones, sealed parts.

pub mod pager;
mod part;
pub mod personal;
pub mod registration;
pub mod seal;
pub mod secret;
pub mod session;
mod stream;
pub mod transfer;
pub mod upcast;
pub mod uplink;

pub use part::{DecodeError, Desk, Encoded, key_named_in};
