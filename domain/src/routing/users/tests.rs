//! Calls to users, through small exchanges with bindings.

use crate::address::{EdgeRole, Flow};
use crate::ids::{AccountId, BindingId, DomainId};
use crate::log::{Position, Revision};
use crate::registration::{Aor, BindingAdded, Bindings, Device, Q, RegistrationEvent};
use crate::routing::*;
use crate::sip::wire::Uri;
use crate::time::WallTime;
use serde_json::{Value, json};
use std::time::Duration;

const OURS: AccountId = AccountId::from_bits(1);
const THEIRS: AccountId = AccountId::from_bits(2);

/// Two accounts with a domain each.
struct Exchange {
    tables: Tables,
    bindings: Bindings,
    count: u128,
}

impl Exchange {
    fn new(hunt: &str) -> Self {
        let mut exchange = Self { tables: Tables::default(), bindings: Bindings::default(), count: 0 };
        for (id, account, name) in [(1, OURS, "a.example"), (2, THEIRS, "b.example")] {
            exchange.take("account", "AccountOpened", json!({"account": account, "name": "A"}));
            let settings = json!({"hunt": hunt});
            let data = json!({"id": DomainId::from_bits(id), "account": account, "name": name, "settings": settings});
            exchange.take("domain", "DomainAdded", data);
        }
        exchange
    }

    fn take(&mut self, category: &str, kind: &str, data: Value) {
        let event = ProvisioningEvent::decode(category, kind, 1, &serde_json::to_vec(&data).unwrap()).unwrap().unwrap();
        let (revision, at) = (Revision(4), WallTime::default());
        self.tables.apply(&Provisioned { position: Position(1), revision, at, event });
    }

    fn number(mut self, number: &str, target: &str) -> Self {
        let data = json!({"id": crate::ids::NumberId::from_bits(7), "number": number, "account": OURS, "target": {"sip": target}});
        self.take("number", "NumberClaimed", data);
        self
    }

    /// A device, registered for a minute, or by API where it has no flow.
    fn device(mut self, aor: &str, contact: &str, q: &str, flow: Option<&str>) -> Self {
        self.count += 1;
        let aor: Aor = aor.parse().unwrap();
        let now = WallTime::from_micros(i64::try_from(self.count).unwrap());
        let flow = flow.map(|remote| Flow {
            transport: crate::address::Transport::Udp,
            local: "192.0.2.1:5070".parse().unwrap(),
            remote: remote.parse().unwrap(),
        });
        let device = Device {
            aor: aor.clone(),
            contact: contact.parse().unwrap(),
            params: Box::default(),
            call_id: "c".into(),
            instance: Some(format!("urn:x:{}", self.count).into()),
            user_agent: None,
            path: if flow.is_some() { vec!["<sip:edge.example;lr>".into()] } else { vec![] },
            flow,
        };
        let added = BindingAdded {
            binding: BindingId::from_bits(self.count),
            account: OURS,
            domain: Some(DomainId::from_bits(1)),
            trunk: None,
            cseq: 1,
            q: Q::read(q),
            reg_id: None,
            transport: None,
            expires: Some(60),
            until: Some(now + Duration::from_secs(60)),
            api: flow.is_none(),
            by: None,
            sole: false,
            device: device.into(),
        };
        self.bindings.apply(
            (&aor, crate::ids::RegistrationId::from_bits(1)),
            now,
            &RegistrationEvent::BindingAdded(added),
        );
        self
    }

    fn call_at(&self, seconds: u64, caller: AccountId, uri: &str) -> Result<Decision, Box<Refused>> {
        let uri = Uri::parse(uri).unwrap();
        let called = uri.user_text().unwrap_or_default();
        let now = WallTime::default() + Duration::from_secs(seconds);
        let registered = Registered { bindings: &self.bindings, now, own: None };
        let source = "198.51.100.9:5060".parse().unwrap();
        let caller = Caller::User(caller);
        let request = Request { role: EdgeRole::Public, source, caller, called: &called, uri: Some(uri) };
        choose(&self.tables, &registered, &request)
    }

    fn call(&self, uri: &str) -> Result<Decision, Box<Refused>> {
        self.call_at(1, OURS, uri)
    }
}

/// Groups and contacts in order.
fn order(decision: &Decision) -> Vec<(u16, &str)> {
    decision.attempts.iter().map(|attempt| (attempt.device.as_ref().unwrap().group, attempt.target.as_str())).collect()
}

fn refusal(result: Result<Decision, Box<Refused>>) -> (Rule, Refusal) {
    let refused = result.unwrap_err();
    (refused.reason.rule, refused.refusal)
}

const BOB: &str = "bob@a.example";

#[test]
fn a_device_is_invited_at_its_contact_by_its_flow_and_its_path_with_the_users_address_in_to() {
    let exchange = Exchange::new("parallel").device(BOB, "sip:bob@10.0.0.9;ob?X=y", "1", Some("203.0.113.9:4444"));
    let decision = exchange.call("sip:bob@A.example").unwrap();
    assert_eq!((decision.account, decision.inbound, decision.number), (OURS, None, None));
    let subject = Subject::Domain { id: DomainId::from_bits(1), revision: 4 };
    assert_eq!((decision.reason.rule, decision.reason.subject), (Rule::User, Some(subject)));
    let [attempt] = &decision.attempts[..] else { panic!("{decision:?}") };
    assert_eq!((attempt.target.as_str(), attempt.to.as_str()), ("sip:bob@10.0.0.9;ob", "sip:bob@a.example"));
    assert_eq!(attempt.destination, Destination::Address("203.0.113.9:4444".parse().unwrap()));
    let way = attempt.device.as_ref().unwrap();
    assert_eq!((way.binding, way.local), (BindingId::from_bits(1), "192.0.2.1:5070".parse().ok()));
    assert_eq!(way.routes, ["<sip:edge.example;lr>"]);
    let json = serde_json::to_value(&decision).unwrap();
    assert_eq!(serde_json::from_value::<Decision>(json).unwrap(), decision);
}

#[test]
fn devices_ring_by_priority_together_or_in_turn() {
    let with = |hunt| {
        [("a", "1"), ("b", "0.5"), ("c", "1")].into_iter().fold(Exchange::new(hunt), |exchange, (name, q)| {
            exchange.device(BOB, &format!("sip:{name}@10.0.0.9"), q, Some("203.0.113.9:4444"))
        })
    };
    let parallel = with("parallel").call("sip:bob@a.example").unwrap();
    assert_eq!(order(&parallel), [(0, "sip:c@10.0.0.9"), (0, "sip:a@10.0.0.9"), (1, "sip:b@10.0.0.9")]);
    let sequential = with("sequential").call("sip:bob@a.example").unwrap();
    assert_eq!(order(&sequential), [(0, "sip:c@10.0.0.9"), (1, "sip:a@10.0.0.9"), (2, "sip:b@10.0.0.9")]);
}

#[test]
fn a_call_rings_a_limited_number_of_devices() {
    let exchange = (0..=MAX_DEVICES).fold(Exchange::new("parallel"), |exchange, n| {
        exchange.device(BOB, &format!("sip:d{n}@10.0.0.9"), "1", Some("203.0.113.9:4444"))
    });
    assert_eq!(exchange.call("sip:bob@a.example").unwrap().attempts.len(), MAX_DEVICES);
}

#[test]
fn a_contact_made_by_api_is_reached_where_its_uri_says() {
    let exchange = Exchange::new("parallel").device(BOB, "sip:bob@10.0.0.9:5090;transport=tcp", "1", None);
    let attempt = exchange.call("sip:bob@a.example").unwrap().attempts.remove(0);
    assert_eq!(attempt.destination, Destination::Address("10.0.0.9:5090".parse().unwrap()));
    assert_eq!((attempt.transport, attempt.device.unwrap().local), (crate::address::Transport::Tcp, None));
    let mut exchange = Exchange::new("parallel").device(BOB, "sip:bob@Phone.example", "1", None);
    let at = |exchange: &Exchange| exchange.call("sip:bob@a.example").unwrap().attempts.remove(0).destination;
    assert_eq!(at(&exchange), Destination::Unresolved { host: "phone.example".into() });
    let address = "192.0.2.50:5060".parse().unwrap();
    exchange.tables.set_resolved(HostKey { host: "phone.example".into(), port: None }, vec![address]);
    assert_eq!(at(&exchange), Destination::Address(address));
}

#[test]
fn a_gruu_names_one_device_and_none_once_that_has_gone() {
    let exchange = Exchange::new("parallel").device(BOB, "sip:a@10.0.0.9", "1", Some("203.0.113.9:1")).device(
        BOB,
        "sip:b@10.0.0.9",
        "1",
        Some("203.0.113.9:2"),
    );
    let decision = exchange.call("sip:bob@a.example;gr=urn:x:1").unwrap();
    assert_eq!((decision.reason.rule, order(&decision)), (Rule::Gruu, vec![(0, "sip:a@10.0.0.9")]));
    assert_eq!(refusal(exchange.call("sip:bob@a.example;gr=urn:x:9")), (Rule::Gruu, Refusal::NotRegistered));
    assert_eq!(refusal(exchange.call("sip:eve@a.example;gr=urn:x:1")), (Rule::Gruu, Refusal::NoSuchUser));
}

#[test]
fn a_user_that_is_not_there_now_is_told_from_one_that_there_is_not() {
    let exchange = Exchange::new("parallel").device(BOB, "sip:a@10.0.0.9", "1", Some("203.0.113.9:1"));
    assert_eq!(refusal(exchange.call_at(61, OURS, "sip:bob@a.example")), (Rule::User, Refusal::NotRegistered));
    assert_eq!(refusal(exchange.call("sip:eve@a.example")), (Rule::User, Refusal::NoSuchUser));
    assert_eq!((Refusal::NotRegistered.status(), Refusal::NoSuchUser.status()), (480, 404));
    // Whoever calls from another account learns nothing, not even that there is such a domain.
    let theirs = exchange.call_at(1, THEIRS, "sip:bob@a.example").unwrap_err();
    assert_eq!((theirs.refusal, theirs.account, theirs.reason.subject), (Refusal::NoSuchUser, Some(THEIRS), None));
    assert_eq!(exchange.call_at(1, THEIRS, "sip:+15550000001@a.example").unwrap_err().refusal, Refusal::NoSuchUser);
}

#[test]
fn a_number_dialled_at_the_own_domain_is_a_number_unless_a_user_has_that_name() {
    let exchange = Exchange::new("parallel")
        .device(BOB, "sip:a@10.0.0.9", "1", Some("203.0.113.9:1"))
        .number("+15550000001", "sip:bob@a.example")
        .number("+15550000002", "sip:bob@b.example")
        .number("+15550000003", "sip:eve@a.example");
    let decision = exchange.call("sip:+15550000001@a.example;user=phone").unwrap();
    assert_eq!((decision.reason.rule, decision.number), (Rule::Inside, Some(crate::ids::NumberId::from_bits(7))));
    assert_eq!(order(&decision), [(0, "sip:a@10.0.0.9")]);
    // Where the number points is not ours, or nobody.
    assert_eq!(refusal(exchange.call("sip:+15550000002@a.example")), (Rule::Inside, Refusal::NoSuchUser));
    assert_eq!(refusal(exchange.call("sip:+15550000003@192.0.2.1")), (Rule::Inside, Refusal::NoSuchUser));
    assert_eq!(refusal(exchange.call("sip:+4420@a.example")), (Rule::Carriers, Refusal::NoCarrier));
    let exchange = exchange.device("100@a.example", "sip:c@10.0.0.9", "1", Some("203.0.113.9:3"));
    assert_eq!(exchange.call("sip:100@a.example").unwrap().reason.rule, Rule::User);
}

#[test]
fn what_a_former_owner_of_the_domain_registered_rings_nobody() {
    let mut exchange =
        Exchange::new("parallel").device("old@b.example", "sip:old@10.0.0.1", "1", Some("198.51.100.1:5060"));
    let gone = exchange.call_at(1, THEIRS, "sip:old@b.example");
    assert_eq!(refusal(gone), (Rule::User, Refusal::NoSuchUser), "the binding is of another account than the domain");
    exchange.take(
        "domain",
        "DomainRemoved",
        json!({"id": DomainId::from_bits(2), "account": THEIRS, "name": "b.example"}),
    );
    let data = json!({"id": DomainId::from_bits(3), "account": OURS, "name": "b.example", "settings": {}});
    exchange.take("domain", "DomainAdded", data);
    assert_eq!(order(&exchange.call("sip:old@b.example").unwrap()), [(0, "sip:old@10.0.0.1")]);
}
