//! Phones that register and refresh, as the registrar writes it down.

use super::provision::user;
use super::{DOMAIN, Wanted};
use domain::address::{Flow, Transport};
use domain::codec::Desk;
use domain::codec::registration::encode;
use domain::codec::seal::{KeyRef, SealKey};
use domain::ids::{AccountId, BindingId, DomainId, EventId};
use domain::log::{Append, Draft, EventHash, Expected, Life, Revision};
use domain::registration::{
    Aor, BindingAdded, BindingRefreshed, Device, Home, RegisterAnswered, RegisterReceived, Registration,
    RegistrationEvent, STATE_EVERY,
};
use domain::session::event::Wire;
use domain::time::WallTime;
use std::time::Duration;

/// For how long phones register: the folder is of use for so long.
const EXPIRES: u32 = 604_800;

/// What all users share.
pub struct Office {
    pub account: AccountId,
    pub domain: DomainId,
    pub hash_key: [u8; 32],
    pub flow: Flow,
}

impl Office {
    pub const fn new(account: AccountId, domain: DomainId, hash_key: [u8; 32], wanted: &Wanted) -> Self {
        let flow = Flow { transport: Transport::Udp, local: wanted.listen, remote: wanted.phone };
        Self { account, domain, hash_key, flow }
    }
}

/// One user's stream in the making.
pub struct User {
    number: u32,
    aor: Aor,
    key: (KeyRef, SealKey),
    registration: Registration,
    revision: u64,
    since_stated: usize,
    previous: EventHash,
    refreshed: u32,
}

impl User {
    pub fn new(number: u32, key: (KeyRef, SealKey)) -> Self {
        let aor = format!("{}@{DOMAIN}", user(number)).parse().unwrap();
        let (registration, previous) = (Registration::default(), EventHash::NONE);
        Self { number, aor, key, registration, revision: 0, since_stated: 0, previous, refreshed: 0 }
    }

    /// The append of one REGISTER, the first or a refresh.
    pub fn registers(&mut self, office: &Office, at: WallTime, mut id: impl FnMut() -> EventId) -> Append {
        let mut events = Vec::with_capacity(4);
        if self.since_stated >= STATE_EVERY {
            events.push(self.registration.stated(&self.aor, office.account));
        }
        events.extend(self.events(office, at));
        let stream = self.aor.stream(&office.hash_key, Home::Domain(office.domain));
        let correlation = self.aor.id(&office.hash_key, Home::Domain(office.domain)).uuid();
        let expected =
            self.revision.checked_sub(1).map_or(Expected::NoStream, |last| Expected::Exactly(Revision(last)));
        let mut append = Append { stream, expected, life: Life::Open, correlation, node: 1, events: vec![] };
        let mut desk = Desk::default();
        for event in events {
            let event = self.registration.written(event);
            self.registration.apply(at, &event);
            self.since_stated = if event.tells_all() { 0 } else { self.since_stated + 1 };
            self.revision += 1;
            let (id, (key, secret)) = (id(), &self.key);
            let encoded = encode(&mut desk, &event, id, *key, secret);
            let (kind, version, data) = (encoded.kind.into(), encoded.version, encoded.data);
            append.events.push(Draft { id, kind, version, at, cause: None, previous: self.previous, data });
            self.previous = append.hash_of(append.events.len() - 1).unwrap();
        }
        self.refreshed += 1;
        append
    }

    fn events(&self, office: &Office, at: WallTime) -> [RegistrationEvent; 3] {
        let Office { account, domain, flow, .. } = *office;
        let (cseq, user) = (self.refreshed + 1, self.aor.user());
        let contact = format!("<sip:{user}@{}>", flow.remote);
        let head = format!(
            "Via: SIP/2.0/UDP {};branch=z9hG4bK-{user}-{cseq}\r\nFrom: <sip:{}>;tag={user}\r\nTo: <sip:{}>\r\n\
             Call-ID: {user}@phone\r\nCSeq: {cseq} REGISTER\r\nContact: {contact};expires={EXPIRES}\r\n",
            flow.remote, self.aor, self.aor
        );
        let wire = |text: String| Wire { flow, bytes: text.into() };
        let asked = format!(
            "REGISTER sip:{DOMAIN} SIP/2.0\r\n{head}Max-Forwards: 70\r\nUser-Agent: Phone/1\r\nAuthorization: Digest masked\r\n\
             Content-Length: 0\r\n\r\n"
        );
        let received = RegisterReceived { account, cseq, wire: wire(asked).into() };
        let answered = format!("SIP/2.0 200 OK\r\n{head}Content-Length: 0\r\n\r\n");
        let answered = RegisterAnswered { account, cseq, status: 200, reason: None, wire: wire(answered).into() };
        let device = Device {
            aor: self.aor.clone(),
            contact: contact.trim_matches(['<', '>']).parse().unwrap(),
            params: Box::default(),
            call_id: format!("{user}@phone").into(),
            instance: None,
            user_agent: Some("Phone/1".into()),
            path: vec![],
            flow: Some(flow),
        };
        let (binding, until) =
            (BindingId::from_bits(0xb1 << 64 | u128::from(self.number)), at + Duration::from_secs(EXPIRES.into()));
        let transport = Some(Transport::Udp);
        let change = if self.refreshed == 0 {
            RegistrationEvent::BindingAdded(BindingAdded {
                binding,
                account,
                domain: Some(domain),
                trunk: None,
                cseq,
                q: None,
                reg_id: None,
                transport,
                expires: Some(EXPIRES),
                until: Some(until),
                api: false,
                by: None,
                sole: false,
                device: device.into(),
            })
        } else {
            RegistrationEvent::BindingRefreshed(BindingRefreshed {
                binding,
                account,
                cseq,
                q: None,
                reg_id: None,
                transport,
                expires: EXPIRES,
                until,
                sole_since: None,
                device: device.into(),
            })
        };
        [RegistrationEvent::RegisterReceived(received), change, RegistrationEvent::RegisterAnswered(answered)]
    }
}
