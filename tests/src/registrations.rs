//! Registrations as the exchange records them, for tests of everything that reads the log.

use crate::calls::{ACCOUNT, Keys, submit};
use domain::address::{Flow, Transport};
use domain::codec::registration::encode;
use domain::ids::{AccountId, BindingId, DomainId, EventId, RegistrationId};
use domain::log::{Append, Draft, EventHash, EventLog, Expected, Life, PortFuture, Position, Revision, StreamName};
use domain::registration::{
    Aor, BindingAdded, BindingReachChanged, BindingRefreshed, BindingRemoved, CommandRejection, Device, Done, Home,
    Reach, Registrar, RegistrarAway, RegistrationCommand, RegistrationEvent, RemovalCause,
};
use domain::time::WallTime;
use std::time::Duration;

/// 2026-01-02T03:04:05Z.
const EPOCH: i64 = 1_767_323_045_000_000;
/// The exchange's hash key in these tests.
const HASH_KEY: [u8; 32] = [5; 32];

/// The domain of these users.
pub const DOMAIN: DomainId = DomainId::from_bits(0xd0);

/// The history of one address of record in the making.
pub struct RegistrationScript {
    /// The address.
    pub aor: Aor,
    account: AccountId,
    domain: DomainId,
    now: i64,
    events: Vec<(i64, RegistrationEvent)>,
    appended: u64,
    previous: EventHash,
}

impl RegistrationScript {
    /// Of `user@a.example`, from 2026-01-02T03:04:05Z on.
    pub fn of(user: &str) -> Self {
        let aor = format!("{user}@a.example").parse().unwrap();
        Self {
            aor,
            account: ACCOUNT,
            domain: DOMAIN,
            now: EPOCH,
            events: vec![],
            appended: 0,
            previous: EventHash::NONE,
        }
    }

    /// Of another account's domain; to be said before anything happens.
    pub fn in_domain(mut self, account: AccountId, domain: DomainId) -> Self {
        (self.account, self.domain) = (account, domain);
        self
    }

    /// The address by its id.
    pub fn id(&self) -> RegistrationId {
        self.aor.id(&HASH_KEY, Home::Domain(self.domain))
    }

    /// What follows happens that many seconds later.
    pub fn after(mut self, seconds: i64) -> Self {
        self.now += seconds * 1_000_000;
        self
    }

    fn device(&self, port: u16) -> Device {
        Device {
            aor: self.aor.clone(),
            contact: format!("sip:{}@192.0.2.1:{port}", self.aor.user()).parse().unwrap(),
            params: Box::default(),
            call_id: "c".into(),
            instance: Some("urn:uuid:1".into()),
            user_agent: Some("Phone/1".into()),
            path: vec![],
            flow: Some(Flow {
                transport: Transport::Udp,
                local: "192.0.2.100:5060".parse().unwrap(),
                remote: format!("198.51.100.1:{port}").parse().unwrap(),
            }),
        }
    }

    /// A device at that port registers for ten minutes.
    pub fn added(mut self, binding: u128, port: u16) -> Self {
        let event = BindingAdded {
            binding: BindingId::from_bits(binding),
            account: self.account,
            domain: Some(self.domain),
            trunk: None,
            cseq: 1,
            q: domain::registration::Q::read("0.5"),
            reg_id: Some(1),
            transport: Some(Transport::Udp),
            expires: Some(600),
            until: Some(WallTime::from_micros(self.now) + Duration::from_secs(600)),
            api: false,
            by: None,
            sole: false,
            device: self.device(port).into(),
        };
        self.events.push((self.now, RegistrationEvent::BindingAdded(event)));
        self
    }

    /// It refreshes, from that port.
    pub fn refreshed(mut self, binding: u128, port: u16) -> Self {
        let event = BindingRefreshed {
            binding: BindingId::from_bits(binding),
            account: self.account,
            cseq: 2,
            q: domain::registration::Q::read("0.5"),
            reg_id: Some(1),
            transport: Some(Transport::Udp),
            expires: 600,
            until: WallTime::from_micros(self.now) + Duration::from_secs(600),
            sole_since: None,
            device: self.device(port).into(),
        };
        self.events.push((self.now, RegistrationEvent::BindingRefreshed(event)));
        self
    }

    /// Its flow is gone; it is called by its contact.
    pub fn reached_by_contact(mut self, binding: u128) -> Self {
        let (binding, reach) = (BindingId::from_bits(binding), Reach::Contact);
        let event = BindingReachChanged { binding, account: self.account, reach };
        self.events.push((self.now, RegistrationEvent::BindingReachChanged(event)));
        self
    }

    /// It ends.
    pub fn removed(mut self, binding: u128, cause: RemovalCause) -> Self {
        let event = BindingRemoved { binding: BindingId::from_bits(binding), account: self.account, cause, by: None };
        self.events.push((self.now, RegistrationEvent::BindingRemoved(event)));
        self
    }

    /// Appends what was not appended yet, an event an append.
    pub fn record(mut self, log: &dyn EventLog) -> Self {
        let id = self.id();
        for (at, event) in std::mem::take(&mut self.events) {
            let number = self.appended;
            let expected = number.checked_sub(1).map_or(Expected::NoStream, |last| Expected::Exactly(Revision(last)));
            let event_id = EventId::minted(2, id.bits() as u32, 1, number);
            let (key, secret) = Keys::pair();
            let encoded = encode(&mut domain::codec::Desk::default(), &event, event_id, key, &secret);
            let draft = Draft {
                id: event_id,
                kind: encoded.kind.into(),
                version: encoded.version,
                at: WallTime::from_micros(at),
                cause: None,
                previous: self.previous,
                data: encoded.data,
            };
            let append = Append {
                stream: StreamName::new(Aor::CATEGORY, id.uuid()),
                expected,
                life: Life::Open,
                correlation: id.uuid(),
                node: 2,
                events: vec![draft],
            };
            self.previous = append.hash_of(0).unwrap();
            self.appended += 1;
            submit(log, vec![append]);
        }
        self
    }
}

/// A registrar that carries out whatever it is told, and records nothing: for tests of who may tell it.
pub struct ObligingRegistrar;

impl Registrar for ObligingRegistrar {
    fn command(
        &self,
        _: AccountId,
        _: Aor,
        _: RegistrationCommand,
    ) -> PortFuture<'_, Result<Result<Done, CommandRejection>, RegistrarAway>> {
        let done = Done { binding: BindingId::from_bits(1), position: Position(1) };
        Box::pin(std::future::ready(Ok(Ok(done))))
    }
}

/// A registrar that is away: for tests that ask it nothing.
pub struct NoRegistrar;

impl Registrar for NoRegistrar {
    fn command(
        &self,
        _: AccountId,
        _: Aor,
        _: RegistrationCommand,
    ) -> PortFuture<'_, Result<Result<Done, CommandRejection>, RegistrarAway>> {
        Box::pin(std::future::ready(Err(RegistrarAway("no shard runs here".into()))))
    }
}
