//! What happens to the bindings of an address of record. Whose address and which device it is stands sealed.

use super::{Aor, Q, Reach};
use crate::address::{Flow, Transport};
use crate::codec::personal::Personal;
use crate::ids::{AccountId, BindingId, DomainId, KeyId, TrunkId};
use crate::session::event::Wire;
use crate::sip::wire::UriBuf;
use crate::time::WallTime;
use serde::{Deserialize, Serialize};

/// An event of stream `registration-<keyed hash of the address of record>`.
#[derive(Debug, Clone, PartialEq)]
pub enum RegistrationEvent {
    /// A REGISTER arrived and was taken in.
    RegisterReceived(RegisterReceived),
    /// Its answer will leave now that this is durable.
    RegisterAnswered(RegisterAnswered),
    /// The user can be reached at one more place.
    BindingAdded(BindingAdded),
    /// A place stays, for longer or with other particulars.
    BindingRefreshed(BindingRefreshed),
    /// The user can no longer be reached there.
    BindingRemoved(BindingRemoved),
    /// The user is still reached there, but by another way.
    BindingReachChanged(BindingReachChanged),
    /// All bindings as they are before what follows: whoever takes the stream up may begin here.
    BindingsStated(BindingsStated),
}

impl RegistrationEvent {
    /// The binding that it tells of.
    pub const fn binding(&self) -> Option<BindingId> {
        match self {
            Self::BindingAdded(added) => Some(added.binding),
            Self::BindingRefreshed(refreshed) => Some(refreshed.binding),
            Self::BindingRemoved(removed) => Some(removed.binding),
            Self::BindingReachChanged(changed) => Some(changed.binding),
            Self::RegisterReceived(_) | Self::RegisterAnswered(_) | Self::BindingsStated(_) => None,
        }
    }

    /// Whether it tells all bindings of the user, whatever came before it: who takes the stream up may begin here.
    pub const fn tells_all(&self) -> bool {
        match self {
            Self::BindingsStated(_) => true,
            Self::BindingAdded(added) => added.sole,
            Self::BindingRefreshed(refreshed) => refreshed.sole_since.is_some(),
            Self::RegisterReceived(_)
            | Self::RegisterAnswered(_)
            | Self::BindingRemoved(_)
            | Self::BindingReachChanged(_) => false,
        }
    }

    /// The device that it tells of, where it can be read.
    pub const fn device(&self) -> Option<&Device> {
        match self {
            Self::BindingAdded(added) => added.device.known(),
            Self::BindingRefreshed(refreshed) => refreshed.device.known(),
            Self::RegisterReceived(_)
            | Self::RegisterAnswered(_)
            | Self::BindingRemoved(_)
            | Self::BindingReachChanged(_)
            | Self::BindingsStated(_) => None,
        }
    }

    /// Whose bindings it tells of, where it can be read.
    pub fn aor(&self) -> Option<&Aor> {
        match self {
            Self::BindingsStated(stated) => stated.table.known().map(|table| &table.aor),
            Self::RegisterReceived(_)
            | Self::RegisterAnswered(_)
            | Self::BindingAdded(_)
            | Self::BindingRefreshed(_)
            | Self::BindingRemoved(_)
            | Self::BindingReachChanged(_) => self.device().map(|device| &device.aor),
        }
    }
}

/// See [`RegistrationEvent::RegisterReceived`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RegisterReceived {
    /// Whose address it is about.
    pub account: AccountId,
    /// CSeq number.
    pub cseq: u32,
    /// The bytes and where they came from.
    #[serde(skip)]
    pub wire: Personal<Wire>,
}

/// See [`RegistrationEvent::RegisterAnswered`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RegisterAnswered {
    /// Whose address it is about.
    pub account: AccountId,
    /// CSeq number.
    pub cseq: u32,
    /// Status of the answer.
    pub status: u16,
    /// Why it is no 200, in words without personal data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Box<str>>,
    /// The bytes and where they go.
    #[serde(skip)]
    pub wire: Personal<Wire>,
}

/// What is personal of a binding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// The address of record.
    pub aor: Aor,
    /// The contact's URI, byte for byte as the device sent it.
    pub contact: UriBuf,
    /// Parameters of the contact that are none of ours, as sent, each with its `;`.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub params: Box<str>,
    /// Call-ID of its newest REGISTER; empty for a binding by API.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub call_id: Box<str>,
    /// The device's `+sip.instance`, without quotes and brackets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<Box<str>>,
    /// Its `User-Agent`, cut to 128 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<Box<str>>,
    /// Its Path, topmost first: the route set of requests to it (RFC 3327).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub path: Vec<Box<str>>,
    /// The way its newest REGISTER came, by which requests to it go; none for a binding by API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow: Option<Flow>,
}

/// See [`RegistrationEvent::BindingAdded`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BindingAdded {
    /// Its id.
    pub binding: BindingId,
    /// Whose user it is.
    pub account: AccountId,
    /// The user's domain; none for a trunk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<DomainId>,
    /// The trunk that registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trunk: Option<TrunkId>,
    /// CSeq number of its newest REGISTER; 0 for a binding by API.
    pub cseq: u32,
    /// Its priority, where the device named one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub q: Option<Q>,
    /// Which of the device's flows it is (RFC 5626).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reg_id: Option<u32>,
    /// The transport that it came by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transport: Option<Transport>,
    /// How long it was granted, in seconds; none: until it is removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<u32>,
    /// When it expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<WallTime>,
    /// Whether it was made by API.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub api: bool,
    /// The key that asked, by API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<KeyId>,
    /// Whether the user has no other ([`RegistrationEvent::tells_all`]).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sole: bool,
    /// Who and what it is.
    #[serde(skip)]
    pub device: Personal<Device>,
}

/// See [`RegistrationEvent::BindingRefreshed`]. Everything that may have changed stands in it again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BindingRefreshed {
    /// Which.
    pub binding: BindingId,
    /// Whose user it is.
    pub account: AccountId,
    /// CSeq number of the REGISTER.
    pub cseq: u32,
    /// Its priority, where the device named one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub q: Option<Q>,
    /// Which of the device's flows it is (RFC 5626).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reg_id: Option<u32>,
    /// The transport that it came by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transport: Option<Transport>,
    /// How long it was granted, in seconds.
    pub expires: u32,
    /// When it expires.
    pub until: WallTime,
    /// When it was added, where the user has no other and it came by REGISTER ([`RegistrationEvent::tells_all`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sole_since: Option<WallTime>,
    /// Who and what it is.
    #[serde(skip)]
    pub device: Personal<Device>,
}

/// Why a binding ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RemovalCause {
    /// The device said so.
    Unregistered,
    /// Another binding of the same contact took its place.
    Replaced,
    /// Nobody refreshed it.
    Expired,
    /// Its connection is gone.
    FlowLost,
    /// Somebody removed it by API.
    Api,
}

/// See [`RegistrationEvent::BindingRemoved`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BindingRemoved {
    /// Which.
    pub binding: BindingId,
    /// Whose user it was.
    pub account: AccountId,
    /// Why.
    pub cause: RemovalCause,
    /// The key that asked, by API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<KeyId>,
}

/// See [`RegistrationEvent::BindingReachChanged`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BindingReachChanged {
    /// Which.
    pub binding: BindingId,
    /// Whose user it is.
    pub account: AccountId,
    /// How requests get there from here on.
    pub reach: Reach,
}

/// See [`RegistrationEvent::BindingsStated`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BindingsStated {
    /// Whose user it is.
    pub account: AccountId,
    /// The bindings, in the order in which they were added.
    pub bindings: Vec<BindingStated>,
    /// Who and what they are.
    #[serde(skip)]
    pub table: Personal<StatedTable>,
}

impl BindingsStated {
    /// Stable type name: readers that go backwards through a stream stop at it.
    pub const KIND: &'static str = "BindingsStated";
}

/// What is not personal of a binding that a summary states.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BindingStated {
    /// Its id.
    pub binding: BindingId,
    /// CSeq number of its newest REGISTER; 0 for a binding by API.
    pub cseq: u32,
    /// Its priority, where the device named one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub q: Option<Q>,
    /// Which of the device's flows it is (RFC 5626).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reg_id: Option<u32>,
    /// When it was added.
    pub since: WallTime,
    /// When it was added or refreshed last.
    pub refreshed: WallTime,
    /// When it expires; none: when it is removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<WallTime>,
    /// Whether it was made by API.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub api: bool,
    /// How requests get there.
    #[serde(default, skip_serializing_if = "Reach::is_flow")]
    pub reach: Reach,
}

/// What is personal of a summary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatedTable {
    /// The address of record.
    pub aor: Aor,
    /// The devices, one for each binding, in the same order.
    pub devices: Vec<Device>,
}
