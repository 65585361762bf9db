//! What is asked for again and again and remembered for a moment, so that asking costs the database little: what is said of
//! runs, the same by every process; whether the database answers; the intake of shops with many events.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::NaiveDate;
use metrics::{describe_gauge, gauge};
use metrics_exporter_prometheus::PrometheusBuilder;
use moka::sync::Cache;
use sqlx::PgConnection;

use crate::answers::intake::Intake;
use crate::answers::published::ReadError;
use crate::answers::source::Source;
use crate::context::Context;
use crate::domain::id::Id;
use crate::scoring::schedule;
use crate::storage::run::{self as rows, RunRow};
use crate::storage::{StoreError, delivery_upkeep};

/// How long what was read is good.
const GOOD_FOR: Duration = Duration::from_secs(1);
/// How long a scrape waits for newer ones.
const WAIT_MAX: Duration = Duration::from_millis(40);

/// What was last read about runs.
#[derive(Clone, Debug, Default)]
pub struct RunFigures(Arc<Mutex<LastRead>>);

#[derive(Debug, Default)]
struct LastRead {
    text: String,
    /// When it was read.
    at: Option<Instant>,
    /// Whether the last attempt that ended succeeded.
    is_up: bool,
    /// Since when an attempt is under way.
    pending: Option<Instant>,
}

impl RunFigures {
    /// The figures of runs, and whether the database answers. They are new unless it takes long to answer.
    pub(crate) async fn current(&self, context: &Context) -> String {
        let is_begun = {
            let mut last = self.last();
            let is_wanted = last.pending.is_none() && last.at.is_none_or(|at| at.elapsed() >= GOOD_FOR);
            if is_wanted {
                last.pending = Some(Instant::now());
            }
            is_wanted
        };
        if is_begun {
            let (kept, context) = (self.clone(), context.clone());
            // One attempt at a time, and nobody waits for a database that does not answer.
            let reading = tokio::spawn(async move { kept.read(&context).await });
            let _ = tokio::time::timeout(WAIT_MAX, reading).await;
        }
        let last = self.last();
        let is_stuck = last.pending.is_some_and(|since| since.elapsed() >= GOOD_FOR);
        let up = u8::from(last.is_up && !is_stuck);
        format!("# TYPE shopscore_database_up gauge\nshopscore_database_up {up}\n{}", last.text)
    }

    fn last(&self) -> MutexGuard<'_, LastRead> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn read(&self, context: &Context) {
        let read = async {
            let mut connection = context.store.read.acquire().await?;
            figures_of_runs(&mut connection, context).await
        };
        let read = read.await;
        let mut last = self.last();
        (last.is_up, last.pending) = (read.is_ok(), None);
        if let Ok(text) = read {
            (last.text, last.at) = (text, Some(Instant::now()));
        }
    }
}

/// The newest published run of each rule set that a published run used, and what is overdue.
async fn figures_of_runs(connection: &mut PgConnection, context: &Context) -> Result<String, StoreError> {
    let newest = rows::newest_by_rule_set(connection).await?;
    let now = context.now();
    let today = context.calendar().day(now);
    let facts = schedule::read_facts(connection, &context.slot, now).await?;
    let is_overdue = schedule::overdue(&context.slot, &facts, now).is_some();
    let failed = facts.failures.iter().find(|failed| failed.date == today && !facts.published.contains(&today));
    let failures = failed.map_or(0, |failed| failed.attempts);
    let outbox = delivery_upkeep::outbox(connection).await?;
    let recorder = PrometheusBuilder::new().build_recorder();
    metrics::with_local_recorder(&recorder, || {
        describe_gauge!("shopscore_outbox_messages", "Messages to webhooks that are on their way.");
        describe_gauge!("shopscore_outbox_age_seconds", "Age of the oldest of them.");
        describe_gauge!("shopscore_outbox_announcements", "What happened to runs and is not told to everybody yet.");
        describe_gauge!("shopscore_webhooks", "Webhooks that fail, and those that are told nothing any more.");
        gauge!("shopscore_outbox_messages").set(outbox.pending as f64);
        let age = outbox.oldest.map_or(0.0, |oldest| (now - oldest).as_seconds_f64().max(0.0));
        gauge!("shopscore_outbox_age_seconds").set(age);
        gauge!("shopscore_outbox_announcements").set(outbox.unfinished_announcements as f64);
        gauge!("shopscore_webhooks", "state" => "failing").set(outbox.failing_webhooks as f64);
        gauge!("shopscore_webhooks", "state" => "disabled").set(outbox.disabled_webhooks as f64);
        describe_gauge!("shopscore_run_duration_seconds", "From start to publication of the newest published run.");
        describe_gauge!("shopscore_run_subjects", "Subjects of the newest published run.");
        describe_gauge!(
            "shopscore_run_late_seconds",
            "How long after its slot the newest published run was published."
        );
        describe_gauge!("shopscore_newest_date_age_days", "Days since the newest published date.");
        describe_gauge!("shopscore_newest_publication_age_seconds", "Time since the newest publication.");
        describe_gauge!("shopscore_run_overdue", "1 while today's run is overdue.");
        gauge!("shopscore_run_overdue").set(if is_overdue { 1.0 } else { 0.0 });
        describe_gauge!(
            "shopscore_run_failures",
            "Failed attempts at today's run, but for those by hand, until it is published."
        );
        gauge!("shopscore_run_failures").set(failures as f64);
        for (rule_set, row) in &newest {
            let set = |name: &'static str, value: f64| gauge!(name, "rule_set" => rule_set.clone()).set(value);
            let Some(published_at) = row.published_at else { continue };
            let seconds = |span: chrono::TimeDelta| span.as_seconds_f64().max(0.0);
            set(
                "shopscore_run_duration_seconds",
                row.started_at.map_or(0.0, |started| seconds(published_at - started)),
            );
            set("shopscore_run_subjects", row.subjects_total as f64);
            set("shopscore_run_late_seconds", late_seconds(row, context));
            set("shopscore_newest_date_age_days", (today - row.date).num_days() as f64);
            set("shopscore_newest_publication_age_seconds", seconds(now - published_at));
        }
    });
    Ok(recorder.handle().render())
}

fn late_seconds(row: &RunRow, context: &Context) -> f64 {
    let end = context.slot.end(row.date);
    let published_at = row.published_at.filter(|_| row.late);
    published_at.map_or(0.0, |published_at| (published_at - end).as_seconds_f64().max(0.0))
}

/// When the database answered last, at which publication, and with which newest date.
#[derive(Clone, Debug, Default)]
pub struct LastReady(Arc<Mutex<Option<Seen>>>);

#[derive(Clone, Copy, Debug)]
struct Seen {
    at: Instant,
    publication: Option<i64>,
    newest: Option<NaiveDate>,
}

impl LastReady {
    /// The newest date, if it was read within the last second and nothing was published since.
    pub(crate) fn newest(&self, publication: Option<i64>) -> Option<Option<NaiveDate>> {
        let seen = (*self.0.lock().unwrap_or_else(PoisonError::into_inner))?;
        let is_good = seen.at.elapsed() < GOOD_FOR && publication.is_some() && seen.publication == publication;
        is_good.then_some(seen.newest)
    }

    pub(crate) fn note(&self, publication: Option<i64>, newest: Option<NaiveDate>) {
        let seen = Seen { at: Instant::now(), publication, newest };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
    }
}

/// Intakes that took long to read: of a shop with many events one is good for a while, so that polling costs little.
#[derive(Clone)]
pub struct SlowIntakes {
    intakes: Cache<Id, Arc<Intake>>,
    /// Shops whose intake took long; one of them is read at a time.
    slow: Cache<Id, ()>,
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// How long an intake may take without being remembered, for how long it is, and how long the shop counts as slow.
const QUICK: Duration = Duration::from_millis(50);
const INTAKE_GOOD_FOR: Duration = Duration::from_secs(10);
const SLOW_FOR: Duration = Duration::from_secs(3_600);
/// Shops that are remembered.
const INTAKES_MAX: u64 = 100;

impl Default for SlowIntakes {
    fn default() -> SlowIntakes {
        fn cache<T: Clone + Send + Sync + 'static>(kept_for: Duration) -> Cache<Id, T> {
            Cache::builder().max_capacity(INTAKES_MAX).time_to_live(kept_for).build()
        }
        SlowIntakes { intakes: cache(INTAKE_GOOD_FOR), slow: cache(SLOW_FOR), turn: Arc::default() }
    }
}

impl SlowIntakes {
    /// The intake of this moment; of a shop with many events, one of the last seconds.
    pub(crate) async fn of(&self, shop_id: &Id, source: &Source) -> Result<Arc<Intake>, ReadError> {
        let _turn = if self.slow.contains_key(shop_id) { Some(self.turn.lock().await) } else { None };
        if let Some(remembered) = self.intakes.get(shop_id) {
            return Ok(remembered);
        }
        let began = Instant::now();
        let intake = Arc::new(source.intake(shop_id).await?);
        if began.elapsed() > QUICK {
            self.slow.insert(shop_id.clone(), ());
            self.intakes.insert(shop_id.clone(), Arc::clone(&intake));
        }
        Ok(intake)
    }

    /// Forgets the intakes of shops whose registration changed.
    pub(crate) fn forget<'a>(&self, shops: impl Iterator<Item = &'a Id>) {
        shops.for_each(|id| self.intakes.invalidate(id));
    }
}
