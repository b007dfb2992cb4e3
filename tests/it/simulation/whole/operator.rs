//! Who asks the API for things at any moment.

use domain::registration::RegistrationCommand;
use serde_json::json;
use tests::world::{CARRIER, Chance, DOMAIN, PBX, USERS, World};

/// What it asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    /// Every call is to end.
    ReleaseAll,
    /// A user's devices are to be called no more.
    Unbind(usize),
    /// The PBX's trunk gets other settings.
    ChangeTrunk { enabled: bool },
    /// The carrier may have so many calls at once.
    LimitCarrier(u32),
}

impl Command {
    pub(super) const fn draw(chance: &mut Chance) -> Self {
        match chance.below(8) {
            0 => Self::ReleaseAll,
            1..=3 => Self::Unbind(chance.below(2) as usize),
            4..=5 => Self::ChangeTrunk { enabled: chance.percent(50) },
            _ => Self::LimitCarrier(1 + chance.below(4) as u32),
        }
    }

    pub(super) fn carry_out(self, world: &mut World) {
        match self {
            Self::ReleaseAll => world.release_all(),
            Self::Unbind(user) => unbind(world, USERS[user]),
            Self::ChangeTrunk { enabled } => set_pbx(world, enabled),
            Self::LimitCarrier(calls) => world.set_trunk(
                1,
                json!({
                    "name": "carrier", "kind": "carrier", "addresses": [CARRIER, "198.51.100.2"], "ring_timeout": 20,
                    "refer": "any", "max_calls": calls,
                }),
            ),
        }
    }
}

fn set_pbx(world: &mut World, enabled: bool) {
    world.set_trunk(
        2,
        json!({
            "name": "pbx", "kind": "pbx", "addresses": [PBX], "media_source": "latch", "refer": "any",
            "enabled": enabled,
        }),
    );
}

/// Everybody may have anything transferred.
pub(super) fn allow_transfers(world: &mut World) {
    set_pbx(world, true);
    Command::LimitCarrier(100).carry_out(world);
}

fn unbind(world: &mut World, user: &str) {
    let aor = format!("{user}@{DOMAIN}");
    let known = world.exchange.bindings_of(&aor.parse().unwrap()).cloned().unwrap_or_default();
    let ids: Vec<_> = known.bindings(world.now().wall).map(|binding| binding.id).collect();
    for id in ids {
        let _ = world.command(&aor, &RegistrationCommand::Unbind { id, by: None });
    }
}
