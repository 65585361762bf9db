//! Cards computed again from the answers alone: metrics, score, and the rule set in the version that they name.

use std::sync::Arc;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use shopscore::domain::rules::file;

use crate::support::answers::{metrics, send};
use crate::support::stream::random_stream;
use crate::support::{Choices, TestService, date, seeds};

const DRAFT: &str = include_str!("../rules/draft-30.toml");

/// An exact fraction with a positive denominator.
#[derive(Clone, Copy)]
struct Fraction(i128, i128);

impl Fraction {
    fn of(numerator: i128, denominator: i128) -> Fraction {
        let (mut a, mut b) = (numerator.abs(), denominator.abs());
        while b != 0 {
            (a, b) = (b, a % b);
        }
        let divisor = a.max(1) * denominator.signum();
        Fraction(numerator / divisor, denominator / divisor)
    }

    /// What a JSON number says, to the last digit.
    fn read(number: &Value) -> Fraction {
        let text = number.to_string();
        let (whole, decimals) = text.split_once('.').unwrap_or((&text, ""));
        let digits: i128 = format!("{whole}{decimals}").parse().expect("a decimal number");
        Fraction::of(digits, 10_i128.pow(decimals.len() as u32))
    }

    fn plus(self, other: Fraction) -> Fraction {
        Fraction::of(self.0 * other.1 + other.0 * self.1, self.1 * other.1)
    }

    fn minus(self, other: Fraction) -> Fraction {
        self.plus(Fraction(-other.0, other.1))
    }

    fn times(self, other: Fraction) -> Fraction {
        Fraction::of(self.0 * other.0, self.1 * other.1)
    }

    fn over(self, other: Fraction) -> Fraction {
        Fraction::of(self.0 * other.1, self.1 * other.0)
    }

    fn is_at_most(self, other: Fraction) -> bool {
        self.0 * other.1 <= other.0 * self.1
    }

    /// Half up.
    fn rounded(self, places: u32) -> Fraction {
        let unit = 10_i128.pow(places);
        Fraction::of((2 * self.0 * unit + self.1).div_euclid(2 * self.1), unit)
    }

    fn shown(self, places: u32) -> String {
        let unit = 10_i128.pow(places);
        let units = self.0 * unit / self.1;
        if places == 0 {
            return units.to_string();
        }
        format!("{}.{:0width$}", units / unit, units % unit, width = places as usize)
    }
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn named<'a>(list: &'a Value, id: &Value) -> Option<&'a Value> {
    items(list).find(|item| item["id"] == *id)
}

/// Points between the knots of a curve, flat beyond its ends.
fn on_curve(knots: &Value, x: Fraction) -> Fraction {
    let knots: Vec<(Fraction, Fraction)> =
        items(knots).map(|knot| (Fraction::read(&knot[0]), Fraction::read(&knot[1]))).collect();
    let last = knots[knots.len() - 1];
    if x.is_at_most(knots[0].0) {
        return knots[0].1;
    }
    let pair = knots.windows(2).find(|pair| x.is_at_most(pair[1].0));
    pair.map_or(last.1, |pair| {
        let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
        y0.plus(y1.minus(y0).times(x.minus(x0)).over(x1.minus(x0)))
    })
}

/// The points of a metric's value by the rules of its category.
fn points(metric: &Value, assessment: &Value) -> Fraction {
    let value = Fraction::of(
        metric["numerator"].as_i64().unwrap_or(0).into(),
        metric["denominator"].as_i64().unwrap_or(1).into(),
    );
    if let Some(peers) = metric["peers"].as_i64() {
        let better = metric["better_peers"].as_i64().expect("better peers");
        let standing = Fraction::of((peers - 1 - better).into(), (peers - 1).into());
        assert_eq!(metric["standing"].to_string(), standing.rounded(6).shown(6), "{metric}");
        return on_curve(&assessment["standing_curve"], standing);
    }
    if assessment["assessment"] != "steps" {
        return on_curve(&assessment["curve"], value);
    }
    let meets = |bound: Fraction| match metric["better"].as_str() {
        Some("lower") => value.is_at_most(bound),
        _ => bound.is_at_most(value),
    };
    let step = items(&assessment["curve"]).find(|step| meets(Fraction::read(&step[0])));
    step.map_or_else(|| Fraction::read(&assessment["otherwise"]), |step| Fraction::read(&step[1]))
}

fn mean(weighted: &[(Fraction, Fraction)]) -> Option<Fraction> {
    let sum = weighted.iter().fold(Fraction(0, 1), |sum, (weight, value)| sum.plus(weight.times(*value)));
    let weights = weighted.iter().fold(Fraction(0, 1), |sum, (weight, _)| sum.plus(*weight));
    (!weighted.is_empty()).then(|| sum.over(weights))
}

/// Fails unless the published card follows from the answers. Returns whether it has a score.
async fn check(service: &TestService, kind: &str, id: &str, rule_set: &str) -> bool {
    let read = async |route: &str| service.read(&format!("/v1/{kind}/{id}/{route}?rule_set={rule_set}")).await;
    let (score, metered) = (read("score").await, read("metrics").await);
    assert_eq!(score["rule_set_version"], metered["rule_set_version"]);
    assert_eq!(score["signed_orders"], metered["signed_orders"]);
    let version = metered["rule_set_version"].as_str().expect("a version");
    let rules = service.read(&format!("/v1/rule-sets/{rule_set}?version={version}")).await;
    let category = items(&rules["categories"]).find(|rule| rule["category_id"] == metered["category_id"]);
    let special = |list: &str, id: &Value, field: &str| {
        category
            .and_then(|category| named(&category[list], id))
            .map(|rule| rule[field].clone())
            .filter(|rule| !rule.is_null())
    };
    let (volume, minimums) = (&metered["volume"], &rules["minimums"]);
    assert_eq!((&volume["measure"], &volume["minimum"]), (&minimums["volume"], &minimums["count"]));
    if minimums["volume"] == "signed_orders" {
        assert_eq!(volume["count"], metered["signed_orders"]);
    }
    let enough = volume["count"].as_i64() >= volume["minimum"].as_i64();
    let mut dimensions = Vec::new();
    for dimension in items(&rules["dimensions"]) {
        let mut weighted = Vec::new();
        for metric in metrics(&metered).iter().filter(|metric| metric["dimension"] == dimension["id"]) {
            let rule = named(&rules["metrics"], &metric["id"]).expect("the metric's rule");
            assert!(enough || metric["assessed"] == json!(false), "{metric}");
            if metric["assessed"] == json!(true) {
                let assessment = special("metrics", &metric["id"], "assessment").unwrap_or_else(|| rule.clone());
                let points = points(metric, &assessment).rounded(4);
                assert_eq!(metric["points"].to_string(), points.shown(4), "{rule_set} {id}: {metric}");
                let weight = special("metrics", &metric["id"], "weight").unwrap_or_else(|| rule["weight"].clone());
                weighted.push((Fraction::read(&weight), points));
            }
        }
        let mean = mean(&weighted).map(|mean| mean.rounded(4));
        let published = &named(&score["dimensions"], &dimension["id"]).expect("the dimension")["score"];
        assert_eq!(published.to_string(), mean.map_or("null".to_owned(), |mean| mean.shown(4)), "{rule_set} {id}");
        let weight = special("dimensions", &dimension["id"], "relative_weight");
        let weight = weight.unwrap_or_else(|| dimension["relative_weight"].clone());
        dimensions.extend(mean.map(|mean| (Fraction::read(&weight), mean)));
    }
    let growth = Some(&minimums["score_below"]).filter(|below| !enough && !below.is_null());
    let mean = growth.map(Fraction::read).or_else(|| mean(&dimensions));
    let places = rules["score_places"].as_u64().expect("places") as u32;
    let finished = mean.map(|mean| bound(mean.plus(adjusted_by(&score, &rules)), &rules["scale"]).rounded(places));
    let shown = finished.map_or("null".to_owned(), |score| score.shown(places));
    assert_eq!(score["score"].to_string(), shown, "{rule_set} {id}");
    let status = match (finished, growth) {
        (None, _) => "insufficient_volume",
        (Some(_), Some(_)) => "growth",
        (Some(_), None) => "scored",
    };
    assert_eq!((&score["status"], &metered["status"]), (&json!(status), &json!(status)), "{rule_set} {id}");
    finished.is_some()
}

/// What a card's adjustments come to by the rules: each code up to its cap.
fn adjusted_by(score: &Value, rules: &Value) -> Fraction {
    items(&score["adjustments"]).fold(Fraction(0, 1), |sum, counted| {
        let rule = items(&rules["adjustments"]).find(|rule| rule["code"] == counted["code"]).expect("the code's rule");
        let (points, count) = (Fraction::read(&rule["points"]), counted["count"].as_i64().expect("a count"));
        let mut added = points.times(Fraction(count.into(), 1));
        if !rule["cap"].is_null() {
            let cap = Fraction::read(&rule["cap"]);
            let is_beyond = if points.0 < 0 { added.is_at_most(cap) } else { cap.is_at_most(added) };
            added = if is_beyond { cap } else { added };
        }
        assert_eq!(Fraction::read(&counted["points"]).shown(6), added.shown(6), "{counted}");
        sum.plus(added)
    })
}

fn bound(score: Fraction, scale: &Value) -> Fraction {
    let (least, most) = (Fraction::read(&scale["min"]), Fraction::read(&scale["max"]));
    match score {
        score if score.is_at_most(least) => least,
        score if most.is_at_most(score) => most,
        score => score,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_card_follows_from_the_answers_alone_under_rule_sets_unlike_the_shipped_ones_too() {
    let odd = |source: &str, id: &str| {
        let edited = source
            .replace("id = \"shop-v2\"", &format!("id = \"{id}\""))
            .replace("default = true", "default = false")
            .replace("signed_orders = 30", "signed_orders = 8")
            .replace("metric_count = 5", "metric_count = 2")
            .replace("peers = 10", "peers = 3")
            .replace("weight = 0.425", "weight = 0.3333")
            .replace("weight = 0.375", "weight = 7")
            .replace("bad_stars_max = 2", "bad_stars_max = 3")
            .replace("days_ago = [90, 1]", "days_ago = [60, 3]");
        let special = "\n[[category]]\nid = \"food\"\n[[category.dimension]]\nid = \"logistics\"\nweight = 1.23456\n\
            [[category.metric]]\nid = \"complaint_rate\"\nweight = 0.7\ncurve = [[0, 5.0], [0.3, 3.0]]\n\
            [[category.metric]]\nid = \"delivery_duration\"\nsteps = { bounds = [[30, 5.0], [40, 4.125]], otherwise = 3.0625 }\n\
            [[category.metric]]\nid = \"negative_feedback_rate\"\nreference = [[0, 5.0], [0.5, 3.3]]\n";
        Arc::new(file::parse(&(edited + special)).expect("a valid rule set"))
    };
    for seed in seeds(1) {
        let stream = random_stream(&mut ChaCha8Rng::seed_from_u64(seed));
        let mut choices = Choices::default();
        let v2 = choices.rules.get("shop-v2").expect("shop-v2").source.clone();
        choices.rules.rule_sets.push(odd(&v2, "shop-odd"));
        choices.rules.rule_sets.push(Arc::new(file::parse(DRAFT).expect("a valid rule set")));
        let douyin = choices.rules.get("douyin-2026-09").expect("the estimate").source.clone();
        let few = douyin
            .replace("id = \"douyin-2026-09\"", "id = \"douyin-few\"")
            .replace("metric_count = 5", "metric_count = 1")
            .replace("peers = 10", "peers = 3")
            .replace("\ncount = 30", "\ncount = 8")
            .replace("score_places = 0", "score_places = 1");
        choices.rules.rule_sets.push(Arc::new(file::parse(&few).expect("a valid rule set")));
        let service = TestService::start_with(choices).await;
        service.register(&stream.shops, &stream.creators).await;
        send(&service, &stream.events).await;
        let codes = ["next_day_delivery", "freight_insurance", "invoice_refused", "fake_trade"];
        for (index, shop) in stream.shops.iter().enumerate() {
            for code in codes.iter().cycle().take(index) {
                let adjustment =
                    json!({"shop_id": shop, "code": code, "from": "2026-11-01", "reason": "r", "decided_by": "d"});
                assert_eq!(service.post("/v1/adjustments", &adjustment).await.0, 201);
            }
        }
        service.run(date("2026-11-20")).await;
        let mut scores = 0;
        for shop in &stream.shops {
            for rule_set in ["shop-v1", "shop-v2", "shop-odd", "draft-30", "douyin-2026-09", "douyin-few"] {
                scores += usize::from(check(&service, "shops", shop, rule_set).await);
            }
        }
        for creator in &stream.creators {
            scores += usize::from(check(&service, "creators", creator, "creator-v1").await);
        }
        assert!(scores > 15, "seed {seed}: only {scores} scores");
        service.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_sets_are_sent_once() {
    let service = TestService::start().await;
    for path in ["/v1/rule-sets", "/v1/rule-sets/shop-v2"] {
        let first = service.client.get(service.url(path)).send().await.expect("an answer");
        let etag = first.headers()["etag"].clone();
        let again =
            service.client.get(service.url(path)).header("if-none-match", etag).send().await.expect("an answer");
        assert_eq!((first.status().as_u16(), again.status().as_u16()), (200, 304), "{path}");
    }
    service.stop().await;
}
