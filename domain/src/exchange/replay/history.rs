//! Streams as turns, in the order in which the log has them.

use super::messages::Events as MessageEvents;
use super::{Keys, Logins, Unlike, Ways};
use crate::codec::seal::{KeyRef, SealKey};
use crate::codec::{key_named_in, pager, session, transfer};
use crate::draws::TurnId;
use crate::exchange::streams::Death;
use crate::ids::{EventId, MessageId, SessionId, TransferId, TrunkId};
use crate::log::{Recorded, StreamName};
use crate::pager::PagerEvent;
use crate::ports::Keyring;
use crate::session::event::{LegInvited, RefusalCause, RouteChosen, SessionEvent, SipMessage};
use crate::time::WallTime;
use crate::transfer::TransferEvent;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;
use uuid::Uuid;

/// What was decided in the last moments before a death may not have left.
pub const MAY_NOT_HAVE_LEFT: Duration = Duration::from_secs(2);

/// One input and what followed from it.
pub(super) struct Turn {
    /// Its first event: ids say in which order things happened, positions in which order appends were stored, and one that
    /// waits for the log is overtaken by what came later.
    pub(super) first: EventId,
    pub(super) at: WallTime,
    pub(super) id: TurnId,
    pub(super) story: Story,
}

/// Whose turn it was.
pub(super) enum Story {
    /// A session's.
    Session {
        session: SessionId,
        events: Vec<(EventId, SessionEvent)>,
        /// Where whoever a REFER named is routed in a later turn.
        onward: Option<RouteChosen>,
        /// The death that it tells of.
        death: Option<Death>,
    },
    /// That of a MESSAGE outside calls; the first comes with its key.
    Message { message: MessageId, events: MessageEvents, key: Option<(KeyRef, SealKey)> },
    /// A transfer's: it says one thing at a time.
    Transfer { transfer: TransferId, event: TransferEvent, recorded: Box<Recorded> },
}

/// How a session's stream ends.
pub(super) struct Last {
    pub(super) recorded: Recorded,
    /// The newest of its events: within a turn, the last one need not be it.
    pub(super) newest: EventId,
    pub(super) ended: bool,
}

impl Last {
    fn of(first: &Recorded, stream: &[Recorded], end: &str) -> Self {
        let newest = stream.iter().map(|recorded| recorded.id).max().unwrap_or(first.id);
        let ended = stream.iter().any(|recorded| *recorded.kind == *end);
        Self { recorded: stream.last().unwrap_or(first).clone(), newest, ended }
    }
}

/// Calls, MESSAGEs and transfers as the log has them, read and in the order in which things happened: what is to be played.
pub struct Histories {
    pub(super) turns: Vec<Turn>,
    pub(super) keys: Keys,
    pub(super) ways: Ways,
    pub(super) logins: Logins,
    pub(super) lasts: BTreeMap<SessionId, Last>,
    pub(super) messages: BTreeMap<MessageId, Last>,
    /// How it ended.
    pub(super) death: Death,
    pub(super) unlike: Vec<Unlike>,
}

impl Histories {
    /// Reads streams, whole and oldest event first; see [`needs`] for which belong together.
    pub fn read(streams: &[Vec<Recorded>], keyring: &dyn Keyring) -> Self {
        let mut all = Self {
            turns: vec![],
            keys: HashMap::new(),
            ways: HashMap::new(),
            logins: HashMap::new(),
            lasts: BTreeMap::new(),
            messages: BTreeMap::new(),
            death: death(streams),
            unlike: vec![],
        };
        for stream in streams {
            let Some(first) = stream.first() else { continue };
            if let Err(why) = all.add(first, stream, keyring) {
                all.unlike.push(Unlike { stream: first.stream.clone(), why });
            }
        }
        all.turns.sort_by_key(|turn| turn.first);
        all
    }

    fn add(&mut self, first: &Recorded, stream: &[Recorded], keyring: &dyn Keyring) -> Result<(), String> {
        let id = Uuid::parse_str(first.stream.id()).map_err(|_| "its name names nothing of ours".to_owned())?;
        match first.stream.category() {
            "session" => self.add_session(SessionId::from_bits(id.as_u128()), first, stream, keyring),
            PagerEvent::CATEGORY => self.add_message(MessageId::from_bits(id.as_u128()), first, stream, keyring),
            TransferEvent::CATEGORY => self.add_transfer(TransferId::from_bits(id.as_u128()), stream),
            _ => Err("it is no call's".into()),
        }
    }

    fn add_message(
        &mut self,
        message: MessageId,
        first: &Recorded,
        stream: &[Recorded],
        keyring: &dyn Keyring,
    ) -> Result<(), String> {
        self.messages.insert(message, Last::of(first, stream, PagerEvent::ENDED));
        let reference = key_named_in(&first.data).ok_or("its first event has no sealed part")?;
        let mut key = Some((reference, keyring.key(reference).ok_or("the key was erased")?));
        let mut turns: Vec<Turn> = vec![];
        for recorded in stream {
            let event = pager::decode(recorded, keyring).map_err(|error| error.to_string())?;
            let id = TurnId::of(recorded.id);
            match turns.last_mut() {
                Some(Turn { id: last, story: Story::Message { events, .. }, .. }) if *last == id => {
                    events.push((recorded.id, event));
                }
                Some(_) | None => {
                    let story = Story::Message { message, events: vec![(recorded.id, event)], key: key.take() };
                    turns.push(Turn { first: recorded.id, at: recorded.at, id, story });
                }
            }
        }
        self.turns.append(&mut turns);
        Ok(())
    }

    fn add_session(
        &mut self,
        session: SessionId,
        first: &Recorded,
        stream: &[Recorded],
        keyring: &dyn Keyring,
    ) -> Result<(), String> {
        self.lasts.insert(session, Last::of(first, stream, SessionEvent::ENDED));
        let reference = key_named_in(&first.data).ok_or("its first event has no sealed part")?;
        let key = keyring.key(reference).ok_or("the key was erased")?;
        let mut turns: Vec<Turn> = vec![];
        for recorded in stream {
            let event = session::decode(recorded, keyring).map_err(|error| error.to_string())?;
            if matches!(event, SessionEvent::SipMessageRepeated(_)) {
                continue;
            }
            self.note_way(&event);
            self.note_login(&event);
            let id = TurnId::of(recorded.id);
            match turns.last_mut() {
                Some(Turn { id: last, story: Story::Session { events, .. }, .. }) if *last == id => {
                    events.push((recorded.id, event));
                }
                Some(_) | None => {
                    let death = death_told(&event, recorded, stream);
                    let story = Story::Session { session, events: vec![(recorded.id, event)], onward: None, death };
                    turns.push(Turn { first: recorded.id, at: recorded.at, id, story });
                }
            }
        }
        tell_onward(&mut turns);
        self.turns.append(&mut turns);
        self.keys.insert(session, (reference, key));
        Ok(())
    }

    /// The first request of ours to a leg tells by which way it is reached.
    fn note_way(&mut self, event: &SessionEvent) {
        let SessionEvent::SipMessageCommitted(sent) = event else { return };
        if sent.status.is_none()
            && let Some(wire) = sent.wire.known()
        {
            self.ways.entry(sent.leg).or_insert(wire.flow);
        }
    }

    /// Whether we had something to answer with where the peer of a leg asked who we are: only then an event tells of it.
    fn note_login(&mut self, event: &SessionEvent) {
        match event {
            SessionEvent::LegChallenged(challenged) => drop(self.logins.insert(challenged.leg, true)),
            SessionEvent::SipMessageReceived(SipMessage { leg, status: Some(401 | 407), .. }) => {
                self.logins.entry(*leg).or_insert(false);
            }
            _ => {}
        }
    }

    fn add_transfer(&mut self, id: TransferId, stream: &[Recorded]) -> Result<(), String> {
        for recorded in stream {
            let event = transfer::decode(recorded).map_err(|error| error.to_string())?;
            let story = Story::Transfer { transfer: id, event, recorded: Box::new(recorded.clone()) };
            let (first, at) = (recorded.id, recorded.at);
            self.turns.push(Turn { first, at, id: TurnId::of(first), story });
        }
        Ok(())
    }
}

/// A session that a REFER began knows where it will call from its first turn on.
fn tell_onward(turns: &mut [Turn]) {
    let later = turns.iter().skip(1).find_map(|turn| match &turn.story {
        Story::Session { events, .. } => events.iter().find_map(|(_, event)| match event {
            SessionEvent::RouteChosen(chosen) if chosen.asked_by.is_some() => Some(chosen.clone()),
            _ => None,
        }),
        Story::Message { .. } | Story::Transfer { .. } => None,
    });
    if let Some(Turn { story: Story::Session { onward, .. }, .. }) = turns.first_mut() {
        *onward = later;
    }
}

/// The events of the last moments before the newest of all.
fn death(streams: &[Vec<Recorded>]) -> Death {
    let all = || streams.iter().flatten();
    let Some(newest) = all().map(|event| event.at).max() else { return Death::default() };
    let since = newest - MAY_NOT_HAVE_LEFT;
    Death { since, last: all().filter(|event| event.at >= since).map(|event| event.id).collect() }
}

/// An earlier death, as far as this stream is concerned.
fn death_told(event: &SessionEvent, told: &Recorded, stream: &[Recorded]) -> Option<Death> {
    let SessionEvent::ConnectionLost(lost) = event else { return None };
    let since = lost.with_us_after?;
    let before = stream.iter().filter(|event| event.revision < told.revision && event.at >= since);
    Some(Death { since, last: before.map(|event| event.id).collect() })
}

/// Trunks that took no call more in this turn.
pub(super) fn full_then(events: &[(EventId, SessionEvent)]) -> Vec<TrunkId> {
    let at_limit = |(_, event): &(EventId, SessionEvent)| match event {
        SessionEvent::LegRefused(refused) if refused.cause == RefusalCause::AtLimit => Some(refused.leg),
        _ => None,
    };
    let legs: BTreeSet<_> = events.iter().filter_map(at_limit).collect();
    let trunk = |(_, event): &(EventId, SessionEvent)| match event {
        SessionEvent::LegInvited(LegInvited { leg, trunk, .. }) if legs.contains(leg) => *trunk,
        _ => None,
    };
    events.iter().filter_map(trunk).collect()
}

/// The streams without which that of a session or transfer cannot be taken up: others that it shares legs with.
pub fn needs(stream: &[Recorded]) -> BTreeSet<StreamName> {
    let session = |id: SessionId| StreamName::new("session", id.uuid());
    let join = |id: TransferId| StreamName::new(TransferEvent::CATEGORY, id.uuid());
    let mut needed = BTreeSet::new();
    for recorded in stream {
        match &*recorded.kind {
            "TransferBegun" => {
                if let Ok(TransferEvent::TransferBegun(begun)) = transfer::decode(recorded) {
                    needed.extend([session(begun.taking), session(begun.giving)]);
                }
            }
            "TransferLinked" | "LegGivenAway" | "LegTaken" => match session::decode_clear(recorded) {
                Ok(SessionEvent::TransferLinked(linked)) => {
                    needed.extend([join(linked.transfer), session(linked.with)]);
                }
                Ok(SessionEvent::LegGivenAway(given)) => drop(needed.insert(join(given.transfer))),
                Ok(SessionEvent::LegTaken(taken)) => {
                    needed.extend([join(taken.transfer), session(taken.from)]);
                }
                Ok(_) | Err(_) => {}
            },
            _ => {}
        }
    }
    needed
}
