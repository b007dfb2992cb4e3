//! `strowger replay`: a session's history event by event with its state after each, its state at an instant, or whether this
//! build decides it as it was decided.

use super::{AuditError, Records, decide, text, until_closed};
use domain::ids::SessionId;
use domain::time::WallTime;
use projections::replay::{SessionAt, Story, stood, story};
use projections::timelines::Entry;
use serde::Serialize;
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::PathBuf;

/// What `strowger replay` can be told.
#[derive(Debug, Clone, clap::Args)]
pub struct ReplayOptions {
    /// The session's id: CA and 32 hex digits.
    #[arg(required_unless_present = "decide", conflicts_with_all = ["from", "to"])]
    session: Option<SessionId>,
    /// Show its state at this time (RFC 3339) alone.
    #[arg(long, value_name = "TIME", value_parser = time, conflicts_with = "step")]
    at: Option<WallTime>,
    /// Show the whole state after each event, and wait for Enter in between where this is a terminal.
    #[arg(long)]
    step: bool,
    /// Give what came in to this build, and name the first decision that it takes otherwise than is recorded.
    ///
    /// Accounts, trunks and domains are as they were when the session began, the configuration as it is now. Exit code 0:
    /// all that could be decided again is decided alike. 1: something is not. 2: it could not be found out, or the range is empty.
    #[arg(long, conflicts_with_all = ["at", "step"])]
    decide: bool,
    /// With --decide and without a session: all sessions that began at this time (RFC 3339) or later.
    #[arg(long, value_name = "TIME", value_parser = time, requires = "decide")]
    from: Option<WallTime>,
    /// With --decide and without a session: all sessions that began before this time (RFC 3339).
    #[arg(long, value_name = "TIME", value_parser = time, requires = "decide")]
    to: Option<WallTime>,
    /// Print JSON: a line for each event with the state after it, or the one state; with --decide one object.
    #[arg(long)]
    json: bool,
    /// The exchange's configuration file (TOML), which names its data folder.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

fn time(text: &str) -> Result<WallTime, &'static str> {
    WallTime::parse(text).ok_or("expected a time in RFC 3339, e.g. 2026-01-31T12:00:00Z")
}

/// A line of JSON.
#[derive(Serialize)]
struct Step<'a> {
    event: &'a Entry,
    state: SessionAt,
}

impl ReplayOptions {
    /// Whether it is to be decided again.
    pub const fn decides(&self) -> bool {
        self.decide
    }
}

/// Decides one session or many again; whether all are decided alike. `None`: it cannot be told of any.
///
/// # Errors
/// [`AuditError`].
pub async fn decide_again(options: ReplayOptions) -> Result<Option<bool>, AuditError> {
    let records = Records::open(options.config.as_deref()).await?;
    match options.session {
        Some(session) => decide::one(records, session, options.json).await,
        None => decide::range(records, (options.from, options.to), options.json).await,
    }
}

/// Replays a session.
///
/// # Errors
/// [`AuditError`].
pub async fn replay(options: ReplayOptions) -> Result<(), AuditError> {
    let records = Records::open(options.config.as_deref()).await?;
    let session = options.session.ok_or(AuditError::NothingAsked)?;
    let mut out = io::stdout().lock();
    if let Some(at) = options.at {
        let found = stood(&*records.log, &*records.keyring, session, at).await?;
        let stood = found.ok_or_else(|| records.no_session(session))?.stood.map_err(AuditError::Before)?;
        let shown = if options.json { json(&stood)? } else { text::whole(&stood) };
        return until_closed(out.write_all(shown.as_bytes()).map_err(AuditError::Write));
    }
    let found = story(&*records.log, &*records.keyring, session).await?;
    let story = found.ok_or_else(|| records.no_session(session))?;
    until_closed(if options.json { lines(&story, &mut out) } else { tell(&story, options.step, &mut out) })
}

fn json(value: &impl Serialize) -> Result<String, AuditError> {
    serde_json::to_string(value).map(|line| line + "\n").map_err(|error| AuditError::Write(error.into()))
}

fn lines(story: &Story, out: &mut impl Write) -> Result<(), AuditError> {
    for (event, state) in story.steps() {
        out.write_all(json(&Step { event, state })?.as_bytes())?;
    }
    Ok(())
}

fn tell(story: &Story, step: bool, out: &mut impl Write) -> Result<(), AuditError> {
    let ladder = story.timeline.ladder_lines();
    let waits = step && io::stdin().is_terminal() && io::stdout().is_terminal();
    for line in &ladder.head {
        writeln!(out, "{line}")?;
    }
    for ((entry, state), drawn) in story.steps().zip(&ladder.events) {
        for line in drawn {
            writeln!(out, "{line}")?;
        }
        let shown = if step { text::whole(&state) } else { text::brief(entry, &state) };
        out.write_all(shown.as_bytes())?;
        if waits {
            write!(out, "-- revision {}: Enter goes on ", entry.revision)?;
            out.flush()?;
            io::stdin().lock().read_line(&mut String::new())?;
        }
    }
    if story.timeline.truncated {
        writeln!(out, "there are more events: --at shows the state at any time")?;
    }
    Ok(())
}
