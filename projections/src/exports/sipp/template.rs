//! Text as SIPp reads it in a scenario: literals in which nothing is taken for a keyword, and keywords.

use std::fmt::Write;

/// A message for SIPp.
#[derive(Debug, Default)]
pub(super) struct Template {
    text: String,
}

impl Template {
    /// Bytes of a line that stand for themselves. SIPp takes `[` for a keyword, `\` for an escape, and removes blanks at the ends
    /// of lines; `]` could end the CDATA section.
    pub fn literal(&mut self, bytes: &[u8]) -> &mut Self {
        for byte in bytes {
            match byte {
                b' ' | b'\t' if self.text.is_empty() || self.text.ends_with('\n') => self.escaped(*byte),
                b'[' | b']' | b'\\' => self.escaped(*byte),
                b'\t' | b' '..=b'~' => self.text.push(char::from(*byte)),
                other => self.escaped(*other),
            }
        }
        self
    }

    /// A keyword of SIPp's, with its brackets, or text that needs no escape.
    pub fn keyword(&mut self, keyword: &str) -> &mut Self {
        self.text.push_str(keyword);
        self
    }

    /// Ends the line.
    pub fn end(&mut self) {
        self.keep_last_blank();
        self.text.push('\n');
    }

    fn keep_last_blank(&mut self) {
        if self.text.ends_with([' ', '\t'])
            && let Some(blank) = self.text.pop()
        {
            self.escaped(blank as u8);
        }
    }

    /// A body: CRLF ends its lines, a lone CR or LF stands for itself.
    pub fn body(&mut self, body: &[u8]) {
        let whole = body.strip_suffix(b"\r\n");
        for line in whole.unwrap_or(body).split_inclusive(|byte| *byte == b'\n') {
            match line.strip_suffix(b"\r\n") {
                Some(b"") => self.escape_all(b"\r\n"),
                Some(text) => self.literal(text).end(),
                None => drop(self.literal(line)),
            }
        }
        if whole.is_some() {
            self.last_end();
        }
    }

    /// The end of a body's last line. SIPp cuts all line ends off the end of a message, and puts one back where it cut any.
    pub fn last_end(&mut self) {
        self.keep_last_blank();
        if self.text.ends_with('\n') && self.text.pop().is_some() {
            self.escape_all(b"\r\n");
        }
        self.text.push('\n');
    }

    fn escape_all(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.escaped(*byte));
    }

    fn escaped(&mut self, byte: u8) {
        // Writing to a String cannot fail.
        let _ = write!(self.text, "\\x{byte:02X}");
    }

    /// The whole message.
    pub fn finish(mut self) -> String {
        self.keep_last_blank();
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn literal(text: &str) -> String {
        let mut template = Template::default();
        template.literal(text.as_bytes());
        template.finish()
    }

    fn body(text: &str) -> String {
        let mut template = Template::default();
        template.body(text.as_bytes());
        template.finish()
    }

    #[test]
    fn nothing_that_a_peer_wrote_is_taken_for_a_keyword_an_escape_or_an_end() {
        assert_eq!(literal("a [call_id] b"), r"a \x5Bcall_id\x5D b");
        assert_eq!(literal(r"\x41"), r"\x5Cx41");
        assert_eq!(literal("]]></send>"), r"\x5D\x5D></send>");
        assert_eq!(literal("é\u{1b}"), r"\xC3\xA9\x1B");
        assert_eq!(literal(" both ends "), r"\x20both ends\x20");
    }

    #[test]
    fn a_body_keeps_its_lines_and_its_end() {
        assert_eq!(body("v=0\r\ns=-\r\n"), "v=0\ns=-\n");
        assert_eq!(body("v=0\r\ns=-"), "v=0\ns=-");
        assert_eq!(body("a\r\n\r\n"), "a\\x0D\\x0A\n");
        assert_eq!(body("a\nb"), "a\\x0Ab");
        assert_eq!(body("one\r\n\r\ntwo"), "one\n\\x0D\\x0Atwo");
        assert_eq!(body("one \r\n two"), "one\\x20\n\\x20two");
    }
}
