//! Attended transfers on their way: each step is one session's decision, and the next is taken when that is durable. Nothing
//! is asked of two sessions in one turn, so that a death between two steps leaves a log that says how far it was.

use super::held::Effect;
use super::outbox::Outbox;
use super::{Exchange, Live};
use crate::codec::transfer::encode;
use crate::id_map::IdMap;
use crate::ids::{LegId, SessionId, TransferId};
use crate::log::StreamName;
use crate::ports::Mint;
use crate::session::event::{ReleaseCause, SessionEvent};
use crate::session::leg::LegStatus;
use crate::session::order::{Context, Order};
use crate::sip::dialog::DialogState;
use crate::time::Now;
use crate::transfer::{Frozen, TransferBegun, TransferEnded, TransferEvent, TransferStep};

/// A transfer in memory.
#[derive(Debug)]
struct InHand {
    begun: TransferBegun,
    ended: Option<TransferEnded>,
    /// The one session was asked to give the leg.
    given: bool,
    /// The other was asked to take it.
    taken: bool,
    outbox: Outbox,
}

impl InHand {
    /// Whether a step before the end is due; from here on it was taken.
    fn takes(&mut self, step: TransferStep) -> bool {
        let before = match step {
            TransferStep::Begin => self.outbox.last().is_some(),
            TransferStep::Give => std::mem::replace(&mut self.given, true),
            TransferStep::Take => std::mem::replace(&mut self.taken, true),
            TransferStep::End(_)
            | TransferStep::Freeze
            | TransferStep::Settle
            | TransferStep::Missed(_)
            | TransferStep::Lost(..) => false,
        };
        !before && self.ended.is_none()
    }
}

/// All that are on their way.
#[derive(Debug, Default)]
pub(super) struct Transfers {
    in_hand: IdMap<TransferId, Box<InHand>>,
    /// Steps whose time has come.
    pub(super) due: Vec<(TransferId, TransferStep)>,
    /// Transfers that may have something to append.
    pub(super) touched: Vec<TransferId>,
}

impl Transfers {
    pub(super) fn outbox(&mut self, id: TransferId) -> Option<&mut Outbox> {
        self.in_hand.get_mut(&id).map(|in_hand| &mut in_hand.outbox)
    }

    pub(super) fn len(&self) -> usize {
        self.in_hand.len()
    }

    /// A transfer's own stream is frozen: what waited for it goes on, though nobody will know.
    pub(super) fn stream_frozen(&mut self, id: TransferId) {
        let Some(in_hand) = self.in_hand.get(&id) else { return };
        let next = if in_hand.ended.is_some() { TransferStep::Settle } else { TransferStep::Give };
        self.due.push((id, next));
    }

    /// The step that is due of the transfer for which this session was refused the leg. It is not asked for again: the other
    /// session may have given it, and its stream was frozen then ([`Transfers::frozen`]), which it is to no start.
    pub(super) fn take_refused(&mut self, taking: SessionId) -> Option<(TransferId, TransferStep, TransferBegun)> {
        let in_hand = &mut self.in_hand;
        let at = self.due.iter().position(|(id, step)| {
            let asks = matches!(step, TransferStep::Give | TransferStep::Take);
            asks && in_hand.get(id).is_some_and(|in_hand| in_hand.begun.taking == taking)
        })?;
        let (id, step) = self.due.remove(at);
        let in_hand = in_hand.get_mut(&id)?;
        (in_hand.given, in_hand.taken) = (true, true);
        Some((id, step, in_hand.begun))
    }

    /// A session's stream is frozen: what waited for it goes on without.
    pub(super) fn frozen(&mut self, session: SessionId) {
        // What was asked for and never begun is as if nobody had asked.
        self.in_hand.retain(|_, in_hand| in_hand.begun.taking != session || in_hand.outbox.last().is_some());
        for (id, in_hand) in &self.in_hand {
            if in_hand.begun.taking == session {
                self.due.push((*id, TransferStep::Freeze));
            } else if in_hand.begun.giving == session {
                self.due.push((*id, TransferStep::Take));
            }
        }
    }
}

impl Exchange {
    /// A session accepted a REFER that joins two.
    pub(super) fn begin_transfer(&mut self, id: TransferId, begun: TransferBegun) {
        let stream = StreamName::new(TransferEvent::CATEGORY, id.uuid());
        let outbox = Outbox::new(stream, id.uuid(), self.settings.node);
        self.transfers.in_hand.insert(id, Box::new(InHand { begun, ended: None, given: false, taken: false, outbox }));
        self.when_durable(begun.taking, id, TransferStep::Begin);
    }

    /// A session is done with a transfer.
    pub(super) fn end_transfer(&mut self, session: SessionId, id: TransferId, ended: TransferEnded) {
        // It may have ended without its word.
        if self.transfers.in_hand.contains_key(&id) {
            self.when_durable(session, id, TransferStep::End(ended));
        }
    }

    /// The step is taken when all that was decided about the session so far is durable.
    fn when_durable(&mut self, session: SessionId, id: TransferId, step: TransferStep) {
        if let Some(live) = self.sessions.get_mut(&session) {
            live.hold(Effect::Proceed(id, step));
            self.touched.push(session);
        }
    }

    /// Takes the steps that are due.
    pub(super) fn proceed(&mut self, now: Now, mint: &mut dyn Mint) {
        while !self.transfers.due.is_empty() {
            self.fire_due(now, mint);
            for (id, step) in std::mem::take(&mut self.transfers.due) {
                mint.begin_turn();
                self.step(now, mint, id, step);
                self.settle(now, mint);
            }
        }
    }

    pub(super) fn step(&mut self, now: Now, mint: &mut dyn Mint, id: TransferId, step: TransferStep) {
        match step {
            TransferStep::Missed(taking) => self.tell_end(now, mint, id, taking),
            TransferStep::Lost(giving, moved) => self.hang_up_lost(now, mint, giving, moved),
            step => self.step_in_hand(now, mint, id, step),
        }
    }

    fn step_in_hand(&mut self, now: Now, mint: &mut dyn Mint, id: TransferId, step: TransferStep) {
        let Some(in_hand) = self.transfers.in_hand.get_mut(&id) else { return };
        let (begun, ended) = (in_hand.begun, in_hand.ended);
        match step {
            TransferStep::Settle => {
                ended.into_iter().for_each(|ended| self.settle_transfer(now, mint, id, begun, ended));
            }
            // It was taken before, or the end came before its turn.
            step if !in_hand.takes(step) => {}
            TransferStep::Missed(_) | TransferStep::Lost(..) => {}
            TransferStep::Begin => {
                self.write_transfer(now, mint, id, TransferEvent::TransferBegun(begun), TransferStep::Give);
            }
            TransferStep::Give => self.give_leg(now, mint, id, begun),
            TransferStep::Take => self.take_leg(now, mint, id, begun),
            TransferStep::Freeze => {
                let with_leg = self.legs.get(&begun.moved) == Some(&begun.taking);
                let frozen = Some(if with_leg { Frozen::WithLeg } else { Frozen::WithoutLeg });
                self.step(
                    now,
                    mint,
                    id,
                    TransferStep::End(TransferEnded { frozen, ..TransferEnded::told(false, 500) }),
                );
            }
            TransferStep::End(ended) => {
                // Nothing that was due before is taken any more.
                self.transfers.due.retain(|(of, _)| *of != id);
                in_hand.ended = Some(ended);
                in_hand.outbox.close();
                self.write_transfer(now, mint, id, TransferEvent::TransferEnded(ended), TransferStep::Settle);
            }
        }
    }

    fn write_transfer(
        &mut self,
        now: Now,
        mint: &mut dyn Mint,
        id: TransferId,
        event: TransferEvent,
        next: TransferStep,
    ) {
        let Some(in_hand) = self.transfers.in_hand.get_mut(&id) else { return };
        if in_hand.outbox.is_frozen() {
            // Nobody will know, but the calls go on.
            return self.transfers.due.push((id, next));
        }
        let event_id = mint.event_id();
        if let Some(playing) = &mut self.replaying {
            if playing.meet_transfer(id, event) {
                self.transfers.due.push((id, next));
            }
            return;
        }
        in_hand.outbox.record(&mut self.desk, event_id, now.wall, None, encode(&event));
        in_hand.outbox.hold(Effect::Proceed(id, next));
        self.transfers.touched.push(id);
    }

    /// A session decides; what follows is carried out.
    fn decide<T>(
        &mut self,
        now: Now,
        mint: &mut dyn Mint,
        session: SessionId,
        decision: impl FnOnce(&mut Live, &mut Context<'_>) -> T,
    ) -> Option<T> {
        let live = self.sessions.get_mut(&session)?;
        live.begin_turn();
        let mut context = Context::new(now, mint);
        let result = decision(live, &mut context);
        let steps = context.steps;
        self.carry_out(now, mint, session, steps);
        Some(result)
    }

    fn give_leg(&mut self, now: Now, mint: &mut dyn Mint, id: TransferId, begun: TransferBegun) {
        let given = self.decide(now, mint, begun.giving, |live, context| {
            live.session.on_give(context, begun.moved, begun.taking, id)
        });
        match given {
            Some(true) => self.when_durable(begun.giving, id, TransferStep::Take),
            Some(false) | None => self.refuse_transfer(now, mint, id, begun),
        }
    }

    /// The session that was to have the leg hears that it does not.
    pub(super) fn refuse_transfer(&mut self, now: Now, mint: &mut dyn Mint, id: TransferId, begun: TransferBegun) {
        self.decide(now, mint, begun.taking, |live, context| live.session.on_not_given(context, id, 480));
    }

    /// After a start: before anything else befalls them, sessions hear of transfers that ended without their word.
    pub(super) fn tell_missed(&mut self, now: Now, mint: &mut dyn Mint) {
        let is_missed = |(_, step): &mut (TransferId, TransferStep)| {
            matches!(step, TransferStep::Missed(_) | TransferStep::Lost(..))
        };
        for (id, step) in self.transfers.due.extract_if(.., is_missed).collect::<Vec<_>>() {
            mint.begin_turn();
            self.step(now, mint, id, step);
            self.settle(now, mint);
        }
    }

    /// A session that could say nothing when the transfer ended hears of it.
    fn tell_end(&mut self, now: Now, mint: &mut dyn Mint, id: TransferId, taking: SessionId) {
        if self.sessions.get(&taking).is_some_and(|live| !live.outbox.is_frozen()) {
            self.decide(now, mint, taking, |live, context| live.session.on_ended_without(context, id));
        }
    }

    /// In memory the leg had moved; its stream is still that of the session that gave it away.
    fn hang_up_lost(&mut self, now: Now, mint: &mut dyn Mint, giving: SessionId, leg: LegId) {
        if self.legs.get(&leg) == Some(&giving) {
            self.decide(now, mint, giving, |_, context| context.order(Order::Bye { leg }));
        }
    }

    fn take_leg(&mut self, now: Now, mint: &mut dyn Mint, id: TransferId, begun: TransferBegun) {
        let giving = self.sessions.get(&begun.giving).filter(|live| !live.outbox.is_frozen());
        let Some(leg) = giving.and_then(|live| live.session.given_away(begun.moved)).cloned() else {
            return self.refuse_transfer(now, mint, id, begun);
        };
        // Before what follows from it: its messages are the taking session's from here on.
        self.move_leg(begun, begun.giving, begun.taking);
        let taken =
            self.decide(now, mint, begun.taking, |live, context| live.session.on_take(context, &leg, begun.giving, id));
        if taken != Some(true) {
            self.move_leg(begun, begun.taking, begun.giving);
        }
    }

    fn move_leg(&mut self, begun: TransferBegun, from: SessionId, to: SessionId) {
        if self.legs.get(&begun.moved) != Some(&from) {
            return;
        }
        self.legs.insert(begun.moved, to);
        if let Some(live) = self.sessions.get_mut(&from) {
            live.legs = live.legs.saturating_sub(1);
        }
        if let Some(live) = self.sessions.get_mut(&to) {
            live.legs += 1;
        }
        self.recount(from);
        self.recount(to);
    }

    /// Where a transfer's own stream was frozen, its calls went on without ([`Transfers::stream_frozen`]): what it would have
    /// said follows from what they say. `unknown`: if the two were joined, that is in the log alone.
    pub(super) fn infer_steps(&mut self, giving: SessionId, first: &SessionEvent, unknown: bool) {
        let (moved, frozen) = match first {
            SessionEvent::LegGivenAway(given) => {
                let begins = |(id, step): &&mut (TransferId, TransferStep)| {
                    *id == given.transfer && *step == TransferStep::Begin
                };
                return self
                    .transfers
                    .due
                    .iter_mut()
                    .find(begins)
                    .into_iter()
                    .for_each(|(_, step)| *step = TransferStep::Give);
            }
            SessionEvent::LegRegained(regained) => (regained.leg, Frozen::WithoutLeg),
            SessionEvent::LegReleased(released) if released.cause == ReleaseCause::Moved => {
                (released.leg, Frozen::WithLeg)
            }
            _ => return,
        };
        let of = |begun: &TransferBegun| begun.giving == giving && begun.moved == moved;
        let Some((id, in_hand)) = self.transfers.in_hand.iter_mut().find(|(_, in_hand)| of(&in_hand.begun)) else {
            return;
        };
        let id = *id;
        if in_hand.ended.is_some() {
            return;
        }
        let said = self.transfers.due.iter().find_map(|(of, step)| match step {
            TransferStep::End(ended) if *of == id && !(unknown && ended.completed) => Some(*ended),
            _ => None,
        });
        in_hand.ended = Some(said.unwrap_or(TransferEnded { frozen: Some(frozen), ..TransferEnded::told(false, 500) }));
        self.transfers.due.retain(|(of, _)| *of != id);
        self.transfers.due.push((id, TransferStep::Settle));
    }

    /// Whether the giving session has given the leg away, and waits for what comes of it.
    pub(super) fn gives_back(&self, id: TransferId) -> bool {
        let begun = self.transfers.in_hand.get(&id).map(|in_hand| in_hand.begun);
        let giving = begun.and_then(|begun| Some((begun, self.sessions.get(&begun.giving)?)));
        giving.is_some_and(|(begun, live)| live.session.given_away(begun.moved).is_some())
    }

    /// The giving session has its leg back, if that is still there and was not joined; else it ends.
    fn settle_transfer(
        &mut self,
        now: Now,
        mint: &mut dyn Mint,
        id: TransferId,
        begun: TransferBegun,
        ended: TransferEnded,
    ) {
        self.transfers.in_hand.remove(&id);
        let dialog = self.endpoint.dialog(begun.moved);
        let confirmed = dialog.is_some_and(|dialog| dialog.state == DialogState::Confirmed);
        let asked = dialog.is_some_and(|dialog| dialog.outgoing.is_some());
        let taking = self.sessions.get(&begun.taking);
        let leg = taking.and_then(|live| live.session.leg(begun.moved));
        let version = leg.map_or(0, |leg| leg.version);
        // A BYE that has no answer yet ends the leg as surely as one that has.
        let there = confirmed && leg.is_none_or(|leg| leg.status != LegStatus::Releasing);
        let back = there && !ended.completed && ended.frozen != Some(Frozen::WithLeg);
        if back {
            self.move_leg(begun, begun.taking, begun.giving);
        }
        self.decide(now, mint, begun.giving, |live, context| {
            if live.session.given_away(begun.moved).is_none() {
                return;
            }
            match back {
                true => live.session.on_regained(context, begun.moved, (begun.taking, version), asked),
                false => live.session.on_moved(context, begun.moved, ended.completed),
            }
        });
        if let Some(frozen) = ended.frozen {
            self.transfers.due.push((id, TransferStep::Missed(begun.taking)));
            let lost = (id, TransferStep::Lost(begun.giving, begun.moved));
            self.transfers.due.extend((frozen == Frozen::WithLeg).then_some(lost));
        }
        self.forget_if_over(begun.taking);
    }
}
