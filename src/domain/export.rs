//! A card as one row of a table: the columns of a rule set, and what a card has in them.

use chrono::NaiveDate;

use super::decimal::{Decimal, PLACES_MAX};
use super::id::Id;
use super::rules::{MetricRule, RuleSet};
use super::score::{Card, MetricCard};
use super::subject::SubjectKind;
use super::tier::tier_of;

/// What stands in a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    None,
    Text(String),
    /// As JSON writes it.
    Number(String),
}

impl Cell {
    fn number(number: impl ToString) -> Cell {
        Cell::Number(number.to_string())
    }

    fn of<T>(value: Option<T>, cell: impl FnOnce(T) -> Cell) -> Cell {
        value.map_or(Cell::None, cell)
    }
}

/// Whose cards these are.
#[derive(Clone, Copy, Debug)]
pub struct ExportKey {
    pub date: NaiveDate,
    pub revision: i32,
    pub kind: SubjectKind,
}

/// What all cells of a column are, where they are anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    Text,
    /// A text `YYYY-MM-DD`.
    Date,
    Integer,
    /// With at most six places.
    Decimal,
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    pub column_type: ColumnType,
}

/// The columns of whatever a card is about, and of each metric.
const OF_CARD: [(&str, ColumnType); 11] = [
    ("date", ColumnType::Date),
    ("revision", ColumnType::Integer),
    ("kind", ColumnType::Text),
    ("id", ColumnType::Text),
    ("category_id", ColumnType::Text),
    ("status", ColumnType::Text),
    ("score", ColumnType::Decimal),
    ("tier_level", ColumnType::Integer),
    ("signed_orders", ColumnType::Integer),
    ("volume", ColumnType::Integer),
    ("adjusted_by", ColumnType::Decimal),
];
const OF_METRIC: [(&str, ColumnType); 7] = [
    ("numerator", ColumnType::Integer),
    ("denominator", ColumnType::Integer),
    ("value", ColumnType::Decimal),
    ("points", ColumnType::Decimal),
    ("basis", ColumnType::Text),
    ("peers", ColumnType::Integer),
    ("better_peers", ColumnType::Integer),
];

/// The columns of cards under a rule set: what the card is about, the dimensions, and each metric's counts, value and standing.
pub fn columns(rule_set: &RuleSet) -> Vec<Column> {
    let column = |name: String, column_type| Column { name, column_type };
    let of_card = OF_CARD.into_iter().map(|(name, column_type)| column(name.to_owned(), column_type));
    let dimensions = rule_set.dimensions.iter();
    let dimensions = dimensions.map(|dimension| column(format!("dimension_{}", dimension.id), ColumnType::Decimal));
    let of_metric = |rule: &MetricRule| {
        let id = rule.metric.id();
        OF_METRIC.map(|(name, column_type)| column(format!("{id}_{name}"), column_type))
    };
    of_card.chain(dimensions).chain(rule_set.metrics.iter().flat_map(of_metric)).collect()
}

/// The row of a card, in the order of the columns.
pub fn row(rule_set: &RuleSet, key: ExportKey, id: &Id, card: &Card) -> Vec<Cell> {
    let score = |score: Decimal| Cell::Number(score.fixed(rule_set.score_places));
    let mut row = vec![
        Cell::Text(key.date.to_string()),
        Cell::number(key.revision),
        Cell::Text(key.kind.as_str().to_owned()),
        Cell::Text(id.to_string()),
        Cell::of(card.category_id.as_ref(), |id| Cell::Text(id.to_string())),
        Cell::Text(card.status.as_str().to_owned()),
        Cell::of(card.score, score),
        Cell::of(tier_of(rule_set, card), |tier| Cell::number(tier.level)),
        Cell::number(card.signed_orders),
        Cell::number(card.volume),
        Cell::number(rule_set.adjusted_by(&card.adjustments)),
    ];
    row.extend(card.dimensions.iter().map(|score| Cell::of(*score, Cell::number)));
    let of_metric = |(rule, card): (&MetricRule, &MetricCard)| metric(rule, card);
    row.extend(rule_set.metrics.iter().zip(&card.metrics).flat_map(of_metric));
    row
}

fn metric(rule: &MetricRule, card: &MetricCard) -> [Cell; 7] {
    let standing = card.assessed.and_then(|assessed| assessed.standing);
    [
        Cell::number(card.count.numerator),
        Cell::number(card.count.denominator(rule.metric)),
        Cell::of(card.count.value(rule.metric), |value| Cell::number(value.rounded(PLACES_MAX))),
        Cell::of(card.assessed, |assessed| Cell::number(assessed.points)),
        Cell::of(card.assessed, |assessed| Cell::Text(assessed.basis().as_str().to_owned())),
        Cell::of(standing, |standing| Cell::number(standing.peers)),
        Cell::of(standing, |standing| Cell::number(standing.better_peers)),
    ]
}
