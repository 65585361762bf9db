//! What a run reads: everything that scores depend on, of one moment.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use chrono::{Days, NaiveDate};
use sqlx::PgConnection;

use super::settled::Sliding;
use crate::context::Context;
use crate::domain::adjustment::AdjustmentCounts;
use crate::domain::id::Id;
use crate::domain::measure::Measure;
use crate::domain::metric::Population;
use crate::domain::rules::{RuleBook, RuleSet};
use crate::domain::subject::SubjectKind;
use crate::domain::subject_counts::WindowSums;
use crate::domain::window::Window;
use crate::storage::settled_sum::SettledSums;
use crate::storage::window_sum::{SumPlaces, SumPlan, Sums, UnqualifiedProducts};
use crate::storage::{StoreError, adjustment, counting, registry, retention, snapshot, stripe};

/// The sums of the products that do not qualify, by the window.
type Unqualified = Vec<(Window, UnqualifiedProducts)>;

/// What one kind of subject brings into a run. Subjects, and their categories, are known by their places.
pub struct KindInputs {
    pub kind: SubjectKind,
    subjects: Vec<KnownSubject>,
    categories: Vec<Id>,
    places: SumPlaces,
    sums: Sums,
    unqualified: Unqualified,
    adjustments: HashMap<Id, AdjustmentCounts>,
}

struct KnownSubject {
    id: Id,
    category: Option<u32>,
    /// Where its sums are; `None` without any.
    sums: Option<u32>,
}

impl KindInputs {
    fn new(summed: Summed, unqualified: Unqualified) -> KindInputs {
        let Summed { subjects, plan, sums, adjustments } = summed;
        let mut categories = Vec::new();
        let mut known: HashMap<Id, u32> = HashMap::new();
        let mut place_of = |category_id: Id| {
            *known.entry(category_id).or_insert_with_key(|id| {
                categories.push(id.clone());
                categories.len() as u32 - 1
            })
        };
        let subject = |(id, category_id): (Id, Option<Id>)| KnownSubject {
            category: category_id.map(&mut place_of),
            sums: sums.place(&id),
            id,
        };
        let subjects = subjects.into_iter().map(subject).collect();
        KindInputs { kind: plan.kind, subjects, categories, places: plan.places(), sums, unqualified, adjustments }
    }

    pub(super) fn len(&self) -> usize {
        self.subjects.len()
    }

    pub(super) fn id(&self, place: usize) -> &Id {
        &self.subjects[place].id
    }

    pub(super) fn categories(&self) -> &[Id] {
        &self.categories
    }

    pub(super) fn category_place(&self, place: usize) -> Option<usize> {
        self.subjects[place].category.map(|category| category as usize)
    }

    pub(super) fn category_id(&self, place: usize) -> Option<&Id> {
        self.category_place(place).map(|category| &self.categories[category])
    }

    pub(super) fn sums_of(&self, place: usize) -> SubjectSums<'_> {
        let subject = &self.subjects[place];
        SubjectSums { inputs: self, id: &subject.id, sums: subject.sums.map(|place| self.sums.at(place)) }
    }

    pub(super) fn adjustments_of(&self, place: usize) -> Option<&AdjustmentCounts> {
        self.adjustments.get(&self.subjects[place].id)
    }
}

/// The sums of one subject.
pub(super) struct SubjectSums<'a> {
    inputs: &'a KindInputs,
    id: &'a Id,
    sums: Option<&'a [i64]>,
}

impl WindowSums for SubjectSums<'_> {
    fn sum(&self, window: Window, measure: Measure) -> i64 {
        self.sums.zip(self.inputs.places.of(window, measure)).map_or(0, |(sums, place)| sums[place])
    }

    fn unqualified(&self, window: Window, measure: Measure) -> i64 {
        let of_window = self.inputs.unqualified.iter().find(|(known, _)| *known == window);
        of_window.map_or(0, |(_, products)| products.of(self.id, measure))
    }
}

/// What was read in one snapshot: the inputs of every kind, and the sums of settled days with the knowledge that all stands for.
type Read = (Vec<KindInputs>, SettledSums);

/// How often reading begins anew where the tables were replaced meanwhile.
const READINGS_MAX: usize = 3;

/// Reads everything that scores depend on in one snapshot. PostgreSQL's snapshots show no rows of a table that was emptied or
/// replaced after they began (by `truncate`, or where the tables are moved to another server), so it is looked at the end
/// whether the stripes are still there as they were at first; if they are not, all is read again.
pub async fn read(
    connection: &mut PgConnection,
    context: &Context,
    rules: &RuleBook,
    date: NaiveDate,
) -> Result<Read, StoreError> {
    for _ in 0..READINGS_MAX {
        if let Some(read) = read_once(connection, context, rules, date).await? {
            return Ok(read);
        }
        tracing::warn!(%date, "tables were emptied or moved while a run read them; it reads again");
    }
    let replaced = "tables were emptied or moved each time that a run read them; run again when nothing moves them";
    Err(StoreError::Settings(replaced.to_owned()))
}

/// Reads one snapshot; `None` where tables were replaced meanwhile. Two connections read that moment: the sums, and the products
/// that do not qualify for the base score, which are found by key and keep one core busy.
async fn read_once(
    connection: &mut PgConnection,
    context: &Context,
    rules: &RuleBook,
    date: NaiveDate,
) -> Result<Option<Read>, StoreError> {
    let (mut reading, moment) = snapshot::begin_shared(connection).await?;
    counting::check(&mut reading, context.calendar().zone()).await?;
    retention::check_whole(&mut reading, oldest_day(rules, date)).await?;
    let heads = stripe::heads(&mut reading).await?;
    if heads.len() as u64 != stripe::STRIPES {
        return Ok(None);
    }
    let mut other = context.store.run.acquire().await?;
    let mut reading_products = snapshot::begin_at(&mut other, &moment).await?;
    // Each may wait for the other.
    snapshot::disable_idle_timeout(&mut reading).await?;
    snapshot::disable_idle_timeout(&mut reading_products).await?;
    let (summed, unqualified) = tokio::try_join!(
        read_sums(&mut reading, rules, date, heads.clone()),
        read_unqualified(&mut reading_products, rules, date)
    )?;
    let (summed, settled_sums) = summed;
    let is_whole = stripe::heads(&mut reading).await? == heads;
    reading_products.rollback().await?;
    reading.rollback().await?;
    if !is_whole {
        return Ok(None);
    }
    let kinds = summed.into_iter().zip(unqualified).map(|(summed, unqualified)| KindInputs::new(summed, unqualified));
    Ok(Some((kinds.collect(), settled_sums)))
}

/// The subjects of one kind with their categories, their sums and their adjustments.
struct Summed {
    subjects: Vec<(Id, Option<Id>)>,
    plan: SumPlan,
    sums: Sums,
    adjustments: HashMap<Id, AdjustmentCounts>,
}

/// The sums of all kinds.
async fn read_sums(
    connection: &mut PgConnection,
    rules: &RuleBook,
    date: NaiveDate,
    heads: Vec<i64>,
) -> Result<(Vec<Summed>, SettledSums), StoreError> {
    let plans = SubjectKind::ALL.map(|kind| sum_plan(rules, kind));
    let mut sliding = Sliding::begin(connection, date, heads, &plans).await?;
    let mut summed = Vec::new();
    for plan in plans {
        let subjects = registry::all(connection, plan.kind).await?;
        let sums = sliding.sums(connection, &plan).await?;
        let adjustments = adjustment::counts(connection, plan.kind, date).await?;
        summed.push(Summed { subjects, plan, sums, adjustments });
    }
    Ok((summed, sliding.finish()))
}

/// The products that do not qualify, kind by kind.
async fn read_unqualified(
    connection: &mut PgConnection,
    rules: &RuleBook,
    date: NaiveDate,
) -> Result<Vec<Unqualified>, StoreError> {
    let mut of_kinds = Vec::new();
    for kind in SubjectKind::ALL {
        let mut unqualified = Unqualified::new();
        for (window, measures) in of_qualifying_products(rules, kind) {
            let (measures, days) = (measures.into_iter().collect(), window.days(date));
            let products = UnqualifiedProducts::read(connection, kind, measures, days, date).await?;
            unqualified.push((window, products));
        }
        of_kinds.push(unqualified);
    }
    Ok(of_kinds)
}

/// The oldest day that any window of a date reaches.
pub fn oldest_day(rules: &RuleBook, date: NaiveDate) -> NaiveDate {
    date - Days::new(rules.longest_window().into())
}

/// The sums that the rule sets of a kind ask for, each once.
pub fn sum_plan(rules: &RuleBook, kind: SubjectKind) -> SumPlan {
    let near = rules.of_kind(kind).flat_map(|rule_set| {
        [Measure::SignedOrders, rule_set.minimums.volume].map(|measure| (rule_set.near.window, measure))
    });
    let sums: BTreeSet<(Window, Measure)> = summed(rules, kind, |_| true).chain(near).collect();
    SumPlan { kind, sums: sums.into_iter().collect() }
}

/// Whether all that the rule sets of a book ask for is read for another one.
pub(super) fn is_read_for(rules: &RuleBook, other: &RuleBook) -> bool {
    SubjectKind::ALL.iter().all(|kind| {
        let has = |sum: &(Window, Measure)| sum_plan(other, *kind).sums.contains(sum);
        let read = of_qualifying_products(other, *kind);
        let has_products = |(window, measures): (&Window, &BTreeSet<Measure>)| {
            read.get(window).is_some_and(|read| measures.is_subset(read))
        };
        sum_plan(rules, *kind).sums.iter().all(has) && of_qualifying_products(rules, *kind).iter().all(has_products)
    })
}

/// Of metrics that leave products out: the windows with the measures that are summed over them.
fn of_qualifying_products(rules: &RuleBook, kind: SubjectKind) -> BTreeMap<Window, BTreeSet<Measure>> {
    let mut windows: BTreeMap<Window, BTreeSet<Measure>> = BTreeMap::new();
    for (window, measure) in summed(rules, kind, |population| population == Population::QualifyingProducts) {
        windows.entry(window).or_default().insert(measure);
    }
    windows
}

/// The measures that metrics of some populations are made of, with the window of each.
fn summed(
    rules: &RuleBook,
    kind: SubjectKind,
    is_wanted: impl Fn(Population) -> bool,
) -> impl Iterator<Item = (Window, Measure)> {
    let of_rule_set = move |rule_set: &Arc<RuleSet>| {
        let wanted = rule_set.metrics.iter().filter(|rule| is_wanted(rule.metric.definition().population));
        let sums = wanted.flat_map(|rule| {
            let measures = rule.metric.definition().measures(rule_set.bad_stars_max);
            measures.map(|measure| (rule.window.window, measure))
        });
        sums.collect::<Vec<_>>()
    };
    rules.of_kind(kind).flat_map(of_rule_set)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::is_read_for;
    use crate::domain::rules::{RuleBook, file};
    use crate::scoring::rule_sets;

    #[test]
    fn what_runs_read_is_enough_for_rules_that_ask_for_no_more() {
        let in_force = rule_sets::load(None).expect("built-in rule sets");
        let text = include_str!("../../rules/shop-v2.toml");
        let alone = |text: &str| RuleBook { rule_sets: vec![Arc::new(file::parse(text).expect("a rule set"))] };
        assert!(is_read_for(&alone(text), &in_force));
        let other = |from: &str, to: &str| {
            let other = text.replace(from, to);
            assert_ne!(other, text, "the rule set has {from}");
            alone(&other)
        };
        assert!(is_read_for(&other("[4.2, 4.0]", "[4.2, 3.9]"), &in_force));
        assert!(!is_read_for(&other("[90, 1]", "[89, 1]"), &in_force), "another window");
        assert!(!is_read_for(&in_force, &alone(text)), "runs read more");
    }
}
