//! A connection that legs of the session depend on is gone.

use crate::address::Flow;
use crate::codec::personal::Personal;
use serde::{Deserialize, Serialize};

/// See [`SessionEvent::ConnectionLost`](super::SessionEvent::ConnectionLost).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConnectionLost {
    /// Which.
    #[serde(skip)]
    pub flow: Personal<Flow>,
}
