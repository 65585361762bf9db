//! Answers that are kept: the same bytes as long as nothing is published, the new revision from then on.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use crate::support::answers::{send, service_knowing};
use crate::support::stream::random_stream;
use crate::support::{TestService, date, seeds};

/// Paths of answers from published data alone.
const PATHS: [&str; 9] = [
    "/v1/shops/shop-1/score",
    "/v1/shops/shop-1/metrics",
    "/v1/shops/shop-1/penalties",
    "/v1/shops/shop-1/scores?from=2026-11-20",
    "/v1/shops/shop-1/score/changes",
    "/v1/shops/shop-1/metrics/negative_feedback_rate/records?limit=3",
    "/v1/creators/creator-1/score?rule_set=creator-few",
    "/v1/scores?limit=4&sort=score",
    "/v1/categories/beauty/benchmarks",
];

struct Raw {
    status: u16,
    etag: String,
    body: Vec<u8>,
}

impl Raw {
    /// The revision that the answer, or the last score in it, names.
    fn revision(&self) -> Value {
        let answer: Value = serde_json::from_slice(&self.body).expect("JSON");
        let last = answer["scores"].as_array().and_then(|scores| scores.last());
        last.unwrap_or(&answer)["revision"].clone()
    }
}

/// Asks as a client that has the answer with a certain tag, or none.
async fn ask(service: &TestService, path: &str, known: Option<&str>) -> Raw {
    let mut request = service.client.get(service.url(path));
    if let Some(etag) = known {
        request = request.header("if-none-match", etag);
    }
    let response = request.send().await.expect("an answer");
    let status = response.status().as_u16();
    let etag = response.headers()["etag"].to_str().expect("an etag").to_owned();
    Raw { status, etag, body: response.bytes().await.expect("a body").to_vec() }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_stays_the_same_to_the_byte_until_the_next_revision_is_published() {
    for seed in seeds(1) {
        let stream = random_stream(&mut ChaCha8Rng::seed_from_u64(seed));
        let (early, late) = stream.events.split_at(stream.events.len() * 8 / 10);
        let service = service_knowing(&stream, early).await;
        service.run(date("2026-11-19")).await;
        for late in late.chunks(late.len() / 2 + 1) {
            let run = service.run(date("2026-11-20")).await;
            let mut before = Vec::new();
            for path in PATHS {
                let first = ask(&service, path, None).await;
                assert_eq!((first.status, &first.revision()), (200, &run["revision"]), "seed {seed}: {path}");
                before.push(first);
            }
            // Facts that no run knows yet change nothing that is published.
            send(&service, late).await;
            for (path, first) in PATHS.iter().zip(&before) {
                for _ in 0..2 {
                    let hot = ask(&service, path, None).await;
                    assert!(hot.body == first.body && hot.etag == first.etag, "seed {seed}: {path} changed");
                    let unchanged = ask(&service, path, Some(&first.etag)).await;
                    assert_eq!((unchanged.status, unchanged.body.len()), (304, 0), "seed {seed}: {path}");
                    assert_eq!(unchanged.etag, first.etag, "seed {seed}: {path}");
                }
            }
            let published = service.run(date("2026-11-20")).await;
            for (path, first) in PATHS.iter().zip(&before) {
                let next = ask(&service, path, Some(&first.etag)).await;
                assert_eq!((next.status, &next.revision()), (200, &published["revision"]), "seed {seed}: {path}");
                assert_ne!(next.etag, first.etag, "seed {seed}: {path}");
            }
        }
        service.stop().await;
    }
}
