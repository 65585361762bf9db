//! The protocol: lists the tools, and answers their calls with what the API says.

use std::sync::Arc;

use rmcp::handler::server::ServerHandler;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, Extensions, Implementation, ListToolsResult,
    PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool as WireTool, ToolAnnotations,
};
use rmcp::service::{RequestContext, RoleServer};
use rmcp::{ErrorData, ServiceExt};
use serde_json::Value;

pub(crate) use super::asking::Question;
use super::tools::{TOOLS, Tool};

const INSTRUCTIONS: &str = "Scores of shops and creators of a marketplace, published daily, with the metrics, records and changes behind \
    them. Start with fleet to find subjects, or with score for one that is known; then metrics and records show why. All tools only read. \
    Dates are business days; without one the newest published date is shown.";

/// Who carries questions to the API.
pub(crate) trait Carrier: Clone + Send + Sync + 'static {
    /// The status and the body of the answer. `request`: what came with the call, such as its HTTP headers.
    fn carry(&self, question: Question, request: &Extensions) -> impl Future<Output = (u16, Value)> + Send;
}

/// A server of the protocol.
#[derive(Clone)]
pub(crate) struct McpServer<C> {
    carrier: C,
}

impl<C: Carrier> McpServer<C> {
    pub(crate) fn new(carrier: C) -> McpServer<C> {
        McpServer { carrier }
    }

    /// Answers on standard input and output until the client is gone.
    pub(crate) async fn serve_standard_streams(self) -> Result<(), String> {
        let running = self.serve(rmcp::transport::stdio()).await.map_err(|error| error.to_string())?;
        running.waiting().await.map(|_| ()).map_err(|error| error.to_string())
    }

    async fn call(&self, tool: &Tool, request: CallToolRequestParams, extensions: &Extensions) -> CallToolResult {
        let (question, besides) = match tool.ask(&request.arguments.unwrap_or_default()) {
            Ok(asked) => asked,
            Err(wrong) => return CallToolResult::error(vec![ContentBlock::text(wrong)]),
        };
        let (status, mut answer) = self.carrier.carry(question, extensions).await;
        if !(200..300).contains(&status) {
            return refused(status, &answer);
        }
        if let Some((question, (member, _))) = besides.zip(tool.besides) {
            let (status, more) = self.carrier.carry(question, extensions).await;
            match status {
                200..300 => answer[member] = more,
                // Of the first date there is none to compare with.
                404 => {}
                _ => return refused(status, &more),
            }
        }
        let mut result = CallToolResult::success(vec![ContentBlock::text(answer.to_string())]);
        result.structured_content = Some(answer);
        result
    }
}

/// What the API says where it refuses.
fn refused(status: u16, problem: &Value) -> CallToolResult {
    let detail = problem["detail"].as_str().unwrap_or("no detail is given");
    CallToolResult::error(vec![ContentBlock::text(format!("{status}: {detail}"))])
}

impl<C: Carrier> ServerHandler for McpServer<C> {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_tools().build();
        let name = Implementation::new("shopscore", env!("CARGO_PKG_VERSION"));
        ServerConfig::new(capabilities).with_server_info(name).with_instructions(INSTRUCTIONS)
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let wire = |tool: &Tool| {
            let mut wire = WireTool::new(tool.name, tool.about, Arc::new(tool.schema()));
            wire.title = Some(tool.title.to_owned());
            wire.annotations = Some(ToolAnnotations::from_raw(None, Some(true), Some(false), Some(true), Some(false)));
            wire
        };
        Ok(ListToolsResult::with_all_items(TOOLS.iter().map(wire).collect()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let Some(tool) = Tool::named(&request.name) else {
            let known: Vec<&str> = TOOLS.iter().map(|tool| tool.name).collect();
            let detail = format!("there is no tool {:?}; there are {}", request.name, known.join(", "));
            return Err(ErrorData::invalid_params(detail, None));
        };
        Ok(self.call(tool, request, &context.extensions).await.into())
    }
}
