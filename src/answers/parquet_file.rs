//! A table as a Parquet file, written group by group, so that memory holds one group alone.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::NaiveDate;
use parquet::basic::{Compression, ConvertedType, Repetition, Type as Physical, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::Type;

use super::published::ReadError;
use crate::domain::decimal::{Decimal, PLACES_MAX};
use crate::domain::export::{Cell, Column, ColumnType};
use crate::storage::StoreError;

/// Rows of a group: what readers read at a time.
pub(super) const GROUP_ROWS: usize = 10_000;
/// Digits of decimals, of which six are places.
const DIGITS: i32 = 18;

/// A file on its way.
pub(super) struct ParquetFile {
    writer: SerializedFileWriter<Written>,
    written: Written,
}

/// What was written and not taken yet.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Cells that are not what their column says would be a mistake of this program.
fn wrong(error: &ParquetError) -> ReadError {
    ReadError::Store(StoreError::Corrupt(format!("the table cannot be written as Parquet: {error}")))
}

impl ParquetFile {
    pub(super) fn new(columns: &[Column]) -> Result<ParquetFile, ReadError> {
        let written = Written::default();
        let make = || {
            let fields = columns.iter().map(|column| field(column).map(Arc::new)).collect::<Result<Vec<_>, _>>()?;
            let schema = Type::group_type_builder("scores").with_fields(fields).build()?;
            let properties =
                WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default())).build();
            SerializedFileWriter::new(written.clone(), Arc::new(schema), Arc::new(properties))
        };
        let writer = make().map_err(|error| wrong(&error))?;
        Ok(ParquetFile { writer, written })
    }

    /// Adds rows, and returns what is written by then.
    pub(super) fn group(&mut self, columns: &[Column], rows: &[Vec<Cell>]) -> Result<Vec<u8>, ReadError> {
        let mut write = || {
            let mut group = self.writer.next_row_group()?;
            for (index, column) in columns.iter().enumerate() {
                let Some(mut writer) = group.next_column()? else { break };
                let cells = rows.iter().map(|row| row.get(index).unwrap_or(&Cell::None));
                write_column(&mut writer, column.column_type, cells)?;
                writer.close()?;
            }
            group.close().map(|_| ())
        };
        write().map_err(|error: ParquetError| wrong(&error))?;
        Ok(self.written.take())
    }

    /// Ends the file, and returns the rest of it.
    pub(super) fn end(self) -> Result<Vec<u8>, ReadError> {
        self.writer.close().map_err(|error| wrong(&error))?;
        Ok(self.written.take())
    }
}

fn field(column: &Column) -> Result<Type, ParquetError> {
    let (physical, converted) = match column.column_type {
        ColumnType::Text => (Physical::BYTE_ARRAY, ConvertedType::UTF8),
        ColumnType::Date => (Physical::INT32, ConvertedType::DATE),
        ColumnType::Integer => (Physical::INT64, ConvertedType::INT_64),
        ColumnType::Decimal => (Physical::INT64, ConvertedType::DECIMAL),
    };
    let field = Type::primitive_type_builder(&column.name, physical);
    let field = field.with_repetition(Repetition::OPTIONAL).with_converted_type(converted);
    let field = match column.column_type {
        ColumnType::Decimal => field.with_precision(DIGITS).with_scale(PLACES_MAX as i32),
        _ => field,
    };
    field.build()
}

fn write_column<'a>(
    writer: &mut SerializedColumnWriter<'_>,
    column_type: ColumnType,
    cells: impl Iterator<Item = &'a Cell>,
) -> Result<(), ParquetError> {
    match column_type {
        ColumnType::Text => write::<ByteArrayType>(writer, cells, |text| Some(ByteArray::from(text))),
        ColumnType::Date => write::<Int32Type>(writer, cells, |text| days(text.parse().ok()?)),
        ColumnType::Integer => write::<Int64Type>(writer, cells, |text| text.parse().ok()),
        ColumnType::Decimal => write::<Int64Type>(writer, cells, |text| text.parse().ok().map(Decimal::millionths)),
    }
}

/// Days since 1970.
fn days(date: NaiveDate) -> Option<i32> {
    i32::try_from(date.signed_duration_since(NaiveDate::default()).num_days()).ok()
}

fn write<'a, T: DataType>(
    writer: &mut SerializedColumnWriter<'_>,
    cells: impl Iterator<Item = &'a Cell>,
    read: impl Fn(&str) -> Option<T::T>,
) -> Result<(), ParquetError> {
    let (mut values, mut levels) = (Vec::new(), Vec::new());
    for cell in cells {
        let text = match cell {
            Cell::None => {
                levels.push(0);
                continue;
            }
            Cell::Text(text) | Cell::Number(text) => text,
        };
        let value = read(text).ok_or_else(|| ParquetError::General(format!("{text:?} is not what its column has")))?;
        values.push(value);
        levels.push(1);
    }
    writer.typed::<T>().write_batch(&values, Some(&levels), None).map(|_| ())
}

#[cfg(test)]
mod tests {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::Field;

    use super::ParquetFile;
    use crate::domain::export::{Cell, Column, ColumnType};

    #[test]
    fn cells_come_back_with_their_types() {
        let column = |name: &str, column_type| Column { name: name.to_owned(), column_type };
        let columns = [
            column("date", ColumnType::Date),
            column("id", ColumnType::Text),
            column("orders", ColumnType::Integer),
            column("score", ColumnType::Decimal),
        ];
        let text = |text: &str| Cell::Text(text.to_owned());
        let number = |text: &str| Cell::Number(text.to_owned());
        let rows = [
            vec![text("2026-11-20"), text("茶"), number("9007199254740993"), number("-4.6")],
            vec![text("1969-12-31"), text("=1+1"), Cell::None, Cell::None],
        ];
        let mut file = ParquetFile::new(&columns).expect("a file");
        let mut bytes = file.group(&columns, &rows[..1]).expect("a group");
        bytes.extend(file.group(&columns, &rows[1..]).expect("a group"));
        bytes.extend(file.end().expect("an end"));
        let reader = SerializedFileReader::new(parquet_bytes(bytes)).expect("a reader");
        assert_eq!(reader.metadata().num_row_groups(), 2);
        let read: Vec<Vec<Field>> = reader
            .get_row_iter(None)
            .expect("rows")
            .map(|row| row.expect("a row").get_column_iter().map(|(_, field)| field.clone()).collect())
            .collect();
        assert_eq!(
            read[0][..3],
            [Field::Date(20_777), Field::Str("茶".to_owned()), Field::Long(9_007_199_254_740_993)]
        );
        assert!(
            matches!(&read[0][3], Field::Decimal(decimal) if (decimal.scale(), decimal.data()) == (6, &(-4_600_000_i64).to_be_bytes()[..]))
        );
        assert_eq!(read[1], [Field::Date(-1), Field::Str("=1+1".to_owned()), Field::Null, Field::Null]);
        assert!(ParquetFile::new(&columns).expect("a file").group(&columns, &[vec![text("soon")]]).is_err());
    }

    fn parquet_bytes(bytes: Vec<u8>) -> axum::body::Bytes {
        bytes.into()
    }
}
