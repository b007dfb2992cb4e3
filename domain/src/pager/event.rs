//! What happens to a MESSAGE.

use crate::address::EdgeRole;
use crate::codec::personal::Personal;
use crate::ids::{AccountId, CredentialId, DomainId, LegId, TrunkId};
use crate::session::event::{Parties, RouteChosen, RouteRefused, SipMessage};
use serde::{Deserialize, Serialize};

/// An event of stream `message-<uuid>`.
#[derive(Debug, Clone, PartialEq)]
pub enum PagerEvent {
    /// A SIP message of it arrived: the MESSAGE, or what came to it at a target.
    MessageHeard(SipMessage),
    /// A SIP message of it will leave now that this is durable: the MESSAGE to a target, or our answer.
    MessageSent(SipMessage),
    /// A known peer has something to say.
    MessageOffered(MessageOffered),
    /// Where it goes, and why.
    MessageRouted(RouteChosen),
    /// No way leads to whom it is for, and why.
    MessageUnroutable(RouteRefused),
    /// Its sender has its answer.
    MessageEnded(MessageEnded),
}

impl PagerEvent {
    /// The category of the streams.
    pub const CATEGORY: &'static str = "message";
    /// The type of the last decision: only what targets say late comes after it.
    pub const ENDED: &'static str = "MessageEnded";
}

/// See [`PagerEvent::MessageOffered`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MessageOffered {
    /// The sender's leg.
    pub leg: LegId,
    /// Whose it is.
    pub account: AccountId,
    /// The edge it came in on.
    pub edge: EdgeRole,
    /// The trunk it came from; none where a user of a domain speaks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trunk: Option<TrunkId>,
    /// The user who speaks, where that has a credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<CredentialId>,
    /// The domain of that user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<DomainId>,
    /// Who speaks to whom.
    #[serde(skip)]
    pub parties: Personal<Parties>,
}

/// See [`PagerEvent::MessageEnded`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageEnded {
    /// What the sender was told.
    pub status: u16,
    /// Which of the targets took it, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<u8>,
}
