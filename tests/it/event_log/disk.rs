//! What only a disk can do: tear a write, fail a sync, be someone else's.

mod failing_disk;
mod files;
mod reading;
mod segments;
mod torn_write;
