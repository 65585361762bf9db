//! `shopscore rules diff`: what one rule set says otherwise than another.

use std::collections::BTreeMap;
use std::fmt;
use std::process::ExitCode;

use serde::Serialize;
use toml::Value;

use super::{book, find};
use crate::cli::exit::{CommandError, Status};
use crate::cli::report::show;
use crate::cli::settings::Cli;
use crate::domain::rules::RuleSet;

/// A member that the two have otherwise.
#[derive(Serialize)]
struct Difference {
    /// Such as `dimension.product.weight`.
    member: String,
    /// As TOML writes it; `None` where one has it not.
    old: Option<String>,
    new: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
        write!(formatter, "{}: {} → {}", self.member, shown(&self.old), shown(&self.new))
    }
}

/// Ends with findings where the two differ.
pub(super) fn diff(cli: &Cli, old: &str, new: &str) -> Result<ExitCode, CommandError> {
    let book = book(cli)?;
    let (old, new) = (members(&*find(&book, old)?)?, members(&*find(&book, new)?)?);
    let names: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let mut differ = false;
    for member in names {
        let (old, new) = (old.get(member), new.get(member));
        if old != new {
            differ = true;
            show(&Difference { member: member.clone(), old: old.cloned(), new: new.cloned() }, cli.form());
        }
    }
    Ok(if differ { Status::Findings } else { Status::Done }.into())
}

/// All members of a rule set's text by their names, those of list entries under the entry's own name.
fn members(rule_set: &RuleSet) -> Result<BTreeMap<String, String>, CommandError> {
    let table: toml::Table =
        toml::from_str(&rule_set.source).map_err(|error| CommandError::input(error.to_string()))?;
    let mut members = BTreeMap::new();
    gather("", &Value::Table(table), &mut members);
    Ok(members)
}

fn gather(name: &str, value: &Value, members: &mut BTreeMap<String, String>) {
    let below = |part: &str| if name.is_empty() { part.to_owned() } else { format!("{name}.{part}") };
    match value {
        Value::Table(table) => table.iter().for_each(|(part, value)| gather(&below(part), value, members)),
        Value::Array(entries) if entries.iter().all(Value::is_table) && !entries.is_empty() => {
            let mut seen: BTreeMap<String, usize> = BTreeMap::new();
            for entry in entries {
                let own = ["id", "code"].iter().find_map(|key| entry.get(key)?.as_str()).unwrap_or_default().to_owned();
                let times = seen.entry(own.clone()).or_default();
                *times += 1;
                let part = if *times > 1 { format!("{own}#{times}") } else { own };
                gather(&below(&part), entry, members);
            }
        }
        value => drop(members.insert(name.to_owned(), value.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::members;
    use crate::domain::rules::file;

    #[test]
    fn members_are_named_by_the_entries_that_they_stand_in() {
        let rule_set = file::parse(include_str!("../../../rules/douyin-2026-09.toml")).expect("a valid rule set");
        let members = members(&rule_set).expect("members");
        let at = |name: &str| members.get(name).map(String::as_str);
        assert_eq!(at("dimension.product.weight"), Some("0.5"));
        assert_eq!(at("dimension.service.metric.im_reply_duration.unit"), Some("\"seconds\""));
        assert_eq!(at("penalty.alliance_removed#2.dimension"), Some("\"product\""));
        assert_eq!(at("effective.from"), Some("2026-09-08"));
    }
}
