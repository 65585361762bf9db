//! Rules that change between runs: what is published stays readable under its own rules, and what the new rules moved is
//! told apart from what happened.

use std::sync::Arc;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use shopscore::domain::rules::{RuleBook, file};
use shopscore::scoring::rule_sets;
use sqlx::postgres::PgConnectOptions;

use crate::support::answers::{metrics, millionths, send};
use crate::support::stream::{Stream, random_stream};
use crate::support::{Choices, TestService, date, fresh_database};

const FEEDBACK_REFERENCE: &str = "reference = [[0, 5.0], [0.01, 4.8], [0.02, 4.5], [0.05, 3.8], [0.10, 3.0]]";
const FOOD: &str = "\n[[category]]\nid = \"food\"\n[[category.metric]]\nid = \"complaint_rate\"\nweight = 5\n\
                    [[category.metric]]\nid = \"delivery_duration\"\nsteps = { bounds = [[48, 5.0], [96, 4.0]], otherwise = 3.0 }\n";

/// The built-in rule sets, with shop-v2 edited and with minimums that a few subjects meet.
fn edited(edits: &[(&str, &str)], appended: &str) -> RuleBook {
    let mut book = rule_sets::load(None).expect("built-in rule sets");
    for rule_set in book.rule_sets.iter_mut().filter(|rule_set| rule_set.id == "shop-v2") {
        let few = [
            ("signed_orders = 30", "signed_orders = 8"),
            ("metric_count = 5", "metric_count = 2"),
            ("peers = 10", "peers = 3"),
        ];
        let source = few.iter().chain(edits).fold(rule_set.source.clone(), |source, (from, to)| {
            assert!(source.contains(from), "{from}");
            source.replace(from, to)
        });
        *rule_set = Arc::new(file::parse(&(source + appended)).expect("a valid rule set"));
    }
    book
}

async fn start(database: &PgConnectOptions, rules: RuleBook) -> TestService {
    TestService::start_on(database.clone(), Choices { rules, ..Choices::default() }).await
}

/// A service that knows the events of a stream but the last fifth.
async fn begin(database: &PgConnectOptions, stream: &Stream) -> TestService {
    let service = start(database, edited(&[], "")).await;
    service.register(&stream.shops, &stream.creators).await;
    send(&service, &stream.events[..stream.events.len() * 4 / 5]).await;
    service
}

/// The sum of a part over the metrics, which must be what the answer says.
fn part(answer: &Value, name: &str) -> i64 {
    let sum: i64 = metrics(answer).iter().filter_map(|metric| millionths(&metric[name])).sum();
    let told = if name == "total" { &answer["change"] } else { &answer["parts"][name] };
    assert_eq!(Some(sum), millionths(told), "{name} of {answer}");
    sum
}

#[tokio::test(flavor = "multi_thread")]
async fn what_new_rules_make_of_the_same_facts_is_no_change_of_facts() {
    let stream = random_stream(&mut ChaCha8Rng::seed_from_u64(7));
    let curve = FEEDBACK_REFERENCE.replace("reference", "curve");
    let all: [(&[(&str, &str)], &str); 7] = [
        (&[(FEEDBACK_REFERENCE, &curve)], ""),
        (&[("days_ago = [90, 1]", "days_ago = [20, 1]"), ("days_ago = [104, 15]", "days_ago = [60, 15]")], ""),
        (&[("days_ago = [90, 1]", "days_ago = [99, 1]")], ""),
        (&[("bad_stars_max = 2", "bad_stars_max = 3")], ""),
        (&[("weight = 0.425", "weight = 0.9")], ""),
        (&[("[0.05, 3.8], [0.30, 4.5]", "[0.05, 3.1], [0.30, 4.9]")], ""),
        (&[], FOOD),
    ];
    for (edits, appended) in all {
        let database = fresh_database().await;
        let service = begin(&database, &stream).await;
        service.run(date("2026-11-20")).await;
        service.stop().await;
        let service = start(&database, edited(edits, appended)).await;
        service.run(date("2026-11-20")).await;
        let mut moved = 0;
        for shop in &stream.shops {
            let answer = service.read(&format!("/v1/shops/{shop}/score/changes?from=2026-11-20&to=2026-11-20")).await;
            assert_eq!((&answer["from"]["revision"], &answer["to"]["revision"]), (&json!(1), &json!(2)));
            if answer["change"].is_null() {
                continue;
            }
            for metric in metrics(&answer) {
                let facts = [&metric["own"], &metric["peers"]].map(millionths);
                assert_eq!(facts, [Some(0), Some(0)], "{edits:?} {appended} {shop}: {metric}");
            }
            assert_eq!(part(&answer, "weights"), part(&answer, "total"), "{shop}");
            moved += i32::from(part(&answer, "weights") != 0);
        }
        assert!(moved > 0, "{edits:?} {appended} moved no score");
        service.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn facts_are_told_as_the_old_rules_would_tell_them_also_over_several_dates() {
    let stream = random_stream(&mut ChaCha8Rng::seed_from_u64(11));
    let edits = [("days_ago = [90, 1]", "days_ago = [50, 1]"), ("bad_stars_max = 2", "bad_stars_max = 3")];
    let (changing, standing) = (fresh_database().await, fresh_database().await);
    let mut told = Vec::new();
    for (database, rules) in [(&changing, edited(&edits, FOOD)), (&standing, edited(&[], ""))] {
        let service = begin(database, &stream).await;
        service.run(date("2026-11-17")).await;
        service.run(date("2026-11-18")).await;
        service.stop().await;
        let service = start(database, rules).await;
        send(&service, &stream.events[stream.events.len() * 4 / 5..]).await;
        service.run(date("2026-11-19")).await;
        service.run(date("2026-11-20")).await;
        told.push(service);
    }
    let changes = async |service: &TestService, shop: &str, from: &str, to: &str| {
        service.read(&format!("/v1/shops/{shop}/score/changes?from=2026-11-{from}&to=2026-11-{to}")).await
    };
    let (mut compared, mut moved) = (0, 0);
    for shop in &stream.shops {
        let with_rules = changes(&told[0], shop, "18", "19").await;
        let without = changes(&told[1], shop, "18", "19").await;
        if with_rules["change"].is_null() {
            continue;
        }
        for metric in metrics(&with_rules) {
            let same = metrics(&without).iter().find(|other| other["id"] == metric["id"]).expect("the metric");
            assert_eq!((&metric["own"], &metric["peers"]), (&same["own"], &same["peers"]), "{shop}: {metric}");
            moved += i32::from(millionths(&metric["own"]) != Some(0));
        }
        let steps = [changes(&told[0], shop, "17", "18").await, with_rules, changes(&told[0], shop, "19", "20").await];
        let whole = changes(&told[0], shop, "17", "20").await;
        let sum: i64 = steps.iter().map(|step| part(step, "total")).sum();
        assert_eq!(part(&whole, "total"), sum, "{shop}");
        let parts: i64 = ["own", "peers", "weights"].map(|name| part(&whole, name)).iter().sum();
        assert_eq!(parts, sum, "{shop}");
        compared += 1;
    }
    assert!(compared > 5 && moved > 0, "{compared} shops were compared, of which facts moved {moved} metrics");
    for service in told {
        service.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_metric_is_listed_where_a_side_has_no_score_and_revisions_of_one_date_are_compared() {
    let stream = random_stream(&mut ChaCha8Rng::seed_from_u64(3));
    let database = fresh_database().await;
    let service = begin(&database, &stream).await;
    service
        .send(&[json!({"id": "e", "type": "order.paid", "shop_id": "s-new", "time": "2026-11-02T10:00:00+08:00",
                          "data": {"order_id": "o", "product_id": "p"}})
        .to_string()])
        .await;
    service.run(date("2026-11-19")).await;
    service.run(date("2026-11-20")).await;
    service.run(date("2026-11-20")).await;
    service.run(date("2026-11-20")).await;
    let answer = service.read("/v1/shops/s-new/score/changes").await;
    let published = service.read("/v1/shops/s-new/metrics").await;
    assert_eq!(metrics(&answer).len(), metrics(&published).len(), "{answer}");
    assert!(answer["change"].is_null() && answer["parts"].is_null() && metrics(&answer)[0]["own"].is_null());
    assert_eq!(metrics(&answer)[0]["after"]["denominator"], metrics(&published)[0]["denominator"]);
    let path = "/v1/shops/s-new/score/changes";
    for (query, from, to) in [
        ("from_revision=1", 1, 3),
        ("from=2026-11-20", 2, 3),
        ("date=2026-11-20&revision=2&from=2026-11-20", 1, 2),
        ("to=2026-11-20&revision=1", 1, 1),
        ("from=2026-11-19&from_revision=1&to=2026-11-20", 1, 3),
    ] {
        let answer = service.read(&format!("{path}?{query}")).await;
        assert_eq!((&answer["from"]["revision"], &answer["to"]["revision"]), (&json!(from), &json!(to)), "{query}");
    }
    for (query, status) in [
        ("from_revision=3", 400),
        ("from=2026-11-20&from_revision=4", 400),
        ("from=2026-11-21", 400),
        ("date=2026-11-19&to=2026-11-20", 400),
        ("date=2026-11-19&from=2026-11-19", 404),
        ("from_revision=9&from=2026-11-19", 404),
    ] {
        assert_eq!(service.get(&format!("{path}?{query}")).await.0, status, "{query}");
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_penalty_is_in_force_since_its_own_threshold_brought_it() {
    let stream = random_stream(&mut ChaCha8Rng::seed_from_u64(5));
    let database = fresh_database().await;
    let code = "code = \"free_traffic_boost_lost\"";
    let renamed = [(code, "code = \"other\""), ("below = 4.80", "below = 5.00")];
    // Nobody is below 3; everybody is below 5.00 but the best of all.
    for (day, rules) in [
        ("2026-11-17", edited(&[("below = 4.80", "below = 5.00")], "")),
        ("2026-11-18", edited(&[("below = 4.80", "below = 3.00")], "")),
        ("2026-11-19", edited(&[("below = 4.80", "below = 5.00")], "")),
        ("2026-11-20", edited(&renamed, "")),
    ] {
        let service = start(&database, rules).await;
        if day == "2026-11-17" {
            service.register(&stream.shops, &stream.creators).await;
            send(&service, &stream.events).await;
        }
        service.run(date(day)).await;
        service.stop().await;
    }
    let service = start(&database, edited(&[], "")).await;
    for (asked, code, since) in
        [("2026-11-19", "free_traffic_boost_lost", "2026-11-19"), ("2026-11-20", "other", "2026-11-20")]
    {
        let mut found = 0;
        for shop in &stream.shops {
            let answer = service.read(&format!("/v1/shops/{shop}/penalties?date={asked}")).await;
            let penalties = answer["penalties"].as_array().expect("penalties");
            for penalty in penalties.iter().filter(|penalty| penalty["code"] == code) {
                assert_eq!(penalty["since"], json!(since), "{shop}: {penalty}");
                found += 1;
            }
        }
        assert!(found > 5, "{asked}: {found} shops have the penalty");
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_published_stays_readable_whatever_rules_come_and_go() {
    let stream = random_stream(&mut ChaCha8Rng::seed_from_u64(9));
    let database = fresh_database().await;
    let with_v3 = || {
        let mut book = edited(&[], "");
        let v2 = book.get("shop-v2").expect("shop-v2").source.clone();
        let v3 = v2.replace("id = \"shop-v2\"", "id = \"shop-v3\"").replace("weight = 0.425", "weight = 0.1");
        // As the loader does it where a directory brings a default.
        for rule_set in &mut book.rule_sets {
            let is_default = rule_set.is_default && rule_set.id != "shop-v2";
            let mut set = shopscore::domain::rules::RuleSet::clone(rule_set);
            set.is_default = is_default;
            *rule_set = Arc::new(set);
        }
        book.rule_sets.push(Arc::new(file::parse(&v3).expect("a valid rule set")));
        book
    };
    let service = begin(&database, &stream).await;
    service.run(date("2026-11-18")).await;
    service.stop().await;
    let service = start(&database, with_v3()).await;
    let shop = &stream.shops[0];
    let rule_set = async |service: &TestService, path: &str| service.read(path).await["rule_set"].clone();
    let default_reads = ["score", "metrics", "penalties", "score/advice", "products"];
    for read in default_reads {
        let found = rule_set(&service, &format!("/v1/shops/{shop}/{read}")).await;
        assert_eq!(found, json!("shop-v2"), "{read}: until the next run the old default answers");
    }
    let coming = format!("/v1/shops/{shop}/score/projected");
    assert_eq!(
        rule_set(&service, &coming).await,
        json!("shop-v3"),
        "the coming date is told as its run will publish it"
    );
    service.run(date("2026-11-19")).await;
    for read in default_reads {
        assert_eq!(rule_set(&service, &format!("/v1/shops/{shop}/{read}")).await, json!("shop-v3"), "{read}");
    }
    assert_eq!(rule_set(&service, &format!("/v1/shops/{shop}/score?date=2026-11-18")).await, json!("shop-v2"));
    for list in ["/v1/scores", "/v1/categories/food/benchmarks"] {
        assert_eq!(rule_set(&service, list).await, json!("shop-v3"));
        assert_eq!(rule_set(&service, &format!("{list}?date=2026-11-18")).await, json!("shop-v2"));
    }
    let changes = service.read(&format!("/v1/shops/{shop}/score/changes")).await;
    if !changes["change"].is_null() {
        part(&changes, "total");
    }
    service.stop().await;

    let service = start(&database, edited(&[], "")).await;
    let history = service.read(&format!("/v1/shops/{shop}/scores")).await;
    let of_dates: Vec<&Value> =
        history["scores"].as_array().expect("scores").iter().map(|card| &card["rule_set"]).collect();
    assert_eq!(of_dates, [&json!("shop-v2"), &json!("shop-v3")], "each date by what was the default then");
    for read in ["score", "metrics", "score/changes?from=2026-11-18", "scores"] {
        let joint = if read.contains('?') { '&' } else { '?' };
        let (status, answer) = service.get(&format!("/v1/shops/{shop}/{read}{joint}rule_set=shop-v3")).await;
        let expected = if read.contains("changes") { 404 } else { 200 };
        assert_eq!(status, expected, "{read}: {answer}");
    }
    let version = service.read(&format!("/v1/shops/{shop}/score")).await["rule_set_version"].clone();
    let gone = service.read(&format!("/v1/rule-sets/shop-v3?version={}", version.as_str().expect("a hash"))).await;
    assert_eq!((&gone["version"], &gone["in_force"]), (&version, &json!(false)));
    assert_eq!(service.read("/v1/rule-sets/shop-v3").await["version"], version);
    assert_eq!(service.get("/v1/rule-sets/shop-v2?version=00").await.0, 404);
    for read in ["score", "scores", "score/projected"] {
        let (status, problem) = service.get(&format!("/v1/shops/{shop}/{read}?rule_set=shop-v9")).await;
        assert_eq!((status, &problem["errors"][0]["pointer"]), (400, &json!("rule_set")), "{read}: {problem}");
    }
    service.stop().await;
}
