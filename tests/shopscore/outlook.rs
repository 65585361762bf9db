//! What is coming is what comes: projections and forecasts against the runs of those dates, when the peers stand still.

use std::collections::HashSet;

use chrono::{Days, NaiveDate};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::support::answers::{Scored, exclude, metrics, send, whole};
use crate::support::still::{StillMarket, free_two, place_free_two};
use crate::support::{TestService, date, seeds};

#[tokio::test(flavor = "multi_thread")]
async fn a_projection_is_what_the_next_run_says_after_the_same_events() {
    for seed in seeds(1) {
        let (mut bases, mut moved) = (HashSet::new(), false);
        // In a category, in none, and moving into one.
        for (before, now) in [(Some("beauty"), Some("beauty")), (None, None), (None, Some("beauty"))] {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let market = StillMarket::random(&mut rng, date("2026-11-19"), date("2026-11-20"));
            let service = market.open(before).await;
            service.run(date("2026-11-19")).await;
            send(&service, &market.further).await;
            for event in market.own.iter().filter(|_| rng.random_bool(0.02)) {
                exclude(&service, event).await;
            }
            place_free_two(&service, now).await;
            let mut projections = Vec::new();
            for scored in free_two() {
                let published = service.read(&scored.path("score")).await;
                let projected = service.read(&scored.path("score/projected")).await;
                moved |= published["signed_orders"] != projected["signed_orders"];
                projections.push((scored, projected));
            }
            service.run(date("2026-11-20")).await;
            for (scored, projected) in projections {
                let about = format!("seed {seed}: {scored:?} from {before:?} to {now:?}");
                let score = service.read(&scored.path("score?date=2026-11-20")).await;
                assert_eq!(projected["projected_date"], score["date"], "{about}");
                for name in ["category_id", "status", "signed_orders", "score", "dimensions", "tier"] {
                    assert_eq!(projected[name], score[name], "{about}: {name}");
                }
                let published = service.read(&scored.path("metrics?date=2026-11-20")).await;
                assert_eq!(metrics(&projected).len(), metrics(&published).len(), "{about}");
                for (projected, published) in metrics(&projected).iter().zip(metrics(&published)) {
                    assert_eq!(projected, published, "{about}");
                    bases.extend(published["basis"].as_str().map(str::to_owned));
                }
            }
            service.stop().await;
        }
        assert!(moved, "seed {seed}: the further events changed nothing");
        assert!(bases.contains("category") && bases.contains("market"), "seed {seed}: only {bases:?} gave points");
    }
}

/// Fails unless a forecast's day is what the run of that date says.
async fn assert_came_true(service: &TestService, scored: &Scored, date: NaiveDate, day: &Value, seed: u64) {
    let about = format!("seed {seed}: {scored:?} on {date}");
    let score = service.read(&scored.path(&format!("score?date={date}"))).await;
    assert_eq!(day["date"], json!(date), "{about}");
    for name in ["status", "signed_orders", "score", "tier"] {
        assert_eq!(day[name], score[name], "{about}: {name}");
    }
    let published = service.read(&scored.path(&format!("metrics?date={date}"))).await;
    assert_eq!(metrics(day).len(), metrics(&published).len(), "{about}");
    for (forecast, published) in metrics(day).iter().zip(metrics(&published)) {
        for name in ["id", "numerator", "denominator", "value", "points"] {
            assert_eq!(forecast[name], published[name], "{about}: {name} of {}", published["id"]);
        }
        assert_eq!(forecast["entering"]["day"], published["window"]["to"], "{about}: {}", published["id"]);
        let first: NaiveDate = published["window"]["from"].as_str().expect("from").parse().expect("a day");
        assert_eq!(forecast["leaving"]["day"], json!(first - Days::new(1)), "{about}: {}", published["id"]);
    }
}

/// Fails unless every day's counts are those of the day before with what enters and without what leaves. Of the product
/// base score that is not so: products come to qualify, and cease to. Tells whether anything entered, and left.
fn assert_days_add_up(published: &Value, forecast: &Value, about: &str) -> (bool, bool) {
    let (mut entered, mut left) = (false, false);
    let mut before = published;
    for day in forecast["days"].as_array().expect("days") {
        for (before, now) in metrics(before).iter().zip(metrics(day)) {
            if now["id"] == "product_base_score" {
                continue;
            }
            for side in ["numerator", "denominator"] {
                let (entering, leaving) = (whole(&now["entering"], side), whole(&now["leaving"], side));
                let expected = whole(before, side) + entering - leaving;
                assert_eq!(whole(now, side), expected, "{about}: {side} of {} on {}", now["id"], day["date"]);
                entered |= entering > 0;
                left |= leaving > 0;
            }
        }
        before = day;
    }
    (entered, left)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forecast_is_what_the_runs_of_the_coming_days_say_when_nothing_new_happens() {
    for seed in seeds(1) {
        for category_id in [Some("beauty"), None] {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let (first, last) = (date("2026-11-10"), date("2026-11-19"));
            let market = StillMarket::random(&mut rng, first, last);
            let service = market.open(category_id).await;
            service.run(first).await;
            let (mut forecasts, mut entered, mut left) = (Vec::new(), false, false);
            for scored in free_two() {
                let published = service.read(&scored.path("metrics")).await;
                let forecast = service.read(&scored.path("score/forecast?days=9")).await;
                assert_eq!(forecast["days"].as_array().expect("days").len(), 9, "seed {seed}: {scored:?}");
                let moved = assert_days_add_up(&published, &forecast, &format!("seed {seed}: {scored:?}"));
                (entered, left) = (entered || moved.0, left || moved.1);
                forecasts.push((scored, forecast));
            }
            assert!(entered && left, "seed {seed}: the windows stood still");
            for (ahead, date) in first.iter_days().skip(1).take(9).enumerate() {
                service.run(date).await;
                for (scored, forecast) in &forecasts {
                    assert_came_true(&service, scored, date, &forecast["days"][ahead], seed).await;
                }
            }
            service.stop().await;
        }
    }
}
