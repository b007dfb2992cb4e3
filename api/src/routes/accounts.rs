//! `/v1/accounts`: an account and those below it. [T1]

use super::{Changed, changed};
use crate::auth::Caller;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{Body, Id, Params, from_text, null_is_a_value};
use crate::paging::{AtLeast, Cursor, Limit, List, fresh};
use crate::state::AppState;
use adapters::provisioning::{Directory, Listed};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::account::{LimitsPatch, Name, Profile};
use domain::ids::{AccountId, KeyId};
use domain::limits::{MaxCalls, MaxCallsPerSecond, MaxRegistrations};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(open, list)).routes(routes!(show, change))
}

/// An account.
#[derive(Debug, Serialize, ToSchema)]
pub struct Account {
    /// Its id.
    #[schema(value_type = String, example = "AC0123456789abcdef0123456789abcdef")]
    id: AccountId,
    /// Its name.
    #[schema(value_type = String, example = "Acme")]
    name: Name,
    /// The account above it.
    #[schema(value_type = Option<String>)]
    parent: Option<AccountId>,
    /// A closed account, or one below a closed account, takes no calls and no commands.
    status: Status,
    /// Calls that it and those below it have at a time; `null` for no limit.
    #[schema(value_type = Option<u32>)]
    max_calls: Option<MaxCalls>,
    /// Calls of it and those below it that begin within any second; `null` for no limit.
    #[schema(value_type = Option<u32>)]
    max_calls_per_second: Option<MaxCallsPerSecond>,
    /// Registrations of users of its own domains at a time; `null` for no limit.
    #[schema(value_type = Option<u32>)]
    max_registrations: Option<MaxRegistrations>,
    /// When it was opened (RFC 3339).
    created_at: String,
}

/// Whether an account is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// In use.
    Open,
    /// For ever out of use.
    Closed,
}

impl Account {
    fn view(directory: &Directory, account: Listed<Profile>) -> Self {
        let Listed { item: Profile { id, name, parent, limits, .. }, created_at } = account;
        let status = if directory.is_closed(id) { Status::Closed } else { Status::Open };
        Self {
            id,
            name,
            parent,
            status,
            max_calls: limits.max_calls,
            max_calls_per_second: limits.max_calls_per_second,
            max_registrations: limits.max_registrations,
            created_at: created_at.to_string(),
        }
    }
}

/// An account that was just opened, with its first secret.
#[derive(Debug, Serialize, ToSchema)]
pub struct OpenedAccount {
    /// The account.
    #[serde(flatten)]
    account: Account,
    /// Its first key.
    #[schema(value_type = String, example = "SK0123456789abcdef0123456789abcdef")]
    key: KeyId,
    /// The key's secret: shown this once, stored nowhere.
    secret: String,
}

/// A sub-account to open.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAccount {
    /// Its name: 1 to 100 characters.
    #[schema(value_type = String, example = "Branch office")]
    name: Name,
}

/// Changes to an account; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountChanges {
    /// Another name.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    name: Option<Name>,
    /// `closed` closes it for ever; only an account above can.
    #[serde(default)]
    status: Option<Status>,
    /// Calls that it and those below it have at a time: 1 to 1000000. `null` takes the limit away. Limits of an account
    /// are set by an account above.
    #[serde(default, deserialize_with = "null_is_a_value")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 1_000_000)]
    max_calls: Option<Option<MaxCalls>>,
    /// Calls of it and those below it that begin within any second: 1 to 10000. `null` takes the limit away.
    #[serde(default, deserialize_with = "null_is_a_value")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 10_000)]
    max_calls_per_second: Option<Option<MaxCallsPerSecond>>,
    /// Registrations of users of its own domains at a time: 1 to 10000000. `null` takes the limit away.
    #[serde(default, deserialize_with = "null_is_a_value")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 10_000_000)]
    max_registrations: Option<Option<MaxRegistrations>>,
}

impl AccountChanges {
    const fn limits(&self) -> LimitsPatch {
        LimitsPatch {
            max_calls: self.max_calls,
            max_calls_per_second: self.max_calls_per_second,
            max_registrations: self.max_registrations,
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct OpenParams {
    /// The account above the new one; the caller's by default.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    account: Option<AccountId>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListParams {
    /// List this account and those below it; the caller's by default.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    account: Option<AccountId>,
    /// Only accounts directly below this one.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    parent: Option<AccountId>,
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

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ShowParams {
    /// Answer only with everything up to this log position.
    #[serde(default, deserialize_with = "from_text")]
    #[param(value_type = Option<u64>)]
    pub(super) at_least: Option<AtLeast>,
}

/// The account, where the caller may use it.
pub(super) fn visible(directory: &Directory, caller: Caller, id: AccountId) -> Result<Listed<Profile>, ApiError> {
    directory.account(id).filter(|_| caller.may_use(directory, id)).ok_or_else(ApiError::not_found)
}

/// Opens a sub-account and shows its first secret, once.
#[utoipa::path(post, path = "/v1/accounts", tag = "accounts", params(OpenParams), request_body = NewAccount, security(("basic" = [])),
    responses((status = 201, body = Changed<OpenedAccount>), (status = "4XX", body = ErrorBody)))]
async fn open(
    caller: Caller,
    State(state): State<AppState>,
    Params(params): Params<OpenParams>,
    Body(new): Body<NewAccount>,
) -> Result<Response, ApiError> {
    let directory = state.provisioning.directory();
    let parent = caller.scope(directory, params.account)?;
    let opened = state.provisioning.open_account(new.name, Some(parent), Some(caller.key)).await??;
    let (id, secret, position) = opened;
    let account = Account::view(directory, directory.account(id).ok_or_else(ApiError::not_found)?);
    let opened = OpenedAccount { account, key: secret.key, secret: secret.secret };
    Ok(changed(StatusCode::CREATED, opened, position))
}

/// Lists an account and those below it.
#[utoipa::path(get, path = "/v1/accounts", tag = "accounts", params(ListParams), security(("basic" = [])),
    responses((status = 200, body = List<Account>), (status = "4XX", body = ErrorBody)))]
async fn list(
    caller: Caller,
    State(state): State<AppState>,
    Params(params): Params<ListParams>,
) -> Result<Json<List<Account>>, ApiError> {
    fresh(&state, params.at_least).await?;
    let directory = state.provisioning.directory();
    let within = caller.scope(directory, params.account)?;
    let wanted = |account: &Profile| params.parent.is_none() || account.parent == params.parent;
    let after = params.after.map(|cursor| cursor.0);
    let page = directory.accounts(within, after, params.limit.unwrap_or_default().get(), wanted);
    Ok(Json(List::of(page, |account| Account::view(directory, account))))
}

/// Shows an account.
#[utoipa::path(get, path = "/v1/accounts/{id}", tag = "accounts", params(("id" = String, Path), ShowParams),
    security(("basic" = [])), responses((status = 200, body = Account), (status = "4XX", body = ErrorBody)))]
async fn show(
    caller: Caller,
    State(state): State<AppState>,
    Id(id): Id<AccountId>,
    Params(params): Params<ShowParams>,
) -> Result<Json<Account>, ApiError> {
    fresh(&state, params.at_least).await?;
    let directory = state.provisioning.directory();
    Ok(Json(Account::view(directory, visible(directory, caller, id)?)))
}

/// Renames, limits or closes an account.
#[utoipa::path(patch, path = "/v1/accounts/{id}", tag = "accounts", params(("id" = String, Path)),
    request_body = AccountChanges, security(("basic" = [])), responses((status = 200, body = Changed<Account>), (status = "4XX", body = ErrorBody)))]
async fn change(
    caller: Caller,
    State(state): State<AppState>,
    Id(id): Id<AccountId>,
    Body(changes): Body<AccountChanges>,
) -> Result<Response, ApiError> {
    let directory = state.provisioning.directory();
    let now = visible(directory, caller, id)?;
    let mut position = directory.position();
    if changes.status == Some(Status::Open) && now.item.closed {
        return Err(ApiError::invalid("status", "a closed account cannot be opened again: open a new one"));
    }
    if changes.status == Some(Status::Closed) && id == caller.account {
        return Err(ApiError::conflict("an account cannot close itself: ask with a key of an account above"));
    }
    let limits = changes.limits();
    if !limits.is_empty() && id == caller.account && now.item.parent.is_some() {
        return Err(ApiError::conflict("an account cannot limit itself: ask with a key of an account above"));
    }
    if !limits.is_empty() {
        position = state.provisioning.limit_account(id, limits, Some(caller.key)).await??;
    }
    if let Some(name) = changes.name {
        position = state.provisioning.rename_account(id, name, Some(caller.key)).await??;
    }
    if changes.status == Some(Status::Closed) {
        position = state.provisioning.close_account(id, Some(caller.key)).await??;
    }
    let account = Account::view(directory, visible(directory, caller, id)?);
    Ok(changed(StatusCode::OK, account, position))
}
