//! Who may have calls transferred. [X6]

use serde::{Deserialize, Serialize};

/// What the peer of a trunk, or a user of a domain, may ask for by REFER (RFC 3515).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReferRule {
    /// Nothing.
    #[default]
    Refuse,
    /// To connect the other party with numbers and users of the same account.
    Internal,
    /// Also with the world outside, by the account's carriers.
    Any,
}
