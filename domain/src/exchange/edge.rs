//! What belongs to no stream: counted, and written down as a summary in `edge-…`.

use crate::address::EdgeRole;
use crate::sip::endpoint::Stateless;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Stateless answers and dropped messages since the last summary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EdgeSummarised {
    /// How often what happened where.
    pub counts: Vec<EdgeCount>,
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
    /// `answered-403`, `stray-response`, `stray-ack`, `unreadable`, `keep-alive`,
    /// `register-repeat`, `ping`, `ping-answered`.
    pub what: Box<str>,
    /// How often.
    pub times: u64,
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

    /// The summary since the last one; `None` where nothing happened.
    pub fn take(&mut self) -> Option<EdgeSummarised> {
        let open = std::mem::take(&mut self.open);
        let counts: Vec<EdgeCount> = open
            .into_iter()
            .map(|((edge, what), times)| {
                let edge = if edge == 0 { EdgeRole::Carrier } else { EdgeRole::Public };
                EdgeCount { edge, what: name(what), times }
            })
            .collect();
        (!counts.is_empty()).then_some(EdgeSummarised { counts })
    }
}

fn name(what: Stateless) -> Box<str> {
    match what {
        Stateless::Answered(status) => format!("answered-{status}").into(),
        Stateless::StrayResponse => "stray-response".into(),
        Stateless::StrayAck => "stray-ack".into(),
        Stateless::Unreadable => "unreadable".into(),
        Stateless::KeepAlive => "keep-alive".into(),
        Stateless::RegisterRepeat => "register-repeat".into(),
        Stateless::Ping => "ping".into(),
        Stateless::PingAnswered => "ping-answered".into(),
    }
}
