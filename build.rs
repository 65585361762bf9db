//! What the binary knows of its own making: the migrations, which a change must compile again, and the commit.

use std::path::Path;
use std::process::Command;

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
}
