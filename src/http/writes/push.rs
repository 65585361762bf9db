//! `POST /v1/push/{connector}`: what platforms push, in their own words.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::event_checks::checked;
use super::push_outcome::{Pushed, PushedMessage};
use super::push_parts::{keep_parts, leave_known_states, resolve, unavailable, writes};
use crate::access::Scope;
use crate::connect::connector::Connector;
use crate::connect::message::{Fate, Message};
use crate::domain::event::{Event, Relay};
use crate::domain::id::Id;
use crate::domain::parse::Envelope;
use crate::http::auth::{self, Caller};
use crate::http::bodies::BodyLimit;
use crate::http::limits::rates::Unit;
use crate::http::param_types::TextSegment;
use crate::http::params::{Input, parameters};
use crate::http::problem::{Kind, Problem};
use crate::http::problem_responses::{ConnectorNotFound, PushProblems, WrongParameter};
use crate::http::state::{App, AppState};
use crate::ingest::door::{Acceptance, read_event};
use crate::ingest::{Atomicity, Outcome, SentEvent, Unavailable};
use crate::storage::unread_message;

/// The most bytes that a platform pushes at a time, and of answers of its API.
const PUSH_BYTES_MAX: usize = 1024 * 1024;
const DETAILS_BYTES_MAX: usize = 4 * 1024 * 1024;
/// In whose name bodies of pushes take room: no key has this number.
const ANYBODY: i32 = -1;

parameters! {
    /// Which connector is meant.
    pub(crate) struct ConnectorPath {
        /// As the file of connectors names it.
        connector: TextSegment,
    }
}

parameters! {
    /// What is to become of the messages.
    pub(crate) struct PushQuery {
        connector: ConnectorPath,
        /// Answer what would become of the messages, and store nothing. Takes a key with the scope `admin`, and no signature.
        dry_run: Option<bool>,
    }
}

/// What would become of a body.
#[derive(Serialize, ToSchema)]
pub(crate) struct PushRehearsal {
    /// Whether the body carries the platform's signature.
    pub signed: bool,
    pub messages: Vec<PushedMessage>,
}

/// The answer in the platform's own words, or what would become of the messages.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum PushAnswer {
    /// In the platform's own words.
    Acknowledged(Value),
    Rehearsed(PushRehearsal),
}

/// Takes messages that a platform pushes.
///
/// Open to anybody, but takes only what the platform has signed. A message is acknowledged when its events are stored durably; one
/// that is not understood is acknowledged and kept.
#[utoipa::path(
    post,
    path = "/v1/push/{connector}",
    tag = "push",
    params(PushQuery),
    request_body(content = Value, content_type = "application/json", description = "As the platform sends it."),
    responses(
        (status = 200, description = "In the platform's own words; with `dry_run` what would become of the messages.", body = PushAnswer),
        PushProblems
    )
)]
pub(crate) async fn post_push(
    State(state): State<AppState>,
    Input(query): Input<PushQuery>,
    request: Request,
) -> Result<Response, Problem> {
    let connector = found(&state, &query.connector)?;
    let address = state.limits.client(&request);
    let (parts, body) = request.into_parts();
    let is_dry = query.dry_run == Some(true);
    if is_dry {
        auth::check(&state, &[Scope::Admin], &parts.headers, address).await?;
    }
    // Anybody can send a body, signed or not: all of them together hold a share of the room as one key does.
    let limit = BodyLimit { bytes: PUSH_BYTES_MAX, weight: 1, key_id: Some(ANYBODY) };
    let (bytes, _room) = state.bodies.read(body, limit).await?;
    let signed = is_signed(connector, &parts.headers, &bytes);
    if !signed && !is_dry {
        state.telemetry.count_push(&connector.id, "", Fate::Unsigned, 1);
        let detail = "the body does not carry the platform's signature; compare app_key, secret and sign_method of the connector";
        return Err(Problem::new(Kind::WrongSignature, detail));
    }
    let header = |name: &str| parts.headers.get(name)?.to_str().ok();
    let mut messages = connector.read(&header, &bytes, state.context.now());
    resolve(&state, connector, &mut messages).await?;
    let acceptance = Acceptance::of(&state.context);
    let pushed = Pushed::of(messages, |text| read_event(text, Envelope::Native, &acceptance));
    if is_dry {
        let messages = pushed.into_iter().map(PushedMessage::from).collect();
        return Ok(Json(PushAnswer::Rehearsed(PushRehearsal { signed, messages })).into_response());
    }
    // What is not acknowledged, the platform sends again.
    store(&state, connector, pushed).await?;
    Ok(Json(PushAnswer::Acknowledged(connector.acknowledgement())).into_response())
}

pub(crate) fn found<'a>(state: &'a App, path: &ConnectorPath) -> Result<&'a Connector, Problem> {
    let wanted = &path.connector.0;
    let found = state.connectors.iter().find(|connector| connector.id == *wanted);
    found.ok_or_else(|| Problem::no_such(Kind::ConnectorNotFound, "connector", wanted))
}

fn is_signed(connector: &Connector, headers: &HeaderMap, body: &[u8]) -> bool {
    connector.is_signed(&|name| headers.get(name)?.to_str().ok(), body)
}

/// Stores the events of messages, and notes what became of them.
async fn write(state: &App, pushed: &mut [Pushed], key_id: Option<i32>) -> Result<(), Unavailable> {
    let sent =
        |event: &Arc<Event>| SentEvent { event: Arc::clone(event), key_id, relay: Relay::Everything, is_strict: false };
    let events: Vec<SentEvent> = pushed.iter().flat_map(|message| &message.events).map(sent).collect();
    let outcomes = if events.is_empty() { Vec::new() } else { state.queue.write(events, Atomicity::EachAlone).await? };
    let mut outcomes = outcomes.into_iter();
    for message in pushed {
        let of_message: Vec<Outcome> = outcomes.by_ref().take(message.events.len()).collect();
        message.note(&of_message);
    }
    Ok(())
}

/// Stores the events of messages and keeps what was not understood. All is durable when this returns.
async fn store(state: &App, connector: &Connector, mut pushed: Vec<Pushed>) -> Result<(), Unavailable> {
    keep_parts(state, connector, &pushed).await?;
    leave_known_states(state, connector, &mut pushed).await?;
    write(state, &mut pushed, None).await?;
    let unread: Vec<_> = pushed.iter().filter_map(Pushed::unread).collect();
    if !unread.is_empty() {
        let mut connection = state.context.store.ingest.acquire().await.map_err(|_| Unavailable)?;
        let kept = unread_message::keep(&mut connection, &connector.id, &unread, state.context.now()).await;
        kept.map_err(unavailable(connector))?;
    }
    tally(state, connector, &pushed);
    Ok(())
}

fn tally(state: &App, connector: &Connector, pushed: &[Pushed]) {
    let mut counts: HashMap<(&str, Fate), u64> = HashMap::new();
    for message in pushed {
        *counts.entry((message.tag_shown(), message.fate())).or_default() += 1;
        state.telemetry.count_events("accepted", message.stored);
        state.telemetry.count_events("duplicate", message.repeated);
        state.telemetry.count_events("rejected", message.rejected());
    }
    for ((tag, fate), count) in counts {
        state.telemetry.count_push(&connector.id, tag, fate, count);
    }
}

parameters! {
    /// Whose answers these are, and what is to become of them.
    pub(crate) struct DetailsQuery {
        connector: ConnectorPath,
        /// The platform's id of the shop, for answers that do not name theirs.
        shop_id: Option<Id>,
        /// Answer what would become of the answers, and store nothing.
        dry_run: Option<bool>,
    }
}

/// What became of answers of a platform's API.
#[derive(Serialize, ToSchema)]
pub(crate) struct DetailsAnswer {
    pub messages: Vec<PushedMessage>,
}

/// Takes answers of a platform's API, as they are.
///
/// What a push does not say: products, creators, pick-up, sign-off. One answer or a list of them; the same answer again says nothing
/// new. Takes a key with the scopes `events:write` and `events:relay`; a bound one sends of its shops.
#[utoipa::path(
    post,
    path = "/v1/push/{connector}/details",
    tag = "push",
    params(DetailsQuery),
    request_body(content = Value, content_type = "application/json", description = "As the platform answers."),
    responses(
        (status = 200, description = "What became of each answer.", body = DetailsAnswer),
        ConnectorNotFound,
        WrongParameter
    )
)]
pub(crate) async fn post_details(
    State(state): State<AppState>,
    caller: Caller,
    Input(query): Input<DetailsQuery>,
    body: Body,
) -> Result<Json<DetailsAnswer>, Problem> {
    let connector = found(&state, &query.connector)?;
    caller.must_have(Scope::EventsRelay)?;
    let limit = BodyLimit { bytes: DETAILS_BYTES_MAX, weight: 1, key_id: caller.key_id() };
    let (bytes, _room) = state.bodies.read(body, limit).await?;
    let shop_id = query.shop_id.as_ref().map(Id::as_str);
    let mut messages = connector.read_details(&bytes, shop_id, state.context.now());
    for message in &mut messages {
        message.parts.retain(|part| writes(&caller, &part.shop_id));
    }
    if !messages.iter().flat_map(Message::wanted_parts).all(|(shop_id, _)| writes(&caller, &shop_id)) {
        return Err(Problem::new(Kind::Forbidden, "the key is bound to other shops"));
    }
    resolve(&state, connector, &mut messages).await?;
    let acceptance = Acceptance::of(&state.context);
    let mut pushed = Pushed::of(messages, |text| checked(read_event(text, Envelope::Native, &acceptance), &caller));
    caller.take(&state.limits, Unit::Events, pushed.iter().map(|one| one.events.len()).sum())?;
    if query.dry_run != Some(true) {
        keep_parts(&state, connector, &pushed).await?;
        write(&state, &mut pushed, caller.key_id()).await?;
        tally(&state, connector, &pushed);
    }
    Ok(Json(DetailsAnswer { messages: pushed.into_iter().map(PushedMessage::from).collect() }))
}
