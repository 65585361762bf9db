//! The counts of one subject, day by day.

use std::collections::{BTreeMap, HashMap};

use chrono::NaiveDate;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::measure_columns::{DAILY, PRODUCT, as_numbers, read};
use super::{StoreError, adjustment};
use crate::domain::count::Counts;
use crate::domain::id::Id;
use crate::domain::live::{LiveCounts, LiveProduct};
use crate::domain::product::OffShelf;
use crate::domain::subject::Subject;
use crate::domain::window::DaySpan;

/// The counts of a subject and of its products on the days of a span, and its adjustments. Run in a transaction of one snapshot.
pub(crate) async fn live_counts(
    connection: &mut PgConnection,
    subject: &Subject,
    span: DaySpan,
) -> Result<LiveCounts, StoreError> {
    let daily = daily(connection, subject, span).await?;
    let products = products(connection, subject, span).await?;
    Ok(LiveCounts { daily, products, adjustments: adjustment::active_of(connection, subject).await? })
}

async fn daily(
    connection: &mut PgConnection,
    subject: &Subject,
    span: DaySpan,
) -> Result<BTreeMap<NaiveDate, Counts>, StoreError> {
    let sql = format!(
        "select day, {} from daily_count where day = any($3) and subject_kind = $1 and subject_id = $2",
        as_numbers(DAILY.measures)
    );
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(subject.kind.code())
        .bind(subject.id.as_str())
        .bind(span.days().collect::<Vec<_>>())
        .fetch_all(connection)
        .await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, read(row, 1, DAILY.measures)?))).collect()
}

/// The products of a subject's orders that have counts on the days of a span, by shop and id.
pub(crate) async fn products(
    connection: &mut PgConnection,
    subject: &Subject,
    span: DaySpan,
) -> Result<Vec<LiveProduct>, StoreError> {
    let sql = format!(
        "select shop_id, product_id, day, {} from product_count
         where subject_kind = $1 and subject_id = $2 and day between $3 and $4 order by shop_id, product_id",
        as_numbers(PRODUCT.measures)
    );
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(subject.kind.code())
        .bind(subject.id.as_str())
        .bind(span.from)
        .bind(span.to)
        .fetch_all(&mut *connection)
        .await?;
    let mut products: Vec<LiveProduct> = Vec::new();
    for row in &rows {
        let (shop_id, product_id): (&str, &str) = (row.try_get(0)?, row.try_get(1)?);
        let same = products
            .last()
            .is_some_and(|last| last.shop_id.as_str() == shop_id && last.product_id.as_str() == product_id);
        if !same {
            let (shop_id, product_id) = (Id::stored(shop_id), Id::stored(product_id));
            products.push(LiveProduct { shop_id, product_id, daily: BTreeMap::new(), off_shelf: Vec::new() });
        }
        if let Some(product) = products.last_mut() {
            product.daily.insert(row.try_get(2)?, read(row, 3, PRODUCT.measures)?);
        }
    }
    let mut spans = off_shelf(connection, &products).await?;
    for product in &mut products {
        product.off_shelf = spans.remove(&(product.shop_id.clone(), product.product_id.clone())).unwrap_or_default();
    }
    Ok(products)
}

async fn off_shelf(
    connection: &mut PgConnection,
    products: &[LiveProduct],
) -> Result<HashMap<(Id, Id), Vec<OffShelf>>, StoreError> {
    let rows: Vec<(String, String, NaiveDate, Option<NaiveDate>)> = sqlx::query_as(
        "select off.shop_id, off.product_id, off.from_day, off.until_day
         from unnest($1::text[], $2::text[]) as key (shop_id, product_id)
         cross join lateral (
             select shop_id, product_id, from_day, until_day from product_off_shelf as kept
             where kept.shop_id = key.shop_id collate \"C\" and kept.product_id = key.product_id collate \"C\"
             offset 0
         ) off",
    )
    .bind(products.iter().map(|product| product.shop_id.as_str()).collect::<Vec<_>>())
    .bind(products.iter().map(|product| product.product_id.as_str()).collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    let mut spans: HashMap<(Id, Id), Vec<OffShelf>> = HashMap::new();
    for (shop_id, product_id, from_day, until_day) in rows {
        let product = (Id::stored(&shop_id), Id::stored(&product_id));
        spans.entry(product).or_default().push(OffShelf { from_day, until_day });
    }
    Ok(spans)
}
