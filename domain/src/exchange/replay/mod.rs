//! Calls are taken up from the log. A stream is read turn by turn: what came in then is taken in again, with the draws, ports
//! and routes of then, and the code that decides decides again. It must say what is recorded; nothing is written, and
//! nothing leaves. What then stands in memory is what stood there, dialogs, transactions and timers too, and the call goes
//! on from the moment of the death: what waits for an answer is sent again as it was, and what is overdue is due.
//!
//! A call whose past this build would decide otherwise is not guessed at: it is ended, with BYE or CANCEL.

mod again;
mod beside;
mod expect;
mod finish;
mod history;
mod input;
mod messages;
mod redraw;

pub use again::{Again, Difference, Verdict};
pub(super) use expect::Expectation;
pub use expect::Input;
pub use history::{Histories, MAY_NOT_HAVE_LEFT, needs};
pub(super) use messages::Recounted;

use super::Exchange;
use super::live::Live;
use super::refer::{NOT_ANSWERED, rings_devices};
use super::streams::Death;
use crate::address::Flow;
use crate::codec::seal::{KeyRef, SealKey};
use crate::draws::Draws;
use crate::ids::{AccountId, EventId, LegId, MessageId, SessionId, TransferId, TrunkId};
use crate::log::StreamName;
use crate::ports::Mint;
use crate::session::event::{RouteChosen, RouteRefused, SessionEvent};
use crate::session::referred::Sender;
use crate::session::transfer::{Joins, Referral};
use crate::sip::endpoint::TimersThen;
use crate::time::{Moment, Now, WallTime};
use crate::transfer::TransferEvent;
use crate::trunk::ReferRule;
use history::{Story, Turn};
use redraw::Redraw;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// A stream that could not be taken up as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unlike {
    /// The stream.
    pub stream: StreamName,
    /// Why, without personal data.
    pub why: String,
}

/// What came of taking up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TakenUp {
    /// How many sessions run on.
    pub sessions: usize,
    /// How many MESSAGEs go on.
    pub messages: usize,
    /// How many were played of each account, those included that had ended.
    pub accounts: BTreeMap<AccountId, usize>,
    /// Those that could not be taken up: calls among them that are known well enough are ended.
    pub unlike: Vec<Unlike>,
}

/// Keys of the sessions that are played.
type Keys = HashMap<SessionId, (KeyRef, SealKey)>;

/// See [`Playing::ways`].
type Ways = HashMap<LegId, Flow>;

/// Legs whose peers asked who we are, and whether we had something to answer with.
type Logins = HashMap<LegId, bool>;

/// What the turn at hand was given then, in place of what tables and counts say now.
#[derive(Debug, Default)]
pub(super) struct Playing {
    keys: Keys,
    /// Answers that went by a connection are kept: nobody knows yet whether they arrived.
    keeps_answers: bool,
    /// The death that this turn tells of.
    death: Option<Death>,
    /// Trunks that took no call more.
    full: Vec<TrunkId>,
    /// Where the call, or whoever a REFER named, was routed in this turn.
    route: Option<Result<RouteChosen, RouteRefused>>,
    /// That a REFER was refused in this turn, and why.
    refused: Option<(u16, Box<str>)>,
    /// That a call was not joined with another in this turn, which rang or was over, and may be forgotten.
    not_joined: bool,
    /// Where whoever a REFER named is routed later.
    onward: Option<RouteChosen>,
    /// What a session that begins in this turn is to say.
    begins: Option<Box<Expectation>>,
    /// What a transfer is to say in this turn.
    transfer: Option<(TransferId, TransferEvent)>,
    /// What a MESSAGE that begins in this turn is to say.
    message: Option<(MessageId, Box<Recounted>)>,
    /// Transfers that said something else, and what was recorded.
    transfers_unlike: BTreeMap<TransferId, EventId>,
    /// By what flow the first request of ours went to a leg, whose own INVITE or REFER may have come by another.
    ways: HashMap<LegId, Flow>,
    /// What is set otherwise since is taken as it was; not where the question is what would be decided now.
    as_then: bool,
    /// Whether we had something to answer with where the peer of a leg asked who we are.
    logins: Logins,
    /// What sessions were to say that are over and forgotten.
    over: BTreeMap<SessionId, Box<Expectation>>,
}

impl Exchange {
    /// Takes up sessions, transfers and MESSAGEs outside calls. Tables and bindings are to be there before, and
    /// [`Exchange::serve`] comes after. What leaves now is to be had by [`Exchange::appends`] and [`Exchange::effects`], as
    /// after any input.
    pub fn take_up(&mut self, now: Now, mint: &mut dyn Mint, histories: Histories) -> TakenUp {
        let Histories { turns, keys, ways, logins, lasts, messages, death, mut unlike } = histories;
        self.play_all(now, mint.draws().clone(), (keys, ways, logins), true, turns);
        unlike.extend(self.finish(now, mint, (lasts, messages), &death));
        let mut accounts = BTreeMap::new();
        self.sessions.values().for_each(|live| *accounts.entry(live.session.account).or_default() += 1);
        let messages = self.messages.live.values().filter(|live| !live.ended).count();
        TakenUp { sessions: self.live_sessions, messages, accounts, unlike }
    }

    /// Plays everything; what is left over is what there was beside it, and what is known of sessions that are forgotten.
    fn play_all(
        &mut self,
        now: Now,
        draws: Draws,
        (keys, ways, logins): (Keys, Ways, Logins),
        as_then: bool,
        turns: Vec<Turn>,
    ) -> Playing {
        let mut redraw = Redraw::new(draws);
        let playing = Playing { keys, ways, logins, as_then, keeps_answers: true, ..Playing::default() };
        self.replaying = Some(Box::new(playing));
        for turn in turns {
            self.play(then(now, turn.at), &mut redraw, turn);
        }
        self.fire_silent(now, &mut redraw);
        self.endpoint.is_set_as_now();
        self.effects.clear();
        self.touched.clear();
        self.replaying.take().map(|playing| *playing).unwrap_or_default()
    }

    fn play(&mut self, now: Now, redraw: &mut Redraw, turn: Turn) {
        self.fire_silent(now, redraw);
        let Turn { id, story, .. } = turn;
        match story {
            Story::Session { session, events, onward, death } => {
                let ports = self.sessions.get(&session).map(|live| &live.session);
                redraw.begin(id, ports, &events);
                if let Some(death) = death {
                    let legs: Vec<LegId> =
                        self.legs.iter().filter(|(_, id)| **id == session).map(|(leg, _)| *leg).collect();
                    self.endpoint.outlive_streams(now.moment, |leg| legs.contains(&leg), &death.last);
                    self.settle(now, redraw);
                    if let Some(playing) = &mut self.replaying {
                        playing.death = Some(death);
                    }
                }
                self.play_session(now, redraw, session, events, onward);
            }
            Story::Message { message, events, key } => {
                redraw.begin(id, None, &[]);
                self.play_message(now, redraw, message, events, key);
            }
            Story::Transfer { transfer, event, recorded } => {
                redraw.begin(id, None, &[]);
                self.play_transfer(now, redraw, transfer, event, &recorded);
            }
        }
    }

    /// What fires without a word: repeats, which do not leave, and what is forgotten.
    fn fire_silent(&mut self, now: Now, redraw: &mut Redraw) {
        loop {
            let due: Vec<_> = self.endpoint.timers().due(now.moment).collect();
            let keeps = self.replaying.as_ref().is_some_and(|playing| playing.keeps_answers);
            let fires =
                |timer| self.endpoint.is_silent(timer) && !(keeps && self.endpoint.forgets_answered_stream(timer));
            let Some((at, timer)) = due.into_iter().find(|(_, timer)| fires(*timer)) else { return };
            self.endpoint.fire(at, redraw, timer);
            self.settle(Now { moment: at, ..now }, redraw);
        }
    }
}

/// What both clocks said when it was this time.
fn then(now: Now, at: WallTime) -> Now {
    let at = at.min(now.wall);
    Now { wall: at, moment: now.moment - now.wall.since(at) }
}

impl Playing {
    /// What there was beside the message, for this turn.
    fn prepare(&mut self, events: &[(EventId, SessionEvent)], onward: Option<RouteChosen>) {
        self.full = history::full_then(events);
        self.route = events.iter().find_map(|(_, event)| match event {
            SessionEvent::RouteChosen(chosen) => Some(Ok(chosen.clone())),
            SessionEvent::RouteRefused(refused) => Some(Err(refused.clone())),
            _ => None,
        });
        self.refused = events.iter().find_map(|(_, event)| match event {
            SessionEvent::TransferRefused(refused) => Some((refused.status, refused.reason.clone())),
            _ => None,
        });
        let not_answered = |(_, event): &(EventId, SessionEvent)| match event {
            SessionEvent::TransferFailed(failed) => &*failed.reason == NOT_ANSWERED,
            _ => false,
        };
        self.not_joined = events.iter().any(not_answered);
        self.onward = onward;
    }

    /// Where the call, or whoever a REFER named, was routed in this turn.
    pub(super) const fn route(&self) -> Option<&Result<RouteChosen, RouteRefused>> {
        self.route.as_ref()
    }

    /// Whether there was something to answer the peer of a leg with that asked who we are, where that is known.
    pub(super) fn had_login(&self, leg: LegId) -> Option<bool> {
        self.logins.get(&leg).copied().filter(|_| self.as_then)
    }

    /// What the log says of session timers in a turn; none where the question is what would be decided now. `live` are the
    /// legs that were not over before it.
    fn timers_then(&self, events: &[(EventId, SessionEvent)], mut live: Vec<LegId>) -> Option<TimersThen> {
        if !self.as_then {
            return None;
        }
        let released = |leg: &LegId| {
            let releases = |event: &SessionEvent| matches!(event, SessionEvent::LegReleased(it) if it.leg == *leg);
            events.iter().any(|(_, event)| releases(event))
        };
        live.retain(|leg| !released(leg));
        let set = |(_, event): &(EventId, SessionEvent)| match event {
            SessionEvent::SessionTimerSet(set) => Some((set.leg, set.timer)),
            _ => None,
        };
        let too_short = |(_, event): &(EventId, SessionEvent)| match event {
            SessionEvent::SipMessageCommitted(sent) => sent.status == Some(422),
            _ => false,
        };
        let too_short = events.iter().any(too_short);
        Some(TimersThen { set: events.iter().filter_map(set).collect(), live, too_short })
    }

    /// Whether whoever a REFER outside any dialog named is called at devices, where that is known.
    pub(super) fn leads_to_devices(&self) -> Option<bool> {
        self.onward.clone().map(|onward| rings_devices(&Ok(onward)))
    }

    pub(super) fn full(&self) -> Vec<TrunkId> {
        self.full.clone()
    }

    /// What came of a REFER within a dialog; what the tables say now where it got no further.
    pub(super) fn referral(&self, referral: &mut Referral) {
        referral.refused = self.refused.clone();
        // What was not refused was allowed.
        referral.rule = ReferRule::Any;
        if let Some(then) = self.route.clone() {
            referral.route = Some(then);
        }
        if self.not_joined {
            referral.joins = Joins::Never(480, NOT_ANSWERED);
        }
    }

    /// The same of a REFER outside any dialog: its sender, and then whom it named.
    pub(super) fn referral_outside(&self, sender: &mut Sender, referral: &mut Referral) {
        sender.recorded = self.route.clone();
        if let Some(then) = self.onward.clone() {
            referral.route = Some(Ok(then));
        }
    }

    /// By what flow the first request of ours went to a leg, where one did.
    pub(super) fn way_to(&self, leg: LegId) -> Option<Flow> {
        self.ways.get(&leg).copied()
    }

    /// A session that is played is over, and forgotten.
    pub(super) fn forget(&mut self, over: Live) {
        let id = over.session.id;
        self.over.extend(over.expects.map(|expectation| (id, expectation)));
    }

    /// Whether a session of this id is played.
    pub(super) fn knows(&self, id: SessionId) -> bool {
        self.keys.contains_key(&id)
    }

    pub(super) fn begins(&mut self) -> Option<Box<Expectation>> {
        self.begins.take()
    }

    /// What a MESSAGE that begins is to say: nothing matches where it is another one.
    pub(super) fn begins_message(&mut self, id: MessageId) -> Option<Box<Recounted>> {
        let (known, recounted) = self.message.take()?;
        Some(if known == id { recounted } else { Box::default() })
    }

    /// Whether a transfer says what it said then.
    pub(super) fn meet_transfer(&mut self, id: TransferId, event: TransferEvent) -> bool {
        self.transfer.take_if(|expected| *expected == (id, event)).is_some()
    }
}

/// A deadline that lies this far beyond an event's time may still have caused it: clocks are set by and by.
const SLEW: Duration = Duration::from_secs(2);

/// The latest deadline that counts as due.
fn about(now: Moment) -> Moment {
    now + SLEW
}
