//! What the HTTP door takes and refuses before any handler decides: bodies, codings, headers, names.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::keys::guarded;
use crate::support::{TestService, answer};

fn signed(id: &str) -> String {
    json!({"id": id, "type": "order.signed", "shop_id": "s-1", "time": "2026-11-08T10:00:00+08:00",
           "data": {"order_id": id}})
    .to_string()
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).expect("compression");
    encoder.finish().expect("compression")
}

async fn post_coded(service: &TestService, coding: &str, body: Vec<u8>) -> (u16, Value) {
    let request = service.client.post(service.url("/v1/events")).header("content-type", "application/x-ndjson");
    answer(request.header("content-encoding", coding).body(body)).await
}

/// What the service answers to bytes on a connection of their own, until it closes or a second answer would follow.
async fn raw(service: &TestService, request: &str) -> String {
    let address = service.base.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answered = Vec::new();
    let mut piece = [0; 16 * 1024];
    loop {
        let read = stream.read(&mut piece).await.unwrap_or(0);
        answered.extend_from_slice(&piece[..read]);
        let text = String::from_utf8_lossy(&answered).into_owned();
        let whole = text.split_once("\r\n\r\n").is_some_and(|(head, body)| {
            let length =
                head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
            body.len() >= length.unwrap_or(usize::MAX)
        });
        if read == 0 || whole {
            return text;
        }
    }
}

/// All that the service answers on a connection of its own, until it closes.
async fn raw_until_closed(service: &TestService, request: &str) -> String {
    let mut stream = TcpStream::connect(service.base.trim_start_matches("http://")).await.expect("a connection");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answered = Vec::new();
    stream.read_to_end(&mut answered).await.expect("an end");
    String::from_utf8_lossy(&answered).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn all_members_of_a_gzip_body_are_read_and_junk_behind_them_stores_nothing() {
    let service = TestService::start().await;
    let two = [gzip(&(signed("e-1") + "\n")), gzip(&signed("e-2"))].concat();
    let (status, body) = post_coded(&service, "gzip", two.clone()).await;
    assert_eq!((status, &body["accepted"]), (200, &json!(2)), "{body}");
    let many: Vec<u8> = (0..3_000).flat_map(|number| gzip(&(signed(&format!("m-{number}")) + "\n"))).collect();
    let (status, body) = post_coded(&service, "X-GZip, identity", many).await;
    assert_eq!((status, &body["accepted"]), (200, &json!(3_000)), "{body}");
    let new = || gzip(&signed("e-3"));
    for junk in [[new(), b"junk".to_vec()].concat(), new()[..new().len() - 4].to_vec()] {
        let (status, problem) = post_coded(&service, "gzip", junk).await;
        assert_eq!((status, &problem["type"]), (400, &json!("urn:shopscore:problem:unreadable-body")));
    }
    assert_eq!(post_coded(&service, "gzip", new()).await.1["accepted"], json!(1), "nothing of it was stored");
    let frames =
        [zstd::encode_all(&b"\n"[..], 1).expect("zstd"), zstd::encode_all(signed("e-4").as_bytes(), 1).expect("zstd")];
    assert_eq!(post_coded(&service, "ZSTD", frames.concat()).await.1["accepted"], json!(1));
    for coding in ["br", "gzip, gzip", "gzip, br"] {
        let (status, _) = post_coded(&service, coding, new()).await;
        assert_eq!(status, 415, "{coding}");
    }
    let mut wide = zstd::Encoder::new(Vec::new(), 1).expect("zstd");
    wide.window_log(27).expect("a window");
    wide.include_contentsize(false).expect("no size");
    wide.write_all(signed("e-5").as_bytes()).expect("zstd");
    let (status, problem) = post_coded(&service, "zstd", wide.finish().expect("zstd")).await;
    assert_eq!(status, 400, "a window of 128 MiB: {problem}");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_objects_are_taken_for_objects_and_the_pointer_says_where() {
    let service = guarded().await;
    let count = r#"{"numerator":1,"denominator":10}"#;
    for (method, path, body, pointer) in [
        ("PUT", "/v1/shops/s-1", "[null,null]".to_owned(), ""),
        ("POST", "/v1/shops:batch", r#"{"shops":[{"shop_id":"a"},["b",null,null]]}"#.to_owned(), "/shops/1"),
        ("POST", "/v1/shops:batch", r#"[[{"shop_id":"a"}]]"#.to_owned(), ""),
        ("POST", "/v1/creators:batch", r#"{"creators":[["b",null,null]]}"#.to_owned(), "/creators/0"),
        ("POST", "/v1/exclusions", r#"["s-1","order","o-1",null,"r","d",null]"#.to_owned(), ""),
        ("POST", "/v1/runs", r#"["2026-11-20",null]"#.to_owned(), ""),
        ("POST", "/v1/keys", r#"[["admin"],null,null,null]"#.to_owned(), ""),
        ("POST", "/v1/shops/s-1/score/what-if", r#"{"add":[5]}"#.to_owned(), "/add"),
        (
            "POST",
            "/v1/shops/s-1/score/what-if",
            r#"{"set":{"im_3min_reply_rate":[1,2]}}"#.to_owned(),
            "/set/im_3min_reply_rate",
        ),
        ("POST", "/v1/shops/s-1/score/what-if", format!(r#"{{"set":{{"a/b~":{count},"a/b~":{count}}}}}"#), "/set"),
        ("DELETE", "/v1/exclusions/1", r#"["me",null]"#.to_owned(), ""),
    ] {
        let method = reqwest::Method::from_bytes(method.as_bytes()).expect("a method");
        let request = service.client.request(method, service.url(path)).header("content-type", "application/json");
        let (status, problem) = answer(request.body(body.clone())).await;
        assert_eq!((status, &problem["errors"][0]["pointer"]), (422, &json!(pointer)), "{path} {body}: {problem}");
        assert!(!problem["detail"].as_str().unwrap_or_default().contains(" at line "), "{problem}");
    }
    assert_eq!(service.read("/v1/shops").await["items"], json!([]), "nothing was registered");
    service.send(&(0..40).map(|number| signed(&format!("o-{number}"))).collect::<Vec<_>>()).await;
    service.run("2026-11-20".parse().expect("a date")).await;
    let path = "/v1/shops/s-1/score/what-if";
    let private = json!({"target_score": {"$serde_json::private::Number": "4.5"}});
    let (status, problem) = service.post(path, &private).await;
    assert_eq!((status, &problem["errors"][0]["pointer"]), (422, &json!("/target_score")), "{problem}");
    let named = json!({"set": {"a/b~": {"numerator": 1, "denominator": 10}}});
    let (_, problem) = service.post(path, &named).await;
    assert_eq!(problem["errors"][0]["pointer"], json!("/set/a~1b~0"), "RFC 6901");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_have_the_limit_of_their_route() {
    let service = TestService::start().await;
    let objects = |number: usize| format!("[{}]", vec![r#"{"":0}"#; number].join(","));
    for (path, body, expected) in [
        ("/v1/shops/s-1/score/what-if", objects(10_000), 413),
        ("/v1/runs", format!(r#"{{"date":"2026-11-20","reason":"{}"}}"#, "x".repeat(65_536)), 413),
        ("/v1/shops:batch", format!(r#"{{"shops":[{}]}}"#, vec![r#"{"shop_id":"a"}"#; 10_001].join(",")), 413),
        ("/v1/shops:batch", format!(r#"{{"shops":[],"x":"{}"}}"#, "x".repeat(4 * 1024 * 1024)), 413),
        ("/v1/shops:batch", objects(600_000), 413),
        ("/v1/shops:batch", format!(r#"{{"shops":[{}]}}"#, vec![r#"{"shop_id":"a"}"#; 10_000].join(",")), 200),
    ] {
        let request = service.client.post(service.url(path)).header("content-type", "application/json");
        let (status, answered) = answer(request.header("content-encoding", "gzip").body(gzip(&body))).await;
        assert_eq!(status, expected, "{path}: {answered}");
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_of_other_tools_are_read_or_named() {
    let service = TestService::start().await;
    let post = async |media_type: &str, body: Vec<u8>| {
        let request = service.client.post(service.url("/v1/events")).header("content-type", media_type);
        answer(request.body(body)).await
    };
    let marked = ["\u{feff}".as_bytes(), signed("e-1").as_bytes()].concat();
    assert_eq!(post("application/x-ndjson", marked.clone()).await.1["accepted"], json!(1));
    assert_eq!(post("application/json", marked).await.1["outcome"], json!("duplicate"));
    let wide: Vec<u8> =
        "\u{feff}".encode_utf16().chain(signed("e-2").encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let (status, problem) = post("application/json", wide).await;
    assert!(status == 400 && problem["detail"].as_str().is_some_and(|detail| detail.contains("UTF-16")), "{problem}");
    let half = signed("e-3").replace(r#""data":{"#, r#""data":{"note":"\ud83d","#);
    assert_eq!(post("application/json", half.clone().into_bytes()).await.0, 201);
    assert_eq!(post("application/json", half.into_bytes()).await.1["outcome"], json!("duplicate"));
    let null = signed("e-3").replace(r#""data":{"#, r#""data":{"note":"\ufffd","memo":null,"#);
    assert_eq!(post("application/json", null.into_bytes()).await.1["outcome"], json!("duplicate"));
    let (status, problem) = post("application/json", signed("e-6").replace("e-6", "e\\ud800").into_bytes()).await;
    assert_eq!((status, &problem["errors"][0]["pointer"]), (422, &json!("/id")), "{problem}");

    let mut cloud: Value = serde_json::from_str(&signed("e-4")).expect("an event");
    cloud["shopid"] = cloud["shop_id"].clone();
    cloud["data_base64"] = Value::Null;
    assert_eq!(post("application/cloudevents+json", cloud.to_string().into_bytes()).await.0, 201);
    let request = service.client.post(service.url("/v1/events")).header("content-type", "application/json");
    let (status, problem) = answer(request.header("ce-id", "e-5").header("ce-specversion", "1.0").body("{}")).await;
    let detail = problem["detail"].as_str().unwrap_or_default();
    assert!(status == 415 && detail.contains("structured") && detail.contains("batch"), "{problem}");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_answers_have_a_tag_of_their_own_and_say_what_they_vary_by() {
    let service = TestService::start().await;
    service.send(&(0..40).map(|number| signed(&format!("o-{number}"))).collect::<Vec<_>>()).await;
    service.run("2026-11-20".parse().expect("a date")).await;
    let get = async |coding: &str, known: &str| {
        let request = service.client.get(service.url("/v1/shops/s-1/metrics")).header("accept-encoding", coding);
        let response = request.header("if-none-match", known).send().await.expect("an answer");
        let header =
            |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or("").to_owned();
        (response.status().as_u16(), header("etag"), header("vary"))
    };
    let (plain_status, plain, vary) = get("identity", "").await;
    assert_eq!((plain_status, vary.as_str()), (200, "accept-encoding"));
    let (_, compressed, vary) = get("gzip", "").await;
    assert_eq!(vary, "accept-encoding");
    assert!(plain != compressed && !plain.starts_with("W/") && !compressed.starts_with("W/"), "{plain} {compressed}");
    for (coding, known) in [("gzip", &compressed), ("identity", &plain), ("identity", &compressed)] {
        assert_eq!(get(coding, known).await, (304, known.clone(), "accept-encoding".to_owned()));
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_keys_only_this_machine_is_answered() {
    let service = TestService::start().await;
    let port = service.base.rsplit(':').next().expect("a port");
    let status = async |head: &str| {
        let text = raw(&service, &format!("{head}\r\n\r\n")).await;
        text.split(' ').nth(1).unwrap_or_default().to_owned()
    };
    for host in ["localhost", "LOCALHOST:80", "127.0.0.1:1", "[::1]:8080", "127.8.8.8"] {
        assert_eq!(status(&format!("GET /healthz HTTP/1.1\r\nHost: {host}")).await, "200", "{host}");
    }
    for host in ["evil.example", "localhost.evil.example", "192.168.1.2", "127.0.0.1.evil.example", "[::2]"] {
        assert_eq!(status(&format!("GET /v1/shops HTTP/1.1\r\nHost: {host}")).await, "421", "{host}");
    }
    for head in [
        "GET /healthz HTTP/1.1".to_owned(),
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: localhost".to_owned(),
        "GET /healthz HTTP/1.1\r\nHost: a b".to_owned(),
    ] {
        assert_eq!(status(&head).await, "400", "{head}");
    }
    assert_eq!(status("GET http://evil.example/v1/shops HTTP/1.1\r\nHost: localhost").await, "421");
    let from = |origin: &str| format!("GET /v1/shops HTTP/1.1\r\nHost: localhost:{port}\r\nOrigin: {origin}");
    assert_eq!(status(&from(&format!("http://localhost:{port}"))).await, "200");
    for origin in ["https://evil.example", "null", "http://localhost:1"] {
        assert_eq!(status(&from(origin)).await, "403", "{origin}");
    }
    let (code, problem) = service.post("/v1/keys", &json!({"scopes": ["admin"]})).await;
    assert_eq!((code, &problem["type"]), (403, &json!("urn:shopscore:problem:forbidden")));
    assert_eq!(service.get("/v1/keys").await.0, 403);
    service.stop().await;
    let guarded = guarded().await;
    let answered =
        raw(&guarded, "GET /healthz HTTP/1.1\r\nHost: shops.example\r\nOrigin: https://evil.example\r\n\r\n").await;
    assert!(answered.starts_with("HTTP/1.1 200"), "with keys every name is good: {answered}");
    guarded.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_are_bounded_and_answers_tell_browsers_what_they_are() {
    let service = TestService::start().await;
    let padded =
        |length: usize| format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Long: {}\r\n\r\n", "x".repeat(length));
    assert!(raw(&service, &padded(40_000)).await.starts_with("HTTP/1.1 200"));
    for length in [50_000, 420_000] {
        let refused = raw(&service, &padded(length)).await;
        assert!(
            refused.starts_with("HTTP/1.1 431") && refused.contains("problem:headers-too-large"),
            "{length}: {refused}"
        );
    }
    for ids in [505, 1_000] {
        let ids = vec!["x".repeat(128); ids].join(",");
        let refused = raw(&service, &format!("GET /v1/scores?ids={ids} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await;
        assert!(refused.starts_with("HTTP/1.1 431") && refused.contains("problem:headers-too-large"), "{refused}");
    }
    for malformed in ["GET /healthz\r\n\r\n", "GET /healthz HTTP/1.1\r\nHost localhost\r\n\r\n", "\u{1}\u{2}\r\n\r\n"] {
        let refused = raw(&service, malformed).await;
        assert!(
            refused.starts_with("HTTP/1.1 400") && refused.contains("not valid HTTP/1.1"),
            "{malformed:?}: {refused}"
        );
    }
    // A length beside chunks: RFC 9112, section 6.3, lets the chunks count, and the connection end, so that nothing that
    // follows is taken for a request.
    let smuggled = "POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 4\r\n\
                    Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let answered = raw_until_closed(&service, smuggled).await;
    assert_eq!(answered.matches("HTTP/1.1 ").count(), 1, "{answered}");
    assert!(answered.to_ascii_lowercase().contains("connection: close"), "{answered}");
    let ids =
        [("abc-1", true), (&*"x".repeat(128), true), (&*"x".repeat(129), false), ("a b", false), ("\u{e9}", false)];
    for (id, kept) in ids {
        let answered =
            raw(&service, &format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: {id}\r\n\r\n")).await;
        let sent_back = answered.lines().find_map(|line| line.strip_prefix("x-request-id: ")).unwrap_or_default();
        assert_eq!(sent_back == id, kept, "{id}: {answered}");
        assert!(!sent_back.is_empty());
    }
    let refused = "POST /nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n";
    let answered = raw(&service, refused).await.to_ascii_lowercase();
    assert!(answered.starts_with("http/1.1 404") && answered.contains("connection: close"), "{answered}");
    let answered = raw(&service, "GET /docs/ HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(answered.contains("x-content-type-options: nosniff") && answered.contains("frame-ancestors 'none'"));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_that_never_ends_does_not_keep_the_service_from_stopping() {
    let service = TestService::start().await;
    let address = service.base.trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(&address).await.expect("a connection");
    let head = "POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n[";
    stream.write_all(head.as_bytes()).await.expect("sent");
    assert_eq!(service.get("/healthz").await.0, 200);
    let started = std::time::Instant::now();
    service.stop().await;
    assert!(started.elapsed().as_secs() < 8, "it took {:?}", started.elapsed());
    drop(stream);
}

#[tokio::test(flavor = "multi_thread")]
async fn problems_are_titled_in_the_language_that_is_preferred_and_a_misspelt_type_is_recognised() {
    let service = TestService::start().await;
    for (accepted, title, language) in [
        ("zh-CN,zh;q=0.9,en;q=0.8", "店铺或达人不存在", "zh-CN"),
        ("en-US, zh;q=0.5", "Unknown shop or creator", "en"),
        ("zh;q=0, en", "Unknown shop or creator", "en"),
        ("fr", "Unknown shop or creator", "en"),
    ] {
        let request = service.client.get(service.url("/v1/shops/nobody/score")).header("accept-language", accepted);
        let response = request.send().await.expect("an answer");
        assert_eq!(response.headers()["content-language"], language, "{accepted}");
        let problem: Value = response.json().await.expect("a problem");
        assert_eq!(problem["title"], json!(title), "{accepted}");
    }
    for (sent, meant) in
        [("order.sign", "order.signed"), ("review.post", "review.posted"), ("order.shiped", "order.shipped")]
    {
        let event = signed("e-1").replace("order.signed", sent);
        let request = service.client.post(service.url("/v1/events")).header("content-type", "application/json");
        let (status, problem) = answer(request.body(event)).await;
        let detail = problem["errors"][0]["detail"].as_str().unwrap_or_default();
        assert!(status == 422 && detail.contains(&format!("did you mean {meant}")), "{problem}");
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_does_not_answer_is_waited_for_three_seconds() {
    let service = TestService::start().await;
    service.send(&[signed("e-1")]).await;
    service.run("2026-11-20".parse().expect("a date")).await;
    let mut connection = service.context.store.run.acquire().await.expect("a connection");
    let mut holding = sqlx::Connection::begin(&mut *connection).await.expect("a transaction");
    sqlx::query("lock table run, subject, exclusion in access exclusive mode")
        .execute(&mut *holding)
        .await
        .expect("locks");
    let exclusion = json!({"shop_id": "s-1", "target": "order", "id": "o", "reason": "r", "decided_by": "d"});
    let in_time = async |method: &str, path: &str, body: Option<&Value>, most: f64| {
        let method = reqwest::Method::from_bytes(method.as_bytes()).expect("a method");
        let mut request = service.client.request(method, service.url(path));
        if let Some(body) = body {
            request = request.json(body);
        }
        let began = std::time::Instant::now();
        let (status, problem) = answer(request).await;
        let took = began.elapsed().as_secs_f64();
        assert!(status == 503 && took < most, "{path}: {status} after {took:.1} s: {problem}");
    };
    let named = json!({"name": "x"});
    tokio::join!(
        in_time("GET", "/readyz", None, 2.0),
        in_time("GET", "/v1/shops/s-2/score?date=2026-11-19", None, 4.0),
        in_time("GET", "/v1/runs", None, 4.0),
        in_time("PUT", "/v1/shops/s-1", Some(&named), 4.0),
        in_time("POST", "/v1/exclusions", Some(&exclusion), 4.0),
    );
    holding.rollback().await.expect("no locks");
    drop(connection);
    assert_eq!(service.get("/v1/shops/s-1/score").await.0, 200);
    service.stop().await;
}
