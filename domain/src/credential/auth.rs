//! What a peer must prove.

use serde::{Deserialize, Serialize};

/// How users of a domain, or a trunk, prove who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthRule {
    /// By a password (RFC 3261 §22, RFC 8760).
    Digest,
    /// By the address that they send from.
    Address,
    /// By both.
    Both,
    /// By the address, and from elsewhere by a password.
    Either,
}

impl AuthRule {
    /// Whether addresses have a say: without any, nobody could pass, or the rule says less than it seems to.
    pub const fn uses_addresses(self) -> bool {
        match self {
            Self::Digest => false,
            Self::Address | Self::Both | Self::Either => true,
        }
    }

    /// Whether passwords have a say.
    pub const fn uses_passwords(self) -> bool {
        match self {
            Self::Address => false,
            Self::Digest | Self::Both | Self::Either => true,
        }
    }

    /// Whether this peer still must answer a challenge, when its address is one of those named, or not. `None` where
    /// no password would help.
    pub const fn asks_password(self, address_known: bool) -> Option<bool> {
        match (self, address_known) {
            (Self::Digest, _) | (Self::Both, true) | (Self::Either, false) => Some(true),
            (Self::Address | Self::Either, true) => Some(false),
            (Self::Address | Self::Both, false) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_asks_for_what_its_name_says() {
        for (rule, known, unknown) in [
            (AuthRule::Digest, Some(true), Some(true)),
            (AuthRule::Address, Some(false), None),
            (AuthRule::Both, Some(true), None),
            (AuthRule::Either, Some(false), Some(true)),
        ] {
            assert_eq!((rule.asks_password(true), rule.asks_password(false)), (known, unknown), "{rule:?}");
        }
    }
}
