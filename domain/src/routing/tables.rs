//! What routing knows, in memory, folded from provisioning events.

mod unlike;

use super::choose::destinations;
use super::domains::Domains;
use super::resolved::{HostKey, Resolved};
use super::sources::Sources;
use super::targets::{TargetIndex, Targets};
use super::{CredentialEntry, Destination, DomainEntry, Provisioned, ProvisioningEvent};
use crate::account::{AccountEvent, AccountLimits, MAX_DEPTH};
use crate::address::EdgeRole;
use crate::credential::Username;
use crate::id_map::{IdMap, IdSet};
use crate::ids::{AccountId, DomainId, NumberId, TrunkId};
use crate::log::Revision;
use crate::number::{NumberEvent, PhoneNumber, SipTarget, Target};
use crate::trunk::{Prefix, TrunkEvent, TrunkKind, TrunkSettings};
use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;

/// Routing tables. A number costs some 50 to 95 bytes (40 and the hash table's slack), its target once for all numbers
/// that share it.
#[derive(Debug, Clone, Default)]
pub struct Tables {
    accounts: Vec<AccountRow>,
    account_index: IdMap<AccountId, AccountIndex>,
    numbers: HashMap<PhoneNumber, NumberRow>,
    targets: Targets,
    trunks: IdMap<TrunkId, TrunkRow>,
    sources: Sources,
    resolved: Resolved,
    domains: Domains,
    /// Trunks that prove themselves by password, by user name.
    logins: HashMap<Username, TrunkId>,
    /// Trunks that are down, as far as the exchange found out.
    down: IdSet<TrunkId>,
}

/// An account's place; accounts are never forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AccountIndex(u32);

#[derive(Debug, Clone)]
pub(super) struct AccountRow {
    pub(super) id: AccountId,
    pub(super) revision: u64,
    parent: Option<AccountIndex>,
    /// Also until its opening was seen.
    closed: bool,
    limits: AccountLimits,
    carriers: Vec<TrunkId>,
}

/// Halves of the id instead of its 128 bits keep the row, and so the table, free of padding.
#[derive(Debug, Clone, Copy)]
pub(super) struct NumberRow {
    id: [u64; 2],
    revision: u32,
    pub(super) account: AccountIndex,
    target: TargetIndex,
}

/// A trunk as routing knows it.
#[derive(Debug, Clone)]
pub struct TrunkRow {
    /// Its id.
    pub id: TrunkId,
    /// Whose it is.
    pub account: AccountId,
    /// Its settings; a trunk that is switched off stays known, so that its calls are refused as such.
    pub settings: TrunkSettings,
    /// Revision of its last event: the version of the rule.
    pub revision: Revision,
    pub(super) owner: AccountIndex,
    /// Sorted, for binary search.
    prefixes: Vec<Prefix>,
}

impl NumberRow {
    pub(super) const fn id(&self) -> NumberId {
        NumberId::from_bits((self.id[0] as u128) << 64 | self.id[1] as u128)
    }

    pub(super) const fn revision(&self) -> u64 {
        self.revision as u64
    }
}

impl TrunkRow {
    /// The longest of its prefixes that begins `dialled`.
    pub(super) fn longest_prefix(&self, dialled: &str) -> Option<&Prefix> {
        (0..=dialled.len().min(16)).rev().find_map(|length| {
            let start = dialled.get(..length)?;
            self.prefixes.binary_search_by(|prefix| prefix.as_str().cmp(start)).ok().map(|at| &self.prefixes[at])
        })
    }
}

impl Tables {
    /// Takes the next event of some stream. Each event once, those of one stream in their order.
    pub fn apply(&mut self, provisioned: &Provisioned) {
        let revision = provisioned.revision;
        match &provisioned.event {
            ProvisioningEvent::Account(event) => self.apply_account(event, revision),
            ProvisioningEvent::Number(event) => self.apply_number(event, revision),
            ProvisioningEvent::Trunk(event) => self.apply_trunk(event, revision),
            ProvisioningEvent::Domain(event) => self.domains.apply_domain(event, revision),
            ProvisioningEvent::Credential(event) => self.domains.apply_credential(event, revision),
        }
    }

    /// Makes room for so many numbers more.
    pub fn expect_numbers(&mut self, numbers: usize) {
        self.numbers.reserve(numbers);
        self.targets.reserve(numbers);
    }

    fn apply_account(&mut self, event: &AccountEvent, revision: Revision) {
        let parent = match event {
            AccountEvent::Opened(opened) => opened.parent.map(|parent| self.place(parent)),
            _ => None,
        };
        let at = self.place(event.account());
        let row = &mut self.accounts[at.0 as usize];
        row.revision = revision.0;
        match event {
            AccountEvent::Opened(_) => (row.parent, row.closed) = (parent, false),
            AccountEvent::Closed(_) => row.closed = true,
            AccountEvent::Limited(limited) => row.limits = limited.limits,
            AccountEvent::Renamed(_) | AccountEvent::KeyIssued(_) | AccountEvent::KeyRevoked(_) => {}
        }
    }

    fn apply_number(&mut self, event: &NumberEvent, revision: Revision) {
        let (number, row) = match event {
            NumberEvent::Claimed(e) => (e.number, Some((e.id, e.account, &e.target))),
            NumberEvent::Retargeted(e) => (e.number, Some((e.id, e.account, &e.target))),
            NumberEvent::Released(e) => (e.number, None),
        };
        let old = match row {
            Some((id, account, target)) => {
                let row = NumberRow {
                    id: [(id.bits() >> 64) as u64, id.bits() as u64],
                    revision: u32::try_from(revision.0).unwrap_or(u32::MAX),
                    account: self.place(account),
                    target: self.targets.take(target),
                };
                self.numbers.insert(number, row)
            }
            None => self.numbers.remove(&number),
        };
        if let Some(old) = old {
            self.targets.give_back(old.target);
        }
    }

    fn apply_trunk(&mut self, event: &TrunkEvent, revision: Revision) {
        let (id, now) = match event {
            TrunkEvent::Added(e) => (e.id, Some((e.account, &e.settings))),
            TrunkEvent::Changed(e) => (e.id, Some((e.account, &e.settings))),
            TrunkEvent::Removed(e) => (e.id, None),
        };
        if let Some(old) = self.trunks.remove(&id) {
            for address in &old.settings.addresses {
                self.sources.remove(old.settings.kind, *address, id);
            }
            self.accounts[old.owner.0 as usize].carriers.retain(|carrier| *carrier != id);
            if let Some(username) = old.settings.proves_as().filter(|username| self.logins.get(username) == Some(&id)) {
                self.logins.remove(username);
            }
        }
        let Some((account, settings)) = now else { return };
        let owner = self.place(account);
        for address in &settings.addresses {
            self.sources.insert(settings.kind, *address, id);
        }
        if let Some(username) = settings.proves_as() {
            self.logins.insert(username.clone(), id);
        }
        if settings.kind == TrunkKind::Carrier {
            self.accounts[owner.0 as usize].carriers.push(id);
        }
        let mut prefixes = settings.prefixes.clone();
        prefixes.sort();
        let settings = settings.clone();
        self.trunks.insert(id, TrunkRow { id, account, settings, revision, owner, prefixes });
    }

    /// The place of an account that is known.
    pub(super) fn index(&self, account: AccountId) -> Option<AccountIndex> {
        self.account_index.get(&account).copied()
    }

    /// The place of an account, made where it is not known yet.
    fn place(&mut self, id: AccountId) -> AccountIndex {
        *self.account_index.entry(id).or_insert_with(|| {
            let limits = AccountLimits::default();
            self.accounts.push(AccountRow { id, revision: 0, parent: None, closed: true, limits, carriers: vec![] });
            AccountIndex(u32::try_from(self.accounts.len() - 1).unwrap_or(u32::MAX))
        })
    }

    /// The trunk that a source is, on an edge of that role; it may be switched off.
    pub fn identify(&self, source: SocketAddr, role: EdgeRole) -> Option<&TrunkRow> {
        let kind = match role {
            EdgeRole::Carrier => TrunkKind::Carrier,
            EdgeRole::Public => TrunkKind::Pbx,
        };
        self.trunks.get(&self.sources.find(kind, source)?)
    }

    /// Whether a source is a trunk, of either kind, on whichever edge.
    pub fn is_trunk(&self, source: SocketAddr) -> bool {
        [TrunkKind::Carrier, TrunkKind::Pbx].into_iter().any(|kind| self.sources.find(kind, source).is_some())
    }

    /// A trunk by its id.
    pub fn trunk(&self, id: TrunkId) -> Option<&TrunkRow> {
        self.trunks.get(&id)
    }

    /// The trunk that proves itself by password under this user name; it may be switched off.
    pub fn trunk_of_login(&self, username: &str) -> Option<&TrunkRow> {
        let username: Username = username.parse().ok()?;
        self.trunks.get(self.logins.get(&username)?)
    }

    /// The domain of this name, in any case, with or without a dot at its end.
    pub fn domain(&self, name: &str) -> Option<&DomainEntry> {
        self.domains.find(name)
    }

    /// A domain by its id.
    pub fn domain_of(&self, id: DomainId) -> Option<&DomainEntry> {
        self.domains.get(id)
    }

    /// The credential of a user of a domain.
    pub fn credential(&self, domain: &str, username: &str) -> Option<&CredentialEntry> {
        let domain = self.domains.find(domain)?;
        self.domains.credential(domain.id, username)
    }

    /// Whether an account, or one above it, is closed; so is one that is not known.
    pub fn is_closed(&self, account: AccountId) -> bool {
        self.account_index.get(&account).is_none_or(|at| self.closed(*at).is_some())
    }

    /// Whether an account is this one, or lies below it.
    pub fn is_held_by(&self, account: AccountId, above: AccountId) -> bool {
        self.accounts_above(account).any(|at| at == above)
    }

    /// An account, and those above it.
    pub fn accounts_above(&self, account: AccountId) -> impl Iterator<Item = AccountId> + '_ {
        self.index(account).into_iter().flat_map(|at| self.line(at)).map(|at| self.account(at).id)
    }

    /// What an account may have.
    pub fn account_limits(&self, account: AccountId) -> AccountLimits {
        self.index(account).map(|at| self.account(at).limits).unwrap_or_default()
    }

    /// How many numbers are claimed.
    pub fn number_count(&self) -> usize {
        self.numbers.len()
    }

    /// What the shell learned of a host; replaces what it said before. An empty list makes it unreachable.
    pub fn set_resolved(&mut self, key: HostKey, addresses: Vec<SocketAddr>) {
        self.resolved.set(key, addresses);
    }

    /// Whether calls to a trunk have a chance: found out by the exchange.
    pub fn set_down(&mut self, trunk: TrunkId, down: bool) {
        match down {
            true => self.down.insert(trunk),
            false => self.down.remove(&trunk),
        };
    }

    /// See [`Tables::set_down`].
    pub(super) fn is_down(&self, trunk: TrunkId) -> bool {
        self.down.contains(&trunk)
    }

    /// Every trunk, in no order.
    pub fn trunks(&self) -> impl Iterator<Item = &TrunkRow> {
        self.trunks.values()
    }

    /// The addresses of a host in the order to try.
    pub fn addresses_of(&self, target: &SipTarget) -> Vec<Destination> {
        destinations(self, target).collect()
    }

    /// Every host that a target or trunk names now, in order, for the shell to resolve; addresses of others are
    /// forgotten. Costs a walk over all distinct targets.
    pub fn hosts(&mut self) -> Vec<HostKey> {
        let targets = self.targets.iter().map(|Target::Sip(sip)| sip);
        let settings = || self.trunks.values().map(|trunk| &trunk.settings);
        let trunks = settings().filter_map(|settings| settings.destination.as_ref());
        let registrars = settings().filter_map(|settings| Some(&settings.register.as_deref()?.registrar));
        let trunks = trunks.chain(registrars);
        let wanted: BTreeSet<HostKey> = targets.chain(trunks).filter_map(HostKey::of).collect();
        self.resolved.retain(|key| wanted.contains(key));
        wanted.into_iter().collect()
    }

    pub(super) fn resolved(&self, host: &str, port: Option<u16>) -> &[SocketAddr] {
        self.resolved.of(host, port)
    }

    pub(super) fn number(&self, number: PhoneNumber) -> Option<&NumberRow> {
        self.numbers.get(&number)
    }

    pub(super) fn target(&self, number: &NumberRow) -> Option<&Target> {
        self.targets.get(number.target)
    }

    pub(super) fn account(&self, at: AccountIndex) -> &AccountRow {
        &self.accounts[at.0 as usize]
    }

    /// An account and those above it, nearest first.
    fn line(&self, from: AccountIndex) -> impl Iterator<Item = AccountIndex> + '_ {
        std::iter::successors(Some(from), |at| self.account(*at).parent).take(MAX_DEPTH + 1)
    }

    /// The account in this line that is closed and so closes those below.
    pub(super) fn closed(&self, from: AccountIndex) -> Option<&AccountRow> {
        self.line(from).map(|at| self.account(at)).find(|row| row.closed)
    }

    /// Whether `account` is `above` or lies below it.
    pub(super) fn is_within(&self, account: AccountIndex, above: AccountIndex) -> bool {
        self.line(account).any(|at| at == above)
    }

    /// Carrier trunks of an account and of those above it.
    pub(super) fn carriers(&self, account: AccountIndex) -> impl Iterator<Item = &TrunkRow> {
        self.line(account).flat_map(|at| &self.account(at).carriers).filter_map(|id| self.trunks.get(id))
    }
}

#[cfg(test)]
mod size {
    use super::*;

    #[test]
    fn a_number_takes_forty_bytes_beside_the_tables_slack() {
        assert_eq!(size_of::<(PhoneNumber, NumberRow)>(), 40);
    }
}
