//! `shopscore health`: whether a service is ready, for containers and scripts.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use super::settings::{Cli, CommandError};

/// How long the service may take to answer.
const WAIT_MAX: Duration = Duration::from_secs(3);

/// Asks `/readyz` of the service at `url`, by default of the one at `--listen`.
pub(super) async fn health(cli: &Cli, url: Option<&str>) -> Result<ExitCode, CommandError> {
    let base = url.map_or_else(|| format!("http://{}", reachable(cli.listening.listen)), str::to_owned);
    let address = format!("{}/readyz", base.trim_end_matches('/'));
    let client = reqwest::Client::builder().timeout(WAIT_MAX).no_proxy().build()?;
    match client.get(&address).send().await {
        Ok(response) if response.status().is_success() => {
            println!("ready: {address}");
            Ok(ExitCode::SUCCESS)
        }
        Ok(response) => {
            let status = response.status();
            let problem: serde_json::Value = response.json().await.unwrap_or_default();
            println!("not ready: {address} answers {status}; {}", problem["detail"].as_str().unwrap_or_default());
            Ok(ExitCode::FAILURE)
        }
        Err(error) => {
            println!("not ready: {address} does not answer: {error}");
            Ok(ExitCode::FAILURE)
        }
    }
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
