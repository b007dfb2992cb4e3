//! Names of streams on both sides of the door. Streams of ours keep their names; everybody else's lie in one category, so
//! that no name that a stranger may choose is ever one of ours.

use domain::log::{CATEGORIES, StreamName};
use std::borrow::Cow;
use std::fmt::Write as _;

/// Category of all streams that are not ours.
pub const FOREIGN: &str = "foreign";

/// What a stream's metadata stream begins with.
const METADATA: &str = "$$";

/// A stream as a client names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A stream of ours.
    Ours(StreamName),
    /// Somebody else's.
    Foreign(Foreign),
}

/// A stream that is not ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foreign {
    /// As clients name it.
    pub name: String,
    /// As the log names it.
    pub stream: StreamName,
}

impl Foreign {
    /// The stream of this name, where that can be stored.
    fn new(name: &str) -> Option<Self> {
        let stream = StreamName::parse(&format!("{FOREIGN}-{}", escape(name)))?;
        Some(Self { name: name.to_owned(), stream })
    }

    /// The stream that holds what is said about this one; none about one that says something itself.
    pub fn metadata(&self) -> Option<Self> {
        if self.is_metadata() { None } else { Self::new(&format!("{METADATA}{}", self.name)) }
    }

    /// Whether it says something about another stream.
    pub fn is_metadata(&self) -> bool {
        self.name.starts_with(METADATA)
    }

    /// What the stream and its metadata have in common.
    pub fn base(&self) -> &str {
        self.name.strip_prefix(METADATA).unwrap_or(&self.name)
    }
}

/// Why a name cannot be a stream's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameFault {
    /// There is none, or it is not UTF-8.
    #[error("a stream's name is a text that is not empty")]
    NoText,
    /// More than the log takes.
    #[error("the stream's name is too long: 192 plain characters, three for each other byte")]
    TooLong,
    /// It is about a stream of ours.
    #[error("what is said about the exchange's own streams is not kept")]
    AboutOurs,
}

/// Where a stream lies.
pub fn place(wire: &[u8]) -> Result<Place, NameFault> {
    let name = std::str::from_utf8(wire).ok().filter(|name| !name.is_empty()).ok_or(NameFault::NoText)?;
    if let Some(stream) = ours(name) {
        return Ok(Place::Ours(stream));
    }
    if name.strip_prefix(METADATA).is_some_and(|base| ours(base).is_some()) {
        return Err(NameFault::AboutOurs);
    }
    Foreign::new(name).map(Place::Foreign).ok_or(NameFault::TooLong)
}

fn ours(name: &str) -> Option<StreamName> {
    StreamName::parse(name).filter(|stream| CATEGORIES.contains(&stream.category()))
}

/// A stream's name as clients know it.
pub fn wire_name(stream: &StreamName) -> Cow<'_, str> {
    if stream.category() == FOREIGN { unescape(stream.id()) } else { Cow::Borrowed(stream.as_str()) }
}

fn escape(name: &str) -> String {
    let mut escaped = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_graphic() && byte != b'%' {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

fn unescape(escaped: &str) -> Cow<'_, str> {
    if !escaped.contains('%') {
        return Cow::Borrowed(escaped);
    }
    let mut parts = escaped.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).unwrap_or((part, ""));
        bytes.extend(u8::from_str_radix(digits, 16));
        bytes.extend_from_slice(rest.as_bytes());
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn foreign(name: &str) -> Foreign {
        match place(name.as_bytes()) {
            Ok(Place::Foreign(foreign)) => foreign,
            other => panic!("{name}: {other:?}"),
        }
    }

    #[test]
    fn streams_of_ours_keep_their_names() {
        let name = "session-00000000-0000-0000-0000-000000000001";
        assert_eq!(place(name.as_bytes()), Ok(Place::Ours(StreamName::parse(name).unwrap())));
        assert_eq!(wire_name(&StreamName::parse(name).unwrap()), name);
    }

    #[test]
    fn no_other_name_is_one_of_ours_and_each_reads_back() {
        let long = "x".repeat(192);
        for name in
            ["a", "Session-1", "sessions-1", "session", "foreign-session-1", "$x", "a b", "50%", "é-😀", "-", &long]
        {
            let foreign = foreign(name);
            assert_eq!(foreign.stream.category(), FOREIGN);
            assert_eq!(wire_name(&foreign.stream), name);
        }
    }

    #[test]
    fn two_names_never_share_a_stream() {
        assert_ne!(foreign("a%20b").stream, foreign("a b").stream);
        assert_ne!(foreign("foreign-a").stream, foreign("a").stream);
    }

    #[test]
    fn what_cannot_be_a_stream_is_refused() {
        assert_eq!(place(b""), Err(NameFault::NoText));
        assert_eq!(place(&[0xff]), Err(NameFault::NoText));
        assert_eq!(place("x".repeat(193).as_bytes()), Err(NameFault::TooLong));
        assert_eq!(place(b"$$session-1"), Err(NameFault::AboutOurs));
    }

    #[test]
    fn metadata_lies_beside_its_stream() {
        let stream = foreign("orders-1");
        let metadata = stream.metadata().unwrap();
        assert_eq!(metadata.name, "$$orders-1");
        assert_eq!((metadata.base(), metadata.is_metadata()), ("orders-1", true));
        assert_eq!(metadata.metadata(), None);
    }
}
