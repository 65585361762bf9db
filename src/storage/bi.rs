//! For analysts with SQL: the views of the schema `bi`, which unpack and name what the tables of the service keep packed and numbered.
//! docs/analysts.md describes them; their text is made here, since lists of measures and words are in the domain.

use chrono::{DateTime, NaiveDate, Utc};
use sha2::{Digest, Sha256};
use sqlx::postgres::PgArguments;
use sqlx::query::QueryScalar;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Postgres};

use super::measure_columns::{DAILY, listed};
use super::{Store, StoreError};
use crate::domain::aggregate::AggregateKind;
use crate::domain::event_type::EventType;
use crate::domain::hex::hex;
use crate::domain::rules::{RuleSet, file};
use crate::domain::subject::SubjectKind;

/// Columns of `bi_metric`, as they are copied.
const METRIC_COLUMNS: &str = "run_id, rule_set, subject_id, category_id, dimension, metric, numerator, denominator, value, points, basis, \
     peers, better_peers";

/// A case that gives numbers their words.
fn words(column: &str, words: impl Iterator<Item = (i16, &'static str)>) -> String {
    let whens: String = words.map(|(code, word)| format!(" when {code} then '{word}'")).collect();
    format!("case {column}{whens} end")
}

/// The views, as one script.
fn definition() -> String {
    let kind_of = |column: &str| words(column, SubjectKind::ALL.into_iter().map(|kind| (kind.code(), kind.as_str())));
    let aggregate = words("aggregate_kind", AggregateKind::ALL.into_iter().map(|kind| (kind.code(), kind.as_str())));
    let event_type = words("type", EventType::ALL.into_iter().map(|one| (one.code(), one.as_str())));
    let measures = listed(DAILY.measures, |column| format!("coalesce({column}, 0)::bigint as {column}"));
    include_str!("sql/bi_views.sql")
        .replace("{kind of subject_kind}", &kind_of("subject_kind"))
        .replace("{kind of rules.subject_kind}", &kind_of("rules.subject_kind"))
        .replace("{aggregate}", &aggregate)
        .replace("{event type}", &event_type)
        .replace("{measures}", &measures)
}

impl Store {
    /// Brings the views up to date, and what they know of rule sets. Where that cannot be, the service works all the same: a database
    /// user may not make a schema, or an analyst's transaction holds a view.
    pub(super) async fn define_bi(&self) -> Result<(), StoreError> {
        let mut connection = self.run.acquire().await?;
        let defined = match learn_all(&mut connection).await {
            Ok(()) => define(&mut connection).await,
            failed => failed,
        };
        if let Err(error) = defined {
            tracing::warn!(%error, "the views for analysts (schema bi) are not brought up to date; the next start tries again");
        }
        Ok(())
    }
}

async fn define(connection: &mut PgConnection) -> Result<(), StoreError> {
    let definition = definition();
    let mut transaction = connection.begin().await?;
    // Processes that start together take turns.
    sqlx::query("set local lock_timeout = '2s'").execute(&mut *transaction).await?;
    sqlx::query("lock table bi_unpacked in share update exclusive mode").execute(&mut *transaction).await?;
    let schema: String = sqlx::query_scalar("select current_schema()::text").fetch_one(&mut *transaction).await?;
    let known: Option<Option<String>> =
        sqlx::query_scalar("select obj_description(oid, 'pg_namespace') from pg_namespace where nspname = 'bi'")
            .fetch_optional(&mut *transaction)
            .await?;
    let mark =
        format!("Views of shopscore on the schema {schema}, see docs/analysts.md; another version makes them anew. ");
    let version = hex(&Sha256::digest(&definition)[..16]);
    match known.map(Option::unwrap_or_default) {
        Some(known) if !known.starts_with(&mark) => {
            tracing::warn!("the schema bi is another's, so there are no views for analysts");
            return Ok(());
        }
        Some(known) if known.ends_with(&version) => return Ok(()),
        _ => {}
    }
    sqlx::raw_sql(AssertSqlSafe(definition)).execute(&mut *transaction).await?;
    let comment: String = sqlx::query_scalar("select format('comment on schema bi is %L', $1::text)")
        .bind(mark + &version)
        .fetch_one(&mut *transaction)
        .await?;
    sqlx::query(AssertSqlSafe(comment)).execute(&mut *transaction).await?;
    Ok(transaction.commit().await?)
}

/// Notes what the views need of the rule sets that runs used and that they do not know.
async fn learn_all(connection: &mut PgConnection) -> Result<(), StoreError> {
    let unknown: Vec<(i16, String)> = sqlx::query_as(
        "select version_no, source from rule_set_version where version_no not in (select version_no from bi_rule_set)",
    )
    .fetch_all(&mut *connection)
    .await?;
    for (version, source) in unknown {
        if let Ok(rule_set) = file::parse_stored(&source) {
            learn(connection, version, &rule_set).await?;
        }
    }
    Ok(())
}

/// Notes what the views need of a rule set.
pub(super) async fn learn(connection: &mut PgConnection, version: i16, rule_set: &RuleSet) -> Result<(), StoreError> {
    let dimension = |index: Option<usize>| index.and_then(|index| Some(rule_set.dimensions.get(index)?.id.as_str()));
    let penalties = &rule_set.penalties;
    sqlx::query(
        "insert into bi_rule_set (version_no, rule_set_id, subject_kind) values ($1, $2, $3) on conflict do nothing",
    )
    .bind(version)
    .bind(&rule_set.id)
    .bind(rule_set.kind.code())
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "insert into bi_penalty (version_no, row_no, code, title_en, title_zh, below, dimension)
         select $1, row_no, code, title_en, title_zh, below::numeric, dimension
         from unnest($2::smallint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[])
              as penalty (row_no, code, title_en, title_zh, below, dimension)
         on conflict do nothing",
    )
    .bind(version)
    .bind(penalties.iter().map(|penalty| penalty.row as i16).collect::<Vec<_>>())
    .bind(penalties.iter().map(|penalty| penalty.code.as_str()).collect::<Vec<_>>())
    .bind(penalties.iter().map(|penalty| penalty.title.en.as_str()).collect::<Vec<_>>())
    .bind(penalties.iter().map(|penalty| penalty.title.zh.as_str()).collect::<Vec<_>>())
    .bind(penalties.iter().map(|penalty| penalty.below.to_string()).collect::<Vec<_>>())
    .bind(penalties.iter().map(|penalty| dimension(penalty.dimension)).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// Lets a role read the views; makes one that may do nothing else where there is none. Says whether it was made.
pub async fn grant(connection: &mut PgConnection, role: &str) -> Result<bool, StoreError> {
    let mut transaction = connection.begin().await?;
    let is_there: bool = sqlx::query_scalar("select exists (select from pg_roles where rolname = $1)")
        .bind(role)
        .fetch_one(&mut *transaction)
        .await?;
    let name: String = sqlx::query_scalar("select quote_ident($1)").bind(role).fetch_one(&mut *transaction).await?;
    let owner: Option<String> =
        sqlx::query_scalar("select quote_ident(nspowner::regrole::text) from pg_namespace where nspname = 'bi'")
            .fetch_optional(&mut *transaction)
            .await?;
    let owner =
        owner.ok_or_else(|| StoreError::Corrupt("there is no schema bi; the log of the start says why".to_owned()))?;
    let mut statements = Vec::new();
    if !is_there {
        statements.push(format!("create role {name} login"));
        statements.push(format!("alter role {name} set default_transaction_read_only = on"));
        statements.push(format!("alter role {name} set search_path = bi"));
    }
    statements.push(format!("grant usage on schema bi to {name}"));
    statements.push(format!("grant select on all tables in schema bi to {name}"));
    // Their owner may make the views anew.
    statements.push(format!("alter default privileges for role {owner} in schema bi grant select on tables to {name}"));
    for statement in statements {
        sqlx::query(AssertSqlSafe(statement)).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok(!is_there)
}

/// The newest published runs of so many dates that are not unpacked, the newest date first.
pub(crate) async fn wanted(connection: &mut PgConnection, days: i64) -> Result<Vec<i64>, StoreError> {
    let runs = sqlx::query_scalar(
        "select run_id from (select distinct on (date) run_id, date from run where state = 'published' order by date desc, revision desc limit $1)
              as newest
         where run_id not in (select run_id from bi_unpacked) order by date desc",
    );
    Ok(runs.bind(days).fetch_all(connection).await?)
}

/// Notes that a run is unpacked by the transaction; `false` where another one has done so.
pub(crate) async fn take(
    connection: &mut PgConnection,
    run_id: i64,
    by_hand: bool,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let taken = sqlx::query(
        "insert into bi_unpacked (run_id, unpacked_at, by_hand) values ($1, $2, $3) on conflict do nothing",
    );
    Ok(taken.bind(run_id).bind(now).bind(by_hand).execute(connection).await?.rows_affected() > 0)
}

/// Copies rows of `bi_metric` in PostgreSQL's text format.
pub(crate) async fn copy_metrics(connection: &mut PgConnection, rows: &[u8]) -> Result<(), StoreError> {
    let sql = format!("copy bi_metric ({METRIC_COLUMNS}) from stdin");
    let mut copying = connection.copy_in_raw(&sql).await?;
    copying.send(rows).await?;
    copying.finish().await?;
    Ok(())
}

/// Tells PostgreSQL how the rows are spread: queries over a new date are planned by it.
pub(crate) async fn analyze(connection: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query("analyze bi_metric").execute(connection).await?;
    Ok(())
}

/// Forgets runs that are of none of the newest dates, or are not the newest of their date, but for those that were asked for by hand.
pub(crate) async fn forget(connection: &mut PgConnection, days: i64) -> Result<(), StoreError> {
    let old = "not by_hand and run_id not in (
             select run_id from (select distinct on (date) run_id, date from run where state = 'published' order by date desc, revision desc limit $1)
                  as newest)";
    forget_where(connection, old, |query| query.bind(days)).await
}

/// Forgets runs of dates before a day.
pub(crate) async fn forget_before(connection: &mut PgConnection, day: NaiveDate) -> Result<(), StoreError> {
    let old = "run_id in (select run_id from run where date < $1)";
    forget_where(connection, old, |query| query.bind(day)).await
}

type Forgetting<'q> = QueryScalar<'q, Postgres, i64, PgArguments>;

async fn forget_where(
    connection: &mut PgConnection,
    condition: &str,
    bind: impl FnOnce(Forgetting<'_>) -> Forgetting<'_>,
) -> Result<(), StoreError> {
    let mut transaction = connection.begin().await?;
    let sql = format!("delete from bi_unpacked where {condition} returning run_id");
    let old: Vec<i64> = bind(sqlx::query_scalar(AssertSqlSafe(sql))).fetch_all(&mut *transaction).await?;
    sqlx::query("delete from bi_metric where run_id = any($1)").bind(&old).execute(&mut *transaction).await?;
    Ok(transaction.commit().await?)
}
