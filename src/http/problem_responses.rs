//! What operations may answer besides what was asked for, as the description says it.

use std::collections::BTreeMap;

use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

use super::problem::ProblemBody;

/// The media type of problems (RFC 9457).
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

/// A response with a problem.
pub(crate) fn problem(description: &str) -> RefOr<Response> {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(ProblemBody::name()))).build();
    ResponseBuilder::new().description(description).content(PROBLEM_JSON, content).build().into()
}

macro_rules! problem_responses {
    ($($name:ident { $($status:literal: $description:literal,)+ })+) => {$(
        pub(crate) struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                BTreeMap::from([$(($status.to_owned(), problem($description)),)+])
            }
        }
    )+};
}

problem_responses! {
    WrongParameter { "400": "A parameter is wrong or unknown.", }
    InvalidBody { "422": "The body is not valid.", }
    InvalidEntry { "422": "An entry is not valid; nothing was written.", }
    TooLarge { "413": "Too many entries; nothing was written.", }
    SubjectNotFound { "404": "`subject-not-found`", }
    UnknownKind { "404": "`not-found`: the path names another kind than shops and creators.", }
    CreatorsStay { "405": "`method-not-allowed`: creators cannot be erased.", }
    EventsNotFound { "404": "`events-not-found`, or `subject-not-found` for another shop's key.", }
    AdjustmentNotFound { "404": "`adjustment-not-found`", }
    PreviewNotFound { "404": "`preview-not-found`", }
    ExclusionNotFound { "404": "`exclusion-not-found`", }
    KeyNotFound { "404": "`key-not-found`", }
    KeyNotActive { "409": "`key-not-active`: the key is revoked or has expired. `key-replaced`: another key takes its place already.", }
    WebhookNotFound { "404": "`webhook-not-found`", }
    WebhookDisabled { "409": "`webhook-disabled`: set `enabled` to true first.", }
    TooManyWebhooks { "409": "`too-many-webhooks`", }
    DeliveryNotFound { "404": "`webhook-not-found` or `delivery-not-found`", }
    AlertNotFound { "404": "`alert-not-found`", }
    ConnectorNotFound { "404": "`connector-not-found`", }
    ImportProblems {
        "400": "A parameter is wrong or unknown, or the parts of the request cannot be read.",
        "413": "The table is too large.",
        "415": "`unsupported-media-type`",
        "422": "The map is wrong or does not fit the table, or the table cannot be read to its end; nothing was written.",
        "503": "What was written before stays; send the same table again: what is stored is a duplicate.",
    }
    PushProblems {
        "401": "`wrong-signature`: nothing was read. With `dry_run` `unauthorized`: a key with the scope `admin` is needed.",
        "403": "With `dry_run`: the key lacks the scope `admin`.",
        "404": "`connector-not-found`",
        "503": "Nothing is acknowledged; the platform sends again.",
    }
    RunNotFound { "404": "`run-not-found`", }
    RuleSetNotFound { "404": "`rule-set-not-found`", }
    WhatIfProblems {
        "400": "A parameter is wrong or unknown.",
        "404": "`subject-not-found` or `score-not-published`.",
        "422": "The body is not valid.",
    }
    SubjectProblems {
        "400": "The body is not JSON, or the id is not valid.",
        "404": "`not-found`: the path names another kind than shops and creators.",
        "422": "The body is not valid.",
    }
    EventProblems {
        "400": "The body cannot be split into events; nothing was written.",
        "409": "A single event conflicts with the stored one.",
        "413": "Too many events or bytes; nothing was written.",
        "415": "Unknown media type or encoding.",
        "422": "A single event, or an atomic batch, is rejected.",
        "503": "The database is unavailable or the queue is full; send again later.",
    }
}

/// The client has the answer already.
pub(crate) struct NotModified;

impl IntoResponses for NotModified {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let not_modified = ResponseBuilder::new().description("Not modified since the ETag you sent.").build();
        BTreeMap::from([("304".to_owned(), not_modified.into())])
    }
}

/// What every read of published data may answer.
pub(crate) struct ReadProblems;

impl IntoResponses for ReadProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        BTreeMap::from([(
            "404".to_owned(),
            problem("`subject-not-found`, `score-not-published` or `metric-not-found`."),
        )])
    }
}
