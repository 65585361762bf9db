//! `POST /v1/events`: the door for facts.

use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::event_answers::{BatchAnswer, EventAnswer, EventWarning, EventsAnswer};
use crate::domain::event::Event;
use crate::domain::fault::{Code, Fault};
use crate::domain::parse::Envelope;
use crate::http::auth::Caller;
use crate::http::bodies::{BodyLimit, SMALL_BYTES};
use crate::http::event_schemas::{CloudEvent, CloudEvents, EventLines, EventOrEvents};
use crate::http::media::{self, BODY_BYTES_MAX, RawEvents};
use crate::http::params::{Input, parameters};
use crate::http::problem::{Kind, Problem};
use crate::http::problem_responses::EventProblems;
use crate::http::state::AppState;
use crate::http::terms::{StoredOutcome, Term};
use crate::ingest::door::{AcceptedTimes, Read, read_event};
use crate::ingest::{Atomicity, Outcome, SentEvent};

parameters! {
    /// How events are written.
    pub(crate) struct EventsQuery {
        /// All or nothing: if any event is rejected or conflicts, none is written.
        atomic: Option<bool>,
    }
}

/// Sends events.
///
/// One event or up to 10,000 (16 MiB after decompression). A 2xx response means: stored durably and counted. Sending
/// again is always safe.
#[utoipa::path(
    post,
    path = "/v1/events",
    tag = "events",
    params(EventsQuery),
    request_body(
        description = "One event or an array (application/json), one event a line (application/x-ndjson), or CloudEvents 1.0 \
            (application/cloudevents+json, application/cloudevents-batch+json). Bodies may be compressed with gzip or zstd.",
        content(
            (EventOrEvents = "application/json"),
            (EventLines = "application/x-ndjson"),
            // Media types have no case (RFC 9110, section 8.3.1). Written so, generators of clients that make one function of all
            // JSON bodies leave these out, where they would ask an array whether it is a list of CloudEvents, and fail.
            (CloudEvent = "application/CloudEvents+json"),
            (CloudEvents = "application/CloudEvents-batch+json"),
        )
    ),
    responses(
        (status = 200, description = "The outcome of a batch, or of a duplicate event.", body = EventsAnswer),
        (status = 201, description = "A single event was accepted.", body = EventAnswer),
        EventProblems
    )
)]
pub(crate) async fn post_events(
    State(state): State<AppState>,
    caller: Caller,
    Input(query): Input<EventsQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let atomicity = if query.atomic == Some(true) { Atomicity::AllOrNothing } else { Atomicity::EachAlone };
    // The room is given back when the answer is made.
    let limit = BodyLimit { bytes: BODY_BYTES_MAX, weight: 1, key_id: caller.key_id() };
    let (bytes, _room) = state.bodies.read(body, limit).await?;
    let times = AcceptedTimes::of(&state.context);
    let mut parsed = parse_body(headers, bytes, times).await?;
    for read in &mut parsed.events {
        if let Ok(event) = read
            && let Some(fault) = not_the_callers(event, &caller, parsed.envelope)
        {
            *read = Err((Some(event.id.to_string()), vec![fault]));
        }
    }
    if parsed.single {
        single_answer(&state, &caller, parsed).await
    } else {
        batch_answer(&state, &caller, parsed, atomicity).await
    }
}

struct Parsed {
    envelope: Envelope,
    single: bool,
    events: Vec<Read>,
}

async fn parse_body(headers: HeaderMap, bytes: Bytes, times: AcceptedTimes) -> Result<Parsed, Problem> {
    let large = bytes.len() > SMALL_BYTES;
    let parse = move || -> Result<Parsed, Problem> {
        let RawEvents { envelope, single, texts } = media::split(&headers, &bytes)?;
        Ok(Parsed { envelope, single, events: texts.iter().map(|text| read_event(text, envelope, &times)).collect() })
    };
    if !large {
        return parse();
    }
    match tokio::task::spawn_blocking(parse).await {
        Ok(parsed) => parsed,
        Err(_) => Err(Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR)),
    }
}

/// Why a caller may not send an event, if that is so.
fn not_the_callers(event: &Event, caller: &Caller, envelope: Envelope) -> Option<Fault> {
    if !caller.may_write(&event.aggregate.shop_id) {
        let pointer = if envelope == Envelope::CloudEvents { "/shopid" } else { "/shop_id" };
        return Some(Fault::new(pointer, Code::ForbiddenShop, "the key is bound to other shops"));
    }
    let event_type = event.fact.event_type();
    (!caller.relay().allows(event_type)).then(|| {
        let detail = format!("{} needs a key with the scope events:relay", event_type);
        Fault::new("/type", Code::ForbiddenType, detail)
    })
}

async fn store(
    state: &AppState,
    caller: &Caller,
    events: Vec<Arc<Event>>,
    atomicity: Atomicity,
) -> Result<Vec<Outcome>, Problem> {
    if events.is_empty() {
        return Ok(Vec::new());
    }
    let (key_id, relay) = (caller.key_id(), caller.relay());
    let sent = events.into_iter().map(|event| SentEvent { event, key_id, relay }).collect();
    Ok(state.queue.write(sent, atomicity).await?)
}

async fn single_answer(state: &AppState, caller: &Caller, parsed: Parsed) -> Result<Response, Problem> {
    let Some(read) = parsed.events.into_iter().next() else {
        return Err(Problem::of_status(StatusCode::BAD_REQUEST));
    };
    let event = read.map_err(|(_, faults)| {
        state.telemetry.count_events("rejected", 1);
        rejected(&faults)
    })?;
    let id = event.id.to_string();
    let outcomes = store(state, caller, vec![event], Atomicity::EachAlone).await?;
    let warnings: Vec<EventWarning> = outcomes
        .iter()
        .filter(|one| **one == Outcome::AcceptedWithoutCredit)
        .map(|_| EventWarning::without_credit(None))
        .collect();
    let answer = |status, outcome| (status, Json(EventAnswer { id: id.clone(), outcome: Term(outcome), warnings }));
    let word = match outcomes.first() {
        Some(Outcome::Accepted | Outcome::AcceptedWithoutCredit) => "accepted",
        Some(Outcome::Duplicate) => "duplicate",
        Some(Outcome::Conflict) => "conflict",
        _ => "rejected",
    };
    state.telemetry.count_events(word, 1);
    match outcomes.first() {
        Some(Outcome::Accepted | Outcome::AcceptedWithoutCredit) => {
            Ok(answer(StatusCode::CREATED, StoredOutcome::Accepted).into_response())
        }
        Some(Outcome::Duplicate) => Ok(answer(StatusCode::OK, StoredOutcome::Duplicate).into_response()),
        Some(Outcome::Conflict) => {
            let detail = "an event with this id and different content is already stored for the same aggregate; \
                          to correct it, retract it and send the right one under another id";
            Err(Problem::new(Kind::EventConflict, detail).with("id", id))
        }
        Some(outcome) => Err(rejected(&outcome.fault().into_iter().collect::<Vec<_>>())),
        None => Err(Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR)),
    }
}

fn rejected(faults: &[Fault]) -> Problem {
    Problem::of_faults(Kind::EventRejected, faults)
}

async fn batch_answer(
    state: &AppState,
    caller: &Caller,
    parsed: Parsed,
    atomicity: Atomicity,
) -> Result<Response, Problem> {
    let any_rejected = parsed.events.iter().any(Result::is_err);
    let (mut valid, mut reads) = (Vec::new(), Vec::with_capacity(parsed.events.len()));
    for read in parsed.events {
        match read {
            Ok(event) => {
                reads.push(Ok(event.id.clone()));
                valid.push(event);
            }
            Err(faulty) => reads.push(Err(faulty)),
        }
    }
    let untouched = atomicity == Atomicity::AllOrNothing && any_rejected;
    let outcomes = if untouched { Vec::new() } else { store(state, caller, valid, atomicity).await? };
    let mut answer = BatchAnswer::default();
    let mut outcomes = outcomes.into_iter();
    for (index, read) in reads.into_iter().enumerate() {
        match read.map(|id| (id, outcomes.next())) {
            Err((id, faults)) => answer.reject(index, id, &faults),
            Ok((id, Some(outcome))) => answer.note(index, id.to_string(), &outcome),
            // Nothing was written.
            Ok((_, None)) => {}
        }
    }
    state.telemetry.count_events("duplicate", answer.duplicates);
    state.telemetry.count_events("conflict", answer.conflicts);
    state.telemetry.count_events("rejected", answer.rejected);
    if atomicity == Atomicity::AllOrNothing && answer.conflicts + answer.rejected > 0 {
        let detail = "atomic=true: correct or leave out the events in results, and send the batch again";
        answer.accepted = 0;
        let problem = Problem::new(Kind::BatchRejected, detail);
        return Err(problem
            .with("accepted", 0)
            .with("conflicts", answer.conflicts)
            .with("rejected", answer.rejected)
            .with("results", serde_json::to_value(&answer.results).unwrap_or_default()));
    }
    state.telemetry.count_events("accepted", answer.accepted);
    Ok(Json(answer).into_response())
}
