//! Messages under SIGKILL: whatever the moment, each one arrives, and of each shop in order.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use shopscore::clock::Clock;

use crate::support::program::{Process, empty_directory, program};
use crate::support::receiver::{Mode, Receiver};
use crate::support::{answer, client};
use crate::webhooks::trade;

/// Kills; SHOPSCORE_FAULT_KILLS asks for more.
const KILLS: u64 = 6;
const SHOPS: usize = 60;
const DATES: u32 = 6;

/// Asks again until the service is there.
async fn insist(method: &str, url: &str, body: &Value) -> Value {
    let method = reqwest::Method::from_bytes(method.as_bytes()).expect("a method");
    loop {
        let request = client().request(method.clone(), url).json(body);
        if let Ok(response) = request.send().await
            && response.status().is_success()
        {
            return response.json().await.unwrap_or_default();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_message_arrives_and_in_order_whenever_the_service_is_killed() {
    let kills: u64 = std::env::var("SHOPSCORE_FAULT_KILLS").map_or(KILLS, |kills| kills.parse().expect("a number"));
    let seed = rand::random::<u32>().into();
    println!("seed {seed}");
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let receiver = Receiver::start().await;
    let directory = empty_directory("webhook-kills");
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
    let (address, base) = (format!("127.0.0.1:{port}"), format!("http://127.0.0.1:{port}"));
    let arguments = ["--listen", &address, "--webhook-allow", "127.0.0.0/8", "--slot", "00:00-00:01"];
    let serve = || Process::start(&mut program(&directory, &arguments));
    let mut process = serve();
    let events: Vec<String> = (0..SHOPS).flat_map(|shop| trade(&format!("s-{shop:02}"), 3, 0)).collect();
    let request = client().post(format!("{base}/v1/events")).header("content-type", "application/x-ndjson");
    assert_eq!(answer(request.body(events.join("\n"))).await.0, 200);
    let paths = ["/a", "/b", "/slow"];
    receiver.set("/slow", Mode::Slow(Duration::from_millis(30)));
    for path in paths {
        let wanted = json!({"url": receiver.url(path), "events": ["score.published", "run.published"]});
        insist("POST", &format!("{base}/v1/webhooks"), &wanted).await;
    }
    let today = Clock::System.now().date_naive();
    let dates: Vec<String> =
        (0..DATES).rev().map(|back| (today - chrono::Days::new(u64::from(back) + 1)).to_string()).collect();
    let runs = async {
        for date in &dates {
            let wanted = json!({"date": date});
            insist("POST", &format!("{base}/v1/runs"), &wanted).await;
            // The next one may only begin when this one is published, so that each date is the newest when it is told.
            loop {
                let listed = insist("GET", &format!("{base}/v1/runs?date={date}&state=published"), &Value::Null).await;
                if listed["items"].as_array().is_some_and(|items| !items.is_empty()) {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    };
    let killer = async {
        for _ in 0..kills {
            tokio::time::sleep(Duration::from_millis(rng.random_range(150..1_500))).await;
            process.kill();
            process = serve();
        }
    };
    tokio::join!(runs, killer);

    let keys = |path: &str| -> Vec<(String, String, String)> {
        let of = |message: crate::support::receiver::Message| {
            let data = &message.body["data"];
            let date = data["card"]["date"].as_str().or(data["date"].as_str()).expect("a date").to_owned();
            let (event, subject) = message.about();
            (event.to_owned(), subject.to_owned(), date)
        };
        receiver.messages(path).into_iter().map(of).collect()
    };
    let wanted: usize = dates.len() * (SHOPS + 1);
    for path in paths {
        let complete = async {
            loop {
                let came: BTreeSet<_> = keys(path).into_iter().filter(|(_, _, date)| dates.contains(date)).collect();
                if came.len() >= wanted {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        // A process that was killed is waited for as long as its lease holds.
        let came = tokio::time::timeout(Duration::from_secs(120), complete).await;
        let keys = keys(path);
        assert!(came.is_ok(), "{path}: of {wanted} messages came {}", keys.iter().collect::<BTreeSet<_>>().len());
        let mut last: BTreeMap<(String, String), String> = BTreeMap::new();
        for (event, subject, date) in &keys {
            let before = last.insert((event.clone(), subject.clone()), date.clone());
            assert!(before.is_none_or(|before| before <= *date), "{path}: {subject} went back to {date}");
        }
        println!("{path}: {} messages of {wanted} received, 0 lost, in order; {kills} kills", keys.len());
    }
}
