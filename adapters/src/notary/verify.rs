//! Verification of a log: every event against the hash chain of its stream, every root against its signature, the root
//! before it and the events that it covers, and the exported file against the roots in the log.

use domain::log::{Direction, EventLog, Filter, Position, ReadError, Recorded, Revision};
use domain::notary::{CATEGORY, Chain, Exported, Finding, NotaryKey, Root, RootSigned, Verifier, Wrong, stream_of};
use domain::time::WallTime;

/// Events read at a time.
const PAGE: usize = 4_096;
/// Roots read at a time.
const ROOTS: usize = 256;

/// What is to be verified, and what is known of it beside the log.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The first event. What lies before the roots that cover it is taken for granted.
    pub from: Position,
    /// The last event; the end of the log where not set.
    pub to: Option<Position>,
    /// The nodes whose notaries' roots are verified, the most important first.
    pub nodes: Vec<u16>,
    /// Keys that roots may be signed with.
    pub trusted: Vec<NotaryKey>,
    /// Exported files, as they are.
    pub exported: Vec<String>,
}

/// How far a verification is.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Where it began.
    pub after: Position,
    /// Everything up to here is done.
    pub at: Position,
    /// Where it will end.
    pub until: Position,
    /// Events so far.
    pub events: u64,
}

/// What a verification came to.
#[derive(Debug, Clone)]
pub struct Report {
    /// The first thing that is wrong.
    pub finding: Option<Finding>,
    /// Events verified.
    pub events: u64,
    /// Roots whose events were verified.
    pub roots: u64,
    /// Exported roots that were found in the log.
    pub exported: u64,
    /// Roots in the log that are in none of the exported files; none where there is no such file.
    pub unexported: Vec<Root>,
    /// Nodes of which there is no root, neither in the log nor exported.
    pub unknown: Vec<u16>,
    /// The first position that was looked at.
    pub from: Position,
    /// The last one.
    pub to: Position,
    /// The events from the one position to the other are behind the last root; roots are proved by themselves, but the last.
    pub unproved: Option<(Position, Position)>,
    /// When the first of these happened, if a notary should sign it: it does not sign where nothing but roots came.
    pub unproved_since: Option<WallTime>,
}

impl Report {
    /// Whether any event was proved: what no root covers may have been written by anybody.
    pub const fn proves(&self) -> bool {
        self.finding.is_none() && self.roots > 0
    }
}

/// Verifies a log as far as it goes now; `tell` hears of every page.
///
/// # Errors
/// The log is away. That it is damaged is a finding.
pub async fn verify(log: &dyn EventLog, plan: &Plan, tell: impl FnMut(Progress)) -> Result<Report, ReadError> {
    let head = log.head();
    let (mut notaries, mut outside) = (Vec::new(), Outside::default());
    for node in &plan.nodes {
        let (roots, finding) = roots_of(log, *node, &plan.trusted, head).await?;
        // Where a root in the log is wrong in itself, that is what is to be said of it.
        let ends = finding.is_none().then_some(head);
        outside.findings.extend(finding);
        outside.compare(plan, *node, &roots, ends);
        notaries.push(roots);
    }
    let Outside { findings, exported, unexported, unknown } = outside;
    let after = beginning(plan.from, notaries.first());
    let until = end(plan.to.unwrap_or(head).min(head), notaries.first());
    let last = notaries.first().and_then(|roots| roots.last()).map_or(Position(0), |root| root.signed.root.through);
    let proved = last.max(after);
    let mut pass = Pass { log, verifier: Verifier::new(after, notaries), after, until, proved, beyond: None, tell };
    let found = match pass.run().await {
        Ok(()) => None,
        Err(Stop::Found(finding)) => Some(pass.look_again(*finding).await),
        Err(Stop::Read(error)) => Some(Finding::met(error)?),
    };
    // What the pass found is named in the order of the log; a root that is wrong at the same place says less.
    let first = found.into_iter().chain(findings).min_by_key(|finding| finding.position);
    let (events, roots) = (pass.verifier.events(), pass.verifier.roots());
    // Where nothing but roots came since, that no more of them followed the last is unproved.
    let rest = if first.is_some() { Position(proved.0 + 1) } else { until };
    let (beyond, unproved_since) = pass.beyond.unzip();
    let unproved = beyond.or_else(|| (proved < until).then_some(rest)).map(|beyond| (beyond, until));
    let (from, to, finding) = (Position(after.0 + 1), until, first);
    Ok(Report { finding, events, roots, exported, unexported, unknown, from, to, unproved, unproved_since })
}

/// What is outside the log, compared with what is in it.
#[derive(Default)]
struct Outside {
    findings: Vec<Finding>,
    exported: u64,
    unexported: Vec<Root>,
    unknown: Vec<u16>,
}

impl Outside {
    /// The exported files with a notary's roots in the log.
    fn compare(&mut self, plan: &Plan, node: u16, logged: &[RootSigned], ends: Option<Position>) {
        let mut files = Vec::with_capacity(plan.exported.len());
        for file in &plan.exported {
            match Exported::read(file, node, &plan.trusted) {
                Ok(found) => {
                    self.findings.extend(found.compare(logged, ends));
                    self.exported += found.len() as u64;
                    files.push(found);
                }
                Err(finding) => self.findings.push(finding),
            }
        }
        if logged.is_empty() && files.iter().all(Exported::is_empty) {
            self.unknown.push(node);
        }
        if !files.is_empty() {
            let roots = logged.iter().map(|root| root.signed.root);
            self.unexported.extend(roots.filter(|root| !files.iter().any(|file| file.holds(root.index))));
        }
    }
}

/// A notary's roots, up to the first that is wrong.
async fn roots_of(
    log: &dyn EventLog,
    node: u16,
    trusted: &[NotaryKey],
    head: Position,
) -> Result<(Vec<RootSigned>, Option<Finding>), ReadError> {
    let (mut roots, mut chain) = (Vec::new(), Chain::whole(node, trusted));
    let (events, finding) = match stream(log, node).await {
        Ok(events) => (events, None),
        // Where the stream cannot be put together, the whole log is gone through for what is there.
        Err(ReadError::Damaged { .. }) => scan(log, node).await?,
        Err(error) => return Err(error),
    };
    for event in events.iter().filter(|event| event.position <= head) {
        let wrong = |wrong, what: String| Some(Finding::of(wrong, event, what));
        let root = match RootSigned::decode(event) {
            Ok(root) => root,
            Err(error) => return Ok((roots, wrong(Wrong::RootForged, error.to_string()))),
        };
        if let Err((kind, what)) = chain.take(&root.signed) {
            return Ok((roots, wrong(kind, what)));
        }
        roots.push(root);
    }
    Ok((roots, finding))
}

async fn stream(log: &dyn EventLog, node: u16) -> Result<Vec<Recorded>, ReadError> {
    let (stream, mut from, mut found) = (stream_of(node), Revision(0), Vec::new());
    loop {
        let events = log.read_stream(&stream, from, Direction::Forwards, ROOTS).await?;
        let Some(last) = events.last() else { return Ok(found) };
        from = Revision(last.revision.0 + 1);
        found.extend(events);
    }
}

/// The events of a notary's stream up to the first damage of the log.
async fn scan(log: &dyn EventLog, node: u16) -> Result<(Vec<Recorded>, Option<Finding>), ReadError> {
    let filter = Filter { categories: vec![CATEGORY.to_owned()], kinds: Vec::new() };
    let (stream, mut after, mut found) = (stream_of(node), Position(0), Vec::new());
    loop {
        let events = match log.read_all(after, Direction::Forwards, &filter, ROOTS).await {
            Ok(events) => events,
            Err(error) => return Ok((found, Some(Finding::met(error)?))),
        };
        let Some(last) = events.last() else { return Ok((found, None)) };
        after = last.position;
        found.extend(events.into_iter().filter(|event| event.stream == stream));
    }
}

/// Whole spans alone can be compared with their roots: the position before the one that `from` is in.
fn beginning(from: Position, roots: Option<&Vec<RootSigned>>) -> Position {
    let before = Position(from.0.saturating_sub(1));
    let spans = roots.into_iter().flatten().map(|root| &root.signed.root);
    spans.filter(|root| root.after < from && from <= root.through).map(|root| root.after).next().unwrap_or(before)
}

/// The end of the span that `to` is in.
fn end(to: Position, roots: Option<&Vec<RootSigned>>) -> Position {
    let spans = roots.into_iter().flatten().map(|root| &root.signed.root);
    spans.filter(|root| root.after < to && to <= root.through).map(|root| root.through).next().unwrap_or(to)
}

/// What ends a pass before its time.
enum Stop {
    Found(Box<Finding>),
    Read(ReadError),
}

impl From<Finding> for Stop {
    fn from(finding: Finding) -> Self {
        Self::Found(Box::new(finding))
    }
}

impl From<ReadError> for Stop {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

/// The way through the events.
struct Pass<'l, F> {
    log: &'l dyn EventLog,
    verifier: Verifier,
    after: Position,
    until: Position,
    /// Up to here there is a root.
    proved: Position,
    /// The first event after that which is no root, for those prove themselves; in some logs positions have gaps.
    beyond: Option<(Position, WallTime)>,
    tell: F,
}

impl<F: FnMut(Progress)> Pass<'_, F> {
    async fn run(&mut self) -> Result<(), Stop> {
        let (log, filter) = (self.log, Filter::default());
        let read = |after, limit| log.read_all(after, Direction::Forwards, &filter, limit);
        let (mut seen, mut limit) = (self.after, PAGE);
        let mut page = read(seen, limit).await;
        loop {
            let mut events = match page {
                // The page is not all bad: one by one, up to what is.
                Err(ReadError::Damaged { .. }) if limit > 1 => {
                    limit = 1;
                    page = read(seen, limit).await;
                    continue;
                }
                page => page?,
            };
            events.retain(|event| event.position <= self.until);
            let Some(last) = events.last() else { break };
            seen = last.position;
            // The next page is read meanwhile.
            let (next, taken) = tokio::join!(read(seen, limit), self.take(&events));
            taken?;
            let (after, at, until, events) = (self.after, seen, self.until, self.verifier.events());
            (self.tell)(Progress { after, at, until, events });
            page = next;
        }
        Ok(self.verifier.finish(self.until)?)
    }

    async fn take(&mut self, events: &[Recorded]) -> Result<(), Stop> {
        for event in events {
            if event.position > self.proved && event.stream.category() != CATEGORY {
                self.beyond.get_or_insert((event.position, event.at));
            }
            if self.verifier.lacks_predecessor(event) {
                let before = Revision(event.revision.0 - 1);
                let found = self.log.read_stream(&event.stream, before, Direction::Backwards, 1).await?;
                if let Some(found) = found.first().filter(|found| found.position <= self.after) {
                    self.verifier.recall(found);
                }
            }
            self.verifier.take(event)?;
        }
        Ok(())
    }

    /// What is missing at its place may stand at another.
    async fn look_again(&self, finding: Finding) -> Finding {
        let (Wrong::Missing, Some(stream), Some(revision)) = (finding.wrong, &finding.stream, finding.revision) else {
            return finding;
        };
        let filter = Filter { categories: vec![stream.category().to_owned()], kinds: Vec::new() };
        let mut after = finding.position;
        // A reader that fails here has nothing to add.
        while let Ok(events) = self.log.read_all(after, Direction::Forwards, &filter, PAGE).await {
            let Some(last) = events.last() else { break };
            after = last.position;
            if let Some(found) = events.iter().find(|event| event.stream == *stream && event.revision == revision) {
                let what = format!("it stands at position {}, after its successors", found.position);
                return Finding { wrong: Wrong::Reordered, what, ..finding };
            }
        }
        finding
    }
}
