//! A trunk as its history made it, and its decisions.

use super::{
    TrunkAdded, TrunkAddress, TrunkChanged, TrunkEvent, TrunkPatch, TrunkRemoved, TrunkSettings, UnusableSettings,
};
use crate::decider::Aggregate;
use crate::ids::{AccountId, KeyId, TrunkId};

/// A trunk: not there yet, there, or gone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Trunk {
    /// Nothing happened yet.
    #[default]
    Unknown,
    /// There.
    Active(ActiveTrunk),
    /// Gone.
    Removed,
}

/// A trunk that is there, switched on or off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveTrunk {
    /// Its id.
    pub id: TrunkId,
    /// Whose it is.
    pub account: AccountId,
    /// Its settings.
    pub settings: TrunkSettings,
}

/// A command to a trunk. `by` is the key that asks; none for the exchange itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrunkCommand {
    /// Add it to an account.
    Add {
        /// A fresh id.
        id: TrunkId,
        /// Whose.
        account: AccountId,
        /// Its settings.
        settings: TrunkSettings,
        /// One of its addresses that the writer knows to identify another trunk.
        clash: Option<TrunkAddress>,
        /// The writer knows that another trunk proves itself under the same user name.
        username_taken: bool,
        /// The writer knows that the account, or one above it, is closed.
        account_closed: bool,
        /// Who asks.
        by: Option<KeyId>,
    },
    /// Change some of its settings.
    Change {
        /// The changes.
        patch: Box<TrunkPatch>,
        /// One of the addresses it would have that the writer knows to identify another trunk.
        clash: Option<TrunkAddress>,
        /// The writer knows that another trunk proves itself under the user name that it would have.
        username_taken: bool,
        /// Who asks.
        by: Option<KeyId>,
    },
    /// Remove it.
    Remove {
        /// Who asks.
        by: Option<KeyId>,
    },
}

/// Why a command to a trunk was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrunkRejection {
    /// The id is in use.
    #[error("a trunk with this id exists already")]
    IdInUse,
    /// There is no such trunk, or it is gone.
    #[error("there is no such trunk")]
    Unknown,
    /// Closed accounts get nothing new.
    #[error("the account is closed: trunks can be added to open accounts only")]
    AccountClosed,
    /// Settings that cannot be used together.
    #[error(transparent)]
    Unusable(#[from] UnusableSettings),
    /// A source may identify one trunk of a kind only.
    #[error("address {0} identifies another trunk of this kind already: narrow it down or remove it there")]
    AddressTaken(TrunkAddress),
    /// A user name identifies one trunk.
    #[error("another trunk proves itself under this user name: choose another")]
    UsernameTaken,
}

impl TrunkRejection {
    /// The setting at fault, where it is one.
    pub const fn field(&self) -> Option<&'static str> {
        match self {
            Self::Unusable(unusable) => Some(unusable.field()),
            Self::AddressTaken(_) => Some("addresses"),
            Self::UsernameTaken => Some("username"),
            Self::IdInUse | Self::Unknown | Self::AccountClosed => None,
        }
    }
}

impl Trunk {
    /// The trunk, while it is there.
    pub const fn active(&self) -> Option<&ActiveTrunk> {
        match self {
            Self::Active(trunk) => Some(trunk),
            Self::Unknown | Self::Removed => None,
        }
    }
}

impl Aggregate for Trunk {
    const CATEGORY: &'static str = "trunk";
    type Command = TrunkCommand;
    type Event = TrunkEvent;
    type Rejection = TrunkRejection;

    fn decide(&self, command: TrunkCommand) -> Result<Vec<TrunkEvent>, TrunkRejection> {
        let active = || self.active().ok_or(TrunkRejection::Unknown);
        match command {
            TrunkCommand::Add { id, account, settings, clash, username_taken, account_closed, by } => {
                if *self != Self::Unknown {
                    return Err(TrunkRejection::IdInUse);
                }
                if account_closed {
                    return Err(TrunkRejection::AccountClosed);
                }
                check(&settings, clash, username_taken)?;
                Ok(vec![TrunkEvent::Added(TrunkAdded { id, account, settings, by })])
            }
            TrunkCommand::Change { patch, clash, username_taken, by } => {
                let current = active()?;
                let settings = patch.onto(&current.settings);
                if settings == current.settings {
                    return Ok(vec![]);
                }
                check(&settings, clash, username_taken)?;
                Ok(vec![TrunkEvent::Changed(TrunkChanged { id: current.id, account: current.account, settings, by })])
            }
            TrunkCommand::Remove { by } => {
                let current = active()?;
                Ok(vec![TrunkEvent::Removed(TrunkRemoved { id: current.id, account: current.account, by })])
            }
        }
    }

    fn evolve(self, event: &TrunkEvent) -> Self {
        match event {
            TrunkEvent::Added(TrunkAdded { id, account, settings, .. })
            | TrunkEvent::Changed(TrunkChanged { id, account, settings, .. }) => {
                Self::Active(ActiveTrunk { id: *id, account: *account, settings: settings.clone() })
            }
            TrunkEvent::Removed(_) => Self::Removed,
        }
    }
}

fn check(settings: &TrunkSettings, clash: Option<TrunkAddress>, username_taken: bool) -> Result<(), TrunkRejection> {
    settings.check()?;
    if username_taken {
        return Err(TrunkRejection::UsernameTaken);
    }
    clash.map_or(Ok(()), |address| Err(TrunkRejection::AddressTaken(address)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::given;

    const ID: TrunkId = TrunkId::from_bits(1);
    const ACCOUNT: AccountId = AccountId::from_bits(2);

    fn settings(priority: u16) -> TrunkSettings {
        let json = format!(r#"{{"name":"A","kind":"pbx","addresses":["192.0.2.1"],"priority":{priority}}}"#);
        serde_json::from_str(&json).unwrap()
    }

    fn added() -> TrunkEvent {
        TrunkEvent::Added(TrunkAdded { id: ID, account: ACCOUNT, settings: settings(0), by: None })
    }

    fn removed() -> TrunkEvent {
        TrunkEvent::Removed(TrunkRemoved { id: ID, account: ACCOUNT, by: None })
    }

    fn add(clash: Option<TrunkAddress>, account_closed: bool) -> TrunkCommand {
        TrunkCommand::Add {
            id: ID,
            account: ACCOUNT,
            settings: settings(0),
            clash,
            username_taken: false,
            account_closed,
            by: None,
        }
    }

    fn change(patch: TrunkPatch, clash: Option<TrunkAddress>) -> TrunkCommand {
        TrunkCommand::Change { patch: Box::new(patch), clash, username_taken: false, by: None }
    }

    fn priority(priority: u16) -> TrunkPatch {
        TrunkPatch { priority: Some(priority), ..TrunkPatch::default() }
    }

    fn addresses(addresses: &[&str]) -> TrunkPatch {
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        TrunkPatch { addresses: Some(addresses), ..TrunkPatch::default() }
    }

    #[test]
    fn a_trunk_is_added_to_an_open_account() {
        given::<Trunk>([]).when(add(None, false)).then([added()]);
        given::<Trunk>([]).when(add(None, true)).then_rejected(TrunkRejection::AccountClosed);
        given::<Trunk>([added()]).when(add(None, false)).then_rejected(TrunkRejection::IdInUse);
    }

    #[test]
    fn an_address_of_another_trunk_is_refused_when_adding_and_when_changing() {
        let clash: TrunkAddress = "192.0.2.1".parse().unwrap();
        given::<Trunk>([]).when(add(Some(clash), false)).then_rejected(TrunkRejection::AddressTaken(clash));
        given::<Trunk>([added()])
            .when(change(addresses(&["192.0.2.0/24"]), Some(clash)))
            .then_rejected(TrunkRejection::AddressTaken(clash));
    }

    #[test]
    fn a_user_name_of_another_trunk_is_refused() {
        let patch = Box::new(priority(5));
        given::<Trunk>([added()])
            .when(TrunkCommand::Change { patch, clash: None, username_taken: true, by: None })
            .then_rejected(TrunkRejection::UsernameTaken);
    }

    #[test]
    fn a_change_is_recorded_with_all_settings_and_an_empty_one_not_at_all() {
        let changed = TrunkChanged { id: ID, account: ACCOUNT, settings: settings(5), by: None };
        let trunk = given::<Trunk>([added()]);
        trunk.when(change(priority(5), None)).then([TrunkEvent::Changed(changed)]);
        trunk.when(change(priority(0), None)).then_nothing();
        trunk.when(change(addresses(&[]), None)).then_rejected(TrunkRejection::Unusable(UnusableSettings::Useless));
    }

    #[test]
    fn a_removed_trunk_obeys_nothing() {
        given::<Trunk>([added()]).when(TrunkCommand::Remove { by: None }).then([removed()]);
        let gone = given::<Trunk>([added(), removed()]);
        gone.when(TrunkCommand::Remove { by: None }).then_rejected(TrunkRejection::Unknown);
        gone.when(change(TrunkPatch::default(), None)).then_rejected(TrunkRejection::Unknown);
        gone.when(add(None, false)).then_rejected(TrunkRejection::IdInUse);
    }
}
