//! Who a request is addressed to (RFC 9110, section 7.2). A browser can be made to send requests of a foreign page to
//! this machine; where no key is asked for, the names that they carry are all that tells them from the user's own.

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Version, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::{Kind, Problem};
use super::state::AppState;

/// Hands on requests that are addressed to this service.
pub(crate) async fn check_addressee(State(state): State<AppState>, request: Request, next: Next) -> Response {
    match check(&request, state.auth_required) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

fn check(request: &Request, auth_required: bool) -> Result<(), Problem> {
    let named = one_host(request.headers())?;
    let authority = match (request.uri().authority(), named) {
        (Some(authority), _) => Some(authority.clone()),
        (None, Some(host)) => Some(host.parse::<Authority>().map_err(|_| wrong_host("is not a host"))?),
        // HTTP/1.0 knows no Host.
        (None, None) if request.version() == Version::HTTP_10 => None,
        (None, None) => return Err(wrong_host("is missing")),
    };
    if auth_required {
        return Ok(());
    }
    let host = authority.as_ref().map(Authority::host).unwrap_or_default();
    if !is_loopback(host) {
        let detail = "without keys the service answers to localhost, 127.0.0.1 and [::1] only; \
                      start it with --auth required to reach it under another name";
        return Err(Problem::new(Kind::Misdirected, detail));
    }
    let own = authority.map(|authority| authority.to_string());
    let origins = request.headers().get_all(header::ORIGIN).iter();
    let is_own = |origin: &str| origin.split_once("://").is_some_and(|(_, origin)| Some(origin) == own.as_deref());
    if origins.map(|origin| origin.to_str().unwrap_or_default()).all(is_own) {
        Ok(())
    } else {
        let detail = "without keys the service takes no requests from pages of another origin; \
                      start it with --auth required and send a key";
        Err(Problem::new(Kind::Forbidden, detail))
    }
}

/// The Host header, which must not be there twice.
fn one_host(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => Ok(None),
        (Some(host), None) => host.to_str().map(Some).map_err(|_| wrong_host("is not a host")),
        (Some(_), Some(_)) => Err(wrong_host("is there more than once")),
    }
}

fn wrong_host(why: &str) -> Problem {
    Problem::new(Kind::InvalidParameter, format!("the Host header {why}; send it once, with the name of this service"))
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || address.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}
