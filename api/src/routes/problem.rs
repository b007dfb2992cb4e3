//! The one shape of errors.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use projections::events::FeedError;
use projections::timelines::TimelineError;
use projections::{NotThere, StoreError};
use serde::Serialize;
use utoipa::ToSchema;

/// Why a request was not answered as asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    #[serde(skip)]
    status: u16,
    /// The reason.
    error: Reason,
}

/// The reason of a problem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
struct Reason {
    /// A stable word for programs.
    code: &'static str,
    /// A sentence for people: what is wrong and what to do.
    message: String,
    /// The field that is wrong, where one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
}

impl Problem {
    /// 422: a field is unknown or its value cannot be taken.
    pub fn field(field: &str, message: impl Into<String>) -> Self {
        let field = Some(field.chars().take(100).collect());
        Self { status: 422, error: Reason { code: "invalid_field", message: message.into(), field } }
    }

    /// 404: it is not there, or not there for this account.
    pub fn not_found(what: &str) -> Self {
        Self::new(404, "not_found", format!("there is no such {what}"))
    }

    /// 401: nobody said who asks.
    pub fn unauthenticated() -> Self {
        Self::new(401, "unauthenticated", "account id and secret are asked for (HTTP Basic)".to_owned())
    }

    /// 503: try again soon.
    pub fn busy(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(503, code, message.into())
    }

    const fn new(status: u16, code: &'static str, message: String) -> Self {
        Self { status, error: Reason { code, message, field: None } }
    }

    /// 500: a fault of ours or of the machine. The log of the process has the details.
    fn failed(error: &dyn std::error::Error) -> Self {
        tracing::error!(%error, "a query failed");
        Self::new(500, "failed", "the query failed; the log of the exchange tells why".to_owned())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(&self)).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

impl From<NotThere> for Problem {
    fn from(error: NotThere) -> Self {
        match &error {
            NotThere::Late { .. } => Self::busy("read_models_behind", error.to_string()),
            NotThere::Stopped(_) => Self::busy("read_models_stopped", error.to_string()),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::failed(&error)
    }
}

impl From<TimelineError> for Problem {
    fn from(error: TimelineError) -> Self {
        Self::failed(&error)
    }
}

impl From<FeedError> for Problem {
    fn from(error: FeedError) -> Self {
        Self::failed(&error)
    }
}
