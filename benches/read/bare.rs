//! The yardstick of reads: a bare axum handler that answers a fixed body. It is this program again as a process of its
//! own, as the service is one.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

use axum::Router;
use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use tokio::net::TcpListener;

use super::support::Outcome;

pub struct Bare {
    child: Child,
    pub address: String,
}

impl Bare {
    /// Starts the process; its answers have so many bytes.
    pub fn start(bytes: usize) -> Outcome<Bare> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--bare", &bytes.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut address = String::new();
        BufReader::new(child.stdout.take().ok_or("no stdout")?).read_line(&mut address)?;
        Ok(Bare { child, address: address.trim().to_owned() })
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        // Waiting closes its standard input first, at whose end it ends.
        drop(self.child.wait());
    }
}

/// What that process does: says where it listens, and answers until its standard input ends.
pub async fn serve(bytes: usize) -> Outcome<()> {
    std::thread::spawn(end_with_parent);
    let filler = "x".repeat(bytes.saturating_sub(r#"{"filler":""}"#.len()));
    let body = Bytes::from(format!(r#"{{"filler":"{filler}"}}"#));
    let handler = move || std::future::ready(([(CONTENT_TYPE, "application/json")], body.clone()));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    axum::serve(listener, Router::new().route("/v1/shops/{id}/score", get(handler))).await?;
    Ok(())
}

fn end_with_parent() {
    let mut said = Vec::new();
    drop(std::io::stdin().read_to_end(&mut said));
    std::process::exit(0)
}
