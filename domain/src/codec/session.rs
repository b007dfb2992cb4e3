//! Session events to and from the log.

use super::part::{DecodeError, Desk, Encoded, Opener, Sealer};
use super::personal::Personal;
use super::seal::{KeyRef, SealKey};
use super::upcast::{UPCASTERS, Upcaster, fault};
use crate::ids::EventId;
use crate::log::Recorded;
use crate::ports::Keyring;
use crate::session::event::{Parties, SessionEvent};

macro_rules! session_codec {
    ($($variant:ident $(($personal:ident))? $(= $version:literal)?),* $(,)?) => {
        /// The stable type name of an event.
        pub const fn kind(event: &SessionEvent) -> &'static str {
            match event { $(SessionEvent::$variant(_) => stringify!($variant)),* }
        }

        /// Every type name, in the order of declaration.
        pub const KINDS: &[&str] = &[$(stringify!($variant)),*];

        /// Every type name with the version of the shape that this build writes.
        pub const VERSIONS: &[(&str, u16)] =
            &[$((stringify!($variant), session_codec!(@version $($version)?))),*];

        fn encode_with(sealer: &mut Sealer<'_>, event: &SessionEvent) -> Encoded {
            match event {
                $(SessionEvent::$variant(clear) => {
                    let named = (stringify!($variant), session_codec!(@version $($version)?));
                    session_codec!(@encode sealer, named, clear $(, $personal)?)
                })*
            }
        }

        fn decode_with(opener: &Opener<'_>) -> Option<Result<SessionEvent, DecodeError>> {
            match opener.kind {
                $(stringify!($variant) => Some(opener.read(
                    session_codec!(@version $($version)?),
                    |opener| session_codec!(@decode opener, $variant $(, $personal)?),
                )),)*
                _ => None,
            }
        }
    };
    (@version) => { 1 };
    (@version $version:literal) => { $version };
    (@encode $sealer:ident, $named:ident, $clear:ident) => {
        $sealer.encode($named, $clear, None::<&Personal<Parties>>)
    };
    (@encode $sealer:ident, $named:ident, $clear:ident, $personal:ident) => {
        $sealer.encode($named, $clear, Some(&$clear.$personal))
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

// A type whose shape has changed has its version here, `LegAlerted = 2`, and upcasters from every earlier one.
session_codec! {
    SipMessageReceived(wire),
    SipMessageCommitted(wire),
    SipMessageRepeated,
    SessionOffered(parties),
    RouteChosen(targets),
    RouteRefused,
    LegInvited,
    LegAlerted,
    LegChallenged,
    LegAnswered,
    LegConfirmed,
    LegRefused,
    LegsBridged,
    ModeEntered,
    MediaReserved,
    OfferMade,
    OfferAccepted,
    OfferRefused,
    SessionTimerSet,
    TransferAsked(target),
    TransferRefused,
    ReplacementAsked(parties),
    ReplacementRefused,
    TransferLinked,
    LegGivenAway,
    LegTaken(carried),
    LegReturned,
    LegRegained,
    LegReplaced,
    TransferCompleted,
    TransferFailed,
    MediaLatched(source),
    MediaFellSilent,
    MediaHeard,
    MediaMeasured,
    LegReleased,
    SessionEnded,
}

const _: () =
    assert!(fault(UPCASTERS, VERSIONS).is_none(), "upcasters do not lead from every version to the present one");

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
    decode_through(UPCASTERS, recorded, keyring)
}

fn decode_through(
    upcasters: &[Upcaster],
    recorded: &Recorded,
    keyring: Option<&dyn Keyring>,
) -> Result<SessionEvent, DecodeError> {
    let Recorded { id, kind, version, data, .. } = recorded;
    let opener = Opener { id: *id, kind, version: *version, data, keyring, upcasters, taken: &[] };
    decode_with(&opener).ok_or_else(|| opener.unknown())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::EdgeRole;
    use crate::ids::{AccountId, LegId, TrunkId};
    use crate::log::{EventHash, Position, Revision, StreamName};
    use crate::media::MediaSource;
    use crate::session::event::SessionOffered;
    use crate::time::WallTime;
    use uuid::Uuid;

    struct OneKey;

    impl Keyring for OneKey {
        fn key(&self, _: KeyRef) -> Option<SealKey> {
            Some(SealKey::from_bytes([7; 32]))
        }
    }

    const ID: EventId = EventId::minted(1, 1, 0, 1);

    fn offered() -> SessionEvent {
        let parties = Parties { caller: "alice".into(), called: "bob".into(), call_id: "1@a".into() };
        SessionEvent::SessionOffered(SessionOffered {
            leg: LegId::from_bits(1),
            account: AccountId::from_bits(2),
            edge: EdgeRole::Carrier,
            trunk: Some(TrunkId::from_bits(3)),
            user: None,
            domain: None,
            media_source: MediaSource::Sdp,
            late_offer: false,
            max_forwards: 70,
            parties: parties.into(),
        })
    }

    fn recorded(kind: &str, version: u16, data: Vec<u8>) -> Recorded {
        Recorded {
            position: Position(1),
            stream: StreamName::new("session", Uuid::nil()),
            revision: Revision(0),
            id: ID,
            kind: kind.into(),
            version,
            at: WallTime::from_micros(0),
            correlation: Uuid::nil(),
            cause: None,
            node: 1,
            previous: EventHash::NONE,
            data: data.into(),
        }
    }

    /// An offer as a build before the first would have stored it: `hops` instead of `max_forwards`, and the Call-ID
    /// sealed under another name.
    fn from_before() -> Recorded {
        let old = br#"{"caller":"alice","called":"bob","id":"1@a"}"#;
        let sealed = SealKey::from_bytes([7; 32]).seal(KeyRef(1), ID, "SessionOffered", old);
        let sealed = base64::Engine::encode(&base64::engine::general_purpose::STANDARD_NO_PAD, sealed);
        let now = encode(&mut Desk::default(), &offered(), ID, KeyRef(1), &SealKey::from_bytes([7; 32])).data;
        let mut clear: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&now).unwrap();
        let hops = clear.remove("max_forwards").unwrap();
        clear.extend([("hops".to_owned(), hops), ("sealed".to_owned(), sealed.into())]);
        recorded("SessionOffered", 0, serde_json::to_vec(&clear).unwrap())
    }

    const FROM_BEFORE: &[Upcaster] = &[Upcaster {
        kind: "SessionOffered",
        from: 0,
        clear: |clear| {
            let hops = clear.remove("hops").ok_or("it has no hops")?;
            clear.insert("max_forwards".into(), hops);
            Ok(())
        },
        sealed: Some(|plain| {
            let text = String::from_utf8(plain).map_err(|_| "it is no text")?;
            Ok(text.replace("\"id\"", "\"call_id\"").into_bytes())
        }),
    }];

    #[test]
    fn an_event_of_an_earlier_version_is_read_through_its_upcaster_what_is_sealed_too() {
        let read = decode_through(FROM_BEFORE, &from_before(), Some(&OneKey));
        assert_eq!(read, Ok(offered()));
        let SessionEvent::SessionOffered(clear) = decode_through(FROM_BEFORE, &from_before(), None).unwrap() else {
            panic!("another event")
        };
        assert_eq!((clear.max_forwards, clear.parties), (70, Personal::Masked));
    }

    #[test]
    fn an_event_that_its_upcaster_cannot_lift_is_malformed_and_says_at_which_version() {
        let mut broken = from_before();
        broken.data = "{}".into();
        let error = decode_through(FROM_BEFORE, &broken, Some(&OneKey)).unwrap_err();
        let what = "version 0 does not become version 1: it has no hops".to_owned();
        assert_eq!(error, DecodeError::Malformed { kind: "SessionOffered".into(), what });
    }

    #[test]
    fn a_version_that_no_upcaster_reads_and_one_of_a_newer_build_are_unknown() {
        for version in [0, 2, u16::MAX] {
            let data =
                encode(&mut Desk::default(), &offered(), ID, KeyRef(1), &SealKey::from_bytes([7; 32])).data.to_vec();
            let error = decode(&recorded("SessionOffered", version, data), &OneKey).unwrap_err();
            assert_eq!(error, DecodeError::Unknown { kind: "SessionOffered".into(), version });
        }
        let error = decode(&recorded("SessionForgotten", 1, b"{}".to_vec()), &OneKey).unwrap_err();
        assert_eq!(error, DecodeError::Unknown { kind: "SessionForgotten".into(), version: 1 });
    }
}
