//! Why scores moved: the parts add up to the last millionth, and each is nought where its cause is absent.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::support::answers::{Scored, metrics, millionths, scored, send, service_knowing};
use crate::support::still::{StillMarket, free_two};
use crate::support::stream::random_stream;
use crate::support::{TestService, date, seeds};

const PARTS: [&str; 3] = ["own", "peers", "weights"];

/// Millionths of a number that is there.
fn exact(of: &Value, name: &str) -> i64 {
    millionths(&of[name]).unwrap_or_else(|| panic!("{name} is null in {of}"))
}

/// The change of a subject's score since the date before; fails unless it adds up and is between what is published.
async fn changes(service: &TestService, scored: &Scored, seed: u64) -> Value {
    let about = format!("seed {seed}: {scored:?}");
    let answer = service.read(&scored.path("score/changes")).await;
    let again = service.read(&scored.path("score/changes?date=2026-11-20&from=2026-11-19")).await;
    assert_eq!(answer, again, "{about}");
    for (side, date) in [("from", "2026-11-19"), ("to", "2026-11-20")] {
        let published = service.read(&scored.path(&format!("score?date={date}"))).await;
        for name in ["date", "revision", "run_id", "published_at", "status", "score"] {
            assert_eq!(answer[side][name], published[name], "{about}: {name}");
        }
    }
    let both = !answer["from"]["score"].is_null() && !answer["to"]["score"].is_null();
    assert_eq!((!answer["change"].is_null(), !answer["parts"].is_null()), (both, both), "{about}");
    if both {
        assert_adds_up(&answer, &about);
        for (state, date) in [("before", "2026-11-19"), ("after", "2026-11-20")] {
            let published = service.read(&scored.path(&format!("metrics?date={date}"))).await;
            assert_eq!(metrics(&answer).len(), metrics(&published).len(), "{about}");
            for (change, metric) in metrics(&answer).iter().zip(metrics(&published)) {
                for name in ["numerator", "denominator", "value", "points", "effective_weight"] {
                    assert_eq!(change[state][name], metric[name], "{about}: {name} of {} on {date}", change["id"]);
                }
            }
        }
    }
    answer
}

fn assert_adds_up(answer: &Value, about: &str) {
    let change = exact(answer, "change");
    let unrounded = ["from", "to"].map(|side| exact(&answer[side], "unrounded"));
    assert_eq!(change, unrounded[1] - unrounded[0], "{about}");
    for (side, unrounded) in ["from", "to"].into_iter().zip(unrounded) {
        let score = exact(&answer[side], "score");
        let half_up = (unrounded + 5_000) / 10_000 * 10_000;
        // What is a half at six places may have been less before.
        let just_below = unrounded % 10_000 == 5_000 && half_up - 10_000 == score;
        assert!(half_up == score || just_below, "{about}: {unrounded} millionths and a score of {score}");
    }
    for metric in metrics(answer) {
        let sum: i64 = PARTS.map(|part| exact(metric, part)).iter().sum();
        assert_eq!(sum, exact(metric, "total"), "{about}: {}", metric["id"]);
    }
    for part in PARTS {
        let sum: i64 = metrics(answer).iter().map(|metric| exact(metric, part)).sum();
        assert_eq!(sum, exact(&answer["parts"], part), "{about}: {part}");
    }
    let sum: i64 = metrics(answer).iter().map(|metric| exact(metric, "total")).sum();
    assert_eq!(sum, change, "{about}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_parts_of_every_change_add_up_to_the_last_millionth() {
    for seed in seeds(2) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut stream = random_stream(&mut rng);
        stream.events.shuffle(&mut rng);
        let (early, late) = stream.events.split_at(stream.events.len() * 8 / 10);
        let service = service_knowing(&stream, early).await;
        service.run(date("2026-11-19")).await;
        send(&service, late).await;
        // What a category is compared with moves, too.
        service.register_in(&stream.shops[2..4], "beauty").await;
        service.run(date("2026-11-20")).await;
        let mut moved = PARTS.map(|_| 0);
        for scored in scored(&stream.shops, &stream.creators) {
            let answer = changes(&service, &scored, seed).await;
            if !answer["change"].is_null() {
                for (moved, part) in moved.iter_mut().zip(PARTS) {
                    *moved += i32::from(exact(&answer["parts"], part) != 0);
                }
            }
        }
        assert!(moved[0] > 0 && moved[1] > 0, "seed {seed}: own, peers and weights moved {moved:?} scores");
        service.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_those_who_sent_something_moved_by_themselves_and_only_the_others_by_their_peers() {
    for seed in seeds(1) {
        let (mut by_itself, mut by_peers) = (0, 0);
        for category_id in [Some("beauty"), None] {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let market = StillMarket::random(&mut rng, date("2026-11-19"), date("2026-11-20"));
            let service = market.open(category_id).await;
            service.run(date("2026-11-19")).await;
            send(&service, &market.further).await;
            service.run(date("2026-11-20")).await;
            for scored in free_two() {
                let answer = changes(&service, &scored, seed).await;
                if answer["change"].is_null() {
                    continue;
                }
                for metric in metrics(&answer) {
                    assert_eq!(exact(metric, "peers"), 0, "seed {seed}: {} of {scored:?}", metric["id"]);
                    by_itself += i32::from(exact(metric, "own") != 0);
                }
            }
            for scored in market.others() {
                let answer = changes(&service, &scored, seed).await;
                if answer["change"].is_null() {
                    continue;
                }
                for metric in metrics(&answer) {
                    let about = format!("seed {seed}: {} of {scored:?}", metric["id"]);
                    for side in ["numerator", "denominator"] {
                        assert_eq!(metric["before"][side], metric["after"][side], "{about}: it does not stand still");
                    }
                    assert_eq!((exact(metric, "own"), exact(metric, "weights")), (0, 0), "{about}");
                    by_peers += i32::from(exact(metric, "peers") != 0);
                }
            }
            service.stop().await;
        }
        assert!(by_itself > 0 && by_peers > 0, "seed {seed}: {by_itself} moved by themselves, {by_peers} by peers");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_earlier_date_there_is_nothing_to_compare_with() {
    for seed in seeds(1) {
        let stream = random_stream(&mut ChaCha8Rng::seed_from_u64(seed));
        let service = service_knowing(&stream, &stream.events).await;
        service.run(date("2026-11-20")).await;
        let (status, problem) = service.get("/v1/shops/shop-0/score/changes").await;
        assert_eq!((status, &problem["type"]), (404, &json!("urn:shopscore:problem:score-not-published")), "{problem}");
        let (status, problem) = service.get("/v1/shops/shop-0/score/changes?from=2026-11-21").await;
        assert_eq!((status, &problem["errors"][0]["pointer"]), (400, &json!("from")), "{problem}");
        service.stop().await;
    }
}
