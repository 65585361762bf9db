use std::sync::Arc;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::{AmongPeers, Assumption, FURTHER_ORDERS_MAX};
use crate::domain::decimal::Decimal;
use crate::domain::metric::{Metric, MetricCount};
use crate::domain::rules::{RuleSet, file};
use crate::domain::score::{Scored, score_all};
use crate::domain::subject_counts::SubjectCounts;

/// A rule set whose curve and steps rise and fall as they like.
fn wild_rules(rng: &mut StdRng) -> RuleSet {
    let mut points = || f64::from(rng.random_range(0..=50)) / 10.0;
    let text = format!(
        r#"
        id = "wild"
        kind = "shop"
        title = {{ en = "Wild", zh = "无常" }}
        scale = {{ min = 0, max = 5 }}
        near_window = "near"
        bad_stars_max = 2
        standing_curve = [[0, 1], [0.5, 4], [1, 5]]
        [minimums]
        signed_orders = 20
        metric_count = 30
        peers = 3
        [windows]
        near = {{ days_ago = [90, 2] }}
        all = {{ days_ago = [90, 1] }}
        mature = {{ days_ago = [104, 15] }}
        [[dimension]]
        id = "product"
        title = {{ en = "Product", zh = "商品" }}
        weight = 3
        [[dimension.metric]]
        id = "bad_review_rate"
        window = "near"
        weight = 2
        steps = {{ bounds = [[0.01, {}], [0.05, {}], [0.1, {}], [0.3, {}]], otherwise = {} }}
        [[dimension.metric]]
        id = "quality_return_rate"
        window = "all"
        weight = 3
        curve = [[0, {}], [0.02, {}], [0.1, {}], [0.4, {}], [1, {}]]
        [[dimension]]
        id = "service"
        title = {{ en = "Service", zh = "服务" }}
        weight = 2
        [[dimension.metric]]
        id = "negative_feedback_rate"
        window = "near"
        weight = 1
        reference = [[0, 5], [1, 0]]
        [[dimension.metric]]
        id = "complaint_rate"
        window = "mature"
        weight = 1
        curve = [[0, 5], [1, 0]]
        "#,
        points(),
        points(),
        points(),
        points(),
        points(),
        points(),
        points(),
        points(),
        points(),
        points(),
    );
    file::parse(&text).expect("sound rules")
}

fn counts(rng: &mut StdRng) -> SubjectCounts {
    let signed_orders = rng.random_range(1..200);
    let mut metric = || MetricCount { numerator: rng.random_range(0..20), volume: rng.random_range(20..200) };
    let metrics = vec![metric(), metric(), metric(), metric()];
    SubjectCounts { category_id: None, signed_orders, volume: signed_orders, adjustments: Vec::new(), metrics }
}

#[test]
fn the_least_number_of_orders_is_found_whichever_way_points_go() {
    const LOOKED_AT: i64 = 1_500;
    let mut rng = StdRng::seed_from_u64(11);
    let (mut reached, mut fell_on_the_way) = (0, 0);
    for turn in 0..300 {
        let rule_set = Arc::new(wild_rules(&mut rng));
        let subjects: Vec<SubjectCounts> = (0..8).map(|_| counts(&mut rng)).collect();
        let (cards, peers) = score_all(&rule_set, &subjects);
        let scored = Scored { rule_set: Arc::clone(&rule_set), card: cards[0].clone() };
        let among = AmongPeers { scored: &scored, peers: &peers, in_tenths: rng.random_bool(0.5) };
        let mut assumption = Assumption::default();
        if rng.random_bool(0.5) {
            let count = MetricCount { numerator: rng.random_range(0..20), volume: rng.random_range(20..100) };
            assumption.set.push((Metric::NegativeFeedbackRate, count));
        }
        let score = |further: i64| among.with_further(&assumption, further).score;
        let target = Decimal::rounded(rng.random_range(100..500), 100, 2);
        let slowly = (0..=LOOKED_AT).find(|further| score(*further).is_some_and(|score| score >= target));
        let found = among.least_orders(&assumption, target);
        let least = found.as_ref().map(|(orders, _)| *orders);
        match least {
            Some(orders) if orders <= LOOKED_AT => {
                assert_eq!(Some(orders), slowly, "turn {turn}: {target}");
                assert_eq!(found.and_then(|(_, card)| card.score), score(orders));
                reached += i32::from(orders > 0);
                let few = [orders, orders + 50, orders + 200, orders + 1_000, FURTHER_ORDERS_MAX];
                fell_on_the_way += i32::from(few.map(score).windows(2).any(|pair| pair[1] < pair[0]));
            }
            _ => {
                assert_eq!(slowly, None, "turn {turn}: {target}");
                let further = rng.random_range(LOOKED_AT..least.unwrap_or(FURTHER_ORDERS_MAX));
                assert!(score(further) < Some(target), "turn {turn}: {further} orders make {target}");
            }
        }
    }
    assert!(reached > 50 && fell_on_the_way > 50, "{reached} reached, {fell_on_the_way} of them by rules that fall");
}

#[test]
fn further_orders_are_in_the_windows_that_have_their_day() {
    let mut rng = StdRng::seed_from_u64(3);
    let rule_set = Arc::new(wild_rules(&mut rng));
    let subject = SubjectCounts { signed_orders: 40, volume: 40, ..counts(&mut rng) };
    let (cards, peers) = score_all(&rule_set, std::slice::from_ref(&subject));
    let scored = Scored { rule_set, card: cards[0].clone() };
    let among = AmongPeers { scored: &scored, peers: &peers, in_tenths: false };
    let with = among.assuming(&Assumption { set: Vec::new(), further_signed_orders: 7 });
    let more: Vec<i64> =
        with.metrics.iter().zip(&subject.metrics).map(|(with, before)| with.count.volume - before.volume).collect();
    assert_eq!(more, [7, 7, 7, 0], "the newest day of the near window is 2 days ago; complaints wait for 15 days");
    assert_eq!(with.signed_orders, 47);
}
