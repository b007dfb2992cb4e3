//! Effects that wait for the log.

use crate::address::Flow;
use crate::log::Durable;
use crate::media::MediaOrder;
use bytes::Bytes;

/// Something that the outside can see.
#[derive(Debug, Clone, PartialEq, Eq)]
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
