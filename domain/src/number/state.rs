//! One claim of a number, from claiming to release.

use super::{NumberClaimed, NumberEvent, NumberReleased, NumberRetargeted, PhoneNumber, Target};
use crate::decider::Aggregate;
use crate::ids::{AccountId, KeyId, NumberId};

/// A claim: not made yet, in force, or over.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Number {
    /// Nothing happened yet.
    #[default]
    Unclaimed,
    /// In force.
    Claimed(Claim),
    /// Over.
    Released,
}

/// A claim in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Its id.
    pub id: NumberId,
    /// The number.
    pub number: PhoneNumber,
    /// Whose it is.
    pub account: AccountId,
    /// Where its calls go.
    pub target: Target,
}

/// A command to a number. `by` is the key that asks; none for the exchange itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NumberCommand {
    /// Claim it for an account.
    Claim {
        /// A fresh id.
        id: NumberId,
        /// The number.
        number: PhoneNumber,
        /// For whom.
        account: AccountId,
        /// Where its calls go.
        target: Target,
        /// The writer knows that another claim of this number is in force.
        taken: bool,
        /// The writer knows that the account, or one above it, is closed.
        account_closed: bool,
        /// Who asks.
        by: Option<KeyId>,
    },
    /// Send its calls elsewhere.
    Retarget {
        /// Where.
        target: Target,
        /// Who asks.
        by: Option<KeyId>,
    },
    /// Give it up.
    Release {
        /// Who asks.
        by: Option<KeyId>,
    },
}

/// Why a command to a number was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NumberRejection {
    /// Numbers are unique in the whole exchange.
    #[error("the number is claimed already: release it first")]
    Taken,
    /// The id is in use.
    #[error("a claim with this id exists already")]
    IdInUse,
    /// There is no such claim, or it is over.
    #[error("there is no such number")]
    NotClaimed,
    /// Closed accounts get nothing new.
    #[error("the account is closed: numbers can be claimed for open accounts only")]
    AccountClosed,
}

impl Number {
    /// The claim, while in force.
    pub const fn claim(&self) -> Option<&Claim> {
        match self {
            Self::Claimed(claim) => Some(claim),
            Self::Unclaimed | Self::Released => None,
        }
    }
}

impl Aggregate for Number {
    const CATEGORY: &'static str = "number";
    type Command = NumberCommand;
    type Event = NumberEvent;
    type Rejection = NumberRejection;

    fn decide(&self, command: NumberCommand) -> Result<Vec<NumberEvent>, NumberRejection> {
        let claim = || self.claim().ok_or(NumberRejection::NotClaimed);
        match command {
            NumberCommand::Claim { id, number, account, target, taken, account_closed, by } => {
                if *self != Self::Unclaimed {
                    return Err(NumberRejection::IdInUse);
                }
                if account_closed {
                    return Err(NumberRejection::AccountClosed);
                }
                if taken {
                    return Err(NumberRejection::Taken);
                }
                Ok(vec![NumberEvent::Claimed(NumberClaimed { id, number, account, target, by })])
            }
            NumberCommand::Retarget { target, by } => {
                let &Claim { id, number, account, target: ref current } = claim()?;
                if *current == target {
                    return Ok(vec![]);
                }
                Ok(vec![NumberEvent::Retargeted(NumberRetargeted { id, number, account, target, by })])
            }
            NumberCommand::Release { by } => {
                let &Claim { id, number, account, .. } = claim()?;
                Ok(vec![NumberEvent::Released(NumberReleased { id, number, account, by })])
            }
        }
    }

    fn evolve(self, event: &NumberEvent) -> Self {
        match event {
            NumberEvent::Claimed(NumberClaimed { id, number, account, target, .. })
            | NumberEvent::Retargeted(NumberRetargeted { id, number, account, target, .. }) => {
                Self::Claimed(Claim { id: *id, number: *number, account: *account, target: target.clone() })
            }
            NumberEvent::Released(_) => Self::Released,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::given;

    const ID: NumberId = NumberId::from_bits(1);
    const ACCOUNT: AccountId = AccountId::from_bits(2);

    fn number() -> PhoneNumber {
        "+15550000001".parse().unwrap()
    }

    fn target(uri: &str) -> Target {
        Target::Sip(uri.parse().unwrap())
    }

    fn claim(taken: bool, account_closed: bool) -> NumberCommand {
        let target = target("sip:10.0.0.1");
        NumberCommand::Claim { id: ID, number: number(), account: ACCOUNT, target, taken, account_closed, by: None }
    }

    fn claimed() -> NumberEvent {
        let target = target("sip:10.0.0.1");
        NumberEvent::Claimed(NumberClaimed { id: ID, number: number(), account: ACCOUNT, target, by: None })
    }

    fn released() -> NumberEvent {
        NumberEvent::Released(NumberReleased { id: ID, number: number(), account: ACCOUNT, by: None })
    }

    #[test]
    fn a_free_number_can_be_claimed() {
        given::<Number>([]).when(claim(false, false)).then([claimed()]);
    }

    #[test]
    fn a_number_cannot_be_claimed_twice_nor_for_a_closed_account() {
        given::<Number>([]).when(claim(true, false)).then_rejected(NumberRejection::Taken);
        given::<Number>([]).when(claim(false, true)).then_rejected(NumberRejection::AccountClosed);
        given::<Number>([claimed()]).when(claim(false, false)).then_rejected(NumberRejection::IdInUse);
    }

    #[test]
    fn a_claimed_number_can_be_sent_elsewhere() {
        let moved = target("sip:10.0.0.2");
        let retarget = |target| NumberCommand::Retarget { target, by: None };
        let event = NumberRetargeted { id: ID, number: number(), account: ACCOUNT, target: moved.clone(), by: None };
        given::<Number>([claimed()]).when(retarget(moved.clone())).then([NumberEvent::Retargeted(event.clone())]);
        given::<Number>([claimed(), NumberEvent::Retargeted(event)]).when(retarget(moved)).then_nothing();
    }

    #[test]
    fn a_released_number_obeys_nothing() {
        let over = given::<Number>([claimed(), released()]);
        over.when(NumberCommand::Release { by: None }).then_rejected(NumberRejection::NotClaimed);
        over.when(claim(false, false)).then_rejected(NumberRejection::IdInUse);
        given::<Number>([claimed()]).when(NumberCommand::Release { by: None }).then([released()]);
    }
}
