//! `shopscore health`: whether a service is ready, for containers and scripts.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use serde::Serialize;

use super::client;
use super::exit::{CommandError, Status};
use super::report::show;
use super::settings::Cli;

/// How long the service may take to answer.
const WAIT_MAX: Duration = Duration::from_secs(3);

/// Whether a service is ready.
#[derive(Serialize)]
struct Readiness {
    ready: bool,
    url: String,
    /// Why it is not.
    detail: Option<String>,
}

impl fmt::Display for Readiness {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Readiness { url, detail, .. } = self;
        match detail {
            None => write!(formatter, "ready: {url}"),
            Some(detail) => write!(formatter, "not ready: {url} {detail}"),
        }
    }
}

/// Asks `/readyz` of the service at `url`, by default of the one at `--listen`.
pub(super) async fn health(cli: &Cli, url: Option<&str>) -> Result<ExitCode, CommandError> {
    let base = url.map_or_else(|| format!("http://{}", reachable(cli.listening.listen)), str::to_owned);
    let url = format!("{}/readyz", client::address(&base)?.as_str().trim_end_matches('/').trim_end_matches("/readyz"));
    let client = client::builder().timeout(WAIT_MAX).build()?;
    let detail = match client.get(&url).send().await {
        Ok(response) if response.status().is_success() => None,
        Ok(response) => {
            let status = response.status();
            let problem: serde_json::Value = response.json().await.unwrap_or_default();
            let detail = problem["detail"].as_str().unwrap_or("is it the address of a shopscore service?");
            Some(format!("answers {status}; {detail}"))
        }
        Err(error) => Some(format!("does not answer: {}", client::root_of(&error))),
    };
    let readiness = Readiness { ready: detail.is_none(), url, detail };
    show(&readiness, cli.form());
    Ok(if readiness.ready { Status::Done } else { Status::Findings }.into())
}

/// Where a service can be reached that listens on an address: one that listens everywhere is on this machine, too.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        });
    }
    address
}
