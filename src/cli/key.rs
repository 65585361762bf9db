//! `shopscore key`: API keys by hand. The first key of a service can be made no other way.

use std::fmt;
use std::process::ExitCode;

use chrono::{DateTime, NaiveTime, SecondsFormat, TimeDelta, Utc};
use serde::Serialize;

use super::exit::{CommandError, Status};
use super::key_commands::KeyCommand;
use super::open::{Opened, open_schema};
use super::report::{Form, say, show, tell};
use super::settings::Cli;
use crate::access::{self, Asking, IssueError, KeyRequest, Rates, Scope, Secret};
use crate::domain::audit::Actor;
use crate::domain::calendar::{parse_date, parse_instant};
use crate::domain::id::Id;
use crate::storage::api_key::{self, KeyFilter, KeyRow};
use crate::storage::private::Sharing;

/// Keys read at a time.
const PAGE: i64 = 1_000;

pub(super) async fn key(cli: &Cli, command: &KeyCommand) -> Result<ExitCode, CommandError> {
    let opened = open_schema(cli, Sharing::Join).await?;
    let result = carry_out(&opened, command, cli.form()).await;
    opened.close().await;
    result.map(|()| Status::Done.into())
}

async fn carry_out(opened: &Opened, command: &KeyCommand, form: Form) -> Result<(), CommandError> {
    let now = opened.context.now();
    let asking = Asking { by: Actor::CommandLine, idempotency_key: None, now };
    let mut connection = opened.context.store.read.acquire().await?;
    match command {
        KeyCommand::Create { scopes, shops, creators, name, expires, events_per_second, requests_per_second } => {
            let request = KeyRequest {
                scopes: named(scopes),
                shop_ids: (!shops.is_empty()).then(|| shops.clone()),
                creator_ids: (!creators.is_empty()).then(|| creators.clone()),
                name: name.clone(),
                expires_at: expires.as_deref().map(|text| expiry(opened, text)).transpose()?,
                rates: Rates { events: *events_per_second, requests: *requests_per_second },
            };
            let faults: Vec<String> = request.faults(now).into_iter().map(|fault| fault.detail).collect();
            if !faults.is_empty() {
                return Err(CommandError::usage(faults.join("; ")));
            }
            let (secret, row) = access::create(&mut connection, &request, &asking).await?;
            tell_new(&secret, &row, form);
        }
        KeyCommand::Rotate { key_id, grace_hours } => {
            let rotated = access::rotate(&mut connection, *key_id, TimeDelta::hours(*grace_hours), &asking).await;
            let (secret, row) = rotated.map_err(|error| match error {
                IssueError::NotFound => unknown(*key_id),
                IssueError::NotActive | IssueError::Replaced(_) => {
                    CommandError::input(format!("key {key_id}: {error}"))
                }
                other => other.into(),
            })?;
            tell_new(&secret, &row, form);
            if form == Form::Text {
                let until = (now + TimeDelta::hours(*grace_hours)).to_rfc3339_opts(SecondsFormat::Secs, true);
                tell(format_args!("Key {key_id} stays good until {until}, unless it expires before."));
            }
        }
        KeyCommand::List { shop, creator, active } => {
            let id = |text: &Option<String>| text.as_deref().map(Id::parse).transpose();
            let filter = KeyFilter {
                shop_id: id(shop)?,
                creator_id: id(creator)?,
                active: active.then_some((true, now)),
                before: None,
                limit: PAGE,
            };
            show(&list(opened, filter).await?, form);
        }
        KeyCommand::Revoke { key_id } => {
            let row = access::revoke(&mut connection, *key_id, &asking).await?.ok_or_else(|| unknown(*key_id))?;
            match form {
                Form::Text => say(format_args!("Revoked key {key_id}.")),
                Form::Json => show(&Listed::from(row), form),
            }
        }
    }
    Ok(())
}

fn unknown(key_id: i32) -> CommandError {
    CommandError::input(format!("no key has the id {key_id}; see shopscore key list"))
}

/// Scopes as they were named; `all` names every one of them.
fn named(scopes: &[String]) -> Vec<String> {
    let all = || Scope::ALL.map(|scope| scope.as_str().to_owned()).to_vec();
    scopes.iter().flat_map(|word| if word == "all" { all() } else { vec![word.clone()] }).collect()
}

fn expiry(opened: &Opened, text: &str) -> Result<DateTime<Utc>, CommandError> {
    if let Some(date) = parse_date(text) {
        return Ok(opened.context.calendar().instant(date, NaiveTime::MIN));
    }
    parse_instant(text).ok_or_else(|| CommandError::usage("--expires is a date or an RFC 3339 time"))
}

/// Prints a new key: in text nothing but the key goes to standard output, so that a script can take it from there.
fn tell_new(secret: &Secret, row: &KeyRow, form: Form) {
    match form {
        Form::Text => {
            tell(format_args!("Created key {}. Copy it now; it won't be shown again.", row.key_id));
            say(&secret.text);
        }
        Form::Json => show(&New { key: secret.text.clone(), listed: row.clone().into() }, form),
    }
}

async fn list(opened: &Opened, mut filter: KeyFilter) -> Result<Keys, CommandError> {
    let mut connection = opened.context.store.read.acquire().await?;
    let mut keys = Vec::new();
    loop {
        let rows = api_key::list(&mut connection, &filter).await?;
        let is_last = (rows.len() as i64) < PAGE;
        filter.before = rows.last().map(|row| row.key_id);
        let now = opened.context.now();
        let listed = |row: KeyRow| {
            let has_expired = row.expires_at.is_some_and(|expires_at| expires_at <= now);
            Listed { has_expired, ..row.into() }
        };
        keys.extend(rows.into_iter().map(listed));
        if is_last {
            return Ok(Keys { keys });
        }
    }
}

#[derive(Serialize)]
struct Keys {
    keys: Vec<Listed>,
}

/// A key that was made, as the HTTP API answers it.
#[derive(Serialize)]
struct New {
    key: String,
    #[serde(flatten)]
    listed: Listed,
}

/// A key without its secret, with the members of the HTTP API.
#[derive(Serialize)]
struct Listed {
    key_id: String,
    prefix: String,
    name: Option<String>,
    scopes: Vec<String>,
    shop_ids: Option<Vec<String>>,
    creator_ids: Option<Vec<String>>,
    created_at: DateTime<Utc>,
    created_by_key_id: Option<String>,
    replaces_key_id: Option<String>,
    expires_at: Option<DateTime<Utc>>,
    last_used_at: Option<DateTime<Utc>>,
    revoked_at: Option<DateTime<Utc>>,
    revoked_by_key_id: Option<String>,
    events_per_second: Option<i32>,
    requests_per_second: Option<i32>,
    #[serde(skip)]
    has_expired: bool,
}

impl From<KeyRow> for Listed {
    fn from(row: KeyRow) -> Listed {
        Listed {
            key_id: row.key_id.to_string(),
            prefix: format!("ssk_{}", row.prefix),
            name: row.name,
            scopes: row.scopes,
            shop_ids: row.shop_ids,
            creator_ids: row.creator_ids,
            created_at: row.created_at,
            created_by_key_id: row.created_by_key_id.map(|id| id.to_string()),
            replaces_key_id: row.replaces_key_id.map(|id| id.to_string()),
            expires_at: row.expires_at,
            last_used_at: row.last_used_at,
            revoked_at: row.revoked_at,
            revoked_by_key_id: row.revoked_by_key_id.map(|id| id.to_string()),
            events_per_second: row.events_per_second,
            requests_per_second: row.requests_per_second,
            has_expired: false,
        }
    }
}

impl fmt::Display for Keys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.keys.iter().map(ToString::to_string).collect();
        formatter.write_str(if lines.is_empty() { "no keys" } else { "" })?;
        formatter.write_str(&lines.join("\n"))
    }
}

impl fmt::Display for New {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.key)
    }
}

impl fmt::Display for Listed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match (self.revoked_at, self.expires_at) {
            (Some(at), _) => format!("revoked {at:?}"),
            (None, Some(at)) if self.has_expired => format!("expired {at:?}"),
            (None, Some(at)) => format!("expires {at:?}"),
            (None, None) => "active".to_owned(),
        };
        let bounds = match (&self.shop_ids, &self.creator_ids) {
            (None, None) => "all shops".to_owned(),
            (Some(shops), None) => shops.join(","),
            (None, Some(creators)) => format!("creators {}", creators.join(",")),
            (Some(shops), Some(creators)) => format!("{}; creators {}", shops.join(","), creators.join(",")),
        };
        let used = self.last_used_at.map_or_else(|| "never used".to_owned(), |at| format!("used {at:?}"));
        // A name is what a client chose: what it holds for terminals is shown, not carried out.
        let name = printable(self.name.as_deref().unwrap_or_default());
        let scopes = self.scopes.join(",");
        write!(formatter, "{}\t{}\t{scopes}\t{bounds}\t{state}\t{used}\t{name}", self.key_id, self.prefix)
    }
}

fn printable(text: &str) -> String {
    let shown =
        |letter: char| if letter.is_control() { letter.escape_default().to_string() } else { letter.to_string() };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn only_what_terminals_carry_out_is_escaped() {
        assert_eq!(printable("店's \u{1b}[2J\n"), "店's \\u{1b}[2J\\n");
    }
}
