//! Shared helpers of the integration tests.

pub mod calls;
pub mod messages;
pub mod proofs;
pub mod registrations;
pub mod standings;
mod stream;
pub mod uplinks;
pub mod watched;
pub mod world;
