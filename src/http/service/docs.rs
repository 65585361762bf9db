//! The description of the contract: `openapi.yaml`, and pages that show it.

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::http::params::{Input, Nothing};

/// What stands above the paths.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "shopscore",
        description = "The open engine for a marketplace's shop experience score (商家体验分) and creator score (带货口碑分).\n\n\
            The shipped rule sets are derived from undated seller guides of about 2022, and `douyin-2026-09` is an estimate of the \
            rules in force since 2026-09-08. They are not the platform's own rules, and the project is not affiliated with the platform.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    tags(
        (name = "events", description = "What happened: orders, reviews, after-sale cases, complaints, IM sessions, products."),
        (name = "push", description = "What platforms push in their own words; docs/connectors.md says what it becomes."),
        (name = "scores", description = "The published score and what it is made of."),
        (name = "registry", description = "Shops and creators with their categories."),
        (name = "exclusions", description = "Exclusions: what the platform removes from scores (剔除)."),
        (name = "adjustments", description = "Adjustments: what the platform adds to scores or takes off (加分, 扣分)."),
        (name = "keys", description = "API keys. Scopes: `events:write`, `events:relay`, `scores:read`, `webhooks`, `admin`."),
        (name = "runs", description = "Runs: each computes all scores of one date."),
        (name = "previews", description = "Draft rule sets replayed over the fleet, before anybody is judged by them."),
        (name = "webhooks", description = "Being told what happens, and alert rules. Messages follow Standard Webhooks 1.0; docs/webhooks.md describes them."),
        (name = "audit", description = "Who changed what."),
        (name = "service", description = "The process itself."),
    )
)]
struct Description;

pub fn openapi() -> OpenApi {
    let mut openapi = Description::openapi();
    openapi.info.version = env!("CARGO_PKG_VERSION").to_owned();
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some(
            "An API key. Needed unless the service runs with `--auth off`, the default on a loopback address.",
        ))
        .build();
    let components = openapi.components.get_or_insert_with(Default::default);
    components.add_security_scheme("key", SecurityScheme::Http(bearer));
    openapi
}

/// The whole description as YAML, as it stands in `openapi.yaml`.
pub fn yaml(description: &OpenApi) -> Result<String, serde_json::Error> {
    description.to_yaml().map_err(serde::de::Error::custom)
}

/// The contract as OpenAPI 3.1.
#[utoipa::path(
    get,
    path = "/openapi.yaml",
    tag = "service",
    responses((status = 200, description = "This document.", body = serde_json::Value, content_type = "application/yaml"))
)]
pub async fn openapi_yaml(_: Input<Nothing>) -> Response {
    let text = include_str!("../../../openapi.yaml");
    ([(header::CONTENT_TYPE, "application/yaml")], text).into_response()
}

/// `/docs`, served from the binary.
pub fn pages<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let pages: Router<S> = SwaggerUi::new("/docs").config(Config::from("/openapi.yaml")).into();
    pages.layer(from_fn(show_page))
}

/// What the pages may load: what comes with them. Their styles stand in the page itself.
const PAGE_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

async fn show_page(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, PAGE_POLICY);
    response
}
