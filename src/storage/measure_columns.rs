//! The columns of measures: which table has which, and in which order they are listed in SQL.
//!
//! Every list of them comes from the table of measures. The columns themselves, and the attributes of the composite
//! types, are declared by hand in migrations; a test holds them against these lists.

use sqlx::Row;
use sqlx::postgres::PgRow;

use super::StoreError;
use super::stripe::Striping;
use crate::domain::count::Counts;
use crate::domain::measure::Measure;

/// A table of counts: what it is keyed by, and which measures it counts.
#[derive(Clone, Copy, Debug)]
pub struct CountTable {
    pub name: &'static str,
    /// The composite type in which changes are sent: the key's attributes, then the measures'.
    pub change_type: &'static str,
    pub key: &'static [&'static str],
    pub measures: &'static [Measure],
}

pub const DAILY: CountTable = CountTable {
    name: "daily_count",
    change_type: "daily_count_change",
    key: &["subject_kind", "subject_id", "day"],
    measures: &Measure::ALL,
};

pub const PRODUCT: CountTable = CountTable {
    name: "product_count",
    change_type: "product_count_change",
    key: &["subject_kind", "subject_id", "shop_id", "product_id", "day"],
    measures: &Measure::OF_PRODUCT,
};

/// Measures written one by one and separated by commas.
pub fn listed(measures: &[Measure], written: impl Fn(&'static str) -> String) -> String {
    measures.iter().map(|measure| written(measure.column())).collect::<Vec<_>>().join(", ")
}

/// The columns' names.
pub fn names(measures: &[Measure]) -> String {
    listed(measures, str::to_owned)
}

/// The columns of a table under an alias.
pub fn of(alias: &str, measures: &[Measure]) -> String {
    listed(measures, |column| format!("{alias}.{column}"))
}

/// The columns as numbers of one type, 0 for null, whatever their own type is.
pub fn as_numbers(measures: &[Measure]) -> String {
    listed(measures, |column| format!("coalesce({column}, 0)::bigint"))
}

/// Reads what [`as_numbers`] selected, from the column at `first` on.
pub fn read(row: &PgRow, first: usize, measures: &[Measure]) -> Result<Counts, StoreError> {
    let mut counts = Counts::default();
    for (index, measure) in measures.iter().enumerate() {
        counts.add(*measure, row.try_get(first + index)?);
    }
    Ok(counts)
}

/// What is counted and under whose locks, as text: kept with the counts (`counting.measures`), so that a version that counts
/// something else, or locks otherwise, does not take them for its own.
pub fn fingerprint() -> String {
    let sorted = |measures: &[Measure]| {
        let mut names: Vec<&str> = measures.iter().map(|measure| measure.column()).collect();
        names.sort_unstable();
        names.join(" ")
    };
    let (day, product) = (sorted(DAILY.measures), sorted(PRODUCT.measures));
    format!("day: {day}; product: {product}; stripes: {}", Striping::NOW.code())
}
