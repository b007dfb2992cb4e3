//! Everything that waits: the log's engines, sockets, media, the shard's loop.
mod private_file;
#[cfg(test)]
mod scratch;

pub mod cache;
pub mod descriptors;
pub mod entropy;
pub mod erasure;
pub mod event_log;
pub mod exchange;
pub mod fatal;
pub mod holder;
pub mod kept;
pub mod keyring;
pub mod media;
pub mod node;
pub mod notary;
pub mod provisioning;
pub mod sip_socket;
pub mod supervisor;
