//! Bodies, query parameters and ids, read strictly: whatever is wrong is told with its field.

use crate::error::ApiError;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use std::fmt::Display;
use std::str::FromStr;

/// A JSON body. Its type denies unknown fields.
pub struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let essence = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/json") {
            return Err(ApiError::not_json());
        }
        let body = Bytes::from_request(request, state).await.map_err(|rejection| {
            match rejection.into_response().status() {
                StatusCode::PAYLOAD_TOO_LARGE => ApiError::too_large(),
                _ => ApiError::malformed("the body ended too early"),
            }
        })?;
        let mut json = serde_json::Deserializer::from_slice(&body);
        let read = serde_path_to_error::deserialize(&mut json).map_err(|error| {
            let path = error.path().to_string();
            let inner = error.into_inner();
            if inner.is_data() { wrong(&path, &inner.to_string()) } else { ApiError::malformed(inner) }
        })?;
        json.end().map_err(ApiError::malformed)?;
        Ok(Self(read))
    }
}

/// Query parameters. Their type denies unknown ones; a repeated one is refused.
pub struct Params<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let pairs = Query::<Vec<(String, String)>>::from_request_parts(parts, state).await;
        let Query(pairs) = pairs.map_err(|rejection| ApiError::unusable(rejection.body_text()))?;
        let mut fields = Map::new();
        for (name, value) in pairs {
            if fields.contains_key(&name) {
                return Err(ApiError::invalid(name, "the parameter is given twice"));
            }
            fields.insert(name, Value::String(value));
        }
        let read = serde_path_to_error::deserialize(Value::Object(fields));
        read.map(Self).map_err(|error| wrong(&error.path().to_string(), &error.inner().to_string()))
    }
}

/// An id in a path. What cannot be one is not there: 404.
pub struct Id<T>(pub T);

impl<T: FromStr, S: Send + Sync> FromRequestParts<S> for Id<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path(text) = Path::<String>::from_request_parts(parts, state).await.map_err(|_| ApiError::not_found())?;
        text.parse().map(Self).map_err(|_| ApiError::not_found())
    }
}

/// Two ids in a path.
pub struct Ids<A, B>(pub A, pub B);

impl<A: FromStr, B: FromStr, S: Send + Sync> FromRequestParts<S> for Ids<A, B> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        let Path((a, b)) = path.map_err(|_| ApiError::not_found())?;
        let both = a.parse().ok().zip(b.parse().ok());
        both.map(|(a, b)| Self(a, b)).ok_or_else(ApiError::not_found)
    }
}

/// For a parameter that is more than text: read by its `FromStr`.
pub fn from_text<'de, D, T>(d: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    let text = String::deserialize(d)?;
    text.parse().map(Some).map_err(D::Error::custom)
}

/// For a number in a query: `+` written bare arrives as a space there.
pub fn number_from_query<'de, D, T>(d: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    let text = String::deserialize(d)?;
    let text = text.strip_prefix(' ').map_or(text.clone(), |digits| format!("+{digits}"));
    text.parse().map(Some).map_err(D::Error::custom)
}

/// For a field that `null` empties and absence leaves: `None` is absence, `Some(None)` is `null`.
pub fn null_is_a_value<'de, D, T>(d: D) -> Result<Option<Option<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(d).map(Some)
}

/// An error with the field that it is about: serde's path, or the name it quotes for what is missing or doubled.
fn wrong(path: &str, message: &str) -> ApiError {
    let message = message.rsplit_once(" at line ").map_or(message, |(message, _)| message);
    let about = |what| message.strip_prefix(what).and_then(|rest: &str| rest.split('`').next());
    let quoted = about("missing field `").or_else(|| about("duplicate field `"));
    match (quoted, path) {
        (Some(name), "." | "") => ApiError::invalid(name, message),
        (Some(name), path) if path != name => ApiError::invalid(format!("{path}.{name}"), message),
        (None, "." | "" | "?") => ApiError::unusable(message),
        (Some(_) | None, path) => ApiError::invalid(path, message),
    }
}
