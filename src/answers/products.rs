//! A subject's products: which ones its faults come from, and so what to take off the shelf.

use std::cmp::Ordering;

use chrono::{DateTime, Days, Utc};

use super::outlook::live_counts;
use super::published::{Published, ReadError, Wanted};
use super::source::Source;
use crate::domain::curve::Ratio;
use crate::domain::id::Id;
use crate::domain::live::{LiveCounts, LiveProduct, sum};
use crate::domain::measure::Measure;
use crate::domain::metric::{Metric, MetricCount};
use crate::domain::rules::RuleSet;
use crate::domain::window::Window;
use crate::storage::snapshot;

/// The rates by which products are told apart, in the order of [`ProductCounts::rates`].
pub(crate) const RATES: [Metric; 3] = [Metric::BadReviewRate, Metric::QualityReturnRate, Metric::ComplaintRate];

/// What products are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProductSort {
    Rate(Metric),
    PaidOrders,
}

/// One product with its counts of this moment over the windows of a published date.
#[derive(Clone, Debug)]
pub struct ProductCounts {
    pub shop_id: Id,
    pub product_id: Id,
    /// Of [`RATES`].
    pub rates: [MetricCount; RATES.len()],
    /// Sum of the product stars of its reviews, and how many there are.
    pub stars: (i64, i64),
    /// In the window of the bad review rate.
    pub paid_orders: i64,
    /// At the end of the day before the date.
    pub on_shelf: bool,
    /// Whether it counts in the product base score.
    pub qualifies: bool,
}

impl ProductCounts {
    fn rate(&self, metric: Metric) -> Option<Ratio> {
        let place = RATES.iter().position(|other| *other == metric)?;
        self.rates[place].value(metric)
    }

    /// `None` without reviews.
    pub fn mean_stars(&self) -> Option<Ratio> {
        let (numerator, denominator) = self.stars;
        (denominator > 0).then_some(Ratio { numerator, denominator })
    }

    /// Where the product stands in a sorted list.
    pub fn place(&self, sort: ProductSort) -> ProductPlace {
        let value = match sort {
            ProductSort::PaidOrders => Some(Ratio { numerator: self.paid_orders, denominator: 1 }),
            ProductSort::Rate(metric) => self.rate(metric),
        };
        ProductPlace { value, shop_id: self.shop_id.clone(), product_id: self.product_id.clone() }
    }
}

/// A place in a sorted list of products: by the value, then by the ids.
#[derive(Clone, Debug)]
pub struct ProductPlace {
    pub value: Option<Ratio>,
    pub shop_id: Id,
    pub product_id: Id,
}

impl ProductPlace {
    /// What has no value is the least of all; of equal rates the one with more behind it is the greater.
    fn compare(&self, other: &ProductPlace, is_ascending: bool) -> Ordering {
        let by_value = match (self.value, other.value) {
            (Some(one), Some(other)) => one.compare(other).then(one.denominator.cmp(&other.denominator)),
            (one, other) => one.is_some().cmp(&other.is_some()),
        };
        let by_value = if is_ascending { by_value } else { by_value.reverse() };
        by_value.then_with(|| (&self.shop_id, &self.product_id).cmp(&(&other.shop_id, &other.product_id)))
    }
}

/// Which page of products is wanted.
#[derive(Clone, Debug)]
pub struct WantedProducts {
    pub card: Wanted,
    pub sort: ProductSort,
    pub is_ascending: bool,
    pub after: Option<ProductPlace>,
    pub limit: usize,
}

/// A page of products as of one moment.
pub struct ProductPage {
    pub published: Published,
    pub as_of: DateTime<Utc>,
    pub products: Vec<ProductCounts>,
    pub next: Option<ProductPlace>,
}

impl Source {
    pub async fn products(&self, wanted: &WantedProducts) -> Result<ProductPage, ReadError> {
        let mut connection = self.connection().await?;
        let mut reading = snapshot::begin(&mut connection).await?;
        let published = self.find(&mut reading, &wanted.card).await?;
        let (date, yesterday) = (published.run.date, published.run.date - Days::new(1));
        let live = live_counts(&mut reading, &published.subject, &published.scored.rule_set, date, yesterday).await?;
        reading.rollback().await?;
        let mut products = counted(&published, &live);
        arrange(&mut products, wanted.sort, wanted.is_ascending);
        // The list may have changed since the page before: go on behind the place that ended it, whoever stands there
        // now.
        let is_behind = |product: &ProductCounts| match &wanted.after {
            Some(after) => product.place(wanted.sort).compare(after, wanted.is_ascending).is_gt(),
            None => true,
        };
        let mut products: Vec<ProductCounts> = products.into_iter().filter(is_behind).take(wanted.limit + 1).collect();
        let has_more = products.len() > wanted.limit;
        products.truncate(wanted.limit);
        let next = products.last().filter(|_| has_more).map(|last| last.place(wanted.sort));
        Ok(ProductPage { published, as_of: self.context.now(), products, next })
    }
}

/// The products with most to blame them for by a rate.
pub(super) fn worst(published: &Published, live: &LiveCounts, rate: Metric, most: usize) -> Vec<ProductCounts> {
    let mut products = counted(published, live);
    products.retain(|product| product.rate(rate).is_some_and(|rate| rate.numerator > 0));
    arrange(&mut products, ProductSort::Rate(rate), false);
    products.truncate(most);
    products
}

fn arrange(products: &mut [ProductCounts], sort: ProductSort, is_ascending: bool) {
    products.sort_by(|left, right| left.place(sort).compare(&right.place(sort), is_ascending));
}

/// The products of a subject, counted over the windows of its rule set, or the usual ones for what that does not
/// measure.
fn counted(published: &Published, live: &LiveCounts) -> Vec<ProductCounts> {
    let (rule_set, date) = (&published.scored.rule_set, published.run.date);
    let span = |metric| window_of(rule_set, metric).days(date);
    let counts = |product: &LiveProduct| {
        let rate =
            |metric: Metric| metric.definition().count(&sum(&product.daily, span(metric)), rule_set.bad_stars_max);
        let of_reviews = span(Metric::ProductBaseScore);
        let reviews = sum(&product.daily, of_reviews);
        ProductCounts {
            shop_id: product.shop_id.clone(),
            product_id: product.product_id.clone(),
            rates: RATES.map(rate),
            stars: (reviews.get(Measure::ProductStars), reviews.get(Measure::Reviews)),
            paid_orders: sum(&product.daily, span(Metric::BadReviewRate)).get(Measure::PaidOrders),
            on_shelf: product.on_shelf(date - Days::new(1)),
            qualifies: product.qualifies(of_reviews, date),
        }
    };
    let counts_at_all = |product: &ProductCounts| {
        product.paid_orders > 0 || product.stars.1 > 0 || product.rates.iter().any(|count| count.volume > 0)
    };
    live.products.iter().map(counts).filter(counts_at_all).collect()
}

fn window_of(rule_set: &RuleSet, metric: Metric) -> Window {
    let usual = metric.definition().usual_window;
    rule_set.place(metric).map_or(usual, |place| rule_set.metrics[place].window.window)
}
