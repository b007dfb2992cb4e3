//! From what is recorded of a turn to what it began with.

use super::redraw::Redraw;
use super::{Expectation, Input, about};
use crate::exchange::offer::Call;
use crate::exchange::outbox::Outbox;
use crate::exchange::{Exchange, refer};
use crate::ids::{EventId, LegId, SessionId, TransferId};
use crate::log::Recorded;
use crate::media::{MediaReport, PathId};
use crate::ports::Mint;
use crate::session::decide::{ENDED_WITHOUT, NOT_GIVEN};
use crate::session::event::{
    ReleaseCause, ReplacementAsked, RouteChosen, SessionEvent, SessionOffered, SipMessage, Wire,
};
use crate::sip::timer::Timer;
use crate::sip::wire::{Message, Replaces};
use crate::time::{Moment, Now};
use crate::transfer::{TransferEnded, TransferEvent, TransferStep};
use bytes::Bytes;
use std::time::Duration;

/// Events of one turn, with their ids.
type Events = Vec<(EventId, SessionEvent)>;

impl Exchange {
    pub(super) fn play_session(
        &mut self,
        now: Now,
        mint: &mut Redraw,
        id: SessionId,
        events: Events,
        onward: Option<RouteChosen>,
    ) {
        let Some((_, first)) = events.first().cloned() else { return };
        let measures = measured(id, &events);
        let legs = self.sessions.get(&id).into_iter().flat_map(|live| &live.session.legs);
        let live = legs.filter(|leg| leg.is_live()).map(|leg| leg.id).collect();
        if let Some(playing) = &mut self.replaying {
            playing.prepare(&events, onward);
            self.endpoint.is_set_as_then(playing.timers_then(&events, live));
        }
        let mut expected = Some(events);
        match self.expectation(id) {
            Some(expectation) if expectation.unlike().is_some() => {
                return self.follow(now, mint, id, &expected.take().unwrap_or_default());
            }
            Some(expectation) => expectation.begin(expected.take().unwrap_or_default()),
            None => {}
        }
        self.close_measured(now, mint, id, measures);
        if !is_spontaneous(&first) && !is_of_a_start(&first) {
            self.fire_unheard(now, mint, id);
        }
        match first {
            SessionEvent::SipMessageReceived(message) => {
                self.gives(id, Input::Message);
                self.hear_again(now, mint, id, &message, expected);
            }
            SessionEvent::ConnectionLost(lost) => match lost.flow.known().copied() {
                Some(flow) => {
                    self.gives(id, Input::Connection);
                    let death = self.replaying.as_mut().and_then(|playing| playing.death.take());
                    self.connection_lost(now, mint, id, (flow, death.as_ref()));
                }
                None => self.differ(id, "what it says is erased"),
            },
            SessionEvent::MediaLatched(_) | SessionEvent::MediaFellSilent(_) | SessionEvent::MediaHeard(_) => {
                self.gives(id, Input::Media);
                self.report_again(now, mint, id, &first);
            }
            other => self.play_spontaneous(now, mint, id, &other),
        }
        self.turn_played(id);
    }

    /// What a session that is played is to say, also when it is over and forgotten.
    pub(super) fn expectation(&mut self, id: SessionId) -> Option<&mut Expectation> {
        match self.sessions.get_mut(&id) {
            Some(live) => live.expects.as_deref_mut(),
            None => self.replaying.as_mut()?.over.get_mut(&id).map(|over| &mut **over),
        }
    }

    fn gives(&mut self, id: SessionId, input: Input) {
        self.expectation(id).into_iter().for_each(|expectation| expectation.given(input));
    }

    fn differ(&mut self, id: SessionId, why: &str) {
        if let Some(expectation) = self.expectation(id) {
            expectation.differ(why.to_owned());
        }
    }

    fn turn_played(&mut self, id: SessionId) {
        let Some(expectation) = self.expectation(id) else { return };
        expectation.turn_over();
        let written = std::mem::take(&mut expectation.written);
        let mut due = std::mem::take(&mut expectation.due);
        self.transfers.due.append(&mut due);
        written.iter().for_each(|(leg, event, bytes)| self.endpoint.adopt(*leg, *event, bytes));
    }

    /// A message comes as it came.
    fn hear_again(&mut self, now: Now, mint: &mut Redraw, id: SessionId, message: &SipMessage, begins: Option<Events>) {
        let Some((flow, message)) = wire_of(message) else { return self.differ(id, "a message of it is erased") };
        let events = begins.as_deref().or_else(|| Some(self.sessions.get(&id)?.expects.as_ref()?.to_come()));
        let (beginning, answer) = (events.and_then(beginning), events.and_then(answer_in));
        match beginning {
            None => {
                self.endpoint.forget_what_it_repeats(now.moment, &message, answer.as_ref());
                self.endpoint.receive(now.moment, mint, flow, message);
                self.settle(now, mint);
            }
            Some(SessionEvent::SessionOffered(offered)) => {
                self.expect_new(begins);
                self.offer_again(now, mint, id, (flow, &message), offered);
            }
            Some(SessionEvent::SessionReferred(asked)) => {
                self.expect_new(begins);
                let key = self.replaying.as_ref().and_then(|playing| playing.keys.get(&id).cloned());
                if let Some(key) = key {
                    self.refer_again(now, mint, (flow, &message), asked, key);
                }
            }
            Some(SessionEvent::ReplacementAsked(asked)) => {
                let early_only = Replaces::of(&message).ok().flatten().is_some_and(|replaces| replaces.early_only);
                let asked = ReplacementAsked { leg: LegId::from_bits(mint.bits()), ..asked };
                self.begin_replacement(now, mint, flow, &message, (id, asked, early_only));
                self.settle(now, mint);
            }
            Some(_) => {}
        }
    }

    /// The session that begins in this turn is to say this.
    fn expect_new(&mut self, events: Option<Events>) {
        let mut expectation = Expectation::default();
        expectation.begin(events.unwrap_or_default());
        expectation.given(Input::Message);
        if let Some(playing) = &mut self.replaying {
            playing.begins = Some(Box::new(expectation));
        }
    }

    fn offer_again(
        &mut self,
        now: Now,
        mint: &mut Redraw,
        id: SessionId,
        (flow, request): (crate::address::Flow, &Message),
        offered: SessionOffered,
    ) {
        let Some(playing) = &mut self.replaying else { return };
        let (key, route) = (playing.keys.get(&id).cloned(), playing.route.clone());
        let (Some(key), Some(route), Some(parties)) = (key, route, offered.parties.known().cloned()) else { return };
        let shared = offered.domain.filter(|_| refer::rings_devices(&route));
        let shared = shared.and_then(|id| self.domain_named(id, request));
        let call = Call {
            account: offered.account,
            edge: offered.edge,
            trunk: offered.trunk,
            user: offered.user,
            domain: offered.domain,
            media_source: offered.media_source,
            parties,
            identity: self.identity_of(flow, request, shared),
            route,
            key,
        };
        self.take_call(now, mint, flow, request, call);
        self.settle(now, mint);
    }

    /// Media tells again what it told.
    fn report_again(&mut self, now: Now, mint: &mut Redraw, id: SessionId, event: &SessionEvent) {
        let path = |stream| PathId { session: id, stream };
        let report = match event {
            SessionEvent::MediaLatched(latched) => latched.source.known().map(|source| MediaReport::Latched {
                path: path(latched.stream),
                leg: latched.leg,
                source: *source,
            }),
            SessionEvent::MediaFellSilent(silent) => Some(MediaReport::Silent {
                path: path(silent.stream),
                leg: silent.leg,
                lasted: Duration::from_millis(silent.lasted_ms),
                rtcp_alive: silent.rtcp_alive,
            }),
            SessionEvent::MediaHeard(heard) => Some(MediaReport::Heard { path: path(heard.stream), leg: heard.leg }),
            _ => None,
        };
        match report {
            Some(report) => self.report(now, mint, &report),
            None => self.differ(id, "what media said is erased"),
        }
    }

    /// Paths were closed whose counts are recorded in this turn.
    fn close_measured(&mut self, now: Now, mint: &mut Redraw, id: SessionId, measures: Vec<MediaReport>) {
        for report in measures {
            if let MediaReport::Closed { path, .. } = &report {
                self.expectation(id).into_iter().for_each(|expectation| drop(expectation.paths.remove(path)));
            }
            self.gives(id, Input::Media);
            self.report(now, mint, &report);
        }
    }

    /// No message began the turn: a transfer's step, a timer, or the end of all calls.
    fn play_spontaneous(&mut self, now: Now, mint: &mut Redraw, id: SessionId, first: &SessionEvent) {
        if self.has_spoken(id) {
            return;
        }
        // Two may be joined in the log of whom the giving session did not know it when it let its leg go.
        let unknown = self.is_released_in_turn(id, ReleaseCause::OtherLeg);
        self.infer_steps(id, first, unknown);
        if let Some(at) = self.transfers.due.iter().position(|(_, step)| begins_with(*step, first, id)) {
            let (transfer, step) = self.transfers.due.remove(at);
            self.gives(id, Input::Step(step));
            self.step(now, mint, transfer, step);
            self.settle(now, mint);
            if self.has_spoken(id) {
                return;
            }
        }
        if matches!(first, SessionEvent::TransferFailed(failed) if &*failed.reason == NOT_GIVEN)
            && let Some((transfer, step, begun)) = self.transfers.take_refused(id)
        {
            self.gives(id, Input::Step(step));
            self.refuse_transfer(now, mint, transfer, begun);
            self.settle(now, mint);
            if self.has_spoken(id) {
                return;
            }
        }
        let drains = self.is_released_in_turn(id, ReleaseCause::Operator);
        let may_drain = drains || is_released(first, ReleaseCause::Refused);
        for until in [now.moment, about(now.moment)] {
            while !drains && let Some((_, timer)) = self.loud_timer(id, until) {
                mint.again();
                self.gives(id, Input::Timer(timer, self.endpoint.leg_of_timer(timer)));
                self.endpoint.fire(now.moment, mint, timer);
                self.settle(now, mint);
                if self.has_spoken(id) {
                    return;
                }
            }
        }
        if may_drain {
            mint.again();
            self.gives(id, Input::Release);
            self.release_session(now, mint, id);
        }
    }

    /// Whether a leg of a session was released in this turn for this cause.
    fn is_released_in_turn(&mut self, id: SessionId, cause: ReleaseCause) -> bool {
        let released = |(_, event): &(EventId, SessionEvent)| is_released(event, cause);
        self.expectation(id).is_some_and(|expectation| expectation.to_come().iter().any(released))
    }

    /// Timers of a session that are due fire before anything else that happens to it. Where events tell of it they have
    /// been played: nothing follows from those that are left.
    pub(super) fn fire_unheard(&mut self, now: Now, mint: &mut Redraw, id: SessionId) {
        while let Some((at, timer)) = self.loud_timer(id, now.moment) {
            mint.again();
            self.gives(id, Input::Timer(timer, self.endpoint.leg_of_timer(timer)));
            self.endpoint.fire(at, mint, timer);
            self.settle(Now { moment: at, ..now }, mint);
        }
        mint.again();
    }

    /// Whether the session has said something in this turn.
    fn has_spoken(&mut self, id: SessionId) -> bool {
        self.expectation(id).is_none_or(|expectation| expectation.has_spoken())
    }

    /// The first timer of a session that is due by then and of which an event may tell.
    fn loud_timer(&mut self, id: SessionId, until: Moment) -> Option<(Moment, Timer)> {
        let due: Vec<(Moment, Timer)> = self.endpoint.timers().due(until).collect();
        due.into_iter().find(|(_, timer)| {
            let leg = self.endpoint.leg_of_timer(*timer);
            leg.is_some_and(|leg| self.legs.get(&leg) == Some(&id)) && !self.endpoint.is_silent(*timer)
        })
    }

    pub(super) fn play_transfer(
        &mut self,
        now: Now,
        mint: &mut Redraw,
        id: TransferId,
        event: TransferEvent,
        recorded: &Recorded,
    ) {
        let wanted = |step: &TransferStep| match event {
            TransferEvent::TransferBegun(_) => matches!(step, TransferStep::Begin),
            TransferEvent::TransferEnded(_) => matches!(step, TransferStep::End(_)),
        };
        let step = match event {
            // No session says so.
            TransferEvent::TransferEnded(ended @ TransferEnded { frozen: Some(_), .. }) => TransferStep::End(ended),
            TransferEvent::TransferBegun(_) | TransferEvent::TransferEnded(_) => {
                let due = self.transfers.due.iter().position(|(of, step)| *of == id && wanted(step));
                let Some(at) = due else { return self.transfer_differs(id, recorded) };
                self.transfers.due.remove(at).1
            }
        };
        let ends = matches!(event, TransferEvent::TransferEnded(_));
        if let Some(playing) = &mut self.replaying {
            playing.transfer = Some((id, event));
        }
        self.step(now, mint, id, step);
        if self.replaying.as_mut().is_some_and(|playing| playing.transfer.take().is_some()) {
            self.transfer_differs(id, recorded);
        }
        self.settle(now, mint);
        if let Some(outbox) = self.transfers.outbox(id) {
            *outbox = Outbox::restored(recorded, self.settings.node);
            if ends {
                outbox.close();
            }
        }
        self.settle_unheard(now, mint, id);
    }

    fn transfer_differs(&mut self, id: TransferId, recorded: &Recorded) {
        if let Some(playing) = &mut self.replaying {
            playing.transfers_unlike.entry(id).or_insert(recorded.id);
        }
    }

    /// A session that has nothing to get back says nothing where a transfer ends: no turn of its own tells of it.
    fn settle_unheard(&mut self, now: Now, mint: &mut Redraw, id: TransferId) {
        let settles = |(of, step): &(TransferId, TransferStep)| *of == id && *step == TransferStep::Settle;
        let due = self.transfers.due.iter().position(settles).filter(|_| !self.gives_back(id));
        if let Some(at) = due {
            self.transfers.due.remove(at);
            self.step(now, mint, id, TransferStep::Settle);
            self.settle(now, mint);
        }
    }

    /// A session whose past is decided otherwise now: what is recorded counts, as far as it says how things stand.
    fn follow(&mut self, now: Now, mint: &mut Redraw, id: SessionId, events: &Events) {
        for (_, event) in events {
            match event {
                SessionEvent::SipMessageReceived(message) => {
                    if let Some((flow, message)) = wire_of(message) {
                        self.endpoint.receive(now.moment, mint, flow, message);
                        while self.endpoint.poll().is_some() {}
                    }
                }
                SessionEvent::SipMessageCommitted(message) => self.endpoint.number_on(message.leg, message.cseq),
                other => {
                    if let Some(live) = self.sessions.get_mut(&id) {
                        live.session.evolve(other);
                    }
                }
            }
        }
    }
}

/// Whether a turn that begins with this event began with none that came from outside.
const fn is_spontaneous(first: &SessionEvent) -> bool {
    !matches!(
        first,
        SessionEvent::SipMessageReceived(_)
            | SessionEvent::ConnectionLost(_)
            | SessionEvent::MediaLatched(_)
            | SessionEvent::MediaFellSilent(_)
            | SessionEvent::MediaHeard(_)
    )
}

/// Connections are lost at a start before anything fires that fell due while nobody was there.
const fn is_of_a_start(first: &SessionEvent) -> bool {
    matches!(first, SessionEvent::ConnectionLost(lost) if lost.with_us_after.is_some())
}

fn is_released(event: &SessionEvent, cause: ReleaseCause) -> bool {
    matches!(event, SessionEvent::LegReleased(released) if released.cause == cause)
}

/// The step of a transfer that a turn of this session begins with.
fn begins_with(step: TransferStep, first: &SessionEvent, id: SessionId) -> bool {
    match first {
        SessionEvent::LegGivenAway(_) => step == TransferStep::Give,
        SessionEvent::LegTaken(_) => step == TransferStep::Take,
        SessionEvent::LegRegained(_) => step == TransferStep::Settle,
        SessionEvent::LegReleased(released) => released.cause == ReleaseCause::Moved && step == TransferStep::Settle,
        SessionEvent::TransferFailed(failed) if &*failed.reason == ENDED_WITHOUT => {
            matches!(step, TransferStep::Missed(missed) if missed == id)
        }
        SessionEvent::SipMessageCommitted(sent) if &*sent.method == "BYE" && sent.status.is_none() => {
            step == TransferStep::Lost(id, sent.leg)
        }
        _ => false,
    }
}

/// What makes a leg of an INVITE or REFER outside any dialog, where the turn began with one.
fn beginning(events: &[(EventId, SessionEvent)]) -> Option<SessionEvent> {
    let (_, SessionEvent::SipMessageReceived(message)) = events.first()? else { return None };
    let begins = |event: &&SessionEvent| match event {
        SessionEvent::SessionOffered(offered) => offered.leg == message.leg,
        SessionEvent::SessionReferred(asked) => asked.leg == message.leg,
        SessionEvent::ReplacementAsked(asked) => asked.leg == message.leg,
        _ => false,
    };
    events.iter().map(|(_, event)| event).find(begins).cloned()
}

/// The response that was sent in this turn, where there was one.
fn answer_in(events: &[(EventId, SessionEvent)]) -> Option<Bytes> {
    let answer = |(_, event): &(EventId, SessionEvent)| match event {
        SessionEvent::SipMessageCommitted(sent) if sent.status.is_some() => Some(sent.wire.known()?.bytes.clone()),
        _ => None,
    };
    events.iter().find_map(answer)
}

fn wire_of(message: &SipMessage) -> Option<(crate::address::Flow, Message)> {
    let Wire { flow, bytes } = message.wire.known()?;
    Some((*flow, Message::scan(bytes.clone()).ok()?))
}

/// The reports that the counts recorded in a turn came by.
fn measured(session: SessionId, events: &[(EventId, SessionEvent)]) -> Vec<MediaReport> {
    let report = |(_, event): &(EventId, SessionEvent)| match event {
        SessionEvent::MediaMeasured(measured) => {
            let path = PathId { session, stream: measured.stream };
            let sides = measured.sides.clone().map(|side| (side.leg, side.statistics));
            Some(MediaReport::Closed { path, sides })
        }
        _ => None,
    };
    events.iter().filter_map(report).collect()
}
