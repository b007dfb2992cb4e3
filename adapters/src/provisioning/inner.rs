//! The directory's tables, and how events change them.

use super::directory::{Listed, Page};
use domain::account::{Account, AccountEvent, MAX_DEPTH, Profile};
use domain::credential::{Credential, CredentialEvent, Username};
use domain::decider::Aggregate;
use domain::domain_name::{Domain, DomainEvent, DomainName};
use domain::ids::{AccountId, CredentialId, DomainId, EventId, KeyId, NumberId, TrunkId};
use domain::log::{EventHash, Revision};
use domain::number::{Number, NumberEvent, PhoneNumber};
use domain::routing::{Provisioned, ProvisioningEvent};
use domain::time::WallTime;
use domain::trunk::{Trunk, TrunkEvent};
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::ops::Bound;

/// A durable event with what the hash chain and repeats need.
#[derive(Debug, Clone)]
pub(super) struct Recall {
    pub(super) event: Provisioned,
    pub(super) id: EventId,
    pub(super) hash: EventHash,
}

/// A state, and where its stream ends.
pub(super) struct Entry<A> {
    pub(super) state: A,
    last: Revision,
    hash: EventHash,
    pub(super) created_at: WallTime,
}

pub(super) type ByCreation<T> = BTreeMap<WallTime, T>;

#[derive(Default)]
pub(super) struct Inner {
    pub(super) accounts: HashMap<AccountId, Entry<Account>>,
    pub(super) numbers: HashMap<NumberId, Entry<Number>>,
    pub(super) trunks: HashMap<TrunkId, Entry<Trunk>>,
    pub(super) domains: HashMap<DomainId, Entry<Domain>>,
    pub(super) credentials: HashMap<CredentialId, Entry<Credential>>,
    pub(super) keys: HashMap<KeyId, AccountId>,
    pub(super) claims: HashMap<PhoneNumber, NumberId>,
    /// Accounts by each account they lie within, themselves included.
    pub(super) accounts_within: HashMap<AccountId, ByCreation<AccountId>>,
    pub(super) numbers_of: HashMap<AccountId, ByCreation<NumberId>>,
    pub(super) trunks_of: HashMap<AccountId, ByCreation<TrunkId>>,
    pub(super) domain_names: HashMap<DomainName, DomainId>,
    pub(super) domains_of: HashMap<AccountId, ByCreation<DomainId>>,
    pub(super) credentials_of: HashMap<AccountId, ByCreation<CredentialId>>,
    /// Credentials by domain and user.
    pub(super) users: HashMap<DomainId, HashMap<Username, CredentialId>>,
    pub(super) newest: WallTime,
}

impl<A> Entry<A> {
    pub(super) const fn end(&self) -> (Revision, EventHash) {
        (self.last, self.hash)
    }

    pub(super) fn listed<T>(&self, item: impl FnOnce(&A) -> Option<T>) -> Option<Listed<T>> {
        item(&self.state).map(|item| Listed { item, created_at: self.created_at })
    }
}

impl Inner {
    pub(super) fn profile(&self, account: AccountId) -> Option<&Profile> {
        self.accounts.get(&account)?.state.profile()
    }

    /// An account and those above it, nearest first.
    pub(super) fn line(&self, from: AccountId) -> impl Iterator<Item = &Profile> {
        let above = |profile: &&Profile| profile.parent.and_then(|parent| self.profile(parent));
        std::iter::successors(self.profile(from), above).take(MAX_DEPTH + 1)
    }

    pub(super) fn is_within(&self, account: AccountId, above: AccountId) -> bool {
        self.line(account).any(|profile| profile.id == above)
    }

    pub(super) fn is_closed(&self, account: AccountId) -> bool {
        self.line(account).any(|profile| profile.closed)
    }

    pub(super) fn apply(&mut self, recall: &Recall) {
        self.newest = self.newest.max(recall.event.at);
        match &recall.event.event {
            ProvisioningEvent::Account(event) => self.apply_account(event, recall),
            ProvisioningEvent::Number(event) => self.apply_number(event, recall),
            ProvisioningEvent::Trunk(event) => self.apply_trunk(event, recall),
            ProvisioningEvent::Domain(event) => self.apply_domain(event, recall),
            ProvisioningEvent::Credential(event) => self.apply_credential(event, recall),
        }
    }

    fn apply_account(&mut self, event: &AccountEvent, recall: &Recall) {
        let account = event.account();
        let created_at = evolve(&mut self.accounts, account, event, recall);
        match event {
            AccountEvent::Opened(_) => {
                let line: Vec<AccountId> = self.line(account).map(|profile| profile.id).collect();
                for above in line {
                    self.accounts_within.entry(above).or_default().insert(created_at, account);
                }
            }
            AccountEvent::KeyIssued(issued) => {
                self.keys.insert(issued.key, account);
            }
            AccountEvent::KeyRevoked(revoked) => {
                self.keys.remove(&revoked.key);
            }
            AccountEvent::Renamed(_) | AccountEvent::Limited(_) | AccountEvent::Closed(_) => {}
        }
    }

    fn apply_number(&mut self, event: &NumberEvent, recall: &Recall) {
        match event {
            NumberEvent::Claimed(claimed) => {
                let created_at = evolve(&mut self.numbers, claimed.id, event, recall);
                self.claims.insert(claimed.number, claimed.id);
                self.numbers_of.entry(claimed.account).or_default().insert(created_at, claimed.id);
            }
            NumberEvent::Retargeted(moved) => {
                evolve(&mut self.numbers, moved.id, event, recall);
            }
            NumberEvent::Released(released) => {
                self.claims.remove(&released.number);
                if let Some(entry) = self.numbers.remove(&released.id) {
                    forget(&mut self.numbers_of, released.account, entry.created_at);
                }
            }
        }
    }

    fn apply_trunk(&mut self, event: &TrunkEvent, recall: &Recall) {
        match event {
            TrunkEvent::Added(added) => {
                let created_at = evolve(&mut self.trunks, added.id, event, recall);
                self.trunks_of.entry(added.account).or_default().insert(created_at, added.id);
            }
            TrunkEvent::Changed(changed) => {
                evolve(&mut self.trunks, changed.id, event, recall);
            }
            TrunkEvent::Removed(removed) => {
                if let Some(entry) = self.trunks.remove(&removed.id) {
                    forget(&mut self.trunks_of, removed.account, entry.created_at);
                }
            }
        }
    }

    fn apply_domain(&mut self, event: &DomainEvent, recall: &Recall) {
        match event {
            DomainEvent::Added(added) => {
                let created_at = evolve(&mut self.domains, added.id, event, recall);
                self.domain_names.insert(added.name.clone(), added.id);
                self.domains_of.entry(added.account).or_default().insert(created_at, added.id);
            }
            DomainEvent::Changed(changed) => {
                evolve(&mut self.domains, changed.id, event, recall);
            }
            DomainEvent::Removed(removed) => {
                self.domain_names.remove(&removed.name);
                if let Some(entry) = self.domains.remove(&removed.id) {
                    forget(&mut self.domains_of, removed.account, entry.created_at);
                }
            }
        }
    }

    fn apply_credential(&mut self, event: &CredentialEvent, recall: &Recall) {
        match event {
            CredentialEvent::Added(added) => {
                let created_at = evolve(&mut self.credentials, added.id, event, recall);
                self.users.entry(added.domain).or_default().insert(added.username.clone(), added.id);
                self.credentials_of.entry(added.account).or_default().insert(created_at, added.id);
            }
            CredentialEvent::Changed(changed) => {
                evolve(&mut self.credentials, changed.id, event, recall);
            }
            CredentialEvent::Removed(removed) => {
                if let Some(users) = self.users.get_mut(&removed.domain) {
                    users.remove(&removed.username);
                    if users.is_empty() {
                        self.users.remove(&removed.domain);
                    }
                }
                if let Some(entry) = self.credentials.remove(&removed.id) {
                    forget(&mut self.credentials_of, removed.account, entry.created_at);
                }
            }
        }
    }
}

fn evolve<K: Eq + Hash, A: Aggregate>(
    entries: &mut HashMap<K, Entry<A>>,
    id: K,
    event: &A::Event,
    recall: &Recall,
) -> WallTime {
    let entry = entries.entry(id).or_insert_with(|| Entry {
        state: A::default(),
        last: recall.event.revision,
        hash: recall.hash,
        created_at: recall.event.at,
    });
    entry.state = std::mem::take(&mut entry.state).evolve(event);
    (entry.last, entry.hash) = (recall.event.revision, recall.hash);
    entry.created_at
}

fn forget<T>(of: &mut HashMap<AccountId, ByCreation<T>>, account: AccountId, created_at: WallTime) {
    if let Some(rows) = of.get_mut(&account) {
        rows.remove(&created_at);
        if rows.is_empty() {
            of.remove(&account);
        }
    }
}

/// At most `limit` rows made after `after` that `item` gives.
pub(super) fn page<K, T>(
    rows: Option<&ByCreation<K>>,
    after: Option<WallTime>,
    limit: usize,
    item: impl Fn(&K) -> Option<T>,
) -> Page<T> {
    let from = (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
    let rows = rows.into_iter().flat_map(|rows| rows.range(from));
    let mut found = rows.filter_map(|(at, key)| item(key).map(|item| Listed { item, created_at: *at }));
    let items = found.by_ref().take(limit).collect();
    Page { items, more: found.next().is_some() }
}
