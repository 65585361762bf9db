//! The program as a user runs it: as a process of its own.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;

use super::scratch;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_shopscore");

/// A running `shopscore serve`. Killed when dropped.
pub struct Process {
    pub child: Child,
    pub base: String,
}

impl Process {
    /// Starts the program and waits until it serves.
    pub fn start(command: &mut Command) -> Process {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the program");
        let stderr = BufReader::new(child.stderr.take().expect("stderr"));
        let (sender, address) = mpsc::channel();
        std::thread::spawn(move || {
            let mut log = String::new();
            for line in stderr.lines().map_while(Result::ok) {
                if let Some((_, address)) = line.split_once("serving address=") {
                    // The test may be over by now.
                    let _ = sender.send(Ok(address.to_owned()));
                }
                log.push_str(&line);
                log.push('\n');
            }
            let _ = sender.send(Err(log));
        });
        match address.recv().expect("an address") {
            Ok(address) => Process { child, base: format!("http://{address}") },
            Err(log) => panic!("the program ended before it served:\n{log}"),
        }
    }

    pub fn kill(&mut self) {
        self.child.kill().expect("a kill");
        self.child.wait().expect("an end");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The program with a private PostgreSQL in a state directory.
pub fn program(state_dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.env_remove("DATABASE_URL").arg("--state-dir").arg(state_dir).args(arguments);
    command
}

/// Whether the command succeeded, and all that it printed.
pub fn output(mut command: Command) -> (bool, String) {
    let Output { status, stdout, stderr } = command.output().expect("the program");
    (status.success(), String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned())
}

pub fn empty_directory(name: &str) -> PathBuf {
    let directory = scratch(name);
    drop(std::fs::remove_dir_all(&directory));
    std::fs::create_dir_all(&directory).expect("a directory");
    directory
}

/// The exit status of a command, and what it printed: for programs, and for people.
pub fn run(directory: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = program(directory, arguments).output().expect("the program");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (status.code(), text(stdout), text(stderr))
}

/// Writes a file, and says where it is.
pub fn write(directory: &Path, name: &str, bytes: impl AsRef<[u8]>) -> String {
    let file = directory.join(name);
    std::fs::write(&file, bytes).expect("a file");
    file.to_str().expect("a path").to_owned()
}
