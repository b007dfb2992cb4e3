//! What earlier builds stored, byte for byte: this build reads all of it, and writes no other shape under the same
//! version.

mod events;
mod samples;
mod sessions;

use std::path::PathBuf;

/// A folder of golden files.
fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("it/golden").join(name)
}

/// The files of a folder: name without its ending, and text.
fn files(name: &str) -> Vec<(String, String)> {
    let paths = std::fs::read_dir(folder(name)).unwrap().map(|entry| entry.unwrap().path());
    let text = |path: &PathBuf| std::fs::read_to_string(path).unwrap();
    let mut found: Vec<_> =
        paths.map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), text(&path))).collect();
    found.sort();
    found
}
