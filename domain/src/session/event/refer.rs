//! What happens when a REFER outside any dialog (RFC 3515) asks for a call.

use super::Parties;
use crate::address::EdgeRole;
use crate::codec::personal::Personal;
use crate::ids::{AccountId, CredentialId, DomainId, LegId, TrunkId};
use serde::{Deserialize, Serialize};

/// See [`SessionEvent::SessionReferred`](super::SessionEvent::SessionReferred).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionReferred {
    /// The dialog of the REFER. No media is ever in it: who sent it is called by another leg.
    pub leg: LegId,
    /// Whose session it is.
    pub account: AccountId,
    /// The edge it came in on.
    pub edge: EdgeRole,
    /// The trunk it came from; `None` where a user of a domain asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trunk: Option<TrunkId>,
    /// The user who asks; `None` for a trunk, or one that only a source address vouches for and that has no credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<CredentialId>,
    /// The domain whose user asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<DomainId>,
    /// Whether it wants to hear what comes of it (RFC 4488).
    pub notified: bool,
    /// Max-Forwards as received.
    pub max_forwards: u8,
    /// Who asks, and who is to be called.
    #[serde(skip)]
    pub parties: Personal<Parties>,
}
