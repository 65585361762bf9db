//! `shopscore serve`.

use std::process::ExitCode;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use super::exit::{CommandError, Status};
use super::open::open_migrated;
use super::settings::Cli;
use crate::config::ListenSettings;
use crate::service::{self, Keys, Service};
use crate::storage::private::Sharing;

pub async fn serve(cli: &Cli) -> Result<ExitCode, CommandError> {
    check_exposure(&cli.listening)?;
    let opened = open_migrated(cli, Sharing::Exclusive).await?;
    if let Some((wanted, allowed)) = opened.context.store.lacking_connections().await? {
        tracing::warn!(
            wanted,
            allowed,
            "the database allows fewer connections than this process may need; under load requests are answered with 503. \
             Raise max_connections, or the limit of the role or database"
        );
    }
    let keys = if cli.listening.auth_required() { Keys::Required } else { Keys::NotAsked };
    let started = async {
        let listener = bind(&cli.listening)?;
        let limits = cli.limits.clone().for_address(cli.listening.listen);
        Service::start(&opened.context, listener, keys, limits).await.map_err(CommandError::from)
    };
    let mut service = match started.await {
        Ok(service) => service,
        Err(error) => {
            opened.close().await;
            return Err(error);
        }
    };
    let interrupted = interrupted()?;
    tracing::info!(address = %service.address, "serving");
    let failed = tokio::select! {
        () = service.failed() => true,
        () = interrupted => false,
    };
    tracing::info!("stopping");
    service.stop().await;
    opened.close().await;
    Ok(if failed { Status::Failed } else { Status::Done }.into())
}

/// Without keys only this machine may reach the service.
pub fn check_exposure(listening: &ListenSettings) -> Result<(), CommandError> {
    if listening.auth_required() || listening.listen.ip().is_loopback() {
        Ok(())
    } else {
        Err(CommandError::usage(format!(
            "--auth off is for loopback addresses only, and {} is not one; leave out --auth and create a key with \
             shopscore key create, or listen on 127.0.0.1",
            listening.listen
        )))
    }
}

pub fn bind(listening: &ListenSettings) -> Result<TcpListener, CommandError> {
    let explain =
        |error| CommandError::usage(format!("cannot listen on {}: {error}; choose another --listen", listening.listen));
    service::listen(listening.listen).map_err(explain)
}

/// Waits for Ctrl-C or a request to terminate. From the call on, neither ends the process by itself.
pub fn interrupted() -> std::io::Result<impl Future<Output = ()>> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
