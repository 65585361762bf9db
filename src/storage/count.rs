//! Derived counts: adding to them, summing them over windows, comparing them with a rebuild.

use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;

use chrono::NaiveDate;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::StoreError;
use crate::domain::count::{CountChanges, Counts};
use crate::domain::id::Id;
use crate::domain::measure::Measure;
use crate::domain::score::MetricCount;
use crate::domain::subject::SubjectKind;
use crate::domain::window::{DaySpan, Window};

/// The statements that write one set of count tables: the kept ones, or the temporary ones of a verification.
pub struct CountTables {
    upsert_daily: String,
    upsert_product: String,
    delete_shelf: String,
    insert_shelf: String,
}

/// The tables that scores are computed from.
pub static KEPT: LazyLock<CountTables> = LazyLock::new(|| CountTables::named(""));
/// Temporary twins that a verification fills, see [`create_rebuilt`].
pub static REBUILT: LazyLock<CountTables> = LazyLock::new(|| CountTables::named("rebuilt_"));

const DAILY_KEY: [(&str, &str); 3] = [("subject_kind", "smallint"), ("subject_id", "text"), ("day", "date")];
const PRODUCT_KEY: [(&str, &str); 5] = [
    ("subject_kind", "smallint"),
    ("subject_id", "text"),
    ("shop_id", "text"),
    ("product_id", "text"),
    ("day", "date"),
];

impl CountTables {
    fn named(prefix: &str) -> CountTables {
        CountTables {
            upsert_daily: upsert(&format!("{prefix}daily_count"), &DAILY_KEY, &Measure::ALL),
            upsert_product: upsert(&format!("{prefix}product_count"), &PRODUCT_KEY, &Measure::OF_PRODUCT),
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

/// `insert … on conflict do update` that adds every measure; 0 is kept as null.
fn upsert(table: &str, key: &[(&str, &str)], measures: &[Measure]) -> String {
    let columns: Vec<&str> = measures.iter().map(|measure| measure.column()).collect();
    let names: Vec<&str> = key.iter().map(|(name, _)| *name).collect();
    let casts = key.iter().map(|(_, cast)| *cast).chain(measures.iter().map(|_| "bigint"));
    let parameters: Vec<String> = casts.enumerate().map(|(index, cast)| format!("${}::{cast}[]", index + 1)).collect();
    let sums: Vec<String> = columns
        .iter()
        .map(|column| format!("{column} = nullif(coalesce(kept.{column}, 0) + coalesce(excluded.{column}, 0), 0)"))
        .collect();
    format!(
        "insert into {table} as kept ({key}, {columns}) select * from unnest({parameters})
         on conflict ({key}) do update set {sums}",
        key = names.join(", "),
        columns = columns.join(", "),
        parameters = parameters.join(", "),
        sums = sums.join(", "),
    )
}

/// Adds changes to the counts. Rows are written in key order, daily counts before product counts, so that writers of
/// different stripes that share a creator wait for each other and never in a circle.
pub async fn add(connection: &mut PgConnection, tables: &CountTables, changes: CountChanges) -> Result<(), StoreError> {
    let changes = changes.without_zeros();
    add_daily(connection, tables, &changes).await?;
    add_products(connection, tables, &changes).await?;
    replace_shelf(connection, tables, &changes).await
}

fn column<'a>(counts: impl Iterator<Item = &'a Counts>, measure: Measure) -> Vec<Option<i64>> {
    counts.map(|counts| Some(counts.get(measure)).filter(|count| *count != 0)).collect()
}

async fn add_daily(
    connection: &mut PgConnection,
    tables: &CountTables,
    changes: &CountChanges,
) -> Result<(), StoreError> {
    let keys = || changes.daily.keys();
    if changes.daily.is_empty() {
        return Ok(());
    }
    let mut query = sqlx::query(AssertSqlSafe(tables.upsert_daily.as_str()))
        .bind(keys().map(|(subject, _)| subject.kind.code()).collect::<Vec<_>>())
        .bind(keys().map(|(subject, _)| subject.id.as_str()).collect::<Vec<_>>())
        .bind(keys().map(|(_, day)| *day).collect::<Vec<_>>());
    for measure in Measure::ALL {
        query = query.bind(column(changes.daily.values(), measure));
    }
    query.execute(connection).await?;
    Ok(())
}

async fn add_products(
    connection: &mut PgConnection,
    tables: &CountTables,
    changes: &CountChanges,
) -> Result<(), StoreError> {
    let keys = || changes.products.keys();
    if changes.products.is_empty() {
        return Ok(());
    }
    let mut query = sqlx::query(AssertSqlSafe(tables.upsert_product.as_str()))
        .bind(keys().map(|key| key.subject.kind.code()).collect::<Vec<_>>())
        .bind(keys().map(|key| key.subject.id.as_str()).collect::<Vec<_>>())
        .bind(keys().map(|key| key.shop_id.as_str()).collect::<Vec<_>>())
        .bind(keys().map(|key| key.product_id.as_str()).collect::<Vec<_>>())
        .bind(keys().map(|key| key.day).collect::<Vec<_>>());
    for measure in Measure::OF_PRODUCT {
        query = query.bind(column(changes.products.values(), measure));
    }
    query.execute(connection).await?;
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

/// The sums of measures over windows that a run needs of one kind of subject.
#[derive(Clone, Debug)]
pub struct SumPlan {
    pub kind: SubjectKind,
    pub sums: Vec<(Window, Measure)>,
}

impl SumPlan {
    /// Lays the sums of one subject out by window.
    pub fn counts(&self, sums: &[i64], window: Window) -> Counts {
        let mut counts = Counts::default();
        for ((summed_window, measure), sum) in self.sums.iter().zip(sums) {
            if *summed_window == window {
                counts.add(*measure, *sum);
            }
        }
        counts
    }
}

/// Sums the daily counts of all subjects that have any, in the order of the plan's sums.
pub async fn window_sums(
    connection: &mut PgConnection,
    plan: &SumPlan,
    score_date: NaiveDate,
) -> Result<HashMap<Id, Vec<i64>>, StoreError> {
    let windows: BTreeSet<Window> = plan.sums.iter().map(|(window, _)| *window).collect();
    let spans: Vec<(Window, DaySpan)> = windows.iter().map(|window| (*window, window.days(score_date))).collect();
    let (Some(from), Some(to)) = (spans.iter().map(|span| span.1.from).min(), spans.iter().map(|span| span.1.to).max())
    else {
        return Ok(HashMap::new());
    };
    let sums: Vec<String> = plan
        .sums
        .iter()
        .map(|(window, measure)| {
            let span = window.days(score_date);
            format!(
                "coalesce(sum({}) filter (where day between '{}' and '{}'), 0)::bigint",
                measure.column(),
                span.from,
                span.to
            )
        })
        .collect();
    let sql = format!(
        "select subject_id, array[{}] from daily_count
         where subject_kind = $1 and day between $2 and $3 group by subject_id",
        sums.join(", ")
    );
    let rows: Vec<(String, Vec<i64>)> =
        sqlx::query_as(AssertSqlSafe(sql)).bind(plan.kind.code()).bind(from).bind(to).fetch_all(connection).await?;
    Ok(rows.into_iter().map(|(subject_id, sums)| (Id::stored(&subject_id), sums)).collect())
}

/// What products that do not qualify for the product base score add to its counts: those off the shelf at the end of
/// the day before the score date, and those without a paid order in the window.
pub async fn base_score_excess(
    connection: &mut PgConnection,
    kind: SubjectKind,
    span: DaySpan,
    score_date: NaiveDate,
) -> Result<HashMap<Id, MetricCount>, StoreError> {
    let rows: Vec<(String, i64, i64)> = sqlx::query_as(
        "with product as (
             select subject_id, shop_id, product_id, sum(product_stars) as product_stars, sum(reviews) as reviews,
                    sum(paid_orders) as paid_orders
             from product_count where subject_kind = $1 and day between $2 and $3
             group by subject_id, shop_id, product_id
         )
         select subject_id, sum(product_stars)::bigint, sum(reviews)::bigint
         from product
         where reviews > 0
           and (coalesce(paid_orders, 0) = 0
                or exists (
                    select from product_off_shelf as off
                    where off.shop_id = product.shop_id and off.product_id = product.product_id
                      and off.from_day < $4 and (off.until_day is null or off.until_day >= $4)))
         group by subject_id",
    )
    .bind(kind.code())
    .bind(span.from)
    .bind(span.to)
    .bind(score_date)
    .fetch_all(connection)
    .await?;
    let excess = |(subject_id, numerator, volume): (String, i64, i64)| {
        (Id::stored(&subject_id), MetricCount { numerator, volume })
    };
    Ok(rows.into_iter().map(excess).collect())
}

/// Keeps a rebuild from emptying the counts under this transaction. Must come before the transaction's first query: a
/// snapshot that is older than a truncation sees empty tables, and taking a lock takes no snapshot.
pub async fn hold(connection: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query("lock table daily_count, product_count, product_off_shelf in access share mode")
        .execute(connection)
        .await?;
    Ok(())
}

/// Empties the kept counts inside the transaction of a rebuild.
pub async fn truncate(connection: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query("truncate daily_count, product_count, product_off_shelf").execute(connection).await?;
    Ok(())
}

/// Creates the empty temporary twins that [`REBUILT`] writes; they go with the transaction.
pub async fn create_rebuilt(connection: &mut PgConnection) -> Result<(), StoreError> {
    for table in ["daily_count", "product_count", "product_off_shelf"] {
        let sql = format!("create temporary table rebuilt_{table} (like {table} including all) on commit drop");
        sqlx::query(AssertSqlSafe(sql)).execute(&mut *connection).await?;
    }
    Ok(())
}

/// The first differences between the kept counts and the rebuilt ones, in words, and how many rows differ in all.
pub async fn differences(connection: &mut PgConnection, shown: i64) -> Result<(Vec<String>, i64), StoreError> {
    let daily: Vec<&str> = Measure::ALL.iter().map(|measure| measure.column()).collect();
    let product: Vec<&str> = Measure::OF_PRODUCT.iter().map(|measure| measure.column()).collect();
    let tables = [
        ("daily_count", DAILY_KEY.map(|(name, _)| name).to_vec(), daily),
        ("product_count", PRODUCT_KEY.map(|(name, _)| name).to_vec(), product),
        ("product_off_shelf", vec!["shop_id", "product_id", "from_day"], vec!["until_day"]),
    ];
    let (mut lines, mut total) = (Vec::new(), 0);
    for (table, key, columns) in tables {
        let side = |side: &str| -> String {
            columns.iter().map(|column| format!("{side}.{column}")).collect::<Vec<_>>().join(", ")
        };
        // A row of counts that are all null says the same as no row. A shelf span says something by being there.
        let presence = match table {
            "product_off_shelf" => "or (kept.shop_id is null) <> (rebuilt.shop_id is null)",
            _ => "",
        };
        let sql = format!(
            "select concat_ws(' ', '{table}', {key}), row_to_json(kept)::text, row_to_json(rebuilt)::text,
                    count(*) over ()
             from {table} as kept full join rebuilt_{table} as rebuilt using ({key})
             where row({kept}) is distinct from row({rebuilt}) {presence}
             order by {key} limit $1",
            key = key.join(", "),
            kept = side("kept"),
            rebuilt = side("rebuilt"),
        );
        let rows = sqlx::query(AssertSqlSafe(sql)).bind(shown).fetch_all(&mut *connection).await?;
        total += rows.first().map_or(Ok(0), |row| row.try_get::<i64, _>(3))?;
        for row in rows {
            let (key, kept, rebuilt): (String, Option<String>, Option<String>) =
                (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            let shown = |json: Option<String>| json.unwrap_or_else(|| "no row".to_owned());
            lines.push(format!("{key}: kept {}, rebuilt {}", shown(kept), shown(rebuilt)));
        }
    }
    Ok((lines, total))
}
