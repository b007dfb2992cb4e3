//! `/v1/credentials`: users of domains and their passwords. A password is taken, and never shown. [G1, O1]

use super::accounts::ShowParams;
use super::numbers::AccountParams;
use super::{Changed, changed, gone};
use crate::auth::Caller;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{Body, Id, Params, from_text};
use crate::paging::{AtLeast, Cursor, Limit, List, fresh};
use crate::state::AppState;
use adapters::provisioning::{Directory, Listed, Page};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::credential::{ActiveCredential, Password, Username};
use domain::domain_name::DomainName;
use domain::ids::{AccountId, CredentialId, DomainId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(add, list)).routes(routes!(show, change, remove))
}

/// A user of a domain.
#[derive(Debug, Serialize, ToSchema)]
pub struct Credential {
    /// Its id.
    #[schema(value_type = String, example = "CR0123456789abcdef0123456789abcdef")]
    id: CredentialId,
    /// The account that has it.
    #[schema(value_type = String)]
    account: AccountId,
    /// The domain's name.
    #[schema(value_type = String, example = "pbx.example.com")]
    domain: DomainName,
    /// The domain's id.
    #[schema(value_type = String)]
    domain_id: DomainId,
    /// The user.
    #[schema(value_type = String, example = "alice")]
    username: Username,
    /// When it was added (RFC 3339).
    created_at: String,
}

impl From<Listed<ActiveCredential>> for Credential {
    fn from(Listed { item, created_at }: Listed<ActiveCredential>) -> Self {
        let ActiveCredential { id, account, domain: domain_id, realm: domain, username, .. } = item;
        Self { id, account, domain, domain_id, username, created_at: created_at.to_string() }
    }
}

/// A credential to add.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCredential {
    /// The name of one of the account's domains.
    #[schema(value_type = String, example = "pbx.example.com")]
    domain: DomainName,
    /// 1 to 64 letters, digits and `-_.+!~*'()&=$`; upper and lower case differ. One credential for each user.
    #[schema(value_type = String, example = "alice")]
    username: Username,
    /// 6 to 128 characters; use random ones.
    #[schema(value_type = String, format = Password, min_length = 6, max_length = 128)]
    password: Password,
}

/// Changes to a credential; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CredentialChanges {
    /// The password from now on. Who registered with the former one stays so until the registration is refreshed.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Password, min_length = 6, max_length = 128)]
    password: Option<Password>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListParams {
    /// Whose credentials; the caller's by default.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    account: Option<AccountId>,
    /// Only those of the domain of this name.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    domain: Option<DomainName>,
    /// Only that of this user; name the domain along.
    #[serde(default, deserialize_with = "from_text")]
    #[param(value_type = Option<String>)]
    username: Option<Username>,
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

fn visible(directory: &Directory, caller: Caller, id: CredentialId) -> Result<Listed<ActiveCredential>, ApiError> {
    let credential = directory.credential(id).filter(|found| caller.may_use(directory, found.item.account));
    credential.ok_or_else(ApiError::not_found)
}

/// Gives a user of a domain a password.
#[utoipa::path(post, path = "/v1/credentials", tag = "credentials", params(AccountParams), request_body = NewCredential, security(("basic" = [])),
    responses((status = 201, body = Changed<Credential>), (status = "4XX", body = ErrorBody)))]
async fn add(
    caller: Caller,
    State(state): State<AppState>,
    Params(params): Params<AccountParams>,
    Body(new): Body<NewCredential>,
) -> Result<Response, ApiError> {
    let directory = state.provisioning.directory();
    let account = caller.scope(directory, params.account)?;
    let NewCredential { domain, username, password } = new;
    let added = state.provisioning.add_credential(account, domain, username, &password, Some(caller.key));
    let (id, position) = added.await??;
    Ok(changed(StatusCode::CREATED, Credential::from(visible(directory, caller, id)?), position))
}

/// Lists an account's own credentials.
#[utoipa::path(get, path = "/v1/credentials", tag = "credentials", params(ListParams), security(("basic" = [])),
    responses((status = 200, body = List<Credential>), (status = "4XX", body = ErrorBody)))]
async fn list(
    caller: Caller,
    State(state): State<AppState>,
    Params(params): Params<ListParams>,
) -> Result<Json<List<Credential>>, ApiError> {
    fresh(&state, params.at_least).await?;
    let directory = state.provisioning.directory();
    let account = caller.scope(directory, params.account)?;
    if params.username.is_some() && params.domain.is_none() {
        return Err(ApiError::invalid("domain", "name the domain of the user"));
    }
    let (after, limit) = (params.after.map(|cursor| cursor.0), params.limit.unwrap_or_default().get());
    let nothing = Page { items: vec![], more: false };
    let page = match params.domain {
        None => directory.credentials(account, None, after, limit),
        Some(name) => {
            match (directory.domain_named(&name).filter(|found| found.item.account == account), params.username) {
                (None, _) => nothing,
                (Some(domain), None) => directory.credentials(account, Some(domain.item.id), after, limit),
                (Some(domain), Some(username)) => {
                    let found = directory.credential_of(domain.item.id, &username);
                    let wanted = |one: &Listed<ActiveCredential>| after.is_none_or(|after| one.created_at > after);
                    Page { items: found.filter(wanted).into_iter().collect(), more: false }
                }
            }
        }
    };
    Ok(Json(List::of(page, Credential::from)))
}

/// Shows a credential, without its password.
#[utoipa::path(get, path = "/v1/credentials/{id}", tag = "credentials", params(("id" = String, Path), ShowParams),
    security(("basic" = [])), responses((status = 200, body = Credential), (status = "4XX", body = ErrorBody)))]
async fn show(
    caller: Caller,
    State(state): State<AppState>,
    Id(id): Id<CredentialId>,
    Params(params): Params<ShowParams>,
) -> Result<Json<Credential>, ApiError> {
    fresh(&state, params.at_least).await?;
    Ok(Json(visible(state.provisioning.directory(), caller, id)?.into()))
}

/// Gives a user another password.
#[utoipa::path(patch, path = "/v1/credentials/{id}", tag = "credentials", params(("id" = String, Path)),
    request_body = CredentialChanges, security(("basic" = [])), responses((status = 200, body = Changed<Credential>), (status = "4XX", body = ErrorBody)))]
async fn change(
    caller: Caller,
    State(state): State<AppState>,
    Id(id): Id<CredentialId>,
    Body(changes): Body<CredentialChanges>,
) -> Result<Response, ApiError> {
    let directory = state.provisioning.directory();
    visible(directory, caller, id)?;
    let position = match changes.password {
        Some(password) => state.provisioning.change_credential(id, &password, Some(caller.key)).await??,
        None => directory.position(),
    };
    Ok(changed(StatusCode::OK, Credential::from(visible(directory, caller, id)?), position))
}

/// Removes a credential.
#[utoipa::path(delete, path = "/v1/credentials/{id}", tag = "credentials", params(("id" = String, Path)),
    security(("basic" = [])), responses((status = 204), (status = "4XX", body = ErrorBody)))]
async fn remove(caller: Caller, State(state): State<AppState>, Id(id): Id<CredentialId>) -> Result<Response, ApiError> {
    visible(state.provisioning.directory(), caller, id)?;
    Ok(gone(state.provisioning.remove_credential(id, Some(caller.key)).await??))
}
