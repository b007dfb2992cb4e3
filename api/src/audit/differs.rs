//! A decision that this build takes otherwise, in words and as JSON.

use adapters::keyring::KeyringReader;
use domain::codec::seal::{KeyRef, SealKey};
use domain::codec::{Desk, session};
use domain::exchange::{Difference, Input};
use domain::log::{Recorded, StreamName};
use domain::session::event::{SessionEvent, SipMessage};
use domain::sip::timer::Timer;
use serde::Serialize;
use serde_json::Value;
use std::fmt::Write;

/// Where a stream is decided otherwise.
#[derive(Debug, Serialize)]
pub(super) struct Differs {
    stream: StreamName,
    /// In a few words, alike for all differences of one kind.
    pub(super) why: String,
    /// The first event of the log that is decided otherwise.
    recorded: Option<Said>,
    /// What this build says in its place.
    this_build: Option<Said>,
    /// What it was given.
    input: String,
    /// The message or event that the turn begins with.
    turn: Option<Said>,
    /// Where both are messages: the first line of each that is not the same.
    lines: Option<[String; 2]>,
    /// Whether accounts, trunks or domains were changed between the session's beginning and here.
    configuration_changed: bool,
}

/// An event.
#[derive(Debug, Serialize)]
struct Said {
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<String>,
    event: String,
    /// What stands clear in it.
    data: Value,
}

impl Differs {
    pub(super) fn new(stream: StreamName, difference: &Difference, keyring: &KeyringReader, changed: bool) -> Self {
        let Difference { why, then, said, input, turn } = difference;
        let read = |recorded: &Recorded| session::decode(recorded, keyring).ok();
        let recorded = then.as_ref().and_then(read);
        let began = turn.as_ref().and_then(read);
        Self {
            stream,
            why: why.clone(),
            recorded: then.as_ref().map(Said::recorded),
            this_build: said.as_ref().map(Said::now),
            input: given(*input, began.as_ref()),
            turn: turn.as_ref().map(Said::recorded),
            lines: recorded.as_ref().zip(said.as_ref()).and_then(|(then, said)| lines(then, said)),
            configuration_changed: changed,
        }
    }

    /// A block of lines.
    pub(super) fn text(&self) -> String {
        let mut text = format!("{}: {}\n", self.stream, self.why);
        let mut row = |name: &str, value: &str| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "  {name:<12} {}", super::text::clean(value));
        };
        let nothing = || "nothing".to_owned();
        row("recorded", &self.recorded.as_ref().map_or_else(nothing, Said::text));
        row("this build", &self.this_build.as_ref().map_or_else(nothing, Said::text));
        if let Some([then, now]) = &self.lines {
            row("then", then);
            row("now", now);
        }
        row("upon", &self.input);
        if let Some(turn) = &self.turn {
            row("turn", &turn.text());
        }
        if self.configuration_changed {
            row("note", "accounts, trunks or domains were changed between the session's beginning and this");
        }
        text
    }
}

impl Said {
    fn recorded(recorded: &Recorded) -> Self {
        Self {
            revision: Some(recorded.revision.0),
            position: Some(recorded.position.0),
            at: Some(recorded.at.to_string()),
            event: recorded.kind.to_string(),
            data: clear(&recorded.data),
        }
    }

    /// What is said now is nowhere yet: it is written as it would be, and what is sealed left out.
    fn now(event: &SessionEvent) -> Self {
        let (id, key) = (domain::ids::EventId::minted(0, 0, 0, 0), SealKey::from_bytes([0; 32]));
        let encoded = session::encode(&mut Desk::default(), event, id, KeyRef(0), &key);
        let (event, data) = (session::kind(event).to_owned(), clear(&encoded.data));
        Self { revision: None, position: None, at: None, event, data }
    }

    fn text(&self) -> String {
        let place = self.revision.zip(self.position).zip(self.at.as_ref());
        let place =
            place.map(|((revision, position), at)| format!(" (revision {revision}, position {position}, {at})"));
        format!("{} {}{}", self.event, self.data, place.unwrap_or_default())
    }
}

fn clear(data: &[u8]) -> Value {
    let mut value: Value = serde_json::from_slice(data).unwrap_or_default();
    if let Value::Object(members) = &mut value {
        members.remove("sealed");
    }
    value
}

/// What this build was given, in words.
fn given(input: Option<Input>, turn: Option<&SessionEvent>) -> String {
    match input {
        Some(Input::Message) => match turn {
            Some(SessionEvent::SipMessageReceived(message)) => named(message),
            Some(_) | None => "a message".to_owned(),
        },
        Some(Input::Connection) => "the end of a connection".to_owned(),
        Some(Input::Media) => "a report of media".to_owned(),
        Some(Input::Timer(timer, leg)) => {
            let of = leg.map(|leg| format!(" of leg {leg}")).unwrap_or_default();
            match timer {
                Timer::Transaction(_, timer) => format!("the timer {timer:?} of a transaction{of}"),
                Timer::Leg(_, timer) => format!("the timer {timer:?}{of}"),
                Timer::NoteRepeats(_) => "the time to note repeats".to_owned(),
            }
        }
        Some(Input::Step(step)) => format!("a step of an attended transfer: {step:?}"),
        Some(Input::Release) => "the order to end what runs".to_owned(),
        None => "nothing that this build acts upon".to_owned(),
    }
}

fn named(message: &SipMessage) -> String {
    let SipMessage { leg, method, status, cseq, .. } = message;
    match status {
        Some(status) => format!("the {status} to {method}, CSeq {cseq}, of leg {leg}"),
        None => format!("{method}, CSeq {cseq}, of leg {leg}"),
    }
}

/// The first lines of two messages that are not the same; where it goes stands before them where that is not.
fn lines(then: &SessionEvent, said: &SessionEvent) -> Option<[String; 2]> {
    let (SessionEvent::SipMessageCommitted(then), SessionEvent::SipMessageCommitted(said)) = (then, said) else {
        return None;
    };
    let (then, said) = (then.wire.known()?, said.wire.known()?);
    if then.flow != said.flow {
        return Some([then.flow.to_string(), said.flow.to_string()]);
    }
    let [then, said] = [&then.bytes, &said.bytes].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    let mut pairs = then.lines().zip(said.lines());
    let first = pairs.find(|(then, said)| then != said).map(|(then, said)| [then.to_owned(), said.to_owned()]);
    first.or_else(|| (then != said).then(|| [then, said].map(|all| format!("{} bytes", all.len()))))
}
