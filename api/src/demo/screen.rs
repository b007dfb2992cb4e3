//! How the demo looks: numbered steps, notes, checks, and a bar that grows where something takes time.

use std::io::{IsTerminal, Result, Write};

const BAR: usize = 32;
const GREEN: &str = "32";
const RED: &str = "31";
const DIM: &str = "2";
const BOLD: &str = "1";

/// See the module. Colours and the bar appear on terminals only, colours never where `NO_COLOR` is set.
pub struct Screen {
    out: Box<dyn Write + Send>,
    is_terminal: bool,
    has_colours: bool,
    steps: usize,
    checks: usize,
    failures: usize,
}

impl Screen {
    /// Standard output.
    pub fn stdout() -> Self {
        let is_terminal = std::io::stdout().is_terminal();
        let has_colours = is_terminal && std::env::var_os("NO_COLOR").is_none();
        Self { is_terminal, has_colours, ..Self::plain(Box::new(std::io::stdout())) }
    }

    /// Anything that takes text.
    pub fn plain(out: Box<dyn Write + Send>) -> Self {
        Self { out, is_terminal: false, has_colours: false, steps: 0, checks: 0, failures: 0 }
    }

    /// The first line.
    pub fn title(&mut self, text: &str) -> Result<()> {
        let text = self.styled(BOLD, text);
        self.line(&format!("\n{text}"))
    }

    /// What happens next, with its number.
    pub fn step(&mut self, text: &str) -> Result<()> {
        self.steps += 1;
        let number = self.steps;
        let text = self.styled(BOLD, text);
        self.line(&format!("\n{number:>2}  {text}"))
    }

    /// What happened.
    pub fn note(&mut self, text: &str) -> Result<()> {
        self.line(&format!("    {text}"))
    }

    /// Whether it happened as it should.
    pub fn check(&mut self, passed: bool, text: &str) -> Result<()> {
        self.checks += 1;
        self.failures += usize::from(!passed);
        let mark = if passed { self.styled(GREEN, "✓") } else { self.styled(RED, "✗ FAILED") };
        self.line(&format!("    {mark} {text}"))
    }

    /// A command for the reader, and what it does.
    pub fn command(&mut self, command: &str, what: &str) -> Result<()> {
        let what = self.styled(DIM, &format!("# {what}"));
        self.line(&format!("    {what}\n    {command}"))
    }

    /// Several lines as they are.
    pub fn block(&mut self, text: &str) -> Result<()> {
        text.lines().try_for_each(|line| self.note(line))
    }

    /// How far something has come, from 0 to 1. The next call of this or anything else overwrites it.
    pub fn progress(&mut self, fraction: f64, text: &str) -> Result<()> {
        if !self.is_terminal {
            return Ok(());
        }
        let full = (fraction.clamp(0.0, 1.0) * BAR as f64) as usize;
        let bar = self.styled(DIM, &format!("{}{}", "━".repeat(full), "┄".repeat(BAR - full)));
        write!(self.out, "\r    {bar} {text}\x1b[K")?;
        self.out.flush()
    }

    /// Checks so far.
    pub fn checks(&self) -> usize {
        self.checks
    }

    /// Checks that failed so far.
    pub fn failures(&self) -> usize {
        self.failures
    }

    fn line(&mut self, text: &str) -> Result<()> {
        // On a terminal a bar may stand where this line begins.
        let clear = if self.is_terminal { "\r\x1b[K" } else { "" };
        writeln!(self.out, "{clear}{}", text.trim_end())
    }

    fn styled(&self, style: &str, text: &str) -> String {
        if self.has_colours { format!("\x1b[{style}m{text}\x1b[0m") } else { text.to_owned() }
    }
}
