//! What writers remember of recent orders: whoever else stores in between, nothing is counted twice or left out.

use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::support::answers::exclude;
use crate::support::stream::random_stream;
use crate::support::{Choices, TestService, answer, fresh_database, seeds};

/// Sends some events as one whole and returns the answer, which must be 200.
async fn send_whole(service: &TestService, events: &[String]) -> Value {
    let parsed: Vec<Value> = events.iter().map(|event| serde_json::from_str(event).expect("an event")).collect();
    let request = service.client.post(service.url("/v1/events?atomic=true")).json(&parsed);
    let (status, body) = answer(request).await;
    assert_eq!(status, 200, "{body}");
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn two_services_that_remember_count_what_the_other_stored_in_between() {
    for seed in seeds(3) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut events = random_stream(&mut rng).events;
        events.shuffle(&mut rng);
        let database = fresh_database().await;
        let services = [
            TestService::start_on(database.clone(), Choices::default()).await,
            TestService::start_on(database, Choices::default()).await,
        ];
        let mut sent = 0;
        while sent < events.len() {
            let service = &services[rng.random_range(0..2)];
            let until = (sent + rng.random_range(1..60)).min(events.len());
            // Some of what came before once more: the sender may not have been answered by the other service.
            let again = sent - rng.random_range(0..=sent.min(20));
            let some = &events[again..until];
            let answered =
                if rng.random_bool(0.2) { send_whole(service, some).await } else { service.send(some).await };
            let outcomes = [&answered["accepted"], &answered["duplicates"]];
            assert_eq!(outcomes, [&json!(until - sent), &json!(sent - again)], "seed {seed}: {answered}");
            sent = until;
            if rng.random_bool(0.1) {
                exclude(&services[rng.random_range(0..2)], &events[rng.random_range(0..sent)]).await;
            }
        }
        for service in &services {
            let answered = service.send(&events).await;
            assert_eq!(answered["duplicates"], json!(events.len()), "seed {seed}: {answered}");
            service.assert_counts_equal_a_rebuild().await;
        }
        for service in services {
            service.stop().await;
        }
    }
}
