//! Why a datagram is no message, or a part of one is not what its grammar says.

use super::Message;

/// A part of a message does not follow its grammar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{part}: {why}")]
pub struct Malformed {
    /// What was read, as `Via` or `URI`.
    pub part: &'static str,
    /// What is wrong with it.
    pub why: &'static str,
}

impl Malformed {
    pub(super) const fn new(part: &'static str, why: &'static str) -> Self {
        Self { part, why }
    }
}

/// How framing failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unframed {
    /// Nothing but line ends: a keep-alive (RFC 3261 §7.5, RFC 5626 §3.5.1). Nothing to answer.
    #[error("a keep-alive, no message")]
    KeepAlive,
    /// The first line is neither a request line nor a status line.
    #[error("not SIP: the first line is neither a request line nor a status line")]
    NotSip,
    /// A status line whose status is not three digits (RFC 3261 §7.2).
    #[error("status is not three digits")]
    Status,
    /// Longer than [`super::MAX_MESSAGE_BYTES`].
    #[error("message is longer than 65,535 bytes")]
    TooLarge,
    /// More headers than [`super::MAX_HEADERS`].
    #[error("more than 200 header fields")]
    TooManyHeaders,
    /// A line that is neither a header field nor the continuation of one.
    #[error("a header line has no name and colon")]
    HeaderLine,
    /// The empty line after the headers is missing (RFC 3261 §7): the datagram was cut.
    #[error("no empty line after the headers: the message is cut short")]
    Cut,
    /// Content-Length is no number (RFC 3261 §20.14).
    #[error("Content-Length is no number")]
    ContentLength,
    /// Content-Length stands twice with different numbers.
    #[error("Content-Length is given twice and differs")]
    ContentLengthTwice,
    /// The body is shorter than Content-Length says (RFC 3261 §18.3).
    #[error("the body is shorter than Content-Length")]
    BodyShort,
}

/// A datagram that is no whole message, with what could be read of it.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{why}")]
pub struct Unreadable {
    /// How framing failed.
    pub why: Unframed,
    pub(super) partial: Option<Box<Message>>,
}

impl Unreadable {
    /// What was read of a request that can be answered with [`Unreadable::status`]; its body is empty. `None` for
    /// responses, ACKs and whatever has no Via: those are dropped.
    pub fn answerable(&self) -> Option<&Message> {
        self.partial.as_deref().filter(|message| message.is_answerable())
    }

    /// What was read, answerable or not.
    pub fn partial(&self) -> Option<&Message> {
        self.partial.as_deref()
    }

    /// The status that says why: 513 where a limit was passed, else 400.
    pub const fn status(&self) -> u16 {
        match self.why {
            Unframed::TooLarge | Unframed::TooManyHeaders => 513,
            Unframed::KeepAlive
            | Unframed::NotSip
            | Unframed::Status
            | Unframed::HeaderLine
            | Unframed::Cut
            | Unframed::ContentLength
            | Unframed::ContentLengthTwice
            | Unframed::BodyShort => 400,
        }
    }
}
