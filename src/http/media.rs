//! Bodies of events: from bytes and a media type to single JSON texts.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use serde::de::{self, DeserializeOwned};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::problem::{Kind, Problem};
use crate::domain::fault::Fault;
use crate::domain::parse::Envelope;
use crate::ingest::Unavailable;

/// The most bytes of a request body, after decompression.
pub(crate) const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The most events of a request.
pub(crate) const EVENTS_MAX: usize = 10_000;

/// How a body holds its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    /// One event, or an array of them.
    OneOrArray,
    One,
    Array,
    Lines,
}

/// The texts of a request's events, each of which may still be anything.
#[derive(Debug)]
pub(crate) struct RawEvents {
    pub envelope: Envelope,
    /// Whether the request is one event that is answered by itself.
    pub single: bool,
    pub texts: Vec<Bytes>,
}

/// Bytes of event bodies that may be on their way at a time, all requests together: read, parsed or waiting.
const BODIES_BYTES_MAX: usize = 128 * 1024 * 1024;

/// Room for bodies; what finds none is told to come back.
#[derive(Clone, Debug)]
pub struct BodyBudget(Arc<Semaphore>);

impl Default for BodyBudget {
    fn default() -> BodyBudget {
        BodyBudget(Arc::new(Semaphore::new(BODIES_BYTES_MAX)))
    }
}

/// A body with the room that it takes until it is dropped.
pub struct BudgetedBody {
    pub bytes: Bytes,
    _room: Option<OwnedSemaphorePermit>,
}

impl BodyBudget {
    /// Reads a body to its end, bounded after decompression, taking room as it arrives.
    pub async fn read(&self, mut body: Body) -> Result<BudgetedBody, Problem> {
        let mut bytes = Vec::new();
        let mut room: Option<OwnedSemaphorePermit> = None;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| unreadable(&error))?;
            let Ok(data) = frame.into_data() else { continue };
            if bytes.len() + data.len() > BODY_BYTES_MAX {
                return Err(too_large());
            }
            let wanted = u32::try_from(data.len()).map_err(|_| too_large())?;
            let more = Arc::clone(&self.0).try_acquire_many_owned(wanted).map_err(|_| Problem::from(Unavailable))?;
            match &mut room {
                Some(room) => room.merge(more),
                None => room = Some(more),
            }
            bytes.extend_from_slice(&data);
        }
        Ok(BudgetedBody { bytes: bytes.into(), _room: room })
    }
}

fn too_large() -> Problem {
    Problem::new(Kind::TooLarge, "a body has at most 16 MiB after decompression; send smaller batches")
}

/// Why a body could not be read to its end.
fn unreadable(error: &axum::Error) -> Problem {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        if error.is::<http_body_util::LengthLimitError>() {
            return too_large();
        }
        if error.is::<tower_http::timeout::TimeoutError>() {
            return Problem::of_status(axum::http::StatusCode::REQUEST_TIMEOUT);
        }
        cause = error.source();
    }
    Problem::new(
        Kind::UnreadableBody,
        "the body was cut off or is not compressed as Content-Encoding says; nothing was written",
    )
}

/// Reads a body to its end, bounded after decompression.
async fn read_body(body: Body) -> Result<Bytes, Problem> {
    axum::body::to_bytes(body, BODY_BYTES_MAX).await.map_err(|error| unreadable(&error))
}

/// Splits a body into events.
pub(crate) fn split(headers: &HeaderMap, body: &Bytes) -> Result<RawEvents, Problem> {
    let (envelope, layout) = layout(headers)?;
    let (single, texts) = match layout {
        Layout::Lines => (false, lines(body)),
        Layout::One => (true, vec![one(body)?]),
        Layout::Array => (false, array(body)?),
        Layout::OneOrArray => match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
            Some(b'[') => (false, array(body)?),
            Some(b'{') => (true, vec![one(body)?]),
            _ => return Err(unsplittable("a body must be one event or an array of events")),
        },
    };
    if texts.len() > EVENTS_MAX {
        return Err(Problem::new(
            Kind::TooLarge,
            format!("a request has at most {EVENTS_MAX} events; send smaller batches"),
        ));
    }
    Ok(RawEvents { envelope, single, texts })
}

fn layout(headers: &HeaderMap) -> Result<(Envelope, Layout), Problem> {
    match essence(headers).as_str() {
        "application/json" => Ok((Envelope::Native, Layout::OneOrArray)),
        "application/x-ndjson" => Ok((Envelope::Native, Layout::Lines)),
        "application/cloudevents+json" => Ok((Envelope::CloudEvents, Layout::One)),
        "application/cloudevents-batch+json" => Ok((Envelope::CloudEvents, Layout::Array)),
        _ => Err(Problem::new(
            Kind::UnsupportedMediaType,
            "Content-Type must be application/json, application/x-ndjson, application/cloudevents+json or \
             application/cloudevents-batch+json",
        )),
    }
}

fn unsplittable(why: impl std::fmt::Display) -> Problem {
    Problem::new(Kind::UnreadableBody, format!("the body cannot be split into events, and nothing was written: {why}"))
}

/// Lines that are not blank.
fn lines(body: &Bytes) -> Vec<Bytes> {
    let lines = body.split(|byte| *byte == b'\n');
    // One more than allowed is enough to see that there are too many.
    lines.filter(|line| !line.trim_ascii().is_empty()).take(EVENTS_MAX + 1).map(|line| body.slice_ref(line)).collect()
}

fn one(body: &Bytes) -> Result<Bytes, Problem> {
    let text: &RawValue = serde_json::from_slice(body).map_err(unsplittable)?;
    Ok(body.slice_ref(text.get().as_bytes()))
}

fn array(body: &Bytes) -> Result<Vec<Bytes>, Problem> {
    let Elements(texts) = serde_json::from_slice(body).map_err(unsplittable)?;
    Ok(texts.into_iter().map(|text| body.slice_ref(text.get().as_bytes())).collect())
}

/// The elements of an array, of which no more are kept than it takes to see that there are too many.
struct Elements<'a>(Vec<&'a RawValue>);

impl<'de> Deserialize<'de> for Elements<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Elements<'de>, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Elements<'de>;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("an array of events")
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut sequence: A) -> Result<Elements<'de>, A::Error> {
                let mut kept = Vec::new();
                while kept.len() <= EVENTS_MAX {
                    match sequence.next_element()? {
                        Some(element) => kept.push(element),
                        None => return Ok(Elements(kept)),
                    }
                }
                while sequence.next_element::<de::IgnoredAny>()?.is_some() {}
                Ok(Elements(kept))
            }
        }
        deserializer.deserialize_seq(Visitor)
    }
}

/// The JSON body of any other route.
pub(crate) struct JsonBody<T>(pub T);

/// The same, where a body may be left out.
pub(crate) struct OptionalJsonBody<T>(pub Option<T>);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<JsonBody<T>, Problem> {
        let (parts, body) = request.into_parts();
        check_json(&parts.headers)?;
        json(&read_body(body).await?).map(JsonBody)
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for OptionalJsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<OptionalJsonBody<T>, Problem> {
        let (parts, body) = request.into_parts();
        let bytes = read_body(body).await?;
        if bytes.trim_ascii().is_empty() {
            return Ok(OptionalJsonBody(None));
        }
        check_json(&parts.headers)?;
        json(&bytes).map(|body| OptionalJsonBody(Some(body)))
    }
}

fn check_json(headers: &HeaderMap) -> Result<(), Problem> {
    match essence(headers).as_str() {
        "application/json" => Ok(()),
        _ => Err(Problem::new(Kind::UnsupportedMediaType, "Content-Type must be application/json")),
    }
}

/// The media type of a body, without its parameters.
fn essence(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_json::Value::deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    let value = value.map_err(|error| Problem::new(Kind::UnreadableBody, format!("the body is not JSON: {error}")))?;
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string().replace(['.', '['], "/").replace(']', "");
        let pointer =
            if path == "/" || path.is_empty() { String::new() } else { format!("/{path}").replace("//", "/") };
        Problem::invalid_body(vec![Fault::new(pointer, "invalid_value", error.inner().to_string())])
    })
}
