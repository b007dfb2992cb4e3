//! What happens when a party asks by REFER with Replaces that two calls of its own be joined (RFC 5589 §7).

use crate::codec::personal::Personal;
use crate::ids::{DomainId, LegId, SessionId, TransferId, TrunkId};
use crate::media::MediaSource;
use serde::{Deserialize, Serialize};

/// See [`SessionEvent::TransferLinked`](super::SessionEvent::TransferLinked).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TransferLinked {
    /// The leg whose peer asked.
    pub leg: LegId,
    /// The transfer.
    pub transfer: TransferId,
    /// The session of the call that is to be joined with this one.
    pub with: SessionId,
}

/// See [`SessionEvent::LegGivenAway`](super::SessionEvent::LegGivenAway).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LegGivenAway {
    /// The leg.
    pub leg: LegId,
    /// The session that is to take it.
    pub to: SessionId,
    /// The transfer.
    pub transfer: TransferId,
}

/// See [`SessionEvent::LegTaken`](super::SessionEvent::LegTaken).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LegTaken {
    /// The leg.
    pub leg: LegId,
    /// The session that gave it away.
    pub from: SessionId,
    /// The transfer.
    pub transfer: TransferId,
    /// The trunk it came or leaves by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trunk: Option<TrunkId>,
    /// The domain whose user had called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<DomainId>,
    /// Whether it is a registered device.
    pub device: bool,
    /// How its media is recognised.
    pub media_source: MediaSource,
    /// Version in our `o=` line toward it.
    pub version: u64,
    /// What was agreed with it, and who it is.
    #[serde(skip)]
    pub carried: Personal<Carried>,
}

/// What a leg brings along.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carried {
    /// Its SDP in force.
    pub agreed: String,
    /// The last SDP that it was told.
    pub told: String,
    /// The To URI of a leg that we began.
    pub to: String,
    /// What was dialled to reach it.
    pub dialled: String,
}

/// See [`SessionEvent::LegReturned`](super::SessionEvent::LegReturned).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LegReturned {
    /// The leg.
    pub leg: LegId,
    /// The session that has it again.
    pub to: SessionId,
}

/// See [`SessionEvent::LegRegained`](super::SessionEvent::LegRegained).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LegRegained {
    /// The leg.
    pub leg: LegId,
    /// The session that had taken it.
    pub from: SessionId,
    /// Version in our `o=` line toward it.
    pub version: u64,
}
