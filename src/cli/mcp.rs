//! `shopscore mcp`: tools for agents on standard input and output, which ask a service over HTTP.

use std::process::ExitCode;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Client, Url};
use rmcp::model::Extensions;
use serde_json::{Value, json};

use super::client;
use super::exit::{CommandError, Status};
use super::settings::McpSettings;
use crate::mcp::server::{Carrier, McpServer, Question};

/// How long a service may take to answer.
const ANSWER_WAIT: Duration = Duration::from_secs(30);

pub(super) async fn mcp(settings: &McpSettings) -> Result<ExitCode, CommandError> {
    let key = client::bearer(settings.key.as_deref())?;
    let client = client::builder().timeout(ANSWER_WAIT).build()?;
    let carrier = ServiceCarrier { client, base: client::address(&settings.url)?, key };
    McpServer::new(carrier).serve_standard_streams().await.map_err(CommandError::failed)?;
    Ok(Status::Done.into())
}

/// Asks a service.
#[derive(Clone)]
struct ServiceCarrier {
    client: Client,
    base: Url,
    key: Option<HeaderValue>,
}

impl Carrier for ServiceCarrier {
    async fn carry(&self, question: Question, _: &Extensions) -> (u16, Value) {
        let prefix = self.base.as_str().trim_end_matches('/');
        let url = format!("{prefix}{}", question.target);
        let mut request = match question.body {
            Some(body) => self.client.post(url).json(&body),
            None => self.client.get(url),
        };
        if let Some(key) = &self.key {
            request = request.header(AUTHORIZATION, key);
        }
        match request.send().await {
            Ok(response) => {
                let status = response.status().as_u16();
                (status, response.json().await.unwrap_or_default())
            }
            Err(error) => {
                (503, json!({"detail": format!("{} does not answer: {}", self.base, client::root_of(&error))}))
            }
        }
    }
}
