//! `shopscore import`: a table, such as a back office exports it, straight into the database by a map.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use csv::WriterBuilder;

use super::input::{Input, Item, ParcelSize, Source, decompressed};
use super::load::{Database, Made, complaints, into_database};
use super::rejects::{Complaint, Content, Rejects};
use super::settings::ImportSettings;
use super::{Fate, Fates, Reading, Sink, transfer};
use crate::answers::table::BYTE_ORDER_MARK;
use crate::cli::exit::CommandError;
use crate::cli::report::tell;
use crate::cli::settings::Cli;
use crate::clock::Clock;
use crate::connect::table::file::{Row, TableFile};
use crate::connect::table::map::TableMap;
use crate::connect::table::map_file;
use crate::connect::table::row::{RowEvent, RowFault, RowReader};
use crate::connect::table::shipped::ShippedMap;
use crate::domain::calendar::Calendar;
use crate::domain::fault::Code;
use crate::domain::words::Word;
use crate::ingest::door::{Acceptance, read_made};

/// How much is written together: a row makes several events.
const SIZE: ParcelSize = ParcelSize { items: 1_500, bytes: 8 * 1024 * 1024 };

pub(crate) async fn import(cli: &Cli, settings: &ImportSettings) -> Result<ExitCode, CommandError> {
    let map = map_of(&settings.map)?;
    let Source { reader, place } = Source::open(&settings.file)?;
    let opened = {
        let map = map.clone();
        tokio::task::spawn_blocking(move || TableFile::open(decompressed(reader)?, &map)).await?
    };
    let mut table = opened.map_err(|error| place.unreadable(&error))?;
    let shop_id = settings.shop.as_deref();
    let rows = map.over(&table.header, shop_id, cli.scoring.time_zone).map_err(|faults| unfit(settings, &faults))?;
    for absent in &rows.absent {
        tell(format_args!("no {} is made: the table has no column {}", absent.event_type, absent.columns.join(" or ")));
    }
    let rejects = if settings.check {
        Rejects::listed(cli.form())
    } else {
        Rejects::later(
            rejects_path(settings),
            &settings.file,
            settings.from > 1,
            line_of((BYTE_ORDER_MARK.as_bytes(), table.delimiter), "#line", "#reason", rows.columns()),
        )?
    };
    let input = Input::start(place, settings.from, SIZE, move |packing| {
        while let Some(row) = table.next()? {
            let bytes = row.cells.as_byte_record().as_slice().len();
            packing.add(("line", row.line), row, bytes)?;
        }
        Ok(())
    });
    let reading = Reading { input, from: settings.from, rejects };
    let rows = Arc::new(rows);
    let (mut summary, ended) = if settings.check {
        let calendar = Calendar::new(cli.scoring.time_zone);
        let acceptance = Acceptance::new(&cli.intake, &cli.retention, calendar, Clock::System.now());
        transfer(Checking { rows, acceptance }, reading, cli.voice()).await?
    } else {
        into_database(cli, reading, |database| Importing { rows, database }).await?
    };
    summary.rows.get_or_insert_default();
    summary.dry_run = settings.check;
    summary.conclude(ended, cli.form())
}

/// The map of a name, or of a file.
fn map_of(name: &str) -> Result<TableMap, CommandError> {
    let unread = |error: io::Error| {
        CommandError::input(format!("--map {name}: {error}; it is a file, or one of {}", ShippedMap::list()))
    };
    let map = match ShippedMap::parse(name) {
        Some(shipped) => shipped.map(),
        None => map_file::parse(&std::fs::read_to_string(name).map_err(unread)?),
    };
    map.map_err(|faults| {
        let faults: Vec<String> = faults.iter().map(|fault| format!("{name}: {fault}")).collect();
        CommandError::input(format!("the map is wrong\n{}", faults.join("\n")))
    })
}

fn unfit(settings: &ImportSettings, faults: &[String]) -> CommandError {
    let file = settings.file.display();
    CommandError::input(format!(
        "the map does not fit {file} (--shop says whose rows these are)\n{}",
        faults.join("\n")
    ))
}

/// Where rejected rows are written: beside the file, if nothing else is said and there is one.
fn rejects_path(settings: &ImportSettings) -> Option<PathBuf> {
    settings.rejects.clone().or_else(|| {
        let name = settings.file.to_str().filter(|_| settings.file != Path::new("-"))?;
        Some(PathBuf::from(format!("{name}.rejected.csv")))
    })
}

/// A line of a file of rejected rows: the cells behind the line's number and the reason.
fn line_of<'a>(
    (before, delimiter): (&[u8], u8),
    line: &str,
    reason: &str,
    cells: impl IntoIterator<Item = impl AsRef<[u8]> + 'a>,
) -> Vec<u8> {
    let mut writer = WriterBuilder::new().flexible(true).delimiter(delimiter).from_writer(before.to_vec());
    let ours = [line.as_bytes().to_vec(), reason.as_bytes().to_vec()];
    // A vector takes whatever is written.
    let _ = writer.write_record(ours.into_iter().chain(cells.into_iter().map(|cell| cell.as_ref().to_vec())));
    writer.into_inner().unwrap_or_default()
}

impl Content for Row {
    const UNIT: &'static str = "rows";
    const IS_ROW: bool = true;

    fn reject(&self, number: u64, errors: &[Complaint]) -> Vec<u8> {
        let reasons: Vec<String> = errors.iter().map(ToString::to_string).collect();
        line_of((&[], self.delimiter), &number.to_string(), &reasons.join("; "), self.cells.iter())
    }
}

/// The events that a row makes, and what is wrong with those that it would make.
fn made(rows: &RowReader, row: &Row, acceptance: &Acceptance) -> Vec<Made> {
    if let Some(fault) = &row.fault {
        let complaint =
            Complaint { code: Code::InvalidValue.to_string(), pointer: String::new(), detail: fault.clone() };
        return vec![Err(vec![complaint])];
    }
    let reading = rows.read(&row.cells);
    let complaint = |RowFault { column, code, detail }| Complaint {
        code: code.to_string(),
        pointer: column.unwrap_or_default(),
        detail,
    };
    let faults = reading.faults.into_iter().map(|faults| Err(faults.into_iter().map(complaint).collect()));
    let read = |RowEvent { value, place }| {
        read_made(value, acceptance).map_err(|rejected| {
            let of_column = rejected.faults.iter().map(|fault| rows.fault_of(place, fault));
            of_column.map(complaint).collect()
        })
    };
    faults.chain(reading.events.into_iter().map(read)).collect()
}

/// Rows into the database.
#[derive(Clone)]
struct Importing {
    rows: Arc<RowReader>,
    database: Database,
}

impl Sink for Importing {
    type Content = Row;

    async fn store(&self, items: &[Item<Row>]) -> Result<Vec<Fates>, CommandError> {
        let acceptance = self.database.acceptance();
        let made = items.iter().map(|item| made(&self.rows, &item.content, &acceptance)).collect();
        self.database.write(made).await
    }
}

/// Rows that are only checked.
#[derive(Clone)]
struct Checking {
    rows: Arc<RowReader>,
    acceptance: Acceptance,
}

impl Sink for Checking {
    type Content = Row;

    async fn store(&self, items: &[Item<Row>]) -> Result<Vec<Fates>, CommandError> {
        let fate = |made: Made| match made {
            Ok(read) => Fate::Accepted(complaints(&read.warnings)),
            Err(errors) => Fate::Rejected(errors),
        };
        let fates =
            |item: &Item<Row>| made(&self.rows, &item.content, &self.acceptance).into_iter().map(fate).collect();
        Ok(items.iter().map(fates).collect())
    }
}
