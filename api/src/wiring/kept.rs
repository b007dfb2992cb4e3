//! What is kept beside the log for the next start: bindings, numbers and users.

use super::registrations::Addresses;
use crate::config::Config;
use adapters::kept::{Derive, Keeper, Shelf};
use adapters::keyring::Keyring;
use adapters::provisioning::Numbers;
use domain::codec::seal::KeyRef;
use domain::log::EventLog;
use domain::ports::KeyEraser;
use std::sync::Arc;

/// Where it stands; nowhere with a log elsewhere, whose positions say nothing of how much lies between them.
#[derive(Default, Clone)]
pub(super) struct Shelves {
    pub addresses: Option<Arc<Shelf>>,
    pub numbers: Option<Arc<Shelf>>,
}

impl Shelves {
    /// In the data folder.
    pub fn of(config: &Config, keyring: &Arc<Keyring>) -> Self {
        if config.store.is_some() {
            return Self::default();
        }
        let shelf = |name| Some(Arc::new(Shelf::new(config.data.join(name), Arc::clone(keyring))));
        Self { addresses: shelf("bindings.kept"), numbers: shelf("numbers.kept") }
    }

    fn all(&self) -> impl Iterator<Item = &Arc<Shelf>> {
        self.addresses.iter().chain(&self.numbers)
    }

    /// Keeps them fresh, until what this gives is dropped.
    pub fn keep(&self, log: &Arc<dyn EventLog>, keyring: &Arc<Keyring>) -> Vec<Keeper> {
        let addresses: Arc<dyn Derive> = Arc::new(Addresses { log: Arc::clone(log), keyring: Arc::clone(keyring) });
        let numbers: Arc<dyn Derive> = Arc::new(Numbers { log: Arc::clone(log) });
        let keep = |shelf: Arc<Shelf>, derive| Keeper::start(shelf, Arc::clone(log), derive);
        let shelves = [(self.addresses.clone(), addresses), (self.numbers.clone(), numbers)];
        shelves.into_iter().filter_map(|(shelf, derive)| Some(keep(shelf?, derive))).collect()
    }
}

/// Erases keys, and with them whatever was kept of what they seal.
pub(super) struct Eraser {
    pub keyring: Arc<Keyring>,
    pub shelves: Shelves,
}

impl KeyEraser for Eraser {
    fn erase(&self, keys: &[KeyRef]) -> Result<(), String> {
        // Before, so that nothing is kept that a crash would leave; and after, of what was read meanwhile.
        self.shelves.all().try_for_each(|shelf| shelf.destroy())?;
        KeyEraser::erase(&*self.keyring, keys)?;
        self.shelves.all().try_for_each(|shelf| shelf.destroy())
    }
}
