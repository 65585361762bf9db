//! The rule sets in force: those built in, and those of a directory.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::NaiveDate;

use crate::domain::rules::{RuleBook, RuleSet, file};
use crate::domain::subject::SubjectKind;

const BUILT_IN: [&str; 4] = [
    include_str!("../../rules/shop-v1.toml"),
    include_str!("../../rules/shop-v2.toml"),
    include_str!("../../rules/creator-v1.toml"),
    include_str!("../../rules/douyin-2026-09.toml"),
];

#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    #[error("cannot read {path}: {cause}")]
    Io { path: PathBuf, cause: std::io::Error },
    #[error("{path} is not a valid rule set:\n{faults}")]
    Unsound { path: PathBuf, faults: String },
    #[error("{path} has the id of the built-in rule set {id:?}, which is for {kind}s; give it another id")]
    OtherKind { path: PathBuf, id: String, kind: SubjectKind },
    #[error(
        "{path} has the id of the built-in rule set {id:?} and does not say that it replaces it; \
         add replaces = \"{id}\", or give it another id"
    )]
    Replaces { path: PathBuf, id: String },
    #[error("{path} says that it replaces {other:?}, and its id is {id:?}; a file replaces the rule set of its own id")]
    ReplacesOther { path: PathBuf, id: String, other: String },
    #[error("two rule sets are named {0:?}")]
    SameName(String),
    #[error(
        "more than one rule set is the default for {0}s from the same date on: {1}; give one of them a later effective.from, or \
         take default = true out of it"
    )]
    Defaults(SubjectKind, String),
}

/// The built-in rule sets and those of a directory (`*.toml`). A file that has the id of a built-in one replaces it. Of defaults
/// that begin together, a directory's takes the place of the built-in one.
pub fn load(directory: Option<&Path>) -> Result<RuleBook, RulesError> {
    let built_in = BUILT_IN.iter().map(|source| read(Path::new("(built in)"), source));
    let mut rule_sets = built_in.collect::<Result<Vec<RuleSet>, RulesError>>()?;
    if let Some(directory) = directory {
        let added = read_directory(directory)?;
        rule_sets.retain(|built_in| !added.iter().any(|rule_set| rule_set.id == built_in.id));
        check_defaults(&added)?;
        rule_sets.extend(added);
    }
    Ok(RuleBook { rule_sets: rule_sets.into_iter().map(Arc::new).collect() })
}

/// Fails where two defaults of a kind begin together and are in force on the same date.
pub(crate) fn check_defaults(rule_sets: &[RuleSet]) -> Result<(), RulesError> {
    for kind in SubjectKind::ALL {
        let defaults: Vec<&RuleSet> = rule_sets.iter().filter(|set| set.kind == kind && set.is_default).collect();
        for (place, one) in defaults.iter().enumerate() {
            let is_equal = |other: &&&RuleSet| {
                one.effective.from == other.effective.from && one.effective.overlaps(&other.effective)
            };
            if let Some(other) = defaults[place + 1..].iter().find(is_equal) {
                return Err(RulesError::Defaults(kind, format!("{}, {}", one.id, other.id)));
            }
        }
    }
    Ok(())
}

/// Reads the rule set of one file, as `rules check` does: what a start only warns of is a fault here, and so is a default that
/// begins together with another one of a directory.
pub fn check_file(path: &Path, directory: Option<&Path>) -> Result<RuleSet, RulesError> {
    let rule_set = read_file(path)?;
    if let Some(fault) = replaced(path, &rule_set)? {
        return Err(fault);
    }
    if let Some(directory) = directory {
        let mut beside = read_directory(directory)?;
        beside.retain(|other| other.id != rule_set.id);
        beside.push(rule_set.clone());
        check_defaults(&beside)?;
    }
    Ok(rule_set)
}

/// Says which rule sets a service computes with, and where queries of today must name one.
pub fn log(book: &RuleBook, today: NaiveDate) {
    for kind in SubjectKind::ALL {
        let default = book.default_for(kind, today);
        for rule_set in book.of_kind(kind) {
            let is_default = default.is_some_and(|default| default.hash == rule_set.hash);
            let version = rule_set.hash.get(..12).unwrap_or_default();
            tracing::info!(id = rule_set.id, version, default = is_default, "rule set for {kind}s");
        }
        if default.is_none() {
            tracing::warn!("no rule set for {kind}s is the default on {today}; queries must name one");
        }
    }
}

/// Fails where a file takes the id of a built-in rule set of another kind. Tells where it does not say that it replaces it,
/// which the next version refuses.
fn replaced(path: &Path, rule_set: &RuleSet) -> Result<Option<RulesError>, RulesError> {
    let built_in = BUILT_IN.iter().map(|source| read(Path::new("(built in)"), source));
    let built_in = built_in.collect::<Result<Vec<RuleSet>, RulesError>>()?;
    let (path, id) = (path.to_owned(), rule_set.id.clone());
    if let Some(other) = rule_set.replaces.clone().filter(|other| *other != id) {
        return Err(RulesError::ReplacesOther { path, id, other });
    }
    match built_in.iter().find(|built_in| built_in.id == id) {
        Some(built_in) if built_in.kind != rule_set.kind => {
            Err(RulesError::OtherKind { path, id, kind: built_in.kind })
        }
        Some(_) if rule_set.replaces.is_none() => Ok(Some(RulesError::Replaces { path, id })),
        _ => Ok(None),
    }
}

/// Reads the rule set of one file.
pub fn read_file(path: &Path) -> Result<RuleSet, RulesError> {
    let source = std::fs::read_to_string(path).map_err(|cause| RulesError::Io { path: path.to_owned(), cause })?;
    read(path, &source)
}

fn read(path: &Path, source: &str) -> Result<RuleSet, RulesError> {
    file::parse(source).map_err(|faults| {
        let faults: Vec<String> = faults.iter().map(|fault| format!("{}: {fault}", path.display())).collect();
        RulesError::Unsound { path: path.to_owned(), faults: faults.join("\n") }
    })
}

fn read_directory(directory: &Path) -> Result<Vec<RuleSet>, RulesError> {
    let io = |cause| RulesError::Io { path: directory.to_owned(), cause };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(io)? {
        let path = entry.map_err(io)?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            paths.push(path);
        }
    }
    paths.sort();
    let mut rule_sets: Vec<RuleSet> = Vec::new();
    for path in paths {
        let rule_set = read_file(&path)?;
        if let Some(fault) = replaced(&path, &rule_set)? {
            tracing::warn!("{fault}; the next version refuses it");
        }
        for warning in &rule_set.warnings {
            tracing::warn!(path = %path.display(), "{warning}");
        }
        if rule_sets.iter().any(|other| other.id == rule_set.id) {
            return Err(RulesError::SameName(rule_set.id));
        }
        rule_sets.push(rule_set);
    }
    Ok(rule_sets)
}
