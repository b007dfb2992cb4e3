//! How a trunk stands, as the API shows it and routing asks: the fold of an uplink's events.

use super::UplinkEvent;
use crate::ids::TrunkId;
use crate::log::PortFuture;
use crate::time::WallTime;
use std::collections::HashMap;

/// Whoever looks after trunks: a shard of the exchange.
pub trait Standings: Send + Sync {
    /// How these trunks stand; those that nothing is done at are absent, and all are while the exchange stops.
    fn standings(&self, trunks: Vec<TrunkId>) -> PortFuture<'_, HashMap<TrunkId, Standing>>;
}

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// Our registration there, where we keep one up.
    pub registration: Option<Registered>,
    /// Whether calls to it have a chance.
    pub reach: Reach,
}

/// A registration of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// How it is.
    pub state: RegistrationState,
    /// Since when.
    pub since: WallTime,
    /// Until when the registrar knows us, where it does.
    pub until: Option<WallTime>,
    /// What the last attempt met that failed; nothing once one succeeds.
    pub last_error: Option<Box<str>>,
}

/// How a registration is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegistrationState {
    /// Nobody has answered yet.
    Registering,
    /// The registrar knows us.
    Registered,
    /// It has never known us, and says no, or nothing.
    Refused,
    /// It knew us, and does no more.
    Lost,
}

impl RegistrationState {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Registering => "registering",
            Self::Registered => "registered",
            Self::Refused => "refused",
            Self::Lost => "lost",
        }
    }
}

/// Whether calls to a trunk have a chance.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    /// Since when they have none; nothing where they have one.
    pub down_since: Option<WallTime>,
    /// When it is tried again.
    pub again: Option<WallTime>,
    /// Why they have none, or had none last.
    pub last_error: Option<Box<str>>,
}

impl Standing {
    /// Takes in the next event.
    pub fn apply(&mut self, at: WallTime, event: &UplinkEvent) {
        match event {
            UplinkEvent::UplinkBegun(begun) => {
                *self = Self::default();
                self.registration = begun.registers.then_some(Registered {
                    state: RegistrationState::Registering,
                    since: at,
                    until: None,
                    last_error: None,
                });
            }
            UplinkEvent::UplinkRegistered(registered) => {
                self.turn(at, RegistrationState::Registered, Some(registered.until), None);
            }
            UplinkEvent::UplinkRefreshed(refreshed) => {
                self.turn(at, RegistrationState::Registered, Some(refreshed.until), None);
            }
            UplinkEvent::UplinkRefused(refused) => {
                let (state, until) = match &self.registration {
                    Some(registered) if registered.state != RegistrationState::Registering => {
                        (registered.state, registered.until)
                    }
                    Some(_) | None => (RegistrationState::Refused, None),
                };
                self.turn(at, state, until, Some(refused.reason.clone()));
            }
            UplinkEvent::UplinkLost(lost) => {
                self.turn(at, RegistrationState::Lost, None, Some(lost.reason.clone()));
            }
            UplinkEvent::TrunkDown(down) => {
                self.reach.down_since.get_or_insert(at);
                (self.reach.again, self.reach.last_error) = (Some(down.again), Some(down.reason.clone()));
            }
            UplinkEvent::TrunkUp(_) => (self.reach.down_since, self.reach.again) = (None, None),
            UplinkEvent::UplinkEnded(_) => *self = Self::default(),
            UplinkEvent::UplinkSent(_) | UplinkEvent::UplinkHeard(_) => {}
        }
    }

    fn turn(&mut self, at: WallTime, state: RegistrationState, until: Option<WallTime>, last_error: Option<Box<str>>) {
        let same = self.registration.as_ref().filter(|registered| registered.state == state);
        let since = same.map_or(at, |registered| registered.since);
        self.registration = Some(Registered { state, since, until, last_error });
    }
}
