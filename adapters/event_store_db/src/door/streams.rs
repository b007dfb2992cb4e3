//! The service of streams: what a call asks, read, and handed to who does it.

use super::append::{Proposal, Written, carry_out, sort};
use super::delete::{Deletion, delete};
use super::filter::Wanted;
use super::names::place;
use super::read::{self, From, How, permit};
use super::status::{Expectation, Refusal};
use super::{Answers, Shared, batch, subscribe};
use crate::wire::streams::append_req::{Content, options::ExpectedStreamRevision as AppendTo};
use crate::wire::streams::append_resp::{
    self, Success, WrongExpectedVersion, success, wrong_expected_version as wrong,
};
use crate::wire::streams::delete_req::options::ExpectedStreamRevision as DeleteFrom;
use crate::wire::streams::read_req::Options;
use crate::wire::streams::read_req::options::all_options::AllOption;
use crate::wire::streams::read_req::options::stream_options::RevisionOption;
use crate::wire::streams::read_req::options::{CountOption, FilterOption, ReadDirection, StreamOption, uuid_option};
use crate::wire::streams::tombstone_req::options::ExpectedStreamRevision as EndOf;
use crate::wire::streams::{
    AppendReq, AppendResp, BatchAppendReq, BatchAppendResp, DeleteReq, DeleteResp, ReadReq, ReadResp, TombstoneReq,
    TombstoneResp, delete_resp, streams_server, tombstone_resp,
};
use crate::wire::{Empty, StreamIdentifier, read_uuid};
use bytes::Bytes;
use domain::log::{Direction, Position};
use std::sync::Arc;
use tonic::{Request, Response, Status, Streaming};

/// See the module.
pub struct Streams {
    pub(super) shared: Arc<Shared>,
}

#[tonic::async_trait]
impl streams_server::Streams for Streams {
    type ReadStream = Answers<ReadResp>;
    type BatchAppendStream = Answers<BatchAppendResp>;

    async fn read(&self, request: Request<ReadReq>) -> Result<Response<Self::ReadStream>, Status> {
        let options = request.into_inner().options.unwrap_or_default();
        let answers = self.answer_read(options).await?;
        Ok(Response::new(answers))
    }

    async fn append(&self, request: Request<Streaming<AppendReq>>) -> Result<Response<AppendResp>, Status> {
        let _call = permit(&self.shared.rooms.appending, "appends")?;
        let mut messages = request.into_inner();
        let Some(Content::Options(options)) = messages.message().await?.and_then(|message| message.content) else {
            return Err(Status::invalid_argument("an append begins with its options"));
        };
        let expected = appends_to(options.expected_stream_revision);
        let proposal = Proposal::new(&stream_of(options.stream_identifier), expected);
        let mut proposal = proposal.map_err(|refusal| refusal.status(""))?;
        let name = proposal.name();
        while let Some(message) = messages.message().await? {
            let Some(Content::ProposedMessage(event)) = message.content else {
                return Err(Status::invalid_argument("after an append's options come its events"));
            };
            let id = read_uuid(event.id.as_ref());
            let added = proposal.add(id, &event.metadata, &event.custom_metadata, &event.data, self.shared.message);
            let added = added.and_then(|()| proposal.gather(&self.shared.rooms.gathered));
            added.map_err(|refusal| refusal.status(&name))?;
        }
        let result = match sort(proposal) {
            Ok(task) => carry_out(&self.shared, task).await,
            Err(refusal) => Err(refusal),
        };
        // A stream that is elsewhere is a normal answer here.
        let result = match result {
            Ok(written) => append_resp::Result::Success(success_of(written)),
            Err(Refusal::WrongVersion { actual, .. }) => {
                append_resp::Result::WrongExpectedVersion(wrong_version(expected, actual))
            }
            Err(refusal) => return Err(refusal.status(&name)),
        };
        Ok(Response::new(AppendResp { result: Some(result) }))
    }

    async fn delete(&self, request: Request<DeleteReq>) -> Result<Response<DeleteResp>, Status> {
        let options = request.into_inner().options.unwrap_or_default();
        let expected = match options.expected_stream_revision {
            Some(DeleteFrom::Revision(revision)) => Expectation::Revision(revision),
            Some(DeleteFrom::NoStream(Empty {})) => Expectation::NoStream,
            Some(DeleteFrom::StreamExists(Empty {})) => Expectation::Exists,
            Some(DeleteFrom::Any(Empty {})) | None => Expectation::Any,
        };
        let position = self.delete_stream(options.stream_identifier, expected, Deletion::Soft).await?;
        let place = |position| delete_resp::Position { commit_position: position, prepare_position: position };
        let position_option = Some(match position {
            Some(position) => delete_resp::PositionOption::Position(place(position)),
            None => delete_resp::PositionOption::NoPosition(Empty {}),
        });
        Ok(Response::new(DeleteResp { position_option }))
    }

    async fn tombstone(&self, request: Request<TombstoneReq>) -> Result<Response<TombstoneResp>, Status> {
        let options = request.into_inner().options.unwrap_or_default();
        let expected = match options.expected_stream_revision {
            Some(EndOf::Revision(revision)) => Expectation::Revision(revision),
            Some(EndOf::NoStream(Empty {})) => Expectation::NoStream,
            Some(EndOf::StreamExists(Empty {})) => Expectation::Exists,
            Some(EndOf::Any(Empty {})) | None => Expectation::Any,
        };
        let position = self.delete_stream(options.stream_identifier, expected, Deletion::Tombstone).await?;
        let place = |position| tombstone_resp::Position { commit_position: position, prepare_position: position };
        let position_option = Some(match position {
            Some(position) => tombstone_resp::PositionOption::Position(place(position)),
            None => tombstone_resp::PositionOption::NoPosition(Empty {}),
        });
        Ok(Response::new(TombstoneResp { position_option }))
    }

    async fn batch_append(
        &self,
        request: Request<Streaming<BatchAppendReq>>,
    ) -> Result<Response<Self::BatchAppendStream>, Status> {
        let call = permit(&self.shared.rooms.appending, "appends")?;
        Ok(Response::new(batch::serve(Arc::clone(&self.shared), request.into_inner(), call)))
    }
}

impl Streams {
    async fn answer_read(&self, options: Options) -> Result<Answers<ReadResp>, Status> {
        let structured = options
            .uuid_option
            .as_ref()
            .is_some_and(|wanted| matches!(wanted.content, Some(uuid_option::Content::Structured(Empty {})) | None));
        let direction = match options.read_direction() {
            ReadDirection::Forwards => Direction::Forwards,
            ReadDirection::Backwards => Direction::Backwards,
        };
        let positions = options.control_option.is_some_and(|control| control.compatibility >= 1);
        let wanted = match &options.filter_option {
            Some(FilterOption::Filter(filter)) => Wanted::read(filter)?,
            Some(FilterOption::NoFilter(Empty {})) | None => None,
        };
        let shared = Arc::clone(&self.shared);
        match (options.stream_option, options.count_option) {
            (Some(StreamOption::Stream(of)), Some(CountOption::Count(count))) => {
                let place = place(&stream_of(of.stream_identifier)).map_err(|fault| Refusal::from(fault).status(""))?;
                let how = How { direction, count, structured, positions };
                read::stream(shared, place, from(of.revision_option), how).await
            }
            (Some(StreamOption::Stream(of)), Some(CountOption::Subscription(_))) => {
                let place = place(&stream_of(of.stream_identifier)).map_err(|fault| Refusal::from(fault).status(""))?;
                subscribe::stream(shared, place, from(of.revision_option), structured).await
            }
            (Some(StreamOption::All(of)), Some(CountOption::Count(count))) => {
                let from = match of.all_option {
                    Some(AllOption::Position(at)) => Position(at.commit_position),
                    Some(AllOption::End(Empty {})) => Position(u64::MAX),
                    Some(AllOption::Start(Empty {})) | None => Position(0),
                };
                read::all(shared, from, How { direction, count, structured, positions }, wanted)
            }
            (Some(StreamOption::All(of)), Some(CountOption::Subscription(_))) => {
                let after = match of.all_option {
                    Some(AllOption::Position(at)) => Position(at.commit_position),
                    Some(AllOption::End(Empty {})) => shared.log.head(),
                    Some(AllOption::Start(Empty {})) | None => Position(0),
                };
                subscribe::all(shared, after, structured, wanted).await
            }
            (None, _) | (_, None) => {
                Err(Status::invalid_argument("a read names a stream or all, and a count or a subscription"))
            }
        }
    }

    async fn delete_stream(
        &self,
        stream: Option<StreamIdentifier>,
        expected: Expectation,
        deletion: Deletion,
    ) -> Result<Option<u64>, Status> {
        let stream = stream_of(stream);
        let deleted = delete(&self.shared, &stream, expected, deletion).await;
        deleted.map(|written| written.position).map_err(|refusal| refusal.status(&String::from_utf8_lossy(&stream)))
    }
}

fn stream_of(identifier: Option<StreamIdentifier>) -> Bytes {
    identifier.map(|identifier| identifier.stream_name).unwrap_or_default()
}

const fn from(option: Option<RevisionOption>) -> From {
    match option {
        Some(RevisionOption::Revision(revision)) => From::Revision(revision),
        Some(RevisionOption::End(Empty {})) => From::End,
        Some(RevisionOption::Start(Empty {})) | None => From::Start,
    }
}

const fn appends_to(expected: Option<AppendTo>) -> Expectation {
    match expected {
        Some(AppendTo::Revision(revision)) => Expectation::Revision(revision),
        Some(AppendTo::NoStream(Empty {})) => Expectation::NoStream,
        Some(AppendTo::StreamExists(Empty {})) => Expectation::Exists,
        Some(AppendTo::Any(Empty {})) | None => Expectation::Any,
    }
}

fn success_of(written: Written) -> Success {
    let revision = written.last.map_or(success::CurrentRevisionOption::NoStream(Empty {}), |revision| {
        success::CurrentRevisionOption::CurrentRevision(revision)
    });
    let place = |position| append_resp::Position { commit_position: position, prepare_position: position };
    let position = written.position.map_or(success::PositionOption::NoPosition(Empty {}), |position| {
        success::PositionOption::Position(place(position))
    });
    Success { current_revision_option: Some(revision), position_option: Some(position) }
}

fn wrong_version(expected: Expectation, actual: Option<u64>) -> WrongExpectedVersion {
    use wrong::{
        CurrentRevisionOption as Current, CurrentRevisionOption2060 as OldCurrent, ExpectedRevisionOption as Wanted,
        ExpectedRevisionOption2060 as OldWanted,
    };
    let (wanted, old_wanted) = match expected {
        Expectation::Revision(revision) => {
            (Wanted::ExpectedRevision(revision), Some(OldWanted::ExpectedRevision2060(revision)))
        }
        Expectation::Any => (Wanted::ExpectedAny(Empty {}), Some(OldWanted::Any2060(Empty {}))),
        Expectation::Exists => (Wanted::ExpectedStreamExists(Empty {}), Some(OldWanted::StreamExists2060(Empty {}))),
        // The old form has no word for it.
        Expectation::NoStream => (Wanted::ExpectedNoStream(Empty {}), None),
    };
    WrongExpectedVersion {
        current_revision_option_20_6_0: Some(
            actual.map_or(OldCurrent::NoStream2060(Empty {}), OldCurrent::CurrentRevision2060),
        ),
        expected_revision_option_20_6_0: old_wanted,
        current_revision_option: Some(actual.map_or(Current::CurrentNoStream(Empty {}), Current::CurrentRevision)),
        expected_revision_option: Some(wanted),
    }
}
