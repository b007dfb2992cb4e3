//! `/v1/notary`: the key that the log is signed with, and how far it is. [L4]

use crate::auth::Caller;
use crate::error::{ApiError, ErrorBody};
use crate::state::AppState;
use axum::Json;
use axum::extract::{FromRef, State};
use domain::log::{Direction, EventLog, Revision};
use domain::notary::{NotaryKey, RootSigned, stream_of};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Whose notary it is.
#[derive(Clone)]
pub struct NotaryState {
    /// Who asks.
    pub app: AppState,
    /// Where its roots are.
    pub log: Arc<dyn EventLog>,
    /// The node.
    pub node: u16,
    /// What it signs with.
    pub key: NotaryKey,
}

impl FromRef<NotaryState> for AppState {
    fn from_ref(state: &NotaryState) -> Self {
        state.app.clone()
    }
}

/// The routes, with their state.
pub fn routes(state: NotaryState) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(show)).with_state(state)
}

/// The notary of this node.
#[derive(Debug, Serialize, ToSchema)]
pub struct Notary {
    /// The public key (Ed25519) that its roots are signed with, hex.
    key: String,
    /// The stream of its roots.
    stream: String,
    /// The newest root; `null` before the first.
    #[schema(value_type = Option<Object>)]
    root: Option<serde_json::Value>,
}

/// Shows with which key this node's notary signs the log, and its newest root: keep both, and whoever rewrites the log later is
/// found out by `strowger verify`.
#[utoipa::path(get, path = "/v1/notary", tag = "operations", security(("basic" = [])),
    responses((status = 200, body = Notary), (status = "4XX", body = ErrorBody)))]
async fn show(_: Caller, State(state): State<NotaryState>) -> Result<Json<Notary>, ApiError> {
    let stream = stream_of(state.node);
    let newest = state.log.read_stream(&stream, Revision(u64::MAX), Direction::Backwards, 1).await;
    let newest = newest.map_err(|error| {
        tracing::error!(%error, "the notary's stream could not be read");
        ApiError::unavailable("the log cannot be read now; the exchange's own log tells why")
    })?;
    let root = newest.first().and_then(|root| RootSigned::decode(root).ok());
    let root = root.and_then(|root| serde_json::to_value(root.signed).ok());
    Ok(Json(Notary { key: state.key.to_string(), stream: stream.to_string(), root }))
}
