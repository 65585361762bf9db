//! `POST /v1/imports`: tables, such as a back office exports them.

use std::io::{self, Cursor};
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, header};
use futures_util::stream;

use super::event_checks::checked;
use super::import_answers::{ImportAnswer, Made};
use crate::access::Scope;
use crate::connect::table::file::{Row, TableFile};
use crate::connect::table::map::TableMap;
use crate::connect::table::map_file;
use crate::connect::table::row::{RowEvent, RowReader};
use crate::connect::table::shipped::ShippedMap;
use crate::domain::fault::Code;
use crate::domain::id::Id;
use crate::http::auth::Caller;
use crate::http::bodies::BodyLimit;
use crate::http::limits::rates::Unit;
use crate::http::media::essence;
use crate::http::param_types::OneOf;
use crate::http::params::{Input, parameters};
use crate::http::problem::{Kind, Problem};
use crate::http::problem_responses::ImportProblems;
use crate::http::state::{App, AppState};
use crate::ingest::door::{Acceptance, read_made};
use crate::ingest::group::rehearse_group;
use crate::ingest::{Atomicity, Outcome, SentEvent};

/// The most bytes of a table, and of a table with its map, which are taken apart in memory.
const TABLE_BYTES_MAX: usize = 64 * 1024 * 1024;
const PARTS_BYTES_MAX: usize = 32 * 1024 * 1024;
/// The most bytes of a map.
const MAP_BYTES_MAX: usize = 64 * 1024;
/// Rows that are read together, and events that are written together: no more than the least bucket of a key holds.
const ROWS: usize = 500;
const EVENTS_AT_ONCE: usize = 2_000;
/// The pause of an import that sent as many events as its key may in a second.
const PAUSE: Duration = Duration::from_millis(500);

parameters! {
    /// How a table is read.
    pub(crate) struct ImportQuery {
        /// A map that comes with the service; with a map in the request itself it is left out.
        map: OneOf<ShippedMap>,
        /// The shop that all rows are of; by default each row names its own, as the map says.
        shop_id: Option<Id>,
        /// Answer what would become of the rows, and store nothing.
        dry_run: Option<bool>,
    }
}

/// Imports a table.
///
/// The first row names the columns. The map says which column is which field, and which rows make which events: a name (`map`), or in
/// `multipart/form-data` the part `map` (a TOML file), with the table in the part `file`. Up to 64 MiB, or 32 MiB with a map, after
/// decompression. What was imported before is a duplicate, so the same table can be sent again. Takes a key with the scopes
/// `events:write` and `events:relay`. A large table waits where it has more events than the key may send in a second.
#[utoipa::path(
    post,
    path = "/v1/imports",
    tag = "events",
    params(ImportQuery),
    request_body(
        description = "The table, as text/csv or text/tab-separated-values; or multipart/form-data with the parts `map` and `file`.",
        content((String = "text/csv"), (String = "text/tab-separated-values"), (ImportParts = "multipart/form-data"))
    ),
    responses(
        (status = 200, description = "What became of the rows.", body = ImportAnswer),
        ImportProblems
    )
)]
pub(crate) async fn post_import(
    State(state): State<AppState>,
    caller: Caller,
    Input(query): Input<ImportQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<ImportAnswer>, Problem> {
    let boundary = boundary_of(&headers)?;
    caller.must_have(Scope::EventsRelay)?;
    // A table with its map is there twice while its parts are told apart.
    let (bytes, weight) = if boundary.is_some() { (PARTS_BYTES_MAX, 2) } else { (TABLE_BYTES_MAX, 1) };
    let (body, _room) = state.bodies.read(body, BodyLimit { bytes, weight, key_id: caller.key_id() }).await?;
    let (map, table) = match boundary {
        None => (shipped(query.map)?, body),
        Some(boundary) => parts(body, boundary, query.map).await?,
    };
    let (shop_id, zone) = (query.shop_id.clone(), state.context.calendar().zone());
    let opened = tokio::task::spawn_blocking(move || Opened::of(&map, table, shop_id.as_ref(), zone)).await;
    let mut opened = opened.map_err(|_| Problem::new(Kind::Internal, "the table could not be read"))??;
    let (rows, is_dry) = (Arc::clone(&opened.rows), query.dry_run == Some(true));
    let mut answer = ImportAnswer::new(&rows, is_dry);
    loop {
        let read = tokio::task::spawn_blocking(move || opened.next().map(|rows| (opened, rows))).await;
        let parcel;
        (opened, parcel) = read.map_err(|_| Problem::new(Kind::Internal, "the table could not be read"))??;
        if parcel.is_empty() {
            return Ok(Json(answer));
        }
        let acceptance = Acceptance::of(&state.context);
        let made: Vec<Vec<Made>> = parcel.iter().map(|row| made(&rows, row, &acceptance, &caller)).collect();
        let outcomes = write(&state, &caller, &made, is_dry).await?;
        answer.note(&parcel, made, outcomes);
        if !is_dry {
            answer.count_new(&state.telemetry);
        }
    }
}

/// The parts of a request that brings its own map.
#[derive(utoipa::ToSchema)]
#[allow(dead_code, reason = "describes the request; the parts are read one after another")]
pub(crate) struct ImportParts {
    /// The map, a TOML file.
    pub map: String,
    /// The table.
    pub file: String,
}

/// The boundary of a request in parts; `None`: it is a table.
fn boundary_of(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let wrong = |detail: &str| Problem::new(Kind::UnsupportedMediaType, detail.to_owned());
    match essence(headers).as_str() {
        "text/csv" | "text/tab-separated-values" => Ok(None),
        "multipart/form-data" => {
            let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
            let boundary = multer::parse_boundary(media_type.unwrap_or_default());
            boundary.map(Some).map_err(|_| wrong("Content-Type: multipart/form-data needs its boundary"))
        }
        _ => Err(wrong("Content-Type must be text/csv, text/tab-separated-values or multipart/form-data")),
    }
}

fn shipped(OneOf(map): OneOf<ShippedMap>) -> Result<TableMap, Problem> {
    let Some(map) = map else {
        let detail = "name a map (map=orders), or send one in multipart/form-data, in the part map";
        return Err(Problem::parameter("map", Code::MissingField, detail));
    };
    map.map().map_err(|faults| wrong_map(&faults))
}

fn wrong_map(faults: &[map_file::MapFault]) -> Problem {
    let faults: Vec<String> = faults.iter().map(map_file::MapFault::to_string).collect();
    Problem::new(Kind::InvalidBody, format!("the map is wrong: {}", faults.join("; ")))
}

/// The map and the table of a request in parts.
async fn parts(body: Bytes, boundary: String, named: OneOf<ShippedMap>) -> Result<(TableMap, Bytes), Problem> {
    let unreadable =
        |error: multer::Error| Problem::new(Kind::UnreadableBody, format!("the parts cannot be read: {error}"));
    let twice = |name| Problem::new(Kind::InvalidBody, format!("there are two parts {name}; send one of each"));
    let mut parts = multer::Multipart::new(stream::iter([Ok::<_, io::Error>(body)]), boundary);
    let (mut map, mut table) = (None, None);
    while let Some(part) = parts.next_field().await.map_err(unreadable)? {
        let name = part.name().unwrap_or_default().to_owned();
        let content = part.bytes().await.map_err(unreadable)?;
        match name.as_str() {
            "map" if named.0.is_some() => {
                let detail = "there is a part map, too; name a map, or send one";
                return Err(Problem::parameter("map", Code::Contradiction, detail));
            }
            "map" if map.is_some() => return Err(twice("map")),
            "file" if table.is_some() => return Err(twice("file")),
            "map" if content.len() > MAP_BYTES_MAX => {
                return Err(Problem::new(Kind::InvalidBody, "a map has at most 64 KiB"));
            }
            "map" => {
                let source = String::from_utf8_lossy(&content);
                map = Some(map_file::parse(&source).map_err(|faults| wrong_map(&faults))?);
            }
            "file" => table = Some(content),
            _ => {
                let detail = format!("there is a part {name:?}; the parts are map and file");
                return Err(Problem::new(Kind::InvalidBody, detail));
            }
        }
    }
    let map = match map {
        Some(map) => map,
        None => shipped(named)?,
    };
    let table = table.ok_or_else(|| Problem::new(Kind::InvalidBody, "there is no part file, which is the table"))?;
    Ok((map, table))
}

/// A table that can be read to its end, with the map laid over it.
struct Opened {
    table: TableFile<Cursor<Bytes>>,
    rows: Arc<RowReader>,
}

impl Opened {
    fn of(map: &TableMap, table: Bytes, shop_id: Option<&Id>, zone: chrono_tz::Tz) -> Result<Opened, Problem> {
        // Nothing is written of a table that breaks off.
        let mut whole = TableFile::open(Cursor::new(table.clone()), map).map_err(|error| unreadable(&error))?;
        while whole.next().map_err(|error| unreadable(&error))?.is_some() {}
        let table = TableFile::open(Cursor::new(table), map).map_err(|error| unreadable(&error))?;
        let rows = map.over(&table.header, shop_id.map(Id::as_str), zone).map_err(|faults| {
            let detail =
                format!("the map does not fit the table (shop_id says whose rows these are): {}", faults.join("; "));
            Problem::new(Kind::InvalidBody, detail)
        })?;
        Ok(Opened { table, rows: Arc::new(rows) })
    }

    /// The next rows; none at the end.
    fn next(&mut self) -> Result<Vec<Row>, Problem> {
        let mut rows = Vec::new();
        while rows.len() < ROWS
            && let Some(row) = self.table.next().map_err(|error| unreadable(&error))?
        {
            rows.push(row);
        }
        Ok(rows)
    }
}

fn unreadable(error: &io::Error) -> Problem {
    Problem::new(Kind::InvalidBody, format!("the table cannot be read: {error}"))
}

/// The events that a row makes and the caller may send, and what is wrong with others.
fn made(rows: &RowReader, row: &Row, acceptance: &Acceptance, caller: &Caller) -> Vec<Made> {
    if row.fault.is_some() {
        return vec![Made::of_row(row)];
    }
    let reading = rows.read(&row.cells);
    let read = |RowEvent { value, place }| match checked(read_made(value, acceptance), caller) {
        Ok(read) => Made::Event(read.event),
        Err(rejected) => Made::Faults(rejected.faults.iter().map(|fault| rows.fault_of(place, fault)).collect()),
    };
    let faults = reading.faults.into_iter().map(Made::Faults);
    faults.chain(reading.events.into_iter().map(read)).collect()
}

/// Writes what rows make; a caller that sends more than it may in a second waits.
async fn write(state: &App, caller: &Caller, made: &[Vec<Made>], is_dry: bool) -> Result<Vec<Outcome>, Problem> {
    let (key_id, relay) = (caller.key_id(), caller.relay());
    let sent = made.iter().flatten().filter_map(|made| match made {
        Made::Event(event) => Some(SentEvent { event: Arc::clone(event), key_id, relay, is_strict: false }),
        Made::Faults(_) => None,
    });
    let events: Vec<SentEvent> = sent.collect();
    if events.is_empty() {
        return Ok(Vec::new());
    }
    if is_dry {
        return Ok(rehearse_group(&events, &state.context).await?);
    }
    let mut outcomes = Vec::with_capacity(events.len());
    for events in events.chunks(EVENTS_AT_ONCE) {
        while caller.take(&state.limits, Unit::Events, events.len()).is_err() {
            tokio::time::sleep(PAUSE).await;
        }
        outcomes.extend(state.queue.write(events.to_vec(), Atomicity::EachAlone).await?);
    }
    Ok(outcomes)
}
