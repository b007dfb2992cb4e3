//! An address's stream as it is taken up: read and folded away from the thread that serves calls.

use super::{Aor, BindingsStated, Registration, RegistrationEvent};
use crate::codec::DecodeError;
use crate::codec::registration::{decode, decode_clear};
use crate::ids::AccountId;
use crate::log::Recorded;
use crate::ports::Keyring;

/// What the events of a stream say: all of them, or those from a [`BindingsStated`] on.
#[derive(Debug, Clone, Default)]
pub struct Restored {
    /// The bindings.
    pub registration: Registration,
    /// The newest event.
    pub last: Option<Recorded>,
    /// Events since the last summary.
    pub since_stated: usize,
    aor: Option<Aor>,
}

impl Restored {
    /// Reads them, oldest first.
    ///
    /// # Errors
    /// An event cannot be read.
    pub fn read(recorded: &[Recorded], keyring: &dyn Keyring) -> Result<Self, DecodeError> {
        let stated = recorded.first().is_some_and(|first| *first.kind == *BindingsStated::KIND);
        let since_stated = recorded.len() - usize::from(stated);
        let mut restored = Self { last: recorded.last().cloned(), since_stated, ..Self::default() };
        for recorded in recorded {
            // The messages say nothing that the bindings do not: what is sealed in them stays so.
            let event = match &*recorded.kind {
                "RegisterReceived" | "RegisterAnswered" => decode_clear(recorded)?,
                _ => decode(recorded, keyring)?,
            };
            restored.take(recorded, &event);
        }
        Ok(restored)
    }

    fn take(&mut self, recorded: &Recorded, event: &RegistrationEvent) {
        self.registration.apply(recorded.at, event);
        if let Some(aor) = event.aor() {
            self.aor = Some(aor.clone());
        }
    }

    /// Whose bindings these are. A stream does not say so that has nothing but refusals, or whose keys were erased.
    pub fn whose(&self) -> Option<(Aor, AccountId)> {
        self.aor.clone().zip(self.registration.account())
    }
}
