//! The past decided again: an exchange of this build and configuration that serves nobody, with accounts, trunks and domains
//! as they were.

use super::exchange_settings;
use crate::config::{Config, ConfigError};
use adapters::keyring::KeyringReader;
use adapters::node::Node;
use domain::decider::DecodeError;
use domain::draws::Draws;
use domain::exchange::{Again, Exchange, Listener, needs};
use domain::log::{Direction, EventLog, Filter, Position, ReadError, Recorded, StreamName, read_whole};
use domain::routing::{Provisioned, ProvisioningEvent, Tables};
use domain::time::WallTime;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// Events of a reading.
const PAGE: usize = 1_000;

/// Clocks are set by and by: sessions are looked for so much before and after the times that are asked for.
const SLACK: Duration = Duration::from_secs(600);

/// Why the past cannot be decided again.
#[derive(Debug, thiserror::Error)]
pub enum PastError {
    /// The log failed.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// An event of provisioning that this build cannot read.
    #[error("stream {stream} revision {revision}: {source}")]
    Decode {
        /// Where.
        stream: StreamName,
        /// Where in it.
        revision: u64,
        /// Why.
        source: DecodeError,
    },
}

/// See the module.
pub struct Past {
    log: Arc<dyn EventLog>,
    keyring: Arc<KeyringReader>,
    exchange: Exchange,
    draws: Draws,
    /// Events of provisioning that were read ahead.
    ahead: VecDeque<Recorded>,
    /// They were read up to here.
    read: Position,
}

/// What became of a session that was decided again, with the streams that it shares legs with.
#[derive(Debug)]
pub struct Decided {
    /// Each stream, that of the session first.
    pub streams: Vec<Again>,
    /// Whether accounts, trunks or domains were changed between the session's beginning and the difference.
    pub changed: bool,
}

impl Past {
    /// The past of a log, as this configuration would decide it.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn new(config: &Config, log: Arc<dyn EventLog>, keyring: Arc<KeyringReader>) -> Result<Self, ConfigError> {
        let known = |listener: &crate::config::Listener| {
            let crate::config::Listener { address, advertise, role, transport } = *listener;
            Listener { address: advertise.unwrap_or(address), role, transport }
        };
        let sip: Vec<Listener> = config.sip.listeners.iter().map(known).collect();
        let node = Node { number: config.node, epoch: 0 };
        let settings = exchange_settings(config, &sip, node, 0, keyring.derived("exchange"))?;
        let draws = Draws::new(*keyring.derived("draws").expose(), config.node, 0, 0);
        let exchange = Exchange::new(settings, Tables::default());
        Ok(Self { log, keyring, exchange, draws, ahead: VecDeque::new(), read: Position(0) })
    }

    /// Decides a session again; `None` where there is no such stream. Of several, those that began first come first.
    ///
    /// # Errors
    /// [`PastError`].
    pub async fn decide(&mut self, session: &StreamName) -> Result<Option<Decided>, PastError> {
        let streams = self.with_needed(session).await?;
        let Some(first) = streams.first().and_then(|events| events.first()).cloned() else { return Ok(None) };
        let begins = streams.iter().filter_map(|events| events.first()).map(|event| event.position).min();
        self.provision(begins.unwrap_or(first.position)).await?;
        let again = self.exchange.decide_again(&self.draws, &*self.keyring, &streams);
        let differs = again.iter().filter_map(|again| again.place()).map(|event| event.position).min();
        let changed = match differs {
            Some(differs) => self.is_changed(begins.unwrap_or(first.position), differs).await?,
            None => false,
        };
        Ok(Some(Decided { streams: again, changed }))
    }

    /// A session's stream and all that it shares legs with; itself first.
    async fn with_needed(&self, session: &StreamName) -> Result<Vec<Vec<Recorded>>, ReadError> {
        let (mut wanted, mut known, mut streams) = (VecDeque::from([session.clone()]), BTreeSet::new(), vec![]);
        while let Some(stream) = wanted.pop_front() {
            if known.insert(stream.clone()) {
                let events = read_whole(&*self.log, &stream).await?;
                wanted.extend(needs(&events));
                streams.push(events);
            }
        }
        Ok(streams)
    }

    /// Accounts, trunks and domains become what they were at this position. They do not go back.
    async fn provision(&mut self, at: Position) -> Result<(), PastError> {
        loop {
            while let Some(recorded) = self.ahead.pop_front_if(|event| event.position < at) {
                let decode = |source| PastError::Decode {
                    stream: recorded.stream.clone(),
                    revision: recorded.revision.0,
                    source,
                };
                if let Some(mut provisioned) = Provisioned::read(&recorded).map_err(decode)? {
                    // What cannot be opened is no password any more: the call shows it.
                    let _ = provisioned.event.open(&*self.keyring);
                    self.exchange.provision(&provisioned);
                }
            }
            if !self.ahead.is_empty() || self.read >= at {
                return Ok(());
            }
            let filter = of(&ProvisioningEvent::CATEGORIES);
            let page = self.log.read_all(self.read, Direction::Forwards, &filter, PAGE).await?;
            self.read = page.last().filter(|_| page.len() == PAGE).map_or(self.log.head(), |last| last.position);
            self.ahead.extend(page);
        }
    }

    async fn is_changed(&self, after: Position, before: Position) -> Result<bool, ReadError> {
        let filter = of(&["account", "trunk", "domain", "credential"]);
        let next = self.log.read_all(after, Direction::Forwards, &filter, 1).await?;
        Ok(next.first().is_some_and(|event| event.position < before))
    }

    /// The positions between which sessions are to be looked for that began between two times.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn span(&self, from: Option<WallTime>, to: Option<WallTime>) -> Result<(Position, Position), ReadError> {
        let begins = match from {
            Some(from) => self.before(from - SLACK).await?,
            None => Position(0),
        };
        let ends = match to {
            Some(to) => self.before(to + SLACK).await?,
            None => self.log.head(),
        };
        Ok((begins, ends))
    }

    /// The next sessions that began between two times, in the log's order: positions up to which this is known, and streams.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn began(
        &self,
        (after, until): (Position, Position),
        (from, to): (Option<WallTime>, Option<WallTime>),
    ) -> Result<(Position, Vec<StreamName>), ReadError> {
        let kinds = vec!["SessionOffered".to_owned(), "SessionReferred".to_owned()];
        let filter = Filter { categories: vec!["session".to_owned()], kinds };
        let page = self.log.read_all(after, Direction::Forwards, &filter, PAGE).await?;
        let last = page.last().filter(|last| page.len() == PAGE && last.position < until);
        let known = last.map_or(until, |last| last.position);
        let inside = |event: &&Recorded| {
            event.position <= until && from.is_none_or(|from| event.at >= from) && to.is_none_or(|to| event.at < to)
        };
        Ok((known, page.iter().filter(inside).map(|event| event.stream.clone()).collect()))
    }

    /// The last position before a time, by halving.
    async fn before(&self, time: WallTime) -> Result<Position, ReadError> {
        let (mut low, mut high) = (0, self.log.head().0);
        while low < high {
            let middle = low + (high - low) / 2;
            let next = self.log.read_all(Position(middle), Direction::Forwards, &Filter::default(), 1).await?;
            match next.first() {
                Some(event) if event.at < time => low = event.position.0,
                Some(_) | None => high = middle,
            }
        }
        Ok(Position(high))
    }
}

fn of(categories: &[&str]) -> Filter {
    Filter { categories: categories.iter().map(|category| (*category).to_owned()).collect(), kinds: vec![] }
}
