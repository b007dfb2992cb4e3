//! `/v1/accounts/{id}/keys`: what opens an account. [T2]

use super::accounts::{ShowParams, visible};
use super::{Changed, changed, gone};
use crate::auth::Caller;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{Body, Id, Ids, Params};
use crate::paging::{List, fresh};
use crate::state::AppState;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::account::{ApiKey, Name};
use domain::ids::{AccountId, KeyId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(issue, list)).routes(routes!(revoke))
}

/// An API key; its secret is not known here.
#[derive(Debug, Serialize, ToSchema)]
pub struct Key {
    /// Its id; may stand for the account's as the user of HTTP Basic.
    #[schema(value_type = String, example = "SK0123456789abcdef0123456789abcdef")]
    id: KeyId,
    /// Its name.
    #[schema(value_type = String)]
    name: Name,
}

/// A key that was just made.
#[derive(Debug, Serialize, ToSchema)]
pub struct IssuedKey {
    /// The key.
    #[serde(flatten)]
    key: Key,
    /// Its secret: shown this once, stored nowhere.
    secret: String,
}

/// A key to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewKey {
    /// Its name: 1 to 100 characters.
    #[schema(value_type = String, example = "billing job")]
    name: Name,
}

/// Issues one more key and shows its secret, once.
#[utoipa::path(post, path = "/v1/accounts/{id}/keys", tag = "keys", params(("id" = String, Path)),
    request_body = NewKey, security(("basic" = [])), responses((status = 201, body = Changed<IssuedKey>), (status = "4XX", body = ErrorBody)))]
async fn issue(
    caller: Caller,
    State(state): State<AppState>,
    Id(account): Id<AccountId>,
    Body(new): Body<NewKey>,
) -> Result<Response, ApiError> {
    visible(state.provisioning.directory(), caller, account)?;
    let name = new.name.clone();
    let (made, position) = state.provisioning.issue_key(account, new.name, Some(caller.key)).await??;
    let issued = IssuedKey { key: Key { id: made.key, name }, secret: made.secret };
    Ok(changed(StatusCode::CREATED, issued, position))
}

/// Lists the keys that open an account; all of them, oldest first.
#[utoipa::path(get, path = "/v1/accounts/{id}/keys", tag = "keys", params(("id" = String, Path), ShowParams),
    security(("basic" = [])), responses((status = 200, body = List<Key>), (status = "4XX", body = ErrorBody)))]
async fn list(
    caller: Caller,
    State(state): State<AppState>,
    Id(account): Id<AccountId>,
    Params(params): Params<ShowParams>,
) -> Result<Json<List<Key>>, ApiError> {
    fresh(&state, params.at_least).await?;
    let profile = visible(state.provisioning.directory(), caller, account)?.item;
    let items = profile.keys.into_iter().map(|ApiKey { id, name, .. }| Key { id, name }).collect();
    Ok(Json(List { items, next: None }))
}

/// Revokes a key; the last one of an account stays.
#[utoipa::path(delete, path = "/v1/accounts/{id}/keys/{key}", tag = "keys",
    params(("id" = String, Path), ("key" = String, Path)),
    security(("basic" = [])), responses((status = 204), (status = "4XX", body = ErrorBody)))]
async fn revoke(
    caller: Caller,
    State(state): State<AppState>,
    Ids(account, key): Ids<AccountId, KeyId>,
) -> Result<Response, ApiError> {
    visible(state.provisioning.directory(), caller, account)?;
    Ok(gone(state.provisioning.revoke_key(account, key, Some(caller.key)).await??))
}
