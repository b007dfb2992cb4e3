//! `strowger export`: a session as a file.

use super::{AuditError, Records, until_closed};
use clap::ValueEnum;
use domain::ids::SessionId;
use projections::exports::{self, Export, Survey, scenario};
use projections::timelines::timeline;
use std::fs::OpenOptions;
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

/// What `strowger export` can be told.
#[derive(Debug, Clone, clap::Args)]
pub struct ExportOptions {
    /// The session's id: CA and 32 hex digits.
    session: SessionId,
    /// What is written.
    #[arg(long, value_enum)]
    format: Format,
    /// The file, which must not be there yet; without it the standard output.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The exchange's configuration file (TOML), which names its data folder.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Every SIP message as an IP packet, for Wireshark
    Pcap,
    /// An event a line, with all that its hash covers
    Jsonl,
    /// The ladder as a picture
    Svg,
    /// A scenario for SIPp that plays the caller's side again
    Sipp,
}

/// Exports a session.
///
/// # Errors
/// [`AuditError`].
pub async fn export(options: ExportOptions) -> Result<(), AuditError> {
    let records = Records::open(options.config.as_deref()).await?;
    let found = exports::survey(&*records.log, &*records.keyring, options.session).await?;
    let survey = found.ok_or_else(|| records.no_session(options.session))?;
    let mut output = open(&options)?;
    until_closed(write(&records, &options, survey, &mut *output).await)?;
    let Survey { messages, erased, .. } = survey;
    let gone = if erased > 0 { format!("; {erased} of them were erased and are left out") } else { String::new() };
    eprintln!("session {}: {} events, {messages} SIP messages{gone}", options.session, survey.events);
    Ok(())
}

/// The file, for this user alone: it names callers and called.
fn open(options: &ExportOptions) -> Result<Box<dyn Write>, AuditError> {
    let Some(path) = &options.output else {
        return match options.format == Format::Pcap && io::stdout().is_terminal() {
            true => Err(AuditError::Terminal),
            false => Ok(Box::new(io::stdout().lock())),
        };
    };
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.map(|file| Box::new(file) as Box<dyn Write>)
        .map_err(|source| AuditError::Output { path: path.clone(), source })
}

async fn write(
    records: &Records,
    options: &ExportOptions,
    survey: Survey,
    output: &mut dyn Write,
) -> Result<(), AuditError> {
    let (log, keyring, session) = (&records.log, &records.keyring, options.session);
    let format = match options.format {
        Format::Pcap => exports::Format::Pcap,
        Format::Jsonl => exports::Format::JsonLines,
        Format::Svg => {
            let told = timeline(&**log, &**keyring, session, false).await?;
            let told = told.ok_or_else(|| records.no_session(session))?;
            return Ok(output.write_all(told.ladder_svg().as_bytes())?);
        }
        Format::Sipp => return Ok(output.write_all(scenario(&**log, &**keyring, session).await??.as_bytes())?),
    };
    let account = survey.account.ok_or_else(|| records.no_session(session))?;
    let mut export = Export::new(log.clone(), keyring.clone(), session, (account, survey), format);
    while let Some(bytes) = export.next().await? {
        output.write_all(&bytes)?;
    }
    Ok(output.flush()?)
}
