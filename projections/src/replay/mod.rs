//! How did something stand at an instant, or after each of its events? No table: a stream is folded as the exchange itself folds
//! it, a session's by [`Session::evolve`].

mod agreement;
mod bindings;
mod clocks;
mod show;
mod state;
mod things;

pub use bindings::{BindingsAt, bindings_at};
pub use state::{ChangeAt, EventAt, LegAt, OfferAt, SessionAt, StreamAt, TimerAt, TransferAt};
pub use things::{Past, PastError, past};

use crate::beginning::Beginning;
use crate::timelines::{Entry, LegLine, Timeline, TimelineError, history, legs, say_event, tell};
use agreement::Agreement;
use clocks::Clocks;
use domain::codec::personal::Personal;
use domain::codec::session::decode;
use domain::id_map::{IdMap, IdSet};
use domain::ids::{AccountId, LegId, SessionId};
use domain::log::{EventLog, Pages, Recorded, StreamName};
use domain::ports::Keyring;
use domain::session::Session;
use domain::session::event::{OfferChange, Parties, SessionEvent, SipMessage, Way};
use domain::sip::wire::Message;
use domain::time::WallTime;

/// Whose a session is stands within so many of its first events.
const FIRST_TURN: u64 = 500;

/// What became of the question how a session stood.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Whose session it is: to be asked before anything else is told. `None` where its stream does not say.
    pub account: Option<AccountId>,
    /// How it stood; [`Before`] where nothing had happened yet.
    pub stood: Result<SessionAt, Before>,
}

/// The instant lies before the first event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Before {
    /// When that happened.
    pub begins: WallTime,
}

/// How a session stood at an instant; `None` where there is no such stream.
///
/// Events are taken in the order of the stream up to the first that happened later: a clock that was set back does not
/// reorder them.
pub async fn stood(
    log: &dyn EventLog,
    keyring: &dyn Keyring,
    session: SessionId,
    at: WallTime,
) -> Result<Option<Found>, TimelineError> {
    let stream = StreamName::new("session", session.uuid());
    let mut replay = Replay::new(session);
    let (mut account, mut begins, mut pages) = (None, None, Pages::of(log, &stream));
    loop {
        let page = pages.next().await?;
        let last = page.is_empty();
        for recorded in &page {
            let event = read(recorded, keyring)?;
            let begun = *begins.get_or_insert(recorded.at);
            account = account.or_else(|| Beginning::of(&event).map(|begun| begun.account));
            if recorded.at > at || replay.next_at.is_some() {
                replay.next_at.get_or_insert(recorded.at);
                // Whose it is may stand in an event of the same turn that is yet to come.
                if account.is_some() || recorded.revision.0 >= FIRST_TURN {
                    return Ok(Some(replay.found(account, begun)));
                }
                continue;
            }
            replay.take(recorded, &event);
        }
        if last {
            return Ok(begins.map(|begins| replay.found(account, begins)));
        }
    }
}

/// A session's history with the state after each of its events; at most [`MOST_EVENTS`](crate::timelines::MOST_EVENTS) of
/// them.
#[derive(Debug)]
pub struct Story {
    /// The history.
    pub timeline: Timeline,
    events: Vec<(Recorded, SessionEvent)>,
}

/// Reads a session's history; `None` where there is no such stream.
pub async fn story(
    log: &dyn EventLog,
    keyring: &dyn Keyring,
    session: SessionId,
) -> Result<Option<Story>, TimelineError> {
    let (events, truncated) = history(log, keyring, session).await?;
    let timeline = tell(log, session, &events, (false, truncated)).await?;
    Ok(timeline.map(|timeline| Story { timeline, events }))
}

impl Story {
    /// Every event with the state after it, in order.
    pub fn steps(&self) -> impl Iterator<Item = (&Entry, SessionAt)> {
        let mut replay = Replay::new(self.timeline.session);
        let nexts = self.events.iter().skip(1).map(|(next, _)| Some(next.at)).chain([None]);
        self.timeline.entries.iter().zip(&self.events).zip(nexts).filter_map(
            move |((entry, (recorded, event)), next)| {
                replay.take(recorded, event);
                replay.next_at = next;
                Some((entry, replay.state()?))
            },
        )
    }
}

/// An event, decoded.
fn read(recorded: &Recorded, keyring: &dyn Keyring) -> Result<SessionEvent, TimelineError> {
    decode(recorded, keyring).map_err(|source| TimelineError::Decode { at: recorded.position, source })
}

/// A session that is told its events one by one.
#[derive(Debug, Clone)]
pub struct Replay {
    session: Session,
    begun: bool,
    parties: Option<Parties>,
    rule: Option<String>,
    ended: Option<String>,
    legs: Vec<LegLine>,
    agreements: IdMap<LegId, Agreement>,
    /// M-lines of which nothing is heard.
    silent: IdSet<(LegId, u8)>,
    change: Option<(LegId, OfferChange)>,
    rang: bool,
    clocks: Clocks,
    last: Option<EventAt>,
    next_at: Option<WallTime>,
}

impl Replay {
    /// A session before its first event.
    pub fn new(session: SessionId) -> Self {
        Self {
            session: Session::new(session),
            begun: false,
            parties: None,
            rule: None,
            ended: None,
            legs: Vec::new(),
            agreements: IdMap::default(),
            silent: IdSet::default(),
            change: None,
            rang: false,
            clocks: Clocks::default(),
            last: None,
            next_at: None,
        }
    }

    /// The next event.
    pub fn take(&mut self, recorded: &Recorded, event: &SessionEvent) {
        // Before the fold, which forgets targets once one of them has answered.
        self.clocks.take(&self.session, recorded.at, event);
        match event {
            SessionEvent::SipMessageReceived(message) => self.hear(Way::Received, recorded.at, message),
            SessionEvent::SipMessageCommitted(message) => self.hear(Way::Sent, recorded.at, message),
            event => self.note(event),
        }
        self.session.evolve(event);
        legs::take(&mut self.legs, event);
        if let SessionEvent::LegTaken(taken) = event
            && let Some(leg) = self.session.leg(taken.leg)
        {
            self.agreements.insert(taken.leg, Agreement::carried(leg.agreed.clone(), leg.told.clone()));
        }
        self.last = Some(EventAt {
            position: recorded.position.0,
            revision: recorded.revision.0,
            at: recorded.at.to_string(),
            event: recorded.kind.to_string(),
            text: say_event(event, &self.legs),
        });
    }

    fn hear(&mut self, way: Way, at: WallTime, message: &SipMessage) {
        let Some(wire) = message.wire.known() else { return };
        let Ok(scanned) = Message::scan(wire.bytes.clone()) else { return };
        if way == Way::Received {
            self.session.hear(message.leg, &scanned);
        }
        self.agreements.entry(message.leg).or_default().take(way, at, &scanned);
    }

    /// What the session's own state has no place for.
    fn note(&mut self, event: &SessionEvent) {
        if let Some(begun) = Beginning::of(event) {
            self.begun = true;
            if let Personal::Known(parties) = begun.parties {
                self.parties = Some(parties.clone());
            }
        }
        if let SessionEvent::RouteChosen(chosen) = event {
            self.rule = Some(chosen.rule.to_string());
        }
        if let SessionEvent::RouteRefused(refused) = event {
            self.rule = Some(refused.rule.to_string());
        }
        if let SessionEvent::OfferMade(made) = event {
            self.change = Some((made.leg, made.change));
        }
        if matches!(event, SessionEvent::OfferAccepted(_) | SessionEvent::OfferRefused(_)) {
            self.change = None;
        }
        if let SessionEvent::LegReleased(released) = event {
            self.change = self.change.filter(|(leg, _)| *leg != released.leg);
            self.silent.retain(|(leg, _)| *leg != released.leg);
        }
        if let SessionEvent::MediaFellSilent(fell) = event {
            self.silent.insert((fell.leg, fell.stream));
        }
        if let SessionEvent::MediaHeard(heard) = event {
            self.silent.remove(&(heard.leg, heard.stream));
        }
        if let SessionEvent::SessionEnded(end) = event {
            self.ended = Some(crate::timelines::ended(end));
        }
        self.rang |= matches!(event, SessionEvent::LegAlerted(_));
    }

    /// How it stands now; `None` before its first event.
    pub fn state(&self) -> Option<SessionAt> {
        self.last.clone().map(|last| self.shown(last))
    }

    fn found(self, account: Option<AccountId>, begins: WallTime) -> Found {
        Found { account, stood: self.state().ok_or(Before { begins }) }
    }
}
