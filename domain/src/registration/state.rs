//! The bindings of one address of record, folded from its events.

use super::{
    Aor, Binding, BindingAdded, BindingReachChanged, BindingRefreshed, BindingRemoved, Device, Origin, Reach,
    RegistrationEvent, RemovalCause,
};
use crate::address::Flow;
use crate::domain_name::DomainSettings;
use crate::ids::{AccountId, BindingId, DomainId, TrunkId};
use crate::routing::Registrant;
use crate::time::WallTime;

/// Whose address of record it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Home {
    /// A user's of a domain.
    Domain(DomainId),
    /// A PBX trunk's own.
    Trunk(TrunkId),
}

impl Home {
    /// The bits of its id.
    pub const fn bits(self) -> u128 {
        match self {
            Self::Domain(id) => id.bits(),
            Self::Trunk(id) => id.bits(),
        }
    }

    /// The domain.
    pub const fn domain(self) -> Option<DomainId> {
        match self {
            Self::Domain(id) => Some(id),
            Self::Trunk(_) => None,
        }
    }

    /// The trunk.
    pub const fn trunk(self) -> Option<TrunkId> {
        match self {
            Self::Domain(_) => None,
            Self::Trunk(id) => Some(id),
        }
    }
}

/// Under what terms bindings are made: the address, whose it is, and the settings that hold for it.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    /// The address of record.
    pub aor: &'a Aor,
    /// Whose user it is.
    pub account: AccountId,
    /// The user's domain, or the trunk.
    pub home: Home,
    /// The domain's settings, or those of trunks.
    pub settings: &'a DomainSettings,
    /// How many bindings more the account may have; none where it has no limit.
    pub room: Option<usize>,
}

impl<'a> Terms<'a> {
    /// The terms of whoever registers.
    pub const fn of(aor: &'a Aor, registrant: &'a Registrant, room: Option<usize>) -> Self {
        Self { aor, account: registrant.account, home: registrant.home, settings: &registrant.settings, room }
    }
}

/// The bindings of one address of record.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Registration {
    /// Whose they are, as the newest event says.
    pub(super) account: Option<AccountId>,
    pub(super) bindings: Vec<Binding>,
}

impl Registration {
    /// Takes the next event, which happened at that time. A binding whose device is masked, because its key was erased,
    /// can be reached by nobody and is left out.
    pub fn apply(&mut self, at: WallTime, event: &RegistrationEvent) {
        match event {
            RegistrationEvent::RegisterReceived(_) | RegistrationEvent::RegisterAnswered(_) => {}
            RegistrationEvent::BindingAdded(added) => self.add(at, added),
            RegistrationEvent::BindingRefreshed(refreshed) => self.refresh(at, refreshed),
            RegistrationEvent::BindingRemoved(BindingRemoved { binding, account, .. }) => {
                self.account = Some(*account);
                self.bindings.retain(|known| known.id != *binding);
            }
            RegistrationEvent::BindingReachChanged(BindingReachChanged { binding, account, reach }) => {
                self.account = Some(*account);
                if let Some(known) = self.bindings.iter_mut().find(|known| known.id == *binding) {
                    known.reach = *reach;
                }
            }
            RegistrationEvent::BindingsStated(stated) => self.state(stated),
        }
    }

    fn add(&mut self, at: WallTime, added: &BindingAdded) {
        self.account = Some(added.account);
        if added.sole {
            self.bindings.clear();
        }
        let Some(device) = added.device.known() else { return };
        let origin = if added.api { Origin::Api } else { Origin::Register };
        // Most users have one device: room for four would cost more than moving a second one.
        self.bindings.reserve_exact(1);
        self.bindings.push(Binding {
            id: added.binding,
            origin,
            device: device.clone(),
            q: added.q,
            reg_id: added.reg_id,
            cseq: added.cseq,
            since: at,
            refreshed: at,
            until: added.until,
            reach: Reach::Flow,
        });
    }

    fn refresh(&mut self, at: WallTime, refreshed: &BindingRefreshed) {
        self.account = Some(refreshed.account);
        if let Some(since) = refreshed.sole_since {
            return self.bindings =
                refreshed.device.known().map(|device| sole(at, refreshed, since, device)).into_iter().collect();
        }
        let Some(known) = self.bindings.iter_mut().find(|known| known.id == refreshed.binding) else { return };
        if let Some(device) = refreshed.device.known() {
            known.device = device.clone();
        }
        (known.q, known.reg_id, known.cseq) = (refreshed.q, refreshed.reg_id, refreshed.cseq);
        (known.refreshed, known.until, known.reach) = (at, Some(refreshed.until), Reach::Flow);
    }

    /// The event as it is written: it says where it tells all bindings there are, so that who takes them up need not read
    /// what came before.
    pub fn written(&self, event: RegistrationEvent) -> RegistrationEvent {
        match event {
            RegistrationEvent::BindingAdded(added) => {
                RegistrationEvent::BindingAdded(BindingAdded { sole: self.bindings.is_empty(), ..added })
            }
            RegistrationEvent::BindingRefreshed(refreshed) => {
                let sole_since = match &*self.bindings {
                    [sole] if sole.id == refreshed.binding && sole.origin == Origin::Register => Some(sole.since),
                    _ => None,
                };
                RegistrationEvent::BindingRefreshed(BindingRefreshed { sole_since, ..refreshed })
            }
            RegistrationEvent::RegisterReceived(_)
            | RegistrationEvent::RegisterAnswered(_)
            | RegistrationEvent::BindingRemoved(_)
            | RegistrationEvent::BindingReachChanged(_)
            | RegistrationEvent::BindingsStated(_) => event,
        }
    }

    /// Whose they are; `None` before the first event.
    pub const fn account(&self) -> Option<AccountId> {
        self.account
    }

    /// Bindings that hold at that time, in the order in which they were added.
    pub fn bindings(&self, now: WallTime) -> impl Iterator<Item = &Binding> {
        self.bindings.iter().filter(move |binding| binding.holds(now))
    }

    /// All bindings, expired ones that were not removed yet among them.
    pub fn all(&self) -> &[Binding] {
        &self.bindings
    }

    /// A binding by its id, whether it has expired or not.
    pub fn binding(&self, id: BindingId) -> Option<&Binding> {
        self.bindings.iter().find(|binding| binding.id == id)
    }

    /// How many there are, expired ones that were not removed yet among them.
    pub const fn len(&self) -> usize {
        self.bindings.len()
    }

    /// Whether there is none, not even one that has expired and was not removed yet: its stream may be closed.
    pub fn is_empty(&self) -> bool {
        self.bindings.is_empty()
    }

    /// When the next one expires.
    pub fn next_expiry(&self) -> Option<WallTime> {
        self.bindings.iter().filter_map(|binding| binding.until).min()
    }

    /// Removes those that have expired.
    pub fn expire(&self, now: WallTime) -> Vec<RegistrationEvent> {
        self.remove_where(RemovalCause::Expired, |binding| !binding.holds(now))
    }

    /// What becomes of those whose flow is gone: they end, but for those whose devices can be reached without it.
    pub fn flow_lost(&self, flow: &Flow) -> Vec<RegistrationEvent> {
        let Some(account) = self.account else { return vec![] };
        let lost = |binding: &Binding| binding.flow().as_ref() == Some(flow);
        let stays = self.bindings.iter().filter(|binding| lost(binding) && binding.outlives(flow));
        let changed = stays.map(|binding| BindingReachChanged { binding: binding.id, account, reach: Reach::Contact });
        let mut events: Vec<_> = changed.map(RegistrationEvent::BindingReachChanged).collect();
        events.extend(self.remove_where(RemovalCause::FlowLost, |binding| lost(binding) && !binding.outlives(flow)));
        events
    }

    /// Removes all: the domain or trunk that they were made under is no more.
    pub fn leave(&self) -> Vec<RegistrationEvent> {
        self.remove_where(RemovalCause::Api, |_| true)
    }

    fn remove_where(&self, cause: RemovalCause, goes: impl Fn(&Binding) -> bool) -> Vec<RegistrationEvent> {
        let Some(account) = self.account else { return vec![] };
        let removed = |binding: &Binding| BindingRemoved { binding: binding.id, account, cause, by: None };
        let going = self.bindings.iter().filter(|binding| goes(binding));
        going.map(|binding| RegistrationEvent::BindingRemoved(removed(binding))).collect()
    }
}

/// A binding as one event tells it.
fn sole(at: WallTime, refreshed: &BindingRefreshed, since: WallTime, device: &Device) -> Binding {
    Binding {
        id: refreshed.binding,
        origin: Origin::Register,
        device: device.clone(),
        q: refreshed.q,
        reg_id: refreshed.reg_id,
        cseq: refreshed.cseq,
        since,
        refreshed: at,
        until: Some(refreshed.until),
        reach: Reach::Flow,
    }
}
