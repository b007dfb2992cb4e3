//! Session events to and from the log.

use super::stream::stream_codec;
use super::upcast::UPCASTERS;
use crate::session::event::SessionEvent;

stream_codec! { SessionEvent through UPCASTERS {
    SipMessageReceived(wire),
    SipMessageCommitted(wire),
    SipMessageRepeated,
    ConnectionLost(flow),
    SessionOffered(parties),
    SessionReferred(parties),
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
} }

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::EdgeRole;
    use crate::codec::personal::Personal;
    use crate::codec::seal::{KeyRef, SealKey};
    use crate::codec::upcast::Upcaster;
    use crate::codec::{DecodeError, Desk};
    use crate::ids::EventId;
    use crate::ids::{AccountId, LegId, TrunkId};
    use crate::log::Recorded;
    use crate::log::{EventHash, Position, Revision, StreamName};
    use crate::media::MediaSource;
    use crate::ports::Keyring;
    use crate::session::event::{Parties, SessionOffered};
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
            life: crate::log::Life::Open,
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
