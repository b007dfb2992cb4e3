//! Randomness, ids, keys, ports and configuration from a seed.

use super::{
    CARRIER, CARRIER_TCP, CARRIER_V6, NUMBER, NUMBER_TCP, NUMBER_V6, OUT, OUT_LARGE, OUT_TCP, PBX, PBX_TCP, PBX_V6,
};
use domain::codec::seal::{KeyRef, SealKey};
use domain::draws::Draws;
use domain::ids::{AccountId, NumberId, TrunkId};
use domain::log::{Position, Revision};
use domain::media::{PortPair, PortSource};
use domain::ports::{Keyring, Mint};
use domain::routing::{Provisioned, ProvisioningEvent};
use domain::time::WallTime;
use serde_json::{Value, json};
use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;

/// A mint whose draws follow from its seed.
#[derive(Debug)]
pub struct SeedMint {
    seed: u64,
    draws: Draws,
    /// There are no keys for now.
    pub(super) keyless: bool,
    keys: u64,
    /// The port range.
    pub ports: SeedPorts,
}

/// What the start of this number draws in the world of a seed.
fn draws(seed: u64, epoch: u32) -> Draws {
    let mut secret = [7; 32];
    secret[..8].copy_from_slice(&seed.to_be_bytes());
    Draws::new(secret, 1, epoch, 0)
}

/// Forty pairs, oldest freed first.
#[derive(Debug)]
pub struct SeedPorts {
    free: VecDeque<PortPair>,
    taken: BTreeSet<PortPair>,
}

impl Default for SeedPorts {
    fn default() -> Self {
        Self { free: (20_000..20_080).step_by(2).filter_map(PortPair::at).collect(), taken: BTreeSet::new() }
    }
}

impl SeedMint {
    /// The process begins anew: it draws what it never drew, and has bound its ports again.
    pub fn restart(&mut self, epoch: u32) {
        self.draws = draws(self.seed, epoch);
        let all = self.ports.free.len() + self.ports.taken.len();
        self.ports = SeedPorts::default();
        self.ports.free.truncate(all);
    }

    /// A mint of this seed.
    pub fn new(seed: u64) -> Self {
        let ports = SeedPorts::default();
        Self { seed, draws: draws(seed, 1), keys: 0, keyless: false, ports }
    }
}

impl Mint for SeedMint {
    fn draws(&mut self) -> &mut Draws {
        &mut self.draws
    }

    fn seal_key(&mut self, _account: AccountId) -> Option<(KeyRef, SealKey)> {
        if self.keyless {
            return None;
        }
        self.keys += 1;
        Some((KeyRef(self.keys), key(KeyRef(self.keys))))
    }

    fn ports(&mut self) -> &mut dyn PortSource {
        &mut self.ports
    }
}

/// Every key follows from its reference.
impl Keyring for SeedMint {
    fn key(&self, reference: KeyRef) -> Option<SealKey> {
        SeedKeys.key(reference)
    }
}

/// The keys of every [`SeedMint`].
pub(super) struct SeedKeys;

impl Keyring for SeedKeys {
    fn key(&self, reference: KeyRef) -> Option<SealKey> {
        Some(key(reference))
    }
}

/// Golden sessions are sealed with these keys: they never change.
fn key(reference: KeyRef) -> SealKey {
    let mut bytes = [7; 32];
    bytes[..8].copy_from_slice(&reference.0.to_be_bytes());
    SealKey::from_bytes(bytes)
}

impl PortSource for SeedPorts {
    fn take(&mut self) -> Option<PortPair> {
        let pair = self.free.pop_front()?;
        self.taken.insert(pair);
        Some(pair)
    }

    fn claim(&mut self, pair: PortPair) {
        self.free.retain(|free| *free != pair);
        assert!(self.taken.insert(pair), "{pair:?} is claimed, and somebody has it");
    }

    fn address(&self) -> IpAddr {
        IpAddr::from([192, 0, 2, 9])
    }
}

impl SeedPorts {
    /// Takes a pair back; one that was not out is a fault of the exchange.
    #[track_caller]
    pub fn give_back(&mut self, pair: PortPair) {
        assert!(self.taken.remove(&pair), "{pair:?} was given back without having been taken");
        self.free.push_back(pair);
    }

    /// Forgets all free pairs but these.
    pub fn leave(&mut self, pairs: usize) {
        self.free.truncate(pairs);
    }

    /// How many pairs are out.
    pub fn taken(&self) -> usize {
        self.taken.len()
    }
}

/// One account, a carrier and a PBX trunk, two carriers for calls out, and a number that rings the PBX.
pub fn provisioning(account: AccountId, number: NumberId, trunk: impl Fn(u128) -> TrunkId) -> Vec<Provisioned> {
    let trunk_added = |id: u128, name: &str, settings: Value| {
        let mut all = json!({ "name": name, "ring_timeout": 20 });
        all.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        ("trunk", "TrunkAdded", json!({ "id": trunk(id), "account": account, "settings": all }))
    };
    let uri = |address: &str| format!("sip:{address}");
    let by_tcp = |address: &str| format!("sip:{address};transport=tcp");
    let host = |address: &str| address.rsplit_once(':').unwrap().0.to_owned();
    let target = |address: &str| json!({ "sip": format!("sip:reception@{address}") });
    let claimed = |id: NumberId, number: &str, address: &str| {
        let data = json!({ "id": id, "number": number, "account": account, "target": target(address) });
        ("number", "NumberClaimed", data)
    };
    let events = [
        ("account", "AccountOpened", json!({ "account": account, "name": "test" })),
        trunk_added(1, "carrier", json!({ "kind": "carrier", "addresses": [CARRIER, CARRIER_V6, host(CARRIER_TCP)] })),
        trunk_added(2, "pbx", json!({ "kind": "pbx", "addresses": [PBX], "media_source": "latch" })),
        trunk_added(
            3,
            "out 1",
            json!({ "kind": "carrier", "destination": uri(OUT[0]), "prefixes": ["+1"], "priority": 1 }),
        ),
        trunk_added(
            4,
            "out 2",
            json!({ "kind": "carrier", "destination": uri(OUT[1]), "prefixes": ["+1"], "priority": 2 }),
        ),
        trunk_added(
            5,
            "out by tcp",
            json!({ "kind": "carrier", "destination": by_tcp(OUT_TCP), "prefixes": ["+33"], "priority": 1 }),
        ),
        trunk_added(
            6,
            "out by udp",
            json!({ "kind": "carrier", "destination": uri(OUT[1]), "prefixes": ["+33"], "priority": 2 }),
        ),
        trunk_added(
            7,
            "out large",
            json!({ "kind": "carrier", "destination": uri(OUT_LARGE), "prefixes": ["+44"], "large_requests": "tcp" }),
        ),
        claimed(number, NUMBER, PBX),
        claimed(NumberId::from_bits(2), NUMBER_V6, PBX_V6),
        claimed(NumberId::from_bits(3), NUMBER_TCP, &format!("{PBX_TCP};transport=tcp")),
    ];
    let recorded = (1..).zip(events).map(|(position, (category, kind, data))| {
        let data = serde_json::to_vec(&data).unwrap();
        let event = ProvisioningEvent::decode(category, kind, 1, &data).unwrap().unwrap();
        Provisioned { position: Position(position), revision: Revision(0), at: WallTime::from_micros(0), event }
    });
    recorded.collect()
}
