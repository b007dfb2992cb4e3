//! `/v1/registrations`: who can be reached where, now and before, and bindings by API. [G1, G6]

mod body;

use super::query::{At, Flag, HistoryParams, Time, Within, no_history, no_rows, written};
use super::{Changed, changed, gone};
use crate::auth::Caller;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{Body, Id, Ids, Params, from_text};
use crate::paging::List;
use crate::state::AppState;
use axum::Json;
use axum::extract::{FromRef, State};
use axum::http::StatusCode;
use axum::response::Response;
pub use body::{Binding, BoundBinding, Happened, NewBinding};
use domain::domain_name::DomainName;
use domain::ids::{AccountId, BindingId, RegistrationId};
use domain::log::Position;
use domain::registration::{Aor, CommandRejection, Registrar, RegistrarAway, RegistrationCommand};
use domain::time::WallTime;
use projections::Views;
use projections::registrations::{BindingRow, HistoryQuery, ListQuery};
use projections::replay::{BindingsAt, bindings_at};
use serde::Deserialize;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// What these routes read from, and who carries commands out.
#[derive(Clone)]
pub struct RegistrationState {
    /// Who asks, and for how long a query waits.
    pub app: AppState,
    /// Rows.
    pub views: Arc<Views>,
    /// Bindings by API.
    pub registrar: Arc<dyn Registrar>,
}

impl FromRef<RegistrationState> for AppState {
    fn from_ref(state: &RegistrationState) -> Self {
        state.app.clone()
    }
}

/// The routes, with their state.
pub fn routes(state: RegistrationState) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(bind, list)).routes(routes!(tell)).routes(routes!(unbind)).with_state(state)
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListParams {
    /// Whose users; the caller's and those of accounts below it by default.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    account: Option<AccountId>,
    /// Only users of the domain of this name.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    domain: Option<DomainName>,
    /// Only this address of record: `user@domain`.
    #[serde(default, deserialize_with = "from_text")]
    #[param(value_type = Option<String>)]
    aor: Option<Aor>,
    /// 1: only those that hold; 0: only those that ended.
    #[serde(default, deserialize_with = "from_text")]
    #[param(value_type = Option<u8>)]
    online: Option<Flag>,
    /// Those that held at this time (RFC 3339), as they were then; not together with `online`.
    #[serde(default, deserialize_with = "from_text")]
    #[param(value_type = Option<String>)]
    at: Option<Time>,
    /// At most so many (1 to 200, by default 50).
    #[serde(default, deserialize_with = "from_text")]
    #[param(value_type = Option<u16>)]
    limit: Option<Within<1, 200>>,
    /// The `next` of the page before.
    #[serde(default, deserialize_with = "from_text")]
    #[param(value_type = Option<String>)]
    after: Option<At>,
    /// Answer only with everything up to this log position.
    #[serde(default, deserialize_with = "from_text")]
    #[param(value_type = Option<u64>)]
    at_least: Option<At>,
}

/// Lists bindings, those that hold and those that ended, the one added last first; with `at` those of that time.
#[utoipa::path(get, path = "/v1/registrations", tag = "registrations", params(ListParams), security(("basic" = [])),
    responses((status = 200, body = List<Binding>), (status = "4XX", body = ErrorBody)))]
async fn list(
    caller: Caller,
    State(state): State<RegistrationState>,
    Params(params): Params<ListParams>,
) -> Result<Json<List<Binding>>, ApiError> {
    if params.at.is_some() && params.online.is_some() {
        return Err(ApiError::invalid("at", "all bindings of a time held then: leave `online` out"));
    }
    let accounts = super::sessions::accounts(&state.app, caller, params.account)?;
    written(&state.app, &state.views, params.at_least).await?;
    let directory = state.app.provisioning.directory();
    let domain = match &params.domain {
        None => None,
        // Domains of others have no users that the caller may see.
        Some(name) => match directory.domain_named(name) {
            Some(found) if accounts.contains(&found.item.account) => Some(found.item.id),
            Some(_) | None => return Ok(Json(List { items: vec![], next: None })),
        },
    };
    let query = ListQuery {
        accounts,
        domain,
        aor: params.aor.map(|aor| aor.to_string()),
        online: params.online.map(|flag| flag.0),
        held_at: params.at.map(|time| time.0),
        after: params.after.map(|at| at.0),
        limit: params.limit.map_or(50, |limit| limit.0.into()),
    };
    let page = state.views.registrations().list(&query).await.map_err(no_rows)?;
    let items = match params.at {
        Some(Time(at)) => state.bindings_then(&page.rows, at).await?,
        None => page.rows.iter().map(Binding::of).collect(),
    };
    Ok(Json(List { items, next: page.next.map(|next| next.0.to_string()) }))
}

/// Tells what happened to the bindings of an address of record, the newest first.
#[utoipa::path(get, path = "/v1/registrations/{id}/history", tag = "registrations", params(("id" = String, Path), HistoryParams),
    security(("basic" = [])), responses((status = 200, body = List<Happened>), (status = "4XX", body = ErrorBody)))]
async fn tell(
    caller: Caller,
    State(state): State<RegistrationState>,
    Id(registration): Id<RegistrationId>,
    Params(params): Params<HistoryParams>,
) -> Result<Json<List<Happened>>, ApiError> {
    written(&state.app, &state.views, params.at_least).await?;
    let reader = state.views.registrations();
    let owner = reader.owner(registration).await.map_err(no_rows)?;
    let directory = state.app.provisioning.directory();
    owner.filter(|account| caller.may_use(directory, *account)).ok_or_else(ApiError::not_found)?;
    let query = HistoryQuery {
        registration,
        after: params.after.map(|at| at.0),
        limit: params.limit.map_or(50, |limit| limit.0.into()),
    };
    let page = reader.history(&query).await.map_err(no_rows)?;
    let items = page.rows.iter().map(Happened::of).collect();
    Ok(Json(List { items, next: page.next.map(|next: Position| next.0.to_string()) }))
}

/// Makes a binding: calls to the user go to its contact too. No device refreshes or removes it.
#[utoipa::path(post, path = "/v1/registrations", tag = "registrations", request_body = NewBinding, security(("basic" = [])),
    responses((status = 201, body = Changed<BoundBinding>), (status = "4XX", body = ErrorBody)))]
async fn bind(
    caller: Caller,
    State(state): State<RegistrationState>,
    Body(new): Body<NewBinding>,
) -> Result<Response, ApiError> {
    let account = state.owner(caller, new.aor())?;
    let (aor, wanted) = new.split();
    let command = RegistrationCommand::Bind { new: wanted.clone(), by: Some(caller.key) };
    let done = state.registrar.command(account, aor.clone(), command).await??;
    let bound = BoundBinding::of(done.binding, account, &aor, &wanted);
    Ok(changed(StatusCode::CREATED, bound, done.position))
}

/// Removes a binding, whoever made it; a device that is still there registers again.
#[utoipa::path(delete, path = "/v1/registrations/{aor}/bindings/{id}", tag = "registrations",
    params(("aor" = String, Path), ("id" = String, Path)),
    security(("basic" = [])), responses((status = 204), (status = "4XX", body = ErrorBody)))]
async fn unbind(
    caller: Caller,
    State(state): State<RegistrationState>,
    Ids(aor, id): Ids<Aor, BindingId>,
) -> Result<Response, ApiError> {
    let account = state.owner(caller, &aor)?;
    let command = RegistrationCommand::Unbind { id, by: Some(caller.key) };
    Ok(gone(state.registrar.command(account, aor, command).await??.position))
}

impl RegistrationState {
    /// Bindings as they were: a row tells how one is now, the stream of its address how it was.
    async fn bindings_then(&self, rows: &[BindingRow], at: WallTime) -> Result<Vec<Binding>, ApiError> {
        let mut addresses: HashMap<RegistrationId, BindingsAt> = HashMap::new();
        let mut items = Vec::with_capacity(rows.len());
        for row in rows {
            let address = match addresses.entry(row.registration) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(unknown) => {
                    let read = bindings_at(&*self.app.log, &*self.app.keyring, row.registration, at).await;
                    unknown.insert(read.map_err(no_history)?)
                }
            };
            items.push(Binding::then(row, address));
        }
        Ok(items)
    }

    /// The account of an address's domain, where the caller may use it.
    fn owner(&self, caller: Caller, aor: &Aor) -> Result<AccountId, ApiError> {
        let directory = self.app.provisioning.directory();
        let name: DomainName = aor.domain().parse().map_err(|_| ApiError::not_found())?;
        let account = directory.domain_named(&name).map(|found| found.item.account);
        account.filter(|account| caller.may_use(directory, *account)).ok_or_else(ApiError::not_found)
    }
}

impl From<CommandRejection> for ApiError {
    fn from(rejection: CommandRejection) -> Self {
        match &rejection {
            CommandRejection::NoDomain | CommandRejection::Unknown => Self::not_found(),
            CommandRejection::TooMany(_) | CommandRejection::AccountFull => Self::conflict(rejection),
            CommandRejection::Taken => Self::conflict_with(Some("contact"), rejection),
            CommandRejection::Expires { .. } => Self::invalid("expires", rejection),
            CommandRejection::Loop | CommandRejection::Contact => Self::invalid("contact", rejection),
        }
    }
}

impl From<RegistrarAway> for ApiError {
    fn from(away: RegistrarAway) -> Self {
        Self::unavailable(away)
    }
}
