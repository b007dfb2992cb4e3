//! What each durable log costs at a steady rate: processor time per append, commits, latency. Not a criterion bench:
//! the question is cost at a load, not speed.
//!
//! `cargo bench -p adapters --bench paced -- [FOLDER] [APPENDS_PER_SECOND] [SECONDS] [CASE]…`; FOLDER must be on a real disk.
//! Seven appends are a call. A case is an engine and settings: `sqlite`, `segments followers=3`.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use adapters::event_log::segment::{self, SegmentLog};
use adapters::event_log::sqlite::{self, SqliteLog};
use bytes::Bytes;
use domain::ids::EventId;
use domain::log::{
    Append, Committed, Draft, EventHash, EventLog, Expected, Filter, Followed, Life, Outcome, Position, Revision,
    StreamName,
};
use domain::time::WallTime;
use nix::sys::resource::{UsageWho, getrusage};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Events of the appends of one call, 25 in all.
const SHAPE: [usize; 7] = [6, 3, 3, 4, 2, 4, 3];
/// Bytes of JSON an event: some 16 kB a call.
const DATA: usize = 600;
/// Turns of the load, as far apart as the SIP thread's (`sip.gather_ms`): they decide how many commits there are.
const TURN: Duration = Duration::from_millis(8);
/// Seconds between the fourth append of a call and its fifth.
const HOLD: Duration = Duration::from_secs(2);

#[derive(Default)]
struct Answers {
    sent: Mutex<VecDeque<(Instant, usize)>>,
    latencies: Mutex<Vec<u32>>,
    done: AtomicU64,
    commits: AtomicU64,
}

impl Committed for Answers {
    fn committed(&self, outcomes: Vec<Outcome>) {
        let now = Instant::now();
        assert!(outcomes.iter().all(|outcome| outcome.result.is_ok()), "{outcomes:?}");
        let mut sent = self.sent.lock().unwrap();
        let mut latencies = self.latencies.lock().unwrap();
        let mut left = outcomes.len();
        while left > 0 {
            let (at, count) = sent.front_mut().unwrap();
            let taken = left.min(*count);
            latencies.extend(vec![now.duration_since(*at).as_micros() as u32; taken]);
            left -= taken;
            *count -= taken;
            if *count == 0 {
                sent.pop_front();
            }
        }
        self.done.fetch_add(outcomes.len() as u64, Ordering::Relaxed);
        self.commits.fetch_add(1, Ordering::Relaxed);
    }
}

struct Call {
    stream: StreamName,
    uuid: Uuid,
    step: usize,
    events: u64,
    due: Instant,
}

/// The load: calls begin so that appends come at the rate wanted.
struct Load {
    calls: VecDeque<Call>,
    holding: VecDeque<Call>,
    counter: u64,
    data: Bytes,
}

impl Load {
    fn begin(&mut self) -> Call {
        self.counter += 1;
        let uuid = Uuid::from_u128(u128::from(self.counter).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835));
        let stream = StreamName::new("session", uuid);
        Call { stream, uuid, step: 0, events: 0, due: Instant::now() }
    }

    fn next(&mut self, now: Instant) -> Append {
        let mut call = match self.holding.front() {
            Some(call) if call.due <= now => self.holding.pop_front().unwrap(),
            _ if self.calls.len() >= 64 => self.calls.pop_front().unwrap(),
            _ => self.begin(),
        };
        let count = SHAPE[call.step];
        let mut draft = || {
            self.counter += 1;
            Draft {
                id: EventId::minted(1, 1, 1, self.counter),
                kind: "SipMessageReceived".into(),
                version: 1,
                at: WallTime::from_micros(self.counter as i64),
                cause: None,
                previous: EventHash([7; 32]),
                data: self.data.clone(),
            }
        };
        let append = Append {
            stream: call.stream.clone(),
            expected: call.events.checked_sub(1).map_or(Expected::NoStream, |last| Expected::Exactly(Revision(last))),
            life: if call.step + 1 == SHAPE.len() { Life::Closed } else { Life::Open },
            correlation: call.uuid,
            node: 1,
            events: (0..count).map(|_| draft()).collect(),
        };
        call.events += count as u64;
        call.step += 1;
        if call.step == 4 {
            call.due = now + HOLD;
            self.holding.push_back(call);
        } else if call.step < SHAPE.len() {
            self.calls.push_back(call);
        }
        append
    }
}

fn cpu() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
    let time = |time: nix::sys::time::TimeVal| Duration::new(time.tv_sec() as u64, time.tv_usec() as u32 * 1_000);
    time(usage.user_time()) + time(usage.system_time())
}

fn written() -> u64 {
    let io = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    io.lines().find_map(|line| line.strip_prefix("write_bytes: ")?.parse().ok()).unwrap_or(0)
}

/// Sends at a rate and answers processor time, beginning after a warm-up of three holds.
fn send(log: Option<&dyn EventLog>, answers: &Arc<Answers>, rate: u64, seconds: u64) -> (Duration, u64, u64) {
    let mut load =
        Load { calls: VecDeque::new(), holding: VecDeque::new(), counter: 0, data: Bytes::from(vec![b'x'; DATA]) };
    let mut mark = (Duration::ZERO, 0);
    for (part, span) in [(0, HOLD * 3), (1, Duration::from_secs(seconds))] {
        let start = Instant::now();
        let mut sent = 0;
        answers.latencies.lock().unwrap().clear();
        answers.commits.store(0, Ordering::Relaxed);
        if part == 1 {
            mark = (cpu(), written());
        }
        while start.elapsed() < span {
            let now = Instant::now();
            let due = (start.elapsed().as_secs_f64() * rate as f64) as u64;
            let appends: Vec<_> = (sent..due).map(|_| load.next(now)).collect();
            sent = due.max(sent);
            if let Some(log) = log
                && !appends.is_empty()
            {
                answers.sent.lock().unwrap().push_back((now, appends.len()));
                log.submit(appends, answers.clone());
            }
            std::thread::sleep(TURN);
        }
        while log.is_some() && !answers.sent.lock().unwrap().is_empty() {
            std::thread::sleep(TURN);
        }
        if part == 1 {
            return (cpu() - mark.0, sent, written() - mark.1);
        }
    }
    unreachable!()
}

fn measure(path: &Path, engine: &Engine, rate: u64, seconds: u64, followers: usize) -> String {
    let _ = std::fs::remove_dir_all(path);
    let log: Arc<dyn EventLog> = match engine {
        Engine::Sqlite(settings) => Arc::new(SqliteLog::open(path.join("log.db"), settings.clone()).unwrap()),
        Engine::Segments(settings) => Arc::new(SegmentLog::open(path.join("log"), settings.clone()).unwrap()),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    for _ in 0..followers {
        let mut follow = log.follow(Position(0), Filter::default());
        runtime.spawn(async move {
            while let Ok(followed) = follow.next().await {
                if let Followed::Events(events) = followed {
                    std::hint::black_box(events);
                }
            }
        });
    }
    let answers = Arc::new(Answers::default());
    let (cpu, sent, bytes) = send(Some(&*log), &answers, rate, seconds);
    let mut latencies = std::mem::take(&mut *answers.latencies.lock().unwrap());
    latencies.sort_unstable();
    let at = |share: f64| latencies.get((latencies.len() as f64 * share) as usize).copied().unwrap_or(0) as f64 / 1e3;
    runtime.shutdown_background();
    format!(
        "{:>6.1} µs/append  {:>5.0} commits/s  {:>6.0} B/append  p50 {:>5.1}  p99 {:>6.1}  max {:>6.1} ms",
        cpu.as_secs_f64() * 1e6 / sent as f64,
        answers.commits.load(Ordering::Relaxed) as f64 / seconds as f64,
        bytes as f64 / sent as f64,
        at(0.5),
        at(0.99),
        at(0.9999),
    )
}

/// What is measured where no cases are given.
const CASES: [&str; 4] = ["sqlite", "segments", "sqlite followers=3", "segments followers=3"];

enum Engine {
    Sqlite(sqlite::Settings),
    Segments(segment::Settings),
}

/// Engine and followers of a case such as `sqlite page=8192 checkpoint=16 followers=1` or
/// `segments segment=64 index=16384` (bytes, MiB, appends).
fn case(text: &str) -> (Engine, usize) {
    let mut parts = text.split_whitespace();
    let mut engine = match parts.next() {
        Some("sqlite") => Engine::Sqlite(sqlite::Settings::default()),
        Some("segments") => Engine::Segments(segment::Settings::default()),
        other => panic!("no engine is called {other:?}"),
    };
    let mut followers = 0;
    for part in parts {
        let (name, value) = part.split_once('=').unwrap();
        let value: u32 = value.parse().unwrap();
        match (&mut engine, name) {
            (_, "followers") => followers = value as usize,
            (Engine::Sqlite(settings), "page") => settings.page_size = value,
            (Engine::Sqlite(settings), "checkpoint") => settings.checkpoint_bytes = (value as usize) << 20,
            (Engine::Segments(settings), "segment") => settings.segment_bytes = u64::from(value) << 20,
            (Engine::Segments(settings), "index") => settings.index_appends = value as usize,
            (_, other) => panic!("no setting is called {other}"),
        }
    }
    (engine, followers)
}

fn main() {
    if std::env::args().len() < 2 {
        return println!("measures only when called by `cargo bench`, or with a folder");
    }
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let folder = PathBuf::from(arguments.first().map_or("target/paced", String::as_str));
    let number = |index: usize, default: u64| arguments.get(index).and_then(|a| a.parse().ok()).unwrap_or(default);
    let (rate, seconds) = (number(1, 3_500), number(2, 10));
    let (harness, sent, _) = send(None, &Arc::default(), rate, seconds);
    println!("{rate} appends/s; the load alone {:.1} µs/append", harness.as_secs_f64() * 1e6 / sent as f64);
    let given: Vec<&str> = arguments.iter().skip(3).map(String::as_str).collect();
    for text in if given.is_empty() { &CASES[..] } else { &given[..] } {
        let (engine, followers) = case(text);
        println!("{text:<32} {}", measure(&folder, &engine, rate, seconds, followers));
    }
    let _ = std::fs::remove_dir_all(&folder);
}
