//! Sums that slide: whatever comes between two runs, one that slides kept sums publishes what one that sums all days
//! does.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate};
use rand::SeedableRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use shopscore::clock::Clock;
use shopscore::config::RetentionSettings;
use shopscore::domain::count::{CountChanges, Counts};
use shopscore::domain::id::Id;
use shopscore::domain::measure::Measure;
use shopscore::domain::subject::{Subject, SubjectKind};
use shopscore::scoring::inputs::sum_plan;
use shopscore::scoring::rebuild;
use shopscore::scoring::retention::sweep;
use shopscore::scoring::settled::{Sliding, differences, settle};
use shopscore::storage::late_count::LateStamp;
use shopscore::storage::settled_sum::{self, SettledSums};
use shopscore::storage::stripe::{self, HeldStripes, stripe_of};
use shopscore::storage::{count, snapshot};
use sqlx::PgConnection;

use crate::support::answers::{exclude, retraction, scored, send, service_knowing};
use crate::support::stream::{Stream, random_stream};
use crate::support::{Choices, TestService, date, seeds};

/// Score dates in the order in which they are run: a jump that is too far to slide, day by day, one again, a jump, an
/// older one, and on.
const DATES: [&str; 9] = [
    "2026-10-20",
    "2026-11-10",
    "2026-11-11",
    "2026-11-12",
    "2026-11-12",
    "2026-11-17",
    "2026-11-05",
    "2026-11-18",
    "2026-11-20",
];

/// What is published of all subjects for a date, without what names the run.
async fn published(service: &TestService, stream: &Stream, date: NaiveDate) -> Vec<Value> {
    let mut cards = Vec::new();
    for scored in scored(&stream.shops, &stream.creators) {
        for route in ["score", "metrics"] {
            let mut card = service.read(&scored.path(&format!("{route}?date={date}"))).await;
            for name in ["run_id", "published_at", "revision"] {
                card.as_object_mut().expect("an object").remove(name);
            }
            cards.push(card);
        }
    }
    cards
}

async fn count(service: &TestService, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(&service.context.store.read).await.expect("a count")
}

async fn late_rows(service: &TestService) -> i64 {
    count(service, "select count(*) from late_count").await
}

/// The date of the kept sums.
async fn kept_date(service: &TestService) -> Option<NaiveDate> {
    let date = sqlx::query_scalar("select date from settled_sum_head");
    date.fetch_one(&service.context.store.read).await.expect("the head")
}

/// Makes the next run sum all days.
async fn drop_kept_sums(service: &TestService) {
    sqlx::query("update settled_sum_head set date = null, settled_day = null, plan = null")
        .execute(&service.context.store.run)
        .await
        .expect("no head");
}

/// Excludes what some events speak of, and takes every second exclusion back.
async fn exclude_some(service: &TestService, events: &[&String]) {
    let mut revoke = false;
    for event in events {
        if let Some(id) = exclude(service, event).await {
            if revoke {
                let path = service.url(&format!("/v1/exclusions/{id}"));
                assert_eq!(
                    service
                        .client
                        .delete(path)
                        .json(&json!({"revoked_by": "ops"}))
                        .send()
                        .await
                        .expect("an answer")
                        .status(),
                    200
                );
            }
            revoke = !revoke;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_slides_publishes_what_a_run_that_sums_all_days_does() {
    for seed in seeds(2) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut stream = random_stream(&mut rng);
        stream.events.shuffle(&mut rng);
        let (first, rest) = stream.events.split_at(stream.events.len() / 2);
        let sliding = service_knowing(&stream, first).await;
        let summing = service_knowing(&stream, first).await;
        let mut known: Vec<&String> = first.iter().collect();
        let mut further = rest.chunks(rest.len() / DATES.len() + 1);
        let mut newest: Option<NaiveDate> = None;
        for (step, text) in DATES.into_iter().enumerate() {
            let told = format!("seed {seed}, step {step}, {text}");
            let late = late_rows(&sliding).await;
            assert!(newest.is_none() || late > 0, "{told}: nothing came late");
            drop_kept_sums(&summing).await;
            tokio::join!(sliding.run(date(text)), summing.run(date(text)));

            let cards = published(&sliding, &stream, date(text)).await;
            assert_eq!(cards, published(&summing, &stream, date(text)).await, "{told}");
            let is_newest = newest.is_none_or(|newest| date(text) >= newest);
            newest = newest.max(Some(date(text)));
            assert_eq!(kept_date(&sliding).await, newest, "{told}");
            assert_eq!(late_rows(&sliding).await, if is_newest { 0 } else { late }, "{told}");
            sliding.assert_counts_equal_a_rebuild().await;

            let new = further.next().unwrap_or_default();
            let retracted: Vec<String> = known.sample(&mut rng, 3).map(|event| retraction(event)).collect();
            let excluded: Vec<&String> = known.sample(&mut rng, 6).copied().collect();
            for service in [&sliding, &summing] {
                send(service, new).await;
                send(service, &retracted).await;
                exclude_some(service, &excluded).await;
            }
            known.extend(new);
            sliding.assert_counts_equal_a_rebuild().await;
        }
        sliding.stop().await;
        summing.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_slides_what_is_kept_a_verification_tells_when_that_is_wrong_and_a_rebuild_forgets_it() {
    for seed in seeds(1) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let stream = random_stream(&mut rng);
        let service = service_knowing(&stream, &stream.events).await;
        let day = date("2026-11-20");
        service.run(date("2026-11-19")).await;
        service.run(day).await;
        let expected = published(&service, &stream, day).await;
        sqlx::query("delete from settled_sum where subject_kind = 1")
            .execute(&service.context.store.run)
            .await
            .expect("no sums of shops");
        let found = rebuild::verify(&service.context.store, &service.context.calendar(), &rebuild::unwatched)
            .await
            .expect("a verification");
        let of_sums = |line: &String| line.starts_with("settled sum shop shop-") && line.contains(": kept 0, counted ");
        assert!(found.differing_rows > 0 && found.differences.iter().all(of_sums), "{:#?}", found.differences);
        service.run(day).await;
        let slid = published(&service, &stream, day).await;
        assert_ne!(slid, expected, "seed {seed}: the run did not read what is kept");

        let excluded: Vec<&String> = stream.events.sample(&mut rng, 20).collect();
        exclude_some(&service, &excluded).await;
        assert!(late_rows(&service).await > 0, "seed {seed}");
        drop_all_exclusions(&service).await;
        rebuild::rebuild(&service.context.store, &service.context.calendar(), &rebuild::unwatched)
            .await
            .expect("a rebuild");
        let left = "select (select count(*) from late_count) + (select count(*) from settled_sum)";
        assert_eq!((kept_date(&service).await, count(&service, left).await), (None, 0));
        service.assert_counts_equal_a_rebuild().await;
        service.run(day).await;
        assert_eq!(published(&service, &stream, day).await, expected, "seed {seed}");
        assert_eq!(kept_date(&service).await, Some(day));
        service.assert_counts_equal_a_rebuild().await;
        service.stop().await;
    }
}

/// Revokes all exclusions that are in force.
async fn drop_all_exclusions(service: &TestService) {
    let active = sqlx::query_scalar("select exclusion_id from exclusion where revoked_at is null");
    let ids: Vec<i64> = active.fetch_all(&service.context.store.read).await.expect("ids");
    for id in ids {
        let path = service.url(&format!("/v1/exclusions/{id}"));
        assert_eq!(
            service.client.delete(path).json(&json!({"revoked_by": "ops"})).send().await.expect("an answer").status(),
            200
        );
    }
}

/// Adds five paid orders of shop `s` to a day in September, as a writer does that holds these stripes.
async fn add_to_september(connection: &mut PgConnection, shop_id: &Id, held: &HeldStripes) {
    let mut counts = Counts::default();
    counts.add(Measure::PaidOrders, 5);
    let mut changes = CountChanges::default();
    let subject = Subject { kind: SubjectKind::Shop, id: shop_id.clone() };
    changes.daily.insert((subject, date("2026-09-01")), counts);
    count::add(connection, &count::KEPT, changes, LateStamp::of(held)).await.expect("counts");
}

/// Differences between the kept sums and sums of the counts.
async fn differing_sums(service: &TestService) -> Vec<String> {
    let mut connection = service.context.store.run.acquire().await.expect("a connection");
    let mut reading = snapshot::begin(&mut connection).await.expect("a snapshot");
    let (lines, total) = differences(&mut reading, 20).await.expect("a comparison");
    assert_eq!(lines.is_empty(), total == 0);
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_waits_for_writers_that_do_not_know_its_settled_day_and_those_after_them_note_what_is_late() {
    let service = TestService::start().await;
    let day = date("2026-11-20");
    let shop_id = Id::parse("s").expect("an id");
    let stripes = BTreeSet::from([stripe_of(&shop_id)]);
    service.register_in(&["s".to_owned()], "food").await;
    let store = &service.context.store;
    let mut writer = store.ingest.begin().await.expect("a transaction");
    let held = stripe::hold(&mut writer, &stripes).await.expect("a stripe");
    assert!(held.values().all(|stripe| stripe.settled_day.is_none()), "{held:?}");
    let write = async {
        let waiting = "select count(*) from pg_stat_activity
                       where datname = current_database() and wait_event_type = 'Lock' and query like '%settled_day%'";
        while count(&service, waiting).await == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(count(&service, "select count(*) from stripe where settled_day is not null").await, 0);
        add_to_september(&mut writer, &shop_id, &held).await;
        writer.commit().await.expect("a commit");
    };
    tokio::join!(service.run(day), write);
    assert_eq!((kept_date(&service).await, late_rows(&service).await), (Some(day), 0));
    assert_eq!(differing_sums(&service).await, Vec::<String>::new(), "the run saw what the writer stored");

    let mut writer = store.ingest.begin().await.expect("a transaction");
    let held = stripe::hold(&mut writer, &stripes).await.expect("a stripe");
    assert!(held.values().all(|stripe| stripe.settled_day == Some(date("2026-11-03"))), "{held:?}");
    add_to_september(&mut writer, &shop_id, &held).await;
    writer.commit().await.expect("a commit");
    assert_eq!(late_rows(&service).await, 1);
    assert_eq!(differing_sums(&service).await, Vec::<String>::new(), "the note makes up for it");
    service.run(day).await;
    assert_eq!(late_rows(&service).await, 0);
    assert_eq!(differing_sums(&service).await, Vec::<String>::new(), "the run took the note in");
    service.stop().await;
}

/// The settled sums of a date, as a run would keep them.
async fn read_sums(service: &TestService, date: NaiveDate) -> SettledSums {
    let context = service.context.clone();
    let mut connection = context.store.run.acquire().await.expect("a connection");
    settle(&mut connection, date).await.expect("settled days");
    let mut reading = snapshot::begin(&mut connection).await.expect("a snapshot");
    let heads = stripe::heads(&mut reading).await.expect("heads");
    let plans = SubjectKind::ALL.map(|kind| sum_plan(&context.rules, kind));
    let mut sliding = Sliding::begin(&mut reading, date, heads, &plans).await.expect("sums");
    for plan in &plans {
        sliding.sums(&mut reading, plan).await.expect("sums");
    }
    sliding.finish()
}

/// Whether the sums are kept from now on.
async fn save(service: &TestService, sums: &SettledSums) -> bool {
    let mut transaction = service.context.store.run.begin().await.expect("a transaction");
    let saved = settled_sum::save(&mut transaction, sums).await.expect("an answer");
    transaction.commit().await.expect("a commit");
    saved
}

#[tokio::test(flavor = "multi_thread")]
async fn of_runs_that_overlap_the_sums_that_know_less_or_are_of_an_earlier_date_are_not_kept() {
    for seed in seeds(1) {
        let mut stream = random_stream(&mut ChaCha8Rng::seed_from_u64(seed));
        stream.events.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        let mut parts = stream.events.chunks(stream.events.len() / 4 + 1);
        let mut tell = || parts.next().expect("further events");
        let service = service_knowing(&stream, tell()).await;

        let knows_less = read_sums(&service, date("2026-11-19")).await;
        send(&service, tell()).await;
        service.run(date("2026-11-18")).await;
        assert!(!save(&service, &knows_less).await, "seed {seed}");
        assert_eq!(kept_date(&service).await, Some(date("2026-11-18")), "seed {seed}");
        service.assert_counts_equal_a_rebuild().await;

        send(&service, tell()).await;
        let next = read_sums(&service, date("2026-11-19")).await;
        send(&service, tell()).await;
        let earlier = read_sums(&service, date("2026-11-17")).await;
        assert!(save(&service, &next).await, "seed {seed}");
        let late = late_rows(&service).await;
        assert!(late > 0, "seed {seed}: what came after the sums were read");
        assert!(!save(&service, &earlier).await, "seed {seed}");
        assert_eq!(late_rows(&service).await, late, "seed {seed}: the kept sums need it");
        service.assert_counts_equal_a_rebuild().await;

        let of_old_counts = read_sums(&service, date("2026-11-20")).await;
        rebuild::rebuild(&service.context.store, &service.context.calendar(), &rebuild::unwatched)
            .await
            .expect("a rebuild");
        assert!(!save(&service, &of_old_counts).await, "seed {seed}");
        assert_eq!(kept_date(&service).await, None, "seed {seed}");
        service.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_old_events_counted_for_goes_from_kept_sums_too() {
    let retention = RetentionSettings { event_days: Some(400), ..RetentionSettings::default() };
    let service = TestService::start_with(Choices { retention, ..Choices::default() }).await;
    let event = |event_type: &str, data: Value| {
        let time = "2026-10-05T10:00:00+08:00";
        json!({"id": event_type, "type": event_type, "shop_id": "s", "time": time, "data": data}).to_string()
    };
    let paid = event("order.paid", json!({"order_id": "o", "product_id": "p", "creator_id": "c"}));
    send(&service, &[paid, event("order.signed", json!({"order_id": "o"}))]).await;
    service.run(date("2026-11-20")).await;
    assert_eq!((count(&service, "select count(*) from settled_sum").await, late_rows(&service).await), (2, 0));

    // The service's own clock stands still, so that it runs no missed dates meanwhile.
    let mut context = service.context.clone();
    context.clock = Clock::manual(DateTime::parse_from_rfc3339("2028-01-10T08:00:00+08:00").expect("now").to_utc());
    let swept = sweep(&context).await.expect("a sweep");
    assert_eq!((swept.aggregates, swept.events), (1, 2));
    assert_eq!((kept_date(&service).await, late_rows(&service).await), (Some(date("2026-11-20")), 2));
    service.assert_counts_equal_a_rebuild().await;
    service.stop().await;
}
