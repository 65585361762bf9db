//! Bodies that are compressed: gzip (RFC 1952, all members of a stream) and zstd (RFC 8878, windows up to 8 MiB as
//! RFC 9659 has it).

use async_compression::tokio::bufread::{GzipDecoder, ZstdDecoder};
use async_compression::zstd::DParameter;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::TryStreamExt;
use tokio::io::AsyncRead;
use tokio_util::io::{ReaderStream, StreamReader};

use super::problem::{Kind, Problem};

/// The largest window of zstd, as a power of two: 8 MiB.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;
/// Bytes of a decoded body that are handed on at a time.
const PIECE_BYTES: usize = 32 * 1024;
/// What is understood, as a refusal names it (RFC 9110, section 15.5.16).
const UNDERSTOOD: HeaderValue = HeaderValue::from_static("gzip, zstd");

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    Identity,
    Gzip,
    Zstd,
}

/// Hands on the request with its body decoded.
pub(crate) async fn decode(request: Request, next: Next) -> Response {
    let Some(coding) = coding_of(request.headers()) else {
        let detail = "Content-Encoding must be gzip, zstd or identity, and a body is encoded once";
        let mut refusal = Problem::new(Kind::UnsupportedMediaType, detail).into_response();
        refusal.headers_mut().insert(header::ACCEPT_ENCODING, UNDERSTOOD);
        return refusal;
    };
    if coding == Coding::Identity {
        return next.run(request).await;
    }
    let (mut parts, body) = request.into_parts();
    parts.headers.remove(header::CONTENT_ENCODING);
    parts.headers.remove(header::CONTENT_LENGTH);
    let encoded = StreamReader::new(body.into_data_stream().map_err(std::io::Error::other));
    let body = match coding {
        Coding::Zstd => {
            let mut decoder = ZstdDecoder::with_params(encoded, &[DParameter::window_log_max(ZSTD_WINDOW_LOG_MAX)]);
            decoder.multiple_members(true);
            stream(decoder)
        }
        _ => {
            let mut decoder = GzipDecoder::new(encoded);
            decoder.multiple_members(true);
            stream(decoder)
        }
    };
    next.run(Request::from_parts(parts, body)).await
}

fn stream(decoder: impl AsyncRead + Send + 'static) -> Body {
    Body::from_stream(ReaderStream::with_capacity(decoder, PIECE_BYTES))
}

/// How a body is encoded; `None` where that is not understood.
fn coding_of(headers: &HeaderMap) -> Option<Coding> {
    let mut coding = Coding::Identity;
    for value in headers.get_all(header::CONTENT_ENCODING) {
        for name in value.to_str().ok()?.split(',') {
            let named = match name.trim().to_ascii_lowercase().as_str() {
                "" | "identity" => continue,
                "gzip" | "x-gzip" => Coding::Gzip,
                "zstd" => Coding::Zstd,
                _ => return None,
            };
            if coding != Coding::Identity {
                return None;
            }
            coding = named;
        }
    }
    Some(coding)
}
