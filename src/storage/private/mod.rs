//! The private PostgreSQL: a server of the service's own, used when no `DATABASE_URL` is given.
//!
//! It listens on a Unix socket in a directory that only its user may enter, never on the network. One service owns a
//! state directory at a time (a lock on a file says which); commands beside a running service join its server. As root
//! the server runs as user `postgres`, since PostgreSQL refuses to be root.

mod binaries;
mod directory;
mod identity;
mod server;

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection};

use binaries::Binaries;
use directory::{create_directory, private_file, socket_directory, state_directory};
use identity::Identity;
use server::Server;

const USER: &str = "shopscore";
const DATABASE: &str = "shopscore";
/// How long a server may take to accept connections, recovery after a crash included.
const READY_WAIT: Duration = Duration::from_secs(60);

#[derive(Debug, thiserror::Error)]
pub enum PrivateError {
    #[error(
        "no PostgreSQL server binaries were found. Three ways out:\n  \
         1. install them:            apt-get install postgresql   (or name their folder with --postgres-bin)\n  \
         2. use a server you have:   --database-url postgres://user@host/database   (or DATABASE_URL)\n  \
         3. run both in containers:  docker compose up"
    )]
    NoBinaries,
    #[error(
        "another shopscore service already uses the state directory {directory} (process {owner}); \
         stop it, or give this one a --state-dir of its own"
    )]
    InUse { directory: PathBuf, owner: String },
    #[error(
        "the data in {directory} was written by PostgreSQL {wanted}, but only {found} was found. Either use the old version:\n  \
         apt-get install postgresql-{wanted}\nor move the data to PostgreSQL {found}, with both installed:\n  \
         shopscore backup shopscore.dump --postgres-bin /usr/lib/postgresql/{wanted}/bin\n  \
         mv {directory} {directory}.{wanted}\n  \
         shopscore restore shopscore.dump --postgres-bin /usr/lib/postgresql/{found}/bin"
    )]
    WrongVersion { directory: PathBuf, wanted: String, found: String },
    #[error("{action} {path}: {cause}")]
    Io { action: &'static str, path: PathBuf, cause: std::io::Error },
    #[error("{command} failed:\n{output}")]
    Command { command: String, output: String },
    #[error("the private PostgreSQL did not become ready; its log is {log}:\n{tail}")]
    NotReady { log: PathBuf, tail: String },
}

/// Where and how the private server lives.
#[derive(Clone, Debug)]
pub struct PrivateSettings {
    pub state_dir: PathBuf,
    /// The folder of `initdb` and `postgres`; searched for if not given.
    pub binaries: Option<PathBuf>,
    /// Gives up durability for speed. For throw-away servers of tests only.
    pub volatile: bool,
}

/// A private server that is ready. Owned, it runs until [`PrivatePostgres::stop`] or the end of this process.
pub struct PrivatePostgres {
    options: PgConnectOptions,
    owned: Option<(Server, File)>,
}

/// What a process may do when a service already owns the state directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// Refuse: there is one service per state directory.
    Exclusive,
    /// Use the server that runs.
    Join,
}

impl PrivatePostgres {
    /// Starts the server of a state directory (creating it where it is empty), or joins the one that runs.
    pub async fn open(settings: &PrivateSettings, sharing: Sharing) -> Result<PrivatePostgres, PrivateError> {
        let identity = Identity::choose();
        let directory = state_directory(&settings.state_dir, &identity)?;
        let socket_dir = socket_directory(&directory, &identity)?;
        let options = PgConnectOptions::new_without_pgpass().socket(&socket_dir).username(USER).database(DATABASE);
        let Some(lock) = lock(&directory)? else {
            if sharing == Sharing::Exclusive {
                let owner = fs::read_to_string(lock_path(&directory)).unwrap_or_default();
                let owner = if owner.trim().is_empty() { "unknown".to_owned() } else { owner.trim().to_owned() };
                return Err(PrivateError::InUse { directory, owner });
            }
            wait_ready(&options, &directory, None).await?;
            return Ok(PrivatePostgres { options, owned: None });
        };
        let data_dir = directory.join("postgres");
        let binaries = Binaries::find(settings.binaries.as_deref(), &data_dir)?;
        if !data_dir.join("PG_VERSION").exists() {
            init_data(&binaries, &directory, &data_dir, &identity)?;
        }
        let log = directory.join("postgres.log");
        let server = Server::start(server::Launch {
            program: binaries.postgres(),
            data_dir,
            socket_dir,
            log,
            identity,
            volatile: settings.volatile,
        })?;
        wait_ready(&options, &directory, Some(&server)).await?;
        Ok(PrivatePostgres { options, owned: Some((server, lock)) })
    }

    pub fn options(&self) -> &PgConnectOptions {
        &self.options
    }

    /// Stops the server if this process owns it, and waits until it is down.
    pub async fn stop(self) {
        if let Some((server, lock)) = self.owned {
            // Waiting for a process blocks a thread.
            let stopped = tokio::task::spawn_blocking(move || server.stop()).await;
            if stopped.is_err() {
                tracing::warn!("could not wait for the private PostgreSQL to stop");
            }
            drop(lock);
        }
    }
}

fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> PrivateError {
    let path = path.to_owned();
    move |cause| PrivateError::Io { action, path, cause }
}

fn lock_path(directory: &Path) -> PathBuf {
    directory.join("service.lock")
}

/// `None` when another process holds the lock. The lock goes with the process, however it ends.
fn lock(directory: &Path) -> Result<Option<File>, PrivateError> {
    let path = lock_path(directory);
    let mut file = private_file(OpenOptions::new().truncate(false).write(true), &path)?;
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        return Ok(None);
    }
    file.set_len(0).and_then(|()| write!(file, "{}", std::process::id())).map_err(io("cannot write", &path))?;
    Ok(Some(file))
}

/// Makes the data directory. It is made aside and moved into place, so that an interrupted first start leaves nothing
/// that looks whole.
fn init_data(binaries: &Binaries, state_dir: &Path, data_dir: &Path, identity: &Identity) -> Result<(), PrivateError> {
    let aside = state_dir.join("postgres.new");
    for leftover in [aside.as_path(), data_dir] {
        if leftover.exists() {
            fs::remove_dir_all(leftover).map_err(io("cannot remove", leftover))?;
        }
    }
    create_directory(&aside, identity)?;
    let mut command: Command = identity.command(&binaries.initdb(), state_dir);
    command.arg("--pgdata").arg(&aside);
    command.args(["--username", USER, "--auth", "trust", "--encoding", "UTF8", "--locale", "C.UTF-8"]);
    let output = command.output().map_err(io("cannot run", &binaries.initdb()))?;
    if !output.status.success() {
        let output = [output.stdout, output.stderr].concat();
        let output = String::from_utf8_lossy(&output).into_owned();
        return Err(PrivateError::Command { command: "initdb".to_owned(), output });
    }
    fs::rename(&aside, data_dir).map_err(io("cannot move into place", data_dir))
}

/// Compresses whole pages in the write-ahead log as well as this build of PostgreSQL can. After a checkpoint the first change
/// of each page writes the page as a whole; where events touch pages here and there, that is most of the log.
async fn compress_wal(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let known = "select enumvals, setting from pg_settings where name = 'wal_compression'";
    let (known, kept): (Vec<String>, String) = sqlx::query_as(known).fetch_one(&mut *connection).await?;
    let best = ["zstd", "lz4"].into_iter().find(|method| known.iter().any(|known| known == method)).unwrap_or("on");
    if kept != best {
        let set = format!("alter system set wal_compression = {best}");
        sqlx::raw_sql(AssertSqlSafe(set)).execute(&mut *connection).await?;
        sqlx::raw_sql("select pg_reload_conf()").execute(connection).await?;
    }
    Ok(())
}

/// Waits until the server answers and its database exists.
async fn wait_ready(options: &PgConnectOptions, state_dir: &Path, server: Option<&Server>) -> Result<(), PrivateError> {
    let deadline = tokio::time::Instant::now() + READY_WAIT;
    let maintenance = options.clone().database("postgres").disable_statement_logging();
    loop {
        if let Ok(mut connection) = sqlx::PgConnection::connect_with(&maintenance).await {
            let exists = sqlx::query("select from pg_database where datname = $1").bind(DATABASE);
            let there = matches!(exists.fetch_optional(&mut connection).await, Ok(Some(_)));
            if there || connection.execute("create database shopscore").await.is_ok() {
                if let Some(server) = server {
                    server.note_ready();
                    if let Err(error) = compress_wal(&mut connection).await {
                        tracing::warn!(%error, "the write-ahead log is not compressed");
                    }
                }
                return Ok(());
            }
        }
        if tokio::time::Instant::now() > deadline || server.is_some_and(Server::gave_up) {
            let log = state_dir.join("postgres.log");
            let tail = server::log_tail(&log);
            return Err(PrivateError::NotReady { log, tail });
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
