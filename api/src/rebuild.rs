//! `strowger rebuild`: a read model built anew from the log. Where the exchange runs, by it; else here, for its next start.

use crate::audit::AuditError;
use crate::config::{Config, ConfigError};
use crate::routes::read_models::{ReadModels, Rebuilding};
use crate::wiring::{self, StartError};
use adapters::keyring::{KeyringReader, Master};
use adapters::provisioning::Token;
use clap::Args;
use projections::{Model, Rebuild, StoreError, rebuild_alone};
use reqwest::StatusCode;
use std::io::{IsTerminal, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What is to be rebuilt.
#[derive(Debug, Args)]
pub struct Options {
    /// Which read model: sessions, routing, registrations, messages or uplinks.
    name: Model,
    /// The configuration file (TOML) of the exchange.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Id of an account that is below no other, or of a key of one, where the exchange runs.
    #[arg(long, env = "STROWGER_ACCOUNT_SID", value_name = "SID")]
    account: Option<String>,
    /// Its secret; better in the environment, where no list of processes shows it.
    #[arg(long, env = "STROWGER_AUTH_TOKEN", value_name = "SECRET", hide_env_values = true)]
    token: Option<Token>,
}

/// Why nothing was rebuilt.
#[derive(Debug, thiserror::Error)]
pub enum RebuildFailed {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The database's password.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The log or the keys.
    #[error(transparent)]
    Records(#[from] AuditError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An event of the log.
    #[error("the log cannot be taken in: {0}; strowger verify tells more")]
    Log(String),
    /// Nobody said who asks.
    #[error(
        "the exchange runs on http://{0}: it rebuilds for an operator alone. Set STROWGER_ACCOUNT_SID and STROWGER_AUTH_TOKEN to an account that is below no other and its secret"
    )]
    WhoAsks(SocketAddr),
    /// It said no.
    #[error("the exchange refuses ({0}): {1}")]
    Refused(StatusCode, String),
    /// It went away.
    #[error("the exchange does not answer: {0}")]
    Away(#[from] reqwest::Error),
    /// It tried.
    #[error("the rebuild failed; the exchange's own log tells why. Queries are answered as before")]
    Failed,
}

/// Rebuilds, and tells how far it is.
///
/// # Errors
/// [`RebuildFailed`].
pub async fn run(options: &Options) -> Result<(), RebuildFailed> {
    let config = Config::load(options.config.as_deref())?;
    let address = reachable(config.http.listen);
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build()?;
    let runs =
        client.get(format!("http://{address}/healthz")).send().await.is_ok_and(|answer| answer.status().is_success());
    let seconds = if runs { by_exchange(options, &client, address).await? } else { alone(options, &config).await? };
    println!("{} rebuilt in {seconds:.1} s", options.name);
    Ok(())
}

/// Where something listens that listens everywhere.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

async fn by_exchange(options: &Options, client: &reqwest::Client, at: SocketAddr) -> Result<f64, RebuildFailed> {
    let (Some(account), Some(token)) = (&options.account, &options.token) else {
        return Err(RebuildFailed::WhoAsks(at));
    };
    let asked = |request: reqwest::RequestBuilder| request.basic_auth(account, Some(token.expose()));
    let name = options.name;
    let mut models =
        read(asked(client.post(format!("http://{at}/v1/read-models/{name}/rebuild"))).send().await?).await?;
    let mut tick = tokio::time::interval(Duration::from_millis(500));
    loop {
        let mine = models.read_models.into_iter().find(|model| model.name == name.name());
        let Some(rebuild) = mine.and_then(|model| model.rebuild) else { return Err(RebuildFailed::Failed) };
        match &*rebuild.state {
            "running" => show(name, &rebuild),
            "serves" => {
                clear();
                return Ok(rebuild.seconds);
            }
            _ => return Err(RebuildFailed::Failed),
        }
        tick.tick().await;
        models = read(asked(client.get(format!("http://{at}/v1/read-models"))).send().await?).await?;
    }
}

async fn read(answer: reqwest::Response) -> Result<ReadModels, RebuildFailed> {
    let status = answer.status();
    if status.is_success() {
        return Ok(answer.json().await?);
    }
    let body: serde_json::Value = answer.json().await.unwrap_or_default();
    let why = body.pointer("/error/message").and_then(serde_json::Value::as_str).unwrap_or("no reason given");
    Err(RebuildFailed::Refused(status, why.to_owned()))
}

async fn alone(options: &Options, config: &Config) -> Result<f64, RebuildFailed> {
    let database = wiring::database_of(config)?;
    let log = wiring::open_for_reading(config).await.map_err(AuditError::from)?;
    let master = Master::File(config.data.join("keyring.key"));
    let keyring = KeyringReader::open(&config.data.join("keyring.db"), &master).map_err(AuditError::from)?;
    let name = options.name;
    let told = |rebuild: Rebuild| show(name, &Rebuilding::of(&rebuild));
    let rebuilt = rebuild_alone(&database, name, log, Arc::new(keyring), &told).await?.map_err(RebuildFailed::Log)?;
    clear();
    Ok(rebuilt.as_secs_f64())
}

fn show(name: Model, rebuild: &Rebuilding) {
    if !std::io::stderr().is_terminal() {
        return;
    }
    let Rebuilding { position, goal, per_second, seconds_left, .. } = rebuild;
    let left = seconds_left.map(|seconds| format!(", {seconds} s left")).unwrap_or_default();
    eprint!("\r\x1b[K{name}: {position} of {goal}, {per_second} a second{left}");
    // A terminal that is gone is nobody's loss.
    let _ = std::io::stderr().flush();
}

fn clear() {
    if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[K");
    }
}
