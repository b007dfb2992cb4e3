//! One binding in memory.

use super::{Device, Q};
use crate::ids::BindingId;
use crate::time::WallTime;

/// Where a binding comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// A device registered.
    Register,
    /// Somebody made it by API. No REGISTER changes or removes it.
    Api,
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

    /// What makes it this one and no other, where it is not its contact: the device and the flow (RFC 5626 §6).
    pub(super) fn key(&self) -> Option<(&str, u32)> {
        Some((self.device.instance.as_deref()?, self.reg_id?))
    }

    /// Whether a URI is its contact's (RFC 3261 §19.1.4).
    pub(super) fn is_at(&self, uri: &crate::sip::wire::Uri<'_>) -> bool {
        self.device.contact.as_uri().same(uri)
    }
}
