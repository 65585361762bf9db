//! The records behind every count: they sum to it, page by page, at the knowledge of the revision that is asked for.

use std::collections::HashSet;
use std::ops::Range;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use shopscore::domain::calendar::Calendar;
use shopscore::domain::id::Id;
use shopscore::scoring::rebuild;
use shopscore::storage::stripe::Striping;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::support::answers::{Scored, exclude, items, metrics, pages, retraction, scored_built_in, send, whole};
use crate::support::stream::random_stream;
use crate::support::{Choices, TestService, date, seeds};

/// Lists that are read side by side.
const AT_ONCE: usize = 16;

/// One side of a published metric, and where its records are.
struct Count {
    scored: Scored,
    metric: Value,
    side: &'static str,
    path: String,
}

/// Both sides of every metric, as a revision says them.
async fn counts(service: &TestService, scored: &[Scored], revision: u32) -> Vec<Count> {
    let mut counts = Vec::new();
    for scored in scored {
        let answer = service.read(&scored.path(&format!("metrics?revision={revision}"))).await;
        for (metric, side) in
            metrics(&answer).iter().flat_map(|metric| [(metric, "numerator"), (metric, "denominator")])
        {
            let id = metric["id"].as_str().expect("id");
            let path = scored.path(&format!("metrics/{id}/records?side={side}&revision={revision}"));
            counts.push(Count { scored: scored.clone(), metric: metric.clone(), side, path });
        }
    }
    counts
}

/// The records of counts, read in pages of a random length.
async fn records(
    service: &TestService,
    counts: &[Count],
    limits: Range<usize>,
    rng: &mut ChaCha8Rng,
) -> Vec<Vec<Value>> {
    let mut records = Vec::with_capacity(counts.len());
    for some in counts.chunks(AT_ONCE) {
        let reads = some.iter().map(|count| records_of(service, count, rng.random_range(limits.clone())));
        records.extend(join_all(reads).await);
    }
    records
}

/// The records of a count; fails unless they are what the count says.
async fn records_of(service: &TestService, count: &Count, limit: usize) -> Vec<Value> {
    let Count { scored, metric, side, path } = count;
    let pages = pages(service, path, limit).await;
    let total = whole(metric, side);
    for page in &pages {
        assert_eq!(whole(page, "total"), total, "{path}");
        assert_eq!(page["window"], metric["window"], "{path}");
    }
    let records = items(&pages);
    let sum: i64 = records.iter().map(|record| whole(record, "amount")).sum();
    assert_eq!(sum, total, "{path} with {limit} a page");
    let identity =
        |record: &Value| ["shop_id", "order_id", "aftersale_id", "session_id"].map(|id| record[id].to_string());
    let different: HashSet<[String; 4]> = records.iter().map(identity).collect();
    assert_eq!(different.len(), records.len(), "{path} with {limit} a page names a record twice");
    let time = |record: &Value| record["time"].as_str().expect("time").parse::<DateTime<Utc>>().expect("an instant");
    assert!(records.is_sorted_by(|one, next| time(one) >= time(next)), "{path} is not newest first");
    let first_and_last = ["from", "to"].map(|end| date(metric["window"][end].as_str().expect("a day")));
    for record in &records {
        let day = date(record["day"].as_str().expect("day"));
        assert!((first_and_last[0]..=first_and_last[1]).contains(&day), "{path}: {record} is beyond the window");
        assert_eq!(record[scored.id_field()], json!(scored.id), "{path}");
        assert!(!record["facts"].as_array().expect("facts").is_empty(), "{path}: {record} rests on nothing");
    }
    records
}

#[tokio::test(flavor = "multi_thread")]
async fn the_records_behind_every_count_sum_to_it_page_by_page() {
    for seed in seeds(1) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let stream = random_stream(&mut rng);
        let service = TestService::start().await;
        service.register(&stream.shops, &stream.creators).await;
        send(&service, &stream.events).await;
        service.run(date("2026-11-20")).await;
        let counts = counts(&service, &scored_built_in(&stream), 1).await;
        let records = records(&service, &counts, 4..60, &mut rng).await;
        assert!(records.iter().any(|records| records.len() > 20), "seed {seed}: the lists are short");
        let mut off_shelf = Vec::new();
        for shop in &stream.shops {
            off_shelf.extend(items(&pages(&service, &format!("/v1/shops/{shop}/products"), 100).await));
        }
        off_shelf.retain(|product| product["on_shelf"] == false && whole(product, "reviews") > 0);
        assert!(!off_shelf.is_empty(), "seed {seed}: no product with reviews is off the shelf");
        service.stop().await;
    }
}

/// Orders and sessions of which something comes unusually late: a payment, a pick-up, a sign-off, a promise, a case, a session's start.
fn slow_orders() -> Vec<String> {
    let mut events = Vec::new();
    for number in 0..70_i64 {
        let begin = "2026-09-01T01:00:00Z".parse::<DateTime<Utc>>().expect("a time") + TimeDelta::days(number);
        let mut push = |event_type: &str, days: i64, mut data: Value| {
            let time = begin + TimeDelta::days(days);
            if time < "2026-11-20T00:00:00Z".parse::<DateTime<Utc>>().expect("a time") {
                let of = if event_type.starts_with("im.") { "session_id" } else { "order_id" };
                data[of] = json!(format!("o-{number}"));
                let id = format!("{event_type}-{number}");
                let event = json!({"id": id, "type": event_type, "shop_id": "slow", "time": time, "data": data});
                events.push(event.to_string());
            }
        };
        push("order.shipped", if number % 5 == 0 { 0 } else { 3 }, json!({}));
        push("order.paid", 3, json!({"product_id": format!("p-{}", number % 4), "creator_id": "c"}));
        push("order.picked_up", 4 + number % 10, json!({}));
        push("order.signed", 15 + number % 13, json!({}));
        if number % 2 == 0 {
            let promised = begin + TimeDelta::days(20 + number % 9);
            push("order.promised", 4, json!({"deliver_by": promised}));
        }
        if number % 4 == 1 {
            let case = json!({"aftersale_id": format!("a-{number}"), "kind": "return_refund", "reason": "quality"});
            push("aftersale.opened", 16, case);
            let completed = json!({"aftersale_id": format!("a-{number}"), "outcome": "refunded"});
            push("aftersale.completed", if number % 8 == 1 { 62 } else { 40 }, completed);
        }
        push("im.replied", 0, json!({}));
        push("im.session_started", if number % 3 == 1 { 2 } else { 0 }, json!({"creator_id": "c"}));
    }
    events
}

#[tokio::test(flavor = "multi_thread")]
async fn records_are_found_however_late_what_counts_comes_and_in_whatever_order_it_arrives() {
    for seed in seeds(1) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let service = TestService::start().await;
        service.register(&["slow".to_owned()], &["c".to_owned()]).await;
        let mut events = slow_orders();
        events.shuffle(&mut rng);
        for part in events.chunks(40) {
            send(&service, part).await;
        }
        service.run(date("2026-11-20")).await;
        let scored =
            [("shops", "slow", "shop-v2"), ("shops", "slow", "douyin-2026-09"), ("creators", "c", "creator-v1")];
        let scored = scored.map(|(kind, id, rule_set)| Scored { kind, id: id.to_owned(), rule_set });
        let counts = counts(&service, &scored, 1).await;
        let records = records(&service, &counts, 4..60, &mut rng).await;
        let found = records.iter().filter(|records| !records.is_empty()).count();
        assert!(found >= 25, "seed {seed}: {found} counts have records");
        service.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_records_of_a_revision_stay_as_they_were_whatever_comes_and_goes_later() {
    for seed in seeds(1) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut stream = random_stream(&mut rng);
        stream.events.shuffle(&mut rng);
        let (early, late) = stream.events.split_at(stream.events.len() * 6 / 10);
        let service = TestService::start().await;
        service.register(&stream.shops, &stream.creators).await;
        send(&service, early).await;
        let mut excluded = Vec::new();
        for event in stream.events.iter().filter(|_| rng.random_bool(0.03)) {
            excluded.extend(exclude(&service, event).await);
        }
        service.run(date("2026-11-20")).await;
        // Of two rule sets that measure almost the same, one will do.
        let mut scored = scored_built_in(&stream);
        scored.retain(|scored| scored.rule_set != "shop-v1");
        let of_revision_1 = counts(&service, &scored, 1).await;
        let before = records(&service, &of_revision_1, 100..1_000, &mut rng).await;

        // An older version had other stripes.
        let (some, late) = late.split_at(late.len() / 3);
        send(&service, some).await;
        let database = service.database();
        service.stop().await;
        upgrade_from_old_stripes(&database, &stream.shops).await;
        let service = TestService::start_on(database, Choices::default()).await;
        send(&service, late).await;
        let retractions: Vec<String> =
            early.iter().filter(|_| rng.random_bool(0.04)).map(|event| retraction(event)).collect();
        send(&service, &retractions).await;
        assert!(!excluded.is_empty() && !retractions.is_empty(), "seed {seed}");
        for id in excluded.iter().step_by(2) {
            let revocation = service.client.delete(service.url(&format!("/v1/exclusions/{id}")));
            let revoked = revocation.json(&json!({"revoked_by": "ops"})).send().await;
            assert_eq!(revoked.expect("an answer").status(), 200);
        }
        for event in stream.events.iter().filter(|_| rng.random_bool(0.02)) {
            exclude(&service, event).await;
        }
        service.assert_counts_equal_a_rebuild().await;
        // The days of the next revision begin elsewhere.
        let database = service.database();
        let time_zone = chrono_tz::America::New_York;
        rebuild::rebuild(&service.context.store, &Calendar::new(time_zone), &rebuild::unwatched)
            .await
            .expect("a rebuild");
        service.stop().await;
        let service = TestService::start_on(database, Choices { time_zone, ..Choices::default() }).await;
        let now = service.context.now() + TimeDelta::days(1);
        service.context.clock.set(now);
        assert_eq!(service.run(date("2026-11-20")).await["revision"], json!(2));

        let again = records(&service, &of_revision_1, 20..200, &mut rng).await;
        for ((count, before), again) in of_revision_1.iter().zip(&before).zip(&again) {
            assert_eq!(before, again, "seed {seed}: {}", count.path);
        }
        let of_revision_2 = counts(&service, &scored, 2).await;
        let after = records(&service, &of_revision_2, 20..200, &mut rng).await;
        assert!(after != before, "seed {seed}: nothing changed from revision to revision");
        service.stop().await;
    }
}

/// Gives all that is stored the numbers that a version with the first striping would have given it, and a row for every event,
/// and brings the schema up to date from there; the next start packs the events. In each of its stripes, what the run knew has a lower number than what came later.
async fn upgrade_from_old_stripes(database: &PgConnectOptions, shops: &[String]) {
    let mut connection = PgConnection::connect_with(database).await.expect("a connection");
    let stripes = |striping: Striping| -> Vec<i16> {
        shops.iter().map(|shop| striping.stripe_of(&Id::parse(shop).expect("an id"))).collect()
    };
    sqlx::query("create temporary table spread as select * from unnest($1::text[], $2::smallint[], $3::smallint[]) as spread (shop_id, old, new)")
        .bind(shops)
        .bind(stripes(Striping::Fnv1a))
        .bind(stripes(Striping::NOW))
        .execute(&mut connection)
        .await
        .expect("the stripes of all shops");
    let number = |seq: &str| {
        format!("case when {seq} <= run.heads[spread.new + 1] then 10 * spread.old + 1 else 10 * spread.old + 2 end")
    };
    let renumber = format!(
        "create table event_row as
             select event.time, event.received_at, ({})::bigint as seq, event.key_id, event.aggregate_kind, event.type, event.shop_id,
                    event.aggregate_id, event.event_id, event.data, event.uncredited
             from event join spread on spread.shop_id = event.shop_id cross join run;
         truncate aggregate;
         update exclusion set seq = {}, revoked_seq = {} from run, spread where spread.shop_id = exclusion.shop_id;
         update late_count set stripe = 7, seq = 72;
         update run set heads = (select array_agg(10 * stripe + 1 order by stripe) from stripe);
         update settled_sum_head set heads = run.heads from run where settled_sum_head.heads is not null;
         update stripe set head = 10 * stripe + 2;
         alter table run drop column striping, drop column time_zone;
         update counting set measures = replace(measures, '; stripes: 2', '');",
        number("event.seq"),
        number("exclusion.seq"),
        "case when revoked_seq is not null then 10 * spread.old + 2 end",
    );
    connection.execute(AssertSqlSafe(renumber)).await.expect("the numbers of the version before");
    connection.execute(include_str!("../../migrations/0018_striping.sql")).await.expect("the migration");
}
