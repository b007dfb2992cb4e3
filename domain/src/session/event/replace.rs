//! What happens when an INVITE asks by Replaces (RFC 3891) for another's place in a call.

use super::Parties;
use crate::address::EdgeRole;
use crate::codec::personal::Personal;
use crate::ids::{CredentialId, DomainId, LegId, TrunkId};
use crate::media::MediaSource;
use serde::{Deserialize, Serialize};

/// See [`SessionEvent::ReplacementAsked`](super::SessionEvent::ReplacementAsked).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReplacementAsked {
    /// The new leg, whose INVITE asks.
    pub leg: LegId,
    /// The leg whose place it wants.
    pub replaces: LegId,
    /// The edge it came in on.
    pub edge: EdgeRole,
    /// The trunk it came from; `None` where a user of a domain asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trunk: Option<TrunkId>,
    /// The user who asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<CredentialId>,
    /// The domain whose user asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<DomainId>,
    /// How its media is recognised.
    pub media_source: MediaSource,
    /// Whether the INVITE came without SDP: the answer will carry the offer.
    pub late_offer: bool,
    /// Who.
    #[serde(skip)]
    pub parties: Personal<Parties>,
}

/// See [`SessionEvent::ReplacementRefused`](super::SessionEvent::ReplacementRefused).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReplacementRefused {
    /// The leg that asked.
    pub leg: LegId,
    /// The status that its INVITE gets.
    pub status: u16,
    /// Why, in one sentence without personal data.
    pub reason: Box<str>,
}
