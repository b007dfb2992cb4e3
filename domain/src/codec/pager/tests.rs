//! Every event of MESSAGEs in its golden form.

use super::*;
use crate::address::{EdgeRole, Flow, Transport};
use crate::codec::personal::Personal;
use crate::codec::seal::{KeyRef, SealKey};
use crate::codec::{Desk, Encoded};
use crate::ids::EventId;
use crate::ids::{AccountId, CredentialId, DomainId, LegId, TrunkId};
use crate::log::Recorded;
use crate::log::{EventHash, Position, Revision, StreamName};
use crate::pager::{MessageEnded, MessageOffered};
use crate::ports::Keyring;
use crate::session::event::{Parties, RouteChosen, RouteRefused, SipMessage, Wire};
use crate::time::WallTime;
use uuid::Uuid;

struct OneKey;

impl Keyring for OneKey {
    fn key(&self, _: KeyRef) -> Option<SealKey> {
        Some(SealKey::from_bytes([7; 32]))
    }
}

const ID: EventId = EventId::minted(1, 1, 0, 1);

/// How it is stored, without what is sealed.
fn stored(event: &PagerEvent) -> String {
    let key = SealKey::from_bytes([7; 32]);
    let Encoded { kind, version, data } = encode(&mut Desk::default(), event, ID, KeyRef(1), &key);
    let recorded = Recorded {
        position: Position(1),
        stream: StreamName::new(PagerEvent::CATEGORY, Uuid::nil()),
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
    let text = String::from_utf8(data.to_vec()).unwrap();
    let clear = text.split_once(r#","sealed":""#).map_or(text.as_str(), |(clear, _)| clear);
    format!("{kind} {clear}")
}

#[test]
fn every_event_is_stored_in_its_golden_form() {
    let leg = LegId::from_bits(5);
    let parties = Parties { caller: "alice".into(), called: "bob".into(), call_id: "1@a".into() };
    let offered = MessageOffered {
        leg,
        account: AccountId::from_bits(2),
        edge: EdgeRole::Public,
        trunk: Some(TrunkId::from_bits(3)),
        user: None,
        domain: None,
        parties: parties.into(),
    };
    let head =
        r#"MessageOffered {"leg":"0000000000000005","account":"AC00000000000000000000000000000002","edge":"public""#;
    let by_trunk = format!(r#"{head},"trunk":"TK00000000000000000000000000000003""#);
    assert_eq!(stored(&PagerEvent::MessageOffered(offered.clone())), by_trunk);
    let (user, domain) = (Some(CredentialId::from_bits(4)), Some(DomainId::from_bits(6)));
    let of_user = MessageOffered { trunk: None, user, domain, ..offered };
    let by_user =
        format!(r#"{head},"user":"CR00000000000000000000000000000004","domain":"SD00000000000000000000000000000006""#);
    assert_eq!(stored(&PagerEvent::MessageOffered(of_user)), by_user);
    let chosen = RouteChosen {
        rule: "user".into(),
        rule_version: 4,
        number: None,
        reason: "x".into(),
        asked_by: None,
        passed_over: vec![],
        targets: vec![].into(),
    };
    let routed = r#"MessageRouted {"rule":"user","rule_version":4,"reason":"x""#;
    assert_eq!(stored(&PagerEvent::MessageRouted(chosen)), routed);
    let refused = RouteRefused { status: 404, rule: "user".into(), reason: "x".into(), retry_after: None };
    let unroutable = r#"MessageUnroutable {"status":404,"rule":"user","reason":"x"}"#;
    assert_eq!(stored(&PagerEvent::MessageUnroutable(refused)), unroutable);
    let ended = |target| PagerEvent::MessageEnded(MessageEnded { status: 202, target });
    assert_eq!(stored(&ended(None)), r#"MessageEnded {"status":202}"#);
    assert_eq!(stored(&ended(Some(1))), r#"MessageEnded {"status":202,"target":1}"#);
}

#[test]
fn what_was_said_is_sealed() {
    let [local, remote] = ["192.0.2.1:5060", "198.51.100.1:5060"].map(|address| address.parse().unwrap());
    let flow = Flow { transport: Transport::Udp, local, remote };
    let wire = Personal::Known(Wire { flow, bytes: "MESSAGE sip:bob@a.example SIP/2.0".into() });
    let leg = LegId::from_bits(5);
    let message = SipMessage { leg, method: "MESSAGE".into(), status: Some(200), cseq: 1, wire };
    for (event, kind) in
        [(PagerEvent::MessageHeard(message.clone()), "MessageHeard"), (PagerEvent::MessageSent(message), "MessageSent")]
    {
        let clear = format!(r#"{kind} {{"leg":"0000000000000005","method":"MESSAGE","status":200,"cseq":1"#);
        assert_eq!(stored(&event), clear);
    }
}
