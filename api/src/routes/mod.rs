//! Routes, a noun a file; `tests/it/http` mirrors them.

pub mod accounts;
pub mod credentials;
pub mod domains;
pub mod erasures;
pub mod events;
pub mod keys;
pub mod messages;
pub mod notary;
pub mod numbers;
pub mod operations;
mod past;
mod query;
pub mod read_models;
pub mod registrations;
pub mod sessions;
pub mod trunks;

use crate::state::AppState;
use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::log::Position;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

/// All routes that share [`AppState`].
pub(crate) fn all() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .merge(accounts::routes())
        .merge(keys::routes())
        .merge(numbers::routes())
        .merge(trunks::routes())
        .merge(domains::routes())
        .merge(credentials::routes())
        .merge(operations::routes())
}

/// The header in which every command tells its position in the log.
pub const POSITION_HEADER: HeaderName = HeaderName::from_static("strowger-position");

/// A thing after a command, and the command's position in the log.
#[derive(Debug, Serialize, ToSchema)]
pub struct Changed<T> {
    /// The thing as it is now.
    #[serde(flatten)]
    pub thing: T,
    /// Position of the command's last event in the log; a query with `at_least` this sees the change.
    pub position: u64,
}

/// Answer of a command that made or changed a thing.
pub(crate) fn changed<T: Serialize>(status: StatusCode, thing: T, position: Position) -> Response {
    let body = Json(Changed { thing, position: position.0 });
    (status, [(POSITION_HEADER, HeaderValue::from(position.0))], body).into_response()
}

/// Answer of a command after which the thing is gone.
pub(crate) fn gone(position: Position) -> Response {
    (StatusCode::NO_CONTENT, [(POSITION_HEADER, HeaderValue::from(position.0))]).into_response()
}
