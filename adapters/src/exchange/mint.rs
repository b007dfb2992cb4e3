//! What a turn is given that is not a rule.

use crate::entropy::Entropy;
use crate::keyring::Keyring;
use domain::codec::seal::{KeyRef, SealKey};
use domain::ids::{AccountId, EventId};
use domain::media::PortSource;
use domain::ports::Mint;
use std::sync::Arc;

/// The machine's randomness, this start's event ids, the keyring's keys and media's ports.
pub struct ShellMint {
    entropy: Entropy,
    node: u16,
    epoch: u32,
    shard: u16,
    counter: u64,
    keyring: Arc<Keyring>,
    ports: Box<dyn PortSource + Send>,
}

impl ShellMint {
    /// A mint for one shard of one start of one node.
    pub fn new(
        entropy: Entropy,
        (node, epoch, shard): (u16, u32, u16),
        keyring: Arc<Keyring>,
        ports: Box<dyn PortSource + Send>,
    ) -> Self {
        Self { entropy, node, epoch, shard, counter: 0, keyring, ports }
    }
}

impl Mint for ShellMint {
    fn bits(&mut self) -> u64 {
        self.entropy.bits()
    }

    fn event_id(&mut self) -> EventId {
        self.counter += 1;
        EventId::minted(self.node, self.epoch, self.shard, self.counter)
    }

    fn seal_key(&mut self, account: AccountId) -> Option<(KeyRef, SealKey)> {
        self.keyring.take(account)
    }

    fn ports(&mut self) -> &mut dyn PortSource {
        &mut *self.ports
    }
}
