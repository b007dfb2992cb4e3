//! Domains, users and a PBX that prove themselves by password.

use super::World;
use super::provisioning::KEY;
use super::seed::SeedKeys;
use domain::codec::secret::{Sealed, Secret};
use domain::credential::{CredentialEvent, DigestSecret, Password};
use domain::ids::{AccountId, CredentialId, DomainId, NumberId, TrunkId};
use domain::log::{Position, Revision};
use domain::ports::Keyring;
use domain::routing::{Provisioned, ProvisioningEvent};
use domain::time::WallTime;
use domain::trunk::TrunkLogin;
use serde_json::{Value, json};

/// A domain of the first account: users `alice`, `bob` and `carol`.
pub const A: &str = "a.example";
/// A domain of another account: user `alice`.
pub const B: &str = "b.example";
/// A domain of the first account whose devices ring one after the other: user `dave`.
pub const IN_TURN: &str = "turn.example";
/// A domain of the first account whose users are known by address: `erin` from [`KNOWN_SOURCE`].
pub const KNOWN: &str = "known.example";
/// Where users of [`KNOWN`] call from.
pub const KNOWN_SOURCE: &str = "198.51.100.70:5060";
/// The password of every user.
pub const PASSWORD: &str = "correct horse";
/// The user name and password of a PBX of the first account that has no address.
pub const ACME: (&str, &str) = ("acme", "battery staple");
/// What the carriers of [`super::OUT`] know us by, after [`World::with_logins`].
pub const OUT_LOGIN: (&str, &str) = ("account-7", "open sesame");
/// A number that rings `bob` of [`A`].
pub const NUMBER_BOB: &str = "+15550002222";

/// A number that rings the PBX of [`ACME`] where it registered.
pub const NUMBER_ACME: &str = "+15550003333";
/// A number of another account below, whose target is the same PBX.
pub const NUMBER_STOLEN: &str = "+15550004444";

fn sealed<T: Secret>(secret: &T, place: &str) -> Value {
    let key = (KEY, SeedKeys.key(KEY).unwrap());
    serde_json::to_value(Sealed::seal(secret, &key, [1; 24], place)).unwrap()
}

/// The settings of the PBX of [`ACME`].
fn acme(enabled: bool) -> Value {
    json!({ "name": "acme", "kind": "pbx", "auth": "digest", "enabled": enabled, "login": login(ACME) })
}

/// A user name and password of a trunk, as its settings hold it.
pub fn login((username, password): (&str, &str)) -> Value {
    let password = sealed(&password.parse::<Password>().unwrap(), &TrunkLogin::place(&username.parse().unwrap()));
    json!({ "username": username, "password": password })
}

/// A user's credential, by number.
pub const fn credential(number: u128) -> CredentialId {
    CredentialId::from_bits(number)
}

impl World {
    /// A world with users: 1 is `alice` of [`A`].
    pub fn with_users() -> Self {
        let mut world = Self::default();
        let [one, other] = [1, 9].map(AccountId::from_bits);
        world.learn("account", "AccountOpened", json!({ "account": other, "name": "other" }));
        let address = KNOWN_SOURCE.rsplit_once(':').unwrap().0;
        let domains = [
            (1, one, A, json!({})),
            (2, other, B, json!({})),
            (3, one, IN_TURN, json!({ "hunt": "sequential" })),
            (4, one, KNOWN, json!({ "auth": "address", "addresses": [address] })),
        ];
        for (id, account, name, settings) in domains {
            let id = DomainId::from_bits(id);
            let data = json!({ "id": id, "account": account, "name": name, "settings": settings });
            world.learn("domain", "DomainAdded", data);
        }
        let users = [
            (1, one, A, "alice"),
            (1, one, A, "bob"),
            (1, one, A, "carol"),
            (2, other, B, "alice"),
            (3, one, IN_TURN, "dave"),
        ];
        for ((domain, account, realm, user), id) in users.into_iter().zip(1..) {
            let secret = DigestSecret::from_password(user, realm, PASSWORD);
            let place = CredentialEvent::place(&realm.parse().unwrap(), &user.parse().unwrap());
            let data = json!({
                "id": credential(id), "account": account, "domain": DomainId::from_bits(domain), "realm": realm,
                "username": user, "secret": sealed(&secret, &place),
            });
            world.learn("credential", "CredentialAdded", data);
        }
        let settings = acme(true);
        world.learn(
            "trunk",
            "TrunkAdded",
            json!({ "id": TrunkId::from_bits(20), "account": one, "settings": settings }),
        );
        let below = AccountId::from_bits(8);
        let opened = json!({ "account": below, "name": "below", "parent": one });
        world.learn("account", "AccountOpened", opened);
        let targets = [
            (20, one, NUMBER_BOB, format!("sip:bob@{A}")),
            (21, one, NUMBER_ACME, format!("sip:{}@exchange.example", ACME.0)),
            (22, below, NUMBER_STOLEN, format!("sip:{}@exchange.example", ACME.0)),
        ];
        for (id, account, number, target) in targets {
            let data = json!({ "id": NumberId::from_bits(id), "number": number, "account": account, "target": { "sip": target } });
            world.learn("number", "NumberClaimed", data);
        }
        world
    }

    /// The trunk of [`ACME`] is switched off from now on.
    pub fn switch_off_acme(&mut self) {
        self.set_trunk(20, acme(false));
    }

    /// A world whose carriers of [`super::OUT`] know us by [`OUT_LOGIN`], and so does the PBX.
    pub fn with_logins() -> Self {
        let mut world = Self::default();
        for (id, priority) in [(3, 1), (4, 2)] {
            let destination = format!("sip:{}", super::OUT[priority - 1]);
            world.set_trunk(id, json!({
                "name": "out", "kind": "carrier", "destination": destination, "prefixes": ["+1"], "priority": priority,
                "ring_timeout": 20, "login": login(OUT_LOGIN),
            }));
        }
        world.set_trunk(
            2,
            json!({
                "name": "pbx", "kind": "pbx", "addresses": [super::PBX], "media_source": "latch", "ring_timeout": 20,
                "login": login(OUT_LOGIN),
            }),
        );
        world
    }

    /// The settings of a trunk are these from now on.
    pub fn set_trunk(&mut self, id: u128, settings: Value) {
        let (id, account) = (TrunkId::from_bits(id), AccountId::from_bits(1));
        self.learn("trunk", "TrunkChanged", json!({ "id": id, "account": account, "settings": settings }));
    }

    /// Another account has a trunk of these settings from now on.
    pub fn add_trunk_of_other(&mut self, id: u128, settings: Value) {
        let (id, account) = (TrunkId::from_bits(id), AccountId::from_bits(9));
        self.learn("trunk", "TrunkAdded", json!({ "id": id, "account": account, "settings": settings }));
    }

    /// The limits of the account are these from now on.
    pub fn limit_account(&mut self, limits: Value) {
        self.learn("account", "AccountLimited", json!({ "account": AccountId::from_bits(1), "limits": limits }));
    }

    /// A domain whose users are known by address has this rule for transfers from now on.
    pub fn set_domain(&mut self, id: u128, name: &str, addresses: &[&str], refer: &str) {
        let (id, account) = (DomainId::from_bits(id), AccountId::from_bits(1));
        let settings = json!({ "auth": "address", "addresses": addresses, "refer": refer });
        let data = json!({ "id": id, "account": account, "name": name, "settings": settings });
        self.learn("domain", "DomainChanged", data);
    }

    /// A domain of the first account whose users are known by address is there from now on.
    pub fn add_domain(&mut self, id: u128, name: &str, addresses: &[&str]) {
        let (id, account) = (DomainId::from_bits(id), AccountId::from_bits(1));
        let settings = json!({ "auth": "address", "addresses": addresses });
        let data = json!({ "id": id, "account": account, "name": name, "settings": settings });
        self.learn("domain", "DomainAdded", data);
    }

    /// A domain of the first account is there no more.
    pub fn remove_domain(&mut self, id: u128, name: &str) {
        let (id, account) = (DomainId::from_bits(id), AccountId::from_bits(1));
        self.learn("domain", "DomainRemoved", json!({ "id": id, "account": account, "name": name }));
    }

    /// Users of a domain of the first account prove their passwords by these algorithms from now on.
    pub fn set_digest(&mut self, id: u128, name: &str, digest: &[&str]) {
        let (id, account) = (DomainId::from_bits(id), AccountId::from_bits(1));
        let data = json!({ "id": id, "account": account, "name": name, "settings": { "digest": digest } });
        self.learn("domain", "DomainChanged", data);
    }

    /// A trunk is there no more.
    pub fn remove_trunk(&mut self, id: u128) {
        let (id, account) = (TrunkId::from_bits(id), AccountId::from_bits(1));
        self.learn("trunk", "TrunkRemoved", json!({ "id": id, "account": account }));
    }

    fn learn(&mut self, category: &str, kind: &str, data: Value) {
        let data = serde_json::to_vec(&data).unwrap();
        let mut event = ProvisioningEvent::decode(category, kind, 1, &data).unwrap().unwrap();
        assert!(event.open(&SeedKeys));
        let at = WallTime::from_micros(0);
        self.exchange.provision(&Provisioned { position: Position(100), revision: Revision(0), at, event });
    }
}
