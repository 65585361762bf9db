//! What the demo prints: the best, the worst, the tiers, and what drags the worst shop down.

use serde_json::Value;

use super::market::Market;
use super::shops::{FALLING_SHOP, RECOVERING_SHOP};
use crate::cli::exit::CommandError;
use crate::cli::report::say;

/// Shops near a threshold whose tomorrow is looked at.
const NEAR: usize = 60;
/// Shops shown at each end.
const ENDS: usize = 5;

pub(super) async fn show(client: &reqwest::Client, base: &str, market: &Market) -> Result<(), CommandError> {
    let mut scores = Vec::new();
    for shop in &market.shops {
        let id = shop["shop_id"].as_str().unwrap_or_default();
        scores.push(get(client, &format!("{base}/v1/shops/{id}/score")).await?);
    }
    let date = scores.first().map(|score| text(&score["date"])).unwrap_or_default();
    let unscored = scores.iter().filter(|score| score["score"].is_null()).count();
    scores.retain(|score| !score["score"].is_null());
    scores.sort_by(|left, right| number(&right["score"]).total_cmp(&number(&left["score"])));
    say(format_args!("\n商家体验分 of {date}: {} shops scored, {unscored} with too few orders\n", scores.len()));
    say(format_args!(
        "  {:<18} {:>6}  {:>8} {:>9} {:>8}  {:>4}  {:>7}",
        "shop", "score", "product", "logistics", "service", "tier", "orders"
    ));
    let ends = ENDS.min(scores.len() / 2);
    for score in scores.iter().take(ends) {
        print_row(score);
    }
    say(format_args!("  ..."));
    let stories =
        scores.iter().filter(|score| [FALLING_SHOP, RECOVERING_SHOP].contains(&text(&score["shop_id"]).as_str()));
    for score in stories {
        print_row(score);
    }
    say(format_args!("  ..."));
    for score in scores.iter().skip(scores.len() - ends) {
        print_row(score);
    }
    print_tiers(&scores);
    if let Some(worst) = scores.last() {
        print_worst(client, base, &text(&worst["shop_id"])).await?;
    }
    Ok(())
}

/// Names the shops with a story, and where to see it: one falls, one recovers, and one crosses a threshold tomorrow.
pub(super) async fn tell_stories(client: &reqwest::Client, base: &str) -> Result<(), CommandError> {
    say(format_args!("\n  {base}/shops/{FALLING_SHOP}  has fallen for months"));
    say(format_args!("  {base}/shops/{RECOVERING_SHOP}  is on its way up"));
    // Who is near a threshold may cross it when a day leaves the windows.
    for sort in ["margin", "gap"] {
        let near = get(client, &format!("{base}/v1/scores?status=scored&sort={sort}&limit={NEAR}")).await?;
        for card in near["items"].as_array().into_iter().flatten() {
            let id = text(&card["shop_id"]);
            let forecast = get(client, &format!("{base}/v1/shops/{id}/score/forecast?days=1")).await?;
            let tomorrow = &forecast["days"][0];
            let (now, then) = (&card["tier_level"], &tomorrow["tier"]["level"]);
            if then.is_number() && now != then {
                let (way, line) = if then.as_u64() > now.as_u64() {
                    ("falls below", &tomorrow["tier"]["next_up"]["at_least"])
                } else {
                    ("rises past", &tomorrow["tier"]["next_down"]["below"])
                };
                say(format_args!(
                    "  {base}/shops/{id}  {way} {line} tomorrow if nothing new happens ({} → {})",
                    card["score"], tomorrow["score"]
                ));
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Says what can be asked of the service.
pub(super) fn invite(base: &str) {
    say(format_args!("\nThe dashboard: {base}/"));
    say(format_args!("The service answers at {base}, its documentation at {base}/docs. Try:\n"));
    say(format_args!("  curl {base}/v1/shops/{FALLING_SHOP}/score"));
    say(format_args!("  curl {base}/v1/shops/{FALLING_SHOP}/metrics"));
    say(format_args!("  curl {base}/v1/shops/{RECOVERING_SHOP}/penalties"));
    say(format_args!("  curl {base}/v1/shops/{FALLING_SHOP}/scores"));
    say(format_args!("  curl {base}/v1/shops/{FALLING_SHOP}/score/changes"));
}

async fn get(client: &reqwest::Client, url: &str) -> Result<Value, CommandError> {
    Ok(client.get(url).send().await?.error_for_status()?.json().await?)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_default()
}

fn print_row(score: &Value) {
    let dimension = |index: usize| match &score["dimensions"][index]["score"] {
        Value::Null => "-".to_owned(),
        value => value.to_string(),
    };
    say(format_args!(
        "  {:<18} {:>6}  {:>8} {:>9} {:>8}  {:>4}  {:>7}",
        text(&score["shop_id"]),
        score["score"].to_string(),
        dimension(0),
        dimension(1),
        dimension(2),
        score["tier"]["level"].to_string(),
        score["signed_orders"].to_string()
    ));
}

fn print_tiers(scores: &[Value]) {
    say(format_args!("\n  tier  shops"));
    let level = |score: &Value| score["tier"]["level"].as_u64().unwrap_or_default();
    for wanted in 0..=scores.iter().map(level).max().unwrap_or_default() {
        say(format_args!("  {wanted:>4}  {:>5}", scores.iter().filter(|score| level(score) == wanted).count()));
    }
}

/// The metrics of a shop by the score that each costs.
async fn print_worst(client: &reqwest::Client, base: &str, shop_id: &str) -> Result<(), CommandError> {
    let metrics = get(client, &format!("{base}/v1/shops/{shop_id}/metrics")).await?;
    let penalties = get(client, &format!("{base}/v1/shops/{shop_id}/penalties")).await?;
    let mut costs: Vec<(f64, &Value)> = metrics["metrics"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|metric| metric["assessed"] == true)
        .map(|metric| ((5.0 - number(&metric["points"])) * number(&metric["effective_weight"]), metric))
        .collect();
    costs.sort_by(|left, right| right.0.total_cmp(&left.0));
    say(format_args!("\n  What drags {shop_id} down:"));
    for (cost, metric) in costs.iter().take(5) {
        say(format_args!(
            "  -{cost:.2}  {:<26} {} / {} = {}, {} points ({} of {} peers do better)  {}",
            text(&metric["id"]),
            metric["numerator"],
            metric["denominator"],
            metric["value"],
            metric["points"],
            metric["better_peers"],
            metric["peers"],
            text(&metric["title"]["zh"])
        ));
    }
    for penalty in penalties["penalties"].as_array().into_iter().flatten() {
        say(format_args!(
            "  below {}: {} {} (since {})",
            penalty["below"],
            text(&penalty["title"]["zh"]),
            text(&penalty["code"]),
            text(&penalty["since"])
        ));
    }
    Ok(())
}
