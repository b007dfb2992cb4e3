//! BatchAppend: many appends on one call, each answered when the log has done it. An exchange's appends go to the log as
//! they come, without waiting for each other.

use super::append::{self, Proposal, Task, Written, carry_out, expectation, sort, written};
use super::status::{Expectation, Refusal};
use super::{Answers, Shared};
use crate::wire::streams::batch_append_req::options::ExpectedStreamPosition as Asked;
use crate::wire::streams::batch_append_resp::{ExpectedStreamPosition, Result as Answer, Success, success};
use crate::wire::streams::{BatchAppendReq, BatchAppendResp};
use crate::wire::{self, AllStreamPosition, RpcStatus, StreamIdentifier, WireUuid, read_uuid, wrong_expected_version};
use bytes::Bytes;
use domain::log::{Append, Committed, Outcome};
use futures_util::stream;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tonic::{Code, Status, Streaming};
use uuid::Uuid;

/// Appends of one call that the log has not answered, or whose answer was not read.
const IN_FLIGHT: usize = 1_024;
/// Appends of one call of which parts are still to come.
const BEGUN: usize = 64;

/// An append's answer, and its place among those in flight.
type Ready = (Result<BatchAppendResp, Status>, Option<OwnedSemaphorePermit>);

/// What an answer repeats of its request.
struct About {
    correlation: Option<WireUuid>,
    stream: Bytes,
    expected: Expectation,
}

/// Serves one call.
pub fn serve(
    shared: Arc<Shared>,
    mut requests: Streaming<BatchAppendReq>,
    call: OwnedSemaphorePermit,
) -> Answers<BatchAppendResp> {
    // Not bounded itself: what is in it is bounded by the permits of what is in flight.
    let (out, ready) = mpsc::unbounded_channel::<Ready>();
    tokio::spawn(async move {
        let mut session = Session { shared, begun: HashMap::new(), room: Arc::new(Semaphore::new(IN_FLIGHT)), out };
        let _call = call;
        loop {
            let request = tokio::select! {
                () = session.out.closed() => return,
                request = requests.message() => request,
            };
            let answered = match request {
                Ok(Some(request)) => session.take(request).await,
                Ok(None) => return,
                Err(status) => Err(status),
            };
            if let Err(status) = answered {
                // The sender has gone.
                let _ = session.out.send((Err(status), None));
                return;
            }
        }
    });
    Box::pin(stream::unfold(ready, |mut ready| async move {
        let (answer, _permit) = ready.recv().await?;
        Some((answer, ready))
    }))
}

struct Session {
    shared: Arc<Shared>,
    /// Appends whose last part has not come.
    begun: HashMap<Uuid, Proposal>,
    room: Arc<Semaphore>,
    out: mpsc::UnboundedSender<Ready>,
}

impl Session {
    /// Takes one request: a whole append or a part of one. An error ends the call.
    async fn take(&mut self, request: BatchAppendReq) -> Result<(), Status> {
        let Some(id) = read_uuid(request.correlation_id.as_ref()) else {
            return Err(Status::invalid_argument("an append has no correlation id"));
        };
        let (mut proposal, in_parts) = match (self.begun.remove(&id), request.options) {
            (Some(begun), None) => (begun, true),
            (None, Some(options)) => {
                let stream = options.stream_identifier.map(|stream| stream.stream_name).unwrap_or_default();
                let proposal = Proposal::new(&stream, asked(options.expected_stream_position));
                (proposal.map_err(|refusal| refusal.status(""))?, !request.is_final)
            }
            (Some(_), Some(_)) => return Err(Status::invalid_argument("an append has options twice")),
            (None, None) => return Err(Status::invalid_argument("an append begins without options")),
        };
        let mut added = Ok(());
        for message in request.proposed_messages {
            let id = read_uuid(message.id.as_ref());
            added = added.and_then(|()| {
                proposal.add(id, &message.metadata, &message.custom_metadata, &message.data, self.shared.message)
            });
        }
        if in_parts {
            added = added.and_then(|()| proposal.gather(&self.shared.rooms.gathered));
        } else if added.is_ok() {
            proposal.wait(&self.shared.rooms.under_way).await;
        }
        let about =
            About { correlation: request.correlation_id, stream: proposal.stream.clone(), expected: proposal.expected };
        let permit = Arc::clone(&self.room).acquire_owned().await.map_err(|_| Status::internal("the call is over"))?;
        if let Err(refusal) = added {
            self.answer(about, Err(refusal), permit);
        } else if request.is_final {
            self.append(about, proposal, permit).await;
        } else if self.begun.len() < BEGUN {
            self.begun.insert(id, proposal);
        } else {
            self.answer(about, Err(Refusal::Malformed("too many appends have begun".to_owned())), permit);
        }
        Ok(())
    }

    async fn append(&self, about: About, proposal: Proposal, permit: OwnedSemaphorePermit) {
        match sort(proposal) {
            Ok(Task::Ours(append, held)) => self.submit(about, append, permit, held),
            Ok(task @ Task::Foreign(..)) => {
                let result = carry_out(&self.shared, task).await;
                self.answer(about, result, permit);
            }
            Err(refusal) => self.answer(about, Err(refusal), permit),
        }
    }

    fn submit(&self, about: About, append: Append, permit: OwnedSemaphorePermit, held: Option<OwnedSemaphorePermit>) {
        let expected = expectation(append.expected);
        let waiting = Mutex::new(Some((about, permit, held)));
        self.shared.log.submit(vec![append], Arc::new(Reply { out: self.out.clone(), expected, waiting }));
    }

    fn answer(&self, about: About, result: Result<Written, Refusal>, permit: OwnedSemaphorePermit) {
        // The sender has gone; what is written stays written.
        let _ = self.out.send((Ok(about.answer(result)), Some(permit)));
    }
}

/// Receives the outcome of one append of ours, on the log's thread.
struct Reply {
    out: mpsc::UnboundedSender<Ready>,
    expected: Expectation,
    /// What its answer repeats, its place among those in flight, and the room that it takes until the log has it.
    waiting: Mutex<Option<(About, OwnedSemaphorePermit, Option<OwnedSemaphorePermit>)>>,
}

impl Committed for Reply {
    fn committed(&self, outcomes: Vec<Outcome>) {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let (Some((about, permit, _held)), Some(outcome)) = (waiting, outcomes.into_iter().next()) {
            let result = outcome.result.map(|durable| written(&durable));
            let answer = about.answer(result.map_err(|error| Refusal::of_log(error, self.expected)));
            // The sender has gone; what is written stays written.
            let _ = self.out.send((Ok(answer), Some(permit)));
        }
    }
}

const fn asked(expected: Option<Asked>) -> Expectation {
    match expected {
        Some(Asked::StreamPosition(revision)) => Expectation::Revision(revision),
        Some(Asked::NoStream(())) => Expectation::NoStream,
        Some(Asked::StreamExists(())) => Expectation::Exists,
        Some(Asked::Any(())) | None => Expectation::Any,
    }
}

impl About {
    fn answer(self, result: Result<append::Written, Refusal>) -> BatchAppendResp {
        let expected_stream_position = Some(match self.expected {
            Expectation::Revision(revision) => ExpectedStreamPosition::StreamPosition(revision),
            Expectation::NoStream => ExpectedStreamPosition::NoStream(()),
            Expectation::Exists => ExpectedStreamPosition::StreamExists(()),
            Expectation::Any => ExpectedStreamPosition::Any(()),
        });
        let result = Some(match result {
            Ok(written) => Answer::Success(success_of(written)),
            Err(refusal) => Answer::Error(status_of(&refusal, &self.stream)),
        });
        let stream_identifier = Some(StreamIdentifier { stream_name: self.stream });
        BatchAppendResp { correlation_id: self.correlation, stream_identifier, expected_stream_position, result }
    }
}

fn success_of(written: Written) -> Success {
    let revision = written.last.map_or(success::CurrentRevisionOption::NoStream(()), |revision| {
        success::CurrentRevisionOption::CurrentRevision(revision)
    });
    let position = written.position.map_or(success::PositionOption::NoPosition(()), |position| {
        success::PositionOption::Position(AllStreamPosition { commit_position: position, prepare_position: position })
    });
    Success { current_revision_option: Some(revision), position_option: Some(position) }
}

/// A refusal as a status within a message, its particulars packed.
fn status_of(refusal: &Refusal, stream: &Bytes) -> RpcStatus {
    let status = refusal.status(&String::from_utf8_lossy(stream));
    let (code, details) = match refusal {
        Refusal::WrongVersion { expected, actual } => {
            (status.code(), packed("WrongExpectedVersion", &wrong_version(*expected, *actual)))
        }
        Refusal::Deleted => {
            let stream_identifier = Some(StreamIdentifier { stream_name: stream.clone() });
            (status.code(), packed("StreamDeleted", &wire::StreamDeleted { stream_identifier }))
        }
        Refusal::TooLarge { most } => {
            let max_append_size = u32::try_from(*most).unwrap_or(u32::MAX);
            (status.code(), packed("MaximumAppendSizeExceeded", &wire::MaximumAppendSizeExceeded { max_append_size }))
        }
        Refusal::Denied(_) => (status.code(), packed("AccessDenied", &wire::AccessDenied {})),
        Refusal::Malformed(why) => (status.code(), packed("BadRequest", &wire::BadRequest { message: why.clone() })),
        Refusal::Away(_) => (Code::Unavailable, packed("Timeout", &wire::Timeout {})),
        Refusal::Unknown => (Code::Unknown, packed("Unknown", &wire::Unknown {})),
    };
    RpcStatus { code: code.into(), message: status.message().to_owned(), details: Some(details) }
}

fn packed(name: &str, detail: &impl prost::Message) -> prost_types::Any {
    prost_types::Any {
        type_url: format!("type.googleapis.com/event_store.client.{name}"),
        value: detail.encode_to_vec(),
    }
}

fn wrong_version(expected: Expectation, actual: Option<u64>) -> wire::WrongExpectedVersion {
    use wrong_expected_version::{CurrentStreamRevisionOption as Current, ExpectedStreamPositionOption as Position};
    let current = actual.map_or(Current::CurrentNoStream(()), Current::CurrentStreamRevision);
    let expected = match expected {
        Expectation::Revision(revision) => Position::ExpectedStreamPosition(revision),
        Expectation::NoStream => Position::ExpectedNoStream(()),
        Expectation::Exists => Position::ExpectedStreamExists(()),
        Expectation::Any => Position::ExpectedAny(()),
    };
    wire::WrongExpectedVersion {
        current_stream_revision_option: Some(current),
        expected_stream_position_option: Some(expected),
    }
}
