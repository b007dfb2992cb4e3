//! How long the parts of a start take, for whoever reads the program's log.

use std::fmt::Write;
use std::time::Instant;

/// The parts so far.
pub(super) struct Laps {
    began: Instant,
    last: Instant,
    told: String,
}

impl Laps {
    /// The start begins.
    pub fn begin() -> Self {
        let now = Instant::now();
        Self { began: now, last: now, told: String::new() }
    }

    /// A part is done.
    pub fn lap(&mut self, part: &str) {
        let now = Instant::now();
        let parted = if self.told.is_empty() { "" } else { ", " };
        // Writing to a text cannot fail.
        let _ = write!(self.told, "{parted}{part} {}", (now - self.last).as_millis());
        self.last = now;
    }

    /// Calls are taken from here on.
    pub fn tell(&self) {
        tracing::info!(ms = self.began.elapsed().as_millis(), parts = self.told, "calls are taken");
    }
}
