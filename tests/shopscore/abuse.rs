//! Clients that mean no good, beside one that does: it is answered soon, whatever they do. `make abuse` runs the long form.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use shopscore::config::LimitSettings;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

use crate::keys::{guarded_with, make};
use crate::support::{Choices, TestService};
use crate::webhooks::trade;

/// Whether the long form is asked for.
fn is_long() -> bool {
    std::env::var("SHOPSCORE_ABUSE").is_ok_and(|form| form == "long")
}

fn short_or_long(short: usize, long: usize) -> usize {
    if is_long() { long } else { short }
}

async fn connect_from(last: u8, address: SocketAddr) -> Option<TcpStream> {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(SocketAddr::from(([127, 0, 0, last], 0))).expect("an address");
    socket.connect(address).await.ok()
}

fn address_of(service: &TestService) -> SocketAddr {
    service.base.trim_start_matches("http://").parse().expect("an address")
}

/// A good client: reads a score and sends an event, again and again, on a connection of its own each time or on one that it keeps.
struct Good {
    is_over: Arc<AtomicBool>,
    asking: JoinSet<Vec<Duration>>,
}

impl Good {
    fn begin(service: &TestService, key: &str) -> Good {
        let (is_over, mut asking) = (Arc::new(AtomicBool::new(false)), JoinSet::new());
        for keeps in [true, false] {
            let builder = shopscore::cli::client::builder();
            let client = if keeps { builder } else { builder.pool_max_idle_per_host(0) }.build().expect("a client");
            let (url, key, is_over) = (service.url("/v1/shops/s-1/score"), key.to_owned(), Arc::clone(&is_over));
            asking.spawn(async move {
                let mut times = Vec::new();
                while !is_over.load(Ordering::Relaxed) {
                    let began = Instant::now();
                    let answered = client.get(&url).bearer_auth(&key).send().await.expect("an answer");
                    assert_eq!(answered.status(), 200);
                    answered.bytes().await.expect("a body");
                    times.push(began.elapsed());
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                times
            });
        }
        Good { is_over, asking }
    }

    /// How long its requests took: the middle one, 99 % of them, the longest.
    async fn end(mut self, about: &str) -> [Duration; 3] {
        self.is_over.store(true, Ordering::Relaxed);
        let mut times = Vec::new();
        while let Some(lane) = self.asking.join_next().await {
            times.extend(lane.expect("a lane"));
        }
        times.sort();
        let place = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
        let shown = [place(0.5), place(0.99), place(1.0)];
        println!(
            "{about}: {} requests of a good client, p50 {:?}, p99 {:?}, max {:?}",
            times.len(),
            shown[0],
            shown[1],
            shown[2]
        );
        shown
    }
}

/// A service with a scored shop and a key for it.
async fn prepared(limits: LimitSettings) -> (TestService, String) {
    let service = guarded_with(Choices { limits, ..Choices::default() }).await;
    for shop in 0..3 {
        service.send(&trade(&format!("s-{shop}"), 40, shop)).await;
    }
    service.run("2026-11-20".parse().expect("a date")).await;
    let (key, _) = make(&service, &["scores:read"], &["s-1"]).await;
    (service, key)
}

fn memory_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn half_open_and_idle_connections_keep_a_good_client_from_nothing() {
    let (service, key) = prepared(LimitSettings::default()).await;
    let alone = Good::begin(&service, &key);
    tokio::time::sleep(Duration::from_secs(1)).await;
    alone.end("alone").await;
    let (half_open, idle) = (short_or_long(200, 500), short_or_long(600, 4_000));
    let (address, before) = (address_of(&service), memory_kib());
    let mut held = Vec::new();
    for number in 0..half_open {
        let Some(mut stream) = connect_from(2 + (number % 8) as u8, address).await else { continue };
        stream.write_all(b"GET /v1/scores HTTP/1.1\r\nHost: loc").await.expect("half a head");
        held.push(stream);
    }
    let good = Good::begin(&service, &key);
    for number in 0..idle {
        let Some(mut stream) = connect_from(10 + (number % 8) as u8, address).await else { continue };
        // Places may be taken by now, and then it is a place of others that this one gets.
        if stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.is_ok() {
            let mut piece = [0; 512];
            let _ = stream.read(&mut piece).await;
        }
        held.push(stream);
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let grown = memory_kib().saturating_sub(before);
    let [_, p99, _] = good.end(&format!("beside {half_open} half-open and {idle} idle connections")).await;
    println!("memory of service and test together grew by {} MiB with {} connections", grown / 1024, held.len());
    assert!(held.len() >= (half_open + idle) * 9 / 10);
    assert!(p99 < Duration::from_secs(2), "a good client waits for {p99:?}");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_unknown_keys_is_refused_before_it_costs_a_query() {
    let (service, key) = prepared(LimitSettings::default()).await;
    let good = Good::begin(&service, &key);
    tokio::time::sleep(Duration::from_secs(1)).await;
    good.end("alone").await;
    let flood = short_or_long(10_000, 200_000);
    // As many requests that cost the service next to nothing: what they take is the machine's share.
    let good = Good::begin(&service, &key);
    flood_with(&service, "/healthz", flood / 5).await;
    good.end("beside as fast a flood of /healthz").await;
    let good = Good::begin(&service, &key);
    let [unknown, refused, other] = flood_with(&service, "/v1/scores", flood).await;
    good.end(&format!("beside {flood} requests with unknown keys")).await;
    println!("401: {unknown}, 429: {refused}, other: {other}");
    assert_eq!((unknown + refused, other), (flood as u64, 0));
    assert!(unknown < flood as u64 / 4, "most are refused without a query");
    service.stop().await;
}

/// Sends requests with random well-formed keys, eight at a time. How many were answered with 401, with 429, and otherwise.
async fn flood_with(service: &TestService, path: &str, flood: usize) -> [u64; 3] {
    let counts = Arc::new([const { AtomicU64::new(0) }; 3]);
    let mut lanes = JoinSet::new();
    for lane in 0..8_usize {
        let (client, url, counts) = (service_client(), service.url(path), Arc::clone(&counts));
        lanes.spawn(async move {
            for number in (lane..flood).step_by(8) {
                let request = client.get(&url).bearer_auth(format!("ssk_{number:016x}_{number:064x}"));
                let place = match request.send().await.expect("an answer").status().as_u16() {
                    401 => 0,
                    429 => 1,
                    _ => 2,
                };
                counts[place].fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    while lanes.join_next().await.is_some() {}
    counts.each_ref().map(|count| count.load(Ordering::Relaxed))
}

fn service_client() -> reqwest::Client {
    shopscore::cli::client::builder().build().expect("a client")
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_burst_break_or_never_end_cost_their_senders_alone() {
    use std::io::Write;
    let (service, key) = prepared(LimitSettings::default()).await;
    let (sender, _) = make(&service, &["events:write"], &[]).await;
    // A megabyte that becomes a gigabyte.
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let piece = vec![b' '; 1024 * 1024];
    for _ in 0..1_024 {
        bomb.write_all(&piece).expect("compressed");
    }
    let bomb = bomb.finish().expect("compressed");
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    let huge = format!("{{\"id\": {}}}", "9".repeat(100_000));
    let broken = [b"{\"id\": \"".as_slice(), &[0xff, 0xfe, 0xed], b"\"}"].concat();
    let bodies: [(&str, &str, Vec<u8>, &[u16]); 6] = [
        ("application/json", "gzip", bomb.clone(), &[413]),
        ("application/x-ndjson", "gzip", bomb, &[413]),
        ("application/json", "identity", deep.into_bytes(), &[200, 400, 413, 422]),
        ("application/json", "identity", huge.into_bytes(), &[400, 413, 422]),
        ("application/json", "identity", broken, &[400, 422]),
        ("application/json", "zstd", vec![0x28, 0xb5, 0x2f, 0xfd, 0xff], &[400]),
    ];
    let before = memory_kib();
    let good = Good::begin(&service, &key);
    let mut outcomes = Vec::new();
    for _ in 0..short_or_long(2, 20) {
        for (media_type, coding, body, expected) in &bodies {
            let request = service_client().post(service.url("/v1/events")).bearer_auth(&sender);
            let request = request.header("content-type", *media_type).header("content-encoding", *coding);
            let status = request.body(body.clone()).send().await.expect("an answer").status().as_u16();
            assert!(expected.contains(&status), "{media_type} {coding}: {status}");
            outcomes.push(status);
        }
    }
    let [_, p99, _] = good.end("beside bombs and broken bodies").await;
    println!("{} bodies refused; memory grew by {} MiB", outcomes.len(), memory_kib().saturating_sub(before) / 1024);
    assert!(p99 < Duration::from_secs(2), "a good client waits for {p99:?}");
    let ok = json!({"id": "e-ok", "type": "order.signed", "shop_id": "s-9", "time": "2026-11-10T00:00:00Z", "data": {"order_id": "o"}});
    let request = service_client().post(service.url("/v1/events")).bearer_auth(&sender).json(&ok);
    assert_eq!(request.send().await.expect("an answer").status(), 201);
    service.stop().await;
}
