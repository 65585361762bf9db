//! What a connection does, and for how long it may go on with it.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use tokio::time::{Instant, sleep_until};

/// How long the line and the headers of a request may take to arrive, counted for the first one from the connection on.
const HEAD_MAX: Duration = Duration::from_secs(10);
/// How long a connection waits for its next request.
const IDLE_MAX: Duration = Duration::from_secs(75);
/// How long a client may take nothing of its answer.
const STALL_MAX: Duration = Duration::from_secs(30);

/// What stands for "not so" among moments.
const NEVER: u64 = u64::MAX;

/// What a connection does at the moment. Moments are milliseconds since it began.
#[derive(Debug)]
pub(super) struct Activity {
    began: Instant,
    /// Requests that are not fully answered.
    under_way: AtomicUsize,
    /// Since when none is.
    idle_since: AtomicU64,
    /// Since when a request's head is on its way.
    head_since: AtomicU64,
    /// Since when the client's socket takes nothing of what is there for it.
    stalled_since: AtomicU64,
    /// Answers that are on their way, and when one of them last got further: an HTTP/2 client can take nothing of them while
    /// its socket takes everything.
    answers: AtomicUsize,
    answered_at: AtomicU64,
    /// Whether it ever sent a whole head.
    has_asked: AtomicBool,
}

impl Activity {
    pub(super) fn new() -> Activity {
        Activity {
            began: Instant::now(),
            under_way: AtomicUsize::new(0),
            idle_since: AtomicU64::new(0),
            head_since: AtomicU64::new(NEVER),
            stalled_since: AtomicU64::new(NEVER),
            answers: AtomicUsize::new(0),
            answered_at: AtomicU64::new(0),
            has_asked: false.into(),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(NEVER - 1)
    }

    /// A request begins: its head is whole.
    pub(super) fn begin(activity: &Arc<Activity>) -> UnderWay {
        activity.under_way.fetch_add(1, Ordering::Relaxed);
        activity.head_since.store(NEVER, Ordering::Relaxed);
        activity.has_asked.store(true, Ordering::Relaxed);
        UnderWay(Arc::clone(activity))
    }

    pub(super) fn is_idle(&self) -> bool {
        self.under_way.load(Ordering::Relaxed) == 0
    }

    /// A head is on its way, or is whole.
    pub(super) fn note_head(&self, is_on_its_way: bool) {
        let since = self.head_since.load(Ordering::Relaxed);
        if is_on_its_way != (since != NEVER) {
            self.head_since.store(if is_on_its_way { self.now() } else { NEVER }, Ordering::Relaxed);
        }
    }

    /// The client took some of an answer that is no longer ours to hold.
    pub(super) fn note_taken(&self) {
        if self.is_idle() {
            self.idle_since.store(self.now(), Ordering::Relaxed);
        }
    }

    /// The client takes what is there for it, or not.
    pub(super) fn note_stall(&self, is_stalled: bool) {
        let since = self.stalled_since.load(Ordering::Relaxed);
        if is_stalled != (since != NEVER) {
            self.stalled_since.store(if is_stalled { self.now() } else { NEVER }, Ordering::Relaxed);
        }
    }

    /// For how long the client has sent nothing that could be answered; `None` while it is being answered.
    pub(super) fn waited(&self) -> Option<Duration> {
        let since = self.idle_since.load(Ordering::Relaxed);
        self.is_idle().then(|| Duration::from_millis(self.now().saturating_sub(since)))
    }

    /// When the connection ends unless something happens; `None` while it is busy.
    fn deadline(&self) -> Option<Instant> {
        let idle_max = if self.has_asked.load(Ordering::Relaxed) { IDLE_MAX } else { HEAD_MAX };
        let idle_since = if self.is_idle() { self.idle_since.load(Ordering::Relaxed) } else { NEVER };
        let head_since = self.head_since.load(Ordering::Relaxed);
        let stalled_since = self.stalled_since.load(Ordering::Relaxed);
        let is_answering = self.answers.load(Ordering::Relaxed) > 0;
        let answered_at = if is_answering { self.answered_at.load(Ordering::Relaxed) } else { NEVER };
        [(idle_since, idle_max), (head_since, HEAD_MAX), (stalled_since, STALL_MAX), (answered_at, STALL_MAX)]
            .into_iter()
            .filter(|(since, _)| *since != NEVER)
            .map(|(since, most)| self.began + Duration::from_millis(since) + most)
            .min()
    }
}

/// A request until all of its answer was taken.
#[derive(Debug)]
pub(super) struct UnderWay(Arc<Activity>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.idle_since.store(self.0.now(), Ordering::Relaxed);
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The body of an answer that is on its way.
pub(super) struct Answering {
    body: Body,
    under_way: UnderWay,
}

impl Answering {
    pub(super) fn new(body: Body, under_way: UnderWay) -> Answering {
        let answering = Answering { body, under_way };
        answering.activity().answers.fetch_add(1, Ordering::Relaxed);
        answering.note_progress();
        answering
    }

    fn activity(&self) -> &Activity {
        &self.under_way.0
    }

    fn note_progress(&self) {
        self.activity().answered_at.store(self.activity().now(), Ordering::Relaxed);
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.note_progress();
        self.activity().answers.fetch_sub(1, Ordering::Relaxed);
    }
}

impl HttpBody for Answering {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if polled.is_ready() {
            self.note_progress();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Lets a connection go on as long as it keeps to its times; `None` where it did not.
pub(super) async fn in_time<C: Future>(connection: C, activity: Arc<Activity>) -> Option<C::Output> {
    let (mut connection, mut timer) = (pin!(connection), pin!(sleep_until(activity.began + HEAD_MAX)));
    poll_fn(move |context| {
        if let Poll::Ready(output) = connection.as_mut().poll(context) {
            return Poll::Ready(Some(output));
        }
        // A timer that rings too early is set again then: that is rare, and cheaper than to set it with every request.
        if let Some(deadline) = activity.deadline().filter(|deadline| *deadline < timer.deadline()) {
            timer.as_mut().reset(deadline);
        }
        while timer.as_mut().poll(context).is_ready() {
            let now = Instant::now();
            match activity.deadline() {
                Some(deadline) if deadline <= now => return Poll::Ready(None),
                Some(deadline) => timer.as_mut().reset(deadline),
                // Any deadline that comes up is nearer than this.
                None => timer.as_mut().reset(now + IDLE_MAX),
            }
        }
        Poll::Pending
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::time::{Instant, sleep};

    use super::{Activity, Answering, in_time};

    async fn ends_after(activity: Arc<Activity>) -> Duration {
        let began = Instant::now();
        assert!(in_time(std::future::pending::<()>(), activity).await.is_none());
        began.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_ends_when_it_keeps_others_waiting() {
        let seconds = |took: Duration| took.as_secs();
        let silent = Arc::new(Activity::new());
        assert_eq!(seconds(ends_after(silent).await), 10, "before its first request");

        let asked = Arc::new(Activity::new());
        drop(Activity::begin(&asked));
        assert_eq!(seconds(ends_after(Arc::clone(&asked)).await), 75, "between requests");

        let slow = Arc::new(Activity::new());
        drop(Activity::begin(&slow));
        slow.note_head(true);
        assert_eq!(seconds(ends_after(slow).await), 10, "half a head");

        let deaf = Arc::new(Activity::new());
        let under_way = Activity::begin(&deaf);
        deaf.note_stall(true);
        assert_eq!(seconds(ends_after(deaf).await), 30, "an answer that is not taken");
        drop(under_way);

        let windowless = Arc::new(Activity::new());
        let answer = Answering::new("taken by nobody".into(), Activity::begin(&windowless));
        assert_eq!(seconds(ends_after(windowless).await), 30, "an answer that HTTP/2 does not let go");
        drop(answer);

        let busy = Arc::new(Activity::new());
        let under_way = Activity::begin(&busy);
        let answering = async {
            sleep(Duration::from_secs(200)).await;
            drop(under_way);
        };
        let (took, ()) = tokio::join!(ends_after(busy), answering);
        assert_eq!(seconds(took), 275, "a request that is being answered, then nothing");
    }
}
