//! What is not kept for ever: full cards, and the events of orders, sessions and products that no answer can show any
//! more.
//!
//! Which of them may go is decided in `scoring`; here is how they are found and taken away, a little at a time.

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::{AssertSqlSafe, PgConnection};

use super::StoreError;
use super::measure_columns::{DAILY, PRODUCT, of};
use crate::domain::count::CountChanges;
use crate::domain::event::{Aggregate, AggregateKind};
use crate::domain::id::Id;
use crate::domain::subject::SubjectKind;

/// Takes a business day for removal. `true` for the first process that asks, `false` for all others.
pub async fn take_day(connection: &mut PgConnection, today: NaiveDate) -> Result<bool, StoreError> {
    let taken = sqlx::query(
        "update retention set swept_on = $1
         where only_row = (
             select only_row from retention where swept_on is null or swept_on < $1 for update skip locked)",
    )
    .bind(today)
    .execute(connection)
    .await?;
    Ok(taken.rows_affected() == 1)
}

/// Notes, with what is removed, from which day on counts are whole.
pub async fn note_whole_from(connection: &mut PgConnection, day: NaiveDate) -> Result<(), StoreError> {
    sqlx::query("update retention set whole_from = $1 where whole_from is null or whole_from < $1")
        .bind(day)
        .execute(connection)
        .await?;
    Ok(())
}

/// The first day whose counts are whole; `None` where nothing was removed.
pub(crate) async fn whole_from(connection: &mut PgConnection) -> Result<Option<NaiveDate>, StoreError> {
    Ok(sqlx::query_scalar("select whole_from from retention").fetch_one(connection).await?)
}

/// Fails if counts of `day` or later may lack what was removed. A snapshot that shows a removal also shows its note, so a run
/// that asks inside its own snapshot never publishes half counts.
pub async fn check_whole(connection: &mut PgConnection, day: NaiveDate) -> Result<(), StoreError> {
    match whole_from(connection).await? {
        Some(from) if day < from => Err(StoreError::Settings(format!(
            "the windows of this date begin on {day}, and events of days before {from} are not kept any more"
        ))),
        _ => Ok(()),
    }
}

/// Runs of dates before `date` that still have full cards or peer groups. Runs under way are left alone.
pub async fn runs_with_cards_before(connection: &mut PgConnection, date: NaiveDate) -> Result<Vec<i64>, StoreError> {
    let runs = sqlx::query_scalar(
        "select run_id from run
         where date < $1 and state in ('published', 'failed')
           and (exists (select from score_detail as detail where detail.run_id = run.run_id)
                or exists (select from peer_group as peers where peers.run_id = run.run_id))
         order by run_id",
    );
    Ok(runs.bind(date).fetch_all(connection).await?)
}

/// Deletes the first `most` full cards of a run, by subject. Returns how many there were.
pub async fn delete_cards(connection: &mut PgConnection, run_id: i64, most: i64) -> Result<u64, StoreError> {
    let last: Option<(i16, String)> = sqlx::query_as(
        "select subject_kind, subject_id from score_detail where run_id = $1
         order by subject_kind, subject_id offset $2 limit 1",
    )
    .bind(run_id)
    .bind(most - 1)
    .fetch_optional(&mut *connection)
    .await?;
    let deleted = match last {
        Some((kind, id)) => {
            sqlx::query(
                "delete from score_detail
                 where run_id = $1 and (subject_kind, subject_id) <= ($2, $3 collate \"C\")",
            )
            .bind(run_id)
            .bind(kind)
            .bind(id)
            .execute(connection)
            .await?
        }
        None => sqlx::query("delete from score_detail where run_id = $1").bind(run_id).execute(connection).await?,
    };
    Ok(deleted.rows_affected())
}

/// The oldest published date that still has full cards.
pub async fn oldest_card_date(connection: &mut PgConnection) -> Result<Option<NaiveDate>, StoreError> {
    let date = sqlx::query_scalar(
        "select min(date) from run
         where state = 'published' and exists (select from score_detail as detail where detail.run_id = run.run_id)",
    );
    Ok(date.fetch_one(connection).await?)
}

/// The versions of rule sets that published runs of `date` and later used.
pub async fn rule_sets_since(connection: &mut PgConnection, date: NaiveDate) -> Result<Vec<i16>, StoreError> {
    let versions =
        sqlx::query_scalar("select distinct unnest(rule_sets) from run where state = 'published' and date >= $1");
    Ok(versions.bind(date).fetch_all(connection).await?)
}

/// A page of shops by id, after `after`.
pub async fn shops_after(connection: &mut PgConnection, after: Option<&Id>, limit: i64) -> Result<Vec<Id>, StoreError> {
    let shops: Vec<String> = sqlx::query_scalar(
        "select subject_id from subject
         where subject_kind = $1 and ($2::text is null or subject_id > $2 collate \"C\") order by subject_id limit $3",
    )
    .bind(SubjectKind::Shop.code())
    .bind(after.map(Id::as_str))
    .bind(limit)
    .fetch_all(connection)
    .await?;
    Ok(shops.iter().map(|id| Id::stored(id)).collect())
}

/// An aggregate may go when all its events lie before both instants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expiry {
    pub received_before: DateTime<Utc>,
    pub happened_before: DateTime<Utc>,
}

/// An aggregate that may go, with the number of its events.
#[derive(Clone, Debug)]
pub struct Expired {
    pub aggregate: Aggregate,
    pub events: i64,
}

impl Expired {
    /// Of a row with its kind, its id and the number of its events.
    pub(super) fn of_row(shop_id: &Id, (kind, id, events): (i16, String, i64)) -> Result<Expired, StoreError> {
        let kind = AggregateKind::from_code(kind)
            .ok_or_else(|| StoreError::Corrupt(format!("aggregate kind {kind} of shop {shop_id}")))?;
        let aggregate = Aggregate { shop_id: shop_id.clone(), kind, id: Id::stored(&id) };
        Ok(Expired { aggregate, events })
    }
}

/// The aggregates of a shop that may go, in key order, after `after`. Of a product one event is left, so one that has
/// only one is not listed. Reads without locks; [`still_expired`] looks again.
pub async fn expired_of_shop(
    connection: &mut PgConnection,
    shop_id: &Id,
    after: Option<&Aggregate>,
    expiry: &Expiry,
    limit: i64,
) -> Result<Vec<Expired>, StoreError> {
    let rows: Vec<(i16, String, i64)> = sqlx::query_as(
        "select aggregate_kind, aggregate_id, event_count::bigint from aggregate
         where shop_id = $1 collate \"C\" and (aggregate_kind, aggregate_id) > ($2, $3 collate \"C\")
           and received_at < $4 and last_at < $5 and (aggregate_kind <> $6 or event_count > 1)
         order by aggregate_kind, aggregate_id limit $7",
    )
    .bind(shop_id.as_str())
    .bind(after.map_or(0, |aggregate| aggregate.kind.code()))
    .bind(after.map_or("", |aggregate| aggregate.id.as_str()))
    .bind(expiry.received_before)
    .bind(expiry.happened_before)
    .bind(AggregateKind::Product.code())
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(|row| Expired::of_row(shop_id, row)).collect()
}

/// Those of `aggregates` that may go now. Under their held stripe the answer stands until the transaction ends.
pub async fn still_expired<'a>(
    connection: &mut PgConnection,
    aggregates: &[&'a Aggregate],
    expiry: &Expiry,
) -> Result<Vec<&'a Aggregate>, StoreError> {
    let places: Vec<i64> = sqlx::query_scalar(
        "select key.ordinal
         from unnest($1::text[], $2::smallint[], $3::text[]) with ordinality
             as key (shop_id, aggregate_kind, aggregate_id, ordinal)
         cross join lateral (
             select received_at, last_at from aggregate
             where aggregate.shop_id = key.shop_id collate \"C\"
               and aggregate.aggregate_kind = key.aggregate_kind
               and aggregate.aggregate_id = key.aggregate_id collate \"C\"
             offset 0
         ) known
         where known.received_at < $4 and known.last_at < $5
         order by key.ordinal",
    )
    .bind(aggregates.iter().map(|aggregate| aggregate.shop_id.as_str()).collect::<Vec<_>>())
    .bind(aggregates.iter().map(|aggregate| aggregate.kind.code()).collect::<Vec<_>>())
    .bind(aggregates.iter().map(|aggregate| aggregate.id.as_str()).collect::<Vec<_>>())
    .bind(expiry.received_before)
    .bind(expiry.happened_before)
    .fetch_all(connection)
    .await?;
    Ok(places.into_iter().map(|place| aggregates[place as usize - 1]).collect())
}

/// Deletes those rows of counts that `changes`, just added in this transaction, left without any count. The transaction
/// holds these rows already, so no further lock is taken.
pub async fn delete_empty_counts(connection: &mut PgConnection, changes: &CountChanges) -> Result<(), StoreError> {
    let daily = || changes.daily.keys();
    let sql = format!(
        "delete from daily_count as kept
         using unnest($1::smallint[], $2::text[], $3::date[]) as key (subject_kind, subject_id, day)
         where kept.subject_kind = key.subject_kind and kept.subject_id = key.subject_id collate \"C\"
           and kept.day = key.day and num_nonnulls({}) = 0",
        of("kept", DAILY.measures)
    );
    sqlx::query(AssertSqlSafe(sql))
        .bind(daily().map(|(subject, _)| subject.kind.code()).collect::<Vec<_>>())
        .bind(daily().map(|(subject, _)| subject.id.as_str()).collect::<Vec<_>>())
        .bind(daily().map(|(_, day)| *day).collect::<Vec<_>>())
        .execute(&mut *connection)
        .await?;
    let products = || changes.products.keys();
    let sql = format!(
        "delete from product_count as kept
         using unnest($1::smallint[], $2::text[], $3::text[], $4::text[], $5::date[])
             as key (subject_kind, subject_id, shop_id, product_id, day)
         where kept.subject_kind = key.subject_kind and kept.subject_id = key.subject_id collate \"C\"
           and kept.shop_id = key.shop_id collate \"C\" and kept.product_id = key.product_id collate \"C\"
           and kept.day = key.day and num_nonnulls({}) = 0",
        of("kept", PRODUCT.measures)
    );
    sqlx::query(AssertSqlSafe(sql))
        .bind(products().map(|key| key.subject.kind.code()).collect::<Vec<_>>())
        .bind(products().map(|key| key.subject.id.as_str()).collect::<Vec<_>>())
        .bind(products().map(|key| key.shop_id.as_str()).collect::<Vec<_>>())
        .bind(products().map(|key| key.product_id.as_str()).collect::<Vec<_>>())
        .bind(products().map(|key| key.day).collect::<Vec<_>>())
        .execute(connection)
        .await?;
    Ok(())
}
