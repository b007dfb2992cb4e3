//! `/v1/domains`: DNS names whose users register here. [G1, T1]

use super::numbers::AccountParams;
use super::past::{PastParams, thing_at};
use super::{Changed, changed, gone};
use crate::auth::Caller;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{Body, Id, Params, from_text, null_is_a_value};
use crate::paging::{AtLeast, Cursor, Limit, List, fresh};
use crate::state::AppState;
use adapters::provisioning::{Directory, Listed, Page};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::credential::AuthRule;
use domain::domain_name::{ActiveDomain, Domain as Past, DomainName, DomainPatch, DomainSettings, Hunt};
use domain::ids::{AccountId, DomainId};
use domain::sip::digest::Algorithm;
use domain::trunk::{ReferRule, TrunkAddress};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(add, list)).routes(routes!(show, change, remove))
}

/// A domain of an account. Settings as in a new domain.
#[derive(Debug, Serialize, ToSchema)]
pub struct Domain {
    /// Its id.
    #[schema(value_type = String, example = "SD0123456789abcdef0123456789abcdef")]
    id: DomainId,
    /// The account that has it.
    #[schema(value_type = String)]
    account: AccountId,
    /// The DNS name, in lower case.
    #[schema(value_type = String, example = "pbx.example.com")]
    name: DomainName,
    min_expires: u32,
    max_expires: u32,
    default_expires: u32,
    max_bindings: u16,
    #[schema(value_type = String)]
    hunt: Hunt,
    #[schema(value_type = String)]
    auth: AuthRule,
    #[schema(value_type = Vec<String>)]
    addresses: Vec<TrunkAddress>,
    #[schema(value_type = Option<String>)]
    refer: Option<ReferRule>,
    #[schema(value_type = Option<Vec<String>>)]
    digest: Option<Vec<Algorithm>>,
    /// When it was added (RFC 3339).
    created_at: String,
}

impl From<Listed<ActiveDomain>> for Domain {
    fn from(Listed { item, created_at }: Listed<ActiveDomain>) -> Self {
        let ActiveDomain { id, account, name, settings } = item;
        let DomainSettings {
            min_expires,
            max_expires,
            default_expires,
            max_bindings,
            hunt,
            auth,
            addresses,
            refer,
            digest,
        } = settings;
        let created_at = created_at.to_string();
        Self {
            id,
            account,
            name,
            min_expires,
            max_expires,
            default_expires,
            max_bindings,
            hunt,
            auth,
            addresses,
            refer,
            digest,
            created_at,
        }
    }
}

/// A domain to add.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewDomain {
    /// A DNS name; unique in the whole exchange.
    #[schema(value_type = String, example = "pbx.example.com")]
    name: DomainName,
    /// A shorter registration is refused with 423: 1 to 3600 seconds.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 3600, default = 60)]
    min_expires: Option<u32>,
    /// A longer registration is shortened: at most 604800 seconds.
    #[serde(default)]
    #[schema(maximum = 604_800, default = 7200)]
    max_expires: Option<u32>,
    /// How long a registration holds that names no time, in seconds.
    #[serde(default)]
    #[schema(default = 3600)]
    default_expires: Option<u32>,
    /// The most devices that one user registers at a time: 1 to 100.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 100, default = 10)]
    max_bindings: Option<u16>,
    /// Devices of the same priority ring in `parallel` or `sequential`.
    #[serde(default)]
    #[schema(value_type = Option<String>, pattern = "^(parallel|sequential)$", default = "parallel")]
    hunt: Option<Hunt>,
    /// Users prove themselves by `digest`, by `address`, by `both`, or by `either` of them.
    #[serde(default)]
    #[schema(value_type = Option<String>, pattern = "^(digest|address|both|either)$", default = "digest")]
    auth: Option<AuthRule>,
    /// The addresses of `auth`: `ip`, `ip:port` or `network/length`.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>, example = json!(["192.0.2.0/24"]))]
    addresses: Option<Vec<TrunkAddress>>,
    /// What its users may have transferred by REFER: `refuse` nothing, `internal` to numbers and users of the account,
    /// `any` also out by the account's carriers. Without it `internal` where `auth` is `digest` or `both`, else `refuse`.
    #[serde(default)]
    #[schema(value_type = Option<String>, pattern = "^(refuse|internal|any)$")]
    refer: Option<ReferRule>,
    /// What its users are asked to prove their passwords by, the first choice first: `SHA-256`, `SHA-512-256`, `MD5`.
    /// Without it what the setting `sip.digest` says.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>, example = json!(["MD5"]))]
    digest: Option<Vec<Algorithm>>,
}

/// Changes to a domain; what is absent stays. Fields as in a new domain.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DomainChanges {
    #[serde(default)]
    min_expires: Option<u32>,
    #[serde(default)]
    max_expires: Option<u32>,
    #[serde(default)]
    default_expires: Option<u32>,
    #[serde(default)]
    max_bindings: Option<u16>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    hunt: Option<Hunt>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    auth: Option<AuthRule>,
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>)]
    addresses: Option<Vec<TrunkAddress>>,
    /// `null` takes it back.
    #[serde(default, deserialize_with = "null_is_a_value")]
    #[schema(value_type = Option<String>)]
    refer: Option<Option<ReferRule>>,
    /// `null` takes it back.
    #[serde(default, deserialize_with = "null_is_a_value")]
    #[schema(value_type = Option<Vec<String>>)]
    digest: Option<Option<Vec<Algorithm>>>,
}

impl From<DomainChanges> for DomainPatch {
    fn from(changes: DomainChanges) -> Self {
        Self {
            min_expires: changes.min_expires,
            max_expires: changes.max_expires,
            default_expires: changes.default_expires,
            max_bindings: changes.max_bindings,
            hunt: changes.hunt,
            auth: changes.auth,
            addresses: changes.addresses,
            refer: changes.refer,
            digest: changes.digest,
        }
    }
}

impl NewDomain {
    fn split(self) -> (DomainName, DomainSettings) {
        let patch = DomainPatch {
            min_expires: self.min_expires,
            max_expires: self.max_expires,
            default_expires: self.default_expires,
            max_bindings: self.max_bindings,
            hunt: self.hunt,
            auth: self.auth,
            addresses: self.addresses,
            refer: Some(self.refer),
            digest: Some(self.digest),
        };
        (self.name, patch.onto(&DomainSettings::default()))
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListParams {
    /// Whose domains; the caller's by default.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    account: Option<AccountId>,
    /// Only the one of this name.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    name: Option<DomainName>,
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

fn visible(directory: &Directory, caller: Caller, id: DomainId) -> Result<Listed<ActiveDomain>, ApiError> {
    let domain = directory.domain(id).filter(|domain| caller.may_use(directory, domain.item.account));
    domain.ok_or_else(ApiError::not_found)
}

/// Adds a domain.
#[utoipa::path(post, path = "/v1/domains", tag = "domains", params(AccountParams), request_body = NewDomain, security(("basic" = [])),
    responses((status = 201, body = Changed<Domain>), (status = "4XX", body = ErrorBody)))]
async fn add(
    caller: Caller,
    State(state): State<AppState>,
    Params(params): Params<AccountParams>,
    Body(new): Body<NewDomain>,
) -> Result<Response, ApiError> {
    let directory = state.provisioning.directory();
    let account = caller.scope(directory, params.account)?;
    let (name, settings) = new.split();
    let (id, position) = state.provisioning.add_domain(account, name, settings, Some(caller.key)).await??;
    Ok(changed(StatusCode::CREATED, Domain::from(visible(directory, caller, id)?), position))
}

/// Lists an account's own domains.
#[utoipa::path(get, path = "/v1/domains", tag = "domains", params(ListParams), security(("basic" = [])),
    responses((status = 200, body = List<Domain>), (status = "4XX", body = ErrorBody)))]
async fn list(
    caller: Caller,
    State(state): State<AppState>,
    Params(params): Params<ListParams>,
) -> Result<Json<List<Domain>>, ApiError> {
    fresh(&state, params.at_least).await?;
    let directory = state.provisioning.directory();
    let account = caller.scope(directory, params.account)?;
    let after = params.after.map(|cursor| cursor.0);
    let page = match params.name {
        Some(name) => {
            let theirs = directory.domain_named(&name).filter(|domain| domain.item.account == account);
            let wanted = |domain: &Listed<ActiveDomain>| after.is_none_or(|after| domain.created_at > after);
            Page { items: theirs.filter(wanted).into_iter().collect(), more: false }
        }
        None => directory.domains(account, after, params.limit.unwrap_or_default().get()),
    };
    Ok(Json(List::of(page, Domain::from)))
}

/// Shows a domain; with `at` as it was then.
#[utoipa::path(get, path = "/v1/domains/{id}", tag = "domains", params(("id" = String, Path), PastParams),
    security(("basic" = [])), responses((status = 200, body = Domain), (status = "4XX", body = ErrorBody)))]
async fn show(
    caller: Caller,
    State(state): State<AppState>,
    Id(id): Id<DomainId>,
    Params(params): Params<PastParams>,
) -> Result<Json<Domain>, ApiError> {
    fresh(&state, params.at_least).await?;
    if let Some(at) = params.at {
        let active = |domain: &Past| domain.active().cloned().map(|domain| (domain.account, domain));
        return Ok(Json(thing_at(&state, caller, (id.uuid(), at), active).await?.into()));
    }
    Ok(Json(visible(state.provisioning.directory(), caller, id)?.into()))
}

/// Changes a domain; what is registered stays as it is until it is refreshed.
#[utoipa::path(patch, path = "/v1/domains/{id}", tag = "domains", params(("id" = String, Path)),
    request_body = DomainChanges, security(("basic" = [])), responses((status = 200, body = Changed<Domain>), (status = "4XX", body = ErrorBody)))]
async fn change(
    caller: Caller,
    State(state): State<AppState>,
    Id(id): Id<DomainId>,
    Body(changes): Body<DomainChanges>,
) -> Result<Response, ApiError> {
    let directory = state.provisioning.directory();
    visible(directory, caller, id)?;
    let position = state.provisioning.change_domain(id, changes.into(), Some(caller.key)).await??;
    Ok(changed(StatusCode::OK, Domain::from(visible(directory, caller, id)?), position))
}

/// Removes a domain; its credentials must be gone. Anybody may add it then.
#[utoipa::path(delete, path = "/v1/domains/{id}", tag = "domains", params(("id" = String, Path)),
    security(("basic" = [])), responses((status = 204), (status = "4XX", body = ErrorBody)))]
async fn remove(caller: Caller, State(state): State<AppState>, Id(id): Id<DomainId>) -> Result<Response, ApiError> {
    visible(state.provisioning.directory(), caller, id)?;
    Ok(gone(state.provisioning.remove_domain(id, Some(caller.key)).await??))
}
