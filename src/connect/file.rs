//! The file that says which connectors there are (TOML), checked as a whole.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;

use super::connector::{Connector, Platform};
use super::signature::SignMethod;
use crate::domain::event::AftersaleReason;
use crate::domain::id::Id;
use crate::domain::words::Word;

/// What is wrong with a file of connectors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectorFault {
    pub line: usize,
    pub message: String,
}

impl fmt::Display for ConnectorFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {}: {}", self.line, self.message)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    #[serde(default)]
    connector: Vec<Spanned<RawConnector>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawConnector {
    id: Spanned<String>,
    platform: Spanned<String>,
    app_key: Option<Spanned<String>>,
    secret_env: Option<Spanned<String>>,
    secret_file: Option<Spanned<String>>,
    sign_method: Option<Spanned<String>>,
    #[serde(default)]
    shops: BTreeMap<String, Spanned<String>>,
    #[serde(default)]
    prefix: String,
    #[serde(default)]
    reasons: BTreeMap<String, Spanned<String>>,
}

/// Where secrets are kept: the environment, and files.
pub trait Secrets {
    fn of_variable(&self, name: &str) -> Option<String>;
    fn of_file(&self, path: &str) -> std::io::Result<String>;
}

/// Reads a file of connectors with their secrets; all faults that can be told apart are reported at once.
pub fn parse(source: &str, secrets: &dyn Secrets) -> Result<Vec<Connector>, Vec<ConnectorFault>> {
    let line = |span: Range<usize>| source[..span.start.min(source.len())].matches('\n').count() + 1;
    let raw: RawFile = toml::from_str(source).map_err(|error| {
        let line = error.span().map_or(1, line);
        vec![ConnectorFault { line, message: error.message().to_owned() }]
    })?;
    let mut reader = Reader { line: &line, secrets, faults: Vec::new() };
    let (mut connectors, mut ids) = (Vec::new(), HashSet::new());
    for raw in &raw.connector {
        let connector = reader.connector(raw.get_ref(), raw.span());
        if !ids.insert(raw.get_ref().id.get_ref().as_str()) {
            reader.fault(raw.get_ref().id.span(), "another connector has this id already");
        }
        connectors.extend(connector);
    }
    if raw.connector.is_empty() {
        reader.fault(0..0, "there is no [[connector]]");
    }
    reader.faults.sort_by_key(|fault| fault.line);
    if reader.faults.is_empty() { Ok(connectors) } else { Err(reader.faults) }
}

struct Reader<'a> {
    line: &'a dyn Fn(Range<usize>) -> usize,
    secrets: &'a dyn Secrets,
    faults: Vec<ConnectorFault>,
}

impl Reader<'_> {
    fn fault(&mut self, span: Range<usize>, message: impl Into<String>) {
        self.faults.push(ConnectorFault { line: (self.line)(span), message: message.into() });
    }

    fn connector(&mut self, raw: &RawConnector, span: Range<usize>) -> Option<Connector> {
        let is_path_part = |letter: u8| letter.is_ascii_alphanumeric() || matches!(letter, b'-' | b'_' | b'.');
        let id = raw.id.get_ref();
        if id.is_empty() || id.len() > 64 || !id.bytes().all(is_path_part) {
            self.fault(raw.id.span(), "id is a part of the path: 1-64 letters, digits, - _ and .");
        }
        let platform = Platform::parse(raw.platform.get_ref());
        if platform.is_none() {
            self.fault(raw.platform.span(), format!("platform is one of {}", Platform::list()));
        }
        let app_key = raw.app_key.as_ref().map_or("", |app_key| app_key.get_ref().as_str());
        if app_key.is_empty() && platform.is_some_and(Platform::signs_with_app_key) {
            let place = raw.app_key.as_ref().map_or(span.clone(), Spanned::span);
            self.fault(place, "app_key is missing; the platform shows it beside the secret");
        }
        let sign_method = self.sign_method(raw.sign_method.as_ref(), platform);
        let secret = self.secret(raw, span);
        let shops = self.shops(&raw.shops);
        let reasons = self.reasons(&raw.reasons);
        Some(Connector {
            id: id.clone(),
            platform: platform?,
            app_key: app_key.to_owned(),
            secret: secret?.into_bytes(),
            sign_method: sign_method?,
            shops,
            prefix: raw.prefix.clone(),
            reasons,
        })
    }

    fn sign_method(&mut self, raw: Option<&Spanned<String>>, platform: Option<Platform>) -> Option<SignMethod> {
        let Some(raw) = raw else { return Some(SignMethod::Md5) };
        if platform.is_some_and(|platform| platform != Platform::Doudian) {
            self.fault(raw.span(), "sign_method is for doudian; the other platforms have one way of signing");
        }
        match raw.get_ref().as_str() {
            "md5" => Some(SignMethod::Md5),
            "hmac-sha256" => Some(SignMethod::HmacSha256),
            _ => {
                self.fault(raw.span(), "sign_method is md5 or hmac-sha256");
                None
            }
        }
    }

    fn secret(&mut self, raw: &RawConnector, span: Range<usize>) -> Option<String> {
        let (place, secret) = match (&raw.secret_env, &raw.secret_file) {
            (Some(name), None) => {
                let missing = || format!("the environment has no {}; set it to the platform's secret", name.get_ref());
                (name.span(), self.secrets.of_variable(name.get_ref()).ok_or_else(missing))
            }
            (None, Some(path)) => {
                let unread = |error| format!("cannot read {}: {error}", path.get_ref());
                (path.span(), self.secrets.of_file(path.get_ref()).map_err(unread))
            }
            _ => (span, Err("name the secret once: secret_env, a variable's name, or secret_file, a path".to_owned())),
        };
        let secret = secret.map(|secret| secret.trim().to_owned());
        match secret {
            Ok(secret) if !secret.is_empty() => return Some(secret),
            Ok(_) => self.fault(place, "the secret is empty"),
            Err(message) => self.fault(place, message),
        }
        None
    }

    fn shops(&mut self, raw: &BTreeMap<String, Spanned<String>>) -> BTreeMap<String, Id> {
        let mut shops = BTreeMap::new();
        for (theirs, ours) in raw {
            match Id::parse(ours.get_ref()) {
                Ok(id) => drop(shops.insert(theirs.clone(), id)),
                Err(_) => {
                    self.fault(ours.span(), "a shop's id is 1-128 printable ASCII characters without spaces and commas")
                }
            }
        }
        shops
    }

    fn reasons(&mut self, raw: &BTreeMap<String, Spanned<String>>) -> BTreeMap<String, AftersaleReason> {
        let mut reasons = BTreeMap::new();
        for (code, word) in raw {
            match AftersaleReason::parse(word.get_ref()) {
                Some(reason) => drop(reasons.insert(code.clone(), reason)),
                None => self.fault(word.span(), format!("a reason is one of {}", AftersaleReason::list())),
            }
        }
        reasons
    }
}
