//! Framing a byte stream (RFC 3261 §18.3, §7.5) and its keep-alives (RFC 5626 §3.5.1). Bytes go in as they arrive, whole
//! messages come out; where they were split on the way makes no difference.
//!
//! It agrees with [`Message::scan`] on where the headers end and what Content-Length says, because it asks it. What it
//! holds is bounded by one message and one [`StreamFramer::push`], is looked at once, and is given back when all of it
//! is framed.

use super::{MAX_MESSAGE_BYTES, Message, Unframed, Unreadable, chars};
use bytes::Bytes;

/// The longest first line and headers of a message on a stream, in bytes, their empty line included.
pub const MAX_HEAD_BYTES: usize = 16_384;

/// The most line ends before a message that may wait to be framed at once: enough for eight pings in one packet.
const MAX_EMPTY_LINES: usize = 16;

/// What a stream holds next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Framed {
    /// A message of at most [`MAX_MESSAGE_BYTES`] with a Content-Length that is all of the rest.
    Message(Bytes),
    /// Two line ends: the peer asks whether we are there, and is owed one line end (RFC 5626 §3.5.1).
    Ping,
    /// One line end: the answer to a ping of ours, or decoration. Known to be no half ping only once more arrives.
    Pong,
    /// Where the next message begins is unknown from here on: the connection is to be closed. Nothing follows.
    Fatal(StreamFault),
}

/// Why a stream cannot be framed any further.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct StreamFault {
    /// What is wrong.
    pub why: Unstreamed,
    /// What was read of the message's first line and headers, for an answer with [`StreamFault::status`]; empty where
    /// nothing can be answered.
    pub head: Bytes,
}

/// What makes a stream unreadable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unstreamed {
    /// The next bytes begin no SIP message.
    #[error("not SIP: the bytes begin neither a request line nor a status line")]
    NotSip,
    /// The headers are longer than [`MAX_HEAD_BYTES`].
    #[error("first line and headers are longer than 16,384 bytes")]
    HeadTooLong,
    /// With its body the message is longer than [`MAX_MESSAGE_BYTES`].
    #[error("message is longer than 65,535 bytes")]
    TooLong,
    /// No Content-Length, which streams need (RFC 3261 §20.14).
    #[error("Content-Length is missing: on a stream it says where the message ends")]
    NoLength,
    /// Content-Length is no number.
    #[error("Content-Length is no number")]
    Length,
    /// Content-Length stands twice with different numbers.
    #[error("Content-Length is given twice and differs")]
    LengthTwice,
    /// Nothing but line ends, many at once.
    #[error("too many line ends at once")]
    EmptyLines,
}

impl StreamFault {
    /// The status that says why, where `head` holds a request that can be answered.
    pub const fn status(&self) -> u16 {
        match self.why {
            Unstreamed::HeadTooLong | Unstreamed::TooLong => 513,
            Unstreamed::NotSip
            | Unstreamed::NoLength
            | Unstreamed::Length
            | Unstreamed::LengthTwice
            | Unstreamed::EmptyLines => 400,
        }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub struct StreamFramer {
    buffer: Vec<u8>,
    /// Where what is not framed yet begins.
    start: usize,
    /// Up to where the end of the headers was looked for.
    searched: usize,
    /// Whether the first line was found to be SIP's.
    looks_like_sip: bool,
    /// Where the message ends, once its headers are read.
    end: Option<usize>,
    /// Line ends since the last message that were there at once.
    empty_lines: usize,
    over: bool,
    #[cfg(test)]
    looked_at: usize,
}

impl StreamFramer {
    /// A stream of which nothing has arrived.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes what arrived. [`StreamFramer::next`] is to be called until it gives nothing.
    pub fn push(&mut self, bytes: &[u8]) {
        if !self.over {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// Whether a message has begun and is not whole yet.
    pub const fn is_amid_message(&self) -> bool {
        self.looks_like_sip || self.start < self.searched
    }

    /// How many bytes wait.
    pub const fn waiting(&self) -> usize {
        self.buffer.len() - self.start
    }

    /// What the stream holds next; nothing until more arrives.
    #[expect(clippy::should_implement_trait, reason = "after `None` more may come")]
    pub fn next(&mut self) -> Option<Framed> {
        if self.over {
            return None;
        }
        let framed = if self.is_amid_message() { None } else { self.empty_line() };
        let framed = framed.or_else(|| self.message());
        match &framed {
            Some(Framed::Fatal(_)) => {
                self.over = true;
                self.buffer = Vec::new();
                (self.start, self.searched, self.looks_like_sip, self.end) = (0, 0, false, None);
            }
            Some(Framed::Message(_) | Framed::Ping | Framed::Pong) => {}
            None => self.tidy(),
        }
        framed
    }

    /// Gives memory back where nothing waits, else moves what waits to the front, which happens once a message.
    fn tidy(&mut self) {
        if self.start == self.buffer.len() {
            self.buffer = Vec::new();
        } else if self.start > 0 {
            self.buffer.drain(..self.start);
        } else {
            return;
        }
        self.searched = self.searched.saturating_sub(self.start);
        self.end = self.end.map(|end| end - self.start);
        (self.start, self.empty_lines) = (0, 0);
    }

    #[cfg(test)]
    pub(super) const fn capacity(&self) -> usize {
        self.buffer.capacity()
    }

    /// How many bytes the search for the end of headers was given, ever.
    #[cfg(test)]
    pub(super) const fn looked_at(&self) -> usize {
        self.looked_at
    }

    /// Line ends before a message. A CR or LF that stands alone is skipped (RFC 3261 §7.5).
    fn empty_line(&mut self) -> Option<Framed> {
        loop {
            let rest = self.buffer.get(self.start..).unwrap_or_default();
            let (length, framed) = match rest {
                [b'\r', b'\n', b'\r', b'\n', ..] => (4, Some(Framed::Ping)),
                // The next bytes say whether this is a pong or half a ping.
                [] | [b'\r'] | [b'\r', b'\n'] | [b'\r', b'\n', b'\r'] => return None,
                [b'\r', b'\n', ..] => (2, Some(Framed::Pong)),
                [b'\r' | b'\n', ..] => (1, None),
                [..] => return None,
            };
            self.start += length;
            self.empty_lines += length.div_ceil(2);
            if self.empty_lines > MAX_EMPTY_LINES {
                return Some(Framed::Fatal(StreamFault { why: Unstreamed::EmptyLines, head: Bytes::new() }));
            }
            if framed.is_some() {
                return framed;
            }
        }
    }

    fn message(&mut self) -> Option<Framed> {
        let end = match self.end {
            Some(end) => end,
            None => match self.message_end()? {
                Ok(end) => *self.end.insert(end),
                Err(fault) => return Some(Framed::Fatal(fault)),
            },
        };
        let message = Bytes::copy_from_slice(self.buffer.get(self.start..end)?);
        (self.start, self.searched, self.end) = (end, end, None);
        (self.looks_like_sip, self.empty_lines) = (false, 0);
        Some(Framed::Message(message))
    }

    /// Where the message ends; nothing until its headers are whole.
    fn message_end(&mut self) -> Option<Result<usize, StreamFault>> {
        let fail = |why, head| Some(Err(StreamFault { why, head }));
        let first = *self.buffer.get(self.start)?;
        if matches!(first, b'\r' | b'\n') {
            return None;
        }
        if !chars::is(first, chars::TOKEN) {
            return fail(Unstreamed::NotSip, Bytes::new());
        }
        let found = self.head_end();
        let rest = self.buffer.get(self.start..).unwrap_or_default();
        let head_end = match found {
            Some(Ok(end)) if end - self.start <= MAX_HEAD_BYTES => end,
            Some(Err(why)) => return fail(why, Bytes::new()),
            None if rest.len() < MAX_HEAD_BYTES => return None,
            Some(Ok(_)) | None => {
                let head = rest.get(..MAX_HEAD_BYTES).unwrap_or_default();
                return fail(Unstreamed::HeadTooLong, Bytes::copy_from_slice(head));
            }
        };
        let head_length = head_end - self.start;
        let head = Bytes::copy_from_slice(rest.get(..head_length)?);
        match stated_length(Message::scan(head.clone())).map(usize::try_from) {
            Ok(Ok(length)) if length <= MAX_MESSAGE_BYTES - head_length => Some(Ok(head_end + length)),
            Ok(_) => fail(Unstreamed::TooLong, head),
            Err(Unstreamed::NotSip) => fail(Unstreamed::NotSip, Bytes::new()),
            Err(why) => fail(why, head),
        }
    }

    /// Where the empty line after the headers ends, as the scanner sees it: a bare LF ends a line too. The search goes
    /// on where it stopped.
    fn head_end(&mut self) -> Option<Result<usize, Unstreamed>> {
        let mut from = self.searched.max(self.start);
        #[cfg(test)]
        (self.looked_at += self.buffer.len() - from);
        while let Some(line_end) = memchr::memchr(b'\n', self.buffer.get(from..)?).map(|offset| from + offset) {
            if !self.looks_like_sip {
                if !is_sip_line(self.buffer.get(self.start..line_end)?) {
                    return Some(Err(Unstreamed::NotSip));
                }
                self.looks_like_sip = true;
            }
            match self.buffer.get(line_end + 1..).unwrap_or_default() {
                [b'\n', ..] => return Some(Ok(line_end + 2)),
                [b'\r', b'\n', ..] => return Some(Ok(line_end + 3)),
                [] | [b'\r'] => {
                    self.searched = line_end;
                    return None;
                }
                [..] => from = line_end + 1,
            }
        }
        self.searched = self.buffer.len();
        None
    }
}

/// A request line ends in a version, a status line begins with one.
fn is_sip_line(line: &[u8]) -> bool {
    let line = line.trim_ascii_end();
    let last = line.rsplit(|byte| matches!(byte, b' ' | b'\t')).next().unwrap_or_default();
    [line, last].iter().any(|text| text.get(..4).is_some_and(|name| name.eq_ignore_ascii_case(b"SIP/")))
}

/// What the headers say of the body's length. Headers that are broken elsewhere are framed all the same, for the sake
/// of an answer.
fn stated_length(head: Result<Message, Unreadable>) -> Result<u64, Unstreamed> {
    let message = match &head {
        Ok(message) => message,
        Err(unreadable) => match (unreadable.why, unreadable.partial()) {
            (Unframed::ContentLength, _) => return Err(Unstreamed::Length),
            (Unframed::ContentLengthTwice, _) => return Err(Unstreamed::LengthTwice),
            (_, Some(partial)) => partial,
            (_, None) => return Err(Unstreamed::NotSip),
        },
    };
    match message.stated_length() {
        Ok(Some(length)) => Ok(length),
        Ok(None) => Err(Unstreamed::NoLength),
        Err(Unframed::ContentLengthTwice) => Err(Unstreamed::LengthTwice),
        Err(_) => Err(Unstreamed::Length),
    }
}
