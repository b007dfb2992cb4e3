//! Everything with a URL, and the one binary.

pub mod demo;
pub mod routes;
