//! How something stood at an instant: what the routes with `at` share.

use super::query::Time;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::extract::from_text;
use crate::paging::AtLeast;
use crate::state::AppState;
use adapters::provisioning::Listed;
use domain::decider::Aggregate;
use domain::ids::AccountId;
use domain::time::WallTime;
use projections::replay::{Past, past};
use serde::Deserialize;
use std::fmt::Display;
use utoipa::IntoParams;

/// Which state of a thing is shown.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PastParams {
    /// As it was at this time (RFC 3339), also where it is gone since.
    #[serde(default, deserialize_with = "from_text")]
    #[param(value_type = Option<String>)]
    pub at: Option<Time>,
    /// Answer only with everything up to this log position.
    #[serde(default, deserialize_with = "from_text")]
    #[param(value_type = Option<u64>)]
    pub at_least: Option<AtLeast>,
}

/// The answer where nothing of it had happened yet.
pub(super) fn before(begins: WallTime) -> ApiError {
    ApiError::invalid("at", format!("nothing of it had happened yet: its first event is of {begins}"))
}

/// A thing of provisioning as it was, where the caller may see it; `active` tells whose it is, and what is shown of it while
/// it is there.
pub(super) async fn thing_at<A: Aggregate + Clone, T>(
    state: &AppState,
    caller: Caller,
    (id, Time(at)): (impl Display, Time),
    active: impl Fn(&A) -> Option<(AccountId, T)>,
) -> Result<Listed<T>, ApiError> {
    let found = past::<A>(&*state.log, id, at).await.map_err(|error| {
        tracing::error!(%error, "the past of a thing could not be told");
        ApiError::unavailable("its history cannot be read now; the exchange's own log tells why")
    })?;
    let Past { begins, first, then } = found.ok_or_else(ApiError::not_found)?;
    let directory = state.provisioning.directory();
    let visible = active(&first).is_some_and(|(account, _)| caller.may_use(directory, account));
    if !visible {
        return Err(ApiError::not_found());
    }
    let then = then.ok_or_else(|| before(begins))?;
    let (_, item) = active(&then).ok_or_else(ApiError::not_found)?;
    Ok(Listed { item, created_at: begins })
}
