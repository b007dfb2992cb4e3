//! The parent of the exchange: it holds the sockets, and starts another worker where one dies. It does nothing else, so
//! that there is nothing in it that could fail.

use crate::holder::{self, HELD_BY_PARENT, Shelf};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io;
use std::process::{ExitCode, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

/// After so many workers in a row that died before they served there will be no other.
const MOST_FAILURES: u32 = 5;

/// After a worker that died before it served the next waits this long, and twice as long after each other.
const PAUSE: Duration = Duration::from_millis(250);

/// What makes a process a worker.
pub const NO_SUPERVISOR: &str = "--no-supervisor";

/// Runs the exchange in a child, in another whenever one dies, until one ends of its own accord.
///
/// # Errors
/// No child can be started.
pub async fn supervise() -> io::Result<ExitCode> {
    hold_many();
    let shelf = Arc::new(Mutex::new(Shelf::from_environment()));
    let (mut failures, mut first) = (0, true);
    loop {
        let serves = Arc::new(AtomicBool::new(false));
        let mut worker = start(&shelf, &serves)?;
        let (status, asked) = outlast(&mut worker).await?;
        let served = serves.load(Ordering::Acquire);
        failures = if served { 0 } else { failures + 1 };
        let over = status.success() || asked || first && !served || failures >= MOST_FAILURES;
        if over {
            return Ok(status
                .code()
                .and_then(|code| u8::try_from(code).ok())
                .map_or(ExitCode::FAILURE, ExitCode::from));
        }
        first = false;
        tracing::error!(%status, "the exchange has died: it is started again, and its calls go on");
        if failures > 0 {
            tokio::time::sleep(PAUSE * 2_u32.pow(failures - 1)).await;
        }
    }
}

fn start(shelf: &Arc<Mutex<Shelf>>, serves: &Arc<AtomicBool>) -> io::Result<Child> {
    let (ours, theirs) = holder::pair()?;
    let arguments = std::env::args_os().skip(1);
    let worker = Command::new(std::env::current_exe()?)
        .args(arguments)
        .arg(NO_SUPERVISOR)
        .env(HELD_BY_PARENT, "1")
        .stdin(Stdio::from(theirs))
        // Ctrl-C is for us alone: we pass it on.
        .process_group(0)
        .spawn()?;
    let (shelf, serves) = (Arc::clone(shelf), Arc::clone(serves));
    std::thread::Builder::new().name("sockets".into()).spawn(move || {
        if let Err(error) = holder::lend_and_collect(&ours, &shelf, &serves) {
            tracing::error!(%error, "sockets cannot be handed on");
        }
    })?;
    Ok(worker)
}

/// Waits for the end of a worker, and passes on what we are asked to do; whether we were asked to end.
async fn outlast(worker: &mut Child) -> io::Result<(ExitStatus, bool)> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut asked = false;
    loop {
        let passed = tokio::select! {
            status = worker.wait() => return Ok((status?, asked)),
            _ = terminate.recv() => Signal::SIGTERM,
            _ = interrupt.recv() => Signal::SIGINT,
        };
        asked = true;
        if let Some(id) = worker.id().and_then(|id| i32::try_from(id).ok()) {
            // It may have ended meanwhile.
            let _ = kill(Pid::from_raw(id), passed);
        }
    }
}

/// A worker whose parent dies, dies: the next parent's worker takes its calls up. Nothing happens in a process without a
/// supervisor.
pub fn die_with_parent() {
    if std::env::var_os(HELD_BY_PARENT).is_some()
        && let Err(error) = nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)
    {
        tracing::warn!(%error, "a death of the parent would go unnoticed");
    }
}

/// Every socket of the worker is one of ours too.
fn hold_many() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
        && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_err()
    {
        tracing::warn!("the limit of open files cannot be raised: not every socket may outlive a death");
    }
}
