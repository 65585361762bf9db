//! The body of a request with events: split and read.

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};

use crate::domain::parse::Envelope;
use crate::http::bodies::SMALL_BYTES;
use crate::http::media::{self, RawEvents};
use crate::http::problem::Problem;
use crate::ingest::door::{Acceptance, Read, read_event};

/// The events of a request.
pub(super) struct Parsed {
    pub envelope: Envelope,
    pub single: bool,
    pub events: Vec<Read>,
}

/// Splits a body into events and reads them. A large one is read beside the threads that answer.
pub(super) async fn parse_body(headers: HeaderMap, bytes: Bytes, acceptance: Acceptance) -> Result<Parsed, Problem> {
    let large = bytes.len() > SMALL_BYTES;
    let parse = move || -> Result<Parsed, Problem> {
        let RawEvents { envelope, single, texts } = media::split(&headers, &bytes)?;
        Ok(Parsed {
            envelope,
            single,
            events: texts.iter().map(|text| read_event(text, envelope, &acceptance)).collect(),
        })
    };
    if !large {
        return parse();
    }
    match tokio::task::spawn_blocking(parse).await {
        Ok(parsed) => parsed,
        Err(_) => Err(Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR)),
    }
}
