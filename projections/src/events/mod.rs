//! Which events came after a position? No table: the question reads the log, and shows an account its own.

mod data;
mod feed;
mod owners;

pub use data::EventView;
pub use feed::{EventFeed, FeedError, FeedPage, Live, Visible};

pub(crate) use data::{data_of, data_of_message};
