//! Everything that waits: the log's engines, sockets, media, the shard's loop.

pub mod cache;
pub mod event_log;
