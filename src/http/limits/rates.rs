//! How much each caller may send: token buckets, filled at a rate.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use moka::sync::Cache;

use super::Who;
use crate::access::Rates;
use crate::http::media::EVENTS_MAX;
use crate::http::problem::{Kind, Problem};

/// draft-ietf-httpapi-ratelimit-headers-10.
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LEFT: HeaderName = HeaderName::from_static("ratelimit");
/// How many seconds' worth may be sent at once by somebody who sent nothing before.
const BURST_SECONDS: u32 = 10;
/// Callers whose buckets are kept, and for how long after their last request: until then they are full again.
const CALLERS_MAX: u64 = 200_000;
const KEPT_FOR: Duration = Duration::from_secs(600);

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Events,
    Requests,
}

impl Unit {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Unit::Events => "events",
            Unit::Requests => "requests",
        }
    }
}

/// The buckets of all callers.
#[derive(Debug)]
pub(super) struct Buckets {
    general: Rates,
    of_callers: Cache<Who, Arc<OfCaller>>,
}

#[derive(Debug)]
struct OfCaller {
    events: Option<Bucket>,
    requests: Option<Bucket>,
}

#[derive(Debug)]
struct Bucket {
    limiter: RateLimiter<NotKeyed, InMemoryState, DefaultClock, StateInformationMiddleware>,
    unit: Unit,
    burst: u32,
    per_second: u32,
}

impl Buckets {
    pub(super) fn new(general: Rates) -> Buckets {
        let of_callers = Cache::builder().max_capacity(CALLERS_MAX).time_to_idle(KEPT_FOR).build();
        Buckets { general, of_callers }
    }

    /// Takes so much of a caller's bucket, if it has one. What is left goes into the headers of the answer.
    pub(super) fn take(&self, who: Who, own: Rates, unit: Unit, count: u32) -> Result<HeaderMap, Problem> {
        let rates = own.or(self.general);
        if rates.of(unit).is_none() {
            return Ok(HeaderMap::new());
        }
        // Two first requests at once share the bucket of one of them.
        let of_caller = self.of_callers.get_with(who, || Arc::new(OfCaller::new(rates)));
        let bucket = match unit {
            Unit::Events => &of_caller.events,
            Unit::Requests => &of_caller.requests,
        };
        bucket.as_ref().map_or_else(|| Ok(HeaderMap::new()), |bucket| bucket.take(count))
    }
}

impl Rates {
    /// The rate of a unit; `None` where it is not bounded.
    fn of(self, unit: Unit) -> Option<NonZeroU32> {
        let per_second = match unit {
            Unit::Events => self.events,
            Unit::Requests => self.requests,
        };
        per_second.and_then(NonZeroU32::new)
    }
}

impl OfCaller {
    fn new(rates: Rates) -> OfCaller {
        let bucket = |unit: Unit| rates.of(unit).map(|per_second| Bucket::new(unit, per_second));
        OfCaller { events: bucket(Unit::Events), requests: bucket(Unit::Requests) }
    }
}

impl Bucket {
    fn new(unit: Unit, per_second: NonZeroU32) -> Bucket {
        let burst = per_second.saturating_mul(NonZeroU32::new(BURST_SECONDS).unwrap_or(NonZeroU32::MIN));
        // The largest batch passes a full bucket, however slowly it fills.
        let largest = if unit == Unit::Events { EVENTS_MAX as u32 } else { 1 };
        let burst = NonZeroU32::new(largest).map_or(burst, |largest| burst.max(largest));
        let quota = Quota::per_second(per_second).allow_burst(burst);
        let limiter = RateLimiter::direct(quota).with_middleware();
        Bucket { limiter, unit, burst: burst.get(), per_second: per_second.get() }
    }

    fn take(&self, count: u32) -> Result<HeaderMap, Problem> {
        let Some(count) = NonZeroU32::new(count) else { return Ok(HeaderMap::new()) };
        match self.limiter.check_n(count) {
            Ok(Ok(state)) => Ok(self.headers(state.remaining_burst_capacity(), 0)),
            Ok(Err(refused)) => {
                let wait = refused.wait_time_from(DefaultClock::default().now());
                let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
                Err(self.refuse(seconds.max(1)))
            }
            // More than a full bucket: no request may hold that many.
            Err(_) => Err(self.refuse(u64::from(self.burst / self.per_second))),
        }
    }

    fn refuse(&self, seconds: u64) -> Problem {
        let (unit, per_second, burst) = (self.unit.name(), self.per_second, self.burst);
        let detail = format!(
            "this caller may send {per_second} {unit} a second, and {burst} at once; nothing was written: send it again \
             after the Retry-After seconds, and more slowly"
        );
        let mut headers = self.headers(0, seconds);
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        Problem::new(Kind::TooManyRequests, detail).with_headers(headers)
    }

    fn headers(&self, left: u32, seconds: u64) -> HeaderMap {
        let (unit, burst) = (self.unit.name(), self.burst);
        let window = burst.div_ceil(self.per_second);
        let full_in =
            if seconds > 0 { seconds } else { u64::from((burst - left.min(burst)).div_ceil(self.per_second)) };
        let mut headers = HeaderMap::with_capacity(3);
        let mut insert = |name: HeaderName, text: String| {
            if let Ok(value) = HeaderValue::try_from(text) {
                headers.insert(name, value);
            }
        };
        insert(POLICY, format!("\"{unit}\";q={burst};w={window}"));
        insert(LEFT, format!("\"{unit}\";r={left};t={full_in}"));
        headers
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, header};

    use super::{Buckets, LEFT, POLICY, Unit};
    use crate::access::Rates;
    use crate::http::limits::Who;

    fn text(headers: &HeaderMap, name: impl header::AsHeaderName) -> String {
        headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    }

    #[test]
    fn a_caller_has_a_bucket_of_its_own_and_is_told_what_is_left() {
        let buckets = Buckets::new(Rates { events: Some(1_000), requests: Some(5) });
        let take = |key_id, own, unit, count| buckets.take(Who::Key(key_id), own, unit, count);
        let none = Rates::default();
        let headers = take(1, none, Unit::Events, 4_000).expect("room");
        assert_eq!(text(&headers, POLICY), "\"events\";q=10000;w=10");
        assert_eq!(text(&headers, LEFT), "\"events\";r=6000;t=4");
        assert!(take(1, none, Unit::Events, 7_000).is_err());
        assert!(take(2, none, Unit::Events, 7_000).is_ok(), "another's bucket is full");
        assert!(take(1, none, Unit::Requests, 1).is_ok(), "requests are counted apart");
        for _ in 0..50 {
            assert!(take(3, none, Unit::Requests, 1).is_ok());
        }
        assert!(take(3, none, Unit::Requests, 1).is_err());
        let more = Rates { requests: Some(0), ..none };
        assert!(take(3, more, Unit::Requests, 1).expect("no bound").is_empty());
        let slow = Rates { events: Some(1), ..none };
        assert!(take(4, slow, Unit::Events, 10_000).is_ok(), "the largest batch");
        let refused = take(4, slow, Unit::Events, 60).expect_err("an empty bucket");
        let refused = axum::response::IntoResponse::into_response(refused);
        assert_eq!(refused.status().as_u16(), 429);
        assert_eq!(text(refused.headers(), header::RETRY_AFTER), "60");
        assert_eq!(text(refused.headers(), LEFT), "\"events\";r=0;t=60");
    }
}
