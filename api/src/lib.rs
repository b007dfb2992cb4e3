//! Everything with a URL, and the one binary.
mod state;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use routes::erasures::{self, ErasureState};
use routes::events::{self, EventState};
use routes::notary::{self, NotaryState};
use routes::registrations::{self, RegistrationState};
use routes::sessions::{self, SessionState};
use routes::{messages, read_models, trunks};
pub use state::{AppState, Readiness};
use utoipa_axum::router::OpenApiRouter;
/// Larger request bodies are refused with 413.
pub const MAX_BODY_BYTES: usize = 64 * 1024;
/// The HTTP API without what tells of sessions, and so without read models.
pub fn router(state: AppState) -> Router {
    router_with(state, OpenApiRouter::new())
}

/// The whole HTTP API. There is no other way to serve a route: what `/openapi.json` lists of this is all there is.
pub fn whole_router(
    state: AppState,
    sessions: SessionState,
    events: EventState,
    registrations: RegistrationState,
    (erasures, notary): (ErasureState, NotaryState),
) -> Router {
    let messages = messages::routes(sessions.clone()).merge(trunks::history_routes(sessions.clone()));
    let models = read_models::routes(sessions.clone());
    let history = sessions::routes(sessions).merge(messages).merge(events::routes(events));
    let proofs = erasures::routes(erasures).merge(notary::routes(notary));
    router_with(state, history.merge(registrations::routes(registrations)).merge(proofs).merge(models))
}

fn router_with(state: AppState, more: OpenApiRouter) -> Router {
    let documented =
        OpenApiRouter::with_openapi(openapi::described()).merge(routes::all()).with_state(state).merge(more);
    let (router, document) = documented.split_for_parts();
    router
        .merge(openapi::route(&document))
        .fallback(error::no_such_route)
        .method_not_allowed_fallback(error::no_such_method)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
}

pub mod audit;
pub mod auth;
pub mod config;
pub mod demo;
pub mod error;
pub mod extract;
pub mod metrics;
pub mod openapi;
pub mod paging;
pub mod rebuild;
pub mod routes;
pub mod server;
pub mod verify;
pub mod wiring;
