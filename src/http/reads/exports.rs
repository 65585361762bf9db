//! All cards of a revision as a table.

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use chrono::NaiveDate;
use futures_util::stream;

use super::fleet::seen_ids;
use crate::answers::export::WantedExport;
use crate::answers::published::ReadError;
use crate::answers::table::{ExportFormat, Table};
use crate::http::auth::Caller;
use crate::http::csv_lists::CSV_WITH_HEADING;
use crate::http::limits::begin_table;
use crate::http::param_types::{KindQuery, OneOf, Revision, RuleSetId};
use crate::http::params::{Input, parameters};
use crate::http::problem::Problem;
use crate::http::problem_responses::ReadProblems;
use crate::http::state::AppState;

parameters! {
    /// Which cards are exported, and how.
    pub(crate) struct ExportQuery {
        kind: KindQuery,
        /// Score date; default the newest published one.
        date: Option<NaiveDate>,
        rule_set: RuleSetId,
        /// Default: the newest revision of the date.
        revision: Revision,
        /// `csv` (the default), `ndjson` or `parquet`.
        format: OneOf<ExportFormat>,
        /// Begin CSV with a byte order mark, which some spreadsheets need to see that it is UTF-8.
        bom: Option<bool>,
    }
}

/// Every card of a revision with all its metrics, as a table: one row a subject, by id.
///
/// The columns are those of the rule set, in its order: what the card is about, `dimension_…`, and of each metric `…_numerator`,
/// `…_denominator`, `…_value`, `…_points`, `…_basis`, `…_peers`, `…_better_peers`. It is streamed; an answer that breaks off is not whole.
#[utoipa::path(
    get,
    path = "/v1/exports/scores",
    tag = "scores",
    params(ExportQuery),
    responses(
        (status = 200, description = "The table.", content((String = "text/csv"), (String = "application/x-ndjson"), (Vec<u8> = "application/vnd.apache.parquet"))),
        ReadProblems
    )
)]
pub(crate) async fn export_scores(
    State(state): State<AppState>,
    caller: Caller,
    Input(query): Input<ExportQuery>,
) -> Result<Response, Problem> {
    let kind = query.kind.0;
    let wanted = WantedExport {
        date: query.date,
        revision: query.revision.0,
        kind,
        rule_set: query.rule_set.0,
        ids: seen_ids(&caller, kind, None),
    };
    let turn = begin_table()?;
    let export = state.source.export(wanted).await?;
    let format = query.format.0.unwrap_or(ExportFormat::Csv);
    let name = format!("scores-{}-{}-r{}.{format}", export.rule_set.id, export.key.date, export.key.revision);
    let content_type = match format {
        ExportFormat::Csv => CSV_WITH_HEADING,
        ExportFormat::Ndjson => "application/x-ndjson",
        // As IANA has it.
        ExportFormat::Parquet => "application/vnd.apache.parquet",
    };
    let headers =
        [(CONTENT_TYPE, content_type.to_owned()), (CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\""))];
    let table = Table::new(export, format, query.bom == Some(true));
    let pieces = stream::try_unfold((table, turn), async |(mut table, turn)| {
        Ok::<_, ReadError>(table.next().await?.map(|piece| (piece, (table, turn))))
    });
    Ok((headers, Body::from_stream(pieces)).into_response())
}
