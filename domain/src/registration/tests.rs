//! given / when / then of REGISTER: the rules of RFC 3261 §10.3, RFC 3327, RFC 5626 and RFC 5627, one test each.

use super::*;
use crate::address::{Flow, Transport};
use crate::domain_name::{DomainSettings, Hunt};
use crate::ids::{AccountId, BindingId, DomainId};
use crate::sip::wire::{Message, Writer, validate_request, validate_response};
use crate::time::WallTime;
use bytes::Bytes;

pub(super) const ALICE: &str = "alice@a.example";
const ACCOUNT: AccountId = AccountId::from_bits(1);
const DOMAIN: DomainId = DomainId::from_bits(2);

pub(super) fn at(second: i64) -> WallTime {
    WallTime::from_micros(1_767_225_600_000_000 + second * 1_000_000)
}

pub(super) fn flow(port: u16) -> Flow {
    Flow {
        transport: Transport::Udp,
        local: "192.0.2.100:5060".parse().unwrap(),
        remote: format!("198.51.100.1:{port}").parse().unwrap(),
    }
}

/// A REGISTER in the making.
#[derive(Clone)]
pub(super) struct Device {
    to: String,
    ruri: String,
    contact: Vec<String>,
    call_id: String,
    cseq: u32,
    headers: Vec<String>,
    vias: u16,
    port: u16,
}

impl Device {
    /// Of a contact by its URI; `*`, or what begins with `<`, goes as it is.
    pub(super) fn at(contact: &str) -> Self {
        let contact =
            if contact == "*" || contact.starts_with('<') { contact.to_owned() } else { format!("<{contact}>") };
        Self { contact: vec![contact], ..Self::asking() }
    }

    /// Without a contact.
    fn asking() -> Self {
        Self {
            to: "sip:alice@a.example".to_owned(),
            ruri: "sip:a.example".to_owned(),
            contact: vec![],
            call_id: "a".to_owned(),
            cseq: 1,
            headers: vec![],
            vias: 1,
            port: 5060,
        }
    }

    pub(super) fn to(mut self, uri: &str) -> Self {
        self.to = uri.to_owned();
        self
    }

    fn ruri(mut self, uri: &str) -> Self {
        self.ruri = uri.to_owned();
        self
    }

    pub(super) fn call_id(mut self, call_id: &str) -> Self {
        self.call_id = call_id.to_owned();
        self
    }

    pub(super) fn cseq(mut self, cseq: u32) -> Self {
        self.cseq = cseq;
        self
    }

    /// The Expires header.
    pub(super) fn expires(self, seconds: u32) -> Self {
        self.header(&format!("Expires: {seconds}"))
    }

    pub(super) fn agent(self, name: &str) -> Self {
        self.header(&format!("User-Agent: {name}"))
    }

    fn header(mut self, line: &str) -> Self {
        self.headers.push(line.to_owned());
        self
    }

    /// One more contact, with its brackets and parameters.
    fn and(mut self, contact: &str) -> Self {
        self.contact.push(contact.to_owned());
        self
    }

    /// Parameters of the contact.
    fn with(mut self, params: &str) -> Self {
        if let Some(contact) = self.contact.last_mut() {
            contact.push_str(params);
        }
        self
    }

    pub(super) fn instance(self, instance: &str) -> Self {
        self.with(&format!(";+sip.instance=\"<{instance}>\""))
    }

    /// From that port of the device's address.
    pub(super) fn from(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// By way of a proxy, which may leave a Path.
    fn by_proxy(mut self) -> Self {
        self.vias = 2;
        self
    }

    fn message(&self) -> Message {
        let Self { to, ruri, contact, call_id, cseq, headers, vias, port } = self;
        let vias: String =
            (0..*vias).map(|n| format!("Via: SIP/2.0/UDP 10.0.0.{n}:{port};branch=z9hG4bK{n}\r\n")).collect();
        let contacts: String = contact.iter().map(|contact| format!("Contact: {contact}\r\n")).collect();
        let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
        let text = format!(
            "REGISTER {ruri} SIP/2.0\r\n{vias}From: <{to}>;tag=1\r\nTo: <{to}>\r\nCall-ID: {call_id}\r\n\
             CSeq: {cseq} REGISTER\r\n{contacts}{headers}\r\n"
        );
        Message::scan(Bytes::from(text)).unwrap()
    }

    fn read(&self) -> Result<RegisterRequest, Rejection> {
        let message = self.message();
        assert_eq!(validate_request(&message), Ok(()));
        RegisterRequest::read(&message, flow(self.port))
    }
}

/// Registers and applies; the events.
pub(super) fn keep(
    registration: &mut Registration,
    aor: &Aor,
    device: &Device,
    time: WallTime,
) -> Vec<RegistrationEvent> {
    let device = device.clone().to(&format!("sip:{aor}")).ruri(&format!("sip:{}", aor.domain()));
    let settings = DomainSettings::default();
    let terms = Terms { aor, account: ACCOUNT, home: Home::Domain(DOMAIN), settings: &settings, room: None };
    let mut next = registration.bindings.len() as u128 * 1_000 + u128::from(device.port);
    let mut id = || {
        next += 1;
        BindingId::from_bits(next)
    };
    let events = registration.register(&device.read().unwrap(), &terms, time, &mut id).unwrap();
    let keep = |event| {
        let event = registration.written(event);
        registration.apply(time, &event);
        event
    };
    events.into_iter().map(keep).collect()
}

/// An address of record and what happened to it.
struct World {
    registration: Registration,
    settings: DomainSettings,
    aor: Aor,
    now: i64,
    ids: u128,
}

fn given() -> World {
    let aor = ALICE.parse().unwrap();
    World { registration: Registration::default(), settings: DomainSettings::default(), aor, now: 0, ids: 0 }
}

impl World {
    fn limits(mut self, change: impl Fn(&mut DomainSettings)) -> Self {
        change(&mut self.settings);
        self.settings.check().unwrap();
        self
    }

    fn after(mut self, seconds: i64) -> Self {
        self.now += seconds;
        self
    }

    /// What a REGISTER gives: its events and the Contacts of the 200.
    fn try_register(&mut self, device: &Device) -> Result<(Vec<RegistrationEvent>, Vec<String>), Rejection> {
        let request = device.read()?;
        let terms = Terms {
            aor: &self.aor,
            account: ACCOUNT,
            home: Home::Domain(DOMAIN),
            settings: &self.settings,
            room: None,
        };
        let ids = &mut self.ids;
        let mut id = || {
            *ids += 1;
            BindingId::from_bits(*ids)
        };
        let before = self.registration.clone();
        let events = self.registration.register(&request, &terms, at(self.now), &mut id);
        assert_eq!(self.registration, before, "a decision changes nothing");
        let events = events?;
        events.iter().for_each(|event| self.registration.apply(at(self.now), event));
        let answer = self.registration.answer(&request, &terms, at(self.now));
        let mut writer = Writer::answer(&device.message(), 200, flow(1).remote, Some("t"));
        answer.headers().0.iter().for_each(|(name, value)| {
            writer.header_raw(name, value);
        });
        let message = Message::scan(writer.finish().unwrap()).unwrap();
        assert_eq!(validate_response(&message), Ok(()));
        assert_eq!(message.contacts().filter(Result::is_ok).count(), answer.contacts.len());
        Ok((events, answer.contacts))
    }

    #[track_caller]
    fn register(mut self, device: &Device) -> Self {
        self.try_register(device).unwrap();
        self
    }

    #[track_caller]
    fn when(mut self, device: &Device) -> (Self, Vec<String>, Vec<String>) {
        let (events, contacts) = self.try_register(device).unwrap();
        let told = events.iter().map(tell).collect();
        (self, told, contacts)
    }

    #[track_caller]
    fn refused(mut self, device: &Device) -> Rejection {
        self.try_register(device).unwrap_err()
    }

    /// Contacts of the groups to ring, ways of one device with `|` between.
    fn rings(&self, hunt: Hunt) -> Vec<Vec<String>> {
        let text = |callee: &Callee<'_>| {
            callee.ways.iter().map(|way| way.device.contact.to_string()).collect::<Vec<_>>().join("|")
        };
        let groups = self.registration.targets(hunt, at(self.now));
        groups.iter().map(|group| group.iter().map(text).collect()).collect()
    }
}

/// An event in a word and the binding's number.
fn tell(event: &RegistrationEvent) -> String {
    match event {
        RegistrationEvent::RegisterReceived(_) | RegistrationEvent::RegisterAnswered(_) => "message".to_owned(),
        RegistrationEvent::BindingAdded(added) => format!("added {}", added.binding.bits()),
        RegistrationEvent::BindingRefreshed(refreshed) => format!("refreshed {}", refreshed.binding.bits()),
        RegistrationEvent::BindingRemoved(removed) => format!("removed {} {:?}", removed.binding.bits(), removed.cause),
        RegistrationEvent::BindingReachChanged(changed) => format!("{} by {:?}", changed.binding.bits(), changed.reach),
        RegistrationEvent::BindingsStated(stated) => format!("stated {}", stated.bindings.len()),
    }
}

const ONE: &str = "sip:alice@192.0.2.1";
const TWO: &str = "sip:alice@192.0.2.2";

#[test]
fn a_contact_is_added_with_what_it_asks_for() {
    let (_, events, contacts) = given().when(&Device::at(ONE).expires(600));
    assert_eq!(events, ["added 1"]);
    assert_eq!(contacts, ["<sip:alice@192.0.2.1>;expires=600"]);
}

#[test]
fn an_expiry_comes_from_the_contact_then_the_header_then_the_domain_and_is_never_too_long() {
    let contact = |device: Device| given().limits(|s| s.default_expires = 120).when(&device).2.remove(0);
    assert_eq!(contact(Device::at(ONE).with(";expires=200").expires(300)), "<sip:alice@192.0.2.1>;expires=200");
    assert_eq!(contact(Device::at(ONE).expires(300)), "<sip:alice@192.0.2.1>;expires=300");
    assert_eq!(contact(Device::at(ONE)), "<sip:alice@192.0.2.1>;expires=120");
    assert_eq!(contact(Device::at(ONE).expires(1_000_000)), "<sip:alice@192.0.2.1>;expires=7200");
    assert_eq!(contact(Device::at(ONE).header("Expires: soon")), "<sip:alice@192.0.2.1>;expires=3600");
}

#[test]
fn what_is_too_brief_is_refused_with_the_shortest_but_an_hour_never_is() {
    let brief = given().refused(&Device::at(ONE).expires(59));
    assert_eq!((brief.status(), &brief), (423, &Rejection::TooBrief { min: 60 }));
    let mut answer = Writer::response(423);
    brief.headers().0.iter().for_each(|(name, value)| {
        answer.header_raw(name, value);
    });
    let text = String::from_utf8(answer.finish().unwrap().to_vec()).unwrap();
    assert!(text.contains("Min-Expires: 60\r\n"), "{text}");
    let strict = || given().limits(|s| s.min_expires = 3_600);
    assert_eq!(strict().refused(&Device::at(ONE).expires(3_599)), Rejection::TooBrief { min: 3_600 });
    assert_eq!(strict().when(&Device::at(ONE).expires(3_600)).1, ["added 1"]);
}

#[test]
fn the_answer_holds_every_binding_as_its_client_sent_it_with_what_remains_of_it() {
    let first = Device::at("sip:Alice@192.0.2.1:5061;transport=UDP;x=%41?h=1")
        .with(";q=0.50;methods=\"INVITE, BYE\";expires=600");
    let (world, _, _) = given().when(&first);
    let (_, events, contacts) = world.after(100).when(&Device::at(TWO).call_id("b").expires(300));
    assert_eq!(events, ["added 2"]);
    assert_eq!(
        contacts,
        [
            "<sip:Alice@192.0.2.1:5061;transport=UDP;x=%41?h=1>;q=0.5;expires=500;methods=\"INVITE, BYE\"",
            "<sip:alice@192.0.2.2>;expires=300"
        ]
    );
}

#[test]
fn without_a_contact_it_only_asks() {
    let (_, events, contacts) =
        given().register(&Device::at(ONE).expires(600)).after(1).when(&Device::asking().call_id("x"));
    assert_eq!((events.len(), contacts), (0, vec!["<sip:alice@192.0.2.1>;expires=599".to_owned()]));
    assert_eq!(given().when(&Device::asking()).2, Vec::<String>::new());
}

#[test]
fn a_contact_that_is_the_same_by_rfc_3261_is_refreshed_and_then_told_as_sent_last() {
    let world = given().register(&Device::at("sip:%61lice@Host.example;x=1").expires(600));
    let (_, events, contacts) = world.after(60).when(&Device::at("sip:alice@host.EXAMPLE").cseq(2).expires(300));
    assert_eq!(events, ["refreshed 1"]);
    assert_eq!(contacts, ["<sip:alice@host.EXAMPLE>;expires=300"]);
    let (_, events, _) = given().register(&Device::at(ONE)).when(&Device::at("sip:alice@192.0.2.1:5060").cseq(2));
    assert_eq!(events, ["added 2"], "a port makes another contact");
}

#[test]
fn expires_0_removes_one_and_what_is_not_there_is_removed_already() {
    let world = || given().register(&Device::at(ONE)).register(&Device::at(TWO).call_id("b"));
    let (_, events, contacts) = world().when(&Device::at(ONE).cseq(2).expires(0));
    assert_eq!(events, ["removed 1 Unregistered"]);
    assert_eq!(contacts, ["<sip:alice@192.0.2.2>;expires=3600"]);
    let (_, events, contacts) = world().when(&Device::at("sip:other@192.0.2.9").cseq(2).expires(0));
    assert_eq!((events.len(), contacts.len()), (0, 2));
}

#[test]
fn one_register_may_add_refresh_and_remove_together() {
    let world = given().register(&Device::at(ONE)).register(&Device::at(TWO).call_id("b"));
    let mixed =
        Device::at(ONE).cseq(2).with(";expires=0").and("<sip:alice@192.0.2.2>").and("<sip:alice@192.0.2.3>;q=0.1");
    let (_, events, contacts) = world.when(&mixed);
    assert_eq!(events, ["removed 1 Unregistered", "refreshed 2", "added 3"]);
    assert_eq!(contacts.len(), 2);
}

#[test]
fn a_star_removes_all_and_only_alone_with_expires_0() {
    let world = || given().register(&Device::at(ONE)).register(&Device::at(TWO).call_id("b"));
    let (_, events, contacts) = world().when(&Device::at("*").call_id("c").expires(0));
    assert_eq!(events, ["removed 1 Unregistered", "removed 2 Unregistered"]);
    assert!(contacts.is_empty());
    for wrong in [
        Device::at("*").call_id("c"),
        Device::at("*").call_id("c").expires(1),
        Device::at("*").call_id("c").header("Expires: none"),
    ] {
        assert_eq!(world().refused(&wrong).status(), 400);
    }
    for contact in
        ["Contact: *, <sip:alice@192.0.2.1>", "Contact: <sip:alice@192.0.2.1>\r\nContact: *", "Contact: *;q=1"]
    {
        let device = Device::asking().header(contact).expires(0);
        let read = RegisterRequest::read(&device.message(), flow(1));
        assert_eq!(read.map_err(|rejection| rejection.status()), Err(400), "{contact}");
    }
}

#[test]
fn an_older_cseq_of_the_same_call_id_is_refused_as_a_whole() {
    let world = || given().register(&Device::at(ONE).cseq(5)).register(&Device::at(TWO).call_id("b").cseq(1));
    for cseq in [4, 5] {
        let late = Device::at("sip:new@192.0.2.3").and(&format!("<{ONE}>")).cseq(cseq);
        assert_eq!(world().refused(&late), Rejection::OutOfOrder, "{cseq}");
        assert_eq!(world().refused(&Device::at("*").cseq(cseq).expires(0)).status(), 500);
    }
    assert_eq!(world().when(&Device::at(ONE).cseq(6)).1, ["refreshed 1"]);
    assert_eq!(world().when(&Device::at(ONE).call_id("restarted").cseq(1)).1, ["refreshed 1"], "another Call-ID wins");
}

#[test]
fn more_bindings_than_the_domain_allows_are_refused_but_refreshing_never_is() {
    let full = || {
        let world = given().limits(|s| s.max_bindings = 2).register(&Device::at(ONE));
        world.register(&Device::at(TWO).call_id("b"))
    };
    let third = Device::at("sip:alice@192.0.2.3").call_id("c");
    assert_eq!((full().refused(&third).status(), full().refused(&third)), (403, Rejection::TooMany { most: 2 }));
    assert_eq!(full().when(&Device::at(ONE).cseq(2)).1, ["refreshed 1"]);
    let swap = Device::at("sip:alice@192.0.2.3").cseq(2).and(&format!("<{ONE}>;expires=0"));
    assert_eq!(full().when(&swap).1, ["added 3", "removed 1 Unregistered"]);
    // After the limit was lowered nobody who is there is turned away.
    let lowered = full().limits(|s| s.max_bindings = 1);
    assert_eq!(lowered.when(&Device::at(TWO).call_id("b").cseq(2)).1, ["refreshed 2"]);
    assert_eq!(full().after(3_600).when(&third).1.last().unwrap(), "added 3", "what has expired makes room");
}

#[test]
fn a_binding_expires_at_its_second_and_not_before() {
    let world = given().register(&Device::at(ONE).expires(600)).register(&Device::at(TWO).call_id("b").expires(900));
    assert_eq!(world.registration.next_expiry(), Some(at(600)));
    let told = |now| world.registration.expire(at(now)).iter().map(tell).collect::<Vec<_>>();
    assert_eq!(told(599), Vec::<String>::new());
    assert_eq!(told(600), ["removed 1 Expired"]);
    assert_eq!(told(900), ["removed 1 Expired", "removed 2 Expired"]);
    let (world, events, contacts) = world.after(600).when(&Device::asking());
    assert_eq!((events, contacts.len()), (vec!["removed 1 Expired".to_owned()], 1));
    assert_eq!(world.registration.next_expiry(), Some(at(900)));
}

#[test]
fn what_expired_is_added_anew_even_with_an_old_cseq() {
    let world = given().register(&Device::at(ONE).cseq(9).expires(60));
    assert_eq!(world.after(60).when(&Device::at(ONE).cseq(1)).1, ["removed 1 Expired", "added 2"]);
}

#[test]
fn the_same_device_and_flow_take_the_place_of_the_former_contact() {
    let phone = |port: u16| {
        let contact = format!("sip:alice@192.0.2.1:{port}");
        let device = Device::at(&contact).instance("urn:uuid:1").with(";reg-id=1").from(port);
        device.header("Supported: outbound, path")
    };
    let (world, events, contacts) = given().when(&phone(1000));
    assert_eq!(events, ["added 1"]);
    assert_eq!(contacts, ["<sip:alice@192.0.2.1:1000>;expires=3600;+sip.instance=\"<urn:uuid:1>\";reg-id=1"]);
    let (world, events, contacts) = world.after(60).when(&phone(2000).call_id("new"));
    assert_eq!(events, ["refreshed 1"], "after a restart, behind another port");
    assert_eq!(contacts, ["<sip:alice@192.0.2.1:2000>;expires=3600;+sip.instance=\"<urn:uuid:1>\";reg-id=1"]);
    assert_eq!(world.registration.bindings[0].device.flow, Some(flow(2000)), "calls go by the new flow");
}

#[test]
fn several_flows_of_a_device_are_several_bindings_and_one_device_to_ring() {
    let by = |reg_id: u16| {
        let device = Device::at(ONE).instance("urn:uuid:1").with(&format!(";reg-id={reg_id}")).from(reg_id);
        device.header("Supported: outbound").call_id(&reg_id.to_string())
    };
    let world = given().register(&by(1)).after(1).register(&by(2)).register(&Device::at(TWO).call_id("other"));
    assert_eq!(world.rings(Hunt::Parallel).concat().len(), 2);
    let device = world.registration.device("urn:uuid:1", at(2)).unwrap();
    assert_eq!(device.ways.iter().map(|way| way.reg_id).collect::<Vec<_>>(), [Some(2), Some(1)], "the newest first");
    let (_, events, _) = world.when(&by(2).cseq(2).expires(0));
    assert_eq!(events, ["removed 2 Unregistered"]);
}

#[test]
fn a_device_that_begins_to_name_its_flow_replaces_what_it_was_known_by() {
    let world = given().register(&Device::at(ONE));
    let named = Device::at(ONE).call_id("b").instance("urn:uuid:1").with(";reg-id=1").header("Supported: outbound");
    assert_eq!(world.when(&named).1, ["added 2", "removed 1 Replaced"]);
}

#[test]
fn require_outbound_is_said_only_where_the_flow_is_kept() {
    let outbound = |device: &Device| {
        let mut world = given();
        let request = device.read().unwrap();
        world.try_register(device).unwrap();
        let terms = Terms {
            aor: &world.aor,
            account: ACCOUNT,
            home: Home::Domain(DOMAIN),
            settings: &world.settings,
            room: None,
        };
        let answer = world.registration.answer(&request, &terms, at(0));
        (answer.outbound, answer.supported)
    };
    let plain = Device::at(ONE).header("Supported: outbound, path, gruu");
    assert_eq!(outbound(&plain), (false, vec!["path", "outbound", "gruu"]));
    let named = plain.clone().instance("urn:uuid:1").with(";reg-id=1");
    assert_eq!(outbound(&named), (true, vec!["path", "outbound", "gruu"]));
    assert_eq!(outbound(&Device::at(ONE).instance("urn:uuid:1").with(";reg-id=1")), (false, vec![]));
    assert!(!outbound(&plain.with(";reg-id=1")).0, "without an instance reg-id says nothing");
}

#[test]
fn a_first_hop_that_keeps_no_flow_is_told_to_who_wants_it_kept() {
    let named = Device::at(ONE).instance("urn:uuid:1").with(";reg-id=1").by_proxy();
    let wants = named.clone().header("Supported: outbound");
    assert_eq!(given().refused(&wants), Rejection::FirstHopLacksOutbound);
    assert_eq!(given().refused(&wants.clone().header("Path: <sip:edge.example;lr>")).status(), 439);
    let kept = wants.header("Path: <sip:token@edge.example;lr;ob>");
    assert_eq!(given().when(&kept).1, ["added 1"]);
    let (world, _, contacts) = given().when(&named);
    assert_eq!(world.registration.bindings[0].reg_id, None, "it is ignored");
    assert!(!contacts[0].contains("reg-id"), "{contacts:?}");
}

#[test]
fn with_reg_id_there_is_one_contact() {
    let named = Device::at(ONE).instance("urn:uuid:1").with(";reg-id=1");
    assert_eq!(given().refused(&named.clone().and("<sip:alice@192.0.2.2>")).status(), 400);
    assert_eq!(given().when(&named.and("<sip:alice@192.0.2.2>;expires=0")).1, ["added 1"]);
}

#[test]
fn a_path_is_kept_as_the_route_to_the_device_and_echoed() {
    let device = Device::at(ONE)
        .by_proxy()
        .header("Path: <sip:p2.example;lr>, <sip:p1.example;lr>")
        .header("Path: <sip:p0.example;lr>");
    let mut world = given();
    world.try_register(&device).unwrap();
    let path = ["<sip:p2.example;lr>", "<sip:p1.example;lr>", "<sip:p0.example;lr>"];
    assert_eq!(world.registration.bindings[0].device.path.iter().map(|p| &**p).collect::<Vec<_>>(), path);
    let terms =
        Terms { aor: &world.aor, account: ACCOUNT, home: Home::Domain(DOMAIN), settings: &world.settings, room: None };
    let answer = world.registration.answer(&device.read().unwrap(), &terms, at(0));
    assert_eq!(answer.path.iter().map(|p| &**p).collect::<Vec<_>>(), path);
    for wrong in
        ["Path: sip:p.example", "Path: <tel:+1>", "Path: <", &format!("Path: <sip:{}.example>", "a".repeat(1_100))]
    {
        assert_eq!(given().refused(&Device::at(ONE).header(wrong)).status(), 400, "{wrong}");
    }
}

#[test]
fn a_gruu_is_given_to_who_asks_and_names_its_instance() {
    let device = Device::at(ONE).instance("urn:uuid:1");
    let (_, _, contacts) = given().when(&device.clone().header("Supported: gruu"));
    let gruu = "pub-gruu=\"sip:alice@a.example;gr=urn:uuid:1\"";
    assert_eq!(contacts, [format!("<sip:alice@192.0.2.1>;expires=3600;+sip.instance=\"<urn:uuid:1>\";{gruu}")]);
    assert!(!given().when(&device).2[0].contains("gruu"));
    assert!(!given().when(&Device::at(ONE).header("Supported: gruu")).2[0].contains("gruu"));
}

#[test]
fn a_contact_that_is_the_address_itself_is_refused() {
    for contact in ["sip:alice@a.example", "sips:alice@A.example;gr=urn:uuid:1", "sip:%61lice@a.example"] {
        assert_eq!(given().refused(&Device::at(contact)), Rejection::Loop, "{contact}");
    }
    assert_eq!(given().when(&Device::at("sip:bob@a.example")).1, ["added 1"]);
}

#[test]
fn to_must_name_a_user_of_the_domain_in_the_request_uri() {
    for (to, ruri) in [
        ("sip:alice@b.example", "sip:a.example"),
        ("sip:a.example", "sip:a.example"),
        ("sip:alice@192.0.2.1", "sip:192.0.2.1"),
        ("tel:+15550000001", "sip:a.example"),
        ("sip:al%20ice@a.example", "sip:a.example"),
    ] {
        assert_eq!(given().refused(&Device::at(ONE).to(to).ruri(ruri)), Rejection::NotFound, "{to} {ruri}");
    }
    assert_eq!(Device::at(ONE).ruri("sip:A.Example.").read().unwrap().aor.as_str(), ALICE);
}

#[test]
fn what_is_required_and_unknown_is_refused_by_name() {
    let refused = given().refused(&Device::at(ONE).header("Require: path, teleport, x"));
    assert_eq!((refused.status(), &refused), (420, &Rejection::BadExtension("teleport, x".into())));
    let mut answer = Writer::response(420);
    refused.headers().0.iter().for_each(|(name, value)| {
        answer.header_raw(name, value);
    });
    assert!(String::from_utf8(answer.finish().unwrap().to_vec()).unwrap().contains("Unsupported: teleport, x\r\n"));
    assert_eq!(given().when(&Device::at(ONE).header("Require: outbound, gruu, path")).1, ["added 1"]);
}

#[test]
fn contacts_that_break_a_rule_are_refused_with_400() {
    let long = format!("sip:{}@192.0.2.1", "a".repeat(510));
    for contact in [
        "<tel:+15550000001>",
        "<mailto:alice@a.example>",
        "<sip:alice@192.0.2.1>;q=2",
        "<sip:alice@192.0.2.1>;reg-id=0",
        "<sip:alice@192.0.2.1>;reg-id=x",
        "<sip:alice@192.0.2.1>;+sip.instance=\"\"",
        "<sip:alice@192.0.2.1>;+sip.instance=\"<a b>\"",
        &format!("<{long}>"),
        &format!("<sip:alice@192.0.2.1>;x={}", "a".repeat(600)),
    ] {
        assert_eq!(given().refused(&Device::at(contact)).status(), 400, "{contact}");
    }
    let many = (0..101).fold(Device::asking(), |device, n| device.and(&format!("<sip:{n}@192.0.2.1>")));
    assert_eq!(given().refused(&many).status(), 400);
    assert_eq!(given().refused(&Device::at(ONE).and(&format!("<{ONE}>;q=0.1"))).status(), 400, "twice the same");
}

#[test]
fn a_user_agent_is_cut_and_kept() {
    let world = given().register(&Device::at(ONE).header(&format!("User-Agent: {}", "é".repeat(300))));
    let kept = world.registration.bindings[0].device.user_agent.as_deref().unwrap();
    assert_eq!(kept.chars().count(), 128);
}

#[test]
fn devices_ring_by_falling_priority_and_equal_ones_together_the_newest_first() {
    let world = ["0.5", "1", "0.5", "0.7"].iter().enumerate().fold(given(), |world, (n, q)| {
        let device = Device::at(&format!("sip:{n}@192.0.2.1")).with(&format!(";q={q}")).call_id(&n.to_string());
        world.after(1).register(&device)
    });
    assert_eq!(
        world.rings(Hunt::Parallel),
        [vec!["sip:1@192.0.2.1"], vec!["sip:3@192.0.2.1"], vec!["sip:2@192.0.2.1", "sip:0@192.0.2.1"]]
    );
    assert_eq!(
        world.rings(Hunt::Sequential),
        [["sip:1@192.0.2.1"], ["sip:3@192.0.2.1"], ["sip:2@192.0.2.1"], ["sip:0@192.0.2.1"]]
    );
    // A refresh does not move a device to the front; without q it is as high as can be.
    let world = world.register(&Device::at("sip:0@192.0.2.1").call_id("0").cseq(2));
    assert_eq!(world.rings(Hunt::Parallel)[0], ["sip:1@192.0.2.1", "sip:0@192.0.2.1"]);
    assert!(world.after(10_000).rings(Hunt::Parallel).is_empty(), "what has expired does not ring");
}

#[test]
fn a_binding_by_api_is_nobodys_to_refresh_or_to_star_away() {
    let mut world = given();
    let terms =
        Terms { aor: &world.aor, account: ACCOUNT, home: Home::Domain(DOMAIN), settings: &world.settings, room: None };
    let new = |contact: &str, expires| NewBinding { contact: contact.parse().unwrap(), q: None, expires };
    let bind = |new| RegistrationCommand::Bind { new, by: None };
    let decide = |registration: &Registration, command: RegistrationCommand| {
        registration.decide(&command, &terms, at(0), &mut || BindingId::from_bits(77))
    };
    let mut registration = Registration::default();
    let events = decide(&registration, bind(new(ONE, None))).unwrap();
    events.iter().for_each(|event| registration.apply(at(0), event));
    assert_eq!(decide(&registration, bind(new(ONE, None))), Err(CommandRejection::Taken));
    assert_eq!(decide(&registration, bind(new(TWO, Some(59)))), Err(CommandRejection::Expires { min: 60, max: 7_200 }));
    assert_eq!(decide(&registration, bind(new("sip:alice@a.example", None))), Err(CommandRejection::Loop));
    assert_eq!(decide(&registration, bind(new("tel:+15550000001", None))), Err(CommandRejection::Contact));
    let unbind = |id| RegistrationCommand::Unbind { id: BindingId::from_bits(id), by: None };
    assert_eq!(decide(&registration, unbind(78)), Err(CommandRejection::Unknown));
    let told = |events: Vec<RegistrationEvent>| events.iter().map(tell).collect::<Vec<_>>();
    assert_eq!(told(decide(&registration, unbind(77)).unwrap()), ["removed 77 Api"]);

    world.registration = registration;
    let (world, events, contacts) = world.when(&Device::at(ONE).instance("urn:uuid:1"));
    assert_eq!(events, ["added 1"]);
    assert_eq!(contacts[0], "<sip:alice@192.0.2.1>;expires=7200", "it has no end");
    assert_eq!(world.rings(Hunt::Parallel), [[format!("{ONE}|{ONE}")]], "one device rings once");
    let (world, events, contacts) = world.after(1).when(&Device::at("*").call_id("z").expires(0));
    assert_eq!((events, contacts.len()), (vec!["removed 1 Unregistered".to_owned()], 1));
    assert_eq!(world.registration.next_expiry(), None);
}

#[test]
fn a_full_user_gets_no_binding_by_api_either() {
    let world = given().limits(|s| s.max_bindings = 1).register(&Device::at(ONE));
    let terms =
        Terms { aor: &world.aor, account: ACCOUNT, home: Home::Domain(DOMAIN), settings: &world.settings, room: None };
    let new = NewBinding { contact: TWO.parse().unwrap(), q: None, expires: None };
    let command = RegistrationCommand::Bind { new, by: None };
    let decided = world.registration.decide(&command, &terms, at(0), &mut || BindingId::from_bits(9));
    assert_eq!(decided, Err(CommandRejection::TooMany(1)));
}

#[test]
fn an_account_without_room_gets_no_binding_more_but_refreshes_and_removes_those_it_has() {
    let world = given().register(&Device::at(ONE));
    let decided = |device: &Device, room| {
        let terms =
            Terms { aor: &world.aor, account: ACCOUNT, home: Home::Domain(DOMAIN), settings: &world.settings, room };
        let request = device.read().unwrap();
        world.registration.register(&request, &terms, at(1), &mut || BindingId::from_bits(9)).map(|events| events.len())
    };
    let second = Device::at(TWO).call_id("b");
    assert_eq!(decided(&second, Some(0)), Err(Rejection::AccountFull));
    assert_eq!((decided(&second, Some(1)), decided(&second, None)), (Ok(1), Ok(1)));
    assert_eq!(decided(&Device::at(ONE).cseq(2), Some(0)), Ok(1));
    assert_eq!(decided(&Device::at(ONE).cseq(2).expires(0), Some(0)), Ok(1));
    let terms = Terms {
        aor: &world.aor,
        account: ACCOUNT,
        home: Home::Domain(DOMAIN),
        settings: &world.settings,
        room: Some(0),
    };
    let new = NewBinding { contact: TWO.parse().unwrap(), q: None, expires: None };
    let command = RegistrationCommand::Bind { new, by: None };
    let decided = world.registration.decide(&command, &terms, at(0), &mut || BindingId::from_bits(9));
    assert_eq!(decided, Err(CommandRejection::AccountFull));
}

#[test]
fn a_lost_flow_ends_what_came_by_it() {
    let world = given().register(&Device::at(ONE).from(1)).register(&Device::at(TWO).call_id("b").from(2));
    let told = |port| world.registration.flow_lost(&flow(port)).iter().map(tell).collect::<Vec<_>>();
    assert_eq!((told(1), told(3)), (vec!["removed 1 FlowLost".to_owned()], vec![]));
}

#[test]
fn an_address_whose_devices_are_masked_rings_nobody() {
    let (world, _, _) = given().when(&Device::at(ONE));
    let mut erased = Registration::default();
    let RegistrationEvent::BindingAdded(mut added) = ({
        let mut fresh = given();
        fresh.try_register(&Device::at(ONE)).unwrap().0.remove(0)
    }) else {
        panic!("it was not added")
    };
    added.device = crate::codec::personal::Personal::Masked;
    erased.apply(at(0), &RegistrationEvent::BindingAdded(added));
    assert!(erased.is_empty() && !world.registration.is_empty());
    assert_eq!(erased.account(), Some(ACCOUNT));
}

/// Numbers that look drawn, from a seed.
struct Drawn(u64);

impl Drawn {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }
}

#[test]
fn a_summary_says_what_all_events_before_it_say() {
    let aor: Aor = ALICE.parse().unwrap();
    let account = AccountId::from_bits(1);
    for seed in 0..200 {
        let (mut drawn, mut world) = (Drawn(seed), given());
        // As the log has it from its beginning, and from each summary on.
        let (mut whole, mut since): (Vec<_>, Vec<(usize, RegistrationEvent)>) = (vec![], vec![]);
        for step in 0..40 {
            world.now += i64::try_from(drawn.below(200)).unwrap();
            let n = drawn.below(4);
            let contact = format!("sip:alice@192.0.2.{}", drawn.below(3));
            let mut device = Device::at(&contact).call_id(&n.to_string()).cseq(step + 1).from(5_060 + n as u16);
            if drawn.below(2) == 0 {
                device = device.instance(&format!("urn:uuid:{n}"));
            }
            if drawn.below(3) == 0 {
                device = device.with(";reg-id=1");
            }
            let device = device.expires([0, 60, 600, 3_600][drawn.below(4) as usize]);
            if let Ok((events, _)) = world.try_register(&device) {
                whole.extend(events.into_iter().map(|event| (at(world.now), event)));
            }
            if drawn.below(5) == 0 {
                since.push((whole.len(), world.registration.stated(&aor, account)));
            }
        }
        let fold = |mut registration: Registration, events: &[(crate::time::WallTime, RegistrationEvent)]| {
            events.iter().for_each(|(time, event)| registration.apply(*time, event));
            registration
        };
        let told = fold(Registration::default(), &whole);
        assert_eq!(told, world.registration);
        for (place, stated) in since {
            let mut summed = Registration::default();
            // What was known before a summary counts no more.
            if place % 2 == 0 {
                summed = fold(summed, &whole[place / 2..place]);
            }
            summed.apply(at(0), &stated);
            let account = summed.account();
            let summed = fold(summed, &whole[place..]);
            assert_eq!((&summed.bindings, account), (&told.bindings, Some(ACCOUNT)), "seed {seed}, summary at {place}");
        }
    }
}
