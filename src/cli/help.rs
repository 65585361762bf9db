//! How commands are listed, and which settings each of them has a use for: the others are not shown.

use clap::builder::StyledStr;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command, CommandFactory, FromArgMatches};

use super::report::tell;
use super::settings::Cli;

/// The commands by what they are for.
const GROUPS: [(&str, &[&str]); 5] = [
    ("Service", &["serve", "demo", "health"]),
    ("Events", &["send", "load", "import", "connectors"]),
    ("Scores", &["run", "rules", "export", "bi", "mcp"]),
    ("Upkeep", &["migrate", "key", "backup", "restore", "verify", "rebuild", "retain"]),
    ("Documents", &["openapi", "reference", "completions", "man"]),
];

/// The commands that have a use for a setting; `None` if that is no setting.
fn users_of(setting: &str) -> Option<&'static [&'static str]> {
    let users: &[&str] = match setting {
        "database_url" | "state_dir" | "postgres_bin" => &[
            "serve", "load", "import", "run", "rules", "migrate", "key", "backup", "restore", "verify", "rebuild",
            "retain", "export", "bi",
        ],
        "time_zone" => &[
            "serve", "demo", "load", "import", "run", "rules", "export", "key", "restore", "verify", "rebuild",
            "retain", "bi",
        ],
        "slot" => &["serve", "demo", "run"],
        "rules_dir" => &["serve", "demo", "run", "rules", "retain", "export"],
        "card_days" | "audit_days" => &["serve", "retain"],
        "bi_days" => &["serve"],
        "event_days" => &["serve", "load", "import", "retain"],
        "oldest_time" | "keep_unknown_data" => &["serve", "load", "import"],
        "merchants_name_creators" | "auth" | "bootstrap_key_file" | "connectors" => &["serve"],
        "connections"
        | "trusted_proxies"
        | "proxy_header"
        | "events_per_second"
        | "requests_per_second"
        | "webhook_allow" => &["serve", "demo"],
        "listen" => &["serve", "demo", "health"],
        "json" => &[
            "health",
            "send",
            "load",
            "import",
            "export",
            "bi",
            "mcp",
            "connectors",
            "run",
            "rules",
            "migrate",
            "key",
            "backup",
            "restore",
            "verify",
            "rebuild",
            "retain",
        ],
        "quiet" => &["demo", "send", "load", "import", "run", "restore", "verify", "rebuild"],
        "log_format" => &[
            "serve",
            "demo",
            "health",
            "send",
            "load",
            "import",
            "export",
            "bi",
            "mcp",
            "connectors",
            "run",
            "rules",
            "migrate",
            "key",
            "backup",
            "restore",
            "verify",
            "rebuild",
            "retain",
        ],
        _ => return None,
    };
    Some(users)
}

impl Cli {
    /// Whether the command has a use for a setting.
    pub(super) fn uses(&self, setting: &str) -> bool {
        is_used(self.command.as_ref().map_or("serve", super::settings::Command::name), setting)
    }
}

fn is_used(command: &str, setting: &str) -> bool {
    users_of(setting).is_none_or(|users| users.contains(&command))
}

/// The command line as documents describe it.
pub(super) fn command() -> Command {
    let command = Cli::command();
    let settings: Vec<Arg> = command.get_arguments().filter(|argument| argument.is_global_set()).cloned().collect();
    // A copy of a setting that a command has already is not added again, and its own copy may be hidden.
    command.mut_subcommands(|one| {
        let name = one.get_name().to_owned();
        settings
            .iter()
            .fold(one, |one, setting| one.arg(setting.clone().hide(!is_used(&name, setting.get_id().as_str()))))
    })
}

/// The command line as it is read, whose help lists the commands by group.
fn read_command() -> Command {
    let command = command();
    let template = format!(
        "{{before-help}}{{about-with-newline}}\n{{usage-heading}} {{usage}}{}\n\n{{all-args}}{{after-help}}",
        grouped(&command)
    );
    // Its own list of commands would be one more. Those who ask for little are not shown the settings.
    let command = command.mut_subcommands(|one| one.hide(true)).mut_args(|setting| {
        let is_used = is_used("serve", setting.get_id().as_str());
        if setting.is_global_set() { setting.hide_short_help(true).hide_long_help(!is_used) } else { setting }
    });
    command.help_template(template).override_usage("shopscore [OPTIONS] [COMMAND]")
}

/// The list of commands, by group.
fn grouped(command: &Command) -> String {
    let about = |name: &str| {
        let found = command.find_subcommand(name).and_then(Command::get_about);
        found.map(StyledStr::to_string).unwrap_or_default()
    };
    let line = |name: &&str| format!("\n  {name:<12} {}", about(name));
    let group =
        |(heading, names): &(&str, &[&str])| format!("\n\n{heading}:{}", names.iter().map(line).collect::<String>());
    GROUPS.iter().map(group).collect()
}

/// Reads the command line of the process. Ends it where that asks for help, or is wrong.
pub fn parse() -> Cli {
    let mut command = read_command();
    let matches = command.get_matches_mut();
    if let Some((setting, name)) = useless(&matches) {
        tell(format_args!("warning: {setting} has no effect on {name}"));
    }
    Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.format(&mut command).exit())
}

/// A setting on the command line that its command has no use for, if there is one. In the environment it may stand for other
/// commands.
fn useless(matches: &ArgMatches) -> Option<(String, &str)> {
    let (name, mut deepest) = matches.subcommand().unwrap_or(("serve", matches));
    while let Some((_, deeper)) = deepest.subcommand() {
        deepest = deeper;
    }
    let is_given = |id: &str| deepest.value_source(id) == Some(ValueSource::CommandLine);
    let useless = deepest.ids().map(|id| id.as_str()).find(|id| is_given(id) && !is_used(name, id));
    useless.map(|id| (format!("--{}", id.replace('_', "-")), name))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory;

    use super::{GROUPS, read_command, useless, users_of};
    use crate::cli::settings::Cli;

    #[test]
    fn every_command_is_in_one_group_and_every_setting_has_its_users() {
        let grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        let command = Cli::command();
        let names: BTreeSet<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
        assert_eq!(grouped.iter().copied().collect::<BTreeSet<_>>(), names);
        assert_eq!(grouped.len(), names.len(), "none is listed twice");
        for setting in command.get_arguments().filter(|argument| argument.is_global_set()) {
            let users = users_of(setting.get_id().as_str()).expect("users of the setting");
            assert!(users.iter().all(|user| names.contains(user)), "{users:?}");
        }
    }

    #[test]
    fn a_command_shows_the_settings_that_it_has_a_use_for_and_tells_of_others() {
        let help = |path: &[&str]| {
            let arguments = [&["shopscore"], path, &["--help"]].concat();
            read_command().try_get_matches_from(arguments).expect_err("help").to_string()
        };
        let of_load = help(&["load"]);
        assert!(
            of_load.contains("--state-dir") && of_load.contains("--rejects") && !of_load.contains("--slot"),
            "{of_load}"
        );
        assert!(!help(&["key", "create"]).contains("--listen") && help(&["health"]).contains("--listen"));
        assert!(help(&[]).contains("\nUpkeep:\n  migrate "), "{}", help(&[]));
        for (arguments, has_use) in [
            (&["--state-dir", "x", "key", "list"][..], true),
            (&["key", "list", "--state-dir", "x"], true),
            (&["--slot", "12:00-13:00"], true),
            (&["load", "f", "--slot", "12:00-13:00"], false),
            (&["--listen", "127.0.0.1:1", "key", "list"], false),
            (&["demo", "--state-dir", "x"], false),
        ] {
            let matches = read_command().try_get_matches_from([&["shopscore"], arguments].concat()).expect("arguments");
            assert_eq!(useless(&matches).is_none(), has_use, "{arguments:?}");
        }
    }
}
