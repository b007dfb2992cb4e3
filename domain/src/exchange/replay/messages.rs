//! MESSAGEs outside calls are taken up as calls are: those on their way go on, and who sent one and sends it again finds its
//! answer. What they decide is little, and so is what has to be compared.

use super::expect::reads_as;
use super::redraw::Redraw;
use super::{about, rings_devices};
use crate::address::Flow;
use crate::codec::pager::kind;
use crate::codec::seal::{KeyRef, SealKey};
use crate::exchange::Exchange;
use crate::exchange::messages::Judged;
use crate::ids::{EventId, LegId, MessageId};
use crate::pager::{MessageOffered, PagerEvent};
use crate::ports::Mint;
use crate::session::event::{SipMessage, Wire};
use crate::sip::timer::Timer;
use crate::sip::wire::Message;
use crate::time::{Moment, Now};
use bytes::Bytes;
use std::collections::{BTreeSet, HashSet, VecDeque};

/// Events of one turn, with their ids.
pub(super) type Events = Vec<(EventId, PagerEvent)>;

/// What a MESSAGE that is played is to say.
#[derive(Debug, Default)]
pub(in crate::exchange) struct Recounted {
    events: VecDeque<(EventId, PagerEvent)>,
    spoken: bool,
    /// What was said otherwise than then.
    pub(super) unlike: Option<String>,
    /// Messages that this build would write otherwise.
    written: Vec<(LegId, EventId, Bytes)>,
}

impl Recounted {
    fn begin(&mut self, events: Events) {
        (self.events, self.spoken) = (events.into(), false);
    }

    /// It says something.
    pub(in crate::exchange) fn meet(&mut self, id: EventId, said: &PagerEvent) {
        self.spoken = true;
        match (self.events.pop_front(), said) {
            (Some((known, then)), said) if known == id && then == *said => {}
            (Some((known, PagerEvent::MessageSent(then))), PagerEvent::MessageSent(said))
                if known == id && reads_as(&then, said) =>
            {
                let wire = then.wire.known();
                self.written.extend(wire.map(|wire| (then.leg, id, wire.bytes.clone())));
            }
            (then, said) => {
                let then = then.map_or("nothing", |(_, then)| kind(&then));
                self.unlike.get_or_insert(format!("{} followed in place of {then}", kind(said)));
            }
        }
    }

    fn turn_over(&mut self) {
        if let Some((_, missing)) = self.events.pop_front() {
            self.unlike.get_or_insert(format!("{} did not follow again", kind(&missing)));
        }
        self.events.clear();
    }
}

impl Exchange {
    /// One turn of a MESSAGE; the first comes with its key.
    pub(super) fn play_message(
        &mut self,
        now: Now,
        mint: &mut Redraw,
        id: MessageId,
        events: Events,
        key: Option<(KeyRef, SealKey)>,
    ) {
        if let Some(key) = key {
            self.begin_message(now, mint, id, events, key);
        } else if let Some(recounted) = self.recounted(id).filter(|recounted| recounted.unlike.is_none()) {
            let heard = match events.first() {
                Some((_, PagerEvent::MessageHeard(heard))) => wire_of(heard),
                Some(_) | None => None,
            };
            let beginning = events.first().map(|(id, _)| *id);
            recounted.begin(events);
            match heard {
                Some((flow, message)) => {
                    self.fire_message(now, mint, id, now.moment, false);
                    self.endpoint.receive(now.moment, mint, flow, message);
                    self.settle(now, mint);
                }
                None => self.play_unasked(now, mint, id, beginning),
            }
        }
        let Some(recounted) = self.recounted(id) else { return };
        recounted.turn_over();
        let written = std::mem::take(&mut recounted.written);
        written.iter().for_each(|(leg, event, bytes)| self.endpoint.adopt(*leg, *event, bytes));
    }

    pub(super) fn recounted(&mut self, id: MessageId) -> Option<&mut Recounted> {
        self.messages.live.get_mut(&id)?.expects.as_deref_mut()
    }

    fn begin_message(&mut self, now: Now, mint: &mut Redraw, id: MessageId, events: Events, key: (KeyRef, SealKey)) {
        let Some((_, PagerEvent::MessageHeard(heard))) = events.first() else { return };
        let Some((flow, request)) = wire_of(heard) else { return };
        let offered = events.iter().find_map(|(_, event)| match event {
            PagerEvent::MessageOffered(offered) => Some(offered.clone()),
            _ => None,
        });
        let route = events.iter().find_map(|(_, event)| match event {
            PagerEvent::MessageRouted(chosen) => Some(Ok(chosen.clone())),
            PagerEvent::MessageUnroutable(refused) => Some(Err(refused.clone())),
            _ => None,
        });
        let (Some(offered), Some(route)) = (offered, route) else { return };
        let shared = offered.domain.filter(|_| rings_devices(&route));
        let shared = shared.and_then(|id| self.domain_named(id, &request));
        let from = self.identity_of(flow, &request, shared);
        let mut recounted = Recounted::default();
        recounted.begin(events);
        if let Some(playing) = &mut self.replaying {
            playing.message = Some((id, Box::new(recounted)));
        }
        let offered = MessageOffered { leg: LegId::from_bits(mint.bits()), ..offered };
        self.take_message(now, mint, flow, &request, Judged { offered, from, route, key });
        self.settle(now, mint);
    }

    /// No message began the turn: a timer did, or an earlier death, after which what waits went by another connection.
    fn play_unasked(&mut self, now: Now, mint: &mut Redraw, id: MessageId, beginning: Option<EventId>) {
        for until in [now.moment, about(now.moment)] {
            self.fire_message(now, mint, id, until, true);
        }
        if beginning.is_none() || self.recounted(id).is_none_or(|recounted| recounted.spoken) {
            return;
        }
        mint.again();
        let legs: BTreeSet<LegId> =
            self.messages.legs.iter().filter(|(_, (of, _))| *of == id).map(|(leg, _)| *leg).collect();
        let mut flows: Vec<Flow> = self.endpoint.connections().collect();
        flows.sort_unstable_by_key(|flow| (flow.local, flow.remote));
        for flow in flows {
            let concerned: BTreeSet<LegId> = self.endpoint.legs_on(&flow).intersection(&legs).copied().collect();
            self.endpoint.flow_ended_with_us(mint, flow, &concerned, &HashSet::new());
            self.settle(now, mint);
        }
    }

    /// Fires the timers of a MESSAGE that are due by then and of which an event may tell: all, or until one did.
    fn fire_message(&mut self, now: Now, mint: &mut Redraw, id: MessageId, until: Moment, asks: bool) {
        while !(asks && self.recounted(id).is_none_or(|recounted| recounted.spoken))
            && let Some((at, timer)) = self.timer_of_message(id, until)
        {
            mint.again();
            let at = if asks { now.moment } else { at };
            self.endpoint.fire(at, mint, timer);
            self.settle(Now { moment: at, ..now }, mint);
        }
        mint.again();
    }

    fn timer_of_message(&mut self, id: MessageId, until: Moment) -> Option<(Moment, Timer)> {
        let due: Vec<(Moment, Timer)> = self.endpoint.timers().due(until).collect();
        due.into_iter().find(|(_, timer)| {
            let leg = self.endpoint.leg_of_timer(*timer);
            let of = leg.and_then(|leg| self.messages.legs.get(&leg));
            of.is_some_and(|(of, _)| *of == id) && !self.endpoint.is_silent(*timer)
        })
    }
}

fn wire_of(message: &SipMessage) -> Option<(Flow, Message)> {
    let Wire { flow, bytes } = message.wire.known()?;
    Some((*flow, Message::scan(bytes.clone()).ok()?))
}
