//! How long messages may wait before new calls are refused for it.

use super::{ConfigError, Sip};
use std::time::Duration;

impl Sip {
    /// How long a message may wait before new calls are refused with 503; none where nobody is refused for load. What is
    /// gathered waits by design, and that does not count.
    pub fn may_wait(&self) -> Option<Duration> {
        (self.may_wait_ms != 0).then(|| Duration::from_millis(self.may_wait_ms + self.gather_ms))
    }

    pub(super) fn check_may_wait(&self) -> Result<(), ConfigError> {
        if (20..=400).contains(&self.may_wait_ms) || self.may_wait_ms == 0 {
            return Ok(());
        }
        let what = "must be 20 to 400, or 0 to refuse nobody for load".to_owned();
        Err(ConfigError::Value { setting: "sip.may_wait_ms", what })
    }
}
