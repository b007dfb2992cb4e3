//! `/v1/erasures`: what is personal of somebody goes for good, and that it went is written down. [L7]

use super::changed;
use super::query::{At, Party, no_rows, written};
use crate::auth::Caller;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{Body, Id};
use crate::state::AppState;
use adapters::erasure::{ErasureError, Erasures};
use axum::Json;
use axum::extract::{FromRef, State};
use axum::http::StatusCode;
use axum::response::Response;
use domain::erasure::Erasure as Told;
use domain::ids::{AccountId, ErasureId, MessageId, SessionId};
use domain::log::EventLog;
use domain::ports::Keyring;
use domain::registration::Aor;
use projections::Views;
use projections::erasures::{FindError, Found, Subject, find};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// What these routes look in, and who erases.
#[derive(Clone)]
pub struct ErasureState {
    /// Who asks, and how long rows are waited for.
    pub app: AppState,
    /// Rows.
    pub views: Arc<Views>,
    /// Streams.
    pub log: Arc<dyn EventLog>,
    /// Keys of what is sealed in them.
    pub keyring: Arc<dyn Keyring>,
    /// Who erases.
    pub erasures: Arc<Erasures>,
}

impl FromRef<ErasureState> for AppState {
    fn from_ref(state: &ErasureState) -> Self {
        state.app.clone()
    }
}

/// The routes, with their state.
pub fn routes(state: ErasureState) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(erase)).routes(routes!(show)).with_state(state)
}

/// Exactly one of `session`, `message`, `number` and `aor`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewErasure {
    /// Whose; the caller's own by default.
    #[schema(value_type = Option<String>)]
    account: Option<AccountId>,
    /// A session.
    #[schema(value_type = Option<String>, example = "CA0123456789abcdef0123456789abcdef")]
    session: Option<SessionId>,
    /// A MESSAGE outside calls.
    #[schema(value_type = Option<String>)]
    message: Option<MessageId>,
    /// Every session that this number or user name called or was called in, and every MESSAGE that it sent or got: exactly
    /// as `/v1/sessions` shows it.
    #[schema(example = "+15550000001")]
    number: Option<String>,
    /// The registrations of this address of record, and the sessions and MESSAGEs that name it.
    #[schema(example = "alice@pbx.example.com")]
    aor: Option<String>,
}

impl NewErasure {
    fn subject(&self) -> Result<Subject, ApiError> {
        let wrong = |field| move |what: &str| ApiError::invalid(field, what);
        match (self.session, self.message, &self.number, &self.aor) {
            (Some(id), None, None, None) => Ok(Subject::Session(id)),
            (None, Some(id), None, None) => Ok(Subject::Message(id)),
            (None, None, Some(number), None) => {
                let read = number.parse::<Party>().map_err(wrong("number"))?;
                Ok(Subject::Number(read.0))
            }
            (None, None, None, Some(aor)) => {
                let read = aor.parse::<Aor>().map_err(|error| ApiError::invalid("aor", error))?;
                Ok(Subject::Aor(read))
            }
            _ => Err(ApiError::unusable("give exactly one of session, message, number and aor")),
        }
    }
}

/// An erasure. Who or what it was about is not kept, but as a keyed hash.
#[derive(Debug, Serialize, ToSchema)]
pub struct Erasure {
    /// Its id.
    #[schema(example = "ER0123456789abcdef0123456789abcdef")]
    id: String,
    /// Whose it is.
    account: String,
    /// By what it was asked for: `session`, `message`, `number` or `aor`.
    subject: &'static str,
    /// A keyed hash of who or what it was: the same for the same, and nothing else can be told from it.
    digest: String,
    /// How many sessions are erased.
    sessions: usize,
    /// How many MESSAGEs.
    messages: usize,
    /// How many addresses of record.
    registrations: usize,
    /// How many keys were destroyed.
    keys: usize,
    /// When it was ordered (RFC 3339).
    ordered_at: String,
    /// When the keys were gone (RFC 3339); `null` before that.
    completed_at: Option<String>,
}

impl Erasure {
    fn of(told: &Told) -> Self {
        Self {
            id: told.id.to_string(),
            account: told.account.to_string(),
            subject: told.subject.name(),
            digest: told.digest.to_text(),
            sessions: told.targets.sessions.len(),
            messages: told.targets.messages.len(),
            registrations: told.targets.registrations.len(),
            keys: told.keys.len(),
            ordered_at: told.ordered_at.to_string(),
            completed_at: told.completed_at.map(|at| at.to_string()),
        }
    }
}

/// Erases for good what is personal of a session, a message, a number or an address of record: its keys are destroyed. Times,
/// states, routes and durations stay, and `strowger verify` still proves the log. What still runs is refused with 409: a
/// call has to end, and so have calls that a transfer joined it with; a binding has to be removed first.
#[utoipa::path(post, path = "/v1/erasures", tag = "erasures", request_body = NewErasure, security(("basic" = [])),
    responses((status = 200, body = super::Changed<Erasure>), (status = "4XX", body = ErrorBody)))]
async fn erase(
    caller: Caller,
    State(state): State<ErasureState>,
    Body(wanted): Body<NewErasure>,
) -> Result<Response, ApiError> {
    let account = caller.scope(state.app.provisioning.directory(), wanted.account)?;
    let subject = wanted.subject()?;
    // What is not in the rows yet would be overlooked.
    let known = state.log.head();
    written(&state.app, &state.views, Some(At(known))).await?;
    let most = Erasures::MOST;
    let found =
        find(&state.views, (&*state.log, &*state.keyring), account, &subject, most).await.map_err(not_found_out)?;
    let Found { targets, running, online } = found.ok_or_else(ApiError::not_found)?;
    if running > 0 {
        let what = format!("{running} of the calls still run: end them, or ask again when they have ended");
        return Err(ApiError::conflict(what));
    }
    if online > 0 {
        let what = format!("{online} of the bindings still hold: remove them first, or ask again when they have ended");
        return Err(ApiError::conflict(what));
    }
    if targets.len() > most {
        return Err(ApiError::conflict(format!("more than {most} streams would be erased at once: name less")));
    }
    let named = (subject.kind(), &*subject.text());
    let (told, position) = state.erasures.erase(account, named, targets, known).await.map_err(not_done)?;
    // Whoever asks next finds the rows masked.
    written(&state.app, &state.views, Some(At(position))).await?;
    Ok(changed(StatusCode::OK, Erasure::of(&told), position))
}

/// Shows an erasure.
#[utoipa::path(get, path = "/v1/erasures/{id}", tag = "erasures", params(("id" = String, Path)), security(("basic" = [])),
    responses((status = 200, body = Erasure), (status = "4XX", body = ErrorBody)))]
async fn show(
    caller: Caller,
    State(state): State<ErasureState>,
    Id(id): Id<ErasureId>,
) -> Result<Json<Erasure>, ApiError> {
    let told = state.erasures.find(id).await.map_err(not_done)?;
    let visible = told.filter(|told| caller.may_use(state.app.provisioning.directory(), told.account));
    visible.map(|told| Json(Erasure::of(&told))).ok_or_else(ApiError::not_found)
}

fn not_found_out(error: FindError) -> ApiError {
    match error {
        FindError::Store(error) => no_rows(error),
        FindError::Read(_) | FindError::Decode(_) => {
            tracing::error!(%error, "what is to be erased could not be found out");
            ApiError::unavailable("the log cannot be read now; the exchange's own log tells why")
        }
    }
}

fn not_done(error: ErasureError) -> ApiError {
    match error {
        ErasureError::Joined(_) | ErasureError::Changed => ApiError::conflict(error.to_string()),
        ErasureError::Read(_) | ErasureError::Append(_) | ErasureError::Keys(_) | ErasureError::Decode(_) => {
            tracing::error!(%error, "an erasure was not finished");
            ApiError::unavailable(
                "the erasure is not finished: what is written down of it is done at the next start, or ask again",
            )
        }
    }
}
