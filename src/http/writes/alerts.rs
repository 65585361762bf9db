//! Alert rules: what a webhook is warned of.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Number as JsonNumber;
use utoipa::ToSchema;

use super::webhooks::asker;
use crate::domain::alert::{AlertOp, Quantity};
use crate::domain::decimal::Decimal;
use crate::domain::fault::{Code, Fault};
use crate::domain::id::Id;
use crate::domain::numbers::Shortest;
use crate::http::auth::Caller;
use crate::http::json_body::{JsonBody, RequestBody};
use crate::http::page::Page;
use crate::http::param_types::{OptionalNumber, PageQuery, TextSegment, whole_number};
use crate::http::params::{Input, Nothing, parameters};
use crate::http::problem::{Kind, Problem};
use crate::http::problem_responses::{AlertNotFound, InvalidBody, TooManyWebhooks, WrongParameter};
use crate::http::state::{App, AppState};
use crate::http::terms::{AlertOpTerm, Term};
use crate::storage::alert::{AlertRow, NewAlert};
use crate::webhooks::alert_rules;
use crate::webhooks::subscription::{self, Asker};

/// A rule: a quantity of one shop, of the shops of a category, or of all, and the value that it should not cross.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AlertBody {
    /// The webhook that is warned. It must be told of `metric.alert`.
    pub webhook_id: String,
    pub shop_id: Option<String>,
    pub category_id: Option<String>,
    /// Warns of all shops that the webhook is told of.
    pub all: Option<bool>,
    /// The id of a metric: its published value.
    pub metric: Option<String>,
    /// `score`, or `projected_score`: the one of the next date as things stand, looked at every 15 minutes.
    pub score: Option<String>,
    #[schema(value_type = AlertOpTerm)]
    pub op: String,
    /// With at most six decimals. A rate is a fraction of 1.
    #[schema(value_type = f64)]
    pub value: JsonNumber,
}

impl RequestBody for AlertBody {}

impl AlertBody {
    /// The rule to be stored, or all that is wrong. The webhook is looked up by the caller.
    fn check(&self, asker: &Asker) -> Result<NewAlert, Vec<Fault>> {
        let mut faults = Vec::new();
        let mut fault = |pointer: &str, code, detail: &str| faults.push(Fault::new(pointer, code, detail.to_owned()));
        let mut id = |pointer: &str, text: &Option<String>| {
            let parsed = text.as_deref().map(Id::parse).transpose();
            parsed.unwrap_or_else(|invalid| {
                fault(pointer, Code::InvalidId, &invalid.to_string());
                None
            })
        };
        let (shop_id, category_id) = (id("/shop_id", &self.shop_id), id("/category_id", &self.category_id));
        let named =
            [self.shop_id.is_some(), self.category_id.is_some(), self.all == Some(true)].into_iter().filter(|is| *is);
        match named.count() {
            0 => fault("/shop_id", Code::MissingField, "name shop_id, category_id, or set all to true"),
            1 => {}
            _ => fault("/shop_id", Code::Contradiction, "give one of shop_id, category_id and all"),
        }
        if let Some(shops) = &asker.shops
            && shop_id.as_ref().is_some_and(|id| !shops.contains(id))
        {
            fault("/shop_id", Code::InvalidValue, "this key is not for this shop");
        }
        let quantity = match (&self.metric, &self.score) {
            (Some(metric), None) => Quantity::parse(metric).filter(|one| matches!(one, Quantity::Metric(_))),
            (None, Some(score)) => Quantity::parse(score).filter(|one| !matches!(one, Quantity::Metric(_))),
            (None, None) => {
                fault("/score", Code::MissingField, "metric or score is required");
                None
            }
            (Some(_), Some(_)) => {
                fault("/score", Code::Contradiction, "give either metric or score");
                None
            }
        };
        match (quantity, &self.metric, &self.score) {
            (None, Some(_), None) => {
                fault(
                    "/metric",
                    Code::InvalidValue,
                    "metric must be the id of a metric, as GET /v1/rule-sets shows them",
                );
            }
            (None, None, Some(_)) => fault("/score", Code::InvalidValue, "score must be score or projected_score"),
            _ => {}
        }
        let op = AlertOp::parse(&self.op);
        if op.is_none() {
            fault("/op", Code::InvalidValue, "op must be below or above");
        }
        let value: Option<Decimal> = self.value.to_string().parse().ok();
        if value.is_none() {
            fault("/value", Code::InvalidValue, "value must be a number with at most 6 decimals, such as 4.6");
        }
        match (quantity, op, value, whole_number(&self.webhook_id)) {
            (Some(quantity), Some(op), Some(value), Some(webhook_id)) if faults.is_empty() => {
                Ok(NewAlert { webhook_id, shop_id, category_id, quantity, op, value })
            }
            (.., None) => {
                faults.push(unknown_webhook());
                Err(faults)
            }
            _ => Err(faults),
        }
    }
}

fn unknown_webhook() -> Fault {
    let detail = "webhook_id must be the id of a webhook that is told of metric.alert; see GET /v1/webhooks";
    Fault::new("/webhook_id", Code::InvalidValue, detail)
}

/// A rule.
#[derive(Serialize, ToSchema)]
#[schema(as = Alert)]
pub(crate) struct WireAlert {
    pub alert_id: String,
    pub webhook_id: String,
    /// Null where the rule is about a category, or about all shops.
    #[schema(required)]
    pub shop_id: Option<String>,
    #[schema(required)]
    pub category_id: Option<String>,
    pub all: bool,
    /// The id of a metric, or null.
    #[schema(required)]
    pub metric: Option<String>,
    /// `score`, `projected_score`, or null.
    #[schema(required)]
    pub score: Option<String>,
    pub op: AlertOpTerm,
    #[schema(value_type = f64)]
    pub value: Shortest,
    pub created_at: DateTime<Utc>,
    /// The key with which it was made; null where no keys are asked for.
    #[schema(required)]
    pub created_by_key_id: Option<String>,
}

impl From<AlertRow> for WireAlert {
    fn from(row: AlertRow) -> WireAlert {
        let value = Shortest(row.value());
        let is_metric = !matches!(row.quantity(), Some(Quantity::Score | Quantity::ProjectedScore));
        let (metric, score) = if is_metric { (Some(row.quantity), None) } else { (None, Some(row.quantity)) };
        WireAlert {
            alert_id: row.alert_id.to_string(),
            webhook_id: row.webhook_id.to_string(),
            all: row.shop_id.is_none() && row.category_id.is_none(),
            shop_id: row.shop_id,
            category_id: row.category_id,
            metric,
            score,
            op: Term(row.op),
            value,
            created_at: row.created_at,
            created_by_key_id: row.created_by_key_id.map(|id| id.to_string()),
        }
    }
}

/// Makes a rule. Its webhook is warned once when a value crosses it, and again only after it was crossed back.
#[utoipa::path(
    post,
    path = "/v1/alerts",
    tag = "webhooks",
    request_body = AlertBody,
    responses((status = 201, description = "Made.", body = WireAlert), TooManyWebhooks, InvalidBody)
)]
pub(crate) async fn post_alert(
    State(state): State<AppState>,
    caller: Caller,
    _: Input<Nothing>,
    JsonBody(body, _room): JsonBody<AlertBody>,
) -> Result<Response, Problem> {
    let asker = asker(&caller, &state);
    let new = body.check(&asker).map_err(Problem::invalid_body)?;
    let mut connection = state.source.connection().await?;
    let webhook = subscription::find(&mut connection, new.webhook_id, &asker).await?;
    if !webhook.is_some_and(|webhook| subscription::is_warned(&webhook)) {
        return Err(Problem::invalid_body(vec![unknown_webhook()]));
    }
    if let Some(most) = alert_rules::lacks_room(&mut connection, new.webhook_id).await? {
        let detail = format!("the webhook has {most} alert rules already; delete one first");
        return Err(Problem::new(Kind::TooManyWebhooks, detail));
    }
    let row = alert_rules::create(&mut connection, &new, &asker).await?;
    let located = [(header::LOCATION, format!("/v1/alerts/{}", row.alert_id))];
    Ok((StatusCode::CREATED, located, Json(WireAlert::from(row))).into_response())
}

parameters! {
    /// Which rules are listed.
    pub(crate) struct AlertsQuery {
        /// Only those of this webhook.
        webhook_id: OptionalNumber,
        page: PageQuery,
    }
}

/// Lists rules, newest first.
#[utoipa::path(
    get,
    path = "/v1/alerts",
    tag = "webhooks",
    params(AlertsQuery),
    responses((status = 200, description = "A page, newest first.", body = Page<WireAlert>), WrongParameter)
)]
pub(crate) async fn list_alerts(
    State(state): State<AppState>,
    caller: Caller,
    Input(query): Input<AlertsQuery>,
) -> Result<Json<Page<WireAlert>>, Problem> {
    let (limit, before) = (query.page.limit.0, query.page.cursor.after);
    let asker = asker(&caller, &state);
    let mut connection = state.source.connection().await?;
    let rows = alert_rules::list(&mut connection, &asker, query.webhook_id.0, before, limit as i64 + 1).await?;
    Ok(Json(Page::of(rows, limit, &query.page.cursor.signer, |row| row.alert_id)))
}

parameters! {
    /// Which rule is meant.
    pub(crate) struct AlertPath {
        alert_id: TextSegment,
    }
}

/// The rule of a path, if it is there for the caller.
async fn found(state: &App, asker: &Asker, path: &AlertPath) -> Result<AlertRow, Problem> {
    let not_found = || Problem::no_such(Kind::AlertNotFound, "alert rule", &path.alert_id.0);
    let number = whole_number(&path.alert_id.0).ok_or_else(not_found)?;
    let mut connection = state.source.connection().await?;
    alert_rules::find_rule(&mut connection, number, asker).await?.ok_or_else(not_found)
}

/// One rule.
#[utoipa::path(
    get,
    path = "/v1/alerts/{alert_id}",
    tag = "webhooks",
    params(AlertPath),
    responses((status = 200, description = "The rule.", body = WireAlert), AlertNotFound)
)]
pub(crate) async fn get_alert(
    State(state): State<AppState>,
    caller: Caller,
    Input(path): Input<AlertPath>,
) -> Result<Json<WireAlert>, Problem> {
    Ok(Json(found(&state, &asker(&caller, &state), &path).await?.into()))
}

/// Removes a rule.
#[utoipa::path(
    delete,
    path = "/v1/alerts/{alert_id}",
    tag = "webhooks",
    params(AlertPath),
    responses((status = 200, description = "The rule as it was.", body = WireAlert), AlertNotFound)
)]
pub(crate) async fn delete_alert(
    State(state): State<AppState>,
    caller: Caller,
    Input(path): Input<AlertPath>,
) -> Result<Json<WireAlert>, Problem> {
    let asker = asker(&caller, &state);
    let row = found(&state, &asker, &path).await?;
    let mut connection = state.source.connection().await?;
    alert_rules::delete(&mut connection, &row, &asker).await?;
    Ok(Json(row.into()))
}
