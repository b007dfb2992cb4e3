//! Who asks: HTTP Basic with an account's or key's id, and a secret. [T2]

use crate::error::ApiError;
use crate::state::AppState;
use adapters::provisioning::Directory;
use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::ids::{AccountId, KeyId};

/// Longer credentials are nobody's.
const MAX_CREDENTIALS: usize = 1_024;

/// Whoever proved to hold a key of an open account. First argument of every handler that is not public, so that
/// nothing else of a request is looked at before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// The key's account.
    pub account: AccountId,
    /// The key; events name it.
    pub key: KeyId,
}

impl Caller {
    /// Whether the caller may read and change an account: its own, or one below.
    pub fn may_use(&self, directory: &Directory, account: AccountId) -> bool {
        directory.is_within(account, self.account)
    }

    /// Whether the key is still one, for answers that take long: it may be revoked meanwhile, or an account closed.
    pub fn still_may(&self, directory: &Directory) -> bool {
        directory.still_opens(adapters::provisioning::Caller { account: self.account, key: self.key })
    }

    /// Whether the caller may do what concerns the whole exchange: its account is below no other.
    pub fn operates(&self, directory: &Directory) -> Result<(), ApiError> {
        let account = directory.account(self.account).ok_or_else(ApiError::not_found)?;
        if account.item.parent.is_none() { Ok(()) } else { Err(ApiError::forbidden()) }
    }

    /// The account that a request is about: the one it names, where the caller may use it, or the caller's own.
    pub fn scope(&self, directory: &Directory, named: Option<AccountId>) -> Result<AccountId, ApiError> {
        let account = named.unwrap_or(self.account);
        if self.may_use(directory, account) { Ok(account) } else { Err(ApiError::not_found()) }
    }
}

impl<S> FromRequestParts<S> for Caller
where
    AppState: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let state = AppState::from_ref(state);
        let (user, secret) = credentials(&parts.headers).ok_or_else(ApiError::unauthenticated)?;
        let caller = state.provisioning.directory().authenticate(&user, &secret);
        caller.map(|caller| Self { account: caller.account, key: caller.key }).ok_or_else(ApiError::unauthenticated)
    }
}

fn credentials(headers: &HeaderMap) -> Option<(String, String)> {
    let (scheme, encoded) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") || encoded.len() > MAX_CREDENTIALS {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    decoded.split_once(':').map(|(user, secret)| (user.to_owned(), secret.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn read(value: &str) -> Option<(String, String)> {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        credentials(&headers)
    }

    #[test]
    fn a_secret_may_hold_colons() {
        let value = format!("basic {}", STANDARD.encode("user:a:b"));
        assert_eq!(read(&value), Some(("user".to_owned(), "a:b".to_owned())));
    }

    #[test]
    fn other_schemes_broken_and_endless_credentials_are_nobodys() {
        let endless = format!("Basic {}", "A".repeat(2_000));
        for value in ["Bearer dTpw", "Basic", "Basic !", "Basic dQ==", endless.as_str()] {
            assert_eq!(read(value), None, "{value}");
        }
    }
}
