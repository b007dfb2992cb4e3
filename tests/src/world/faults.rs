//! An exchange that has too much to do, and a machine whose clock is set.

use super::World;
use domain::exchange::Waits;
use domain::time::WallTime;
use std::time::Duration;

const TURN: Duration = Duration::from_millis(20);

impl World {
    /// Messages wait longer from turn to turn: nearly all new calls are refused from here on, and REGISTERs are not yet.
    pub fn overload(&mut self) {
        let mut wait = Duration::ZERO;
        for _ in 0..35 {
            self.pass(TURN);
            wait += TURN;
            self.exchange.waited(self.now.moment, Waits { sockets: wait, log: Duration::ZERO });
        }
    }

    /// The machine's clock is set, so many seconds forward or back. Moments pass as ever.
    pub fn set_clock(&mut self, seconds: i64) {
        self.now.wall = WallTime::from_micros(self.now.wall.micros() + seconds * 1_000_000);
    }

    /// There is no key for a new call from here on, or there are again.
    pub const fn lack_keys(&mut self, lack: bool) {
        self.mint.keyless = lack;
    }

    /// Nothing waits any more, until the exchange has noticed; how long that took.
    pub fn relieve(&mut self) -> Duration {
        let began = self.now.moment;
        while let Some(next) = self.exchange.next_wait() {
            self.pass(next.since(self.now.moment));
            self.exchange.waited(self.now.moment, Waits::default());
        }
        self.now.moment.since(began)
    }
}
