//! `/v1/numbers`: phone numbers and short codes, and where their calls go. [R1]

use super::past::{PastParams, thing_at};
use super::{Changed, changed, gone};
use crate::auth::Caller;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{Body, Id, Params, from_text, number_from_query};
use crate::paging::{AtLeast, Cursor, Limit, List, fresh};
use crate::state::AppState;
use adapters::provisioning::{Directory, Listed, Page};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::ids::{AccountId, NumberId};
use domain::number::{Claim, Number as Past, PhoneNumber, SipTarget};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(claim, list)).routes(routes!(show, change, release))
}

/// Where calls to a number go.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// To this SIP URI: `sip:[user@]host[:port]`; without a user, the called number stands there.
    #[schema(value_type = String, example = "sip:pbx@192.0.2.10:5060")]
    sip: SipTarget,
}

impl From<Target> for domain::number::Target {
    fn from(Target { sip }: Target) -> Self {
        Self::Sip(sip)
    }
}

impl From<domain::number::Target> for Target {
    fn from(target: domain::number::Target) -> Self {
        match target {
            domain::number::Target::Sip(sip) => Self { sip },
        }
    }
}

/// A number of an account.
#[derive(Debug, Serialize, ToSchema)]
pub struct Number {
    /// Its id.
    #[schema(value_type = String, example = "PN0123456789abcdef0123456789abcdef")]
    id: NumberId,
    /// The account that has it.
    #[schema(value_type = String)]
    account: AccountId,
    /// E.164 with `+`, or a short code.
    #[schema(value_type = String, example = "+15550000001")]
    number: PhoneNumber,
    /// Where its calls go.
    target: Target,
    /// When it was claimed (RFC 3339).
    created_at: String,
}

impl From<Listed<Claim>> for Number {
    fn from(Listed { item, created_at }: Listed<Claim>) -> Self {
        let Claim { id, number, account, target } = item;
        Self { id, account, number, target: target.into(), created_at: created_at.to_string() }
    }
}

/// A number to claim.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewNumber {
    /// E.164 with `+`, or a short code of 3 to 8 digits; unique in the whole exchange.
    #[schema(value_type = String, example = "+15550000001")]
    number: PhoneNumber,
    /// Where its calls go.
    target: Target,
}

/// Changes to a number; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NumberChanges {
    /// Where its calls go from now on.
    #[serde(default)]
    target: Option<Target>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AccountParams {
    /// The account it is for; the caller's by default.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    pub(super) account: Option<AccountId>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListParams {
    /// Whose numbers; the caller's by default.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    account: Option<AccountId>,
    /// Only this one.
    #[serde(default, deserialize_with = "number_from_query")]
    #[param(value_type = Option<String>)]
    number: Option<PhoneNumber>,
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

fn visible(directory: &Directory, caller: Caller, id: NumberId) -> Result<Listed<Claim>, ApiError> {
    let number = directory.number(id).filter(|number| caller.may_use(directory, number.item.account));
    number.ok_or_else(ApiError::not_found)
}

/// Claims a number.
#[utoipa::path(post, path = "/v1/numbers", tag = "numbers", params(AccountParams), request_body = NewNumber, security(("basic" = [])),
    responses((status = 201, body = Changed<Number>), (status = "4XX", body = ErrorBody)))]
async fn claim(
    caller: Caller,
    State(state): State<AppState>,
    Params(params): Params<AccountParams>,
    Body(new): Body<NewNumber>,
) -> Result<Response, ApiError> {
    let directory = state.provisioning.directory();
    let account = caller.scope(directory, params.account)?;
    let target = new.target.into();
    let (id, position) = state.provisioning.claim_number(account, new.number, target, Some(caller.key)).await??;
    let number = visible(directory, caller, id)?;
    Ok(changed(StatusCode::CREATED, Number::from(number), position))
}

/// Lists an account's own numbers.
#[utoipa::path(get, path = "/v1/numbers", tag = "numbers", params(ListParams), security(("basic" = [])),
    responses((status = 200, body = List<Number>), (status = "4XX", body = ErrorBody)))]
async fn list(
    caller: Caller,
    State(state): State<AppState>,
    Params(params): Params<ListParams>,
) -> Result<Json<List<Number>>, ApiError> {
    fresh(&state, params.at_least).await?;
    let directory = state.provisioning.directory();
    let account = caller.scope(directory, params.account)?;
    let after = params.after.map(|cursor| cursor.0);
    let page = match params.number {
        Some(number) => {
            let theirs = directory.claim_of(number).filter(|claim| claim.item.account == account);
            let wanted = |claim: &Listed<Claim>| after.is_none_or(|after| claim.created_at > after);
            Page { items: theirs.filter(wanted).into_iter().collect(), more: false }
        }
        None => directory.numbers(account, after, params.limit.unwrap_or_default().get()),
    };
    Ok(Json(List::of(page, Number::from)))
}

/// Shows a number; with `at` as it was then, and where its calls went.
#[utoipa::path(get, path = "/v1/numbers/{id}", tag = "numbers", params(("id" = String, Path), PastParams),
    security(("basic" = [])), responses((status = 200, body = Number), (status = "4XX", body = ErrorBody)))]
async fn show(
    caller: Caller,
    State(state): State<AppState>,
    Id(id): Id<NumberId>,
    Params(params): Params<PastParams>,
) -> Result<Json<Number>, ApiError> {
    fresh(&state, params.at_least).await?;
    if let Some(at) = params.at {
        let active = |number: &Past| number.claim().cloned().map(|claim| (claim.account, claim));
        return Ok(Json(thing_at(&state, caller, (id.uuid(), at), active).await?.into()));
    }
    Ok(Json(visible(state.provisioning.directory(), caller, id)?.into()))
}

/// Sends a number's calls elsewhere; running calls stay where they are.
#[utoipa::path(patch, path = "/v1/numbers/{id}", tag = "numbers", params(("id" = String, Path)),
    request_body = NumberChanges, security(("basic" = [])), responses((status = 200, body = Changed<Number>), (status = "4XX", body = ErrorBody)))]
async fn change(
    caller: Caller,
    State(state): State<AppState>,
    Id(id): Id<NumberId>,
    Body(changes): Body<NumberChanges>,
) -> Result<Response, ApiError> {
    let directory = state.provisioning.directory();
    visible(directory, caller, id)?;
    let position = match changes.target {
        Some(target) => state.provisioning.retarget_number(id, target.into(), Some(caller.key)).await??,
        None => directory.position(),
    };
    Ok(changed(StatusCode::OK, Number::from(visible(directory, caller, id)?), position))
}

/// Gives a number up; anybody may claim it then.
#[utoipa::path(delete, path = "/v1/numbers/{id}", tag = "numbers", params(("id" = String, Path)),
    security(("basic" = [])), responses((status = 204), (status = "4XX", body = ErrorBody)))]
async fn release(caller: Caller, State(state): State<AppState>, Id(id): Id<NumberId>) -> Result<Response, ApiError> {
    visible(state.provisioning.directory(), caller, id)?;
    Ok(gone(state.provisioning.release_number(id, Some(caller.key)).await??))
}
