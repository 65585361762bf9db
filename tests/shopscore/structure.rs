//! The shape of the code: imports run one way and never in a circle; SQL, status codes and the clock stay where they
//! belong; files stay short.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The modules of the crate with those that each may import, from the ground up.
const LAYERS: [(&str, &[&str]); 16] = [
    ("domain", &[]),
    ("clock", &[]),
    ("otel", &[]),
    ("mcp", &[]),
    ("config", &["domain"]),
    ("connect", &["domain"]),
    ("storage", &["domain"]),
    ("context", &["clock", "config", "domain", "storage"]),
    ("access", &["domain", "storage"]),
    ("ingest", &["config", "context", "domain", "otel", "storage"]),
    ("scoring", &["context", "domain", "otel", "storage"]),
    ("answers", &["access", "context", "domain", "scoring", "storage"]),
    ("webhooks", &["answers", "context", "domain", "ingest", "otel", "storage"]),
    (
        "http",
        &[
            "access", "answers", "config", "connect", "context", "domain", "ingest", "mcp", "otel", "scoring",
            "storage", "webhooks",
        ],
    ),
    (
        "service",
        &["access", "answers", "config", "connect", "context", "http", "ingest", "scoring", "storage", "webhooks"],
    ),
    (
        "cli",
        &[
            "access", "answers", "clock", "config", "connect", "context", "domain", "http", "ingest", "mcp", "scoring",
            "service", "storage",
        ],
    ),
];

/// Lines that a source file may have, but for the rows of the tables of the law.
const LINES_MAX: usize = 300;
/// The tables of the law, which grow with it: a row more does not make a file harder to read.
const TABLES: [&str; 3] = ["events! {", "measures! {", "metrics! {"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// All source files with their paths below `src`, without comments and the tests at their ends.
fn sources() -> BTreeMap<String, String> {
    let (mut sources, mut folders) = (BTreeMap::new(), vec![root()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).expect("a source");
                let name = path.strip_prefix(root()).expect("below src").to_str().expect("a name").to_owned();
                let code = text.split("#[cfg(test)]").next().unwrap_or_default();
                let is_code = |line: &&str| !line.trim_start().starts_with("//");
                sources.insert(name, code.lines().filter(is_code).collect::<Vec<_>>().join("\n"));
            }
        }
    }
    sources
}

/// The module of the crate that a file belongs to.
fn module_of(file: &str) -> &str {
    file.split(['/', '.']).next().unwrap_or_default()
}

/// The paths that a text names after `crate::` or `super::`, groups taken apart, as they are written.
fn named_paths(text: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for start in ["crate::", "super::"] {
        for (place, _) in text.match_indices(start) {
            let is_path_end = |letter: char| !(letter.is_ascii_alphanumeric() || matches!(letter, '_' | ':'));
            let rest = &text[place..];
            let head = &rest[..rest.find(is_path_end).unwrap_or(rest.len())];
            if let Some(group) = rest[head.len()..].strip_prefix('{') {
                let (mut depth, mut member) = (1, String::new());
                for letter in group.chars() {
                    depth += i32::from(letter == '{') - i32::from(letter == '}');
                    if depth == 0 || (depth == 1 && letter == ',') {
                        let name: String = member.trim().chars().take_while(|letter| !is_path_end(*letter)).collect();
                        paths.push(format!("{head}{name}"));
                        member.clear();
                    } else {
                        member.push(letter);
                    }
                    if depth == 0 {
                        break;
                    }
                }
            } else {
                paths.push(head.to_owned());
            }
        }
    }
    paths
}

/// The file that a path named in another file leads into.
fn file_of(sources: &BTreeMap<String, String>, from: &str, path: &str) -> Option<String> {
    let own = from.trim_end_matches("/mod.rs").trim_end_matches(".rs");
    let mut place: Vec<&str> = own.split('/').collect();
    let mut segments = path.split("::").peekable();
    if segments.peek() == Some(&"crate") {
        segments.next();
        place.clear();
    }
    while segments.peek() == Some(&"super") {
        segments.next();
        place.pop();
    }
    let mut found = None;
    let as_file = |place: &[&str]| {
        let joined = place.join("/");
        [format!("{joined}.rs"), format!("{joined}/mod.rs")].into_iter().find(|file| sources.contains_key(file))
    };
    if let Some(file) = as_file(&place) {
        found = Some(file);
    }
    for segment in segments {
        place.push(segment);
        match as_file(&place) {
            Some(file) => found = Some(file),
            None => break,
        }
    }
    found
}

#[test]
fn imports_run_one_way() {
    let sources = sources();
    for (file, text) in &sources {
        let module = module_of(file);
        let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == module) else {
            assert!(matches!(module, "lib" | "main"), "{file} belongs to no layer");
            continue;
        };
        for path in named_paths(text) {
            let other = path.strip_prefix("crate::").and_then(|path| path.split("::").next());
            let Some(other) = other.filter(|other| *other != module) else { continue };
            assert!(allowed.contains(&other), "{file} names {path}: {module} may not import {other}");
        }
    }
    for (file, text) in sources.iter().filter(|(file, _)| module_of(file) == "cli") {
        let imports_http = text.contains("crate::http");
        assert!(
            !imports_http || file == "cli/documents.rs",
            "{file} imports http, which commands need to describe it alone"
        );
    }
}

#[test]
fn no_file_imports_itself_through_others() {
    let sources = sources();
    let mut imports: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (file, text) in &sources {
        let named = named_paths(text).into_iter().filter_map(|path| file_of(&sources, file, &path));
        imports.insert(file.clone(), named.filter(|other| other != file).collect());
    }
    let mut circles = Vec::new();
    for file in sources.keys() {
        // Whatever is reachable from a file must not reach the file again.
        let (mut reached, mut waiting) = (BTreeSet::new(), vec![file]);
        while let Some(one) = waiting.pop() {
            for other in &imports[one] {
                if other == file {
                    circles.push(format!("{file} reaches {one}, which imports it"));
                } else if reached.insert(other) {
                    waiting.push(other);
                }
            }
        }
    }
    assert!(circles.is_empty(), "{circles:#?}");
}

#[test]
fn sql_stays_in_storage_status_codes_in_http_and_the_domain_knows_neither_async_nor_io() {
    for (file, text) in sources() {
        let module = module_of(&file);
        let forbidden: &[&str] = match module {
            "storage" => &["StatusCode"],
            "domain" => {
                &["StatusCode", "sqlx", "async ", "std::fs", "std::env", "tokio", "axum", "SystemTime", "Utc::now"]
            }
            "http" => &["sqlx::query", ".begin()"],
            _ => &["StatusCode", "sqlx::query"],
        };
        for word in forbidden {
            assert!(!text.contains(word), "{file} mentions {word}");
        }
    }
}

/// How many lines a text has outside of the tables of the law.
fn lines_outside_tables(text: &str) -> usize {
    let mut in_table = false;
    let is_outside = |line: &&str| {
        in_table = (in_table || TABLES.contains(line)) && *line != "}";
        !in_table
    };
    text.lines().filter(is_outside).count()
}

#[test]
fn files_are_short_but_for_the_rows_of_tables() {
    assert_eq!(lines_outside_tables("a\nmetrics! {\n    row\n}\nb"), 3);
    for file in sources().into_keys() {
        let lines = lines_outside_tables(&std::fs::read_to_string(root().join(&file)).expect("a source"));
        assert!(lines <= LINES_MAX, "{file} has {lines} lines: what is it two of?");
    }
}
