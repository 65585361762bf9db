//! The shape of a rule file, before anything is checked but its shape.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, de};
use toml::Spanned;
use toml::value::Datetime;

use crate::domain::decimal::Decimal;
use crate::domain::subject::SubjectKind;

/// A number as TOML writes it: integer or float, without rounding.
#[derive(Clone, Copy)]
pub(super) struct Exact(pub(super) Decimal);

impl<'de> Deserialize<'de> for Exact {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Exact, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Exact;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a number")
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Exact, E> {
                number.to_string().parse().map(Exact).map_err(E::custom)
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Exact, E> {
                number.to_string().parse().map(Exact).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// The highest points of any scale: it keeps the exact arithmetic of points within 128 bits.
pub(super) const POINTS_MAX: i64 = 10_000;

/// The three ways to assess, of which a metric names one.
pub(super) struct RawAssessment<'a> {
    pub(super) reference: &'a Option<Spanned<Knots>>,
    pub(super) curve: &'a Option<Spanned<Knots>>,
    pub(super) steps: &'a Option<Spanned<RawSteps>>,
    pub(super) unit: &'a Option<Spanned<RawUnit>>,
}

pub(super) type Knots = Vec<(Exact, Exact)>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRuleSet {
    pub(super) id: Spanned<String>,
    pub(super) kind: SubjectKind,
    #[serde(default)]
    pub(super) default: bool,
    pub(super) effective: Option<Spanned<RawEffective>>,
    /// The id of the built-in rule set that this one takes the place of: its own.
    pub(super) replaces: Option<String>,
    pub(super) title: RawTitle,
    pub(super) scale: Spanned<RawScale>,
    pub(super) score_places: Option<Spanned<u32>>,
    pub(super) bad_stars_max: Spanned<u8>,
    pub(super) minimums: RawMinimums,
    pub(super) near_window: Spanned<String>,
    pub(super) windows: BTreeMap<String, Spanned<RawWindow>>,
    pub(super) standing_curve: Option<Spanned<Knots>>,
    #[serde(default)]
    pub(super) dimension: Vec<RawDimension>,
    #[serde(default)]
    pub(super) penalty: Vec<RawPenalty>,
    #[serde(default)]
    pub(super) adjustment: Vec<RawAdjustment>,
    #[serde(default)]
    pub(super) category: Vec<RawCategory>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTitle {
    pub(super) en: String,
    pub(super) zh: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawScale {
    pub(super) min: Exact,
    pub(super) max: Exact,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawMinimums {
    /// What is held against `count`.
    pub(super) volume: Option<Spanned<String>>,
    pub(super) count: Option<Spanned<u32>>,
    /// `volume` and `count` in one.
    pub(super) signed_orders: Option<Spanned<u32>>,
    pub(super) score_below: Option<Spanned<Exact>>,
    pub(super) metric_count: Spanned<u32>,
    pub(super) peers: Spanned<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawEffective {
    pub(super) from: Option<Spanned<Datetime>>,
    pub(super) last: Option<Spanned<Datetime>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAdjustment {
    pub(super) code: Spanned<String>,
    pub(super) title: RawTitle,
    pub(super) points: Spanned<Exact>,
    pub(super) cap: Option<Spanned<Exact>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawWindow {
    pub(super) days_ago: (u16, u16),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawDimension {
    pub(super) id: Spanned<String>,
    pub(super) title: RawTitle,
    pub(super) weight: Spanned<Exact>,
    #[serde(default)]
    pub(super) metric: Vec<RawMetric>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawMetric {
    pub(super) id: Spanned<String>,
    pub(super) weight: Option<Spanned<Exact>>,
    pub(super) window: Spanned<String>,
    /// Assessed among peers, with this curve where there are too few of them.
    pub(super) reference: Option<Spanned<Knots>>,
    /// Assessed by this curve alone.
    pub(super) curve: Option<Spanned<Knots>>,
    /// Assessed by this table alone.
    pub(super) steps: Option<Spanned<RawSteps>>,
    pub(super) unit: Option<Spanned<RawUnit>>,
}

/// What the durations of a curve or table are written in.
#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum RawUnit {
    Hours,
    Seconds,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSteps {
    pub(super) bounds: Knots,
    pub(super) otherwise: Exact,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPenalty {
    pub(super) code: Spanned<String>,
    pub(super) title: RawTitle,
    pub(super) below: Spanned<Exact>,
    /// The id of the dimension whose score is meant; the whole score where there is none.
    pub(super) dimension: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCategory {
    pub(super) id: Spanned<String>,
    #[serde(default)]
    pub(super) dimension: Vec<RawCategoryDimension>,
    #[serde(default)]
    pub(super) metric: Vec<RawCategoryMetric>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCategoryDimension {
    pub(super) id: Spanned<String>,
    pub(super) weight: Spanned<Exact>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCategoryMetric {
    pub(super) id: Spanned<String>,
    pub(super) weight: Option<Spanned<Exact>>,
    pub(super) reference: Option<Spanned<Knots>>,
    pub(super) curve: Option<Spanned<Knots>>,
    pub(super) steps: Option<Spanned<RawSteps>>,
    pub(super) unit: Option<Spanned<RawUnit>>,
}
