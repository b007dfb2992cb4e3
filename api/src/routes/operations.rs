//! For operators, without authentication: is it alive, does it take calls, what does it count.

use crate::metrics::{Exposition, Kind};
use crate::state::AppState;
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(health)).routes(routes!(readiness)).routes(routes!(metrics))
}

/// How it is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Status {
    /// `ok`, `ready` or `not_ready`.
    status: &'static str,
}

/// Whether the process is alive.
#[utoipa::path(get, path = "/healthz", tag = "operations", responses((status = 200, body = Status)))]
async fn health() -> Json<Status> {
    Json(Status { status: "ok" })
}

/// Whether calls are taken: not before recovery, nor while draining.
#[utoipa::path(get, path = "/readyz", tag = "operations",
    responses((status = 200, body = Status), (status = 503, description = "Not now.", body = Status)))]
async fn readiness(State(state): State<AppState>) -> Response {
    if state.readiness.is_ready() {
        Json(Status { status: "ready" }).into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, Json(Status { status: "not_ready" })).into_response()
    }
}

/// Counters and gauges in Prometheus' text format.
#[utoipa::path(get, path = "/metrics", tag = "operations",
    responses((status = 200, content_type = "text/plain", body = String)))]
async fn metrics(State(state): State<AppState>) -> Response {
    let mut text = Exposition::default();
    let [accounts, numbers, trunks] = state.provisioning.directory().counts();
    let [domains, credentials] = state.provisioning.directory().user_counts();
    for (name, help, count) in [
        ("strowger_accounts", "Accounts ever opened.", accounts),
        ("strowger_numbers", "Numbers claimed now.", numbers),
        ("strowger_trunks", "Trunks now.", trunks),
        ("strowger_domains", "Domains served now.", domains),
        ("strowger_credentials", "Credentials of domains' users now.", credentials),
    ] {
        text.single(Kind::Gauge, name, help, count as f64);
    }
    let body = text.into_text() + &state.metrics.expose();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], body).into_response()
}
