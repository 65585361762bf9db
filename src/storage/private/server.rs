//! The server process: started as the right user, tied to the life of this process, started again when it dies.

use std::fs::{self, OpenOptions};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, geteuid, kill_process};

use super::{PrivateError, io};

/// A server that ends sooner than this after its start did not really start.
const SHORT_LIFE: Duration = Duration::from_secs(2);
/// After this many short lives in a row the server is given up.
const SHORT_LIVES_MAX: u32 = 100;
const RESTART_PAUSE: Duration = Duration::from_millis(100);

/// As whom the server runs.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    user: Option<User>,
}

/// A line of the password file.
#[derive(Clone, Copy, Debug)]
pub(super) struct User {
    pub uid: u32,
    pub gid: u32,
}

impl Identity {
    /// Root steps down to `postgres`, else `nobody`; everyone else stays who they are.
    pub(super) fn choose() -> Identity {
        let user = geteuid().is_root().then(|| find_user("postgres").or_else(|| find_user("nobody"))).flatten();
        Identity { user }
    }

    pub(super) fn user(&self) -> Option<User> {
        self.user
    }

    /// A command that runs as this user, and that is told to stop when the thread that started it ends.
    pub(super) fn command(&self, program: &Path, home: &Path) -> Command {
        let setpriv = Path::new("/usr/bin/setpriv");
        let mut command = match (self.user, setpriv.exists()) {
            (Some(user), true) => {
                let mut command = Command::new(setpriv);
                command.args(["--reuid", &user.uid.to_string(), "--regid", &user.gid.to_string()]);
                command.args(["--clear-groups", "--no-new-privs", "--pdeathsig", "INT"]).arg(program);
                command
            }
            (None, true) => {
                let mut command = Command::new(setpriv);
                command.args(["--pdeathsig", "INT"]).arg(program);
                command
            }
            (Some(user), false) => {
                let mut command = Command::new(program);
                command.uid(user.uid).gid(user.gid);
                command
            }
            (None, false) => Command::new(program),
        };
        command.env("HOME", home).env_remove("PGDATA").current_dir(home).stdin(Stdio::null());
        command
    }
}

fn find_user(name: &str) -> Option<User> {
    let passwords = fs::read_to_string("/etc/passwd").ok()?;
    let fields: Vec<&str> = passwords.lines().map(|line| line.split(':')).find_map(|fields| {
        let fields: Vec<&str> = fields.collect();
        (fields.first() == Some(&name)).then_some(fields)
    })?;
    Some(User { uid: fields.get(2)?.parse().ok()?, gid: fields.get(3)?.parse().ok()? })
}

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
        let log = OpenOptions::new().create(true).append(true).open(&self.log).map_err(io("cannot open", &self.log))?;
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

/// Starts the server and starts it again whenever it ends without having been asked to.
fn watch(launch: &Launch, state: &State, started: &mpsc::Sender<Result<(), PrivateError>>) {
    let mut short_lives = 0;
    while !state.stopping.load(Ordering::SeqCst) && short_lives < SHORT_LIVES_MAX {
        let born = Instant::now();
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
                if !state.stopping.load(Ordering::SeqCst) && born.elapsed() > SHORT_LIFE {
                    tracing::warn!(?status, "the private PostgreSQL ended; starting it again");
                }
            }
            Err(error) => {
                let _ = started.send(Err(error));
            }
        }
        // The processes of a server that was killed hold its memory for a moment; until then a new one cannot start.
        short_lives = if born.elapsed() > SHORT_LIFE { 0 } else { short_lives + 1 };
        std::thread::sleep(RESTART_PAUSE);
    }
    state.gave_up.store(true, Ordering::SeqCst);
}
