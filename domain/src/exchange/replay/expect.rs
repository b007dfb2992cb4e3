//! What a session that is played is to say, and what it ordered.

use crate::exchange::Effect;
use crate::ids::{EventId, LegId, TransferId};
use crate::media::{MediaOrder, PathId, PortPair, Side};
use crate::session::event::{SessionEvent, SipMessage};
use crate::transfer::TransferStep;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

/// See the module.
#[derive(Debug, Default)]
pub(in crate::exchange) struct Expectation {
    events: Vec<(EventId, SessionEvent)>,
    /// How many of them have come.
    come: usize,
    /// What was said otherwise than then.
    unlike: Option<String>,
    /// Messages that this build would write otherwise.
    pub(super) written: Vec<(LegId, EventId, Bytes)>,
    /// Media paths as they were ordered last, and whether they are being closed.
    pub(super) paths: BTreeMap<PathId, (Box<[Side; 2]>, bool)>,
    /// Ports that the session has.
    pub(super) ports: BTreeSet<PortPair>,
    /// Steps of transfers that follow.
    pub(super) due: Vec<(TransferId, TransferStep)>,
}

impl Expectation {
    /// A turn begins in which these events are to come.
    pub(super) fn begin(&mut self, events: Vec<(EventId, SessionEvent)>) {
        (self.events, self.come) = (events, 0);
    }

    /// Whether the session has said something in this turn.
    pub(super) const fn has_spoken(&self) -> bool {
        self.come > 0
    }

    /// What is still to come in this turn.
    pub(super) fn to_come(&self) -> &[(EventId, SessionEvent)] {
        self.events.get(self.come..).unwrap_or_default()
    }

    /// How the past was decided otherwise, if it was.
    pub(super) fn unlike(&self) -> Option<&str> {
        self.unlike.as_deref()
    }

    /// The turn is over: everything has to have come.
    pub(super) fn turn_over(&mut self) {
        if let Some((_, missing)) = self.to_come().first() {
            self.differ(format!("{} did not follow again", kind(missing)));
        }
        self.events.clear();
    }

    pub(super) fn differ(&mut self, why: String) {
        self.unlike.get_or_insert(why);
    }

    /// The session says something.
    pub(in crate::exchange) fn meet(&mut self, id: EventId, said: &SessionEvent) {
        let Some((known, then)) = self.events.get(self.come).cloned() else {
            return self.differ(format!("{} did not follow then", kind(said)));
        };
        self.come += 1;
        if let SessionEvent::MediaReserved(reserved) = said {
            self.ports.extend(reserved.ports.iter().flatten());
        }
        match (&then, said) {
            _ if known != id => self.differ(format!("{} followed in place of {}", kind(said), kind(&then))),
            (then, said) if then == said => {}
            (SessionEvent::SipMessageCommitted(then), SessionEvent::SipMessageCommitted(said))
                if reads_as(then, said) =>
            {
                let wire = then.wire.known();
                self.written.extend(wire.map(|wire| (then.leg, id, wire.bytes.clone())));
            }
            (then, said) => self.differ(format!("{} is not what it was then, a {}", kind(said), kind(then))),
        }
    }

    /// What the session orders does not leave; what stands at the end is ordered again.
    pub(in crate::exchange) fn hold(&mut self, effect: Effect) {
        match effect {
            Effect::Media(order) => self.order(order),
            Effect::Proceed(id, step) => self.due.push((id, step)),
            Effect::Transmit { .. } | Effect::Bind(_) | Effect::Stand(_) => {}
        }
    }

    /// Ports go back with what they were in.
    fn order(&mut self, order: MediaOrder) {
        match order {
            MediaOrder::Relay { path, sides } => {
                let now = ports_of(&sides);
                let before = self.paths.insert(path, (sides, false)).map(|(sides, _)| ports_of(&sides));
                let left = before.into_iter().flatten().filter(|ports| !now.contains(ports));
                self.give_back(left);
            }
            MediaOrder::Close { path } => {
                if let Some((sides, closing)) = self.paths.get_mut(&path) {
                    *closing = true;
                    let ports = ports_of(sides);
                    self.give_back(ports);
                }
            }
            MediaOrder::Return { ports } => self.give_back([ports]),
        }
    }

    fn give_back(&mut self, all: impl IntoIterator<Item = PortPair>) {
        for ports in all {
            self.ports.remove(&ports);
        }
    }
}

fn ports_of(sides: &[Side; 2]) -> [PortPair; 2] {
    sides.each_ref().map(|side| side.ports)
}

/// Whether two messages say the same to the same, but for how it is written. One with credentials cannot be sent as the log
/// has it, and must be written as it was.
fn reads_as(then: &SipMessage, said: &SipMessage) -> bool {
    let same = (then.leg, &then.method, then.status, then.cseq) == (said.leg, &said.method, said.status, said.cseq);
    let (Some(then), Some(said)) = (then.wire.known(), said.wire.known()) else { return false };
    let secret = memchr::memmem::find(&then.bytes, b"Authorization: ").is_some();
    same && then.flow == said.flow && !secret
}

const fn kind(event: &SessionEvent) -> &'static str {
    crate::codec::session::kind(event)
}
