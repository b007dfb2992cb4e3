//! Framing a datagram (RFC 3261 §7, §18.3): one pass over the lines, one allocation for the index.

use super::chars;
use super::message::{Field, Message, Oddities, Span, StartLine, trimmed};
use super::numbers;
use super::{HeaderName, Method, Unframed, Unreadable};
use bytes::Bytes;
use std::sync::Arc;

/// The longest message, in bytes: what a UDP datagram can hold.
pub const MAX_MESSAGE_BYTES: usize = 65_535;
/// The most header fields in a message.
pub const MAX_HEADERS: usize = 200;
/// The most Via lines: a message has 70 hops (RFC 3261 §8.1.1.6), and its answer repeats them all.
pub(super) const MAX_VIA_LINES: usize = 150;

/// All zeros, which makes an array of it cheap.
const NO_FIELD: Field = Field { id: HeaderName::To, name: Span { start: 0, end: 0 }, value: Span { start: 0, end: 0 } };

impl Message {
    /// Frames one datagram. Line ends are CRLF, a bare LF is taken too; line ends before the first line are
    /// skipped (RFC 3261 §7.5); bytes beyond Content-Length are ignored (§18.3). What the headers say is not judged
    /// here but by [`super::validate_request`] and [`super::validate_response`].
    ///
    /// # Errors
    /// [`Unreadable`], with what could be read for an answer.
    pub fn scan(datagram: Bytes) -> Result<Self, Unreadable> {
        if datagram.len() > MAX_MESSAGE_BYTES {
            return Err(Unreadable { why: Unframed::TooLarge, partial: None });
        }
        let mut frame = Frame::new(&datagram);
        let start = frame.start_line().map_err(|why| Unreadable { why, partial: None })?;
        frame.header_lines();
        let fields: Arc<[Field]> = Arc::from(&frame.fields[..frame.count]);
        let (seen, repeated, head_end, folded, line_ends) =
            (frame.seen, frame.repeated, frame.at, frame.folded, frame.line_ends);
        let mut wrong = frame.wrong;
        let mut message = Self {
            blanked: None,
            body: Span::default(),
            odd: Oddities { blanks_in_start: frame.blanks_in_start, ..Oddities::default() },
            bytes: datagram,
            fields,
            start,
            seen,
            repeated,
        };
        message.look_closer(head_end, folded, line_ends);
        message.body = Span { start: head_end as u16, end: head_end as u16 };
        if wrong.is_none() {
            match message.body_span(head_end) {
                Ok(body) => message.body = body,
                Err(why) => wrong = Some(why),
            }
        }
        match wrong {
            None => Ok(message),
            Some(why) => Err(Unreadable { why, partial: Some(Box::new(message)) }),
        }
    }

    /// Finds what cannot be read as it stands, and blanks it out in a copy of the head: folds, bare CRs, bytes that
    /// are no UTF-8. `line_ends` is how many CRs and LFs end lines.
    fn look_closer(&mut self, head_end: usize, folded: bool, line_ends: usize) {
        let head = &self.bytes[..head_end];
        if !folded && unusual(head) == line_ends {
            return;
        }
        let bare_cr = memchr::memchr_iter(b'\r', head).any(|at| head.get(at + 1) != Some(&b'\n'));
        let not_utf8 = std::str::from_utf8(head).is_err();
        if folded || bare_cr || not_utf8 {
            let mut blanked = head.to_vec();
            if not_utf8 {
                replace_undecodable(&mut blanked);
            }
            for byte in blanked.iter_mut().filter(|byte| matches!(**byte, b'\r' | b'\n')) {
                *byte = b' ';
            }
            self.blanked = Some(blanked.into());
        }
        self.odd.not_utf8 = not_utf8;
        self.odd.control = bare_cr || self.has_loose_control();
    }

    /// A control character is only legal in a quoted pair (RFC 3261 §25.1).
    fn has_loose_control(&self) -> bool {
        let start = match self.start {
            StartLine::Request { uri, version, .. } => Span { start: uri.start, end: version.end },
            StartLine::Response { reason, .. } => reason,
        };
        let loose_in_fields = self.fields.iter().any(|field| loose_control(self.text(field.value)));
        self.text(start).bytes().any(chars::is_control) || loose_in_fields
    }

    /// What Content-Length says, if it is there.
    pub(super) fn stated_length(&self) -> Result<Option<u64>, Unframed> {
        let mut length = None;
        for field in self.fields_of(HeaderName::ContentLength) {
            let number = numbers::decimal(field.value.of(self.head())).ok_or(Unframed::ContentLength)?;
            if length.is_some_and(|length| length != number) {
                return Err(Unframed::ContentLengthTwice);
            }
            length = Some(number);
        }
        Ok(length)
    }

    fn body_span(&self, head_end: usize) -> Result<Span, Unframed> {
        let end = match self.stated_length()? {
            None => self.bytes.len(),
            Some(length) => usize::try_from(length).map_or(usize::MAX, |length| head_end.saturating_add(length)),
        };
        if end > self.bytes.len() {
            return Err(Unframed::BodyShort);
        }
        Ok(Span { start: head_end as u16, end: end as u16 })
    }
}

/// The work of one framing.
struct Frame<'a> {
    bytes: &'a [u8],
    at: usize,
    fields: [Field; MAX_HEADERS],
    count: usize,
    seen: u64,
    repeated: u64,
    /// How many CRs and LFs end lines.
    line_ends: usize,
    folded: bool,
    blanks_in_start: bool,
    /// The first thing wrong; reading goes on after it, for the sake of an answer.
    wrong: Option<Unframed>,
}

impl<'a> Frame<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        let at = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).unwrap_or(bytes.len());
        Self {
            bytes,
            at,
            fields: [NO_FIELD; MAX_HEADERS],
            count: 0,
            seen: 0,
            repeated: 0,
            line_ends: at,
            folded: false,
            blanks_in_start: false,
            wrong: None,
        }
    }

    /// The next line without its end; `None` if no line end follows.
    fn line(&mut self) -> Option<(usize, usize)> {
        let start = self.at;
        let length = memchr::memchr(b'\n', &self.bytes[start..])?;
        self.at = start + length + 1;
        self.line_ends += 1;
        if length > 0 && self.bytes[start + length - 1] == b'\r' {
            self.line_ends += 1;
            return Some((start, start + length - 1));
        }
        Some((start, start + length))
    }

    fn start_line(&mut self) -> Result<StartLine, Unframed> {
        if self.at == self.bytes.len() {
            return Err(Unframed::KeepAlive);
        }
        let (start, end) = self.line().ok_or(Unframed::NotSip)?;
        if self.bytes[start..end].get(..4).is_some_and(|first| first.eq_ignore_ascii_case(b"SIP/")) {
            return status_line(self.bytes, start, end);
        }
        let line = trimmed(self.bytes, start, end);
        let text = line.of(self.bytes);
        let first = text.iter().position(|byte| chars::is(*byte, chars::BLANK)).ok_or(Unframed::NotSip)?;
        let last = text.iter().rposition(|byte| chars::is(*byte, chars::BLANK)).ok_or(Unframed::NotSip)?;
        let begin = line.start as usize;
        let version = Span { start: (begin + last + 1) as u16, end: line.end };
        if !version.of(self.bytes).get(..4).is_some_and(|name| name.eq_ignore_ascii_case(b"SIP/")) {
            return Err(Unframed::NotSip);
        }
        let method = std::str::from_utf8(&text[..first]).ok().and_then(Method::parse).ok_or(Unframed::NotSip)?;
        let uri = trimmed(self.bytes, begin + first, begin + last);
        let as_written = begin == start && line.end as usize == end;
        let single = text[first] == b' ' && text[last] == b' ' && (uri.end - uri.start) as usize + 1 == last - first;
        self.blanks_in_start = !(as_written && single);
        Ok(StartLine::Request { method, uri, version })
    }

    fn header_lines(&mut self) {
        let mut continues = false;
        loop {
            let Some((start, end)) = self.line() else {
                self.fail(Unframed::Cut);
                self.at = self.bytes.len();
                return;
            };
            if start == end {
                return;
            }
            if chars::is(self.bytes[start], chars::BLANK) {
                if continues {
                    self.fold(start, end);
                } else {
                    self.fail(Unframed::HeaderLine);
                }
                continue;
            }
            if self.count == MAX_HEADERS {
                self.fail(Unframed::TooManyHeaders);
                return;
            }
            continues = self.field(start, end);
        }
    }

    /// Notes the field of a line; `false` if it is none.
    fn field(&mut self, start: usize, end: usize) -> bool {
        let line = &self.bytes[start..end];
        let name = chars::run(line, chars::TOKEN);
        let colon = name + chars::run(&line[name..], chars::BLANK);
        if name == 0 || line.get(colon) != Some(&b':') {
            self.fail(Unframed::HeaderLine);
            return false;
        }
        let id = HeaderName::of(&line[..name]);
        let name = Span { start: start as u16, end: (start + name) as u16 };
        self.fields[self.count] = Field { id, name, value: trimmed(self.bytes, start + colon + 1, end) };
        self.count += 1;
        self.repeated |= self.seen & id.bit();
        self.seen |= id.bit();
        true
    }

    /// Joins a continuation line to the field before it (RFC 3261 §7.3.1).
    fn fold(&mut self, start: usize, end: usize) {
        self.folded = true;
        let more = trimmed(self.bytes, start, end);
        if let Some(field) = self.count.checked_sub(1).and_then(|last| self.fields.get_mut(last))
            && more.start != more.end
        {
            if field.value.start == field.value.end {
                field.value.start = more.start;
            }
            field.value.end = more.end;
        }
    }

    fn fail(&mut self, why: Unframed) {
        self.wrong = self.wrong.or(Some(why));
    }
}

/// How many bytes are controls, DEL or beyond ASCII: shifted by one they are all that is not above a space. Written so
/// that the compiler makes vector code of it.
fn unusual(bytes: &[u8]) -> usize {
    let count =
        |chunk: &[u8]| chunk.iter().map(|byte| u8::from(byte.wrapping_add(1).cast_signed() <= 0x20)).sum::<u8>();
    bytes.chunks(128).map(|chunk| usize::from(count(chunk))).sum()
}

fn status_line(bytes: &[u8], start: usize, end: usize) -> Result<StartLine, Unframed> {
    let line = &bytes[start..end];
    let space = memchr::memchr(b' ', line).ok_or(Unframed::NotSip)?;
    let (status, after) = match line.get(space + 1..space + 4) {
        Some([a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9']) => {
            let digit = |byte: &u8| u16::from(byte - b'0');
            (digit(a) * 100 + digit(b) * 10 + digit(c), space + 4)
        }
        _ => return Err(Unframed::Status),
    };
    let reason = match line.get(after) {
        None => after,
        Some(b' ') => after + 1,
        Some(_) => return Err(Unframed::Status),
    };
    let version = Span { start: start as u16, end: (start + space) as u16 };
    Ok(StartLine::Response { version, status, reason: Span { start: (start + reason) as u16, end: end as u16 } })
}

/// Puts `?` for every byte that is part of no UTF-8 character.
fn replace_undecodable(bytes: &mut [u8]) {
    let mut from = 0;
    while let Err(error) = std::str::from_utf8(&bytes[from..]) {
        let bad = from + error.valid_up_to();
        let end = error.error_len().map_or(bytes.len(), |length| bad + length);
        bytes[bad..end].fill(b'?');
        from = end;
    }
}

fn loose_control(value: &str) -> bool {
    let (mut quoted, mut guarded) = (false, false);
    for byte in value.bytes() {
        if guarded {
            guarded = false;
            continue;
        }
        match byte {
            b'"' => quoted = !quoted,
            b'\\' if quoted => guarded = true,
            other if chars::is_control(other) => return true,
            _ => {}
        }
    }
    false
}
