//! `strowger verify`: proves a log, or names the first thing that is wrong with it.

use crate::config::Config;
use crate::wiring::{self, ReadingError, open_for_reading};
use adapters::erasure::back_again;
use adapters::event_log::{reading, segment};
use adapters::exchange::machine_time;
use adapters::keyring::{KeyringReader, Master};
use adapters::notary::{Plan, Progress, Report, read_key, verify};
use clap::Args;
use domain::log::{EventLog, Position};
use domain::notary::{Finding, NotaryKey, Wrong};
use domain::time::WallTime;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// What signing and writing may take beyond the notary's interval.
const SIGNING: Duration = Duration::from_secs(5);
/// What a root may take from the log to the exported file, which is read before the log.
const EXPORTING: Duration = Duration::from_secs(1);

/// What is to be verified.
#[derive(Debug, Args)]
pub struct Options {
    /// The configuration file (TOML) of the exchange whose log it is.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Position of the first event; the beginning of the log by default. The roots' whole spans are verified.
    #[arg(long, value_name = "POSITION", default_value_t = 1)]
    from: u64,
    /// Position of the last event; the end of the log by default.
    #[arg(long, value_name = "POSITION")]
    to: Option<u64>,
    /// Public key of a notary, 64 hex digits, instead of the one in the data folder; may be given several times.
    #[arg(long, value_name = "KEY")]
    key: Vec<NotaryKey>,
    /// A copy of the exported roots instead of the file that the exchange writes; may be given several times.
    #[arg(long, value_name = "FILE")]
    export: Vec<PathBuf>,
    /// A further node whose notary's roots are in the same log; may be given several times.
    #[arg(long, value_name = "NODE")]
    node: Vec<u16>,
    /// Print one JSON object, and no progress.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub async fn run(options: &Options) -> ExitCode {
    match prove(options).await {
        Ok(outcome) => {
            outcome.print(options.json);
            match (&outcome.finding, outcome.proved) {
                (Some(_), _) => ExitCode::from(1),
                (None, true) => ExitCode::SUCCESS,
                (None, false) => ExitCode::from(2),
            }
        }
        Err(error) => {
            eprintln!("strowger: {error}");
            ExitCode::from(2)
        }
    }
}

/// Prints the public key of the notary whose data folder the configuration names.
///
/// # Errors
/// There is none, or it cannot be read.
pub fn print_key(config: Option<&Path>) -> Result<(), String> {
    let config = Config::load(config).map_err(|error| error.to_string())?;
    println!("{}", key_of(&config)?);
    Ok(())
}

fn key_of(config: &Config) -> Result<NotaryKey, String> {
    let path = wiring::notary_key_in(&config.data);
    let signer = read_key(&path).map_err(|error| error.to_string())?;
    let missing = || format!("{} is missing: the exchange makes it at its first start", path.display());
    signer.map(|signer| signer.key()).ok_or_else(missing)
}

async fn prove(options: &Options) -> Result<Outcome, String> {
    if let Some(to) = options.to.filter(|to| *to < options.from.max(1)) {
        return Err(format!("the range is empty: --to {to} lies before --from {}", options.from.max(1)));
    }
    let config = Config::load(options.config.as_deref()).map_err(|error| error.to_string())?;
    let trusted = match &*options.key {
        [] => vec![key_of(&config).map_err(|error| format!("{error}. Or give its public half: --key"))?],
        keys => keys.to_vec(),
    };
    let (exported, mut notes) = exports(options, &config)?;
    let mut nodes = vec![config.node];
    nodes.extend(options.node.iter().filter(|node| **node != config.node));
    let plan = Plan { from: Position(options.from.max(1)), to: options.to.map(Position), nodes, trusted, exported };
    let began = Instant::now();
    let log = match open_for_reading(&config).await {
        Ok(log) => log,
        Err(error) => return found_at_once(error, began),
    };
    let mut screen = Screen { quiet: options.json, began, told: began };
    let report = verify(&*log, &plan, |progress| screen.tell(progress)).await.map_err(|error| error.to_string())?;
    refuse(&report, options)?;
    notes.extend(keys_back_again(&config, &*log).await);
    notes.extend(notes_on(&report, Duration::from_secs(config.notary.every_s), machine_time()));
    Ok(Outcome::of(report, notes, began.elapsed()))
}

/// Whether keys are in the data folder that should be gone; nothing where there is no keyring, as beside a copy of the log.
async fn keys_back_again(config: &Config, log: &dyn EventLog) -> Option<String> {
    let path = config.data.join("keyring.db");
    if !path.is_file() {
        return None;
    }
    let keyring = match KeyringReader::open(&path, &Master::File(config.data.join("keyring.key"))) {
        Ok(keyring) => keyring,
        Err(error) => return Some(format!("whether erased keys are gone could not be seen: {error}")),
    };
    match back_again(log, &keyring).await {
        Ok(0) => None,
        Ok(keys) => Some(format!(
            "{keys} keys that erasures destroyed are in {} again, as in one that was restored from a copy: the next start of the \
             exchange destroys them",
            path.display()
        )),
        Err(error) => Some(format!("whether erased keys are gone could not be seen: {error}")),
    }
}

/// What was asked for and is not there proves nothing, and is no pass.
fn refuse(report: &Report, options: &Options) -> Result<(), String> {
    if report.finding.is_some() {
        return Ok(());
    }
    if let Some(node) = options.node.iter().find(|node| report.unknown.contains(node)) {
        return Err(format!(
            "there is no root of node {node}, neither in the log nor exported: name a node that has a notary"
        ));
    }
    if report.events == 0 && options.from > 1 {
        return Err(format!(
            "the range is empty: the log has nothing from position {} on, or up to --to",
            options.from
        ));
    }
    Ok(())
}

/// What passes, but is to be known.
fn notes_on(report: &Report, every: Duration, now: WallTime) -> Vec<String> {
    let mut notes = Vec::new();
    if report.roots == 0 && report.finding.is_none() {
        notes.push("no signed root covers any of these events".to_owned());
    }
    // Beside a running exchange the file may lack the newest.
    let mut missing = report.unexported.iter().filter(|root| now.since(root.at) > EXPORTING).peekable();
    if let Some(first) = missing.peek() {
        let (index, node, from) = (first.index, first.node, first.after.0 + 1);
        let count = missing.count();
        notes.push(format!(
            "{count} signed roots of the log are not in the exported file, which was shortened, emptied or put away: root {index} of \
             notary-{node}, from position {from} on, is the first. If these events were rewritten with their roots, by someone with the \
             key, that would pass: give the copies that you keep (--export)"
        ));
    }
    if let (Some((first, _)), Some(at)) =
        (report.unproved, report.unproved_since.filter(|at| now.since(*at) > every + SIGNING))
    {
        notes.push(format!(
            "the events from {first} on are unproved since {at}, although the notary signs every {} s: the exchange was killed and not \
             started again, its notary fails (its own log tells), or roots were removed",
            every.as_secs()
        ));
    }
    notes
}

/// The exported files, and what is to be said about them.
fn exports(options: &Options, config: &Config) -> Result<(Vec<String>, Vec<String>), String> {
    let read = |path: &Path| {
        std::fs::read_to_string(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))
    };
    let own = config.notary.export_in(&config.data);
    match &*options.export {
        [] if own.is_file() => Ok((vec![read(&own)?], Vec::new())),
        [] => {
            let note = format!(
                "there is no exported file {}: a log that was rewritten with its roots, by someone with the key, would pass",
                own.display()
            );
            Ok((Vec::new(), vec![note]))
        }
        files => Ok((files.iter().map(|file| read(file)).collect::<Result<_, _>>()?, Vec::new())),
    }
}

/// A log that does not even open is either damaged, which is found, or not there.
fn found_at_once(error: ReadingError, began: Instant) -> Result<Outcome, String> {
    let what = error.to_string();
    match error {
        ReadingError::Folder(reading::OpenError::Segments(
            segment::OpenError::Damaged { .. } | segment::OpenError::Shorter { .. },
        )) => {
            let finding = Some(Finding::at(Wrong::Unreadable, Position(0), what));
            let (from, to) = (Position(0), Position(0));
            let report = Report {
                finding,
                events: 0,
                roots: 0,
                exported: 0,
                unexported: Vec::new(),
                unknown: Vec::new(),
                from,
                to,
                unproved: None,
                unproved_since: None,
            };
            Ok(Outcome::of(report, Vec::new(), began.elapsed()))
        }
        ReadingError::Folder(
            reading::OpenError::None(_) | reading::OpenError::Segments(_) | reading::OpenError::Sqlite(_),
        )
        | ReadingError::Password(_)
        | ReadingError::Store(_) => Err(what),
    }
}

/// What is printed in the end.
#[derive(Debug, Serialize)]
struct Outcome {
    /// Whether something was proved, and nothing is wrong: everything but what is `unproved`.
    proved: bool,
    /// The first thing that is wrong.
    finding: Option<Finding>,
    /// The first position that was looked at.
    from: Position,
    /// The last one.
    to: Position,
    /// Events verified.
    events: u64,
    /// Roots that fit them.
    roots: u64,
    /// Exported roots that are in the log.
    exported_roots: u64,
    /// First and last position of the events behind the last root.
    unproved: Option<[Position; 2]>,
    /// What else is to be known.
    notes: Vec<String>,
    /// How long it took.
    seconds: f64,
    /// How fast it was.
    events_per_second: u64,
}

impl Outcome {
    fn of(report: Report, notes: Vec<String>, took: Duration) -> Self {
        let proved = report.proves();
        let Report { finding, events, roots, exported, from, to, unproved, .. } = report;
        let seconds = took.as_secs_f64();
        Self {
            proved,
            finding,
            from,
            to,
            events,
            roots,
            exported_roots: exported,
            unproved: unproved.map(|(first, last)| [first, last]),
            notes,
            seconds: (seconds * 1_000.0).round() / 1_000.0,
            events_per_second: (events as f64 / seconds.max(0.001)) as u64,
        }
    }

    fn print(&self, json: bool) {
        if json {
            // Numbers and text: this cannot fail.
            println!("{}", serde_json::to_string(self).unwrap_or_default());
            return;
        }
        let Self { from, to, events, roots, exported_roots, seconds, events_per_second, .. } = self;
        println!("{events} events from {from} to {to}, {roots} signed roots, {exported_roots} of them exported");
        println!("{seconds} s, {events_per_second} events/s");
        if let Some([first, last]) = self.unproved {
            println!(
                "unproved: events {first}..{last} are covered by no signed root: nothing proves that none followed them"
            );
        }
        for note in &self.notes {
            println!("note: {note}");
        }
        match &self.finding {
            None if !self.proved => println!("Nothing was proved: no signed root covers any of these events."),
            None if self.unproved.is_some() => {
                println!("Of what is proved nothing was altered, removed, put in or reordered.");
            }
            None => println!("Nothing was altered, removed, put in or reordered."),
            Some(finding) => {
                println!("\nWRONG: {}", named(finding));
                println!("  {}", finding.what);
            }
        }
    }
}

/// Kind, position, stream and revision of what was found.
fn named(finding: &Finding) -> String {
    // A word in JSON is the word in quotes.
    let word = serde_json::to_string(&finding.wrong).unwrap_or_default();
    let mut text = format!("{} at position {}", word.trim_matches('"'), finding.position);
    if let Some(stream) = &finding.stream {
        text += &format!(", stream {stream}");
    }
    if let Some(revision) = finding.revision {
        text += &format!(", revision {}", revision.0);
    }
    text
}

/// Tells once a second how far it is.
struct Screen {
    quiet: bool,
    began: Instant,
    told: Instant,
}

impl Screen {
    fn tell(&mut self, progress: Progress) {
        if self.quiet || self.told.elapsed() < Duration::from_secs(1) {
            return;
        }
        self.told = Instant::now();
        let Progress { after, at, until, events } = progress;
        let (done, whole) = ((at.0 - after.0) as f64, (until.0 - after.0).max(1) as f64);
        let seconds = self.began.elapsed().as_secs_f64();
        let (rate, left) = (events as f64 / seconds, seconds * (whole - done) / done.max(1.0));
        eprintln!("{:3.0} %  position {at} of {until}  {rate:.0} events/s  {left:.0} s left", 100.0 * done / whole);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unproved_tail_that_the_notary_should_have_signed_is_called_out() {
        let mut report = Report {
            finding: None,
            events: 9,
            roots: 1,
            exported: 1,
            unexported: Vec::new(),
            unknown: vec![7],
            from: Position(1),
            to: Position(9),
            unproved: Some((Position(5), Position(9))),
            unproved_since: Some(WallTime::from_micros(0)),
        };
        let notes = |report: &Report, after: u64| {
            notes_on(report, Duration::from_secs(60), WallTime::from_micros(0) + Duration::from_secs(after))
        };
        assert!(notes(&report, 60).is_empty(), "it may be about to");
        let told = notes(&report, 90);
        assert!(told.len() == 1 && told[0].contains("from 5 on") && told[0].contains("every 60 s"), "{told:?}");
        report.unproved_since = None;
        assert!(notes(&report, 90).is_empty(), "a root is signed by the next one alone");
        report.roots = 0;
        assert!(notes(&report, 0)[0].contains("no signed root") && !report.proves());
    }
}
