//! Rows as readers get them. What was erased is `None`.

use domain::ids::{AccountId, BindingId, DomainId, RegistrationId, TrunkId};
use domain::log::Position;
use domain::registration::Q;
use domain::time::WallTime;
use std::time::Duration;

/// A binding, now or before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BindingRow {
    /// Its id.
    pub binding: BindingId,
    /// The address of record, by its id.
    pub registration: RegistrationId,
    /// Whose user it is.
    pub account: AccountId,
    /// The user's domain; none for a trunk.
    pub domain: Option<DomainId>,
    /// The trunk that registered.
    pub trunk: Option<TrunkId>,
    /// The address of record.
    pub aor: Option<String>,
    /// The contact's URI as the device sent it.
    pub contact: Option<String>,
    /// The device by its User-Agent.
    pub user_agent: Option<String>,
    /// The device by its instance id.
    pub instance: Option<String>,
    /// Which of the device's flows it is.
    pub reg_id: Option<u32>,
    /// Its priority, where the device named one.
    pub q: Option<Q>,
    /// The transport that it came by.
    pub transport: Option<String>,
    /// The address that it came from last.
    pub address: Option<String>,
    /// Whether it was made by API.
    pub api: bool,
    /// How it is reached: `flow`, `contact` or `none`.
    pub reach: String,
    /// When it was added.
    pub since: WallTime,
    /// When it was added or refreshed last.
    pub refreshed_at: WallTime,
    /// How often it was refreshed.
    pub refreshes: u64,
    /// When it expires or would have; `None` for one without an end.
    pub expires_at: Option<WallTime>,
    /// When it ended; `None` while it holds.
    pub ended_at: Option<WallTime>,
    /// Why it ended, e.g. `expired`.
    pub cause: Option<String>,
    /// Position of the event that added it: the cursor of pages.
    pub added: Position,
    /// Position of the newest event that the row shows.
    pub position: Position,
}

impl BindingRow {
    /// Whether what was personal in it was erased.
    pub const fn is_erased(&self) -> bool {
        self.aor.is_none() && self.contact.is_none()
    }

    /// `online`, or why it ended.
    pub fn state(&self) -> &str {
        self.cause.as_deref().unwrap_or("online")
    }

    /// From its beginning to its end; `None` while it holds.
    pub fn lasted(&self) -> Option<Duration> {
        Some(self.ended_at?.since(self.since))
    }
}

/// What happened to a binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happening {
    /// It was added.
    Added,
    /// It came from another address, or with another contact.
    Moved,
    /// It is reached by another way.
    Reach,
    /// It ended.
    Removed,
}

impl Happening {
    /// As rows and clients have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Moved => "moved",
            Self::Reach => "reach",
            Self::Removed => "removed",
        }
    }

    pub(super) fn of(name: &str) -> Option<Self> {
        [Self::Added, Self::Moved, Self::Reach, Self::Removed].into_iter().find(|known| known.name() == name)
    }
}

/// One thing that happened to a binding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryRow {
    /// Position of the event: the cursor of pages.
    pub position: Position,
    /// Which binding.
    pub binding: BindingId,
    /// When.
    pub at: WallTime,
    /// What.
    pub what: Happening,
    /// Why, of a removal; by what way, of another reach.
    pub cause: Option<String>,
    /// The contact's URI from then on.
    pub contact: Option<String>,
    /// The device's User-Agent.
    pub user_agent: Option<String>,
    /// The transport that it came by.
    pub transport: Option<String>,
    /// The address that it came from.
    pub address: Option<String>,
}
