//! Traces and figures over OTLP, as a collector gets them. Built with the feature `otel` alone.

use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::support::client;
use crate::support::program::{Process, empty_directory, program};
use crate::support::receiver::{Message, Receiver};

/// A process that sends to a collector, or to nobody.
fn start(directory: &std::path::Path, collector: Option<&str>) -> Process {
    let mut command: Command = program(directory, &["--listen", "127.0.0.1:0"]);
    command.env_remove("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").env_remove("OTEL_EXPORTER_OTLP_ENDPOINT");
    if let Some(collector) = collector {
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", collector).env("OTEL_BSP_SCHEDULE_DELAY", "200");
    }
    Process::start(&mut command)
}

fn any(messages: &[Message], part: &str) -> bool {
    messages.iter().any(|message| message.text.contains(part))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_goes_on_with_its_callers_trace_and_figures_are_sent_at_the_end() {
    let collector = Receiver::start().await;
    let directory = empty_directory("otel");
    let mut process = start(&directory, Some(&collector.base));
    // The bytes of a trace id are sent as they are, so that one of letters can be looked for.
    let id = "shopscore-traces";
    let hex: String = id.bytes().map(|byte| format!("{byte:02x}")).collect();
    let event = json!({
        "id": "e1", "type": "order.paid", "time": "2026-11-20T10:00:00+08:00",
        "shop_id": "s1", "data": {"order_id": "o1", "product_id": "p1"},
    });
    let sent = client()
        .post(format!("{}/v1/events", process.base))
        .header("traceparent", format!("00-{hex}-00f067aa0ba902b7-01"))
        .json(&event)
        .send()
        .await
        .expect("an answer");
    assert_eq!(sent.status(), 201);
    let of_caller = async {
        while !any(&collector.messages("/v1/traces"), id) {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), of_caller).await.expect("a span of the caller's trace");
    let spans = collector.messages("/v1/traces");
    assert!(any(&spans, "POST /v1/events"), "the span is named by its route");
    assert!(any(&spans, "http.response.status_code") && any(&spans, "service.version"));
    let process_id = Pid::from_child(&process.child);
    kill_process(process_id, Signal::TERM).expect("a signal");
    process.child.wait().expect("an end");
    let figures = collector.messages("/v1/metrics");
    assert!(any(&figures, "http.server.request.duration") && any(&figures, "shopscore.events"));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_endpoint_nothing_is_sent_and_a_collector_that_is_away_delays_nobody() {
    let directory = empty_directory("otel-away");
    drop(start(&directory, None));
    let process = start(&directory, Some("http://127.0.0.1:9"));
    let (client, began) = (client(), std::time::Instant::now());
    for _ in 0..100 {
        let answer = client.get(format!("{}/healthz", process.base)).send().await.expect("an answer");
        assert_eq!(answer.status(), 200);
    }
    assert!(began.elapsed() < std::time::Duration::from_secs(2), "{:?}", began.elapsed());
}
