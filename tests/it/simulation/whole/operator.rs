//! Who asks the API for things at any moment. Settings go by way of the log.

use domain::account::LimitsPatch;
use domain::ids::{NumberId, TrunkId};
use domain::number::Target;
use domain::registration::RegistrationCommand;
use domain::trunk::{ReferRule, RingTimeout, TrunkAddress, TrunkPatch, TrunkSettings};
use serde_json::json;
use tests::world::{ACCOUNT, CARRIER, CARRIER_TCP, Chance, DOMAIN, NUMBER_TCP, OUT, PBX, PBX_TCP, USERS, World};

/// The carrier, and another one.
const CARRIERS: [u128; 2] = [1, 5];
/// The PBX.
const PBX_TRUNK: u128 = 2;
/// The carriers for calls out.
const OUT_TRUNKS: [u128; 2] = [3, 4];

/// What it asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    /// Every call is to end.
    ReleaseAll,
    /// A user's devices are to be called no more.
    Unbind(usize),
    /// The PBX is switched on or off.
    SwitchPbx { enabled: bool },
    /// The carrier may have so many calls at once.
    LimitCarrier(u32),
    /// A number rings elsewhere.
    Retarget(usize),
    /// Another number is given up and claimed again.
    Reclaim,
    /// An address of the carrier becomes the other one's, or goes back.
    MoveAddress { back: bool },
    /// One of the carriers for calls out is preferred.
    Prefer(usize),
    /// The second of them is removed, and another like it added.
    ReplaceCarrier,
    /// The account may have so many calls at once.
    LimitAccount(u32),
}

impl Command {
    pub(super) const fn draw(chance: &mut Chance) -> Self {
        match chance.below(8) {
            0 => Self::ReleaseAll,
            1..=3 => Self::Unbind(chance.below(2) as usize),
            4..=5 => Self::SwitchPbx { enabled: chance.percent(50) },
            _ => Self::LimitCarrier(1 + chance.below(4) as u32),
        }
    }

    /// A change of settings.
    pub(super) const fn draw_change(chance: &mut Chance) -> Self {
        match chance.below(10) {
            0..=2 => Self::Retarget(chance.below(3) as usize),
            3 => Self::Reclaim,
            4..=6 => Self::MoveAddress { back: chance.percent(50) },
            7 => Self::Prefer(chance.below(2) as usize),
            8 => Self::ReplaceCarrier,
            _ => Self::LimitAccount(2 + chance.below(6) as u32),
        }
    }

    pub(super) fn carry_out(self, world: &mut World) {
        match self {
            Self::ReleaseAll => world.release_all(),
            Self::Unbind(user) => unbind(world, USERS[user]),
            Self::SwitchPbx { enabled } => {
                change(world, PBX_TRUNK, TrunkPatch { enabled: Some(enabled), ..TrunkPatch::default() });
            }
            Self::LimitCarrier(calls) => {
                let max_calls = Some(Some(serde_json::from_value(json!(calls)).unwrap()));
                change(world, CARRIERS[0], TrunkPatch { max_calls, ..TrunkPatch::default() });
            }
            Self::Retarget(to) => retarget(world, to),
            Self::Reclaim => reclaim(world),
            Self::MoveAddress { back } => move_address(world, back),
            Self::Prefer(first) => {
                for (place, trunk) in OUT_TRUNKS.into_iter().enumerate() {
                    let priority = Some(if place == first { 1 } else { 2 });
                    change(world, trunk, TrunkPatch { priority, ..TrunkPatch::default() });
                }
            }
            Self::ReplaceCarrier => replace_carrier(world),
            Self::LimitAccount(calls) => world.ask_writer(move |writer| async move {
                let max_calls = Some(Some(serde_json::from_value(json!(calls)).unwrap()));
                let limits = LimitsPatch { max_calls, ..LimitsPatch::default() };
                writer.limit_account(ACCOUNT, limits, None).await.is_ok()
            }),
        }
    }
}

/// Some settings of a trunk change.
pub(super) fn change(world: &mut World, trunk: u128, patch: TrunkPatch) {
    world.ask_writer(move |writer| {
        let patch = patch.clone();
        async move { writer.change_trunk(TrunkId::from_bits(trunk), patch, None).await.is_ok() }
    });
}

fn sip(uri: &str) -> Target {
    Target::Sip(uri.parse().unwrap())
}

fn retarget(world: &mut World, to: usize) {
    let targets = [
        format!("sip:reception@{PBX}"),
        format!("sip:reception@{PBX_TCP};transport=tcp"),
        format!("sip:{}@{DOMAIN}", USERS[0]),
    ];
    let target = sip(&targets[to]);
    world.ask_writer(move |writer| {
        let target = target.clone();
        async move { writer.retarget_number(NumberId::from_bits(1), target, None).await.is_ok() }
    });
}

fn reclaim(world: &mut World) {
    world.ask_writer(|writer| async move {
        let given_up = writer.release_number(NumberId::from_bits(3), None).await;
        let target = sip(&format!("sip:reception@{PBX_TCP};transport=tcp"));
        given_up.is_ok() && writer.claim_number(ACCOUNT, NUMBER_TCP.parse().unwrap(), target, None).await.is_ok()
    });
}

/// It is nobody's in between: no two have the same address.
fn move_address(world: &mut World, back: bool) {
    let host = CARRIER_TCP.rsplit_once(':').unwrap().0;
    let (with, without) = ([vec![CARRIER, host], vec![host]], [vec![CARRIER], vec![]]);
    let [from, to] = if back { [1, 0] } else { [0, 1] };
    for (place, addresses) in [(from, &without[from]), (to, &with[to])] {
        let addresses: Vec<TrunkAddress> = addresses.iter().map(|address| address.parse().unwrap()).collect();
        change(world, CARRIERS[place], TrunkPatch { addresses: Some(addresses), ..TrunkPatch::default() });
    }
}

fn replace_carrier(world: &mut World) {
    world.ask_writer(|writer| async move {
        let settings = json!({
            "name": "out 2", "kind": "carrier", "destination": format!("sip:{}", OUT[1]), "prefixes": ["+1"],
            "priority": 2, "ring_timeout": 20,
        });
        let settings: TrunkSettings = serde_json::from_value(settings).unwrap();
        let removed = writer.remove_trunk(TrunkId::from_bits(OUT_TRUNKS[1]), None).await;
        removed.is_ok() && writer.add_trunk(ACCOUNT, settings, None).await.is_ok()
    });
}

/// Everybody may have anything transferred.
pub(super) fn allow_transfers(world: &mut World) {
    let refer = Some(ReferRule::Any);
    change(world, CARRIERS[0], TrunkPatch { refer, ..TrunkPatch::default() });
    let ring_timeout = Some(RingTimeout::default());
    change(world, PBX_TRUNK, TrunkPatch { refer, ring_timeout, ..TrunkPatch::default() });
}

fn unbind(world: &mut World, user: &str) {
    let aor = format!("{user}@{DOMAIN}");
    let known = world.exchange.bindings_of(&aor.parse().unwrap()).cloned().unwrap_or_default();
    let ids: Vec<_> = known.bindings(world.now().wall).map(|binding| binding.id).collect();
    for id in ids {
        let _ = world.command(&aor, &RegistrationCommand::Unbind { id, by: None });
    }
}
