//! What reaches the exchange at all: the guard's word on requests that belong to no dialog or transaction of ours and
//! come from no trunk.

use super::guard::GuardFigures;
use super::strangers::Source;
use super::{Exchange, SUMMARISE_EVERY};
use crate::address::Flow;
use crate::registration::Aor;
use crate::sip::endpoint::{Dropped, Stateless};
use crate::sip::wire::{Message, Method};
use crate::time::Now;

impl Exchange {
    /// Whether a message is heard. One that is not leaves nothing but a count; of what is dropped nobody is told.
    pub(super) fn hears(&mut self, now: Now, flow: Flow, message: &Message) -> bool {
        // Responses and ACKs are never answered, and cost no more than to drop them.
        if message.method().is_none_or(|method| *method == Method::Ack) {
            return true;
        }
        let Some(dropped) = self.suspects(now, flow, message) else { return true };
        // Our contact at a registrar is known to nobody else.
        if self.vouches(flow) || self.endpoint.knows(message) || self.called_at_contact(message).is_some() {
            return true;
        }
        let source = Source::of(flow.remote.ip());
        if dropped == Dropped::Scanner {
            self.guard.scanned(now.moment, source);
        }
        self.guard.dropped(source);
        self.count(now, flow, Stateless::Dropped(dropped));
        false
    }

    /// Why a request would be dropped, were it a stranger's.
    fn suspects(&self, now: Now, flow: Flow, request: &Message) -> Option<Dropped> {
        let source = Source::of(flow.remote.ip());
        match self.guard.refuses(now.moment, source, false) {
            Some(Dropped::Banned) if self.is_own(flow, request) => self.guard.refuses(now.moment, source, true),
            None | Some(Dropped::Flood) if self.guard.is_scan(request) => Some(Dropped::Scanner),
            refused => refused,
        }
    }

    /// Whether the guard has nothing to say about a source: a trunk's, or one that it is set to leave alone.
    fn vouches(&self, flow: Flow) -> bool {
        self.tables.is_trunk(flow.remote) || self.guard.exempts(flow.remote)
    }

    /// Whether a user asks in its own name by the flow that it is registered by.
    fn is_own(&self, flow: Flow, request: &Message) -> bool {
        let asker = || request.from().ok().and_then(|from| Aor::of(&from.uri).ok());
        let here = self.registrar.bindings.on_flow(&flow);
        !here.is_empty() && asker().is_some_and(|asker| here.contains(&asker))
    }

    /// A request that nobody vouches for is answered.
    pub(super) fn note_answered(&mut self, now: Now, flow: Flow) {
        if !self.vouches(flow) {
            self.guard.answered(now.moment, Source::of(flow.remote.ip()));
        }
    }

    /// A password was right, or wrong.
    pub(super) fn note_login(&mut self, now: Now, flow: Flow, right: bool) {
        let source = Source::of(flow.remote.ip());
        match right {
            true => self.guard.proved(now.moment, source),
            false if self.vouches(flow) => {}
            false => self.guard.failed(now.moment, source),
        }
    }

    /// Counts what belongs to no stream.
    pub(super) fn count(&mut self, now: Now, flow: Flow, what: Stateless) {
        self.edge.count(self.role_of(flow), what);
        self.next_summary.get_or_insert(now.moment + SUMMARISE_EVERY);
    }

    /// What the guard counted.
    pub fn guard_figures(&self) -> GuardFigures {
        self.guard.figures()
    }
}
