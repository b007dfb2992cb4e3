//! What the exchange does at a trunk of its own accord: it keeps itself registered there, and finds out whether calls to it
//! have a chance. [O10, O11]
//!
//! One run of this is an uplink, with a stream `uplink-<uuid>` of its own: from when a trunk's settings ask for it until
//! they no longer do, or until the process ends. What it is told is written there, and whatever changes by it.

mod event;
mod health;
mod register;
mod standing;

pub use event::{
    TrunkDown, TrunkUp, UplinkBegun, UplinkEndCause, UplinkEnded, UplinkEvent, UplinkLost, UplinkRefreshed,
    UplinkRefused, UplinkRegistered,
};
pub use health::{Health, Heard};
pub use register::{Answer, Registering};
pub use standing::{Reach, Registered, RegistrationState, Standing, Standings};

use std::time::Duration;

/// The first wait after a failure, in seconds (RFC 5626 §4.5, base-time-all-fail).
const BASE_TIME: u64 = 30;

/// The longest wait after a failure, in seconds (RFC 5626 §4.5, max-time).
const MAX_TIME: u64 = 1_800;

/// The longest that a Retry-After is obeyed, in seconds.
const LONGEST_RETRY_AFTER: u32 = 3_600;

/// How long to wait after so many failures in a row (RFC 5626 §4.5): doubling, and of that half to all at random, so that
/// a peer that comes back is not met by everybody at once. A Retry-After is obeyed in any case.
fn back_off(failures: u32, retry_after: Option<u32>, bits: u64) -> Duration {
    let most = BASE_TIME.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(MAX_TIME);
    let wait = Duration::from_millis(most * 500 + bits % (most * 500 + 1));
    let asked = Duration::from_secs(u64::from(retry_after.unwrap_or(0).min(LONGEST_RETRY_AFTER)));
    wait.max(asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_half_an_hour_and_are_half_to_all_of_that() {
        for (failures, most) in [(1, 30), (2, 60), (3, 120), (7, 1_800), (60, 1_800)] {
            assert_eq!(back_off(failures, None, 0), Duration::from_millis(most * 500), "{failures}");
            assert_eq!(back_off(failures, None, most * 500), Duration::from_secs(most), "{failures}");
        }
    }

    #[test]
    fn a_retry_after_is_waited_for_but_not_for_ever() {
        assert_eq!(back_off(1, Some(300), 0), Duration::from_secs(300));
        assert_eq!(back_off(1, Some(u32::MAX), 0), Duration::from_secs(3_600));
        assert_eq!(back_off(7, Some(5), 0), Duration::from_secs(900));
    }
}
