//! A session to take along: as a capture for Wireshark, as JSON lines that prove themselves, as a scenario for SIPp. No
//! table: its stream is read page by page, so that a long session costs no more memory than a short one.

mod lines;
mod pcap;
mod sipp;

pub use sipp::{NoScenario, scenario};

use crate::beginning::Beginning;
use crate::timelines::{TimelineError, message_of};
use domain::codec::session::decode;
use domain::ids::{AccountId, SessionId};
use domain::log::{Direction, EventLog, Recorded, Revision, StreamName};
use domain::ports::Keyring;
use domain::session::event::SessionEvent;
use lines::Lines;
use pcap::Capture;
use std::sync::Arc;

/// Events a reading.
const PAGE: usize = 500;

/// What an export is written as, event by event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A capture in libpcap's format, of IP packets.
    Pcap,
    /// An event a line, as JSON.
    JsonLines,
}

/// What there is to export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Survey {
    /// Whose session it is: to be asked before anything else is told. `None` where its stream does not say.
    pub account: Option<AccountId>,
    /// Its events.
    pub events: u64,
    /// SIP messages among them.
    pub messages: u64,
    /// Those of them whose key is gone: they are in no capture.
    pub erased: u64,
}

/// Looks a session's stream through; `None` where there is no such stream.
pub async fn survey(
    log: &dyn EventLog,
    keyring: &dyn Keyring,
    session: SessionId,
) -> Result<Option<Survey>, TimelineError> {
    let mut pages = Pages::of(session, u64::MAX);
    let mut found = Survey { account: None, events: 0, messages: 0, erased: 0 };
    while let Some(page) = pages.next(log, keyring).await? {
        for (_, event) in &page {
            found.events += 1;
            found.account = found.account.or_else(|| Beginning::of(event).map(|begun| begun.account));
            if let Some(message) = message_of(event) {
                found.messages += 1;
                found.erased += u64::from(message.wire.known().is_none());
            }
        }
    }
    Ok((found.events > 0).then_some(found))
}

/// An export on its way.
pub struct Export {
    log: Arc<dyn EventLog>,
    keyring: Arc<dyn Keyring>,
    pages: Pages,
    writer: Writer,
    begun: bool,
}

enum Writer {
    Capture(Box<Capture>),
    Lines(Lines),
}

impl Export {
    /// Of the events that were surveyed, for whom `account` is: the session's.
    pub fn new(
        log: Arc<dyn EventLog>,
        keyring: Arc<dyn Keyring>,
        session: SessionId,
        (account, survey): (AccountId, Survey),
        format: Format,
    ) -> Self {
        let writer = match format {
            Format::Pcap => Writer::Capture(Box::default()),
            Format::JsonLines => Writer::Lines(Lines { account }),
        };
        Self { log, keyring, pages: Pages::of(session, survey.events), writer, begun: false }
    }

    /// The next bytes; `None` after the last.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, TimelineError> {
        let mut out = Vec::new();
        if !std::mem::replace(&mut self.begun, true)
            && let Writer::Capture(capture) = &self.writer
        {
            capture.begin(&mut out);
        }
        let Some(page) = self.pages.next(&*self.log, &*self.keyring).await? else {
            return Ok((!out.is_empty()).then_some(out));
        };
        for (recorded, event) in &page {
            match &mut self.writer {
                Writer::Capture(capture) => capture.take(&mut out, recorded, event),
                Writer::Lines(lines) => lines.take(&mut out, recorded, event),
            }
        }
        Ok(Some(out))
    }
}

/// A session's events, page by page.
struct Pages {
    stream: StreamName,
    next: u64,
    /// Events before this revision.
    end: u64,
}

impl Pages {
    fn of(session: SessionId, end: u64) -> Self {
        Self { stream: StreamName::new("session", session.uuid()), next: 0, end }
    }

    async fn next(
        &mut self,
        log: &dyn EventLog,
        keyring: &dyn Keyring,
    ) -> Result<Option<Vec<(Recorded, SessionEvent)>>, TimelineError> {
        let limit = usize::try_from(self.end.saturating_sub(self.next)).unwrap_or(PAGE).min(PAGE);
        if limit == 0 {
            return Ok(None);
        }
        let page = log.read_stream(&self.stream, Revision(self.next), Direction::Forwards, limit).await?;
        self.next += page.len() as u64;
        let read = |recorded: Recorded| {
            let event = decode(&recorded, keyring);
            event
                .map(|event| (recorded.clone(), event))
                .map_err(|source| TimelineError::Decode { at: recorded.position, source })
        };
        let page: Vec<_> = page.into_iter().map(read).collect::<Result<_, _>>()?;
        Ok((!page.is_empty()).then_some(page))
    }
}
