//! Rule sets are data: one that shares nothing with the shipped ones gives the cards that a hand computes.

use std::sync::Arc;

use serde_json::{Value, json};
use shopscore::domain::rules::file;
use shopscore::scoring::rule_sets;

use crate::support::{Choices, TestService};

const DRAFT: &str = include_str!("../rules/draft-30.toml");

/// Ten orders of a shop, signed after 40 hours on the road: one review of 1 star, one of 2, one quality return. One
/// more order with a review of 1 star was signed the day before the window.
fn events(shop: &str) -> Vec<String> {
    let mut events = Vec::new();
    let mut send = |event_type: &str, time: &str, data: Value| {
        let id = format!("e{}", events.len());
        events.push(json!({"id": id, "type": event_type, "shop_id": shop, "time": time, "data": data}).to_string());
    };
    for order in 0..10 {
        let of_order = json!({"order_id": format!("o{order}")});
        send("order.paid", "2026-11-01T08:00:00+08:00", json!({"order_id": format!("o{order}"), "product_id": "p"}));
        send("order.picked_up", "2026-11-01T10:00:00+08:00", of_order.clone());
        send("order.signed", "2026-11-03T02:00:00+08:00", of_order);
    }
    for (order, stars, time) in [(0, 1, "2026-11-05T08:00:00+08:00"), (1, 2, "2026-11-05T08:00:00+08:00")] {
        let data = json!({"order_id": format!("o{order}"), "review_id": "r", "product_stars": stars});
        send("review.posted", time, data);
    }
    let case = |extra: Value| {
        let mut data = json!({"order_id": "o2", "aftersale_id": "a"});
        data.as_object_mut().expect("object").extend(extra.as_object().expect("object").clone());
        data
    };
    let opened = case(json!({"kind": "return_refund", "reason": "quality"}));
    send("aftersale.opened", "2026-11-06T08:00:00+08:00", opened);
    send("aftersale.completed", "2026-11-07T08:00:00+08:00", case(json!({"outcome": "refunded"})));
    send("order.paid", "2026-10-10T08:00:00+08:00", json!({"order_id": "old", "product_id": "p"}));
    send("order.signed", "2026-10-20T23:59:59+08:00", json!({"order_id": "old"}));
    send(
        "review.posted",
        "2026-11-05T08:00:00+08:00",
        json!({"order_id": "old", "review_id": "r", "product_stars": 1}),
    );
    events
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_set_of_30_days_100_points_steps_and_categories_gives_the_cards_computed_by_hand() {
    let mut choices = Choices::default();
    choices.rules.rule_sets.push(Arc::new(file::parse(DRAFT).expect("a valid rule set")));
    let service = TestService::start_with(choices).await;
    service.send(&[events("plain"), events("grocer")].concat()).await;
    service.register_in(&["grocer".to_owned()], "food").await;
    service.run("2026-11-20".parse().expect("date")).await;

    // Plain: 1/10 bad reviews meet 0.20 → 60; 1/10 returns → 100 - 0.1/0.5 × 100 = 80; (2×60 + 80)/3 = 66.6667.
    // 40 h meet 48 h → 70. No complaint → 100. (3×66.6667 + 70 + 2×100)/6 = 78.33335.
    let plain = service.read("/v1/shops/plain/score?rule_set=draft-30").await.to_string();
    assert!(plain.contains(r#""score":78.33,"#), "{plain}");
    assert!(plain.contains(r#""score":66.6667"#) && plain.contains(r#""score":70.0000"#), "{plain}");
    let plain: Value = serde_json::from_str(&plain).expect("JSON");
    assert_eq!(plain["tier"]["level"], json!(1));
    assert_eq!(plain["tier"]["next_up"].to_string(), r#"{"at_least":85,"gap":6.67}"#);
    assert_eq!(plain["tier"]["next_down"], Value::Null);

    // Food: 1/10 meets 0.10 → 90; (90 + 80)/2 = 85; (1×85 + 1×70 + 3×100)/5 = 91.
    let grocer = service.read("/v1/shops/grocer/score?rule_set=draft-30").await;
    assert_eq!(grocer["score"].to_string(), "91.00");
    assert_eq!(grocer["dimensions"][0]["score"].to_string(), "85.0000");
    assert_eq!(grocer["dimensions"][2]["weight"].to_string(), "0.600000");
    assert_eq!(grocer["tier"]["next_down"].to_string(), r#"{"below":85,"margin":6.00}"#);

    let metrics = service.read("/v1/shops/grocer/metrics?rule_set=draft-30").await;
    let bad = &metrics["metrics"][0];
    assert_eq!((&bad["numerator"], &bad["denominator"]), (&json!(1), &json!(10)));
    assert_eq!(
        (&bad["basis"], &bad["peers"], &bad["points"].to_string()),
        (&json!("reference"), &Value::Null, &"90.0000".to_owned())
    );
    assert_eq!(bad["window"], json!({"name": "last_30", "from": "2026-10-21", "to": "2026-11-19"}));
    assert_eq!(bad["effective_weight"].to_string(), "0.100000");
    service.stop().await;
}

#[test]
fn the_shipped_rule_sets_are_sound_and_name_the_same_windows_as_the_law() {
    let book = rule_sets::load(None).expect("built-in rule sets");
    let ids: Vec<&str> = book.rule_sets.iter().map(|rule_set| rule_set.id.as_str()).collect();
    assert_eq!(ids, ["shop-v1", "shop-v2", "creator-v1", "douyin-2026-09"]);
    for rule_set in &book.rule_sets {
        for rule in &rule_set.metrics {
            let window = (rule.window.window.oldest(), rule.window.window.newest());
            let mature = ["quality_return_rate", "logistics_return_rate", "complaint_rate"].contains(&rule.metric.id());
            let expected = match rule_set.id.as_str() {
                "douyin-2026-09" => (30, 1),
                _ if mature => (104, 15),
                _ => (90, 1),
            };
            assert_eq!(window, expected, "{} {}", rule_set.id, rule.metric.id());
        }
    }
}

#[test]
fn what_is_wrong_with_a_rule_set_is_said_with_its_line() {
    let broken = DRAFT
        .replace("bad_stars_max = 1", "bad_stars_max = 4")
        .replace("id = \"complaint_rate\"", "id = \"complaint_rat\"")
        .replace("[[0.05, 100], [0.20, 60]]", "[[0.20, 100], [0.05, 60]]")
        .replace("peers = 2", "peers = 1");
    let faults = file::parse(&broken).expect_err("four faults");
    let said: Vec<(usize, &str)> = faults.iter().map(|fault| (fault.line, fault.message.as_str())).collect();
    let line_of = |text: &str| broken.lines().position(|line| line.contains(text)).expect(text) + 1;
    assert_eq!(
        said,
        [
            (line_of("bad_stars_max"), "bad_stars_max is 1 to 3"),
            (line_of("peers = 1"), "minimums.peers is at least 2"),
            (line_of("[[0.20, 100]"), "steps of \"bad_review_rate\" go from the best bound to the worst"),
            (line_of("complaint_rat\""), "no metric is named \"complaint_rat\""),
        ]
    );
    let unknown = file::parse(&DRAFT.replace("near_window", "nearest_window")).expect_err("an unknown key");
    assert_eq!(unknown[0].line, line_of("near_window"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_recent_pace_is_that_of_30_days_under_short_windows_too() {
    let mut choices = Choices::default();
    let source = &choices.rules.get("shop-v2").expect("a built-in rule set").source;
    let short = source
        .replace("id = \"shop-v2\"", "id = \"shop-short\"")
        .replace("default = true", "default = false")
        .replace("days_ago = [90, 1]", "days_ago = [7, 1]")
        .replace("days_ago = [104, 15]", "days_ago = [9, 2]");
    choices.rules.rule_sets.push(Arc::new(file::parse(&short).expect("a valid rule set")));
    let service = TestService::start_with(choices).await;
    let of_day = |day: u32| {
        let event = |id: &str, event_type: &str, data: Value| {
            json!({"id": id, "type": event_type, "shop_id": "s-1", "time": format!("2026-11-{day:02}T10:00:00+08:00"),
                   "data": data})
            .to_string()
        };
        let order = format!("o-{day}");
        let paid = event("1", "order.paid", json!({"order_id": order, "product_id": "p"}));
        [paid, event("2", "order.signed", json!({"order_id": order}))]
    };
    service.send(&(1..=15).flat_map(of_day).collect::<Vec<String>>()).await;
    service.run("2026-11-20".parse().expect("date")).await;
    for rule_set in ["shop-v2", "shop-short"] {
        let path = format!("/v1/shops/s-1/score/what-if?rule_set={rule_set}");
        let (status, answer) = service.post(&path, &json!({"target_score": 4.5})).await;
        assert_eq!(status, 200, "{answer}");
        let pace = &answer["target"]["recent_orders_a_day"];
        assert_eq!(pace.to_string(), "0.50", "{rule_set}: 15 orders in 30 days");
    }
    service.stop().await;
}

#[test]
fn what_looks_right_and_is_a_mistake_is_said() {
    let category = |body: &str| format!("{DRAFT}\n[[category]]\nid = \"toys\"\n{body}");
    let v2 = rule_sets::load(None).expect("built-in rule sets").get("shop-v2").expect("shop-v2").source.clone();
    let metric = "[[category.metric]]\nid = \"complaint_rate\"\nweight = 2\n";
    let dimension = "[[category.dimension]]\nid = \"goods\"\nweight = 2\n";
    let named = DRAFT.lines().find_map(|line| line.strip_prefix("id = \"")).expect("an id");
    assert!(!named.is_empty());
    let first_dimension = file::parse(DRAFT).expect("a valid rule set").dimensions[0].id.clone();
    let dimension = dimension.replace("goods", &first_dimension);
    for (source, fault) in [
        (category(&metric.repeat(2)), "is there twice"),
        (category(&dimension.repeat(2)), "is there twice"),
        (v2.replace("[0.80, 5.0], [1, 5.0]", "[0.80, 5.0], [1, 4.0]"), "must not fall"),
        (v2.replace("[0.80, 5.0], [1, 5.0]", "[0.80, 5.0], [1.5, 5.0]"), "a standing is 0 to 1"),
        (v2.replace("below = 4.80", "below = 5.50"), "off the scale"),
    ] {
        let faults = file::parse(&source).expect_err(fault);
        assert!(faults.len() == 1 && faults[0].message.contains(fault), "{faults:?}");
    }
    let faults = file::parse(&v2.replace("days_ago = [90, 1]", "days_ago = [1, 90]")).expect_err("a window");
    assert_eq!(faults.len(), 1, "one window that is not valid is one fault: {faults:?}");
    for (source, warning) in [
        (v2.replace("weight = 0.425", "weight = 0.9"), "sum to 1.475, not 1; they count as product 0.6102"),
        (v2.replace("[[0, 5.0], [0.01, 4.8], [0.02, 4.5]", "[[0, 4.0], [0.01, 4.8], [0.02, 4.5]"), "fewer points"),
    ] {
        let warnings = file::parse(&source).expect("only a warning").warnings;
        assert!(warnings.len() == 1 && warnings[0].message.contains(warning), "{warnings:?}");
    }
    assert!(rule_sets::load(None).expect("built in").rule_sets.iter().all(|rule_set| rule_set.warnings.is_empty()));

    let directory = crate::support::scratch("rules");
    std::fs::create_dir_all(&directory).expect("a directory");
    let file = directory.join("shop-v2.toml");
    for (source, refusal) in [
        (v2.clone(), Some("does not say that it replaces it")),
        (format!("replaces = \"shop-v2\"\n{v2}"), None),
        (format!("replaces = \"shop-v1\"\n{v2}"), Some("of its own id")),
        (v2.replace("kind = \"shop\"", "kind = \"creator\""), Some("which is for shops")),
    ] {
        std::fs::write(&file, source).expect("a file");
        let checked = rule_sets::check_file(&file, None).map(drop).map_err(|error| error.to_string());
        match refusal {
            Some(words) => assert!(checked.expect_err(words).contains(words)),
            None => checked.expect("a valid rule set"),
        }
    }
    std::fs::write(&file, &v2).expect("a file");
    assert!(rule_sets::load(Some(&directory)).is_ok(), "a start only warns");
}
