//! Streams read by pages.

use super::{Direction, EventLog, ReadError, Recorded, Revision, StreamName};

/// Events of a page.
const PAGE: usize = 500;

/// A stream page by page, oldest event first.
pub struct Pages<'a> {
    log: &'a dyn EventLog,
    stream: &'a StreamName,
    /// Where the next page begins; nothing behind the last.
    next: Option<Revision>,
}

impl<'a> Pages<'a> {
    /// From its beginning on.
    pub const fn of(log: &'a dyn EventLog, stream: &'a StreamName) -> Self {
        Self { log, stream, next: Some(Revision(0)) }
    }

    /// The next page; empty at the end.
    ///
    /// # Errors
    /// The log cannot be read.
    pub async fn next(&mut self) -> Result<Vec<Recorded>, ReadError> {
        let Some(from) = self.next else { return Ok(Vec::new()) };
        let page = self.log.read_stream(self.stream, from, Direction::Forwards, PAGE).await?;
        let more = page.len() == PAGE;
        self.next = page.last().filter(|_| more).map(|last| Revision(last.revision.0 + 1));
        Ok(page)
    }
}

/// All events of a stream, oldest first: for streams that are short, as calls' are.
///
/// # Errors
/// The log cannot be read.
pub async fn read_whole(log: &dyn EventLog, stream: &StreamName) -> Result<Vec<Recorded>, ReadError> {
    let (mut pages, mut events) = (Pages::of(log, stream), Vec::new());
    loop {
        let mut page = pages.next().await?;
        if page.is_empty() {
            return Ok(events);
        }
        events.append(&mut page);
    }
}
