//! The only reader of clocks on the call path.

use domain::time::{Moment, Now, WallTime};
use std::cell::Cell;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The machine's wall clock is followed when it is this far from ours.
const STEP: Duration = Duration::from_millis(100);

/// Reads both clocks. Wall time runs as evenly as moments do, so that what lay between two events can be told from them:
/// the machine's clock, which is set by and by, or all at once, is followed in steps.
#[derive(Debug)]
pub struct Clock {
    origin: Instant,
    /// Microseconds of moments at the origin: after those of any event before.
    moment: u64,
    /// Microseconds since 1970 at the origin.
    wall: Cell<i64>,
}

impl Clock {
    /// A clock that begins now.
    pub fn start() -> Self {
        let wall = machine();
        Self { origin: Instant::now(), moment: u64::try_from(wall).unwrap_or(0), wall: Cell::new(wall) }
    }

    /// One reading.
    pub fn now(&self) -> Now {
        let elapsed = self.origin.elapsed();
        let passed = i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX);
        let (machine, mut wall) = (machine(), self.wall.get().saturating_add(passed));
        if u128::from(machine.abs_diff(wall)) > STEP.as_micros() {
            wall = machine;
            self.wall.set(machine.saturating_sub(passed));
        }
        let moment = self.moment.saturating_add(u64::try_from(passed).unwrap_or(0));
        Now { wall: WallTime::from_micros(wall), moment: Moment::from_micros(moment) }
    }
}

/// How long ago something happened that the kernel stamped so, since 1970 by the machine's clock. Whoever sets that clock
/// makes this wrong once, so it is to be bounded by what moments tell.
pub(super) fn since_stamped(stamp: Duration) -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().saturating_sub(stamp)
}

/// The machine's wall clock as it is, for whoever is not on the call path.
pub fn machine_time() -> WallTime {
    WallTime::from_micros(machine())
}

/// Microseconds since 1970, as the machine has it.
fn machine() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_1970.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_time_runs_as_moments_do_and_follows_the_machine_where_it_was_set() {
        let clock = Clock::start();
        let (first, second) = (clock.now(), clock.now());
        assert_eq!(second.wall.since(first.wall), second.moment.since(first.moment));
        clock.wall.set(clock.wall.get() - 3_600_000_000);
        let set = clock.now();
        assert!(set.wall.since(first.wall) < Duration::from_secs(60) && set.wall >= first.wall, "{set:?}");
        assert!(set.moment >= second.moment);
    }
}
