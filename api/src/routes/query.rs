//! What queries of read models and of the log share: parameters, each read by its `FromStr`, and how fresh an answer is.

use crate::error::ApiError;
use crate::extract::from_text;
use crate::state::AppState;
use domain::log::Position;
use domain::time::WallTime;
use projections::timelines::TimelineError;
use projections::{NotThere, StoreError, Views};
use serde::Deserialize;
use std::str::FromStr;
use utoipa::IntoParams;

/// A position of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct At(pub Position);

impl FromStr for At {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let position = text.parse().ok().filter(|position| i64::try_from(*position).is_ok());
        position.map(|position| Self(Position(position))).ok_or("expected a position of the log, a whole number")
    }
}

/// Waits until the rows of every read model hold everything up to where a request asks, and not for long.
pub(super) async fn written(app: &AppState, views: &Views, at_least: Option<At>) -> Result<(), ApiError> {
    let Some(At(wanted)) = at_least else { return Ok(()) };
    let written = views.progress().wait_for_rows(wanted, app.patience).await;
    written.map_err(|not_there| match not_there {
        NotThere::Late { at, wanted } => ApiError::too_early(wanted, at),
        NotThere::Stopped(_) => ApiError::unavailable(not_there),
    })
}

/// Says whether the log holds what a request asks for: histories are read from it.
pub(super) fn reached(at_least: Option<At>, head: Position) -> Result<(), ApiError> {
    match at_least {
        Some(At(wanted)) if wanted > head => Err(ApiError::too_early(wanted, head)),
        Some(_) | None => Ok(()),
    }
}

/// The answer where a read model could not be asked.
pub(super) fn no_rows(error: StoreError) -> ApiError {
    tracing::error!(%error, "a read model could not be asked");
    ApiError::unavailable("the read models cannot be asked now")
}

/// The answer where a history could not be read from the log.
pub(super) fn no_history(error: TimelineError) -> ApiError {
    tracing::error!(%error, "a history could not be told");
    ApiError::unavailable("the history cannot be read now; the exchange's own log tells why")
}

/// A time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Time(pub WallTime);

impl FromStr for Time {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let time = WallTime::parse(&bare_plus(text));
        time.map(Self).ok_or("expected a time in RFC 3339, e.g. 2026-01-31T12:00:00Z")
    }
}

/// 1 to 512 bytes that are compared as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text(pub String);

impl Text {
    const LONGEST: usize = 512;
}

impl FromStr for Text {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let fits = (1..=Self::LONGEST).contains(&text.len());
        fits.then(|| Self(text.to_owned())).ok_or("expected 1 to 512 characters")
    }
}

/// A number or SIP URI; neither holds spaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Party(pub String);

impl FromStr for Party {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        Text::from_str(text).map(|Text(text)| Self(bare_plus(&text)))
    }
}

/// `1` or `true`, `0` or `false`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Flag(pub bool);

impl FromStr for Flag {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        match text {
            "1" | "true" => Ok(Self(true)),
            "0" | "false" => Ok(Self(false)),
            _ => Err("expected 1 or 0"),
        }
    }
}

/// A whole number from `LEAST` to `MOST`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Within<const LEAST: u16, const MOST: u16>(pub u16);

impl<const LEAST: u16, const MOST: u16> FromStr for Within<LEAST, MOST> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.parse().ok().filter(|number| (LEAST..=MOST).contains(number));
        number.map(Self).ok_or_else(|| format!("expected {LEAST} to {MOST}"))
    }
}

/// A `+` that was not escaped arrives as a space.
fn bare_plus(text: &str) -> String {
    text.replace(' ', "+")
}

/// Which page of a history, newest first.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct HistoryParams {
    /// At most so many (1 to 200, by default 50).
    #[serde(default, deserialize_with = "from_text")]
    #[param(value_type = Option<u16>)]
    pub limit: Option<Within<1, 200>>,
    /// The `next` of the page before.
    #[serde(default, deserialize_with = "from_text")]
    #[param(value_type = Option<String>)]
    pub after: Option<At>,
    /// Answer only with everything up to this log position.
    #[serde(default, deserialize_with = "from_text")]
    #[param(value_type = Option<u64>)]
    pub at_least: Option<At>,
}
