//! A process or machine that died in the middle of a commit.

use super::{BLOCK, check, copy, everything, open, segments, write};
use crate::event_log::given::{Folder, first, ids, one, recorded_ids};
use domain::log::Append;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::task::JoinSet;

/// A log of one segment with three commits, and where the last one begins and ends.
struct Image {
    _folder: Folder,
    log: PathBuf,
    bytes: Vec<u8>,
    written: Vec<Append>,
    last: std::ops::Range<usize>,
}

async fn image() -> Image {
    let folder = Folder::new();
    let log = folder.path().join("log");
    let open_log = open(&log).unwrap();
    let mut written = write(&open_log, 2).await;
    // Short, since every byte of it gets a log of its own.
    written.push(first("session-2", 1));
    drop(one(&open_log, written[2].clone()).await);
    let copied = folder.path().join("copied");
    copy(&log, &copied, false);
    drop(open_log);
    let bytes = std::fs::read(&segments(&copied)[0]).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    assert_eq!(end / BLOCK, 3, "header and three commits, a block each");
    Image { _folder: folder, log: copied, bytes, written, last: 3 * BLOCK..end }
}

/// Opens the image with these bytes as its segment.
fn restore(image: &Image, bytes: &[u8]) -> (Folder, PathBuf) {
    let folder = Folder::new();
    let log = folder.path().join("log");
    copy(&image.log, &log, false);
    let segment = segments(&log).remove(0);
    std::fs::write(&segment, bytes).unwrap();
    (folder, log)
}

/// As many commits as these must be read from these bytes.
async fn reads(image: &Image, bytes: &[u8], kept: usize) {
    let (_folder, log) = restore(image, bytes);
    let read: Vec<_> = everything(&open(&log).unwrap()).await;
    assert_eq!(recorded_ids(&read), ids(&image.written[..kept]));
}

/// The same of many, several at a time: each waits for the disk.
async fn all_read(image: &Arc<Image>, variants: Vec<Vec<u8>>, kept: usize) {
    let mut running = JoinSet::new();
    for bytes in variants {
        if running.len() >= 8 {
            running.join_next().await.unwrap().unwrap();
        }
        let image = Arc::clone(image);
        running.spawn(async move { reads(&image, &bytes, kept).await });
    }
    while let Some(done) = running.join_next().await {
        done.unwrap();
    }
}

/// The first two commits must be read from these bytes, and all else that a log must know then.
async fn goes_on(image: &Image, bytes: &[u8]) {
    let (_folder, log) = restore(image, bytes);
    check(&open(&log).unwrap(), &image.written[..2]).await;
    // What was erased and what was written since leave a log that opens again.
    let log = open(&log).unwrap();
    assert_eq!(everything(&log).await.len(), 8);
}

#[tokio::test]
async fn a_commit_of_which_only_the_beginning_was_written_is_gone() {
    let image = Arc::new(image().await);
    reads(&image, &image.bytes, 3).await;
    let cut = |cut: usize| {
        let mut bytes = image.bytes.clone();
        bytes[cut..].fill(0);
        bytes
    };
    all_read(&image, image.last.clone().map(cut).collect(), 2).await;
    for at in image.last.clone().step_by(29) {
        goes_on(&image, &cut(at)).await;
    }
}

#[tokio::test]
async fn a_commit_of_which_only_the_end_was_written_is_gone() {
    let image = image().await;
    for cut in image.last.clone().skip(1).step_by(13) {
        let mut bytes = image.bytes.clone();
        bytes[image.last.start..cut].fill(0);
        goes_on(&image, &bytes).await;
    }
}

#[tokio::test]
async fn a_commit_with_any_byte_changed_is_gone() {
    let image = Arc::new(image().await);
    let changed = |at: usize| {
        let mut bytes = image.bytes.clone();
        bytes[at] ^= 0x40;
        bytes
    };
    all_read(&image, image.last.clone().map(changed).collect(), 2).await;
    for at in image.last.clone().step_by(29) {
        goes_on(&image, &changed(at)).await;
    }
}

#[tokio::test]
async fn a_file_that_ends_within_its_last_commit_goes_on_before_it() {
    let image = image().await;
    for cut in image.last.clone().step_by(17).chain([image.last.start + 1, image.last.end - 1]) {
        goes_on(&image, &image.bytes[..cut]).await;
    }
    for cut in [image.last.end, image.last.end + 1, 4 * BLOCK] {
        reads(&image, &image.bytes[..cut], 3).await;
    }
}

#[tokio::test]
async fn old_commits_after_the_end_are_erased_and_not_taken_for_new_ones() {
    let image = image().await;
    let other = self::image().await;
    for source in [&image.bytes, &other.bytes] {
        for block in 1..4 {
            let mut bytes = image.bytes.clone();
            // The third commit is missing, and another one stands in its place.
            bytes[3 * BLOCK..].fill(0);
            let old = &source[block * BLOCK..(block + 1) * BLOCK];
            bytes[3 * BLOCK..4 * BLOCK].copy_from_slice(old);
            let same = std::ptr::eq(source, &image.bytes) && block == 3;
            reads(&image, &bytes, if same { 3 } else { 2 }).await;
            // One stands behind the end, where the next but one commit will begin.
            let mut bytes = image.bytes.clone();
            bytes[4 * BLOCK..5 * BLOCK].copy_from_slice(old);
            reads(&image, &bytes, 3).await;
        }
    }
}

#[tokio::test]
async fn the_rest_of_a_long_commit_is_erased_before_a_short_one_takes_its_place() {
    let folder = Folder::new();
    let log = folder.path().join("log");
    let open_log = open(&log).unwrap();
    let mut long = first("session-long", 3);
    long.events[2].data = format!("\"{}\"", "x".repeat(9_000)).into();
    drop(one(&open_log, long).await);
    drop(open_log);
    let segment = segments(&log).remove(0);
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[BLOCK + 100] ^= 1;
    std::fs::write(&segment, &bytes).unwrap();
    std::fs::remove_file(log.join("index.db")).unwrap();

    let open_log = open(&log).unwrap();
    drop(one(&open_log, first("session-short", 1)).await);
    drop(open_log);
    let bytes = std::fs::read(&segment).unwrap();
    assert!(bytes[2 * BLOCK..].iter().all(|byte| *byte == 0));
    assert_eq!(everything(&open(&log).unwrap()).await.len(), 1);
}
