//! What a domain is set to.

use crate::credential::AuthRule;
use crate::sip::digest::Algorithm;
use crate::trunk::{ReferRule, TrunkAddress};
use serde::{Deserialize, Serialize};

/// In what order the devices of a user ring that gave themselves the same priority (`q`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Hunt {
    /// All at once.
    #[default]
    Parallel,
    /// One after the other, the newest first.
    Sequential,
}

/// Settings of a domain, the same in events and in the API. Times are in seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DomainSettings {
    /// A shorter registration is refused with 423: 1 to 3,600 (RFC 3261 §10.3: an hour is never too brief).
    pub min_expires: u32,
    /// A longer registration is shortened: at most 604,800.
    pub max_expires: u32,
    /// How long a registration holds that names no time.
    pub default_expires: u32,
    /// The most devices that one user registers at a time: 1 to 100.
    pub max_bindings: u16,
    /// In what order devices of the same priority ring.
    pub hunt: Hunt,
    /// How its users prove who they are.
    pub auth: AuthRule,
    /// Sources that the rule `auth` knows; at most [`DomainSettings::MAX_ADDRESSES`].
    pub addresses: Vec<TrunkAddress>,
    /// What its users may ask for by REFER; where it says nothing: [`DomainSettings::refer_rule`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refer: Option<ReferRule>,
    /// What its users are asked to prove their passwords by, the first choice first (RFC 8760 §2.3); where it says
    /// nothing: what all are asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<Vec<Algorithm>>,
}

impl Default for DomainSettings {
    fn default() -> Self {
        Self {
            min_expires: 60,
            max_expires: 7_200,
            default_expires: 3_600,
            max_bindings: 10,
            hunt: Hunt::Parallel,
            auth: AuthRule::Digest,
            addresses: vec![],
            refer: None,
            digest: None,
        }
    }
}

/// Changes to a domain's settings; what is `None` stays.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DomainPatch {
    /// See [`DomainSettings::min_expires`].
    pub min_expires: Option<u32>,
    /// See [`DomainSettings::max_expires`].
    pub max_expires: Option<u32>,
    /// See [`DomainSettings::default_expires`].
    pub default_expires: Option<u32>,
    /// See [`DomainSettings::max_bindings`].
    pub max_bindings: Option<u16>,
    /// See [`DomainSettings::hunt`].
    pub hunt: Option<Hunt>,
    /// See [`DomainSettings::auth`].
    pub auth: Option<AuthRule>,
    /// See [`DomainSettings::addresses`].
    pub addresses: Option<Vec<TrunkAddress>>,
    /// See [`DomainSettings::refer`]; `Some(None)` takes it back.
    pub refer: Option<Option<ReferRule>>,
    /// See [`DomainSettings::digest`]; `Some(None)` takes it back.
    pub digest: Option<Option<Vec<Algorithm>>>,
}

impl DomainPatch {
    /// The settings after the changes.
    pub fn onto(self, current: &DomainSettings) -> DomainSettings {
        let old = current.clone();
        DomainSettings {
            min_expires: self.min_expires.unwrap_or(old.min_expires),
            max_expires: self.max_expires.unwrap_or(old.max_expires),
            default_expires: self.default_expires.unwrap_or(old.default_expires),
            max_bindings: self.max_bindings.unwrap_or(old.max_bindings),
            hunt: self.hunt.unwrap_or(old.hunt),
            auth: self.auth.unwrap_or(old.auth),
            addresses: self.addresses.unwrap_or(old.addresses),
            refer: self.refer.unwrap_or(old.refer),
            digest: self.digest.unwrap_or(old.digest),
        }
    }
}

/// Why settings, each readable by itself, cannot be used together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnusableDomain {
    /// Beyond its range.
    #[error("expected 1 to 3600 seconds")]
    MinExpires,
    /// Beyond its range.
    #[error("expected at least min_expires and at most 604800 seconds")]
    MaxExpires,
    /// Not between the two.
    #[error("expected no less than min_expires and no more than max_expires")]
    DefaultExpires,
    /// Beyond its range.
    #[error("expected 1 to 100 devices")]
    MaxBindings,
    /// Too many addresses.
    #[error("a domain has at most {} addresses", DomainSettings::MAX_ADDRESSES)]
    TooManyAddresses,
    /// An address stands twice.
    #[error("address {0} stands twice")]
    RepeatedAddress(TrunkAddress),
    /// The rule needs addresses.
    #[error("auth by address needs addresses")]
    NoAddresses,
    /// No choice of algorithms.
    #[error("expected one or more of SHA-256, SHA-512-256 and MD5, each once")]
    Digest,
}

impl UnusableDomain {
    /// The setting at fault.
    pub const fn field(&self) -> &'static str {
        match self {
            Self::MinExpires => "min_expires",
            Self::MaxExpires => "max_expires",
            Self::DefaultExpires => "default_expires",
            Self::MaxBindings => "max_bindings",
            Self::Digest => "digest",
            Self::TooManyAddresses | Self::RepeatedAddress(_) | Self::NoAddresses => "addresses",
        }
    }
}

impl DomainSettings {
    /// The most addresses a domain may have.
    pub const MAX_ADDRESSES: usize = 64;

    /// Whether the settings can be used together.
    pub fn check(&self) -> Result<(), UnusableDomain> {
        if !(1..=3_600).contains(&self.min_expires) {
            return Err(UnusableDomain::MinExpires);
        }
        if !(self.min_expires..=604_800).contains(&self.max_expires) {
            return Err(UnusableDomain::MaxExpires);
        }
        if !(self.min_expires..=self.max_expires).contains(&self.default_expires) {
            return Err(UnusableDomain::DefaultExpires);
        }
        if !(1..=100).contains(&self.max_bindings) {
            return Err(UnusableDomain::MaxBindings);
        }
        if self.addresses.len() > Self::MAX_ADDRESSES {
            return Err(UnusableDomain::TooManyAddresses);
        }
        let mut seen = std::collections::HashSet::new();
        if let Some(twice) = self.addresses.iter().find(|address| !seen.insert(**address)) {
            return Err(UnusableDomain::RepeatedAddress(*twice));
        }
        if self.auth.uses_addresses() && self.addresses.is_empty() {
            return Err(UnusableDomain::NoAddresses);
        }
        if self.digest.as_ref().is_some_and(|all| !Algorithm::is_choice(all)) {
            return Err(UnusableDomain::Digest);
        }
        Ok(())
    }

    /// What its users may ask for by REFER: what is set, or else to stay within the account where all of them prove
    /// themselves by password, and nothing where an address alone may vouch for them.
    pub fn refer_rule(&self) -> ReferRule {
        self.refer.unwrap_or(match self.auth {
            AuthRule::Digest | AuthRule::Both => ReferRule::Internal,
            AuthRule::Address | AuthRule::Either => ReferRule::Refuse,
        })
    }

    /// Whether a source is one of its addresses.
    pub fn knows(&self, source: std::net::SocketAddr) -> bool {
        self.addresses.iter().any(|address| address.covers(source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_has_its_default() {
        let settings: DomainSettings = serde_json::from_str("{}").unwrap();
        assert_eq!(settings, DomainSettings::default());
        assert_eq!(settings.check(), Ok(()));
    }

    #[test]
    fn users_that_prove_themselves_by_password_may_transfer_inside_unless_something_is_set() {
        let rule = |auth, refer| DomainSettings { auth, refer, ..DomainSettings::default() }.refer_rule();
        assert_eq!([AuthRule::Digest, AuthRule::Both].map(|auth| rule(auth, None)), [ReferRule::Internal; 2]);
        assert_eq!([AuthRule::Address, AuthRule::Either].map(|auth| rule(auth, None)), [ReferRule::Refuse; 2]);
        assert_eq!(rule(AuthRule::Digest, Some(ReferRule::Refuse)), ReferRule::Refuse);
        assert_eq!(rule(AuthRule::Address, Some(ReferRule::Any)), ReferRule::Any);
    }

    #[test]
    fn settings_that_contradict_each_other_are_unusable() {
        let check = |change: &dyn Fn(&mut DomainSettings)| {
            let mut changed = DomainSettings::default();
            change(&mut changed);
            changed.check().unwrap_err()
        };
        let address = |n: u32| format!("192.0.{}.{}", n / 256, n % 256).parse::<TrunkAddress>().unwrap();
        assert_eq!(check(&|s| s.min_expires = 0), UnusableDomain::MinExpires);
        assert_eq!(check(&|s| s.min_expires = 3_601), UnusableDomain::MinExpires);
        assert_eq!(check(&|s| s.max_expires = 59), UnusableDomain::MaxExpires);
        assert_eq!(check(&|s| s.max_expires = 604_801), UnusableDomain::MaxExpires);
        assert_eq!(check(&|s| s.default_expires = 7_201), UnusableDomain::DefaultExpires);
        assert_eq!(check(&|s| s.max_bindings = 0), UnusableDomain::MaxBindings);
        assert_eq!(check(&|s| s.max_bindings = 101), UnusableDomain::MaxBindings);
        assert_eq!(check(&|s| s.addresses = (1..=65).map(address).collect()), UnusableDomain::TooManyAddresses);
        assert_eq!(check(&|s| s.addresses = vec![address(1); 2]), UnusableDomain::RepeatedAddress(address(1)));
        assert_eq!(check(&|s| s.auth = AuthRule::Either), UnusableDomain::NoAddresses);
        assert_eq!(check(&|s| s.digest = Some(vec![])), UnusableDomain::Digest);
        assert_eq!(check(&|s| s.digest = Some(vec![Algorithm::Md5; 2])), UnusableDomain::Digest);
    }

    #[test]
    fn a_source_is_known_by_network_and_by_socket() {
        let addresses = ["192.0.2.0/24", "198.51.100.7:5060"].map(|text| text.parse().unwrap()).to_vec();
        let settings = DomainSettings { addresses, ..DomainSettings::default() };
        for (source, known) in [
            ("192.0.2.9:1024", true),
            ("[::ffff:192.0.2.9]:1024", true),
            ("192.0.3.9:1024", false),
            ("198.51.100.7:5060", true),
            ("198.51.100.7:5061", false),
        ] {
            assert_eq!(settings.knows(source.parse().unwrap()), known, "{source}");
        }
    }
}
