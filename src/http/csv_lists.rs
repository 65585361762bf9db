//! Lists as CSV (RFC 4180), for those who accept that rather than JSON: all pages, one after another, as they are read. A list's rows
//! are made of its answers in JSON, so both say the same.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http_body_util::BodyExt;
use serde_json::Value;
use utoipa::openapi::RefOr;
use utoipa::openapi::path::Operation;

use super::csv_columns::{Column, CsvList, Place};
use super::limits::begin_table;
use super::preferences::prefers;
use super::problem::{Kind, Problem};
use crate::answers::table::{BYTE_ORDER_MARK, csv_rows};
use crate::domain::export::Cell;

const CSV: &str = "text/csv";
/// The media type of a table whose first row names its columns (RFC 4180).
pub(crate) const CSV_WITH_HEADING: &str = "text/csv; charset=utf-8; header=present";
/// Items of the pages that a table is made of.
const PAGE: &str = "limit=1000";

/// Answers as a table where the client would rather have CSV than JSON.
pub(crate) async fn answer(State(list): State<&'static CsvList>, request: Request, next: Next) -> Response {
    let has_method = matches!(*request.method(), Method::GET);
    if !(has_method && prefers(request.headers(), CSV, "application/json")) {
        // Nobody keeps answers without asking again, and a table has no tag: none is taken for the other.
        return next.run(request).await;
    }
    let turn = match begin_table() {
        Ok(turn) => turn,
        Err(refused) => return refused.into_response(),
    };
    let (parts, _) = request.into_parts();
    let mut pages = Pages::new(list, parts, next);
    let first = match pages.next().await {
        Ok(first) => first,
        Err(refused) => return refused,
    };
    let name = format!("attachment; filename=\"{}.csv\"", list.name);
    let headers = [
        (header::CONTENT_TYPE, CSV_WITH_HEADING.to_owned()),
        (header::CONTENT_DISPOSITION, name),
        (header::CACHE_CONTROL, "private, no-cache".to_owned()),
        (header::VARY, "accept".to_owned()),
    ];
    let rest = stream::try_unfold((pages, first, turn), async |(mut pages, ready, turn)| {
        let Some(ready) = ready else { return Ok(None) };
        // A table that breaks off is not whole, and its reader sees that.
        let next = pages.next().await.map_err(|refused| std::io::Error::other(refused.status().to_string()))?;
        Ok::<_, std::io::Error>(Some((ready, (pages, next, turn))))
    });
    (headers, Body::from_stream(rest)).into_response()
}

/// The pages of a list on their way.
struct Pages {
    list: &'static CsvList,
    path: String,
    /// Parameters besides the cursor.
    query: String,
    headers: HeaderMap,
    extensions: axum::http::Extensions,
    next: Next,
    /// The cursor of the next page; `None` after the last one.
    cursor: Option<Option<String>>,
    /// What stands before the rows of the first page.
    heading: Option<Vec<u8>>,
}

impl Pages {
    fn new(list: &'static CsvList, parts: Parts, next: Next) -> Pages {
        let asked = parts.uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        let (ours, theirs): (Vec<&str>, Vec<&str>) = asked.partition(|pair| matches!(*pair, "bom=true" | "bom=false"));
        // All pages are read, so how many items they have is nobody's to say.
        let query: Vec<&str> =
            theirs.into_iter().filter(|pair| !(list.is_paged && pair.starts_with("limit="))).collect();
        let names: Vec<Cell> = list.columns.iter().map(|(name, _)| Cell::Text((*name).to_owned())).collect();
        let mark = if ours.contains(&"bom=true") { BYTE_ORDER_MARK.as_bytes() } else { b"" };
        let heading = [mark, &csv_rows([names.as_slice()].into_iter())].concat();
        let mut headers = parts.headers;
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        headers.remove(header::IF_NONE_MATCH);
        Pages {
            list,
            path: parts.uri.path().to_owned(),
            query: query.join("&"),
            headers,
            extensions: parts.extensions,
            next,
            cursor: Some(None),
            heading: Some(heading),
        }
    }

    /// The next rows as text; `None` at the end. Fails with the answer that is no page.
    async fn next(&mut self) -> Result<Option<Vec<u8>>, Response> {
        let Some(cursor) = self.cursor.take() else { return Ok(None) };
        let request = self.request(cursor.as_deref()).map_err(Problem::into_response)?;
        let response = self.next.clone().run(request).await;
        if response.status() != StatusCode::OK {
            return Err(response);
        }
        let broken = || Problem::new(Kind::Internal, "a page could not be read").into_response();
        let body = response.into_body().collect().await.map_err(|_| broken())?.to_bytes();
        let page: Value = serde_json::from_slice(&body).map_err(|_| broken())?;
        self.cursor = page["next_cursor"].as_str().map(|cursor| Some(cursor.to_owned()));
        let mut text = self.heading.take().unwrap_or_default();
        let rows = page[self.list.rows].as_array().map(Vec::as_slice).unwrap_or_default();
        let rows: Vec<Vec<Cell>> = rows.iter().map(|row| self.list.cells(&page, row)).collect();
        text.extend(csv_rows(rows.iter().map(Vec::as_slice)));
        Ok(Some(text))
    }

    fn request(&self, cursor: Option<&str>) -> Result<Request, Problem> {
        let limit = self.list.is_paged.then_some(PAGE.to_owned());
        let cursor = cursor.map(|cursor| format!("cursor={cursor}"));
        let asked = Some(self.query.clone()).filter(|query| !query.is_empty());
        // The cursor that the client gave is the one of the first page.
        let asked = match &cursor {
            Some(_) => asked.map(|query| without(&query, "cursor=")).filter(|query| !query.is_empty()),
            None => asked,
        };
        let query: Vec<String> = [asked, limit, cursor].into_iter().flatten().collect();
        let target = format!("{}?{}", self.path, query.join("&"));
        let target: PathAndQuery = target.parse().map_err(|_| Problem::head_too_large())?;
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = Uri::from(target);
        *request.headers_mut() = self.headers.clone();
        *request.extensions_mut() = self.extensions.clone();
        Ok(request)
    }
}

/// A query without the parameters that begin so.
fn without(query: &str, beginning: &str) -> String {
    query.split('&').filter(|pair| !pair.starts_with(beginning)).collect::<Vec<_>>().join("&")
}

impl CsvList {
    fn cells(&self, answer: &Value, row: &Value) -> Vec<Cell> {
        let cell = |(_, place): &Column| {
            let value = match place {
                Place::Row(pointer) => row.pointer(pointer),
                Place::Answer(pointer) => answer.pointer(pointer),
            };
            match value {
                None | Some(Value::Null) => Cell::None,
                Some(Value::String(text)) => Cell::Text(text.clone()),
                Some(Value::Number(number)) => Cell::Number(number.to_string()),
                Some(other) => Cell::Text(other.to_string()),
            }
        };
        self.columns.iter().map(cell).collect()
    }
}

/// Says in the description of an operation that it answers in CSV, too. It is no content of its own there: generated clients, which ask
/// for JSON, would have to tell a text from an answer each time.
pub(crate) fn describe(operation: &mut Operation) {
    if let Some(RefOr::T(response)) = operation.responses.responses.get_mut("200") {
        response
            .description
            .push_str(" With `Accept: text/csv` all pages as one table; `bom=true` begins it with a byte order mark.");
    }
}
