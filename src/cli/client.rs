//! Clients of HTTP services.

use reqwest::header::HeaderValue;
use reqwest::{ClientBuilder, Url};

use super::exit::CommandError;

/// The innermost cause of a failure, which says most.
pub(super) fn root_of(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

/// The address of a service, as an argument names it; without a scheme it is an http one.
pub(super) fn address(text: &str) -> Result<Url, CommandError> {
    let with_scheme = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let parsed = Url::parse(&with_scheme).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    parsed.ok_or_else(|| CommandError::usage(format!("{text:?} is no address such as http://127.0.0.1:8080")))
}

/// The header that shows a key.
pub(super) fn bearer(key: Option<&str>) -> Result<Option<HeaderValue>, CommandError> {
    let value = key.map(|key| HeaderValue::try_from(format!("Bearer {key}"))).transpose();
    value.map_err(|_| CommandError::usage("the key has characters that no key has; look for a line end"))
}

/// A client to be built, with the cryptography that the whole program uses. It goes to services directly, past any proxy of
/// the environment.
pub fn builder() -> ClientBuilder {
    // Fails where it was done before, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy()
}
