//! Everything with a URL, and the one binary.
mod state;
pub use state::{AppState, Readiness};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use utoipa_axum::router::OpenApiRouter;
/// Larger request bodies are refused with 413.
pub const MAX_BODY_BYTES: usize = 64 * 1024;
/// The whole HTTP API over this state.
pub fn router(state: AppState) -> Router {
    router_with(state, OpenApiRouter::new())
}
/// The whole HTTP API, together with documented routes of the caller's that have their own state already.
pub fn router_with(state: AppState, more: OpenApiRouter) -> Router {
    let documented =
        OpenApiRouter::with_openapi(openapi::described()).merge(routes::all()).with_state(state).merge(more);
    let (router, document) = documented.split_for_parts();
    router
        .merge(openapi::route(&document))
        .fallback(error::no_such_route)
        .method_not_allowed_fallback(error::no_such_method)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
}

pub mod auth;
pub mod config;
pub mod demo;
pub mod error;
pub mod extract;
pub mod metrics;
pub mod openapi;
pub mod paging;
pub mod routes;
pub mod wiring;
