//! The only reader of clocks on the call path.

use domain::time::{Moment, Now, WallTime};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Reads both clocks.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// A clock whose moments count from now.
    pub fn start() -> Self {
        Self { origin: Instant::now() }
    }

    /// One reading.
    pub fn now(&self) -> Now {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let wall = WallTime::from_micros(i64::try_from(since_1970.as_micros()).unwrap_or(i64::MAX));
        let moment = u64::try_from(self.origin.elapsed().as_micros()).unwrap_or(u64::MAX);
        Now { wall, moment: Moment::from_micros(moment) }
    }
}
