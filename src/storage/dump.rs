//! Dumps of the whole database, made and read back by PostgreSQL's own programs (custom format).

use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;

use sqlx::PgConnection;
use sqlx::postgres::PgConnectOptions;

use super::StoreError;

/// How PostgreSQL's programs reach a database. The password is never an argument, which other users of the machine see.
#[derive(Clone, Debug)]
pub struct Reached {
    pub options: PgConnectOptions,
    /// Of a database that is given by URL: the URL.
    pub url: Option<String>,
    /// Where the programs are; by default the newest of Debian's folders, then `PATH`.
    pub programs: Option<PathBuf>,
}

#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    #[error("{program} was not found: apt-get install postgresql-client, or name its folder with --postgres-bin")]
    NoProgram { program: &'static str },
    #[error("{program} cannot be run: {cause}")]
    Io { program: &'static str, cause: std::io::Error },
    #[error("{program} failed:\n{said}")]
    Failed { program: &'static str, said: String },
    #[error("the database URL cannot be read: {0}")]
    Url(String),
}

/// Where Debian keeps one folder for each major version.
const DEBIAN_FOLDER: &str = "/usr/lib/postgresql";

/// A program of the newest version there is: a newer one reads databases and dumps of older ones.
fn find(program: &'static str, explicit: Option<&Path>) -> Result<PathBuf, DumpError> {
    let is_there = |folder: PathBuf| Some(folder.join(program)).filter(|path| path.is_file());
    let found = match explicit {
        Some(folder) => is_there(folder.to_owned()),
        None => {
            let entries = std::fs::read_dir(DEBIAN_FOLDER).into_iter().flatten().flatten();
            let version = |entry: std::fs::DirEntry| {
                let number: u32 = entry.file_name().to_str()?.parse().ok()?;
                Some((number, is_there(entry.path().join("bin"))?))
            };
            let newest = entries.filter_map(version).max().map(|(_, path)| path);
            let path = std::env::var_os("PATH").unwrap_or_default();
            newest.or_else(|| std::env::split_paths(&path).find_map(is_there))
        }
    };
    found.ok_or(DumpError::NoProgram { program })
}

impl Reached {
    /// A command on the database, which is its `--dbname`.
    fn command(&self, program: &'static str) -> Result<tokio::process::Command, DumpError> {
        let mut command = tokio::process::Command::new(find(program, self.programs.as_deref())?);
        match &self.url {
            Some(url) => {
                let mut url = reqwest::Url::parse(url).map_err(|error| DumpError::Url(error.to_string()))?;
                if let Some(password) = url.password() {
                    command.env("PGPASSWORD", percent_decoded(password));
                    url.set_password(None).map_err(|()| DumpError::Url("it has no host".to_owned()))?;
                }
                command.arg("--dbname").arg(url.as_str());
            }
            None => {
                let options = &self.options;
                if let Some(socket) = options.get_socket() {
                    command.arg("--host").arg(socket);
                }
                command.args(["--username", options.get_username()]);
                command.args(["--dbname", options.get_database().unwrap_or("postgres")]);
            }
        }
        command.stdin(std::process::Stdio::null()).kill_on_drop(true);
        Ok(command)
    }

    /// Writes a dump of one consistent moment, aside first: a file that is there is whole.
    pub async fn dump(&self, file: &Path) -> Result<(), DumpError> {
        let program = "pg_dump";
        let io = |cause| DumpError::Io { program, cause };
        let mut aside = file.as_os_str().to_owned();
        aside.push(format!(".{}.part", std::process::id()));
        let aside = PathBuf::from(aside);
        // Secrets are in it. pg_dump writes into the file that is there.
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside).map_err(io)?;
        let mut command = self.command(program)?;
        command.args(["--format", "custom", "--no-owner", "--no-privileges", "--file"]).arg(&aside);
        succeeded(program, command.output().await.map_err(io)?)?;
        std::fs::File::open(&aside).and_then(|written| written.sync_all()).map_err(io)?;
        std::fs::rename(&aside, file).map_err(io)
    }

    /// Reads a dump back, all of it or nothing.
    pub async fn restore(&self, file: &Path) -> Result<(), DumpError> {
        let program = "pg_restore";
        let mut command = self.command(program)?;
        command.args(["--no-owner", "--no-privileges", "--single-transaction", "--exit-on-error"]).arg(file);
        succeeded(program, command.output().await.map_err(|cause| DumpError::Io { program, cause })?)
    }
}

fn succeeded(program: &'static str, output: Output) -> Result<(), DumpError> {
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).trim().to_owned();
    Err(DumpError::Failed { program, said })
}

fn percent_decoded(text: &str) -> String {
    form_urlencoded::parse(format!("p={}", text.replace('+', "%2B")).as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

/// Whether a database has no tables yet.
pub async fn is_empty(connection: &mut PgConnection) -> Result<bool, StoreError> {
    let empty = sqlx::query_scalar(
        "select not exists (select from information_schema.tables where table_schema = current_schema())",
    );
    Ok(empty.fetch_one(connection).await?)
}

#[cfg(test)]
mod tests {
    use super::percent_decoded;

    #[test]
    fn a_password_is_read_as_urls_write_it() {
        assert_eq!(percent_decoded("a%40b+c%26d"), "a@b+c&d");
    }
}
