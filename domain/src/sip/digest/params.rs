//! The grammar that challenges and credentials share (RFC 3261 §25.1 `challenge`, `credentials`): a scheme, then
//! `name=value` between commas. A header line holds one of them (§7.3.1), so every comma outside quotes separates
//! parameters.

use std::borrow::Cow;

/// The longest header value that is read, in bytes.
pub const MAX_VALUE_BYTES: usize = 4_096;
/// The most parameters in one.
pub const MAX_PARAMS: usize = 32;

/// Why a challenge or credentials cannot be used. None of its texts holds a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// Another scheme than Digest: not ours to judge.
    #[error("the scheme is not Digest")]
    OtherScheme,
    /// Longer than [`MAX_VALUE_BYTES`].
    #[error("the value is longer than 4,096 bytes")]
    TooLong,
    /// More than [`MAX_PARAMS`].
    #[error("there are more than 32 parameters")]
    TooMany,
    /// No `name=value` between two commas.
    #[error("something stands between two commas that is no name=value")]
    Grammar,
    /// A parameter we read stands twice.
    #[error("{0} stands twice")]
    Twice(&'static str),
    /// A parameter that is needed is not there.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A parameter is empty, too long, or not of its form.
    #[error("{0} is empty, too long or not of its form")]
    Value(&'static str),
    /// `uri` names another target than the request.
    #[error("uri names another target than the request")]
    OtherTarget,
}

/// The parameters of a `Digest` value, in order.
#[derive(Debug)]
pub(super) struct Pairs<'a> {
    rest: &'a str,
    left: usize,
}

impl<'a> Pairs<'a> {
    pub fn of(value: &'a str) -> Result<Self, Wrong> {
        if value.len() > MAX_VALUE_BYTES {
            return Err(Wrong::TooLong);
        }
        let value = value.trim_matches(BLANKS);
        let (scheme, rest) = value.split_once(BLANKS).unwrap_or((value, ""));
        if !scheme.eq_ignore_ascii_case("Digest") {
            return Err(Wrong::OtherScheme);
        }
        Ok(Self { rest, left: MAX_PARAMS })
    }

    /// The next name and what its value means; `None` at the end. Empty places between commas are passed over.
    pub fn next(&mut self) -> Result<Option<(&'a str, Cow<'a, str>)>, Wrong> {
        let text = self.rest.trim_start_matches([' ', '\t', ',']);
        if text.is_empty() {
            return Ok(None);
        }
        self.left = self.left.checked_sub(1).ok_or(Wrong::TooMany)?;
        let (name, rest) = text.split_once('=').ok_or(Wrong::Grammar)?;
        let name = name.trim_end_matches(BLANKS);
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(Wrong::Grammar);
        }
        let rest = rest.trim_start_matches(BLANKS);
        let (value, rest) = match rest.strip_prefix('"') {
            Some(quoted) => unquoted(quoted)?,
            None => {
                let (value, rest) = rest.split_at(rest.find(',').unwrap_or(rest.len()));
                let value = value.trim_end_matches(BLANKS);
                // Some write base64 without quotes: anything goes that cannot be mistaken.
                if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"') {
                    return Err(Wrong::Grammar);
                }
                (Cow::Borrowed(value), rest)
            }
        };
        let rest = rest.trim_start_matches(BLANKS);
        if !rest.is_empty() && !rest.starts_with(',') {
            return Err(Wrong::Grammar);
        }
        self.rest = rest;
        Ok(Some((name, value)))
    }
}

const BLANKS: [char; 2] = [' ', '\t'];

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&byte)
}

/// What a quoted string means and what follows it; `quoted` begins after the first quote. Controls, tabs
/// too, have no place in one, guarded or not: what we hash and write again is the same then.
fn unquoted(quoted: &str) -> Result<(Cow<'_, str>, &str), Wrong> {
    let (mut guarded, mut escapes, mut end) = (false, false, None);
    for (at, byte) in quoted.bytes().enumerate() {
        match byte {
            0x7f | 0..0x20 => return Err(Wrong::Grammar),
            _ if guarded => guarded = false,
            b'\\' => (guarded, escapes) = (true, true),
            b'"' => {
                end = Some(at);
                break;
            }
            _ => {}
        }
    }
    let (inner, rest) = end.and_then(|end| quoted.split_at_checked(end)).ok_or(Wrong::Grammar)?;
    let rest = rest.strip_prefix('"').unwrap_or(rest);
    if !escapes {
        return Ok((Cow::Borrowed(inner), rest));
    }
    let (mut text, mut letters) = (String::with_capacity(inner.len()), inner.chars());
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => text.extend(letters.next()),
            other => text.push(other),
        }
    }
    Ok((Cow::Owned(text), rest))
}

/// Puts a value where none is yet.
pub(super) fn once<T>(place: &mut Option<T>, name: &'static str, value: T) -> Result<(), Wrong> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(Wrong::Twice(name)),
    }
}

/// A text of one to `most` bytes.
pub(super) fn sized(value: Cow<'_, str>, name: &'static str, most: usize) -> Result<String, Wrong> {
    if value.is_empty() || value.len() > most {
        return Err(Wrong::Value(name));
    }
    Ok(value.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(value: &str) -> Result<Vec<(String, String)>, Wrong> {
        let mut pairs = Pairs::of(value)?;
        let mut found = Vec::new();
        while let Some((name, value)) = pairs.next()? {
            found.push((name.to_owned(), value.into_owned()));
        }
        Ok(found)
    }

    #[test]
    fn names_values_quotes_and_blanks_are_read() {
        let found = all("dIgEsT \t a = \"x, \\\"y\\\\\" ,b=/+=,, c=\"\", d=\"é\\é\",").unwrap();
        let found: Vec<_> = found.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(found, [("a", "x, \"y\\"), ("b", "/+="), ("c", ""), ("d", "éé")]);
        assert_eq!(all("Digest"), Ok(vec![]));
    }

    #[test]
    fn what_is_no_list_of_pairs_is_refused() {
        for value in [
            "Digest a",
            "Digest =b",
            "Digest a=",
            "Digest a=\"b",
            "Digest a=\"b\\\"",
            "Digest a=\"b\" c=d",
            "Digest a b=c",
            "Digest a=b c",
            "Digest a=b\"",
            "Digest a=\"b\r\nc\"",
            "Digest a=\"b\0\"",
            "Digest a=\"b\tc\"",
            "Digest a=\"\\\u{7f}\"",
            "Digest é=b",
        ] {
            assert_eq!(all(value), Err(Wrong::Grammar), "{value}");
        }
        for value in ["", "Basic abc", "Digestive a=b", "Digest,a=b"] {
            assert_eq!(all(value), Err(Wrong::OtherScheme), "{value}");
        }
    }

    #[test]
    fn sizes_and_counts_are_limited() {
        assert_eq!(all(&format!("Digest a={}", "b".repeat(MAX_VALUE_BYTES))), Err(Wrong::TooLong));
        assert_eq!(all(&format!("Digest {}", "a=b,".repeat(MAX_PARAMS))).map(|found| found.len()), Ok(MAX_PARAMS));
        assert_eq!(all(&format!("Digest {}", "a=b,".repeat(MAX_PARAMS + 1))), Err(Wrong::TooMany));
    }
}
