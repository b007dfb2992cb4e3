//! The file outside the log: one signed root a line, durable line by line.

use crate::private_file;
use domain::notary::SignedRoot;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::Path;

/// The file, open at its end.
pub(super) struct Export {
    file: File,
    /// Index of the root that the next line is to hold.
    next: u64,
}

impl Export {
    /// Opens the file of a node's roots, or makes it. The rest of a line that a crash cut short is taken away.
    pub fn open(path: &Path, node: u16) -> io::Result<Self> {
        private_file::make_folder_of(path)?;
        let mut file = private_file::open_or_make(path)?;
        let (mut whole, mut next, mut line) = (0, 0, String::new());
        let mut reader = BufReader::new(&file);
        loop {
            line.clear();
            let read = reader.read_line(&mut line)?;
            if !line.ends_with('\n') {
                break;
            }
            whole += read as u64;
            // What else stands there is none of ours: the verification is to find it.
            if let Ok(signed) = SignedRoot::from_line(&line)
                && signed.root.node == node
            {
                next = signed.root.index + 1;
            }
        }
        if file.metadata()?.len() != whole {
            file.set_len(whole)?;
        }
        file.seek(SeekFrom::End(0))?;
        Ok(Self { file, next })
    }

    /// Index of the root that the next line is to hold.
    pub const fn next(&self) -> u64 {
        self.next
    }

    /// Adds a root, durably; one that is there already is passed over.
    pub fn add(&mut self, signed: &SignedRoot) -> io::Result<()> {
        if signed.root.index < self.next {
            return Ok(());
        }
        self.file.write_all(signed.to_line().as_bytes())?;
        self.file.sync_data()?;
        self.next = signed.root.index + 1;
        Ok(())
    }
}
