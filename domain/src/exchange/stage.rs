//! How far the exchange is: it says no to nobody before it knows everybody, and takes no new calls before it stops.

use super::Exchange;
use crate::address::{EdgeRole, Flow};
use crate::ports::Mint;
use crate::sip::endpoint::SessionHeaders;
use crate::sip::wire::{HeaderName, Message};
use crate::time::Now;

/// Seconds after which who came too early may come again.
const RETRY_AFTER: &str = "5";

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Stage {
    loaded: bool,
    draining: bool,
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
    pub(super) const fn takes_calls(self) -> bool {
        self.loaded && !self.draining
    }
}

impl Exchange {
    /// Tables and bindings are there: from here on requests are judged. Before, REGISTER and INVITE get 503: a phone must
    /// not think that its account is gone, nor a carrier that a number is, because we start.
    /// Connections that bindings came by before are gone with the process that had them.
    pub fn serve(&mut self, now: Now, mint: &mut dyn Mint) {
        self.stage.loaded = true;
        let mut bound: Vec<_> = self.registrar.bindings.iter().collect();
        bound.sort_by_key(|(aor, _)| *aor);
        bound.into_iter().for_each(|(aor, all)| self.pings.watch(now.moment, mint, aor, all));
        self.registrar.bindings.promised().for_each(|flow| self.kept.promise(now.moment, flow));
        self.registrar.lost = self.registrar.bindings.connections().collect();
        self.end_lost_flows(now, mint);
    }

    /// From here on new calls are refused with 503, and carriers are told that we are gone; the running ones go on.
    pub const fn drain(&mut self) {
        self.stage.draining = true;
        self.uplinks.look();
    }

    /// 503 for now. Toward carriers without Retry-After: one that obeys it would send nobody's calls for so long. [E5]
    pub(super) fn turn_away(&mut self, flow: Flow, request: &Message) {
        let name = HeaderName::RetryAfter.canonical().unwrap_or_default();
        let later = || vec![(name.into(), RETRY_AFTER.into())];
        let headers = match (self.role_of(flow), self.stage.loaded) {
            (EdgeRole::Public, false) => later(),
            (EdgeRole::Public, true) | (EdgeRole::Carrier, _) => vec![],
        };
        self.endpoint.answer_statelessly_with(flow, request, 503, &SessionHeaders(headers));
    }
}
