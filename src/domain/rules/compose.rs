//! How a score is composed beside its metrics, as a rule file writes it: when it is in force, what it takes to be scored,
//! penalties and adjustments (scoring law §12).

use std::collections::HashSet;

use chrono::NaiveDate;
use toml::Spanned;
use toml::value::Datetime;

use super::check::Checker;
use super::file::title;
use super::raw::{POINTS_MAX, RawAdjustment, RawEffective, RawMinimums, RawPenalty};
use super::{AdjustmentRule, DimensionRule, Effective, Minimums, PenaltyRule};
use crate::domain::decimal::Decimal;
use crate::domain::id::Id;
use crate::domain::measure::Measure;

/// Places of a score, where the file names none and at the most.
const SCORE_PLACES: u32 = 2;
/// Rows of penalties, where one of them is of a dimension: cards note which of these apply by a bit for each row.
const PENALTY_ROWS_MAX: usize = 63;

impl Checker<'_> {
    pub(super) fn score_places(&mut self, raw: Option<&Spanned<u32>>) -> u32 {
        match raw {
            Some(places) if *places.get_ref() > SCORE_PLACES => {
                self.fault(places.span(), format!("score_places is 0 to {SCORE_PLACES}")).unwrap_or(SCORE_PLACES)
            }
            Some(places) => *places.get_ref(),
            None => SCORE_PLACES,
        }
    }

    pub(super) fn effective(&mut self, raw: Option<&Spanned<RawEffective>>) -> Effective {
        let Some(raw) = raw else { return Effective::default() };
        let RawEffective { from, last } = raw.get_ref();
        let (from, last) = (self.date(from.as_ref()), self.date(last.as_ref()));
        if from.zip(last).is_some_and(|(from, last)| from > last) {
            self.fault::<()>(raw.span(), "effective: from is on or before last");
        }
        Effective { from, last }
    }

    fn date(&mut self, raw: Option<&Spanned<Datetime>>) -> Option<NaiveDate> {
        let raw = raw?;
        let Datetime { date: Some(date), time: None, offset: None } = raw.get_ref() else {
            return self.fault(raw.span(), "a date is written without quotes and without a time, such as 2026-09-08");
        };
        let date = NaiveDate::from_ymd_opt(date.year.into(), date.month.into(), date.day.into());
        date.or_else(|| self.fault(raw.span(), "this date is not in the calendar"))
    }

    pub(super) fn minimums(&mut self, raw: &RawMinimums, (least, most): (Decimal, Decimal)) -> Option<Minimums> {
        if *raw.peers.get_ref() < 2 {
            self.fault::<()>(raw.peers.span(), "minimums.peers is at least 2");
        }
        if *raw.metric_count.get_ref() < 1 {
            self.fault::<()>(raw.metric_count.span(), "minimums.metric_count is at least 1");
        }
        let count = match (&raw.count, &raw.signed_orders) {
            (Some(count), None) => count,
            (None, Some(signed_orders)) if raw.volume.is_none() => signed_orders,
            (None, Some(signed_orders)) => {
                return self.fault(signed_orders.span(), "beside volume, write count instead of signed_orders");
            }
            (Some(_), Some(signed_orders)) => {
                return self.fault(signed_orders.span(), "name count or signed_orders, not both");
            }
            (None, None) => return self.fault(raw.peers.span(), "minimums lacks count, or signed_orders"),
        };
        let volume = match &raw.volume {
            None => Measure::SignedOrders,
            Some(name) => match Measure::parse(name.get_ref()) {
                Some(measure) => measure,
                None => return self.fault(name.span(), format!("no measure is named {:?}", name.get_ref())),
            },
        };
        let score_below = raw.score_below.as_ref().map(|score| (score.get_ref().0, score.span()));
        if let Some((_, span)) = score_below.clone().filter(|(score, _)| *score < least || *score > most) {
            self.fault::<()>(span, format!("score_below is on the scale, {least} to {most}"));
        }
        Some(Minimums {
            volume,
            count: (*count.get_ref()).into(),
            score_below: score_below.map(|(score, _)| score),
            metric_count: (*raw.metric_count.get_ref()).into(),
            peers: (*raw.peers.get_ref()).into(),
        })
    }

    /// By falling threshold; rows of one threshold in their order in the file.
    pub(super) fn penalties(
        &mut self,
        raw: &[RawPenalty],
        (least, most): (Decimal, Decimal),
        dimensions: &[DimensionRule],
    ) -> Vec<PenaltyRule> {
        let mut rows = HashSet::new();
        let mut penalties = Vec::new();
        for (row, penalty) in raw.iter().enumerate() {
            let (code, below) = (penalty.code.get_ref(), penalty.below.get_ref().0);
            let dimension = match &penalty.dimension {
                None => None,
                Some(id) => {
                    let place = dimensions.iter().position(|dimension| dimension.id == *id.get_ref());
                    if place.is_none() {
                        self.fault::<()>(id.span(), format!("no dimension {:?}", id.get_ref()));
                    }
                    place
                }
            };
            if !rows.insert((code, dimension, below)) {
                self.fault::<()>(penalty.code.span(), format!("penalty {code:?} is defined twice"));
            }
            // Dimension scores have four places.
            let (places, unit) = if dimension.is_some() { (4, 100) } else { (2, 10_000) };
            if below.millionths() % unit != 0 {
                self.fault::<()>(
                    penalty.below.span(),
                    format!("a threshold has at most {places} decimals, like the score"),
                );
            }
            if below < least || below > most {
                let message = format!("the threshold {below} is off the scale, {least} to {most}");
                self.flaw(penalty.below.span(), message);
            }
            penalties.push(PenaltyRule { code: code.clone(), title: title(&penalty.title), below, dimension, row });
        }
        if let Some(beyond) = raw.get(PENALTY_ROWS_MAX).filter(|_| penalties.iter().any(|one| one.dimension.is_some()))
        {
            let message =
                format!("with penalties of dimensions there are at most {PENALTY_ROWS_MAX} rows of penalties");
            self.fault::<()>(beyond.code.span(), message);
        }
        penalties.sort_by_key(|penalty| std::cmp::Reverse(penalty.below));
        penalties
    }

    pub(super) fn adjustments(&mut self, raw: &[RawAdjustment]) -> Vec<AdjustmentRule> {
        let mut codes = HashSet::new();
        let mut adjustments = Vec::new();
        for one in raw {
            let (code, points) = (one.code.get_ref(), one.points.get_ref().0);
            if !codes.insert(code) {
                self.fault::<()>(one.code.span(), format!("adjustment {code:?} is defined twice"));
            }
            if let Err(invalid) = Id::parse(code) {
                self.fault::<()>(one.code.span(), invalid.to_string());
            }
            if points == Decimal::ZERO || points.millionths().abs() > POINTS_MAX * 1_000_000 {
                let message = format!("points are from -{POINTS_MAX} to {POINTS_MAX}, and not 0");
                self.fault::<()>(one.points.span(), message);
            }
            let cap = one.cap.as_ref().map(|cap| (cap.get_ref().0, cap.span()));
            let is_other = |cap: Decimal| cap.millionths().signum() != points.millionths().signum();
            if let Some((_, span)) = cap.clone().filter(|(cap, _)| is_other(*cap)) {
                self.fault::<()>(span, "a cap has the sign of the points, and is not 0");
            }
            let cap = cap.map(|(cap, _)| cap);
            adjustments.push(AdjustmentRule { code: code.clone(), title: title(&one.title), points, cap });
        }
        adjustments
    }
}
