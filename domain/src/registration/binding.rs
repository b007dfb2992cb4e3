//! One binding in memory.

use super::{Device, Q};
use crate::address::Flow;
use crate::ids::BindingId;
use crate::sip::wire::{Host, NameAddr, Uri};
use crate::time::WallTime;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Where a binding comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// A device registered.
    Register,
    /// Somebody made it by API. No REGISTER changes or removes it.
    Api,
}

/// How a binding can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reach {
    /// By the flow that it registered by; one without a flow by its contact.
    #[default]
    Flow,
    /// Its flow is gone: by its contact, as for any SIP URI.
    Contact,
    /// Not at all: it answers nothing. Its flow may lead to it again.
    #[serde(rename = "none")]
    Nowhere,
}

impl Reach {
    /// Whether it is by the flow, as ever.
    pub fn is_flow(&self) -> bool {
        *self == Self::Flow
    }
}

/// A place where a user can be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// Its id.
    pub id: BindingId,
    /// Where it comes from.
    pub origin: Origin,
    /// Its contact, flow and the like.
    pub device: Device,
    /// Its priority, where the device named one.
    pub q: Option<Q>,
    /// Which of the device's flows it is (RFC 5626).
    pub reg_id: Option<u32>,
    /// CSeq number of its newest REGISTER.
    pub cseq: u32,
    /// When it was added.
    pub since: WallTime,
    /// When it was added or refreshed last.
    pub refreshed: WallTime,
    /// When it expires; never, where there is none.
    pub until: Option<WallTime>,
    /// How requests get there.
    pub reach: Reach,
}

impl Binding {
    /// Whether it holds at that time.
    pub fn holds(&self, now: WallTime) -> bool {
        self.until.is_none_or(|until| until > now)
    }

    /// Its priority; without one it is the highest.
    pub fn priority(&self) -> Q {
        self.q.unwrap_or(Q::HIGHEST)
    }

    /// The flow that requests to it go by; none where they go to its contact.
    pub fn flow(&self) -> Option<Flow> {
        self.device.flow.filter(|_| self.reach != Reach::Contact)
    }

    /// Where requests to it go that have no flow: to the first element of its Path, else to its contact (RFC 3327 §5.3).
    pub fn next_hop(&self) -> Uri<'_> {
        let contact = self.device.contact.as_uri();
        let first = self.device.path.first().and_then(|element| NameAddr::parse(element).ok());
        first.map_or(contact, |element| element.uri)
    }

    /// Whether its device can be reached when the connection that it registered by is gone. Not where the device names
    /// its flows or says that only they lead to it (`ob`, RFC 5626 §4.3, §5.3), and not where its contact is the far end
    /// of the connection, or an address behind NAT: at neither anybody listens. Nor where a contact is a name: those of
    /// devices are not looked up.
    pub(super) fn outlives(&self, flow: &Flow) -> bool {
        let hop = self.next_hop();
        let address = match hop.host() {
            Some(Host::V4(ip)) => IpAddr::V4(ip),
            Some(Host::V6(ip)) => IpAddr::V6(ip),
            Some(Host::Name(_)) | None => return false,
        };
        let bound_to_flow = self.reg_id.is_some() || hop.param("ob").is_some();
        let listens = flow.remote.ip().to_canonical() == address && hop.port() != Some(flow.remote.port());
        !self.device.path.is_empty() || listens && !bound_to_flow
    }

    /// Whether a datagram reaches it by its flow alone: it came from elsewhere than its contact says.
    pub fn is_behind_nat(&self) -> bool {
        let Some(flow) = self.flow().filter(|flow| !flow.transport.is_reliable()) else { return false };
        let contact = self.device.contact.as_uri();
        let ip = match contact.host() {
            Some(Host::V4(ip)) => Some(IpAddr::V4(ip)),
            Some(Host::V6(ip)) => Some(IpAddr::V6(ip)),
            Some(Host::Name(_)) | None => None,
        };
        (ip, contact.port().unwrap_or(5060)) != (Some(flow.remote.ip().to_canonical()), flow.remote.port())
    }

    /// What makes it this one and no other, where it is not its contact: the device and the flow (RFC 5626 §6).
    pub(super) fn key(&self) -> Option<(&str, u32)> {
        Some((self.device.instance.as_deref()?, self.reg_id?))
    }

    /// Whether a URI is its contact's (RFC 3261 §19.1.4).
    pub(super) fn is_at(&self, uri: &crate::sip::wire::Uri<'_>) -> bool {
        self.device.contact.as_uri().same(uri)
    }
}
