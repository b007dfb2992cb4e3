//! Why a segment log could not be opened.

use std::io;
use std::path::PathBuf;

/// Why the log could not be opened. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process writes it.
    #[error("{} is in use by another process: stop that one, or give this one another data folder", .0.display())]
    InUse(PathBuf),
    /// A file or folder cannot be made, read or written.
    #[error("{} cannot be used: {source}; check that it lies on a local disk with space left and belongs to this user", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What was answered as durable is not there as it was written.
    #[error("{} is damaged at byte {offset}: {what}; nothing was changed. Restore the whole folder from a backup", .path.display())]
    Damaged {
        /// Which segment.
        path: PathBuf,
        /// Where.
        offset: u64,
        /// What is wrong.
        what: String,
    },
    /// The index knows of events that no segment holds.
    #[error(
        "{} ends at position {head}, but its index.db knows of events up to {complete}: segments were lost, or an older backup was put in \
         their place; restore all of them, or, if what is missing may be missing, delete index.db", .folder.display()
    )]
    Shorter {
        /// The log's folder.
        folder: PathBuf,
        /// Where the segments end.
        head: u64,
        /// Where the index ends.
        complete: u64,
    },
    /// The index can neither be read nor made.
    #[error("{} cannot be written: {what}; check that its disk has space left", .path.display())]
    Index {
        /// Its file.
        path: PathBuf,
        /// Why.
        what: String,
    },
    /// No thread could be started.
    #[error("a thread of the log cannot be started: {0}; check the limits on processes of this user")]
    Thread(io::Error),
}
