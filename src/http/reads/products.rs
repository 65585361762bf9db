//! A subject's products.

use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::score::CardQuery;
use super::wire::{Number, ScoreKey};
use crate::answers::products::{ProductCounts, ProductPlace, ProductSort, RATES, WantedProducts};
use crate::domain::curve::Ratio;
use crate::domain::decimal::PLACES_MAX;
use crate::domain::id::Id;
use crate::domain::metric::{Metric, MetricCount};
use crate::domain::words::words;
use crate::http::answer::Answer;
use crate::http::asked::Asked;
use crate::http::cursor::CursorKey;
use crate::http::page::Page;
use crate::http::param_types::{Cursor, Limit, OneOf};
use crate::http::params::{Input, parameters};
use crate::http::problem::Problem;
use crate::http::problem_responses::ReadProblems;
use crate::http::state::AppState;

words! {
    /// What products are sorted by.
    enum Sort {
        BadReviewRate = "bad_review_rate",
        QualityReturnRate = "quality_return_rate",
        ComplaintRate = "complaint_rate",
        PaidOrders = "paid_orders",
    }
}

words! {
    /// From where to where they are sorted.
    enum Order {
        Descending = "desc",
        Ascending = "asc",
    }
}

parameters! {
    /// Which products are wanted.
    pub(crate) struct ProductsQuery {
        card: CardQuery,
        /// `bad_review_rate` (default), `quality_return_rate`, `complaint_rate` or `paid_orders`.
        sort: OneOf<Sort>,
        /// `desc` (default) or `asc`.
        order: OneOf<Order>,
        /// `next_cursor` of the previous page.
        cursor: Cursor<ProductPlace>,
        /// Items of a page, default 100.
        limit: Limit,
    }
}

/// A page of products, with their current counts over the windows of the published date.
#[derive(Serialize, ToSchema)]
pub(crate) struct ProductsAnswer {
    #[serde(flatten)]
    pub key: ScoreKey,
    /// When the counts were read.
    pub as_of: DateTime<Utc>,
    #[serde(flatten)]
    pub page: Page<WireProduct>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Product)]
pub(crate) struct WireProduct {
    pub shop_id: String,
    pub product_id: String,
    /// Whether it was on the shelf at the end of the day before the date.
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
pub(crate) struct ProductRate {
    pub numerator: i64,
    pub denominator: i64,
    #[schema(required, value_type = Option<f64>)]
    pub value: Option<Number<PLACES_MAX>>,
}

/// The products behind a score, worst first: candidates to take off the shelf.
#[utoipa::path(
    get,
    path = "/v1/{kind}/{id}/products",
    tag = "scores",
    params(ProductsQuery),
    responses((status = 200, description = "A page of products.", body = ProductsAnswer), ReadProblems)
)]
pub(crate) async fn get_products(
    State(state): State<AppState>,
    asked: Asked,
    Input(query): Input<ProductsQuery>,
) -> Result<Response, Problem> {
    let wanted = WantedProducts {
        card: query.card.wanted(),
        sort: match query.sort.0.unwrap_or(Sort::BadReviewRate) {
            Sort::BadReviewRate => ProductSort::Rate(Metric::BadReviewRate),
            Sort::QualityReturnRate => ProductSort::Rate(Metric::QualityReturnRate),
            Sort::ComplaintRate => ProductSort::Rate(Metric::ComplaintRate),
            Sort::PaidOrders => ProductSort::PaidOrders,
        },
        is_ascending: query.order.0 == Some(Order::Ascending),
        after: query.cursor.after,
        limit: query.limit.0,
    };
    let page = state.source.products(&wanted).await?;
    let items = page.products.into_iter().map(WireProduct::from).collect();
    let answer = ProductsAnswer {
        key: ScoreKey::from(&page.published),
        as_of: page.as_of,
        page: Page { items, next_cursor: page.next.as_ref().map(|next| query.cursor.signer.close(next)) },
    };
    Ok(asked.answer_once(&Answer::of(&answer, page.as_of)?))
}

impl From<ProductCounts> for WireProduct {
    fn from(product: ProductCounts) -> WireProduct {
        let rate = |(metric, count): (Metric, MetricCount)| ProductRate {
            numerator: count.numerator,
            denominator: count.denominator(metric),
            value: count.value(metric).map(rounded),
        };
        let mut place = 0;
        let [bad_review_rate, quality_return_rate, complaint_rate] = product.rates.map(|count| {
            place += 1;
            rate((RATES[place - 1], count))
        });
        WireProduct {
            mean_stars: product.mean_stars().map(rounded),
            shop_id: product.shop_id.to_string(),
            product_id: product.product_id.to_string(),
            on_shelf: product.on_shelf,
            in_base_score: product.qualifies,
            signed_orders: bad_review_rate.denominator,
            bad_review_rate,
            quality_return_rate,
            complaint_rate,
            reviews: product.stars.1,
            paid_orders: product.paid_orders,
        }
    }
}

fn rounded(value: Ratio) -> Number<PLACES_MAX> {
    Number(value.rounded(PLACES_MAX))
}

/// The value and the ids; these have no commas.
impl CursorKey for ProductPlace {
    fn write(&self) -> String {
        let value = self.value.map(|value| format!("{}/{}", value.numerator, value.denominator)).unwrap_or_default();
        format!("{value},{},{}", self.shop_id, self.product_id)
    }

    fn read(text: &str) -> Option<ProductPlace> {
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
        Some(ProductPlace { value, shop_id: Id::parse(shop_id).ok()?, product_id: Id::parse(product_id).ok()? })
    }
}
