//! A connection that legs of the session depend on is gone.

use crate::address::Flow;
use crate::codec::personal::Personal;
use serde::{Deserialize, Serialize};

/// See [`SessionEvent::ConnectionLost`](super::SessionEvent::ConnectionLost).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConnectionLost {
    /// It ended with our process: the peer is not to blame, and a new one may come about.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub with_us: bool,
    /// Which.
    #[serde(skip)]
    pub flow: Personal<Flow>,
}
