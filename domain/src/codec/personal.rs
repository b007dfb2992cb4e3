//! What is personal or secret in an event: in clear in memory, sealed in the log, a mask to readers without the key.

use std::fmt;

/// A personal part of an event. `Debug` never prints it.
#[derive(Clone, PartialEq, Eq, Default)]
pub enum Personal<T> {
    /// Readable.
    Known(T),
    /// Sealed with a key that the reader has not, or that was erased.
    #[default]
    Masked,
}

impl<T> Personal<T> {
    /// The value, where it can be read.
    pub const fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Masked => None,
        }
    }
}

impl<T> From<T> for Personal<T> {
    fn from(value: T) -> Self {
        Self::Known(value)
    }
}

impl<T> fmt::Debug for Personal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Known(_) => "Known(…)",
            Self::Masked => "Masked",
        })
    }
}
