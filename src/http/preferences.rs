//! What a client would rather have: codings and languages, as its headers weigh them.

use std::collections::HashMap;

use axum::http::{HeaderMap, HeaderName, header};

/// Whether a client accepts neither gzip nor an answer without coding (RFC 9110, section 12.5.3).
pub(super) fn refuses_all_codings(headers: &HeaderMap) -> bool {
    if !headers.contains_key(header::ACCEPT_ENCODING) {
        return false;
    }
    let codings: HashMap<String, f32> = weighted(headers, &header::ACCEPT_ENCODING).into_iter().collect();
    let weight_of = |coding: &str| codings.get(coding).or_else(|| codings.get("*")).copied();
    let accepts_gzip = ["gzip", "x-gzip"].iter().any(|coding| weight_of(coding).is_some_and(|weight| weight > 0.0));
    weight_of("identity") == Some(0.0) && !accepts_gzip
}

/// What the items of a header weigh (RFC 9110, section 12.4.2), in lower case; what is no weight counts as 1.
fn weighted(headers: &HeaderMap, name: &HeaderName) -> Vec<(String, f32)> {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    let weigh = |item: &str| {
        let (item, parameters) = item.split_once(';').unwrap_or((item, ""));
        let weight = parameters.trim().strip_prefix(['q', 'Q']).and_then(|rest| rest.trim_start().strip_prefix('='));
        let weight = weight.and_then(|weight| weight.trim().parse().ok()).unwrap_or(1.0);
        (item.trim().to_ascii_lowercase(), weight)
    };
    values.flat_map(|value| value.split(',')).map(weigh).collect()
}

/// Whether a client names a media type, and likes it better than another one (RFC 9110, section 12.5.1).
pub(super) fn prefers(headers: &HeaderMap, wanted: &str, other: &str) -> bool {
    let accepted = weighted(headers, &header::ACCEPT);
    let weight_of = |media_type: &str| {
        accepted.iter().filter(|(name, _)| name == media_type).map(|(_, weight)| *weight).fold(0.0_f32, f32::max)
    };
    weight_of(wanted) > weight_of(other)
}

/// Whether Chinese is the language that a client likes best of the two that there are (RFC 9110, section 12.5.4).
pub(super) fn prefers_chinese(headers: &HeaderMap) -> bool {
    let wanted = weighted(headers, &header::ACCEPT_LANGUAGE);
    let best = |tag: &str| {
        let matching = wanted.iter().filter(|(language, _)| language.split('-').next() == Some(tag));
        matching.map(|(_, weight)| *weight).fold(0.0_f32, f32::max)
    };
    best("zh") > best("en")
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderValue, header};

    use super::refuses_all_codings;

    #[test]
    fn only_a_client_that_names_no_coding_of_ours_refuses_all() {
        let refuses = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(value));
            refuses_all_codings(&headers)
        };
        for value in ["br, *;q=0", "identity;q=0", "br;q=1.0, identity; q=0.0", "*;q=0", "gzip;q=0, IDENTITY;Q=0.000"] {
            assert!(refuses(value), "{value}");
        }
        for value in ["", "br", "gzip, *;q=0", "identity;q=0, x-gzip;q=0.1", "*;q=0, identity;q=0.5", "*", "gzip;q=0"] {
            assert!(!refuses(value), "{value}");
        }
        assert!(!refuses_all_codings(&HeaderMap::new()));
    }
}
