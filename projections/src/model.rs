//! The read models by name.

use crate::projector::Projection;
use crate::sessions::Memory;
use crate::{messages, registrations, routing, sessions, uplinks};
use sqlx::migrate::Migrator;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A read model: it has tables of its own, and can be rebuilt by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Model {
    /// [`crate::sessions`].
    Sessions,
    /// [`crate::routing`].
    Routing,
    /// [`crate::registrations`].
    Registrations,
    /// [`crate::messages`].
    Messages,
    /// [`crate::uplinks`].
    Uplinks,
}

impl Model {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Sessions, Self::Routing, Self::Registrations, Self::Messages, Self::Uplinks];

    /// Its name: in tables, metrics, and for operators.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sessions => "sessions",
            Self::Routing => "routing",
            Self::Registrations => "registrations",
            Self::Messages => "messages",
            Self::Uplinks => "uplinks",
        }
    }

    pub(crate) fn migrations(self) -> &'static Migrator {
        match self {
            Self::Sessions => &sessions::MIGRATIONS,
            Self::Routing => &routing::MIGRATIONS,
            Self::Registrations => &registrations::MIGRATIONS,
            Self::Messages => &messages::MIGRATIONS,
            Self::Uplinks => &uplinks::MIGRATIONS,
        }
    }

    /// How its events become rows; sessions that live are put in `memory`.
    pub(crate) fn projection(self, memory: &Arc<Memory>) -> Box<dyn Projection> {
        match self {
            Self::Sessions => Box::new(sessions::Sessions::new(Arc::clone(memory))),
            Self::Routing => Box::new(routing::Routing::default()),
            Self::Registrations => Box::new(registrations::Registrations::default()),
            Self::Messages => Box::new(messages::Messages::default()),
            Self::Uplinks => Box::new(uplinks::Uplinks::default()),
        }
    }
}

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No read model has this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no such read model: expected sessions, routing, registrations, messages or uplinks")]
pub struct NoSuchModel;

impl FromStr for Model {
    type Err = NoSuchModel;

    fn from_str(name: &str) -> Result<Self, NoSuchModel> {
        Self::ALL.into_iter().find(|model| model.name() == name).ok_or(NoSuchModel)
    }
}
