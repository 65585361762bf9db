//! What a shop's senders should know: what was received of it, what was rejected, and what is missing.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::TryStreamExt;
use sqlx::{AssertSqlSafe, Connection, FromRow, PgConnection, Row};

use super::StoreError;
use super::aggregate::aggregate_of_row;
use super::packed_event::{PackedEvent, unpack};
use crate::domain::event::{AggregateKind, EventType, Fact};
use crate::domain::id::Id;

/// Rejections that are kept of each shop.
pub(crate) const REJECTIONS_KEPT: i64 = 100;
/// Unknown members that are kept of each shop.
pub(crate) const MEMBERS_KEPT: i64 = 200;
/// Orders that are named.
const ORDERS_SHOWN: i64 = 20;

/// An event that was rejected.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct Rejection {
    pub shop_id: String,
    pub rejected_at: DateTime<Utc>,
    pub key_id: Option<i32>,
    pub event_id: Option<String>,
    #[sqlx(rename = "type")]
    pub event_type: Option<String>,
    pub code: String,
    pub pointer: String,
    pub detail: String,
}

/// A member of `data` that the type does not know, in so many events.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct UnknownMember {
    pub shop_id: String,
    #[sqlx(rename = "type")]
    pub type_code: i16,
    pub member: String,
    pub events: i64,
    pub last_at: DateTime<Utc>,
}

/// What was received of one event type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TypeIntake {
    pub type_code: i16,
    pub events: i64,
    pub first_time: DateTime<Utc>,
    pub last_time: DateTime<Utc>,
    pub last_received_at: DateTime<Utc>,
    pub last_24_hours: i64,
    pub last_30_days: i64,
}

/// Orders whose payment is not known, so that they count for nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct UnpaidOrders {
    pub orders: i64,
    /// Some of them, by id.
    pub order_ids: Vec<String>,
}

/// Nothing is noted of a shop that was erased, unless it came anew.
const NOT_ERASED: &str = "(not exists (select from erasure where erasure.shop_id = new.shop_id collate \"C\")
             or exists (select from subject where subject_kind = 1 and subject_id = new.shop_id collate \"C\"))";

/// Notes what was rejected and what was unknown, and keeps the newest of each shop.
pub(crate) async fn note(
    connection: &mut PgConnection,
    rejections: &[Rejection],
    members: &[UnknownMember],
) -> Result<(), StoreError> {
    let mut transaction = connection.begin().await?;
    let connection = &mut *transaction;
    let texts = |text: fn(&Rejection) -> &str| -> Vec<&str> { rejections.iter().map(text).collect() };
    sqlx::query(AssertSqlSafe(format!(
        "insert into rejection (shop_id, rejected_at, key_id, event_id, type, code, pointer, detail)
         select * from unnest($1::text[], $2::timestamptz[], $3::integer[], $4::text[], $5::text[], $6::text[], $7::text[],
                              $8::text[]) as new (shop_id, rejected_at, key_id, event_id, type, code, pointer, detail)
         where {NOT_ERASED}",
    )))
    .bind(texts(|one| &one.shop_id))
    .bind(rejections.iter().map(|one| one.rejected_at).collect::<Vec<_>>())
    .bind(rejections.iter().map(|one| one.key_id).collect::<Vec<_>>())
    .bind(rejections.iter().map(|one| one.event_id.as_deref()).collect::<Vec<_>>())
    .bind(rejections.iter().map(|one| one.event_type.as_deref()).collect::<Vec<_>>())
    .bind(texts(|one| &one.code))
    .bind(texts(|one| &one.pointer))
    .bind(texts(|one| &one.detail))
    .execute(&mut *connection)
    .await?;
    sqlx::query(AssertSqlSafe(format!(
        "insert into unknown_member (shop_id, type, member, events, first_at, last_at)
         select shop_id, type, member, events, at, at
         from unnest($1::text[], $2::smallint[], $3::text[], $4::bigint[], $5::timestamptz[])
             as new (shop_id, type, member, events, at)
         where {NOT_ERASED}
         order by shop_id, type, member
         on conflict on constraint unknown_member_pkey do update
             set events = unknown_member.events + excluded.events,
                 last_at = greatest(unknown_member.last_at, excluded.last_at)",
    )))
    .bind(members.iter().map(|one| one.shop_id.as_str()).collect::<Vec<_>>())
    .bind(members.iter().map(|one| one.type_code).collect::<Vec<_>>())
    .bind(members.iter().map(|one| one.member.as_str()).collect::<Vec<_>>())
    .bind(members.iter().map(|one| one.events).collect::<Vec<_>>())
    .bind(members.iter().map(|one| one.last_at).collect::<Vec<_>>())
    .execute(&mut *connection)
    .await?;
    let mut shops: Vec<&str> = texts(|one| &one.shop_id);
    shops.extend(members.iter().map(|one| one.shop_id.as_str()));
    shops.sort_unstable();
    shops.dedup();
    prune(connection, &shops).await?;
    Ok(transaction.commit().await?)
}

/// Forgets what was noted long ago: shops may be gone, or never have been.
pub(crate) async fn forget(connection: &mut PgConnection, before: DateTime<Utc>) -> Result<(), StoreError> {
    sqlx::query("delete from rejection where rejected_at < $1").bind(before).execute(&mut *connection).await?;
    sqlx::query("delete from unknown_member where last_at < $1").bind(before).execute(connection).await?;
    Ok(())
}

async fn prune(connection: &mut PgConnection, shops: &[&str]) -> Result<(), StoreError> {
    sqlx::query(
        "delete from rejection using unnest($1::text[]) as named (shop_id)
         where rejection.shop_id = named.shop_id and rejection.rejection_id <= (
             select kept.rejection_id from rejection as kept where kept.shop_id = named.shop_id
             order by kept.rejection_id desc offset $2 limit 1)",
    )
    .bind(shops)
    .bind(REJECTIONS_KEPT)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "delete from unknown_member using (
             select shop_id, type, member, row_number() over (partition by shop_id order by last_at desc, type, member) as place
             from unknown_member where shop_id = any($1)) as kept
         where kept.place > $2 and unknown_member.shop_id = kept.shop_id and unknown_member.type = kept.type
           and unknown_member.member = kept.member",
    )
    .bind(shops)
    .bind(MEMBERS_KEPT)
    .execute(connection)
    .await?;
    Ok(())
}

/// What was received of a shop: by type, and the orders that have events and no payment, or none that was not taken back.
pub(crate) async fn received(
    connection: &mut PgConnection,
    shop_id: &Id,
    now: DateTime<Utc>,
) -> Result<(Vec<TypeIntake>, UnpaidOrders), StoreError> {
    let mut rows = sqlx::query(
        "select shop_id, aggregate_kind, aggregate_id, events from aggregate
         where shop_id = $1 collate \"C\" order by aggregate_kind, aggregate_id",
    )
    .bind(shop_id.as_str())
    .fetch(connection);
    let mut types: BTreeMap<i16, TypeIntake> = BTreeMap::new();
    let mut unpaid = UnpaidOrders::default();
    while let Some(row) = rows.try_next().await? {
        let aggregate = aggregate_of_row(&row)?;
        let events = unpack(row.try_get(3)?)?;
        for one in &events {
            types.entry(one.type_code).or_insert_with(|| TypeIntake::none(one)).add(one, now);
        }
        if aggregate.kind == AggregateKind::Order && !is_paid(&events)? {
            unpaid.orders += 1;
            if unpaid.orders <= ORDERS_SHOWN {
                unpaid.order_ids.push(aggregate.id.as_str().to_owned());
            }
        }
    }
    Ok((types.into_values().collect(), unpaid))
}

/// Whether a payment of an order is known that was not taken back.
fn is_paid(events: &[PackedEvent<'_>]) -> Result<bool, StoreError> {
    let of_type = |event_type: EventType| events.iter().filter(move |one| one.type_code == event_type.code());
    let mut taken_back = Vec::new();
    for retraction in of_type(EventType::Retracted) {
        if let Fact::Retracted { event_id } = retraction.fact()? {
            taken_back.push(event_id);
        }
    }
    let is_in_force = |one: &PackedEvent<'_>| taken_back.iter().all(|event_id| event_id.as_str() != one.event_id);
    Ok(of_type(EventType::OrderPaid).any(is_in_force))
}

impl TypeIntake {
    /// Of no event of the type of one.
    fn none(one: &PackedEvent<'_>) -> TypeIntake {
        TypeIntake {
            type_code: one.type_code,
            events: 0,
            first_time: one.time,
            last_time: one.time,
            last_received_at: one.received_at,
            last_24_hours: 0,
            last_30_days: 0,
        }
    }

    fn add(&mut self, one: &PackedEvent<'_>, now: DateTime<Utc>) {
        self.events += 1;
        self.first_time = self.first_time.min(one.time);
        self.last_time = self.last_time.max(one.time);
        self.last_received_at = self.last_received_at.max(one.received_at);
        self.last_24_hours += i64::from(one.received_at > now - TimeDelta::hours(24));
        self.last_30_days += i64::from(one.received_at > now - TimeDelta::days(30));
    }
}

/// The newest rejections of a shop, newest first.
pub(crate) async fn rejections(connection: &mut PgConnection, shop_id: &Id) -> Result<Vec<Rejection>, StoreError> {
    let rows = sqlx::query_as(
        "select shop_id, rejected_at, key_id, event_id, type, code, pointer, detail from rejection
         where shop_id = $1 collate \"C\" order by rejection_id desc limit $2",
    )
    .bind(shop_id.as_str())
    .bind(REJECTIONS_KEPT)
    .fetch_all(connection)
    .await?;
    Ok(rows)
}

/// The unknown members of a shop's events, the latest first.
pub(crate) async fn unknown_members(
    connection: &mut PgConnection,
    shop_id: &Id,
) -> Result<Vec<UnknownMember>, StoreError> {
    let rows = sqlx::query_as(
        "select shop_id, type, member, events, last_at from unknown_member
         where shop_id = $1 collate \"C\" order by last_at desc, type, member limit $2",
    )
    .bind(shop_id.as_str())
    .bind(MEMBERS_KEPT)
    .fetch_all(connection)
    .await?;
    Ok(rows)
}
