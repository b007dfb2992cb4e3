//! What is agreed of a leg's session timer (RFC 4028).

use crate::ids::LegId;
use crate::sip::session_timer::Terms;
use serde::{Deserialize, Serialize};

/// See [`SessionEvent::SessionTimerSet`](super::SessionEvent::SessionTimerSet).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionTimerSet {
    /// The leg.
    pub leg: LegId,
    /// The interval, and who refreshes; nothing where no timer runs any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timer: Option<Terms>,
}
