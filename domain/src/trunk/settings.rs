//! What a trunk is set to.

use super::login::{by_address, is_by_address};
use super::{HealthRule, Prefix, ReferRule, TrunkAddress, TrunkHealth, TrunkLogin, TrunkRegister};
use crate::account::Name;
use crate::credential::{AuthRule, Username};
use crate::limits::{CallLimits, ComesAgain, MaxCalls, MaxCallsPerSecond};
use crate::media::MediaSource;
use crate::number::SipTarget;
use serde::{Deserialize, Serialize};

/// Which side of the exchange a trunk is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrunkKind {
    /// Brings calls for numbers and takes calls to the world; known by address on edges of role `carrier`.
    Carrier,
    /// A customer's exchange; known by address on edges of role `public`.
    Pbx,
}

/// How a request goes that is too long for a datagram (RFC 3261 §18.1.1: longer than 1,300 bytes), where its target is
/// reached by UDP.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LargeRequests {
    /// By UDP all the same, in fragments: many carriers have no TCP.
    #[default]
    Udp,
    /// By TCP; by UDP where no connection comes about.
    Tcp,
}

/// Settings of a trunk, the same in events and in the API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrunkSettings {
    /// Its name.
    pub name: Name,
    /// Its side.
    pub kind: TrunkKind,
    /// Sources that identify it; at most [`TrunkSettings::MAX_ADDRESSES`].
    #[serde(default)]
    pub addresses: Vec<TrunkAddress>,
    /// Where calls to it go: a URI without a user, since the called number stands there; without it, it only brings
    /// calls.
    #[serde(default)]
    pub destination: Option<SipTarget>,
    /// Called numbers that it takes, by their beginning: with `+` international numbers, without it digits as dialled;
    /// an empty text takes any. At most [`TrunkSettings::MAX_PREFIXES`].
    #[serde(default)]
    pub prefixes: Vec<Prefix>,
    /// Among trunks with equally long prefixes the lowest is tried first.
    #[serde(default)]
    pub priority: u16,
    /// Which media packets are taken for the peer's.
    #[serde(default)]
    pub media_source: MediaSource,
    /// How long it may ring before the next attempt, in seconds.
    #[serde(default)]
    pub ring_timeout: RingTimeout,
    /// Switched off, it brings no calls and is chosen for none.
    #[serde(default = "enabled")]
    pub enabled: bool,
    /// What its calls must prove.
    #[serde(default = "by_address", skip_serializing_if = "is_by_address")]
    pub auth: AuthRule,
    /// Its digest, both ways.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<Box<TrunkLogin>>,
    /// The registration that we keep up for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub register: Option<Box<TrunkRegister>>,
    /// How requests to it go that are too long for a datagram.
    #[serde(default)]
    pub large_requests: LargeRequests,
    /// What its callers and callees may ask for by REFER.
    #[serde(default)]
    pub refer: ReferRule,
    /// Calls that it has at a time, in both directions together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_calls: Option<MaxCalls>,
    /// Calls that begin within any second, in both directions together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_calls_per_second: Option<MaxCallsPerSecond>,
    /// Retry-After of what is refused with 503 for load. None by default: who obeys it sends nobody's calls for so long
    /// (RFC 3261 §21.5.4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<ComesAgain>,
    /// When it counts as down.
    #[serde(default, skip_serializing_if = "TrunkHealth::is_default")]
    pub health: TrunkHealth,
}

const fn enabled() -> bool {
    true
}

/// Changes to a trunk's settings; what is `None` stays.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TrunkPatch {
    /// See [`TrunkSettings::name`].
    pub name: Option<Name>,
    /// See [`TrunkSettings::kind`].
    pub kind: Option<TrunkKind>,
    /// See [`TrunkSettings::addresses`].
    pub addresses: Option<Vec<TrunkAddress>>,
    /// See [`TrunkSettings::destination`]; `Some(None)` takes it away.
    pub destination: Option<Option<SipTarget>>,
    /// See [`TrunkSettings::prefixes`].
    pub prefixes: Option<Vec<Prefix>>,
    /// See [`TrunkSettings::priority`].
    pub priority: Option<u16>,
    /// See [`TrunkSettings::media_source`].
    pub media_source: Option<MediaSource>,
    /// See [`TrunkSettings::ring_timeout`].
    pub ring_timeout: Option<RingTimeout>,
    /// See [`TrunkSettings::enabled`].
    pub enabled: Option<bool>,
    /// See [`TrunkSettings::auth`].
    pub auth: Option<AuthRule>,
    /// See [`TrunkSettings::login`]; `Some(None)` takes it away.
    pub login: Option<Option<TrunkLogin>>,
    /// See [`TrunkSettings::register`]; `Some(None)` takes it away.
    pub register: Option<Option<TrunkRegister>>,
    /// See [`TrunkSettings::large_requests`].
    pub large_requests: Option<LargeRequests>,
    /// See [`TrunkSettings::refer`].
    pub refer: Option<ReferRule>,
    /// See [`TrunkSettings::max_calls`]; `Some(None)` takes it away.
    pub max_calls: Option<Option<MaxCalls>>,
    /// See [`TrunkSettings::max_calls_per_second`]; `Some(None)` takes it away.
    pub max_calls_per_second: Option<Option<MaxCallsPerSecond>>,
    /// See [`TrunkSettings::retry_after`]; `Some(None)` takes it away.
    pub retry_after: Option<Option<ComesAgain>>,
    /// See [`TrunkHealth::rule`].
    pub health: Option<HealthRule>,
    /// See [`TrunkHealth::interval`].
    pub health_interval: Option<u16>,
    /// See [`TrunkHealth::failures`].
    pub health_failures: Option<u32>,
}

impl TrunkPatch {
    /// The settings after the changes.
    pub fn onto(self, current: &TrunkSettings) -> TrunkSettings {
        let old = current.clone();
        TrunkSettings {
            name: self.name.unwrap_or(old.name),
            kind: self.kind.unwrap_or(old.kind),
            addresses: self.addresses.unwrap_or(old.addresses),
            destination: self.destination.unwrap_or(old.destination),
            prefixes: self.prefixes.unwrap_or(old.prefixes),
            priority: self.priority.unwrap_or(old.priority),
            media_source: self.media_source.unwrap_or(old.media_source),
            ring_timeout: self.ring_timeout.unwrap_or(old.ring_timeout),
            enabled: self.enabled.unwrap_or(old.enabled),
            auth: self.auth.unwrap_or(old.auth),
            login: self.login.map_or(old.login, |login| login.map(Box::new)),
            register: self.register.map_or(old.register, |register| register.map(Box::new)),
            large_requests: self.large_requests.unwrap_or(old.large_requests),
            refer: self.refer.unwrap_or(old.refer),
            max_calls: self.max_calls.unwrap_or(old.max_calls),
            max_calls_per_second: self.max_calls_per_second.unwrap_or(old.max_calls_per_second),
            retry_after: self.retry_after.unwrap_or(old.retry_after),
            health: TrunkHealth {
                rule: self.health.unwrap_or(old.health.rule),
                interval: self.health_interval.unwrap_or(old.health.interval),
                failures: self.health_failures.unwrap_or(old.health.failures),
            },
        }
    }
}

/// Why settings, each readable by itself, cannot be used together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnusableSettings {
    /// Too many addresses.
    #[error("a trunk has at most {} addresses", TrunkSettings::MAX_ADDRESSES)]
    TooManyAddresses,
    /// Too many prefixes.
    #[error("a trunk has at most {} prefixes", TrunkSettings::MAX_PREFIXES)]
    TooManyPrefixes,
    /// An address stands twice.
    #[error("address {0} stands twice")]
    RepeatedAddress(TrunkAddress),
    /// A prefix stands twice.
    #[error("prefix {0:?} stands twice")]
    RepeatedPrefix(String),
    /// The destination names a user.
    #[error("a trunk's destination has no user part: the called number stands there (sip:host[:port])")]
    DestinationUser,
    /// It could neither bring nor take calls.
    #[error("a trunk needs addresses that identify it or a destination for calls to it")]
    Useless,
    /// It should prove itself by a password that it has not.
    #[error("auth by password needs username and password")]
    NoLogin,
    /// The registrar names a user.
    #[error("a registrar has no user part (sip:host[:port])")]
    RegistrarUser,
    /// The address of record names none.
    #[error("an address of record has a user part (sip:user@host)")]
    AorUser,
    /// Beyond its range.
    #[error("expected 60 to 86400 seconds")]
    RegisterExpires,
    /// Beyond its range.
    #[error("expected 5 to 3600 seconds")]
    HealthInterval,
    /// Beyond its range.
    #[error("expected 1 to 100 failures in a row")]
    HealthFailures,
    /// Nothing can be asked for how it is.
    #[error("health by options needs a destination to send OPTIONS to")]
    HealthWithoutDestination,
}

impl UnusableSettings {
    /// The setting at fault.
    pub const fn field(&self) -> &'static str {
        match self {
            Self::TooManyAddresses | Self::RepeatedAddress(_) | Self::Useless => "addresses",
            Self::DestinationUser => "destination",
            Self::NoLogin => "username",
            Self::RegistrarUser => "register.registrar",
            Self::AorUser => "register.aor",
            Self::RegisterExpires => "register.expires",
            Self::HealthInterval => "health_interval",
            Self::HealthFailures => "health_failures",
            Self::HealthWithoutDestination => "health",
            Self::TooManyPrefixes | Self::RepeatedPrefix(_) => "prefixes",
        }
    }
}

impl TrunkSettings {
    /// The most addresses a trunk may have.
    pub const MAX_ADDRESSES: usize = 64;
    /// The most prefixes a trunk may have.
    pub const MAX_PREFIXES: usize = 1_000;

    /// Whether the settings can be used together.
    pub fn check(&self) -> Result<(), UnusableSettings> {
        if self.addresses.len() > Self::MAX_ADDRESSES {
            return Err(UnusableSettings::TooManyAddresses);
        }
        if self.prefixes.len() > Self::MAX_PREFIXES {
            return Err(UnusableSettings::TooManyPrefixes);
        }
        let mut seen = std::collections::HashSet::new();
        if let Some(twice) = self.addresses.iter().find(|address| !seen.insert(**address)) {
            return Err(UnusableSettings::RepeatedAddress(*twice));
        }
        let mut seen = std::collections::HashSet::new();
        if let Some(twice) = self.prefixes.iter().find(|prefix| !seen.insert(prefix.as_str())) {
            return Err(UnusableSettings::RepeatedPrefix(twice.to_string()));
        }
        if self.destination.as_ref().is_some_and(|destination| destination.user.is_some()) {
            return Err(UnusableSettings::DestinationUser);
        }
        if self.auth.uses_passwords() && self.login.is_none() {
            return Err(UnusableSettings::NoLogin);
        }
        if self.addresses.is_empty() && self.destination.is_none() && self.auth != AuthRule::Digest {
            return Err(UnusableSettings::Useless);
        }
        self.check_health()?;
        self.register.as_deref().map_or(Ok(()), check_register)
    }

    /// Its limits of calls.
    pub const fn call_limits(&self) -> CallLimits {
        CallLimits { calls: self.max_calls, per_second: self.max_calls_per_second }
    }

    fn check_health(&self) -> Result<(), UnusableSettings> {
        if !self.health.interval_fits() {
            return Err(UnusableSettings::HealthInterval);
        }
        if !self.health.failures_fit() {
            return Err(UnusableSettings::HealthFailures);
        }
        if self.health.rule == HealthRule::Options && self.destination.is_none() {
            return Err(UnusableSettings::HealthWithoutDestination);
        }
        Ok(())
    }

    /// The user name by which it identifies itself, where it does so by password.
    pub fn proves_as(&self) -> Option<&Username> {
        self.login.as_ref().filter(|_| self.auth.uses_passwords()).map(|login| &login.username)
    }
}

fn check_register(register: &TrunkRegister) -> Result<(), UnusableSettings> {
    if register.registrar.user.is_some() {
        return Err(UnusableSettings::RegistrarUser);
    }
    if register.aor.user.is_none() {
        return Err(UnusableSettings::AorUser);
    }
    if register.expires_fits() { Ok(()) } else { Err(UnusableSettings::RegisterExpires) }
}

/// How long to let ring, in seconds: 1 to 600.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct RingTimeout(u16);

/// A ring timeout outside its range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected 1 to 600 seconds")]
pub struct MalformedTimeout;

impl RingTimeout {
    /// Seconds.
    pub const fn seconds(self) -> u16 {
        self.0
    }
}

impl Default for RingTimeout {
    fn default() -> Self {
        Self(60)
    }
}

impl TryFrom<u64> for RingTimeout {
    type Error = MalformedTimeout;

    fn try_from(seconds: u64) -> Result<Self, MalformedTimeout> {
        u16::try_from(seconds).ok().filter(|s| (1..=600).contains(s)).map(Self).ok_or(MalformedTimeout)
    }
}

impl From<RingTimeout> for u64 {
    fn from(timeout: RingTimeout) -> Self {
        Self::from(timeout.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::seal::{KeyRef, SealKey};
    use crate::codec::secret::Sealed;
    use crate::credential::Password;

    fn settings() -> TrunkSettings {
        serde_json::from_str(r#"{"name":"A","kind":"pbx","addresses":["192.0.2.1"]}"#).unwrap()
    }

    #[test]
    fn what_is_not_said_has_its_default() {
        let settings = settings();
        assert_eq!((settings.priority, settings.ring_timeout.seconds(), settings.enabled), (0, 60, true));
        assert_eq!((settings.media_source, settings.destination), (MediaSource::Sdp, None));
        assert_eq!((settings.large_requests, settings.refer), (LargeRequests::Udp, ReferRule::Refuse));
    }

    #[test]
    fn a_trunk_that_proves_itself_by_password_needs_no_address() {
        let password = Sealed::seal(
            &"password".parse::<Password>().unwrap(),
            &(KeyRef(1), SealKey::from_bytes([1; 32])),
            [2; 24],
            "trunk acme",
        );
        let login = Some(Box::new(TrunkLogin { username: "acme".parse().unwrap(), password }));
        let by = |auth| TrunkSettings { auth, addresses: vec![], login: login.clone(), ..settings() };
        assert_eq!(by(AuthRule::Digest).check(), Ok(()));
        assert_eq!(by(AuthRule::Either).check(), Err(UnusableSettings::Useless));
        assert_eq!(by(AuthRule::Digest).proves_as().map(Username::as_str), Some("acme"));
        assert_eq!(by(AuthRule::Address).proves_as(), None);
        let json = serde_json::to_string(&by(AuthRule::Digest)).unwrap();
        assert!(json.contains(r#""auth":"digest","login":{"username":"acme","password":"#), "{json}");
        assert_eq!(serde_json::from_str::<TrunkSettings>(&json).unwrap(), by(AuthRule::Digest));
    }

    #[test]
    fn a_ring_timeout_outside_its_range_is_refused() {
        for (seconds, fits) in [(0, false), (1, true), (600, true), (601, false), (65_537, false)] {
            assert_eq!(RingTimeout::try_from(seconds).is_ok(), fits, "{seconds}");
        }
    }

    #[test]
    fn a_patch_changes_what_it_names_and_can_take_the_destination_away() {
        let mut old = settings();
        old.destination = Some("sip:10.0.0.1".parse().unwrap());
        let new = TrunkPatch { priority: Some(7), ..TrunkPatch::default() }.onto(&old);
        assert_eq!((new.priority, &new.destination, &new.name), (7, &old.destination, &old.name));
        assert_eq!(TrunkPatch { destination: Some(None), ..TrunkPatch::default() }.onto(&old).destination, None);
    }

    #[test]
    fn settings_that_repeat_exceed_or_do_nothing_are_unusable() {
        let check = |change: &dyn Fn(&mut TrunkSettings)| {
            let mut changed = settings();
            change(&mut changed);
            changed.check().unwrap_err()
        };
        let address =
            |n: u32| TrunkAddress::Network(super::super::Network::host(std::net::Ipv4Addr::from_bits(n).into()));
        assert_eq!(check(&|s| s.addresses.clear()), UnusableSettings::Useless);
        assert_eq!(check(&|s| s.addresses = (1..=65).map(address).collect()), UnusableSettings::TooManyAddresses);
        assert_eq!(check(&|s| s.addresses = vec![address(1); 2]), UnusableSettings::RepeatedAddress(address(1)));
        let prefix = |n: usize| n.to_string().parse::<Prefix>().unwrap();
        assert_eq!(check(&|s| s.prefixes = (0..=1_000).map(prefix).collect()), UnusableSettings::TooManyPrefixes);
        assert_eq!(check(&|s| s.prefixes = vec![prefix(1); 2]), UnusableSettings::RepeatedPrefix("1".into()));
        let user = || "sip:a@10.0.0.1".parse().ok();
        assert_eq!(check(&|s| s.destination = user()), UnusableSettings::DestinationUser);
        assert_eq!(check(&|s| s.auth = AuthRule::Both), UnusableSettings::NoLogin);
        let register = |registrar: &str, aor: &str, expires| {
            let [registrar, aor] = [registrar, aor].map(|uri| uri.parse().unwrap());
            Some(Box::new(TrunkRegister { registrar, aor, expires }))
        };
        let wrong = |registrar, aor, expires| check(&|s| s.register = register(registrar, aor, expires));
        assert_eq!(wrong("sip:u@r.example", "sip:a@r.example", 60), UnusableSettings::RegistrarUser);
        assert_eq!(wrong("sip:r.example", "sip:r.example", 60), UnusableSettings::AorUser);
        assert_eq!(wrong("sip:r.example", "sip:a@r.example", 59), UnusableSettings::RegisterExpires);
        let health = |interval, failures, rule| {
            check(&|s| {
                s.destination = None;
                s.health = TrunkHealth { rule, interval, failures };
            })
        };
        assert_eq!(health(4, 1, HealthRule::Off), UnusableSettings::HealthInterval);
        assert_eq!(health(5, 101, HealthRule::Off), UnusableSettings::HealthFailures);
        assert_eq!(health(3_600, 1, HealthRule::Options), UnusableSettings::HealthWithoutDestination);
        assert_eq!(settings().check(), Ok(()));
    }
}
