//! What one client may take of the service: connections, requests, events, unknown keys.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use serde_json::{Value, json};
use shopscore::config::{LimitSettings, ProxyHeader};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::keys::{guarded_with, make};
use crate::support::{Choices, TestService};
use crate::telemetry::figure_becomes;

const ASK: &str = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";

fn limited(limits: LimitSettings) -> Choices {
    Choices { limits, ..Choices::default() }
}

/// A connection from one of this machine's own addresses, 127.0.0.1 to 127.0.0.255.
async fn connect_from(last: u8, service: &TestService) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(SocketAddr::from(([127, 0, 0, last], 0))).expect("an address");
    let address = service.base.trim_start_matches("http://").parse().expect("an address");
    socket.connect(address).await.expect("a connection")
}

/// What a connection answers, as far as it came with one piece.
async fn ask(stream: &mut TcpStream) -> String {
    stream.write_all(ASK.as_bytes()).await.expect("sent");
    let mut piece = [0; 4 * 1024];
    let read = stream.read(&mut piece).await.unwrap_or(0);
    String::from_utf8_lossy(&piece[..read]).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn http_2_is_answered_like_http_1_and_its_answers_are_the_same() {
    let service = TestService::start().await;
    let plain = service.client.get(service.url("/openapi.yaml")).send().await.expect("an answer");
    let client = shopscore::cli::client::builder().http2_prior_knowledge().build().expect("a client");
    let expected = plain.text().await.expect("a body");
    let asking = (0..200).map(async |_| {
        let answered = client.get(service.url("/openapi.yaml")).send().await.expect("an answer");
        assert_eq!((answered.status(), answered.version()), (StatusCode::OK, reqwest::Version::HTTP_2));
        answered.text().await.expect("a body")
    });
    for body in futures_util::future::join_all(asking).await {
        assert!(body == expected, "{body}");
    }
    let posted = client.post(service.url("/v1/events")).json(&json!({"id": "e-1"})).send().await.expect("an answer");
    assert_eq!(posted.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let problem: Value = posted.json().await.expect("a problem");
    assert_eq!(problem["type"], "urn:shopscore:problem:event-rejected");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_head_is_waited_for_ten_seconds_while_others_are_answered() {
    let service = TestService::start().await;
    let halves = [&ASK[..10], "", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x09\x01\0\0\0\0\x01abc"];
    let waits = halves.map(|half| {
        let service = &service;
        async move {
            let mut stream = connect_from(1, service).await;
            stream.write_all(half.as_bytes()).await.expect("sent");
            let began = Instant::now();
            let mut rest = Vec::new();
            // A connection that is reset is ended as well.
            let _ = stream.read_to_end(&mut rest).await;
            began.elapsed()
        }
    });
    let good = async {
        for _ in 0..20 {
            assert_eq!(service.get("/healthz").await.0, 200);
        }
    };
    let (waited, ()) = tokio::join!(futures_util::future::join_all(waits), good);
    for waited in waited {
        assert!((9..14).contains(&waited.as_secs()), "{waited:?}");
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_held_keep_nobody_out() {
    let service = TestService::start_with(limited(LimitSettings { connections: 40, ..LimitSettings::default() })).await;
    let mut held = Vec::new();
    for _ in 0..20 {
        let mut stream = connect_from(2, &service).await;
        assert!(ask(&mut stream).await.starts_with("HTTP/1.1 200"));
        held.push(stream);
    }
    let mut turned_away = connect_from(2, &service).await;
    let mut answered = String::new();
    let _ = turned_away.read_to_string(&mut answered).await;
    assert!(
        answered.starts_with("HTTP/1.1 503") && answered.contains("urn:shopscore:problem:unavailable"),
        "{answered}"
    );
    for last in 3..8 {
        for _ in 0..10 {
            let mut stream = connect_from(last, &service).await;
            stream.write_all(&ASK.as_bytes()[..20]).await.expect("half a head");
            held.push(stream);
        }
    }
    for _ in 0..10 {
        let began = Instant::now();
        let mut good = connect_from(9, &service).await;
        assert!(ask(&mut good).await.starts_with("HTTP/1.1 200"));
        assert!(began.elapsed() < Duration::from_secs(4), "it took {:?}", began.elapsed());
    }
    drop(held);
    figure_becomes(&service, "shopscore_connections_turned_away_total", 1.0).await;
    service.stop().await;
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_sends_too_much_is_told_when_to_go_on_and_others_are_not_slowed() {
    let limits =
        LimitSettings { events_per_second: Some(10), requests_per_second: Some(2), ..LimitSettings::default() };
    let service = guarded_with(limited(limits)).await;
    let (one, _) = make(&service, &["events:write", "scores:read"], &[]).await;
    let (other, _) = make(&service, &["events:write", "scores:read"], &[]).await;
    let read = async |key: &str| {
        service.client.get(service.url("/v1/rule-sets")).bearer_auth(key).send().await.expect("an answer")
    };
    let first = read(&one).await;
    assert_eq!(text(first.headers(), "ratelimit-policy"), "\"requests\";q=20;w=10");
    assert_eq!(text(first.headers(), "ratelimit"), "\"requests\";r=19;t=1");
    let mut refused = None;
    for _ in 0..60 {
        let answered = read(&one).await;
        if answered.status() != StatusCode::OK {
            refused = Some(answered);
            break;
        }
    }
    let refused = refused.expect("a refusal");
    assert_eq!((refused.status().as_u16(), text(refused.headers(), RETRY_AFTER.as_str())), (429, "1"));
    let problem: Value = refused.json().await.expect("a problem");
    assert_eq!(problem["type"], "urn:shopscore:problem:too-many-requests");
    assert_eq!(read(&other).await.status(), StatusCode::OK, "another key");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(read(&one).await.status(), StatusCode::OK, "after the Retry-After seconds");

    let event = |number: usize| json!({"id": format!("e-{number}"), "type": "order.signed", "time": "2026-11-10T00:00:00Z", "shop_id": "s", "data": {"order_id": format!("o-{number}")}});
    let events: Vec<Value> = (0..9_990).map(event).collect();
    let send = async |key: &str, events: &[Value]| {
        service.client.post(service.url("/v1/events")).bearer_auth(key).json(events).send().await.expect("an answer")
    };
    let sent = send(&one, &events).await;
    assert_eq!(sent.status(), StatusCode::OK, "the largest batch passes a full bucket");
    assert!(text(sent.headers(), "ratelimit").starts_with("\"events\";r="), "{:?}", sent.headers());
    let refused = send(&one, &events[..1_000]).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    let seconds: u64 = text(refused.headers(), RETRY_AFTER.as_str()).parse().expect("seconds");
    assert!((80..=100).contains(&seconds), "{seconds}");
    assert_eq!(send(&other, &events[..1_000]).await.status(), StatusCode::OK);
    figure_becomes(&service, "shopscore_refused_requests_total{limit=\"events\"}", 1.0).await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_has_its_own_rate_where_it_was_made_with_one() {
    let limits = LimitSettings { requests_per_second: Some(1), ..LimitSettings::default() };
    let service = guarded_with(limited(limits)).await;
    let wanted = json!({"scopes": ["scores:read"], "requests_per_second": 0, "events_per_second": 7});
    let (status, made) = service.post("/v1/keys", &wanted).await;
    assert_eq!((status, &made["requests_per_second"], &made["events_per_second"]), (201, &json!(0), &json!(7)));
    for _ in 0..30 {
        let request = service.client.get(service.url("/v1/rule-sets"));
        let answered = request.bearer_auth(made["key"].as_str().expect("a key")).send().await.expect("an answer");
        assert_eq!(answered.status(), StatusCode::OK);
        assert!(!answered.headers().contains_key("ratelimit"));
    }
    let (status, problem) =
        service.post("/v1/keys", &json!({"scopes": ["admin"], "events_per_second": 1_000_001})).await;
    assert_eq!((status, &problem["errors"][0]["pointer"]), (422, &json!("/events_per_second")));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_tries_keys_is_refused_and_good_keys_from_it_are_not() {
    let limits =
        LimitSettings { trusted_proxies: vec!["127.0.0.1/32".parse().expect("a network")], ..LimitSettings::default() };
    let service = guarded_with(limited(limits)).await;
    let show = async |key: String, from: &str| {
        let request = service.client.get(service.url("/v1/rule-sets")).header("x-forwarded-for", from);
        request.bearer_auth(key).send().await.expect("an answer").status().as_u16()
    };
    let unknown = |number: usize| format!("ssk_{number:016x}_{number:064x}");
    let mut answers = [0, 0];
    for number in 0..300 {
        match show(unknown(number), "192.0.2.7").await {
            401 => answers[0] += 1,
            429 => answers[1] += 1,
            other => panic!("{other}"),
        }
    }
    assert!(answers[0] >= 50 && answers[1] >= 100, "{answers:?}");
    assert_eq!(show(unknown(1_000), "192.0.2.8").await, 401, "another address");
    let (good, _) = make(&service, &["scores:read"], &[]).await;
    // It is kept in memory as soon as the process learns of it.
    let began = Instant::now();
    while show(good.clone(), "192.0.2.7").await != 200 {
        assert!(began.elapsed() < Duration::from_secs(5), "a good key is refused");
    }
    for number in 2_000..2_300 {
        show(unknown(number), "192.0.2.7").await;
        assert_eq!(show(good.clone(), "192.0.2.7").await, 200);
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_keys_each_address_has_a_rate_and_a_trusted_proxy_tells_whose_it_is() {
    let trusted_proxies = vec!["127.0.0.1/32".parse().expect("a network")];
    let proxy_header = ProxyHeader::Forwarded;
    let limits =
        LimitSettings { trusted_proxies, proxy_header, requests_per_second: Some(1), ..LimitSettings::default() };
    let service = TestService::start_with(limited(limits)).await;
    let mut counts = [0, 0];
    for (index, client) in ["192.0.2.1", "192.0.2.2"].into_iter().enumerate() {
        for _ in 0..30 {
            let request = service.client.get(service.url("/v1/rule-sets"));
            let answered = request.header("forwarded", format!("for={client}")).send().await.expect("an answer");
            counts[index] += usize::from(answered.status() == StatusCode::OK);
        }
    }
    assert!(counts.iter().all(|count| (10..30).contains(count)), "{counts:?}");
    assert_eq!(service.get("/healthz").await.0, 200);
    service.stop().await;
}
