//! Read models: events in, answers out.

mod events;
mod exports;
mod harness;
mod http;
mod instants;
mod messages;
mod projector;
mod rebuild;
mod registrations;
mod registrations_http;
mod routing;
mod sessions;
mod tellings;
mod timelines;
mod transfers;
mod uplinks;

pub(crate) use harness::{Folder, PATIENCE, rebuilt};
pub(crate) use tellings::everything;
