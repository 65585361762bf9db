//! Directories and files of the private server: whose they are, and who may enter or open them.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use super::identity::Identity;
use super::{PrivateError, io};

/// A socket's path holds at most 107 bytes; the server adds `/.s.PGSQL.5432` to the directory.
const SOCKET_DIRECTORY_LENGTH_MAX: usize = 107 - "/.s.PGSQL.5432".len();
/// Directories that only the server's user may enter.
const PRIVATE_MODE: u32 = 0o700;
/// The state directory: everybody may pass through it, nobody else may look into it.
const STATE_MODE: u32 = 0o711;
/// Files beside the data.
const FILE_MODE: u32 = 0o600;

/// Opens a file of this process's user in the state directory, which nobody else may read or lock. A link in its place is not
/// followed: it could lead to any file of root.
pub(super) fn private_file(options: &mut OpenOptions, path: &Path) -> Result<File, PrivateError> {
    let flags = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
    let file = options.create(true).mode(FILE_MODE).custom_flags(flags).open(path).map_err(io("cannot open", path))?;
    file.set_permissions(fs::Permissions::from_mode(FILE_MODE)).map_err(io("cannot set the mode of", path))?;
    Ok(file)
}

/// The state directory. It is this process's own; as root, the server's user may only pass through it to what is its own.
pub(super) fn state_directory(path: &Path, identity: &Identity) -> Result<PathBuf, PrivateError> {
    let fault = |why: String| PrivateError::Io {
        action: "cannot use",
        path: path.to_owned(),
        cause: std::io::Error::other(why),
    };
    if !path.exists() {
        fs::create_dir_all(path).map_err(io("cannot create", path))?;
        fs::set_permissions(path, fs::Permissions::from_mode(STATE_MODE))
            .map_err(io("cannot set the mode of", path))?;
    }
    let directory = path.canonicalize().map_err(io("cannot open", path))?;
    if let Some(user) = identity.user() {
        let found = fs::metadata(&directory).map_err(io("cannot look at", path))?;
        // Earlier versions gave it to the server's user.
        if found.uid() == user.uid {
            chown(&directory, Some(0), Some(0)).map_err(io("cannot set the owner of", path))?;
            fs::set_permissions(&directory, fs::Permissions::from_mode(STATE_MODE))
                .map_err(io("cannot set the mode of", path))?;
        } else if found.mode() & 0o001 == 0 {
            let why = "the server's user cannot pass through it; run chmod 711 on it, or name another --state-dir";
            return Err(fault(why.to_owned()));
        }
    }
    Ok(directory)
}

/// A directory of the server's user alone.
pub(super) fn create_directory(path: &Path, identity: &Identity) -> Result<PathBuf, PrivateError> {
    if !path.exists() {
        fs::create_dir_all(path).map_err(io("cannot create", path))?;
        identity.own(path, PRIVATE_MODE).map_err(io("cannot set the owner of", path))?;
    } else {
        // The owner of the socket's or the data's directory controls the data.
        let owner = fs::symlink_metadata(path).map_err(io("cannot look at", path))?.uid();
        if !identity.trusts(owner) {
            let cause = std::io::Error::other(format!("it belongs to another user ({owner}); remove it"));
            return Err(PrivateError::Io { action: "cannot use", path: path.to_owned(), cause });
        }
        identity.own(path, PRIVATE_MODE).map_err(io("cannot set the owner of", path))?;
    }
    path.canonicalize().map_err(io("cannot open", path))
}

/// A directory for the socket that only the server's user (and root) may enter, on a path that is short enough.
pub(super) fn socket_directory(state_dir: &Path, identity: &Identity) -> Result<PathBuf, PrivateError> {
    let beside = state_dir.join("socket");
    if beside.as_os_str().len() <= SOCKET_DIRECTORY_LENGTH_MAX {
        return create_directory(&beside, identity);
    }
    // The name follows from the state directory, so that a command finds the socket of the service that runs.
    use std::hash::{Hash, Hasher};
    let mut hasher = std::hash::DefaultHasher::new();
    state_dir.hash(&mut hasher);
    let short = std::env::temp_dir().join(format!("shopscore-{:016x}", hasher.finish()));
    create_directory(&short, identity)
}

impl Identity {
    /// Whether a directory of this owner may hold the server's data: its user's own, or of this process's user.
    fn trusts(&self, owner: u32) -> bool {
        owner == rustix::process::geteuid().as_raw() || self.user().is_some_and(|user| user.uid == owner)
    }

    /// Gives a path to the server's user, with a mode.
    fn own(&self, path: &Path, mode: u32) -> std::io::Result<()> {
        if let Some(user) = self.user() {
            chown(path, Some(user.uid), Some(user.gid))?;
        }
        fs::set_permissions(path, fs::Permissions::from_mode(mode))
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::private_file;

    #[test]
    fn a_private_file_is_no_link_and_nobody_elses_to_open() {
        let directory = std::env::temp_dir().join(format!("shopscore-file-{}", std::process::id()));
        fs::create_dir_all(&directory).expect("a directory");
        let (target, link, plain) = (directory.join("target"), directory.join("link"), directory.join("plain"));
        fs::write(&target, "text").expect("a file");
        symlink(&target, &link).expect("a link");
        assert!(private_file(OpenOptions::new().write(true).truncate(true), &link).is_err());
        assert_eq!(fs::read_to_string(&target).expect("the target"), "text");
        fs::write(&plain, "").expect("a file");
        fs::set_permissions(&plain, fs::Permissions::from_mode(0o644)).expect("a mode");
        let file = private_file(OpenOptions::new().append(true), &plain).expect("a file");
        assert_eq!(file.metadata().expect("a mode").permissions().mode() & 0o777, 0o600);
        fs::remove_dir_all(&directory).expect("cleaned");
    }
}
