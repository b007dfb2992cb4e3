//! Segment files: names, direct writing, zeros.

use super::frame::{BLOCK, aligned, whole_blocks};
use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, OFlag, fallocate};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Zeros written at a time, bytes.
pub(super) const STRIDE: usize = 256 << 10;
const EXTENSION: &str = "segment";

/// The file of the segment whose first event has this position.
pub(super) fn path_of(folder: &Path, first: u64) -> PathBuf {
    folder.join(format!("{first:020}.{EXTENSION}"))
}

/// First positions of the segments in a folder, in order.
pub(super) fn list(folder: &Path) -> io::Result<Vec<u64>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        let first = name.to_str().and_then(|name| name.strip_suffix(EXTENSION)?.strip_suffix('.')?.parse().ok());
        found.extend(first.filter(|first| path_of(folder, *first).file_name() == Some(&name)));
    }
    found.sort_unstable();
    Ok(found)
}

/// Opens a file for writing around the page cache where the file system can: what is appended is read from memory
/// for as long as it is news, and copying it into the page cache is a good part of what a commit costs.
pub(super) fn open_direct(path: &Path, create: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(create).truncate(create).mode(0o600);
    match options.clone().custom_flags(OFlag::O_DIRECT.bits()).open(path) {
        Err(error) if error.raw_os_error() == Some(Errno::EINVAL as i32) => options.open(path),
        opened => opened,
    }
}

/// Whether an error says that there is no more space, or no more for this user.
pub(super) fn is_full(error: &io::Error) -> bool {
    let full = [Errno::ENOSPC, Errno::EDQUOT].map(|errno| errno as i32);
    error.raw_os_error().is_some_and(|code| full.contains(&code))
}

/// Sets space aside, so that zeros land in one piece and a full disk shows at once.
pub(super) fn reserve(file: &File, size: u64) -> io::Result<()> {
    match fallocate(file, FallocateFlags::FALLOC_FL_KEEP_SIZE, 0, size.cast_signed()) {
        // Not every file system can; the zeros will do.
        Ok(()) | Err(Errno::EOPNOTSUPP | Errno::ENOSYS | Errno::EINVAL) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Zeros to write.
pub(super) struct Zeros(Vec<u8>, usize);

impl Zeros {
    pub fn new() -> Self {
        let (mut bytes, start) = aligned(STRIDE);
        bytes.resize(start + STRIDE, 0);
        Self(bytes, start)
    }

    /// Writes zeros from `from` to `until`, multiples of [`BLOCK`]; `go_on` is asked between strides.
    pub fn write(&self, file: &File, from: u64, until: u64, mut go_on: impl FnMut() -> bool) -> io::Result<()> {
        let mut at = from;
        while at < until && go_on() {
            let count = (until - at).min(STRIDE as u64);
            file.write_all_at(&self.0[self.1..self.1 + count as usize], at)?;
            at += count;
        }
        Ok(())
    }
}

/// Writes these bytes at a multiple of [`BLOCK`], followed by zeros up to the next.
pub(super) fn write_blocks(file: &File, content: &[u8], at: u64) -> io::Result<()> {
    let (mut bytes, start) = aligned(content.len());
    bytes.extend_from_slice(content);
    bytes.resize(start + whole_blocks(content.len()), 0);
    file.write_all_at(&bytes[start..], at)
}

/// Makes entries of a folder durable.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// A size that holds whole blocks only, and one more for the header.
pub(super) fn segment_size(bytes: u64) -> u64 {
    bytes.next_multiple_of(BLOCK as u64).max(2 * BLOCK as u64)
}
