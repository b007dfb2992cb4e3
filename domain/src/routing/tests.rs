//! Calls through small exchanges.

use super::*;
use crate::account::{AccountClosed, AccountEvent, AccountLimited, AccountLimits, AccountOpened};
use crate::address::{EdgeRole, Transport};
use crate::ids::{AccountId, NumberId, TrunkId};
use crate::log::{Position, Revision};
use crate::number::{NumberClaimed, NumberEvent, NumberReleased, NumberRetargeted};
use crate::registration::Bindings;
use crate::routing::{HostKey, Provisioned, ProvisioningEvent};
use crate::time::WallTime;
use crate::trunk::{LargeRequests, TrunkAdded, TrunkChanged, TrunkEvent, TrunkRemoved, TrunkSettings};
use serde_json::{Value, json};

const ROOT: AccountId = AccountId::from_bits(1);
const SUB: AccountId = AccountId::from_bits(2);
const STRANGER: AccountId = AccountId::from_bits(3);
const CARRIER: &str = "192.0.2.1:5060";
const PBX: &str = "10.0.0.1:5060";

/// An exchange with an account, a sub-account and a stranger.
struct Exchange(Tables);

impl Exchange {
    fn new() -> Self {
        let mut exchange = Self(Tables::default());
        for (account, parent) in [(ROOT, None), (SUB, Some(ROOT)), (STRANGER, None)] {
            let opened = AccountOpened { account, name: "A".parse().unwrap(), parent, by: None };
            exchange.apply(0, AccountEvent::Opened(opened));
        }
        exchange
    }

    fn apply(&mut self, revision: u64, event: impl Into<ProvisioningEvent>) {
        let (position, revision, at) = (Position(1), Revision(revision), WallTime::default());
        self.0.apply(&Provisioned { position, revision, at, event: event.into() });
    }

    fn trunk(mut self, id: u128, account: AccountId, more: Value) -> Self {
        let added = TrunkAdded { id: TrunkId::from_bits(id), account, settings: settings(more), by: None };
        self.apply(0, TrunkEvent::Added(added));
        self
    }

    fn number(mut self, id: u128, account: AccountId, number: &str, target: &str) -> Self {
        let (id, number) = (NumberId::from_bits(id), number.parse().unwrap());
        self.apply(0, NumberEvent::Claimed(NumberClaimed { id, number, account, target: sip(target), by: None }));
        self
    }

    fn close(mut self, account: AccountId) -> Self {
        self.apply(1, AccountEvent::Closed(AccountClosed { account, by: None }));
        self
    }

    fn carrier_calls(&self, called: &str) -> Result<Decision, Box<Refused>> {
        self.call(EdgeRole::Carrier, CARRIER, called)
    }

    fn pbx_calls(&self, called: &str) -> Result<Decision, Box<Refused>> {
        self.call(EdgeRole::Public, PBX, called)
    }

    fn call(&self, role: EdgeRole, source: &str, called: &str) -> Result<Decision, Box<Refused>> {
        let registered = Registered { bindings: &Bindings::default(), now: WallTime::default(), own: None };
        let source = source.parse().unwrap();
        choose(&self.0, &registered, &Request { role, source, caller: Caller::Source, called, uri: None })
    }
}

fn settings(more: Value) -> TrunkSettings {
    let mut settings = json!({"name": "T", "kind": "carrier"});
    settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(settings).unwrap()
}

fn sip(uri: &str) -> Target {
    Target::Sip(uri.parse().unwrap())
}

/// A root account with one carrier that brings calls.
fn served() -> Exchange {
    Exchange::new().trunk(1, ROOT, json!({"addresses": [CARRIER]}))
}

/// A sub-account with a PBX that makes calls.
fn calling() -> Exchange {
    Exchange::new().trunk(1, SUB, json!({"kind": "pbx", "addresses": ["10.0.0.1"]}))
}

fn targets(decision: &Decision) -> Vec<&str> {
    decision.attempts.iter().map(|attempt| attempt.target.as_str()).collect()
}

fn refusal(result: Result<Decision, Box<Refused>>) -> Refusal {
    result.unwrap_err().refusal
}

#[test]
fn what_is_an_accounts_is_also_of_those_above_it_and_each_has_limits_of_its_own() {
    let mut exchange = Exchange::new();
    let limits = AccountLimits { max_calls: Some(5.try_into().unwrap()), ..AccountLimits::default() };
    exchange.apply(1, AccountEvent::Limited(AccountLimited { account: ROOT, limits, by: None }));
    let above = |account| exchange.0.accounts_above(account).collect::<Vec<_>>();
    assert_eq!((above(SUB), above(ROOT), above(STRANGER)), (vec![SUB, ROOT], vec![ROOT], vec![STRANGER]));
    assert_eq!(above(AccountId::from_bits(99)), []);
    let of = |account| exchange.0.account_limits(account);
    assert_eq!((of(ROOT), of(SUB)), (limits, AccountLimits::default()));
}

#[test]
fn a_carriers_call_goes_to_the_numbers_target_in_the_numbers_account() {
    let exchange = served().number(7, SUB, "+15550000001", "sip:pbx@10.0.0.1:5090");
    let decision = exchange.carrier_calls("15550000001").unwrap();
    assert_eq!((decision.account, decision.inbound), (SUB, Some(TrunkId::from_bits(1))));
    assert_eq!(decision.number, Some(NumberId::from_bits(7)));
    let expected = Attempt {
        target: "sip:pbx@10.0.0.1:5090".into(),
        to: "sip:pbx@10.0.0.1".into(),
        destination: Destination::Address("10.0.0.1:5090".parse().unwrap()),
        transport: Transport::Udp,
        large_requests: LargeRequests::Udp,
        trunk: None,
        ring_timeout: 60,
        media_source: MediaSource::Sdp,
        rewrite: Rewrite::TargetUser,
        device: None,
    };
    assert_eq!(decision.attempts, [expected]);
    let subject = Subject::Number { id: NumberId::from_bits(7), revision: 0 };
    assert_eq!((decision.reason.rule, decision.reason.subject), (Rule::Number, Some(subject)));
}

#[test]
fn a_target_by_tcp_says_so_and_a_trunk_says_how_large_requests_go() {
    let tcp = "sip:pbx@10.0.0.1:5090;transport=tcp";
    let exchange = served()
        .trunk(2, ROOT, json!({"kind": "pbx", "addresses": ["10.0.0.1"], "large_requests": "tcp"}))
        .number(7, ROOT, "+15550000001", tcp)
        .number(8, ROOT, "+15550000002", "sip:10.0.0.2");
    let first = |called| exchange.carrier_calls(called).unwrap().attempts.remove(0);
    let by_tcp = first("+15550000001");
    assert_eq!((by_tcp.target.as_str(), by_tcp.to.as_str()), (tcp, "sip:pbx@10.0.0.1"));
    assert_eq!((by_tcp.transport, by_tcp.large_requests), (Transport::Tcp, LargeRequests::Tcp));
    let by_udp = first("+15550000002");
    assert_eq!((by_udp.transport, by_udp.large_requests), (Transport::Udp, LargeRequests::Udp));
}

#[test]
fn without_a_user_in_the_target_the_called_number_keeps_its_place_at_the_pbx() {
    let exchange =
        served().number(7, ROOT, "+15550000001", "sip:10.0.0.1").number(8, ROOT, "112", "sip:[2001:db8::1]:5070");
    for called in ["+15550000001", "0015550000001", "15550000001"] {
        let attempt = exchange.carrier_calls(called).unwrap().attempts.remove(0);
        assert_eq!(
            (attempt.target.as_str(), attempt.to.as_str()),
            ("sip:+15550000001@10.0.0.1", "sip:+15550000001@10.0.0.1")
        );
        assert_eq!(
            (attempt.destination, attempt.rewrite),
            (Destination::Address(PBX.parse().unwrap()), Rewrite::CalledNumber)
        );
    }
    assert_eq!(targets(&exchange.carrier_calls("112").unwrap()), ["sip:112@[2001:db8::1]:5070"]);
    assert_eq!(refusal(exchange.carrier_calls("+112")), Refusal::NoSuchNumber);
}

#[test]
fn a_call_to_a_known_pbx_leaves_by_its_trunk_with_its_settings() {
    let pbx = json!({"kind": "pbx", "addresses": ["10.0.0.1"], "ring_timeout": 20, "media_source": "latch"});
    let exchange = served().trunk(2, SUB, pbx).number(7, SUB, "+15550000001", "sip:10.0.0.1");
    let attempt = exchange.carrier_calls("+15550000001").unwrap().attempts.remove(0);
    assert_eq!((attempt.trunk, attempt.ring_timeout), (Some(TrunkId::from_bits(2)), 20));
    assert_eq!(attempt.media_source, MediaSource::Latch);
    let strangers = exchange.number(8, ROOT, "+15550000002", "sip:10.0.0.1");
    assert_eq!(strangers.carrier_calls("+15550000002").unwrap().attempts[0].trunk, None);
}

#[test]
fn a_carriers_call_never_reaches_a_number_outside_its_accounts_family() {
    let exchange = served().number(7, STRANGER, "+15550000001", "sip:10.0.0.1");
    let refused = exchange.carrier_calls("+15550000001").unwrap_err();
    assert_eq!((refused.refusal, refused.account), (Refusal::NoSuchNumber, Some(ROOT)));
    assert_eq!(
        (refused.reason.subject, refused.reason.considered.len()),
        (None, 0),
        "it must not tell of the stranger"
    );
    let below =
        Exchange::new().trunk(1, SUB, json!({"addresses": [CARRIER]})).number(7, ROOT, "+15550000001", "sip:10.0.0.1");
    assert_eq!(refusal(below.carrier_calls("+15550000001")), Refusal::NoSuchNumber);
}

#[test]
fn an_unknown_source_and_a_trunk_of_the_other_kind_are_refused_statelessly() {
    let refused = served().call(EdgeRole::Carrier, "192.0.2.99:5060", "+15550000001").unwrap_err();
    assert_eq!((refused.refusal, refused.account), (Refusal::UnknownSource, None));
    assert!(refused.refusal.is_stateless());
    assert_eq!(refusal(served().call(EdgeRole::Public, CARRIER, "+15550000001")), Refusal::UnknownSource);
    assert_eq!(refusal(calling().call(EdgeRole::Carrier, PBX, "+15550000001")), Refusal::UnknownSource);
}

#[test]
fn a_trunk_that_is_switched_off_is_refused_and_hides_the_wider_one_behind_it() {
    let off = json!({"addresses": [CARRIER], "enabled": false});
    let exchange = Exchange::new().trunk(1, ROOT, off).trunk(2, ROOT, json!({"addresses": ["192.0.2.0/24"]}));
    let refused = exchange.carrier_calls("+15550000001").unwrap_err();
    assert_eq!((refused.refusal, refused.refusal.status()), (Refusal::TrunkDisabled, 403));
}

#[test]
fn a_closed_account_takes_and_makes_no_calls_nor_do_those_below_it() {
    let number = |exchange: Exchange| exchange.number(7, SUB, "+15550000001", "sip:10.0.0.1");
    assert_eq!(refusal(number(served()).close(SUB).carrier_calls("+15550000001")), Refusal::AccountClosed);
    assert_eq!(refusal(number(served()).close(ROOT).carrier_calls("+15550000001")), Refusal::AccountClosed);
    assert_eq!(refusal(calling().close(ROOT).pbx_calls("+15550000001")), Refusal::AccountClosed);
}

#[test]
fn a_released_number_is_gone_and_a_retargeted_one_goes_elsewhere_by_a_new_version() {
    let mut exchange = served().number(7, ROOT, "+15550000001", "sip:10.0.0.1");
    let (id, number, account) = (NumberId::from_bits(7), "+15550000001".parse().unwrap(), ROOT);
    exchange.apply(
        1,
        NumberEvent::Retargeted(NumberRetargeted { id, number, account, target: sip("sip:10.0.0.2"), by: None }),
    );
    let decision = exchange.carrier_calls("+15550000001").unwrap();
    assert_eq!(targets(&decision), ["sip:+15550000001@10.0.0.2"]);
    assert_eq!(decision.reason.subject, Some(Subject::Number { id, revision: 1 }));
    exchange.apply(2, NumberEvent::Released(NumberReleased { id, number, account, by: None }));
    assert_eq!(refusal(exchange.carrier_calls("+15550000001")), Refusal::NoSuchNumber);
    assert_eq!(exchange.0.number_count(), 0);
}

#[test]
fn a_pbx_reaches_a_number_of_its_own_account_inside() {
    let exchange = calling()
        .trunk(2, SUB, json!({"destination": "sip:192.0.2.1", "prefixes": [""]}))
        .number(7, SUB, "+15550000001", "sip:10.0.0.9")
        .number(8, SUB, "100", "sip:10.0.0.8");
    let decision = exchange.pbx_calls("0015550000001").unwrap();
    assert_eq!((targets(&decision), decision.reason.rule), (vec!["sip:+15550000001@10.0.0.9"], Rule::Inside));
    assert_eq!(targets(&exchange.pbx_calls("100").unwrap()), ["sip:100@10.0.0.8"]);
}

#[test]
fn a_number_of_another_account_is_reached_through_a_carrier_only() {
    let carrier = json!({"destination": "sip:192.0.2.1", "prefixes": [""]});
    let exchange = calling().trunk(2, SUB, carrier).number(7, ROOT, "+15550000001", "sip:10.0.0.9");
    let decision = exchange.pbx_calls("+15550000001").unwrap();
    assert_eq!((targets(&decision), decision.reason.rule), (vec!["sip:+15550000001@192.0.2.1"], Rule::Carriers));
}

#[test]
fn carriers_are_tried_by_longest_prefix_then_priority_then_id_the_parents_too() {
    let carrier = |host: &str, prefixes: Value, priority: u16| json!({"destination": format!("sip:{host}"), "prefixes": prefixes, "priority": priority});
    let exchange = calling()
        .trunk(14, SUB, carrier("192.0.2.14", json!([""]), 0))
        .trunk(13, ROOT, carrier("192.0.2.13", json!(["+1", "+1555"]), 9))
        .trunk(12, SUB, carrier("192.0.2.12", json!(["+1"]), 2))
        .trunk(11, ROOT, carrier("192.0.2.11", json!(["+1"]), 2))
        .trunk(10, SUB, carrier("192.0.2.10", json!(["+1"]), 1))
        .trunk(15, SUB, carrier("192.0.2.15", json!(["+44"]), 0))
        .trunk(16, STRANGER, carrier("192.0.2.16", json!(["+1555000"]), 0));
    let decision = exchange.pbx_calls("+15550000001").unwrap();
    let hosts: Vec<_> = targets(&decision).iter().map(|target| target.rsplit('.').next().unwrap().to_owned()).collect();
    assert_eq!(hosts, ["13", "10", "11", "12", "14"]);
    assert_eq!(decision.account, SUB);
    let last = decision.reason.considered.last().unwrap();
    assert_eq!(
        *last,
        Considered { subject: Subject::Trunk { id: TrunkId::from_bits(15), revision: 0 }, verdict: Verdict::NoPrefix }
    );
}

#[test]
fn digits_go_out_as_dialled_unless_a_longer_prefix_knows_them_as_international() {
    let exchange = calling().trunk(2, SUB, json!({"destination": "sip:192.0.2.1", "prefixes": ["", "+1", "020"]}));
    for (dialled, sent, rewrite) in [
        ("+4420794600", "+4420794600", Rewrite::CalledNumber),
        ("15550000001", "+15550000001", Rewrite::CalledNumber),
        ("02079460000", "02079460000", Rewrite::AsDialled),
        ("4420794600", "4420794600", Rewrite::AsDialled),
        ("112", "112", Rewrite::AsDialled),
    ] {
        let attempt = exchange.pbx_calls(dialled).unwrap().attempts.remove(0);
        assert_eq!((attempt.target, attempt.rewrite), (format!("sip:{sent}@192.0.2.1"), rewrite), "{dialled}");
    }
}

#[test]
fn carriers_that_are_off_or_only_bring_calls_are_passed_over_with_their_reason() {
    let exchange = calling()
        .trunk(2, SUB, json!({"destination": "sip:192.0.2.2", "prefixes": [""], "enabled": false}))
        .trunk(3, SUB, json!({"addresses": ["192.0.2.3"], "prefixes": [""]}));
    let refused = exchange.pbx_calls("+15550000001").unwrap_err();
    assert_eq!((refused.refusal, refused.account), (Refusal::NoCarrier, Some(SUB)));
    let verdicts: Vec<_> = refused.reason.considered.into_iter().map(|c| c.verdict).collect();
    assert_eq!(verdicts, [Verdict::Disabled, Verdict::NoDestination]);
    assert_eq!(refusal(calling().pbx_calls("alice")), Refusal::NoSuchNumber);
}

#[test]
fn a_host_name_gives_an_attempt_for_each_address_and_an_unreachable_one_while_it_has_none() {
    let mut exchange = calling().trunk(2, SUB, json!({"destination": "sip:Carrier.example:5070", "prefixes": [""]}));
    let key = HostKey { host: "carrier.example".into(), port: Some(5070) };
    assert_eq!(exchange.0.hosts(), std::slice::from_ref(&key));
    let decision = exchange.pbx_calls("+15550000001").unwrap();
    assert_eq!(decision.attempts[0].destination, Destination::Unresolved { host: "carrier.example".into() });
    assert_eq!(decision.reason.considered[0].verdict, Verdict::Unresolved { host: "carrier.example".into() });

    let addresses: Vec<_> = (1..=6).map(|n| SocketAddr::from(([192, 0, 2, n], 5070))).collect();
    exchange.0.set_resolved(key, addresses.clone());
    let decision = exchange.pbx_calls("+15550000001").unwrap();
    let tried: Vec<_> = decision.attempts.iter().map(|attempt| attempt.destination.clone()).collect();
    assert_eq!(tried, addresses[..4].iter().copied().map(Destination::Address).collect::<Vec<_>>());
    assert_eq!(targets(&decision)[0], "sip:+15550000001@carrier.example:5070");
}

#[test]
fn a_call_has_a_limited_number_of_attempts_and_the_rest_is_named() {
    let exchange = (2..50).fold(calling(), |exchange, n| {
        exchange.trunk(n, SUB, json!({"destination": format!("sip:192.0.2.{n}"), "prefixes": [""]}))
    });
    let decision = exchange.pbx_calls("+15550000001").unwrap();
    assert_eq!(decision.attempts.len(), MAX_ATTEMPTS);
    assert_eq!(decision.reason.considered.len(), Reason::MAX_CONSIDERED);
    assert_eq!(decision.reason.considered[MAX_ATTEMPTS].verdict, Verdict::BeyondLimit);
}

#[test]
fn a_changed_or_removed_trunk_is_known_by_its_new_addresses_alone() {
    let mut exchange = served().number(7, ROOT, "+15550000001", "sip:10.0.0.1");
    let (id, account) = (TrunkId::from_bits(1), ROOT);
    let moved = settings(json!({"addresses": ["192.0.2.77"]}));
    exchange.apply(1, TrunkEvent::Changed(TrunkChanged { id, account, settings: moved, by: None }));
    assert_eq!(refusal(exchange.carrier_calls("+15550000001")), Refusal::UnknownSource);
    assert!(exchange.call(EdgeRole::Carrier, "192.0.2.77:9", "+15550000001").is_ok());
    exchange.apply(2, TrunkEvent::Removed(TrunkRemoved { id, account, by: None }));
    assert_eq!(refusal(exchange.call(EdgeRole::Carrier, "192.0.2.77:9", "+15550000001")), Refusal::UnknownSource);
    assert!(exchange.0.trunk(id).is_none());
}

#[test]
fn a_decision_is_stored_in_its_golden_form() {
    let exchange = calling().trunk(2, SUB, json!({"destination": "sip:192.0.2.1", "prefixes": ["+1"], "priority": 3}));
    let decision = exchange.pbx_calls("+15550000001").unwrap();
    let golden = json!({
        "account": "AC00000000000000000000000000000002",
        "inbound": "TK00000000000000000000000000000001",
        "number": null,
        "attempts": [{
            "target": "sip:+15550000001@192.0.2.1",
            "to": "sip:+15550000001@192.0.2.1",
            "destination": {"address": "192.0.2.1:5060"},
            "transport": "udp",
            "large_requests": "udp",
            "trunk": "TK00000000000000000000000000000002",
            "ring_timeout": 60,
            "media_source": "sdp",
            "rewrite": "called_number",
        }],
        "reason": {
            "rule": "carriers",
            "subject": {"trunk": {"id": "TK00000000000000000000000000000002", "revision": 0}},
            "considered": [{
                "subject": {"trunk": {"id": "TK00000000000000000000000000000002", "revision": 0}},
                "verdict": {"chosen": {"prefix": "+1", "priority": 3}},
            }],
        },
    });
    assert_eq!(serde_json::to_value(&decision).unwrap(), golden);
    assert_eq!(serde_json::from_value::<Decision>(golden).unwrap(), decision);
}
