//! Opening whatever log lies in a data folder for reading, also beside the exchange that writes it.

use super::segment::{self, SegmentLog};
use super::sqlite::{self, SqliteLog};
use domain::log::EventLog;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why the log of a data folder could not be opened for reading.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is none.
    #[error("{} holds no log: neither log.db nor the folder log", .0.display())]
    None(PathBuf),
    /// It lies in segments.
    #[error(transparent)]
    Segments(#[from] segment::OpenError),
    /// It lies in SQLite.
    #[error(transparent)]
    Sqlite(#[from] sqlite::OpenError),
}

/// Opens the log of this data folder as it is now. Nothing is changed or repaired; appends are refused as invalid; what
/// is written later is not seen, and followers wait for ever at the head. Reads need a tokio runtime around them.
///
/// # Errors
/// [`OpenError`].
pub fn open_for_reading(data: &Path) -> Result<Arc<dyn EventLog>, OpenError> {
    let (file, folder) = (data.join("log.db"), data.join("log"));
    if folder.is_dir() {
        return Ok(Arc::new(SegmentLog::open_for_reading(folder)?));
    }
    if file.is_file() {
        return Ok(Arc::new(SqliteLog::open_for_reading(file)?));
    }
    Err(OpenError::None(data.to_owned()))
}
