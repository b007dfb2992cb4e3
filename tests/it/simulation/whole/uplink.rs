//! The trunk at which the exchange keeps itself registered for a while, and what must hold of that.

use super::operator::change;
use super::registrar::Registrar;
use domain::time::Moment;
use domain::trunk::{HealthRule, TrunkPatch};
use domain::uplink::RegistrationState;
use serde_json::json;
use std::time::Duration;
use tests::world::{Chance, OUT, OUT_LOGIN, World, login};

/// The trunk.
const TRUNK: u128 = 3;
/// So long after the last trouble it is registered: by then waits have not grown longer than two minutes.
const CALM: Duration = Duration::from_secs(150);

/// What the trunk's settings ask for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Uplink {
    /// For how many seconds it registers.
    expires: u32,
    /// Whether it is pinged, too.
    pings: bool,
}

impl Uplink {
    pub(super) const fn draw(chance: &mut Chance) -> Self {
        Self { expires: 60 + chance.below(600) as u32, pings: chance.percent(50) }
    }

    /// From here on the settings ask for it.
    pub(super) fn begin(self, world: &mut World) {
        let register = json!({
            "registrar": format!("sip:{}", OUT[0]), "aor": "sip:account-7@carrier.example", "expires": self.expires,
        });
        let patch = TrunkPatch {
            login: Some(Some(serde_json::from_value(login(OUT_LOGIN)).unwrap())),
            register: Some(Some(serde_json::from_value(register).unwrap())),
            health: Some(if self.pings { HealthRule::Options } else { HealthRule::Off }),
            health_interval: Some(30),
            health_failures: Some(2),
            ..TrunkPatch::default()
        };
        change(world, TRUNK, patch);
    }
}

/// The settings ask for nothing more. Answers whether it was registered till then: after `trouble` long ago it must be.
#[track_caller]
pub(super) fn leave(world: &mut World, registrar: &Registrar, trouble: Moment) -> bool {
    let state = world.standing(TRUNK).registration.map(|registration| registration.state);
    let registered = state == Some(RegistrationState::Registered);
    let trouble = trouble.max(world.settings_changed()).max(registrar.moody_until);
    let calm = world.now().moment.since(trouble) >= CALM;
    let whole = world.exchange.census().frozen == 0;
    assert!(registered || !calm || !whole, "the exchange is not registered: {state:?}\n{}", world.ladder);
    assert!(!registered || registrar.granted > 0, "the exchange thinks it is registered\n{}", world.ladder);
    let health = Some(HealthRule::Off);
    change(world, TRUNK, TrunkPatch { login: Some(None), register: Some(None), health, ..TrunkPatch::default() });
    registered
}
