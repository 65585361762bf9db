//! Finding `initdb` and `postgres`.

use std::fs;
use std::path::{Path, PathBuf};

use super::PrivateError;

/// Where Debian keeps one folder per major version.
const DEBIAN_FOLDER: &str = "/usr/lib/postgresql";

pub(super) struct Binaries {
    folder: PathBuf,
}

impl Binaries {
    /// An explicit folder, else the highest version under Debian's folder, else `PATH`. Data that exist must have been
    /// written by the same major version, which is then looked for first.
    pub(super) fn find(explicit: Option<&Path>, data_dir: &Path) -> Result<Binaries, PrivateError> {
        let wanted = fs::read_to_string(data_dir.join("PG_VERSION")).ok().map(|text| text.trim().to_owned());
        if let Some(folder) = explicit {
            return Binaries::in_folder(folder).ok_or(PrivateError::NoBinaries);
        }
        let mut versions = debian_versions();
        versions.sort_by_key(|(version, _)| (wanted.as_deref() == Some(&version.to_string()), *version));
        if let Some((version, folder)) = versions.pop() {
            return match wanted {
                Some(wanted) if wanted != version.to_string() => Err(PrivateError::WrongVersion {
                    directory: data_dir.to_owned(),
                    wanted,
                    found: version.to_string(),
                }),
                _ => Ok(Binaries { folder }),
            };
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found = std::env::split_paths(&path).find_map(|folder| Binaries::in_folder(&folder));
        found.ok_or(PrivateError::NoBinaries)
    }

    fn in_folder(folder: &Path) -> Option<Binaries> {
        let whole = ["initdb", "postgres"].iter().all(|name| folder.join(name).is_file());
        whole.then(|| Binaries { folder: folder.to_owned() })
    }

    pub(super) fn initdb(&self) -> PathBuf {
        self.folder.join("initdb")
    }

    pub(super) fn postgres(&self) -> PathBuf {
        self.folder.join("postgres")
    }
}

fn debian_versions() -> Vec<(u32, PathBuf)> {
    let entries = fs::read_dir(DEBIAN_FOLDER).into_iter().flatten().flatten();
    let version = |entry: fs::DirEntry| {
        let version: u32 = entry.file_name().to_str()?.parse().ok()?;
        let binaries = Binaries::in_folder(&entry.path().join("bin"))?;
        Some((version, binaries.folder))
    };
    entries.filter_map(version).collect()
}
