//! The shape of the code: imports run one way, and SQL, status codes and the clock stay where they belong.

use std::path::{Path, PathBuf};

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// Lines of a module's sources that contain a word.
fn mentions(module: &str, word: &str) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let lines = sources(&root.join(module)).into_iter().flat_map(|path| {
        let text = std::fs::read_to_string(&path).expect("source");
        let found: Vec<String> =
            text.lines().filter(|line| line.contains(word)).map(|line| format!("{}: {line}", path.display())).collect();
        found
    });
    lines.collect()
}

#[test]
fn imports_run_one_way() {
    let forbidden = [
        ("domain", &["storage", "ingest", "scoring", "http", "cli", "service", "clock", "config", "demo"][..]),
        ("storage", &["ingest", "scoring", "http", "cli", "service", "clock", "config", "demo"][..]),
        ("ingest", &["scoring", "http", "cli", "service", "config", "demo"][..]),
        ("scoring", &["ingest", "http", "cli", "service", "config", "demo"][..]),
        ("http", &["cli", "service", "config", "demo"][..]),
    ];
    for (module, others) in forbidden {
        for other in others {
            let found = mentions(module, &format!("crate::{other}"));
            assert!(found.is_empty(), "src/{module} imports {other}: {found:#?}");
        }
    }
}

#[test]
fn sql_stays_in_storage_and_the_domain_knows_neither_async_nor_io() {
    for module in ["http", "ingest", "scoring", "domain", "cli", "demo"] {
        let found = mentions(module, "sqlx::query");
        assert!(found.is_empty(), "{found:#?}");
    }
    for word in ["async ", "std::fs", "sqlx", "tokio", "SystemTime", "Utc::now"] {
        let found = mentions("domain", word);
        assert!(found.is_empty(), "src/domain mentions {word}: {found:#?}");
    }
    let found: Vec<String> =
        ["domain", "storage", "ingest", "scoring"].iter().flat_map(|module| mentions(module, "StatusCode")).collect();
    assert!(found.is_empty(), "{found:#?}");
}
