//! Answers of Doudian's API, as they are: of an order, of an after-sale case, and of a parcel's route. What they say becomes events
//! whose ids are made from what they say, so that the same answer again says nothing new.

use std::collections::HashMap;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::made;
use crate::connect::connector::Connector;
use crate::connect::making::{Making, answered};
use crate::connect::members::{Members, word};
use crate::connect::message::{MadeEvent, Meaning, Message, Unread, split};
use crate::domain::event_type::EventType;

/// What an answer is about, and the path of its API, which stands for its tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum About {
    Order,
    Case,
    Route,
}

impl About {
    fn tag(self) -> &'static str {
        match self {
            About::Order => "order/orderDetail",
            About::Case => "afterSale/Detail",
            About::Route => "logistics/trackNoRouteDetail",
        }
    }

    fn of(data: &Map<String, Value>) -> Option<About> {
        let has = |name: &str| data.contains_key(name);
        match () {
            () if has("shop_order_detail") => Some(About::Order),
            () if has("process_info") => Some(About::Case),
            () if has("track_info") => Some(About::Route),
            () => None,
        }
    }
}

/// The shop and the sub-orders of each parcel.
type Parcels = HashMap<String, (String, Vec<String>)>;

/// Reads all answers of a body. `shop_id` is the platform's id of the shop, for answers that do not name theirs.
pub(super) fn read(connector: &Connector, body: &[u8], shop_id: Option<&str>, now: DateTime<Utc>) -> Vec<Message> {
    let texts = match split(body) {
        Ok(texts) => texts,
        Err(message) => return vec![*message],
    };
    let answers: Vec<(&RawValue, Option<Map<String, Value>>)> =
        texts.into_iter().map(|text| (text, answered(text.get()))).collect();
    let parcels: Parcels = answers.iter().filter_map(|(_, data)| parcels_of(data.as_ref()?, now)).flatten().collect();
    let shop_id = shop_id.map(|theirs| connector.shop(theirs));
    let read_one = |(text, data): (&RawValue, Option<Map<String, Value>>)| {
        let about = data.as_ref().and_then(About::of);
        let unknown = || Unread::new("malformed_message", "no answer of an API that is known; it may tell a failure");
        let meaning = match (about, &data) {
            (Some(About::Order), Some(data)) => of_order(connector, data, now),
            (Some(About::Case), Some(data)) => of_case(connector, data, shop_id.as_deref(), now),
            (Some(About::Route), Some(data)) => of_route(connector, data, &parcels, now),
            _ => Err(unknown()),
        };
        Message {
            tag: about.map_or_else(String::new, |about| about.tag().to_owned()),
            is_known: about.is_some(),
            id: None,
            text: text.get().to_owned(),
            parts: Vec::new(),
            tells_state: false,
            meaning: meaning.map_or_else(Meaning::Unread, Meaning::Events),
        }
    };
    answers.into_iter().map(read_one).collect()
}

fn objects<'a>(data: &'a Map<String, Value>, name: &str) -> impl Iterator<Item = &'a Map<String, Value>> {
    data.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object)
}

fn of_order(connector: &Connector, data: &Map<String, Value>, now: DateTime<Utc>) -> Result<Vec<MadeEvent>, Unread> {
    let missing = || Unread::new("missing_member", "shop_order_detail is no object");
    let detail = data.get("shop_order_detail").and_then(Value::as_object).ok_or_else(missing)?;
    let whole = Members::answered(detail, now);
    let mut making = Making::new("dd", connector.shop(&whole.id("shop_id")?));
    for part in objects(detail, "sku_order_list") {
        let part = Members::answered(part, now);
        let order_id = part.id("order_id")?;
        let plain = || json!({"order_id": order_id});
        let paid = part.moment("pay_time")?;
        making.add(EventType::OrderPaid, paid, plain());
        making.add(EventType::OrderDescribed, paid, described(&part, &order_id));
        making.add(EventType::OrderShipped, part.moment("ship_time")?, plain());
        making.add(EventType::OrderSigned, part.moment("logistics_receipt_time")?, plain());
        making.add(EventType::OrderConfirmed, part.moment("finish_time")?, plain());
        if let (Some(paid), Some(latest)) = (paid, whole.moment("latest_receipt_time")?) {
            let deliver_by = latest.to_rfc3339_opts(SecondsFormat::Secs, true);
            making.add(EventType::OrderPromised, Some(paid), json!({"order_id": order_id, "deliver_by": deliver_by}));
        }
    }
    Ok(making.events)
}

/// What the message of the payment does not say.
fn described(part: &Members<'_>, order_id: &str) -> Value {
    let is_virtual = part.number("goods_type") == Some(1) || matches!(part.number("order_type"), Some(2 | 4 | 5));
    let mut data = json!({
        "order_id": order_id,
        "kind": if is_virtual { "virtual" } else { "physical" },
        "presale": matches!(part.number("pre_sale_type"), Some(1 | 2)),
    });
    if let Ok(product_id) = part.id("product_id_str").or_else(|_| part.id("product_id")) {
        data["product_id"] = json!(product_id);
    }
    if let Ok(author_id) = part.id("author_id") {
        data["creator_id"] = json!(author_id);
    }
    data
}

fn of_case(
    connector: &Connector,
    data: &Map<String, Value>,
    shop_id: Option<&str>,
    now: DateTime<Utc>,
) -> Result<Vec<MadeEvent>, Unread> {
    let missing = |what: &str| Unread::new("missing_member", format!("{what} is missing"));
    let process = data.get("process_info").and_then(Value::as_object).ok_or_else(|| missing("process_info"))?;
    let info = process.get("after_sale_info").and_then(Value::as_object).ok_or_else(|| missing("after_sale_info"))?;
    let no_shop = || {
        Unread::new("missing_member", "the answer names no shop; send it with ?shop_id=, the platform's id of the shop")
    };
    let mut making = Making::new("dd", shop_id.ok_or_else(no_shop)?.to_owned());
    let case = Members::answered(info, now);
    let case_id = case.id("after_sale_id")?;
    let arbitration = process.get("arbitrate_info").and_then(Value::as_object);
    let orders = data.get("order_info").and_then(Value::as_object).ok_or_else(|| missing("order_info"))?;
    for order in objects(orders, "sku_order_infos") {
        let order_id = Members::answered(order, now).id("sku_order_id")?;
        let with = |extra: Value| {
            let mut data = json!({"order_id": order_id, "aftersale_id": case_id});
            if let (Some(data), Value::Object(extra)) = (data.as_object_mut(), extra) {
                data.extend(extra);
            }
            data
        };
        let kind = made::kind(&case, "after_sale_type")?.as_str();
        let reason = made::reason(connector, &case).as_str();
        making.add(
            EventType::AftersaleOpened,
            case.moment("apply_time")?,
            with(json!({"kind": kind, "reason": reason})),
        );
        // Successful, with the money back.
        if case.number("after_sale_status") == Some(12) && case.number("refund_status") == Some(3) {
            making.add(
                EventType::AftersaleCompleted,
                case.moment("update_time")?,
                with(json!({"outcome": "refunded"})),
            );
        }
        if let Some(arbitration) = arbitration {
            let ruling = Members::answered(arbitration, now);
            making.add(EventType::ArbitrationOpened, ruling.moment("arbitrate_create_time")?, with(json!({})));
            if let Ok(liable) = made::liable(&ruling) {
                let decided = ruling.moment("arbitrate_update_time")?;
                making.add(EventType::ArbitrationDecided, decided, with(json!({"liable": liable})));
            }
        }
    }
    Ok(making.events)
}

/// The parcels that the answer about an order names.
fn parcels_of(data: &Map<String, Value>, now: DateTime<Utc>) -> Option<Parcels> {
    let detail = data.get("shop_order_detail")?.as_object()?;
    let shop_id = Members::answered(detail, now).id("shop_id").ok()?;
    let parcel = |parcel: &Map<String, Value>| {
        let orders = objects(parcel, "product_info").filter_map(|product| word(product.get("sku_order_id")?));
        Some((word(parcel.get("tracking_no")?)?, (shop_id.clone(), orders.collect())))
    };
    Some(objects(detail, "logistics_info").filter_map(parcel).collect())
}

fn of_route(
    connector: &Connector,
    data: &Map<String, Value>,
    parcels: &Parcels,
    now: DateTime<Utc>,
) -> Result<Vec<MadeEvent>, Unread> {
    let track = data.get("track_info").and_then(Value::as_object);
    let missing = || Unread::new("missing_member", "track_info is no object");
    let number = Members::answered(track.ok_or_else(missing)?, now).id("track_no")?;
    let unknown = || {
        let detail =
            format!("the orders in the parcel {number} are not known; send the order's detail in the same request");
        Unread::new("unknown_parcel", detail)
    };
    let (shop_id, orders) = parcels.get(&number).ok_or_else(unknown)?;
    let first = |is_meant: fn(&str) -> bool| {
        let nodes = ["route__node_list", "route_node_list"].into_iter().flat_map(|name| objects(data, name));
        let told = |node: &Map<String, Value>| {
            let text = |name: &str| node.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            is_meant(&format!("{} {}", text("state_description"), text("state")))
        };
        let times: Result<Vec<Option<DateTime<Utc>>>, Unread> =
            nodes.filter(|node| told(node)).map(|node| Members::answered(node, now).moment("timestamp")).collect();
        times.map(|times| times.into_iter().flatten().min())
    };
    let picked_up = first(|told| told.contains("揽收") && !told.contains("待揽"))?;
    let signed = first(|told| told.contains("签收") && !["未签收", "拒", "退"].iter().any(|not| told.contains(not)))?;
    let mut making = Making::new("dd", connector.shop(shop_id));
    for order_id in orders {
        making.add(EventType::OrderPickedUp, picked_up, json!({"order_id": order_id}));
        making.add(EventType::OrderSigned, signed, json!({"order_id": order_id}));
    }
    Ok(making.events)
}
