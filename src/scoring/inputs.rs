//! What a run reads: everything that scores depend on, of one moment.

use std::collections::{BTreeSet, HashMap};

use chrono::{Days, NaiveDate};
use sqlx::PgConnection;

use super::run::RunContext;
use super::settled::Sliding;
use crate::domain::id::Id;
use crate::domain::measure::Measure;
use crate::domain::metric::Metric;
use crate::domain::rules::RuleBook;
use crate::domain::score::MetricCount;
use crate::domain::subject::SubjectKind;
use crate::domain::window::Window;
use crate::storage::run::RunRow;
use crate::storage::settled_sum::SettledSums;
use crate::storage::window_sum::{self, SumPlan, Sums};
use crate::storage::{StoreError, counting, registry, retention, snapshot, stripe};

/// What of products does not count for the base score, by the window.
pub type Excess = HashMap<Window, HashMap<Id, MetricCount>>;

/// What one kind of subject brings into a run.
pub struct Field {
    pub kind: SubjectKind,
    pub subjects: Vec<(Id, Option<Id>)>,
    pub plan: SumPlan,
    pub sums: Sums,
    pub excess: Excess,
}

/// Reads everything that scores depend on in one snapshot, and the sums of settled days with the knowledge that all
/// stands for. Two connections read that moment: the sums, and the products that do not qualify for the base score,
/// which are found by key and keep one core busy.
pub async fn read(
    connection: &mut PgConnection,
    context: &RunContext,
    row: &RunRow,
) -> Result<(Vec<Field>, SettledSums), StoreError> {
    let (mut reading, moment) = snapshot::begin_shared(connection).await?;
    counting::check(&mut reading, context.slot.calendar.zone()).await?;
    retention::check_whole(&mut reading, oldest_day(context, row)).await?;
    let mut other = context.store.run.acquire().await?;
    let mut reading_products = snapshot::begin_at(&mut other, &moment).await?;
    // Each may wait for the other.
    snapshot::be_patient(&mut reading).await?;
    snapshot::be_patient(&mut reading_products).await?;
    let (summed, excess) =
        tokio::try_join!(read_sums(&mut reading, context, row), read_excess(&mut reading_products, context, row))?;
    reading_products.rollback().await?;
    reading.rollback().await?;
    let (summed, settled_sums) = summed;
    let with_excess =
        |((subjects, plan, sums), excess): (Summed, Excess)| Field { kind: plan.kind, subjects, plan, sums, excess };
    Ok((summed.into_iter().zip(excess).map(with_excess).collect(), settled_sums))
}

/// The subjects of one kind with their categories, and their sums.
type Summed = (Vec<(Id, Option<Id>)>, SumPlan, Sums);

/// The sums of all kinds.
async fn read_sums(
    connection: &mut PgConnection,
    context: &RunContext,
    row: &RunRow,
) -> Result<(Vec<Summed>, SettledSums), StoreError> {
    let heads = stripe::heads(connection).await?;
    let plans = SubjectKind::ALL.map(|kind| sum_plan(&context.rules, kind));
    let mut sliding = Sliding::begin(connection, row.date, heads, &plans).await?;
    let mut summed = Vec::new();
    for plan in plans {
        let subjects = registry::all(connection, plan.kind).await?;
        let sums = sliding.sums(connection, &plan).await?;
        summed.push((subjects, plan, sums));
    }
    Ok((summed, sliding.finish()))
}

/// What does not count for the base score, kind by kind.
async fn read_excess(
    connection: &mut PgConnection,
    context: &RunContext,
    row: &RunRow,
) -> Result<Vec<Excess>, StoreError> {
    let mut of_kinds = Vec::new();
    for kind in SubjectKind::ALL {
        let mut excess = Excess::new();
        for window in base_score_windows(&context.rules, kind) {
            let of_window = window_sum::base_score_excess(connection, kind, window.days(row.date), row.date).await?;
            excess.insert(window, of_window);
        }
        of_kinds.push(excess);
    }
    Ok(of_kinds)
}

/// The oldest day that any window of a run reaches.
pub fn oldest_day(context: &RunContext, row: &RunRow) -> NaiveDate {
    row.date - Days::new(context.rules.longest_window().into())
}

/// The sums that the rule sets of a kind ask for, each once.
pub fn sum_plan(rules: &RuleBook, kind: SubjectKind) -> SumPlan {
    let mut sums = BTreeSet::new();
    for rule_set in rules.of_kind(kind) {
        sums.insert((rule_set.near.window, Measure::SignedOrders));
        for rule in &rule_set.metrics {
            let definition = rule.metric.definition();
            let numerator = definition.numerator(rule_set.bad_stars_max);
            let measures = definition.denominator.iter().copied().chain([numerator]);
            sums.extend(measures.map(|measure| (rule.window.window, measure)));
        }
    }
    SumPlan { kind, sums: sums.into_iter().collect() }
}

fn base_score_windows(rules: &RuleBook, kind: SubjectKind) -> BTreeSet<Window> {
    let metrics = rules.of_kind(kind).flat_map(|rule_set| &rule_set.metrics);
    metrics.filter(|rule| rule.metric == Metric::ProductBaseScore).map(|rule| rule.window.window).collect()
}
