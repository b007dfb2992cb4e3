//! Comma-separated header values (RFC 3261 §7.3.1).

use super::message::Field;
use super::{HeaderName, Message, chars};

/// The elements of one header value, blanks at their ends removed. An empty value has one empty element.
#[derive(Debug, Clone)]
pub struct Elements<'a> {
    rest: Option<&'a str>,
}

impl<'a> Elements<'a> {
    /// Splits `value` at commas outside quotes and angle brackets.
    pub fn of(value: &'a str) -> Self {
        Self { rest: Some(value) }
    }

    /// What follows the last element's comma, not split yet; `None` at the end.
    pub fn rest(&self) -> Option<&'a str> {
        self.rest
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let text = self.rest.take()?;
        match comma(text) {
            None => Some(chars::trim(text)),
            Some(at) => {
                self.rest = Some(&text[at + 1..]);
                Some(chars::trim(&text[..at]))
            }
        }
    }
}

fn comma(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    memchr::memchr(b',', bytes)?;
    let mut at = 0;
    loop {
        at += memchr::memchr3(b',', b'"', b'<', bytes.get(at..)?)?;
        match bytes[at] {
            b',' => return Some(at),
            b'"' => at += chars::closing_quote(&text[at..])? + 1,
            _ => at += memchr::memchr(b'>', &bytes[at..])? + 1,
        }
    }
}

/// The raw elements, empty ones too, of all headers of one name.
#[derive(Clone)]
pub(super) struct RawElements<'a> {
    message: &'a Message,
    fields: std::slice::Iter<'a, Field>,
    name: HeaderName,
    current: Elements<'a>,
}

impl<'a> RawElements<'a> {
    pub(super) fn new(message: &'a Message, name: HeaderName) -> Self {
        let fields = if message.has(name) { message.fields.iter() } else { [].iter() };
        Self { message, fields, name, current: Elements { rest: None } }
    }
}

impl<'a> Iterator for RawElements<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        loop {
            if let Some(element) = self.current.next() {
                return Some(element);
            }
            let name = self.name;
            let field = self.fields.find(|field| field.id == name)?;
            self.current = Elements::of(self.message.text(field.value));
        }
    }
}

/// The elements of all headers of one name, empty ones left out: [`Message::values`].
#[derive(Clone)]
pub struct Values<'a>(RawElements<'a>);

impl<'a> Values<'a> {
    pub(super) fn new(message: &'a Message, name: HeaderName) -> Self {
        Self(RawElements::new(message, name))
    }
}

impl<'a> Iterator for Values<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        self.0.find(|element| !element.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(value: &str) -> Vec<&str> {
        Elements::of(value).collect()
    }

    #[test]
    fn commas_in_quotes_and_brackets_do_not_separate() {
        assert_eq!(split(r#""a, \" b" <sip:c,d@e>;x=1 , <sip:f>"#), [r#""a, \" b" <sip:c,d@e>;x=1"#, "<sip:f>"]);
        assert_eq!(split("a,, b"), ["a", "", "b"]);
        assert_eq!(split(""), [""]);
    }

    #[test]
    fn an_open_quote_or_bracket_takes_the_rest() {
        assert_eq!(split(r#"a, "b, c"#), ["a", r#""b, c"#]);
        assert_eq!(split("<sip:a, b"), ["<sip:a, b"]);
    }
}
