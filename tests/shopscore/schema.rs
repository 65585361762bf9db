//! What the code lists and what the schema declares are the same: columns of measures, attributes of what is sent, and the
//! settings that counts are kept under; and databases of older versions.

use std::borrow::Cow;
use std::time::Duration;

use shopscore::domain::calendar::Calendar;
use shopscore::scoring::rebuild;
use shopscore::storage::counting::{self, Mismatch};
use shopscore::storage::measure_columns::{CountTable, DAILY, PRODUCT};
use shopscore::storage::{PoolSizes, Store};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::support::{Choices, TestService, empty_database, fresh_database};

/// The columns of a table or the attributes of a type, in their order.
async fn attributes(connection: &mut PgConnection, name: &str) -> Vec<String> {
    sqlx::query_scalar(
        "select attname::text from pg_attribute
         where attrelid = $1::regclass and attnum > 0 and not attisdropped
         order by attnum",
    )
    .bind(name)
    .fetch_all(connection)
    .await
    .expect("attributes")
}

fn expected(table: &CountTable) -> Vec<String> {
    let columns = table.measures.iter().map(|measure| measure.column());
    table.key.iter().copied().chain(columns).map(str::to_owned).collect()
}

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names
}

#[tokio::test]
async fn every_measure_has_its_column_and_changes_are_sent_in_the_order_of_the_table_of_measures() {
    let mut connection = PgConnection::connect_with(&fresh_database().await).await.expect("a connection");
    for table in [&DAILY, &PRODUCT] {
        let change = attributes(&mut connection, table.change_type).await;
        assert_eq!(change, expected(table), "{}: the attributes stand in another order", table.change_type);
        let columns = attributes(&mut connection, table.name).await;
        assert_eq!(sorted(columns), sorted(expected(table)), "{}", table.name);
    }
    let late = attributes(&mut connection, "late_count").await;
    let of_late = expected(&DAILY).into_iter().chain(["stripe".to_owned(), "seq".to_owned()]).collect();
    assert_eq!(sorted(late), sorted(of_late));
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_of_other_measures_are_refused_until_they_are_counted_anew() {
    let service = TestService::start().await;
    let store = &service.context.store;
    sqlx::query("update counting set measures = replace(measures, ' complaints', '')")
        .execute(&store.read)
        .await
        .expect("counts of an older version");
    let refusal = service.context.prepare().await.expect_err("counts that lack a measure").to_string();
    assert!(refusal.contains("shopscore rebuild"), "{refusal}");
    let event = serde_json::json!({"id": "e", "type": "order.signed", "shop_id": "s", "data": {"order_id": "o"},
                                   "time": "2026-11-08T10:00:00Z"});
    assert_eq!(service.post("/v1/events", &event).await.0, 503, "nobody adds to counts that lack a measure");
    rebuild::rebuild(store, &service.context.calendar(), &rebuild::unwatched).await.expect("a rebuild");
    service.context.prepare().await.expect("counts of this version");
    assert_eq!(service.post("/v1/events", &event).await.0, 201);
    service.stop().await;
}

#[tokio::test]
async fn counts_of_the_version_before_are_known_for_what_they_are() {
    let mut connection = PgConnection::connect_with(&empty_database().await).await.expect("a connection");
    let all = sqlx::migrate!("./migrations");
    let before: Vec<_> = all.migrations.iter().filter(|migration| migration.version < 13).cloned().collect();
    let mut older = sqlx::migrate!("./migrations");
    older.migrations = Cow::Owned(before);
    older.run(&mut connection).await.expect("the schema before");
    sqlx::query(AssertSqlSafe("insert into counting (time_zone) values ('Asia/Shanghai')"))
        .execute(&mut connection)
        .await
        .expect("counts");
    let event =
        "insert into event (time, received_at, seq, aggregate_kind, type, shop_id, aggregate_id, event_id, data)
                 values (now(), now(), 1, 1, 4, 's', 'o', 'e', '{\"order_id\": \"o\"}')";
    sqlx::query(event).execute(&mut connection).await.expect("an event that was counted");
    all.run(&mut connection).await.expect("the schema now");
    // Measures were added since: old days must be counted anew.
    let compared = counting::compare(&mut connection, chrono_tz::Asia::Shanghai).await.expect("an answer");
    assert_eq!(compared, Some(Mismatch::Measures));
    let noted = counting::note(&mut connection, chrono_tz::Asia::Shanghai).await;
    noted.expect("a rebuild notes what it counted");
    let elsewhere = counting::compare(&mut connection, chrono_tz::Europe::Berlin).await.expect("an answer");
    let (kept, wanted) = ("Asia/Shanghai".to_owned(), chrono_tz::Europe::Berlin);
    assert_eq!(elsewhere, Some(Mismatch::TimeZone { kept, wanted }));
}

#[tokio::test(flavor = "multi_thread")]
async fn old_days_are_counted_anew_before_the_first_run_of_a_version_with_further_measures() {
    let options = empty_database().await;
    let mut connection = PgConnection::connect_with(&options).await.expect("a connection");
    let all = sqlx::migrate!("./migrations");
    let mut older = sqlx::migrate!("./migrations");
    older.migrations = Cow::Owned(all.migrations.iter().filter(|migration| migration.version < 25).cloned().collect());
    older.run(&mut connection).await.expect("the schema before");
    // As the version before left it: an order that was paid in the evening, and its counts without the new measures.
    let filled = "
        insert into counting (time_zone, measures) values ('Asia/Shanghai', 'day: paid_orders; product: paid_orders; stripes: 2');
        insert into subject (subject_kind, subject_id, registered_at, updated_at) values (1, 's', now(), now());
        insert into event (time, received_at, seq, aggregate_kind, type, shop_id, aggregate_id, event_id, data) values
            ('2026-11-10T20:00:00+08:00', now(), 1, 1, 1, 's', 'o', 'paid', '{\"order_id\": \"o\", \"product_id\": \"p\"}'),
            ('2026-11-11T07:00:00+08:00', now(), 1, 1, 3, 's', 'o', 'picked', '{\"order_id\": \"o\"}');
        insert into daily_count (day, subject_kind, subject_id, paid_orders) values ('2026-11-10', 1, 's', 1);";
    sqlx::raw_sql(filled).execute(&mut connection).await.expect("rows of the version before");
    let store = Store::open(&options, PoolSizes { ingest: 2, read: 2, run: 2 });
    store.migrate().await.expect("the schema now");
    let compared = counting::compare(&mut connection, chrono_tz::Asia::Shanghai).await.expect("an answer");
    let mismatch = compared.expect("a mismatch").to_string();
    assert!(mismatch.contains("shopscore rebuild"), "{mismatch}");
    let calendar = Calendar::new(chrono_tz::Asia::Shanghai);
    rebuild::rebuild(&store, &calendar, &rebuild::unwatched).await.expect("a rebuild");
    let service = TestService::start_on(options, Choices::default()).await;
    service.run("2026-11-20".parse().expect("date")).await;
    let metrics = service.read("/v1/shops/s/metrics?rule_set=douyin-2026-09").await;
    let all = metrics["metrics"].as_array().expect("metrics");
    let found = all.iter().find(|metric| metric["id"] == "pickup_duration").expect("the metric");
    assert_eq!((&found["numerator"], &found["denominator"]), (&serde_json::json!(3_600), &serde_json::json!(1)));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_the_version_before_are_packed_by_whoever_starts_and_are_what_they_were() {
    let options = empty_database().await;
    let mut connection = PgConnection::connect_with(&options).await.expect("a connection");
    let all = sqlx::migrate!("./migrations");
    let mut older = sqlx::migrate!("./migrations");
    older.migrations = Cow::Owned(all.migrations.iter().filter(|migration| migration.version < 29).cloned().collect());
    older.run(&mut connection).await.expect("the schema before");
    // More than two steps of orders, each with times of whole and of broken seconds, with data and without, of one transaction
    // or of several.
    let filled = r#"
        insert into event (time, received_at, seq, key_id, aggregate_kind, type, shop_id, aggregate_id, event_id, data, uncredited)
        select '2026-11-01T00:00:00Z'::timestamptz + number * interval '7 seconds' + place * interval '30 hours 1 microsecond' * (number % 2),
               '2026-11-20T00:00:00.123456Z'::timestamptz + place / 2 * interval '1 hour',
               number + place / 2, nullif(number % 3, 0), 1, (array[1, 3, 4, 7, 22])[place + 1],
               'shop-' || number % 50, 'order-' || number, '事件-' || place,
               case place
                   when 0 then format('{"order_id": "order-%s", "creator_id": "c-%s", "备注": "双\u0031十一"}', number, number % 7)
                   when 3 then format('{"order_id":"order-%s","review_id":"r","product_stars":%s}', number, 1 + number % 5)
                   when 4 then format('{"order_id":"order-%s","deliver_by":"2026-11-09T08:00:00+08:00"}', number)
               end::json,
               nullif(place = 0 and number % 11 = 0, false)
        from generate_series(1, 9000) as number cross join generate_series(0, 4) as place;
        create table copied as select * from event;"#;
    sqlx::raw_sql(filled).execute(&mut connection).await.expect("rows of the version before");
    let open = || Store::open(&options, PoolSizes { ingest: 2, read: 2, run: 2 });
    let (one, other) = (open(), open());
    // Broken off somewhere: what was begun is not there, and what was packed stays packed.
    let broken_off = tokio::time::timeout(Duration::from_millis(rand::random_range(50..900)), one.migrate()).await;
    let unready = if broken_off.is_err() { Some(one.check_schema().await) } else { None };
    if let Some(unready) = unready {
        let said = unready.expect_err("unpacked events").to_string();
        assert!(said.contains("run shopscore migrate"), "{said}");
    }
    let (first, second) = tokio::join!(one.migrate(), other.migrate());
    first.and(second).expect("packed events");
    one.check_schema().await.expect("the schema now");
    let columns =
        "time, received_at, seq, key_id, aggregate_kind, type, shop_id, aggregate_id, event_id, data::text, uncredited";
    let differing = format!(
        "select count(*) from ((select {columns} from event except all select {columns} from copied)
             union all (select {columns} from copied except all select {columns} from event)) as different"
    );
    let differing: i64 =
        sqlx::query_scalar(AssertSqlSafe(differing)).fetch_one(&mut connection).await.expect("a count");
    let uncredited: i64 = sqlx::query_scalar("select count(*) from aggregate where creator_ids is null")
        .fetch_one(&mut connection)
        .await
        .expect("a count");
    assert_eq!((differing, uncredited), (0, 9_000 / 11));
    let numbers = "select array_agg(seq) from event where aggregate_id = 'order-1' and shop_id = 'shop-1'";
    let numbers: Vec<i64> = sqlx::query_scalar(numbers).fetch_one(&mut connection).await.expect("numbers");
    assert_eq!(numbers, [1, 1, 2, 2, 3], "in the order of arrival");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_allows_too_few_connections_is_told_apart() {
    let service = TestService::start().await;
    let store = &service.context.store;
    assert_eq!(store.lacking_connections().await.expect("an answer"), None);
    let limit = format!("alter database {} connection limit 10", service.database().get_database().expect("a name"));
    sqlx::query(AssertSqlSafe(limit)).execute(&store.run).await.expect("a limit");
    assert_eq!(store.lacking_connections().await.expect("an answer"), Some((12, 10)));
    service.stop().await;
}
