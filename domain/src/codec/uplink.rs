//! Uplink events to and from the log.

use super::part::{DecodeError, Desk, Encoded, Opener, Sealer};
use super::personal::Personal;
use super::seal::{KeyRef, SealKey};
use crate::ids::EventId;
use crate::log::Recorded;
use crate::ports::Keyring;
use crate::session::event::Wire;
use crate::uplink::UplinkEvent;

macro_rules! uplink_codec {
    ($($variant:ident $(($personal:ident))?),* $(,)?) => {
        /// The stable type name of an event.
        pub const fn kind(event: &UplinkEvent) -> &'static str {
            match event { $(UplinkEvent::$variant(_) => stringify!($variant)),* }
        }

        /// Every type name, in the order of declaration.
        pub const KINDS: &[&str] = &[$(stringify!($variant)),*];

        fn encode_with(sealer: &mut Sealer<'_>, event: &UplinkEvent) -> Encoded {
            match event {
                $(UplinkEvent::$variant(clear) => {
                    uplink_codec!(@encode sealer, $variant, clear $(, $personal)?)
                })*
            }
        }

        fn decode_with(opener: &Opener<'_>) -> Option<Result<UplinkEvent, DecodeError>> {
            match opener.kind {
                $(stringify!($variant) => Some(opener.read(1, |opener| {
                    uplink_codec!(@decode opener, $variant $(, $personal)?)
                })),)*
                _ => None,
            }
        }
    };
    (@encode $sealer:ident, $variant:ident, $clear:ident) => {
        $sealer.encode((stringify!($variant), 1), $clear, None::<&Personal<Wire>>)
    };
    (@encode $sealer:ident, $variant:ident, $clear:ident, $personal:ident) => {
        $sealer.encode((stringify!($variant), 1), $clear, Some(&$clear.$personal))
    };
    (@decode $opener:ident, $variant:ident) => {
        $opener.clear().map(UplinkEvent::$variant)
    };
    (@decode $opener:ident, $variant:ident, $personal:ident) => {
        $opener.clear().and_then(|clear| {
            let mut event = UplinkEvent::$variant(clear);
            if let UplinkEvent::$variant(clear) = &mut event { clear.$personal = $opener.personal()?; }
            Ok(event)
        })
    };
}

uplink_codec! {
    UplinkBegun,
    UplinkSent(wire),
    UplinkHeard(wire),
    UplinkRegistered,
    UplinkRefreshed,
    UplinkRefused,
    UplinkLost,
    TrunkDown,
    TrunkUp,
    UplinkEnded,
}

/// Makes an event ready for the log; `id` is the identity it will be stored under.
pub fn encode(desk: &mut Desk, event: &UplinkEvent, id: EventId, key: KeyRef, secret: &SealKey) -> Encoded {
    encode_with(&mut Sealer { id, key, secret, desk }, event)
}

/// Reads a stored uplink event. Personal parts whose key is gone are masked.
pub fn decode(recorded: &Recorded, keyring: &dyn Keyring) -> Result<UplinkEvent, DecodeError> {
    decode_for(recorded, Some(keyring))
}

/// Reads what stands clear in a stored uplink event, at less cost: personal parts are masked, keys or not.
pub fn decode_clear(recorded: &Recorded) -> Result<UplinkEvent, DecodeError> {
    decode_for(recorded, None)
}

fn decode_for(recorded: &Recorded, keyring: Option<&dyn Keyring>) -> Result<UplinkEvent, DecodeError> {
    let Recorded { id, kind, version, data, .. } = recorded;
    // All types have their first shape still.
    let opener = Opener { id: *id, kind, version: *version, data, keyring, upcasters: &[], taken: &[] };
    decode_with(&opener).ok_or_else(|| opener.unknown())?
}

#[cfg(test)]
mod tests;
