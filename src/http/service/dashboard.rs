//! The dashboard: one page that asks the API as anybody else does, and the files that it is made of. The files stand under a name
//! that changes with them, so a browser keeps them for good; the page itself is asked for each time.

use std::sync::LazyLock;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::middleware::{Next, from_fn};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use static_serve::embed_assets;

embed_assets!("dashboard/assets", compress = true);

/// Where the files are.
const FILES: &str = concat!("/assets/", env!("SHOPSCORE_DASHBOARD"));

/// Every view is the same page; its program looks at the address.
const VIEWS: [&str; 4] = ["/", "/shops/{id}", "/creators/{id}", "/operator"];

/// The page, and its files.
pub fn pages<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let views = VIEWS.into_iter().fold(Router::new(), |router, view| router.route(view, get(show_page)));
    views.nest(FILES, static_router().layer(from_fn(keep_for_good)))
}

/// What the page may do: load what comes with it, and ask this service.
const PAGE_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
);

async fn show_page() -> Response {
    static PAGE: LazyLock<String> = LazyLock::new(page);
    let headers = [
        (header::CONTENT_SECURITY_POLICY, PAGE_POLICY),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    (headers, Html(PAGE.as_str())).into_response()
}

/// The page with the addresses of its files filled in.
fn page() -> String {
    let preload = |module: &str| format!("<link rel=\"modulepreload\" href=\"{FILES}/{module}\">\n");
    let modules: String = env!("SHOPSCORE_DASHBOARD_MODULES").split(',').map(preload).collect();
    include_str!("../../../dashboard/index.html").replace("{modules}\n", &modules).replace("{files}", FILES)
}

async fn keep_for_good(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if response.status().is_success() {
        let immutable = HeaderValue::from_static("public, max-age=31536000, immutable");
        response.headers_mut().insert(header::CACHE_CONTROL, immutable);
    }
    response
}
