//! Beginnings of called numbers.

use crate::decider::serde_as_text;
use std::fmt;
use std::str::FromStr;

/// The beginning of called numbers: an optional `+` and up to 15 digits; empty for any number.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Prefix(Box<str>);

/// A prefix that breaks the rules of [`Prefix`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected an optional + and up to 15 digits, such as +1 or 00; an empty text takes any number")]
pub struct MalformedPrefix;

impl Prefix {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Prefix {
    type Err = MalformedPrefix;

    fn from_str(text: &str) -> Result<Self, MalformedPrefix> {
        let digits = text.strip_prefix('+').unwrap_or(text);
        let legal = digits.len() <= 15 && digits.bytes().all(|b| b.is_ascii_digit());
        legal.then(|| Self(text.into())).ok_or(MalformedPrefix)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

serde_as_text!(Prefix);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_digits_with_an_optional_plus() {
        for text in ["", "+", "+1", "00", "112", "+123456789012345"] {
            assert!(text.parse::<Prefix>().is_ok(), "{text}");
        }
        for text in ["++1", "1+", "a", " ", "1234567890123456"] {
            assert_eq!(text.parse::<Prefix>(), Err(MalformedPrefix), "{text}");
        }
    }
}
