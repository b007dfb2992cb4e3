//! A domain with users, and devices that register with a password.

use super::seed::SeedKeys;
use super::{PUBLIC, World};
use bytes::Bytes;
use domain::codec::seal::{KeyRef, SealKey};
use domain::codec::secret::Sealed;
use domain::credential::{CredentialAdded, CredentialEvent};
use domain::domain_name::{DomainAdded, DomainEvent, DomainSettings};
use domain::ids::{AccountId, CredentialId, DomainId};
use domain::ports::Keyring;
use domain::routing::ProvisioningEvent;
use domain::sip::digest::{Challenge, DigestSecret, Login, Secret, Session};
use domain::sip::wire::{HeaderName, Message};
use std::net::SocketAddr;

/// A domain of the account.
pub const DOMAIN: &str = "pbx.example";
/// Its users: see [`password`].
pub const USERS: [&str; 2] = ["alice", "bob"];
/// Where a user's devices are.
pub const DEVICES: [&str; 2] = ["198.51.100.70:5060", "198.51.100.71:5060"];

/// The domain and its users.
pub(super) fn provisioning(account: AccountId) -> Vec<ProvisioningEvent> {
    let (domain, realm) = (DomainId::from_bits(1), DOMAIN.parse().unwrap());
    let added = DomainAdded {
        id: domain,
        account,
        name: DOMAIN.parse().unwrap(),
        settings: DomainSettings::default(),
        by: None,
    };
    let user = |(id, name): (u128, &str)| {
        let username = name.parse().unwrap();
        let plain = DigestSecret::from_password(name, DOMAIN, &password(name, false));
        let reference = KeyRef(u64::MAX);
        let key: (KeyRef, SealKey) = (reference, SeedKeys.key(reference).unwrap());
        let place = CredentialEvent::place(&realm, &username);
        let secret = Sealed::seal(&plain, &key, [1; 24], &place).opened(&SeedKeys, &place);
        let (id, realm) = (CredentialId::from_bits(id), realm.clone());
        ProvisioningEvent::Credential(CredentialEvent::Added(CredentialAdded {
            id,
            account,
            domain,
            realm,
            username,
            secret,
            by: None,
        }))
    };
    let domain = ProvisioningEvent::Domain(DomainEvent::Added(added));
    std::iter::once(domain).chain((1..).zip(USERS).map(user)).collect()
}

/// A user's password, or the one that comes after it.
pub fn password(user: &str, second: bool) -> String {
    format!("{user}-{}", if second { "second" } else { "secret" })
}

/// A device of a user. Its messages are written by hand.
pub struct Device {
    /// Where it is.
    pub address: SocketAddr,
    /// Which listener of the exchange it talks to.
    pub exchange: SocketAddr,
    /// By TCP, where not by UDP.
    pub tcp: bool,
    /// The domain that it registers at.
    pub domain: String,
    /// Whose address it registers.
    pub user: String,
    /// As whom it logs in.
    pub username: String,
    /// With what.
    pub password: String,
    /// What it remembers of challenges.
    pub session: Session,
    /// Its contact's URI.
    pub contact: String,
    /// CSeq number of its last REGISTER.
    pub cseq: u32,
    /// The last REGISTER.
    pub last: Bytes,
}

impl Device {
    /// A user's device.
    pub fn of(user: &str, address: &str) -> Self {
        Self {
            address: address.parse().unwrap(),
            exchange: PUBLIC.parse().unwrap(),
            tcp: false,
            domain: DOMAIN.to_owned(),
            user: user.to_owned(),
            username: user.to_owned(),
            password: password(user, false),
            session: Session::default(),
            contact: format!("sip:{user}@{address};x=1"),
            cseq: 0,
            last: Bytes::new(),
        }
    }

    /// Its contact for so many seconds, as a header line.
    pub fn for_seconds(&self, expires: u32) -> String {
        format!("Contact: <{}>;expires={expires}\r\n", self.contact)
    }

    fn uri(&self) -> String {
        format!("sip:{}", self.domain)
    }

    /// Sends a REGISTER with these header lines, with credentials where it was asked for some before.
    pub fn send(&mut self, world: &mut World, headers: &str) {
        let uri = self.uri();
        let login = Login { username: &self.username, secret: Secret::Password(&self.password) };
        let credentials = self.session.begin(&login, "REGISTER", &uri, u64::from(self.cseq));
        self.send_with(world, headers, credentials);
    }

    /// Sends a REGISTER with these credentials.
    pub fn send_with(&mut self, world: &mut World, headers: &str, credentials: Option<(HeaderName, String)>) {
        self.cseq += 1;
        let Self { address, user, domain, cseq, .. } = &*self;
        let (transport, uri) = (if self.tcp { "TCP" } else { "UDP" }, self.uri());
        let credentials = credentials.map(|(name, value)| format!("{}: {value}\r\n", name.canonical().unwrap()));
        let text = format!(
            "REGISTER {uri} SIP/2.0\r\nVia: SIP/2.0/{transport} {address};branch=z9hG4bK-{user}-{cseq};rport\r\n\
             From: <sip:{user}@{domain}>;tag=f\r\nTo: <sip:{user}@{domain}>\r\nCall-ID: {user}-1@{address}\r\n\
             CSeq: {cseq} REGISTER\r\nMax-Forwards: 70\r\n{headers}{}Content-Length: 0\r\n\r\n",
            credentials.unwrap_or_default()
        );
        self.last = Bytes::from(text);
        self.repeat(world);
    }

    /// Sends the last REGISTER once more.
    pub fn repeat(&self, world: &mut World) {
        world.speak_tcp(self.address, self.tcp);
        world.send_to(self.exchange, self.address, self.last.clone());
    }

    /// The answer, which must have this status.
    #[track_caller]
    pub fn expect(&self, world: &mut World, status: u16) -> Message {
        let Some(bytes) = world.next_for(self.address) else {
            panic!("{} expects {status}, nothing came\n{}", self.address, world.ladder)
        };
        let message = Message::scan(bytes).unwrap();
        assert_eq!(message.status(), Some(status), "{}\n{}", self.address, world.ladder);
        message
    }

    /// Nothing came.
    #[track_caller]
    pub fn expect_silence(&self, world: &mut World) {
        assert_eq!(world.next_for(self.address), None, "{}", world.ladder);
    }

    /// Answers a challenge with the same REGISTER and credentials.
    #[track_caller]
    pub fn answer(&mut self, world: &mut World, headers: &str, challenge: &Message) {
        assert!(self.answers(world, headers, challenge), "it gives up\n{}", world.ladder);
    }

    /// The same, unless what it knows was just refused.
    pub fn answers(&mut self, world: &mut World, headers: &str, challenge: &Message) -> bool {
        let uri = self.uri();
        let login = Login { username: &self.username, secret: Secret::Password(&self.password) };
        let cnonce = u64::from(self.cseq);
        let answer = self.session.challenged(&Challenge::of(challenge), &login, "REGISTER", &uri, cnonce).ok();
        let proves = answer.is_some();
        if proves {
            self.send_with(world, headers, answer);
        }
        proves
    }

    /// A whole registration: challenged where it has to be, it ends with this status.
    #[track_caller]
    pub fn register(&mut self, world: &mut World, headers: &str, status: u16) -> Message {
        if self.cseq == 0 {
            self.send(world, headers);
            let challenge = self.expect(world, 401);
            self.answer(world, headers, &challenge);
        } else {
            self.send(world, headers);
        }
        self.expect(world, status)
    }
}
