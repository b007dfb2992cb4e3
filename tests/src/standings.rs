//! How trunks stand, as a test tells it.

use domain::ids::TrunkId;
use domain::log::PortFuture;
use domain::uplink::{Standing, Standings};
use std::collections::HashMap;
use std::sync::Mutex;

/// See the module.
#[derive(Debug, Default)]
pub struct Told(pub Mutex<HashMap<TrunkId, Standing>>);

impl Standings for Told {
    fn standings(&self, trunks: Vec<TrunkId>) -> PortFuture<'_, HashMap<TrunkId, Standing>> {
        let told = self.0.lock().unwrap();
        let known = trunks.into_iter().filter_map(|id| Some((id, told.get(&id)?.clone()))).collect();
        Box::pin(std::future::ready(known))
    }
}
