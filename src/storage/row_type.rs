//! Rows that are sent as values of composite types (see the migration that creates them): PostgreSQL unpacks one array
//! of rows faster than one array for every column.

use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::types::PgRecordEncoder;
use sqlx::postgres::{PgArgumentBuffer, PgHasArrayType, PgTypeInfo};
use sqlx::{Encode, Postgres, Type};

use super::measure_columns::{DAILY, PRODUCT};
use super::new_aggregate::NewAggregate;
use super::packed_event::pack;
use crate::domain::count::{Counts, DailyKey, ProductKey};
use crate::domain::measure::Measure;

/// A row of the composite type `daily_count_change`.
pub(crate) struct DailyChange<'a>(pub &'a DailyKey, pub &'a Counts);

/// A row of the composite type `product_count_change`.
pub(crate) struct ProductChange<'a>(pub &'a ProductKey, pub &'a Counts);

/// Writes the attributes in their order. 0 is sent as null, as it is kept.
fn encode_counts(record: &mut PgRecordEncoder<'_>, counts: &Counts, measures: &[Measure]) -> Result<(), BoxDynError> {
    for measure in measures {
        record.encode(Some(counts.get(*measure)).filter(|count| *count != 0))?;
    }
    Ok(())
}

impl Encode<'_, Postgres> for DailyChange<'_> {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        let DailyChange((subject, day), counts) = self;
        let mut record = PgRecordEncoder::new(buffer);
        record.encode(subject.kind.code())?.encode(subject.id.as_str())?.encode(*day)?;
        encode_counts(&mut record, counts, DAILY.measures)?;
        record.finish();
        Ok(IsNull::No)
    }
}

impl Encode<'_, Postgres> for ProductChange<'_> {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        let ProductChange(ProductKey { subject, shop_id, product_id, day }, counts) = self;
        let mut record = PgRecordEncoder::new(buffer);
        record.encode(subject.kind.code())?.encode(subject.id.as_str())?;
        record.encode(shop_id.as_str())?.encode(product_id.as_str())?.encode(*day)?;
        encode_counts(&mut record, counts, PRODUCT.measures)?;
        record.finish();
        Ok(IsNull::No)
    }
}

impl Encode<'_, Postgres> for NewAggregate<'_> {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        let NewAggregate { aggregate, events, first_day, last_at, seq, received_at, days, faults, creator_ids } = self;
        let mut record = PgRecordEncoder::new(buffer);
        record.encode(aggregate.shop_id.as_str())?.encode(aggregate.kind.code())?.encode(aggregate.id.as_str())?;
        record.encode(*first_day)?.encode(*last_at)?.encode(i16::try_from(events.len())?)?;
        record.encode(*seq)?.encode(*received_at)?;
        for bits in days.iter().chain([faults]) {
            record.encode(Some(*bits).filter(|bits| *bits != 0))?;
        }
        record.encode(Some(creator_ids.as_slice()).filter(|ids| !ids.is_empty()))?.encode(pack(events))?;
        record.finish();
        Ok(IsNull::No)
    }
}

macro_rules! of_composite_type {
    ($($row:ident = $name:expr,)+) => {$(
        impl Type<Postgres> for $row<'_> {
            fn type_info() -> PgTypeInfo {
                PgTypeInfo::with_name($name)
            }
        }

        impl PgHasArrayType for $row<'_> {
            fn array_type_info() -> PgTypeInfo {
                PgTypeInfo::array_of($name)
            }
        }
    )+};
}

of_composite_type! {
    DailyChange = DAILY.change_type,
    ProductChange = PRODUCT.change_type,
    NewAggregate = "new_aggregate",
}
