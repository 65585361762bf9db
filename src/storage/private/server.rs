//! The server process: started as the right user, tied to the life of this process, started again when it dies.

use std::fs::{self, OpenOptions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::directory::private_file;
use super::identity::Identity;
use super::{PrivateError, io};

/// A server that ends sooner than this after its start did not really start.
const SHORT_LIFE: Duration = Duration::from_secs(2);
/// After this many short lives in a row a server that never was ready is given up.
const SHORT_LIVES_MAX: u32 = 100;
/// The pause before a server is started again, which doubles with every short life …
const RESTART_PAUSE: Duration = Duration::from_millis(100);
/// … up to this.
const RESTART_PAUSE_MAX: Duration = Duration::from_secs(5);
/// Lines of the server's log that are shown where it failed.
const LOG_LINES: usize = 12;

/// All that it takes to start the server.
pub(super) struct Launch {
    pub program: PathBuf,
    pub data_dir: PathBuf,
    pub socket_dir: PathBuf,
    pub log: PathBuf,
    pub identity: Identity,
    pub volatile: bool,
}

impl Launch {
    fn spawn(&self) -> Result<Child, PrivateError> {
        let log = private_file(OpenOptions::new().append(true), &self.log)?;
        let log_again = log.try_clone().map_err(io("cannot open", &self.log))?;
        let mut command = self.identity.command(&self.program, &self.data_dir);
        command.arg("-D").arg(&self.data_dir).arg("-k").arg(&self.socket_dir).stdout(log).stderr(log_again);
        let mut settings = vec![
            "listen_addresses=",
            "unix_socket_permissions=0700",
            "shared_buffers=512MB",
            "max_connections=100",
            "max_wal_size=4GB",
            "checkpoint_timeout=15min",
            "log_min_messages=warning",
            "log_checkpoints=off",
        ];
        if self.volatile {
            settings.extend(["fsync=off", "synchronous_commit=off", "full_page_writes=off"]);
        }
        for setting in settings {
            command.args(["-c", setting]);
        }
        // Signals that a terminal sends to the service must not reach the server before the service is done with it.
        command.process_group(0);
        command.spawn().map_err(io("cannot run", &self.program))
    }
}

/// A running server and the thread that watches over it. The thread lives as long as the process, since the kernel ties
/// the server's life to the thread that started it.
pub(super) struct Server {
    state: Arc<State>,
    watcher: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    process: AtomicI32,
    stopping: AtomicBool,
    was_ready: AtomicBool,
    gave_up: AtomicBool,
}

impl Server {
    pub(super) fn start(launch: Launch) -> Result<Server, PrivateError> {
        let state = Arc::new(State::default());
        let (started, outcome) = mpsc::channel();
        let watched = Arc::clone(&state);
        let watcher = std::thread::Builder::new()
            .name("private-postgres".to_owned())
            .spawn(move || watch(&launch, &watched, &started))
            .map_err(io("cannot start a thread for", Path::new("postgres")))?;
        match outcome.recv() {
            Ok(Err(error)) => Err(error),
            _ => Ok(Server { state, watcher }),
        }
    }

    /// The server has answered: from now on it is started again for ever.
    pub(super) fn note_ready(&self) {
        self.state.was_ready.store(true, Ordering::SeqCst);
    }

    /// Whether the server kept ending right after its start, so that it is not started any more.
    pub(super) fn gave_up(&self) -> bool {
        self.state.gave_up.load(Ordering::SeqCst)
    }

    /// Asks the server to end its sessions and stop, and waits until it has.
    pub(super) fn stop(self) {
        self.state.stopping.store(true, Ordering::SeqCst);
        interrupt(&self.state);
        if self.watcher.join().is_err() {
            tracing::warn!("the watcher of the private PostgreSQL failed");
        }
    }
}

fn interrupt(state: &State) {
    if let Some(process) = Pid::from_raw(state.process.load(Ordering::SeqCst)) {
        // A server that is gone already needs no signal.
        let _ = kill_process(process, Signal::INT);
    }
}

/// Waits before the next start, unless the server is to stop.
fn pause(state: &State, short_lives: u32) {
    let longer = if state.was_ready.load(Ordering::SeqCst) { 1_u32 << short_lives.min(10) } else { 1 };
    let until = Instant::now() + (RESTART_PAUSE * longer).min(RESTART_PAUSE_MAX);
    while Instant::now() < until && !state.stopping.load(Ordering::SeqCst) {
        std::thread::sleep(RESTART_PAUSE);
    }
}

/// Removes a `postmaster.pid` that names no server of this directory: PostgreSQL does not start over an empty one, nor where
/// another process has got its number. The caller holds the lock of the state directory.
fn remove_stale_pid(data_dir: &Path) {
    let path = data_dir.join("postmaster.pid");
    let Ok(text) = fs::read_to_string(&path) else { return };
    let is_server = |process: u32| {
        let command = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
        let mut arguments = command.split(|byte| *byte == 0);
        arguments.any(|argument| argument == data_dir.as_os_str().as_bytes())
    };
    let process = text.lines().next().and_then(|line| line.trim().parse().ok());
    if process.is_some_and(is_server) {
        return;
    }
    match fs::remove_file(&path) {
        Ok(()) => tracing::warn!("removed the postmaster.pid of a server that is gone"),
        Err(error) => tracing::warn!(%error, "a stale postmaster.pid could not be removed"),
    }
}

/// The last lines of the server's log.
pub(super) fn log_tail(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
}

/// Starts the server and starts it again whenever it ends without having been asked to.
fn watch(launch: &Launch, state: &State, started: &mpsc::Sender<Result<(), PrivateError>>) {
    let mut short_lives = 0;
    let may_go_on = |short_lives: u32| state.was_ready.load(Ordering::SeqCst) || short_lives < SHORT_LIVES_MAX;
    while !state.stopping.load(Ordering::SeqCst) && may_go_on(short_lives) {
        let born = Instant::now();
        remove_stale_pid(&launch.data_dir);
        match launch.spawn() {
            Ok(mut child) => {
                state.process.store(child.id() as i32, Ordering::SeqCst);
                if state.stopping.load(Ordering::SeqCst) {
                    interrupt(state);
                }
                // The receiver is gone after the first message.
                let _ = started.send(Ok(()));
                let status = child.wait();
                state.process.store(0, Ordering::SeqCst);
                if !state.stopping.load(Ordering::SeqCst) && state.was_ready.load(Ordering::SeqCst) {
                    let log = log_tail(&launch.log);
                    tracing::warn!(?status, log, "the private PostgreSQL ended; starting it again");
                }
            }
            Err(error) => {
                tracing::warn!(%error, "the private PostgreSQL could not be started");
                let _ = started.send(Err(error));
            }
        }
        // The processes of a server that was killed hold its memory for a moment; until then a new one cannot start.
        short_lives = if born.elapsed() > SHORT_LIFE { 0 } else { short_lives + 1 };
        pause(state, short_lives);
    }
    state.gave_up.store(true, Ordering::SeqCst);
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use super::remove_stale_pid;

    #[test]
    fn only_a_pid_of_a_server_of_the_directory_stays() {
        let directory = std::env::temp_dir().join(format!("shopscore-pid-{}", std::process::id()));
        fs::create_dir_all(&directory).expect("a directory");
        let file = directory.join("postmaster.pid");
        let mut server =
            Command::new("sh").args(["-c", "sleep 5; true", "-D"]).arg(&directory).spawn().expect("a process");
        // The kernel shows its arguments a moment after it began.
        while fs::read(format!("/proc/{}/cmdline", server.id())).expect("a process").is_empty() {
            std::thread::yield_now();
        }
        for (text, stays) in [
            (String::new(), false),
            ("no number\n".to_owned(), false),
            (format!("{}\n{}\n", std::process::id(), directory.display()), false),
            ("4194304\n".to_owned(), false),
            (format!("{}\n", server.id()), true),
        ] {
            fs::write(&file, &text).expect("a file");
            remove_stale_pid(&directory);
            assert_eq!(file.exists(), stays, "{text}");
        }
        server.kill().and_then(|()| server.wait()).expect("an end");
        fs::remove_dir_all(&directory).expect("cleaned");
    }
}
