//! What the outside implements for the domain, beside the log ([`crate::log`]) and media ([`crate::media`]).

use crate::codec::seal::{KeyRef, SealKey};
use crate::draws::Draws;
use crate::ids::{AccountId, EventId};
use crate::media::PortSource;

/// Finds the key of something sealed. `None` once it was erased: readers then see a mask.
pub trait Keyring: Send + Sync {
    /// The key behind a reference.
    fn key(&self, reference: KeyRef) -> Option<SealKey>;
}

/// Everything a turn needs that is not a rule: randomness, fresh ids, keys and ports. The shell draws from the
/// machine, the simulator from its seed. What follows from a turn's place among all turns is drawn from [`Draws`].
pub trait Mint {
    /// Where ids and randomness of turns come from.
    fn draws(&mut self) -> &mut Draws;

    /// A new turn begins: one input, and all that follows from it.
    fn begin_turn(&mut self) {
        self.draws().begin_turn();
    }

    /// 64 unguessable bits.
    fn bits(&mut self) -> u64 {
        self.draws().bits()
    }

    /// 128 unguessable bits.
    fn wide_bits(&mut self) -> u128 {
        self.draws().wide_bits()
    }

    /// The next event id.
    fn event_id(&mut self) -> EventId {
        self.draws().event_id()
    }

    /// A fresh key for a session of this account, durable in the keyring already; `None` when none is ready.
    fn seal_key(&mut self, account: AccountId) -> Option<(KeyRef, SealKey)>;

    /// Bound media ports.
    fn ports(&mut self) -> &mut dyn PortSource;
}
