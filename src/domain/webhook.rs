//! What webhooks tell, and when a message that did not arrive is sent again.

use chrono::TimeDelta;

use super::words::words;

words! {
    /// What happens that somebody may want to be told.
    pub enum HookEvent {
        /// A subject's card is published.
        ScorePublished = "score.published",
        /// The tier of a subject is another one than was told last.
        TierChanged = "tier.changed",
        /// A rule of the subscriber is crossed.
        MetricAlert = "metric.alert",
        /// The slot ended without a run.
        RunLate = "run.late",
        RunFailed = "run.failed",
        RunPublished = "run.published",
        /// Events of a shop were rejected, summed per minute.
        EventRejected = "event.rejected",
        /// Somebody tries the webhook.
        WebhookTest = "webhook.test",
    }
}

impl HookEvent {
    /// Whether it is about the service as a whole, and not about one subject.
    pub fn is_of_runs(self) -> bool {
        matches!(self, HookEvent::RunLate | HookEvent::RunFailed | HookEvent::RunPublished)
    }

    /// Whether somebody can subscribe to it: a test is sent when it is asked for.
    pub fn can_be_subscribed(self) -> bool {
        self != HookEvent::WebhookTest
    }
}

words! {
    /// How far a delivery is.
    pub enum DeliveryState {
        Pending = "pending",
        Delivered = "delivered",
        /// Given up.
        Failed = "failed",
    }
}

/// The pauses after the first failed attempt, the second, and so on: about a day in all.
const PAUSES: [TimeDelta; 7] = [
    TimeDelta::seconds(5),
    TimeDelta::minutes(5),
    TimeDelta::minutes(30),
    TimeDelta::hours(2),
    TimeDelta::hours(5),
    TimeDelta::hours(10),
    TimeDelta::hours(10),
];
/// The longest that a receiver may ask to be left alone.
pub const ASKED_PAUSE_MAX: TimeDelta = TimeDelta::hours(24);

/// How long to wait after so many failed attempts; `None` where the message is given up. `jitter`, from 0 to 1, spreads the
/// repetitions of many messages; a receiver may ask for more time.
pub fn pause_after(attempts: u16, jitter: f64, asked: Option<TimeDelta>) -> Option<TimeDelta> {
    let pause = *PAUSES.get(usize::from(attempts).checked_sub(1)?)?;
    let spread = TimeDelta::milliseconds((pause.num_milliseconds() as f64 * 0.1 * jitter) as i64);
    Some((pause + spread).max(asked.unwrap_or_default().min(ASKED_PAUSE_MAX)))
}

/// How long an endpoint is left alone after so many attempts in a row that failed, whatever they were about; `None` where it
/// may still be tried.
pub fn rest_after(failures: u32) -> Option<TimeDelta> {
    const FAILURES_MIN: u32 = 10;
    const REST_MAX: TimeDelta = TimeDelta::minutes(5);
    let beyond = failures.checked_sub(FAILURES_MIN)?.min(16);
    Some((TimeDelta::seconds(5) * 2_i32.pow(beyond)).min(REST_MAX))
}

/// How long an endpoint may fail before it is told nothing any more.
pub const FAILING_MAX: TimeDelta = TimeDelta::days(5);
/// So many attempts must have failed meanwhile: of an endpoint that is rarely told anything, two failures with days between
/// them say little.
const FAILED_ATTEMPTS_MIN: u32 = 20;

/// Whether an endpoint failed for so long, and so often, that it is told nothing any more.
pub fn is_given_up(failing_for: TimeDelta, failures: u32) -> bool {
    failing_for >= FAILING_MAX && failures >= FAILED_ATTEMPTS_MIN
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::{FAILING_MAX, is_given_up, pause_after, rest_after};

    #[test]
    fn a_message_is_tried_over_a_day_and_then_given_up() {
        let pauses: Vec<TimeDelta> = (1..).map_while(|attempts| pause_after(attempts, 0.0, None)).collect();
        assert_eq!(pauses.len(), 7);
        assert_eq!(pauses.iter().sum::<TimeDelta>().num_minutes(), 27 * 60 + 35);
        assert_eq!(pause_after(1, 1.0, None), Some(TimeDelta::milliseconds(5_500)));
        assert_eq!(pause_after(1, 0.0, Some(TimeDelta::seconds(90))), Some(TimeDelta::seconds(90)));
        assert_eq!(pause_after(2, 0.0, Some(TimeDelta::seconds(90))), Some(TimeDelta::minutes(5)));
        assert_eq!(pause_after(1, 0.0, Some(TimeDelta::days(365))), Some(TimeDelta::hours(24)));
        assert_eq!(pause_after(8, 0.0, None), None);
    }

    #[test]
    fn an_endpoint_is_given_up_that_failed_for_days_and_not_just_twice() {
        assert!(is_given_up(FAILING_MAX, 20));
        assert!(!is_given_up(FAILING_MAX, 19));
        assert!(!is_given_up(FAILING_MAX - TimeDelta::seconds(1), 1_000));
    }

    #[test]
    fn an_endpoint_that_fails_again_and_again_gets_a_rest_and_never_a_long_one() {
        assert_eq!(rest_after(9), None);
        assert_eq!(rest_after(10), Some(TimeDelta::seconds(5)));
        assert_eq!(rest_after(11), Some(TimeDelta::seconds(10)));
        assert_eq!(rest_after(1_000), Some(TimeDelta::minutes(5)));
    }
}
