//! Registration events as the log stores them.

use super::*;
use crate::address::{Flow, Transport};
use crate::codec::seal::{KeyRef, SealKey};
use crate::codec::{Desk, Encoded};
use crate::ids::EventId;
use crate::ids::{AccountId, BindingId, DomainId, KeyId};
use crate::log::Recorded;
use crate::log::{EventHash, Position, Revision, StreamName};
use crate::ports::Keyring;
use crate::registration::{
    BindingAdded, BindingReachChanged, BindingRefreshed, BindingRemoved, BindingStated, BindingsStated, Device, Q,
    Reach, RegisterAnswered, RegisterReceived, RemovalCause, StatedTable,
};
use crate::session::event::Wire;
use crate::time::WallTime;
use bytes::Bytes;

const ID: EventId = EventId::minted(1, 1, 0, 1);
const ACCOUNT: AccountId = AccountId::from_bits(2);
const BINDING: BindingId = BindingId::from_bits(3);

struct One;

impl Keyring for One {
    fn key(&self, reference: KeyRef) -> Option<SealKey> {
        (reference == KeyRef(7)).then(|| SealKey::from_bytes([3; 32]))
    }
}

fn recorded(encoded: &Encoded) -> Recorded {
    Recorded {
        position: Position(1),
        stream: StreamName::new("registration", "x"),
        revision: Revision(0),
        id: ID,
        kind: encoded.kind.into(),
        version: encoded.version,
        at: WallTime::default(),
        correlation: uuid::Uuid::nil(),
        cause: None,
        node: 1,
        previous: EventHash::NONE,
        life: crate::log::Life::Open,
        data: encoded.data.clone(),
    }
}

/// Stored with this clear text, whatever is sealed in it, and read back.
#[track_caller]
fn stored_as(event: &RegistrationEvent, clear: &str) {
    let encoded = encode(&mut Desk::default(), event, ID, KeyRef(7), &SealKey::from_bytes([3; 32]));
    let text = std::str::from_utf8(&encoded.data).unwrap();
    let without = match text.split_once(",\"sealed\":\"") {
        Some((head, _)) => format!("{head}}}"),
        None => text.to_owned(),
    };
    assert_eq!((encoded.kind, encoded.version, without.as_str()), (kind(event), 1, clear));
    assert!(!text.contains("alice") && !text.contains("192.0.2"), "{text}");
    assert_eq!(&decode(&recorded(&encoded), &One).unwrap(), event);
    let masked = decode_clear(&recorded(&encoded)).unwrap();
    assert_eq!(kind(&masked), kind(event));
    let future = Recorded { version: 2, ..recorded(&encoded) };
    assert!(decode(&future, &One).is_err(), "a version of the future was read as if it were known");
}

fn flow() -> Flow {
    let [local, remote] = ["192.0.2.1:5060", "192.0.2.2:5060"].map(|text| text.parse().unwrap());
    Flow { transport: Transport::Udp, local, remote }
}

fn device() -> Device {
    Device {
        aor: "alice@a.example".parse().unwrap(),
        contact: "sip:alice@192.0.2.2".parse().unwrap(),
        params: ";x".into(),
        call_id: "c".into(),
        instance: Some("urn:uuid:1".into()),
        user_agent: Some("Phone/1".into()),
        path: vec!["<sip:p.example;lr>".into()],
        flow: Some(flow()),
    }
}

#[test]
fn every_event_is_stored_in_its_golden_form_and_its_personal_part_sealed() {
    let wire = || Wire { flow: flow(), bytes: Bytes::from_static(b"REGISTER sip:alice") }.into();
    let account = r#""account":"AC00000000000000000000000000000002""#;
    let binding = r#""binding":"RB00000000000000000000000000000003""#;
    stored_as(
        &RegistrationEvent::RegisterReceived(RegisterReceived { account: ACCOUNT, cseq: 5, wire: wire() }),
        &format!(r#"{{{account},"cseq":5}}"#),
    );
    stored_as(
        &RegistrationEvent::RegisterAnswered(RegisterAnswered {
            account: ACCOUNT,
            cseq: 5,
            status: 423,
            reason: Some("too brief".into()),
            wire: wire(),
        }),
        &format!(r#"{{{account},"cseq":5,"status":423,"reason":"too brief"}}"#),
    );
    stored_as(
        &RegistrationEvent::BindingAdded(BindingAdded {
            binding: BINDING,
            account: ACCOUNT,
            domain: Some(DomainId::from_bits(4)),
            trunk: None,
            cseq: 5,
            q: Q::read("0.5"),
            reg_id: Some(1),
            transport: Some(Transport::Udp),
            expires: Some(60),
            until: Some(WallTime::from_micros(60_000_000)),
            api: false,
            by: None,
            sole: true,
            device: device().into(),
        }),
        &format!(
            r#"{{{binding},{account},"domain":"SD00000000000000000000000000000004","cseq":5,"q":500,"reg_id":1,"transport":"udp","expires":60,"until":60000000,"sole":true}}"#
        ),
    );
    stored_as(
        &RegistrationEvent::BindingRefreshed(BindingRefreshed {
            binding: BINDING,
            account: ACCOUNT,
            cseq: 6,
            q: None,
            reg_id: None,
            transport: None,
            expires: 60,
            until: WallTime::from_micros(60_000_000),
            sole_since: Some(WallTime::from_micros(5)),
            device: device().into(),
        }),
        &format!(r#"{{{binding},{account},"cseq":6,"expires":60,"until":60000000,"sole_since":5}}"#),
    );
    stored_as(
        &RegistrationEvent::BindingRemoved(BindingRemoved {
            binding: BINDING,
            account: ACCOUNT,
            cause: RemovalCause::FlowLost,
            by: Some(KeyId::from_bits(9)),
        }),
        &format!(r#"{{{binding},{account},"cause":"flow-lost","by":"SK00000000000000000000000000000009"}}"#),
    );
}

#[test]
fn what_changes_reach_and_what_sums_up_are_stored_in_their_golden_form() {
    let account = r#""account":"AC00000000000000000000000000000002""#;
    let binding = r#""binding":"RB00000000000000000000000000000003""#;
    stored_as(
        &RegistrationEvent::BindingReachChanged(BindingReachChanged {
            binding: BINDING,
            account: ACCOUNT,
            reach: Reach::Contact,
        }),
        &format!(r#"{{{binding},{account},"reach":"contact"}}"#),
    );
    let stated = BindingStated {
        binding: BINDING,
        cseq: 6,
        q: Q::read("0.5"),
        reg_id: Some(1),
        since: WallTime::from_micros(1),
        refreshed: WallTime::from_micros(2),
        until: Some(WallTime::from_micros(60_000_000)),
        api: false,
        reach: Reach::Contact,
    };
    let by_api =
        BindingStated { cseq: 0, q: None, reg_id: None, until: None, api: true, reach: Reach::Flow, ..stated.clone() };
    stored_as(
        &RegistrationEvent::BindingsStated(BindingsStated {
            account: ACCOUNT,
            bindings: vec![stated, by_api],
            table: StatedTable { aor: "alice@a.example".parse().unwrap(), devices: vec![device(), device()] }.into(),
        }),
        &format!(
            r#"{{{account},"bindings":[{{{binding},"cseq":6,"q":500,"reg_id":1,"since":1,"refreshed":2,"until":60000000,"reach":"contact"}},{{{binding},"cseq":0,"since":1,"refreshed":2,"api":true}}]}}"#
        ),
    );
    assert_eq!((KINDS.len(), KINDS.last()), (7, Some(&BindingsStated::KIND)));
}
