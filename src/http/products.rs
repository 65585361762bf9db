//! A subject's products: which ones its faults come from, and so what to take off the shelf.

use std::cmp::Ordering;

use axum::extract::{Path, State};
use axum::response::Response;
use chrono::{DateTime, Days, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::answer::Answer;
use super::asked::Asked;
use super::auth::Caller;
use super::docs::ReadProblems;
use super::page::{Page, close_cursor};
use super::params::Params;
use super::problem::Problem;
use super::reads::{Found, Wanted, find_with};
use super::state::AppState;
use super::wire::{Number, ScoreKey};
use crate::domain::curve::Ratio;
use crate::domain::decimal::PLACES_MAX;
use crate::domain::id::Id;
use crate::domain::live::{LiveCounts, LiveProduct, sum};
use crate::domain::measure::Measure;
use crate::domain::metric::Metric;
use crate::domain::rules::RuleSet;
use crate::domain::words::words;
use crate::scoring::outlook::live_counts;
use crate::storage::snapshot;

/// A page of products, with the counts of this moment over the windows of the published date.
#[derive(Serialize, ToSchema)]
pub struct ProductsAnswer {
    #[serde(flatten)]
    pub key: ScoreKey,
    /// The moment whose counts are taken.
    pub as_of: DateTime<Utc>,
    #[serde(flatten)]
    pub page: Page<WireProduct>,
}

#[derive(Serialize, ToSchema)]
pub struct WireProduct {
    pub shop_id: String,
    pub product_id: String,
    /// On the shelf at the end of the day before the date.
    pub on_shelf: bool,
    /// Whether it counts in the product base score.
    pub in_base_score: bool,
    pub bad_review_rate: ProductRate,
    pub quality_return_rate: ProductRate,
    pub complaint_rate: ProductRate,
    /// Mean product stars of the reviews of signed orders; null without reviews.
    #[schema(required, value_type = Option<f64>)]
    pub mean_stars: Option<Number<PLACES_MAX>>,
    pub reviews: i64,
    /// In the window of `bad_review_rate`.
    pub signed_orders: i64,
    /// In the same window.
    pub paid_orders: i64,
}

/// A rate with its counts; null without a denominator.
#[derive(Serialize, ToSchema)]
pub struct ProductRate {
    pub numerator: i64,
    pub denominator: i64,
    #[schema(required, value_type = Option<f64>)]
    pub value: Option<Number<PLACES_MAX>>,
}

/// What products are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Rate(Metric),
    PaidOrders,
}

impl Sort {
    /// By a rate of products, where there is one.
    pub(super) fn of(metric: Option<Metric>) -> Option<Sort> {
        metric.map(Sort::Rate)
    }
}

words! {
    enum SortWord {
        BadReviewRate = "bad_review_rate",
        QualityReturnRate = "quality_return_rate",
        ComplaintRate = "complaint_rate",
        PaidOrders = "paid_orders",
    }
}

words! {
    enum OrderWord {
        Ascending = "asc",
        Descending = "desc",
    }
}

/// One product with what it is sorted and shown by.
struct Counted {
    product: LiveProduct,
    rates: [(Metric, i64, i64); 3],
    mean: (i64, i64),
    paid_orders: i64,
    on_shelf: bool,
    in_base_score: bool,
}

/// The products behind a score, the worst first: what to take off the shelf.
#[utoipa::path(
    get,
    path = "/v1/{kind}/{id}/products",
    tag = "scores",
    params(
        super::docs::SubjectPath,
        super::docs::ScoreQuery,
        ("sort" = Option<String>, Query, description = "`bad_review_rate` (default), `quality_return_rate`, `complaint_rate` or `paid_orders`."),
        ("order" = Option<String>, Query, description = "`desc` (default) or `asc`."),
        super::docs::PageQuery,
    ),
    responses((status = 200, description = "A page of products.", body = ProductsAnswer), ReadProblems)
)]
pub async fn get_products(
    State(state): State<AppState>,
    Path((kind, id)): Path<(String, String)>,
    caller: Caller,
    asked: Asked,
    mut params: Params,
) -> Result<Response, Problem> {
    let wanted = Wanted::read(&state, &caller, (&kind, &id), &mut params)?;
    let sort = match params.word("sort").unwrap_or(SortWord::BadReviewRate) {
        SortWord::BadReviewRate => Sort::Rate(Metric::BadReviewRate),
        SortWord::QualityReturnRate => Sort::Rate(Metric::QualityReturnRate),
        SortWord::ComplaintRate => Sort::Rate(Metric::ComplaintRate),
        SortWord::PaidOrders => Sort::PaidOrders,
    };
    let ascending = params.word("order") == Some(OrderWord::Ascending);
    let limit = params.limit() as usize;
    let after = params.cursor(Place::read);
    params.finish()?;
    let mut connection = state.context.store.read.acquire().await?;
    let mut reading = snapshot::begin(&mut connection).await?;
    let found = find_with(&mut reading, &state, &wanted).await?;
    let (date, yesterday) = (found.row.date, found.row.date - Days::new(1));
    let live = live_counts(&mut reading, &found.subject, &found.rule_set, date, yesterday).await?;
    reading.rollback().await?;
    let mut products = counted(&found, &live);
    arrange(&mut products, sort, ascending);
    // The list may have changed since the page before: go on behind the place that ended it, whoever stands there now.
    let behind = |counted: &Counted| match &after {
        Some(after) => in_order(ascending, &place(sort, counted), after).is_gt(),
        None => true,
    };
    let mut items: Vec<Counted> = products.into_iter().filter(behind).take(limit + 1).collect();
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|last| close_cursor(&place(sort, last).write()));
    let as_of = state.context.now();
    let page = Page { items: items.into_iter().map(wire_product).collect(), next_cursor: next };
    Ok(asked.answer_once(&Answer::of(&ProductsAnswer { key: found.key(), as_of, page }, as_of)?))
}

fn arrange(products: &mut [Counted], sort: Sort, ascending: bool) {
    products.sort_by(|left, right| in_order(ascending, &place(sort, left), &place(sort, right)));
}

/// Where a product stands in a sorted list: by its value, then by its ids.
struct Place {
    value: Option<Ratio>,
    shop_id: Id,
    product_id: Id,
}

fn place(sort: Sort, counted: &Counted) -> Place {
    let value = match sort {
        Sort::PaidOrders => Some(Ratio { numerator: counted.paid_orders, denominator: 1 }),
        Sort::Rate(metric) => counted.rate(metric),
    };
    Place { value, shop_id: counted.product.shop_id.clone(), product_id: counted.product.product_id.clone() }
}

impl Place {
    fn write(&self) -> String {
        let value = self.value.map(|value| format!("{}/{}", value.numerator, value.denominator)).unwrap_or_default();
        format!("{value},{},{}", self.shop_id, self.product_id)
    }

    fn read(text: &str) -> Option<Place> {
        let parts: Vec<&str> = text.split(',').collect();
        let [value, shop_id, product_id] = parts[..] else { return None };
        let value = match value.split_once('/') {
            None if value.is_empty() => None,
            None => return None,
            Some((numerator, denominator)) => {
                let denominator = denominator.parse().ok().filter(|denominator| *denominator > 0)?;
                Some(Ratio { numerator: numerator.parse().ok()?, denominator })
            }
        };
        Some(Place { value, shop_id: Id::parse(shop_id).ok()?, product_id: Id::parse(product_id).ok()? })
    }
}

/// The order of two places. What has no value is the least of all; of equal rates the one with more behind it is the
/// greater.
fn in_order(ascending: bool, left: &Place, right: &Place) -> Ordering {
    let by_value = match (left.value, right.value) {
        (Some(one), Some(other)) => one.compare(other).then(one.denominator.cmp(&other.denominator)),
        (one, other) => one.is_some().cmp(&other.is_some()),
    };
    let by_value = if ascending { by_value } else { by_value.reverse() };
    by_value.then_with(|| (&left.shop_id, &left.product_id).cmp(&(&right.shop_id, &right.product_id)))
}

/// The products with most to blame them for by a rate.
pub(super) fn worst(found: &Found, live: &LiveCounts, sort: Sort, most: usize) -> Vec<WireProduct> {
    let mut products = counted(found, live);
    if let Sort::Rate(metric) = sort {
        products.retain(|counted| counted.rate(metric).is_some_and(|rate| rate.numerator > 0));
    }
    arrange(&mut products, sort, false);
    products.into_iter().take(most).map(wire_product).collect()
}

impl Counted {
    fn rate(&self, metric: Metric) -> Option<Ratio> {
        let (_, numerator, denominator) = self.rates.iter().find(|(other, ..)| *other == metric)?;
        ratio(*numerator, *denominator)
    }
}

fn ratio(numerator: i64, denominator: i64) -> Option<Ratio> {
    (denominator > 0).then_some(Ratio { numerator, denominator })
}

/// The products of a subject, counted over the windows of its rule set, or the near one for what that does not measure.
fn counted(found: &Found, live: &LiveCounts) -> Vec<Counted> {
    let (rule_set, date) = (&found.rule_set, found.row.date);
    let last = date - Days::new(1);
    let span = |metric| window_of(rule_set, metric).days(date);
    let counted = live.products.iter().map(|product| {
        let rate = |metric: Metric| {
            let counts = sum(&product.daily, span(metric));
            let count = metric.definition().count(&counts, rule_set.bad_stars_max);
            (metric, count.numerator, count.denominator(metric))
        };
        let rates = [Metric::BadReviewRate, Metric::QualityReturnRate, Metric::ComplaintRate].map(rate);
        let base = sum(&product.daily, span(Metric::ProductBaseScore));
        Counted {
            rates,
            mean: (base.get(Measure::ProductStars), base.get(Measure::Reviews)),
            paid_orders: sum(&product.daily, span(Metric::BadReviewRate)).get(Measure::PaidOrders),
            on_shelf: product.on_shelf(last),
            in_base_score: product.qualifies(span(Metric::ProductBaseScore), date),
            product: product.clone(),
        }
    });
    let counts_at_all = |counted: &Counted| {
        counted.paid_orders > 0
            || counted.mean.1 > 0
            || counted.rates.iter().any(|(_, _, denominator)| *denominator > 0)
    };
    counted.filter(counts_at_all).collect()
}

fn window_of(rule_set: &RuleSet, metric: Metric) -> crate::domain::window::Window {
    rule_set.place(metric).map_or(rule_set.near.window, |place| rule_set.metrics[place].window.window)
}

fn wire_product(counted: Counted) -> WireProduct {
    let number = |numerator, denominator| ratio(numerator, denominator).map(|value| Number(value.rounded(PLACES_MAX)));
    let [bad_review_rate, quality_return_rate, complaint_rate] = counted.rates.map(|(_, numerator, denominator)| {
        ProductRate { numerator, denominator, value: number(numerator, denominator) }
    });
    WireProduct {
        shop_id: counted.product.shop_id.to_string(),
        product_id: counted.product.product_id.to_string(),
        on_shelf: counted.on_shelf,
        in_base_score: counted.in_base_score,
        signed_orders: bad_review_rate.denominator,
        bad_review_rate,
        quality_return_rate,
        complaint_rate,
        mean_stars: number(counted.mean.0, counted.mean.1),
        reviews: counted.mean.1,
        paid_orders: counted.paid_orders,
    }
}
