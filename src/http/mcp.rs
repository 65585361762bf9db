//! `/mcp`: tools for agents. Their questions go through the API like any other request, with the caller's key.

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, header};
use axum::middleware::from_fn_with_state;
use http_body_util::BodyExt;
use rmcp::model::Extensions;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use serde_json::{Value, json};
use std::sync::Arc;
use tower::ServiceExt;

use super::auth::{Gate, authorize};
use super::connections::Peer;
use super::state::AppState;
use crate::access::Scope;
use crate::mcp::server::{Carrier, McpServer, Question};

/// The most bytes of a message.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// The route, for keys that may read scores. `api`: all other routes, with the layers around them.
pub(super) fn route(api: Router, state: &AppState) -> Router {
    let carrier = ApiCarrier { api };
    // Each message is answered by itself, as JSON. Who is addressed is checked for all routes alike.
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_max_request_body_bytes(MESSAGE_BYTES_MAX)
        .disable_allowed_hosts();
    let sessions = Arc::new(NeverSessionManager::default());
    let service = StreamableHttpService::new(move || Ok(McpServer::new(carrier.clone())), sessions, config);
    let gate = Gate { state: state.clone(), scopes: &[Scope::ScoresRead] };
    Router::new().route_service("/mcp", service).route_layer(from_fn_with_state(gate, authorize))
}

/// Asks the API in this process.
#[derive(Clone)]
struct ApiCarrier {
    api: Router,
}

impl Carrier for ApiCarrier {
    async fn carry(&self, question: Question, request: &Extensions) -> (u16, Value) {
        let mut asked = Request::new(Body::empty());
        let Ok(target) = question.target.parse() else {
            return (400, json!({"detail": "the arguments make no path of the API"}));
        };
        *asked.uri_mut() = target;
        asked.headers_mut().insert(header::HOST, HeaderValue::from_static("localhost"));
        if let Some(body) = question.body {
            *asked.method_mut() = Method::POST;
            *asked.body_mut() = Body::from(body.to_string());
            asked.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if let Some(parts) = request.get::<Parts>() {
            for name in [header::AUTHORIZATION, header::ACCEPT_LANGUAGE] {
                if let Some(value) = parts.headers.get(&name) {
                    asked.headers_mut().insert(name, value.clone());
                }
            }
            if let Some(peer) = parts.extensions.get::<Peer>() {
                asked.extensions_mut().insert(*peer);
            }
        }
        let response = match self.api.clone().oneshot(asked).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }
}
