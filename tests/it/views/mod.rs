//! Read models: events in, answers out.

mod cost;
mod harness;
mod projector;
mod routing;
mod sessions;
mod timelines;
