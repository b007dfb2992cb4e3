//! The one shape of every error: `{"error":{"code","message","field"?}}`.
//!
//! Which to use: what is not there, or belongs to somebody else, is [`ApiError::not_found`], always the same text, so
//! that nobody learns what others have. A value that cannot be read or used is [`ApiError::invalid`] with its field. A
//! rule of the domain that says no is a conflict (409) unless it names a field (422). The world's failures are 503.

use adapters::provisioning::{Rejection, Unavailable};
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::account::AccountRejection;
use domain::credential::CredentialRejection;
use domain::domain_name::DomainRejection;
use domain::log::Position;
use domain::number::NumberRejection;
use domain::trunk::TrunkRejection;
use serde::Serialize;
use utoipa::ToSchema;

/// An error as clients see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
    field: Option<String>,
}

/// Body of every answer that is no success.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorBody {
    error: ErrorDetail,
}

/// What went wrong.
#[derive(Debug, Serialize, ToSchema)]
struct ErrorDetail {
    /// Stable word for programs.
    #[schema(example = "invalid")]
    code: &'static str,
    /// Sentence for people.
    #[schema(example = "expected 1 to 600 seconds")]
    message: String,
    /// The field or query parameter at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "ring_timeout")]
    field: Option<String>,
}

impl ApiError {
    fn new(status: StatusCode, code: &'static str, message: impl ToString) -> Self {
        Self { status, code, message: message.to_string(), field: None }
    }

    /// 404: it is not there, or it is somebody else's.
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "there is no such thing, or it is not yours")
    }

    /// 401: no credentials, or wrong ones.
    pub fn unauthenticated() -> Self {
        let message = "authenticate with HTTP Basic: an account id or key id, and a secret";
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", message)
    }

    /// 403: it is there, but for operators alone.
    pub fn forbidden() -> Self {
        let message = "this is for operators: use a key of an account that is below no other";
        Self::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    /// 422: this field's value cannot be used.
    pub fn invalid(field: impl Into<String>, message: impl ToString) -> Self {
        Self { field: Some(field.into()), ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", message) }
    }

    /// 422: the body as a whole cannot be used.
    pub fn unusable(message: impl ToString) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", message)
    }

    /// 400: not JSON.
    pub fn malformed(message: impl ToString) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed_json", message)
    }

    /// 409: a rule says no.
    pub fn conflict(message: impl ToString) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", message)
    }

    /// 409: a rule says no, because of a field where one is named.
    pub fn conflict_with(field: Option<&str>, message: impl ToString) -> Self {
        Self { field: field.map(str::to_owned), ..Self::conflict(message) }
    }

    /// 413: the body is larger than [`crate::MAX_BODY_BYTES`].
    pub fn too_large() -> Self {
        let message = format!("the body is larger than {} bytes", crate::MAX_BODY_BYTES);
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
    }

    /// 415: the body is not declared as JSON.
    pub fn not_json() -> Self {
        let message = "send the body as Content-Type: application/json";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_json", message)
    }

    /// 503: the world failed; trying again may help.
    pub fn unavailable(message: impl ToString) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
    }

    /// 503: the log position that the query asks for is not reached.
    pub fn too_early(wanted: Position, reached: Position) -> Self {
        let message = format!("the answer would hold events up to position {reached} only, not {wanted}: try again");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "too_early", message)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let Self { status, code, message, field } = self;
        let mut response = (status, Json(ErrorBody { error: ErrorDetail { code, message, field } })).into_response();
        let headers = response.headers_mut();
        if status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Basic realm=\"strowger\", charset=\"UTF-8\"");
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

impl From<Unavailable> for ApiError {
    fn from(away: Unavailable) -> Self {
        Self::unavailable(away)
    }
}

impl From<Rejection> for ApiError {
    fn from(rejection: Rejection) -> Self {
        match &rejection {
            Rejection::Account(AccountRejection::NotOpen | AccountRejection::UnknownKey)
            | Rejection::Number(NumberRejection::NotClaimed)
            | Rejection::Trunk(TrunkRejection::Unknown)
            | Rejection::Domain(DomainRejection::Unknown)
            | Rejection::Credential(CredentialRejection::Unknown) => Self::not_found(),
            Rejection::Number(NumberRejection::Taken) => Self::conflict_with(Some("number"), rejection),
            Rejection::Trunk(TrunkRejection::Unusable(unusable)) => Self::invalid(unusable.field(), unusable),
            Rejection::Domain(DomainRejection::Unusable(unusable)) => Self::invalid(unusable.field(), unusable),
            Rejection::Credential(no @ CredentialRejection::NoDomain) => Self::invalid("domain", no),
            Rejection::Trunk(no) => Self::conflict_with(no.field(), no),
            Rejection::Domain(no) => Self::conflict_with(no.field(), no),
            Rejection::Credential(no) => Self::conflict_with(no.field(), no),
            Rejection::Account(_) | Rejection::Number(_) => Self::conflict(rejection),
        }
    }
}

/// Answer to a path that is no route.
pub(crate) async fn no_such_route() -> ApiError {
    ApiError::not_found()
}

/// Answer to a route's wrong method.
pub(crate) async fn no_such_method() -> ApiError {
    let message = "this path does not take that method: see /openapi.json";
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
}
