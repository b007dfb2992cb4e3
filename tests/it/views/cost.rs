//! What the read models cost, as the difference of two runs in real time.

use super::harness::World;
use domain::ids::SessionId;
use domain::log::{Append, EventLog};
use projections::Views;
use std::time::{Duration, Instant};
use tests::calls::{CallScript, interleaved, submit};

const CALLS_PER_SECOND: i64 = 500;
const CALLS: i64 = 12_000;
/// CPU per call in microseconds at most: following, decoding, SQL.
const BUDGET: f64 = 40.0;

/// Run alone and optimised: `cargo test --release -p tests views::cost -- --ignored --nocapture`.
#[ignore = "takes a minute and means nothing unoptimised or beside other work"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_costs_the_read_models_at_most_their_budget() {
    let bare = run(false).await;
    let with_views = run(true).await;
    let cost = (with_views - bare) / CALLS as f64 * 1e6;
    println!("bare {bare:.2} s, with read models {with_views:.2} s of CPU: {cost:.1} us a call");
    assert!(cost <= BUDGET, "{cost:.1} us of CPU a call");
}

async fn run(views: bool) -> f64 {
    let world = World::new();
    let appends = interleaved(&(0..CALLS).map(call).collect::<Vec<_>>());
    let models = match views {
        true => Some(
            Views::open(&world.folder.file("views.db"), world.log(), world.keys.clone())
                .await
                .expect("a new file opens"),
        ),
        false => None,
    };
    let before = cpu_seconds();
    play(&world, appends).await;
    if let Some(models) = models {
        models.progress().wait_for(world.log.head(), Duration::from_secs(60)).await.expect("they keep up");
        models.close().await;
    }
    cpu_seconds() - before
}

fn call(n: i64) -> CallScript {
    let scattered = (n as u128 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    CallScript::new(n as u16)
        .known_as(SessionId::from_bits(scattered))
        .between(&format!("+4930{}", scattered >> 100), &format!("+1555{:04}", n * 7_919 % 1_000))
        .beginning(n * 1_000_000 / CALLS_PER_SECOND)
        .completed()
}

/// Submits each append at its time.
async fn play(world: &World, appends: Vec<(i64, Append)>) {
    let start = Instant::now();
    let first = appends.first().map_or(0, |(at, _)| *at);
    let mut waiting = appends.into_iter().peekable();
    while waiting.peek().is_some() {
        let now = first + start.elapsed().as_micros() as i64;
        let mut due = Vec::new();
        while let Some((_, append)) = waiting.next_if(|(at, _)| *at <= now) {
            due.push(append);
        }
        submit(&world.log, due);
        tokio::time::sleep(Duration::from_millis(4)).await;
    }
    assert!(world.log.head().0 > CALLS as u64 * 20);
}

/// User and system time of this process, threads that are gone included.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let fields: Vec<&str> = stat.rsplit(") ").next().expect("fields").split(' ').collect();
    let ticks: f64 = fields[11].parse::<f64>().expect("utime") + fields[12].parse::<f64>().expect("stime");
    ticks / 100.0
}
