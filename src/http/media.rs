//! Bodies of events: from bytes and a media type to single JSON texts.

use axum::body::Bytes;
use axum::http::{HeaderMap, header};
use serde::de;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::problem::{Kind, Problem};
use crate::domain::content::without_mark;
use crate::domain::parse::Envelope;
use crate::ingest::door::is_utf16;

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

/// Splits a body into events.
pub(crate) fn split(headers: &HeaderMap, body: &Bytes) -> Result<RawEvents, Problem> {
    let (envelope, layout) = layout(headers)?;
    if is_utf16(body) {
        return Err(unsplittable("it is UTF-16; send UTF-8"));
    }
    let body = &body.slice_ref(without_mark(body));
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
    if headers.contains_key("ce-id") || headers.contains_key("ce-specversion") {
        let detail = "CloudEvents in binary mode (ce- headers) are not understood; send them in structured mode \
                      (application/cloudevents+json) or batched mode (application/cloudevents-batch+json)";
        return Err(Problem::new(Kind::UnsupportedMediaType, detail));
    }
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

pub(crate) fn check_json(headers: &HeaderMap) -> Result<(), Problem> {
    match essence(headers).as_str() {
        "application/json" => Ok(()),
        _ => Err(Problem::new(Kind::UnsupportedMediaType, "Content-Type must be application/json")),
    }
}

/// Fails unless the body is a rule file. Its media type is registered with IANA as application/toml.
pub(crate) fn check_toml(headers: &HeaderMap) -> Result<(), Problem> {
    match essence(headers).as_str() {
        "application/toml" => Ok(()),
        _ => Err(Problem::new(Kind::UnsupportedMediaType, "Content-Type must be application/toml")),
    }
}

/// The media type of a body, without its parameters.
pub(crate) fn essence(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}
