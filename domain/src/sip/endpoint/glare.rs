//! Glare: how long to wait before what was answered with 491 is asked again (RFC 3261 §14.1).

use super::Endpoint;
use crate::ids::LegId;
use crate::ports::Mint;
use crate::sip::dialog::{DialogState, Role};
use crate::sip::timer::{LegTimer, Timer};
use crate::time::Moment;
use std::time::Duration;

impl Endpoint {
    /// [`Fact::GlareOver`](super::Fact::GlareOver) follows in due time, unless the dialog ends before.
    pub fn wait_for_glare(&mut self, now: Moment, mint: &mut dyn Mint, leg: LegId) {
        let confirmed = self.dialogs.get(&leg).filter(|dialog| dialog.state == DialogState::Confirmed);
        if let Some(dialog) = confirmed {
            let wait = back_off(dialog.role, mint.bits());
            self.timers.set(Timer::Leg(leg, LegTimer::Glare), now + wait);
        }
    }
}

/// In steps of 10 ms: 2.1 to 4 s for who made the Call-ID, 0 to 2 s for the other, so that both do not ask at once again.
const fn back_off(role: Role, bits: u64) -> Duration {
    match role {
        Role::Uac => Duration::from_millis(2_100 + 10 * (bits % 191)),
        Role::Uas => Duration::from_millis(10 * (bits % 201)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_made_the_call_id_waits_longer_than_the_other_ever_does() {
        let all = |role| (0..1_000).map(move |bits| back_off(role, bits).as_millis());
        assert_eq!((all(Role::Uac).min(), all(Role::Uac).max()), (Some(2_100), Some(4_000)));
        assert_eq!((all(Role::Uas).min(), all(Role::Uas).max()), (Some(0), Some(2_000)));
    }
}
