//! Names of a domain's users.

use crate::decider::serde_as_text;
use std::fmt;
use std::str::FromStr;

/// The user part of an address of record and the user name of its digest: 1 to 64 letters, digits and `-_.+!~*'()&=$`.
/// Upper and lower case differ (RFC 3261 §19.1.4). It needs no escape in a URI and no quoting in a header, and has no
/// colon, which would make two users' digests alike.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Username(Box<str>);

/// A text that is no [`Username`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected 1 to 64 letters, digits and -_.+!~*'()&=$")]
pub struct MalformedUsername;

impl Username {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Username {
    type Err = MalformedUsername;

    fn from_str(text: &str) -> Result<Self, MalformedUsername> {
        let legal = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.+!~*'()&=$".contains(&byte));
        ((1..=64).contains(&text.len()) && legal).then(|| Self(text.into())).ok_or(MalformedUsername)
    }
}

impl fmt::Display for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

serde_as_text!(Username);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_name_is_one_in_a_uri_as_it_is() {
        for text in ["alice", "+15550000001", "100", "a.b-c_d", "(x)"] {
            assert_eq!(text.parse::<Username>().map(|name| name.to_string()), Ok(text.to_owned()));
        }
        assert_ne!("alice".parse::<Username>(), "Alice".parse());
    }

    #[test]
    fn what_would_need_quotes_or_escapes_is_refused() {
        for text in ["", "a b", "a:b", "a@b", "a%20", "é", "a\"", "a;b", "a,b", "a/b", "a?b", &"a".repeat(65)] {
            assert_eq!(text.parse::<Username>(), Err(MalformedUsername), "{text}");
        }
    }
}
