//! A MESSAGE outside any call (RFC 3428): it goes to where a call of its sender would, and the first final answer that says
//! yes goes back. One is a process with a stream `message-<uuid>` of its own.

mod event;
mod relay;

pub use event::{MessageEnded, MessageOffered, PagerEvent};
pub use relay::{Next, Relay};
