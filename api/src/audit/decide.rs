//! `strowger replay --decide`: would this build decide what is recorded as it was decided?

use super::differs::Differs;
use super::{AuditError, Records, until_closed};
use crate::wiring::Past;
use domain::exchange::{Again, Verdict};
use domain::ids::SessionId;
use domain::log::{Position, StreamName};
use domain::time::WallTime;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::time::{Duration, Instant};

/// Sessions of one kind of difference that are named.
const NAMED: usize = 5;

/// What came of it.
#[derive(Debug, Default, Serialize)]
struct Outcome {
    /// Whether all that could be played is decided alike.
    alike: bool,
    /// Sessions that were looked at, those included that began before and share legs with them.
    sessions: usize,
    /// Those of them that could be decided again, alike or not.
    decided: usize,
    /// Events of those that are decided alike.
    events: usize,
    /// Turns of those.
    turns: usize,
    /// Messages of those that this build would write otherwise, to the same effect.
    rewritten: usize,
    /// How many sessions are decided otherwise, and which came first, by kind.
    different: Vec<Group>,
    /// How many cannot be played, by reason.
    unplayable: BTreeMap<String, usize>,
}

/// Sessions that differ in one way.
#[derive(Debug, Serialize)]
struct Group {
    why: String,
    sessions: usize,
    /// Some of them.
    named: Vec<StreamName>,
    /// The first difference.
    first: Differs,
}

impl Outcome {
    fn take(&mut self, again: Again, differs: Option<Differs>) {
        let Again { stream, events, turns, rewritten, verdict } = again;
        let is_session = usize::from(stream.category() == "session");
        self.sessions += is_session;
        if !matches!(verdict, Verdict::Unplayable(_)) {
            self.decided += is_session;
        }
        match (verdict, differs) {
            (Verdict::Alike, _) => {
                self.events += events;
                self.turns += turns;
                self.rewritten += rewritten;
            }
            (Verdict::Different(_), Some(first)) => {
                match self.different.iter_mut().find(|group| group.why == first.why) {
                    Some(group) => {
                        group.sessions += 1;
                        group.named.extend((group.named.len() < NAMED).then_some(stream));
                    }
                    None => {
                        let why = first.why.clone();
                        self.different.push(Group { why, sessions: 1, named: vec![stream], first });
                    }
                }
            }
            // It follows from the difference of a session that it shares a leg with.
            (Verdict::Different(_), None) => {}
            (Verdict::Unplayable(why), _) => *self.unplayable.entry(why).or_default() += 1,
        }
    }

    /// Whether all is alike; `None` where nothing could be played.
    fn verdict(&self) -> Option<bool> {
        let told = self.events > 0 || !self.different.is_empty() || self.unplayable.is_empty();
        told.then_some(self.different.is_empty())
    }

    fn text(&self) -> String {
        let Self { sessions, decided, events, turns, rewritten, different, unplayable, .. } = self;
        let mut text = String::new();
        for Group { sessions, named, first, .. } in different {
            text += &first.text();
            if *sessions > 1 {
                let named: Vec<String> = named.iter().map(StreamName::to_string).collect();
                text += &format!("  {:<12} {sessions} sessions: {}\n", "so differ", named.join(", "));
            }
        }
        for (why, count) in unplayable {
            text += &format!("not decided, {}: {why}\n", counted(*count, "stream"));
        }
        if *rewritten > 0 {
            text += &format!("{rewritten} messages would be written otherwise, to the same effect\n");
        }
        let differ: usize = different.iter().map(|group| group.sessions).sum();
        match (differ, self.verdict()) {
            (0, Some(_)) => {
                let (events, turns) = (counted(*events, "event"), counted(*turns, "turn"));
                text += &format!("same decisions: {events}, {turns}, {}", counted(*decided, "session"));
                match decided < sessions {
                    true => text + &format!(" of {sessions}\n"),
                    false => text + "\n",
                }
            }
            (0, None) => text + "nothing could be decided again\n",
            (differ, _) => text + &format!("decided otherwise: {differ} of {}\n", counted(*decided, "session")),
        }
    }
}

/// So many of them.
fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// Decides one session again.
pub(super) async fn one(records: Records, session: SessionId, json: bool) -> Result<Option<bool>, AuditError> {
    let mut past = past(&records)?;
    let mut outcome = Outcome::default();
    let stream = StreamName::new("session", session.uuid());
    let found = decide(&records, &mut past, &stream, &mut outcome, &mut BTreeSet::new()).await?;
    if !found {
        return Err(records.no_session(session));
    }
    print(outcome, json)
}

/// Decides all sessions again that began between two times.
pub(super) async fn range(
    records: Records,
    times: (Option<WallTime>, Option<WallTime>),
    json: bool,
) -> Result<Option<bool>, AuditError> {
    if let (Some(from), Some(to)) = times
        && from >= to
    {
        return Err(AuditError::EmptyRange);
    }
    let mut past = past(&records)?;
    let (mut after, until) = past.span(times.0, times.1).await.map_err(crate::wiring::PastError::from)?;
    let (mut outcome, mut known) = (Outcome::default(), BTreeSet::new());
    let mut screen = Screen::new(json, after, until);
    while after < until {
        let (next, sessions) = past.began((after, until), times).await.map_err(crate::wiring::PastError::from)?;
        let share = sessions.len().max(1) as u64;
        for (count, stream) in (1..).zip(sessions) {
            if !known.contains(&stream) {
                decide(&records, &mut past, &stream, &mut outcome, &mut known).await?;
            }
            screen.tell(Position(after.0 + (next.0 - after.0) * count / share), outcome.sessions);
        }
        after = next;
    }
    if outcome.sessions == 0 {
        return Err(AuditError::EmptyRange);
    }
    print(outcome, json)
}

fn past(records: &Records) -> Result<Past, AuditError> {
    Ok(Past::new(&records.config, records.log.clone(), records.keyring.clone())?)
}

/// One session, with those that it shares legs with; whether there is such a stream.
async fn decide(
    records: &Records,
    past: &mut Past,
    stream: &StreamName,
    outcome: &mut Outcome,
    known: &mut BTreeSet<StreamName>,
) -> Result<bool, AuditError> {
    let Some(decided) = past.decide(stream).await? else { return Ok(false) };
    let first = decided.streams.iter().filter_map(|again| Some((again.place()?.position, again.stream.clone()))).min();
    for again in decided.streams {
        let is_first = first.as_ref().is_some_and(|(_, stream)| *stream == again.stream);
        let differs = match &again.verdict {
            Verdict::Different(difference) if is_first || first.is_none() => {
                Some(Differs::new(again.stream.clone(), difference, &records.keyring, decided.changed))
            }
            Verdict::Different(_) | Verdict::Alike | Verdict::Unplayable(_) => None,
        };
        if known.insert(again.stream.clone()) {
            outcome.take(again, differs);
        }
    }
    Ok(true)
}

fn print(mut outcome: Outcome, json: bool) -> Result<Option<bool>, AuditError> {
    outcome.alike = outcome.verdict() == Some(true);
    let text = match json {
        true => serde_json::to_string(&outcome).map_err(io::Error::from)? + "\n",
        false => outcome.text(),
    };
    until_closed(io::stdout().lock().write_all(text.as_bytes()).map_err(AuditError::Write))?;
    Ok(outcome.verdict())
}

/// Tells once a second how far it is.
struct Screen {
    quiet: bool,
    after: Position,
    until: Position,
    began: Instant,
    told: Instant,
}

impl Screen {
    fn new(quiet: bool, after: Position, until: Position) -> Self {
        let began = Instant::now();
        Self { quiet, after, until, began, told: began }
    }

    fn tell(&mut self, at: Position, sessions: usize) {
        if self.quiet || self.told.elapsed() < Duration::from_secs(1) {
            return;
        }
        self.told = Instant::now();
        let (done, whole) = ((at.0 - self.after.0) as f64, (self.until.0 - self.after.0).max(1) as f64);
        let seconds = self.began.elapsed().as_secs_f64();
        let (rate, left) = (sessions as f64 / seconds, seconds * (whole - done) / done.max(1.0));
        eprintln!("{:3.0} %  {sessions} sessions, {rate:.0} a second, {left:.0} s left", 100.0 * done / whole);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_decided_is_counted_among_the_same_decisions() {
        let mut outcome = Outcome::default();
        for (stream, verdict) in [
            ("session-1", Verdict::Alike),
            ("session-2", Verdict::Unplayable("the key was erased".into())),
            ("session-3", Verdict::Unplayable("the key was erased".into())),
        ] {
            let stream = StreamName::parse(stream).unwrap();
            outcome.take(Again { stream, events: 20, turns: 1, rewritten: 0, verdict }, None);
        }
        let told = "not decided, 2 streams: the key was erased\nsame decisions: 20 events, 1 turn, 1 session of 3\n";
        assert_eq!((outcome.text().as_str(), outcome.verdict()), (told, Some(true)));
    }
}
