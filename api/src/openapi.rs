//! `/openapi.json`, made from the routes and types themselves.

use axum::Router;
use axum::http::header;
use axum::routing::get;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, InfoBuilder, OpenApi, OpenApiBuilder};

/// The document before any route is added.
pub fn described() -> OpenApi {
    let mut basic = Http::new(HttpAuthScheme::Basic);
    basic.description = Some("An account's or key's id, and a secret.".to_owned());
    let info = InfoBuilder::new().title("Strowger").version(env!("CARGO_PKG_VERSION")).description(Some(
        "Programmable SIP exchange. Every command answers the position that it has in the log (field `position`, \
         header `Strowger-Position`); give it to a query as `at_least` to see at least that.",
    ));
    let components = ComponentsBuilder::new().security_scheme("basic", SecurityScheme::Http(basic));
    OpenApiBuilder::new().info(info.build()).components(Some(components.build())).build()
}

/// Serves the finished document.
pub fn route(document: &OpenApi) -> Router {
    // A document of text and maps with text keys can always be written.
    let json = document.to_json().unwrap_or_default();
    let answer = move || {
        let json = json.clone();
        async move { ([(header::CONTENT_TYPE, "application/json")], json) }
    };
    Router::new().route("/openapi.json", get(answer))
}
