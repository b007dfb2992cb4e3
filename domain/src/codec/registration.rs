//! Registration events to and from the log.

use super::part::{DecodeError, Desk, Encoded, Opener, Sealer};
use super::personal::Personal;
use super::seal::{KeyRef, SealKey};
use crate::ids::EventId;
use crate::log::Recorded;
use crate::ports::Keyring;
use crate::registration::{Device, RegistrationEvent};

macro_rules! registration_codec {
    ($($variant:ident $(($personal:ident))?),* $(,)?) => {
        /// The stable type name of an event.
        pub const fn kind(event: &RegistrationEvent) -> &'static str {
            match event { $(RegistrationEvent::$variant(_) => stringify!($variant)),* }
        }

        /// Every type name, in the order of declaration.
        pub const KINDS: &[&str] = &[$(stringify!($variant)),*];

        fn encode_with(sealer: &mut Sealer<'_>, event: &RegistrationEvent) -> Encoded {
            match event {
                $(RegistrationEvent::$variant(clear) => {
                    registration_codec!(@encode sealer, $variant, clear $(, $personal)?)
                })*
            }
        }

        fn decode_with(opener: &Opener<'_>) -> Option<Result<RegistrationEvent, DecodeError>> {
            match opener.kind {
                $(stringify!($variant) => Some(opener.read(1, |opener| {
                    registration_codec!(@decode opener, $variant $(, $personal)?)
                })),)*
                _ => None,
            }
        }
    };
    (@encode $sealer:ident, $variant:ident, $clear:ident) => {
        $sealer.encode((stringify!($variant), 1), $clear, None::<&Personal<Device>>)
    };
    (@encode $sealer:ident, $variant:ident, $clear:ident, $personal:ident) => {
        $sealer.encode((stringify!($variant), 1), $clear, Some(&$clear.$personal))
    };
    (@decode $opener:ident, $variant:ident) => {
        $opener.clear().map(RegistrationEvent::$variant)
    };
    (@decode $opener:ident, $variant:ident, $personal:ident) => {
        $opener.clear().and_then(|clear| {
            let mut event = RegistrationEvent::$variant(clear);
            if let RegistrationEvent::$variant(clear) = &mut event { clear.$personal = $opener.personal()?; }
            Ok(event)
        })
    };
}

registration_codec! {
    RegisterReceived(wire),
    RegisterAnswered(wire),
    BindingAdded(device),
    BindingRefreshed(device),
    BindingRemoved,
    BindingReachChanged,
    BindingsStated(table),
}

/// Makes an event ready for the log; `id` is the identity it will be stored under.
pub fn encode(desk: &mut Desk, event: &RegistrationEvent, id: EventId, key: KeyRef, secret: &SealKey) -> Encoded {
    encode_with(&mut Sealer { id, key, secret, desk }, event)
}

/// Reads a stored registration event. Personal parts whose key is gone are masked.
pub fn decode(recorded: &Recorded, keyring: &dyn Keyring) -> Result<RegistrationEvent, DecodeError> {
    decode_for(recorded, Some(keyring))
}

/// Reads what stands clear in a stored registration event, at less cost: personal parts are masked, keys or not.
pub fn decode_clear(recorded: &Recorded) -> Result<RegistrationEvent, DecodeError> {
    decode_for(recorded, None)
}

fn decode_for(recorded: &Recorded, keyring: Option<&dyn Keyring>) -> Result<RegistrationEvent, DecodeError> {
    let Recorded { id, kind, version, data, .. } = recorded;
    // All types have their first shape still.
    let opener = Opener { id: *id, kind, version: *version, data, keyring, upcasters: &[], taken: &[] };
    decode_with(&opener).ok_or_else(|| opener.unknown())?
}

#[cfg(test)]
mod tests;
