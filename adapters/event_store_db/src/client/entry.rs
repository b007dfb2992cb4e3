//! Appends that were submitted and not answered, in the order of submission.

use super::connection::Trouble;
use super::live::Live;
use domain::log::{Append, AppendError, Committed, Durable, Expected, Outcome, Position, Revision, StreamName};
use kurrentdb::Error;
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;
use tonic::Code;

/// The most bytes of one append's data, as every engine of the log has it.
const MOST_BYTES: usize = 16 << 20;
/// A type name, in bytes.
const LONGEST_KIND: usize = 255;

/// How an append stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// It was not sent, or is not there and is to be sent again.
    Waits,
    /// It was sent, then, and the head was here.
    Sent(Instant, Position),
    /// It was sent and not answered with yes: its stream is to be read, and why.
    Doubtful(Doubt),
    /// Its stream is being read.
    Resolving(Doubt),
    /// Its outcome is known.
    Done(Result<Durable, AppendError>),
}

/// What the store said, or did not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Doubt {
    /// The answer was lost, or said that the stream is elsewhere.
    Unanswered,
    /// The crate ended its session, as it does when another append is refused.
    Cut,
    /// The store refuses such an append.
    Refused(String),
    /// The store takes none for now.
    ForNow(String),
}

impl From<&Error> for Doubt {
    fn from(error: &Error) -> Self {
        match error {
            Error::Grpc {
                code:
                    Code::Unavailable | Code::ResourceExhausted | Code::DeadlineExceeded | Code::Aborted | Code::Cancelled,
                message,
            } => Self::ForNow(format!("the store takes no appends for now: {message}")),
            Error::ServerError(text) if text.contains(CLOSED) => Self::Cut,
            Error::DeadlineExceeded => Self::ForNow("the store took too long over an append".into()),
            _ => match Trouble::from(error.clone()) {
                Trouble::Refused(why) => Self::Refused(why),
                Trouble::Away(_)
                | Trouble::NotLeader(_)
                | Trouble::Damaged(..)
                | Trouble::NotFound
                | Trouble::Deleted => Self::Unanswered,
            },
        }
    }
}

/// What the crate says of appends of a session that it has ended.
const CLOSED: &str = "Batch-append stream has been closed";

impl Doubt {
    /// What the end of a session means to the other appends that it had.
    pub fn beside(error: &Error) -> Self {
        match error {
            Error::Grpc { .. } => Self::Cut,
            Error::ServerError(text) if text.contains(CLOSED) => Self::Cut,
            _ => Self::Unanswered,
        }
    }

    /// An append that was sent so often, and is not there, is the store's trouble.
    pub const fn in_vain(&self, sent: u32) -> bool {
        match self {
            Self::Unanswered => sent >= 2,
            // Refusals of others come in numbers: registrations suppose where their streams are.
            Self::Cut => sent >= 16,
            Self::Refused(_) | Self::ForNow(_) => false,
        }
    }
}

/// See the module.
pub struct Entry {
    /// Names it: rises with submission.
    pub number: u64,
    /// The append.
    pub append: Arc<Append>,
    /// Who waits for its outcome; nobody, where it is the live list's.
    pub reply: Option<Arc<dyn Committed>>,
    /// How it stands.
    pub stage: Stage,
    /// How often it was sent. Once it was, nobody can promise that it will not be written.
    pub sent: u32,
}

/// All of them.
#[derive(Default)]
pub struct Entries {
    entries: VecDeque<Entry>,
    next: u64,
    /// Numbers of what waits, oldest first.
    waiting: VecDeque<u64>,
    /// Streams of which something is under way.
    busy: HashSet<StreamName>,
    in_flight: usize,
    doubtful: usize,
    /// Whether something that the store was away for waits to be told.
    refused: bool,
}

impl Entries {
    /// Adds an append. What no log may store is done at once.
    pub fn add(&mut self, append: Append, reply: Option<Arc<dyn Committed>>) {
        let stage = match check(&append) {
            Ok(()) => Stage::Waits,
            Err(error) => Stage::Done(Err(error)),
        };
        if stage == Stage::Waits {
            self.waiting.push_back(self.next);
        }
        self.entries.push_back(Entry { number: self.next, append: Arc::new(append), reply, stage, sent: 0 });
        self.next += 1;
    }

    fn index(&self, number: u64) -> Option<usize> {
        self.entries.binary_search_by_key(&number, |entry| entry.number).ok()
    }

    /// One by its number.
    pub fn get(&self, number: u64) -> Option<&Entry> {
        self.entries.get(self.index(number)?)
    }

    /// From here on an append stands so.
    pub fn set(&mut self, number: u64, stage: Stage) {
        let Some(entry) = self.index(number).and_then(|at| self.entries.get_mut(at)) else { return };
        let before = std::mem::replace(&mut entry.stage, stage);
        let was_under_way = !matches!(before, Stage::Waits | Stage::Done(_));
        match before {
            Stage::Waits => self.waiting.retain(|waits| *waits != number),
            Stage::Sent(..) => self.in_flight -= 1,
            Stage::Doubtful(_) => self.doubtful -= 1,
            Stage::Resolving(_) | Stage::Done(_) => {}
        }
        let under_way = match &entry.stage {
            Stage::Waits => {
                let at = self.waiting.partition_point(|waits| *waits < number);
                self.waiting.insert(at, number);
                false
            }
            Stage::Sent(..) => {
                entry.sent += 1;
                self.in_flight += 1;
                true
            }
            Stage::Doubtful(_) => {
                self.doubtful += 1;
                true
            }
            Stage::Resolving(_) => true,
            Stage::Done(result) => {
                self.refused |= matches!(result, Err(AppendError::Unavailable(_)));
                false
            }
        };
        if under_way {
            self.busy.insert(entry.append.stream.clone());
        } else if was_under_way {
            self.busy.remove(&entry.append.stream);
        }
    }

    /// Numbers of appends that stand so.
    pub fn which(&self, stage: impl Fn(&Stage) -> bool) -> Vec<u64> {
        self.entries.iter().filter(|entry| stage(&entry.stage)).map(|entry| entry.number).collect()
    }

    /// What waits and was never sent.
    pub fn unsent(&self) -> Vec<u64> {
        self.waiting.iter().copied().filter(|number| self.get(*number).is_some_and(|entry| entry.sent == 0)).collect()
    }

    /// How many were sent and not answered.
    pub const fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Whether some are doubtful.
    pub const fn has_doubtful(&self) -> bool {
        self.doubtful > 0
    }

    /// Numbers of what may be sent now, oldest first, at most so many: nothing before it of the same stream is under way,
    /// and the stream is listed where it is or becomes live.
    pub fn sendable(&self, live: &mut Live, most: usize) -> Vec<u64> {
        let mut first: HashSet<&StreamName> = HashSet::new();
        let mut numbers = Vec::new();
        for number in &self.waiting {
            let Some(entry) = self.get(*number) else { continue };
            let stream = &entry.append.stream;
            if self.busy.contains(stream) || !first.insert(stream) {
                continue;
            }
            // The list's own append waits for nothing.
            let listed = entry.reply.is_none() || live.admits(stream, entry.append.life);
            if listed && numbers.len() < most {
                numbers.push(*number);
            }
        }
        numbers
    }

    /// Takes the outcomes that are due, in the order of submission, but for those that the store was away for: whoever
    /// waits must hear that, whatever the store still owes an answer for.
    pub fn take_due(&mut self) -> Vec<Entry> {
        let mut due = Vec::new();
        while let Some(entry) = self.entries.pop_front_if(|entry| matches!(entry.stage, Stage::Done(_))) {
            due.push(entry);
        }
        if std::mem::take(&mut self.refused) {
            let refused = |entry: &Entry| matches!(entry.stage, Stage::Done(Err(AppendError::Unavailable(_))));
            let (told, kept): (VecDeque<Entry>, VecDeque<Entry>) = self.entries.drain(..).partition(refused);
            due.extend(told);
            self.entries = kept;
        }
        due
    }
}

/// Tells the outcomes to those who wait, one call for each run of outcomes of the same submitter.
pub fn tell(due: Vec<Entry>) {
    let mut runs: Vec<(Arc<dyn Committed>, Vec<Outcome>)> = Vec::new();
    for entry in due {
        let (Some(reply), Stage::Done(result)) = (entry.reply, entry.stage) else { continue };
        let outcome = Outcome { stream: entry.append.stream.clone(), result };
        match runs.last_mut() {
            Some((known, outcomes)) if Arc::ptr_eq(known, &reply) => outcomes.push(outcome),
            _ => runs.push((reply, vec![outcome])),
        }
    }
    for (reply, outcomes) in runs {
        reply.committed(outcomes);
    }
}

/// Refuses what no log may store, before anything of it is sent.
fn check(append: &Append) -> Result<(), AppendError> {
    let refuse = |why: &str| Err(AppendError::Invalid(format!("{why} (stream {})", append.stream)));
    if append.events.is_empty() || append.events.len() > Append::MAX_EVENTS {
        return refuse("it has no events, or too many");
    }
    if append.events.iter().any(|event| event.kind.is_empty() || event.kind.len() > LONGEST_KIND) {
        return refuse("a type name is empty or too long");
    }
    if append.events.iter().map(|event| event.data.len()).sum::<usize>() > MOST_BYTES {
        return refuse("its events are too large");
    }
    if StreamName::parse(append.stream.as_str()).is_none() {
        return refuse("the stream's name breaks the rules");
    }
    match append.expected {
        Expected::Exactly(Revision(last)) if last >= i64::MAX as u64 - Append::MAX_EVENTS as u64 => {
            refuse("the expected revision is out of range")
        }
        Expected::Exactly(_) | Expected::NoStream => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(code: Code) -> Error {
        Error::Grpc { code, message: "why".into() }
    }

    #[test]
    fn a_refusal_for_now_is_none_for_good() {
        for code in [Code::Unavailable, Code::ResourceExhausted, Code::DeadlineExceeded, Code::Aborted, Code::Cancelled]
        {
            assert!(matches!(Doubt::from(&answer(code)), Doubt::ForNow(why) if why.ends_with("why")), "{code:?}");
        }
        assert_eq!(Doubt::from(&answer(Code::InvalidArgument)), Doubt::Refused("why".into()));
        assert_eq!(Doubt::from(&answer(Code::FailedPrecondition)), Doubt::Unanswered);
    }

    #[test]
    fn an_append_beside_one_that_is_refused_is_no_sign_of_a_store_that_is_away() {
        let closed = Error::ServerError(tonic::Status::cancelled(CLOSED).to_string());
        for ended in [answer(Code::FailedPrecondition), closed] {
            assert_eq!(Doubt::beside(&ended), Doubt::Cut);
        }
        assert_eq!(Doubt::beside(&Error::ServerError("gone".into())), Doubt::Unanswered);
        assert!(Doubt::Unanswered.in_vain(2) && !Doubt::Cut.in_vain(2) && Doubt::Cut.in_vain(16));
    }
}
