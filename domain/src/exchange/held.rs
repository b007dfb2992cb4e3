//! Effects that wait for the log.

use crate::address::Flow;
use crate::ids::{RegistrationId, TransferId, TrunkId, UplinkId};
use crate::log::Durable;
use crate::media::MediaOrder;
use crate::registration::{Aor, RegistrationEvent};
use crate::time::WallTime;
use crate::transfer::TransferStep;
use crate::uplink::UplinkEvent;
use bytes::Bytes;

/// Something that the outside can see.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Send a message.
    Transmit {
        /// Where to.
        flow: Flow,
        /// The bytes.
        bytes: Bytes,
    },
    /// Order media.
    Media(MediaOrder),
    /// Take the next step of a transfer. The exchange does it itself, as [`Effect::Bind`].
    Proceed(TransferId, TransferStep),
    /// Let calls find what changed of an address's bindings. The exchange does it itself, before anything of the same
    /// append leaves; [`super::Exchange::effects`] never hands it out.
    Bind(Box<Bound>),
    /// Let calls and the API know how a trunk stands. The exchange does it itself, as [`Effect::Bind`].
    Stand(Box<Stood>),
}

/// A change of how a trunk stands that is durable.
#[derive(Debug, Clone, PartialEq)]
pub struct Stood {
    /// Whose doing it is.
    pub uplink: UplinkId,
    /// The trunk.
    pub trunk: TrunkId,
    /// When it happened.
    pub at: WallTime,
    /// What happened.
    pub event: UplinkEvent,
}

/// A change of bindings that is durable.
#[derive(Debug, Clone, PartialEq)]
pub struct Bound {
    /// Whose.
    pub aor: Aor,
    /// In which stream.
    pub stream: RegistrationId,
    /// When it happened.
    pub at: WallTime,
    /// What happened.
    pub event: RegistrationEvent,
}

/// Effects of events that are not durable yet. Only a [`Durable`] opens it: there is no other way out.
#[derive(Debug)]
pub struct Held<T>(pub(super) Vec<T>);

impl<T> Default for Held<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Held<T> {
    /// Adds an effect.
    pub fn hold(&mut self, effect: T) {
        self.0.push(effect);
    }

    /// Gives the effects out against the proof that their events are on disk.
    pub fn open(self, _proof: &Durable) -> Vec<T> {
        self.0
    }

    /// Whether nothing waits.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
