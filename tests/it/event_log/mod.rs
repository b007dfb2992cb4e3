//! The log: one contract over every engine, and what only a disk can do to it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod contract;
mod disk;
mod engines;
pub mod given;
mod model;
mod remote;
mod setting;
mod sharing;
mod trouble;
