//! `shopscore key`: API keys by hand. The first key of a service can be made no other way.

use std::process::ExitCode;

use chrono::{DateTime, NaiveTime, Utc};

use super::open::{Opened, open_checked};
use super::settings::{Cli, CommandError, KeyCommand};
use crate::access::{self, KeyRequest, Scope};
use crate::domain::calendar::{parse_date, parse_instant};
use crate::storage::api_key::{self, KeyRow};
use crate::storage::private::Sharing;

/// Keys read at a time.
const PAGE: i64 = 1_000;

pub(super) async fn key(cli: &Cli, command: &KeyCommand) -> Result<ExitCode, CommandError> {
    let opened = open_checked(cli, Sharing::Join).await?;
    let result = match command {
        KeyCommand::Create { scopes, shops, name, expires } => {
            let request = KeyRequest {
                scopes: named(scopes),
                shop_ids: (!shops.is_empty()).then(|| shops.clone()),
                creator_ids: None,
                name: name.clone(),
                expires_at: None,
            };
            create(&opened, request, expires.as_deref()).await
        }
        KeyCommand::List => list(&opened).await,
        KeyCommand::Revoke { key_id } => revoke(&opened, *key_id).await,
    };
    opened.close().await;
    result.map(|()| ExitCode::SUCCESS)
}

/// Scopes as they were named; `all` names every one of them.
fn named(scopes: &[String]) -> Vec<String> {
    let all = || Scope::ALL.map(|scope| scope.as_str().to_owned()).to_vec();
    scopes.iter().flat_map(|word| if word == "all" { all() } else { vec![word.clone()] }).collect()
}

async fn create(opened: &Opened, mut request: KeyRequest, expires: Option<&str>) -> Result<(), CommandError> {
    let now = opened.context.now();
    request.expires_at = expires.map(|text| expiry(opened, text)).transpose()?;
    let faults: Vec<String> = request.faults(now).into_iter().map(|fault| fault.detail).collect();
    if !faults.is_empty() {
        return Err(faults.join("; ").into());
    }
    let mut connection = opened.context.store.read.acquire().await?;
    let asking = access::Asking { by: None, idempotency_key: None, now };
    let (secret, row) = access::create(&mut connection, &request, &asking).await?;
    eprintln!("Created key {}. Copy it now; it won't be shown again.", row.key_id);
    println!("{}", secret.text);
    Ok(())
}

fn expiry(opened: &Opened, text: &str) -> Result<DateTime<Utc>, CommandError> {
    if let Some(date) = parse_date(text) {
        return Ok(opened.context.calendar().instant(date, NaiveTime::MIN));
    }
    parse_instant(text).ok_or_else(|| "--expires is a date or an RFC 3339 time".into())
}

async fn list(opened: &Opened) -> Result<(), CommandError> {
    let mut connection = opened.context.store.read.acquire().await?;
    let mut before = None;
    loop {
        let filter = api_key::KeyFilter { before, limit: PAGE, ..Default::default() };
        let rows = api_key::list(&mut connection, &filter).await?;
        rows.iter().for_each(|row| println!("{}", line(row)));
        match rows.last() {
            Some(last) if rows.len() as i64 == PAGE => before = Some(last.key_id),
            _ => return Ok(()),
        }
    }
}

fn line(row: &KeyRow) -> String {
    let state = match (row.revoked_at, row.expires_at) {
        (Some(at), _) => format!("revoked {at:?}"),
        (None, Some(at)) => format!("expires {at:?}"),
        (None, None) => "active".to_owned(),
    };
    let shops = row.shop_ids.as_ref().map_or_else(|| "all shops".to_owned(), |ids| ids.join(","));
    // A name is what a client chose: what it holds for terminals is shown, not carried out.
    let name = printable(row.name.as_deref().unwrap_or_default());
    format!("{}\tssk_{}\t{}\t{shops}\t{state}\t{name}", row.key_id, row.prefix, row.scopes.join(","))
}

fn printable(text: &str) -> String {
    let shown =
        |letter: char| if letter.is_control() { letter.escape_default().to_string() } else { letter.to_string() };
    text.chars().map(shown).collect()
}

async fn revoke(opened: &Opened, key_id: i32) -> Result<(), CommandError> {
    let now = opened.context.now();
    let mut connection = opened.context.store.read.acquire().await?;
    match access::revoke(&mut connection, key_id, None, now).await? {
        Some(_) => {
            println!("Revoked key {key_id}.");
            Ok(())
        }
        None => Err(format!("no key has the id {key_id}; see shopscore key list").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn only_what_terminals_carry_out_is_escaped() {
        assert_eq!(printable("店's \u{1b}[2J\n"), "店's \\u{1b}[2J\\n");
    }
}
