//! A receiver of webhooks: a real HTTP server that keeps what it was sent and answers as it is told.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tokio::net::TcpListener;

/// How a path answers.
#[derive(Clone, Debug)]
pub enum Mode {
    Ok,
    Fail(u16),
    /// With the seconds of Retry-After.
    Later(u64),
    Redirect(String),
    Hang,
    Slow(Duration),
}

/// A message as it came.
#[derive(Clone, Debug)]
pub struct Message {
    pub path: String,
    pub headers: HeaderMap,
    pub text: String,
    pub body: Value,
}

impl Message {
    pub fn header(&self, name: &str) -> String {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    }

    /// Its type and the subject that it is about.
    pub fn about(&self) -> (&str, &str) {
        let data = &self.body["data"];
        let id = data["shop_id"].as_str().or(data["creator_id"].as_str()).unwrap_or_default();
        (self.body["type"].as_str().unwrap_or_default(), id)
    }
}

#[derive(Default)]
struct Kept {
    messages: Vec<Message>,
    modes: HashMap<String, Mode>,
}

#[derive(Clone)]
pub struct Receiver {
    pub base: String,
    kept: Arc<Mutex<Kept>>,
}

async fn receive(State(receiver): State<Receiver>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let path = uri.path().to_owned();
    let mode = {
        let mut kept = receiver.kept.lock().expect("what is kept");
        let text = String::from_utf8_lossy(&body).into_owned();
        let body = serde_json::from_str(&text).unwrap_or_default();
        kept.messages.push(Message { path: path.clone(), headers, text, body });
        kept.modes.get(&path).cloned().unwrap_or(Mode::Ok)
    };
    match mode {
        Mode::Ok => (StatusCode::OK, "thanks").into_response(),
        Mode::Fail(status) => (StatusCode::from_u16(status).expect("a status"), "no").into_response(),
        Mode::Later(seconds) => {
            (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", seconds.to_string())], "later").into_response()
        }
        Mode::Redirect(to) => (StatusCode::FOUND, [("location", to)]).into_response(),
        Mode::Hang => std::future::pending().await,
        Mode::Slow(time) => {
            tokio::time::sleep(time).await;
            StatusCode::OK.into_response()
        }
    }
}

impl Receiver {
    pub async fn start() -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let receiver = Receiver { base, kept: Arc::default() };
        let router = Router::new().fallback(receive).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.expect("a server") });
        receiver
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    pub fn set(&self, path: &str, mode: Mode) {
        self.kept.lock().expect("what is kept").modes.insert(path.to_owned(), mode);
    }

    /// What came to a path so far.
    pub fn messages(&self, path: &str) -> Vec<Message> {
        let kept = self.kept.lock().expect("what is kept");
        kept.messages.iter().filter(|message| message.path == path).cloned().collect()
    }

    /// Waits until so many messages came to a path.
    pub async fn wait_for(&self, path: &str, wanted: usize) -> Vec<Message> {
        let waiting = async {
            loop {
                let messages = self.messages(path);
                if messages.len() >= wanted {
                    return messages;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(60), waiting).await;
        waited.unwrap_or_else(|_| panic!("{path}: {wanted} were wanted, these came: {:#?}", self.messages(path)))
    }
}
