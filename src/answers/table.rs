//! An export as a file: CSV (RFC 4180), one JSON object a line, or Parquet.

use csv::{Terminator, WriterBuilder};
use serde_json::{Map, Value};

use super::export::Export;
use super::parquet_file::{GROUP_ROWS, ParquetFile};
use super::published::ReadError;
use crate::domain::export::{Cell, Column, columns, row};
use crate::domain::words::words;

words! {
    /// How a table is written.
    pub(crate) enum ExportFormat {
        /// With a row of column names first (RFC 4180).
        Csv = "csv",
        /// One JSON object a line, without members that are null.
        Ndjson = "ndjson",
        /// Columns with their types, compressed.
        Parquet = "parquet",
    }
}

/// A table on its way.
pub(crate) struct Table {
    export: Export,
    columns: Vec<Column>,
    format: ExportFormat,
    /// The file that is being written, in Parquet.
    parquet: Option<ParquetFile>,
    has_mark: bool,
    is_begun: bool,
}

impl Table {
    /// `has_mark`: CSV begins with a byte order mark.
    pub(crate) fn new(export: Export, format: ExportFormat, has_mark: bool) -> Table {
        Table { columns: columns(&export.rule_set), export, format, parquet: None, has_mark, is_begun: false }
    }

    /// The next piece of the table; `None` at its end.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<u8>>, ReadError> {
        if self.format == ExportFormat::Parquet {
            return self.next_of_parquet().await;
        }
        let mut piece = Vec::new();
        if !self.is_begun && self.format == ExportFormat::Csv {
            piece.extend_from_slice(if self.has_mark { BYTE_ORDER_MARK.as_bytes() } else { b"" });
            let names: Vec<Cell> = self.columns.iter().map(|column| Cell::Text(column.name.clone())).collect();
            piece.extend(csv_rows([names.as_slice()].into_iter()));
        }
        let rows = self.rows().await?;
        match self.format {
            ExportFormat::Csv => piece.extend(csv_rows(rows.iter().map(Vec::as_slice))),
            ExportFormat::Ndjson | ExportFormat::Parquet => rows.iter().for_each(|row| piece.extend(self.line(row))),
        }
        self.is_begun = true;
        Ok((!piece.is_empty()).then_some(piece))
    }

    /// The next rows; none at the end.
    async fn rows(&mut self) -> Result<Vec<Vec<Cell>>, ReadError> {
        let page = self.export.next().await.inspect_err(|error| tracing::warn!(%error, "an export broke off"))?;
        let (rule_set, key) = (&self.export.rule_set, self.export.key);
        Ok(page.iter().map(|(id, card)| row(rule_set, key, id, card)).collect())
    }

    async fn next_of_parquet(&mut self) -> Result<Option<Vec<u8>>, ReadError> {
        let mut file = match self.parquet.take() {
            Some(file) => file,
            None if self.is_begun => return Ok(None),
            None => ParquetFile::new(&self.columns)?,
        };
        self.is_begun = true;
        let mut rows = Vec::new();
        while rows.len() < GROUP_ROWS {
            let more = self.rows().await?;
            if more.is_empty() {
                break;
            }
            rows.extend(more);
        }
        if rows.is_empty() {
            return Ok(Some(file.end()?));
        }
        let piece = file.group(&self.columns, &rows)?;
        self.parquet = Some(file);
        Ok(Some(piece))
    }

    fn line(&self, row: &[Cell]) -> Vec<u8> {
        let value = |cell: &Cell| match cell {
            Cell::None => None,
            Cell::Text(text) => Some(Value::String(text.clone())),
            Cell::Number(number) => serde_json::from_str(number).ok(),
        };
        let members =
            self.columns.iter().zip(row).filter_map(|(column, cell)| Some((column.name.clone(), value(cell)?)));
        let mut line = Value::Object(members.collect::<Map<_, _>>()).to_string().into_bytes();
        line.push(b'\n');
        line
    }
}

/// The mark in front of UTF-8 that some spreadsheets ask for, also before rejected rows of a table.
pub(crate) const BYTE_ORDER_MARK: &str = "\u{feff}";

/// Rows as text. A text that a spreadsheet would take for a formula has a quotation mark in front (OWASP, CSV injection).
pub(crate) fn csv_rows<'a>(rows: impl Iterator<Item = &'a [Cell]>) -> Vec<u8> {
    let mut writer = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(Vec::new());
    for row in rows {
        // A vector takes whatever is written.
        let _ = writer.write_record(row.iter().map(written));
    }
    writer.into_inner().unwrap_or_default()
}

fn written(cell: &Cell) -> String {
    match cell {
        Cell::None => String::new(),
        Cell::Number(number) => number.clone(),
        Cell::Text(text) if text.starts_with(['=', '+', '-', '@', '\t', '\r']) => format!("'{text}"),
        Cell::Text(text) => text.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::csv_rows;
    use crate::domain::export::Cell;

    #[test]
    fn what_is_no_formula_stays_none() {
        let text = |text: &str| Cell::Text(text.to_owned());
        let row =
            [text("=1+1"), text("a,b \"c\""), Cell::Number("-1.5".to_owned()), Cell::None, text("-x"), text("饮料")];
        let written = csv_rows([row.as_slice()].into_iter());
        assert_eq!(String::from_utf8_lossy(&written), "'=1+1,\"a,b \"\"c\"\"\",-1.5,,'-x,饮料\r\n");
    }
}
