//! What a shard tells of itself.

use crate::sip_socket::tcp::TcpPump;
use domain::exchange::{Census, GuardFigures, Overloaded};
use std::sync::atomic::{AtomicU64, Ordering};

/// Figures that a shard publishes after every turn.
#[derive(Debug, Default)]
pub struct Gauges {
    pub(super) live_sessions: AtomicU64,
    pub(super) sessions: AtomicU64,
    pub(super) legs: AtomicU64,
    pub(super) transactions: AtomicU64,
    pub(super) timers: AtomicU64,
    pub(super) stateless: AtomicU64,
    pub(super) guarded: AtomicU64,
    pub(super) dropped: AtomicU64,
    pub(super) bans: AtomicU64,
    pub(super) frozen: AtomicU64,
    pub(super) overloaded: AtomicU64,
    pub(super) shed: AtomicU64,
    pub(super) shed_share: AtomicU64,
    pub(super) waits: AtomicU64,
    pub(super) registered: AtomicU64,
    pub(super) down: AtomicU64,
    pub(super) received: AtomicU64,
    pub(super) sent: AtomicU64,
    pub(super) send_failures: AtomicU64,
    pub(super) appends: AtomicU64,
    pub(super) connections: AtomicU64,
    pub(super) connections_refused: AtomicU64,
}

impl Gauges {
    /// The figures with their metric names, and what they are.
    pub fn read(&self) -> [(&'static str, &'static str, u64); 22] {
        let get = |gauge: &AtomicU64| gauge.load(Ordering::Relaxed);
        [
            ("strowger_live_sessions", "Sessions that have not ended.", get(&self.live_sessions)),
            (
                "strowger_sessions_in_memory",
                "Sessions in memory, with ended ones that still absorb repeats.",
                get(&self.sessions),
            ),
            ("strowger_legs", "Dialogs in memory.", get(&self.legs)),
            ("strowger_transactions", "Transactions in memory.", get(&self.transactions)),
            ("strowger_timers", "Armed timers.", get(&self.timers)),
            ("strowger_stateless_messages_total", "Messages that belonged to no stream.", get(&self.stateless)),
            ("strowger_guarded_sources", "Sources that the guard remembers.", get(&self.guarded)),
            (
                "strowger_dropped_requests_total",
                "Requests that the guard dropped without an answer.",
                get(&self.dropped),
            ),
            ("strowger_bans_total", "How often a source began not to be heard for a while.", get(&self.bans)),
            (
                "strowger_frozen_streams",
                "Streams that another writer took, or whose state is unknown.",
                get(&self.frozen),
            ),
            ("strowger_overloaded", "1 while new calls may be refused for load.", get(&self.overloaded)),
            ("strowger_shed_requests_total", "Requests refused with 503 for load.", get(&self.shed)),
            (
                "strowger_shed_calls_per_thousand",
                "Of a thousand new calls so many are refused now.",
                get(&self.shed_share),
            ),
            ("strowger_wait_milliseconds", "How long messages or the log waited lately.", get(&self.waits)),
            ("strowger_trunks_registered", "Trunks that we are registered at.", get(&self.registered)),
            ("strowger_trunks_down", "Trunks that calls go around.", get(&self.down)),
            ("strowger_sip_received_total", "SIP datagrams received.", get(&self.received)),
            ("strowger_sip_sent_total", "SIP datagrams handed to the kernel.", get(&self.sent)),
            ("strowger_sip_send_failures_total", "SIP datagrams that the kernel refused.", get(&self.send_failures)),
            ("strowger_appends_total", "Appends submitted by the SIP thread.", get(&self.appends)),
            ("strowger_sip_connections", "TCP connections now.", get(&self.connections)),
            (
                "strowger_sip_connections_refused_total",
                "TCP connections beyond a limit, closed at once.",
                get(&self.connections_refused),
            ),
        ]
    }

    /// Sessions that have not ended.
    pub fn live_sessions(&self) -> u64 {
        self.live_sessions.load(Ordering::Relaxed)
    }

    /// Trunks that we are registered at.
    pub fn registrations(&self) -> u64 {
        self.registered.load(Ordering::Relaxed)
    }

    pub(super) fn publish_tcp(&self, pumps: &[TcpPump]) {
        let (mut open, mut refused) = (0, 0);
        for figures in pumps.iter().map(TcpPump::figures) {
            open += figures.open as u64;
            refused += figures.refused;
        }
        self.connections.store(open, Ordering::Relaxed);
        self.connections_refused.store(refused, Ordering::Relaxed);
    }

    pub(super) fn publish_guard(&self, figures: GuardFigures) {
        self.guarded.store(figures.sources as u64, Ordering::Relaxed);
        self.dropped.store(figures.dropped, Ordering::Relaxed);
        self.bans.store(figures.bans, Ordering::Relaxed);
    }

    pub(super) fn publish_overload(&self, stands: Overloaded) {
        self.overloaded.store(u64::from(stands.since.is_some()), Ordering::Relaxed);
        self.shed.store(stands.refused, Ordering::Relaxed);
        self.shed_share.store(stands.refused_of_thousand.into(), Ordering::Relaxed);
        self.waits.store(u64::try_from(stands.wait.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(super) fn publish(&self, census: Census) {
        let set = |gauge: &AtomicU64, value: usize| gauge.store(value as u64, Ordering::Relaxed);
        set(&self.live_sessions, census.live_sessions);
        set(&self.sessions, census.sessions);
        set(&self.legs, census.legs);
        set(&self.transactions, census.transactions);
        set(&self.timers, census.timers);
        set(&self.frozen, census.frozen);
        set(&self.registered, census.registered);
        set(&self.down, census.down);
        self.stateless.store(census.stateless_total, Ordering::Relaxed);
    }
}
