//! The routes that read histories, behind the same authentication as the rest.

use crate::auth::Caller;
use crate::routes::Reach;
use crate::routes::events::{self, Events};
use crate::routes::sessions::{self, Sessions};
use crate::{AppState, error::ApiError};
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use domain::ids::AccountId;
use domain::log::EventLog;
use domain::ports::Keyring;
use projections::Views;
use projections::events::EventFeed;
use std::sync::Arc;
use utoipa_axum::router::OpenApiRouter;

/// More accounts than this below one are not reached at once.
const MOST_ACCOUNTS: usize = 100_000;

/// Sessions, timelines, ladders and events.
pub fn routes(state: AppState, views: Arc<Views>, log: Arc<dyn EventLog>, keyring: Arc<dyn Keyring>) -> OpenApiRouter {
    let feed = Arc::new(EventFeed::new(Arc::clone(&log), Arc::clone(&keyring)));
    sessions::router(Sessions { views, log, keyring })
        .merge(events::router(Events::new(feed)))
        .layer(from_fn_with_state(state, tell_reach))
}

/// Tells the routes which accounts the caller may see.
async fn tell_reach(
    State(state): State<AppState>,
    caller: Caller,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let page = state.provisioning.directory().accounts(caller.account, None, MOST_ACCOUNTS, |_| true);
    let accounts: Arc<[AccountId]> = page.items.into_iter().map(|listed| listed.item.id).collect();
    request.extensions_mut().insert(Reach(accounts));
    Ok(next.run(request).await)
}
