//! How fast appends become durable, one at a time and in groups.

#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use adapters::event_log::memory::MemoryLog;
use adapters::event_log::segment::{self, SegmentLog};
use adapters::event_log::sqlite::{Settings, SqliteLog};
use common::{Folder, append, submit};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use domain::log::EventLog;

fn appends(criterion: &mut Criterion) {
    let folder = Folder::new();
    let settings = Settings::default();
    let log = SqliteLog::open(folder.path().join("log.db"), settings).unwrap();
    let segments = SegmentLog::open(folder.path().join("log"), segment::Settings::default()).unwrap();
    let memory = MemoryLog::new();
    let engines: [(&str, &dyn EventLog); 3] = [("segments", &segments), ("sqlite", &log), ("memory", &memory)];
    for (name, engine) in engines {
        let mut call = 0;
        let mut group = criterion.benchmark_group(format!("append to {name}"));
        for size in [1, 16, 256] {
            group.throughput(Throughput::Elements(size));
            group.bench_function(format!("{size} of 4 events a commit"), |bencher| {
                bencher.iter(|| {
                    call += size;
                    submit(engine, (call..call + size).map(|call| append(call, 0, 4)).collect());
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, appends);
criterion_main!(benches);
