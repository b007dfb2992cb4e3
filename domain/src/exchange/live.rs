//! A session in memory: its state, its key and its outbox.

use super::Exchange;
use super::held::Effect;
use super::limits::Counted;
use super::outbox::Outbox;
use super::replay::Expectation;
use crate::address::Flow;
use crate::codec::{Desk, personal::Personal, seal::KeyRef, seal::SealKey, session::encode};
use crate::id_map::IdMap;
use crate::ids::{EventId, LegId, SessionId};
use crate::log::StreamName;
use crate::ports::Mint;
use crate::session::Session;
use crate::session::event::{SessionEvent, SipMessage, SipMessageRepeated, Way, Wire};
use crate::sip::endpoint::{Incoming, Outgoing};
use crate::sip::timer::Timer;
use crate::sip::wire::Message;
use crate::time::WallTime;
use bytes::Bytes;

impl Exchange {
    /// Every session in memory, and whether all that was decided about it is durable.
    pub fn sessions(&self) -> impl Iterator<Item = (&Session, bool)> {
        let durable = |live: &Live| live.outbox.is_idle() && !live.outbox.is_frozen();
        self.sessions.values().map(move |live| (&live.session, durable(live)))
    }

    /// A session that begins.
    pub(super) fn new_live(&mut self, id: SessionId, key: (KeyRef, SealKey)) -> Live {
        let expects = self.replaying.as_mut().and_then(|playing| playing.begins());
        Live { expects, ..Live::new(id, self.settings.node, key) }
    }

    /// Requests to whoever is registered at the flow that a leg began by go there. In a past that is played they go as they
    /// went, whoever is registered now.
    pub(super) fn keep_registered_flow(&mut self, leg: LegId, flow: Flow) {
        // Where it listens is where it calls from: nothing is to be kept.
        if self.endpoint.dialog(leg).is_none_or(|dialog| dialog.flow == flow) {
            return;
        }
        let keeps = match self.replaying.as_ref().and_then(|playing| playing.way_to(leg)) {
            None => !self.registrar.bindings.on_flow(&flow).is_empty(),
            Some(way) => way == flow,
        };
        if keeps {
            self.endpoint.keep_flow(leg, flow);
        }
    }

    pub(super) fn forget_leg(&mut self, leg: LegId) {
        let Some(id) = self.legs.remove(&leg) else { return self.forget_leg_of_none(leg) };
        if let Some(live) = self.sessions.get_mut(&id) {
            live.legs = live.legs.saturating_sub(1);
        }
        self.recount(id);
        self.forget_if_over(id);
    }

    pub(super) fn forget_if_over(&mut self, id: SessionId) {
        if self.sessions.get(&id).is_some_and(|live| live.is_over())
            && let Some(over) = self.sessions.remove(&id)
        {
            self.uncount(&over);
            self.live_sessions = self.live_sessions.saturating_sub(usize::from(!over.session.ended));
            self.endpoint.timers().stop(Timer::NoteRepeats(id));
            if let Some(playing) = &mut self.replaying {
                playing.forget(*over);
            }
        }
    }
}

/// See the module.
#[derive(Debug)]
pub struct Live {
    pub(super) session: Session,
    pub(super) outbox: Outbox,
    key: (KeyRef, SealKey),
    /// The message or report that this turn began with.
    cause: Option<EventId>,
    repeats: Vec<SipMessageRepeated>,
    /// Legs that the endpoint still remembers.
    pub(super) legs: u32,
    /// What the counts have of it.
    pub(super) counted: Vec<Counted>,
    /// While its past is played: what it is to say.
    pub(super) expects: Option<Box<Expectation>>,
}

impl Live {
    fn new(id: SessionId, node: u16, key: (KeyRef, SealKey)) -> Self {
        let stream = StreamName::new("session", id.uuid());
        let outbox = Outbox::new(stream, id.uuid(), node);
        let session = Session::new(id);
        Self { session, outbox, key, cause: None, repeats: Vec::new(), legs: 0, counted: Vec::new(), expects: None }
    }

    /// Begins a turn: nothing has caused anything yet.
    pub(super) const fn begin_turn(&mut self) {
        self.cause = None;
    }

    /// Writes an event whose effect on the state has happened.
    pub(super) fn write(&mut self, desk: &mut Desk, mint: &mut dyn Mint, at: WallTime, event: &SessionEvent) {
        let id = mint.event_id();
        self.write_as(desk, id, at, event);
        if matches!(event, SessionEvent::SessionEnded(_)) {
            self.outbox.close();
        }
    }

    fn write_as(&mut self, desk: &mut Desk, id: EventId, at: WallTime, event: &SessionEvent) {
        if let Some(expects) = &mut self.expects {
            return expects.meet(id, event);
        }
        let encoded = encode(desk, event, id, self.key.0, &self.key.1);
        self.outbox.record(desk, id, at, self.cause, encoded);
    }

    /// A message came.
    pub(super) fn received(&mut self, desk: &mut Desk, at: WallTime, incoming: Incoming) {
        let Incoming { event, leg, flow, message, method, cseq } = incoming;
        self.session.hear(leg, &message);
        let wire = Personal::Known(Wire { flow, bytes: message.without_credentials() });
        let message = SipMessage { leg, method, status: message.status(), cseq, wire };
        self.write_as(desk, event, at, &SessionEvent::SipMessageReceived(message));
        self.cause = Some(event);
    }

    /// A message will leave once this is durable.
    pub(super) fn commit(&mut self, desk: &mut Desk, at: WallTime, outgoing: Outgoing) {
        let Outgoing { event, leg, flow, bytes, method, status, cseq } = outgoing;
        let wire = Personal::Known(Wire { flow, bytes: masked(&bytes) });
        let message = SipMessage { leg, method, status, cseq, wire };
        self.write_as(desk, event, at, &SessionEvent::SipMessageCommitted(message));
        self.hold(Effect::Transmit { flow, bytes });
    }

    /// An effect of what was written last.
    pub(super) fn hold(&mut self, effect: Effect) {
        match &mut self.expects {
            None => self.outbox.hold(effect),
            Some(expects) => expects.hold(effect),
        }
    }

    /// Bytes of an event came or went again.
    pub(super) fn note_repeat(&mut self, leg: LegId, way: Way, of: EventId) {
        match self.repeats.iter_mut().find(|repeat| repeat.of == of && repeat.way == way) {
            Some(repeat) => repeat.times += 1,
            None => self.repeats.push(SipMessageRepeated { leg, way, of, times: 1 }),
        }
    }

    /// Writes the notes about repeats down.
    pub(super) fn write_repeats(&mut self, desk: &mut Desk, mint: &mut dyn Mint, at: WallTime) {
        for repeat in std::mem::take(&mut self.repeats) {
            self.write(desk, mint, at, &SessionEvent::SipMessageRepeated(repeat));
        }
    }

    pub(super) const fn has_repeats(&self) -> bool {
        !self.repeats.is_empty()
    }

    /// Whether nothing of the session is left to do or to remember. A frozen one need not have ended: it never will.
    pub(super) fn is_over(&self) -> bool {
        let done = self.session.ended && self.repeats.is_empty() && self.outbox.is_idle();
        self.legs == 0 && (done || self.outbox.is_frozen())
    }
}

/// A message of ours as the log has it: what proves who we are is not in it, as it is not in what came.
pub(super) fn masked(bytes: &Bytes) -> Bytes {
    match memchr::memmem::find(bytes, b"Authorization: ") {
        Some(_) => Message::scan(bytes.clone()).map_or_else(|_| bytes.clone(), |message| message.without_credentials()),
        None => bytes.clone(),
    }
}

/// The session that a leg belongs to.
pub(super) fn live_of<'a>(
    legs: &IdMap<LegId, SessionId>,
    sessions: &'a mut IdMap<SessionId, Box<Live>>,
    leg: LegId,
) -> Option<(SessionId, &'a mut Live)> {
    let id = *legs.get(&leg)?;
    Some((id, sessions.get_mut(&id)?))
}
