//! A trunk as clients write and read it.

use crate::extract::null_is_a_value;
use adapters::provisioning::Listed;
use domain::account::Name;
use domain::ids::{AccountId, TrunkId};
use domain::media::MediaSource;
use domain::number::SipTarget;
use domain::trunk::{
    ActiveTrunk, LargeRequests, Prefix, RingTimeout, TrunkAddress, TrunkKind, TrunkPatch, TrunkSettings,
};
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
    /// Requests of more than 1,300 bytes to a destination by UDP: `udp` sends them in fragments, `tcp` over a connection.
    #[serde(default)]
    #[schema(value_type = String, pattern = "^(udp|tcp)$", default = "udp")]
    large_requests: LargeRequests,
}

const fn yes() -> bool {
    true
}

impl From<NewTrunk> for TrunkSettings {
    fn from(new: NewTrunk) -> Self {
        let NewTrunk {
            name,
            kind,
            addresses,
            destination,
            prefixes,
            priority,
            media_source,
            ring_timeout,
            enabled,
            large_requests,
        } = new;
        Self {
            name,
            kind,
            addresses,
            destination,
            prefixes,
            priority,
            media_source,
            ring_timeout,
            enabled,
            large_requests,
        }
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
}

impl From<TrunkChanges> for TrunkPatch {
    fn from(changes: TrunkChanges) -> Self {
        let TrunkChanges {
            name,
            kind,
            addresses,
            destination,
            prefixes,
            priority,
            media_source,
            ring_timeout,
            enabled,
            large_requests,
        } = changes;
        Self {
            name,
            kind,
            addresses,
            destination,
            prefixes,
            priority,
            media_source,
            ring_timeout,
            enabled,
            large_requests,
        }
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
    large_requests: LargeRequests,
    /// When it was added (RFC 3339).
    created_at: String,
}

impl From<Listed<ActiveTrunk>> for Trunk {
    fn from(Listed { item, created_at }: Listed<ActiveTrunk>) -> Self {
        let ActiveTrunk { id, account, settings } = item;
        let TrunkSettings {
            name,
            kind,
            addresses,
            destination,
            prefixes,
            priority,
            media_source,
            ring_timeout,
            enabled,
            large_requests,
        } = settings;
        Self {
            id,
            account,
            name,
            kind,
            addresses,
            destination,
            prefixes,
            priority,
            media_source,
            ring_timeout,
            enabled,
            large_requests,
            created_at: created_at.to_string(),
        }
    }
}
