//! Comparing the kept counts with rebuilt ones.

use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::StoreError;
use super::count::TABLES;
use super::measure_columns::{CountTable, DAILY, PRODUCT};

/// Creates the empty temporary twins that [`REBUILT`] writes; they go with the transaction.
pub(crate) async fn create_rebuilt(connection: &mut PgConnection) -> Result<(), StoreError> {
    for table in TABLES {
        let sql = format!("create temporary table rebuilt_{table} (like {table} including all) on commit drop");
        sqlx::query(AssertSqlSafe(sql)).execute(&mut *connection).await?;
    }
    Ok(())
}

/// The first differences between the kept counts and the rebuilt ones, in words, and how many rows differ in all.
pub(crate) async fn differences(connection: &mut PgConnection, shown: i64) -> Result<(Vec<String>, i64), StoreError> {
    let counted = |table: &CountTable| {
        let columns: Vec<&str> = table.measures.iter().map(|measure| measure.column()).collect();
        (table.name, table.key.to_vec(), columns)
    };
    let tables = [
        counted(&DAILY),
        counted(&PRODUCT),
        ("product_off_shelf", vec!["shop_id", "product_id", "from_day"], vec!["until_day"]),
        ("product_paid", vec!["subject_kind", "subject_id", "shop_id", "product_id"], vec!["last_day", "previous_day"]),
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
