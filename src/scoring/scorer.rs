//! Scoring one kind of subject in two passes, so that memory follows the values of a few metrics and the cards of a few
//! subjects: first where everybody stands, metric by metric; then the cards, some subjects at a time.

use std::iter::repeat_with;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;

use super::inputs::KindInputs;
use crate::domain::adjustment::AdjustmentCounts;
use crate::domain::peers::{MetricPeers, Standings};
use crate::domain::rules::RuleSet;
use crate::domain::score::{Card, peer_value, score_by};
use crate::domain::subject_counts::{SubjectCounts, count_of, volume_of};
use crate::storage::peer_group::PeerRows;
use crate::storage::score::CardRows;

/// Subjects whose cards are made, and written, together.
const TOGETHER: usize = 2_500;
/// Threads at the most: beside them the database works.
const THREADS_MAX: usize = 8;

/// What becomes ready to be written.
#[derive(Debug)]
pub(super) enum Parcel {
    /// The peers in one metric of a rule set, by the rule set's place among those of the kind.
    Peers(usize, PeerRows),
    Cards(CardRows),
}

/// Whoever took the work is gone: there is no use in going on.
#[derive(Debug)]
pub(super) struct Unwanted;

/// The subjects of one kind under one rule set.
pub(super) struct Scorer<'a> {
    rule_set: &'a RuleSet,
    inputs: &'a KindInputs,
    /// By metric.
    standings: Vec<Standings>,
}

impl<'a> Scorer<'a> {
    /// Ranks everybody in every metric of a rule set.
    pub(super) fn new(rule_set: &'a RuleSet, inputs: &'a KindInputs) -> Scorer<'a> {
        let standings = (0..rule_set.metrics.len()).map(|metric| rank(rule_set, inputs, metric).1).collect();
        Scorer { rule_set, inputs, standings }
    }

    /// The card of a subject, by its place.
    pub(super) fn card(&self, place: usize) -> Card {
        let Scorer { rule_set, inputs, standings } = self;
        let unadjusted = AdjustmentCounts::default();
        let adjustments = inputs.adjustments_of(place).unwrap_or(&unadjusted);
        let category_id = inputs.category_id(place).cloned();
        let counts = SubjectCounts::of(rule_set, category_id, &inputs.sums_of(place), adjustments);
        score_by(rule_set, &counts, |metric, _| standings[metric].at(place, inputs.category_place(place)))
    }
}

/// The peers of one metric, and where everybody stands among them.
fn rank(rule_set: &RuleSet, inputs: &KindInputs, metric: usize) -> (MetricPeers, Standings) {
    let rule = &rule_set.metrics[metric];
    let value = |place: usize| {
        let sums = inputs.sums_of(place);
        peer_value(rule_set, rule, volume_of(rule_set, &sums), &count_of(rule_set, rule, &sums))
    };
    let values: Vec<_> = (0..inputs.len()).map(value).collect();
    let better = rule.metric.definition().better;
    let members = values.iter().enumerate().filter_map(|(place, value)| Some(((*value)?, inputs.category_id(place))));
    let peers = MetricPeers::gather(members, better);
    let placed = values.iter().enumerate().map(|(place, value)| Some(((*value)?, inputs.category_place(place))));
    let standings = Standings::of(&peers, inputs.categories(), placed, (better, rule_set.minimums.peers));
    (peers, standings)
}

/// Scores a kind under all its rule sets on several threads, and hands over what is ready.
pub(super) fn score_kind(
    rule_sets: &[Arc<RuleSet>],
    inputs: &KindInputs,
    hand_over: impl Fn(Parcel) -> Result<(), Unwanted> + Sync,
) -> Result<(), Unwanted> {
    let of_metric = |rule_set: usize| (0..rule_sets[rule_set].metrics.len()).map(move |metric| (rule_set, metric));
    let metrics: Vec<(usize, usize)> = (0..rule_sets.len()).flat_map(of_metric).collect();
    let standings: Vec<OnceLock<Standings>> = repeat_with(OnceLock::new).take(metrics.len()).collect();
    share_out(metrics.len(), |index| {
        let (rule_set, metric) = metrics[index];
        let (peers, ranked) = rank(&rule_sets[rule_set], inputs, metric);
        let _ = standings[index].set(ranked);
        hand_over(Parcel::Peers(rule_set, PeerRows::of(metric, &peers)))
    })?;
    let mut standings = standings.into_iter().filter_map(OnceLock::into_inner);
    let scorers: Vec<Scorer<'_>> = rule_sets
        .iter()
        .map(|rule_set| {
            let standings = standings.by_ref().take(rule_set.metrics.len()).collect();
            Scorer { rule_set, inputs, standings }
        })
        .collect();
    share_out(inputs.len().div_ceil(TOGETHER), |index| {
        let mut rows = CardRows::new(rule_sets.len());
        for place in index * TOGETHER..inputs.len().min((index + 1) * TOGETHER) {
            let cards: Vec<Card> = scorers.iter().map(|scorer| scorer.card(place)).collect();
            rows.push(rule_sets, inputs.id(place), inputs.category_id(place), &cards);
        }
        hand_over(Parcel::Cards(rows))
    })
}

/// Does pieces of work, by their number, on as many threads as there are processors. Ends at the first that is not wanted.
fn share_out(pieces: usize, work: impl Fn(usize) -> Result<(), Unwanted> + Sync) -> Result<(), Unwanted> {
    let next = AtomicUsize::new(0);
    let work_on = || {
        loop {
            let piece = next.fetch_add(1, Ordering::Relaxed);
            if piece >= pieces {
                return Ok(());
            }
            if let Err(unwanted) = work(piece) {
                // Nobody begins another one.
                next.store(pieces, Ordering::Relaxed);
                return Err(unwanted);
            }
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX).min(pieces);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work_on)).collect();
        let ended =
            workers.into_iter().map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        ended.fold(Ok(()), Result::and)
    })
}
