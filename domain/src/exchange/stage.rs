//! How far the exchange is: it says no to nobody before it knows everybody, and takes no new calls before it stops, nor
//! while the log is away.

use super::Exchange;
use crate::ports::Mint;
use crate::time::{Moment, Now};
use std::time::Duration;

/// A log that has taken nothing for so long is away: what it would have to take more of is refused. A shorter pause is
/// waited for by everybody, as a caller's INVITE is by its own first repeat.
const AWAY_AFTER: Duration = Duration::from_millis(500);

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Stage {
    loaded: bool,
    draining: bool,
    /// Since when the log has taken nothing.
    hesitates_since: Option<Moment>,
    /// Since when there was no key for a call.
    keyless_since: Option<Moment>,
}

impl Stage {
    /// Whether it is known whom there is.
    pub(super) const fn is_loaded(self) -> bool {
        self.loaded
    }

    /// Whether it is about to stop.
    pub(super) const fn is_draining(self) -> bool {
        self.draining
    }

    /// Whether new calls are taken.
    pub(super) fn takes_calls(self, now: Moment) -> bool {
        self.loaded && !self.draining && !self.waits_for_log(now)
    }

    /// Whether the log is away, so that nothing new is begun: what runs waits for it.
    pub(super) fn waits_for_log(self, now: Moment) -> bool {
        self.hesitates_since.is_some_and(|since| now.since(since) >= AWAY_AFTER)
    }

    /// There is no key for a call. Whether that is so for long: it is waited for as the log is.
    pub(super) fn lacks_keys(&mut self, now: Moment) -> bool {
        now.since(*self.keyless_since.get_or_insert(now)) >= AWAY_AFTER
    }

    /// There was a key for a call.
    pub(super) const fn has_keys(&mut self) {
        self.keyless_since = None;
    }

    /// The log did not take something.
    pub(super) fn log_hesitates(&mut self, now: Moment) {
        self.hesitates_since.get_or_insert(now);
    }

    /// The log took something.
    pub(super) const fn log_answers(&mut self) {
        self.hesitates_since = None;
    }
}

impl Exchange {
    /// Tables and bindings are there: from here on requests are judged. Before, REGISTER and INVITE get 503: a phone must
    /// not think that its account is gone, nor a carrier that a number is, because we start.
    /// Connections that bindings came by before are gone with the process that had them.
    pub fn serve(&mut self, now: Now, mint: &mut dyn Mint) {
        self.stage.loaded = true;
        for aor in self.pings.of_before() {
            if let Some(all) = self.registrar.bindings.get(&aor) {
                self.pings.watch(now.moment, mint, &aor, all);
            }
        }
        self.registrar.bindings.promised().for_each(|flow| self.kept.promise(now.moment, flow));
        self.registrar.lost = self.registrar.bindings.connections().collect();
        self.end_lost_flows(now, mint);
    }

    /// From here on new calls are refused with 503, and carriers are told that we are gone; the running ones go on.
    pub const fn drain(&mut self) {
        self.stage.draining = true;
        self.uplinks.look();
    }
}
