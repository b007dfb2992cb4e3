//! What happens to an uplink. Messages are sealed; the rest holds nothing personal.

use crate::ids::{AccountId, TrunkId};
use crate::session::event::SipMessage;
use crate::time::WallTime;
use serde::{Deserialize, Serialize};

/// An event of stream `uplink-<uuid>`.
#[derive(Debug, Clone, PartialEq)]
pub enum UplinkEvent {
    /// A trunk's settings ask for it from here on.
    UplinkBegun(UplinkBegun),
    /// A request of ours will leave now that this is durable.
    UplinkSent(SipMessage),
    /// What came to it.
    UplinkHeard(SipMessage),
    /// The trunk's registrar knows us from here on.
    UplinkRegistered(UplinkRegistered),
    /// It knows us for longer.
    UplinkRefreshed(UplinkRefreshed),
    /// It said no, or nothing.
    UplinkRefused(UplinkRefused),
    /// It no longer knows us: nothing that we said since was taken, and the time is over.
    UplinkLost(UplinkLost),
    /// Calls to the trunk have no chance, as far as we know.
    TrunkDown(TrunkDown),
    /// They have one again.
    TrunkUp(TrunkUp),
    /// It is over.
    UplinkEnded(UplinkEnded),
}

impl UplinkEvent {
    /// The category of the streams.
    pub const CATEGORY: &'static str = "uplink";
}

/// See [`UplinkEvent::UplinkBegun`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UplinkBegun {
    /// Whose trunk it is.
    pub account: AccountId,
    /// The trunk.
    pub trunk: TrunkId,
    /// Whether we register there.
    pub registers: bool,
}

/// See [`UplinkEvent::UplinkRegistered`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UplinkRegistered {
    /// How long, in seconds.
    pub expires: u32,
    /// Until when.
    pub until: WallTime,
    /// It was lost before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub back: bool,
}

/// See [`UplinkEvent::UplinkRefreshed`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UplinkRefreshed {
    /// How long, in seconds.
    pub expires: u32,
    /// Until when.
    pub until: WallTime,
}

/// See [`UplinkEvent::UplinkRefused`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UplinkRefused {
    /// The status; none where nothing came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Why, in words without personal data.
    pub reason: Box<str>,
    /// When it is tried again.
    pub again: WallTime,
}

/// See [`UplinkEvent::UplinkLost`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UplinkLost {
    /// What the last refresh met.
    pub reason: Box<str>,
}

/// See [`UplinkEvent::TrunkDown`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrunkDown {
    /// Why, in words without personal data.
    pub reason: Box<str>,
    /// The status that said so; none where nothing came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// When it is tried again.
    pub again: WallTime,
}

/// See [`UplinkEvent::TrunkUp`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrunkUp {
    /// It answered; otherwise its time is over and the next call tries it.
    pub answered: bool,
}

/// Why an uplink ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UplinkEndCause {
    /// The trunk was removed, or switched off, or its account closed.
    Removed,
    /// Its settings changed: another uplink follows.
    Changed,
    /// The exchange takes no more calls.
    Drained,
    /// The process ended, and nothing was said to the registrar: the next start tells. What was in force then may have
    /// been for a while.
    ProcessEnded,
}

/// See [`UplinkEvent::UplinkEnded`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UplinkEnded {
    /// Why.
    pub cause: UplinkEndCause,
    /// We were registered, and the registrar said that we no longer are.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unregistered: bool,
}
