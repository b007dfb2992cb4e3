//! Whose things a request may see.

use super::Problem;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use domain::ids::AccountId;
use std::sync::Arc;

/// The caller's account and those below it. Authentication puts it into the request; without it there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach(pub Arc<[AccountId]>);

impl<S: Send + Sync> FromRequestParts<S> for Reach {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(Problem::unauthenticated)
    }
}
