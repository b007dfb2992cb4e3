//! What the provisioning writer gets from the machine.

use super::Means;
use crate::entropy::Entropy;
use crate::exchange::machine_time;
use crate::keyring::Keyring;
use crate::node::{EventIds, Node};
use domain::codec::seal::{KeyRef, SealKey};
use domain::ids::{AccountId, EventId};
use domain::time::WallTime;
use std::sync::{Arc, Mutex, PoisonError};

/// Shard number of the provisioning writer in event ids.
const PROVISIONING_SHARD: u16 = 0xfff;

/// The machine's clock and randomness for the provisioning writer.
pub struct MachineMeans {
    entropy: Mutex<Entropy>,
    ids: EventIds,
    keyring: Arc<Keyring>,
}

impl MachineMeans {
    /// Event ids are this start's.
    pub fn new(node: Node, keyring: Arc<Keyring>) -> Self {
        Self { entropy: Mutex::new(Entropy::new()), ids: EventIds::new(node, PROVISIONING_SHARD), keyring }
    }
}

impl Means for MachineMeans {
    fn bits(&self) -> u128 {
        self.entropy.lock().unwrap_or_else(PoisonError::into_inner).wide_bits()
    }

    fn event_id(&self) -> EventId {
        self.ids.next()
    }

    fn now(&self) -> WallTime {
        machine_time()
    }

    fn secrets_key(&self, account: AccountId) -> Result<(KeyRef, SealKey), String> {
        self.keyring.secrets_key(account).map_err(|error| error.to_string())
    }
}
