//! Session events to and from the log.

use super::part::{DecodeError, Desk, Encoded, Opener, Sealer};
use super::personal::Personal;
use super::seal::{KeyRef, SealKey};
use crate::ids::EventId;
use crate::log::Recorded;
use crate::ports::Keyring;
use crate::session::event::{Parties, SessionEvent};

macro_rules! session_codec {
    ($($variant:ident $(($personal:ident))?),* $(,)?) => {
        /// The stable type name of an event.
        pub const fn kind(event: &SessionEvent) -> &'static str {
            match event { $(SessionEvent::$variant(_) => stringify!($variant)),* }
        }

        /// Every type name, in the order of declaration.
        pub const KINDS: &[&str] = &[$(stringify!($variant)),*];

        fn encode_with(sealer: &mut Sealer<'_>, event: &SessionEvent) -> Encoded {
            match event {
                $(SessionEvent::$variant(clear) => {
                    session_codec!(@encode sealer, $variant, clear $(, $personal)?)
                })*
            }
        }

        fn decode_with(opener: &Opener<'_>) -> Option<Result<SessionEvent, DecodeError>> {
            match opener.kind {
                $(stringify!($variant) => Some(session_codec!(@decode opener, $variant $(, $personal)?)),)*
                _ => None,
            }
        }
    };
    (@encode $sealer:ident, $variant:ident, $clear:ident) => {
        $sealer.encode(stringify!($variant), $clear, None::<&Personal<Parties>>)
    };
    (@encode $sealer:ident, $variant:ident, $clear:ident, $personal:ident) => {
        $sealer.encode(stringify!($variant), $clear, Some(&$clear.$personal))
    };
    (@decode $opener:ident, $variant:ident) => {
        $opener.clear().map(SessionEvent::$variant)
    };
    (@decode $opener:ident, $variant:ident, $personal:ident) => {
        $opener.clear().and_then(|clear| {
            let mut event = SessionEvent::$variant(clear);
            if let SessionEvent::$variant(clear) = &mut event { clear.$personal = $opener.personal()?; }
            Ok(event)
        })
    };
}

session_codec! {
    SipMessageReceived(wire),
    SipMessageCommitted(wire),
    SipMessageRepeated,
    SessionOffered(parties),
    RouteChosen(targets),
    RouteRefused,
    LegInvited,
    LegAlerted,
    LegAnswered,
    LegConfirmed,
    LegRefused,
    LegsBridged,
    ModeEntered,
    MediaReserved,
    OfferMade,
    OfferAccepted,
    OfferRefused,
    MediaLatched(source),
    MediaFellSilent,
    MediaHeard,
    MediaMeasured,
    LegReleased,
    SessionEnded,
}

/// Makes an event ready for the log; `id` is the identity it will be stored under.
pub fn encode(desk: &mut Desk, event: &SessionEvent, id: EventId, key: KeyRef, secret: &SealKey) -> Encoded {
    encode_with(&mut Sealer { id, key, secret, desk }, event)
}

/// Reads a stored session event. Personal parts whose key is gone are masked.
pub fn decode(recorded: &Recorded, keyring: &dyn Keyring) -> Result<SessionEvent, DecodeError> {
    decode_for(recorded, Some(keyring))
}

/// Reads what stands clear in a stored session event, at less cost: personal parts are masked, keys or not.
pub fn decode_clear(recorded: &Recorded) -> Result<SessionEvent, DecodeError> {
    decode_for(recorded, None)
}

fn decode_for(recorded: &Recorded, keyring: Option<&dyn Keyring>) -> Result<SessionEvent, DecodeError> {
    let unknown = || DecodeError::Unknown { kind: recorded.kind.to_string(), version: recorded.version };
    if recorded.version != 1 {
        return Err(unknown());
    }
    let opener = Opener { id: recorded.id, kind: &recorded.kind, data: &recorded.data, keyring };
    decode_with(&opener).ok_or_else(unknown)?
}
