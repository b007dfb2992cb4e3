//! Names that people give to things.

use crate::decider::serde_as_text;
use std::fmt;
use std::str::FromStr;

/// 1 to 100 characters, none of them a control character, no white space at the ends.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Name(Box<str>);

/// A name that breaks the rules of [`Name`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a name of 1 to 100 characters without control characters or white space at its ends")]
pub struct MalformedName;

impl Name {
    /// The most characters a name may have.
    pub const MAX_CHARS: usize = 100;

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = MalformedName;

    fn from_str(text: &str) -> Result<Self, MalformedName> {
        let short = text.len() <= Self::MAX_CHARS * 4 && text.chars().count() <= Self::MAX_CHARS;
        let clean = !text.is_empty() && text.trim() == text && !text.chars().any(char::is_control);
        (short && clean).then(|| Self(text.into())).ok_or(MalformedName)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

serde_as_text!(Name);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_characters_of_any_script_are_a_name() {
        assert!("é".repeat(100).parse::<Name>().is_ok());
    }

    #[test]
    fn empty_long_padded_and_controlling_names_are_refused() {
        for text in ["", " a", "a ", "a\nb", "a\u{0}", "a\u{85}b", &"é".repeat(101)] {
            assert_eq!(text.parse::<Name>(), Err(MalformedName), "{text:?}");
        }
    }
}
