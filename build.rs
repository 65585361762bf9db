//! What the binary knows of its own making: the migrations, which a change must compile again, the commit, and the
//! version of the dashboard's files with the names of its modules.

use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

fn main() {
    println!("cargo:rerun-if-changed=migrations");
    // What is not there would count as changed at every build.
    if Path::new(".git/logs/HEAD").exists() {
        println!("cargo:rerun-if-changed=.git/logs/HEAD");
    }
    println!("cargo:rerun-if-env-changed=SHOPSCORE_COMMIT");
    let asked = || Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).output().ok();
    let commit = std::env::var("SHOPSCORE_COMMIT").ok().or_else(|| {
        let output = asked().filter(|output| output.status.success())?;
        String::from_utf8(output.stdout).ok().map(|text| text.trim().to_owned())
    });
    println!("cargo:rustc-env=SHOPSCORE_COMMIT={}", commit.unwrap_or_else(|| "unknown".to_owned()));
    println!("cargo:rerun-if-changed=dashboard");
    let folder = Path::new("dashboard/assets");
    let mut files = files_below(folder);
    files.sort();
    println!("cargo:rustc-env=SHOPSCORE_DASHBOARD={}", digest(&files));
    // The page's modules, which browsers load at once instead of one after another. The classic script is none.
    let module = |file: &PathBuf| {
        let name = file.strip_prefix(folder).ok()?.to_str()?;
        (name.ends_with(".js") && name != "vendor/uplot.js").then(|| name.to_owned())
    };
    let modules: Vec<String> = files.iter().filter_map(module).collect();
    println!("cargo:rustc-env=SHOPSCORE_DASHBOARD_MODULES={}", modules.join(","));
}

/// A digest of files with their names.
fn digest(files: &[PathBuf]) -> String {
    let mut digest = Sha256::new();
    for file in files {
        digest.update(file.to_string_lossy().as_bytes());
        digest.update(std::fs::read(file).unwrap_or_default());
    }
    digest.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { files.extend(files_below(&path)) } else { files.push(path) }
    }
    files
}
