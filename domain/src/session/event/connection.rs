//! A connection that legs of the session depend on is gone.

use crate::address::Flow;
use crate::codec::personal::Personal;
use crate::time::WallTime;
use serde::{Deserialize, Serialize};

/// See [`SessionEvent::ConnectionLost`](super::SessionEvent::ConnectionLost).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConnectionLost {
    /// It ended with our process, so the peer is not to blame, and another may come about. What was decided since then may
    /// not have left by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with_us_after: Option<WallTime>,
    /// Which.
    #[serde(skip)]
    pub flow: Personal<Flow>,
}
