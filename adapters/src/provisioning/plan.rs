//! From an order to an append: the facts that a rule may not look up are added here.

use super::order::Order;
use super::writer::{NoPlan, Plan, Writer, rejected};
use domain::account::{Account, AccountCommand, AccountRejection, ParentFacts};
use domain::credential::{Credential, CredentialCommand};
use domain::decider::Aggregate;
use domain::domain_name::{Domain, DomainCommand};
use domain::ids::{AccountId, CredentialId, DomainId, KeyId, TrunkId};
use domain::number::{Number, NumberCommand};
use domain::trunk::{Trunk, TrunkAddress, TrunkCommand, TrunkRejection, TrunkSettings};
use std::sync::Arc;

impl Writer {
    pub(super) fn plan(&mut self, order: Order) -> Result<Plan, NoPlan> {
        let directory = Arc::clone(&self.directory);
        match order {
            Order::Barrier => Err(NoPlan::Nothing),
            Order::OpenAccount { account, name, parent, key, by } => {
                let parent = parent.map(|id| self.parent(id)).transpose()?;
                let command = AccountCommand::Open { account, name, parent, key, by };
                let events = directory.with_account(account, |state| state.decide(command));
                self.append::<Account>(account.uuid(), events)
            }
            Order::Account { account, command } => {
                let events = directory.with_account(account, |state| state.decide(command));
                self.append::<Account>(account.uuid(), events)
            }
            Order::Claim { id, number, account, target, by } => {
                let account_closed = self.is_closed(account)?;
                let taken = directory.claim_of(number).is_some();
                let command = NumberCommand::Claim { id, number, account, target, taken, account_closed, by };
                let events = directory.with_number(id, |state| state.decide(command));
                self.append::<Number>(id.uuid(), events)
            }
            Order::Number { id, command } => {
                let events = directory.with_number(id, |state| state.decide(command));
                self.append::<Number>(id.uuid(), events)
            }
            Order::AddTrunk { id, account, settings, by } => {
                let account_closed = self.is_closed(account)?;
                let (clash, username_taken) = self.clash((account, by), id, &settings);
                let command = TrunkCommand::Add { id, account, settings, clash, username_taken, account_closed, by };
                self.trunk(id, command)
            }
            Order::ChangeTrunk { id, patch, by } => {
                let current = directory.trunk(id).ok_or(rejected(TrunkRejection::Unknown))?.item;
                let (clash, username_taken) =
                    self.clash((current.account, by), id, &patch.clone().onto(&current.settings));
                self.trunk(id, TrunkCommand::Change { patch, clash, username_taken, by })
            }
            Order::RemoveTrunk { id, by } => self.trunk(id, TrunkCommand::Remove { by }),
            Order::AddDomain { id, account, name, settings, by } => {
                let account_closed = self.is_closed(account)?;
                let taken = directory.domain_named(&name).is_some();
                self.domain(id, DomainCommand::Add { id, account, name, settings, taken, account_closed, by })
            }
            Order::ChangeDomain { id, patch, by } => self.domain(id, DomainCommand::Change { patch, by }),
            Order::RemoveDomain { id, by } => {
                self.domain(id, DomainCommand::Remove { in_use: directory.has_users(id), by })
            }
            Order::AddCredential { id, account, realm, username, secret, by } => {
                let account_closed = self.is_closed(account)?;
                let domain = directory.domain_named(&realm).map(|listed| listed.item);
                let domain = domain.filter(|domain| domain.account == account).map(|domain| domain.id);
                let taken = domain.is_some_and(|domain| directory.credential_of(domain, &username).is_some());
                let command =
                    CredentialCommand::Add { id, account, domain, realm, username, secret, taken, account_closed, by };
                self.credential(id, command)
            }
            Order::Credential { id, command } => self.credential(id, command),
        }
    }

    fn trunk(&mut self, id: TrunkId, command: TrunkCommand) -> Result<Plan, NoPlan> {
        let events = self.directory.with_trunk(id, |state| state.decide(command));
        self.append::<Trunk>(id.uuid(), events)
    }

    fn domain(&mut self, id: DomainId, command: DomainCommand) -> Result<Plan, NoPlan> {
        let events = self.directory.with_domain(id, |state| state.decide(command));
        self.append::<Domain>(id.uuid(), events)
    }

    fn credential(&mut self, id: CredentialId, command: CredentialCommand) -> Result<Plan, NoPlan> {
        let events = self.directory.with_credential(id, |state| state.decide(command));
        self.append::<Credential>(id.uuid(), events)
    }

    fn parent(&self, id: AccountId) -> Result<ParentFacts, NoPlan> {
        let (depth, closed) = self.directory.standing(id).ok_or(rejected(AccountRejection::NotOpen))?;
        Ok(ParentFacts { id, depth, closed })
    }

    fn is_closed(&self, account: AccountId) -> Result<bool, NoPlan> {
        let standing = self.directory.standing(account);
        standing.map(|(_, closed)| closed).ok_or(rejected(AccountRejection::NotOpen))
    }

    /// An address that identifies another trunk, and whether another proves itself under the same user name.
    fn clash(
        &self,
        of: (AccountId, Option<KeyId>),
        id: TrunkId,
        settings: &TrunkSettings,
    ) -> (Option<TrunkAddress>, bool) {
        // Too many addresses are refused anyway; until then they shall cost nothing.
        let addresses = settings.addresses.get(..TrunkSettings::MAX_ADDRESSES).unwrap_or(&settings.addresses);
        let clash = self.directory.clash(of, id, settings.kind, addresses);
        (clash, settings.proves_as().is_some_and(|username| self.directory.proves_as(username, id)))
    }
}
