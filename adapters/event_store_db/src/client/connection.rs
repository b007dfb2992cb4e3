//! The connection to the store, made again whenever the client crate gave it up.

use super::settings::ConnectionString;
use domain::log::Position;
use kurrentdb::{
    BatchAppendClient, BatchAppendOptions, Client, Credentials, Error, ReadAllOptions, ReadStream, ReadStreamOptions,
    SubscribeToAllOptions, Subscription,
};
use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// An answer that takes longer than this does not come.
pub const PATIENCE: Duration = Duration::from_secs(3);

/// How [`domain::log::ReadError::Damaged`] begins.
const DAMAGED: &str = "the log is damaged at position ";

/// See the module.
pub struct Connection {
    at: ConnectionString,
    credentials: Option<Credentials>,
    /// The crate's client ends by itself when it cannot reach anybody.
    client: Mutex<Option<Client>>,
}

/// Why the store did not do what was asked.
#[derive(Debug, Clone)]
pub enum Trouble {
    /// It cannot be reached, or did not answer.
    Away(String),
    /// It can, and refuses for good.
    Refused(String),
    /// What is stored there is not what was written.
    Damaged(Position, String),
    /// There is no such stream.
    NotFound,
    /// There was one, which was deleted for good.
    Deleted,
    /// Another node of the store leads, this one. After a read the crate's client asks there the next time.
    NotLeader(String),
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Away(why) | Self::Refused(why) => f.write_str(why),
            Self::Damaged(at, what) => write!(f, "{DAMAGED}{at}: {what}"),
            Self::NotFound => f.write_str("there is no such stream"),
            Self::NotLeader(leader) => write!(f, "the store is led by its node {leader}"),
            Self::Deleted => f.write_str("the stream was deleted for good in the store"),
        }
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        match &error {
            Error::ResourceNotFound => Self::NotFound,
            Error::ResourceDeleted => Self::Deleted,
            Error::NotLeaderException(leader) => Self::NotLeader(format!("{}:{}", leader.host, leader.port)),
            Error::AccessDenied => Self::Refused("the store does not let us in: check its user and password".into()),
            Error::UnsupportedFeature => Self::Refused("the store is older than 21.10: it has no BatchAppend".into()),
            Error::Grpc { code: tonic::Code::InvalidArgument | tonic::Code::PermissionDenied, message } => {
                Self::Refused(message.clone())
            }
            Error::ServerError(text) if text.contains(DAMAGED) => damaged(text),
            _ => Self::Away(format!("the store is away: {error}")),
        }
    }
}

/// What the door of a log says that meets damage: the crate leaves nothing of its status but the text.
fn damaged(text: &str) -> Trouble {
    let (_, told) = text.split_once(DAMAGED).unwrap_or_default();
    let (at, what) = told.split_once(": ").unwrap_or_default();
    Trouble::Damaged(Position(at.parse().unwrap_or_default()), what.trim_end_matches(['"', ',', ' ']).to_owned())
}

impl Connection {
    pub fn new(at: ConnectionString) -> Self {
        let credentials = at.credentials();
        Self { at, credentials, client: Mutex::new(None) }
    }

    /// Where it leads, without a password.
    pub const fn address(&self) -> &ConnectionString {
        &self.at
    }

    fn client(&self) -> Result<Client, Trouble> {
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = &*client {
            return Ok(client.clone());
        }
        crate::choose_crypto();
        let refused = |error: &dyn std::fmt::Display| Trouble::Refused(error.to_string());
        let settings = self.at.client().map_err(|error| refused(&error))?;
        let made = Client::new(settings).map_err(|error| refused(&error))?;
        *client = Some(made.clone());
        Ok(made)
    }

    /// Waits for an answer, but not for ever; after a failure of the connection the next call makes a new one.
    async fn ask<T>(&self, answer: impl Future<Output = kurrentdb::Result<T>>) -> Result<T, Trouble> {
        match tokio::time::timeout(PATIENCE, answer).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => {
                self.forget_after(&error);
                Err(error.into())
            }
            Err(_) => {
                self.forget();
                Err(Trouble::Away(format!("the store has not answered for {} s", PATIENCE.as_secs())))
            }
        }
    }

    fn forget(&self) {
        *self.client.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn forget_after(&self, error: &Error) {
        let broke = match error {
            Error::ConnectionClosed | Error::GrpcConnectionError(_) => true,
            // Damage is told over a connection that works.
            Error::ServerError(text) => !text.contains(DAMAGED),
            _ => false,
        };
        if broke {
            self.forget();
        }
    }

    /// Begins a batch session.
    pub async fn batch(&self) -> Result<BatchAppendClient, Trouble> {
        let client = self.client()?;
        let options = match &self.credentials {
            Some(credentials) => BatchAppendOptions::default().authenticated(credentials.clone()),
            None => BatchAppendOptions::default(),
        };
        self.ask(client.batch_append(&options.requires_leader(true))).await
    }

    /// Begins to read a stream.
    pub async fn read_stream(&self, stream: &str, options: ReadStreamOptions) -> Result<Reading<'_>, Trouble> {
        let client = self.client()?;
        let options = match &self.credentials {
            Some(credentials) => options.authenticated(credentials.clone()),
            None => options,
        };
        let inner = self.ask(client.read_stream(stream, &options.requires_leader(true))).await?;
        Ok(Reading { connection: self, inner })
    }

    /// Begins to read all streams.
    pub async fn read_all(&self, options: ReadAllOptions) -> Result<Reading<'_>, Trouble> {
        let client = self.client()?;
        let options = match &self.credentials {
            Some(credentials) => options.authenticated(credentials.clone()),
            None => options,
        };
        let inner = self.ask(client.read_all(&options.requires_leader(true))).await?;
        Ok(Reading { connection: self, inner })
    }

    /// Begins to follow all streams.
    pub async fn subscribe(&self, options: SubscribeToAllOptions) -> Result<Subscription, Trouble> {
        let client = self.client()?;
        let options = match &self.credentials {
            Some(credentials) => options.authenticated(credentials.clone()),
            None => options,
        };
        Ok(client.subscribe_to_all(&options.requires_leader(true)).await)
    }

    /// After a batch session broke. Where it was at a node that does not lead, the crate's client would stay there.
    pub fn session_broke(&self, error: &Error) {
        if matches!(error, Error::NotLeaderException(_)) {
            self.forget();
        }
        self.forget_after(error);
    }

    /// After a subscription broke.
    pub fn broken(&self, error: &Error) -> Trouble {
        self.forget_after(error);
        error.clone().into()
    }
}

/// Events as the store sends them.
pub struct Reading<'c> {
    connection: &'c Connection,
    inner: ReadStream,
}

impl Reading<'_> {
    /// The next; `None` after the last.
    pub async fn next(&mut self) -> Result<Option<kurrentdb::RecordedEvent>, Trouble> {
        let next = self.connection.ask(self.inner.next()).await?;
        // There are no links of ours: the event is the one that stands there.
        Ok(next.and_then(|resolved| resolved.link.or(resolved.event)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::log::ReadError;

    #[test]
    fn damage_that_a_door_tells_of_is_damage_with_its_place() {
        let met = ReadError::Damaged { position: Position(42), what: "a row cannot be read".into() };
        let status = tonic::Status::data_loss(met.to_string());
        let trouble = Trouble::from(Error::ServerError(status.to_string()));
        assert!(matches!(&trouble, Trouble::Damaged(Position(42), what) if what.starts_with("a row cannot be read")));
        assert!(matches!(Trouble::from(Error::ServerError("gone".into())), Trouble::Away(_)));
        assert!(matches!(Trouble::from(Error::ResourceDeleted), Trouble::Deleted));
    }
}
