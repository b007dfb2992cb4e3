//! `/v1/trunks`: carriers and PBXes. [O1, O2]

use super::numbers::AccountParams;
use super::past::{PastParams, thing_at};
use super::{Changed, changed, gone};
use crate::auth::Caller;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{Body, Id, Params, from_text};
use crate::paging::{AtLeast, Cursor, Limit, List, fresh};
use crate::state::AppState;
use adapters::provisioning::{Directory, Listed};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::ids::{AccountId, TrunkId};
use domain::trunk::{ActiveTrunk, Trunk as Past, TrunkKind};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

mod history;
mod shapes;
pub use history::{TrunkHappened, history_routes};
pub use shapes::{NewTrunk, Reach, Register, Registration, Trunk, TrunkChanges};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(add, list)).routes(routes!(show, change, remove))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListParams {
    /// Whose trunks; the caller's by default.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    account: Option<AccountId>,
    /// Only `carrier` or `pbx`.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    kind: Option<TrunkKind>,
    /// At most so many (1 to 1000, by default 50).
    #[serde(default, deserialize_with = "from_text")]
    #[param(value_type = Option<u16>)]
    limit: Option<Limit>,
    /// The `next` of the page before.
    #[serde(default, deserialize_with = "from_text")]
    #[param(value_type = Option<String>)]
    after: Option<Cursor>,
    /// Answer only with everything up to this log position.
    #[serde(default, deserialize_with = "from_text")]
    #[param(value_type = Option<u64>)]
    at_least: Option<AtLeast>,
}

fn visible(directory: &Directory, caller: Caller, id: TrunkId) -> Result<Listed<ActiveTrunk>, ApiError> {
    let trunk = directory.trunk(id).filter(|trunk| caller.may_use(directory, trunk.item.account));
    trunk.ok_or_else(ApiError::not_found)
}

/// Adds a trunk.
#[utoipa::path(post, path = "/v1/trunks", tag = "trunks", params(AccountParams), request_body = NewTrunk, security(("basic" = [])),
    responses((status = 201, body = Changed<Trunk>), (status = "4XX", body = ErrorBody)))]
async fn add(
    caller: Caller,
    State(state): State<AppState>,
    Params(params): Params<AccountParams>,
    Body(new): Body<NewTrunk>,
) -> Result<Response, ApiError> {
    let directory = state.provisioning.directory();
    let account = caller.scope(directory, params.account)?;
    let settings = new.settings(&|username, password| state.provisioning.trunk_login(account, username, password))?;
    let (id, position) = state.provisioning.add_trunk(account, settings, Some(caller.key)).await??;
    let trunk = standing(&state, Trunk::from(visible(directory, caller, id)?)).await;
    Ok(changed(StatusCode::CREATED, trunk, position))
}

/// Lists an account's own trunks.
#[utoipa::path(get, path = "/v1/trunks", tag = "trunks", params(ListParams), security(("basic" = [])),
    responses((status = 200, body = List<Trunk>), (status = "4XX", body = ErrorBody)))]
async fn list(
    caller: Caller,
    State(state): State<AppState>,
    Params(params): Params<ListParams>,
) -> Result<Json<List<Trunk>>, ApiError> {
    fresh(&state, params.at_least).await?;
    let directory = state.provisioning.directory();
    let account = caller.scope(directory, params.account)?;
    let wanted = |trunk: &ActiveTrunk| params.kind.is_none_or(|kind| trunk.settings.kind == kind);
    let after = params.after.map(|cursor| cursor.0);
    let page = directory.trunks(account, after, params.limit.unwrap_or_default().get(), wanted);
    let List { items, next } = List::of(page, Trunk::from);
    let standings = state.standings.standings(items.iter().map(Trunk::id).collect()).await;
    let items = items.into_iter().map(|trunk| {
        let standing = standings.get(&trunk.id());
        trunk.standing(standing)
    });
    Ok(Json(List { items: items.collect(), next }))
}

/// Shows a trunk; with `at` as it was set up then, but not how it stood: its history tells that.
#[utoipa::path(get, path = "/v1/trunks/{id}", tag = "trunks", params(("id" = String, Path), PastParams),
    security(("basic" = [])), responses((status = 200, body = Trunk), (status = "4XX", body = ErrorBody)))]
async fn show(
    caller: Caller,
    State(state): State<AppState>,
    Id(id): Id<TrunkId>,
    Params(params): Params<PastParams>,
) -> Result<Json<Trunk>, ApiError> {
    fresh(&state, params.at_least).await?;
    if let Some(at) = params.at {
        let active = |trunk: &Past| trunk.active().cloned().map(|trunk| (trunk.account, trunk));
        return Ok(Json(thing_at(&state, caller, (id.uuid(), at), active).await?.into()));
    }
    let trunk = Trunk::from(visible(state.provisioning.directory(), caller, id)?);
    Ok(Json(standing(&state, trunk).await))
}

/// A trunk with how it stands now.
async fn standing(state: &AppState, trunk: Trunk) -> Trunk {
    let standings = state.standings.standings(vec![trunk.id()]).await;
    let standing = standings.get(&trunk.id());
    trunk.standing(standing)
}

/// Changes a trunk; running calls stay as they are.
#[utoipa::path(patch, path = "/v1/trunks/{id}", tag = "trunks", params(("id" = String, Path)),
    request_body = TrunkChanges, security(("basic" = [])), responses((status = 200, body = Changed<Trunk>), (status = "4XX", body = ErrorBody)))]
async fn change(
    caller: Caller,
    State(state): State<AppState>,
    Id(id): Id<TrunkId>,
    Body(changes): Body<TrunkChanges>,
) -> Result<Response, ApiError> {
    let directory = state.provisioning.directory();
    let ActiveTrunk { account, settings, .. } = visible(directory, caller, id)?.item;
    let current = settings.login.as_ref().map(|login| &login.username);
    let seal = |username, password: &_| state.provisioning.trunk_login(account, username, password);
    let patch = changes.patch(current, &seal)?;
    let position = state.provisioning.change_trunk(id, patch, Some(caller.key)).await??;
    let trunk = standing(&state, Trunk::from(visible(directory, caller, id)?)).await;
    Ok(changed(StatusCode::OK, trunk, position))
}

/// Removes a trunk; running calls stay.
#[utoipa::path(delete, path = "/v1/trunks/{id}", tag = "trunks", params(("id" = String, Path)),
    security(("basic" = [])), responses((status = 204), (status = "4XX", body = ErrorBody)))]
async fn remove(caller: Caller, State(state): State<AppState>, Id(id): Id<TrunkId>) -> Result<Response, ApiError> {
    visible(state.provisioning.directory(), caller, id)?;
    Ok(gone(state.provisioning.remove_trunk(id, Some(caller.key)).await??))
}
