//! Addresses in From, To, Contact, Route and their like (RFC 3261 §20.10, §25.1 `name-addr`, `addr-spec`).

use super::list::RawElements;
use super::params::unescaped;
use super::{HeaderName, Malformed, Message, Params, Uri, chars, uri};
use std::borrow::Cow;

/// A URI with its display name and the header's parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NameAddr<'a> {
    /// The display name as written, without its quotes but with its escapes: [`NameAddr::display_text`].
    pub display: Option<&'a str>,
    /// The URI.
    pub uri: Uri<'a>,
    /// The header's parameters, not the URI's.
    pub params: Params<'a>,
    /// Whether the URI stands in angle brackets.
    pub bracketed: bool,
}

impl<'a> NameAddr<'a> {
    /// Reads one element.
    ///
    /// # Errors
    /// It is no address by RFC 3261's grammar.
    pub fn parse(text: &'a str) -> Result<Self, Malformed> {
        Self::parse_as("address", text)
    }

    /// Reads one element of the header `part`.
    pub(super) fn parse_as(part: &'static str, text: &'a str) -> Result<Self, Malformed> {
        let text = chars::trim(text);
        let (display, rest) = if text.starts_with('"') {
            let close = chars::closing_quote(text).ok_or(Malformed::new(part, "a quote is not closed"))?;
            (Some(&text[1..close]), chars::trim_start(&text[close + 1..]))
        } else {
            let end = chars::run(text.as_bytes(), chars::DISPLAY);
            if !text[end..].starts_with('<') {
                return Self::bare(part, text);
            }
            let name = chars::trim(&text[..end]);
            ((!name.is_empty()).then_some(name), &text[end..])
        };
        let inner = rest.strip_prefix('<').ok_or(Malformed::new(part, "no URI in brackets after the name"))?;
        let close = memchr::memchr(b'>', inner.as_bytes()).ok_or(Malformed::new(part, "a bracket is not closed"))?;
        let uri = Uri::parse(&inner[..close])?;
        let params = Params::parse(&inner[close + 1..], part, "tag")?;
        Ok(Self { display, uri, params, bracketed: true })
    }

    fn bare(part: &'static str, text: &'a str) -> Result<Self, Malformed> {
        let (uri, rest) = uri::take_bare(text)?;
        Ok(Self { display: None, uri, params: Params::parse(rest, part, "tag")?, bracketed: false })
    }

    /// The display name with its escapes removed.
    pub fn display_text(&self) -> Option<Cow<'a, str>> {
        self.display.map(unescaped)
    }

    /// The tag of a From or To.
    pub fn tag(&self) -> Option<&'a str> {
        self.params.value("tag")
    }
}

/// The addresses of all headers of one name, in order.
#[derive(Clone)]
pub struct NameAddrs<'a> {
    elements: RawElements<'a>,
    part: &'static str,
    wildcard: bool,
}

impl<'a> NameAddrs<'a> {
    pub(super) fn new(message: &'a Message, name: HeaderName, part: &'static str) -> Self {
        let wildcard = name == HeaderName::Contact && message.is_wildcard_contact();
        Self { elements: RawElements::new(message, name), part, wildcard }
    }
}

impl<'a> Iterator for NameAddrs<'a> {
    type Item = Result<NameAddr<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.wildcard {
            return None;
        }
        self.elements.next().map(|element| NameAddr::parse_as(self.part, element))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_name_may_hold_anything() {
        let text = r#""a, ; < > \" b" <sip:u@h;lr>;tag=1;x"#;
        let address = NameAddr::parse(text).unwrap();
        assert_eq!(address.display_text().as_deref(), Some(r#"a, ; < > " b"#));
        assert_eq!((address.uri.param("lr"), address.tag()), (Some(""), Some("1")));
    }

    #[test]
    fn without_brackets_parameters_are_the_headers() {
        let address = NameAddr::parse("sip:u@h;tag=1").unwrap();
        assert_eq!((address.uri.as_str(), address.tag(), address.bracketed), ("sip:u@h", Some("1"), false));
        assert!(NameAddr::parse("sip:u@h?Route=%3Csip:x%3E").is_err());
        assert_eq!(NameAddr::parse("sip:u@h;x=\"<\"").unwrap().params.value("x"), Some("\"<\""));
    }

    #[test]
    fn names_are_tokens_or_quoted() {
        assert_eq!(NameAddr::parse("caller<sip:c@h>").unwrap().display, Some("caller"));
        assert_eq!(NameAddr::parse("A. B-C  <sip:c@h>").unwrap().display, Some("A. B-C"));
        assert_eq!(NameAddr::parse("José <sip:c@h>").unwrap().display, Some("José"));
        assert_eq!(NameAddr::parse("<sip:c@h>").unwrap().display, None);
        for text in [
            "Bell, A <sip:c@h>",
            "\"open <sip:c@h>",
            "< sip:c@h >",
            "<sip:c@h",
            "<sip:c@h>tag=1",
            "<sip:c@h>;tag=1;tag=2",
            "",
            "\"a\"",
            "<>",
            "\"a\" sip:c@h",
            "<sip:c@h>;;",
        ] {
            assert!(NameAddr::parse(text).is_err(), "{text}");
        }
    }
}
