//! The one binary.

use adapters::provisioning::{FirstAccount, Token};
use adapters::supervisor;
use api::audit;
use api::config::Config;
use api::wiring::{self, FirstAccountSettings, Running};
use api::{demo, rebuild, verify};
use clap::{Parser, Subcommand};
use domain::ids::AccountId;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// A call's memory is given back in pieces by other threads than the one that took it: the log's, the read models'.
/// The system's allocator pays for that with locks and scattered pages; BENCHMARKS.md has the figures.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// A programmable SIP exchange whose every message is an event in a log, durable before it is acted on.
#[derive(Parser)]
#[command(name = "strowger", version, after_help = "Try `strowger demo` first: it needs nothing.")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the exchange until SIGTERM or Ctrl-C.
    ///
    /// The first start makes an account and prints its id and secret once. SIGTERM drains: new calls are refused,
    /// running ones may end by themselves for a while.
    Serve {
        /// The configuration file (TOML); without it every setting has its default.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Id of the first account instead of a drawn one: AC and 32 lower-case hex digits.
        #[arg(long, env = "STROWGER_ACCOUNT_SID", value_name = "SID", hide = true)]
        account_sid: Option<AccountId>,
        /// Secret of the first account instead of a drawn one.
        #[arg(long, env = "STROWGER_AUTH_TOKEN", value_name = "TOKEN", hide = true, hide_env_values = true)]
        auth_token: Option<Token>,
        /// Seconds that running calls may take to end after SIGTERM.
        #[arg(long, value_name = "SECONDS", default_value_t = 30)]
        drain: u64,
        /// Run without the parent process that holds the sockets and starts the exchange again where it dies.
        #[arg(long)]
        no_supervisor: bool,
    },
    /// Serve the log of a configuration through its door (`[log.door]`), without an exchange, until SIGTERM or Ctrl-C.
    ///
    /// Exchanges elsewhere use it with `store = "esdb://…"` where the door is writable, auditors with any EventStoreDB
    /// client.
    LogServer {
        /// The configuration file (TOML).
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Read a configuration, say what is wrong with it, and print it whole with its defaults.
    CheckConfig {
        /// The configuration file (TOML).
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Tell a session's history event by event with its state after each, its state at an instant, or whether this build would
    /// decide it as it was decided.
    ///
    /// Reads the log and the keys, also while the exchange runs, and changes nothing.
    Replay(audit::ReplayOptions),
    /// Write a session to a file: a capture, JSON lines, its ladder, a scenario for SIPp.
    ///
    /// Reads the log and the keys, also while the exchange runs, and changes nothing.
    Export(audit::ExportOptions),
    /// Prove that nothing in the log was altered, removed or put in, also beside a running exchange.
    ///
    /// Every event is compared with the hash that its successor carries, and with the signed roots of the notary; the
    /// roots with their signatures and with the exported file. Exit code 0: nothing is wrong, and all is proved but what is
    /// said to be unproved. 1: something is wrong, and what comes first is named. 2: it could not be found out, or nothing could
    /// be proved: the range is empty, a node has no roots, no root covers any of the events.
    Verify(verify::Options),
    /// Print the public key that this node's notary signs with.
    NotaryKey {
        /// The configuration file (TOML).
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Build a read model anew from the log, while calls and queries go on.
    ///
    /// Where the exchange runs it is asked to, as an operator: STROWGER_ACCOUNT_SID and STROWGER_AUTH_TOKEN name an account that
    /// is below no other. Where it does not, the tables are built here and found at its next start.
    Rebuild(rebuild::Options),
    /// Show a real call through a real exchange on this machine, with audio, and read its history back.
    Demo(demo::Options),
}

#[tokio::main]
async fn main() -> ExitCode {
    let command = Arguments::parse().command;
    // The demo tells its own story.
    let usual = if matches!(command, Command::Demo(_)) { "warn" } else { "info" };
    let filter = tracing_subscriber::EnvFilter::try_from_env("STROWGER_LOG").unwrap_or_else(|_| usual.into());
    let said = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let said = said.with_ansi(std::io::stderr().is_terminal());
    // Where stderr is a file on a disk that is full, to complain of that there would end the thread that speaks.
    said.log_internal_errors(false).init();
    let result = match command {
        Command::Serve { no_supervisor: false, .. } => match supervisor::supervise().await {
            Ok(code) => return code,
            Err(error) => Err(format!("the exchange cannot be started: {error}")),
        },
        Command::Serve { config, account_sid, auth_token, drain, .. } => {
            supervisor::die_with_parent();
            let first = FirstAccountSettings { sid: account_sid, token: auth_token };
            serve(config, first, Duration::from_secs(drain)).await
        }
        Command::LogServer { config } => serve_log(config).await,
        Command::CheckConfig { config } => check_config(config),
        Command::Replay(options) if options.decides() => return decide_again(options).await,
        Command::Replay(options) => audit::replay(options).await.map_err(|error| error.to_string()),
        Command::Export(options) => audit::export(options).await.map_err(|error| error.to_string()),
        Command::Verify(options) => return verify::run(&options).await,
        Command::NotaryKey { config } => verify::print_key(config.as_deref()),
        Command::Rebuild(options) => rebuild::run(&options).await.map_err(|error| error.to_string()),
        Command::Demo(options) => demo::run(options).await.map_err(|error| error.to_string()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("strowger: {error}");
            ExitCode::FAILURE
        }
    }
}

/// How long calls and carriers have to take note of our end.
const LAST_WORDS: Duration = Duration::from_secs(2);

async fn decide_again(options: audit::ReplayOptions) -> ExitCode {
    match audit::decide_again(options).await {
        Ok(Some(alike)) => ExitCode::from(u8::from(!alike)),
        Ok(None) => ExitCode::from(2),
        Err(error) => {
            eprintln!("strowger: {error}");
            ExitCode::from(2)
        }
    }
}

fn check_config(file: Option<PathBuf>) -> Result<(), String> {
    let config = Config::load(file.as_deref()).map_err(|error| error.to_string())?;
    println!("{}", config.to_toml());
    Ok(())
}

async fn serve(file: Option<PathBuf>, first: FirstAccountSettings, drain: Duration) -> Result<(), String> {
    let config = Config::load(file.as_deref()).map_err(|error| error.to_string())?;
    let running = wiring::start(&config, first).await.map_err(|error| error.to_string())?;
    greet(&running);
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
    let patience = tokio::select! {
        _ = terminate.recv() => drain,
        _ = tokio::signal::ctrl_c() => Duration::ZERO,
    };
    // Who asks again does not want to wait: the calls that still run are ended now.
    tokio::select! {
        () = drain_calls(&running, patience) => {}
        _ = terminate.recv() => drain_calls(&running, Duration::ZERO).await,
        _ = tokio::signal::ctrl_c() => drain_calls(&running, Duration::ZERO).await,
    }
    running.stop().await;
    Ok(())
}

async fn serve_log(file: Option<PathBuf>) -> Result<(), String> {
    let config = Config::load(file.as_deref()).map_err(|error| error.to_string())?;
    let server = wiring::serve_log(&config).await.map_err(|error| error.to_string())?;
    println!("LOG   EventStoreDB protocol on {}", server.address());
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    server.stop().await;
    Ok(())
}

fn greet(running: &Running) {
    for listener in &running.sip {
        let transport = listener.transport.via_name().to_lowercase();
        println!("SIP   {:?} edge on {transport} {}", listener.role, listener.address);
    }
    println!("HTTP  http://{}/v1  (OpenAPI: /openapi.json)", running.http);
    if let Some(door) = running.door() {
        println!("LOG   EventStoreDB protocol on {door}");
    }
    if let FirstAccount::Made { account, secret: Some(secret) } = &running.first_account {
        println!("\nFirst account, shown only this once:\n  id      {account}\n  secret  {secret}\n");
        println!("Try: curl -u {account}:{secret} http://{}/v1/accounts/{account}", running.http);
    }
}

/// New calls are refused, and carriers are told that we are gone; running calls may end by themselves, then are ended.
async fn drain_calls(running: &Running, patience: Duration) {
    tracing::info!(
        calls = running.live_sessions(),
        seconds = patience.as_secs(),
        "asked to end: new calls get 503, calls that run may end by themselves for so long; ask again to end them now"
    );
    running.drain();
    wait_while(patience, || running.live_sessions() > 0).await;
    if running.live_sessions() > 0 {
        tracing::info!(calls = running.live_sessions(), "ending the calls that still run");
        running.release_calls();
        wait_while(LAST_WORDS, || running.live_sessions() > 0).await;
    }
    wait_while(LAST_WORDS, || running.registrations() > 0).await;
}

/// What is left after that is ended by the caller.
async fn wait_while(patience: Duration, busy: impl Fn() -> bool) {
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    let wait = async {
        while busy() {
            tick.tick().await;
        }
    };
    let _ = tokio::time::timeout(patience, wait).await;
}
