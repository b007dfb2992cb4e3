//! `/v1/sessions/{id}/export`: a session to take along. [L4]

use super::SessionState;
use crate::auth::Caller;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{Id, Params, from_text};
use crate::routes::query::{At, no_history, reached};
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use domain::ids::{AccountId, SessionId};
use futures_util::stream;
use projections::exports::{self, Export, Survey};
use projections::timelines::timeline;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// How many SIP messages the session has.
const MESSAGES: HeaderName = HeaderName::from_static("strowger-messages");
/// How many of them were erased, and are in no capture.
const ERASED: HeaderName = HeaderName::from_static("strowger-erased-messages");

pub(super) fn routes() -> OpenApiRouter<SessionState> {
    OpenApiRouter::new().routes(routes!(export))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ExportParams {
    /// `pcap`: every SIP message as an IP packet, for Wireshark. `jsonl`: an event a line, with all that its hash covers.
    /// `svg`: the ladder. `sipp`: a scenario for SIPp that plays the caller's side again.
    #[param(value_type = String)]
    format: Format,
    /// Answer only with everything up to this log position.
    #[serde(default, deserialize_with = "from_text")]
    #[param(value_type = Option<u64>)]
    at_least: Option<At>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    Pcap,
    Jsonl,
    Svg,
    Sipp,
}

impl Format {
    /// Media type, and how names of such files end.
    const fn kind(self) -> (&'static str, &'static str) {
        match self {
            Self::Pcap => ("application/vnd.tcpdump.pcap", "pcap"),
            Self::Jsonl => ("application/jsonl", "jsonl"),
            Self::Svg => ("image/svg+xml", "svg"),
            Self::Sipp => ("application/xml", "xml"),
        }
    }
}

/// Exports a session as a file. `Strowger-Messages` says how many SIP messages it has, `Strowger-Erased-Messages` how many
/// of them were erased: they are in no capture.
#[utoipa::path(get, path = "/v1/sessions/{id}/export", tag = "sessions", params(("id" = String, Path), ExportParams),
    security(("basic" = [])),
    responses((status = 200, content((String = "application/vnd.tcpdump.pcap"), (String = "application/jsonl"),
        (String = "image/svg+xml"), (String = "application/xml"))), (status = "4XX", body = ErrorBody)))]
async fn export(
    caller: Caller,
    State(state): State<SessionState>,
    Id(id): Id<SessionId>,
    Params(params): Params<ExportParams>,
) -> Result<Response, ApiError> {
    reached(params.at_least, state.app.log.head())?;
    let (account, survey) = surveyed(&state, caller, id).await?;
    let body = match params.format {
        Format::Pcap => streamed(&state, id, (account, survey), exports::Format::Pcap),
        Format::Jsonl => streamed(&state, id, (account, survey), exports::Format::JsonLines),
        Format::Svg => {
            let told = timeline(&*state.app.log, &*state.app.keyring, id, false).await.map_err(no_history)?;
            Body::from(told.ok_or_else(ApiError::not_found)?.ladder_svg())
        }
        Format::Sipp => {
            let written = exports::scenario(&*state.app.log, &*state.app.keyring, id).await.map_err(no_history)?;
            Body::from(written.map_err(ApiError::conflict)?)
        }
    };
    let (kind, ending) = params.format.kind();
    let name = format!("attachment; filename=\"{id}.{ending}\"");
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CONTENT_DISPOSITION, HeaderValue::try_from(name).map_err(ApiError::unavailable)?),
        (header::CACHE_CONTROL, HeaderValue::from_static("private, no-store")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'")),
        (MESSAGES, HeaderValue::from(survey.messages)),
        (ERASED, HeaderValue::from(survey.erased)),
    ];
    Ok((headers, body).into_response())
}

/// What there is, where the caller may see it.
async fn surveyed(state: &SessionState, caller: Caller, id: SessionId) -> Result<(AccountId, Survey), ApiError> {
    let found = exports::survey(&*state.app.log, &*state.app.keyring, id).await.map_err(no_history)?;
    let survey = found.ok_or_else(ApiError::not_found)?;
    let directory = state.app.provisioning.directory();
    let account = survey.account.filter(|account| caller.may_use(directory, *account));
    account.map(|account| (account, survey)).ok_or_else(ApiError::not_found)
}

/// Page by page, so that a long session costs no more memory than a short one. Where the log fails on the way the connection
/// is broken off, so that nobody takes a part for the whole.
fn streamed(state: &SessionState, id: SessionId, found: (AccountId, Survey), format: exports::Format) -> Body {
    let export = Export::new(Arc::clone(&state.app.log), Arc::clone(&state.app.keyring), id, found, format);
    Body::from_stream(stream::unfold(Some(export), |export| async {
        let mut export = export?;
        match export.next().await {
            Ok(Some(bytes)) => Some((Ok(bytes), Some(export))),
            Ok(None) => None,
            Err(error) => {
                tracing::error!(%error, "an export was broken off");
                Some((Err(error), None))
            }
        }
    }))
}
