//! Every event of uplinks in its golden form.

use super::*;
use crate::address::{Flow, Transport};
use crate::codec::personal::Personal;
use crate::codec::seal::{KeyRef, SealKey};
use crate::codec::{Desk, Encoded};
use crate::ids::EventId;
use crate::ids::{AccountId, LegId, TrunkId};
use crate::log::Recorded;
use crate::log::{EventHash, Position, Revision, StreamName};
use crate::ports::Keyring;
use crate::session::event::{SipMessage, Wire};
use crate::time::WallTime;
use crate::uplink::{
    TrunkDown, TrunkUp, UplinkBegun, UplinkEndCause, UplinkEnded, UplinkLost, UplinkRefreshed, UplinkRefused,
    UplinkRegistered,
};
use uuid::Uuid;

struct OneKey;

impl Keyring for OneKey {
    fn key(&self, _: KeyRef) -> Option<SealKey> {
        Some(SealKey::from_bytes([7; 32]))
    }
}

const ID: EventId = EventId::minted(1, 1, 0, 1);

fn stored(event: &UplinkEvent) -> String {
    let key = SealKey::from_bytes([7; 32]);
    let Encoded { kind, version, data } = encode(&mut Desk::default(), event, ID, KeyRef(1), &key);
    let recorded = Recorded {
        position: Position(1),
        stream: StreamName::new(UplinkEvent::CATEGORY, Uuid::nil()),
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
        data: data.clone(),
    };
    assert_eq!(decode(&recorded, &OneKey).as_ref(), Ok(event));
    format!("{kind} {}", String::from_utf8(data.to_vec()).unwrap())
}

#[test]
fn every_event_is_stored_in_its_golden_form() {
    let at = WallTime::from_micros;
    let (account, trunk) = (AccountId::from_bits(2), TrunkId::from_bits(3));
    let ids = r#""account":"AC00000000000000000000000000000002","trunk":"TK00000000000000000000000000000003""#;
    let begun = UplinkEvent::UplinkBegun(UplinkBegun { account, trunk, registers: true });
    assert_eq!(stored(&begun), format!(r#"UplinkBegun {{{ids},"registers":true}}"#));
    let registered = |back| UplinkEvent::UplinkRegistered(UplinkRegistered { expires: 60, until: at(7), back });
    assert_eq!(stored(&registered(false)), r#"UplinkRegistered {"expires":60,"until":7}"#);
    assert_eq!(stored(&registered(true)), r#"UplinkRegistered {"expires":60,"until":7,"back":true}"#);
    let refreshed = UplinkEvent::UplinkRefreshed(UplinkRefreshed { expires: 60, until: at(7) });
    assert_eq!(stored(&refreshed), r#"UplinkRefreshed {"expires":60,"until":7}"#);
    let refused = |status| UplinkEvent::UplinkRefused(UplinkRefused { status, reason: "x".into(), again: at(9) });
    assert_eq!(stored(&refused(None)), r#"UplinkRefused {"reason":"x","again":9}"#);
    assert_eq!(stored(&refused(Some(403))), r#"UplinkRefused {"status":403,"reason":"x","again":9}"#);
    assert_eq!(stored(&UplinkEvent::UplinkLost(UplinkLost { reason: "x".into() })), r#"UplinkLost {"reason":"x"}"#);
    let down = |status| UplinkEvent::TrunkDown(TrunkDown { reason: "x".into(), status, again: at(9) });
    assert_eq!(stored(&down(Some(503))), r#"TrunkDown {"reason":"x","status":503,"again":9}"#);
    assert_eq!(stored(&down(None)), r#"TrunkDown {"reason":"x","again":9}"#);
    let up = UplinkEvent::TrunkUp(TrunkUp { answered: true });
    assert_eq!(stored(&up), r#"TrunkUp {"answered":true}"#);
    let ended = |cause, unregistered| UplinkEvent::UplinkEnded(UplinkEnded { cause, unregistered });
    for (cause, name) in [
        (UplinkEndCause::Removed, "removed"),
        (UplinkEndCause::Changed, "changed"),
        (UplinkEndCause::Drained, "drained"),
        (UplinkEndCause::ProcessEnded, "process-ended"),
    ] {
        assert_eq!(stored(&ended(cause, false)), format!(r#"UplinkEnded {{"cause":"{name}"}}"#));
    }
    let last = r#"UplinkEnded {"cause":"drained","unregistered":true}"#;
    assert_eq!(stored(&ended(UplinkEndCause::Drained, true)), last);
}

#[test]
fn what_a_message_says_is_sealed() {
    let [local, remote] = ["192.0.2.1:5060", "198.51.100.1:5060"].map(|address| address.parse().unwrap());
    let flow = Flow { transport: Transport::Udp, local, remote };
    let wire = Personal::Known(Wire { flow, bytes: "REGISTER sip:carrier.example SIP/2.0".into() });
    let message = SipMessage { leg: LegId::from_bits(5), method: "REGISTER".into(), status: None, cseq: 1, wire };
    for event in [UplinkEvent::UplinkSent(message.clone()), UplinkEvent::UplinkHeard(message)] {
        let text = stored(&event);
        assert!(text.contains(r#" {"leg":"0000000000000005","method":"REGISTER","cseq":1,"sealed":""#), "{text}");
        assert!(!text.contains("carrier.example") && !text.contains("192.0.2.1"), "{text}");
    }
}
