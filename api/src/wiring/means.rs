//! The machine's clock and randomness for the provisioning writer.

use adapters::entropy::Entropy;
use adapters::keyring::Keyring;
use adapters::node::Node;
use adapters::provisioning::Means;
use domain::codec::seal::{KeyRef, SealKey};
use domain::ids::{AccountId, EventId};
use domain::time::WallTime;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// Shard number of the provisioning writer in event ids.
const PROVISIONING_SHARD: u16 = 0xfff;

pub(super) fn machine_time() -> WallTime {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    WallTime::from_micros(i64::try_from(since_1970.as_micros()).unwrap_or(i64::MAX))
}

/// See the module.
pub(super) struct MachineMeans {
    entropy: Mutex<Entropy>,
    node: Node,
    counter: AtomicU64,
    keyring: Arc<Keyring>,
}

impl MachineMeans {
    pub(super) fn new(node: Node, keyring: Arc<Keyring>) -> Self {
        Self { entropy: Mutex::new(Entropy::new()), node, counter: AtomicU64::new(0), keyring }
    }
}

impl Means for MachineMeans {
    fn bits(&self) -> u128 {
        self.entropy.lock().unwrap_or_else(PoisonError::into_inner).wide_bits()
    }

    fn event_id(&self) -> EventId {
        let counter = self.counter.fetch_add(1, Ordering::Relaxed) + 1;
        EventId::minted(self.node.number, self.node.epoch, PROVISIONING_SHARD, counter)
    }

    fn now(&self) -> WallTime {
        machine_time()
    }

    fn secrets_key(&self, account: AccountId) -> Result<(KeyRef, SealKey), String> {
        self.keyring.secrets_key(account).map_err(|error| error.to_string())
    }
}
