//! Addresses that show unknown keys. Each unknown key costs a query, so an address has only so many of them a second.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, header};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use moka::sync::Cache;

use super::client::network;
use crate::http::problem::{Kind, Problem};

/// Unknown keys that an address may show a second, and at once.
const PER_SECOND: NonZeroU32 = NonZeroU32::new(5).expect("not zero");
const AT_ONCE: NonZeroU32 = NonZeroU32::new(50).expect("not zero");
/// For how long an address that showed more is refused, and how many such addresses are remembered.
const REFUSED_SECONDS: u64 = 1;
const ADDRESSES_MAX: u64 = 100_000;

#[derive(Debug)]
pub(super) struct Strangers {
    shown: DefaultKeyedRateLimiter<IpAddr>,
    refused: Cache<IpAddr, ()>,
}

impl Default for Strangers {
    fn default() -> Strangers {
        let refused =
            Cache::builder().max_capacity(ADDRESSES_MAX).time_to_live(Duration::from_secs(REFUSED_SECONDS)).build();
        Strangers { shown: RateLimiter::keyed(Quota::per_second(PER_SECOND).allow_burst(AT_ONCE)), refused }
    }
}

impl Strangers {
    pub(super) fn admit(&self, address: IpAddr) -> Result<(), Problem> {
        if !self.refused.contains_key(&network(address)) {
            return Ok(());
        }
        let detail =
            "too many unknown keys came from this address; check the key, and try again after the Retry-After seconds";
        let wait = HeaderMap::from_iter([(header::RETRY_AFTER, HeaderValue::from(REFUSED_SECONDS))]);
        Err(Problem::new(Kind::TooManyRequests, detail).with_headers(wait))
    }

    pub(super) fn note(&self, address: IpAddr) {
        let network = network(address);
        if self.shown.check_key(&network).is_err() {
            self.refused.insert(network, ());
        }
        if self.shown.len() as u64 > ADDRESSES_MAX {
            self.shown.retain_recent();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::Strangers;

    #[test]
    fn an_address_that_shows_too_many_unknown_keys_is_refused_with_its_network() {
        let strangers = Strangers::default();
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        for _ in 0..50 {
            strangers.note(address("2001:db8::1"));
            assert!(strangers.admit(address("2001:db8::1")).is_ok());
        }
        for _ in 0..10 {
            strangers.note(address("2001:db8::1"));
        }
        assert!(strangers.admit(address("2001:db8::ffff")).is_err(), "the same network");
        assert!(strangers.admit(address("2001:db8:0:1::1")).is_ok(), "another one");
        assert!(strangers.admit(address("192.0.2.1")).is_ok());
    }
}
