//! What can be wrong with a session description.

use thiserror::Error;

/// Why a session description is not taken. Lines count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SdpFault {
    /// More than [`super::MAX_BYTES`].
    #[error("the session description has {bytes} bytes; send at most {}", super::MAX_BYTES)]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// More than [`super::MAX_LINES`].
    #[error("the session description has more than {} lines", super::MAX_LINES)]
    TooManyLines,
    /// More than [`super::MAX_STREAMS`].
    #[error("line {line}: more than {} m-lines", super::MAX_STREAMS)]
    TooManyStreams {
        /// The first m-line too many.
        line: u16,
    },
    /// Not a letter, an equals sign and a value; or a NUL or a carriage return inside (RFC 8866 §5).
    #[error("line {line} is not of the form <type>=<value>")]
    NotALine {
        /// The line.
        line: u16,
    },
    /// A type letter that RFC 8866 §5 does not define: the whole description is to be refused.
    #[error("line {line}: RFC 8866 knows no line type \"{}\"", char::from(*.letter))]
    UnknownType {
        /// The line.
        line: u16,
        /// Its letter.
        letter: u8,
    },
    /// A version other than 0, or a first line that is no `v=` (RFC 8866 §5.1).
    #[error("line {line}: a session description begins with v=0")]
    Version {
        /// The line.
        line: u16,
    },
    /// An `o=` line without its six fields, a second one, or one below an m-line (RFC 8866 §5.2).
    #[error("line {line}: the o= line is malformed or misplaced")]
    Origin {
        /// The line.
        line: u16,
    },
    /// No `o=` line at all.
    #[error("the o= line is missing")]
    NoOrigin,
    /// A `c=` line without its three fields, a second one at the same level, or one host name too many (RFC 8866 §5.7).
    #[error("line {line}: the c= line is malformed, repeated, or one host name too many")]
    Connection {
        /// The line.
        line: u16,
    },
    /// A stream that wants media and says no address, neither itself nor for the session.
    #[error("line {line}: no c= line says where this stream is to be sent")]
    NoConnection {
        /// The m-line.
        line: u16,
    },
    /// An m-line without media, port and protocol, or with an address among its formats (RFC 8866 §5.14).
    #[error("line {line}: the m= line is malformed")]
    Media {
        /// The line.
        line: u16,
    },
    /// An `a=rtcp` whose number is no port or whose address is none, or a second one (RFC 3605 §2.1).
    #[error("line {line}: a=rtcp is malformed or repeated")]
    Rtcp {
        /// The line.
        line: u16,
    },
    /// An answer with more or fewer m-lines than its offer (RFC 3264 §6).
    #[error("the answer has {answered} m-lines, the offer {offered}; an answer has one for each")]
    StreamCount {
        /// In the offer.
        offered: usize,
        /// In the answer.
        answered: usize,
    },
    /// An answer whose m-line is of another kind than the offer's in its place (RFC 3264 §6).
    #[error("m-line {stream} of the answer is of another kind than the offer's")]
    StreamKind {
        /// Index of the m-line, from 0.
        stream: u8,
    },
    /// An answer that accepts what the offer had switched off (RFC 3264 §6).
    #[error("m-line {stream} of the answer accepts a stream that was offered with port 0")]
    NotOffered {
        /// Index of the m-line, from 0.
        stream: u8,
    },
}

impl SdpFault {
    /// The status a request with this body gets: 400 for what is no session description, 488 for one that we
    /// understand and do not take (RFC 3261 §21.4.1, §21.4.26).
    pub const fn status(self) -> u16 {
        match self {
            Self::NotALine { .. }
            | Self::Version { .. }
            | Self::Origin { .. }
            | Self::NoOrigin
            | Self::Connection { .. }
            | Self::NoConnection { .. }
            | Self::Media { .. }
            | Self::Rtcp { .. } => 400,
            Self::TooLong { .. }
            | Self::TooManyLines
            | Self::TooManyStreams { .. }
            | Self::UnknownType { .. }
            | Self::StreamCount { .. }
            | Self::StreamKind { .. }
            | Self::NotOffered { .. } => 488,
        }
    }
}
