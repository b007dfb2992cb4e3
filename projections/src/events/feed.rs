//! Pages of events and their live continuation, gapless by position.

use super::data::EventView;
use super::owners::Owners;
use crate::pages::Pages;
use crate::projector::SESSIONS;
use domain::codec::{DecodeError, pager, session, transfer, uplink};
use domain::ids::{AccountId, SessionId};
use domain::log::{Direction, EventLog, Filter, Followed, Position, ReadError, Recorded, Revision, StreamName};
use domain::pager::PagerEvent;
use domain::ports::Keyring;
use domain::transfer::TransferEvent;
use domain::uplink::UplinkEvent;
use std::sync::Arc;

/// Events a page at most.
const MOST: usize = 1_000;
/// Events of other accounts that one page looks at before it answers with what it has.
const SCAN: usize = 10_000;
const READ: usize = 1_000;

/// Which accounts' events a reader may see, asked for each event: what changes meanwhile counts at once.
pub type Visible = Arc<dyn Fn(AccountId) -> bool + Send + Sync>;

/// Why events cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// The log could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// An event could not be understood; it is not skipped silently.
    #[error("event at position {at}: {source}")]
    Decode {
        /// Which.
        at: Position,
        /// Why.
        source: DecodeError,
    },
}

/// Some events in log order.
#[derive(Debug, Clone, PartialEq)]
pub struct FeedPage {
    /// The events.
    pub events: Vec<EventView>,
    /// Everything up to here was looked at: the next page begins after it.
    pub next: Position,
    /// Whether the log held more when it was read.
    pub more: bool,
}

/// Reads events for accounts.
pub struct EventFeed {
    log: Arc<dyn EventLog>,
    keyring: Arc<dyn Keyring>,
    owners: Owners,
}

impl EventFeed {
    /// Most events a page.
    pub const MOST: usize = MOST;

    /// A feed of this log.
    pub fn new(log: Arc<dyn EventLog>, keyring: Arc<dyn Keyring>) -> Self {
        Self { log, keyring, owners: Owners::default() }
    }

    /// Position of the newest event of the log.
    pub fn head(&self) -> Position {
        self.log.head()
    }

    /// Whose session it is; `None` where there is none of that id.
    pub async fn owner(&self, session: SessionId) -> Result<Option<AccountId>, FeedError> {
        let stream = StreamName::new("session", session.uuid());
        let first = self.log.read_stream(&stream, Revision(0), Direction::Forwards, 1).await?;
        match first.first() {
            Some(recorded) => Ok(self.owners.of(&*self.log, recorded).await?),
            None => Ok(None),
        }
    }

    /// Events of visible accounts after a position, at most `limit`.
    pub async fn page(
        &self,
        visible: &Visible,
        after: Position,
        limit: usize,
        raw: bool,
    ) -> Result<FeedPage, FeedError> {
        let limit = limit.clamp(1, MOST);
        let filter = shown();
        let mut page = FeedPage { events: Vec::new(), next: after, more: true };
        let mut scanned = 0;
        while scanned < SCAN {
            // Taken before the read, so that nothing up to it can be missed by it.
            let head = self.log.head();
            let read = self.log.read_all(page.next, Direction::Forwards, &filter, READ).await?;
            scanned += read.len();
            for recorded in &read {
                page.events.extend(self.show(visible, recorded, raw).await?);
                page.next = recorded.position;
                if page.events.len() >= limit {
                    return Ok(page);
                }
            }
            if read.len() < READ {
                page.next = page.next.max(head);
                page.more = false;
                return Ok(page);
            }
        }
        Ok(page)
    }

    /// Events of one session after a position, at most `limit`. Whether it may be seen is for the caller to know.
    pub async fn page_of(
        &self,
        session: SessionId,
        after: Position,
        limit: usize,
        raw: bool,
    ) -> Result<FeedPage, FeedError> {
        let limit = limit.clamp(1, MOST);
        let stream = StreamName::new("session", session.uuid());
        let mut page = FeedPage { events: Vec::new(), next: after, more: true };
        let mut from = Revision(0);
        loop {
            let head = self.log.head();
            let read = self.log.read_stream(&stream, from, Direction::Forwards, READ).await?;
            for recorded in read.iter().filter(|recorded| recorded.position > after) {
                let Some(account) = self.owners.of(&*self.log, recorded).await? else { continue };
                page.events.push(self.view(account, recorded, raw)?);
                page.next = recorded.position;
                if page.events.len() >= limit {
                    return Ok(page);
                }
            }
            let Some(last) = read.last().filter(|_| read.len() == READ) else {
                page.next = page.next.max(head);
                page.more = false;
                return Ok(page);
            };
            from = Revision(last.revision.0 + 1);
        }
    }

    /// Events after a position as they come; of one session where one is given.
    pub fn live(self: &Arc<Self>, visible: Visible, session: Option<SessionId>, after: Position, raw: bool) -> Live {
        let pages = Pages::of(self.log.follow(after, shown()));
        Live { feed: self.clone(), pages, taken: None, visible, session, raw }
    }

    async fn show(&self, visible: &Visible, recorded: &Recorded, raw: bool) -> Result<Option<EventView>, FeedError> {
        match self.owners.of(&*self.log, recorded).await? {
            Some(account) if visible(account) => self.view(account, recorded, raw).map(Some),
            Some(_) | None => Ok(None),
        }
    }

    fn view(&self, account: AccountId, recorded: &Recorded, raw: bool) -> Result<EventView, FeedError> {
        let no = |source| FeedError::Decode { at: recorded.position, source };
        let keyring = &*self.keyring;
        match recorded.stream.category() {
            TransferEvent::CATEGORY => transfer::decode(recorded).map(|_| EventView::of_transfer(recorded, account)),
            PagerEvent::CATEGORY => {
                let event = pager::decode(recorded, keyring);
                event.map(|event| EventView::of_message(recorded, &event, account, raw))
            }
            UplinkEvent::CATEGORY => {
                let event = uplink::decode(recorded, keyring);
                event.map(|event| EventView::of_uplink(recorded, &event, account, raw))
            }
            _ => session::decode(recorded, keyring).map(|event| EventView::of(recorded, &event, account, raw)),
        }
        .map_err(no)
    }
}

/// Sessions and the transfers that join two, MESSAGEs outside them, and what the exchange does at trunks.
fn shown() -> Filter {
    let categories = [SESSIONS, TransferEvent::CATEGORY, PagerEvent::CATEGORY, UplinkEvent::CATEGORY];
    Filter { categories: categories.map(str::to_owned).to_vec(), kinds: Vec::new() }
}

/// A subscription for one reader.
pub struct Live {
    feed: Arc<EventFeed>,
    pages: Pages,
    /// A page that is being shown.
    taken: Option<Followed>,
    visible: Visible,
    session: Option<SessionId>,
    raw: bool,
}

impl Live {
    /// Waits until the log was looked at further; the page's events may be none of this reader's. Dropping the
    /// future while it waits loses nothing.
    pub async fn next(&mut self) -> Result<FeedPage, FeedError> {
        let taken = match self.taken.take() {
            Some(taken) => taken,
            None => self.pages.next().await?,
        };
        match self.taken.insert(taken) {
            Followed::Checkpoint(next) | Followed::CaughtUp(next) => {
                let page = FeedPage { events: Vec::new(), next: *next, more: false };
                self.taken = None;
                Ok(page)
            }
            Followed::Events(_) => self.show().await,
        }
    }

    async fn show(&mut self) -> Result<FeedPage, FeedError> {
        let mut page = FeedPage { events: Vec::new(), next: Position(0), more: false };
        if let Some(Followed::Events(events)) = &self.taken {
            for recorded in events {
                if self.session.is_none_or(|session| session.bits() == recorded.correlation.as_u128()) {
                    page.events.extend(self.feed.show(&self.visible, recorded, self.raw).await?);
                }
                page.next = recorded.position;
            }
        }
        self.taken = None;
        Ok(page)
    }
}
