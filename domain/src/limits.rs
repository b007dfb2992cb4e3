//! Limits that accounts and trunks are set to. [T3]

use serde::{Deserialize, Serialize};
use std::fmt;
use std::num::NonZeroU32;

/// A limit from 1 to `MOST`. Where there is none, nothing is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Limit<const MOST: u32>(NonZeroU32);

/// Calls at a time: 1 to 1,000,000.
pub type MaxCalls = Limit<1_000_000>;

/// Calls that may begin within any second: 1 to 10,000.
pub type MaxCallsPerSecond = Limit<10_000>;

/// Bindings at a time: 1 to 10,000,000.
pub type MaxRegistrations = Limit<10_000_000>;

/// Seconds after which somebody may come again: 1 to 3,600.
pub type ComesAgain = Limit<3_600>;

/// A limit outside its range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected 1 to {0}, or null for none")]
pub struct MalformedLimit(u32);

impl<const MOST: u32> Limit<MOST> {
    /// The limit.
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

impl<const MOST: u32> TryFrom<u64> for Limit<MOST> {
    type Error = MalformedLimit;

    fn try_from(limit: u64) -> Result<Self, MalformedLimit> {
        let within = u32::try_from(limit).ok().filter(|limit| *limit <= MOST);
        within.and_then(NonZeroU32::new).map(Self).ok_or(MalformedLimit(MOST))
    }
}

impl<const MOST: u32> From<Limit<MOST>> for u64 {
    fn from(limit: Limit<MOST>) -> Self {
        Self::from(limit.get())
    }
}

impl<const MOST: u32> fmt::Display for Limit<MOST> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

/// Limits of calls, of a trunk or an account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CallLimits {
    /// Calls at a time.
    pub calls: Option<MaxCalls>,
    /// Calls that begin within any second.
    pub per_second: Option<MaxCallsPerSecond>,
}

impl CallLimits {
    /// Whether there are none.
    pub const fn is_none(&self) -> bool {
        self.calls.is_none() && self.per_second.is_none()
    }
}

/// A limit that is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    /// So many calls run.
    Calls(MaxCalls),
    /// So many began within the last second.
    PerSecond(MaxCallsPerSecond),
}

impl Reached {
    /// Seconds after which it makes sense to try again: a call of this second is soon over, one that runs is not.
    pub const fn retry_after(self) -> u32 {
        match self {
            Self::Calls(_) => 30,
            Self::PerSecond(_) => 1,
        }
    }
}

/// The end of a sentence: "the trunk has …".
impl fmt::Display for Reached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Calls(limit) => write!(f, "as many calls as it may have at a time, {limit}"),
            Self::PerSecond(limit) => write!(f, "begun as many calls as it may in a second, {limit}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_has_its_bounds_and_says_them() {
        for (limit, fits) in [(0, false), (1, true), (10_000, true), (10_001, false), (u64::MAX, false)] {
            assert_eq!(MaxCallsPerSecond::try_from(limit).is_ok(), fits, "{limit}");
        }
        let said = MaxCalls::try_from(0).unwrap_err().to_string();
        assert_eq!(said, "expected 1 to 1000000, or null for none");
    }
}
