//! Sums of counts over windows: what a run reads of all subjects at once.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::str::FromStr;

use chrono::NaiveDate;
use futures_util::TryStreamExt;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::StoreError;
use super::measure_columns::{listed, names};
use crate::domain::id::Id;
use crate::domain::measure::Measure;
use crate::domain::subject::SubjectKind;
use crate::domain::window::{DaySpan, Window};

/// Subjects whose sums lie together.
const SUBJECTS_TOGETHER: usize = 1_024;

/// Sums of one kind of subject in the order of a plan's sums. Subjects without counts are absent.
#[derive(Clone, Debug, Default)]
pub struct Sums {
    /// Sums of each subject.
    width: usize,
    places: HashMap<Id, u32>,
    /// The sums of [`SUBJECTS_TOGETHER`] subjects each, one subject after the other: so that growing moves none.
    values: Vec<Vec<i64>>,
}

impl Sums {
    /// As yet without any.
    pub fn new(width: usize) -> Sums {
        Sums { width, ..Sums::default() }
    }

    /// Where the sums of a subject are.
    pub fn place(&self, id: &Id) -> Option<u32> {
        self.places.get(id).copied()
    }

    pub fn at(&self, place: u32) -> &[i64] {
        let (together, first) = self.split(place);
        &self.values[together][first..first + self.width]
    }

    pub fn of(&self, id: &Id) -> Option<&[i64]> {
        Some(self.at(self.place(id)?))
    }

    /// The sums of a subject, to be changed; zeros at first.
    pub fn of_mut(&mut self, id: Id) -> &mut [i64] {
        let next = self.places.len() as u32;
        let place = *self.places.entry(id).or_insert(next);
        let (together, first) = self.split(place);
        if together == self.values.len() {
            self.values.push(Vec::with_capacity(SUBJECTS_TOGETHER * self.width));
        }
        let values = &mut self.values[together];
        if first == values.len() {
            values.resize(first + self.width, 0);
        }
        &mut values[first..first + self.width]
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Id, &[i64])> {
        self.places.iter().map(|(id, place)| (id, self.at(*place)))
    }

    fn split(&self, place: u32) -> (usize, usize) {
        let place = place as usize;
        (place / SUBJECTS_TOGETHER, place % SUBJECTS_TOGETHER * self.width)
    }
}

/// The sums of measures over windows that a run needs of one kind of subject. As text, it is kept beside sums that were
/// made by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SumPlan {
    pub kind: SubjectKind,
    pub sums: Vec<(Window, Measure)>,
}

impl SumPlan {
    /// The windows of the sums, each once.
    pub fn windows(&self) -> BTreeSet<Window> {
        self.sums.iter().map(|(window, _)| *window).collect()
    }

    /// Where each sum is.
    pub fn places(&self) -> SumPlaces {
        let mut places = SumPlaces::default();
        for window in self.windows() {
            let mut of_window = [None; Measure::COUNT];
            let summed = self.sums.iter().enumerate().filter(|(_, (summed, _))| *summed == window);
            summed.for_each(|(place, (_, measure))| of_window[*measure as usize] = Some(place));
            places.0.push((window, of_window));
        }
        places
    }
}

/// Where each sum of a plan is, by window and measure.
#[derive(Clone, Debug, Default)]
pub struct SumPlaces(Vec<(Window, [Option<usize>; Measure::COUNT])>);

impl SumPlaces {
    /// `None` where the plan does not have it.
    pub fn of(&self, window: Window, measure: Measure) -> Option<usize> {
        self.0.iter().find(|(known, _)| *known == window)?.1[measure as usize]
    }
}

impl fmt::Display for SumPlan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.kind.as_str())?;
        for (window, measure) in &self.sums {
            write!(formatter, "; {}-{} {}", window.oldest(), window.newest(), measure.column())?;
        }
        Ok(())
    }
}

impl FromStr for SumPlan {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<SumPlan, StoreError> {
        let read = || {
            let mut parts = text.split("; ");
            let kind = SubjectKind::parse(parts.next()?)?;
            Some(SumPlan { kind, sums: parts.map(planned_sum).collect::<Option<_>>()? })
        };
        read().ok_or_else(|| StoreError::Corrupt(format!("the plan of sums {text:?}")))
    }
}

fn planned_sum(text: &str) -> Option<(Window, Measure)> {
    let (days_ago, column) = text.split_once(' ')?;
    let (oldest, newest) = days_ago.split_once('-')?;
    Some((Window::new(oldest.parse().ok()?, newest.parse().ok()?)?, Measure::parse(column)?))
}

/// What some days do to the sums of a window.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Share<'a> {
    /// What they count for joins.
    Entering,
    /// What they count for goes.
    Leaving,
    /// What came to them, or went, newer than these heads of the stripes, by stripe. Only of settled days is it noted.
    LateSince(&'a [i64]),
}

/// Adds to the sums of windows what days do to them, for all subjects; every window has all of these days.
pub(crate) async fn add_days(
    connection: &mut PgConnection,
    plan: &SumPlan,
    windows: &[Window],
    days: DaySpan,
    share: Share<'_>,
    sums: &mut Sums,
) -> Result<(), StoreError> {
    // Each measure is summed once, and added wherever it is asked for.
    let wanted = || plan.sums.iter().enumerate().filter(|(_, (window, _))| windows.contains(window));
    let measures: BTreeSet<Measure> = wanted().map(|(_, (_, measure))| *measure).collect();
    let measures: Vec<Measure> = measures.into_iter().collect();
    let place_of = |measure: &Measure| measures.binary_search(measure).ok();
    let places: Vec<(usize, usize)> =
        wanted().filter_map(|(place, (_, measure))| Some((place, place_of(measure)?))).collect();
    let (table, newer, sign) = match share {
        Share::Entering => ("daily_count", "", 1),
        Share::Leaving => ("daily_count", "", -1),
        Share::LateSince(_) => ("late_count", "and seq > ($4::bigint[])[stripe + 1]", 1),
    };
    // Of a single day every subject has one row at the most; only notes of what is late have more.
    let one_row_each = days.from == days.to && !matches!(share, Share::LateSince(_));
    let (sum, grouped) = if one_row_each { ("", "") } else { ("sum", "group by subject_id") };
    let sql = format!(
        "select subject_id, array[{}] from {table}
         where subject_kind = $1 and day between $2 and $3 {newer} {grouped}",
        listed(&measures, |column| format!("coalesce({sum}({column}), 0)::bigint"))
    );
    // Planned for these very days each time: one day is found through an index, half a table is not.
    let query = sqlx::query(AssertSqlSafe(sql)).persistent(false);
    let mut query = query.bind(plan.kind.code()).bind(days.from).bind(days.to);
    if let Share::LateSince(heads) = share {
        query = query.bind(heads);
    }
    let mut rows = query.fetch(connection);
    while let Some(row) = rows.try_next().await? {
        let (subject_id, added): (&str, Vec<i64>) = (row.try_get(0)?, row.try_get(1)?);
        let of_subject = sums.of_mut(Id::stored(subject_id));
        for (place, measure) in &places {
            of_subject[*place] += sign * added[*measure];
        }
    }
    Ok(())
}

/// The sums over a window of the products that do not qualify (scoring law §5, `product_base_score`), of every subject
/// that has any.
#[derive(Clone, Debug)]
pub(crate) struct UnqualifiedProducts {
    measures: Vec<Measure>,
    sums: HashMap<Id, Vec<i64>>,
}

impl UnqualifiedProducts {
    /// Reads the sums of `measures`, which are kept per product.
    pub(crate) async fn read(
        connection: &mut PgConnection,
        kind: SubjectKind,
        measures: Vec<Measure>,
        span: DaySpan,
        score_date: NaiveDate,
    ) -> Result<UnqualifiedProducts, StoreError> {
        let sql = include_str!("sql/unqualified_products.sql")
            .replace("{sums}", &listed(&measures, |column| format!("sum({column}) as {column}")))
            .replace("{totals}", &listed(&measures, |column| format!("coalesce(sum({column}), 0)::bigint")))
            .replace("{names}", &names(&measures));
        // Planned for the kind and its days each time.
        let query = sqlx::query_as(AssertSqlSafe(sql)).persistent(false);
        let rows: Vec<(String, Vec<i64>)> =
            query.bind(kind.code()).bind(span.from).bind(span.to).bind(score_date).fetch_all(connection).await?;
        let sums = rows.into_iter().map(|(subject_id, sums)| (Id::stored(&subject_id), sums)).collect();
        Ok(UnqualifiedProducts { measures, sums })
    }

    /// The sum of one subject's.
    pub(crate) fn of(&self, subject_id: &Id, measure: Measure) -> i64 {
        let sum = || {
            let sums = self.sums.get(subject_id)?;
            let place = self.measures.iter().position(|known| *known == measure)?;
            Some(sums[place])
        };
        sum().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::SumPlan;
    use crate::domain::measure::Measure;
    use crate::domain::subject::SubjectKind;
    use crate::domain::window::Window;

    #[test]
    fn a_plan_comes_back_from_its_text_and_no_other_text_is_one() {
        let window = |oldest, newest| Window::new(oldest, newest).expect("a window");
        let sums = vec![(window(90, 1), Measure::SignedOrders), (window(104, 15), Measure::PaidOrders)];
        let plan = SumPlan { kind: SubjectKind::Shop, sums };
        assert_eq!(plan.to_string(), "shop; 90-1 signed_orders; 104-15 paid_orders");
        let none = SumPlan { kind: SubjectKind::Creator, sums: Vec::new() };
        for plan in [plan, none] {
            assert_eq!(plan.to_string().parse::<SumPlan>().expect("a plan"), plan);
        }
        for text in ["", "buyer", "shop; 90-1", "shop; 1-90 reviews", "shop; 90 reviews", "shop; 90-1 stars"] {
            assert!(text.parse::<SumPlan>().is_err(), "{text:?}");
        }
    }
}
