//! `shopscore serve`.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::process::ExitCode;

use rustix::fs::{FlockOperation, flock};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::connectors;
use super::exit::{CommandError, Status};
use super::open::{Opened, open_migrated};
use super::settings::Cli;
use crate::access;
use crate::config::ListenSettings;
use crate::scoring::rule_sets;
use crate::service::{self, Keys, Service};
use crate::storage::private::Sharing;

pub async fn serve(cli: &Cli) -> Result<ExitCode, CommandError> {
    check_exposure(&cli.listening)?;
    let connectors = connectors::load(cli.connecting.connectors.as_deref())?;
    let opened = open_migrated(cli, Sharing::Exclusive).await?;
    if let Some((wanted, allowed)) = opened.context.store.lacking_connections().await? {
        tracing::warn!(
            wanted,
            allowed,
            "the database allows fewer connections than this process may need; under load requests are answered with 503. \
             Raise max_connections, or the limit of the role or database"
        );
    }
    rule_sets::log(&opened.context.rules, opened.context.today());
    let keys = if cli.listening.auth_required() { Keys::Required } else { Keys::NotAsked };
    let started = async {
        if keys == Keys::Required {
            write_first_key(cli, &opened).await?;
        }
        let listener = bind(&cli.listening)?;
        let limits = cli.limits.clone().for_address(cli.listening.listen);
        Service::start(&opened.context, listener, keys, limits, connectors).await.map_err(CommandError::from)
    };
    let mut service = match started.await {
        Ok(service) => service,
        Err(error) => {
            opened.close().await;
            return Err(error);
        }
    };
    let mut signals = Interrupts::listen()?;
    tracing::info!(address = %service.address, "serving");
    let failed = tokio::select! {
        () = service.failed() => true,
        () = signals.next() => false,
    };
    tracing::info!("stopping; a second signal ends at once");
    let stopping = async {
        service.stop().await;
        opened.close().await;
    };
    tokio::select! {
        () = stopping => Ok(if failed { Status::Failed } else { Status::Done }.into()),
        () = signals.next() => {
            tracing::warn!("ended by a second signal; what is acknowledged is stored");
            Ok(Status::Interrupted.into())
        }
    }
}

/// Makes the first key and writes it to the file that asks for one.
async fn write_first_key(cli: &Cli, opened: &Opened) -> Result<(), CommandError> {
    let Some(file) = &cli.listening.bootstrap_key_file else { return Ok(()) };
    let cannot = |error: std::io::Error| {
        CommandError::input(format!("the first key cannot be written to {}: {error}", file.display()))
    };
    let mut open =
        OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(file).map_err(cannot)?;
    // Another process may be about to write it; one that broke off left it empty.
    flock(&open, FlockOperation::LockExclusive).map_err(|error| cannot(error.into()))?;
    if open.metadata().map_err(cannot)?.len() > 0 {
        return Ok(());
    }
    let mut connection = opened.context.store.run.acquire().await?;
    match access::create_first(&mut connection, opened.context.now()).await {
        Ok(Some((secret, row))) => {
            writeln!(open, "{}", secret.text).and_then(|()| open.sync_all()).map_err(cannot)?;
            tracing::info!(key_id = row.key_id, file = %file.display(), "made the first key");
            Ok(())
        }
        other => {
            // No key, no file.
            std::fs::remove_file(file).map_err(cannot)?;
            other.map(|_| ()).map_err(CommandError::from)
        }
    }
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

/// Ctrl-C and requests to terminate. As long as somebody listens, neither ends the process by itself.
struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
}

impl Interrupts {
    fn listen() -> std::io::Result<Interrupts> {
        Ok(Interrupts { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Waits for Ctrl-C or a request to terminate. From the call on, neither ends the process by itself.
pub fn interrupted() -> std::io::Result<impl Future<Output = ()>> {
    let mut signals = Interrupts::listen()?;
    Ok(async move { signals.next().await })
}
