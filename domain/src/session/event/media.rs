//! What the media threads report, as it is kept.

use crate::codec::personal::Personal;
use crate::ids::LegId;
use crate::media::SideStatistics;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// See [`SessionEvent::MediaLatched`](super::SessionEvent::MediaLatched).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MediaLatched {
    /// The leg.
    pub leg: LegId,
    /// Index of the m-line.
    pub stream: u8,
    /// The pinned source.
    #[serde(skip)]
    pub source: Personal<SocketAddr>,
}

/// See [`SessionEvent::MediaFellSilent`](super::SessionEvent::MediaFellSilent).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MediaFellSilent {
    /// The leg.
    pub leg: LegId,
    /// Index of the m-line.
    pub stream: u8,
    /// For how long, milliseconds.
    pub lasted_ms: u64,
    /// Whether its RTCP still comes: alive, only quiet. Without it the leg is taken for lost.
    pub rtcp_alive: bool,
}

/// See [`SessionEvent::MediaHeard`](super::SessionEvent::MediaHeard).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MediaHeard {
    /// The leg.
    pub leg: LegId,
    /// Index of the m-line.
    pub stream: u8,
}

/// See [`SessionEvent::MediaMeasured`](super::SessionEvent::MediaMeasured).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MediaMeasured {
    /// Index of the m-line.
    pub stream: u8,
    /// What each leg's peer sent.
    pub sides: [LegMeasure; 2],
}

/// What one leg's peer sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LegMeasure {
    /// The leg.
    pub leg: LegId,
    /// Counters.
    #[serde(flatten)]
    pub statistics: SideStatistics,
}
