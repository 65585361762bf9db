//! `shopscore export`: every card of a revision in a file.

pub(super) mod settings;

use std::fmt;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;

use self::settings::{ExportKind, ExportSettings};
use super::exit::{CommandError, Status};
use super::open::open_checked;
use super::report::show;
use super::settings::Cli;
use crate::answers::export::WantedExport;
use crate::answers::published::ReadError;
use crate::answers::source::Source;
use crate::answers::table::{ExportFormat, Table};
use crate::domain::subject::SubjectKind;
use crate::storage::private::Sharing;

impl ExportKind {
    fn kind(self) -> SubjectKind {
        match self {
            ExportKind::Shops => SubjectKind::Shop,
            ExportKind::Creators => SubjectKind::Creator,
        }
    }
}

#[derive(Serialize)]
struct Exported {
    file: String,
    date: chrono::NaiveDate,
    revision: i32,
    rule_set: String,
    bytes: u64,
}

impl fmt::Display for Exported {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Exported { file, date, revision, rule_set, bytes } = self;
        write!(formatter, "{file}: {bytes} bytes, {rule_set} of {date}, revision {revision}")
    }
}

pub(super) async fn export(cli: &Cli, settings: &ExportSettings) -> Result<ExitCode, CommandError> {
    let extension = settings.out.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let format = ExportFormat::parse(extension);
    let format = format.ok_or_else(|| CommandError::usage("--out must end in .csv, .ndjson or .parquet"))?;
    let opened = open_checked(cli, Sharing::Join).await?;
    let source = Source::new(&opened.context);
    let date = settings.date.map(|word| word.date(opened.context.today()));
    let (kind, rule_set) = (settings.kind.kind(), settings.rule_set.clone());
    let wanted = WantedExport { date, revision: None, kind, rule_set, ids: None };
    let written = write(&source, wanted, format, settings).await;
    opened.close().await;
    show(&written?, cli.form());
    Ok(Status::Done.into())
}

/// Writes the table beside the file and moves it into place when it is whole.
async fn write(
    source: &Source,
    wanted: WantedExport,
    format: ExportFormat,
    settings: &ExportSettings,
) -> Result<Exported, CommandError> {
    let export = source.export(wanted).await.map_err(|error| refused(&error))?;
    let (key, rule_set) = (export.key, export.rule_set.id.clone());
    let mut table = Table::new(export, format, settings.bom);
    let aside = settings.out.with_extension("part");
    let cannot =
        |path: &Path, error: std::io::Error| CommandError::input(format!("cannot write {}: {error}", path.display()));
    let mut file = File::create(&aside).map_err(|error| cannot(&aside, error))?;
    let mut bytes = 0;
    while let Some(piece) = table.next().await.map_err(|error| refused(&error))? {
        file.write_all(&piece).map_err(|error| cannot(&aside, error))?;
        bytes += piece.len() as u64;
    }
    file.sync_all()
        .and_then(|()| std::fs::rename(&aside, &settings.out))
        .map_err(|error| cannot(&settings.out, error))?;
    let file = settings.out.display().to_string();
    Ok(Exported { file, date: key.date, revision: key.revision, rule_set, bytes })
}

fn refused(error: &ReadError) -> CommandError {
    match error {
        ReadError::Missing(_) => {
            CommandError::input("no scores of this date are published; shopscore run --date computes them")
        }
        ReadError::Parameter(_, detail) => CommandError::input(detail.to_string()),
        other => CommandError::failed(other.to_string()),
    }
}
