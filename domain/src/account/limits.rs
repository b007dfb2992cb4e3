//! Limits of an account. [T3]

use crate::limits::{CallLimits, MaxCalls, MaxCallsPerSecond, MaxRegistrations};
use serde::{Deserialize, Serialize};

/// What an account and those below it may have together. Where nothing is said, there is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AccountLimits {
    /// Calls at a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_calls: Option<MaxCalls>,
    /// Calls that begin within any second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_calls_per_second: Option<MaxCallsPerSecond>,
    /// Bindings of users of its own domains at a time. Those that are not durable yet are not counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_registrations: Option<MaxRegistrations>,
}

/// Changes to an account's limits; what is `None` stays, `Some(None)` takes a limit away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LimitsPatch {
    /// See [`AccountLimits::max_calls`].
    pub max_calls: Option<Option<MaxCalls>>,
    /// See [`AccountLimits::max_calls_per_second`].
    pub max_calls_per_second: Option<Option<MaxCallsPerSecond>>,
    /// See [`AccountLimits::max_registrations`].
    pub max_registrations: Option<Option<MaxRegistrations>>,
}

impl AccountLimits {
    /// Those of calls.
    pub const fn call_limits(&self) -> CallLimits {
        CallLimits { calls: self.max_calls, per_second: self.max_calls_per_second }
    }
}

impl LimitsPatch {
    /// Whether it changes nothing.
    pub const fn is_empty(&self) -> bool {
        self.max_calls.is_none() && self.max_calls_per_second.is_none() && self.max_registrations.is_none()
    }

    /// The limits after the changes.
    pub fn onto(self, current: AccountLimits) -> AccountLimits {
        AccountLimits {
            max_calls: self.max_calls.unwrap_or(current.max_calls),
            max_calls_per_second: self.max_calls_per_second.unwrap_or(current.max_calls_per_second),
            max_registrations: self.max_registrations.unwrap_or(current.max_registrations),
        }
    }
}
