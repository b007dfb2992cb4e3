//! `strowger demo`: a real exchange on loopback, three phones that talk through it, one of
//! them registered, and the calls' history read back.
//!
//! The phones and the HTTP client know the exchange only by its addresses; a failed check fails the demo.

pub mod audio;
mod control;
mod desk;
mod exchange;
mod history;
pub mod phone;
mod screen;
mod story;

#[cfg(test)]
mod tests;

use audio::voice::Voice;
use exchange::Exchange;
use phone::{Phone, PhoneError, Settings, T1};
use screen::Screen;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use story::{Pace, Stage};

/// What `strowger demo` can be told.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Options {
    /// Leave the exchange and its PBX phone running until Ctrl-C, and print addresses and credentials.
    #[arg(long)]
    pub stay: bool,
    /// Where the exchange's data and the recordings go; without it, a new folder beside the system's temporary files.
    #[arg(long, value_name = "DIRECTORY")]
    pub folder: Option<PathBuf>,
}

/// Why the demo stopped.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// A folder or file could not be written.
    #[error("cannot write {}: {source}; give another place with --folder DIRECTORY", .path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The exchange did not start.
    #[error("the exchange did not start: {0}")]
    Exchange(String),
    /// The HTTP API could not be reached.
    #[error("{method} {url} got no answer: {source}; does a proxy or firewall stand between programs on this machine?")]
    Unreachable {
        /// HTTP method.
        method: &'static str,
        /// Full URL.
        url: String,
        /// What the client says.
        source: reqwest::Error,
    },
    /// The HTTP API said no.
    #[error("{method} {url} was answered with {status}: {body}")]
    Api {
        /// HTTP method.
        method: &'static str,
        /// Full URL.
        url: String,
        /// HTTP status.
        status: u16,
        /// What the API said, its first 500 characters.
        body: String,
    },
    /// The HTTP API's answer lacks something.
    #[error("{url} does not tell {missing} in time; its last answer was {body}")]
    Answer {
        /// Full URL.
        url: String,
        /// What was looked for.
        missing: &'static str,
        /// What the API said, its first 500 characters.
        body: String,
    },
    /// A phone could not do its part.
    #[error(transparent)]
    Phone(#[from] PhoneError),
    /// The terminal is gone.
    #[error("cannot print: {0}")]
    Screen(#[from] std::io::Error),
    /// All went its way, but something was not as it should be.
    #[error("{0} of the checks above failed")]
    Checks(usize),
}

/// Runs the demo and prints it to standard output, in about 25 seconds. An error where any check failed.
pub async fn run(options: Options) -> Result<(), DemoError> {
    let mut screen = Screen::stdout();
    let folder = make_folder(options.folder)?;
    screen.title("Strowger demo: a phone call that is its own history")?;
    screen.step("Start an exchange of our own")?;
    let exchange = exchange::start_exchange(&folder).await?;
    screen.note(&format!("SIP at {}, HTTP at {}, data in {}", exchange.sip, exchange.http, folder.display()))?;
    let played = play(&exchange, &folder, options.stay, &mut screen).await;
    // Also after an error, so that its log is complete.
    exchange.stop().await;
    match played? {
        0 => Ok(()),
        failures => Err(DemoError::Checks(failures)),
    }
}

/// Everything between start and stop of the exchange. Returns how many checks failed.
async fn play(exchange: &Exchange, folder: &Path, stays: bool, screen: &mut Screen) -> Result<usize, DemoError> {
    let carrier = phone("carrier", Voice::of_carrier()).await?;
    let pbx = phone("pbx", Voice::of_pbx()).await?;
    let desk = phone("desk", Voice::of_desk()).await?;
    let addresses = (carrier.address(), pbx.address(), desk.address());
    screen.note(&format!(
        "carrier phone at {}, PBX phone at {}, desk phone at {}",
        addresses.0, addresses.1, addresses.2
    ))?;
    let mut stage = Stage { exchange, carrier, pbx, desk, folder, pace: Pace::default() };
    let session = story::tell(&mut stage, screen).await?;
    desk::tell(&mut stage, &session, screen).await?;
    let (checks, failures) = (screen.checks(), screen.failures());
    screen.step("Result")?;
    screen.check(failures == 0, &format!("{} of {checks} checks passed", checks - failures))?;
    if stays {
        stay(exchange, stage.pbx, &session, folder, screen).await?;
    } else {
        screen.step("What to try next")?;
        let program = std::env::args().next().unwrap_or_else(|| "strowger".to_owned());
        screen.command(&format!("{program} demo --stay"), "the same, and the exchange stays for you and curl")?;
        screen.command(&format!("aplay {}/*.wav", folder.display()), "what each phone heard")?;
        screen.command(&format!("rm -r {}", folder.display()), "forget this call")?;
    }
    Ok(failures)
}

async fn phone(name: &str, voice: Voice) -> Result<Phone, PhoneError> {
    let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
    Phone::switch_on(Settings { name: name.to_owned(), ip, voice, t1: T1::default() }).await
}

/// Leaves exchange and PBX phone running; callers of the phone are answered and hear its voice.
async fn stay(
    exchange: &Exchange,
    mut pbx: Phone,
    session: &str,
    folder: &Path,
    screen: &mut Screen,
) -> Result<(), DemoError> {
    screen.step("It stays: what to try now")?;
    for line in exchange.facts() {
        screen.note(&line)?;
    }
    let curl = format!("curl -u {}:{} {}/v1", exchange.account_sid, exchange.auth_token, exchange.http);
    screen.command(&format!("{curl}/sessions"), "all sessions")?;
    screen.command(&format!("{curl}/sessions/{session}/timeline"), "every message and decision of the call above")?;
    screen.command(&format!("{curl}/sessions/{session}/ladder"), "the same as a drawing")?;
    screen.command(&format!("{curl}/numbers"), "what is provisioned; POST there for more")?;
    screen.command(&format!("aplay {}/*.wav", folder.display()), "what each phone heard")?;
    screen.note("The PBX phone answers whoever calls it. Ctrl-C ends it all.")?;
    loop {
        tokio::select! {
            call = pbx.next_call() => { tokio::spawn(pick_up(call?)); }
            end = tokio::signal::ctrl_c() => return end.map_err(DemoError::Screen),
        }
    }
}

async fn pick_up(call: phone::PhoneCall) {
    if let Err(error) = call.answer().await {
        tracing::warn!(%error, "the PBX phone could not answer a call");
        return;
    }
    // Held until it is over, since dropping a call silences it.
    while call.over().await.is_err_and(|error| matches!(error, PhoneError::TimedOut { .. })) {}
}

fn make_folder(wanted: Option<PathBuf>) -> Result<PathBuf, DemoError> {
    // Credentials and recordings lie there.
    let mut builder = std::fs::DirBuilder::new();
    builder.mode(0o700);
    let (path, made) = match wanted {
        Some(path) => (path.clone(), builder.recursive(true).create(path)),
        None => {
            // Among the system's temporary files only a folder that nobody else has made will do.
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            let name = format!("strowger-demo-{}-{:x}", std::process::id(), now.as_micros());
            let path = std::env::temp_dir().join(name);
            (path.clone(), builder.create(path))
        }
    };
    made.map_err(|source| DemoError::Folder { path: path.clone(), source })?;
    Ok(path)
}
