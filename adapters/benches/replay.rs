//! How fast the log is read back: everything, one stream, and what recovery asks.

#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use adapters::event_log::sqlite::{Settings, SqliteLog};
use common::{Folder, append, submit};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use domain::log::{Direction, EventLog, Filter, Position, Revision, StreamName};
use std::hint::black_box;

/// Calls in the log, of four appends and 16 events each.
const CALLS: u64 = 2_000;

fn replay(criterion: &mut Criterion) {
    let folder = Folder::new();
    let log = SqliteLog::open(folder.path().join("log.db"), Settings::default()).unwrap();
    for part in 0..4 {
        submit(&log, (0..CALLS).map(|call| append(call, part, 4)).collect());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut group = criterion.benchmark_group("replay");
    group.sample_size(10);
    group.throughput(Throughput::Elements(CALLS * 16));
    group.bench_function("everything", |bencher| {
        bencher.iter(|| {
            let filter = Filter::default();
            let events = runtime.block_on(log.read_all(Position(0), Direction::Forwards, &filter, usize::MAX));
            assert_eq!(black_box(events.unwrap()).len() as u64, CALLS * 16);
        });
    });
    group.bench_function("everything, nothing matches", |bencher| {
        let filter = Filter { categories: vec!["account".into()], kinds: vec![] };
        bencher.iter(|| {
            let events = runtime.block_on(log.read_all(Position(0), Direction::Forwards, &filter, usize::MAX));
            assert!(black_box(events.unwrap()).is_empty());
        });
    });
    group.throughput(Throughput::Elements(1));
    group.bench_function("one stream of 16", |bencher| {
        let mut call = 0;
        bencher.iter(|| {
            call = (call + 7) % CALLS;
            let stream = StreamName::new("session", call);
            let events = runtime.block_on(log.read_stream(&stream, Revision(0), Direction::Forwards, 1_000));
            assert_eq!(black_box(events.unwrap()).len(), 16);
        });
    });
    group.bench_function("open streams", |bencher| {
        bencher.iter(|| assert_eq!(runtime.block_on(log.open_streams()).unwrap().len() as u64, CALLS));
    });
    group.finish();
}

criterion_group!(benches, replay);
criterion_main!(benches);
