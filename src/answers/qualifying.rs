//! Whether a product counts in a metric of qualifying products: it is on the shelf, and was paid for in the window.

use chrono::{DateTime, Days};

use super::recount::{Reader, instants};
use crate::domain::event::{Aggregate, AggregateKind, EventType};
use crate::domain::fold::Explained;
use crate::domain::id::Id;
use crate::domain::live::LiveProduct;
use crate::domain::measure::Measure;
use crate::domain::metric::Population;
use crate::domain::tally::{Folded, Tally};
use crate::domain::window::DaySpan;
use crate::storage::StoreError;
use crate::storage::record::{CandidateQuery, Place, candidates};

/// Candidates that are looked through at a time for a paid order of a product.
const PAID_CHUNK: usize = 20;

impl Reader<'_, '_> {
    /// Whether an order was paid for in the window.
    fn counts_payment(&self, folded: &Folded) -> bool {
        let is_payment = |tally: &Tally| tally.measure == Measure::PaidOrders && self.is_in_window(tally.at);
        folded.tallies.iter().any(is_payment)
    }

    /// Whether an order's product counts in the metric.
    pub(super) async fn qualifies(&mut self, aggregate: &Aggregate, folded: &Folded) -> Result<bool, StoreError> {
        let population = self.count.rule.metric.definition().population;
        let (Population::QualifyingProducts, Some(product_id)) = (population, &folded.product_id) else {
            return Ok(true);
        };
        let product = (aggregate.shop_id.clone(), product_id.clone());
        if let Some(known) = self.qualifying.get(&product) {
            return Ok(*known);
        }
        // The order itself tells, unless it was paid for before the window.
        let is_paid = self.counts_payment(folded) || self.is_paid_in_window(&product).await?;
        let qualifies = is_paid && self.is_on_shelf(&product).await?;
        self.qualifying.insert(product, qualifies);
        Ok(qualifies)
    }

    async fn is_on_shelf(&mut self, (shop_id, product_id): &(Id, Id)) -> Result<bool, StoreError> {
        let aggregate = Aggregate { shop_id: shop_id.clone(), kind: AggregateKind::Product, id: product_id.clone() };
        let place = Place { at: DateTime::UNIX_EPOCH, aggregate };
        let folded = self.explained(&[place], &[]).await?.pop();
        let product = LiveProduct {
            shop_id: shop_id.clone(),
            product_id: product_id.clone(),
            daily: Default::default(),
            off_shelf: folded.map(|(folded, _)| folded.off_shelf).unwrap_or_default(),
        };
        Ok(product.on_shelf(self.count.score_date - Days::new(1)))
    }

    /// Looks at the newest days first: most products were paid for a moment ago.
    async fn is_paid_in_window(&mut self, product: &(Id, Id)) -> Result<bool, StoreError> {
        let whole = self.count.span();
        let mut span = DaySpan { from: whole.to, to: whole.to };
        loop {
            if self.is_paid_in(product, span).await? {
                return Ok(true);
            }
            if span.from <= whole.from {
                return Ok(false);
            }
            let days = (span.to - span.from).num_days().unsigned_abs() + 1;
            let to = span.from - Days::new(1);
            span = DaySpan { from: (to - Days::new(4 * days)).max(whole.from), to };
        }
    }

    async fn is_paid_in(&mut self, (shop_id, product_id): &(Id, Id), span: DaySpan) -> Result<bool, StoreError> {
        let (from, until) = instants(&self.knowledge.calendar, span);
        let mut place: Option<Place> = None;
        loop {
            let query = CandidateQuery {
                subject: self.count.subject,
                cohort: &[EventType::OrderPaid],
                faults: &[],
                from,
                until,
                after: place.as_ref(),
                product_id: Some(product_id),
                limit: PAID_CHUNK,
            };
            let places = candidates(self.connection, &query, &self.knowledge.heads).await?;
            let folded = self.explained(&places, &[]).await?;
            let counts = |(place, (folded, _)): (&Place, &(Folded, Vec<Explained>))| {
                place.aggregate.shop_id == *shop_id
                    && folded.product_id.as_ref() == Some(product_id)
                    && self.is_the_subjects(folded)
                    && self.counts_payment(folded)
            };
            if places.iter().zip(&folded).any(counts) {
                return Ok(true);
            }
            if places.len() < PAID_CHUNK {
                return Ok(false);
            }
            place = places.into_iter().next_back();
        }
    }
}
