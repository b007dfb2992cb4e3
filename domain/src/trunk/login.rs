//! How a trunk proves who it is, how we do so to it, and where we register for it.

use crate::codec::secret::Sealed;
use crate::credential::{AuthRule, Password, Username};
use crate::number::SipTarget;
use crate::ports::Keyring;
use serde::{Deserialize, Serialize};

/// User name and password of a trunk's digest, both ways: the peer answers our challenge with them, and we answer the
/// peer's. The password itself is kept, sealed: the peer's realm is not known before it challenges.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrunkLogin {
    /// The user name; among trunks that prove themselves by password each has its own.
    pub username: Username,
    /// The password, sealed for this user name.
    pub password: Sealed<Password>,
}

impl TrunkLogin {
    /// What a trunk's password is sealed for ([`Sealed::seal`]).
    pub fn place(username: &Username) -> String {
        format!("trunk {username}")
    }

    /// Opens the password, in memory; says whether it can be read now.
    pub fn open(&mut self, keyring: &dyn Keyring) -> bool {
        self.password.open(keyring, &Self::place(&self.username))
    }
}

/// A registration that we keep up at a carrier, so that its calls reach us.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrunkRegister {
    /// Where REGISTER goes: a URI without a user.
    pub registrar: SipTarget,
    /// The address of record: a URI with a user.
    pub aor: SipTarget,
    /// How long to ask for, in seconds: 60 to 86,400.
    #[serde(default = "an_hour")]
    pub expires: u32,
}

const fn an_hour() -> u32 {
    3_600
}

impl TrunkRegister {
    /// Whether `expires` is in its range.
    pub fn expires_fits(&self) -> bool {
        (60..=86_400).contains(&self.expires)
    }
}

/// Trunks were known by address alone before there was a choice; events of that time do not name it.
pub(super) const fn by_address() -> AuthRule {
    AuthRule::Address
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
pub(super) fn is_by_address(rule: &AuthRule) -> bool {
    *rule == AuthRule::Address
}
