//! The user that the private server runs as.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::geteuid;

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
