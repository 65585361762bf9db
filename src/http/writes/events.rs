//! `POST /v1/events`: the door for facts.

use std::collections::HashSet;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::event_answers::{BatchAnswer, EventAnswer, EventWarning, EventsAnswer};
use super::event_body::{Parsed, parse_body};
use super::event_checks::{check, without_category};
use crate::domain::event::Event;
use crate::domain::fault::Fault;
use crate::domain::id::Id;
use crate::http::auth::Caller;
use crate::http::bodies::BodyLimit;
use crate::http::event_schemas::{CloudEvent, CloudEvents, EventLines, EventOrEvents};
use crate::http::limits::rates::Unit;
use crate::http::media::BODY_BYTES_MAX;
use crate::http::params::{Input, parameters};
use crate::http::problem::{Kind, Problem};
use crate::http::problem_responses::EventProblems;
use crate::http::state::AppState;
use crate::http::terms::{StoredOutcome, Term};
use crate::ingest::categories::Lacking;
use crate::ingest::door::{Acceptance, ReadEvent, Rejected};
use crate::ingest::group::rehearse_group;
use crate::ingest::{Atomicity, Outcome, SentEvent};

parameters! {
    /// How events are written.
    pub(crate) struct EventsQuery {
        /// All or nothing: if any event is rejected or conflicts, none is written.
        atomic: Option<bool>,
        /// Reject events of which the answer would warn.
        strict: Option<bool>,
        /// Answer what would become of the events, and store nothing.
        dry_run: Option<bool>,
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
        (status = 200, description = "The outcome of a batch, of a duplicate event, or of a dry run.", body = EventsAnswer),
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
    let acceptance = Acceptance::of(&state.context);
    let mut parsed = parse_body(headers, bytes, acceptance).await?;
    // The gate counted one of them, before anything was read.
    let left = caller.take(&state.limits, Unit::Events, parsed.events.len().saturating_sub(1))?;
    let is_strict = query.strict == Some(true);
    check(&mut parsed, &caller, is_strict);
    let sending = Sending { state: &state, caller: &caller, is_strict, is_dry: query.dry_run == Some(true), atomicity };
    let answer =
        if parsed.single { single_answer(&sending, parsed).await } else { batch_answer(&sending, parsed).await };
    let mut response = answer.into_response();
    response.headers_mut().extend(left);
    Ok(response)
}

/// How the events of a request are to be stored.
struct Sending<'a> {
    state: &'a AppState,
    caller: &'a Caller,
    is_strict: bool,
    /// Whether nothing is to be stored at all.
    is_dry: bool,
    atomicity: Atomicity,
}

impl Sending<'_> {
    async fn store(&self, events: Vec<Arc<Event>>) -> Result<Vec<Outcome>, Problem> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let (key_id, relay, is_strict) = (self.caller.key_id(), self.caller.relay(), self.is_strict);
        let sent = events.into_iter().map(|event| SentEvent { event, key_id, relay, is_strict }).collect::<Vec<_>>();
        if self.is_dry {
            return Ok(rehearse_group(&sent, &self.state.context).await?);
        }
        Ok(self.state.queue.write(sent, self.atomicity).await?)
    }

    /// Those of some shops that have no category.
    fn lacking(&self, shops: HashSet<&Id>) -> Lacking {
        self.state.categories.lacking(shops, &self.state.context.store)
    }

    /// What is not stored is not counted.
    fn count(&self, outcome: &'static str, events: usize) {
        if !self.is_dry {
            self.state.telemetry.count_events(outcome, events);
        }
    }

    /// Counts a rejected event by its first fault, and notes it for the shop that the event claims, if that is the caller's.
    fn note_rejection(&self, rejected: &Rejected) {
        let Some(fault) = rejected.faults.first().filter(|_| !self.is_dry) else { return };
        self.state.telemetry.count_rejection(fault.code);
        tracing::debug!(code = %fault.code, pointer = fault.pointer, detail = fault.detail, "an event was rejected");
        if let Some(shop_id) = self.shop_of(rejected) {
            let claimed = (rejected.id.as_deref(), rejected.event_type.as_deref());
            let now = self.state.context.now();
            self.state.journal.reject(shop_id, claimed, fault, (self.caller.key_id(), now));
            if self.caller.is_bound() {
                self.state.hub.rejections().note(shop_id, fault.code, rejected.id.as_deref(), now);
            }
        }
    }

    /// The shop whose senders should know: the one that is claimed, or the only one that the caller may send of.
    fn shop_of<'r>(&'r self, rejected: &'r Rejected) -> Option<&'r Id> {
        let claimed = rejected.shop_id.as_ref().filter(|shop_id| self.caller.may_write(shop_id));
        claimed.or_else(|| self.caller.only_shop())
    }

    /// Notes members that an event's type does not know.
    fn note_unknown(&self, ReadEvent { event, unknown, .. }: &ReadEvent) {
        if !unknown.is_empty() && !self.is_dry {
            let (shop_id, event_type) = (&event.aggregate.shop_id, event.fact.event_type());
            self.state.journal.unknown(shop_id, event_type, unknown, self.state.context.now());
        }
    }
}

async fn single_answer(sending: &Sending<'_>, parsed: Parsed) -> Result<Response, Problem> {
    let Some(read) = parsed.events.into_iter().next() else {
        return Err(Problem::of_status(StatusCode::BAD_REQUEST));
    };
    let read = read.map_err(|refused| {
        sending.count("rejected", 1);
        sending.note_rejection(&refused);
        rejected(&refused.faults)
    })?;
    sending.note_unknown(&read);
    let ReadEvent { event, mut warnings, .. } = read;
    let sent = Arc::clone(&event);
    let lacking = sending.lacking([&sent.aggregate.shop_id].into());
    let id = event.id.to_string();
    let outcome = sending.store(vec![event]).await?.into_iter().next();
    let outcome = outcome.ok_or_else(|| Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR))?;
    if let Outcome::AcceptedWith(more) = &outcome {
        warnings.extend(more.iter().cloned());
    }
    if outcome.is_accepted() {
        warnings.extend(without_category(&sent, &mut lacking.known().await, parsed.envelope));
    }
    sending.count(word(&outcome), 1);
    let answer = |outcome, warnings: &[Fault]| {
        let warnings = warnings.iter().map(|fault| EventWarning::of(None, fault)).collect();
        Json(EventAnswer { id: id.clone(), outcome: Term(outcome), warnings, dry_run: sending.is_dry })
    };
    match outcome {
        Outcome::Accepted | Outcome::AcceptedWith(_) => {
            let status = if sending.is_dry { StatusCode::OK } else { StatusCode::CREATED };
            Ok((status, answer(StoredOutcome::Accepted, &warnings)).into_response())
        }
        Outcome::Duplicate => Ok(answer(StoredOutcome::Duplicate, &[]).into_response()),
        Outcome::Conflict => {
            let detail = "an event with this id and different content is already stored for the same aggregate; \
                          to correct it, retract it and send the right one under another id";
            Err(Problem::new(Kind::EventConflict, detail).with("id", id))
        }
        other => {
            let refused = Rejected::of(&sent, other.fault().into_iter().collect());
            sending.note_rejection(&refused);
            Err(rejected(&refused.faults))
        }
    }
}

/// How outcomes are counted.
fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Accepted | Outcome::AcceptedWith(_) => "accepted",
        Outcome::Duplicate => "duplicate",
        Outcome::Conflict => "conflict",
        Outcome::AggregateFull | Outcome::ForbiddenRetraction | Outcome::Doubtful(_) | Outcome::Refused => "rejected",
    }
}

fn rejected(faults: &[Fault]) -> Problem {
    Problem::of_faults(Kind::EventRejected, faults)
}

async fn batch_answer(sending: &Sending<'_>, parsed: Parsed) -> Result<Response, Problem> {
    let any_rejected = parsed.events.iter().any(Result::is_err);
    let (mut valid, mut reads) = (Vec::new(), Vec::with_capacity(parsed.events.len()));
    for read in parsed.events {
        match read {
            Ok(read) => {
                sending.note_unknown(&read);
                reads.push(Ok((Arc::clone(&read.event), read.warnings)));
                valid.push(read.event);
            }
            Err(refused) => reads.push(Err(refused)),
        }
    }
    let is_whole = sending.atomicity == Atomicity::AllOrNothing;
    let lacking = sending.lacking(valid.iter().map(|event: &Arc<Event>| &event.aggregate.shop_id).collect());
    let outcomes = if is_whole && any_rejected { Vec::new() } else { sending.store(valid).await? };
    let mut answer = BatchAnswer { dry_run: sending.is_dry, ..BatchAnswer::default() };
    let (mut outcomes, mut lacking) = (outcomes.into_iter(), lacking.known().await);
    for (index, read) in reads.into_iter().enumerate() {
        match read.map(|one| (one, outcomes.next())) {
            Err(refused) => {
                sending.note_rejection(&refused);
                answer.reject(index, refused.id, &refused.faults);
            }
            Ok(((event, mut warnings), Some(outcome))) => {
                if outcome.is_accepted() {
                    warnings.extend(without_category(&event, &mut lacking, parsed.envelope));
                }
                if let Some(fault) = outcome.fault() {
                    sending.note_rejection(&Rejected::of(&event, vec![fault]));
                }
                answer.note(index, event.id.to_string(), &outcome, &warnings);
            }
            // Nothing was written.
            Ok((_, None)) => {}
        }
    }
    sending.count("duplicate", answer.duplicates);
    sending.count("conflict", answer.conflicts);
    sending.count("rejected", answer.rejected);
    if is_whole && answer.conflicts + answer.rejected > 0 {
        let detail = "atomic=true: correct or leave out the events in results, and send the batch again";
        answer.accepted = 0;
        let problem = Problem::new(Kind::BatchRejected, detail);
        return Err(problem
            .with("accepted", 0)
            .with("conflicts", answer.conflicts)
            .with("rejected", answer.rejected)
            .with("results", serde_json::to_value(&answer.results).unwrap_or_default()));
    }
    sending.count("accepted", answer.accepted);
    let BatchAnswer { accepted, duplicates, conflicts, rejected, .. } = answer;
    tracing::debug!(accepted, duplicates, conflicts, rejected, "answered a batch of events");
    Ok(Json(answer).into_response())
}
