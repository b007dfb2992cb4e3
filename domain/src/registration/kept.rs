//! What an address's stream comes to, as bytes: kept beside the log, so that a start need not read every stream. The bytes
//! hold what is personal and are to be sealed.

use super::{Aor, Binding, BindingsStated, Registration, RegistrationEvent, Restored, StatedTable};
use crate::ids::EventId;
use crate::log::{EventHash, Revision, StreamEnd};
use crate::time::WallTime;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Kept {
    revision: u64,
    hash: EventHash,
    last: EventId,
    since: usize,
    stated: BindingsStated,
    table: StatedTable,
}

impl Restored {
    /// The bytes; none where a stream says nothing of bindings, or not all.
    pub fn keep(&self) -> Option<Vec<u8>> {
        let (end, (aor, account)) = (self.end?, self.whose()?);
        if !self.is_whole || self.registration.is_empty() {
            return None;
        }
        let RegistrationEvent::BindingsStated(stated) = self.registration.stated(&aor, account) else { return None };
        let table = stated.table.known()?.clone();
        let StreamEnd { revision, hash, last } = end;
        serde_json::to_vec(&Kept { revision: revision.0, hash, last, since: self.since_stated, stated, table }).ok()
    }

    /// What the bytes say; none where they are not such. No answer of late is among them.
    pub fn kept(bytes: &[u8]) -> Option<Self> {
        let Kept { revision, hash, last, since, mut stated, table } = serde_json::from_slice(bytes).ok()?;
        if table.devices.len() != stated.bindings.len() {
            return None;
        }
        let aor: Aor = table.aor.clone();
        stated.table = table.into();
        let mut registration = Registration::default();
        registration.apply(WallTime::default(), &RegistrationEvent::BindingsStated(stated));
        let is_behind_nat = registration.all().iter().any(Binding::is_behind_nat);
        let end = Some(StreamEnd { revision: Revision(revision), hash, last });
        let (is_whole, since_stated, answered, aor) = (true, since, vec![], Some(aor));
        Some(Self { registration, is_whole, end, since_stated, is_behind_nat, answered, aor })
    }
}
