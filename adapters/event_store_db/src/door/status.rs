//! Errors as clients expect them: what the schema does not show travels in trailers, and one client matches the texts.

use super::names::NameFault;
use domain::log::{AppendError, ReadError};
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Status};

/// What an append or a deletion expected of its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expectation {
    /// Nothing.
    Any,
    /// No stream.
    NoStream,
    /// A stream, wherever it is.
    Exists,
    /// This last revision.
    Revision(u64),
}

impl Expectation {
    /// As the protocol numbers it in texts and trailers.
    fn number(self) -> i64 {
        match self {
            Self::Any => -2,
            Self::NoStream => -1,
            Self::Exists => -4,
            Self::Revision(revision) => i64::try_from(revision).unwrap_or(i64::MAX),
        }
    }
}

/// Why a write was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The stream is elsewhere.
    WrongVersion {
        /// Where it was expected.
        expected: Expectation,
        /// Its last revision.
        actual: Option<u64>,
    },
    /// The stream was deleted for good.
    Deleted,
    /// More bytes or events than one append may have.
    TooLarge {
        /// The most, in bytes.
        most: usize,
    },
    /// It may not be written at all, or not so.
    Denied(&'static str),
    /// It makes no sense.
    Malformed(String),
    /// The log is away; nothing was written.
    Away(String),
    /// Nobody knows whether it was written.
    Unknown,
}

impl From<NameFault> for Refusal {
    fn from(fault: NameFault) -> Self {
        match fault {
            NameFault::NoText | NameFault::TooLong => Self::Malformed(fault.to_string()),
            NameFault::AboutOurs => Self::Denied("what is said about the exchange's own streams is not kept"),
        }
    }
}

impl From<ReadError> for Refusal {
    fn from(error: ReadError) -> Self {
        Self::Away(error.to_string())
    }
}

impl Refusal {
    /// What the log says, as an answer to this expectation.
    pub fn of_log(error: AppendError, expected: Expectation) -> Self {
        match error {
            AppendError::WrongRevision { actual, .. } => {
                Self::WrongVersion { expected, actual: actual.map(|revision| revision.0) }
            }
            AppendError::Unavailable(why) => Self::Away(why),
            AppendError::Invalid(why) => Self::Malformed(why),
            AppendError::Unknown(_) => Self::Unknown,
        }
    }

    /// As the status of a failed call on this stream.
    pub fn status(&self, stream: &str) -> Status {
        match self {
            Self::WrongVersion { expected, actual } => {
                let expected = expected.number();
                let actual = actual.map_or(-1, |revision| i64::try_from(revision).unwrap_or(i64::MAX));
                let text = format!(
                    "Append failed due to WrongExpectedVersion. Stream: {stream}, Expected version: {expected}, Actual version: {actual}"
                );
                let mut trailers = trailers("wrong-expected-version", Some(stream));
                put(&mut trailers, "expected-version", &expected.to_string());
                put(&mut trailers, "actual-version", &actual.to_string());
                Status::with_metadata(Code::FailedPrecondition, text, trailers)
            }
            Self::Deleted => deleted(stream),
            Self::TooLarge { most } => {
                let mut trailers = trailers("maximum-append-size-exceeded", None);
                put(&mut trailers, "maximum-append-size", &most.to_string());
                let text = format!("Maximum Append Size of {most} Exceeded.");
                Status::with_metadata(Code::InvalidArgument, text, trailers)
            }
            Self::Denied(why) => {
                let text = format!("Access Denied: {why}");
                Status::with_metadata(Code::PermissionDenied, text, trailers("access-denied", None))
            }
            Self::Malformed(why) => Status::invalid_argument(why.clone()),
            Self::Away(why) => Status::unavailable(why.clone()),
            Self::Unknown => Status::unknown("it is not known whether the events were written: read the stream"),
        }
    }
}

/// The stream was deleted for good.
pub fn deleted(stream: &str) -> Status {
    let text = format!("Event stream '{stream}' is deleted.");
    Status::with_metadata(Code::FailedPrecondition, text, trailers("stream-deleted", Some(stream)))
}

/// The log could not be read.
pub fn unreadable(error: &ReadError) -> Status {
    match error {
        ReadError::Unavailable(_) => Status::unavailable(error.to_string()),
        ReadError::Damaged { .. } => Status::data_loss(error.to_string()),
    }
}

fn trailers(exception: &str, stream: Option<&str>) -> MetadataMap {
    let mut trailers = MetadataMap::new();
    put(&mut trailers, "exception", exception);
    if let Some(stream) = stream {
        put(&mut trailers, "stream-name", stream);
    }
    trailers
}

/// What is no header's value is left out: the status says the same.
fn put(trailers: &mut MetadataMap, name: &'static str, value: &str) {
    if let Ok(value) = MetadataValue::try_from(value) {
        trailers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_version_is_in_trailers_and_in_the_text_that_a_client_matches() {
        let refusal = Refusal::WrongVersion { expected: Expectation::Revision(3), actual: None };
        let status = refusal.status("orders-1");
        assert_eq!(
            status.message(),
            "Append failed due to WrongExpectedVersion. Stream: orders-1, Expected version: 3, Actual version: -1"
        );
        for (name, value) in [
            ("exception", "wrong-expected-version"),
            ("stream-name", "orders-1"),
            ("expected-version", "3"),
            ("actual-version", "-1"),
        ] {
            assert_eq!(status.metadata().get(name).unwrap(), value);
        }
    }

    #[test]
    fn a_deleted_stream_is_named_even_where_no_trailer_can() {
        let status = deleted("é\n");
        assert!(status.message().contains("'é\n' is deleted"));
        assert_eq!(status.metadata().get("exception").unwrap(), "stream-deleted");
        assert!(status.metadata().get("stream-name").is_none());
    }
}
