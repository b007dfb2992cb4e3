//! What a turn is given that is not a rule.

use crate::keyring::Keyring;
use domain::codec::seal::{KeyRef, SealKey};
use domain::draws::Draws;
use domain::ids::AccountId;
use domain::media::PortSource;
use domain::ports::Mint;
use std::sync::Arc;

/// This start's draws, the keyring's keys and media's ports.
pub struct ShellMint {
    draws: Draws,
    keyring: Arc<Keyring>,
    ports: Box<dyn PortSource + Send>,
}

impl ShellMint {
    /// A mint for one shard of one start of one node.
    pub fn new(draws: Draws, keyring: Arc<Keyring>, ports: Box<dyn PortSource + Send>) -> Self {
        Self { draws, keyring, ports }
    }
}

impl Mint for ShellMint {
    fn draws(&mut self) -> &mut Draws {
        &mut self.draws
    }

    fn seal_key(&mut self, account: AccountId) -> Option<(KeyRef, SealKey)> {
        self.keyring.take(account)
    }

    fn ports(&mut self) -> &mut dyn PortSource {
        &mut *self.ports
    }
}
