//! A summary of an address's stream. Streams grow with every refresh; with a summary now and then, taking one up costs by
//! what happened since.

use super::event::{BindingStated, BindingsStated, StatedTable};
use super::{Aor, Binding, Origin, Registration, RegistrationEvent};
use crate::ids::AccountId;

/// So many events after a summary the next one is due.
pub const STATE_EVERY: usize = 100;

impl Registration {
    /// All that the stream's events gave so far, as one event: [`Registration::apply`] of it alone gives the same.
    pub fn stated(&self, aor: &Aor, account: AccountId) -> RegistrationEvent {
        let clear = |binding: &Binding| BindingStated {
            binding: binding.id,
            cseq: binding.cseq,
            q: binding.q,
            reg_id: binding.reg_id,
            since: binding.since,
            refreshed: binding.refreshed,
            until: binding.until,
            api: binding.origin == Origin::Api,
            reach: binding.reach,
        };
        let devices = self.bindings.iter().map(|binding| binding.device.clone()).collect();
        RegistrationEvent::BindingsStated(BindingsStated {
            account,
            bindings: self.bindings.iter().map(clear).collect(),
            table: StatedTable { aor: aor.clone(), devices }.into(),
        })
    }

    /// Takes a summary in: what was known before counts no more. Bindings whose devices are masked, because their key was
    /// erased, can be reached by nobody and are left out.
    pub(super) fn state(&mut self, stated: &BindingsStated) {
        self.account = Some(stated.account);
        let devices = stated.table.known().map_or(&[][..], |table| &table.devices);
        let binding = |(clear, device): (&BindingStated, &super::Device)| Binding {
            id: clear.binding,
            origin: if clear.api { Origin::Api } else { Origin::Register },
            device: device.clone(),
            q: clear.q,
            reg_id: clear.reg_id,
            cseq: clear.cseq,
            since: clear.since,
            refreshed: clear.refreshed,
            until: clear.until,
            reach: clear.reach,
        };
        self.bindings = stated.bindings.iter().zip(devices).map(binding).collect();
    }
}
