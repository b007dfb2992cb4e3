//! What belongs to no stream: counted, and written down as a summary in `edge-…`.

use super::Exchange;
use super::guard::Worst;
use crate::address::EdgeRole;
use crate::codec::Encoded;
use crate::ports::Mint;
use crate::sip::endpoint::{Dropped, Stateless};
use crate::time::Now;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Stateless answers and dropped messages since the last summary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EdgeSummarised {
    /// How often what happened where.
    pub counts: Vec<EdgeCount>,
    /// How often a source began not to be heard for a while.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub bans: u64,
    /// The sources with the most dropped requests, five at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub worst: Vec<EdgeSource>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes it so")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl EdgeSummarised {
    /// Stable type name.
    pub const KIND: &'static str = "EdgeSummarised";
}

/// One line of a summary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EdgeCount {
    /// The listener's role.
    pub edge: EdgeRole,
    /// `answered-403`, `stray-response`, `stray-ack`, `unreadable`, `keep-alive`, `stun`,
    /// `register-repeat`, `message-repeat`, `ping`, `ping-answered`, `dropped-flood`, `dropped-banned`, `dropped-scanner`.
    pub what: Box<str>,
    /// How often.
    pub times: u64,
}

/// A source that asked too much.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EdgeSource {
    /// An IPv4 address, or an IPv6 network of 64 bits. It is nobody's whom an account answers for, so nothing seals it.
    pub source: Box<str>,
    /// How many of its requests were dropped.
    pub dropped: u32,
    /// Whether it is not heard at all for now.
    pub banned: bool,
}

/// The counters behind the summaries.
#[derive(Debug, Default)]
pub struct EdgeCounters {
    open: BTreeMap<(u8, Stateless), u64>,
    total: u64,
}

impl EdgeCounters {
    /// Counts one message.
    pub fn count(&mut self, edge: EdgeRole, what: Stateless) {
        let edge = match edge {
            EdgeRole::Carrier => 0,
            EdgeRole::Public => 1,
        };
        *self.open.entry((edge, what)).or_default() += 1;
        self.total += 1;
    }

    /// How many were ever counted.
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// The summary since the last one, with what the guard says; `None` where nothing happened.
    pub(super) fn take(&mut self, (bans, worst): (u64, Vec<Worst>)) -> Option<EdgeSummarised> {
        let open = std::mem::take(&mut self.open);
        let counts: Vec<EdgeCount> = open
            .into_iter()
            .map(|((edge, what), times)| {
                let edge = if edge == 0 { EdgeRole::Carrier } else { EdgeRole::Public };
                EdgeCount { edge, what: name(what), times }
            })
            .collect();
        let told =
            |Worst { source, dropped, banned }| EdgeSource { source: source.to_string().into(), dropped, banned };
        let worst = worst.into_iter().map(told).collect();
        (!counts.is_empty()).then_some(EdgeSummarised { counts, bans, worst })
    }
}

impl Exchange {
    /// Writes down what was counted since the last summary.
    pub(super) fn summarise(&mut self, now: Now, mint: &mut dyn Mint) {
        self.next_summary = None;
        let Some(summary) = self.edge.take(self.guard.take_summary(now.moment)) else { return };
        // Counters and names only: this cannot fail, and an empty object would say so.
        let data = serde_json::to_vec(&summary).unwrap_or_else(|_| b"{}".to_vec());
        let encoded = Encoded { kind: EdgeSummarised::KIND, version: 1, data: data.into() };
        self.edge_outbox.record(&mut self.desk, mint.event_id(), now.wall, None, encoded);
    }
}

fn name(what: Stateless) -> Box<str> {
    match what {
        Stateless::Answered(status) => format!("answered-{status}").into(),
        Stateless::StrayResponse => "stray-response".into(),
        Stateless::StrayAck => "stray-ack".into(),
        Stateless::Unreadable => "unreadable".into(),
        Stateless::KeepAlive => "keep-alive".into(),
        Stateless::Stun => "stun".into(),
        Stateless::RegisterRepeat => "register-repeat".into(),
        Stateless::MessageRepeat => "message-repeat".into(),
        Stateless::Dropped(Dropped::Flood) => "dropped-flood".into(),
        Stateless::Dropped(Dropped::Banned) => "dropped-banned".into(),
        Stateless::Dropped(Dropped::Scanner) => "dropped-scanner".into(),
        Stateless::Ping => "ping".into(),
        Stateless::PingAnswered => "ping-answered".into(),
    }
}
