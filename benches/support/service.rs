//! The service under test: a process of its own with its private PostgreSQL, and an API key to it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use super::Outcome;
use super::client::Target;

const SCOPES: [&str; 4] = ["events:write", "events:relay", "scores:read", "admin"];

/// The number of the next state directory of this process.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// A directory of the bench's own, which goes with it.
struct StateDirectory(PathBuf);

impl Drop for StateDirectory {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

pub struct Service {
    child: Child,
    pub target: Target,
    arguments: &'static [&'static str],
    /// Dropped last, when the service and its server are down.
    directory: StateDirectory,
}

impl Service {
    /// Starts a service on an empty state directory.
    pub fn start() -> Outcome<Service> {
        Service::start_with(&[])
    }

    /// The same with further arguments.
    pub fn start_with(arguments: &'static [&'static str]) -> Outcome<Service> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("shopscore-bench-{}-{number}", std::process::id());
        let directory = StateDirectory(std::env::temp_dir().join(name));
        let key = create_key(&directory.0)?;
        let (child, address) = launch(&directory.0, arguments)?;
        Ok(Service { child, target: Target { address, key }, arguments, directory })
    }

    /// Stops the service with its PostgreSQL and starts it again on what they left.
    pub fn restart(&mut self) -> Outcome<()> {
        self.stop();
        (self.child, self.target.address) = launch(&self.directory.0, self.arguments)?;
        Ok(())
    }

    fn stop(&mut self) {
        // A process that was waited for is gone, and its number may be another's by now.
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        if let Some(process) = rustix::process::Pid::from_raw(self.child.id() as i32) {
            let _ = rustix::process::kill_process(process, rustix::process::Signal::TERM);
        }
        drop(self.child.wait());
    }

    pub fn directory(&self) -> &Path {
        &self.directory.0
    }

    /// The most memory that the process held since it started, in megabytes.
    pub fn peak_memory(&self) -> Option<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        Some(line.trim().trim_end_matches(" kB").parse::<f64>().ok()? / 1024.0)
    }

    /// A PostgreSQL program that finds the private server.
    pub fn client_program(&self, name: &str) -> Command {
        let mut command = Command::new(name);
        command.env("PGHOST", self.directory.0.join("socket")).env("PGUSER", "shopscore");
        command.env("PGDATABASE", "shopscore").env("LC_ALL", "C.UTF-8");
        command
    }

    /// What psql prints, without decoration.
    pub fn psql(&self, arguments: &[&str]) -> Outcome<String> {
        finished(self.psql_command().args(arguments))
    }

    /// Runs a file of the benches with psql variables. What it warns of goes to standard error as it comes.
    pub fn script(&self, file: &str, variables: &[(&str, String)]) -> Outcome<String> {
        let mut command = self.psql_command();
        for (name, value) in variables {
            command.arg("-v").arg(format!("{name}={value}"));
        }
        finished(command.arg("-f").arg(bench_file(file)).stderr(Stdio::inherit()))
    }

    fn psql_command(&self) -> Command {
        let mut command = self.client_program("psql");
        command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]);
        command
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A file under `benches/`.
pub fn bench_file(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches").join(file)
}

fn finished(command: &mut Command) -> Outcome<String> {
    let output = command.output()?;
    if output.status.success() {
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    } else {
        Err(format!("psql failed: {}", String::from_utf8_lossy(&output.stderr)).into())
    }
}

fn shopscore() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shopscore"));
    command.env_remove("DATABASE_URL");
    command
}

/// Makes a key for everything; the command opens the private PostgreSQL of the directory and closes it again.
fn create_key(directory: &Path) -> Outcome<String> {
    let migrated = shopscore().arg("migrate").arg("--state-dir").arg(directory).output()?;
    if !migrated.status.success() {
        return Err(format!("no schema was made: {}", String::from_utf8_lossy(&migrated.stderr)).into());
    }
    let mut command = shopscore();
    command.args(["key", "create"]);
    for scope in SCOPES {
        command.args(["--scope", scope]);
    }
    let output = command.arg("--state-dir").arg(directory).output()?;
    let key = String::from_utf8(output.stdout)?.trim().to_owned();
    if output.status.success() && key.starts_with("ssk_") {
        Ok(key)
    } else {
        Err(format!("no key was made: {}", String::from_utf8_lossy(&output.stderr)).into())
    }
}

/// Starts the service and waits until it says where it listens. Its log goes on to standard error.
fn launch(directory: &Path, arguments: &[&str]) -> Outcome<(Child, String)> {
    let mut child = shopscore()
        .args(["serve", "--listen", "127.0.0.1:0", "--auth", "required", "--state-dir"])
        .arg(directory)
        .args(arguments)
        .stderr(Stdio::piped())
        .spawn()?;
    let mut lines = BufReader::new(child.stderr.take().ok_or("no stderr")?).lines();
    let mut said = Vec::new();
    let address = lines.by_ref().map_while(Result::ok).find_map(|line| {
        let address = line.split_once("serving address=").map(|(_, rest)| rest.trim().to_owned());
        said.push(line);
        address
    });
    let address = address.ok_or_else(|| format!("the service did not start:\n{}", said.join("\n")))?;
    std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| eprintln!("{line}")));
    Ok((child, address))
}
