//! Tables held one against the other: for tests.

use super::{AccountIndex, Tables};
use crate::account::AccountLimits;
use crate::ids::{AccountId, NumberId, TrunkId};
use crate::number::{PhoneNumber, Target};
use crate::trunk::TrunkSettings;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What an account is, wherever its row stands.
type Account = (u64, Option<AccountId>, bool, AccountLimits, BTreeSet<TrunkId>);

/// What a number is.
type Number = (NumberId, u64, AccountId, Option<Target>);

impl Tables {
    /// In what these differ from others, beside what was found out about hosts and trunks: nothing where both took the same
    /// settings, in whatever order of streams.
    #[doc(hidden)]
    pub fn unlike(&self, other: &Self) -> Vec<&'static str> {
        let same = [
            ("accounts", self.accounts_shown() == other.accounts_shown()),
            ("numbers", self.numbers_shown() == other.numbers_shown()),
            ("trunks", self.trunks_shown() == other.trunks_shown()),
            ("sources", self.sources == other.sources),
            ("logins", self.logins == other.logins),
            ("domains and users", self.domains == other.domains),
        ];
        same.into_iter().filter(|(_, same)| !same).map(|(what, _)| what).collect()
    }

    fn id_at(&self, at: AccountIndex) -> AccountId {
        self.account(at).id
    }

    fn accounts_shown(&self) -> BTreeMap<AccountId, Account> {
        let shown = self.accounts.iter().map(|row| {
            let parent = row.parent.map(|at| self.id_at(at));
            (row.id, (row.revision, parent, row.closed, row.limits, row.carriers.iter().copied().collect()))
        });
        shown.collect()
    }

    fn numbers_shown(&self) -> HashMap<PhoneNumber, Number> {
        let shown = self.numbers.iter().map(|(number, row)| {
            let target = self.target(row).cloned();
            (*number, (row.id(), row.revision(), self.id_at(row.account), target))
        });
        shown.collect()
    }

    fn trunks_shown(&self) -> BTreeMap<TrunkId, (AccountId, u64, &TrunkSettings)> {
        self.trunks.values().map(|row| (row.id, (row.account, row.revision.0, &row.settings))).collect()
    }
}
