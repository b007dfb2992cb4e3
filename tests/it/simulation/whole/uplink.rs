//! The trunk at which the exchange keeps itself registered for a while, and what must hold of that.

use super::registrar::Registrar;
use domain::time::Moment;
use domain::uplink::RegistrationState;
use serde_json::{Value, json};
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
        let mut settings = without();
        settings["login"] = login(OUT_LOGIN);
        settings["register"] = json!({ "registrar": format!("sip:{}", OUT[0]), "aor": "sip:account-7@carrier.example", "expires": self.expires });
        if self.pings {
            settings["health"] = json!({ "rule": "options", "interval": 30, "failures": 2 });
        }
        world.set_trunk(TRUNK, settings);
    }
}

fn without() -> Value {
    json!({
        "name": "out 1", "kind": "carrier", "destination": format!("sip:{}", OUT[0]), "prefixes": ["+1"], "priority": 1,
        "ring_timeout": 20,
    })
}

/// The settings ask for nothing more. Answers whether it was registered till then: after `trouble` long ago it must be.
#[track_caller]
pub(super) fn leave(world: &mut World, registrar: &Registrar, trouble: Moment) -> bool {
    let state = world.standing(TRUNK).registration.map(|registration| registration.state);
    let registered = state == Some(RegistrationState::Registered);
    let calm = world.now().moment.since(trouble.max(registrar.moody_until)) >= CALM;
    let whole = world.exchange.census().frozen == 0;
    assert!(registered || !calm || !whole, "the exchange is not registered: {state:?}\n{}", world.ladder);
    assert!(!registered || registrar.granted > 0, "the exchange thinks it is registered\n{}", world.ladder);
    world.set_trunk(TRUNK, without());
    registered
}
