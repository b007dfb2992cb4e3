//! The shard: a thread that feeds sockets, timers, media reports and the log's outcomes to the pure exchange, and
//! carries out what it gives back. It decides nothing.

mod bind;
mod clock;
mod gauges;
mod inbox;
mod mint;
mod pace;
mod shard;
mod waits;

pub use clock::{Clock, machine_time};
pub use gauges::Gauges;
pub use inbox::{BindCommand, Inbox, Notice};
pub use mint::ShellMint;
pub use shard::{Shard, ShardError, ShardParts};
