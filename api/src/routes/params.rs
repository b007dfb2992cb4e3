//! Query parameters, strictly: unknown ones and repeated ones are named, not ignored.

use super::Problem;
use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use domain::log::Position;
use domain::time::WallTime;
use std::fmt::Display;
use std::str::FromStr;

/// A request's query parameters, decoded.
#[derive(Debug)]
pub(super) struct Params(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = Query::<Vec<(String, String)>>::from_request_parts(parts, state).await;
        query.map(|Query(pairs)| Self(pairs)).map_err(|error| Problem::field("query", error.body_text()))
    }
}

impl Params {
    /// Refuses names that are not among `known`, and names that come twice.
    pub fn only(&self, known: &[&str]) -> Result<(), Problem> {
        for (index, (name, _)) in self.0.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                return Err(Problem::field(name, format!("is unknown here; known are {}", known.join(", "))));
            }
            if self.0[..index].iter().any(|(other, _)| other == name) {
                return Err(Problem::field(name, "is given twice"));
            }
        }
        Ok(())
    }

    /// A parameter's text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A parameter as what its text says.
    pub fn read<T: FromStr<Err: Display>>(&self, name: &str) -> Result<Option<T>, Problem> {
        self.text(name)
            .map(|text| text.parse().map_err(|error: T::Err| Problem::field(name, error.to_string())))
            .transpose()
    }

    /// A whole number within bounds.
    pub fn number(&self, name: &str, least: u64, most: u64, usual: u64) -> Result<u64, Problem> {
        let Some(text) = self.text(name) else { return Ok(usual) };
        let number = text.parse().ok().filter(|number| (least..=most).contains(number));
        number.ok_or_else(|| Problem::field(name, format!("must be a whole number from {least} to {most}")))
    }

    /// A position in the log.
    pub fn position(&self, name: &str) -> Result<Option<Position>, Problem> {
        let read = |text: &str| text.parse().ok().filter(|position| i64::try_from(*position).is_ok()).map(Position);
        let message = "must be a position in the log: a whole number as answers and events give it";
        self.text(name).map(|text| read(text).ok_or_else(|| Problem::field(name, message))).transpose()
    }

    /// `1` or `true`, `0` or `false`; false where it is absent.
    pub fn flag(&self, name: &str) -> Result<bool, Problem> {
        match self.text(name) {
            None | Some("0" | "false") => Ok(false),
            Some("1" | "true") => Ok(true),
            Some(_) => Err(Problem::field(name, "must be 1 or 0")),
        }
    }

    /// A time in RFC 3339.
    pub fn time(&self, name: &str) -> Result<Option<WallTime>, Problem> {
        let message = "must be a time in RFC 3339, e.g. 2026-01-31T12:00:00Z";
        let read = |text: &str| WallTime::parse(&plus(text)).ok_or_else(|| Problem::field(name, message));
        self.text(name).map(read).transpose()
    }

    /// A text in which a `+` that was not escaped is still a `+`: neither numbers nor times hold spaces.
    pub fn with_plus(&self, name: &str) -> Option<String> {
        self.text(name).map(plus)
    }
}

fn plus(text: &str) -> String {
    text.replace(' ', "+")
}
