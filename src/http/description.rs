//! What all operations have in common in the description: their scope, the problems that the layers around them answer, and
//! examples, as they were once recorded from a running service.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{OpenApi, PathItem, RefOr};

use super::problem_responses;
use crate::access::Scope;

/// The examples by the id of the operation.
const EXAMPLES: &str = include_str!("examples.json");

/// What one operation is sent and answers.
#[derive(Deserialize)]
struct Example {
    #[serde(default)]
    request: Option<Value>,
    status: u16,
    response: Value,
}

/// The operations of a path.
pub(super) fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, delete, options, head, patch, trace, .. } = item;
    [get, put, post, delete, options, head, patch, trace].into_iter().flatten()
}

/// Says which scopes the key of a caller needs one of.
pub(super) fn describe_scopes(operation: &mut Operation, scopes: &[Scope]) {
    let requirement = |scope: &Scope| SecurityRequirement::new("key", [scope.as_str()]);
    operation.security = Some(scopes.iter().map(requirement).collect());
    for (status, kind) in [
        ("401", "`unauthorized`"),
        ("403", "`forbidden`"),
        (
            "429",
            "`too-many-requests`: this caller sends too much, or its address showed too many unknown keys; send again after the Retry-After seconds.",
        ),
    ] {
        operation.responses.responses.insert(status.to_owned(), problem_responses::problem(kind));
    }
}

/// Adds what the layers around every handler may answer, where the operation does not say more.
pub(super) fn add_problems(operation: &mut Operation) {
    let around: &[(&str, &str)] = &[
        ("400", "`invalid-parameter`: a parameter is unknown or wrong, or the Host header is."),
        ("421", "`misdirected-request`: without keys only loopback names are answered."),
        ("431", "`headers-too-large`"),
        ("500", "`internal`: the log of the service shows the cause."),
        ("503", "`unavailable`: the database is away; send again after the Retry-After seconds."),
    ];
    let of_body: &[(&str, &str)] = &[
        ("408", "`request-timeout`: the body took too long to arrive; nothing was written."),
        ("413", "`too-large`: the body is too large; nothing was written."),
        ("415", "`unsupported-media-type`: the media type or encoding is not understood."),
        ("422", "`invalid-body`: the body is not valid; nothing was written."),
    ];
    let of_body = if operation.request_body.is_some() { of_body } else { &[] };
    for (status, kinds) in around.iter().chain(of_body) {
        let responses = &mut operation.responses.responses;
        responses.entry((*status).to_owned()).or_insert_with(|| problem_responses::problem(kinds));
    }
}

/// Adds the examples to the operations.
pub(super) fn add_examples(description: &mut OpenApi) {
    let examples: BTreeMap<String, Example> = serde_json::from_str(EXAMPLES).unwrap_or_default();
    for operation in description.paths.paths.values_mut().flat_map(operations) {
        let id = operation.operation_id.clone().unwrap_or_default();
        let Some(example) = examples.get(&id) else { continue };
        let body = operation.request_body.as_mut().and_then(held);
        let sent = body.and_then(|body| body.content.get_mut("application/json")).and_then(held);
        if let (Some(content), Some(request)) = (sent, &example.request) {
            content.example = Some(request.clone());
        }
        let answered = operation.responses.responses.get_mut(&example.status.to_string());
        if let Some(content) = answered.and_then(held).and_then(|one| one.content.values_mut().next()).and_then(held) {
            content.example = Some(example.response.clone());
        }
    }
}

/// What stands in its own place, not behind a reference.
fn held<T>(one: &mut RefOr<T>) -> Option<&mut T> {
    match one {
        RefOr::T(one) => Some(one),
        RefOr::Ref(_) => None,
    }
}
