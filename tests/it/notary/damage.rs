//! Bytes that were altered on the disk, by hand or by decay: checksums and hashes alike name their place.

use super::{Engine, check, signed};
use crate::event_log::given::Folder;
use domain::notary::Wrong;
use std::os::unix::fs::FileExt;

/// Flips a bit wherever a text stands in a file: SQLite leaves old copies in pages that it moved.
fn flip(path: &std::path::Path, text: &str) {
    let bytes = std::fs::read(path).unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    let places = bytes.windows(text.len()).enumerate().filter(|(_, part)| *part == text.as_bytes());
    let flipped = places.map(|(at, _)| file.write_all_at(&[bytes[at + 6] ^ 1], (at + 6) as u64).unwrap());
    assert!(flipped.count() > 0);
}

#[tokio::test]
async fn an_altered_byte_in_a_segment_is_met_by_its_checksum() {
    let folder = Folder::new();
    let data = signed(&folder, Engine::Segments).await;
    flip(&super::forge::segments(&data)[0], "\"n\":00041");
    let found = check(&data).await.finding.unwrap();
    assert_eq!((found.wrong, found.position.0), (Wrong::Unreadable, 41));
    assert!(found.what.contains("an append to session-0 from revision 8 on"), "{}", found.what);
    assert!(found.what.contains("checksum is wrong"), "{}", found.what);
}

#[tokio::test]
async fn an_altered_byte_in_sqlite_is_met_by_its_hash() {
    let folder = Folder::new();
    let data = signed(&folder, Engine::Sqlite).await;
    flip(&data.join("log.db"), "\"n\":00041");
    let found = check(&data).await.finding.unwrap();
    assert_eq!((found.wrong, found.position.0), (Wrong::Altered, 41), "{}", found.what);
    assert_eq!((found.stream.unwrap().as_str(), found.revision.unwrap().0), ("session-0", 8));
}

#[tokio::test]
async fn a_segment_that_is_gone_or_cut_is_found_by_who_kept_the_roots() {
    let folder = Folder::new();
    let data = signed(&folder, Engine::Segments).await;
    let path = super::forge::segments(&data)[0].clone();
    let whole = std::fs::read(&path).unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    // The index still knows of what was cut off.
    file.set_len(30 * 4_096).unwrap();
    let found = check(&data).await.finding.unwrap();
    assert_eq!((found.wrong, found.position.0), (Wrong::Unreadable, 59), "{}", found.what);
    std::fs::remove_file(data.join("log/index.db")).unwrap();
    let found = check(&data).await.finding.unwrap();
    assert_eq!((found.wrong, found.position.0), (Wrong::Truncated, 59), "{}", found.what);
    std::fs::write(&path, whole).unwrap();
    assert_eq!(check(&data).await.finding, None);
}
