//! Lists in pages, the same everywhere: `limit`, `after`, and `next` in the answer.

use crate::error::ApiError;
use crate::state::AppState;
use adapters::provisioning::{Listed, Page};
use domain::log::Position;
use domain::time::WallTime;
use serde::Serialize;
use std::str::FromStr;
use utoipa::ToSchema;

/// One page of a list, in the order of creation.
#[derive(Debug, Serialize, ToSchema)]
pub struct List<T> {
    /// The things.
    pub items: Vec<T>,
    /// Give this as `after` for the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl<T> List<T> {
    /// A page as clients see it.
    pub fn of<I>(page: Page<I>, view: impl Fn(Listed<I>) -> T) -> Self {
        let last = page.items.last().map(|listed| listed.created_at.micros().to_string());
        Self { items: page.items.into_iter().map(view).collect(), next: last.filter(|_| page.more) }
    }
}

/// How many things a page holds at most: 1 to 1000, by default 50.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit(usize);

impl Default for Limit {
    fn default() -> Self {
        Self(50)
    }
}

impl Limit {
    /// The number.
    pub const fn get(self) -> usize {
        self.0
    }
}

impl FromStr for Limit {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        text.parse().ok().filter(|limit| (1..=1_000).contains(limit)).map(Self).ok_or("expected 1 to 1000")
    }
}

/// The place after which a page begins, as `next` gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor(pub WallTime);

impl FromStr for Cursor {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let micros = text.parse().map_err(|_| "expected the `next` of the page before")?;
        Ok(Self(WallTime::from_micros(micros)))
    }
}

/// A position of the log that an answer must at least hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AtLeast(Position);

impl FromStr for AtLeast {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        text.parse().map(|position| Self(Position(position))).map_err(|_| "expected a position that a command answered")
    }
}

/// Waits until the directory holds what a query asks for, and not for long.
pub async fn fresh(state: &AppState, at_least: Option<AtLeast>) -> Result<(), ApiError> {
    let Some(AtLeast(wanted)) = at_least else { return Ok(()) };
    let reached = state.provisioning.reach(wanted, state.patience).await;
    reached.map_err(|reached| ApiError::too_early(wanted, reached))
}
