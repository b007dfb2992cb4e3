//! The segment log beside the memory log: the same random appends, the same answers, also after the process died.

use super::given::{Folder, after, closing, first, soon, stream, submit, together};
use adapters::event_log::memory::MemoryLog;
use adapters::event_log::segment::{SegmentLog, Settings};
use domain::log::{Append, Direction, EventLog, Filter, Part, Position, Revision};
use std::collections::HashMap;
use std::path::Path;

/// Numbers that look random and are the same in every run (Knuth's MMIX).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// What the next submission holds: new appends, repeats of old ones, and some with a wrong revision.
fn submission(numbers: &mut Numbers, last: &mut HashMap<String, u64>, old: &mut Vec<Append>) -> Vec<Append> {
    let mut appends = Vec::new();
    for _ in 0..=numbers.below(4) {
        let name = format!("session-{}", numbers.below(12));
        let count = 1 + numbers.below(3) as usize;
        let append = match (numbers.below(10), last.get(&name).copied()) {
            (0, _) if !old.is_empty() => {
                appends.push(old[numbers.below(old.len() as u64) as usize].clone());
                continue;
            }
            (1, Some(end)) => {
                appends.push(after(&name, end + 1 + numbers.below(3), count));
                continue;
            }
            (_, None) => first(&name, count),
            (_, Some(end)) => after(&name, end, count),
        };
        let mut append = if numbers.below(4) == 0 { closing(append) } else { append };
        append.events[0].data = format!("\"{}\"", "x".repeat(numbers.below(3_000) as usize)).into();
        let end = append.expected.next().0 + count as u64 - 1;
        last.insert(name, end);
        old.push(append.clone());
        appends.push(append);
    }
    appends
}

async fn same(model: &MemoryLog, log: &SegmentLog) {
    assert_eq!(log.head(), model.head());
    let filter = Filter::default();
    for (from, direction) in [(Position(0), Direction::Forwards), (Position(u64::MAX), Direction::Backwards)] {
        let read = soon(log.read_all(from, direction, &filter, usize::MAX)).await;
        assert_eq!(read, soon(model.read_all(from, direction, &filter, usize::MAX)).await);
    }
    for index in 0..12 {
        let name = stream(&format!("session-{index}"));
        for (from, direction) in [(0, Direction::Forwards), (7, Direction::Forwards), (7, Direction::Backwards)] {
            let read = soon(log.read_stream(&name, Revision(from), direction, 9)).await;
            assert_eq!(read, soon(model.read_stream(&name, Revision(from), direction, 9)).await);
        }
    }
    let names: Vec<_> = [99].into_iter().chain(0..12).map(|index| stream(&format!("session-{index}"))).collect();
    for (from, direction, limit) in [
        (0, Direction::Forwards, 9),
        (7, Direction::Forwards, 2),
        (u64::MAX, Direction::Backwards, 5),
        (7, Direction::Backwards, 9),
    ] {
        let part = Part { from: Revision(from), direction, limit };
        assert_eq!(together(log, &names, part).await, together(model, &names, part).await);
    }
    assert_eq!(soon(log.open_streams()).await, soon(model.open_streams()).await);
}

/// What the death of the process leaves. The index is copied first: it may lag behind the segments, never lead.
fn die(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for wanted in ["index.db", "index.db-wal", ".segment"] {
        for entry in std::fs::read_dir(from).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if name.ends_with(wanted) {
                std::fs::copy(&path, to.join(name)).unwrap();
            }
        }
    }
}

#[tokio::test]
async fn random_appends_are_answered_as_memory_answers_them_also_after_a_crash() {
    for (seed, index_appends) in [(1, 1), (2, 7), (3, 40), (4, 1_000)] {
        let settings = Settings {
            index_appends,
            known_streams: 2,
            tail_bytes: 4_000,
            segment_bytes: 40_960,
            ..Settings::default()
        };
        let folders = Folder::new();
        let mut life = 0;
        let mut log = SegmentLog::open(folders.path().join("0"), settings.clone()).unwrap();
        let model = MemoryLog::new();
        let (mut numbers, mut last, mut old) = (Numbers(seed), HashMap::new(), Vec::new());
        for round in 0..400 {
            let appends = submission(&mut numbers, &mut last, &mut old);
            let wanted = submit(&model, appends.clone()).await;
            let answered = submit(&log, appends).await;
            for (answered, wanted) in answered.iter().zip(&wanted) {
                assert_eq!(answered.result, wanted.result, "seed {seed}, round {round}");
            }
            if numbers.below(12) == 0 {
                let (here, next) = (folders.path().join(life.to_string()), folders.path().join((life + 1).to_string()));
                die(&here, &next);
                drop(log);
                life += 1;
                log = SegmentLog::open(next, settings.clone()).unwrap();
                same(&model, &log).await;
            }
        }
        same(&model, &log).await;
        assert!(life > 3);
    }
}
