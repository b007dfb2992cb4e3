//! A trunk as clients write and read it.

use crate::error::ApiError;
use crate::extract::null_is_a_value;
use adapters::provisioning::{Listed, Unavailable};
use domain::account::Name;
use domain::credential::{AuthRule, Password, Username};
use domain::ids::{AccountId, TrunkId};
use domain::limits::{ComesAgain, MaxCalls, MaxCallsPerSecond};
use domain::media::MediaSource;
use domain::number::SipTarget;
use domain::trunk::{
    ActiveTrunk, HealthRule, LargeRequests, Prefix, ReferRule, RingTimeout, TrunkAddress, TrunkHealth, TrunkKind,
    TrunkLogin, TrunkPatch, TrunkRegister, TrunkSettings,
};
use domain::uplink::Standing;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A trunk to add.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTrunk {
    /// Its name: 1 to 100 characters.
    #[schema(value_type = String, example = "Carrier one")]
    name: Name,
    /// `carrier` brings calls for numbers and takes calls to the world; `pbx` is a customer's exchange.
    #[schema(value_type = String, pattern = "^(carrier|pbx)$")]
    kind: TrunkKind,
    /// Sources that identify it: `ip`, `ip:port` or `network/length`. Exact sockets win, then longer networks.
    #[serde(default)]
    #[schema(value_type = Vec<String>, example = json!(["192.0.2.0/24", "198.51.100.7:5060"]))]
    addresses: Vec<TrunkAddress>,
    /// Where calls to it go: `sip:host[:port][;transport=tcp]`. Without it, it only brings calls.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "sip:192.0.2.1:5060")]
    destination: Option<SipTarget>,
    /// Beginnings of called numbers that it takes: with `+` international numbers, without it digits as dialled; an
    /// empty text takes any.
    #[serde(default)]
    #[schema(value_type = Vec<String>, example = json!(["+1"]))]
    prefixes: Vec<Prefix>,
    /// Among trunks with equally long prefixes the lowest is tried first.
    #[serde(default)]
    priority: u16,
    /// `sdp`: media comes from the address in its SDP; `latch`: from wherever its first packet comes.
    #[serde(default)]
    #[schema(value_type = String, pattern = "^(sdp|latch)$", default = "sdp")]
    media_source: MediaSource,
    /// Seconds that it may ring before the next attempt: 1 to 600.
    #[serde(default)]
    #[schema(value_type = u16, minimum = 1, maximum = 600, default = 60)]
    ring_timeout: RingTimeout,
    /// Switched off, it brings no calls and is chosen for none.
    #[serde(default = "yes")]
    #[schema(default = true)]
    enabled: bool,
    /// Its calls prove themselves by `digest`, by `address`, by `both`, or by `either` of them.
    #[serde(default = "by_address")]
    #[schema(value_type = String, pattern = "^(digest|address|both|either)$", default = "address")]
    auth: AuthRule,
    /// User name of its digest: it answers our challenge with it, and we answer its own.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    username: Option<Username>,
    /// Password of its digest: 6 to 128 characters. Never shown.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Password)]
    password: Option<Password>,
    /// A registration that we keep up for it.
    #[serde(default)]
    register: Option<Register>,
    /// Requests of more than 1,300 bytes to a destination by UDP: `udp` sends them in fragments, `tcp` over a connection.
    #[serde(default)]
    #[schema(value_type = String, pattern = "^(udp|tcp)$", default = "udp")]
    large_requests: LargeRequests,
    /// What its side of a call may have transferred by REFER: `refuse` nothing, `internal` to numbers and users of the
    /// account, `any` also out by the account's carriers.
    #[serde(default)]
    #[schema(value_type = String, pattern = "^(refuse|internal|any)$", default = "refuse")]
    refer: ReferRule,
    /// Calls that it has at a time, in both directions together: 1 to 1000000. Without it there is no limit.
    #[serde(default)]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 1_000_000)]
    max_calls: Option<MaxCalls>,
    /// Calls that begin within any second, in both directions together: 1 to 10000. Without it there is no limit.
    #[serde(default)]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 10_000)]
    max_calls_per_second: Option<MaxCallsPerSecond>,
    /// Seconds of the `Retry-After` that its requests get when they are refused with 503 for load, or while we start: 1 to
    /// 3600. Without it there is none: who obeys it sends no calls at all for so long.
    #[serde(default)]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 3_600)]
    retry_after: Option<ComesAgain>,
    /// What tells whether calls to it have a chance: `off` nothing, `failures` what calls meet there (no answer, 503),
    /// `options` also OPTIONS every so often. Others are tried instead of one that is down.
    #[serde(default)]
    #[schema(value_type = String, pattern = "^(off|failures|options)$", default = "off")]
    health: HealthRule,
    /// Seconds between two OPTIONS: 5 to 3600.
    #[serde(default = "half_a_minute")]
    #[schema(minimum = 5, maximum = 3_600, default = 30)]
    health_interval: u16,
    /// It is down after so many failures in a row: 1 to 100. A 503 with `Retry-After` counts at once.
    #[serde(default = "three")]
    #[schema(minimum = 1, maximum = 100, default = 3)]
    health_failures: u32,
}

const fn half_a_minute() -> u16 {
    30
}

const fn three() -> u32 {
    3
}

/// A registration that we keep up at a carrier, so that its calls reach us.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Register {
    /// Where it is sent: `sip:host[:port]`.
    #[schema(value_type = String, example = "sip:carrier.example")]
    registrar: SipTarget,
    /// The address of record: `sip:user@host`.
    #[schema(value_type = String, example = "sip:acme@carrier.example")]
    aor: SipTarget,
    /// How long to ask for: 60 to 86400 seconds.
    #[serde(default = "an_hour")]
    #[schema(minimum = 60, maximum = 86_400, default = 3600)]
    expires: u32,
}

const fn an_hour() -> u32 {
    3_600
}

const fn by_address() -> AuthRule {
    AuthRule::Address
}

impl From<Register> for TrunkRegister {
    fn from(Register { registrar, aor, expires }: Register) -> Self {
        Self { registrar, aor, expires }
    }
}

impl From<TrunkRegister> for Register {
    fn from(TrunkRegister { registrar, aor, expires }: TrunkRegister) -> Self {
        Self { registrar, aor, expires }
    }
}

/// Who seals a password: an account's key.
pub(super) type Seal<'a> = &'a dyn Fn(Username, &Password) -> Result<TrunkLogin, Unavailable>;

const fn yes() -> bool {
    true
}

impl NewTrunk {
    /// The settings, with the password sealed.
    pub(super) fn settings(self, seal: Seal<'_>) -> Result<TrunkSettings, ApiError> {
        let login = match (self.username, self.password) {
            (None, None) => None,
            (Some(username), Some(password)) => Some(seal(username, &password)?),
            (None, Some(_)) => return Err(ApiError::invalid("username", "a password needs a user name")),
            (Some(_), None) => return Err(ApiError::invalid("password", "a user name needs a password")),
        };
        Ok(TrunkSettings {
            name: self.name,
            kind: self.kind,
            addresses: self.addresses,
            destination: self.destination,
            prefixes: self.prefixes,
            priority: self.priority,
            media_source: self.media_source,
            ring_timeout: self.ring_timeout,
            enabled: self.enabled,
            auth: self.auth,
            large_requests: self.large_requests,
            refer: self.refer,
            max_calls: self.max_calls,
            max_calls_per_second: self.max_calls_per_second,
            retry_after: self.retry_after,
            health: TrunkHealth { rule: self.health, interval: self.health_interval, failures: self.health_failures },
            login: login.map(Box::new),
            register: self.register.map(|register| Box::new(register.into())),
        })
    }
}

/// Changes to a trunk; what is absent stays. Fields as in a new trunk.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TrunkChanges {
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    name: Option<Name>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    kind: Option<TrunkKind>,
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>)]
    addresses: Option<Vec<TrunkAddress>>,
    /// `null` takes it away.
    #[serde(default, deserialize_with = "null_is_a_value")]
    #[schema(value_type = Option<String>)]
    destination: Option<Option<SipTarget>>,
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>)]
    prefixes: Option<Vec<Prefix>>,
    #[serde(default)]
    priority: Option<u16>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    media_source: Option<MediaSource>,
    #[serde(default)]
    #[schema(value_type = Option<u16>)]
    ring_timeout: Option<RingTimeout>,
    #[serde(default)]
    enabled: Option<bool>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    large_requests: Option<LargeRequests>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    refer: Option<ReferRule>,
    /// `null` takes it away.
    #[serde(default, deserialize_with = "null_is_a_value")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 1_000_000)]
    max_calls: Option<Option<MaxCalls>>,
    /// `null` takes it away.
    #[serde(default, deserialize_with = "null_is_a_value")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 10_000)]
    max_calls_per_second: Option<Option<MaxCallsPerSecond>>,
    /// `null` takes it away.
    #[serde(default, deserialize_with = "null_is_a_value")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 3_600)]
    retry_after: Option<Option<ComesAgain>>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    auth: Option<AuthRule>,
    /// `null` takes user name and password away; another one needs the password along.
    #[serde(default, deserialize_with = "null_is_a_value")]
    #[schema(value_type = Option<String>)]
    username: Option<Option<Username>>,
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Password)]
    password: Option<Password>,
    /// `null` takes it away.
    #[serde(default, deserialize_with = "null_is_a_value")]
    #[schema(value_type = Option<Register>)]
    register: Option<Option<Register>>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    health: Option<HealthRule>,
    #[serde(default)]
    health_interval: Option<u16>,
    #[serde(default)]
    health_failures: Option<u32>,
}

impl TrunkChanges {
    /// The changes to a trunk that has this user name now, with the password sealed.
    pub(super) fn patch(self, current: Option<&Username>, seal: Seal<'_>) -> Result<TrunkPatch, ApiError> {
        let same = |username: &Username| current == Some(username);
        let login = match (self.username, self.password) {
            (None, None) => None,
            (Some(None), None) => Some(None),
            (Some(Some(username)), None) if same(&username) => None,
            (Some(Some(username)), Some(password)) => Some(Some(seal(username, &password)?)),
            (None, Some(password)) => {
                let username = current.ok_or_else(|| ApiError::invalid("username", "a password needs a user name"))?;
                Some(Some(seal(username.clone(), &password)?))
            }
            (Some(Some(_)), None) => {
                return Err(ApiError::invalid("password", "another user name needs the password along"));
            }
            (Some(None), Some(_)) => return Err(ApiError::invalid("username", "a password needs a user name")),
        };
        Ok(TrunkPatch {
            name: self.name,
            kind: self.kind,
            addresses: self.addresses,
            destination: self.destination,
            prefixes: self.prefixes,
            priority: self.priority,
            media_source: self.media_source,
            ring_timeout: self.ring_timeout,
            enabled: self.enabled,
            auth: self.auth,
            large_requests: self.large_requests,
            refer: self.refer,
            max_calls: self.max_calls,
            max_calls_per_second: self.max_calls_per_second,
            retry_after: self.retry_after,
            login,
            register: self.register.map(|register| register.map(TrunkRegister::from)),
            health: self.health,
            health_interval: self.health_interval,
            health_failures: self.health_failures,
        })
    }
}

/// A trunk of an account. Fields as in a new trunk.
#[derive(Debug, Serialize, ToSchema)]
pub struct Trunk {
    /// Its id.
    #[schema(value_type = String, example = "TK0123456789abcdef0123456789abcdef")]
    id: TrunkId,
    /// The account that has it.
    #[schema(value_type = String)]
    account: AccountId,
    #[schema(value_type = String)]
    name: Name,
    #[schema(value_type = String)]
    kind: TrunkKind,
    #[schema(value_type = Vec<String>)]
    addresses: Vec<TrunkAddress>,
    #[schema(value_type = Option<String>)]
    destination: Option<SipTarget>,
    #[schema(value_type = Vec<String>)]
    prefixes: Vec<Prefix>,
    priority: u16,
    #[schema(value_type = String)]
    media_source: MediaSource,
    #[schema(value_type = u16)]
    ring_timeout: RingTimeout,
    enabled: bool,
    #[schema(value_type = String)]
    auth: AuthRule,
    #[schema(value_type = Option<String>)]
    username: Option<Username>,
    register: Option<Register>,
    #[schema(value_type = String)]
    large_requests: LargeRequests,
    #[schema(value_type = String)]
    refer: ReferRule,
    #[schema(value_type = Option<u32>)]
    max_calls: Option<MaxCalls>,
    #[schema(value_type = Option<u32>)]
    max_calls_per_second: Option<MaxCallsPerSecond>,
    #[schema(value_type = Option<u32>)]
    retry_after: Option<ComesAgain>,
    #[schema(value_type = String)]
    health: HealthRule,
    health_interval: u16,
    health_failures: u32,
    /// Our registration there; `null` where we keep none up.
    registration: Option<Registration>,
    /// Whether calls to it have a chance; `null` where nobody looks after that.
    reach: Option<Reach>,
    /// When it was added (RFC 3339).
    created_at: String,
}

/// How our registration at a trunk is.
#[derive(Debug, Serialize, ToSchema)]
pub struct Registration {
    /// `registering` until somebody answers, `registered`, `refused` where it never came about, `lost` where it was and is
    /// no more.
    #[schema(value_type = String, pattern = "^(registering|registered|refused|lost)$")]
    state: &'static str,
    /// Since when (RFC 3339).
    since: String,
    /// Until when the registrar knows us, unless it is refreshed before.
    until: Option<String>,
    /// What the last attempt met, where it failed.
    last_error: Option<Box<str>>,
}

/// Whether calls to a trunk have a chance.
#[derive(Debug, Serialize, ToSchema)]
pub struct Reach {
    /// `up` or `down`.
    #[schema(value_type = String, pattern = "^(up|down)$")]
    state: &'static str,
    /// Since when it is down (RFC 3339).
    since: Option<String>,
    /// When it is tried again.
    again: Option<String>,
    /// Why it is down, or was last.
    last_error: Option<Box<str>>,
}

impl Trunk {
    /// Its id.
    pub(super) const fn id(&self) -> TrunkId {
        self.id
    }

    /// The same, with how it stands.
    pub(super) fn standing(mut self, standing: Option<&Standing>) -> Self {
        self.registration = standing.and_then(|standing| standing.registration.as_ref()).map(|known| Registration {
            state: known.state.name(),
            since: known.since.to_string(),
            until: known.until.map(|until| until.to_string()),
            last_error: known.last_error.clone(),
        });
        let watched = standing.filter(|_| self.health != HealthRule::Off);
        self.reach = watched.map(|Standing { reach, .. }| Reach {
            state: if reach.down_since.is_some() { "down" } else { "up" },
            since: reach.down_since.map(|since| since.to_string()),
            again: reach.again.map(|again| again.to_string()),
            last_error: reach.last_error.clone(),
        });
        self
    }
}

impl From<Listed<ActiveTrunk>> for Trunk {
    fn from(Listed { item, created_at }: Listed<ActiveTrunk>) -> Self {
        let ActiveTrunk { id, account, settings } = item;
        Self {
            id,
            account,
            name: settings.name,
            kind: settings.kind,
            addresses: settings.addresses,
            destination: settings.destination,
            prefixes: settings.prefixes,
            priority: settings.priority,
            media_source: settings.media_source,
            ring_timeout: settings.ring_timeout,
            enabled: settings.enabled,
            auth: settings.auth,
            large_requests: settings.large_requests,
            refer: settings.refer,
            max_calls: settings.max_calls,
            max_calls_per_second: settings.max_calls_per_second,
            retry_after: settings.retry_after,
            username: settings.login.map(|login| login.username),
            register: settings.register.map(|register| (*register).into()),
            health: settings.health.rule,
            health_interval: settings.health.interval,
            health_failures: settings.health.failures,
            registration: None,
            reach: None,
            created_at: created_at.to_string(),
        }
    }
}
