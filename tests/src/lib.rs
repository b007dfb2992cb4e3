//! Shared helpers of the integration tests.

pub mod calls;
pub mod registrations;
pub mod standings;
pub mod world;
