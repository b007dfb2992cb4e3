//! Everything that waits: the log's engines, sockets, media, the shard's loop.

pub mod cache;
pub mod entropy;
pub mod event_log;
pub mod exchange;
pub mod fatal;
pub mod keyring;
pub mod media;
pub mod node;
mod private_file;
#[cfg(test)]
mod scratch;
pub mod sip_socket;
