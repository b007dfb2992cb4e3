//! What is provisioned, in memory: the writer's states, and what listings read.

use super::inner::{Entry, Inner, Recall, page};
use domain::account::{Account, Profile, SecretHash};
use domain::credential::{ActiveCredential, Credential, Username};
use domain::decider::Aggregate;
use domain::domain_name::{ActiveDomain, Domain, DomainName};
use domain::ids::{AccountId, CredentialId, DomainId, KeyId, NumberId, TrunkId};
use domain::log::{EventHash, Position, Revision, StreamName};
use domain::number::{Claim, Number, PhoneNumber};
use domain::time::WallTime;
use domain::trunk::{ActiveTrunk, Trunk, TrunkAddress, TrunkKind};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use tokio::sync::watch;

/// What is provisioned. Reads take a short lock and clone; nothing waits under it.
pub struct Directory {
    inner: RwLock<Inner>,
    position: watch::Sender<Position>,
}

/// One listed thing. `created_at` is unique among things of its kind, so it also is the cursor of its page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed<T> {
    /// The thing.
    pub item: T,
    /// When it was made.
    pub created_at: WallTime,
}

/// One page of a listing, in the order of creation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The things.
    pub items: Vec<Listed<T>>,
    /// Whether more follow.
    pub more: bool,
}

/// Whoever proved to hold a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// The key's account.
    pub account: AccountId,
    /// The key.
    pub key: KeyId,
}

impl Default for Directory {
    fn default() -> Self {
        Self { inner: RwLock::default(), position: watch::Sender::new(Position(0)) }
    }
}

impl Directory {
    /// Whose secret this is: `user` is an account's id (with any of its keys' secrets) or a key's id. `None` for
    /// everything else, closed accounts included.
    pub fn authenticate(&self, user: &str, secret: &str) -> Option<Caller> {
        let hash = SecretHash::of(secret);
        let inner = self.read();
        let key: Option<KeyId> = user.parse().ok();
        let account = match key {
            Some(key) => inner.keys.get(&key).copied(),
            None => user.parse().ok(),
        }?;
        let found = inner.profile(account)?.key_of_secret(&hash)?;
        let right = key.is_none_or(|key| key == found.id) && !inner.is_closed(account);
        right.then_some(Caller { account, key: found.id })
    }

    /// Whether who once authenticated would again: the key is not revoked, no account above it closed.
    pub fn still_opens(&self, caller: Caller) -> bool {
        let inner = self.read();
        let holds = |profile: &Profile| profile.keys.iter().any(|key| key.id == caller.key);
        inner.profile(caller.account).is_some_and(holds) && !inner.is_closed(caller.account)
    }

    /// Whether `account` is `above`, or lies below it.
    pub fn is_within(&self, account: AccountId, above: AccountId) -> bool {
        self.read().is_within(account, above)
    }

    /// Whether an account, or one above it, is closed.
    pub fn is_closed(&self, account: AccountId) -> bool {
        self.read().is_closed(account)
    }

    /// An account.
    pub fn account(&self, id: AccountId) -> Option<Listed<Profile>> {
        self.read().accounts.get(&id)?.listed(|account| account.profile().cloned())
    }

    /// A number.
    pub fn number(&self, id: NumberId) -> Option<Listed<Claim>> {
        self.read().numbers.get(&id)?.listed(|number| number.claim().cloned())
    }

    /// The claim of a phone number, whosever it is.
    pub fn claim_of(&self, number: PhoneNumber) -> Option<Listed<Claim>> {
        let id = *self.read().claims.get(&number)?;
        self.number(id)
    }

    /// A trunk.
    pub fn trunk(&self, id: TrunkId) -> Option<Listed<ActiveTrunk>> {
        self.read().trunks.get(&id)?.listed(|trunk| trunk.active().cloned())
    }

    /// An account and all below it.
    pub fn accounts(
        &self,
        within: AccountId,
        after: Option<WallTime>,
        limit: usize,
        wanted: impl Fn(&Profile) -> bool,
    ) -> Page<Profile> {
        let inner = self.read();
        let rows = inner.accounts_within.get(&within);
        page(rows, after, limit, |id| inner.profile(*id).filter(|profile| wanted(profile)).cloned())
    }

    /// An account's own numbers.
    pub fn numbers(&self, account: AccountId, after: Option<WallTime>, limit: usize) -> Page<Claim> {
        let inner = self.read();
        page(inner.numbers_of.get(&account), after, limit, |id| inner.numbers.get(id)?.state.claim().cloned())
    }

    /// An account's own trunks.
    pub fn trunks(
        &self,
        account: AccountId,
        after: Option<WallTime>,
        limit: usize,
        wanted: impl Fn(&ActiveTrunk) -> bool,
    ) -> Page<ActiveTrunk> {
        let inner = self.read();
        let active = |id: &TrunkId| inner.trunks.get(id)?.state.active().filter(|trunk| wanted(trunk)).cloned();
        page(inner.trunks_of.get(&account), after, limit, active)
    }

    /// A domain.
    pub fn domain(&self, id: DomainId) -> Option<Listed<ActiveDomain>> {
        self.read().domains.get(&id)?.listed(|domain| domain.active().cloned())
    }

    /// The domain of a name, whosever it is.
    pub fn domain_named(&self, name: &DomainName) -> Option<Listed<ActiveDomain>> {
        let id = *self.read().domain_names.get(name)?;
        self.domain(id)
    }

    /// An account's own domains.
    pub fn domains(&self, account: AccountId, after: Option<WallTime>, limit: usize) -> Page<ActiveDomain> {
        let inner = self.read();
        page(inner.domains_of.get(&account), after, limit, |id| inner.domains.get(id)?.state.active().cloned())
    }

    /// A credential.
    pub fn credential(&self, id: CredentialId) -> Option<Listed<ActiveCredential>> {
        self.read().credentials.get(&id)?.listed(|credential| credential.active().cloned())
    }

    /// The credential of a user of a domain.
    pub fn credential_of(&self, domain: DomainId, username: &Username) -> Option<Listed<ActiveCredential>> {
        let id = *self.read().users.get(&domain)?.get(username)?;
        self.credential(id)
    }

    /// An account's own credentials; those of one domain only, where one is named.
    pub fn credentials(
        &self,
        account: AccountId,
        domain: Option<DomainId>,
        after: Option<WallTime>,
        limit: usize,
    ) -> Page<ActiveCredential> {
        let inner = self.read();
        let wanted = |credential: &&ActiveCredential| domain.is_none_or(|domain| domain == credential.domain);
        let active = |id: &CredentialId| inner.credentials.get(id)?.state.active().filter(wanted).cloned();
        page(inner.credentials_of.get(&account), after, limit, active)
    }

    /// How many domains and credentials there are.
    pub fn user_counts(&self) -> [usize; 2] {
        let inner = self.read();
        [inner.domains.len(), inner.credentials.len()]
    }

    /// How many accounts, numbers and trunks there are.
    pub fn counts(&self) -> [usize; 3] {
        let inner = self.read();
        [inner.accounts.len(), inner.numbers.len(), inner.trunks.len()]
    }

    /// Position of the newest event that is in here.
    pub fn position(&self) -> Position {
        *self.position.borrow()
    }

    pub(super) fn watch(&self) -> watch::Receiver<Position> {
        self.position.subscribe()
    }

    /// No event here is younger.
    pub(super) fn newest(&self) -> WallTime {
        self.read().newest
    }

    /// Revision and hash of a stream's last event.
    pub(super) fn end_of(&self, stream: &StreamName) -> Option<(Revision, EventHash)> {
        let inner = self.read();
        let bits = uuid::Uuid::parse_str(stream.id()).ok()?.as_u128();
        match stream.category() {
            Account::CATEGORY => inner.accounts.get(&AccountId::from_bits(bits)).map(Entry::end),
            Number::CATEGORY => inner.numbers.get(&NumberId::from_bits(bits)).map(Entry::end),
            Trunk::CATEGORY => inner.trunks.get(&TrunkId::from_bits(bits)).map(Entry::end),
            Domain::CATEGORY => inner.domains.get(&DomainId::from_bits(bits)).map(Entry::end),
            Credential::CATEGORY => inner.credentials.get(&CredentialId::from_bits(bits)).map(Entry::end),
            _ => None,
        }
    }

    /// Asks a state; the default one where nothing is known.
    pub(super) fn with_account<T>(&self, id: AccountId, ask: impl FnOnce(&Account) -> T) -> T {
        match self.read().accounts.get(&id) {
            Some(entry) => ask(&entry.state),
            None => ask(&Account::default()),
        }
    }

    pub(super) fn with_number<T>(&self, id: NumberId, ask: impl FnOnce(&Number) -> T) -> T {
        match self.read().numbers.get(&id) {
            Some(entry) => ask(&entry.state),
            None => ask(&Number::default()),
        }
    }

    pub(super) fn with_trunk<T>(&self, id: TrunkId, ask: impl FnOnce(&Trunk) -> T) -> T {
        match self.read().trunks.get(&id) {
            Some(entry) => ask(&entry.state),
            None => ask(&Trunk::default()),
        }
    }

    pub(super) fn with_domain<T>(&self, id: DomainId, ask: impl FnOnce(&Domain) -> T) -> T {
        match self.read().domains.get(&id) {
            Some(entry) => ask(&entry.state),
            None => ask(&Domain::default()),
        }
    }

    pub(super) fn with_credential<T>(&self, id: CredentialId, ask: impl FnOnce(&Credential) -> T) -> T {
        match self.read().credentials.get(&id) {
            Some(entry) => ask(&entry.state),
            None => ask(&Credential::default()),
        }
    }

    /// Whether a domain has credentials.
    pub(super) fn has_users(&self, domain: DomainId) -> bool {
        self.read().users.contains_key(&domain)
    }

    /// Whether another trunk proves itself by password under this user name. Costs a walk over all trunks.
    pub(super) fn proves_as(&self, username: &Username, except: TrunkId) -> bool {
        let inner = self.read();
        let mut others = inner.trunks.values().filter_map(|entry| entry.state.active());
        others.any(|other| other.id != except && other.settings.proves_as() == Some(username))
    }

    /// The account that was opened first.
    pub(super) fn oldest_account(&self) -> Option<AccountId> {
        let inner = self.read();
        inner.accounts.iter().min_by_key(|(_, entry)| entry.created_at).map(|(id, _)| *id)
    }

    /// How many accounts stand above this one, and whether it or one of them is closed; `None` where it is unknown.
    pub(super) fn standing(&self, account: AccountId) -> Option<(usize, bool)> {
        let inner = self.read();
        inner.profile(account)?;
        Some((inner.line(account).count() - 1, inner.is_closed(account)))
    }

    /// The first of these addresses that identifies another trunk of this kind: the same address anywhere, or one that
    /// overlaps it where whoever asks does not hold both accounts. An account below could else take calls of a carrier
    /// above it by naming its addresses more narrowly. Costs a walk over all trunks.
    pub(super) fn clash(
        &self,
        (account, by): (AccountId, Option<KeyId>),
        trunk: TrunkId,
        kind: TrunkKind,
        addresses: &[TrunkAddress],
    ) -> Option<TrunkAddress> {
        let inner = self.read();
        let holds = |asker: AccountId, other| inner.is_within(account, asker) && inner.is_within(other, asker);
        let others = inner.trunks.values().filter_map(|entry| entry.state.active());
        others.filter(|other| other.id != trunk && other.settings.kind == kind).find_map(|other| {
            let may = match by {
                Some(key) => inner.keys.get(&key).is_some_and(|asker| holds(*asker, other.account)),
                // The exchange itself.
                None => inner.is_within(account, other.account) || inner.is_within(other.account, account),
            };
            addresses.iter().copied().find(|address| {
                let clashes = |theirs: &TrunkAddress| theirs == address || !may && theirs.overlaps(address);
                other.settings.addresses.iter().any(clashes)
            })
        })
    }

    /// So many numbers follow: tables that grow as they come are copied again and again.
    pub(super) fn expect(&self, numbers: usize) {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        inner.numbers.reserve(numbers);
        inner.claims.reserve(numbers);
    }

    pub(super) fn apply(&self, recalls: &[Recall]) {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        for recall in recalls {
            inner.apply(recall);
        }
        drop(inner);
        let newest = recalls.iter().map(|recall| recall.event.position).max();
        self.position.send_if_modified(|position| match newest {
            Some(newest) if newest > *position => {
                *position = newest;
                true
            }
            Some(_) | None => false,
        });
    }

    /// A lock that was poisoned guards whole states still: each event is applied by plain assignments.
    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }
}
