//! What an exchange is told once, and what it tells about itself.

use super::guard::GuardSettings;
use super::route::Listener;
use crate::codec::seal::SealKey;
use crate::log::StreamName;
use crate::sip::digest::Algorithm;
use crate::sip::endpoint::EndpointSettings;

/// What an exchange is told once.
#[derive(Debug, Clone)]
pub struct ExchangeSettings {
    /// Transactions and dialogs.
    pub endpoint: EndpointSettings,
    /// Our node's number.
    pub node: u16,
    /// Which start of the node this is: nonces of an earlier one are stale.
    pub epoch: u32,
    /// What users are asked to prove their passwords by, the first choice first (RFC 8760 §2.3).
    pub algorithms: Vec<Algorithm>,
    /// Kept for ever: proves nonces, and names registrations' streams without naming anybody.
    pub secret: SealKey,
    /// The stream of this shard's summaries; a fresh one each start.
    pub edge_stream: StreamName,
    /// The platform's domain in From toward callees; the listener's address where there is none.
    pub domain: Option<Box<str>>,
    /// Time between two pings of a device behind NAT; none are sent without it.
    pub ping: Option<std::time::Duration>,
    /// Where we listen.
    pub listeners: Vec<Listener>,
    /// How much strangers are answered.
    pub guard: GuardSettings,
    /// How long messages may wait before new calls are refused for it; without it none ever is.
    pub may_wait: Option<std::time::Duration>,
}

/// Names the streams of registrations without naming anybody ([`crate::registration::Aor::stream`]), for an exchange with
/// this [`ExchangeSettings::secret`].
pub fn addresses_key(secret: &SealKey) -> [u8; 32] {
    *blake3::keyed_hash(secret.expose(), b"addresses").as_bytes()
}

/// How much there is of everything. After the last call all but the totals go back to zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Census {
    /// Sessions that have not ended.
    pub live_sessions: usize,
    /// Sessions in memory, ended ones that still absorb repeats included.
    pub sessions: usize,
    /// Dialogs in memory.
    pub legs: usize,
    /// Transactions in memory.
    pub transactions: usize,
    /// Armed timers.
    pub timers: usize,
    /// Connections that a leg or transaction depends on.
    pub flows: usize,
    /// Messages that belonged to no stream, ever.
    pub stateless_total: u64,
    /// Transfers that join two sessions and have not ended.
    pub transfers: usize,
    /// Trunks that we look after or register at, those included that we are leaving.
    pub uplinks: usize,
    /// MESSAGEs outside calls in memory.
    pub messages: usize,
    /// Trunks that we are registered at.
    pub registered: usize,
    /// Trunks that are down, as far as we know.
    pub down: usize,
    /// Streams that another writer took or whose state is unknown.
    pub frozen: usize,
}
