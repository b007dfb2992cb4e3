//! Whether this build decides the past as it was decided: streams are played, ended ones too, beside nobody, and nothing
//! comes of it but what is told.

use super::expect::{Expectation, Input, Otherwise};
use super::history::{Histories, Last, needs};
use crate::draws::{Draws, TurnId};
use crate::exchange::Exchange;
use crate::ids::{EventId, SessionId, TransferId};
use crate::log::{Recorded, StreamName};
use crate::ports::Keyring;
use crate::session::event::SessionEvent;
use crate::time::{Moment, Now, WallTime};
use crate::transfer::TransferEvent;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use uuid::Uuid;

/// A session's id is among the first draws of its first turn.
const FIRST_DRAWS: usize = 64;

/// What came of a stream that was played.
#[derive(Debug, Clone)]
pub struct Again {
    /// The stream.
    pub stream: StreamName,
    /// How many events it holds.
    pub events: usize,
    /// In how many turns they were decided.
    pub turns: usize,
    /// How many of its messages this build would write otherwise, to the same effect.
    pub rewritten: usize,
    /// Whether it is decided alike.
    pub verdict: Verdict,
}

impl Again {
    /// The event of the log where it is decided otherwise.
    pub fn place(&self) -> Option<&Recorded> {
        match &self.verdict {
            Verdict::Different(difference) => difference.place(),
            Verdict::Alike | Verdict::Unplayable(_) => None,
        }
    }
}

/// See [`Again::verdict`].
#[derive(Debug, Clone)]
pub enum Verdict {
    /// Every event follows again.
    Alike,
    /// This is where it is decided otherwise.
    Different(Box<Difference>),
    /// It cannot be told, and why.
    Unplayable(String),
}

/// The first decision of a stream that this build would take otherwise.
#[derive(Debug, Clone)]
pub struct Difference {
    /// In a few words, without personal data.
    pub why: String,
    /// The event that is recorded; none where this build says something more.
    pub then: Option<Recorded>,
    /// What this build says in its place; none where it says nothing.
    pub said: Option<SessionEvent>,
    /// What it was given.
    pub input: Option<Input>,
    /// The first event of the turn that is recorded.
    pub turn: Option<Recorded>,
}

impl Difference {
    /// The event of the log that it is about.
    pub fn place(&self) -> Option<&Recorded> {
        self.then.as_ref().or(self.turn.as_ref())
    }
}

impl Exchange {
    /// Decides again what is recorded in these streams, whole and oldest event first; see [`needs`] for which belong
    /// together. For an exchange that does nothing else: what it knew of calls is gone. The tables should be those that there
    /// were when the first of them began. Nothing is looked at that would come after the last event.
    pub fn decide_again(&mut self, draws: &Draws, keyring: &dyn Keyring, streams: &[Vec<Recorded>]) -> Vec<Again> {
        let tables = std::mem::take(&mut self.tables);
        *self = Self::new(self.settings.clone(), tables);
        let Histories { turns, keys, ways, logins, lasts, unlike, .. } = Histories::read(streams, keyring);
        let mut unplayable: BTreeMap<StreamName, String> =
            unlike.into_iter().map(|unlike| (unlike.stream, unlike.why)).collect();
        unplayable.extend(streams.iter().filter_map(|stream| not_drawn(draws, stream)));
        unplayable.extend(streams.iter().filter_map(|stream| lacks(streams, stream)));
        let counts = streams.iter().map(|stream| turns_of(stream));
        let alike = |(stream, turns): (&Vec<Recorded>, usize)| {
            let first = stream.first()?;
            let (events, verdict) = (stream.len(), Verdict::Alike);
            Some(Again { stream: first.stream.clone(), events, turns, rewritten: 0, verdict })
        };
        let mut all: Vec<Again> = streams.iter().zip(counts).filter_map(alike).collect();
        if let Some((other, why)) = unplayable.first_key_value() {
            for again in &mut all {
                let own = unplayable.get(&again.stream).cloned();
                let shared = || format!("it shares a leg with {other}, which cannot be played: {why}");
                again.verdict = Verdict::Unplayable(own.unwrap_or_else(shared));
            }
            return all;
        }
        let wall = streams.iter().flatten().map(|event| event.at).max().unwrap_or_default();
        let now = Now { wall, moment: moment_of(wall) };
        let playing = self.play_all(now, draws.clone(), (keys, ways, logins), false, turns);
        let found = Found { streams, lasts, over: playing.over, transfers: playing.transfers_unlike };
        all.iter_mut().for_each(|again| self.judge(again, &found));
        all
    }

    fn judge(&self, again: &mut Again, found: &Found<'_>) {
        let Ok(id) = Uuid::parse_str(again.stream.id()).map(|id| id.as_u128()) else { return };
        if again.stream.category() == TransferEvent::CATEGORY {
            if let Some(event) = found.transfers.get(&TransferId::from_bits(id)) {
                again.verdict = found.transfer(*event);
            }
            return;
        }
        let id = SessionId::from_bits(id);
        let live = self.sessions.get(&id).and_then(|live| live.expects.as_deref());
        let expectation = live.or_else(|| found.over.get(&id).map(|over| &**over));
        again.rewritten = expectation.map_or(0, |expectation| expectation.rewritten);
        again.verdict = match expectation.map(Expectation::otherwise) {
            None => found.no_beginning(id),
            Some(None) => Verdict::Alike,
            Some(Some(otherwise)) => found.difference(otherwise),
        };
    }
}

/// All that is to be judged by.
struct Found<'a> {
    streams: &'a [Vec<Recorded>],
    lasts: BTreeMap<SessionId, Last>,
    over: BTreeMap<SessionId, Box<Expectation>>,
    transfers: BTreeMap<TransferId, EventId>,
}

impl Found<'_> {
    fn event(&self, id: EventId) -> Option<Recorded> {
        self.streams.iter().flatten().find(|event| event.id == id).cloned()
    }

    fn difference(&self, otherwise: &Otherwise) -> Verdict {
        let Otherwise { why, then, said, input, turn } = otherwise.clone();
        let [then, turn] = [then, turn].map(|id| id.and_then(|id| self.event(id)));
        Verdict::Different(Box::new(Difference { why, then, said, input, turn }))
    }

    fn no_beginning(&self, id: SessionId) -> Verdict {
        let stream = self.lasts.get(&id).map(|last| &last.recorded.stream);
        let mut streams = self.streams.iter().filter_map(|events| events.first());
        let first = streams.find(|first| Some(&first.stream) == stream).cloned();
        let why = "no session begins with it".to_owned();
        let (then, input) = (first.clone(), Some(Input::Message));
        Verdict::Different(Box::new(Difference { why, then, said: None, input, turn: first }))
    }

    fn transfer(&self, event: EventId) -> Verdict {
        let then = self.event(event);
        let why = format!("{} did not follow again", then.as_ref().map_or("an event", |event| &*event.kind));
        Verdict::Different(Box::new(Difference { why, then: then.clone(), said: None, input: None, turn: then }))
    }
}

/// A session that was begun without draws that can be repeated.
fn not_drawn(draws: &Draws, stream: &[Recorded]) -> Option<(StreamName, String)> {
    let first = stream.first().filter(|first| first.stream.category() == "session")?;
    let id = Uuid::parse_str(first.stream.id()).ok()?.as_u128();
    let mut draws = draws.clone();
    draws.repeat_turn(TurnId::of(first.id));
    let drawn = (0..FIRST_DRAWS).any(|_| SessionId::from_bits(draws.wide_bits()) == SessionId::from_bits(id));
    let why = "it was written by a build that could not play it, or with another keyring";
    (!drawn).then(|| (first.stream.clone(), why.to_owned()))
}

/// A stream without one that it needs.
fn lacks(streams: &[Vec<Recorded>], stream: &[Recorded]) -> Option<(StreamName, String)> {
    let there: BTreeSet<&StreamName> =
        streams.iter().filter_map(|events| events.first()).map(|first| &first.stream).collect();
    let missing = needs(stream).into_iter().find(|needed| !there.contains(needed))?;
    Some((stream.first()?.stream.clone(), format!("the log holds no {missing}, with which it shares a leg")))
}

fn turns_of(stream: &[Recorded]) -> usize {
    let told = stream.iter().filter(|event| *event.kind != *"SipMessageRepeated");
    told.map(|event| TurnId::of(event.id)).collect::<std::collections::HashSet<_>>().len()
}

/// Any moment would do that leaves room for what was before.
fn moment_of(wall: WallTime) -> Moment {
    Moment::from_micros(0) + Duration::from_micros(wall.micros().unsigned_abs())
}
