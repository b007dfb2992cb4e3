//! Events of MESSAGEs to and from the log.

use super::part::{DecodeError, Desk, Encoded, Opener, Sealer};
use super::personal::Personal;
use super::seal::{KeyRef, SealKey};
use crate::ids::EventId;
use crate::log::Recorded;
use crate::pager::PagerEvent;
use crate::ports::Keyring;
use crate::session::event::Wire;

macro_rules! pager_codec {
    ($($variant:ident $(($personal:ident))?),* $(,)?) => {
        /// The stable type name of an event.
        pub const fn kind(event: &PagerEvent) -> &'static str {
            match event { $(PagerEvent::$variant(_) => stringify!($variant)),* }
        }

        /// Every type name, in the order of declaration.
        pub const KINDS: &[&str] = &[$(stringify!($variant)),*];

        fn encode_with(sealer: &mut Sealer<'_>, event: &PagerEvent) -> Encoded {
            match event {
                $(PagerEvent::$variant(clear) => {
                    pager_codec!(@encode sealer, $variant, clear $(, $personal)?)
                })*
            }
        }

        fn decode_with(opener: &Opener<'_>) -> Option<Result<PagerEvent, DecodeError>> {
            match opener.kind {
                $(stringify!($variant) => Some(opener.read(1, |opener| {
                    pager_codec!(@decode opener, $variant $(, $personal)?)
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
        $opener.clear().map(PagerEvent::$variant)
    };
    (@decode $opener:ident, $variant:ident, $personal:ident) => {
        $opener.clear().and_then(|clear| {
            let mut event = PagerEvent::$variant(clear);
            if let PagerEvent::$variant(clear) = &mut event { clear.$personal = $opener.personal()?; }
            Ok(event)
        })
    };
}

pager_codec! {
    MessageHeard(wire),
    MessageSent(wire),
    MessageOffered(parties),
    MessageRouted(targets),
    MessageUnroutable,
    MessageEnded,
}

/// Makes an event ready for the log; `id` is the identity it will be stored under.
pub fn encode(desk: &mut Desk, event: &PagerEvent, id: EventId, key: KeyRef, secret: &SealKey) -> Encoded {
    encode_with(&mut Sealer { id, key, secret, desk }, event)
}

/// Reads a stored event of a MESSAGE. Personal parts whose key is gone are masked.
pub fn decode(recorded: &Recorded, keyring: &dyn Keyring) -> Result<PagerEvent, DecodeError> {
    decode_for(recorded, Some(keyring))
}

/// Reads what stands clear in a stored event of a MESSAGE, at less cost: personal parts are masked, keys or not.
pub fn decode_clear(recorded: &Recorded) -> Result<PagerEvent, DecodeError> {
    decode_for(recorded, None)
}

fn decode_for(recorded: &Recorded, keyring: Option<&dyn Keyring>) -> Result<PagerEvent, DecodeError> {
    let Recorded { id, kind, version, data, .. } = recorded;
    // All types have their first shape still.
    let opener = Opener { id: *id, kind, version: *version, data, keyring, upcasters: &[], taken: &[] };
    decode_with(&opener).ok_or_else(|| opener.unknown())?
}

#[cfg(test)]
mod tests;
