//! Names in the log: of streams and of types of events.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// `category-id`: the category ends at the first `-`. At most 200 bytes of visible ASCII; `$` may not begin it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StreamName(Arc<str>);

impl StreamName {
    /// The stream of `id` in `category`.
    pub fn new(category: &str, id: impl fmt::Display) -> Self {
        Self(format!("{category}-{id}").into())
    }

    /// A name as a store or a reader gave it; `None` where it breaks the rules above.
    pub fn parse(name: &str) -> Option<Self> {
        let legal = name.bytes().all(|b| b.is_ascii_graphic()) && name.len() <= 200;
        (legal && name.contains('-') && !name.starts_with(['$', '-'])).then(|| Self(name.into()))
    }

    /// What stands before the first `-`.
    pub fn category(&self) -> &str {
        self.0.split('-').next().unwrap_or_default()
    }

    /// What stands after the first `-`.
    pub fn id(&self) -> &str {
        self.0.split_once('-').map_or("", |(_, id)| id)
    }

    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Categories of streams that the exchange itself writes. What strangers bring through a door of the log lies elsewhere.
pub const CATEGORIES: [&str; 14] = [
    "session",
    "registration",
    "account",
    "number",
    "trunk",
    "domain",
    "credential",
    "transfer",
    "message",
    "uplink",
    "edge",
    "live",
    "notary",
    "erasure",
];

/// A stable type name, e.g. `SessionOffered`; never a Rust path. What this build itself writes is `'static`, what came
/// from elsewhere is shared: neither costs an allocation to clone.
#[derive(Clone)]
pub struct Kind(KindText);

#[derive(Clone)]
enum KindText {
    Own(&'static str),
    Shared(Arc<str>),
}

impl Kind {
    /// The name.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            KindText::Own(name) => name,
            KindText::Shared(name) => name,
        }
    }
}

impl std::ops::Deref for Kind {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl From<&'static str> for Kind {
    fn from(name: &'static str) -> Self {
        Self(KindText::Own(name))
    }
}

impl From<Arc<str>> for Kind {
    fn from(name: Arc<str>) -> Self {
        Self(KindText::Shared(name))
    }
}

impl PartialEq for Kind {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Kind {}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}
