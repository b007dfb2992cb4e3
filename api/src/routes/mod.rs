//! Routes by noun.

pub mod events;
mod params;
mod problem;
mod reach;
pub mod sessions;

pub use problem::Problem;
pub use reach::Reach;
