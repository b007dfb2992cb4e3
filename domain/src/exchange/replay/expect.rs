//! What a session that is played is to say, and what it ordered.

use crate::exchange::Effect;
use crate::ids::{EventId, LegId, TransferId};
use crate::media::{MediaOrder, PathId, PortPair, Side};
use crate::session::event::{SessionEvent, SipMessage};
use crate::sip::timer::Timer;
use crate::transfer::TransferStep;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

/// What a session was given, which it decides upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// A message.
    Message,
    /// The end of a connection.
    Connection,
    /// A report of media.
    Media,
    /// A timer that was due, and the leg that it is of.
    Timer(Timer, Option<LegId>),
    /// A step of an attended transfer.
    Step(TransferStep),
    /// The order to end what runs.
    Release,
}

/// Where the past is decided otherwise.
#[derive(Debug, Clone)]
pub(super) struct Otherwise {
    /// Why, without personal data.
    pub(super) why: String,
    /// The event that is recorded.
    pub(super) then: Option<EventId>,
    /// What is said in its place.
    pub(super) said: Option<SessionEvent>,
    /// Upon what.
    pub(super) input: Option<Input>,
    /// The first event of the turn.
    pub(super) turn: Option<EventId>,
}

/// See the module.
#[derive(Debug, Default)]
pub(in crate::exchange) struct Expectation {
    events: Vec<(EventId, SessionEvent)>,
    /// How many of them have come.
    come: usize,
    /// The last of what it was given.
    input: Option<Input>,
    /// What was said otherwise than then.
    unlike: Option<Otherwise>,
    /// The first event of the turn that is alike, but drawn otherwise: what is decided otherwise follows in the turn.
    displaced: Option<(EventId, SessionEvent)>,
    /// How many messages this build would write otherwise.
    pub(super) rewritten: usize,
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
        (self.events, self.come, self.input) = (events, 0, None);
    }

    /// What it is given.
    pub(super) const fn given(&mut self, input: Input) {
        self.input = Some(input);
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
        self.unlike.as_ref().map(|otherwise| otherwise.why.as_str())
    }

    /// The same, with all that is known of it.
    pub(super) fn otherwise(&self) -> Option<&Otherwise> {
        self.unlike.as_ref()
    }

    /// The turn is over: everything has to have come.
    pub(super) fn turn_over(&mut self) {
        if let Some((id, missing)) = self.to_come().first() {
            let (id, why) = (*id, format!("{} did not follow again", kind(missing)));
            self.differ_in(why, Some(id), None);
        }
        if let Some((id, said)) = self.displaced.take() {
            self.differ_in(format!("{} was drawn otherwise", kind(&said)), Some(id), Some(&said));
        }
        // What is said before the next turn is said after this one.
        self.come = self.events.len();
    }

    pub(super) fn differ(&mut self, why: String) {
        let then = self.to_come().first().map(|(id, _)| *id);
        self.differ_in(why, then, None);
    }

    fn differ_in(&mut self, why: String, then: Option<EventId>, said: Option<&SessionEvent>) {
        let Self { input, events, .. } = self;
        let (input, turn) = (*input, events.first().map(|(id, _)| *id));
        self.unlike.get_or_insert_with(|| Otherwise { why, then, said: said.cloned(), input, turn });
    }

    /// The session says something.
    pub(in crate::exchange) fn meet(&mut self, id: EventId, said: &SessionEvent) {
        let Some((known, then)) = self.events.get(self.come).cloned() else {
            return self.differ_in(format!("{} did not follow then", kind(said)), None, Some(said));
        };
        self.come += 1;
        if let SessionEvent::MediaReserved(reserved) = said {
            self.ports.extend(reserved.ports.iter().flatten());
        }
        if known != id {
            self.displaced.get_or_insert_with(|| (known, said.clone()));
        }
        match (&then, said) {
            (then, said) if then == said => {}
            (SessionEvent::SipMessageCommitted(then), SessionEvent::SipMessageCommitted(said))
                if reads_as(then, said) =>
            {
                self.rewritten += 1;
                let wire = then.wire.known();
                self.written.extend(wire.map(|wire| (then.leg, id, wire.bytes.clone())));
            }
            (then, said) if kind(then) == kind(said) => {
                self.differ_in(format!("{} is not what it was then", kind(said)), Some(known), Some(said));
            }
            (then, said) => {
                let why = format!("{} followed in place of {}", kind(said), kind(then));
                self.differ_in(why, Some(known), Some(said));
            }
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
pub(super) fn reads_as(then: &SipMessage, said: &SipMessage) -> bool {
    let same = (then.leg, &then.method, then.status, then.cseq) == (said.leg, &said.method, said.status, said.cseq);
    let (Some(then), Some(said)) = (then.wire.known(), said.wire.known()) else { return false };
    let secret = memchr::memmem::find(&then.bytes, b"Authorization: ").is_some();
    same && then.flow == said.flow && !secret
}

const fn kind(event: &SessionEvent) -> &'static str {
    crate::codec::session::kind(event)
}
