//! Files that only this user reads, and only one process writes.

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Makes the folder of `path` with those above it, mode 0700; those that exist stay as they are.
pub(crate) fn make_folder_of(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder_of(path))
}

/// Opens a file for reading and writing; makes it, mode 0600 and durably, where it is missing.
pub(crate) fn open_or_make(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    sync_folder_of(path)?;
    Ok(file)
}

/// Puts a file with this content, mode 0600, in the place of `path`: after a crash there is the old or the new, whole.
pub(crate) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let fresh = beside(path, ".new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    file.write_all(content)?;
    file.sync_all()?;
    rename(&fresh, path)
}

/// Puts a file that is durable in the place of `path`: after a crash there is the old or the new, whole.
pub(crate) fn rename(fresh: &Path, path: &Path) -> io::Result<()> {
    std::fs::rename(fresh, path)?;
    sync_folder_of(path)
}

/// Claims `path` for this process, through a file `….lock` beside it; `None` where another process has it.
pub(crate) fn claim(path: &Path) -> io::Result<Option<Flock<File>>> {
    let file = open_or_make(&beside(path, ".lock"))?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(Some(lock)),
        Err((_, Errno::EWOULDBLOCK)) => Ok(None),
        Err((_, error)) => Err(error.into()),
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn sync_folder_of(path: &Path) -> io::Result<()> {
    File::open(folder_of(path))?.sync_all()
}
