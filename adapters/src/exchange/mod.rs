//! The shard: a thread that feeds sockets, timers, media reports and the log's outcomes to the pure exchange, and
//! carries out what it gives back. It decides nothing.

mod bind;
mod clock;
mod gauges;
mod inbox;
mod mint;
mod pace;
mod shard;
mod tail;

pub use clock::Clock;
pub use gauges::Gauges;
pub use inbox::{BindCommand, Inbox, Notice};
pub use mint::ShellMint;
pub use shard::{Shard, ShardError, ShardParts};
pub use tail::read_tail;
