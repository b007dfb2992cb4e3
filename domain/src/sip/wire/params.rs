//! Parameters of header values: `;name`, `;name=value`, `;name="quoted"` (RFC 3261 §25.1 `generic-param`).

use super::{Malformed, chars};
use std::borrow::Cow;

/// One parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Param<'a> {
    /// Its name; names are compared without case.
    pub name: &'a str,
    /// Its value as written, quotes and all; `None` without `=`.
    pub value: Option<&'a str>,
}

impl<'a> Param<'a> {
    /// The value with quotes and escapes removed; empty without `=`.
    pub fn text(&self) -> Cow<'a, str> {
        let value = self.value.unwrap_or_default();
        match value.strip_prefix('"').and_then(|value| value.strip_suffix('"')) {
            Some(quoted) => unescaped(quoted),
            None => Cow::Borrowed(value),
        }
    }
}

/// The parameters of a header value, checked when it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Params<'a>(&'a str);

impl<'a> Params<'a> {
    /// Reads `text`, empty or beginning with `;`. `once` names the parameter that tells dialogs or transactions
    /// apart: it may not stand twice and is a token.
    pub(super) fn parse(text: &'a str, part: &'static str, once: &str) -> Result<Self, Malformed> {
        let mut rest = text;
        let mut found = false;
        while let Some((param, after)) = step(rest, part)? {
            if param.name.eq_ignore_ascii_case(once) {
                if found {
                    return Err(Malformed::new(part, "tag or branch stands twice"));
                }
                if !param.value.is_some_and(|value| chars::all(value, chars::TOKEN)) {
                    return Err(Malformed::new(part, "tag or branch is no token"));
                }
                found = true;
            }
            rest = after;
        }
        Ok(Self(text))
    }

    /// The parameter of this name in any case.
    pub fn get(&self, name: &str) -> Option<Param<'a>> {
        self.iter().find(|param| param.name.eq_ignore_ascii_case(name))
    }

    /// The value of this parameter as written; empty without `=`.
    pub fn value(&self, name: &str) -> Option<&'a str> {
        self.get(name).map(|param| param.value.unwrap_or_default())
    }

    /// Whether it occurs.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// All in order.
    pub fn iter(&self) -> impl Iterator<Item = Param<'a>> + use<'a> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let (param, after) = step(rest, "").ok().flatten()?;
            rest = after;
            Some(param)
        })
    }

    /// As written, with the first `;`; perhaps empty.
    pub fn as_str(&self) -> &'a str {
        self.0
    }
}

/// The first parameter of `text` and what follows it.
#[inline]
fn step<'a>(text: &'a str, part: &'static str) -> Result<Option<(Param<'a>, &'a str)>, Malformed> {
    let text = chars::trim_start(text);
    if text.is_empty() {
        return Ok(None);
    }
    let text = text.strip_prefix(';').ok_or(Malformed::new(part, "something follows that is no parameter"))?;
    let (name, rest) = chars::split_class(chars::trim_start(text), chars::TOKEN);
    if name.is_empty() {
        return Err(Malformed::new(part, "a parameter has no name"));
    }
    let rest = chars::trim_start(rest);
    let Some(rest) = rest.strip_prefix('=') else {
        return Ok(Some((Param { name, value: None }, rest)));
    };
    let rest = chars::trim_start(rest);
    let (value, rest) = if rest.starts_with('"') {
        let end = chars::closing_quote(rest).ok_or(Malformed::new(part, "a quote is not closed"))?;
        rest.split_at(end + 1)
    } else {
        chars::split_class(rest, chars::VALUE)
    };
    if value.is_empty() {
        return Err(Malformed::new(part, "a parameter's value is empty or has a character it may not have"));
    }
    Ok(Some((Param { name, value: Some(value) }, rest)))
}

/// The text of a quoted string's inside: every backslash removed that guards the character after it.
pub(super) fn unescaped(quoted: &str) -> Cow<'_, str> {
    if !quoted.contains('\\') {
        return Cow::Borrowed(quoted);
    }
    let mut text = String::with_capacity(quoted.len());
    let mut letters = quoted.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => text.extend(letters.next()),
            other => text.push(other),
        }
    }
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_flags_and_quotes_are_read() {
        let params = Params::parse(r#" ; tag  = 19 ;flag;q="a;\"b" ;h=[2001:db8::1]"#, "From", "tag").unwrap();
        assert_eq!(params.value("TAG"), Some("19"));
        assert_eq!(params.value("flag"), Some(""));
        assert_eq!(params.get("q").unwrap().text(), "a;\"b");
        assert_eq!(params.value("h"), Some("[2001:db8::1]"));
        assert_eq!(params.iter().count(), 4);
        assert!(!params.has("x"));
    }

    #[test]
    fn what_is_no_parameter_is_refused() {
        for text in [";", ";;a", "a", ";=b", ";a=", r#";a="b"#, ";a=b c", ";tag=1;tag=2", ";tag", ";tag=a:b", ";a=<b>"]
        {
            assert!(Params::parse(text, "From", "tag").is_err(), "{text}");
        }
    }
}
