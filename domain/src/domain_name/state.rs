//! A domain as its history made it, and its decisions.

use super::{
    DomainAdded, DomainChanged, DomainEvent, DomainName, DomainPatch, DomainRemoved, DomainSettings, UnusableDomain,
};
use crate::decider::Aggregate;
use crate::ids::{AccountId, DomainId, KeyId};

/// A domain: not there yet, there, or gone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Domain {
    /// Nothing happened yet.
    #[default]
    Unknown,
    /// There.
    Active(ActiveDomain),
    /// Gone.
    Removed,
}

/// A domain that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveDomain {
    /// Its id.
    pub id: DomainId,
    /// Whose it is.
    pub account: AccountId,
    /// Its name.
    pub name: DomainName,
    /// Its settings.
    pub settings: DomainSettings,
}

/// A command to a domain. `by` is the key that asks; none for the exchange itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DomainCommand {
    /// Add it to an account.
    Add {
        /// A fresh id.
        id: DomainId,
        /// Whose.
        account: AccountId,
        /// Its name.
        name: DomainName,
        /// Its settings.
        settings: DomainSettings,
        /// The writer knows that this name is somebody's.
        taken: bool,
        /// The writer knows that the account, or one above it, is closed.
        account_closed: bool,
        /// Who asks.
        by: Option<KeyId>,
    },
    /// Change some of its settings.
    Change {
        /// The changes.
        patch: Box<DomainPatch>,
        /// Who asks.
        by: Option<KeyId>,
    },
    /// Remove it.
    Remove {
        /// The writer knows that it has credentials.
        in_use: bool,
        /// Who asks.
        by: Option<KeyId>,
    },
}

/// Why a command to a domain was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DomainRejection {
    /// Names are unique in the whole exchange.
    #[error("the domain is served already: remove it first")]
    Taken,
    /// The id is in use.
    #[error("a domain with this id exists already")]
    IdInUse,
    /// There is no such domain, or it is gone.
    #[error("there is no such domain")]
    Unknown,
    /// Closed accounts get nothing new.
    #[error("the account is closed: domains can be added to open accounts only")]
    AccountClosed,
    /// Settings that cannot be used together.
    #[error(transparent)]
    Unusable(#[from] UnusableDomain),
    /// It has users.
    #[error("the domain has credentials: remove them first")]
    InUse,
}

impl DomainRejection {
    /// The field at fault, where it is one.
    pub const fn field(&self) -> Option<&'static str> {
        match self {
            Self::Unusable(unusable) => Some(unusable.field()),
            Self::Taken => Some("name"),
            Self::IdInUse | Self::Unknown | Self::AccountClosed | Self::InUse => None,
        }
    }
}

impl Domain {
    /// The domain, while it is there.
    pub const fn active(&self) -> Option<&ActiveDomain> {
        match self {
            Self::Active(domain) => Some(domain),
            Self::Unknown | Self::Removed => None,
        }
    }
}

impl Aggregate for Domain {
    const CATEGORY: &'static str = "domain";
    type Command = DomainCommand;
    type Event = DomainEvent;
    type Rejection = DomainRejection;

    fn decide(&self, command: DomainCommand) -> Result<Vec<DomainEvent>, DomainRejection> {
        let active = || self.active().cloned().ok_or(DomainRejection::Unknown);
        match command {
            DomainCommand::Add { id, account, name, settings, taken, account_closed, by } => {
                if *self != Self::Unknown {
                    return Err(DomainRejection::IdInUse);
                }
                if account_closed {
                    return Err(DomainRejection::AccountClosed);
                }
                settings.check()?;
                if taken {
                    return Err(DomainRejection::Taken);
                }
                Ok(vec![DomainEvent::Added(DomainAdded { id, account, name, settings, by })])
            }
            DomainCommand::Change { patch, by } => {
                let current = active()?;
                let settings = patch.onto(&current.settings);
                if settings == current.settings {
                    return Ok(vec![]);
                }
                settings.check()?;
                let ActiveDomain { id, account, name, .. } = current;
                Ok(vec![DomainEvent::Changed(DomainChanged { id, account, name, settings, by })])
            }
            DomainCommand::Remove { in_use, by } => {
                let ActiveDomain { id, account, name, .. } = active()?;
                if in_use {
                    return Err(DomainRejection::InUse);
                }
                Ok(vec![DomainEvent::Removed(DomainRemoved { id, account, name, by })])
            }
        }
    }

    fn evolve(self, event: &DomainEvent) -> Self {
        match event {
            DomainEvent::Added(DomainAdded { id, account, name, settings, .. })
            | DomainEvent::Changed(DomainChanged { id, account, name, settings, .. }) => Self::Active(ActiveDomain {
                id: *id,
                account: *account,
                name: name.clone(),
                settings: settings.clone(),
            }),
            DomainEvent::Removed(_) => Self::Removed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::given;

    const ID: DomainId = DomainId::from_bits(1);
    const ACCOUNT: AccountId = AccountId::from_bits(2);

    fn name() -> DomainName {
        "a.example".parse().unwrap()
    }

    fn added() -> DomainEvent {
        let settings = DomainSettings::default();
        DomainEvent::Added(DomainAdded { id: ID, account: ACCOUNT, name: name(), settings, by: None })
    }

    fn removed() -> DomainEvent {
        DomainEvent::Removed(DomainRemoved { id: ID, account: ACCOUNT, name: name(), by: None })
    }

    fn add(settings: DomainSettings, taken: bool, account_closed: bool) -> DomainCommand {
        DomainCommand::Add { id: ID, account: ACCOUNT, name: name(), settings, taken, account_closed, by: None }
    }

    fn change(patch: DomainPatch) -> DomainCommand {
        DomainCommand::Change { patch: Box::new(patch), by: None }
    }

    #[test]
    fn a_free_name_can_be_added_to_an_open_account() {
        let usual = DomainSettings::default;
        given::<Domain>([]).when(add(usual(), false, false)).then([added()]);
        given::<Domain>([]).when(add(usual(), true, false)).then_rejected(DomainRejection::Taken);
        given::<Domain>([]).when(add(usual(), false, true)).then_rejected(DomainRejection::AccountClosed);
        given::<Domain>([added()]).when(add(usual(), false, false)).then_rejected(DomainRejection::IdInUse);
        let unusable = DomainSettings { min_expires: 0, ..usual() };
        let why = DomainRejection::Unusable(UnusableDomain::MinExpires);
        given::<Domain>([]).when(add(unusable, false, false)).then_rejected(why);
    }

    #[test]
    fn a_change_is_recorded_with_all_settings_and_an_empty_one_not_at_all() {
        let patch = |max_bindings| DomainPatch { max_bindings: Some(max_bindings), ..DomainPatch::default() };
        let settings = DomainSettings { max_bindings: 2, ..DomainSettings::default() };
        let changed = DomainChanged { id: ID, account: ACCOUNT, name: name(), settings, by: None };
        let domain = given::<Domain>([added()]);
        domain.when(change(patch(2))).then([DomainEvent::Changed(changed)]);
        domain.when(change(patch(10))).then_nothing();
        let why = DomainRejection::Unusable(UnusableDomain::MaxBindings);
        domain.when(change(patch(0))).then_rejected(why);
    }

    #[test]
    fn a_domain_is_removed_after_its_credentials_and_obeys_nothing_then() {
        let remove = |in_use| DomainCommand::Remove { in_use, by: None };
        given::<Domain>([added()]).when(remove(false)).then([removed()]);
        given::<Domain>([added()]).when(remove(true)).then_rejected(DomainRejection::InUse);
        let gone = given::<Domain>([added(), removed()]);
        gone.when(remove(false)).then_rejected(DomainRejection::Unknown);
        gone.when(change(DomainPatch::default())).then_rejected(DomainRejection::Unknown);
    }
}
