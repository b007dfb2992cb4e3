//! `/v1/read-models`: how far they are, and rebuilding them while calls go on. For operators. [L6]

use super::sessions::SessionState;
use crate::auth::Caller;
use crate::error::{ApiError, ErrorBody};
use crate::extract::Id;
use crate::state::AppState;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use projections::{Ended, Model, Rebuild, RebuildError, Stand};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes, with their state.
pub fn routes(state: SessionState) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(rebuild)).with_state(state)
}

/// All of them.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ReadModels {
    /// Position of the newest event of the log.
    pub head: u64,
    /// Each of them.
    pub read_models: Vec<ReadModel>,
}

/// A read model: tables that answer one kind of question, made from the log.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ReadModel {
    /// Its name.
    #[schema(example = "sessions")]
    pub name: String,
    /// Which build of its tables answers queries, counted from 1; `null` while their database is away since the start.
    pub generation: Option<u32>,
    /// Its rows hold everything up to this position.
    pub position: u64,
    /// The rebuild that runs, or how the last one since the start ended.
    pub rebuild: Option<Rebuilding>,
}

/// A rebuild.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Rebuilding {
    /// `running`; `serves` once queries are answered from what it built; `failed` where they are answered as before.
    pub state: String,
    /// It holds everything up to this position.
    pub position: u64,
    /// Where it has to get to.
    pub goal: u64,
    /// Seconds since its beginning, or that it took.
    pub seconds: f64,
    /// Positions of the log that it got on in a second.
    pub per_second: u64,
    /// Seconds left at that rate; `null` where that is not known.
    pub seconds_left: Option<u64>,
}

impl ReadModel {
    fn of(stand: &Stand) -> Self {
        Self {
            name: stand.model.to_string(),
            generation: stand.generation,
            position: stand.position.0,
            rebuild: stand.rebuild.as_ref().map(Rebuilding::of),
        }
    }
}

impl Rebuilding {
    /// As it is told.
    pub fn of(rebuild: &Rebuild) -> Self {
        let state = match rebuild.ended {
            None => "running",
            Some(Ended::Serves) => "serves",
            Some(Ended::Failed) => "failed",
        };
        Self {
            state: state.to_owned(),
            position: rebuild.position.0,
            goal: rebuild.goal.0,
            seconds: rebuild.took.as_secs_f64(),
            per_second: rebuild.rate(),
            seconds_left: rebuild.left(),
        }
    }
}

/// Shows how far each read model is, and its rebuild.
#[utoipa::path(get, path = "/v1/read-models", tag = "operations", security(("basic" = [])),
    responses((status = 200, body = ReadModels), (status = "4XX", body = ErrorBody)))]
async fn list(caller: Caller, State(state): State<SessionState>) -> Result<Json<ReadModels>, ApiError> {
    caller.operates(state.app.provisioning.directory())?;
    Ok(Json(all(&state).await))
}

/// Builds a read model anew from the whole log. Queries are answered from the old tables until the new ones are as far, then
/// from those. Returns at once: `GET /v1/read-models` tells how far it is.
#[utoipa::path(post, path = "/v1/read-models/{name}/rebuild", tag = "operations", security(("basic" = [])),
    params(("name" = String, Path, description = "Which one.", example = "sessions")),
    responses((status = 202, body = ReadModels), (status = "4XX", body = ErrorBody),
        (status = 503, description = "Its database is away.", body = ErrorBody)))]
async fn rebuild(
    caller: Caller,
    State(state): State<SessionState>,
    Id(name): Id<Model>,
) -> Result<(StatusCode, Json<ReadModels>), ApiError> {
    caller.operates(state.app.provisioning.directory())?;
    let begun = state.views.rebuild(name).await;
    begun.map_err(|error| match error {
        RebuildError::Running(_) => ApiError::conflict(error),
        RebuildError::NotOpen(_) => ApiError::unavailable(error),
    })?;
    Ok((StatusCode::ACCEPTED, Json(all(&state).await)))
}

async fn all(state: &SessionState) -> ReadModels {
    let AppState { log, .. } = &state.app;
    let stands = state.views.stands().await;
    ReadModels { head: log.head().0, read_models: stands.iter().map(ReadModel::of).collect() }
}
