//! What happens when a party asks by REFER (RFC 3515) that the other one be connected elsewhere.

use crate::codec::personal::Personal;
use crate::ids::LegId;
use serde::{Deserialize, Serialize};

/// See [`SessionEvent::TransferAsked`](super::SessionEvent::TransferAsked).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TransferAsked {
    /// The leg whose peer asks.
    pub leg: LegId,
    /// Whether it wants to hear what comes of it (RFC 4488).
    pub notified: bool,
    /// The URI that is to be called.
    #[serde(skip)]
    pub target: Personal<String>,
}

/// See [`SessionEvent::TransferRefused`](super::SessionEvent::TransferRefused).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TransferRefused {
    /// The leg whose peer asked.
    pub leg: LegId,
    /// The status that its REFER gets.
    pub status: u16,
    /// Why, in one sentence without personal data.
    pub reason: Box<str>,
}

/// See [`SessionEvent::LegReplaced`](super::SessionEvent::LegReplaced).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LegReplaced {
    /// The leg that was in the call.
    pub leg: LegId,
    /// The leg that takes its place beside the other party.
    pub by: LegId,
}

/// See [`SessionEvent::TransferCompleted`](super::SessionEvent::TransferCompleted).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TransferCompleted {
    /// The leg whose peer had asked.
    pub leg: LegId,
}

/// See [`SessionEvent::TransferFailed`](super::SessionEvent::TransferFailed).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TransferFailed {
    /// The leg whose peer had asked.
    pub leg: LegId,
    /// The status that says why; what its peer is told.
    pub status: u16,
    /// Why, in one sentence without personal data.
    pub reason: Box<str>,
}
