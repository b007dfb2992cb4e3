//! Writing messages. What is given is checked, never repaired: nothing that ends a line gets into one.

use super::message::Message;
use super::{HeaderName, MAX_MESSAGE_BYTES, Method, chars, reason_phrase};
use bytes::Bytes;
use std::fmt;
use std::io::Write as _;

/// Why a message cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// A value holds a line end, NUL or another control character (header injection).
    #[error("{0} holds a control character")]
    Control(String),
    /// A name or URI is empty or has a character it may not have.
    #[error("{0} is no legal name, method or URI")]
    Illegal(String),
    /// A status that is not 100 to 699.
    #[error("status {0} is not 100 to 699")]
    Status(u16),
    /// Content-Length comes with the body and from nowhere else.
    #[error("Content-Length is written by the writer alone")]
    ContentLength,
    /// The request to answer has no Via, or more than anybody can have passed.
    #[error("the request has no Via to answer by, or more than 150")]
    Via,
    /// Longer than [`MAX_MESSAGE_BYTES`].
    #[error("the message is longer than 65,535 bytes")]
    TooLarge,
}

/// A message being written. The first error is kept and comes out at the end; nothing panics.
#[derive(Debug)]
pub struct Writer {
    pub(super) text: Vec<u8>,
    pub(super) wrong: Option<WriteError>,
}

impl Writer {
    /// Begins a request. `uri` goes as it is: give it a checked one.
    pub fn request(method: &Method, uri: &str) -> Self {
        let mut writer = Self::empty();
        if uri.is_empty() || !uri.bytes().all(|byte| byte.is_ascii_graphic()) {
            writer.fail(WriteError::Illegal("Request-URI".to_owned()));
        }
        if !chars::all(method.as_str(), chars::TOKEN) {
            writer.fail(WriteError::Illegal("method".to_owned()));
        }
        writer.put(&[method.as_str().as_bytes(), b" ", uri.as_bytes(), b" SIP/2.0\r\n"]);
        writer
    }

    /// Begins a response with the usual phrase.
    pub fn response(status: u16) -> Self {
        Self::response_saying(status, reason_phrase(status))
    }

    /// Begins a response with a phrase of its own.
    pub fn response_saying(status: u16, reason: &str) -> Self {
        let mut writer = Self::empty();
        if !(100..=699).contains(&status) {
            writer.fail(WriteError::Status(status));
        }
        writer.check_value("reason phrase", reason);
        let _ = write!(writer.text, "SIP/2.0 {status} {reason}\r\n");
        writer
    }

    fn empty() -> Self {
        Self { text: Vec::with_capacity(1024), wrong: None }
    }

    /// Adds a header. The value goes as it is: quote what needs it ([`quoted`]).
    pub fn header(&mut self, name: HeaderName, value: &str) -> &mut Self {
        match name.canonical() {
            None => self.fail(WriteError::Illegal("header name".to_owned())),
            Some(name) => self.header_raw(name, value),
        }
    }

    /// Adds a header whose value is anything that can be printed.
    pub fn header_fmt(&mut self, name: HeaderName, value: fmt::Arguments<'_>) -> &mut Self {
        let Some(title) = name.canonical() else { return self.fail(WriteError::Illegal("header name".to_owned())) };
        if name == HeaderName::ContentLength {
            return self.fail(WriteError::ContentLength);
        }
        self.put(&[title.as_bytes(), b": "]);
        let start = self.text.len();
        // Writing to a Vec cannot fail; a Display that does so all the same is a value we cannot write.
        if self.text.write_fmt(value).is_err() || self.text[start..].iter().any(|byte| chars::is_control(*byte)) {
            self.fail(WriteError::Control(title.to_owned()));
        }
        self.put(&[b"\r\n"])
    }

    /// Adds a header by a name that [`HeaderName`] may not know.
    pub fn header_raw(&mut self, name: &str, value: &str) -> &mut Self {
        if !chars::all(name, chars::TOKEN) {
            return self.fail(WriteError::Illegal("header name".to_owned()));
        }
        if HeaderName::of(name.as_bytes()) == HeaderName::ContentLength {
            return self.fail(WriteError::ContentLength);
        }
        self.check_value(name, value);
        self.put(&[name.as_bytes(), b": ", value.as_bytes(), b"\r\n"])
    }

    /// Copies all headers of this name, byte for byte, name included; a folded one goes unfolded. Absent ones are
    /// no error.
    pub fn copy(&mut self, from: &Message, name: HeaderName) -> &mut Self {
        if name == HeaderName::ContentLength {
            return self.fail(WriteError::ContentLength);
        }
        for field in from.fields_of(name) {
            self.put(&[from.line(field), b"\r\n"]);
        }
        self
    }

    /// As [`Writer::copy`], of the first header of this name alone: of what stands twice where it may not, an answer
    /// says one.
    pub(super) fn copy_first(&mut self, from: &Message, name: HeaderName) -> &mut Self {
        if let Some(field) = from.fields_of(name).next() {
            self.put(&[from.line(field), b"\r\n"]);
        }
        self
    }

    /// Copies all headers of a name that [`HeaderName`] may not know.
    pub fn copy_named(&mut self, from: &Message, name: &str) -> &mut Self {
        match HeaderName::of(name.as_bytes()) {
            HeaderName::Other => {
                for field in from.fields.iter().filter(|field| field.id == HeaderName::Other) {
                    if from.view(field).raw_name.eq_ignore_ascii_case(name) {
                        self.put(&[from.line(field), b"\r\n"]);
                    }
                }
                self
            }
            known => self.copy(from, known),
        }
    }

    /// Ends the message without a body.
    ///
    /// # Errors
    /// The first thing that was wrong since it began.
    pub fn finish(&mut self) -> Result<Bytes, WriteError> {
        self.end(&[])
    }

    /// Ends the message with a body.
    ///
    /// # Errors
    /// As [`Writer::finish`].
    pub fn body(&mut self, content_type: &str, body: &[u8]) -> Result<Bytes, WriteError> {
        self.header(HeaderName::ContentType, content_type);
        self.end(body)
    }

    fn end(&mut self, body: &[u8]) -> Result<Bytes, WriteError> {
        let _ = write!(self.text, "Content-Length: {}\r\n\r\n", body.len());
        self.text.extend_from_slice(body);
        let text = std::mem::take(&mut self.text);
        if text.len() > MAX_MESSAGE_BYTES {
            self.fail(WriteError::TooLarge);
        }
        match self.wrong.take() {
            // Messages of ours are kept for as long as they may be asked for again: without room to spare.
            None => Ok(Bytes::from(text.into_boxed_slice())),
            Some(wrong) => Err(wrong),
        }
    }

    pub(super) fn put(&mut self, parts: &[&[u8]]) -> &mut Self {
        for part in parts {
            self.text.extend_from_slice(part);
        }
        self
    }

    pub(super) fn fail(&mut self, wrong: WriteError) -> &mut Self {
        self.wrong.get_or_insert(wrong);
        self
    }

    fn check_value(&mut self, name: &str, value: &str) {
        if value.bytes().any(chars::is_control) {
            self.fail(WriteError::Control(name.to_owned()));
        }
    }
}

/// Plain text as a quoted string: quotes and backslashes guarded, controls left out (RFC 3261 §25.1).
pub fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for letter in text.chars().filter(|letter| !letter.is_control()) {
        if matches!(letter, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(letter);
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let mut writer = Writer::request(&Method::Invite, "sip:b@example.com");
        writer.header(HeaderName::Via, "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1");
        writer.header_fmt(HeaderName::CSeq, format_args!("{} INVITE", 7)).header_raw("X-Odd", "é");
        let message = Message::scan(writer.body("a/b", b"\0\xff\r\n").unwrap()).unwrap();
        assert_eq!(message.cseq().unwrap().number, 7);
        assert_eq!(message.header_named("x-odd"), Some("é"));
        assert_eq!(message.body(), b"\0\xff\r\n");
        assert_eq!(message.header(HeaderName::ContentLength), Some("4"));
    }

    #[test]
    fn nothing_that_ends_a_line_gets_in() {
        for value in ["a\r\nVia: x", "a\nb", "a\rb", "a\0"] {
            let written = Writer::response(200).header(HeaderName::Subject, value).finish();
            assert_eq!(written, Err(WriteError::Control("Subject".to_owned())));
            assert!(Writer::response_saying(200, value).finish().is_err());
            assert!(Writer::request(&Method::Bye, value).finish().is_err());
            assert!(Writer::request(&Method::Other(value.into()), "sip:a").finish().is_err());
            assert!(Writer::response(200).header_raw(value, "x").finish().is_err());
            assert!(Writer::response(200).body(value, b"").is_err());
        }
    }

    #[test]
    fn impossible_messages_are_refused() {
        assert_eq!(Writer::response(99).finish(), Err(WriteError::Status(99)));
        assert_eq!(Writer::response(200).header_raw("l", "9").finish(), Err(WriteError::ContentLength));
        assert_eq!(Writer::response(200).body("a/b", &[0; 65_535]), Err(WriteError::TooLarge));
        assert!(Writer::response(200).header(HeaderName::Other, "x").finish().is_err());
        assert!(Writer::request(&Method::Bye, "sip:a b").finish().is_err());
    }

    #[test]
    fn quoting_guards_quotes_and_backslashes() {
        assert_eq!(quoted("a \"b\\\r\n\0c"), r#""a \"b\\c""#);
    }
}
