//! What an account has of somebody, as far as the rows know.

use crate::sessions::{SessionRow, State};
use crate::{StoreError, Views, messages, registrations, sessions};
use domain::codec::{DecodeError, pager, session};
use domain::erasure::{SubjectKind, Targets};
use domain::ids::{AccountId, MessageId, SessionId};
use domain::log::{Direction, EventLog, ReadError, Recorded, Revision, StreamName};
use domain::pager::PagerEvent;
use domain::ports::Keyring;
use domain::registration::Aor;
use domain::session::event::{SessionEvent, SipMessage};
use std::collections::BTreeSet;

/// The first message of a stream is among its first events.
const FIRST_EVENTS: usize = 8;

/// Who or what is to be erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// One session.
    Session(SessionId),
    /// One MESSAGE outside calls.
    Message(MessageId),
    /// A number or user name, exactly as it called or was called, sent or was sent to.
    Number(String),
    /// An address of record.
    Aor(Aor),
}

impl Subject {
    /// By what it is named.
    pub const fn kind(&self) -> SubjectKind {
        match self {
            Self::Session(_) => SubjectKind::Session,
            Self::Message(_) => SubjectKind::Message,
            Self::Number(_) => SubjectKind::Number,
            Self::Aor(_) => SubjectKind::Aor,
        }
    }

    /// Its text.
    pub fn text(&self) -> String {
        match self {
            Self::Session(id) => id.to_string(),
            Self::Message(id) => id.to_string(),
            Self::Number(number) => number.clone(),
            Self::Aor(aor) => aor.to_string(),
        }
    }
}

/// What there is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    /// What may be erased.
    pub targets: Targets,
    /// Sessions of it that still run.
    pub running: usize,
    /// Bindings of it that hold.
    pub online: usize,
}

/// Why it could not be found out.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// The rows.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// An event of the log.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

/// Looks for what the account has of a subject, at most `most` streams and some more; `None` where there is no such session
/// or MESSAGE, or it is another account's. The rows must be as new as the log.
///
/// # Errors
/// [`FindError`].
pub async fn find(
    views: &Views,
    (log, keyring): (&dyn EventLog, &dyn Keyring),
    account: AccountId,
    subject: &Subject,
    most: usize,
) -> Result<Option<Found>, FindError> {
    let mut search = Search { views, log, keyring, account, most, found: Found::default() };
    match subject {
        Subject::Session(id) => match views.sessions().find(*id).await?.filter(|row| row.account == account) {
            Some(row) => search.session(&row),
            None => return Ok(None),
        },
        Subject::Message(id) => match views.messages().find(*id).await?.filter(|row| row.account == account) {
            Some(row) => search.found.targets.messages.push(row.id),
            None => return Ok(None),
        },
        Subject::Number(number) => search.party(number, None).await?,
        Subject::Aor(aor) => {
            for party in BTreeSet::from([aor.user(), aor.as_str()]) {
                search.party(party, Some(aor)).await?;
            }
            search.bindings(aor).await?;
        }
    }
    let Found { targets, running, online } = &mut search.found;
    targets.sessions.sort_unstable();
    targets.sessions.dedup();
    targets.messages.sort_unstable();
    targets.messages.dedup();
    let (running, online) = (*running, *online);
    Ok(Some(Found { targets: std::mem::take(targets), running, online }))
}

struct Search<'s> {
    views: &'s Views,
    log: &'s dyn EventLog,
    keyring: &'s dyn Keyring,
    account: AccountId,
    most: usize,
    found: Found,
}

impl Search<'_> {
    fn session(&mut self, row: &SessionRow) {
        self.found.running += usize::from(row.state != State::Ended);
        self.found.targets.sessions.push(row.id);
    }

    /// Sessions and MESSAGEs of a party; where it is a user's name, those alone that name the address.
    async fn party(&mut self, party: &str, aor: Option<&Aor>) -> Result<(), FindError> {
        let accounts = vec![self.account];
        let (number, limit) = (Some(party.to_owned()), sessions::ListQuery::MOST);
        let mut query = sessions::ListQuery { accounts, number, limit, ..Default::default() };
        loop {
            let page = self.views.sessions().list(&query).await?;
            for row in &page.rows {
                if self.names(&StreamName::new("session", row.id.uuid()), aor).await? {
                    self.session(row);
                }
            }
            query.after = page.next;
            if query.after.is_none() || self.found.targets.len() > self.most {
                break;
            }
        }
        for (sender, recipient) in [(Some(party), None), (None, Some(party))] {
            self.messages(sender, recipient, aor).await?;
        }
        Ok(())
    }

    async fn messages(
        &mut self,
        sender: Option<&str>,
        recipient: Option<&str>,
        aor: Option<&Aor>,
    ) -> Result<(), FindError> {
        let (accounts, limit) = (vec![self.account], messages::ListQuery::MOST);
        let (sender, recipient) = (sender.map(str::to_owned), recipient.map(str::to_owned));
        let mut query = messages::ListQuery { accounts, sender, recipient, limit, ..Default::default() };
        loop {
            let page = self.views.messages().list(&query).await?;
            for row in &page.rows {
                if self.names(&StreamName::new(PagerEvent::CATEGORY, row.id.uuid()), aor).await? {
                    self.found.targets.messages.push(row.id);
                }
            }
            query.after = page.next;
            if query.after.is_none() || self.found.targets.len() > self.most {
                return Ok(());
            }
        }
    }

    /// Whether the first message of a stream names the address; always, where none is given.
    async fn names(&self, stream: &StreamName, aor: Option<&Aor>) -> Result<bool, FindError> {
        let Some(aor) = aor else { return Ok(true) };
        let first = self.log.read_stream(stream, Revision(0), Direction::Forwards, FIRST_EVENTS).await?;
        for recorded in &first {
            if let Some(message) = self.message(recorded)?
                && let Some(wire) = message.wire.known()
            {
                let (text, address) = (wire.bytes.to_ascii_lowercase(), aor.as_str().to_ascii_lowercase());
                return Ok(text.windows(address.len()).any(|part| part == address.as_bytes()));
            }
        }
        Ok(false)
    }

    fn message(&self, recorded: &Recorded) -> Result<Option<SipMessage>, FindError> {
        Ok(match recorded.stream.category() {
            PagerEvent::CATEGORY => match pager::decode(recorded, self.keyring)? {
                PagerEvent::MessageHeard(message) => Some(message),
                _ => None,
            },
            _ => match session::decode(recorded, self.keyring)? {
                SessionEvent::SipMessageReceived(message) => Some(message),
                _ => None,
            },
        })
    }

    async fn bindings(&mut self, aor: &Aor) -> Result<(), FindError> {
        let (accounts, limit) = (vec![self.account], registrations::ListQuery::MOST);
        let mut query = registrations::ListQuery { accounts, aor: Some(aor.to_string()), limit, ..Default::default() };
        let mut found = BTreeSet::new();
        loop {
            let page = self.views.registrations().list(&query).await?;
            for row in &page.rows {
                self.found.online += usize::from(row.ended_at.is_none());
                found.insert(row.registration);
            }
            query.after = page.next;
            if query.after.is_none() {
                break;
            }
        }
        self.found.targets.registrations.extend(found);
        Ok(())
    }
}
