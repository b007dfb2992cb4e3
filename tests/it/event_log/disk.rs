//! What only a disk can do: tear a write, fail a sync, be someone else's.

mod files;
mod sync_failure;
mod torn_write;
