//! What earlier builds stored, byte for byte: this build reads all of it, and writes no other shape under the same
//! version.
//!
//! Golden files are written by hand, for a version that no build has ever stored elsewhere: a new type, or one of which
//! nothing was released. `STROWGER_WRITE_GOLDEN=1 cargo nextest run -p tests golden` writes the present versions' files
//! anew, and `git diff` shows what that changes. With anything released, the way out is another one: see the complaint of
//! `every_event_is_written_in_the_shape_that_its_version_has`.

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

/// Where the environment asks for it, writes a golden file.
fn write_if_asked(folder_name: &str, file: &str, text: impl FnOnce() -> String) {
    if std::env::var_os("STROWGER_WRITE_GOLDEN").is_some_and(|asked| asked == "1") {
        std::fs::write(folder(folder_name).join(file), text()).unwrap();
    }
}
