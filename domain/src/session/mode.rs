//! The operating mode of a session: which resources carry it, and at which rate it is metered.

use serde::{Deserialize, Serialize};

/// A session always has exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Two legs are bridged; nothing but a relay touches the media.
    Trunking,
}
