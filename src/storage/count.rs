//! Derived counts: adding to them.

use std::collections::{BTreeMap, HashSet};
use std::sync::LazyLock;

use chrono::NaiveDate;
use sqlx::postgres::PgHasArrayType;
use sqlx::{AssertSqlSafe, Encode, PgConnection, Postgres, Type};

use super::late_count::{self, LateStamp};
use super::measure_columns::{CountTable, DAILY, PRODUCT, listed, names};
use super::row_type::{DailyChange, ProductChange};
use super::{StoreError, settled_sum};
use crate::domain::count::{CountChanges, Counts, ProductKey};
use crate::domain::measure::Measure;
use crate::domain::subject::SubjectKind;

/// The tables of derived counts.
pub(super) const TABLES: [&str; 4] = ["daily_count", "product_count", "product_off_shelf", "product_paid"];

/// The statements that write one set of count tables: the kept ones, or the temporary ones of a verification.
pub struct CountTables {
    upsert_daily: String,
    upsert_product: String,
    merge_paid: String,
    recount_paid: String,
    drop_unpaid: String,
    delete_shelf: String,
    insert_shelf: String,
}

/// The tables that scores are computed from.
pub static KEPT: LazyLock<CountTables> = LazyLock::new(|| CountTables::named(""));
/// Temporary twins that a verification fills, see [`super::comparison`].
pub static REBUILT: LazyLock<CountTables> = LazyLock::new(|| CountTables::named("rebuilt_"));

impl CountTables {
    fn named(prefix: &str) -> CountTables {
        CountTables {
            upsert_daily: upsert(prefix, &DAILY),
            upsert_product: upsert(prefix, &PRODUCT),
            merge_paid: include_str!("sql/merge_paid.sql").replace("{prefix}", prefix),
            recount_paid: include_str!("sql/recount_paid.sql").replace("{prefix}", prefix),
            drop_unpaid: include_str!("sql/drop_unpaid.sql").replace("{prefix}", prefix),
            delete_shelf: format!(
                "delete from {prefix}product_off_shelf where (shop_id, product_id) in
                     (select shop_id collate \"C\", product_id collate \"C\"
                      from unnest($1::text[], $2::text[]) as product (shop_id, product_id))"
            ),
            insert_shelf: format!(
                "insert into {prefix}product_off_shelf (shop_id, product_id, from_day, until_day)
                 select * from unnest($1::text[], $2::text[], $3::date[], $4::date[])"
            ),
        }
    }
}

/// An `insert … on conflict do update` that adds every measure of an array of rows; 0 is stored as null. The attributes
/// of a row are in the order of the key and the measures.
fn upsert(prefix: &str, table: &CountTable) -> String {
    let sum =
        |column: &str| format!("{column} = nullif(coalesce(kept.{column}, 0) + coalesce(excluded.{column}, 0), 0)");
    format!(
        "insert into {prefix}{name} as kept ({key}, {columns}) select * from unnest($1::{change_type}[])
         on conflict ({key}) do update set {sums}",
        name = table.name,
        change_type = table.change_type,
        key = table.key.join(", "),
        columns = names(table.measures),
        sums = listed(table.measures, sum),
    )
}

/// With fewer rows, one statement for all kinds of subject costs less than the time it holds locks longer.
const ROWS_OF_ALL_KINDS: usize = 500;

/// Adds changes to the counts. Writers of different stripes share no row of a shop, but they do share creators: their
/// rows come last, so that a writer waits for another only while that one is about to commit. The rows of each table
/// come in the order of its key, so that writers never deadlock, and neighbours share pages.
///
/// A writer of the kept tables gives the late stamp of the stripes that it holds, so that sums of settled days learn of
/// what it adds to them. A rebuild, which fills empty tables, has none.
pub async fn add(
    connection: &mut PgConnection,
    tables: &CountTables,
    changes: CountChanges,
    late: Option<LateStamp>,
) -> Result<(), StoreError> {
    let changes = changes.without_zeros();
    if let Some(stamp) = late {
        late_count::append(connection, &changes, stamp).await?;
    }
    replace_shelf(connection, tables, &changes).await?;
    let kinds_at_once = if changes.rows() < ROWS_OF_ALL_KINDS { SubjectKind::ALL.len() } else { 1 };
    for kinds in SubjectKind::ALL.chunks(kinds_at_once) {
        let mut daily: Vec<_> =
            changes.daily.iter().filter(|((subject, _), _)| kinds.contains(&subject.kind)).collect();
        daily.sort_unstable_by_key(|((subject, day), _)| (*day, subject));
        let products = changes.products.iter().filter(|(key, _)| kinds.contains(&key.subject.kind));
        add_rows(connection, &tables.upsert_daily, daily.into_iter().map(|(key, counts)| DailyChange(key, counts)))
            .await?;
        add_rows(connection, &tables.upsert_product, products.clone().map(|(key, counts)| ProductChange(key, counts)))
            .await?;
        add_paid_days(connection, tables, products).await?;
    }
    Ok(())
}

/// Adds rows by one of the [`upsert`] statements.
async fn add_rows<T: Type<Postgres> + PgHasArrayType + for<'q> Encode<'q, Postgres>>(
    connection: &mut PgConnection,
    statement: &str,
    rows: impl Iterator<Item = T>,
) -> Result<(), StoreError> {
    let rows: Vec<T> = rows.collect();
    if !rows.is_empty() {
        sqlx::query(AssertSqlSafe(statement)).bind(rows).execute(connection).await?;
    }
    Ok(())
}

/// Keeps the two newest days on which each product was paid for.
async fn add_paid_days<'a>(
    connection: &mut PgConnection,
    tables: &CountTables,
    changes: impl Iterator<Item = (&'a ProductKey, &'a Counts)>,
) -> Result<(), StoreError> {
    // Per product, newest first: the days that gained payments; and whether any lost some.
    let mut products: BTreeMap<(i16, &str, &str, &str), Vec<NaiveDate>> = BTreeMap::new();
    let mut any_lost = false;
    for (ProductKey { subject, shop_id, product_id, day }, counts) in changes {
        let paid_orders = counts.get(Measure::PaidOrders);
        if paid_orders != 0 {
            let key = (subject.kind.code(), subject.id.as_str(), shop_id.as_str(), product_id.as_str());
            products.entry(key).or_default().insert(0, *day);
            any_lost |= paid_orders < 0;
        }
    }
    if products.is_empty() {
        return Ok(());
    }
    let statements = if any_lost { vec![&tables.recount_paid, &tables.drop_unpaid] } else { vec![&tables.merge_paid] };
    for statement in statements {
        let mut query = sqlx::query(AssertSqlSafe(statement.as_str()))
            .bind(products.keys().map(|key| key.0).collect::<Vec<_>>())
            .bind(products.keys().map(|key| key.1).collect::<Vec<_>>())
            .bind(products.keys().map(|key| key.2).collect::<Vec<_>>())
            .bind(products.keys().map(|key| key.3).collect::<Vec<_>>());
        if !any_lost {
            query = query
                .bind(products.values().map(|days| days[0]).collect::<Vec<_>>())
                .bind(products.values().map(|days| days.get(1).copied()).collect::<Vec<_>>());
        }
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

async fn replace_shelf(
    connection: &mut PgConnection,
    tables: &CountTables,
    changes: &CountChanges,
) -> Result<(), StoreError> {
    if changes.shelf.is_empty() {
        return Ok(());
    }
    sqlx::query(AssertSqlSafe(tables.delete_shelf.as_str()))
        .bind(changes.shelf.keys().map(|(shop_id, _)| shop_id.as_str()).collect::<Vec<_>>())
        .bind(changes.shelf.keys().map(|(_, product_id)| product_id.as_str()).collect::<Vec<_>>())
        .execute(&mut *connection)
        .await?;
    let spans: Vec<_> =
        changes.shelf.iter().flat_map(|(product, spans)| spans.iter().map(move |span| (product, span))).collect();
    sqlx::query(AssertSqlSafe(tables.insert_shelf.as_str()))
        .bind(spans.iter().map(|((shop_id, _), _)| shop_id.as_str()).collect::<Vec<_>>())
        .bind(spans.iter().map(|((_, product_id), _)| product_id.as_str()).collect::<Vec<_>>())
        .bind(spans.iter().map(|(_, span)| span.from_day).collect::<Vec<_>>())
        .bind(spans.iter().map(|(_, span)| span.until_day).collect::<Vec<_>>())
        .execute(connection)
        .await?;
    Ok(())
}

/// Those of some products that are off the shelf since their last change.
pub(crate) async fn off_shelf(
    connection: &mut PgConnection,
    products: &[(&str, &str)],
) -> Result<HashSet<(String, String)>, StoreError> {
    let rows: Vec<(String, String)> = sqlx::query_as(
        "select shop_id, product_id from product_off_shelf
         join unnest($1::text[], $2::text[]) as wanted (shop_id, product_id) using (shop_id, product_id)
         where until_day is null",
    )
    .bind(products.iter().map(|(shop_id, _)| *shop_id).collect::<Vec<_>>())
    .bind(products.iter().map(|(_, product_id)| *product_id).collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().collect())
}

/// Keeps a rebuild from emptying the counts under this transaction. Must come before the transaction's first query: a
/// snapshot that is older than a truncation sees empty tables, and taking a lock takes no snapshot.
pub async fn hold(connection: &mut PgConnection) -> Result<(), StoreError> {
    let sql = format!("lock table {} in access share mode", TABLES.join(", "));
    sqlx::query(AssertSqlSafe(sql)).execute(connection).await?;
    Ok(())
}

/// Empties the kept counts, and forgets what was summed of them, inside the transaction of a rebuild. The counts come
/// first: readers of sums hold them (see [`hold`]).
pub async fn truncate(connection: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query(AssertSqlSafe(format!("truncate {}", TABLES.join(", ")))).execute(&mut *connection).await?;
    settled_sum::forget(connection).await
}
