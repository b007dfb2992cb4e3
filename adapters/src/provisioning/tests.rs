//! The service over the log in memory.

mod kept;

use super::*;
use crate::event_log::memory::MemoryLog;
use domain::account::AccountRejection;
use domain::address::EdgeRole;
use domain::credential::{AuthRule, CredentialRejection, DigestSecret, Password};
use domain::domain_name::{DomainPatch, DomainRejection, DomainSettings};
use domain::ids::{CredentialId, DomainId};
use domain::log::{AppendError, Direction, Filter, StreamName};
use domain::number::NumberRejection;
use domain::routing::Tables;
use domain::trunk::TrunkRejection;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counts instead of drawing; its clock stands still.
#[derive(Default)]
struct Counting(AtomicU64);

impl Means for Counting {
    fn bits(&self) -> u128 {
        u128::from(self.0.fetch_add(1, Relaxed) + 1)
    }

    fn event_id(&self) -> EventId {
        EventId::minted(1, 1, 0, self.0.fetch_add(1, Relaxed))
    }

    fn now(&self) -> WallTime {
        WallTime::from_micros(1_000)
    }

    fn secrets_key(&self, account: AccountId) -> Result<(KeyRef, SealKey), String> {
        Ok(secrets_key(account))
    }
}

/// A key of its own for each account.
fn secrets_key(account: AccountId) -> (KeyRef, SealKey) {
    let number = u64::try_from(account.bits()).unwrap();
    (KeyRef(number), SealKey::from_bytes([number as u8; 32]))
}

/// Knows the keys of all accounts.
struct AllKeys;

impl domain::ports::Keyring for AllKeys {
    fn key(&self, reference: KeyRef) -> Option<SealKey> {
        Some(secrets_key(AccountId::from_bits(reference.0.into())).1)
    }
}

#[derive(Default)]
struct Routing(Mutex<(Tables, usize)>);

impl TablesSink for Routing {
    fn apply(&self, events: Vec<Provisioned>) -> PortFuture<'_, ()> {
        let mut state = self.0.lock().unwrap();
        for event in events.iter() {
            let mut event = event.clone();
            assert!(event.event.open(&AllKeys));
            state.0.apply(&event);
        }
        state.1 += events.len();
        Box::pin(std::future::ready(()))
    }
}

struct World {
    log: MemoryLog,
    means: Arc<Counting>,
    routing: Arc<Routing>,
    service: Provisioning,
}

impl World {
    async fn new() -> Self {
        Self::over(MemoryLog::new(), Arc::default(), None).await
    }

    async fn over(log: MemoryLog, means: Arc<Counting>, shelf: Option<&Shelf>) -> Self {
        let routing = Arc::new(Routing::default());
        let service = Provisioning::start(Arc::new(log.clone()), means.clone(), routing.clone(), 1, shelf);
        let service = service.await.unwrap();
        Self { log, means, routing, service }
    }

    /// The same log, read by a new process.
    async fn restarted(self) -> Self {
        Self::over(self.log, self.means, None).await
    }

    async fn account(&self, parent: Option<AccountId>) -> AccountId {
        self.service.open_account(name("Acme"), parent, None).await.unwrap().unwrap().0
    }

    async fn claim(&self, account: AccountId, number: &str) -> Answer<(NumberId, Position)> {
        self.service.claim_number(account, number.parse().unwrap(), target("sip:10.0.0.1"), None).await
    }

    async fn add(&self, account: AccountId, address: &str) -> Result<TrunkId, Rejection> {
        let settings = trunk(&format!(r#"{{"name":"T","kind":"pbx","addresses":["{address}"]}}"#));
        self.service.add_trunk(account, settings, None).await.unwrap().map(|(id, _)| id)
    }

    fn applied(&self) -> usize {
        self.routing.0.lock().unwrap().1
    }
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn target(uri: &str) -> Target {
    Target::Sip(uri.parse().unwrap())
}

fn trunk(json: &str) -> TrunkSettings {
    serde_json::from_str(json).unwrap()
}

#[tokio::test]
async fn a_secret_opens_its_account_by_account_id_and_by_key_id_and_is_in_no_event() {
    let world = World::new().await;
    let (account, made, _) = world.service.open_account(name("Acme"), None, None).await.unwrap().unwrap();
    let caller = Some(Caller { account, key: made.key });
    let directory = world.service.directory();
    assert_eq!(directory.authenticate(&account.to_string(), &made.secret), caller);
    assert_eq!(directory.authenticate(&made.key.to_string(), &made.secret), caller);
    assert_eq!(directory.authenticate(&account.to_string(), "wrong"), None);
    let (second, _) = world.service.issue_key(account, name("second"), None).await.unwrap().unwrap();
    assert_eq!(directory.authenticate(&second.key.to_string(), &made.secret), None);
    let all = world.log.read_all(Position(0), Direction::Forwards, &Filter::default(), 100).await.unwrap();
    assert!(all.iter().all(|event| !String::from_utf8_lossy(&event.data).contains(&made.secret)));
}

#[tokio::test]
async fn a_revoked_key_and_a_closed_account_open_nothing_any_more() {
    let world = World::new().await;
    let root = world.account(None).await;
    let (sub, first, _) = world.service.open_account(name("Sub"), Some(root), None).await.unwrap().unwrap();
    let (second, _) = world.service.issue_key(sub, name("second"), None).await.unwrap().unwrap();
    world.service.revoke_key(sub, first.key, None).await.unwrap().unwrap();
    let directory = world.service.directory();
    assert_eq!(directory.authenticate(&sub.to_string(), &first.secret), None);
    assert!(directory.authenticate(&sub.to_string(), &second.secret).is_some());
    world.service.close_account(root, None).await.unwrap().unwrap();
    assert_eq!(directory.authenticate(&sub.to_string(), &second.secret), None, "the account above is closed");
}

#[tokio::test]
async fn a_number_belongs_to_one_account_until_it_is_released() {
    let world = World::new().await;
    let (one, two) = (world.account(None).await, world.account(None).await);
    let (id, _) = world.claim(one, "+15550000001").await.unwrap().unwrap();
    assert_eq!(world.claim(two, "+15550000001").await.unwrap(), Err(NumberRejection::Taken.into()));
    world.service.release_number(id, None).await.unwrap().unwrap();
    assert!(world.claim(two, "+15550000001").await.unwrap().is_ok());
    let gone = world.service.release_number(id, None).await.unwrap();
    assert_eq!(gone, Err(NumberRejection::NotClaimed.into()));
    assert_eq!(world.log.open_streams().await.unwrap().len(), 3, "a released number's stream is closed");
}

#[tokio::test]
async fn claims_that_wait_together_share_a_commit_and_one_number_still_goes_to_one_of_them() {
    let world = World::new().await;
    let account = world.account(None).await;
    world.log.hold();
    let claims: Vec<_> = ["+15550000001", "+15550000002", "+15550000001"]
        .into_iter()
        .map(|number| {
            let service = world.service.clone();
            let number = number.parse().unwrap();
            tokio::spawn(async move { service.claim_number(account, number, target("sip:10.0.0.1"), None).await })
        })
        .collect();
    let shared = loop {
        match world.log.commit_next(usize::MAX) {
            0 => tokio::task::yield_now().await,
            shared => break shared,
        }
    };
    world.log.release();
    assert_eq!(shared, 2);
    let mut won = 0;
    for claim in claims {
        won += usize::from(claim.await.unwrap().unwrap().is_ok());
    }
    assert_eq!(won, 2);
}

#[tokio::test]
async fn an_answer_comes_after_the_log_and_after_routing() {
    let world = World::new().await;
    let account = world.account(None).await;
    let before = world.applied();
    world.log.hold();
    let mut claim = Box::pin(world.claim(account, "+15550000001"));
    for _ in 0..100 {
        assert!(futures_poll(&mut claim).await, "answered before it was durable");
    }
    assert_eq!(world.applied(), before);
    world.log.release();
    let (_, position) = claim.await.unwrap().unwrap();
    assert_eq!((world.applied(), position), (before + 1, world.log.head()));
}

/// Whether the future still waits after the others had their turn.
async fn futures_poll<F: Future + Unpin>(future: &mut F) -> bool {
    tokio::task::yield_now().await;
    std::future::poll_fn(|cx| std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(cx).is_pending())).await
}

#[tokio::test]
async fn everything_is_there_again_after_a_restart_in_the_order_of_creation() {
    let world = World::new().await;
    let root = world.account(None).await;
    let sub = world.account(Some(root)).await;
    for n in 1..=3 {
        world.claim(sub, &format!("+1555000000{n}")).await.unwrap().unwrap();
    }
    let id = world.add(sub, "10.0.0.1").await.unwrap();
    let patch = TrunkPatch { priority: Some(9), ..TrunkPatch::default() };
    world.service.change_trunk(id, patch, None).await.unwrap().unwrap();
    let before = world.service.directory().numbers(sub, None, 10);
    let position = world.service.directory().position();

    let world = world.restarted().await;
    let directory = world.service.directory();
    assert_eq!(directory.numbers(sub, None, 10), before);
    assert_eq!(directory.trunk(id).unwrap().item.settings.priority, 9);
    assert_eq!((directory.counts(), directory.position()), ([2, 3, 1], position));
    assert!(directory.is_within(sub, root) && !directory.is_within(root, sub));
    assert!(world.service.rename_account(sub, name("New"), None).await.unwrap().is_ok(), "the chain goes on");
    assert_eq!(world.routing.0.lock().unwrap().0.number_count(), 3);
}

#[tokio::test]
async fn each_event_names_the_hash_of_the_one_before() {
    let world = World::new().await;
    let account = world.account(None).await;
    for text in ["A", "B"] {
        world.service.rename_account(account, name(text), None).await.unwrap().unwrap();
    }
    let stream = StreamName::new("account", account.uuid());
    let events = world.log.read_stream(&stream, domain::log::Revision(0), Direction::Forwards, 10).await.unwrap();
    assert_eq!(events.len(), 4);
    assert!(events.windows(2).all(|pair| pair[1].previous == pair[0].hash()));
}

#[tokio::test]
async fn pages_follow_one_another_without_gap_or_repeat() {
    let world = World::new().await;
    let account = world.account(None).await;
    for n in 1..=5 {
        world.claim(account, &format!("+1555000000{n}")).await.unwrap().unwrap();
    }
    let directory = world.service.directory();
    let (mut after, mut seen) = (None, vec![]);
    loop {
        let page = directory.numbers(account, after, 2);
        after = page.items.last().map(|listed| listed.created_at);
        seen.extend(page.items.iter().map(|listed| listed.item.number.to_string()));
        if !page.more {
            break;
        }
    }
    assert_eq!(seen, ["+15550000001", "+15550000002", "+15550000003", "+15550000004", "+15550000005"]);
}

#[tokio::test]
async fn strangers_cannot_share_an_address_and_families_cannot_repeat_one() {
    let world = World::new().await;
    let (root, stranger) = (world.account(None).await, world.account(None).await);
    let sub = world.account(Some(root)).await;
    let id = world.add(root, "10.0.0.0/24").await.unwrap();
    let taken = |text: &str| Err(TrunkRejection::AddressTaken(text.parse().unwrap()).into());
    assert_eq!(world.add(stranger, "10.0.0.7:5060").await, taken("10.0.0.7:5060"));
    assert_eq!(world.add(sub, "10.0.0.0/24").await, taken("10.0.0.0/24"));
    assert!(world.add(sub, "10.0.0.7").await.is_ok(), "a family may narrow its own network down");
    let patch = TrunkPatch { addresses: Some(vec!["10.0.0.7".parse().unwrap()]), ..TrunkPatch::default() };
    assert_eq!(
        world.service.change_trunk(id, patch, None).await.unwrap(),
        taken("10.0.0.7").map(|_: TrunkId| Position(0))
    );
    let (child, secret, _) = world.service.open_account(name("Sub"), Some(root), None).await.unwrap().unwrap();
    let narrow = trunk(r#"{"name":"T","kind":"pbx","addresses":["10.0.0.9"]}"#);
    let added = world.service.add_trunk(child, narrow.clone(), Some(secret.key)).await.unwrap();
    assert_eq!(added, Err(TrunkRejection::AddressTaken("10.0.0.9".parse().unwrap()).into()), "not by itself");
    let key = world.service.issue_key(root, name("Key"), None).await.unwrap().unwrap().0.key;
    assert!(world.service.add_trunk(child, narrow, Some(key)).await.unwrap().is_ok(), "the account above may");
    let other_side = trunk(r#"{"name":"T","kind":"carrier","addresses":["10.0.0.7"]}"#);
    assert!(world.service.add_trunk(stranger, other_side, None).await.unwrap().is_ok());
}

#[tokio::test]
async fn an_address_that_an_older_trunk_was_given_is_that_ones_after_a_start() {
    let world = World::new().await;
    let account = world.account(None).await;
    let older = world.add(account, "10.0.0.1").await.unwrap();
    let newer = world.add(account, "10.0.0.2").await.unwrap();
    for (trunk, address) in [(newer, "10.0.0.3"), (older, "10.0.0.2")] {
        let patch = TrunkPatch { addresses: Some(vec![address.parse().unwrap()]), ..TrunkPatch::default() };
        world.service.change_trunk(trunk, patch, None).await.unwrap().unwrap();
    }
    let known = |world: &World| {
        let tables = &world.routing.0.lock().unwrap().0;
        tables.identify("10.0.0.2:5060".parse().unwrap(), EdgeRole::Public).map(|trunk| trunk.id)
    };
    assert_eq!(known(&world), Some(older));
    assert_eq!(known(&world.restarted().await), Some(older));
}

#[tokio::test]
async fn nothing_is_opened_under_an_unknown_or_closed_account() {
    let world = World::new().await;
    let nobody = AccountId::from_bits(999);
    let opened = world.service.open_account(name("Sub"), Some(nobody), None).await.unwrap();
    assert_eq!(opened, Err(AccountRejection::NotOpen.into()));
    assert_eq!(world.claim(nobody, "+15550000001").await.unwrap(), Err(AccountRejection::NotOpen.into()));
    let account = world.account(None).await;
    world.service.close_account(account, None).await.unwrap().unwrap();
    assert_eq!(world.claim(account, "+15550000001").await.unwrap(), Err(NumberRejection::AccountClosed.into()));
}

#[tokio::test]
async fn a_log_that_is_away_changes_nothing_and_the_same_command_succeeds_later() {
    let world = World::new().await;
    let account = world.account(None).await;
    world.log.fail_next(AppendError::Unavailable("disk full".into()));
    assert!(world.claim(account, "+15550000001").await.is_err());
    assert_eq!(world.service.directory().numbers(account, None, 10).items, []);
    assert!(world.claim(account, "+15550000001").await.unwrap().is_ok());
}

#[tokio::test]
async fn an_append_that_the_log_can_never_take_fails_its_command_alone_and_freezes_nothing() {
    let world = World::new().await;
    let account = world.account(None).await;
    world.log.fail_next(AppendError::Invalid("its events are too large".into()));
    let refused = world.claim(account, "+15550000001").await.unwrap_err();
    assert!(refused.why.contains("its events are too large"), "{refused:?}");
    assert!(world.claim(account, "+15550000001").await.unwrap().is_ok());
}

#[tokio::test]
async fn a_lost_answer_is_settled_by_reading_the_stream_again() {
    let world = World::new().await;
    let account = world.account(None).await;
    world.log.lose_next_answer();
    let (id, position) = world.claim(account, "+15550000001").await.unwrap().unwrap();
    assert_eq!(world.service.directory().number(id).unwrap().item.number.to_string(), "+15550000001");
    assert_eq!(position, world.log.head());
    let stream = StreamName::new("number", id.uuid());
    world.log.fail_next(AppendError::Unknown(stream));
    assert!(world.service.release_number(id, None).await.is_err(), "it was not written");
    assert!(world.service.release_number(id, None).await.unwrap().is_ok());
}

#[tokio::test]
async fn a_position_that_the_log_does_not_have_is_waited_for_only_so_long() {
    let world = World::new().await;
    world.account(None).await;
    let head = world.log.head();
    assert_eq!(world.service.reach(head, Duration::ZERO).await, Ok(()));
    let beyond = Position(head.0 + 1);
    assert_eq!(world.service.reach(beyond, Duration::from_millis(1)).await, Err(head));
    let waiting = world.service.clone();
    let wait = tokio::spawn(async move { waiting.reach(beyond, Duration::from_secs(10)).await });
    world.account(None).await;
    assert_eq!(wait.await.unwrap(), Ok(()));
}

#[tokio::test]
async fn the_first_start_makes_an_account_and_the_second_finds_it() {
    let world = World::new().await;
    let made = world.service.ensure_first_account(None, None).await.unwrap().unwrap();
    let FirstAccount::Made { account, secret: Some(secret) } = made else { panic!("no secret was drawn") };
    let world = world.restarted().await;
    assert!(world.service.directory().authenticate(&account.to_string(), &secret).is_some());
    let again = world.service.ensure_first_account(None, None).await.unwrap().unwrap();
    assert_eq!(again, FirstAccount::Existing(account));
}

#[tokio::test]
async fn a_set_token_opens_the_set_account_and_replaces_the_former_one() {
    let world = World::new().await;
    let account = AccountId::from_bits(0xabc);
    let [old, new]: [Token; 2] = ["0123456789abcdef", "fedcba9876543210"].map(|token| token.parse().unwrap());
    let made = world.service.ensure_first_account(Some(account), Some(&old)).await.unwrap().unwrap();
    assert_eq!(made, FirstAccount::Made { account, secret: None });
    let opens = |token: &str| world.service.directory().authenticate(&account.to_string(), token).is_some();
    assert!(opens("0123456789abcdef"));
    world.service.ensure_first_account(Some(account), Some(&old)).await.unwrap().unwrap();
    world.service.ensure_first_account(None, Some(&new)).await.unwrap().unwrap();
    assert!(opens("fedcba9876543210") && !opens("0123456789abcdef"));
    assert!("short".parse::<Token>().is_err());
}

impl World {
    async fn domain(&self, account: AccountId, name: &str) -> Result<DomainId, Rejection> {
        let added = self.service.add_domain(account, name.parse().unwrap(), DomainSettings::default(), None).await;
        added.unwrap().map(|(id, _)| id)
    }

    async fn user(&self, account: AccountId, domain: &str, user: &str) -> Result<CredentialId, Rejection> {
        let (realm, username) = (domain.parse().unwrap(), user.parse().unwrap());
        let added = self.service.add_credential(account, realm, username, &password("password"), None).await;
        added.unwrap().map(|(id, _)| id)
    }

    /// What routing checks a user's answers by.
    fn secret(&self, domain: &str, user: &str) -> Option<DigestSecret> {
        self.routing.0.lock().unwrap().0.credential(domain, user)?.secret.clone()
    }
}

fn password(text: &str) -> Password {
    text.parse().unwrap()
}

#[tokio::test]
async fn a_domain_belongs_to_one_account_until_it_is_removed() {
    let world = World::new().await;
    let (one, two) = (world.account(None).await, world.account(None).await);
    let id = world.domain(one, "a.example").await.unwrap();
    assert_eq!(world.domain(two, "A.Example").await, Err(DomainRejection::Taken.into()));
    let patch = DomainPatch { max_bindings: Some(2), ..DomainPatch::default() };
    world.service.change_domain(id, patch, None).await.unwrap().unwrap();
    assert_eq!(world.routing.0.lock().unwrap().0.domain("a.example").unwrap().settings.max_bindings, 2);
    let user = world.user(one, "a.example", "alice").await.unwrap();
    assert_eq!(world.service.remove_domain(id, None).await.unwrap(), Err(DomainRejection::InUse.into()));
    world.service.remove_credential(user, None).await.unwrap().unwrap();
    world.service.remove_domain(id, None).await.unwrap().unwrap();
    assert!(world.domain(two, "a.example").await.is_ok());
    assert_eq!(world.log.open_streams().await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_user_of_a_domain_has_one_credential_and_its_password_is_in_no_event() {
    let world = World::new().await;
    let (one, two) = (world.account(None).await, world.account(None).await);
    world.domain(one, "a.example").await.unwrap();
    let no_domain: Result<CredentialId, Rejection> = Err(CredentialRejection::NoDomain.into());
    assert_eq!(world.user(two, "a.example", "alice").await, no_domain, "it is another account's");
    let id = world.user(one, "a.example", "alice").await.unwrap();
    assert_eq!(world.user(one, "a.example", "alice").await, Err(CredentialRejection::Taken.into()));
    let of = |password| Some(DigestSecret::from_password("alice", "a.example", password));
    assert_eq!(world.secret("a.example", "alice"), of("password"));
    world.service.change_credential(id, &password("another"), None).await.unwrap().unwrap();
    assert_eq!(world.secret("a.example", "alice"), of("another"));

    let all = world.log.read_all(Position(0), Direction::Forwards, &Filter::default(), 100).await.unwrap();
    let hash = of("password").unwrap().expose();
    for event in &all {
        let text = String::from_utf8_lossy(&event.data);
        assert!(!text.contains("password") && !text.contains(&hash[..16]), "{text}");
    }
    let world = world.restarted().await;
    assert_eq!(world.secret("a.example", "alice"), of("another"), "the key opens it after a restart");
    world.service.remove_credential(id, None).await.unwrap().unwrap();
    assert_eq!(world.secret("a.example", "alice"), None);
    assert_eq!(world.service.remove_credential(id, None).await.unwrap(), Err(CredentialRejection::Unknown.into()));
}

#[tokio::test]
async fn credentials_that_wait_together_share_a_commit() {
    let world = World::new().await;
    let account = world.account(None).await;
    world.domain(account, "a.example").await.unwrap();
    world.log.hold();
    let added: Vec<_> = ["alice", "bob", "alice"]
        .into_iter()
        .map(|user| {
            let service = world.service.clone();
            let (realm, user) = ("a.example".parse().unwrap(), user.parse().unwrap());
            tokio::spawn(async move { service.add_credential(account, realm, user, &password("password"), None).await })
        })
        .collect();
    let shared = loop {
        match world.log.commit_next(usize::MAX) {
            0 => tokio::task::yield_now().await,
            shared => break shared,
        }
    };
    world.log.release();
    assert_eq!(shared, 2);
    let mut won = 0;
    for one in added {
        won += usize::from(one.await.unwrap().unwrap().is_ok());
    }
    assert_eq!(won, 2);
}

#[tokio::test]
async fn a_trunk_that_proves_itself_by_password_has_a_user_name_of_its_own() {
    let world = World::new().await;
    let account = world.account(None).await;
    let trunk = |name: &str| {
        let login = world.service.trunk_login(account, "acme".parse().unwrap(), &password("password")).unwrap();
        let (auth, login) = (AuthRule::Digest, Some(Box::new(login)));
        TrunkSettings { auth, login, ..trunk(&format!(r#"{{"name":"{name}","kind":"pbx"}}"#)) }
    };
    let (id, _) = world.service.add_trunk(account, trunk("A"), None).await.unwrap().unwrap();
    let again = world.service.add_trunk(account, trunk("B"), None).await.unwrap();
    assert_eq!(again.map(|_| ()), Err(TrunkRejection::UsernameTaken.into()));
    let routing = world.routing.0.lock().unwrap();
    let row = routing.0.trunk_of_login("acme").unwrap();
    let known = row.settings.login.as_ref().and_then(|login| login.password.known());
    assert_eq!((row.id, known.map(Password::as_str)), (id, Some("password")));
}
